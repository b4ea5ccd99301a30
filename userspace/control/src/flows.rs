//! Logins on their way to the provider and back. Each is good once, for ten minutes, in the browser that began it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::person::Person;
use crate::secrets::{make_room, random, same};

/// How long a person may take at the provider.
const FLOW_S: u64 = 600;
/// Logins at a time; the oldest make room.
const KEPT: usize = 1024;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// Comes back in the token.
    pub(crate) nonce: String,
    /// What the challenge was made of (PKCE): only we can use the code.
    pub(crate) verifier: String,
    /// The person must prove anew who it is, this many seconds ago at most.
    pub(crate) max_age_s: Option<u64>,
    /// The approval that the person came from.
    pub(crate) approval: Option<String>,
    /// Who it is, where the provider's answer came before the browser did.
    pub(crate) arrived: Option<Person>,
    /// In a cookie of the browser that began: a link from elsewhere cannot end in somebody else's session.
    browser: String,
    until_s: u64,
}

/// A login has begun.
pub(crate) struct Begun {
    /// Names it, in the address that leads back.
    pub(crate) state: String,
    /// For the browser's cookie.
    pub(crate) browser: String,
    pub(crate) flow: Flow,
}

/// To the provider, and the cookie that the browser must bring back.
pub(crate) struct Departure {
    pub(crate) location: String,
    pub(crate) browser: String,
}

/// A person who has come back, and the approval that the login began at.
pub(crate) struct Arrival {
    pub(crate) person: Person,
    pub(crate) approval: Option<String>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Flows(Mutex<HashMap<String, Flow>>);

impl Flows {
    fn table(&self) -> MutexGuard<'_, HashMap<String, Flow>> {
        // Nothing that holds it can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: there is no randomness.
    pub(crate) fn begin(&self, max_age_s: Option<u64>, approval: Option<String>, now_s: u64) -> Option<Begun> {
        let (state, browser) = (random()?, random()?);
        let flow = Flow {
            nonce: random()?,
            verifier: random()?,
            max_age_s,
            approval,
            arrived: None,
            browser: browser.clone(),
            until_s: now_s + FLOW_S,
        };
        let mut table = self.table();
        table.retain(|_, flow| flow.until_s > now_s);
        make_room(&mut table, KEPT, |flow| flow.until_s);
        table.insert(state.clone(), flow.clone());
        Some(Begun { state, browser, flow })
    }

    /// The login that the provider answers, before the browser that began it is known; once it is answered there is none.
    #[cfg_attr(not(feature = "saml"), allow(dead_code))]
    pub(crate) fn unanswered(&self, state: &str, now_s: u64) -> Option<Flow> {
        self.table().get(state).filter(|flow| flow.until_s > now_s && flow.arrived.is_none()).cloned()
    }

    /// It is answered, once: by this person. False: it was before.
    #[cfg_attr(not(feature = "saml"), allow(dead_code))]
    pub(crate) fn answer(&self, state: &str, person: Person) -> bool {
        let mut table = self.table();
        let Some(flow) = table.get_mut(state).filter(|flow| flow.arrived.is_none()) else { return false };
        flow.arrived = Some(person);
        true
    }

    /// The person is back: the login, once, in the same browser.
    pub(crate) fn end(&self, state: &str, browser: &str, now_s: u64) -> Option<Flow> {
        let mut table = self.table();
        // Another browser's look does not use it up.
        let flow = table.get(state).filter(|flow| flow.until_s > now_s && same(&flow.browser, browser))?.clone();
        table.remove(state);
        Some(flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_ends_once_in_time_and_in_its_browser() {
        let flows = Flows::default();
        let Begun { state, browser, .. } = flows.begin(None, None, 100).expect("randomness");
        assert!(flows.end(&state, "", 101).is_none() && flows.end(&state, &"0".repeat(64), 101).is_none(), "another");
        assert!(flows.end("", &browser, 101).is_none() && flows.end(&browser, &browser, 101).is_none(), "made up");
        assert!(flows.end(&state, &browser, 700).is_none(), "too late");
        assert!(flows.end(&state, &browser, 101).is_some());
        assert!(flows.end(&state, &browser, 101).is_none(), "replayed");
    }

    #[test]
    fn a_login_is_answered_once() {
        let flows = Flows::default();
        let Begun { state, browser, .. } = flows.begin(None, None, 100).expect("randomness");
        let person = Person {
            by: crate::person::Protocol::Saml,
            subject: "ann".into(),
            shown: None,
            groups: vec![],
            proved_s: None,
            session: None,
            until_s: None,
        };
        assert!(flows.unanswered(&state, 700).is_none(), "too late");
        assert!(flows.unanswered("", 101).is_none() && !flows.answer("", person.clone()), "made up");
        assert!(flows.unanswered(&state, 101).is_some() && flows.answer(&state, person.clone()));
        assert!(flows.unanswered(&state, 101).is_none() && !flows.answer(&state, person.clone()), "replayed");
        assert_eq!(flows.end(&state, &browser, 102).and_then(|flow| flow.arrived), Some(person));
    }

    #[test]
    fn the_oldest_make_room() {
        let flows = Flows::default();
        let first = flows.begin(None, None, 1).expect("randomness");
        (0..KEPT).for_each(|_| _ = flows.begin(None, None, 2));
        assert!(flows.end(&first.state, &first.browser, 3).is_none());
        assert_eq!(flows.table().len(), KEPT);
    }
}
