//! How far each sink is, on disk: whole or as it was before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::follow::Places;

/// The position of one reader.
pub(super) struct Position {
    folder: PathBuf,
    name: String,
}

impl Position {
    pub(super) fn of(folder: &Path, reader: &str) -> Position {
        Position { folder: folder.to_owned(), name: format!("ship-{reader}.position") }
    }

    /// Where it left off; empty: it never began.
    pub(super) fn read(&self) -> Result<Places> {
        let path = self.folder.join(&self.name);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| {
                format!("{} is no position: remove it, and everything is shipped again", path.display())
            }),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Places::new()),
            Err(why) => Err(why).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// What is before these places needs not be shipped again.
    pub(super) fn save(&self, places: &Places) -> Result<()> {
        let text = serde_json::to_string(places).context("a position")?;
        replace(&self.folder, &self.name, &text, true)
    }
}

/// Puts a file in the place of another: whole, and on disk where that is asked for.
pub(super) fn replace(folder: &Path, name: &str, text: &str, is_durable: bool) -> Result<()> {
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&new)?;
        file.write_all(text.as_bytes())?;
        if is_durable {
            file.sync_all()?;
        }
        fs::rename(&new, &path)?;
        if is_durable { File::open(folder)?.sync_all() } else { Ok(()) }
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
