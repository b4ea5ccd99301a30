//! The columns that a statement mentions, while its tree lies there.

use bumpalo::collections::Vec as Noted;

use crate::digest;
use crate::grammar::Arena;
use crate::statement::ColumnRef;

/// A [`ColumnRef`] whose words lie in the tree. They are in its order: names before all columns, then by what stands in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mention<'t> {
    /// Every column is meant, and no name is told.
    is_all: bool,
    qualifier: Option<&'t str>,
    name: &'t str,
}

impl From<Mention<'_>> for ColumnRef {
    fn from(mention: Mention<'_>) -> ColumnRef {
        let qualifier = mention.qualifier.map(Into::into);
        if mention.is_all {
            ColumnRef::All { of: qualifier }
        } else {
            ColumnRef::Named { qualifier, name: mention.name.into() }
        }
    }
}

impl<'t> Mention<'t> {
    pub(super) fn named(qualifier: Option<&'t str>, name: &'t str) -> Mention<'t> {
        Mention { is_all: false, qualifier, name }
    }

    pub(super) fn all(of: Option<&'t str>) -> Mention<'t> {
        Mention { is_all: true, qualifier: of, name: "" }
    }
}

/// One that was noted, and where to look for it.
#[derive(Clone, Copy)]
struct Digested<'t> {
    mention: Mention<'t>,
    /// Of the name.
    digest: u32,
}

/// All of a statement. Most texts mention a column several times, and few mention many: which ones were noted lately is looked up, so that
/// most are noted once.
pub(super) struct Mentions<'t> {
    noted: Noted<'t, Digested<'t>>,
    /// Where among them one of such a digest was noted last, from 1.
    lately: [u16; LATELY],
    /// Tables and aliases: a column of that name alone is a whole row.
    rows: Noted<'t, &'t str>,
    /// Bits of digests that any of those has.
    row_digests: [u64; 4],
}

/// Most statements mention no more columns, nor tables and aliases.
const MOSTLY: usize = 32;
/// A power of two.
const LATELY: usize = 256;
/// Of more than so many it is looked whether any stands there twice.
const UNSORTED_MAX: usize = 128;

impl<'t> Mentions<'t> {
    /// None; they lie there.
    pub(super) fn new(arena: &'t Arena) -> Mentions<'t> {
        let (noted, rows) = (Noted::with_capacity_in(MOSTLY, arena), Noted::with_capacity_in(MOSTLY, arena));
        Mentions { noted, lately: [0; LATELY], rows, row_digests: [0; 4] }
    }

    /// One more.
    #[inline]
    pub(super) fn note(&mut self, mention: Mention<'t>) {
        let Mention { qualifier, name, .. } = mention;
        let digest = digest::of(name);
        let both = qualifier.map_or(digest, |qualifier| digest ^ digest::of(qualifier).rotate_left(7));
        let Some(place) = self.lately.get_mut(both as usize % LATELY) else { return };
        let known = usize::from(*place).checked_sub(1).and_then(|at| self.noted.get(at));
        if known.is_some_and(|known| known.mention == mention) {
            return;
        }
        self.noted.push(Digested { mention, digest });
        *place = u16::try_from(self.noted.len()).unwrap_or_default();
    }

    /// A table or an alias.
    pub(super) fn row(&mut self, name: &'t str) {
        if self.rows.last() != Some(&name) {
            self.rows.push(name);
            let (word, bit) = bit(digest::of(name));
            self.row_digests[word] |= bit;
        }
    }

    /// All of them, with the rows that are meant by their names.
    pub(super) fn told(&mut self) -> Vec<ColumnRef> {
        let mut is_sorted = false;
        for at in 0..self.noted.len() {
            let Some(Digested { mention: Mention { is_all: false, name, .. }, digest }) = self.noted.get(at).copied()
            else {
                continue;
            };
            let (word, bit) = bit(digest);
            if self.row_digests[word] & bit == 0 {
                continue;
            }
            if !std::mem::replace(&mut is_sorted, true) {
                self.rows.sort_unstable();
                self.rows.dedup();
            }
            if self.rows.binary_search(&name).is_ok() {
                self.note(Mention::all(Some(name)));
            }
        }
        if self.noted.len() <= UNSORTED_MAX {
            return self.noted.iter().map(|kept| kept.mention.into()).collect();
        }
        let noted: Vec<Mention<'t>> = self.noted.iter().map(|kept| kept.mention).collect();
        sorted(&noted)
    }
}

/// A mention, and numbers by which most are told apart.
struct Keyed<'t> {
    /// By its kind, then by what stands in front.
    rank: u32,
    /// How its name begins.
    beginning: u64,
    mention: Mention<'t>,
}

/// Above every rank of a qualifier.
const ALL: u32 = 1 << 31;

/// Which bit of which word stands for a digest.
fn bit(digest: u32) -> (usize, u64) {
    ((digest >> 8 & 3) as usize, 1 << (digest & 63))
}

/// Sorted, each once. A long text has few qualifiers and many columns: those are sorted by themselves first, and these by numbers.
pub(super) fn sorted(mentions: &[Mention<'_>]) -> Vec<ColumnRef> {
    let mut qualifiers: Vec<&str> = Vec::new();
    for qualifier in mentions.iter().filter_map(|mention| mention.qualifier) {
        if qualifiers.last() != Some(&qualifier) {
            qualifiers.push(qualifier);
        }
    }
    qualifiers.sort_unstable();
    qualifiers.dedup();
    let mut last = (None, 0);
    let mut keyed: Vec<Keyed<'_>> = Vec::with_capacity(mentions.len());
    for mention in mentions.iter().copied() {
        let Mention { is_all, qualifier, name } = mention;
        if qualifier != last.0 {
            let place = qualifier.and_then(|qualifier| qualifiers.binary_search(&qualifier).ok());
            last = (qualifier, place.map_or(0, |place| place as u32 + 1));
        }
        let kind = if is_all { ALL } else { 0 };
        keyed.push(Keyed { rank: kind | last.1, beginning: beginning(name), mention });
    }
    keyed.sort_unstable_by(|one, other| {
        let numbers = (one.rank, one.beginning).cmp(&(other.rank, other.beginning));
        numbers.then_with(|| one.mention.name.cmp(other.mention.name))
    });
    keyed.dedup_by(|one, other| {
        (one.rank, one.beginning) == (other.rank, other.beginning) && one.mention.name == other.mention.name
    });
    keyed.into_iter().map(|keyed| keyed.mention.into()).collect()
}

/// The first eight bytes, in an order that is theirs.
fn beginning(name: &str) -> u64 {
    match name.as_bytes().first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let few = name.bytes().fold(0, |few, byte| few << 8 | u64::from(byte));
            few.checked_shl(64 - 8 * name.len() as u32).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_stand_in_the_order_of_their_words() {
        let words =
            ["", "a", "ab", "b", "abcdefgh", "abcdefghi", "abcdefgi", "zebra", "\u{e4}pfel", "pan", "payments.pan"];
        let mut state = 7_usize;
        let mut word = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            words[(state >> 33) % words.len()]
        };
        for count in [0, 1, 2, 7, 40, 400] {
            let mentions: Vec<Mention<'_>> = (0..count)
                .map(|at| match at % 5 {
                    0 => Mention::named(None, word()),
                    1 => Mention::all(None),
                    2 => Mention::all(Some(word())),
                    _ => Mention::named(Some(word()), word()),
                })
                .collect();
            let mut plain = mentions.clone();
            plain.sort();
            plain.dedup();
            let plain: Vec<ColumnRef> = plain.into_iter().map(Into::into).collect();
            assert_eq!(sorted(&mentions), plain);
            assert!(plain.is_sorted(), "as those are sorted that are told");
        }
    }

    #[test]
    fn rows_are_meant_by_their_names() {
        let told = |columns: &[&'static str], rows: &[&'static str]| {
            let arena = Arena::take();
            let mut mentions = Mentions::new(&arena);
            columns.iter().for_each(|name| mentions.note(Mention::named(None, name)));
            rows.iter().for_each(|name| mentions.row(name));
            let mut told = mentions.told();
            told.sort();
            told
        };
        let named = |name: &str| ColumnRef::Named { qualifier: None, name: name.into() };
        let row = |name: &str| ColumnRef::All { of: Some(name.into()) };
        assert_eq!(told(&["id", "p", "id", "p"], &["payments", "p"]), [named("id"), named("p"), row("p")]);
        assert_eq!(told(&["id"], &["payments", "p"]), [named("id")]);
    }

    #[test]
    fn of_many_each_is_told_once() {
        let names: Vec<String> = (0..700).map(|at| format!("c{at}")).collect();
        let arena = Arena::take();
        let mut mentions = Mentions::new(&arena);
        for _ in 0..3 {
            names.iter().for_each(|name| mentions.note(Mention::named(Some("t"), name)));
        }
        assert_eq!(mentions.told().len(), names.len());
    }
}
