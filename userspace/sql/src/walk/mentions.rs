//! The columns that a statement mentions, while its tree lies there, and in the order in which they are told.

use crate::statement::ColumnRef;

/// A [`ColumnRef`] whose words lie in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mention<'t> {
    Named { qualifier: Option<&'t str>, name: &'t str },
    All { of: Option<&'t str> },
}

impl From<Mention<'_>> for ColumnRef {
    fn from(mention: Mention<'_>) -> ColumnRef {
        match mention {
            Mention::Named { qualifier, name } => {
                ColumnRef::Named { qualifier: qualifier.map(Into::into), name: name.into() }
            }
            Mention::All { of } => ColumnRef::All { of: of.map(Into::into) },
        }
    }
}

impl<'t> Mention<'t> {
    /// What stands in front, and the name.
    fn parts(self) -> (Option<&'t str>, &'t str) {
        match self {
            Mention::Named { qualifier, name } => (qualifier, name),
            Mention::All { of } => (of, ""),
        }
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

/// Sorted, each once. A text has few qualifiers and many columns: those are sorted by themselves first, and these by numbers.
pub(super) fn sorted(mentions: &[Mention<'_>]) -> Vec<ColumnRef> {
    let mut qualifiers: Vec<&str> = Vec::new();
    for qualifier in mentions.iter().filter_map(|mention| mention.parts().0) {
        if qualifiers.last() != Some(&qualifier) {
            qualifiers.push(qualifier);
        }
    }
    qualifiers.sort_unstable();
    qualifiers.dedup();
    let mut last = (None, 0);
    let mut keyed: Vec<Keyed<'_>> = Vec::with_capacity(mentions.len());
    for mention in mentions.iter().copied() {
        let (qualifier, name) = mention.parts();
        if qualifier != last.0 {
            let place = qualifier.and_then(|qualifier| qualifiers.binary_search(&qualifier).ok());
            last = (qualifier, place.map_or(0, |place| place as u32 + 1));
        }
        let kind = if matches!(mention, Mention::All { .. }) { ALL } else { 0 };
        keyed.push(Keyed { rank: kind | last.1, beginning: beginning(name), mention });
    }
    keyed.sort_unstable_by(|one, other| {
        let numbers = (one.rank, one.beginning).cmp(&(other.rank, other.beginning));
        numbers.then_with(|| one.mention.parts().1.cmp(other.mention.parts().1))
    });
    keyed.dedup_by(|one, other| {
        (one.rank, one.beginning) == (other.rank, other.beginning) && one.mention.parts().1 == other.mention.parts().1
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
                    0 => Mention::Named { qualifier: None, name: word() },
                    1 => Mention::All { of: None },
                    2 => Mention::All { of: Some(word()) },
                    _ => Mention::Named { qualifier: Some(word()), name: word() },
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
}
