//! Who is logged in on the page. A login link is good for one login within two minutes; a session for one working day. Both are names
//! of 256 random bits that mean nothing but here: what is not in the table is not logged in, and a restart ends every session.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A link is good for so long.
const LINK_S: u64 = 120;
/// A session ends so long after its login.
const SESSION_S: u64 = 8 * 3600;
/// Links and sessions at a time; the oldest make room.
const KEPT: usize = 256;

/// A logged-in person.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// The account that asked for the link.
    pub(crate) uid: u32,
    /// Must come back with every form: a foreign page does not know it.
    pub(crate) csrf: String,
    until_s: u64,
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
        make_room(&mut table.links, |link| link.until_s);
        table.links.insert(token.clone(), Link { uid, until_s: now_s + LINK_S });
        Some(token)
    }

    /// The link is used: the session's name, once.
    pub(crate) fn enter(&self, token: &str, now_s: u64) -> Option<String> {
        let (name, csrf) = (random()?, random()?);
        let mut table = self.table();
        let link = table.links.remove(token).filter(|link| link.until_s > now_s)?;
        table.sessions.retain(|_, login| login.until_s > now_s);
        make_room(&mut table.sessions, |login| login.until_s);
        table.sessions.insert(name.clone(), Login { uid: link.uid, csrf, until_s: now_s + SESSION_S });
        Some(name)
    }

    /// Whose session it is.
    pub(crate) fn of(&self, name: &str, now_s: u64) -> Option<Login> {
        self.table().sessions.get(name).filter(|login| login.until_s > now_s).cloned()
    }

    /// The session ends.
    pub(crate) fn leave(&self, name: &str) {
        self.table().sessions.remove(name);
    }
}

fn make_room<T>(table: &mut HashMap<String, T>, until_s: impl Fn(&T) -> u64) {
    while table.len() >= KEPT {
        let oldest = table.iter().min_by_key(|(_, one)| until_s(one)).map(|(name, _)| name.clone());
        let Some(oldest) = oldest else { return };
        table.remove(&oldest);
    }
}

fn random() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether two secrets are the same, in a time that does not tell how much of them is.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let differs = one.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
    one.len() == other.len() && differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_once_and_not_for_long() {
        let sessions = Sessions::default();
        let link = sessions.link(7, 100).expect("randomness");
        assert!(sessions.enter(&link, 220).is_none(), "two minutes later");
        let link = sessions.link(7, 100).expect("randomness");
        let name = sessions.enter(&link, 101).expect("in time");
        assert!(sessions.enter(&link, 102).is_none(), "replayed");
        assert_eq!(sessions.of(&name, 103).map(|login| login.uid), Some(7));
        assert!(sessions.of(&name, 101 + SESSION_S).is_none(), "a page that was left open for a day");
        assert!(sessions.of("", 103).is_none() && sessions.of(&"0".repeat(64), 103).is_none(), "forged");
        sessions.leave(&name);
        assert!(sessions.of(&name, 103).is_none());
    }

    #[test]
    fn the_oldest_make_room() {
        let sessions = Sessions::default();
        let first = sessions.link(7, 1).expect("randomness");
        (0..KEPT).for_each(|_| _ = sessions.link(8, 2));
        assert!(sessions.enter(&first, 3).is_none());
        assert_eq!(sessions.table().links.len(), KEPT);
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same("abc", "abc") && same("", ""));
        assert!(!same("abc", "abd") && !same("abc", "ab") && !same("", "a"));
    }
}
