//! The program `interceptor`: composition root and kernel loader, as a library so that its tests can reach its rooms.
#![deny(unsafe_code)] // the loader's modules that need it say so

pub mod cli;
pub mod config;
pub mod identity;
pub mod load;
pub mod origin;
pub mod privileges;
