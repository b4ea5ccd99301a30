//! A login for one session that is not known beforehand: the session asks for it at its start and waits, for as long as a login may take.
//! Whoever makes it (a plugin, a role for the job) is never the shard.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::{Signed, Subject};

/// Whoever answers does so by [`crate::Input::Given`].
#[derive(Clone)]
pub struct LoginAsk {
    /// The session that waits.
    pub session: u64,
    /// The configured name of the database's endpoint.
    pub database: String,
    /// The address that the agent dialled.
    pub origin: SocketAddr,
    /// The user that the agent wrote.
    pub user: Box<str>,
    /// Who asks.
    pub subject: Arc<Subject>,
    /// The token that counts for its job.
    pub signed: Option<Arc<Signed>>,
}

impl fmt::Debug for LoginAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAsk")
            .field("session", &self.session)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
