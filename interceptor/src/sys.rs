//! System calls that neither std nor nix makes safe, outside the loader (which has its own: `load::sys`).

pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod locked;
pub(crate) mod peer;
