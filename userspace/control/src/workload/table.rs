//! Which token is bound to which job, which was bound to one once, and whose identity was revoked. Times are part of each question.

use std::collections::HashMap;

use identity::Identity;
use serde::{Deserialize, Serialize};

/// So many jobs have a token at a time, and so many tokens are remembered.
const BINDINGS_MAX: usize = 16_384;
const TOKENS_MAX: usize = 65_536;
/// One that has expired stays bound for so long: its job is refused, and not taken for one that never had a token.
const EXPIRED_S: u64 = 86_400;
/// A principal that was revoked gets no new token for so long.
const REVOKED_S: u64 = 86_400;

/// No cgroup has this id.
const NO_CGROUP: u64 = 0;

/// What a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Job {
    /// The cgroup of this id.
    Cgroup(u64),
    /// The agent of this name, where its jobs have none of their own.
    Agent(String),
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Job::Cgroup(id) => write!(f, "cgroup {id}"),
            Job::Agent(name) => write!(f, "agent {name}"),
        }
    }
}

/// Who revoked, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// The person.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// A token that is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its number; a later one has a larger number.
    pub number: u64,
    /// To what.
    pub job: Job,
    /// What it says.
    pub identity: Identity,
    /// Since when, seconds since 1970.
    pub bound_s: u64,
    /// It was revoked.
    pub revoked: Option<Revoked>,
}

/// Who says that a token is this job's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attested {
    /// Whoever brought it has it: another job that has it too has it from there.
    ByToken,
    /// Its issuer, asked about a process of this job. It may give one token to all jobs of one name.
    ByIssuer,
}

/// What became of a token that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The job had none.
    Bound,
    /// It is a younger one of the same principal, or takes the place of another's.
    Refreshed,
    /// It was bound already, or an older one of the same principal: nothing changes.
    Same,
}

/// Why a token that counts is not bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotBound {
    /// It was bound to another job.
    Elsewhere,
    /// Its principal was revoked.
    Revoked,
    /// Too many are bound.
    Full,
}

impl std::fmt::Display for NotBound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NotBound::Elsewhere => "it was bound to another job: a token is for one",
            NotBound::Revoked => "the identity that it is of was revoked",
            NotBound::Full => "too many tokens are bound",
        })
    }
}

/// All of them; what is saved is the whole of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    /// The boot of the host that the cgroups' ids are of.
    #[serde(default)]
    boot: Option<[u8; 16]>,
    last: u64,
    bindings: Vec<Binding>,
    /// Of each token that was bound: to what, and until when it would count.
    tokens: Vec<([u8; 32], Job, u64)>,
    /// Principals, and until when.
    revoked: HashMap<String, u64>,
}

impl Table {
    /// As it counts in this boot of the host. The kernel gives ids of cgroups anew after another one: what was bound to them is bound to
    /// no job any more, and its tokens are for none. So too where it cannot be told which boot it is. Agents' own tokens and what was
    /// revoked stay.
    pub fn of_boot(mut self, boot: Option<[u8; 16]>) -> Table {
        if boot.is_none() || self.boot != boot {
            self.boot = boot;
            self.bindings.retain(|binding| matches!(binding.job, Job::Agent(_)));
            for (_, job, _) in &mut self.tokens {
                if matches!(job, Job::Cgroup(_)) {
                    *job = Job::Cgroup(NO_CGROUP);
                }
            }
        }
        self
    }

    /// Binds it, kept nowhere but here.
    #[cfg(test)]
    pub(super) fn bind(
        &mut self,
        job: Job,
        identity: Identity,
        attested: Attested,
        now_s: u64,
    ) -> Result<(Binding, Change), NotBound> {
        let (binding, change) = self.plan(job, identity, attested, now_s)?;
        if change != Change::Same {
            self.commit(binding.clone(), now_s);
        }
        Ok((binding, change))
    }

    /// What binding it would come to; what is there of the job before is replaced. It counts with [`Table::commit`].
    pub fn plan(
        &mut self,
        job: Job,
        identity: Identity,
        attested: Attested,
        now_s: u64,
    ) -> Result<(Binding, Change), NotBound> {
        self.sweep(now_s);
        if self.revoked.contains_key(&identity.principal) {
            return Err(NotBound::Revoked);
        }
        let known = self.tokens.iter().find(|(token, ..)| *token == identity.token);
        if attested == Attested::ByToken && known.is_some_and(|(_, of, _)| *of != job) {
            return Err(NotBound::Elsewhere);
        }
        let before = self.bindings.iter().position(|binding| binding.job == job);
        let change = match before.and_then(|at| self.bindings.get(at)) {
            None => Change::Bound,
            Some(before) if before.identity.token == identity.token => return Ok((before.clone(), Change::Same)),
            Some(before)
                if before.identity.principal == identity.principal
                    && before.identity.expires_s >= identity.expires_s =>
            {
                return Ok((before.clone(), Change::Same));
            }
            Some(_) => Change::Refreshed,
        };
        if before.is_none() && self.bindings.len() >= BINDINGS_MAX || self.tokens.len() >= TOKENS_MAX {
            return Err(NotBound::Full);
        }
        Ok((Binding { number: self.last + 1, job, identity, bound_s: now_s, revoked: None }, change))
    }

    /// From now on it is so: a token that is bound, or was and is revoked.
    pub fn commit(&mut self, binding: Binding, now_s: u64) {
        self.last = self.last.max(binding.number);
        let Binding { job, identity, revoked, .. } = &binding;
        if revoked.is_some() {
            let until_s = identity.expires_s.max(now_s.saturating_add(REVOKED_S));
            self.revoked.insert(identity.principal.clone(), until_s);
        }
        if !self.tokens.iter().any(|(token, ..)| *token == identity.token) {
            self.tokens.push((identity.token, job.clone(), identity.expires_s));
        }
        match self.bindings.iter_mut().find(|known| known.job == *job) {
            Some(place) => *place = binding,
            None => self.bindings.push(binding),
        }
    }

    /// Revokes every binding whose principal, job or number this names; says which.
    pub fn revoke(&mut self, name: &str, by: &Revoked, now_s: u64) -> Vec<Binding> {
        self.sweep(now_s);
        let mut revoked = Vec::new();
        for binding in self.bindings.iter_mut().filter(|binding| names(binding, name) && binding.revoked.is_none()) {
            self.last += 1;
            binding.number = self.last;
            binding.revoked = Some(by.clone());
            let until_s = binding.identity.expires_s.max(now_s.saturating_add(REVOKED_S));
            self.revoked.insert(binding.identity.principal.clone(), until_s);
            revoked.push(binding.clone());
        }
        revoked
    }

    /// Everything that is bound.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    fn sweep(&mut self, now_s: u64) {
        self.tokens.retain(|(_, _, until_s)| *until_s > now_s);
        self.revoked.retain(|_, until_s| *until_s > now_s);
        self.bindings.retain(|binding| binding.identity.expires_s.saturating_add(EXPIRED_S) > now_s);
    }
}

/// By its number (`#7`), its job (`cgroup 4711`, `agent x`) or its principal.
pub(crate) fn names(binding: &Binding, name: &str) -> bool {
    name.strip_prefix('#').and_then(|digits| digits.parse().ok()) == Some(binding.number)
        || binding.job.to_string() == name
        || binding.identity.principal == name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(principal: &str, token: u8, expires_s: u64) -> Identity {
        Identity {
            issuer: "ci".into(),
            subject: "job".into(),
            principal: principal.into(),
            token: [token; 32],
            groups: Vec::new(),
            attributes: Vec::new(),
            expires_s,
        }
    }

    fn bind(table: &mut Table, cgroup: u64, (principal, token, expires_s): (&str, u8, u64), now_s: u64) -> String {
        match table.bind(Job::Cgroup(cgroup), identity(principal, token, expires_s), Attested::ByToken, now_s) {
            Ok((binding, change)) => format!("{} {change:?}", binding.number),
            Err(why) => format!("{why:?}"),
        }
    }

    #[test]
    fn a_token_is_for_one_job() {
        let mut table = Table::default();
        for (cgroup, token, now_s, expected) in [
            (1, ("ci:a", 1, 100), 10, "1 Bound"),
            (1, ("ci:a", 1, 100), 11, "1 Same"),
            (2, ("ci:a", 1, 100), 12, "Elsewhere"),
            (2, ("ci:a", 2, 100), 13, "2 Bound"),
            (1, ("ci:a", 3, 90), 14, "1 Same"), // older than what is bound
            (1, ("ci:a", 4, 200), 15, "3 Refreshed"),
            (2, ("ci:a", 4, 200), 16, "Elsewhere"),
            (1, ("ci:b", 5, 150), 17, "4 Refreshed"), // another principal: the next job of the same cgroup
            (2, ("ci:a", 1, 100), 18, "Elsewhere"),   // replaced, and still for that job alone
        ] {
            assert_eq!(bind(&mut table, cgroup, token, now_s), expected, "{token:?} at {now_s}");
        }
    }

    /// A SPIFFE agent keeps one SVID for all jobs of one name; what was fetched for one is no other's that posts it.
    #[test]
    fn an_issuer_may_give_one_token_to_several_jobs() {
        let mut table = Table::default();
        let mut fetch = |cgroup| {
            let bound = table.bind(Job::Cgroup(cgroup), identity("ci:a", 1, 100), Attested::ByIssuer, 10);
            bound.map(|(binding, change)| (binding.number, change))
        };
        assert_eq!(
            [fetch(1), fetch(2), fetch(2)],
            [Ok((1, Change::Bound)), Ok((2, Change::Bound)), Ok((2, Change::Same))]
        );
        assert_eq!(bind(&mut table, 3, ("ci:a", 1, 100), 11), "Elsewhere");
        assert_eq!(bind(&mut table, 2, ("ci:a", 1, 100), 11), "Elsewhere", "its first job was another");
    }

    #[test]
    fn a_cgroups_id_is_another_jobs_after_a_boot() {
        let mut table = Table::default().of_boot(Some([1; 16]));
        bind(&mut table, 1, ("ci:a", 1, 100), 10);
        bind(&mut table, 2, ("ci:b", 2, 100), 10);
        table.bind(Job::Agent("x".into()), identity("ci:c", 3, 100), Attested::ByToken, 10).expect("bound");
        table.revoke("cgroup 2", &Revoked { by: "ann".into(), why: "lost".into() }, 11);
        let table = table.of_boot(Some([1; 16]));
        assert_eq!(table.bindings().len(), 3, "the same boot");
        assert_eq!(table.clone().of_boot(None).bindings().len(), 1, "it cannot be told");
        let mut table = table.of_boot(Some([2; 16]));
        assert_eq!(table.bindings().iter().map(|b| b.job.to_string()).collect::<Vec<_>>(), ["agent x"]);
        assert_eq!(bind(&mut table, 1, ("ci:a", 1, 100), 12), "Elsewhere", "its token was another job's");
        assert_eq!(bind(&mut table, 1, ("ci:b", 4, 100), 12), "Revoked");
        assert_eq!(bind(&mut table, 1, ("ci:a", 5, 100), 12), "5 Bound");
    }

    #[test]
    fn what_has_expired_stays_for_a_while() {
        let mut table = Table::default();
        bind(&mut table, 1, ("ci:a", 1, 100), 10);
        assert_eq!(bind(&mut table, 2, ("ci:b", 2, 5000), 4000), "2 Bound");
        assert_eq!(table.bindings().len(), 2);
        assert_eq!(bind(&mut table, 3, ("ci:c", 3, 200_000), 100 + EXPIRED_S), "3 Bound");
        assert_eq!(table.bindings().iter().map(|b| b.number).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn who_is_revoked_gets_no_fresh_token() {
        let mut table = Table::default();
        bind(&mut table, 1, ("ci:a", 1, 100), 10);
        bind(&mut table, 2, ("ci:b", 2, 100), 10);
        let by = Revoked { by: "ann".into(), why: "lost".into() };
        for name in ["ci:x", "#9", "cgroup 3", "1"] {
            assert!(table.revoke(name, &by, 20).is_empty(), "{name}");
        }
        let revoked = table.revoke("cgroup 1", &by, 20);
        assert_eq!((revoked.len(), revoked[0].number), (1, 3));
        assert!(table.revoke("ci:a", &by, 21).is_empty(), "it is already");
        assert_eq!(bind(&mut table, 1, ("ci:a", 7, 500), 30), "Revoked");
        assert_eq!(bind(&mut table, 9, ("ci:a", 8, 500), 30), "Revoked");
        assert_eq!(table.revoke("#2", &by, 31).len(), 1);
        // A restart forgets nothing.
        let mut table: Table = serde_json::from_str(&serde_json::to_string(&table).unwrap()).unwrap();
        assert_eq!(bind(&mut table, 9, ("ci:a", 8, 500), 32), "Revoked");
        assert_eq!(bind(&mut table, 9, ("ci:c", 1, 500), 33), "Elsewhere");
        assert_eq!(bind(&mut table, 9, ("ci:a", 9, 200_000), 21 + REVOKED_S), "5 Bound");
    }
}
