//! What can go wrong between the plan and the attached programs: one variant per step.

use std::{fmt, io, path::PathBuf};

use super::btf;

/// Why the kernel half is not (or no longer) in place.
#[derive(Debug)]
pub enum Error {
    /// Only root may load programs.
    NotRoot,
    /// There is no cgroup v2 hierarchy, or it cannot be read.
    Cgroups(io::Error),
    /// The kernel's own type information.
    Btf(btf::Error),
    /// A name is empty, too long for the map, or holds a zero.
    Name(String),
    /// An agent's or an allowed cgroup cannot be read or made.
    Cgroup(PathBuf, io::Error),
    /// An agent's cgroup lies deeper than the hooks look.
    CgroupTooDeep(PathBuf),
    /// The root of the hierarchy cannot be an agent: it holds everything.
    CgroupIsRoot(PathBuf),
    /// An agent with root's or the service's own uid.
    AgentIs(u32),
    /// The bpf file system cannot be mounted.
    Mount(PathBuf, io::Error),
    /// A pin or its folder.
    Pin(PathBuf, io::Error),
    /// Another attach, detach or admit holds the lock and does not end, or the lock cannot be had.
    Lock(io::Error),
    /// The object does not load.
    Object(Box<aya::EbpfError>),
    /// The object has no such program: build and loader do not fit.
    NoProgram(&'static str),
    /// The kernel's verifier refuses a program.
    Program(&'static str, Box<aya::programs::ProgramError>),
    /// A program cannot be attached or replaced.
    Attach(&'static str, io::Error),
    /// A program is attached and does not run all the same.
    NotEffective(&'static str),
    /// A map cannot be opened or written.
    Map(&'static str, io::Error),
    /// The host's own addresses cannot be listed.
    Locals(io::Error),
    /// Connections older than the admission cannot be listed or closed.
    Sockets(io::Error),
    /// Nothing is attached here.
    NotAttached(PathBuf),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotRoot => write!(f, "this needs root: it loads and attaches programs"),
            Error::Cgroups(why) => write!(f, "the cgroup v2 hierarchy: {why}"),
            Error::Btf(why) => why.fmt(f),
            Error::Name(name) => write!(f, "the name {name:?} is empty or longer than 63 bytes"),
            Error::Cgroup(path, why) => write!(f, "the cgroup {}: {why}", path.display()),
            Error::CgroupTooDeep(path) => write!(
                f,
                "the cgroup {} lies more than {} levels below the root",
                path.display(),
                interceptor_abi::CGROUP_LEVELS_MAX
            ),
            Error::CgroupIsRoot(path) => {
                write!(f, "{} is the root of all cgroups: every process would be the agent", path.display())
            }
            Error::AgentIs(0) => write!(f, "root cannot be an agent: it could remove the programs"),
            Error::AgentIs(uid) => write!(f, "uid {uid} is the service's own: it cannot be an agent"),
            Error::Mount(path, why) => write!(f, "cannot mount the bpf file system at {}: {why}", path.display()),
            Error::Pin(path, why) => write!(f, "{}: {why}", path.display()),
            Error::Lock(why) => write!(f, "cannot lock the pins against another attach: {why}"),
            Error::Object(why) => write!(f, "the kernel half does not load: {why}"),
            Error::NoProgram(name) => write!(f, "the kernel half has no program {name}"),
            Error::Program(name, why) => write!(f, "the kernel refuses {name}: {why}"),
            Error::Attach(name, why) => write!(f, "cannot attach {name}: {why}"),
            Error::NotEffective(name) => write!(f, "{name} is attached and does not run"),
            Error::Map(name, why) => write!(f, "the map {name}: {why}"),
            Error::Locals(why) => write!(f, "cannot list the host's addresses: {why}"),
            Error::Sockets(why) => write!(f, "cannot list or close the connections made before: {why}"),
            Error::NotAttached(path) => {
                write!(f, "nothing is attached at {}: run `interceptor attach`", path.display())
            }
        }
    }
}

impl std::error::Error for Error {}
