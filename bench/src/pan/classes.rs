//! What is scanned: one class per shape of data that the scan meets, and what is expected of it.

use crate::dice::Dice;
use crate::pan::{cards, slowest::Genome};

/// A byte that no class holds: `memchr` runs over all of a buffer in search of it.
pub(crate) const ABSENT: u8 = 0x07;

/// Which of the two scans a class is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    Balanced,
    Strict,
}

/// What the fastest backend has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// Of memcpy's rate in the same round.
    OfMemcpy(f64),
    /// GB/s.
    Rate(f64),
    None,
}

/// A kind of input.
pub(crate) struct Class {
    /// Its name in JSON and on the command line.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) scan: Scan,
    /// At 64 KiB, in cache, and at 64 MiB, in memory.
    pub(crate) goals: [Goal; 2],
    fill: fn(&mut Dice, usize) -> Vec<u8>,
}

impl Class {
    /// `size` bytes, the same ones for the same seed.
    pub(crate) fn bytes(&self, size: usize) -> Vec<u8> {
        let mut bytes = (self.fill)(&mut Dice(0x9e37_79b9_7f4a_7c15), size);
        bytes.truncate(size);
        bytes.iter_mut().filter(|byte| **byte == ABSENT).for_each(|byte| *byte = 0x08);
        bytes
    }
}

const fn of_memcpy(small: f64, large: f64) -> [Goal; 2] {
    [Goal::OfMemcpy(small), Goal::OfMemcpy(large)]
}

/// All of them, in the order of the tables.
#[rustfmt::skip] // a table: one class a line
pub(crate) const CLASSES: &[Class] = &[
    Class { key: "text",      title: "text without digits",           scan: Scan::Balanced, goals: of_memcpy(0.90, 1.0),  fill: text },
    Class { key: "rows",      title: "PostgreSQL numeric rows",       scan: Scan::Balanced, goals: of_memcpy(0.50, 1.0),  fill: rows },
    Class { key: "sparse",    title: "one card per 100 B row",        scan: Scan::Balanced, goals: of_memcpy(0.15, 0.80), fill: sparse },
    Class { key: "digits",    title: "all digits",                    scan: Scan::Balanced, goals: of_memcpy(0.30, 1.0),  fill: digits },
    Class { key: "json",      title: "JSON",                          scan: Scan::Balanced, goals: of_memcpy(0.35, 1.0),  fill: json },
    Class { key: "binary",    title: "random binary",                 scan: Scan::Balanced, goals: of_memcpy(0.90, 1.0),  fill: binary },
    Class { key: "ids",       title: "16-digit ids, one per line",    scan: Scan::Balanced, goals: of_memcpy(0.06, 0.30), fill: ids },
    Class { key: "dense",     title: "card every 17 B",               scan: Scan::Balanced, goals: of_memcpy(0.06, 0.30), fill: dense },
    Class { key: "near-miss", title: "grouped near-miss every 20 B",  scan: Scan::Balanced, goals: of_memcpy(0.06, 0.30), fill: near_misses },
    Class { key: "strict",    title: "strict, all digits",            scan: Scan::Strict,   goals: of_memcpy(0.03, 0.10), fill: digits },
    Class { key: "strict-text", title: "strict, text without digits", scan: Scan::Strict,  goals: [Goal::None, Goal::None], fill: text },
    Class { key: "strict-rows", title: "strict, numeric rows",      scan: Scan::Strict,   goals: [Goal::None, Goal::None], fill: rows },
    Class { key: "strict-json", title: "strict, JSON",              scan: Scan::Strict,   goals: [Goal::None, Goal::None], fill: json },
    Class { key: "strict-ids", title: "strict, 16-digit ids",       scan: Scan::Strict,   goals: [Goal::None, Goal::None], fill: ids },
    Class { key: "slowest",   title: "the slowest found by search",   scan: Scan::Balanced, goals: [Goal::None, Goal::Rate(2.5)], fill: slowest },
];

const WORDS: [&str; 16] = [
    "the", "order", "of", "customer", "was", "paid", "in", "full", "and", "shipped", "to", "Vienna", "by", "Ada",
    "Alder", "today",
];

/// Appends pieces until there are `size` bytes.
fn repeat(size: usize, mut piece: impl FnMut() -> String) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 256);
    while bytes.len() < size {
        bytes.extend_from_slice(piece().as_bytes());
    }
    bytes
}

fn text(dice: &mut Dice, size: usize) -> Vec<u8> {
    repeat(size, || format!("{}{}", dice.of(&WORDS), [" ", " ", " ", ", ", "\n"][dice.below(5)]))
}

/// As `COPY … TO STDOUT` prints an int, a numeric(12,2), a numeric and a timestamptz.
fn rows(dice: &mut Dice, size: usize) -> Vec<u8> {
    repeat(size, || {
        let (id, cents, rate) = (dice.below(10_000_000), dice.below(1_000_000_000), dice.below(1_000_000));
        format!("{id}\t{}.{:02}\t0.{rate:06}\t{}\n", cents / 100, cents % 100, timestamp(dice))
    })
}

fn timestamp(dice: &mut Dice) -> String {
    let (day, second) = (dice.below(360), dice.below(86_400));
    format!(
        "2026-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00",
        day / 30 + 1,
        day % 28 + 1,
        second / 3600,
        second / 60 % 60,
        second % 60,
        dice.below(1_000_000)
    )
}

fn sparse(dice: &mut Dice, size: usize) -> Vec<u8> {
    repeat(size, || {
        let mut row = format!("{}\t{}\t{}", dice.below(1_000_000), dice.of(&WORDS), cards::common(dice));
        row.push('\t');
        while row.len() < 90 {
            row.push_str(dice.of(&WORDS));
            row.push(' ');
        }
        format!("{row:<99.99}\n")
    })
}

fn digits(dice: &mut Dice, size: usize) -> Vec<u8> {
    repeat(size, || dice.digits(64))
}

fn json(dice: &mut Dice, size: usize) -> Vec<u8> {
    repeat(size, || {
        format!(
            "{{\"id\": {}, \"name\": \"{} {}\", \"amount\": {}.{:02}, \"created\": \"{}\", \"tags\": [\"{}\", \"{}\"], \"paid\": {}}}\n",
            dice.below(10_000_000),
            dice.of(&WORDS),
            dice.of(&WORDS),
            dice.below(10_000),
            dice.below(100),
            timestamp(dice),
            dice.of(&WORDS),
            dice.of(&WORDS),
            dice.below(2) == 1,
        )
    })
}

fn binary(dice: &mut Dice, size: usize) -> Vec<u8> {
    (0..size.div_ceil(8)).flat_map(|_| dice.next().to_le_bytes()).collect()
}

fn ids(dice: &mut Dice, size: usize) -> Vec<u8> {
    repeat(size, || dice.digits(16) + "\n")
}

fn dense(dice: &mut Dice, size: usize) -> Vec<u8> {
    repeat(size, || cards::common(dice) + "\n")
}

fn near_misses(dice: &mut Dice, size: usize) -> Vec<u8> {
    repeat(size, || cards::grouped(&cards::near(dice, "4", 16), &[4, 4, 4, 4], " ") + "\n")
}

fn slowest(dice: &mut Dice, size: usize) -> Vec<u8> {
    Genome::kept().express(dice, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_what_their_names_say() {
        let class = |key: &str| CLASSES.iter().find(|class| class.key == key).unwrap().bytes(8192);
        assert!(!class("text").iter().any(u8::is_ascii_digit));
        assert!(class("digits").iter().all(u8::is_ascii_digit));
        assert!(class("sparse").chunks_exact(100).all(|row| row[99] == b'\n'));
        assert!(class("dense").chunks_exact(17).all(|row| cards::luhn(&row[..16])));
        assert!(class("near-miss").chunks_exact(20).all(|row| row[4] == b' ' && row[19] == b'\n'));
        for class in CLASSES {
            let bytes = class.bytes(5000);
            assert_eq!(bytes.len(), 5000, "{}", class.key);
            assert!(!bytes.contains(&ABSENT), "{}", class.key);
        }
    }
}
