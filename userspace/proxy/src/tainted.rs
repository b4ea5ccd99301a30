//! What the sessions remember of where sensitive values were written, on disk beside the record: a line for each column, in one file that
//! only grows. A statement that adds to it goes on when its line is on disk, so a line without an end was never acted on.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use session::{Tainted, Taints};

/// The file's name.
const NAME: &str = "tainted";
/// Fields of a line.
const FIELDS: usize = 7;

/// One for all shards. Its lock is taken when a column is tainted that was not before.
#[derive(Debug)]
pub struct TaintFile {
    taints: Arc<Taints>,
    /// `None`: only in memory.
    path: Option<PathBuf>,
    file: Mutex<Option<File>>,
}

impl TaintFile {
    /// What the file in this folder says; none: nothing was remembered yet. A line that cannot be read is an error: what it hides is
    /// not known.
    pub fn open(folder: &Path) -> io::Result<TaintFile> {
        let path = folder.join(NAME);
        let known = match fs::read_to_string(&path) {
            Ok(text) => read(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(TaintFile { taints: Arc::new(Taints::new(known)), path: Some(path), file: Mutex::default() })
    }

    /// One that is forgotten with the process.
    pub fn in_memory() -> TaintFile {
        TaintFile { taints: Arc::default(), path: None, file: Mutex::default() }
    }

    /// What is shared with the sessions.
    pub fn taints(&self) -> &Arc<Taints> {
        &self.taints
    }

    /// Brings it to disk. An error: nothing that depends on it may go on.
    pub fn keep(&self, new: &[Tainted]) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match &mut *file {
            Some(open) => open,
            none => none.insert(create(path)?),
        };
        let lines: String = new.iter().map(line).collect();
        open.write_all(lines.as_bytes())?;
        open.sync_data()
    }
}

/// Opens it to append; where the last line has no end, it gets one.
fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let torn = fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if torn {
        file.write_all(b"\n")?;
    }
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

/// Fields between tabs; a tab, a line's end, a percent sign and other control characters are written as `%` and two hex digits.
fn line(tainted: &Tainted) -> String {
    let Tainted { endpoint, dbname, schema, table, column, id: (oid, number) } = tainted;
    let names = [endpoint, dbname, schema, table, column].map(|name| escaped(name));
    format!("{}\t{oid}\t{number}\n", names.join("\t"))
}

fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '%' | '\0'..='\x1f' => text.push_str(&format!("%{:02x}", u32::from(letter))),
            letter => text.push(letter),
        }
    }
    text
}

fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        name.push(char::from(u8::from_str_radix(code, 16).ok()?));
        name.push_str(rest);
    }
    Some(name)
}

fn read(text: &str) -> io::Result<Vec<Tainted>> {
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    let lines = whole.split('\n').filter(|line| !line.is_empty() && line.split('\t').count() == FIELDS);
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "a line of the file of tainted columns cannot be read");
    lines.map(|line| one(line).ok_or_else(odd)).collect()
}

fn one(line: &str) -> Option<Tainted> {
    let mut fields = line.split('\t');
    let mut name = || unescaped(fields.next()?);
    let (endpoint, dbname, schema, table, column) = (name()?, name()?, name()?, name()?, name()?);
    let id = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Tainted { endpoint, dbname, schema, table, column, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tainted(column: &str, id: (u32, i16)) -> Tainted {
        let word = |word: &str| word.to_owned();
        Tainted {
            endpoint: word("payments"),
            dbname: word("app"),
            schema: String::new(),
            table: word("odd\tname%"),
            column: word(column),
            id,
        }
    }

    #[test]
    fn what_was_kept_is_known_after_a_restart() {
        let folder = std::env::temp_dir().join(format!("tainted-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let all = [tainted("pan", (0, 0)), tainted("a\nb", (16_400, 2)), tainted("", (1, -1))];
        {
            let file = TaintFile::open(&folder).unwrap();
            file.keep(&all[..1]).unwrap();
            file.keep(&all[1..]).unwrap();
        }
        // A line that was being written.
        OpenOptions::new().append(true).open(folder.join(NAME)).unwrap().write_all(b"payments\tapp\tx").unwrap();
        let again = TaintFile::open(&folder).unwrap();
        assert_eq!(*again.taints().snapshot().0, all);
        again.keep(&[tainted("more", (7, 7))]).unwrap();
        assert_eq!(TaintFile::open(&folder).unwrap().taints().snapshot().0.len(), 4);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_line_that_cannot_be_read_is_an_error() {
        assert!(read("a\tb\tc\td\te\t1\tx\n").is_err());
        assert!(read("a\tb\tc\td\te%\t1\t1\n").is_err());
        assert_eq!(read("a\tb\tc").unwrap(), []);
    }
}
