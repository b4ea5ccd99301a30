//! What is known of a session before its first byte.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::{AgentTls, Logins, NONCE_LEN, Signed, TokenTerms, Verifiers};

/// Who asked, frozen at connect: the policy's words and the kernel's facts.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Agent and groups, as rules name them.
    pub policy: Arc<policy::Subject>,
    /// What its tokens must be.
    pub token: Arc<TokenTerms>,
    /// The cgroup's id.
    pub cgroup: u64,
    /// The process that called connect().
    pub pid: u32,
    /// Its uid.
    pub uid: u32,
    /// Device of its executable.
    pub exe_device: u64,
    /// Inode of its executable.
    pub exe_inode: u64,
    /// Name of its executable.
    pub exe_name: String,
}

/// Whether refusals are acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What policy refuses is refused.
    Enforce,
    /// What policy would refuse is recorded and forwarded.
    Observe,
}

/// One `[[database]]` of the configuration, as far as a session needs it.
#[derive(Clone, Debug)]
pub struct Database {
    /// The endpoint's name in rules.
    pub name: String,
    /// Startup databases that are admitted; empty: any.
    pub dbnames: Vec<String>,
    /// Enforce or observe.
    pub mode: Mode,
    /// False only with [`Mode::Observe`]: rows pass unmasked.
    pub mask: bool,
    /// How eagerly its values are searched for card numbers.
    pub masking: pan::Mode,
    /// Towards the agent.
    pub agent_tls: AgentTls,
    /// An agent shows a certificate, or its session is refused. Cancel requests are not.
    pub agent_certificate: bool,
    /// Towards the database: a session goes on only under TLS.
    pub database_tls: bool,
    /// What comes back is kept in the record where no rule says otherwise.
    pub results: bool,
    /// There is a login of our own, whose planner can be asked.
    pub estimates: bool,
    /// With which SCRAM ends here, where both legs have TLS; `None`: it passes on.
    pub verifiers: Option<Arc<Verifiers>>,
    /// Logins of ours that sessions are given; `None`: their agents' own pass on.
    pub logins: Option<Arc<Logins>>,
    /// The login of ours is asked for at each session's start ([`crate::LoginAsk`]); not with `logins`.
    pub asks_login: bool,
    /// The database hears who the agent is (`interceptor.agent`, `interceptor.principal`).
    pub tell_agent: bool,
}

impl Database {
    /// Sessions of it play a part of SCRAM, which wants nonces.
    pub fn plays_scram(&self) -> bool {
        self.verifiers.is_some() || self.logins.is_some() || self.asks_login
    }
}

/// A new connection of an agent.
#[derive(Clone)]
pub struct Open {
    /// The session's number, unique in this run of the service.
    pub id: u64,
    /// Who asked.
    pub subject: Arc<Subject>,
    /// The token that was bound to its job before.
    pub signed: Option<Arc<Signed>>,
    /// The agent's own end of the socket.
    pub agent_address: SocketAddr,
    /// The address that the agent dialled.
    pub origin: SocketAddr,
    /// The endpoint that this address belongs to.
    pub database: Arc<Database>,
    /// Random bytes from which the issued cancel secret is cut.
    pub secret: [u8; 32],
    /// Random bytes of the nonces of SCRAM that ends here: towards the agent, and towards the database. `None`: it passes on.
    pub nonces: Option<Box<[[u8; NONCE_LEN]; 2]>>,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("id", &self.id).field("origin", &self.origin).finish_non_exhaustive()
    }
}
