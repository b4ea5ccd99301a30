//! A folder that may be somebody else's: files in it are named by its descriptor and no link is followed, so root that removes or reads
//! there is not led elsewhere.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use audit::segment::SEGMENT_LEN_MAX;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, UnlinkatFlags, unlinkat};

/// An open folder.
pub(super) struct Folder {
    path: PathBuf,
    opened: File,
}

impl Folder {
    /// The folder itself, which must be no link.
    pub(super) fn open(path: &Path) -> Result<Folder> {
        let mut options = File::options();
        options.read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW);
        let opened = options.open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Folder { path: path.to_owned(), opened })
    }

    /// The one that a file is in.
    pub(super) fn of(file: &Path) -> Result<Folder> {
        Folder::open(file.parent().context("a file without a folder")?)
    }

    /// It is root's or the caller's, and nobody else may write in it.
    pub(super) fn is_own(&self) -> Result<bool> {
        let is = self.opened.metadata()?;
        let own = is.uid() == 0 || is.uid() == Uid::effective().as_raw();
        Ok(own && is.mode() & 0o022 == 0)
    }

    /// All of a segment's file.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        let failed = || format!("cannot read {}", self.path.join(name).display());
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.opened, name, flags, Mode::empty()).with_context(failed)?);
        let is = file.metadata().with_context(failed)?;
        ensure!(is.is_file() && is.len() <= SEGMENT_LEN_MAX as u64, "{} is no segment", self.path.join(name).display());
        let mut bytes = Vec::with_capacity(usize::try_from(is.len()).unwrap_or_default());
        file.take(SEGMENT_LEN_MAX as u64).read_to_end(&mut bytes).with_context(failed)?;
        Ok(bytes)
    }

    /// Puts a file that is whole and on disk when this returns. One that is there already must be the same.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.path.join(name).exists() {
            let there = self.read(name)?;
            ensure!(there == bytes, "another {name} is in {} already", self.path.display());
            return Ok(());
        }
        let part = format!("{name}.part");
        let failed = || format!("cannot write {}", self.path.join(&part).display());
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let mut file = File::from(openat(&self.opened, part.as_str(), flags, mode).with_context(failed)?);
        file.write_all(bytes).and_then(|()| file.sync_all()).with_context(failed)?;
        ensure!(self.read(&part)? == bytes, "what was written to {} is not read back", self.path.display());
        renameat(&self.opened, part.as_str(), &self.opened, name).with_context(failed)?;
        self.sync()
    }

    /// Removes a file, on disk when this returns.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        unlinkat(&self.opened, name, UnlinkatFlags::NoRemoveDir)
            .with_context(|| format!("cannot remove {}", self.path.join(name).display()))?;
        self.sync()
    }

    fn sync(&self) -> Result<()> {
        self.opened.sync_all().with_context(|| format!("cannot sync {}", self.path.display()))
    }
}
