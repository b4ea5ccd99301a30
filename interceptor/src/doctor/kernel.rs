//! What the kernel has to know.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::Ability;
use crate::load::{self, cgroups};

/// Linux 6.1: DEFER_TASKRUN of io_uring, and all of the rest.
const OLDEST: (u32, u32) = (6, 1);

pub(super) fn version() -> Ability {
    const NAME: &str = "kernel version";
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    match parse(release) {
        Some(version) if version >= OLDEST => Ability::ok(NAME, release),
        _ => Ability::missing(NAME, release, "Linux 6.1 or newer is needed"),
    }
}

fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

pub(super) fn btf() -> Ability {
    const NAME: &str = "BTF";
    match load::exe_offsets() {
        Ok(_) => Ability::ok(NAME, "the executable of a caller can be read"),
        Err(why) => Ability::missing(NAME, why.to_string(), "a kernel with CONFIG_DEBUG_INFO_BTF=y"),
    }
}

pub(super) fn cgroups() -> Ability {
    const NAME: &str = "cgroup v2";
    let root = match cgroups::root() {
        Ok(root) => root,
        Err(why) => {
            let cure = "mount it, for instance at /sys/fs/cgroup/unified: mount -t cgroup2 none DIR; or boot with systemd.unified_cgroup_hierarchy=1";
            return Ability::missing(NAME, why.to_string(), cure);
        }
    };
    // The root of the whole hierarchy has the id 1; a container's own root has another.
    if cgroups::id(&root).ok() != Some(1) {
        let found = format!("{} is only a part of the hierarchy", root.display());
        return Ability::missing(NAME, found, "run on the host itself, not in a container");
    }
    let kind = if root == Path::new("/sys/fs/cgroup") { "unified" } else { "hybrid host" };
    Ability::ok(NAME, format!("{} ({kind})", root.display()))
}

pub(super) fn bpffs(instance: &Path) -> Ability {
    const NAME: &str = "bpf file system";
    let point = instance.parent().unwrap_or(instance);
    match statfs(point).map(|found| found.filesystem_type()) {
        Ok(BPF_FS_MAGIC) => {}
        Ok(_) => {
            return Ability::warning(
                NAME,
                format!("not mounted at {}", point.display()),
                "`interceptor attach` mounts it",
            );
        }
        Err(why) => {
            return Ability::missing(NAME, format!("{}: {why}", point.display()), "a kernel with CONFIG_BPF_SYSCALL=y");
        }
    }
    match fs::metadata(point).map(|found| found.mode()) {
        Ok(mode) if mode & 0o001 == 0 => Ability::warning(
            NAME,
            format!("{} lets nobody but root pass", point.display()),
            "`interceptor attach` opens it for passing, not for looking",
        ),
        _ => Ability::ok(NAME, point.display().to_string()),
    }
}

pub(super) fn programs(instance: &Path) -> Ability {
    const NAME: &str = "kernel half";
    let cure = "run `interceptor attach` as root (interceptor-attach.service)";
    let is_root = nix::unistd::Uid::effective().is_root();
    let attached = load::Pins::current(instance).maps().is_dir();
    match (is_root, attached) {
        (true, true) => match load::verify(instance) {
            Ok(()) => Ability::ok(NAME, format!("{} programs attached and running", load::HOOKS.len())),
            Err(why) => Ability::missing(NAME, why.to_string(), cure),
        },
        // `run` as root attaches first.
        (true, false) => Ability::warning(NAME, "not attached", cure),
        (false, true) => {
            Ability::ok(NAME, "attached; whether it runs only root can ask (the service's canary proves it)")
        }
        (false, false) => Ability::missing(NAME, format!("nothing at {}", instance.display()), cure),
    }
}

pub(super) fn destroy() -> Ability {
    const NAME: &str = "closing older sockets";
    if !nix::unistd::Uid::effective().is_root() {
        return Ability::ok(NAME, "asked by root alone");
    }
    if load::can_destroy() {
        Ability::ok(NAME, "connections older than an admission can be closed")
    } else {
        Ability::warning(
            NAME,
            "the kernel cannot close a socket of others",
            "CONFIG_INET_DIAG_DESTROY=y; without it restart an agent that ran before it was admitted",
        )
    }
}

pub(super) fn io_uring() -> Ability {
    const NAME: &str = "io_uring";
    match uring::probe() {
        Ok(()) => Ability::ok(NAME, "all operations of a shard"),
        Err(why) => Ability::missing(NAME, "the rings of a shard cannot be made", why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_version_with_anything_behind() {
        let cases =
            [("6.1.0-18-amd64", Some((6, 1))), ("6.18.44-fc", Some((6, 18))), ("5.15", Some((5, 15))), ("x", None)];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
