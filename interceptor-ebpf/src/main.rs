//! The kernel half of `interceptor`: points the agents' database sockets at the proxy, hands over where they were meant
//! to go and who asked, and guards the ways around.
//!
//! Everything is attached at the root of the cgroup v2 hierarchy and looks at the *current task*: a hook of an agent's
//! own cgroup would miss sockets made before the process came there, or handed in unconnected.
//! Below are the entry points, one line each; each file holds one subject.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod agents;
mod connect;
mod context;
mod established;
mod executable;
mod getpeer;
mod guard;
mod maps;
mod rules;

use aya_ebpf::{
    macros::{cgroup_sock, cgroup_sock_addr, sock_ops},
    programs::{SockAddrContext, SockContext, SockOpsContext},
};

#[cgroup_sock_addr(connect4)]
fn interceptor_connect4(ctx: SockAddrContext) -> i32 {
    connect::connect4(&ctx)
}

#[cgroup_sock_addr(connect6)]
fn interceptor_connect6(ctx: SockAddrContext) -> i32 {
    connect::connect6(&ctx)
}

#[cgroup_sock_addr(getpeername4)]
fn interceptor_getpeername4(ctx: SockAddrContext) -> i32 {
    getpeer::getpeername4(&ctx)
}

#[cgroup_sock_addr(getpeername6)]
fn interceptor_getpeername6(ctx: SockAddrContext) -> i32 {
    getpeer::getpeername6(&ctx)
}

#[cgroup_sock_addr(sendmsg4)]
fn interceptor_sendmsg4(ctx: SockAddrContext) -> i32 {
    guard::sendmsg4(&ctx)
}

#[cgroup_sock_addr(sendmsg6)]
fn interceptor_sendmsg6(ctx: SockAddrContext) -> i32 {
    guard::sendmsg6(&ctx)
}

#[cgroup_sock_addr(bind4)]
fn interceptor_bind4(ctx: SockAddrContext) -> i32 {
    guard::bind(&ctx)
}

#[cgroup_sock_addr(bind6)]
fn interceptor_bind6(ctx: SockAddrContext) -> i32 {
    guard::bind(&ctx)
}

#[cgroup_sock(sock_create)]
fn interceptor_sock_create(ctx: SockContext) -> i32 {
    guard::sock_create(&ctx)
}

#[sock_ops]
fn interceptor_sockops(ctx: SockOpsContext) -> u32 {
    established::sockops(&ctx)
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never reached: the verifier refuses a program that could come here.
    unsafe { core::hint::unreachable_unchecked() }
}

// Several helpers want a licence that is compatible with the GPL; this code is Apache-2.0 and may be used under the GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
