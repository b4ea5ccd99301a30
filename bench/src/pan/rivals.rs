//! What others would use, on the same bytes. None of them checks a check digit or writes: they do less work than we do.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use regex::bytes::{Regex, RegexBuilder};

use crate::pan::vectorscan::Worker;

/// A matcher that counts.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    matcher: Matcher,
}

enum Matcher {
    Regex(Box<Regex>),
    /// The bytes are with the worker.
    Vectorscan(RefCell<Worker>),
}

/// The common brands without separators and as whole words, as most maskers write them.
const BRANDS: &str =
    r"\b(?:4[0-9]{15}|5[1-5][0-9]{14}|2[2-7][0-9]{14}|3[47][0-9]{13}|6011[0-9]{12}|65[0-9]{14}|62[0-9]{14})\b";
/// Any 13 to 19 digits with an optional space or dash between two.
const GENERAL: &str = r"[0-9](?:[ -]?[0-9]){12,18}";

impl Rival {
    /// Takes the bytes of the next class.
    pub(crate) fn load(&self, bytes: &[u8]) {
        if let Matcher::Vectorscan(worker) = &self.matcher {
            worker.borrow_mut().load(bytes);
        }
    }

    /// How long so many passes over the loaded bytes take; None where it cannot say.
    pub(crate) fn time(&self, bytes: &[u8], passes: usize) -> Option<Duration> {
        match &self.matcher {
            Matcher::Regex(regex) => {
                let start = Instant::now();
                for _ in 0..passes {
                    black_box(regex.find_iter(black_box(bytes)).count());
                }
                Some(start.elapsed())
            }
            Matcher::Vectorscan(worker) => worker.borrow_mut().time(passes),
        }
    }
}

/// The regex crate in both forms, and Vectorscan where `worker` names its program.
pub(crate) fn rivals(worker: Option<&str>) -> Result<Vec<Rival>, String> {
    let mut rivals = Vec::new();
    for (name, pattern) in [("regex brands", BRANDS), ("regex general", GENERAL)] {
        // Bytes, not Unicode: the input may be anything. Room for all states, or its automaton would start anew all the time.
        let regex = RegexBuilder::new(pattern).unicode(false).dfa_size_limit(64 << 20).build();
        rivals.push(Rival { name, matcher: Matcher::Regex(Box::new(regex.map_err(|error| error.to_string())?)) });
    }
    for (pattern, name) in ["vscan brands", "vscan general"].into_iter().enumerate() {
        if let Some(worker) = worker {
            rivals.push(Rival { name, matcher: Matcher::Vectorscan(RefCell::new(Worker::start(worker, pattern)?)) });
        }
    }
    Ok(rivals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_patterns_find_a_plain_card() {
        for pattern in [BRANDS, GENERAL] {
            let regex = RegexBuilder::new(pattern).unicode(false).build().unwrap();
            assert_eq!(regex.find_iter(b"a 4111111111111111, b").count(), 1);
            assert_eq!(regex.find_iter(b"a 41111111111").count(), 0);
        }
    }
}
