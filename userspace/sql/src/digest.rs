//! Digests of names, for looking them up: a digest only says where to look, and what is found is compared in full.
//!
//! Whoever makes names of one digest makes their lookup as slow as a search through them, and nothing else. Maps by names that come from a
//! database have a hash with a seed (`schema.rs`).

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::word::few;

/// A map by words of our own data files, or by OIDs, which the server gives.
pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Digester>>;
/// A set of such words.
pub(crate) type Set<K> = HashSet<K, BuildHasherDefault<Digester>>;

/// Folds eight bytes at a time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Digester(u64);

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

fn fold(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(ODD);
    (product as u64) ^ (product >> 64) as u64
}

impl Hasher for Digester {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let state =
            words.iter().fold(self.0 ^ bytes.len() as u64, |state, word| fold(state, u64::from_le_bytes(*word)));
        self.0 = fold(state ^ ODD, few(rest));
    }

    /// The end of a word: its length is in the digest already.
    fn write_u8(&mut self, _: u8) {}
}

/// Of a name.
pub(crate) fn of(name: &str) -> u32 {
    let mut digester = Digester::default();
    digester.write(name.as_bytes());
    digester.finish() as u32
}

/// A name that is looked for among others.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'a> {
    pub(crate) name: &'a str,
    digest: u32,
}

impl Sought<'_> {
    /// Which of [`SLOTS`] stands for it.
    pub(crate) fn slot(&self) -> usize {
        slot(self.digest)
    }
}

impl<'a> From<&'a str> for Sought<'a> {
    fn from(name: &'a str) -> Sought<'a> {
        Sought { name, digest: of(name) }
    }
}

/// The digests of a list of names, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Digests {
    all: Box<[u32]>,
    /// By slot where the one name of it stands, from 1: mostly this alone is looked at.
    places: [u8; SLOTS],
}

/// Several names have this slot, or one that stands too far behind.
const MANY: u8 = u8::MAX;

/// How many slots digests fall into.
pub(crate) const SLOTS: usize = 256;

/// Which of them is a digest's.
fn slot(digest: u32) -> usize {
    digest as usize % SLOTS
}

impl Digests {
    /// Of these.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Digests {
        let all: Box<[u32]> = names.map(of).collect();
        let mut places = [0; SLOTS];
        for (digest, place) in all.iter().zip(1_usize..) {
            let own = &mut places[slot(*digest)];
            *own = if *own == 0 { u8::try_from(place).unwrap_or(MANY) } else { MANY };
        }
        Digests { all, places }
    }

    /// The slots of all, in the order of the list.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> {
        self.all.iter().copied().map(slot)
    }

    /// Where in the list a name stands first, by those that `is_it` says are the name.
    #[inline(always)]
    pub(crate) fn find(&self, sought: Sought<'_>, is_it: impl Fn(usize, &str) -> bool) -> Option<usize> {
        match self.places[sought.slot()] {
            0 => None,
            MANY => self.search(sought, is_it),
            place => {
                let at = usize::from(place) - 1;
                (self.all.get(at) == Some(&sought.digest) && is_it(at, sought.name)).then_some(at)
            }
        }
    }

    fn search(&self, sought: Sought<'_>, is_it: impl Fn(usize, &str) -> bool) -> Option<usize> {
        let mut from = 0;
        let (groups, _) = self.all.as_chunks::<8>();
        // Eight at a time, in one comparison of vectors.
        for group in groups {
            if group.iter().fold(false, |any, digest| any | (*digest == sought.digest)) {
                let found = self.first(from..from + group.len(), sought, &is_it);
                if found.is_some() {
                    return found;
                }
            }
            from += group.len();
        }
        self.first(from..self.all.len(), sought, &is_it)
    }

    fn first(
        &self,
        mut places: std::ops::Range<usize>,
        sought: Sought<'_>,
        is_it: &impl Fn(usize, &str) -> bool,
    ) -> Option<usize> {
        places.find(|at| self.all.get(*at) == Some(&sought.digest) && is_it(*at, sought.name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_is_found_where_it_stands_first() {
        let names: Vec<String> = (0..40).map(|at| format!("column_{}", at % 37)).collect();
        let digests = Digests::of(names.iter().map(String::as_str));
        for name in ["column_0", "column_1", "column_7", "column_8", "column_36", "column_37", ""] {
            let found = digests.find(name.into(), |at, name| names[at] == name);
            assert_eq!(found, names.iter().position(|known| known == name), "{name}");
        }
    }

    #[test]
    fn of_many_names_those_far_behind_are_found_too() {
        let names: Vec<String> = (0..700).map(|at| format!("c{}", at % 650)).collect();
        let digests = Digests::of(names.iter().map(String::as_str));
        for name in (0..800).map(|at| format!("c{at}")) {
            let found = digests.find(name.as_str().into(), |at, name| names[at] == name);
            assert_eq!(found, names.iter().position(|known| *known == name), "{name}");
        }
    }

    #[test]
    fn what_is_found_is_compared() {
        let names = ["pan", "pan", "amount"];
        let digests = Digests::of(names.into_iter());
        assert_eq!(digests.find("pan".into(), |at, _| at > 0), Some(1));
        assert_eq!(digests.find("pan".into(), |_, _| false), None);
    }

    #[test]
    fn short_names_have_digests_of_their_own() {
        let mut names: Vec<String> = (0..5_000).map(|at| format!("c{at}")).collect();
        names.extend((1..40).map(|length| "a".repeat(length)));
        let digests: HashSet<u32> = names.iter().map(|name| of(name)).collect();
        assert!(digests.len() + 20 > names.len(), "{} of {}", digests.len(), names.len());
    }
}
