//! Which roles of jobs there are, and how far each is. Time is an argument.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session::Injected;

/// More are not made: every job past them is refused.
const ROLES_MAX: usize = 8192;
/// A role that cannot be dropped is tried again after so long, and then ever more rarely.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Whose a role is: sessions that agree in all of this share it, and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) database: String,
    pub(super) origin: SocketAddr,
    /// Which rule's.
    pub(super) rule: usize,
    pub(super) agent: String,
    pub(super) cgroup: u64,
    /// By the token that was bound; empty: none.
    pub(super) principal: String,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The database is being told.
    Making,
    /// Sessions may have it.
    Live,
    /// No session is given it any more, and it is to be dropped.
    Ending(Ending),
}

/// Since when a role is to be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) why: &'static str,
    due: Instant,
    pause: Duration,
    /// What the last try failed over, told once.
    told: Option<String>,
}

/// One role.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) database: String,
    pub(super) origin: SocketAddr,
    /// `None`: an earlier process of this host left it.
    pub(super) key: Option<Key>,
    pub(super) login: Option<Arc<Injected>>,
    /// Its job's cgroup.
    pub(super) place: Option<PathBuf>,
    pub(super) until: Instant,
    /// The same, seconds since 1970; 0: not known.
    pub(super) until_s: u64,
    pub(super) grants: Vec<String>,
    /// It was made for a token's principal.
    pub(super) token: bool,
    pub(super) state: State,
}

/// All of them, by name.
#[derive(Debug, Default)]
pub(in crate::logins) struct Table(HashMap<String, Role>);

impl Table {
    /// Of a role that sessions may have.
    pub(super) fn login(&self, key: &Key) -> Option<Arc<Injected>> {
        let live = |role: &&Role| role.state == State::Live && role.key.as_ref() == Some(key);
        self.0.values().find(live).and_then(|role| role.login.clone())
    }

    /// False: there is no room.
    pub(super) fn insert(&mut self, role: Role) -> bool {
        let room = self.0.len() < ROLES_MAX;
        if room {
            self.0.insert(role.name.clone(), role);
        }
        room
    }

    /// One that an earlier process left.
    pub(super) fn left(&mut self, name: String, database: &str, origin: SocketAddr, now: Instant) {
        let ending =
            Ending { why: "an earlier run of this host's service left it", due: now, pause: PAUSE, told: None };
        let role = Role {
            name: name.clone(),
            database: database.to_owned(),
            origin,
            key: None,
            login: None,
            place: None,
            until: now,
            until_s: 0,
            grants: Vec::new(),
            token: false,
            state: State::Ending(ending),
        };
        self.0.entry(name).or_insert(role);
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// It is made.
    pub(super) fn live(&mut self, name: &str) {
        if let Some(role) = self.0.get_mut(name) {
            role.state = State::Live;
        }
    }

    /// Its job is over. Its keys are gone with this.
    pub(super) fn ends(&mut self, name: &str, why: &'static str, now: Instant) {
        if let Some(role) = self.0.get_mut(name)
            && !matches!(role.state, State::Ending(_))
        {
            role.login = None;
            role.state = State::Ending(Ending { why, due: now, pause: PAUSE, told: None });
        }
    }

    /// It is not there any more.
    pub(super) fn gone(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// A try has failed. True: this is to be told, as it was not before.
    pub(super) fn failed(&mut self, name: &str, why: &str, now: Instant) -> bool {
        let Some(Role { state: State::Ending(ending), .. }) = self.0.get_mut(name) else { return false };
        ending.due = now + ending.pause;
        ending.pause = (ending.pause * 2).min(PAUSE_MAX);
        ending.told.replace(why.to_owned()).as_deref() != Some(why)
    }

    /// Those of a database that sessions may have.
    pub(super) fn living(&self, database: &str) -> Vec<Role> {
        let of = |role: &&Role| role.database == database && role.state == State::Live;
        self.0.values().filter(of).cloned().collect()
    }

    /// Those of a database that are to be dropped now.
    pub(super) fn due(&self, database: &str, now: Instant) -> Vec<(Role, &'static str)> {
        let due = |role: &Role| match &role.state {
            State::Ending(ending) if role.database == database && ending.due <= now => Some((role.clone(), ending.why)),
            _ => None,
        };
        self.0.values().filter_map(due).collect()
    }

    /// How many there are, and of how many a try to drop them has failed.
    pub(super) fn counts(&self) -> (usize, usize) {
        let overdue = |role: &&Role| matches!(&role.state, State::Ending(ending) if ending.told.is_some());
        (self.0.len(), self.0.values().filter(overdue).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(cgroup: u64, principal: &str) -> Key {
        Key {
            database: "payments".into(),
            origin: "127.0.0.1:5432".parse().unwrap(),
            rule: 0,
            agent: "reconciler".into(),
            cgroup,
            principal: principal.into(),
        }
    }

    fn role(name: &str, key: Key, now: Instant) -> Role {
        let (login, _) = Injected::sealed(name.to_owned(), b"x", vec![1]).unwrap();
        Role {
            name: name.into(),
            database: key.database.clone(),
            origin: key.origin,
            key: Some(key),
            login: Some(Arc::new(login)),
            place: None,
            until: now,
            until_s: 1,
            grants: vec![],
            token: false,
            state: State::Making,
        }
    }

    #[test]
    fn a_job_has_its_own_role_and_no_others() {
        let (mut table, now) = (Table::default(), Instant::now());
        for (name, cgroup, principal) in [("a", 1, ""), ("b", 2, ""), ("c", 1, "ci:1")] {
            assert!(table.insert(role(name, key(cgroup, principal), now)));
            assert!(table.login(&key(cgroup, principal)).is_none(), "it is not made yet");
            table.live(name);
        }
        let user = |cgroup, principal| table.login(&key(cgroup, principal)).map(|login| login.user().to_owned());
        assert_eq!([user(1, ""), user(2, ""), user(1, "ci:1")].map(Option::unwrap), ["a", "b", "c"]);
        assert_eq!((user(3, ""), user(2, "ci:1")), (None, None));
        let other = Key { origin: "[::1]:5432".parse().unwrap(), ..key(1, "") };
        assert!(table.login(&other).is_none());
        table.ends("a", "its job is over", now);
        assert!(table.login(&key(1, "")).is_none(), "one that ends is given to nobody");
    }

    #[test]
    fn what_cannot_be_dropped_is_tried_again_and_told_once() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.left("x".into(), "payments", "127.0.0.1:5432".parse().unwrap(), now);
        assert!(table.knows("x") && table.due("other", now).is_empty());
        assert_eq!((table.due("payments", now).len(), table.counts()), (1, (1, 0)));
        assert!(table.failed("x", "down", now) && !table.failed("x", "down", now) && table.failed("x", "owns", now));
        assert!(table.due("payments", now).is_empty());
        assert_eq!((table.due("payments", now + PAUSE_MAX).len(), table.counts()), (1, (1, 1)));
        for _ in 0..20 {
            table.failed("x", "owns", now);
        }
        assert_eq!(table.due("payments", now + PAUSE_MAX).len(), 1, "never more rarely than that");
        table.gone("x");
        assert_eq!(table.counts(), (0, 0));
    }
}
