//! What a run prints: to a person, to a program.

use std::fmt::Write as _;

use super::measure::{COLD_NS, Row, STEPS, WARM_NS, word};
use super::stream::Hits;

/// A line for each application, the statements that are furthest from the goal, and the verdicts.
pub(crate) fn print(rows: &[Row<'_>], all: bool) {
    println!(
        "\n  microseconds; cold: never seen; above: cold - 2 x parse, median [95 %]; goal {} us; warm: known, ns, goal {WARM_NS}; alike: known but for literals, ns",
        COLD_NS / 1e3
    );
    println!(
        "  {:<14} {:>5} {:>7} {:>7} {:>7} {:>7} {:>8} {:>6} {:>7} {:>7} {:>7}",
        "", "texts", "bytes", "parse", "cold", "above", "worst", "warm", "worst", "alike", "missed"
    );
    let mut names: Vec<&str> = rows.iter().map(|row| row.statement.application).collect();
    names.dedup();
    for name in names {
        summary(name, &rows.iter().filter(|row| row.statement.application == name).collect::<Vec<_>>());
    }
    summary("all", &rows.iter().collect::<Vec<_>>());
    print_steps(rows);
    let mut worst: Vec<&Row<'_>> = rows.iter().collect();
    worst.sort_by(|one, other| other.above.median.total_cmp(&one.above.median));
    println!(
        "\n  {:<16} {:>6} {:>7} {:>7} {:>7}  {:<16} {:>6}",
        "furthest", "bytes", "parse", "cold", "above", "95 %", "warm"
    );
    for row in worst.iter().take(if all { rows.len() } else { 15 }) {
        let of = format!("{} {}", row.statement.application, row.statement.place);
        let interval = format!("{:.2}..{:.2}", row.above.low / 1e3, row.above.high / 1e3);
        println!(
            "  {of:<16} {:>6} {:>7.2} {:>7.2} {:>7.2}  {interval:<16} {:>6.0}  {}",
            row.statement.text.len(),
            row.raw.median / 1e3,
            row.cold.median / 1e3,
            row.above.median / 1e3,
            row.warm.median,
            word(row.above, COLD_NS)
        );
    }
    let count = |word: &str| rows.iter().filter(|row| self::word(row.above, COLD_NS) == word).count();
    println!("\n  cold: {} met, {} missed, {} inconclusive", count("met"), count("missed"), count("inconclusive"));
    let count = |word: &str| rows.iter().filter(|row| self::word(row.warm, WARM_NS) == word).count();
    println!("  warm: {} met, {} missed, {} inconclusive", count("met"), count("missed"), count("inconclusive"));
}

fn summary(name: &str, rows: &[&Row<'_>]) {
    let middle = |of: &dyn Fn(&Row<'_>) -> f64| {
        let mut values: Vec<f64> = rows.iter().map(|row| of(row)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let mut shared: Vec<f64> = rows.iter().filter_map(|row| row.alike).map(|alike| alike.median).collect();
    shared.sort_by(f64::total_cmp);
    let alike = shared.get(shared.len() / 2).map_or("-".to_owned(), |middle| format!("{middle:.0}"));
    let most = |of: &dyn Fn(&Row<'_>) -> f64| rows.iter().map(|row| of(row)).fold(f64::MIN, f64::max);
    println!(
        "  {name:<14} {:>5} {:>7} {:>7.2} {:>7.2} {:>7.2} {:>8.2} {:>6.0} {:>7.0} {:>7} {:>7}",
        rows.len(),
        middle(&|row| row.statement.text.len() as f64),
        middle(&|row| row.raw.median) / 1e3,
        middle(&|row| row.cold.median) / 1e3,
        middle(&|row| row.above.median) / 1e3,
        most(&|row| row.above.median) / 1e3,
        middle(&|row| row.warm.median),
        most(&|row| row.warm.median),
        alike,
        rows.iter().filter(|row| word(row.above, COLD_NS) == "missed").count(),
    );
}

/// What the steps of a cold verdict take. A text misses its goal where those after the parse take more than that and the goal's 4 us.
fn print_steps(rows: &[Row<'_>]) {
    println!("\n  steps of a cold verdict, microseconds, means of the texts; ours: all after the parse");
    let head: String = STEPS.iter().map(|step| format!(" {step:>7}")).collect();
    println!("  {:<14} {:>5}{head} {:>7} {:>10}", "", "texts", "ours", "may take");
    let mut names: Vec<&str> = rows.iter().map(|row| row.statement.application).collect();
    names.dedup();
    for name in names {
        steps_of(name, rows.iter().filter(|row| row.statement.application == name));
    }
    steps_of("all", rows.iter());
    steps_of("met", rows.iter().filter(|row| word(row.above, COLD_NS) == "met"));
    steps_of("not met", rows.iter().filter(|row| word(row.above, COLD_NS) != "met"));
}

fn steps_of<'a>(name: &str, rows: impl Iterator<Item = &'a Row<'a>>) {
    let (mut texts, mut sums) = (0_u32, [0.0; STEPS.len()]);
    for row in rows {
        texts += 1;
        sums.iter_mut().zip(row.steps).for_each(|(sum, step)| *sum += step);
    }
    let means = sums.map(|sum| sum / f64::from(texts.max(1)) / 1e3);
    let [parse, ours @ ..] = means;
    let each: String = means.iter().map(|mean| format!(" {mean:>7.2}")).collect();
    let (ours, most) = (ours.iter().sum::<f64>(), parse + COLD_NS / 1e3);
    println!("  {name:<14} {texts:>5}{each} {ours:>7.2} {most:>10.2}");
}

/// How many statements were measured more than once, by the times.
pub(crate) fn print_again(again: &[usize]) {
    if !again.is_empty() {
        println!(
            "  measured again, since not met before: {again:?} statements; of each its least disturbed measurement counts"
        );
    }
}

/// How often a stream is found.
pub(crate) fn print_hits(hits: &[Hits]) {
    println!(
        "\n  of a stream of {} statements, found by the same bytes, and by all but the literals",
        hits.iter().map(|of| of.statements).sum::<u64>()
    );
    for of in hits {
        let share = |count: u64| 100.0 * count as f64 / of.statements.max(1) as f64;
        println!("  {:<14} {:>7} {:>6.1} % {:>6.1} %", of.application, of.statements, share(of.exact), share(of.alike));
    }
}

/// How much an entry takes.
pub(crate) fn print_memory(bytes: Option<f64>) {
    match bytes {
        Some(bytes) => {
            println!("\n  memory of an entry: {bytes:.0} bytes (resident, over statements of TPC-C and pgbench)")
        }
        None => println!("\n  memory of an entry: not known here"),
    }
}

/// All figures.
pub(crate) fn json(rows: &[Row<'_>], hits: &[Hits], bytes: Option<f64>, machine: &str) -> String {
    let mut out = format!(
        "{{\n  \"machine\": \"{}\",\n  \"entry_bytes\": {:.0},\n  \"stream\": [\n",
        machine.replace('"', "'"),
        bytes.unwrap_or(-1.0)
    );
    for (at, of) in hits.iter().enumerate() {
        let comma = if at + 1 < hits.len() { "," } else { "" };
        let _ = writeln!(
            out,
            "    {{\"application\": \"{}\", \"statements\": {}, \"exact\": {}, \"alike\": {}}}{comma}",
            of.application, of.statements, of.exact, of.alike
        );
    }
    out.push_str("  ],\n  \"statements_ns\": [\n");
    for (at, row) in rows.iter().enumerate() {
        let comma = if at + 1 < rows.len() { "," } else { "" };
        let _ = writeln!(
            out,
            "    {{\"application\": \"{}\", \"place\": {}, \"bytes\": {}, \"parse\": {:.0}, \"cold\": {:.0}, \"above\": [{:.0}, {:.0}, {:.0}], \"warm\": {:.0}, \"alike\": {:.0}, \"steps\": [{}], \"cold_goal\": \"{}\"}}{comma}",
            row.statement.application,
            row.statement.place,
            row.statement.text.len(),
            row.raw.median,
            row.cold.median,
            row.above.low,
            row.above.median,
            row.above.high,
            row.warm.median,
            row.alike.map_or(-1.0, |alike| alike.median),
            row.steps.map(|step| format!("{step:.0}")).join(", "),
            word(row.above, COLD_NS)
        );
    }
    out.push_str("  ]\n}\n");
    out
}
