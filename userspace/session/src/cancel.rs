//! Cancel keys: the agent holds a secret of ours, the database's own never leaves.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::Subject;

/// The longest secret that protocol 3.2 allows (protocol-message-formats, BackendKeyData).
pub const SECRET_MAX: usize = 256;

/// A backend's process id and the secret that proves the right to cancel.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The server's own process id; it is passed on unchanged.
    pub pid: i32,
    secret: Box<[u8]>,
}

impl Key {
    /// `None` when the secret is longer than the protocol allows.
    pub fn new(pid: i32, secret: &[u8]) -> Option<Key> {
        (secret.len() <= SECRET_MAX).then(|| Key { pid, secret: secret.into() })
    }

    /// The secret's bytes.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key {{ pid: {}, secret: {} bytes }}", self.pid, self.secret.len())
    }
}

/// Where a cancel request with an issued key goes, and who may send it.
#[derive(Clone, Debug)]
pub struct CancelTarget {
    /// The database that the session is connected to.
    pub origin: SocketAddr,
    /// The key that the database issued.
    pub key: Key,
    /// The agent of the session; another agent's request is dropped.
    pub subject: Arc<Subject>,
    /// The session that is to be cancelled, for the record.
    pub session: u64,
    /// Its statement waits for a person: there is nothing for the database to cancel.
    pub held: Arc<AtomicBool>,
}

/// The map of issued keys, shared by the shards because a cancel request may land on any. Touched at login and cancel only.
pub trait Cancels {
    /// Remembers that `issued` stands for `target`.
    fn register(&self, issued: Key, target: CancelTarget);
    /// Whom `issued` stands for.
    fn find(&self, issued: &Key) -> Option<CancelTarget>;
    /// The session is over.
    fn forget(&self, issued: &Key);
}

/// A statement of the session is to be cancelled, on a connection of its own. Whoever does it says [`crate::Input::CancelIsOver`] with
/// the same number once the server has closed that connection, or cannot be reached.
#[derive(Clone, Debug)]
pub struct CancelAsk {
    /// Which cancel of the session.
    pub number: u64,
    /// The session.
    pub session: u64,
    /// The configured name of the database's endpoint.
    pub database: String,
    /// Where its database is.
    pub origin: SocketAddr,
    /// The key that the database issued.
    pub key: Key,
    /// Nobody waits any more from then on, monotonic nanoseconds.
    pub until_ns: u64,
}
