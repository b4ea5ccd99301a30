//! A token for one session's job that has none: where its agent's are fetched, the session asks for it at its start and waits.

use std::fmt;
use std::sync::Arc;

use crate::Subject;

/// Whoever answers does so by [`crate::Input::Identified`].
#[derive(Clone)]
pub struct TokenAsk {
    /// The session that waits.
    pub session: u64,
    /// Who asks.
    pub subject: Arc<Subject>,
}

impl fmt::Debug for TokenAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAsk").field("session", &self.session).finish_non_exhaustive()
    }
}
