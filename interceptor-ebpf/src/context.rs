//! What the hooks are told: addresses out of and into the contexts, and the answers to the kernel.
//!
//! The verifier wants every field read and written at its own fixed offset and in its own size. So writes are volatile
//! and 4 bytes wide (otherwise LLVM joins neighbouring ones into 8 bytes), and reads are in assembly.

use aya_ebpf::{bindings::bpf_sock_addr, helpers::generated::bpf_set_retval, programs::SockAddrContext};
use interceptor_abi::mapped;

/// Errno of the refusals (include/uapi/asm-generic/errno.h).
pub const EPERM: i32 = 1;
pub const EPROTONOSUPPORT: i32 = 93;
pub const ECONNREFUSED: i32 = 111;

pub const IPPROTO_TCP: u32 = 6;
pub const SOCK_STREAM: u32 = 1;

/// One field of a context, read at its own fixed offset. In assembly, because LLVM joins the loads of two branches into
/// one at a variable offset, which the verifier refuses; a volatile read does not keep it from that.
macro_rules! field {
    ($context:expr, $type:ty, $field:ident $(, $word:literal)?) => {{
        let value: u64;
        // SAFETY: reads four bytes of the context that the kernel handed over; the verifier checks the offset.
        unsafe {
            core::arch::asm!(
                "{value} = *(u32 *)({context} + {offset})",
                value = out(reg) value,
                context = in(reg) $context,
                offset = const core::mem::offset_of!($type, $field) $(+ 4 * $word)?,
                options(nostack, readonly, preserves_flags),
            );
        }
        value as u32
    }};
}
pub(crate) use field;

/// An IPv6 address of a context: four words in network order.
macro_rules! field_v6 {
    ($context:expr, $type:ty, $field:ident) => {
        $crate::context::bytes([
            $crate::context::field!($context, $type, $field, 0),
            $crate::context::field!($context, $type, $field, 1),
            $crate::context::field!($context, $type, $field, 2),
            $crate::context::field!($context, $type, $field, 3),
        ])
    };
}
pub(crate) use field_v6;

/// An address as the maps know it, and a port in host order.
#[derive(Clone, Copy)]
pub struct Endpoint {
    pub address: [u8; 16],
    pub port: u16,
}

impl Endpoint {
    /// The IPv4 address that a hook is asked about.
    #[inline(always)]
    pub fn user4(ctx: &SockAddrContext) -> Endpoint {
        let ip = field!(ctx.sock_addr, bpf_sock_addr, user_ip4);
        let port = field!(ctx.sock_addr, bpf_sock_addr, user_port);
        Endpoint { address: mapped(ip.to_ne_bytes()), port: u16::from_be(port as u16) }
    }

    /// The IPv6 address that a hook is asked about; v4-mapped ones are as they are.
    #[inline(always)]
    pub fn user6(ctx: &SockAddrContext) -> Endpoint {
        let address = field_v6!(ctx.sock_addr, bpf_sock_addr, user_ip6);
        let port = field!(ctx.sock_addr, bpf_sock_addr, user_port);
        Endpoint { address, port: u16::from_be(port as u16) }
    }

    /// Writes this address back as the IPv4 address of the call.
    #[inline(always)]
    pub fn write4(&self, ctx: &SockAddrContext) {
        let a = &self.address;
        // SAFETY: the context is the kernel's; both fields may be written by every hook that calls this.
        unsafe {
            let ip = u32::from_ne_bytes([a[12], a[13], a[14], a[15]]);
            core::ptr::write_volatile(&raw mut (*ctx.sock_addr).user_ip4, ip);
            core::ptr::write_volatile(&raw mut (*ctx.sock_addr).user_port, u32::from(self.port.to_be()));
        }
    }

    /// Writes this address back as the IPv6 address of the call.
    #[inline(always)]
    pub fn write6(&self, ctx: &SockAddrContext) {
        let words = words(&self.address);
        // SAFETY: as in `write4`.
        unsafe {
            let out = (&raw mut (*ctx.sock_addr).user_ip6).cast::<u32>();
            core::ptr::write_volatile(out, words[0]);
            core::ptr::write_volatile(out.add(1), words[1]);
            core::ptr::write_volatile(out.add(2), words[2]);
            core::ptr::write_volatile(out.add(3), words[3]);
            core::ptr::write_volatile(&raw mut (*ctx.sock_addr).user_port, u32::from(self.port.to_be()));
        }
    }

    /// Is this the address, whatever the port?
    #[inline(always)]
    pub fn is(&self, address: [u8; 16]) -> bool {
        u128::from_ne_bytes(self.address) == u128::from_ne_bytes(address)
    }

    /// Is this an IPv4 address?
    #[inline(always)]
    pub fn is_v4(&self) -> bool {
        let words = words(&self.address);
        words[0] == 0 && words[1] == 0 && words[2] == 0xffff_u32.to_be()
    }
}

/// An address of four words in network order.
#[inline(always)]
pub fn bytes(words: [u32; 4]) -> [u8; 16] {
    // SAFETY: both are 16 plain bytes.
    unsafe { core::mem::transmute(words) }
}

#[inline(always)]
fn words(bytes: &[u8; 16]) -> [u32; 4] {
    // SAFETY: both are 16 plain bytes.
    unsafe { core::mem::transmute(*bytes) }
}

/// The hook's answer "no" with an errno of our choice instead of the kernel's EPERM.
#[inline(always)]
pub fn refuse(errno: i32) -> i32 {
    // SAFETY: the helper takes a number.
    unsafe { bpf_set_retval(-errno) };
    0
}

/// The hook's answer "yes".
pub const PASS: i32 = 1;
