//! PostgreSQL.

pub mod rewrite;
