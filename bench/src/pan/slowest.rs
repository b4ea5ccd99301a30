//! Inputs as genomes: lists of pieces that look at each other the way hostile values do.
//!
//! A genome holds kinds of pieces and no digits. It is expressed with fresh digits for every repetition, so a branch predictor cannot learn
//! it by heart and the file that keeps the slowest one holds no number.

use std::fmt;

use crate::dice::Dice;
use crate::pan::cards;

/// The slowest genome that a search has found so far.
const KEPT: &str = include_str!("../../data/slowest.txt");
/// Where a search writes it, from the project's root.
pub(crate) const KEPT_AT: &str = "bench/data/slowest.txt";

const HEADS: [&str; 10] = ["4", "51", "2221", "34", "37", "6011", "36", "62", "2200", "5018"];
const SEPARATORS: [&str; 8] = [" ", "-", ".", "\u{a0}", "\u{202f}", "\u{2009}", "\n", ", "];
const MARKS: [&str; 16] = ["%B", "^", "=", "D", "d", "+", "0.", "*", "\\", "\"", "_", "x", "DE89 ", "^A/B^", "?", "  "];
const GENES_MAX: usize = 48;
const CHAIN_MAX: usize = 40;

/// One kind of piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gene {
    /// So many random digits.
    Digits(usize),
    /// A plain card of so many digits.
    Card(usize),
    /// A head that is issued, a length that is too, a check digit that fails.
    Near(usize),
    /// A card in its printed grouping, with this separator.
    GroupedCard(usize, usize),
    GroupedNear(usize, usize),
    /// So many times the same four digits, with this separator behind each: any four of them side by side are a card.
    Chain(usize, usize),
    /// A separator.
    Separator(usize),
    /// What the rules look at beside a number.
    Mark(usize),
    /// So many letters.
    Letters(usize),
}

/// A list of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Genome(Vec<Gene>);

impl Genome {
    /// The one in the file.
    pub(crate) fn kept() -> Genome {
        Genome::read(KEPT)
    }

    /// One piece a line: its kind, a number, and for groupings the separator's place in the list. Other lines are comments.
    pub(crate) fn read(text: &str) -> Genome {
        Genome(text.lines().filter_map(Gene::read).collect())
    }

    pub(crate) fn random(dice: &mut Dice) -> Genome {
        Genome((0..2 + dice.below(12)).map(|_| Gene::random(dice)).collect())
    }

    /// A neighbour: one to three pieces changed, added, taken out or swapped.
    pub(crate) fn mutated(&self, dice: &mut Dice) -> Genome {
        let mut genes = self.0.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(genes.len());
            match dice.below(5) {
                0 if genes.len() < GENES_MAX => genes.insert(at, Gene::random(dice)),
                1 if genes.len() > 1 => drop(genes.remove(at)),
                2 => {
                    let other = dice.below(genes.len());
                    genes.swap(at, other);
                }
                3 if genes.len() * 2 <= GENES_MAX => genes.extend_from_within(..),
                _ => genes[at] = Gene::random(dice),
            }
        }
        Genome(genes)
    }

    /// At least `size` bytes of it, with fresh digits in every repetition.
    pub(crate) fn express(&self, dice: &mut Dice, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 256);
        while bytes.len() < size {
            let before = bytes.len();
            for gene in &self.0 {
                gene.express(dice, &mut bytes);
            }
            if bytes.len() == before {
                bytes.push(b' '); // an empty genome
            }
        }
        bytes.truncate(size);
        bytes
    }
}

impl fmt::Display for Genome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|gene| writeln!(f, "{gene}"))
    }
}

impl Gene {
    fn random(dice: &mut Dice) -> Gene {
        let length = 13 + dice.below(7);
        let separator = dice.below(SEPARATORS.len());
        match dice.below(9) {
            8 => Gene::Chain(1 + dice.below(CHAIN_MAX), separator),
            0 => Gene::Digits(1 + dice.below(24)),
            1 => Gene::Card(length),
            2 => Gene::Near(length),
            3 => Gene::GroupedCard([14, 15, 16, 19][dice.below(4)], separator),
            4 => Gene::GroupedNear([14, 15, 16, 19][dice.below(4)], separator),
            5 => Gene::Separator(separator),
            6 => Gene::Mark(dice.below(MARKS.len())),
            _ => Gene::Letters(1 + dice.below(8)),
        }
    }

    fn read(line: &str) -> Option<Gene> {
        let mut words = line.split(' ');
        let (kind, number) = (words.next()?, words.next()?.parse().ok()?);
        let separator = words.next().map_or(Some(0), |word| word.parse().ok())?;
        if number > 64 || separator >= SEPARATORS.len() {
            return None;
        }
        Some(match kind {
            "digits" => Gene::Digits(number),
            "card" => Gene::Card(number),
            "near" => Gene::Near(number),
            "grouped-card" => Gene::GroupedCard(number, separator),
            "grouped-near" => Gene::GroupedNear(number, separator),
            "chain" => Gene::Chain(number, separator),
            "separator" if number < SEPARATORS.len() => Gene::Separator(number),
            "mark" if number < MARKS.len() => Gene::Mark(number),
            "letters" => Gene::Letters(number),
            _ => return None,
        })
    }

    fn express(self, dice: &mut Dice, into: &mut Vec<u8>) {
        let head = |dice: &mut Dice, length: usize| match length {
            14 => "36",
            15 => "37",
            19 => ["4", "62", "6011"][dice.below(3)],
            _ => HEADS[dice.below(HEADS.len())],
        };
        let group = |number: &str, length: usize, separator: usize| {
            cards::grouped(number, cards::groups_of(length).unwrap_or(&[4, 4, 4, 4]), SEPARATORS[separator])
        };
        let piece = match self {
            Gene::Digits(count) => dice.digits(count),
            Gene::Letters(count) => dice.text(b"abcdefghijklmnopqrstuvwxyz", count),
            Gene::Separator(at) => SEPARATORS[at].to_owned(),
            Gene::Mark(at) => MARKS[at].to_owned(),
            Gene::Card(length) => {
                let head = head(dice, length);
                cards::valid(dice, head, length)
            }
            Gene::Chain(groups, separator) => {
                let head = head(dice, 16);
                let group = cards::repeated_group(dice, head);
                (group + SEPARATORS[separator]).repeat(groups)
            }
            Gene::Near(length) => {
                let head = head(dice, length);
                cards::near(dice, head, length)
            }
            Gene::GroupedCard(length, separator) => {
                let head = head(dice, length);
                group(&cards::valid(dice, head, length), length, separator)
            }
            Gene::GroupedNear(length, separator) => {
                let head = head(dice, length);
                group(&cards::near(dice, head, length), length, separator)
            }
        };
        into.extend_from_slice(piece.as_bytes());
    }
}

impl fmt::Display for Gene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gene::Digits(count) => write!(f, "digits {count}"),
            Gene::Card(length) => write!(f, "card {length}"),
            Gene::Near(length) => write!(f, "near {length}"),
            Gene::GroupedCard(length, separator) => write!(f, "grouped-card {length} {separator}"),
            Gene::GroupedNear(length, separator) => write!(f, "grouped-near {length} {separator}"),
            Gene::Chain(groups, separator) => write!(f, "chain {groups} {separator}"),
            Gene::Separator(at) => write!(f, "separator {at}"),
            Gene::Mark(at) => write!(f, "mark {at}"),
            Gene::Letters(count) => write!(f, "letters {count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_genome_reads_what_it_wrote() {
        let mut dice = Dice(3);
        let mut genome = Genome::random(&mut dice);
        for _ in 0..500 {
            genome = genome.mutated(&mut dice);
            assert_eq!(Genome::read(&genome.to_string()), genome);
        }
        assert_eq!(genome.express(&mut dice, 1000).len(), 1000);
        assert_eq!(Genome::read("").express(&mut dice, 10).len(), 10);
    }

    #[test]
    fn the_kept_one_is_no_comment() {
        assert!(!Genome::kept().0.is_empty());
    }
}
