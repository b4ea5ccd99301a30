//! Tokens of agents' jobs: they come by `identity.sock` or by a file, become an identity or are refused, and are bound to a job.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use identity::{Identity, Refused, TOKEN_BYTES_MAX};
use serde::Serialize;

use crate::api::now_s;
use crate::issuers::{IssuerState, Issuers};
use crate::server::Source;
use crate::small_file;

mod fetched;
mod post;
pub(crate) mod routes;
mod store;
mod table;

pub use fetched::{IsThere, Process, SvidAsk, SvidTerms};
pub use store::Store;
pub use table::{Attested, Binding, Change, Job, NotBound, Revoked, Table};

/// How often a token's file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What could not be verified for want of keys is tried again after so many looks.
const AGAIN: u32 = 30;

/// The process that brought a token, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its account.
    pub uid: u32,
    /// Its number.
    pub pid: u32,
    /// Its cgroup's id.
    pub cgroup: u64,
}

/// What is told of a token: recorded before it counts.
#[derive(Clone, Debug)]
pub struct TokenNews<'a> {
    /// Who brought it, or whom it was fetched for; `None`: it came by a file.
    pub caller: Option<Caller>,
    /// The service has fetched it.
    pub fetched: bool,
    /// What it is for.
    pub job: Option<&'a Job>,
    /// What is bound now; a revoked one is bound too.
    pub binding: Option<&'a Binding>,
    /// What became of it.
    pub change: &'static str,
    /// Why it was refused, or revoked.
    pub why: Option<&'a str>,
}

/// What became of no token: its issuer shows other keys than before.
pub const KEYS_CHANGED: &str = "keys";

/// The agents' own files.
#[derive(Clone, Debug)]
pub struct TokenFile {
    /// The agent's configured name.
    pub agent: String,
    /// Where its token is; another one may take its place at any time.
    pub path: PathBuf,
}

/// How it was bound, for whoever brought the token.
#[derive(Debug, Serialize)]
pub(crate) struct BoundAs {
    /// The principal.
    pub(crate) principal: String,
    /// Its groups.
    pub(crate) groups: Vec<String>,
    /// Seconds since 1970.
    pub(crate) expires: u64,
    /// Nothing has changed by it.
    pub(crate) same: bool,
}

/// Why a token was not bound.
#[derive(Debug)]
pub(crate) enum Unbound {
    /// It does not count.
    Refused(Refused),
    /// It counts, and is not for this job.
    NotBound(NotBound),
    /// There is none to be had.
    Unfetched(String),
    /// It cannot be recorded.
    Unrecorded,
}

impl std::fmt::Display for Unbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unbound::Refused(why) => why.fmt(f),
            Unbound::NotBound(why) => why.fmt(f),
            Unbound::Unfetched(why) => f.write_str(why),
            Unbound::Unrecorded => f.write_str("that it is bound cannot be recorded"),
        }
    }
}

/// Keeps over a restart what becomes of these bindings at this second (since 1970), before it is in the table; of none: what is in the
/// table, and nothing that was kept besides. An error: it counts for nothing.
pub type Save = Box<dyn Fn(&Table, &[Binding], u64) -> std::io::Result<()> + Send + Sync>;

/// Issuers, and what is bound.
pub struct Workloads {
    save: Save,
    issuers: Arc<Issuers>,
    files: Vec<TokenFile>,
    socket: PathBuf,
    table: Mutex<Table>,
    refusals: Mutex<Refusals>,
    fetched: fetched::Fetched,
}

impl std::fmt::Debug for Workloads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workloads").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Every process of the host may bring what is refused: so many in a second are told, the others are counted.
const REFUSALS_MAX: u32 = 10;

#[derive(Default)]
struct Refusals {
    second: u64,
    told: u32,
    untold: u64,
}

impl Refusals {
    /// Whether this one is told, and of how many before it nobody was.
    fn next(&mut self, now_s: u64) -> Option<u64> {
        if self.second != now_s {
            (self.second, self.told) = (now_s, 0);
        }
        if self.told == REFUSALS_MAX {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

impl Workloads {
    /// With what the service before this one had bound.
    pub fn new(issuers: Issuers, files: Vec<TokenFile>, socket: PathBuf, (table, save): (Table, Save)) -> Workloads {
        Workloads {
            issuers: Arc::new(issuers),
            files,
            socket,
            table: Mutex::new(table),
            save,
            refusals: Mutex::default(),
            fetched: fetched::Fetched::new(HashMap::new()),
        }
    }

    /// The same, where these agents' tokens are fetched.
    pub fn fetching(self, wanted: HashMap<String, SvidTerms>) -> Workloads {
        Workloads { fetched: fetched::Fetched::new(wanted), ..self }
    }

    /// Everything that is bound.
    pub fn bindings(&self) -> Vec<Binding> {
        self.table().bindings().to_vec()
    }

    /// How the issuers stand.
    pub fn issuers(&self) -> Vec<IssuerState> {
        self.issuers.states()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves the socket and looks at files and issuers, for ever.
    pub(crate) async fn serve(self: Arc<Workloads>, listener: tokio::net::UnixListener, source: Arc<dyn Source>) {
        let told = Arc::clone(&source);
        let rotated = move |why: &str| {
            let change = KEYS_CHANGED;
            told.token(&TokenNews { caller: None, fetched: false, job: None, binding: None, change, why: Some(why) });
        };
        tokio::spawn(Arc::clone(&self.issuers).refresh(rotated));
        tokio::spawn(Arc::clone(&self).watch_files(Arc::clone(&source)));
        tokio::spawn(Arc::clone(&self).fetch(Arc::clone(&source)));
        tokio::spawn(Arc::clone(&self).fetch_again(Arc::clone(&source)));
        post::serve(listener, self, source).await;
    }

    pub(crate) fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    /// A token that came for this job.
    pub(crate) async fn bring(
        &self,
        token: &[u8],
        job: Job,
        caller: Option<Caller>,
        source: &dyn Source,
    ) -> Result<BoundAs, Unbound> {
        let verified = self.issuers.verify(token, now_s()).await.map_err(Unbound::Refused);
        let outcome = verified.and_then(|identity| self.bind(&job, identity, (caller, false), source));
        if let Err(why) = &outcome {
            self.tell_refused(why, &job, (caller, false), source);
        }
        outcome
    }

    fn tell_refused(&self, why: &Unbound, job: &Job, (caller, fetched): (Option<Caller>, bool), source: &dyn Source) {
        let untold = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).next(now_s());
        let Some(untold) = untold else { return };
        let before = if untold > 0 { format!(", and {untold} before it") } else { String::new() };
        let why = format!("{why}{before}");
        source.token(&TokenNews { caller, fetched, job: Some(job), binding: None, change: "refused", why: Some(&why) });
    }

    fn bind(
        &self,
        job: &Job,
        identity: Identity,
        (caller, fetched): (Option<Caller>, bool),
        source: &dyn Source,
    ) -> Result<BoundAs, Unbound> {
        let (mut table, now_s) = (self.table(), now_s());
        let attested = if fetched { Attested::ByIssuer } else { Attested::ByToken };
        let (binding, change) = table.plan(job.clone(), identity, attested, now_s).map_err(Unbound::NotBound)?;
        let word = match change {
            Change::Bound => "bound",
            Change::Refreshed => "refreshed",
            Change::Same => "",
        };
        let news = TokenNews { caller, fetched, job: Some(job), binding: Some(&binding), change: word, why: None };
        // With the table held: what is told is told in the order of its numbers.
        if change != Change::Same {
            (self.save)(&table, std::slice::from_ref(&binding), now_s).map_err(|_| Unbound::Unrecorded)?;
            if !source.token(&news) {
                // It must not count after a restart either.
                let _ = (self.save)(&table, &[], now_s);
                return Err(Unbound::Unrecorded);
            }
            table.commit(binding.clone(), now_s);
        }
        let Identity { principal, groups, expires_s, .. } = binding.identity;
        Ok(BoundAs { principal, groups, expires: expires_s, same: change == Change::Same })
    }

    /// Revokes what this names: its sessions end, and it gets no fresh token. How many there were.
    pub(crate) fn revoke(&self, name: &str, by: &Revoked, source: &dyn Source) -> usize {
        let (mut table, now_s) = (self.table(), now_s());
        let revoked = table.revoke(name, by, now_s);
        for binding in &revoked {
            let news = TokenNews {
                caller: None,
                fetched: false,
                job: Some(&binding.job),
                binding: Some(binding),
                change: "revoked",
                why: Some(&by.why),
            };
            source.token(&news);
        }
        // The sessions have ended all the same.
        if (self.save)(&table, &revoked, now_s).is_err() {
            source.token(&TokenNews {
                caller: None,
                fetched: false,
                job: None,
                binding: None,
                change: "refused",
                why: Some("what was revoked is not on disk: after a restart it is not known"),
            });
        }
        revoked.len()
    }

    async fn watch_files(self: Arc<Workloads>, source: Arc<dyn Source>) {
        // What was read last, and how many looks it is left alone.
        let mut seen: Vec<(Option<Stamp>, u32)> = vec![(None, 0); self.files.len()];
        loop {
            for (file, (known, pause)) in self.files.iter().zip(&mut seen) {
                let stamp = Stamp::of(&file.path);
                *pause = pause.saturating_sub(1);
                if stamp.is_none() || *known == stamp && *pause != 1 {
                    continue;
                }
                let Ok(token) = read_token(&file.path) else { continue };
                let outcome = self.bring(&token, Job::Agent(file.agent.clone()), None, &*source).await;
                // A key that is not here yet may come.
                let again = matches!(&outcome, Err(Unbound::Refused(why)) if why.may_be_rotation());
                (*known, *pause) = (stamp, if again { AGAIN } else { 0 });
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// One state of a file: another one is another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(SystemTime, u64, u64);

impl Stamp {
    fn of(path: &std::path::Path) -> Option<Stamp> {
        use std::os::unix::fs::MetadataExt as _;
        let held = std::fs::metadata(path).ok()?;
        Some(Stamp(held.modified().ok()?, held.ino(), held.len()))
    }
}

/// The token in a file. One that is longer than any is read up to there, and refused as such.
pub fn read_token(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    small_file::read(path, TOKEN_BYTES_MAX + 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_fill_no_record() {
        let mut refusals = Refusals::default();
        let told = (0..1000).filter_map(|_| refusals.next(7)).count();
        assert_eq!((told, refusals.next(8), refusals.next(8)), (REFUSALS_MAX as usize, Some(990), Some(0)));
    }
}
