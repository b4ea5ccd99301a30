#![allow(unsafe_code)] // mmap of a file

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::{ptr, slice};

use crate::segment_file::{SegmentFile, new_file, sync_parent, take_blocks};
use crate::sigbus::Watch;

/// No kernel's page is smaller; direct writes are of whole ones.
pub(crate) const PAGE: usize = 4096;

/// A file mapped MAP_SHARED: a store into it is out of the process at once (a killed process loses nothing), and on disk after
/// [`MappedSegment::sync`] or, where it was copied from here to another file, after an [`crate::Op::Write`].
///
/// # The promise of its maker
/// Nobody shortens or writes the file while it is mapped: it lies in a directory of mode 0700 of the service's own user. Where
/// that, or the medium, fails all the same, the kernel's SIGBUS marks the segment [`MappedSegment::broken`].
#[derive(Debug)]
pub struct MappedSegment {
    mapping: Arc<Mapping>,
    file: File,
}

/// Keeps mapped memory while the kernel reads it. It gives no access to the bytes.
#[derive(Clone, Debug, Default)]
pub struct Kept(Option<Arc<Mapping>>);

impl Kept {
    /// Whether all of these bytes are kept.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|mapping| {
            let (begin, from) = (mapping.base as usize, bytes.as_ptr() as usize);
            from >= begin && from - begin <= mapping.len && bytes.len() <= mapping.len - (from - begin)
        })
    }
}

/// The mapped bytes, until the last who needs them is gone.
#[derive(Debug)]
struct Mapping {
    watch: Watch,
    base: *mut u8,
    len: usize,
}

// SAFETY: it has no reference to the bytes and gives none out; the pointer is not tied to a thread, and what else it has is atomic.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that `MappedSegment::map` made, and no reference into it can outlive the last `Arc`.
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}

impl MappedSegment {
    /// Makes a new file of `len` zeros, all written and on disk (so that later stores need no new blocks and meet no full
    /// disk), and maps it. Slow: for a thread that prepares. The file must not exist.
    pub fn create(path: &Path, len: usize) -> io::Result<MappedSegment> {
        SegmentFile::create(path, len)?;
        MappedSegment::open(path)
    }

    /// Makes a new file of `len` zeros whose blocks are its own, so that no store into it meets a full disk, and maps it. Nothing of it is
    /// written, but its name is on disk: it is for what must outlive the process and not the power, and no power cut brings back one that had
    /// the name before. The file must not exist.
    pub fn reserve(path: &Path, len: usize) -> io::Result<MappedSegment> {
        let file = new_file(path)?;
        match take_blocks(&file, len).and_then(|()| sync_parent(path)).and_then(|()| MappedSegment::map(file, len)) {
            Ok(segment) => Ok(segment),
            Err(error) => {
                let _ = std::fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// Maps a file that exists, for recovery and to write on. A direct write of an earlier process that was under way is over.
    pub fn open(path: &Path) -> io::Result<MappedSegment> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        take_blocks(&file, len)?;
        MappedSegment::map(file, len)
    }

    fn map(file: File, len: usize) -> io::Result<MappedSegment> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists; an empty file is an error.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = base.cast::<u8>();
        let Some(watch) = Watch::new(base, len) else {
            // SAFETY: the range is the mapping made above, and nothing refers to it.
            unsafe { libc::munmap(base.cast(), len) };
            return Err(io::Error::from(io::ErrorKind::QuotaExceeded));
        };
        Ok(MappedSegment { mapping: Arc::new(Mapping { watch, base, len }), file })
    }

    /// The bytes of the file.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `len` bytes, readable and writable, and lives as long as `self`; `&mut self` excludes every other
        // reference of this process, and the file's directory excludes other processes (see the type's promise).
        // The kernel may read some of them meanwhile (an `Op::Write` in flight), which is no reference.
        unsafe { slice::from_raw_parts_mut(self.mapping.base, self.mapping.len) }
    }

    /// Brings it to disk and waits: for a start or a recovery, not for a shard.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Stores these bytes once more, brings all to disk and waits: for a start. An fsync of an earlier process may have failed;
    /// the kernel reported that once and takes the pages for written since, so that only a new store makes it write them.
    pub fn store_anew(&mut self, range: Range<usize>) -> io::Result<()> {
        for page in self.bytes().get_mut(range).unwrap_or_default().chunks_mut(PAGE) {
            if let Some(first) = page.first_mut() {
                let first = ptr::from_mut(first);
                // SAFETY: it comes from a unique reference to a byte that lives; volatile, so that the store is not left out.
                unsafe { first.write_volatile(first.read_volatile()) };
            }
        }
        if self.broken() {
            return Err(io::Error::other("a store into it was lost"));
        }
        self.sync()
    }

    /// Keeps the memory while the kernel reads it, whatever becomes of this.
    pub fn keep(&self) -> Kept {
        Kept(Some(Arc::clone(&self.mapping)))
    }

    /// Whether a store into it could not be done. What depends on such a record must not leave.
    pub fn broken(&self) -> bool {
        self.mapping.watch.broken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("uring-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn a_store_is_in_the_file_at_once() {
        let path = scratch("store");
        let mut segment = MappedSegment::create(&path, 8192).unwrap();
        segment.bytes()[5000..5003].copy_from_slice(b"abc");
        let read = std::fs::read(&path).unwrap();
        assert_eq!((read.len(), &read[4999..5004]), (8192, &b"\0abc\0"[..]));
        drop(segment);
        assert_eq!(MappedSegment::open(&path).unwrap().bytes()[5000], b'a');
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_stored_anew_is_as_it_was() {
        let path = scratch("anew");
        let mut segment = MappedSegment::create(&path, 3 * PAGE).unwrap();
        segment.bytes()[PAGE..PAGE + 3].copy_from_slice(b"abc");
        let before = segment.bytes().to_vec();
        segment.store_anew(10..PAGE + 3).unwrap();
        assert!(segment.bytes() == before && std::fs::read(&path).unwrap() == before);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(PAGE as u64).unwrap();
        assert!(segment.store_anew(0..2 * PAGE).is_err(), "a store was lost");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_reserved_has_its_blocks_and_is_zero() {
        use std::os::unix::fs::MetadataExt;
        let path = scratch("reserve");
        let mut segment = MappedSegment::reserve(&path, 64 * PAGE).unwrap();
        assert!(std::fs::metadata(&path).unwrap().blocks() >= (64 * PAGE / 512) as u64);
        assert!(segment.bytes().iter().all(|byte| *byte == 0));
        segment.bytes()[63 * PAGE] = 5;
        assert_eq!((segment.broken(), std::fs::read(&path).unwrap()[63 * PAGE]), (false, 5));
        assert_eq!(MappedSegment::reserve(&path, PAGE).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn memory_is_kept_behind_its_segment() {
        let path = scratch("keep");
        let mut segment = MappedSegment::reserve(&path, 2 * PAGE).unwrap();
        std::fs::remove_file(&path).unwrap();
        let kept = segment.keep();
        assert!(kept.holds(segment.bytes()) && kept.holds(&segment.bytes()[PAGE..]) && !kept.holds(&[1, 2]));
        assert!(!Kept::default().holds(segment.bytes()));
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is_mapped = || std::fs::read_to_string("/proc/self/maps").unwrap().contains(&name);
        drop(segment);
        assert!(is_mapped());
        drop(kept);
        assert!(!is_mapped());
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let path = scratch("exists");
        std::fs::write(&path, b"kept").unwrap();
        assert_eq!(MappedSegment::create(&path, 4096).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_cut_short_breaks_the_segment_and_not_the_process() {
        let path = scratch("cut");
        let mut segment = MappedSegment::create(&path, 3 * 4096).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
        segment.bytes()[10] = 1;
        assert!(!segment.broken());
        segment.bytes()[8192 + 10] = 1;
        assert!(segment.broken());
        std::fs::remove_file(path).unwrap();
    }
}
