//! Tokens of agents' jobs, between the control plane, which binds them, and the shards, whose sessions they are of.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result};
use audit::{Event, Operator, Principal, Text, TokenSeen};
use control::{Binding, Issuers, Job, Store, Table, TokenFile, TokenNews, Workloads};
use pan::Masked;
use proxy::Whose;
use session::Signed;

use crate::config::Config;
use crate::identity_test::settings;

/// In `state_dir`: what is bound, so that a restart forgets neither a job nor that a token was used.
const SAVED: &str = "identities.json";

/// What has expired for so long is as if it had never been, as in the control plane's own table.
const EXPIRED_NS: u64 = 86_400_000_000_000;

/// What every shard asks of an accepted connection: touched at accept, and when a token comes.
#[derive(Default)]
pub struct Live {
    all: RwLock<HashMap<Whose, Arc<Signed>>>,
    /// What a shard had no place for when it was told.
    untold: Mutex<Vec<(Whose, Arc<Signed>)>>,
}

impl Live {
    /// The token of this job, or of its agent as a whole.
    pub fn of(&self, cgroup: u64, agent: &str) -> Option<Arc<Signed>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return None;
        }
        all.get(&Whose::Cgroup(cgroup)).or_else(|| all.get(&Whose::Agent(agent.to_owned()))).cloned()
    }

    /// From now on. Those that have expired long ago leave.
    pub fn set(&self, whose: Whose, signed: Arc<Signed>) {
        self.set_at(whose, signed, mono_ns());
    }

    fn set_at(&self, whose: Whose, signed: Arc<Signed>, now_ns: u64) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, known| known.until_ns.saturating_add(EXPIRED_NS) > now_ns);
        all.insert(whose, signed);
    }

    /// Some shard did not hear it. Of one job the last word is kept.
    pub fn left_untold(&self, whose: Whose, signed: Arc<Signed>) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        match untold.iter_mut().find(|(of, _)| *of == whose) {
            Some((_, known)) if known.number > signed.number => {}
            Some((_, known)) => *known = signed,
            None => untold.push((whose, signed)),
        }
    }

    /// What is to be told again.
    pub fn take_untold(&self) -> Vec<(Whose, Arc<Signed>)> {
        std::mem::take(&mut self.untold.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Issuers and what was bound before; `None`: no issuer is configured. Before anything is dropped or confined.
pub fn workloads(config: &Config, live: &Live) -> Result<Option<Arc<Workloads>>> {
    if config.issuers.is_empty() {
        return Ok(None);
    }
    let all = config.issuers.iter().map(settings).collect::<Result<Vec<_>>>()?;
    let told: control::Told = Box::new(|name: &str, why: Option<&str>| match why {
        Some(why) => tracing::error!(
            issuer = name,
            why = Masked::of(why).as_str(),
            "ALERT: an issuer's keys cannot be had; those that are here count until keys_hold is over"
        ),
        None => tracing::info!(issuer = name, "the issuer shows its keys again"),
    });
    let issuers = Issuers::new(all, told).context("[[issuer]]")?;
    let store = Store::new(config.service.state_dir.join(SAVED));
    let table = store.read().map_err(anyhow::Error::msg)?.of_boot(crate::root_key::boot(&config.service.state_dir));
    for binding in table.bindings() {
        live.set(whose(&binding.job), Arc::new(signed(binding)));
    }
    let files = config.agents.iter().filter_map(|agent| Some((agent, agent.token_file.as_ref()?)));
    let file = |(agent, path): (&crate::config::Agent, &PathBuf)| -> Result<TokenFile> {
        let path = crate::verifiers::resolved(path).with_context(|| format!("[[agent]] {}: token_file", agent.name))?;
        Ok(TokenFile { agent: agent.name.clone(), path })
    };
    let files = files.map(file).collect::<Result<Vec<_>>>()?;
    let save: control::Save = Box::new(move |table: &Table, bindings: &[Binding], at_s| match bindings {
        [] => store.rewrite(table),
        some if some.iter().all(is_plain) => store.append(table, some, at_s),
        _ => Err(std::io::Error::other("a token has something like a card number in it")),
    });
    let fetched = config.agents.iter().filter_map(|agent| Some((agent.name.clone(), agent.svids.clone()?)));
    let workloads = Workloads::new(issuers, files, config.identity_socket(), (table, save));
    Ok(Some(Arc::new(workloads.fetching(fetched.collect()))))
}

/// Folders that are read again later: keys and tokens change.
pub fn folders(config: &Config) -> Vec<PathBuf> {
    let keys = config.issuers.iter().filter_map(|issuer| match &issuer.source {
        control::KeySource::File(path) => Some(path.clone()),
        control::KeySource::Url(_) | control::KeySource::Discovery | control::KeySource::Spiffe(_) => None,
    });
    let tokens = config.agents.iter().filter_map(|agent| crate::verifiers::resolved(agent.token_file.as_ref()?).ok());
    let mut all: Vec<PathBuf> = keys.chain(tokens).filter_map(|path| path.parent().map(Path::to_path_buf)).collect();
    if !config.issuers.is_empty() && !crate::sys::peer::pidfds_tell() {
        // The kernel does not tell a process's cgroup by itself.
        all.push("/proc".into());
    }
    all
}

/// Whether nothing of it would be masked: what would be is not kept on disk, and not accepted.
fn is_plain(binding: &Binding) -> bool {
    let plain = |text: &str| Masked::of(text).as_str() == text;
    let identity = &binding.identity;
    [&identity.subject, &identity.principal].into_iter().all(|text| plain(text))
        && identity.attributes.iter().all(|(name, value)| plain(name) && plain(value))
}

/// The shards' word for it.
pub fn whose(job: &Job) -> Whose {
    match job {
        Job::Cgroup(id) => Whose::Cgroup(*id),
        Job::Agent(name) => Whose::Agent(name.clone()),
    }
}

/// What sessions are told.
pub fn signed(binding: &Binding) -> Signed {
    let identity = &binding.identity;
    let left_s = identity.expires_s.saturating_sub(crate::approvals::now_s());
    let revoked = binding.revoked.as_ref();
    Signed {
        number: binding.number,
        issuer: identity.issuer.clone(),
        subject: identity.subject.clone(),
        principal: identity.principal.clone(),
        token: identity.token,
        of_job: matches!(binding.job, Job::Cgroup(_)),
        says: policy::Signed::new(identity.groups.clone(), identity.attributes.clone()),
        expires_s: identity.expires_s,
        until_ns: mono_ns().saturating_add(left_s.saturating_mul(1_000_000_000)),
        revoked: revoked.map(|revoked| Masked::of(&format!("by {}: {}", revoked.by, revoked.why))),
    }
}

/// Now, on the monotonic clock.
pub(crate) fn mono_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// What the record says of it.
pub fn recorded(news: &TokenNews<'_>, service: Operator<'_>, record: impl FnOnce(&Event<'_>)) {
    let binding = news.binding;
    let mask = |text: &String| Masked::of(text);
    let texts = binding.map(|b| [&b.identity.issuer, &b.identity.subject, &b.identity.principal].map(mask));
    let signed = texts.as_ref().zip(binding).map(|([issuer, subject, principal], binding)| Principal {
        issuer: issuer.into(),
        subject: subject.into(),
        principal: principal.into(),
        token: binding.identity.token,
    });
    let agent = match news.job {
        Some(Job::Agent(name)) => Some(Masked::of(name)),
        Some(Job::Cgroup(_)) | None => None,
    };
    let revoked = binding.and_then(|binding| binding.revoked.as_ref());
    let by = revoked.map(|revoked| Masked::of(&revoked.by));
    let (by_file, by_job) = (Text::Literal("token file"), Text::Literal("job"));
    let operator = match (news.caller, &by) {
        // Nobody brought it: whose process its issuer was asked about.
        (Some(caller), _) if news.fetched => {
            Operator { name: Text::Literal("spiffe"), uid: caller.uid, pid: caller.pid }
        }
        (Some(caller), _) => Operator { name: by_job, uid: caller.uid, pid: caller.pid },
        (None, Some(by)) => Operator { name: by.into(), ..service },
        (None, None) if news.change == control::KEYS_CHANGED => service,
        (None, None) => Operator { name: by_file, ..service },
    };
    let cause = news.why.map(Masked::of);
    record(&Event::Token(TokenSeen {
        operator,
        agent: agent.as_ref().map(Into::into),
        cgroup: match news.job {
            Some(Job::Cgroup(id)) => Some(*id),
            Some(Job::Agent(_)) | None => None,
        },
        change: news.change,
        signed,
        expires_s: binding.map(|binding| binding.identity.expires_s),
        cause: cause.as_ref().map(Into::into),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(number: u64, until_ns: u64) -> Arc<Signed> {
        Arc::new(Signed {
            number,
            issuer: "ci".into(),
            subject: "s".into(),
            principal: "ci:s".into(),
            token: [0; 32],
            of_job: true,
            says: policy::Signed::new(vec![], vec![]),
            expires_s: 1,
            until_ns,
            revoked: None,
        })
    }

    #[test]
    fn a_job_is_known_by_its_cgroup_and_then_by_its_agent() {
        let live = Live::default();
        assert!(live.of(1, "a").is_none());
        live.set(Whose::Agent("a".into()), signed(1, u64::MAX));
        live.set(Whose::Cgroup(1), signed(2, u64::MAX));
        let found = |cgroup, agent| live.of(cgroup, agent).map(|signed| signed.number);
        assert_eq!((found(1, "a"), found(2, "a"), found(1, "b"), found(2, "b")), (Some(2), Some(1), Some(2), None));
    }

    #[test]
    fn what_expired_a_day_ago_takes_no_memory() {
        let live = Live::default();
        for (cgroup, until_ns) in [(1, 10), (2, 11), (3, 12)] {
            live.set_at(Whose::Cgroup(cgroup), signed(1, until_ns), 10);
        }
        live.set_at(Whose::Cgroup(4), signed(2, u64::MAX), EXPIRED_NS + 11);
        assert_eq!([1, 2, 3, 4].map(|cgroup| live.of(cgroup, "a").is_some()), [false, false, true, true]);
    }

    #[test]
    fn of_what_no_shard_heard_the_last_word_is_told_again() {
        let live = Live::default();
        for (cgroup, number) in [(1, 1), (2, 5), (1, 4), (1, 3)] {
            live.left_untold(Whose::Cgroup(cgroup), signed(number, 0));
        }
        let told: Vec<u64> = live.take_untold().iter().map(|(_, signed)| signed.number).collect();
        assert_eq!((told, live.take_untold().len()), (vec![4, 5], 0));
    }
}
