//! A record that somebody read before, and whether it stands there still.
//!
//! Who reads a record as it grows reads what is not on disk yet, and a power cut may take it back: other records have its place, its
//! number or its segment then. So a reader remembers where its last record stood, and the hash of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use audit::PAYLOAD_MAX;
use audit::segment::{FRAME_LEN, frames_from};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Segments, by shard and number.
pub(crate) type Files = BTreeMap<(u16, u64), PathBuf>;

/// One record that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    /// Its segment.
    pub(crate) segment: u64,
    /// The byte at which it begins.
    pub(crate) at: u64,
    pub(crate) sha256: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// It is where it was.
    There {
        /// The byte behind it and its padding.
        behind: u64,
    },
    /// Its segment is gone and later ones are there: it was moved away.
    Away,
    /// A power cut took it, or somebody changed it.
    Gone,
}

impl Last {
    /// A record, with its padding or without.
    pub(crate) fn of(segment: u64, at: u64, record: &[u8]) -> Last {
        Last { segment, at, sha256: hash(record) }
    }

    /// Whether it is still there; one that cannot be read is not.
    pub(crate) fn stands(&self, shard: u16, files: &Files) -> Stands {
        let Some(path) = files.get(&(shard, self.segment)) else {
            let is_moved = files.range((shard, self.segment)..=(shard, u64::MAX)).next().is_some();
            return if is_moved { Stands::Away } else { Stands::Gone };
        };
        match read_one(path, self.at).ok().flatten() {
            Some(bytes) if hash(&bytes) == self.sha256 => Stands::There { behind: self.at + bytes.len() as u64 },
            _ => Stands::Gone,
        }
    }
}

/// The record that begins there, with its padding; `None`: no whole one.
pub(crate) fn read_one(path: &Path, at: u64) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let mut length = [0; 4];
    if read_up_to(&file, &mut length, at)? < length.len() {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length) as usize;
    if !(FRAME_LEN..=FRAME_LEN + PAYLOAD_MAX).contains(&length) {
        return Ok(None);
    }
    let mut bytes = vec![0; length.next_multiple_of(8)];
    let count = read_up_to(&file, &mut bytes, at)?;
    bytes.truncate(count);
    let is_whole = frames_from(&bytes, 0).next().is_some();
    Ok(is_whole.then_some(bytes))
}

/// As many bytes as there are.
pub(crate) fn read_up_to(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = bytes.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + count as u64) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(count)
}

fn hash(record: &[u8]) -> String {
    // A record's padding is no part of it, and is zeros: its length word says where it ends.
    let length = record.first_chunk::<4>().map_or(0, |len| u32::from_le_bytes(*len) as usize);
    let digest = Sha256::digest(record.get(..length).unwrap_or(record));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
