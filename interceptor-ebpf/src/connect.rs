//! connect(): keep where the socket was meant to go and who asked, and point it at the proxy.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_NOEXIST, BPF_SK_STORAGE_GET_F_CREATE, bpf_sock_addr},
    helpers::generated::{
        bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_ktime_get_ns, bpf_sk_storage_delete, bpf_sk_storage_get,
    },
    programs::SockAddrContext,
};
use interceptor_abi::{
    Agent, CANARY_V4, CANARY_V6, COMM_LEN, Counter, DATABASE_CANARY, EXE_NAME_LEN, FlowKey, LOOPBACK_V4, LOOPBACK_V6,
    NAME_LEN, Origin, Rule, mapped,
};

use crate::{
    agents,
    context::{ECONNREFUSED, EPERM, Endpoint, IPPROTO_TCP, PASS, SOCK_STREAM, field, refuse},
    executable,
    maps::{FLOWS, ORIGINS, count, setting},
    rules,
};

/// What becomes of a call.
enum Verdict {
    Pass,
    Refuse(i32),
    Redirect,
}

/// Hook of connect() to an IPv4 address.
#[inline(always)]
pub fn connect4(ctx: &SockAddrContext) -> i32 {
    let to = Endpoint::user4(ctx);
    match judge(ctx, &to) {
        Verdict::Pass => PASS,
        Verdict::Refuse(errno) => refuse(errno),
        Verdict::Redirect => {
            proxy(LOOPBACK_V4).write4(ctx);
            PASS
        }
    }
}

/// Hook of connect() to an IPv6 address; a v4-mapped one goes to the IPv4 listener, in mapped form.
#[inline(always)]
pub fn connect6(ctx: &SockAddrContext) -> i32 {
    let to = Endpoint::user6(ctx);
    match judge(ctx, &to) {
        Verdict::Pass => PASS,
        Verdict::Refuse(errno) => refuse(errno),
        Verdict::Redirect => {
            let loopback = if to.is_v4() { LOOPBACK_V4 } else { LOOPBACK_V6 };
            proxy(loopback).write6(ctx);
            PASS
        }
    }
}

#[inline(always)]
fn proxy(address: [u8; 16]) -> Endpoint {
    Endpoint { address, port: setting!(port) as u16 }
}

#[inline(always)]
fn judge(ctx: &SockAddrContext, to: &Endpoint) -> Verdict {
    // SAFETY: the helper has no precondition.
    let uid = unsafe { bpf_get_current_uid_gid() } as u32;
    let service = uid == setting!(service_uid);
    if service && (to.is(CANARY_V4) || to.is(CANARY_V6)) {
        return redirect(ctx, to, DATABASE_CANARY, uid, None);
    }
    let Some(rule) = rules::find(to) else {
        forget(ctx, to);
        return Verdict::Pass;
    };
    match agents::current(uid) {
        Some(agent) => judge_agent(ctx, to, rule, uid, agent),
        None if rule.refuse_others == 0 || service || agents::allowed(rule.database) => {
            forget(ctx, to);
            Verdict::Pass
        }
        None => {
            count(Counter::OtherRefused);
            Verdict::Refuse(EPERM)
        }
    }
}

#[inline(always)]
fn judge_agent(ctx: &SockAddrContext, to: &Endpoint, rule: &Rule, uid: u32, agent: *const Agent) -> Verdict {
    if uid == 0 {
        count(Counter::RootRefused);
        return Verdict::Refuse(EPERM);
    }
    let kind = field!(ctx.sock_addr, bpf_sock_addr, type_);
    let protocol = field!(ctx.sock_addr, bpf_sock_addr, protocol);
    if kind != SOCK_STREAM || protocol != IPPROTO_TCP {
        count(Counter::DatagramRefused);
        return Verdict::Refuse(EPERM);
    }
    // In another namespace the loopback address is not ours, and the proxy does not listen there.
    // SAFETY: the helper takes the context.
    if unsafe { bpf_get_netns_cookie(ctx.as_ptr()) } != setting!(netns) {
        count(Counter::NetnsRefused);
        return Verdict::Refuse(EPERM);
    }
    redirect(ctx, to, rule.database, uid, Some(agent))
}

/// Writes the origin into the socket's storage, whence `established` takes it when the SYN leaves.
#[inline(always)]
fn redirect(ctx: &SockAddrContext, to: &Endpoint, database: u32, uid: u32, agent: Option<*const Agent>) -> Verdict {
    let origin = storage(ctx, BPF_SK_STORAGE_GET_F_CREATE.into());
    if origin.is_null() {
        count(Counter::NoMemory);
        return Verdict::Refuse(ECONNREFUSED);
    }
    // SAFETY: the storage is of this size (the verifier checks it) and the socket is locked during connect().
    unsafe {
        (*origin).address = named(to);
        (*origin).port = to.port;
        (*origin).database = database;
        (*origin).uid = uid;
        (*origin).pid = (bpf_get_current_pid_tgid() >> 32) as u32;
        (*origin).cgroup = bpf_get_current_cgroup_id();
        (*origin).connected_ns = bpf_ktime_get_ns();
        (*origin).agent_cookie = bpf_get_socket_cookie(ctx.as_ptr());
        (*origin).proxy_cookie = 0;
        (*origin).exe_device = 0;
        (*origin).exe_inode = 0;
        (*origin).exe_name = [0; EXE_NAME_LEN];
        bpf_get_current_comm((&raw mut (*origin).comm).cast(), COMM_LEN as u32);
        (*origin).agent = match agent {
            Some(agent) => (*agent).name,
            None => [0; NAME_LEN],
        };
    }
    executable::read(origin);
    if !room(origin) {
        forget_storage(ctx);
        count(Counter::FlowsFull);
        return Verdict::Refuse(ECONNREFUSED);
    }
    count(if database == DATABASE_CANARY { Counter::Canary } else { Counter::Redirected });
    Verdict::Redirect
}

/// Is there a place in `FLOWS`? The entry itself is made when the SYN leaves and the local port is known, but there it
/// is too late to refuse: so a place is taken and given back here. Who loses a race for the last one gets a connection
/// that the proxy closes for want of an entry.
#[inline(always)]
fn room(origin: *const Origin) -> bool {
    // SAFETY: `origin` is a socket's storage.
    let origin = unsafe { &*origin };
    let probe =
        FlowKey { netns: origin.agent_cookie, agent: [0; 16], proxy: [0; 16], agent_port: 0, proxy_port: 0, zero: 0 };
    if FLOWS.insert(probe, origin, BPF_NOEXIST.into()).is_err() {
        return false;
    }
    FLOWS.remove(probe).is_ok()
}

/// The address that the agent's peer has: the kernel connects 0.0.0.0 and `::` to the loopback address.
#[inline(always)]
fn named(to: &Endpoint) -> [u8; 16] {
    if to.is([0; 16]) {
        LOOPBACK_V6
    } else if to.is(mapped([0; 4])) {
        LOOPBACK_V4
    } else {
        to.address
    }
}

/// A socket that was redirected before and now goes to the proxy's port by itself must not take its old origin along.
#[inline(always)]
fn forget(ctx: &SockAddrContext, to: &Endpoint) {
    if u32::from(to.port) == setting!(port) {
        forget_storage(ctx);
    }
}

#[inline(always)]
fn forget_storage(ctx: &SockAddrContext) {
    // SAFETY: the map is socket storage and the context of these hooks always has a socket.
    unsafe {
        bpf_sk_storage_delete((&raw const ORIGINS).cast_mut().cast(), (*ctx.sock_addr).__bindgen_anon_1.sk.cast())
    };
}

/// The socket's storage, or null.
#[inline(always)]
pub fn storage(ctx: &SockAddrContext, flags: u64) -> *mut Origin {
    // SAFETY: the map is socket storage and the context of these hooks always has a socket.
    unsafe {
        let socket = (*ctx.sock_addr).__bindgen_anon_1.sk;
        bpf_sk_storage_get((&raw const ORIGINS).cast_mut().cast(), socket.cast(), core::ptr::null_mut(), flags).cast()
    }
}
