//! `audit export`: the records of all series in the order of their times, a piece of each series in memory at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use audit::ocsf::{self, Teller};
use audit::segment::{FRAME_LEN, Frame, HEADER_LEN, frames_from, parse_file_name};
use audit::{PAYLOAD_MAX, show};

use super::figures::{Figure, Span};
use super::{folders_and_state, reading, segments};
use crate::config::Config;

/// So much of a segment is read at once, more where a record is longer.
const PIECE: usize = 256 << 10;
const FRAME_MAX: usize = (FRAME_LEN + PAYLOAD_MAX).next_multiple_of(8);

/// `audit export`: all shards' records, oldest first; of the span alone, and those that the figure admits.
pub fn export(path: &Path, folder: Option<PathBuf>, form: Form, span: Span, of: &Figure) -> Result<u8> {
    // What is shown is masked once more, in the deployment's format; a folder from elsewhere may have no configuration beside it.
    if folder.is_none() || path.exists() {
        Config::load(path)?.masking.install()?;
    }
    let (folders, _) = folders_and_state(path, folder.clone())?;
    reading::begins(path, folder.as_deref(), "audit export")?;
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut shards: BTreeMap<u16, Cursor> = BTreeMap::new();
    for file in segments(&folders)? {
        if let Some((shard, _)) = file.file_name().and_then(|n| n.to_str()).and_then(parse_file_name) {
            shards.entry(shard).or_default().files.push_back(file);
        }
    }
    let say = |shard: u16, frame: &Frame<'_>| {
        let is_asked = span.holds(frame) && (of.wants.is_empty() || of.admits(&show::json(shard, frame)));
        let teller = Teller { host: &host, version: env!("CARGO_PKG_VERSION") };
        is_asked.then(|| match form {
            Form::Line => show::line(shard, frame),
            Form::Json => show::json(shard, frame).to_string(),
            Form::Ocsf => ocsf::event(teller, shard, frame).to_string(),
        })
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        for (shard, cursor) in &mut shards {
            cursor.fill(|frame| say(*shard, frame))?;
        }
        let oldest = shards.values_mut().filter(|c| c.line.is_some()).min_by_key(|c| c.line.as_ref().map(|l| l.0));
        let Some((_, line)) = oldest.and_then(|cursor| cursor.line.take()) else { break };
        writeln!(out, "{line}").context("cannot write")?;
    }
    out.flush().context("cannot write")?;
    Ok(0)
}

/// How an exported record looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line for a person.
    Line,
    /// By its own names.
    Json,
    /// As a SIEM reads it.
    Ocsf,
}

/// One shard's records, the next one that is asked for at hand.
#[derive(Default)]
struct Cursor {
    files: VecDeque<PathBuf>,
    piece: Option<Piece>,
    /// Wall clock and text.
    line: Option<(u64, String)>,
}

impl Cursor {
    /// Reads until there is a line, or no record is left.
    fn fill(&mut self, say: impl Fn(&Frame<'_>) -> Option<String>) -> Result<()> {
        while self.line.is_none() {
            if self.piece.is_none() {
                let Some(file) = self.files.pop_front() else { return Ok(()) };
                let cannot = || format!("cannot read {}", file.display());
                self.piece = Some(Piece::begin(&file).with_context(cannot)?);
            }
            let Some(piece) = &mut self.piece else { return Ok(()) };
            match piece.next(|frame| say(frame).map(|text| (frame.stamp.wall_ns, text)))? {
                Some(line) => self.line = line,
                None => self.piece = None,
            }
        }
        Ok(())
    }
}

/// A part of a segment.
struct Piece {
    file: File,
    bytes: Vec<u8>,
    /// Where the next frame is in it.
    at: usize,
}

impl Piece {
    fn begin(path: &Path) -> std::io::Result<Piece> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(HEADER_LEN as u64))?;
        Ok(Piece { file, bytes: Vec::new(), at: 0 })
    }

    /// What is made of the next frame; `None` behind the last.
    fn next<T>(&mut self, make: impl Fn(&Frame<'_>) -> T) -> Result<Option<T>> {
        loop {
            if let Some((_, frame)) = frames_from(&self.bytes, self.at).next() {
                self.at += frame.room();
                return Ok(Some(make(&frame)));
            }
            if !self.more().context("cannot read a segment")? {
                return Ok(None);
            }
        }
    }

    /// Reads on. False: what is at hand is enough for any frame, or nothing follows.
    fn more(&mut self) -> std::io::Result<bool> {
        self.bytes.drain(..self.at);
        self.at = 0;
        let len = self.bytes.first_chunk().map_or(0, |len| u32::from_le_bytes(*len) as usize);
        let is_over = self.bytes.len() >= 4 && (len == 0 || self.bytes.len() >= len.next_multiple_of(8));
        if is_over || self.bytes.len() >= FRAME_MAX {
            return Ok(false);
        }
        let wanted = PIECE.max(len.min(FRAME_MAX).next_multiple_of(8)) - self.bytes.len().min(PIECE);
        let read = (&mut self.file).take(wanted.max(8) as u64).read_to_end(&mut self.bytes)?;
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit::RecordType;
    use audit::segment::{Appender, Identity, Previous, Stamp, frames};

    /// Records of all lengths up to the longest, so that each kind of end of a piece is met.
    #[test]
    fn pieces_have_the_frames_that_the_whole_segment_has() {
        let path = std::env::temp_dir().join(format!("export-pieces-{}", std::process::id()));
        let mut memory = vec![0; 16 << 20];
        let identity = Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };
        let mut appender = Appender::begin(&mut memory, 0, identity, Previous::NONE, Stamp::default()).unwrap();
        let lens =
            (0..3000).map(|n| n % 700).chain([PAYLOAD_MAX, 1, PIECE - 100, PAYLOAD_MAX - 1, 0, PIECE, PIECE * 3]);
        for (n, len) in lens.chain((0..40).map(|n| PIECE - n)).enumerate() {
            let payload = vec![7; len];
            let stamp = Stamp { mono_ns: n as u64, wall_ns: n as u64 };
            if appender.append(&mut memory, RecordType::Canary.code(), 0, stamp, &payload).is_err() {
                break;
            }
        }
        let seq = |frame: &Frame<'_>| (frame.seq, frame.payload().len());
        // The last one without its end is none.
        for cut in [memory.len(), appender.end() - 8] {
            std::fs::write(&path, &memory[..cut]).unwrap();
            let mut piece = Piece::begin(&path).unwrap();
            let found: Vec<_> = std::iter::from_fn(|| piece.next(seq).unwrap()).collect();
            let whole: Vec<_> = frames(&memory[..cut]).map(|frame| seq(&frame)).collect();
            assert!(found.len() > 3000 && found == whole, "cut at {cut}");
        }
        std::fs::remove_file(path).unwrap();
    }
}
