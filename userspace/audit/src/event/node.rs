//! What a checkpoint tells of the node.

/// What the kernel says of its clock (adjtimex(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// It follows a source of time.
    pub synced: bool,
    /// What is still being corrected, microseconds, without its sign.
    pub offset_us: u64,
    /// How far it may be off at most, microseconds.
    pub error_us: u64,
}

/// How far one series is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its shard.
    pub shard: u16,
    /// How many records.
    pub size: u64,
    /// Their root.
    pub root: crate::chain::Hash,
}
