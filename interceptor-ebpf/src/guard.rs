//! The ways around connect(): other kinds of sockets, datagrams, and the proxy's own port.

use aya_ebpf::{
    EbpfContext,
    bindings::{bpf_sock, bpf_sock_addr},
    helpers::generated::{bpf_get_current_uid_gid, bpf_get_netns_cookie},
    programs::{SockAddrContext, SockContext},
};
use interceptor_abi::Counter;

use crate::{
    agents,
    context::{EPERM, EPROTONOSUPPORT, Endpoint, IPPROTO_TCP, PASS, SOCK_STREAM, field, refuse},
    maps::{count, setting},
    rules,
};

const SOCK_DGRAM: u32 = 2;
const SOCK_RAW: u32 = 3;
const IPPROTO_ICMP: u32 = 1;
const IPPROTO_UDP: u32 = 17;
const IPPROTO_ICMPV6: u32 = 58;

/// Hook of a datagram to an IPv4 address on a socket that is not connected.
#[inline(always)]
pub fn sendmsg4(ctx: &SockAddrContext) -> i32 {
    datagram(&Endpoint::user4(ctx))
}

/// Hook of a datagram to an IPv6 address on a socket that is not connected.
#[inline(always)]
pub fn sendmsg6(ctx: &SockAddrContext) -> i32 {
    datagram(&Endpoint::user6(ctx))
}

#[inline(always)]
fn datagram(to: &Endpoint) -> i32 {
    let Some(rule) = rules::find(to) else { return PASS };
    let uid = uid();
    if agents::current(uid).is_some() {
        count(Counter::DatagramRefused);
        return refuse(EPERM);
    }
    if rule.refuse_others == 0 || uid == setting!(service_uid) || agents::allowed(rule.database) {
        return PASS;
    }
    count(Counter::OtherRefused);
    refuse(EPERM)
}

/// Hook of bind(): the proxy's port belongs to the service, or whoever took it while the service is down would be given
/// the agents' connections. Other network namespaces have ports of their own.
#[inline(always)]
pub fn bind(ctx: &SockAddrContext) -> i32 {
    let port = u16::from_be(field!(ctx.sock_addr, bpf_sock_addr, user_port) as u16);
    if u32::from(port) != setting!(port) || uid() == setting!(service_uid) {
        return PASS;
    }
    // SAFETY: the helper takes the context.
    if unsafe { bpf_get_netns_cookie(ctx.as_ptr()) } != setting!(netns) {
        return PASS;
    }
    count(Counter::BindRefused);
    refuse(EPERM)
}

/// Hook of socket(): an agent gets TCP, UDP and ping sockets. MPTCP moves between addresses below our hooks, SCTP has
/// none, and raw sockets need no connect().
#[inline(always)]
pub fn sock_create(ctx: &SockContext) -> i32 {
    let (kind, protocol) = (field!(ctx.sock, bpf_sock, type_), field!(ctx.sock, bpf_sock, protocol));
    let usual = match kind {
        SOCK_STREAM => protocol == IPPROTO_TCP,
        SOCK_DGRAM => protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6,
        _ => false,
    };
    if usual || agents::current(uid()).is_none() {
        return PASS;
    }
    count(Counter::SocketRefused);
    refuse(if kind == SOCK_RAW { EPERM } else { EPROTONOSUPPORT })
}

#[inline(always)]
fn uid() -> u32 {
    // SAFETY: the helper has no precondition.
    unsafe { bpf_get_current_uid_gid() as u32 }
}
