use std::net::SocketAddr;
use std::sync::Arc;

use session::{Database, Signed, Subject};

use crate::tls::Tls;

/// A redirected connection, as the kernel half handed it over.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The address that the agent dialled.
    pub destination: SocketAddr,
    /// The endpoint of the configuration that this address belongs to.
    pub database: Arc<Database>,
    /// Keys and certificates of its two legs.
    pub tls: Arc<Tls>,
    /// Who asked, frozen at connect.
    pub subject: Arc<Subject>,
    /// The token that is bound to its job.
    pub signed: Option<Arc<Signed>>,
}

/// What the kernel half knows of connections that were not accepted yet. One per shard; its calls are short system calls.
pub trait Origins: Send {
    /// Takes the entry of the connection with these two ends out of the kernel map. `None`: nobody redirected it, or whoever did is
    /// no agent (any more); the connection is closed.
    fn take(&mut self, agent: SocketAddr, local: SocketAddr) -> Option<Admitted>;
    /// Drops entries whose connection was never accepted; called every ten seconds.
    fn sweep(&mut self);
}
