//! What people ask, and what they ask to break it: drawn by a seed, each kind as often as the others.

use super::sessions::{AGENTS, PEOPLE, TABLES, Written, date};
use crate::dice::Dice;

const VERDICTS: [&str; 5] = ["held", "blocked", "allowed", "denied", "would-block"];
const KINDS: [&str; 8] = ["select", "insert", "update", "delete", "copy-out", "drop-table", "alter-table", "truncate"];
const WORDS: [&str; 24] = [
    "select",
    "payments",
    "customers",
    "amount",
    "status",
    "settled",
    "merchant_id",
    "currency",
    "refunds",
    "reason",
    "orders",
    "shipped",
    "ledger_entries",
    "chargebacks",
    "pan",
    "expiry",
    "drop",
    "alter",
    "copy",
    "stdout",
    "having",
    "between",
    "author",
    "vanished",
];
/// Words of values that very many records have.
const VALUES: [&str; 6] = ["settled", "shipped", "asked", "2026", "open", "reconciled"];
const PHRASES: [&str; 8] = [
    "\"amount >\"",
    "\"FROM payments WHERE\"",
    "\"status = 'settled'\"",
    "\"asked by Ada\"",
    "\"LIMIT 100\"",
    "\"payments drop\"",
    "\"open AND id\"",
    "\"count refunds\"",
];
const TIMES: [&str; 5] = ["since:7d", "since:24h", "since:30d", "until:60d", "since:60d until:30d"];
const FIGURES: [&str; 10] = [
    "masked:>0",
    "masked:>30",
    "rows:>=1000",
    "rows:>90000",
    "rows:3",
    "ms:>1000",
    "ms:>4000",
    "ms:<1",
    "bytes:>5000000",
    "masked:>0 rows:>=1000",
];
/// Syntax of the index, of SQL and of shells, and what is none of it.
const HOSTILE: [&str; 12] = [
    "' OR 1=1; DROP TABLE words; --",
    "NEAR(payments amount, 2)",
    "\"payments\" OR \"*\"",
    "{text agent} : \"x\"",
    "(((((((payments",
    "pay* ^select NOT agent",
    "-payments -select -a",
    "AND OR NOT",
    "a* b* c*",
    "text:\"\u{1} marks\"",
    "\u{202e}payments\u{0301} \u{1f4b3} sélect",
    "x' UNION SELECT rowid, 1 FROM records; --",
];

/// So many kinds there are.
pub(super) const KINDS_OF_QUERIES: usize = 24;

/// The query of one number.
pub(super) fn draw(at: usize, dice: &mut Dice, written: &Written) -> String {
    let agent = dice.of(&AGENTS);
    let table = dice.of(&TABLES);
    match at % KINDS_OF_QUERIES {
        0 => format!("agent:{agent}"),
        1 => format!("agent:{agent} table:{table}"),
        2 => format!("agent:{agent} verdict:{}", dice.of(&VERDICTS)),
        3 => format!("table:{table} {} {}", dice.of(&FIGURES), dice.of(&TIMES)),
        4 => format!("kind:{} agent:{agent} {}", dice.of(&KINDS), dice.of(&TIMES)),
        5 => format!("{} {}", dice.of(&WORDS), dice.of(&WORDS)),
        6 => format!("{} {} agent:{agent}", dice.of(&WORDS), dice.of(&WORDS)),
        7 => dice.below(1_000_000).to_string(),
        8 => format!("{} {}", dice.of(&WORDS), dice.below(1_000_000)),
        9 => format!("{} {}", dice.of(&PEOPLE), dice.of(&WORDS)),
        10 => dice.of(&PHRASES).to_owned(),
        11 => format!("{} agent:{agent} {}", dice.of(&PHRASES), dice.of(&TIMES)),
        12 => dice.of(&HOSTILE).to_owned(),
        13 => format!("{} agent:{agent}", dice.of(&FIGURES)),
        14 => format!("{} verdict:{} {}", dice.of(&FIGURES), dice.of(&VERDICTS), dice.of(&TIMES)),
        15 => format!("text:{} -agent:{agent} -{}", dice.of(&WORDS), dice.of(&WORDS)),
        16 => format!("{}* table:{table}", &dice.of(&WORDS)[..3]),
        17 => match written.some.get(dice.below(written.some.len())) {
            Some(session) => format!("session:{session} {}", dice.of(&WORDS)),
            None => format!("\"{}\"", date(dice)),
        },
        18 => format!("\"{}\" {}", date(dice), dice.of(&WORDS)),
        19 => format!("{} {}", dice.of(&VALUES), dice.of(&VALUES)),
        20 => format!("\"{}\" \"{}\"", date(dice), dice.of(&PEOPLE)),
        21 => format!("{}* {}", &dice.of(&VALUES)[..4], dice.of(&WORDS)),
        22 => format!("\"{} {}\"", dice.of(&WORDS), dice.of(&VALUES)),
        _ => format!("agent:{agent} table:payments masked:>0 verdict:held since:7d \"amount >\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_queries() {
        let written = || Written { records: 1, sessions: 1, segments: 1, some: Vec::new() };
        let all = |seed| {
            let mut dice = Dice(seed);
            (0..200).map(|at| draw(at, &mut dice, &written())).collect::<Vec<_>>()
        };
        assert_eq!(all(3), all(3));
        assert_ne!(all(3), all(4));
    }
}
