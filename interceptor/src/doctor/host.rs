//! What the host has to allow.

use std::fs;

use nix::{
    sys::resource::{Resource, getrlimit},
    unistd::{Uid, User},
};

use super::{Ability, Inquiry};

pub(super) fn account(inquiry: &Inquiry) -> Ability {
    const NAME: &str = "service account";
    match inquiry.service_uid {
        Some(uid) => {
            let name = User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(String::new, |user| user.name);
            Ability::ok(NAME, format!("{name} (uid {uid})"))
        }
        None => Ability::missing(
            NAME,
            "it does not exist",
            "systemd-sysusers makes it from the installed file; or name another in [service] user",
        ),
    }
}

/// The kernel hands out ports of the ephemeral range by itself, without asking our bind hook.
pub(super) fn port(port: u16) -> Ability {
    const NAME: &str = "proxy's port";
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let reserved = fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    if is_ephemeral(&range, &reserved, port) {
        let cure = format!("sysctl net.ipv4.ip_local_reserved_ports={port}, or another [service] port");
        return Ability::missing(
            NAME,
            format!("{port} lies in the ephemeral range: the kernel could give it to anybody"),
            cure,
        );
    }
    Ability::ok(NAME, format!("{port}, outside the ephemeral range"))
}

fn is_ephemeral(range: &str, reserved: &str, port: u16) -> bool {
    let bounds = |text: &str, by: char| {
        let mut numbers =
            text.split(|c: char| c == by || c.is_whitespace()).filter_map(|number| number.parse::<u16>().ok());
        let first = numbers.next()?;
        Some(first..=numbers.next().unwrap_or(first))
    };
    let inside = bounds(range.trim(), ' ').is_some_and(|range| range.contains(&port));
    inside && !reserved.trim().split(',').filter_map(|part| bounds(part, '-')).any(|part| part.contains(&port))
}

pub(super) fn memlock(needed: u64) -> Ability {
    let cure = format!("LimitMEMLOCK={needed} in the unit, or ulimit -l");
    limit("locked memory", Resource::RLIMIT_MEMLOCK, needed, cure)
}

pub(super) fn descriptors(needed: u64) -> Ability {
    let cure = format!("LimitNOFILE={needed} in the unit, or ulimit -n");
    limit("descriptors", Resource::RLIMIT_NOFILE, needed, cure)
}

/// The hard limit counts: the service raises its own soft one.
fn limit(name: &'static str, resource: Resource, needed: u64, cure: String) -> Ability {
    let allowed = getrlimit(resource).map_or(0, |(_, hard)| hard);
    let shown = if allowed == u64::MAX { "no limit".into() } else { allowed.to_string() };
    if allowed >= needed {
        Ability::ok(name, shown)
    } else {
        Ability::missing(name, format!("{shown}, needed {needed}"), cure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_the_range_must_be_reserved() {
        let cases = [
            ("32768\t60999\n", "", 61432, false),
            ("32768\t60999\n", "", 40000, true),
            ("1024\t65535\n", "8080,61400-61500\n", 61432, false),
            ("1024\t65535\n", "61432\n", 61432, false),
            ("1024\t65535\n", "61433\n", 61432, true),
        ];
        for (range, reserved, port, expected) in cases {
            assert_eq!(is_ephemeral(range, reserved, port), expected, "{range} {reserved} {port}");
        }
    }
}
