//! What the host calls its own address, and the rules that therefore hold for all of them.
//!
//! A database that listens on every interface can be reached by each of the host's addresses. So when a rule covers one
//! local address, the same port of every local address is protected. Local is what the routing table says (type
//! RTN_LOCAL: each address of each interface, and whole networks routed to `lo`), and 0.0.0.0 and `::`, which the kernel
//! connects to the loopback address.

use std::{io, path::Path};

use interceptor_abi::{RULE_PORT_BITS, Rule, RuleKey, mapped, maps};

use super::{
    error::Error,
    maps::{Pins, make},
    netlink::{Netlink, attributes},
    sys::Prefix,
};

const RTM_GETROUTE: u16 = 26;
const RTN_LOCAL: u8 = 2;
const RTA_DST: u16 = 1;
/// struct rtmsg
const RTMSG: usize = 12;
/// RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE: an address comes and goes with its local route.
const GROUPS: u32 = 0x40 | 0x400;
const V4_BITS: u32 = 96;

/// Everything local, now.
pub fn list() -> io::Result<Vec<Prefix<[u8; 16]>>> {
    let mut found = vec![
        Prefix { bits: V4_BITS + 8, data: mapped([127, 0, 0, 0]) },
        Prefix { bits: V4_BITS + 32, data: mapped([0; 4]) },
        Prefix { bits: 128, data: interceptor_abi::LOOPBACK_V6 },
        Prefix { bits: 128, data: [0; 16] },
    ];
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut question = [0; RTMSG];
        question[0] = family as u8;
        for answer in Netlink::route()?.dump(RTM_GETROUTE, &question)? {
            if let Some(prefix) = local_route(&answer)
                && !found.contains(&prefix)
            {
                found.push(prefix);
            }
        }
    }
    Ok(found)
}

/// struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
fn local_route(message: &[u8]) -> Option<Prefix<[u8; 16]>> {
    let (family, len, kind) = (*message.first()?, u32::from(*message.get(1)?), *message.get(7)?);
    if kind != RTN_LOCAL {
        return None;
    }
    let (_, address) = attributes(message.get(RTMSG..)?).find(|(kind, _)| *kind == RTA_DST)?;
    match i32::from(family) {
        libc::AF_INET => Some(Prefix { bits: V4_BITS + len, data: mapped(address.try_into().ok()?) }),
        libc::AF_INET6 => Some(Prefix { bits: len, data: address.try_into().ok()? }),
        _ => None,
    }
}

/// The rules for every local address: of each rule that covers one, its port (0: any). Where two databases share a port
/// on different local addresses, the first in the configuration is taken for the addresses that no rule names.
pub fn ports(rules: &[(Prefix<RuleKey>, Rule)], locals: &[Prefix<[u8; 16]>]) -> Vec<(u32, Rule)> {
    let mut out: Vec<(u32, Rule)> = Vec::new();
    for (key, rule) in rules {
        let network = Prefix { bits: key.bits.saturating_sub(RULE_PORT_BITS), data: key.data.address };
        if !locals.iter().any(|local| overlap(local, &network)) {
            continue;
        }
        let port = u32::from_be_bytes(key.data.port);
        match out.iter_mut().find(|(known, _)| *known == port) {
            None => out.push((port, *rule)),
            Some((_, known)) => {
                known.database = known.database.min(rule.database);
                known.refuse_others |= rule.refuse_others;
            }
        }
    }
    out
}

/// Does one of the networks hold the other?
fn overlap(a: &Prefix<[u8; 16]>, b: &Prefix<[u8; 16]>) -> bool {
    let bits = a.bits.min(b.bits).min(128);
    let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
    (u128::from_be_bytes(a.data) ^ u128::from_be_bytes(b.data)) & mask == 0
}

/// Keeps the kernel's list of local addresses true while the service runs; needs no privilege but the two maps.
#[derive(Debug)]
pub struct Watch {
    pins: Pins,
    netlink: Netlink,
}

impl Watch {
    /// Starts to listen; call [`Watch::refresh`] once after it, for what changed before.
    pub fn new(instance: &Path) -> Result<Watch, Error> {
        let netlink = Netlink::watch(GROUPS).map_err(Error::Locals)?;
        Ok(Watch { pins: Pins::current(instance), netlink })
    }

    /// Writes the maps again if an address has come or gone since; says whether.
    pub fn poll(&self) -> Result<bool, Error> {
        let changed = self.netlink.changed().map_err(Error::Locals)?;
        if changed {
            self.refresh()?;
        }
        Ok(changed)
    }

    /// Writes the maps.
    pub fn refresh(&self) -> Result<(), Error> {
        let rules = self.pins.rules(true)?;
        let known = rules.entries().map_err(|why| Error::Map(maps::RULES, why))?;
        write(&self.pins, &known)
    }
}

impl std::os::fd::AsFd for Watch {
    /// Readable when something changed.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.netlink.as_fd()
    }
}

/// Writes `LOCALS` and `LOCAL_PORTS` for these rules and the addresses of now.
pub(super) fn write(pins: &Pins, rules: &[(Prefix<RuleKey>, Rule)]) -> Result<(), Error> {
    let locals = list().map_err(Error::Locals)?;
    let ports = ports(rules, &locals);
    let locals: Vec<_> = locals.into_iter().map(|local| (local, 1)).collect();
    // The ports first: an address that is local already must not lose its rule.
    make(maps::LOCAL_PORTS, &pins.local_ports()?, &ports)?;
    make(maps::LOCALS, &pins.locals()?, &locals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(address: [u8; 4], bits: u32, port: u16, database: u32) -> (Prefix<RuleKey>, Rule) {
        let data = RuleKey::new(mapped(address), port);
        (Prefix { bits: RULE_PORT_BITS + V4_BITS + bits, data }, Rule { database, refuse_others: 0 })
    }

    #[test]
    fn a_rule_that_covers_a_local_address_holds_for_all_of_them() {
        let locals = [
            Prefix { bits: V4_BITS + 8, data: mapped([127, 0, 0, 0]) },
            Prefix { bits: 128, data: mapped([10, 20, 0, 5]) },
        ];
        let cases = [
            (rule([127, 0, 0, 1], 32, 5432, 0), Some(5432)),
            (rule([10, 20, 0, 0], 16, 5433, 0), Some(5433)), // our own address lies in the network
            (rule([10, 20, 0, 5], 32, 0, 0), Some(0)),
            (rule([10, 20, 0, 6], 32, 5432, 0), None),    // a neighbour
            (rule([0, 0, 0, 0], 0, 5432, 0), Some(5432)), // everything
        ];
        for (rule, port) in cases {
            assert_eq!(ports(&[rule], &locals).first().map(|(port, _)| *port), port, "{rule:?}");
        }
    }

    #[test]
    fn of_two_databases_on_one_port_the_first_is_taken_and_the_stricter_holds() {
        let locals = [Prefix { bits: V4_BITS + 8, data: mapped([127, 0, 0, 0]) }];
        let mut strict = rule([127, 0, 0, 2], 32, 5432, 1);
        strict.1.refuse_others = 1;
        let out = ports(&[strict, rule([127, 0, 0, 1], 32, 5432, 0)], &locals);
        assert_eq!(out, [(5432, Rule { database: 0, refuse_others: 1 })]);
    }
}
