//! Which executable is the current task running?
//!
//! There is no helper for it in these hooks, so it is read field by field (task -> mm -> exe_file -> inode, dentry) with
//! the offsets that the loader found in the kernel's BTF. A read that fails leaves zeroes: the identity is recorded as
//! unknown, the connection is judged all the same.

use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use interceptor_abi::{EXE_NAME_LEN, Origin};

use crate::maps::setting;

/// Writes device, inode and file name of the current executable.
#[inline(always)]
pub fn read(into: *mut Origin) {
    // SAFETY: the helper has no precondition.
    let task = unsafe { bpf_get_current_task() };
    let Some(mm) = pointer(task, setting!(exe.task_mm)) else { return };
    let Some(file) = pointer(mm, setting!(exe.mm_exe_file)) else { return };
    if let Some(inode) = pointer(file, setting!(exe.file_inode)) {
        let number = (inode + u64::from(setting!(exe.inode_number))) as *const _;
        // SAFETY: `into` is a socket's storage; the helper checks the address that it reads.
        unsafe { bpf_probe_read_kernel((&raw mut (*into).exe_inode).cast(), 8, number) };
        if let Some(block) = pointer(inode, setting!(exe.inode_super)) {
            let device = (block + u64::from(setting!(exe.super_device))) as *const _;
            // SAFETY: as above.
            unsafe { bpf_probe_read_kernel((&raw mut (*into).exe_device).cast(), 4, device) };
        }
    }
    let Some(dentry) = pointer(file, setting!(exe.file_dentry)) else { return };
    let Some(name) = pointer(dentry, setting!(exe.dentry_name)) else { return };
    // SAFETY: as above.
    unsafe {
        bpf_probe_read_kernel_str((&raw mut (*into).exe_name).cast(), EXE_NAME_LEN as u32, name as *const _);
    }
}

/// The pointer that lies `offset` bytes into the object at `base`.
#[inline(always)]
fn pointer(base: u64, offset: u32) -> Option<u64> {
    let mut out: u64 = 0;
    // SAFETY: the helper writes 8 bytes here and checks the address that it reads.
    let failed = unsafe { bpf_probe_read_kernel((&raw mut out).cast(), 8, (base + u64::from(offset)) as *const _) };
    (failed == 0 && out != 0).then_some(out)
}
