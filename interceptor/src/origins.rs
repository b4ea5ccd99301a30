//! What a shard asks of an accepted connection, answered from the kernel half's maps and the configuration.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use proxy::Admitted;
use session::{AgentTls, Database, Mode, Subject, TokenTerms};

use crate::config::{self, Config};
use crate::identities::Live;
use crate::identity::Identity;
use crate::origin::{Arrival, KernelOrigins};
use crate::tls::Legs;

/// The configuration's databases and agents by name. Names and not numbers: `attach` may have read an older file.
pub struct Known {
    databases: HashMap<String, Arc<Database>>,
    tls: Legs,
    agents: HashMap<String, (Arc<policy::Subject>, Arc<TokenTerms>)>,
    signed: Live,
    /// Subjects of sessions that were open at the last look; touched at accept and by `status` only.
    live: Mutex<Vec<Weak<Subject>>>,
}

impl Known {
    /// Of a configuration, with the keys and certificates that it names.
    pub fn new(config: &Config, tls: Legs) -> Known {
        let databases = config.databases.iter().map(|d| (d.name.clone(), Arc::new(database(d, &tls)))).collect();
        let subject = |a: &config::Agent| {
            Arc::new(policy::Subject { agent: a.name.clone(), groups: a.groups.clone(), signed: None })
        };
        let agents = config.agents.iter().map(|a| (a.name.clone(), (subject(a), Arc::clone(&a.token)))).collect();
        Known { databases, tls, agents, signed: Live::default(), live: Mutex::default() }
    }

    /// Keys and certificates.
    pub fn tls(&self) -> &Legs {
        &self.tls
    }

    /// Tokens that are bound.
    pub fn signed(&self) -> &Live {
        &self.signed
    }

    /// Sessions of this agent that are open.
    pub fn sessions_of_agent(&self, name: &str) -> u64 {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.iter().filter_map(Weak::upgrade).filter(|subject| subject.policy.agent == name).count() as u64
    }

    /// The processes that opened sessions which are still open, of the job of this cgroup.
    pub fn processes(&self, cgroup: u64) -> Vec<control::Process> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let of_job = live.iter().filter_map(Weak::upgrade).filter(|subject| subject.cgroup == cgroup);
        of_job.map(|subject| process(&subject)).collect()
    }

    /// Sessions on this database that are open: each holds the configuration of its database, and so do we.
    pub fn sessions_on_database(&self, name: &str) -> u64 {
        self.databases.get(name).map_or(0, |database| Arc::strong_count(database) as u64 - 1)
    }

    fn opened(&self, subject: &Arc<Subject>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.len() == live.capacity() {
            live.retain(|weak| weak.strong_count() > 0);
        }
        live.push(Arc::downgrade(subject));
    }
}

/// The process that opened a session.
pub(crate) fn process(subject: &Subject) -> control::Process {
    let caller = control::Caller { uid: subject.uid, pid: subject.pid, cgroup: subject.cgroup };
    control::Process { agent: subject.policy.agent.clone(), caller }
}

fn database(database: &config::Database, tls: &Legs) -> Database {
    Database {
        name: database.name.clone(),
        dbnames: database.dbnames.clone(),
        mode: match database.mode {
            config::Mode::Enforce => Mode::Enforce,
            config::Mode::Observe => Mode::Observe,
        },
        mask: database.mask,
        masking: database.masking.into(),
        agent_tls: match database.tls.agent {
            config::AgentTls::Disable => AgentTls::Disable,
            config::AgentTls::Allow => AgentTls::Allow,
            config::AgentTls::Require => AgentTls::Require,
        },
        database_tls: database.tls.database != config::DatabaseTls::Disable,
        agent_certificate: database.tls.agent_client_required,
        results: database.record == config::Record::Results,
        estimates: database.login.is_some(),
        verifiers: tls.verifiers().of(&database.name),
        logins: tls.logins(&database.name),
        asks_login: database.credentials.asks_login(),
        tell_agent: database.credentials.tell_agent,
    }
}

/// One shard's.
pub struct Origins {
    kernel: KernelOrigins,
    known: Arc<Known>,
}

impl Origins {
    /// Over these maps.
    pub fn new(kernel: KernelOrigins, known: Arc<Known>) -> Origins {
        Origins { kernel, known }
    }

    fn admit(&self, destination: SocketAddr, name: &str, identity: Identity) -> Option<Admitted> {
        // An agent or a database that the service does not know was attached from another configuration: refused.
        let (Some(database), Some((policy, token))) =
            (self.known.databases.get(name), self.known.agents.get(&identity.agent))
        else {
            tracing::warn!(agent = %identity.agent, database = %name, "attached from another configuration: refused; restart the service");
            return None;
        };
        let (exe_device, exe_inode, exe_name) =
            identity.executable.map_or((0, 0, identity.comm), |exe| (exe.device, exe.inode, exe.name));
        let subject = Subject {
            policy: Arc::clone(policy),
            token: Arc::clone(token),
            cgroup: identity.cgroup,
            pid: identity.pid,
            uid: identity.uid,
            exe_device,
            exe_inode,
            exe_name,
        };
        let signed = self.known.signed.of(subject.cgroup, &identity.agent);
        let subject = Arc::new(subject);
        self.known.opened(&subject);
        Some(Admitted { destination, database: Arc::clone(database), tls: self.known.tls.of(name), subject, signed })
    }
}

impl proxy::Origins for Origins {
    fn take(&mut self, agent: SocketAddr, local: SocketAddr) -> Option<Admitted> {
        match self.kernel.take(agent, local) {
            Ok(Some(Arrival::Agent { destination, database: _, name, identity })) => {
                self.admit(destination, &name, identity)
            }
            Ok(Some(Arrival::Canary) | None) => None,
            Err(error) => {
                tracing::error!(%error, "the kernel half's map cannot be read: connection refused");
                None
            }
        }
    }

    fn sweep(&mut self) {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
        let now_ns = now.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        match self.kernel.sweep(now_ns) {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "connections on their way that nobody accepted: removed"),
            Err(error) => tracing::error!(%error, "the kernel half's map cannot be swept"),
        }
    }
}
