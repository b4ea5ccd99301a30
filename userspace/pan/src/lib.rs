//! Find and mask card numbers in place.
