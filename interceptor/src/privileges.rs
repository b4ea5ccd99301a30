//! What the service gives up before it looks at the first byte of an agent, in this order.
//!
//! 1. [`drop_to`]: the account, its groups, `no_new_privs`; no core dumps (they could hold a card number).
//! 2. [`confine`]: Landlock, before any thread exists, since it binds a thread and its children (kernel 5.13).
//! 3. [`seal`]: seccomp on every thread, after the rings are made (seccomp does not see what a ring does: each ring
//!    has restrictions of its own).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use landlock::{ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, User, setgroups, setresgid, setresuid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Whom the service runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
}

/// A name of the account database, or a number for an account that needs no entry.
pub fn account(user: &str) -> Result<Account> {
    if let Ok(number) = user.parse::<u32>() {
        return refuse_root(Account { uid: number, gid: number });
    }
    let found = User::from_name(user).with_context(|| format!("cannot look up the account `{user}`"))?;
    let found = found.with_context(|| {
        format!("the account `{user}` does not exist: `systemd-sysusers` makes it from the installed sysusers file, or name another in [service] user")
    })?;
    refuse_root(Account { uid: found.uid.as_raw(), gid: found.gid.as_raw() })
}

fn refuse_root(account: Account) -> Result<Account> {
    if account.uid == 0 {
        bail!("the service does not run as root: name an account of its own in [service] user");
    }
    Ok(account)
}

/// Becomes the account for good. A process that is it already only gives up the rest.
pub fn drop_to(account: Account) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    if Uid::effective().is_root() {
        setgroups(&[gid]).context("cannot give up root's groups")?;
        setresgid(gid, gid, gid).context("cannot take the account's group")?;
        setresuid(uid, uid, uid).context("cannot become the account")?;
    }
    if Uid::effective() != uid {
        bail!(
            "the service runs as uid {}, its maps belong to uid {uid}: start it as root or as that account",
            Uid::effective()
        );
    }
    prctl::set_no_new_privs().context("cannot set no_new_privs")?;
    prctl::set_dumpable(false).context("cannot forbid core dumps")?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("cannot set the size of core dumps to 0")
}

/// What the kernel enforces of [`confine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confined {
    /// All that was asked for.
    Fully,
    /// The kernel knows less than we asked for, or nothing of it: `doctor` names it.
    Less,
}

/// From here on this thread and its children see these folders and files and nothing else of the file system.
pub fn confine(readable: &[&Path], writable: &[&Path]) -> Result<Confined> {
    let abi = ABI::V3;
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
    for path in readable {
        let place = PathFd::new(path).with_context(|| format!("cannot open {}", path.display()))?;
        let reads =
            if path.is_dir() { AccessFs::from_read(abi) & !AccessFs::Execute } else { AccessFs::ReadFile.into() };
        rules = rules.add_rule(PathBeneath::new(place, reads))?;
    }
    for path in writable {
        let folder = PathFd::new(path).with_context(|| format!("cannot open {}", path.display()))?;
        rules = rules.add_rule(PathBeneath::new(folder, AccessFs::from_all(abi) & !AccessFs::Execute))?;
    }
    let status = rules.restrict_self().context("landlock_restrict_self")?;
    Ok(if status.ruleset == RulesetStatus::FullyEnforced { Confined::Fully } else { Confined::Less })
}

/// From here on this thread and what it starts run and read these, read those, write there, and see nothing else of the file system.
pub fn confine_plugin(runs: &[&Path], reads: &[&Path], writes: &[&Path]) -> Result<()> {
    let abi = ABI::V3;
    prctl::set_no_new_privs().context("cannot set no_new_privs")?;
    prctl::set_dumpable(false).context("cannot forbid core dumps")?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("cannot set the size of core dumps to 0")?;
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
    let groups = [(runs, AccessFs::from_read(abi)), (reads, AccessFs::from_read(abi) & !AccessFs::Execute)];
    let writing = (writes, AccessFs::from_all(abi) & !AccessFs::Execute);
    for (paths, access) in groups.into_iter().chain([writing]) {
        for path in paths {
            let place = PathFd::new(path).with_context(|| format!("cannot open {}", path.display()))?;
            let of_file = AccessFs::from_file(abi);
            let access = if path.is_dir() { access } else { access & of_file };
            rules = rules.add_rule(PathBeneath::new(place, access))?;
        }
    }
    rules.restrict_self().context("landlock_restrict_self")?;
    Ok(())
}

/// What no thread of the service ever needs again: programs, namespaces, modules, other processes, new rings.
const SEALED: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_io_uring_setup,
    libc::SYS_personality,
    libc::SYS_reboot,
];

/// Denies [`SEALED`] to every thread that exists and will exist.
pub fn seal() -> Result<()> {
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> = SEALED.iter().map(|call| (*call, Vec::new())).collect();
    let deny = SeccompAction::Errno(libc::EPERM as u32);
    let arch =
        std::env::consts::ARCH.try_into().map_err(|_| anyhow::anyhow!("seccomp does not know this processor"))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, deny, arch).context("seccomp filter")?;
    let program: BpfProgram = filter.try_into().context("seccomp program")?;
    seccompiler::apply_filter_all_threads(&program).context("seccomp on all threads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        assert_eq!(account("4711").unwrap(), Account { uid: 4711, gid: 4711 });
        assert!(account("0").is_err());
        assert!(account("root").is_err());
        assert!(account("no-such-account-here").unwrap_err().to_string().contains("does not exist"));
    }
}
