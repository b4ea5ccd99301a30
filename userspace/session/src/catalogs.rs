//! Sensitive columns by table and attribute number, kept per shard.

/// The cache; one per shard.
#[derive(Debug, Default)]
pub struct Catalogs {}
