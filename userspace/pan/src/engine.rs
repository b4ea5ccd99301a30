//! What a deployment decides once: the masked format, further issuer prefixes, and which instructions the scan uses.

use std::{
    fmt,
    sync::{LazyLock, OnceLock},
};

use crate::{arch::Backend, balanced::form::Forms, iin::Heads, keep::Keep};

/// How eagerly values are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Whole runs of digits and printed groupings, with rules on what may stand beside them.
    #[default]
    Balanced,
    /// Any window of 13 to 19 digits, separators dropped, in either direction and in the encodings that a database writes.
    Strict,
}

/// A further issuer range: cards whose number begins with these digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// One to eight digits. The first four decide, so a longer one finds a superset.
    pub digits: String,
    /// Lengths of the whole number, 13 to 19.
    pub lengths: Vec<u8>,
}

/// What an operator may decide.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What stays of a number: one format per deployment, since two formats of one number can be joined (PCI SSC FAQ 1091).
    pub keep: Keep,
    /// Beside the built-in table.
    pub prefixes: Vec<Prefix>,
    /// The instructions to use; None: what the environment names ([`crate::BACKEND_VARIABLE`]), else the fastest that the processor has.
    pub backend: Option<Backend>,
}

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No number of one to eight digits.
    Digits(String),
    /// A length outside 13 to 19, or none.
    Lengths(String),
    /// [`Engine::install`] was called before, or something was scanned already.
    Installed,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Digits(digits) => write!(f, "`{digits}` is no prefix: one to eight digits"),
            Unfit::Lengths(digits) => write!(f, "the lengths of prefix `{digits}` must be named, each from 13 to 19"),
            Unfit::Installed => f.write_str("the masked format is set once, before anything is scanned"),
        }
    }
}

impl std::error::Error for Unfit {}

/// The settings, ready for use. The whole process uses one.
#[derive(Debug)]
pub struct Engine {
    pub(crate) keep: Keep,
    pub(crate) heads: Heads,
    pub(crate) forms: Forms,
    pub(crate) backend: Backend,
}

static INSTALLED: OnceLock<Engine> = OnceLock::new();
static DEFAULT: LazyLock<Engine> = LazyLock::new(|| Engine::of(Keep::default(), Heads::builtin(), None));

impl Engine {
    /// Checks the settings.
    pub fn new(settings: &Settings) -> Result<Engine, Unfit> {
        let mut heads = Heads::builtin();
        for prefix in &settings.prefixes {
            let digits: Vec<u8> = prefix.digits.bytes().map(|byte| byte.wrapping_sub(b'0')).collect();
            if digits.is_empty() || digits.len() > 8 || digits.iter().any(|&digit| digit > 9) {
                return Err(Unfit::Digits(prefix.digits.clone()));
            }
            if prefix.lengths.is_empty() || prefix.lengths.iter().any(|length| !(13..=19).contains(length)) {
                return Err(Unfit::Lengths(prefix.digits.clone()));
            }
            heads.add(&digits, &prefix.lengths);
        }
        Ok(Engine::of(settings.keep, heads, settings.backend))
    }

    fn of(keep: Keep, heads: Heads, backend: Option<Backend>) -> Engine {
        Engine { keep, heads, forms: Forms::new(keep), backend: backend.unwrap_or_else(Backend::preferred) }
    }

    /// The instructions that it uses.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// What no scan in this mode can leave out, done to `bytes`; how many numbers have a right check digit. For the benchmark, which prints what a scan
    /// can reach at most: it masks what is no card, and leaves cards. The strict one takes all bytes for digits.
    #[doc(hidden)]
    pub fn bound(&self, mode: Mode, bytes: &mut [u8]) -> usize {
        match mode {
            Mode::Balanced => self.backend.bound(self, bytes),
            Mode::Strict => self.backend.strict_bound(self, bytes),
        }
    }

    /// Makes it the process's engine; once, before the first scan.
    pub fn install(self) -> Result<(), Unfit> {
        INSTALLED.set(self).map_err(|_| Unfit::Installed)
    }

    /// The process's engine: the installed one, else the built-in settings.
    pub fn current() -> &'static Engine {
        INSTALLED.get().unwrap_or_else(|| &DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_checked_and_added() {
        let with = |digits: &str, lengths: &[u8]| {
            let prefixes = vec![Prefix { digits: digits.into(), lengths: lengths.to_vec() }];
            Engine::new(&Settings { prefixes, ..Settings::default() })
        };
        let engine = with("123456", &[16, 19]).unwrap();
        let lengths = engine.heads.balanced(&[1, 2, 3, 4]);
        assert!(lengths.contains(16) && lengths.contains(19) && !lengths.contains(17));
        assert!(engine.heads.strict(&[1, 2, 3, 4]).contains(16) && engine.heads.balanced(&[1, 2, 3, 5]).is_empty());
        assert!(with("7", &[13]).unwrap().heads.balanced(&[7, 9, 9, 9]).contains(13));
        assert_eq!(with("12x", &[16]).unwrap_err(), Unfit::Digits("12x".into()));
        assert_eq!(with("", &[16]).unwrap_err(), Unfit::Digits(String::new()));
        assert_eq!(with("1", &[12]).unwrap_err(), Unfit::Lengths("1".into()));
        assert_eq!(with("1", &[]).unwrap_err(), Unfit::Lengths("1".into()));
    }
}
