//! What became of a job's token: recorded, and told to its sessions.

use std::sync::Arc;

use control::TokenNews;
use pan::Masked;

use super::{Service, operator};
use crate::identities;

impl Service {
    /// False: it could not be recorded, and counts for nothing.
    pub(super) fn token_came(&self, news: &TokenNews<'_>) -> bool {
        let mut written = false;
        identities::recorded(news, operator(), |event| written = self.tell_record(event));
        let Some(binding) = news.binding else {
            if news.change == control::KEYS_CHANGED {
                tracing::info!(what = news.why.map(|why| Masked::of(why).as_str().to_owned()), "keys of an issuer");
                return written;
            }
            tracing::warn!(why = news.why.map(|why| Masked::of(why).as_str().to_owned()), "a token was refused");
            return written;
        };
        // A revocation holds whether or not it can be written down.
        if !written && binding.revoked.is_none() {
            return false;
        }
        let (whose, signed) = (identities::whose(&binding.job), Arc::new(identities::signed(binding)));
        self.known.signed().set(whose.clone(), Arc::clone(&signed));
        if !self.tell_sessions(&whose, &signed) {
            tracing::warn!(job = %binding.job, "a shard has too much to read: its sessions are told again what their token says now");
            self.known.signed().left_untold(whose, signed);
        }
        true
    }

    /// Who fetches the tokens of jobs, before the first session asks.
    pub fn fetches_by(&self, workloads: &Option<Arc<control::Workloads>>) {
        if let Some(workloads) = workloads {
            let _ = self.workloads.set(Arc::clone(workloads));
        }
    }

    /// A session asks for its job's token. Who finds no room is told at once.
    pub(crate) fn asks_token(&self, ask: &session::TokenAsk) {
        let ask = control::SvidAsk { session: ask.session, process: crate::origins::process(&ask.subject) };
        if self.workloads.get().is_none_or(|workloads| !workloads.ask(ask.clone())) {
            self.identified(&ask, Err("too many sessions wait for one"));
        }
    }

    /// The session hears its job's token, or why there is none.
    pub(super) fn identified(&self, ask: &control::SvidAsk, outcome: Result<(), &str>) {
        let token = outcome.map_err(Masked::of).and_then(|()| {
            let bound = self.token_of(ask.process.caller.cgroup, &ask.process.agent);
            bound.ok_or_else(|| Masked::literal("it is bound no more"))
        });
        let told = self.with_handle(|handle| handle.identified(ask.session, token));
        if told.is_some_and(|told| told.is_err()) {
            tracing::warn!("a shard has too much to read: a session that waits for its job's token is not told");
        }
    }

    /// The token that is bound to this job now.
    pub(crate) fn token_of(&self, cgroup: u64, agent: &str) -> Option<Arc<session::Signed>> {
        self.known.signed().of(cgroup, agent)
    }

    /// Once a second: what a shard had no place for. Sessions that have heard it already pass over it.
    pub fn tell_again(&self) {
        for (whose, signed) in self.known.signed().take_untold() {
            if !self.tell_sessions(&whose, &signed) {
                self.known.signed().left_untold(whose, signed);
            }
        }
    }

    /// Where the service is ending there is nobody to tell.
    fn tell_sessions(&self, whose: &proxy::Whose, signed: &Arc<session::Signed>) -> bool {
        self.with_handle(|handle| handle.signed(whose, signed)).is_none_or(|told| told.is_ok())
    }
}
