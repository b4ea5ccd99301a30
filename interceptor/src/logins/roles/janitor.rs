//! Drops roles whose job is over, and those that an earlier process of this host left. What cannot be dropped is locked where that can be,
//! told, and tried again.

use std::net::SocketAddr;
use std::sync::Weak;
use std::time::{Duration, Instant};

use crate::approvals::now_s;
use crate::service::Service;

use super::owner::{Owner, Trouble, first};
use super::table::Role;
use super::{Parts, Shared, job, locked, statements, tell};

/// So often jobs are looked at,
const TURN: Duration = Duration::from_millis(200);
/// and so often the database is asked for what was left.
const SEARCH: Duration = Duration::from_secs(60);

/// Of one database.
pub(in crate::logins) struct Janitor {
    database: String,
    owner: Owner,
    heir: Option<String>,
    addresses: Vec<SocketAddr>,
    marker: String,
    grants: Vec<String>,
    table: Shared,
    /// When each address is asked next; that the owner may do what it must was looked at there.
    searches: Vec<(Instant, bool)>,
}

impl Janitor {
    pub(super) fn new(parts: &Parts, table: &Shared) -> Janitor {
        Janitor {
            database: parts.database.clone(),
            owner: parts.owner.another(),
            heir: parts.heir.clone(),
            addresses: parts.addresses.clone(),
            marker: parts.marker.clone(),
            grants: parts.rules.iter().flat_map(|rule| rule.grants.clone()).collect(),
            table: Shared::clone(table),
            searches: parts.addresses.iter().map(|_| (Instant::now(), false)).collect(),
        }
    }

    /// Until the service ends.
    pub(in crate::logins) fn serve(mut self, service: &Weak<Service>) {
        while let Some(service) = service.upgrade() {
            self.end_jobs(&service);
            self.search();
            self.drop_due(&service);
            let (live, overdue) = locked(&self.table).counts();
            service.logins_figures().roles(live, overdue);
            drop(service);
            std::thread::sleep(TURN);
        }
    }

    fn end_jobs(&self, service: &Service) {
        let now = Instant::now();
        let living = locked(&self.table).living(&self.database);
        for role in living {
            if let Some(why) = over(&role, service, now) {
                locked(&self.table).ends(&role.name, why, now);
            }
        }
    }

    /// What is marked as this host's and is not of now.
    fn search(&mut self) {
        for at in 0..self.addresses.len() {
            let (Some(origin), Some((due, examined))) =
                (self.addresses.get(at).copied(), self.searches.get(at).copied())
            else {
                return;
            };
            if due > Instant::now() {
                continue;
            }
            let found = self.owner.say(origin, &statements::marked(&self.marker));
            let names = match &found {
                Ok(rows) => rows.iter().filter_map(|(_, values)| values.first()?.clone()).collect::<Vec<_>>(),
                Err(why) => {
                    tracing::debug!(database = %self.database, %origin, %why, "roles that were left cannot be looked for here");
                    Vec::new()
                }
            };
            // A role that is being made is in the table before the database hears of it.
            let mut table = locked(&self.table);
            for name in names.into_iter().filter(|name| !table.knows(name)).collect::<Vec<_>>() {
                tracing::warn!(database = %self.database, role = %name, "an earlier run of this service left a job's role: it is dropped");
                table.left(name, &self.database, origin, Instant::now());
            }
            drop(table);
            let examined = examined || found.is_ok() && self.examine(origin);
            let pause = if found.is_ok() { SEARCH } else { Duration::from_secs(2) };
            if let Some(search) = self.searches.get_mut(at) {
                *search = (Instant::now() + pause, examined);
            }
        }
    }

    /// Whether the owner can do what it must, told once.
    fn examine(&mut self, origin: SocketAddr) -> bool {
        let Ok(doubts) = self.owner.say(origin, &statements::doubts(&self.grants)) else { return false };
        for why in doubts.iter().filter_map(|(_, values)| values.first()?.clone()) {
            tracing::error!(database = %self.database, %origin, %why, "ALERT: [database.credentials.owner] is not as it must be");
        }
        true
    }

    fn drop_due(&mut self, service: &Service) {
        let due = locked(&self.table).due(&self.database, Instant::now());
        for (role, why) in due {
            match self.drop_role(&role) {
                Ok(()) => {
                    tell(service, &role, "dropped", Some(why));
                    locked(&self.table).gone(&role.name);
                }
                Err(trouble) => {
                    if locked(&self.table).failed(&role.name, &trouble, Instant::now()) {
                        tracing::error!(database = %self.database, role = %role.name, why = %trouble, "ALERT: a job is over and its role could not be dropped; it is tried again");
                        tell(service, &role, "kept", Some(&trouble));
                    }
                }
            }
        }
    }

    /// Its sessions first. A role that is not there is dropped.
    fn drop_role(&mut self, role: &Role) -> Result<(), String> {
        let (name, origin) = (&role.name, role.origin);
        match self.owner.say(origin, &statements::lock(name)) {
            Ok(_) => {}
            Err(Trouble::Refused(code)) if &code == b"42704" => return Ok(()),
            Err(why) => return Err(format!("it cannot be locked: {why}")),
        }
        let ended = self.owner.say(origin, &statements::end_sessions(name));
        ended.map_err(|why| format!("its sessions cannot be ended: {why}"))?;
        let left = self.owner.say(origin, &statements::sessions(name)).map_err(|why| why.to_string())?;
        if first(&left) != Some("0") {
            return Err("its sessions have not ended yet".to_owned());
        }
        self.free(role)?;
        match self.owner.say(origin, &statements::drop_role(name)) {
            Ok(_) => Ok(()),
            Err(Trouble::Refused(code)) if &code == b"42704" => Ok(()),
            Err(why) => Err(why.to_string()),
        }
    }

    /// What depends on it. Without an heir nothing that a job left is destroyed: the locked role stays, and is told.
    fn free(&mut self, role: &Role) -> Result<(), String> {
        let depends = self.owner.say(role.origin, &statements::dependencies(&role.name));
        let depends = depends.map_err(|why| why.to_string())?;
        let owns = depends.iter().any(|(_, values)| values.get(1).is_some_and(|value| value.as_deref() == Some("t")));
        if owns && self.heir.is_none() {
            return Err("it owns something, and [database.credentials.owner] names no heir".to_owned());
        }
        let mut places: Vec<&str> = depends.iter().filter_map(|(_, values)| values.first()?.as_deref()).collect();
        places.sort_unstable();
        places.dedup();
        for dbname in places {
            for text in self
                .heir
                .iter()
                .map(|heir| statements::reassign(&role.name, heir))
                .chain([statements::disown(&role.name)])
            {
                let said = match dbname {
                    // Of the whole server: any database will do.
                    "" => self.owner.say(role.origin, &text),
                    dbname => self.owner.say_in(role.origin, dbname, &text),
                };
                said.map_err(|why| format!("what it owns cannot be handed on: {why}"))?;
            }
        }
        Ok(())
    }
}

/// Why its job is over, if it is.
fn over(role: &Role, service: &Service, now: Instant) -> Option<&'static str> {
    let Some((key, place)) = role.key.as_ref().zip(role.place.as_ref()) else { return Some("it has no job") };
    if job::is_over(place, key.cgroup) {
        return Some("the job is over");
    }
    if now >= role.until {
        return Some("its time is over");
    }
    if !role.token {
        return None;
    }
    match service.token_of(key.cgroup, &key.agent) {
        Some(signed) if signed.revoked.is_some() => Some("the job's token was revoked"),
        Some(signed) if signed.principal != key.principal => Some("the job's token is another principal's"),
        Some(signed) if signed.expires_s <= now_s() || signed.until_ns <= crate::identities::mono_ns() => {
            Some("the job's token has expired")
        }
        Some(_) => None,
        None => Some("the job has no token any more"),
    }
}
