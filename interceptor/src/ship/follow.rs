//! Reading the record as it grows, from where somebody left off, a bounded piece at a time.
//!
//! A reader's place is behind a whole record of a series. What is there was stored with its length last, so a length says that the
//! record is whole. A power cut may take back records that were read before it: the place remembers the last one's hash, and where
//! that is another record now, or none, the segment before it is read again from its start. So whoever reads gets everything at least once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use audit::segment::{Frame, HEADER_LEN, Header, frames_from, parse_file_name};
use audit::{RecordId, RecordType, show};
use serde::{Deserialize, Serialize};

use crate::record;
use crate::record::stands::{Files, Last, Stands, read_one, read_up_to};

/// So much of a series is read at a time.
const PIECE: usize = 256 << 10;
/// A batch ends when it has so many bytes of records: memory is bounded by it and one longest record per series.
pub(crate) const BATCH_BYTES: usize = 1 << 20;
/// After so many fruitless readings what stands there is no record that is being written.
const READINGS: u32 = 5;

/// How far one series was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The segment's number.
    pub(crate) segment: u64,
    /// The byte in it where the next record begins.
    pub(crate) at: u64,
    /// The last record that was read; 0: none.
    pub(crate) seq: u64,
    /// Where that one stands.
    last: Option<Last>,
}

impl Place {
    /// At the first record of a segment.
    pub(crate) fn start(segment: u64) -> Place {
        Place { segment, at: HEADER_LEN as u64, seq: 0, last: None }
    }
}

/// How far every series was read.
pub(crate) type Places = BTreeMap<u16, Place>;

/// One record, as [`show::frame`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) shard: u16,
    /// The boot of the host that its segment is of; `None`: not known.
    pub(crate) boot_id: Option<[u8; 16]>,
    pub(crate) bytes: Vec<u8>,
}

impl Record {
    /// It was whole when it was read, so there is always one.
    pub(crate) fn frame(&self) -> Option<Frame<'_>> {
        show::frame(&self.bytes)
    }
}

/// A reader of the record.
pub(crate) struct Follower {
    folders: Vec<PathBuf>,
    files: Files,
    places: Places,
    /// By series a segment, and the boot that it is of.
    boots: BTreeMap<u16, (u64, Option<[u8; 16]>)>,
    /// How often a series was read and what stands there was no record.
    unfit: BTreeMap<u16, u32>,
    /// What an operator must know: records that are gone, or cannot be read.
    pub(crate) notes: Vec<String>,
}

impl Follower {
    /// Goes on from these places.
    pub(crate) fn new(folders: Vec<PathBuf>, places: Places) -> Follower {
        let (files, boots, unfit, notes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), Vec::new());
        let mut follower = Follower { folders, files, places, boots, unfit, notes };
        follower.list();
        follower.go_back();
        follower
    }

    /// How far it is.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// The next records, of all series; none: there is nothing new.
    pub(crate) fn next(&mut self) -> Result<Vec<Record>> {
        let mut batch = Vec::new();
        self.fill(&mut batch)?;
        if batch.is_empty() {
            self.list();
            self.fill(&mut batch)?;
        }
        Ok(batch)
    }

    fn fill(&mut self, batch: &mut Vec<Record>) -> Result<()> {
        let shards: Vec<u16> = self.places.keys().copied().collect();
        let mut bytes = 0;
        loop {
            let before = bytes;
            for shard in &shards {
                bytes += self.piece(*shard, batch)?;
                if bytes >= BATCH_BYTES {
                    return Ok(());
                }
            }
            if bytes == before {
                return Ok(());
            }
        }
    }

    /// The segments that are there now. A record that was never begun has none yet.
    fn list(&mut self) {
        let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).and_then(parse_file_name);
        let files = record::segments(&self.folders).unwrap_or_default();
        self.files = files.into_iter().filter_map(|path| Some((name(&path)?, path))).collect();
        for (shard, number) in self.files.keys() {
            self.places.entry(*shard).or_insert_with(|| Place::start(*number));
        }
    }

    /// Where a place's last record is not there any more it is read again from the segment before: a power cut may take what was not
    /// on disk yet out of both, and other records have those places then.
    fn go_back(&mut self) {
        for (shard, place) in &mut self.places {
            let Some(last) = &place.last else { continue };
            if last.stands(*shard, &self.files) != Stands::Gone {
                continue;
            }
            let before = last.segment.saturating_sub(1);
            let there = |first, end| self.files.range((*shard, first)..=(*shard, end)).map(|((_, number), _)| *number);
            let Some(number) = there(before, u64::MAX).next().or_else(|| there(0, before).next_back()) else {
                continue;
            };
            let id = RecordId { shard: *shard, seq: place.seq };
            self.notes.push(format!(
                "record {id} was read before and is not there any more: a power cut took it, or somebody changed it (run `interceptor audit verify`); segment {number} and what follows is read again"
            ));
            *place = Place::start(number);
        }
    }

    /// The next records of one series; how many bytes they have.
    fn piece(&mut self, shard: u16, batch: &mut Vec<Record>) -> Result<usize> {
        let Some(place) = self.places.get_mut(&shard) else { return Ok(0) };
        let Some(path) = self.files.get(&(shard, place.segment)) else {
            let later = self.files.range((shard, place.segment)..=(shard, u64::MAX)).next();
            if let Some(((_, number), _)) = later {
                self.notes.push(format!(
                    "segments {} to {} of shard {shard} are gone and were not read to their end",
                    place.segment,
                    number - 1
                ));
                *place = Place::start(*number);
            }
            return Ok(0);
        };
        let failed = || format!("cannot read {}", path.display());
        let mut piece = vec![0; PIECE];
        let file = match File::open(path) {
            // Moved away since it was listed.
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                self.files.remove(&(shard, place.segment));
                return Ok(0);
            }
            file => file.with_context(failed)?,
        };
        let count = read_up_to(&file, &mut piece, place.at).with_context(failed)?;
        piece.truncate(count);
        if frames_from(&piece, 0).next().is_none()
            && let Some(one) = read_one(path, place.at).with_context(failed)?
        {
            piece = one;
        }
        let (mut taken, segment, mut here) = (0, place.segment, place.at);
        let known = self.boots.entry(shard).or_default();
        if known.0 != segment {
            *known = (segment, boot_of(&file).with_context(failed)?);
        }
        let boot_id = known.1;
        for (at, frame) in frames_from(&piece, 0) {
            taken += frame.bytes().len();
            here = place.at;
            place.at += frame.room() as u64;
            place.seq = frame.seq;
            batch.push(Record { shard, boot_id, bytes: frame.bytes().to_vec() });
            debug_assert!(at < piece.len());
            if frame.kind == RecordType::Seal.code() {
                place.segment += 1;
                place.at = HEADER_LEN as u64;
                break;
            }
        }
        if let Some(record) = batch.last().filter(|_| taken > 0) {
            place.last = Some(Last::of(segment, here, &record.bytes));
        }
        let stands = taken == 0 && piece.first_chunk::<4>().is_some_and(|len| *len != [0; 4]);
        let unfit = self.unfit.entry(shard).or_default();
        *unfit = if stands { *unfit + 1 } else { 0 };
        if *unfit == READINGS {
            self.notes.push(format!(
                "what follows record {} cannot be read: nothing behind it is shipped; run `interceptor audit verify`",
                RecordId { shard, seq: place.seq }
            ));
        }
        Ok(taken)
    }
}

/// The boot of the host that a segment is of. Zeros say that whoever began it was not shown one.
fn boot_of(segment: &File) -> io::Result<Option<[u8; 16]>> {
    let mut header = [0; HEADER_LEN];
    read_up_to(segment, &mut header, 0)?;
    Ok(Header::read(&header).ok().map(|header| header.identity.boot_id).filter(|boot_id| *boot_id != [0; 16]))
}
