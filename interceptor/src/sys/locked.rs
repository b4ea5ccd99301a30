//! Memory of a secret: never written to swap or a core dump, overwritten before it is given back.
#![allow(unsafe_code)] // mmap, mlock, madvise

use std::io::{Error, Result};
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use zeroize::Zeroize as _;

/// The kernel locks whole pages.
const PAGE: usize = 4096;

/// Bytes in pages of their own.
pub(crate) struct Locked {
    pages: NonNull<libc::c_void>,
    mapped: usize,
    len: usize,
}

// SAFETY: the pages are this value's alone, and nothing writes to them between its making and its end.
unsafe impl Send for Locked {}
// SAFETY: as above: shared, they are only read.
unsafe impl Sync for Locked {}

impl Locked {
    /// A copy of these bytes; whoever has them overwrites them.
    pub(crate) fn copy(bytes: &[u8]) -> Result<Locked> {
        let mapped = bytes.len().max(1).next_multiple_of(PAGE);
        let length = NonZeroUsize::new(mapped).ok_or(Error::from_raw_os_error(libc::EINVAL))?;
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh anonymous mapping, at a place of the kernel's choice.
        let pages = unsafe { libc::mmap(std::ptr::null_mut(), length.get(), access, kind, -1, 0) };
        if pages == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        let pages = NonNull::new(pages).ok_or(Error::from_raw_os_error(libc::ENOMEM))?;
        // From here on the pages are given back whatever fails.
        let locked = Locked { pages, mapped, len: bytes.len() };
        // SAFETY: the range is the mapping that was just made.
        let failed = unsafe {
            libc::mlock(pages.as_ptr(), mapped) != 0 || libc::madvise(pages.as_ptr(), mapped, libc::MADV_DONTDUMP) != 0
        };
        if failed {
            return Err(Error::last_os_error());
        }
        // SAFETY: the mapping is writable, at least as long as `bytes`, and overlaps nothing.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pages.as_ptr().cast(), bytes.len()) };
        Ok(locked)
    }
}

impl session::Secret for Locked {
    fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes were written when this was made; they live as long as this does and nobody writes to them.
        unsafe { std::slice::from_raw_parts(self.pages.as_ptr().cast(), self.len) }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, `mapped` bytes long, and nobody reads it any more.
        unsafe {
            std::slice::from_raw_parts_mut(self.pages.as_ptr().cast::<u8>(), self.mapped).zeroize();
            libc::munmap(self.pages.as_ptr(), self.mapped);
        }
    }
}

#[cfg(test)]
mod tests {
    use session::Secret as _;

    use super::*;

    #[test]
    fn bytes_lie_in_locked_pages_that_no_dump_has() {
        for len in [0, 1, PAGE, PAGE + 1] {
            let bytes = vec![b'x'; len];
            let locked = Locked::copy(&bytes).unwrap();
            assert_eq!(locked.bytes(), bytes);
            let from = format!("{:x}-", locked.pages.as_ptr() as usize);
            let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let flags =
                maps.lines().skip_while(|line| !line.starts_with(&from)).find(|line| line.starts_with("VmFlags:"));
            let flags: Vec<&str> = flags.expect("it is mapped").split_whitespace().collect();
            assert!(flags.contains(&"lo") && flags.contains(&"dd"), "{len}: {flags:?}");
        }
    }
}
