//! Judged statements, kept per shard by their exact bytes.

/// The cache; one per shard.
#[derive(Debug, Default)]
pub struct StatementCache {}
