//! Whole sealed segments, copied into a folder such as a mounted archive or put to an HTTP server, with the public key and the newest signed
//! checkpoint.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use audit::segment::{file_name, parse_file_name};

use super::follow::{Place, Places};
use super::http;
use crate::checkpoints::{CHECKPOINT, PUBLIC_KEY};
use crate::config::Archive;
use crate::record;

#[cfg(test)]
mod tests;

/// The folder in the archive for what is held against a record elsewhere.
const KEPT: &str = "kept";

/// An archive, and what it has got beside the segments.
pub(super) struct Out<'a> {
    to: &'a Archive,
    kept: BTreeMap<&'static str, Vec<u8>>,
}

impl Out<'_> {
    pub(super) fn of(to: &Archive) -> Out<'_> {
        Out { to, kept: BTreeMap::new() }
    }

    /// Copies what is sealed and not there yet, oldest first, and says how many segments. `places` moves with each.
    pub(super) fn copy(
        &mut self,
        folders: &[PathBuf],
        places: &mut Places,
        mut done: impl FnMut(&Places) -> Result<()>,
    ) -> Result<u64> {
        let mut copied = 0;
        for ((shard, number), path) in sealed(folders) {
            if places.get(&shard).is_some_and(|place| number < place.segment) {
                continue;
            }
            self.put(&path, &file_name(shard, number))?;
            places.insert(shard, Place::start(number + 1));
            done(places)?;
            copied += 1;
        }
        [CHECKPOINT, PUBLIC_KEY].into_iter().try_for_each(|name| self.keep(folders, name))?;
        Ok(copied)
    }

    /// The newest of this name, unless it has it.
    fn keep(&mut self, folders: &[PathBuf], name: &'static str) -> Result<()> {
        let Some(path) = folders.iter().map(|folder| folder.join(name)).find(|path| path.exists()) else {
            return Ok(());
        };
        let newest = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if self.kept.get(name) != Some(&newest) {
            self.put(&path, &format!("{KEPT}/{name}"))?;
            self.kept.insert(name, newest);
        }
        Ok(())
    }

    fn put(&self, from: &Path, name: &str) -> Result<()> {
        match self.to {
            Archive::Http(to) => http::put(to, name, from).map_err(|why| why.of(name)),
            Archive::Folder(root) => {
                let (folder, name) =
                    name.split_once('/').map_or((root.clone(), name), |(below, name)| (root.join(below), name));
                // A folder that is not mounted is none: only what is below it is made.
                if folder != *root {
                    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
                }
                put(from, &folder, name)
            }
        }
    }
}

/// The oldest sealed segment that is not copied.
pub(super) fn oldest(folders: &[PathBuf], places: &Places) -> Option<PathBuf> {
    let waits = |(shard, number): &(u16, u64)| places.get(shard).is_none_or(|place| *number >= place.segment);
    sealed(folders).into_iter().find(|(name, _)| waits(name)).map(|(_, path)| path)
}

/// Segments behind which another was begun: nothing is written to them any more.
pub(crate) fn sealed(folders: &[PathBuf]) -> BTreeMap<(u16, u64), PathBuf> {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).and_then(parse_file_name);
    let files = record::segments(folders).unwrap_or_default();
    let all: BTreeMap<(u16, u64), PathBuf> = files.into_iter().filter_map(|path| Some((name(&path)?, path))).collect();
    let is_sealed = |shard: u16, number: u64| all.get(&(shard, number + 1)).is_some_and(|next| has_begun(next));
    all.iter().filter(|((shard, number), _)| is_sealed(*shard, *number)).map(|(k, v)| (*k, v.clone())).collect()
}

/// A segment that was made in advance is zeros.
fn has_begun(path: &Path) -> bool {
    let mut magic = [0; 8];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic != [0; 8]
}

/// A copy under its name when it is whole and on disk, not before.
pub(crate) fn put(from: &Path, folder: &Path, name: &str) -> Result<()> {
    let (path, part) = (folder.join(name), folder.join(format!("{name}.part")));
    let copy = || -> io::Result<()> {
        let (mut source, mut target) = (File::open(from)?, File::create(&part)?);
        io::copy(&mut source, &mut target)?;
        target.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(folder)?.sync_all()
    };
    copy().with_context(|| format!("cannot copy {} to {}", from.display(), path.display()))
}
