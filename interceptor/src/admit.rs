//! Admission: a unit is protected before its first instruction, or it does not start.
//!
//! We chose a drop-in with `ExecStartPre=+interceptor admit %n` over a protected parent slice: systemd makes the unit's
//! cgroup before it runs that line and runs it inside, so its id is known and nothing of the agent has run yet; the unit
//! stays in the slice where its owner put it, with his limits; and a unit whose admission fails does not start at all,
//! where a slice that nobody protected would have started it all the same.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use interceptor_abi::{Agent, AllowedKey, maps, padded};

use crate::load::{self, Owners, Pins, cgroups};

/// What a unit is to become.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The instance that protects it.
    pub instance: &'a Path,
    /// The unit, such as `reconciler.service`.
    pub unit: &'a str,
    /// The agent that it is, if it is one.
    pub agent: Option<&'a str>,
    /// The numbers of the closed databases (`others = "refuse"`) that it may dial directly, if it is none.
    pub allowed: &'a [u32],
    /// The proxy's port.
    pub port: u16,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The unit's cgroup.
    pub cgroup: PathBuf,
    /// Its id.
    pub id: u64,
    /// Older connections to protected addresses that were closed.
    pub closed: usize,
}

/// Why a unit was not admitted: it must not start.
#[derive(Debug)]
pub enum Error {
    /// Nothing is attached, or it does not run, or a map cannot be written.
    Load(load::Error),
    /// The configuration names the unit neither as an agent nor as allowed.
    Unknown(String),
    /// No cgroup is called after the unit.
    NoCgroup(String),
    /// The unit runs as root, which could remove the programs.
    Root(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Load(why) => why.fmt(f),
            Error::Unknown(unit) => {
                write!(f, "{unit} is neither an agent's unit nor allowed by a database in the configuration")
            }
            Error::NoCgroup(unit) => {
                write!(f, "{unit} has no cgroup: is this run by its own ExecStartPre=, or is it running?")
            }
            Error::Root(unit) => write!(f, "{unit} runs as root, which could remove the protection: give it a User="),
        }
    }
}

impl std::error::Error for Error {}

impl From<load::Error> for Error {
    fn from(why: load::Error) -> Error {
        Error::Load(why)
    }
}

/// Writes the unit's cgroup into the kernel's maps and closes what it had open towards protected addresses.
pub fn admit(order: &Order<'_>) -> Result<Admitted, Error> {
    if order.agent.is_none() && order.allowed.is_empty() {
        return Err(Error::Unknown(order.unit.into()));
    }
    let _lock = load::lock(order.instance)?;
    load::verify(order.instance)?;
    let root = cgroups::root().map_err(load::Error::Cgroups)?;
    let cgroup = cgroup_of(&root, order.unit)?;
    let id = load::checked_id(&root, &cgroup)?;
    let pins = Pins::current(order.instance);
    let Some(agent) = order.agent else {
        for &database in order.allowed {
            let key = AllowedKey { cgroup: id, database, zero: 0 };
            pins.allowed()?.set(&key, &1).map_err(|why| load::Error::Map(maps::ALLOWED, why))?;
        }
        return Ok(Admitted { cgroup, id, closed: 0 });
    };
    if runs_as_root(order.unit) {
        return Err(Error::Root(order.unit.into()));
    }
    enter(&pins, id, agent)?;
    let owners = Owners { cgroups: vec![cgroup.clone()], uids: Vec::new() };
    let closed = load::close_older(&owners, &pins, order.port)?;
    Ok(Admitted { cgroup, id, closed })
}

/// Makes the cgroup the agent's.
pub(crate) fn enter(pins: &Pins, cgroup: u64, agent: &str) -> Result<(), load::Error> {
    let name = padded(agent).ok_or_else(|| load::Error::Name(agent.into()))?;
    pins.agents()?.set(&cgroup, &Agent { name }).map_err(|why| load::Error::Map(maps::AGENTS, why))
}

/// The unit's cgroup: our own, if we are run from its ExecStartPre=, else the one that is called after it.
fn cgroup_of(root: &Path, unit: &str) -> Result<PathBuf, Error> {
    let own = fs::read_to_string("/proc/self/cgroup").map_err(load::Error::Cgroups)?;
    if let Some(path) = inside(&own, unit) {
        return Ok(root.join(path));
    }
    let mut found = cgroups::of_unit(root, unit).into_iter();
    match (found.next(), found.next()) {
        (Some(cgroup), None) => Ok(cgroup),
        _ => Err(Error::NoCgroup(unit.into())),
    }
}

/// The path of `unit` in /proc/self/cgroup, where the line of cgroup v2 starts with `0::`. A delegated unit's control
/// processes run one level below it (`.control`).
fn inside(proc_cgroup: &str, unit: &str) -> Option<PathBuf> {
    let path = Path::new(proc_cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?);
    path.ancestors().find(|part| part.file_name().is_some_and(|name| name == unit)).map(Path::to_path_buf)
}

/// As systemd knows it; without systemd nobody does, and the hooks refuse uid 0 in an agent's cgroup in any case.
fn runs_as_root(unit: &str) -> bool {
    let shown = Command::new("systemctl").args(["show", "--property=User,DynamicUser,LoadState", "--", unit]).output();
    shown.is_ok_and(|shown| shown.status.success() && says_root(&String::from_utf8_lossy(&shown.stdout)))
}

fn says_root(properties: &str) -> bool {
    let is = |name: &str, values: &[&str]| {
        properties.lines().any(|line| {
            line.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).is_some_and(|value| values.contains(&value))
        })
    };
    is("LoadState", &["loaded"]) && is("User", &["", "root", "0"]) && !is("DynamicUser", &["yes"])
}

/// The drop-in of an agent's unit (`<unit>.d/10-interceptor.conf`). `hidden` are the folders of the databases' unix
/// sockets: one that does not exist fails the unit, since it could come into being later.
pub fn drop_in(program: &Path, config: &Path, hidden: &[PathBuf]) -> String {
    let mut text = format!(
        "# Generated by `interceptor units`. Without these lines the agent would reach the database directly.\n\
         [Unit]\n\
         Requires=interceptor-attach.service\n\
         After=interceptor-attach.service\n\
         \n\
         [Service]\n\
         ExecStartPre=+{} admit --config {} %n\n\
         NoNewPrivileges=yes\n\
         CapabilityBoundingSet=~CAP_BPF CAP_PERFMON CAP_SYS_ADMIN CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_PTRACE\n",
        quoted(program),
        quoted(config),
    );
    for folder in hidden {
        text.push_str(&format!("InaccessiblePaths={}\n", quoted(folder)));
    }
    text
}

/// The drop-in of a unit that is no agent but may dial a closed database.
pub fn drop_in_allowed(program: &Path, config: &Path) -> String {
    format!(
        "# Generated by `interceptor units`: this unit may reach a database with others = \"refuse\".\n\
         [Unit]\n\
         After=interceptor-attach.service\n\
         \n\
         [Service]\n\
         ExecStartPre=+{} admit --config {} %n\n",
        quoted(program),
        quoted(config),
    )
}

/// systemd.syntax(7): double quotes around words with blanks, `%` doubled.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%");
    if text.contains([' ', '\t', '"', '\'', '\\']) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text
    }
}

/// Removes the entries of cgroups that are gone; ids are never used again, so this is only tidiness. Answers how many.
pub fn prune(instance: &Path) -> Result<usize, load::Error> {
    let root = cgroups::root().map_err(load::Error::Cgroups)?;
    let alive = cgroups::all_ids(&root);
    let agents = Pins::current(instance).agents()?;
    let failed = |why: io::Error| load::Error::Map(maps::AGENTS, why);
    let mut removed = 0;
    for id in agents.keys(load::maps::ENTRIES_MAX).map_err(failed)? {
        if !alive.contains(&id) && agents.remove(&id).map_err(failed)? {
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_process_finds_its_unit() {
        let cases = [
            ("0::/system.slice/a.service\n", Some("system.slice/a.service")),
            ("1:cpu:/\n0::/system.slice/a.service/.control\n", Some("system.slice/a.service")),
            ("0::/user.slice\n", None),
            ("4:memory:/a.service\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(inside(text, "a.service"), expected.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn only_a_loaded_unit_without_a_user_is_root() {
        let cases = [
            ("LoadState=loaded\nUser=\nDynamicUser=no\n", true),
            ("LoadState=loaded\nUser=root\nDynamicUser=no\n", true),
            ("LoadState=loaded\nUser=svc\nDynamicUser=no\n", false),
            ("LoadState=loaded\nUser=\nDynamicUser=yes\n", false),
            ("LoadState=not-found\nUser=\n", false),
        ];
        for (text, expected) in cases {
            assert_eq!(says_root(text), expected, "{text}");
        }
    }

    #[test]
    fn the_drop_in_admits_before_the_start_and_hides_the_sockets() {
        let text =
            drop_in(Path::new("/usr/bin/interceptor"), Path::new("/etc/my files/i.toml"), &["/run/postgresql".into()]);
        for line in [
            "Requires=interceptor-attach.service",
            "After=interceptor-attach.service",
            "ExecStartPre=+/usr/bin/interceptor admit --config \"/etc/my files/i.toml\" %n",
            "InaccessiblePaths=/run/postgresql",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}");
        }
    }
}
