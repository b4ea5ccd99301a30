use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use audit::segment::SEGMENT_LEN;
use audit::token::CardKey;
use session::Limits;

/// When a record must be on disk. There is no weaker setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What changes data, was held or reveals a clear value waits for the disk; every other record is there within 10 ms.
    #[default]
    Standard,
    /// Beside that, no answer leaves before all records written so far are on disk.
    Strict,
}

/// How shards are set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where redirected sockets land, on both loopback addresses; 0 picks a free port.
    pub port: u16,
    /// How many shards; each has a thread, a ring and a listener of its own, and shard `n` runs on the n-th allowed CPU.
    pub shards: u16,
    /// Limits of each shard.
    pub shard: ShardLimits,
    /// Bounds of each session.
    pub limits: Limits,
    /// Where records go.
    pub record: RecordSettings,
    /// What card numbers are told by in them.
    pub card_key: Arc<CardKey>,
}

/// Bounds of one shard. Over a bound the answer is backpressure or a refusal, never growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardLimits {
    /// Sessions at a time; further connections are closed and counted.
    pub sessions: u32,
    /// Sessions of one agent at a time; further connections of it are closed and counted.
    pub sessions_per_agent: u32,
    /// Sessions at a time whose database is not connected yet; further connections wait in the listener's backlog.
    pub handshakes: u32,
    /// Receive buffers of 64 KiB, given memory when first touched. A direction holds one from a receive until what came of
    /// it is sent, so with twice the sessions a slow reader can never starve another session.
    pub buffers: u16,
    /// Bytes of results that are being recorded, of all sessions together: what is kept of them, waits to be packed, and waits to be written. Of
    /// what finds no room there are a count and a hash. A short result's are its session's own.
    pub results: usize,
    /// How long a connection to the database may take.
    pub connect: Duration,
    /// Statements that take so long and longer are told to the log; `None`: none is.
    pub slow: Option<Duration>,
    /// How long a session that is over may take to hand its last bytes to its agent.
    pub linger: Duration,
}

impl Default for ShardLimits {
    fn default() -> ShardLimits {
        ShardLimits {
            sessions: 4096,
            sessions_per_agent: 2048,
            handshakes: 512,
            buffers: 8192,
            results: 32 << 20,
            connect: Duration::from_secs(10),
            slow: None,
            linger: Duration::from_secs(5),
        }
    }
}

/// Where and how records are kept.
#[derive(Clone, Debug)]
pub struct RecordSettings {
    /// The directory of all segments, mode 0700 and the service's own.
    pub directory: PathBuf,
    /// Bytes of one segment, within the bounds of [`audit::segment`].
    pub segment_bytes: usize,
    /// The boot of the host, where it is known otherwise than by asking the kernel, which may hide it.
    pub boot_id: Option<[u8; 16]>,
    /// SHA-256 of the configuration, for the segments' headers.
    pub config: [u8; 32],
    /// When records must be on disk.
    pub durability: Durability,
}

impl RecordSettings {
    /// Segments of the usual size, standard durability, and a configuration of which nothing is known.
    pub fn new(directory: PathBuf) -> RecordSettings {
        let (segment_bytes, durability) = (SEGMENT_LEN, Durability::Standard);
        RecordSettings { directory, segment_bytes, boot_id: None, config: [0; 32], durability }
    }
}
