//! What sessions have asked for, handed to them; of logins also what is recorded and counted.

use std::sync::Arc;

use audit::{Event, Operator};
use control::{Figure, Source};
use pan::Masked;
use session::Injected;

use super::{Service, figure, operator};
use crate::logins::Figures;

impl Service {
    /// Nobody can be asked about what the session holds: it is denied.
    pub fn unheard(&self, session: u64, ask: session::AskId) {
        if self.with_handle(|handle| handle.unheard(session, ask)).is_none_or(|heard| heard.is_err()) {
            tracing::error!(%ask, "a shard does not listen: a held statement waits until it expires");
        }
    }

    /// A word that was said before goes to the session that has just asked.
    pub fn take_to_session(&self, vote: &control::approvals::Vote) {
        if !Source::vote(self, vote) {
            tracing::error!(approval = %vote.id, "a shard does not listen: what stands is not taken to a held statement");
        }
    }

    /// The session's cancel is over. A shard that does not hear it waits until it is late.
    pub fn cancel_is_over(&self, session: u64, number: u64) {
        let _ = self.with_handle(|handle| handle.cancel_is_over(session, number));
    }

    /// What the planner said of the statement that the session keeps waiting. A shard that does not hear it waits until it is late.
    pub fn estimated(&self, session: u64, number: u64, estimate: Option<session::Estimate>) {
        let _ = self.with_handle(|handle| handle.estimated(session, number, estimate));
    }

    /// The session hears its login, or why there is none. A shard that does not hear it waits until the login is late.
    pub(crate) fn given(&self, session: u64, login: Result<Arc<Injected>, Masked>) {
        let _ = self.with_handle(|handle| handle.given(session, login));
    }

    /// False: no shard listens.
    pub(crate) fn record_credential<'a>(&self, event: impl FnOnce(Operator<'static>) -> Event<'a>) -> bool {
        self.tell_record(&event(operator()))
    }

    /// What is counted of logins of ours.
    pub(crate) fn logins_figures(&self) -> &Figures {
        &self.logins
    }

    /// Them, where there is something to count.
    pub(super) fn logins_shown(&self) -> impl Iterator<Item = Figure> {
        let counted = self.logins.each().into_iter().filter(|_| self.config.makes_logins());
        counted.map(|(name, help, value)| Figure { help, ..figure(name, value, Vec::new()) })
    }
}
