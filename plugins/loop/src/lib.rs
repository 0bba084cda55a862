//! Finds forwarding loops.
