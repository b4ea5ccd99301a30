//! Ways around the interception that are open on this host now.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::Ability;
use crate::load::{Pins, cgroups, maps::ENTRIES_MAX};

/// PostgreSQL's unix sockets that a process of this host could connect to.
pub(super) fn sockets(hidden: &[PathBuf]) -> Vec<Ability> {
    const NAME: &str = "unix sockets";
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let open: BTreeSet<&str> = database_sockets(&table).filter(|path| !is_hidden(Path::new(path), hidden)).collect();
    if open.is_empty() {
        return vec![Ability::ok(NAME, "none of a database that agents could see")];
    }
    let cure = |path: &str| {
        let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
        format!(
            "add {} to the database's unix_directories, so that agents do not see it, or close it to them by its owner and mode",
            folder.display()
        )
    };
    open.into_iter().map(|path| Ability::warning(NAME, format!("{path} is reachable"), cure(path))).collect()
}

/// /proc/net/unix: the path is the last column; a listener has the flag __SO_ACCEPTCON (00010000).
fn database_sockets(table: &str) -> impl Iterator<Item = &str> {
    table
        .lines()
        .filter(|line| line.split_ascii_whitespace().nth(3) == Some("00010000"))
        .filter_map(|line| line.split_ascii_whitespace().nth(7))
        .filter(|path| path.contains(".s.PGSQL."))
}

fn is_hidden(socket: &Path, hidden: &[PathBuf]) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
    let socket = real(socket);
    hidden.iter().any(|path| socket.starts_with(real(path)))
}

/// Processes of agents that can do nothing with a database here: in a network namespace of their own, or root.
pub(super) fn agents(instance: &Path) -> Vec<Ability> {
    const NAME: &str = "agents' processes";
    if !nix::unistd::Uid::effective().is_root() || !Pins::current(instance).maps().is_dir() {
        return Vec::new();
    }
    let (mut out, mut seen) = (Vec::new(), 0);
    for pid in processes(instance) {
        seen += 1;
        let own = fs::read_link("/proc/self/ns/net").ok();
        let theirs = fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        if theirs.is_some() && theirs != own {
            let cure = "its connections to protected addresses are refused: run it in the host's network namespace";
            out.push(Ability::warning(NAME, format!("process {pid} is in a network namespace of its own"), cure));
        }
        if real_uid(pid) == Some(0) {
            let cure = "its connections to protected addresses are refused: run it as an account of its own";
            out.push(Ability::warning(NAME, format!("process {pid} is root"), cure));
        }
    }
    if out.is_empty() {
        out.push(Ability::ok(NAME, format!("{seen} running, none of them refused")));
    }
    out
}

fn processes(instance: &Path) -> BTreeSet<u32> {
    let ids =
        Pins::current(instance).agents().ok().and_then(|agents| agents.keys(ENTRIES_MAX).ok()).unwrap_or_default();
    let Ok(root) = cgroups::root() else { return BTreeSet::new() };
    cgroups::all(&root)
        .into_iter()
        .filter(|(id, _)| ids.contains(id))
        .flat_map(|(_, path)| cgroups::processes(&path).unwrap_or_default())
        .collect()
}

fn real_uid(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_of_postgres_are_found() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0: 00000002 00000000 00010000 0001 01 1 /run/postgresql/.s.PGSQL.5432\n\
            1: 00000003 00000000 00000000 0001 03 2 /run/postgresql/.s.PGSQL.5432\n\
            2: 00000002 00000000 00010000 0001 01 3 /run/dbus/system_bus_socket\n\
            3: 00000002 00000000 00010000 0001 01 4\n";
        assert_eq!(database_sockets(table).collect::<Vec<_>>(), ["/run/postgresql/.s.PGSQL.5432"]);
        assert!(is_hidden(Path::new("/nowhere/pg/.s.PGSQL.5432"), &["/nowhere/pg".into()]));
        assert!(!is_hidden(Path::new("/nowhere/pg/.s.PGSQL.5432"), &["/nowhere/p".into()]));
    }
}
