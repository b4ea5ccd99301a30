//! How much memory an entry of the cache takes: what the process grew by, over many agents' full rooms.

use session::StatementCache;

use super::database::{Database, Databases, statements};
use super::stream::varied;
use crate::dice::Dice;

/// Agents, and texts of each: fewer than a room holds.
const AGENTS: usize = 24;
const TEXTS: usize = 900;
const PAGE: u64 = 4096;

/// Bytes per entry, everything told; `None`: the process does not know its size.
pub(crate) fn per_entry(databases: &Databases, dice: &mut Dice) -> Option<f64> {
    let statements: Vec<_> =
        statements().into_iter().filter(|one| one.application == "tpc-c" || one.application == "pgbench").collect();
    let mut cache = StatementCache::new();
    let mut fill = |cache: &mut StatementCache, agent: usize| {
        let asker = Database::asker(format!("agent-{agent}"));
        for at in 0..TEXTS {
            // An alias that was never said: nothing of it is shared.
            let statement = &statements[at % statements.len()];
            let text = format!("{} /* {at} */", varied(&statement.text, dice));
            databases.of(statement).passes_for(&asker, cache, &text);
        }
    };
    fill(&mut cache, 0);
    let before = resident()?;
    (1..=AGENTS).for_each(|agent| fill(&mut cache, agent));
    let grown = resident()?.saturating_sub(before);
    Some(grown as f64 / (AGENTS * TEXTS) as f64)
}

fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * PAGE)
}
