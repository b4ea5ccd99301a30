//! getpeername(): the agent sees the address that it asked for.

use aya_ebpf::programs::SockAddrContext;
use interceptor_abi::{LOOPBACK_V4, LOOPBACK_V6};

use crate::{
    connect::storage,
    context::{Endpoint, PASS},
    maps::setting,
};

/// Hook of getpeername() of an IPv4 socket.
#[inline(always)]
pub fn getpeername4(ctx: &SockAddrContext) -> i32 {
    if let Some(asked) = asked_for(ctx, &Endpoint::user4(ctx)) {
        asked.write4(ctx);
    }
    PASS
}

/// Hook of getpeername() of an IPv6 socket.
#[inline(always)]
pub fn getpeername6(ctx: &SockAddrContext) -> i32 {
    if let Some(asked) = asked_for(ctx, &Endpoint::user6(ctx)) {
        asked.write6(ctx);
    }
    PASS
}

/// What the socket asked for, if its peer is the proxy now: one that has since been connected to something else must
/// not be lied about.
#[inline(always)]
fn asked_for(ctx: &SockAddrContext, peer: &Endpoint) -> Option<Endpoint> {
    if u32::from(peer.port) != setting!(port) || !(peer.is(LOOPBACK_V4) || peer.is(LOOPBACK_V6)) {
        return None;
    }
    let origin = storage(ctx, 0);
    if origin.is_null() {
        return None;
    }
    // SAFETY: checked above; the storage is of this size.
    unsafe { Some(Endpoint { address: (*origin).address, port: (*origin).port }) }
}
