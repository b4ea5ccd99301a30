//! `[[pattern]]`: an operator's own identifiers, found by a regular expression of linear time and masked wherever content is searched.
//!
//! A match has a least and a greatest length that are known at load, so that it is found in a value that streams by holding back no
//! more than the longest match. Classes and word boundaries are ASCII's: what stands beside a match is one byte.

use std::fmt;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;

use crate::ColumnPattern;

/// The most patterns that one database may have.
pub const PATTERNS_MAX: usize = 16;
/// The longest match that a pattern may have, bytes.
pub const MATCH_BYTES_MAX: usize = 128;
/// How large a compiled pattern may be.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// One `[[pattern]]`. A clone has search memory of its own, so that two threads never share one.
#[derive(Clone)]
pub struct Pattern {
    /// Its name, for people.
    pub name: String,
    /// Only in these databases; empty: in all.
    pub(crate) databases: Vec<String>,
    /// Only in these columns, and in values whose column is not known; empty: in all.
    pub columns: Vec<ColumnPattern>,
    regex: Regex,
    longest: usize,
}

impl Pattern {
    pub(crate) fn new(name: String, text: &str) -> Result<Pattern, String> {
        let longest = longest(text)?;
        let regex = RegexBuilder::new(text)
            .unicode(false)
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|why| format!("`regex` cannot be compiled: {}", last_line(&why)))?;
        Ok(Pattern { name, databases: Vec::new(), columns: Vec::new(), regex, longest })
    }

    /// Whether it is for this database.
    pub fn is_for(&self, database: &str) -> bool {
        self.databases.is_empty() || self.databases.iter().any(|known| known == database)
    }

    /// The longest match, bytes.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The regular expression as it was written.
    pub fn text(&self) -> &str {
        self.regex.as_str()
    }

    /// The leftmost match that starts at `from` or behind; the bytes before `from` are its context.
    pub fn find_at(&self, bytes: &[u8], from: usize) -> Option<Range<usize>> {
        if from > bytes.len() {
            return None;
        }
        self.regex.find_at(bytes, from).map(|found| found.range())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.name)
    }
}

/// The longest match of what may be written: neither empty nor unbounded, and nothing that looks further than one byte beside itself.
fn longest(text: &str) -> Result<usize, String> {
    let hir = ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .nest_limit(32)
        .build()
        .parse(text)
        .map_err(|why| format!("`regex` cannot be read: {}", last_line(&why)))?;
    let properties = hir.properties();
    if properties.look_set().contains_word_unicode() {
        return Err("`regex` has a Unicode word boundary: write it without `(?u)`".to_owned());
    }
    match (properties.minimum_len(), properties.maximum_len()) {
        (None, _) => Err("`regex` can never match".to_owned()),
        (Some(0), _) => Err("`regex` can match nothing at all, so it would match everywhere".to_owned()),
        (_, None) => Err(format!(
            "`regex` has matches of any length: bound its repetitions (`{{1,20}}` for `+`), at most {MATCH_BYTES_MAX} bytes in all"
        )),
        (_, Some(longest)) if longest > MATCH_BYTES_MAX => {
            Err(format!("`regex` has matches of {longest} bytes: at most {MATCH_BYTES_MAX} can be held back"))
        }
        (_, Some(longest)) => Ok(longest),
    }
}

/// The regex crates draw the place in several lines; the last one says what is wrong.
fn last_line(why: &dyn fmt::Display) -> String {
    let text = why.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_searched_while_it_streams_is_refused() {
        for (text, says) in [
            ("a*", "nothing at all"),
            ("^", "nothing at all"),
            ("a|", "nothing at all"),
            ("a+", "any length"),
            (r"\d{129}", "129 bytes"),
            ("[a&&b]", "never match"),
            ("(a", "cannot be read"),
            (r"(?<=a)b", "cannot be read"),
            (r"(a)\1", "cannot be read"),
            (r"(?u)\bé", "Unicode word boundary"),
        ] {
            let why = Pattern::new("p".into(), text).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
        }
    }

    #[test]
    fn bounds() {
        for (text, longest) in [("a", 1), (r"\bEMP-\d{6}\b", 10), ("(?i)ab|c{2,128}", 128), (r"^[^x]{1,3}$", 3)] {
            assert_eq!(Pattern::new("p".into(), text).unwrap().longest(), longest, "{text}");
        }
        let pattern = Pattern::new("p".into(), r"\bEMP-\d{6}\b").unwrap();
        assert_eq!(pattern.find_at(b"x EMP-123456, EMP-1234567", 0), Some(2..12));
        assert_eq!(pattern.find_at(b"xEMP-123456", 1), None, "the byte before is context");
        assert_eq!(pattern.find_at(b"", 1), None);
    }
}
