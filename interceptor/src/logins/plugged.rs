//! One database's plugin: what it printed last serves every session until shortly before its end, and is renewed before anybody waits.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use audit::{CredentialSeen, Event};
use pan::Masked;
use session::{Injected, LoginAsk};

use crate::approvals::now_s;
use crate::plugin::{Credential, Runner};
use crate::service::Service;
use crate::sys::locked::Locked;

/// One that failed is not run again before: all that wait meanwhile hear the same.
const PAUSE: Duration = Duration::from_secs(5);
/// So often it is looked whether there is something to do.
const TURN: Duration = Duration::from_secs(1);
/// No session is given a login that ends sooner.
const LEFT_MIN_S: u64 = 3;

/// What is known of it.
pub(super) struct Plugged {
    database: String,
    runner: Runner,
    in_clear: bool,
    held: Option<Held>,
    failed: Option<(Instant, String)>,
}

struct Held {
    login: Arc<Injected>,
    /// Seconds since 1970.
    until_s: u64,
    renew_s: u64,
    /// A session was given it; one that nobody uses is not renewed.
    used: bool,
}

impl Plugged {
    pub(super) fn new(database: String, runner: Runner, in_clear: bool) -> Plugged {
        Plugged { database, runner, in_clear, held: None, failed: None }
    }

    pub(super) fn serve(mut self, service: &Weak<Service>, asks: &Receiver<Box<LoginAsk>>) {
        loop {
            let ask = asks.recv_timeout(TURN);
            let Some(service) = service.upgrade() else { return };
            match ask {
                Ok(ask) => {
                    let login = self.login(&service);
                    service.given(ask.session, login.map_err(|why| Masked::of(&why)));
                }
                Err(RecvTimeoutError::Timeout) => self.renew(&service),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn login(&mut self, service: &Service) -> Result<Arc<Injected>, String> {
        let now = now_s();
        if let Some(held) = self.held.as_mut().filter(|held| now + LEFT_MIN_S <= held.until_s && now < held.renew_s) {
            held.used = true;
            return Ok(Arc::clone(&held.login));
        }
        let fresh = self.fresh(service);
        match (fresh, &mut self.held) {
            (Ok(()), Some(held)) => {
                held.used = true;
                Ok(Arc::clone(&held.login))
            }
            // The old one serves to its end.
            (Err(_), Some(held)) if now + LEFT_MIN_S <= held.until_s => Ok(Arc::clone(&held.login)),
            (Err(why), _) => Err(why),
            (Ok(()), None) => Err("the plugin gave none".to_owned()),
        }
    }

    /// Before its end, where somebody used it: so nobody waits for a run.
    fn renew(&mut self, service: &Service) {
        if self.held.as_ref().is_some_and(|held| held.used && now_s() >= held.renew_s) {
            let _ = self.fresh(service);
        }
        // What is over lies in memory no longer.
        if self.held.as_ref().is_some_and(|held| now_s() >= held.until_s) {
            self.held = None;
        }
    }

    fn fresh(&mut self, service: &Service) -> Result<(), String> {
        if let Some((at, why)) = &self.failed
            && at.elapsed() < PAUSE
        {
            return Err(why.clone());
        }
        let outcome = self.runner.run(now_s()).and_then(|credential| self.hold(&credential));
        let (role, until_s) = match (&outcome, &self.held) {
            (Ok(()), Some(held)) => (Some(Masked::of(held.login.user())), Some(held.until_s)),
            _ => (None, None),
        };
        self.tell(service, role.as_ref(), until_s, outcome.as_ref().err());
        self.failed = outcome.as_ref().err().map(|why| (Instant::now(), why.clone()));
        outcome
    }

    fn hold(&mut self, credential: &Credential) -> Result<(), String> {
        let password = Locked::copy(&credential.password)
            .map_err(|why| format!("no locked memory for the plugin's password ({why}): raise LimitMEMLOCK"))?;
        let login = Injected::new(credential.user.clone(), Box::new(password));
        let login = Arc::new(if self.in_clear { login.in_clear() } else { login });
        let (until_s, now) = (credential.expires_s, now_s());
        self.held = Some(Held { login, until_s, renew_s: renewed_at(now, until_s), used: false });
        Ok(())
    }

    fn tell(&self, service: &Service, role: Option<&Masked>, until_s: Option<u64>, why: Option<&String>) {
        let change = if why.is_none() { "issued" } else { "refused" };
        let (database, cause) = (Masked::of(&self.database), why.map(|why| Masked::of(why)));
        match &cause {
            Some(why) => {
                tracing::error!(database = %self.database, why = why.as_str(), "ALERT: the plugin of [database.credentials] gave no login: new sessions are refused");
            }
            None => tracing::info!(database = %self.database, "the plugin gave a login"),
        }
        service.record_credential(|operator| {
            Event::Credential(CredentialSeen {
                operator,
                change,
                database: (&database).into(),
                role: role.map(Into::into),
                agent: None,
                cgroup: None,
                principal: None,
                grants: &[],
                until_s,
                cause: cause.as_ref().map(Into::into),
            })
        });
        service.logins_figures().plugin(why.is_none());
    }
}

/// When four fifths of its time are over, or two minutes before its end, whichever is later.
fn renewed_at(now_s: u64, until_s: u64) -> u64 {
    let left = until_s.saturating_sub(now_s);
    until_s - (left / 5).clamp(1, 120).min(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_renewed_shortly_before_its_end() {
        for (left, margin) in [(0, 0), (1, 1), (10, 2), (300, 60), (3_600, 120), (86_400, 120)] {
            assert_eq!(renewed_at(1_000, 1_000 + left), 1_000 + left - margin, "{left}");
        }
    }
}
