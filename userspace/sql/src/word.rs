//! A short word that is kept: a name of a column, of an output.
//!
//! Words are compared many times for each time that one is made, so a short one is compared as the few numbers that its bytes are.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Most names of columns are this short, and then take no memory of their own.
const SHORT_MAX: usize = 22;

/// A word of some characters, as an immutable `String`.
#[derive(Clone)]
pub struct Word(Held);

#[derive(Clone)]
enum Held {
    /// All of a `str`, at most [`SHORT_MAX`] bytes, and zeros behind it.
    Short { length: u8, bytes: [u8; SHORT_MAX] },
    /// A longer one.
    Long(Arc<str>),
}

impl Word {
    /// The word.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Held::Short { .. } => std::str::from_utf8(self.bytes()).unwrap_or_default(),
            Held::Long(word) => word,
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Held::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Held::Long(word) => word.as_bytes(),
        }
    }
}

impl Default for Word {
    fn default() -> Word {
        Word(Held::Short { length: 0, bytes: [0; SHORT_MAX] })
    }
}

impl From<&str> for Word {
    fn from(word: &str) -> Word {
        match short(word.as_bytes()) {
            Some(bytes) => Word(Held::Short { length: word.len() as u8, bytes }),
            None => Word(Held::Long(word.into())),
        }
    }
}

/// A short word's bytes with zeros behind them; `None`: it is longer. They are put together as numbers, of pieces that may overlap: bytes that
/// are written in such pieces and read again at once are waited for.
#[inline]
fn short(word: &[u8]) -> Option<[u8; SHORT_MAX]> {
    let length = word.len();
    if length > SHORT_MAX {
        return None;
    }
    // What of the last eight bytes stands behind so many.
    let behind = |before: usize, last: &[u8; 8]| {
        let known = 8 * (before + 8 - length) as u32;
        u64::from_le_bytes(*last).checked_shr(known).unwrap_or_default()
    };
    let (first, middle, last) = match (word.first_chunk::<8>(), word.get(8..).and_then(|rest| rest.first_chunk::<8>()))
    {
        (Some(first), Some(middle)) => {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*middle), behind(16, word.last_chunk::<8>()?))
        }
        (Some(first), None) => (u64::from_le_bytes(*first), behind(8, word.last_chunk::<8>()?), 0),
        (None, _) => (few(word), 0, 0),
    };
    let mut bytes = [0; SHORT_MAX];
    let (eight, rest) = bytes.split_first_chunk_mut::<8>()?;
    *eight = first.to_le_bytes();
    let (eight, rest) = rest.split_first_chunk_mut::<8>()?;
    *eight = middle.to_le_bytes();
    *rest.first_chunk_mut::<6>()? = *last.to_le_bytes().first_chunk::<6>()?;
    Some(bytes)
}

/// Fewer than eight bytes as a number, the first the least. In pieces that may overlap, so that it takes no loop.
#[inline]
pub(crate) fn few(word: &[u8]) -> u64 {
    let length = word.len();
    let at = |place: usize, byte: u64| byte << (8 * place);
    if let (Some(first), Some(last)) = (word.first_chunk::<4>(), word.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | at(length - 4, u32::from_le_bytes(*last).into());
    }
    match (word.first(), word.get(length / 2), word.last()) {
        (Some(first), Some(middle), Some(last)) => {
            u64::from(*first) | at(length / 2, u64::from(*middle)) | at(length - 1, u64::from(*last))
        }
        _ => 0,
    }
}

impl From<String> for Word {
    fn from(word: String) -> Word {
        Word::from(word.as_str())
    }
}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Word {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl PartialEq for Word {
    #[inline]
    fn eq(&self, other: &Word) -> bool {
        match (&self.0, &other.0) {
            (Held::Short { length, bytes }, Held::Short { length: other_length, bytes: other_bytes }) => {
                length == other_length && bytes == other_bytes
            }
            (Held::Long(word), Held::Long(other)) => word == other,
            _ => false,
        }
    }
}

impl Eq for Word {}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<String> for Word {
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl std::hash::Hash for Word {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

/// The bytes as numbers in their order. (The last is of bytes that the one before has too, where those are alike.)
#[inline]
fn numbers(bytes: &[u8; SHORT_MAX]) -> [u64; 3] {
    let at = |from: usize| {
        bytes.get(from..).and_then(|rest| rest.first_chunk::<8>()).map_or(0, |of| u64::from_be_bytes(*of))
    };
    [at(0), at(8), at(SHORT_MAX - 8)]
}

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Word) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Word {
    #[inline(always)]
    fn cmp(&self, other: &Word) -> Ordering {
        match (&self.0, &other.0) {
            // The zeros behind a word come before every byte that another has there; of two that are alike with them the shorter one does.
            (Held::Short { length, bytes }, Held::Short { length: other_length, bytes: other_bytes }) => {
                let ([first, rest @ ..], [other_first, other_rest @ ..]) = (numbers(bytes), numbers(other_bytes));
                first.cmp(&other_first).then_with(|| rest.cmp(&other_rest)).then_with(|| length.cmp(other_length))
            }
            _ => self.bytes().cmp(other.bytes()),
        }
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::Word;

    #[test]
    fn a_word_is_what_was_written() {
        assert_eq!(size_of::<Word>(), size_of::<String>());
        for text in [
            "",
            "a",
            "ab",
            "abc",
            "abcd",
            "abcde",
            "abcdefg",
            "abcdefgh",
            "twenty-two characters.",
            "twenty-three characters",
            "\u{e4}\u{1f600}",
            &"x".repeat(300),
        ] {
            let word = Word::from(text);
            assert_eq!((word.as_str(), &*word, word.to_string()), (text, text, text.to_owned()));
            assert_eq!(format!("{word:?}"), format!("{text:?}"));
            let owned = text.to_owned();
            assert!(word == text && word == owned && word != "b");
            let again = Word::from(owned);
            assert!(word == again);
            assert_eq!(word.cmp(&Word::from("b")), text.cmp("b"));
        }
    }

    #[test]
    fn words_of_every_length_are_kept_whole() {
        let alphabet = "abcdefghijklmnopqrstuvwxyz";
        for (from, to) in (0..4).flat_map(|from| (from..=26).map(move |to| (from, to))) {
            let text = &alphabet[from..to];
            assert_eq!(Word::from(text).as_str(), text);
        }
    }

    /// As their texts are compared, whatever stands in them and however long they are.
    #[test]
    fn words_are_compared_as_texts_are() {
        let pieces = ["", "a", "b", "\0", "\u{e4}", "\u{1f600}", "abcdefg", "abcdefgh", "twenty-two characters", "zz"];
        let two = pieces.iter().flat_map(|one| pieces.iter().map(move |other| format!("{one}{other}")));
        let texts: Vec<String> = two.flat_map(|text| pieces.map(|last| format!("{text}{last}"))).collect();
        let words: Vec<Word> = texts.iter().map(|text| Word::from(text.as_str())).collect();
        for (text, word) in texts.iter().zip(&words) {
            assert_eq!(word.as_str(), text);
            for (other_text, other) in texts.iter().zip(&words) {
                assert_eq!(word == other, text == other_text, "{text:?} {other_text:?}");
                assert_eq!(word.cmp(other), text.cmp(other_text), "{text:?} {other_text:?}");
            }
        }
    }
}
