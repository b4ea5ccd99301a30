//! Who is logged in on the page. A login link is good for one login within two minutes; a session for one working day. Both are names
//! of 256 random bits that mean nothing but here: what is not in the table is not logged in, and a restart ends every session.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::oidc::Ended;
use crate::person::Person;
use crate::secrets::{make_room, random};

/// A link is good for so long.
const LINK_S: u64 = 120;
/// A session ends so long after its login.
pub(crate) const SESSION_S: u64 = 8 * 3600;
/// Links and sessions at a time; the oldest make room.
const KEPT: usize = 256;

/// How it is known who it is.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// The account that asked for the link.
    Account(u32),
    /// The identity provider says.
    Person(Person),
}

/// A logged-in person.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// Who.
    pub(crate) who: Who,
    /// Must come back with every form: a foreign page does not know it.
    pub(crate) csrf: String,
    since_s: u64,
    until_s: u64,
}

impl Login {
    /// When the person last proved who it is; 0: nobody says.
    pub(crate) fn proved_s(&self) -> u64 {
        match &self.who {
            Who::Account(_) => self.since_s,
            Who::Person(person) => person.proved_s.unwrap_or_default(),
        }
    }
}

#[derive(Debug)]
struct Link {
    uid: u32,
    until_s: u64,
}

#[derive(Debug, Default)]
struct Table {
    links: HashMap<String, Link>,
    sessions: HashMap<String, Login>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Table>);

impl Sessions {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing that holds it can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A link for this account; `None`: there is no randomness.
    pub(crate) fn link(&self, uid: u32, now_s: u64) -> Option<String> {
        let token = random()?;
        let mut table = self.table();
        table.links.retain(|_, link| link.until_s > now_s);
        make_room(&mut table.links, KEPT, |link| link.until_s);
        table.links.insert(token.clone(), Link { uid, until_s: now_s + LINK_S });
        Some(token)
    }

    /// The link is used: the session's name, once.
    pub(crate) fn enter(&self, token: &str, now_s: u64) -> Option<String> {
        let link = self.table().links.remove(token).filter(|link| link.until_s > now_s)?;
        self.begin(Who::Account(link.uid), now_s)
    }

    /// A session of this person: its name.
    pub(crate) fn begin(&self, who: Who, now_s: u64) -> Option<String> {
        let (name, csrf) = (random()?, random()?);
        let sooner = if let Who::Person(person) = &who { person.until_s } else { None };
        let until_s = sooner.unwrap_or(u64::MAX).min(now_s + SESSION_S);
        let mut table = self.table();
        table.sessions.retain(|_, login| login.until_s > now_s);
        make_room(&mut table.sessions, KEPT, |login| login.until_s);
        table.sessions.insert(name.clone(), Login { who, csrf, since_s: now_s, until_s });
        Some(name)
    }

    /// Whose session it is.
    pub(crate) fn of(&self, name: &str, now_s: u64) -> Option<Login> {
        self.table().sessions.get(name).filter(|login| login.until_s > now_s).cloned()
    }

    /// The provider says that these are over.
    pub(crate) fn end(&self, ended: &Ended) {
        let goes_on = |login: &Login| !matches!(&login.who, Who::Person(person) if ended.is_of(person));
        self.table().sessions.retain(|_, login| goes_on(login));
    }

    /// The session ends.
    pub(crate) fn leave(&self, name: &str) {
        self.table().sessions.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(login: &Login) -> Option<u32> {
        if let Who::Account(uid) = login.who { Some(uid) } else { None }
    }

    #[test]
    fn a_link_is_good_once_and_not_for_long() {
        let sessions = Sessions::default();
        let link = sessions.link(7, 100).expect("randomness");
        assert!(sessions.enter(&link, 220).is_none(), "two minutes later");
        let link = sessions.link(7, 100).expect("randomness");
        let name = sessions.enter(&link, 101).expect("in time");
        assert!(sessions.enter(&link, 102).is_none(), "replayed");
        assert_eq!(sessions.of(&name, 103).and_then(|login| uid(&login)), Some(7));
        assert!(sessions.of(&name, 101 + SESSION_S).is_none(), "a page that was left open for a day");
        assert!(sessions.of("", 103).is_none() && sessions.of(&"0".repeat(64), 103).is_none(), "forged");
        sessions.leave(&name);
        assert!(sessions.of(&name, 103).is_none());
    }

    #[test]
    fn a_session_ends_when_the_provider_says() {
        let sessions = Sessions::default();
        let begin = |until_s| {
            let person = Person {
                by: crate::person::Protocol::Saml,
                subject: "ann".into(),
                shown: None,
                groups: vec![],
                proved_s: None,
                session: None,
                until_s,
            };
            sessions.begin(Who::Person(person), 100).expect("randomness")
        };
        for (until_s, last) in [(Some(200), 199), (None, 99 + SESSION_S), (Some(u64::MAX), 99 + SESSION_S)] {
            let name = begin(until_s);
            assert!(sessions.of(&name, last).is_some() && sessions.of(&name, last + 1).is_none(), "{until_s:?}");
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let sessions = Sessions::default();
        let first = sessions.link(7, 1).expect("randomness");
        (0..KEPT).for_each(|_| _ = sessions.link(8, 2));
        assert!(sessions.enter(&first, 3).is_none());
        assert_eq!(sessions.table().links.len(), KEPT);
    }
}
