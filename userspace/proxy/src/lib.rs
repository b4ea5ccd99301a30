//! Shards: accept, upstream, journal, mailbox; one thread, one ring each.
//!
//! [`start`] makes as many shards as it is told to and returns a [`Handle`]. Each [`Shard`] accepts redirected connections, asks
//! its [`Origins`] who is behind them, pairs the agent's socket with one to the true database, and moves bytes between them as
//! the [`session`] crate says. It reaches the world through one seam, [`Driver`]: the ring, or a simulated world in tests.
//!
//! What holds here, and is tested:
//! - nothing of a call leaves before the call's records are in the segment, and none to the database before they are on disk
//!   where the session asks for it;
//! - a side is read again only when all that came of its last chunk is sent, so memory per direction is one buffer;
//! - a session lives and dies on one shard, and no lock is taken for a message;
//! - what cannot be recorded, admitted or afforded is refused and counted.
#![forbid(unsafe_code)]

mod accept;
mod act;
mod aside;
mod asks;
mod cancels;
mod conversation;
mod counters;
mod driver;
mod ending;
mod flow;
mod hashing;
mod head;
mod journal;
mod latency;
mod left;
mod link;
mod lost;
mod mailbox;
mod origins;
mod recovery;
mod results;
mod sessions;
mod settings;
mod shard;
#[cfg(test)]
mod sim;
mod slab;
mod slow;
mod start;
mod supply;
mod tail;
mod tainted;
mod timers;
mod tls;
mod token;

pub use accept::SESSION_BITS;
pub use aside::{LargeLine, STACK_BYTES};
pub use asks::AskLine;
pub use conversation::Conversation;
pub use counters::{Counters, Snapshot};
pub use driver::{Driver, Segment};
pub use hashing::HashLine;
pub use head::DurableHead;
pub use journal::{Journal, RecordFailure};
pub use latency::{Latencies, Spread, Stage};
pub use left::{take_in_all, waiting};
pub use mailbox::{Inbox, Mailbox, Unheard, Whose};
pub use origins::{Admitted, Origins};
pub use recovery::{OpenError, settle};
pub use results::ResultLine;
pub use sessions::LiveSession;
pub use settings::{Durability, RecordSettings, Settings, ShardLimits};
pub use shard::{Parts, Shard, Stopped};
pub use slow::{Slow, SlowLog, Spent};
pub use start::{Handle, StartError, start};
pub use supply::Supply;
pub use tainted::TaintFile;
pub use tls::{AgentTls, DatabaseTls, KeyError, Tls};
