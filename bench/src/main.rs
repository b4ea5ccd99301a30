//! Placeholder until its author writes it.
fn main() {}
