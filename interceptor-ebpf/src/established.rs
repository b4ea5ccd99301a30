//! From the SYN to the accept: the entry in `FLOWS`.
//!
//! Made when the SYN leaves (the local port is known and the proxy cannot have accepted yet), *sealed* with the cookie
//! of the proxy's socket when the handshake is complete. Never overwritten: while an entry is sealed its pair of ends is
//! taken, so a later connection from the same port cannot lend its identity to one that still waits to be accepted.
//! Removed by the proxy at accept; before the seal by the agent's socket when it closes, after it by the proxy's.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_NOEXIST, bpf_sock_ops},
    helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_sk_storage_get},
    programs::SockOpsContext,
};
use interceptor_abi::{Counter, FlowKey, Origin, mapped};

use crate::{
    context::{field, field_v6},
    maps::{FLOWS, ORIGINS, count, setting},
};

// enum in include/uapi/linux/bpf.h
const TCP_CONNECT_CB: u32 = 3;
const PASSIVE_ESTABLISHED_CB: u32 = 5;
const STATE_CB: u32 = 10;
const STATE_CB_FLAG: i32 = 1 << 2;
/// BPF_TCP_CLOSE
const TCP_CLOSE: u32 = 7;
const AF_INET6: u32 = 10;

/// Hook of a TCP socket's life; the return value is not looked at for these events.
#[inline(always)]
pub fn sockops(ctx: &SockOpsContext) -> u32 {
    let port = setting!(port);
    match field!(ctx.ops, bpf_sock_ops, op) {
        TCP_CONNECT_CB if remote_port(ctx) == port => syn(ctx),
        PASSIVE_ESTABLISHED_CB if local_port(ctx) == port => seal(ctx),
        STATE_CB if ctx.arg(1) == TCP_CLOSE => {
            if local_port(ctx) == port {
                close_proxy(ctx);
            } else if remote_port(ctx) == port {
                close_agent(ctx);
            }
        }
        _ => {}
    }
    1
}

/// The agent's SYN leaves.
#[inline(always)]
fn syn(ctx: &SockOpsContext) {
    let origin = origin(ctx);
    if origin.is_null() {
        return; // dialled the proxy's port directly: no entry, and the proxy closes it
    }
    // SAFETY: checked above; the storage is of this size.
    let origin = unsafe { &*origin };
    if FLOWS.insert(agents_key(ctx), origin, BPF_NOEXIST.into()).is_err() {
        count(Counter::FlowLost);
        return;
    }
    let _ = ctx.set_cb_flags(STATE_CB_FLAG);
}

/// The handshake is complete, on the proxy's side.
#[inline(always)]
fn seal(ctx: &SockOpsContext) {
    let Some(entry) = FLOWS.get_ptr_mut(proxys_key(ctx)) else { return };
    // SAFETY: the entry is in a preallocated map; only this socket writes this field.
    unsafe { (*entry).proxy_cookie = cookie(ctx) };
    count(Counter::Established);
    let _ = ctx.set_cb_flags(STATE_CB_FLAG);
}

/// The agent's socket closes: its entry goes, unless the proxy's socket has taken it over.
#[inline(always)]
fn close_agent(ctx: &SockOpsContext) {
    let key = agents_key(ctx);
    let Some(entry) = FLOWS.get_ptr(key) else { return };
    // SAFETY: as in `seal`.
    if unsafe { (*entry).agent_cookie == cookie(ctx) && (*entry).proxy_cookie == 0 } {
        let _ = FLOWS.remove(key);
    }
}

/// The proxy's socket closes: its entry goes, if nobody accepted it.
#[inline(always)]
fn close_proxy(ctx: &SockOpsContext) {
    let key = proxys_key(ctx);
    let Some(entry) = FLOWS.get_ptr(key) else { return };
    // SAFETY: as in `seal`.
    if unsafe { (*entry).proxy_cookie == cookie(ctx) } {
        let _ = FLOWS.remove(key);
    }
}

/// The storage of the agent's socket, or null.
#[inline(always)]
fn origin(ctx: &SockOpsContext) -> *const Origin {
    // SAFETY: the socket is checked for null; the map is socket storage.
    unsafe {
        let socket = (*ctx.ops).__bindgen_anon_2.sk;
        if socket.is_null() {
            return core::ptr::null();
        }
        bpf_sk_storage_get((&raw const ORIGINS).cast_mut().cast(), socket.cast(), core::ptr::null_mut(), 0).cast()
    }
}

/// The key as seen from the agent's socket.
#[inline(always)]
fn agents_key(ctx: &SockOpsContext) -> FlowKey {
    let (local, remote) = addresses(ctx);
    key(ctx, local, remote, local_port(ctx), remote_port(ctx))
}

/// The key as seen from the proxy's socket.
#[inline(always)]
fn proxys_key(ctx: &SockOpsContext) -> FlowKey {
    let (local, remote) = addresses(ctx);
    key(ctx, remote, local, remote_port(ctx), local_port(ctx))
}

#[inline(always)]
fn key(ctx: &SockOpsContext, agent: [u8; 16], proxy: [u8; 16], agent_port: u32, proxy_port: u32) -> FlowKey {
    // SAFETY: the helper takes the context.
    let netns = unsafe { bpf_get_netns_cookie(ctx.as_ptr()) };
    FlowKey { netns, agent, proxy, agent_port: agent_port as u16, proxy_port: proxy_port as u16, zero: 0 }
}

/// (local, remote)
#[inline(always)]
fn addresses(ctx: &SockOpsContext) -> ([u8; 16], [u8; 16]) {
    if field!(ctx.ops, bpf_sock_ops, family) == AF_INET6 {
        (field_v6!(ctx.ops, bpf_sock_ops, local_ip6), field_v6!(ctx.ops, bpf_sock_ops, remote_ip6))
    } else {
        let local = field!(ctx.ops, bpf_sock_ops, local_ip4);
        let remote = field!(ctx.ops, bpf_sock_ops, remote_ip4);
        (mapped(local.to_ne_bytes()), mapped(remote.to_ne_bytes()))
    }
}

/// In host order; the context holds it in network order in its upper half.
#[inline(always)]
fn remote_port(ctx: &SockOpsContext) -> u32 {
    u32::from_be(field!(ctx.ops, bpf_sock_ops, remote_port))
}

/// In host order.
#[inline(always)]
fn local_port(ctx: &SockOpsContext) -> u32 {
    field!(ctx.ops, bpf_sock_ops, local_port)
}

#[inline(always)]
fn cookie(ctx: &SockOpsContext) -> u64 {
    // SAFETY: the helper takes the context.
    unsafe { bpf_get_socket_cookie(ctx.as_ptr()) }
}
