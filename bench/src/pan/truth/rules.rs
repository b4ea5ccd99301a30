//! The simpler rules that the balanced scan is compared with, said plainly: what they would mask shows what each further rule is worth.

use crate::pan::cards;

/// The issuer table, as its file says: all rows, those of the strict scan too.
const TABLE: &str = include_str!("../../../../userspace/pan/iin.csv");
const SHAPES: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 5]];
const SEPARATORS: [&str; 8] = [" ", "-", ".", "\u{a0}", "\u{202f}", "\u{2009}", "\u{2013}", "\u{3000}"];

/// A row of the issuer table.
pub(crate) struct Issued {
    pub(crate) brand: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) lengths: Vec<usize>,
    /// Found by content in every value; else by the strict scan alone.
    pub(crate) balanced: bool,
}

/// All rows.
pub(crate) fn issued() -> Vec<Issued> {
    let row = |line: &'static str| {
        let mut fields = line.split(',');
        let (brand, from, to) = (fields.next()?, fields.next()?, fields.next()?);
        let lengths: Option<Vec<usize>> = fields.next()?.split(' ').map(|length| length.parse().ok()).collect();
        Some(Issued { brand, from, to, lengths: lengths?, balanced: fields.next()? == "balanced" })
    };
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(row).collect()
}

/// Head -> bit per length.
pub(crate) struct Heads(Vec<u32>);

impl Heads {
    pub(crate) fn all() -> Heads {
        let mut heads = vec![0; 10_000];
        for row in issued() {
            let scale = |prefix: &str| 10_usize.pow(4 - prefix.len().min(4) as u32);
            let number = |prefix: &str| prefix.parse::<usize>().unwrap_or_default();
            let (from, to) = (number(row.from) * scale(row.from), (number(row.to) + 1) * scale(row.to));
            let bits = row.lengths.iter().fold(0, |bits, length| bits | 1 << length);
            heads[from..to].iter_mut().for_each(|head| *head |= bits);
        }
        Heads(heads)
    }

    fn issues(&self, digits: &[u8]) -> bool {
        let head = digits.iter().take(4).fold(0, |head, digit| head * 10 + usize::from(digit - b'0'));
        digits.len() >= 4 && self.0[head] >> digits.len() & 1 == 1
    }
}

/// How many numbers each rule takes for a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    pub(crate) luhn: u64,
    pub(crate) issued: u64,
    pub(crate) letters: u64,
}

/// Whole runs of 13 to 19 digits and printed groupings, from left to right.
pub(crate) fn count(heads: &Heads, value: &str) -> Hits {
    let (bytes, mut at) = (value.as_bytes(), 0);
    let mut hits = Hits::default();
    while at < bytes.len() {
        let run = run_at(bytes, at);
        if run == 0 {
            at += 1;
            continue;
        }
        let mut end = at + run;
        for (candidate, digits) in candidates(bytes, at, run) {
            if !cards::luhn(&digits) {
                continue;
            }
            hits.luhn += 1;
            end = candidate;
            if heads.issues(&digits) {
                hits.issued += 1;
                hits.letters += u64::from(!beside_letter(bytes, at, candidate));
            }
            break;
        }
        at = end;
    }
    hits
}

/// What may be a number at `at`, where a run begins: its end and its digits.
fn candidates(bytes: &[u8], at: usize, run: usize) -> Vec<(usize, Vec<u8>)> {
    if (13..=19).contains(&run) {
        return vec![(at + run, bytes[at..at + run].to_vec())];
    }
    let Some(separator) = SEPARATORS.iter().find(|separator| bytes[at + run..].starts_with(separator.as_bytes()))
    else {
        return Vec::new();
    };
    SHAPES.iter().filter_map(|shape| grouping(bytes, at, shape, separator.as_bytes())).collect()
}

fn grouping(bytes: &[u8], mut at: usize, shape: &[usize], separator: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut digits = Vec::new();
    for (index, &group) in shape.iter().enumerate() {
        if index > 0 {
            bytes.get(at..).filter(|rest| rest.starts_with(separator))?;
            at += separator.len();
        }
        if run_at(bytes, at) != group {
            return None;
        }
        digits.extend_from_slice(&bytes[at..at + group]);
        at += group;
    }
    Some((at, digits))
}

fn run_at(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn beside_letter(bytes: &[u8], start: usize, end: usize) -> bool {
    let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
    start.checked_sub(1).is_some_and(|before| letter(bytes.get(before))) || letter(bytes.get(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_takes_less() {
        let heads = Heads::all();
        let hits = |value: &str| count(&heads, value);
        assert_eq!(hits("4111111111111111"), Hits { luhn: 1, issued: 1, letters: 1 });
        assert_eq!(hits("x4111111111111111"), Hits { luhn: 1, issued: 1, letters: 0 });
        assert_eq!(hits("4111 1111 1111 1111 and 378282246310005"), Hits { luhn: 2, issued: 2, letters: 2 });
        assert_eq!(hits("0000000000000000"), Hits { luhn: 1, issued: 0, letters: 0 });
        assert_eq!(hits("4111111111111112"), Hits::default());
    }
}
