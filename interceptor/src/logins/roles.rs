//! A role of the database for each job: made when its first session starts, with the rights of its rule, and dropped when the job is over.
//!
//! Its password is known to nobody: it is drawn, SCRAM's keys are made of it, the database gets the verifier, and it is forgotten. So with
//! this process dead a role that is left opens nothing; `janitor` drops what an earlier process left.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use audit::{CredentialSeen, Event};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pan::Masked;
use ring::rand::{SecureRandom as _, SystemRandom};
use session::{Injected, LoginAsk};
use zeroize::Zeroizing;

use crate::approvals::now_s;
use crate::config::{Database, RoleRule};
use crate::load::cgroups;
use crate::service::Service;
use crate::verifiers::password;

mod host;
mod janitor;
mod job;
mod owner;
mod statements;
mod table;

pub(super) use janitor::Janitor;
use owner::{Owner, Trouble};
use table::{Key, Role, State, Table};

/// All databases' roles; each name is one role in all of them.
pub(super) type Shared = Arc<Mutex<Table>>;

/// Locked.
fn locked(shared: &Shared) -> std::sync::MutexGuard<'_, Table> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What must be read before the service is confined.
pub(super) struct Parts {
    pub(super) database: String,
    owner: Owner,
    rules: Vec<RoleRule>,
    lifetime: Duration,
    heir: Option<String>,
    addresses: Vec<SocketAddr>,
    marker: String,
    /// The cgroup hierarchy.
    root: PathBuf,
}

impl Parts {
    /// Of a database with roles. Reads the owner's password.
    pub(super) fn read(database: &Database, tls: Option<proxy::DatabaseTls>) -> Result<Option<Parts>> {
        let Some(roles) = &database.credentials.roles else { return Ok(None) };
        let place = || format!("[[database]] {}: [database.credentials.owner]", database.name);
        let password = password(&roles.owner.passfile).with_context(place)?;
        let credentials = session::planner::Credentials { user: roles.owner.user.clone(), password };
        let addresses = database.addresses.iter().filter_map(|at| Some(SocketAddr::new(at.address, at.port?)));
        Ok(Some(Parts {
            database: database.name.clone(),
            owner: Owner::new(credentials, tls, roles.owner.dbname.clone()),
            rules: roles.rules.clone(),
            lifetime: Duration::from_secs(u64::from(roles.owner.lifetime_minutes) * 60),
            heir: roles.owner.heir.clone(),
            addresses: addresses.collect(),
            marker: String::new(),
            root: cgroups::root().context("the cgroup hierarchy, which says when a job is over")?,
        }))
    }

    /// With the mark of this host's roles, which is the account's own to draw.
    pub(super) fn marked(self, state_dir: &Path) -> Result<Parts> {
        Ok(Parts { marker: statements::marker(&host::id(state_dir)?), ..self })
    }
}

/// Makes one database's roles.
pub(super) struct Maker {
    parts: Parts,
    table: Shared,
}

impl Maker {
    /// It, and who drops what it makes.
    pub(super) fn new(parts: Parts, table: &Shared) -> (Maker, Janitor) {
        let janitor = Janitor::new(&parts, table);
        (Maker { parts, table: Arc::clone(table) }, janitor)
    }

    pub(super) fn serve(mut self, service: &Weak<Service>, asks: &Receiver<Box<LoginAsk>>) {
        while let Ok(ask) = asks.recv() {
            let Some(service) = service.upgrade() else { return };
            let login = self.login(&ask, &service);
            service.given(ask.session, login.map_err(|why| Masked::of(&why)));
        }
    }

    fn login(&mut self, ask: &LoginAsk, service: &Service) -> Result<Arc<Injected>, String> {
        let rule = self.parts.rules.iter().position(|rule| fits(rule, ask));
        let Some(rule) = rule else {
            return Err("no [[database.credentials.role]] is for this agent and this user".to_owned());
        };
        let key = Key {
            database: ask.database.clone(),
            origin: ask.origin,
            rule,
            agent: ask.subject.policy.agent.clone(),
            cgroup: ask.subject.cgroup,
            principal: ask.signed.as_ref().map(|signed| signed.principal.clone()).unwrap_or_default(),
        };
        if let Some(login) = locked(&self.table).login(&key) {
            return Ok(login);
        }
        let made = self.make(key, ask, service);
        if let Err(why) = &made {
            tracing::error!(database = %self.parts.database, agent = %ask.subject.policy.agent, %why, "ALERT: no role could be made for a job: its session is refused");
        }
        made
    }

    fn make(&mut self, key: Key, ask: &LoginAsk, service: &Service) -> Result<Arc<Injected>, String> {
        let place = job::place(&self.parts.root, key.cgroup)
            .ok_or("the job's cgroup cannot be found or watched: nobody could tell when it is over")?;
        let (name, login, verifier) = drawn(&key.agent).ok_or("the host has no randomness")?;
        let until_s = now_s() + self.parts.lifetime.as_secs();
        let grants = self.parts.rules.get(key.rule).map(|rule| rule.grants.clone()).unwrap_or_default();
        let role = Role {
            name: name.clone(),
            database: key.database.clone(),
            origin: key.origin,
            key: Some(key),
            login: Some(Arc::new(login)),
            place: Some(place),
            until: Instant::now() + self.parts.lifetime,
            until_s,
            grants,
            token: ask.signed.is_some(),
            state: State::Making,
        };
        let text =
            statements::create(&name, &verifier, &crate::rfc3339::text(until_s), &role.grants, &self.parts.marker);
        let login = role.login.clone().ok_or("no login")?;
        if !locked(&self.table).insert(role.clone()) {
            return Err("there are too many roles of jobs already".to_owned());
        }
        // In the table before it is said: whatever becomes of it, the janitor knows that it is ours and of now.
        let said = self.parts.owner.say_anew(role.origin, &text);
        let outcome = match said {
            Ok(_) if tell(service, &role, "created", None) => {
                locked(&self.table).live(&name);
                return Ok(login);
            }
            Ok(_) => Err("it cannot be recorded".to_owned()),
            // The database has said that it did not happen.
            Err(why @ Trouble::Refused(_)) => {
                locked(&self.table).gone(&name);
                Err(format!("the database makes no role for the job: {why}"))
            }
            Err(why) => Err(format!("the database cannot be asked to make a role: {why}")),
        };
        locked(&self.table).ends(&name, "it was never used", Instant::now());
        let why = outcome.as_ref().err().map(String::as_str);
        tell(service, &role, "refused", why);
        outcome
    }
}

fn fits(rule: &RoleRule, ask: &LoginAsk) -> bool {
    let subject = &ask.subject.policy;
    let signed = ask.signed.as_ref().map_or(&[][..], |signed| signed.says.groups());
    let in_group = |group: &str| subject.groups.iter().chain(signed).any(|of| sql::matches(group, of));
    let is_agent = |name: &String| match name.strip_prefix("group:") {
        Some(group) => in_group(group),
        None => sql::matches(name, &subject.agent),
    };
    (rule.agents.is_empty() || rule.agents.iter().any(is_agent))
        && (rule.users.is_empty() || rule.users.iter().any(|name| sql::matches(name, ask.user.as_bytes())))
}

/// A name that no other role has, its login, and the verifier that the database is given. The password is gone when this returns.
fn drawn(agent: &str) -> Option<(String, Injected, String)> {
    let random = SystemRandom::new();
    let (mut run, mut salt, mut secret) = ([0; 10], [0; 16], Zeroizing::new([0; 32]));
    random.fill(&mut run).and(random.fill(&mut salt)).and(random.fill(&mut *secret)).ok()?;
    let name = statements::name(agent, &run);
    let password = Zeroizing::new(BASE64_STANDARD.encode(*secret));
    let (login, verifier) = Injected::sealed(name.clone(), password.as_bytes(), salt.to_vec())?;
    Some((name, login, verifier))
}

/// What the record says of it. False: it could not be written.
fn tell(service: &Service, role: &Role, change: &'static str, why: Option<&str>) -> bool {
    service.logins_figures().role(change);
    let mask = |text: &str| Masked::of(text);
    let (database, name, cause) = (mask(&role.database), mask(&role.name), why.map(mask));
    let (agent, principal) = match &role.key {
        Some(key) => (Some(mask(&key.agent)), Some(mask(&key.principal)).filter(|_| !key.principal.is_empty())),
        None => (None, None),
    };
    let grants: Vec<Masked> = role.grants.iter().map(|grant| mask(grant)).collect();
    service.record_credential(|operator| {
        Event::Credential(CredentialSeen {
            operator,
            change,
            database: (&database).into(),
            role: Some((&name).into()),
            agent: agent.as_ref().map(Into::into),
            cgroup: role.key.as_ref().map(|key| key.cgroup),
            principal: principal.as_ref().map(Into::into),
            grants: &grants,
            until_s: Some(role.until_s).filter(|until_s| *until_s > 0),
            cause: cause.as_ref().map(Into::into),
        })
    })
}

/// What must be readable once the service is confined.
pub(super) fn folder() -> Option<PathBuf> {
    cgroups::root().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_roles_have_a_name_and_none_shows_its_password() {
        let (one, login, verifier) = drawn("reconciler").unwrap();
        let (other, ..) = drawn("reconciler").unwrap();
        assert_ne!(one, other);
        assert!(one.starts_with("icpt_reconciler_") && one.len() == 32, "{one}");
        assert_eq!(login.user(), one);
        assert!(verifier.starts_with("SCRAM-SHA-256$4096:") && format!("{login:?}").contains(&one));
    }
}
