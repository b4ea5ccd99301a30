#![allow(unsafe_code)] // mmap and madvise of a file

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::{ptr, slice};

use crate::sigbus::Watch;

/// No kernel's page is smaller.
const PAGE: usize = 4096;
/// A new file is written in pieces of this size, which the page cache keeps as one folio each where the file system has such
/// (seen: ext4 of Linux 6.18). A fault maps a folio and an fsync takes all of its pages the right to write again, so it is a small one.
const FOLIO: usize = 4 * PAGE;
/// Until so many bytes have come together since the last time, over however many fsyncs, nothing is unmapped: a call and the faults behind it are not worth them.
const UNMAPPED_MIN: usize = 8 * PAGE;
/// More is not mapped ahead at once: the shard waits for it.
const MAPPED_MAX: usize = 8 * FOLIO;
/// A CPU's cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;
/// So many lines are fetched: a record of a statement has three or four.
#[cfg(target_arch = "x86_64")]
const FETCHED: usize = 4;

/// A file mapped MAP_SHARED: a store into it is out of the process at once (a killed process loses nothing) and on disk after
/// an [`crate::Op::Fsync`] (a power cut loses nothing).
///
/// # The promise of its maker
/// Nobody shortens or writes the file while it is mapped: it lies in a directory of mode 0700 of the service's own user. Where
/// that, or the medium, fails all the same, the kernel's SIGBUS marks the segment [`MappedSegment::broken`].
#[derive(Debug)]
pub struct MappedSegment {
    watch: Watch,
    base: *mut u8,
    len: usize,
    file: File,
    /// All pages before it were unmapped; a multiple of `FOLIO`.
    unmapped: usize,
    /// Up to where the last fsync goes.
    synced: usize,
    /// How many bytes came together for it.
    batch: usize,
}

// SAFETY: the mapping belongs to this value alone and may be used from any one thread at a time; the pointer is not tied to one.
unsafe impl Send for MappedSegment {}

impl MappedSegment {
    /// Makes a new file of `len` zeros, all written and on disk (so that later stores need no new blocks and meet no full
    /// disk), and maps it. Slow: for a thread that prepares. The file must not exist.
    pub fn create(path: &Path, len: usize) -> io::Result<MappedSegment> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        match fill(&file, len).and_then(|()| sync_parent(path)).and_then(|()| MappedSegment::map(file, len)) {
            Ok(segment) => Ok(segment),
            Err(error) => {
                // What was half made must not be taken for a segment later.
                let _ = std::fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// Maps a file that exists, for recovery and to write on.
    pub fn open(path: &Path) -> io::Result<MappedSegment> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
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
        Ok(MappedSegment { watch, base, len, file, unmapped: 0, synced: 0, batch: 0 })
    }

    /// The bytes of the file.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `len` bytes, readable and writable, and lives as long as `self`; `&mut self` excludes every other
        // reference of this process, and the file's directory excludes other processes (see the type's promise).
        unsafe { slice::from_raw_parts_mut(self.base, self.len) }
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

    /// For an fsync of what was stored up to `end`: its pages leave this process's page tables, in one call. No byte changes, and what is
    /// used again is mapped again by a page fault.
    ///
    /// Else the fsync takes the right to write from one page after the other, and for each interrupts every other CPU that runs this
    /// process and waits for it (`page_vma_mkclean_one` in mm/rmap.c of Linux 6.18; decisions/0193).
    pub fn unmap_stored(&mut self, end: usize) {
        let end = end.min(self.len);
        self.batch = end.saturating_sub(self.synced);
        self.synced = end;
        if end.saturating_sub(self.unmapped) < UNMAPPED_MIN || self.broken() {
            return;
        }
        let len = end.next_multiple_of(FOLIO).min(self.len) - self.unmapped;
        // SAFETY: the pages lie in the mapping that `map` made; it is shared, so what they hold stays in the page cache. No reference
        // into it lives now. An error leaves them mapped, which costs the fsync time and nothing else.
        unsafe { libc::madvise(self.base.add(self.unmapped).cast(), len, libc::MADV_DONTNEED) };
        // The last folio is stored into again.
        self.unmapped = end / FOLIO * FOLIO;
    }

    /// Behind an fsync, what is stored next goes to `end`: maps three quarters of what came together for that fsync, in one call instead of a fault for
    /// each folio (decisions/0198). No byte changes. Not before the fsync, which would write these pages too and take the right to write again.
    pub fn map_next(&mut self, end: usize) {
        let from = end.next_multiple_of(FOLIO);
        let to = (self.synced + self.batch / 4 * 3).min(from + MAPPED_MAX).min(self.len) / FOLIO * FOLIO;
        if to <= from || self.broken() {
            return;
        }
        // SAFETY: the pages lie in the mapping that `map` made; they are faulted in as by a store, and no byte changes. An error (a kernel
        // before Linux 5.14, a file that was cut) leaves them to the store's own fault.
        unsafe { libc::madvise(self.base.add(from).cast(), to - from, libc::MADV_POPULATE_WRITE) };
    }

    /// What is stored next goes to `at`, soon: its cache lines come to this CPU meanwhile, to be written (PREFETCHW). Nobody has used them since
    /// the file was filled, and a store waits for each.
    pub fn fetch(&self, at: usize) {
        #[cfg(target_arch = "x86_64")]
        for at in (at..self.len).step_by(LINE).take(FETCHED) {
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            // SAFETY: the address lies in the mapping; the instruction is a hint, and where the page is not mapped it does nothing.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(self.base.add(at).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }

    /// What [`crate::Op::Fsync`] names; valid while this segment lives.
    pub fn file(&self) -> crate::File {
        crate::File(self.file.as_raw_fd())
    }

    /// Whether a store into it could not be done. What depends on such a record must not leave.
    pub fn broken(&self) -> bool {
        self.watch.broken()
    }
}

impl Drop for MappedSegment {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that `map` made, and no reference into it can outlive `self`.
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}

fn fill(file: &File, len: usize) -> io::Result<()> {
    static ZEROS: [u8; FOLIO] = [0; FOLIO];
    let size = libc::off_t::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    // SAFETY: no memory is passed.
    if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut left = len;
    let mut file = file;
    while left > 0 {
        let part = left.min(ZEROS.len());
        file.write_all(&ZEROS[..part])?;
        left -= part;
    }
    file.sync_all()
}

/// The file's name is on disk too.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
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
    fn what_is_unmapped_holds_what_it_held() {
        let path = scratch("unmap");
        let mut segment = MappedSegment::create(&path, 64 * PAGE).unwrap();
        let mut stored = 0;
        for (end, mapped) in
            [(7 * PAGE, true), (8 * PAGE, false), (9 * PAGE, true), (40 * PAGE + 1, false), (64 * PAGE, false)]
        {
            segment.bytes()[stored..end].fill(7);
            segment.unmap_stored(if end == segment.len { usize::MAX } else { end });
            assert_eq!(mapped_bytes(&segment) > 0, mapped, "at {end}");
            let read = std::fs::read(&path).unwrap();
            assert!(read[..end].iter().all(|byte| *byte == 7) && read[end..].iter().all(|byte| *byte == 0));
            stored = end;
        }
        segment.bytes()[3] = 8;
        assert_eq!((segment.bytes()[2], segment.bytes()[64 * PAGE - 1], std::fs::read(&path).unwrap()[3]), (7, 7, 8));
        assert!(!segment.broken());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_stored_next_is_mapped_as_far_as_the_last_fsync_lets_expect() {
        let path = scratch("next");
        let mut segment = MappedSegment::create(&path, 256 * PAGE).unwrap();
        let mut end = 0;
        // Stored, and mapped then behind the fsync, both in pages.
        for (stored, mapped) in [(40, 28), (16, 12), (4, 0), (120, 32), (76, 0)] {
            segment.bytes()[end..end + stored * PAGE].fill(7);
            end += stored * PAGE;
            segment.unmap_stored(end);
            let before = mapped_bytes(&segment);
            segment.map_next(end);
            assert_eq!(mapped_bytes(&segment) - before, mapped * PAGE, "behind {stored}");
            segment.fetch(end);
            assert!(segment.bytes()[end..].iter().all(|byte| *byte == 0));
            // Only what is stored is looked at below; that read has mapped the rest.
            segment.unmapped = 0;
            segment.unmap_stored(usize::MAX);
            (segment.unmapped, segment.synced) = (end, end);
        }
        assert_eq!((end, segment.broken()), (segment.len, false));
        std::fs::remove_file(path).unwrap();
    }

    /// What of it is in this process's page tables, by /proc/self/smaps.
    fn mapped_bytes(segment: &MappedSegment) -> usize {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let begin = format!("{:x}-", segment.base as usize);
        let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&begin));
        let rss = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        rss.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
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
