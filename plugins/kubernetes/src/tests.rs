//! The whole directive, from Corefile text to replies, over the objects of `tests/cluster.yaml`.

mod answers;
mod harness;
mod life;
mod settings;
mod whole;
