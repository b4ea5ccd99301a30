//! Attacks on masking, by what they do: each is seen, and the controls stay clean.

mod elsewhere;
mod objects;
mod questions;
mod spellings;
mod values;
