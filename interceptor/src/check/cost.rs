//! What each pattern of the policy costs, measured on text that is built in, beside the card scan in the same run.

use std::fmt::Write as _;
use std::time::Instant;

use policy::{Pattern, Policy};

/// One pattern's cost.
#[derive(Debug)]
struct Cost<'p> {
    pattern: &'p Pattern,
    ns_per_kb: f64,
    /// Of the card scan, in the same run.
    times_the_cards: f64,
}

/// Rounds; of the measures of one thing the least counts.
const ROUNDS: usize = 5;

/// The lines of `check` on the patterns; none where there is no pattern.
pub(super) fn lines(policy: &Policy, databases: &[String]) -> String {
    let mut patterns: Vec<&Pattern> = Vec::new();
    for pattern in databases.iter().flat_map(|database| policy.patterns(database)) {
        if !patterns.iter().any(|known| known.name == pattern.name) {
            patterns.push(pattern);
        }
    }
    let mut out = String::new();
    for Cost { pattern, ns_per_kb, times_the_cards } in measure(&patterns) {
        // Written to a String: cannot fail.
        let _ = writeln!(
            out,
            "pattern    {:<16} at most {} bytes; {ns_per_kb:.0} ns per KB, {times_the_cards:.1} times the card scan",
            pattern.name,
            pattern.longest()
        );
    }
    out
}

fn measure<'p>(patterns: &[&'p Pattern]) -> Vec<Cost<'p>> {
    let text = sample();
    let mut cards = f64::INFINITY;
    let mut least = vec![f64::INFINITY; patterns.len()];
    for _ in 0..ROUNDS {
        let mut copy = text.clone();
        cards = cards.min(timed(|| _ = pan::mask_text(&mut copy, pan::Fill::Text)));
        for (pattern, least) in patterns.iter().zip(&mut least) {
            *least = least.min(timed(|| find_all(pattern, &text)));
        }
    }
    let kb = text.len() as f64 / 1024.0;
    let cost =
        |(pattern, ns): (&&'p Pattern, f64)| Cost { pattern, ns_per_kb: ns / kb, times_the_cards: ns / cards.max(1.0) };
    patterns.iter().zip(least).map(cost).collect()
}

fn find_all(pattern: &Pattern, text: &[u8]) {
    let mut from = 0;
    while let Some(found) = pattern.find_at(text, from) {
        from = found.end;
    }
    std::hint::black_box(from);
}

fn timed(run: impl FnOnce()) -> f64 {
    let began = Instant::now();
    run();
    began.elapsed().as_nanos() as f64
}

/// Rows as a payments table has them: names, numbers, dates, a note; no card.
fn sample() -> Vec<u8> {
    let mut text = String::new();
    for row in 0..1000 {
        let _ = writeln!(
            text,
            "{}|Ada Alder-{row}|2026-01-{:02} 08:{:02}:11|{}.{:02}|order {} of customer C-{:06}, please refund to ada{row}@example.org",
            row * 7919,
            row % 28 + 1,
            row % 60,
            row * 31 % 9000,
            row % 100,
            row * 104_729 % 1_000_000,
            row * 17
        );
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_has_a_line() {
        let names = policy::Names { databases: vec!["a".into(), "b".into()], ..policy::Names::default() };
        let text = "[[pattern]]\nname = \"staff\"\nregex = 'EMP-\\d{6}'\n[[pattern]]\nname = \"iban\"\nregex = 'DE\\d{20}'\ndatabases = [\"b\"]\n";
        let policy = Policy::parse(text, &names).unwrap();
        let lines = lines(&policy, &names.databases);
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert!(
            lines.contains("staff") && lines.contains("at most 22 bytes") && lines.contains("ns per KB"),
            "{lines}"
        );
        assert!(super::lines(&policy, &["a".into()]).lines().count() == 1);
        let mut sample = sample();
        assert_eq!(pan::mask_text(&mut sample, pan::Fill::Text), 0, "the sample has no card");
    }
}
