//! What `attach` is told: plain values, resolved by the caller from the configuration.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Where instances are pinned unless a test says otherwise.
pub const INSTANCE: &str = "/sys/fs/bpf/interceptor";

/// How many connections may be on their way to the proxy at once.
pub const FLOWS_MAX: u32 = 16384;

/// Everything that the kernel half needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Folder of the pins, below a bpf file system.
    pub instance: PathBuf,
    /// Where redirected sockets land, on 127.0.0.1 and `::1`.
    pub port: u16,
    /// The account that the service runs as: it alone may bind the port, and it gets the maps.
    pub service_uid: u32,
    /// Its group, which may read the maps.
    pub service_gid: u32,
    /// What is protected.
    pub databases: Vec<DatabasePlan>,
    /// Who is an agent.
    pub agents: Vec<AgentPlan>,
    /// Connections on their way to the proxy; a full map refuses.
    pub flows_max: u32,
}

impl Plan {
    /// A plan without databases and agents, at the usual place.
    pub fn new(port: u16, service_uid: u32, service_gid: u32) -> Plan {
        Plan {
            instance: Path::new(INSTANCE).into(),
            port,
            service_uid,
            service_gid,
            databases: Vec::new(),
            agents: Vec::new(),
            flows_max: FLOWS_MAX,
        }
    }
}

/// One protected database.
#[derive(Clone, Debug)]
pub struct DatabasePlan {
    /// Its number in the configuration.
    pub index: u32,
    /// Its name there.
    pub name: String,
    /// Where agents dial it.
    pub addresses: Vec<Destination>,
    /// Processes that are no agent are refused too.
    pub refuse_others: bool,
    /// The units that are not, then.
    pub allow: Vec<String>,
}

/// A network and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The network's first address.
    pub address: IpAddr,
    /// Leading bits that count: 32 or 128 for one address.
    pub prefix: u8,
    /// `None`: any.
    pub port: Option<u16>,
}

/// One agent.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// Its name in the configuration.
    pub name: String,
    /// What makes a process this agent.
    pub who: Who,
}

/// What makes a process an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A systemd unit, admitted by its drop-in before each start.
    Unit(String),
    /// A cgroup and all below it, as a path from the root of the hierarchy.
    Cgroup(PathBuf),
    /// Every process with this real uid.
    User(u32),
    /// What `interceptor exec` runs.
    Exec,
}
