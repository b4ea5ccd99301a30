//! OCSF JSON lines at the end of a file, for a collector that reads files.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file, opened anew where it was rotated away.
pub(super) struct FileSink {
    path: PathBuf,
    open: Option<File>,
}

impl FileSink {
    pub(super) fn new(path: &Path) -> FileSink {
        FileSink { path: path.to_owned(), open: None }
    }

    /// All lines are on disk when this returns.
    pub(super) fn write(&mut self, lines: &str) -> io::Result<()> {
        let same = |file: &File| {
            let (is, there) = (file.metadata()?, std::fs::metadata(&self.path)?);
            Ok::<_, io::Error>((is.dev(), is.ino()) == (there.dev(), there.ino()))
        };
        if !self.open.as_ref().is_some_and(|file| same(file).unwrap_or(false)) {
            self.open = Some(open(&self.path)?);
        }
        let Some(file) = &mut self.open else { return Ok(()) };
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // Opened again it is cut to its last whole line.
            self.open = None;
        }
        written
    }
}

/// At its end. A last line without an end is ours, of a shipper that was killed: it was never acknowledged, and comes again.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    let length = file.metadata()?.len();
    let mut end = length;
    let mut piece = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        let part = piece.get_mut(..(end - start) as usize).unwrap_or_default();
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(file)
}
