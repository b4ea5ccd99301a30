//! A stream of statements as a service hears it, and how much of it is found in the cache.
//!
//! Drivers that send parameters and tools that read schemas say the same texts again; scripts that write their values into the text
//! never do.

use session::StatementCache;

use super::database::{Databases, Statement, statements};
use crate::dice::Dice;

/// Statements of the stream.
const LENGTH: usize = 60_000;
/// Of a hundred, by application. pgbench and TPC-C here write their values into the text, TPC-H its constants.
const SHARES: [(&str, usize); 5] = [("pgbench", 45), ("tpc-c", 35), ("tpc-h", 2), ("django", 9), ("sqlalchemy", 9)];

/// What was found.
pub(crate) struct Hits {
    pub(crate) application: &'static str,
    pub(crate) statements: u64,
    /// By the same bytes.
    pub(crate) exact: u64,
    /// By a text that differs in literals alone.
    pub(crate) alike: u64,
}

/// How often each application's statements are found.
pub(crate) fn hits(databases: &Databases, dice: &mut Dice) -> Vec<Hits> {
    let all = statements();
    let mut cache = StatementCache::new();
    let mut hits: Vec<Hits> =
        SHARES.map(|(application, _)| Hits { application, statements: 0, exact: 0, alike: 0 }).into();
    let of: Vec<Vec<&Statement>> =
        SHARES.iter().map(|(name, _)| all.iter().filter(|one| one.application == *name).collect()).collect();
    for _ in 0..LENGTH {
        let at = drawn(dice);
        let statement = of[at][dice.below(of[at].len())];
        let text = if at < 3 { varied(&statement.text, dice) } else { statement.text.clone() };
        let before = cache.lookups();
        databases.of(statement).passes(&mut cache, &text);
        let after = cache.lookups();
        hits[at].statements += 1;
        hits[at].exact += after.exact - before.exact;
        hits[at].alike += after.alike - before.alike;
    }
    hits
}

fn drawn(dice: &mut Dice) -> usize {
    let mut left = dice.below(SHARES.iter().map(|(_, share)| share).sum());
    SHARES
        .iter()
        .position(|(_, share)| match left.checked_sub(*share) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
        .unwrap_or_default()
}

/// The text with other numbers where a number stands alone.
pub(crate) fn varied(text: &str, dice: &mut Dice) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let alone = letter.is_ascii_digit() && !(before.is_ascii_alphanumeric() || "_$\"".contains(before));
        if !alone {
            out.push(letter);
            before = letter;
            continue;
        }
        let mut count = 1;
        while letters.next_if(char::is_ascii_digit).is_some() {
            count += 1;
        }
        out.push(char::from(b'1' + dice.below(9) as u8));
        out.push_str(&dice.digits(count - 1));
        before = '0';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_stand_alone_are_varied() {
        let text = "SELECT c1, $2 FROM t1 WHERE a = 345 AND b = 'x-12'";
        let varied = varied(text, &mut Dice(7));
        assert!(varied.len() == text.len() && varied.starts_with("SELECT c1, $2 FROM t1 WHERE a = ") && varied != text);
    }
}
