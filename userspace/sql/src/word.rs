//! A short word that is kept: a name of a column, of an output.

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
    Short { length: u8, bytes: [u8; SHORT_MAX] },
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

/// A short word's bytes with zeros behind them; `None`: it is longer. Copied in pieces of known length, which takes no call.
fn short(word: &[u8]) -> Option<[u8; SHORT_MAX]> {
    let mut bytes = [0; SHORT_MAX];
    let length = word.len();
    if length > SHORT_MAX {
        return None;
    }
    if let (Some(first), Some(last)) = (word.first_chunk::<8>(), word.last_chunk::<8>()) {
        *bytes.first_chunk_mut::<8>()? = *first;
        if let Some(middle) = word.get(8..).and_then(|rest| rest.first_chunk::<8>()) {
            *bytes.get_mut(8..)?.first_chunk_mut::<8>()? = *middle;
        }
        *bytes.get_mut(length - 8..)?.first_chunk_mut::<8>()? = *last;
    } else {
        bytes.iter_mut().zip(word).for_each(|(place, byte)| *place = *byte);
    }
    Some(bytes)
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

impl PartialEq for Word {
    fn eq(&self, other: &Word) -> bool {
        self.bytes() == other.bytes()
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

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Word) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Word {
    fn cmp(&self, other: &Word) -> Ordering {
        self.bytes().cmp(other.bytes())
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
        for text in ["", "a", "twenty-two characters.", "twenty-three characters", "\u{e4}\u{1f600}", &"x".repeat(300)]
        {
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
}
