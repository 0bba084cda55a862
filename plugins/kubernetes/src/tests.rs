//! The whole directive, from Corefile text to replies, over the objects of `tests/cluster.yaml`.

mod answers;
mod harness;
