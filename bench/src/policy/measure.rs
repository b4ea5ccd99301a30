//! Rounds over each statement: never seen, known, and the grammar's parse alone, in a shuffled order.

use std::hint::black_box;
use std::time::{Duration, Instant};

use session::StatementCache;

use super::database::{Database, Databases, Statement};
use super::stream::varied;
use crate::dice::Dice;
use crate::ratio::{Ratio, spread};

/// A known text costs at most so many nanoseconds.
pub(crate) const WARM_NS: f64 = 250.0;
/// One that was never seen at most twice the parse and so many more.
pub(crate) const COLD_NS: f64 = 4_000.0;

/// Nanoseconds of one statement.
pub(crate) struct Row<'a> {
    pub(crate) statement: &'a Statement,
    pub(crate) raw: Ratio,
    pub(crate) cold: Ratio,
    pub(crate) warm: Ratio,
    /// Of a text that differs from a known one in literals alone; `None`: its verdict reads one.
    pub(crate) alike: Option<Ratio>,
    /// What the cold verdict takes above two parses of the same round.
    pub(crate) above: Ratio,
    /// What each step of a cold verdict adds to those before it.
    pub(crate) steps: [f64; STEPS.len()],
}

/// The steps of a cold verdict.
pub(crate) const STEPS: [&str; 6] = ["parse", "tree", "effects", "lineage", "verdict", "cache"];
/// What is timed for them: each of these is the steps up to that one.
const UP_TO: [Way; STEPS.len()] = [Way::Raw, Way::Tree, Way::Effects, Way::Lineage, Way::Verdict, Way::Cold];

/// Whether a goal is reached, judged by the whole interval.
pub(crate) fn word(measured: Ratio, most: f64) -> &'static str {
    match measured {
        Ratio { high, .. } if high <= most => "met",
        Ratio { low, .. } if low > most => "missed",
        _ => "inconclusive",
    }
}

/// The fastest of so many slices counts for a round: what the machine does meanwhile only ever slows one down.
const TAKES: usize = 3;
const SLICE: Duration = Duration::from_micros(150);

/// What is timed.
#[derive(Clone, Copy)]
enum Way {
    /// The library's parse.
    Raw,
    /// And the tree read out of its memory,
    Tree,
    /// and walked for what it does,
    Effects,
    /// and for where its values come from,
    Lineage,
    /// and judged, with what the record says of it,
    Verdict,
    /// and looked for in a cache and kept there: all of it.
    Cold,
    /// Found there.
    Warm,
}

const WAYS: [Way; 7] = [Way::Raw, Way::Tree, Way::Effects, Way::Lineage, Way::Verdict, Way::Cold, Way::Warm];

/// What is not met is measured so many times more, later: stretches of a shared machine are a third slower, and longer than a statement's
/// rounds. What is above a goal by itself is above it in each.
const AGAIN: usize = 5;

/// Every statement, so many rounds; and again what is not met, as often as [`AGAIN`] says. How many were is told too.
pub(crate) fn rows<'a>(
    databases: &Databases,
    statements: &'a [Statement],
    rounds: usize,
    dice: &mut Dice,
) -> (Vec<Row<'a>>, Vec<usize>) {
    let mut measure = |one| row(databases.of(one), one, rounds, dice);
    let mut rows: Vec<Row<'_>> = statements.iter().filter_map(&mut measure).collect();
    let again = (0..AGAIN).map(|_| {
        let open = rows.iter_mut().filter(|row| !row.is_met());
        open.filter_map(|row| measure(row.statement).map(|other| row.least(other))).count()
    });
    let again = again.take_while(|count| *count > 0).collect();
    (rows, again)
}

impl Row<'_> {
    fn is_met(&self) -> bool {
        word(self.above, COLD_NS) == "met" && word(self.warm, WARM_NS) == "met"
    }

    /// What the machine does meanwhile only ever slows one down: the measurement counts in which the cold verdict took least, and that in
    /// which the known one did.
    fn least(&mut self, other: Self) {
        let warm = if other.warm.median < self.warm.median { other.warm } else { self.warm };
        if other.cold.median < self.cold.median {
            *self = other;
        }
        self.warm = warm;
    }
}

fn row<'a>(database: &Database, statement: &'a Statement, rounds: usize, dice: &mut Dice) -> Option<Row<'a>> {
    let text = statement.text.as_str();
    let mut cache = StatementCache::new();
    let mut ways = WAYS;
    let passes = ways.map(|way| {
        let one = take(way, 2, database, &mut cache, text).max(1.0);
        (SLICE.as_nanos() as f64 / one).clamp(1.0, 10_000.0) as usize
    });
    let mut found: [Vec<f64>; WAYS.len()] = Default::default();
    for _ in 0..rounds {
        dice.shuffle(&mut ways);
        for way in ways {
            let takes = (0..TAKES).map(|_| take(way, passes[way as usize], database, &mut cache, text));
            found[way as usize].push(takes.fold(f64::MAX, f64::min));
        }
    }
    let alike = alike(database, &mut cache, text, rounds, dice);
    let [raw, .., cold, warm] = &found;
    let above: Vec<f64> = cold.iter().zip(raw).map(|(cold, raw)| cold - 2.0 * raw).collect();
    let mut steps = [0.0; STEPS.len()];
    let mut before = 0.0;
    for (step, way) in steps.iter_mut().zip(UP_TO) {
        let all = spread(found.get(way as usize)?)?.median;
        *step = all - std::mem::replace(&mut before, all);
    }
    let (raw, cold, warm, above) = (spread(raw)?, spread(cold)?, spread(warm)?, spread(&above)?);
    Some(Row { statement, raw, cold, warm, alike, above, steps })
}

/// Texts of one shape that are said in turn: more than a room remembers of those that it has seen once.
const VARIANTS: usize = 1_024;

fn alike(database: &Database, cache: &mut StatementCache, text: &str, rounds: usize, dice: &mut Dice) -> Option<Ratio> {
    cache.forget();
    database.passes(cache, text);
    let texts: Vec<String> = (0..VARIANTS).map(|_| varied(text, dice)).filter(|varied| varied != text).collect();
    let before = cache.lookups();
    let mut pass = |texts: &[String]| {
        let start = Instant::now();
        texts.iter().for_each(|text| _ = black_box(database.passes(cache, text)));
        start.elapsed().as_nanos() as f64 / texts.len().max(1) as f64
    };
    pass(&texts);
    let times: Vec<f64> = (0..rounds).map(|_| pass(&texts)).collect();
    let after = cache.lookups();
    let found = after.alike - before.alike;
    (found * 10 > (after.judged - before.judged) * 90 && found > 0).then(|| spread(&times))?
}

/// Cold verdicts alone, for so long.
pub(crate) fn cold(databases: &Databases, statements: &[Statement], time: Duration) {
    let mut cache = StatementCache::new();
    let start = Instant::now();
    while start.elapsed() < time {
        for statement in statements {
            cache.forget();
            black_box(databases.of(statement).passes(&mut cache, &statement.text));
        }
    }
}

/// Nanoseconds of one pass.
fn take(way: Way, passes: usize, database: &Database, cache: &mut StatementCache, text: &str) -> f64 {
    let pass = |cache: &mut StatementCache| match way {
        Way::Raw => sql::parses(black_box(text)),
        Way::Tree => sql::reads(black_box(text), &sql::Limits::default()),
        Way::Effects => sql::analyze(black_box(text), &sql::Limits::default()).is_ok(),
        Way::Lineage => database.traces(black_box(text)),
        Way::Verdict => database.judges(black_box(text)),
        Way::Cold => {
            cache.forget();
            database.passes(cache, black_box(text))
        }
        Way::Warm => database.passes(cache, black_box(text)),
    };
    pass(cache);
    let start = Instant::now();
    for _ in 0..passes {
        black_box(pass(cache));
    }
    start.elapsed().as_nanos() as f64 / passes as f64
}

#[cfg(test)]
mod tests {
    use super::super::database::statements;
    use super::*;

    fn ratio(of: f64) -> Ratio {
        Ratio { median: of, low: of, high: of }
    }

    fn row(statement: &Statement, cold: f64, above: f64, warm: f64) -> Row<'_> {
        let (cold, above, warm) = (ratio(cold), ratio(above), ratio(warm));
        Row { statement, raw: ratio(1.0), cold, warm, alike: None, above, steps: [0.0; STEPS.len()] }
    }

    #[test]
    fn of_several_measurements_the_least_disturbed_counts() {
        let statements = statements();
        let of = |cold: f64, above: f64, warm: f64| row(&statements[0], cold, above, warm);
        // (first, again): what counts.
        for (first, again, counts) in [
            ((10.0, 5.0, 200.0), (8.0, 3.0, 300.0), (8.0, 3.0, 200.0)),
            ((10.0, 5.0, 300.0), (12.0, 2.0, 200.0), (10.0, 5.0, 200.0)),
            ((10.0, 5.0, 200.0), (10.0, 4.0, 200.0), (10.0, 5.0, 200.0)),
        ] {
            let mut kept = of(first.0, first.1, first.2);
            kept.least(of(again.0, again.1, again.2));
            assert_eq!((kept.cold.median, kept.above.median, kept.warm.median), counts);
        }
    }

    #[test]
    fn a_goal_is_met_by_the_whole_interval() {
        let statements = statements();
        let of = |above: f64, warm: f64| row(&statements[0], 1.0, above, warm).is_met();
        assert!(of(COLD_NS, WARM_NS) && !of(COLD_NS + 1.0, WARM_NS) && !of(COLD_NS, WARM_NS + 1.0));
        let wide = Ratio { median: 1.0, low: 0.5, high: 2.0 };
        assert_eq!([2.0, 1.5, 0.4].map(|most| word(wide, most)), ["met", "inconclusive", "missed"]);
    }
}
