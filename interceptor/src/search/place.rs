//! Where records stand: the segments of the folders, and the bytes of one record.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use audit::segment::{FRAME_LEN, SEGMENT_LEN_MAX, parse_file_name};
use audit::{PAYLOAD_MAX, RecordId};

use super::index::Hit;
use crate::record;
use crate::record::stands::Files;

/// Where one record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: RecordId,
    /// The number of its segment.
    pub(super) segment: u64,
    /// The byte of the segment at which its frame begins.
    pub(super) at: u64,
}

/// The bytes of a record that was found, and of its outcome; `None` where the segment is not here any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// As [`audit::show::frame`] reads them.
    pub record: Option<Vec<u8>>,
    /// The same of the outcome.
    pub outcome: Option<Vec<u8>>,
}

/// The segments of a record.
#[derive(Debug)]
pub struct Segments {
    files: Files,
}

impl Segments {
    /// All in these folders.
    pub fn of(folders: &[PathBuf]) -> Result<Segments> {
        let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).and_then(parse_file_name);
        let files = record::segments(folders)?;
        Ok(Segments { files: files.into_iter().filter_map(|path| Some((name(&path)?, path))).collect() })
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// The shards that have a series.
    pub(super) fn shards(&self) -> Vec<u16> {
        let mut shards: Vec<u16> = self.files.keys().map(|(shard, _)| *shard).collect();
        shards.dedup();
        shards
    }

    /// The first segment of a series from this number on. Older ones may have been moved away.
    pub(super) fn next(&self, shard: u16, number: u64) -> Option<u64> {
        self.files.range((shard, number)..=(shard, u64::MAX)).next().map(|((_, number), _)| *number)
    }

    /// How many segments a series has behind this one.
    pub(super) fn behind(&self, shard: u16, number: u64) -> usize {
        self.files.range((shard, number.saturating_add(1))..=(shard, u64::MAX)).count()
    }

    /// How long a segment is.
    pub(super) fn len(&self, shard: u16, number: u64) -> Result<u64> {
        let path = self.path(shard, number)?;
        let len = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
        anyhow::ensure!(len <= SEGMENT_LEN_MAX as u64, "{} is longer than a segment may be", path.display());
        Ok(len)
    }

    /// At most so many bytes of a segment, from a place on; less where it ends.
    pub(super) fn part(&self, shard: u16, number: u64, at: u64, most: usize) -> Result<Vec<u8>> {
        let path = self.path(shard, number)?;
        let failed = || format!("cannot read {}", path.display());
        let mut file = File::open(path).with_context(failed)?;
        file.seek(SeekFrom::Start(at)).with_context(failed)?;
        let mut bytes = Vec::with_capacity(most.min(self.len(shard, number)?.saturating_sub(at) as usize));
        file.take(most as u64).read_to_end(&mut bytes).with_context(failed)?;
        Ok(bytes)
    }

    fn path(&self, shard: u16, number: u64) -> Result<&Path> {
        self.files.get(&(shard, number)).map(PathBuf::as_path).context("it is not there any more")
    }

    /// What was found, read from its segments.
    pub fn found(&self, hit: &Hit) -> Result<Found> {
        let outcome = hit.outcome.map_or(Ok(None), |place| self.record(place))?;
        Ok(Found { record: self.record(hit.record)?, outcome })
    }

    /// To read many records that stand near each other.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { segments: self, windows: BTreeMap::new() }
    }

    /// The bytes of one record, as [`audit::show::frame`] reads them; `None`: its segment is not here any more.
    pub(super) fn record(&self, place: Place) -> Result<Option<Vec<u8>>> {
        let Some(path) = self.files.get(&(place.id.shard, place.segment)) else { return Ok(None) };
        let failed = || format!("cannot read record {} in {}", place.id, path.display());
        let file = File::open(path).with_context(failed)?;
        let mut length = [0; 4];
        file.read_exact_at(&mut length, place.at).with_context(failed)?;
        let length = (u32::from_le_bytes(length) as usize).min(FRAME_LEN + PAYLOAD_MAX);
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, place.at).with_context(failed)?;
        Ok(Some(bytes))
    }
}

/// So much is read at a time of each series.
const WINDOW: usize = 256 << 10;

/// Reads records in about their order.
pub(super) struct Reader<'s> {
    segments: &'s Segments,
    /// By shard: of which segment, from where on.
    windows: BTreeMap<u16, (u64, u64, Vec<u8>)>,
}

impl Reader<'_> {
    /// As [`Segments::record`].
    pub(super) fn record(&mut self, place: Place) -> Result<Option<Vec<u8>>> {
        let shard = place.id.shard;
        if !self.segments.files.contains_key(&(shard, place.segment)) {
            return Ok(None);
        }
        let within = |window: &(u64, u64, Vec<u8>)| {
            let (segment, from, bytes) = window;
            let at = usize::try_from(place.at.checked_sub(*from)?).ok().filter(|_| *segment == place.segment)?;
            let length = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize;
            bytes.get(at..at.checked_add(length)?).map(<[u8]>::to_vec)
        };
        if let Some(found) = self.windows.get(&shard).and_then(within) {
            return Ok(Some(found));
        }
        let bytes = self.segments.part(shard, place.segment, place.at, WINDOW)?;
        self.windows.insert(shard, (place.segment, place.at, bytes));
        // One that is longer than that is read by itself.
        match self.windows.get(&shard).and_then(within) {
            Some(found) => Ok(Some(found)),
            None => self.segments.record(place),
        }
    }
}
