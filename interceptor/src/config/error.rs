//! Why a configuration is none, for whoever has to mend it.

use std::fmt;
use std::path::PathBuf;

/// Why a configuration was refused: the file, the place in it, and what to do.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// Not TOML, or a key or a value that is not known; the text names the line.
    Syntax(PathBuf, String),
    /// A value that means nothing here.
    Meaning {
        /// The table and its name, as a person would look for it.
        place: String,
        /// What is wrong and what would be right.
        why: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unreadable(path, why) => write!(f, "cannot read {}: {why}", path.display()),
            Error::Syntax(path, why) => write!(f, "{}: {why}", path.display()),
            Error::Meaning { place, why } => write!(f, "{place}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// Adds `did you mean` to toml's own "unknown field `x`, expected one of `a`, `b`".
pub(super) fn with_nearest(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let unknown = message.contains("unknown field");
    match quoted.split_first() {
        Some((typed, known)) if unknown => {
            let best = known.iter().max_by(|a, b| strsim::jaro(typed, a).total_cmp(&strsim::jaro(typed, b)));
            best.map_or_else(|| message.to_owned(), |k| format!("{}\ndid you mean `{k}`?", message.trim_end()))
        }
        _ => message.to_owned(),
    }
}
