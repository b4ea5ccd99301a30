//! A segment's file as it is written: past the page cache, in whole pages, from memory that stays where it is.
//!
//! Of what an fsync of a mapped file takes, half is for pages: each is faulted in, copied to, looked for in page tables, unmapped, and
//! given up again some time (decisions/0199). A direct write has none of that.
#![allow(unsafe_code)] // fallocate

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::segment::PAGE;

/// Zeros are written in pieces of this size.
const PIECE: usize = 64 * PAGE;

/// Memory from which a direct write may be made.
#[repr(align(4096))]
struct Zeros([u8; PIECE]);

/// The least that is written.
#[repr(align(4096))]
struct Page([u8; PAGE]);

static ZEROS: Zeros = Zeros([0; PIECE]);

/// A segment's file, to be written by [`crate::Op::Write`].
#[derive(Debug)]
pub struct SegmentFile(File);

impl SegmentFile {
    /// Makes a new file of `len` zeros, all written and on disk with its name, so that later writes need no new blocks and meet no
    /// full disk. Slow: for a thread that prepares. The file must not exist.
    pub fn create(path: &Path, len: usize) -> io::Result<SegmentFile> {
        let new = new_file(path)?;
        match take_blocks(&new, len).and_then(|()| fill(path, &new, len)).and_then(|()| sync_parent(path)) {
            Ok(()) => SegmentFile::open(path),
            Err(error) => {
                // What was half made must not be taken for a segment later.
                let _ = std::fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// Opens a file that exists. Where direct writes of a page are refused (tmpfs before Linux 6.6, some file systems in user space, a device
    /// whose blocks are larger) it is written by the page cache, and as safe.
    pub fn open(path: &Path) -> io::Result<SegmentFile> {
        let direct = options().custom_flags(libc::O_DIRECT).open(path);
        match direct.and_then(|file| file.read_at(&mut Page([0; PAGE]).0, 0).map(|_| file)) {
            Ok(file) => Ok(SegmentFile(file)),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => options().open(path).map(SegmentFile),
            Err(error) => Err(error),
        }
    }

    /// What [`crate::Op::Write`] names; valid while this lives.
    pub fn file(&self) -> crate::File {
        crate::File(self.0.as_raw_fd())
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    options().create_new(true).mode(0o600).open(path)
}

/// Makes the file `len` bytes long, with blocks for all of them. Of a file that has them nothing changes, but direct writes to it that are
/// under way are over behind this (ext4, XFS: fallocate waits for them).
pub(crate) fn take_blocks(file: &File, len: usize) -> io::Result<()> {
    let size = libc::off_t::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    // SAFETY: no memory is passed.
    match unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn fill(path: &Path, new: &File, len: usize) -> io::Result<()> {
    match zeros(&SegmentFile::open(path)?.0, len) {
        // Not of whole pages.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => zeros(new, len)?,
        written => written?,
    }
    new.sync_all()
}

fn zeros(mut file: &File, len: usize) -> io::Result<()> {
    let mut left = len;
    while left > 0 {
        let part = left.min(PIECE);
        file.write_all(&ZEROS.0[..part])?;
        left -= part;
    }
    Ok(())
}

/// The file's name is on disk too.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_all_zeros_of_its_own() {
        use std::os::unix::fs::MetadataExt;
        for len in [PAGE, 3 * PAGE, PIECE + PAGE, PIECE + 8] {
            let path = std::env::temp_dir().join(format!("uring-{}-file-{len}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            SegmentFile::create(&path, len).unwrap();
            let read = std::fs::read(&path).unwrap();
            assert!(read.len() == len && read.iter().all(|byte| *byte == 0));
            assert!(std::fs::metadata(&path).unwrap().blocks() * 512 >= len as u64);
            assert_eq!(SegmentFile::create(&path, len).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            std::fs::remove_file(path).unwrap();
        }
    }
}
