//! What others would use, on the same bytes. Neither checks a check digit nor writes: they do less work than we do.

use regex::bytes::{Regex, RegexBuilder};

/// A matcher that counts.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    regex: Regex,
}

/// The common brands without separators, as most maskers write them.
const BRANDS: &str = r"4[0-9]{15}|5[1-5][0-9]{14}|2[2-7][0-9]{14}|3[47][0-9]{13}|6011[0-9]{12}|65[0-9]{14}|62[0-9]{14}";
/// Any 13 to 19 digits with an optional space or dash between two.
const GENERAL: &str = r"[0-9](?:[ -]?[0-9]){12,18}";

impl Rival {
    /// Matches from left to right.
    pub(crate) fn count(&self, bytes: &[u8]) -> usize {
        self.regex.find_iter(bytes).count()
    }
}

/// The regex crate in both forms.
pub(crate) fn rivals() -> Result<Vec<Rival>, String> {
    [("regex brands", BRANDS), ("regex general", GENERAL)]
        .into_iter()
        .map(|(name, pattern)| {
            // Bytes, not Unicode: the input may be anything. Room for all states: with the default the brands' automaton starts anew all the time.
            let regex = RegexBuilder::new(pattern).unicode(false).dfa_size_limit(64 << 20).build();
            Ok(Rival { name, regex: regex.map_err(|error| error.to_string())? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_find_a_plain_card() {
        for rival in super::rivals().unwrap() {
            assert_eq!(rival.count(b"a 4111111111111111, b"), 1, "{}", rival.name);
            assert_eq!(rival.count(b"a 41111111111"), 0, "{}", rival.name);
        }
    }
}
