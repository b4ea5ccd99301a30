//! What a run found, as a table for people and as JSON. No digit of a card is in either.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::client::{End, Heard, Kind, Turn};
use crate::corpus::Must;
use crate::field;
use crate::judge::{Judged, Outcome};

/// Counts of one category.
#[derive(Default)]
struct Count {
    cases: usize,
    contained: usize,
    over: usize,
}

/// The table, then every case that is not as it must be.
pub fn text(judged: &[Judged]) -> String {
    let mut out = table(judged);
    let masks = judged.iter().filter(|one| one.must == Must::Mask);
    let (asked, over) = masks.fold((0, 0), |(all, over), one| (all + 1, over + usize::from(one.is_over())));
    let controls = judged.iter().filter(|one| one.must == Must::Allow);
    let refused = controls.clone().filter(|one| !one.is_contained()).count();
    let _ = writeln!(out, "\nfalse refusals: {refused} of {} controls", controls.count());
    let _ = writeln!(out, "over-blocked: {over} of {asked} that ask for a mask");
    for one in judged.iter().filter(|one| one.is_over()) {
        let _ = writeln!(out, "  {}: {} asked, {}", one.id, one.must.word(), word(one.outcome));
    }
    let failed: Vec<&Judged> = judged.iter().filter(|one| !one.is_contained()).collect();
    let _ = writeln!(out, "not contained: {}", failed.len());
    for one in failed {
        let _ = writeln!(out, "  {}: {} asked, {}{}", one.id, one.must.word(), word(one.outcome), why(one));
    }
    out
}

/// Recall by category, in Markdown.
pub fn table(judged: &[Judged]) -> String {
    let mut out = "| category | cases | contained | recall | over-blocked |\n|---|---:|---:|---:|---:|\n".to_owned();
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut all = Count::default();
    for one in judged {
        for count in [counts.entry(&one.category).or_default(), &mut all] {
            count.cases += 1;
            count.contained += usize::from(one.is_contained());
            count.over += usize::from(one.is_over());
        }
    }
    for (category, count) in counts.into_iter().chain([("all", all)]) {
        let percent = 100.0 * count.contained as f64 / count.cases.max(1) as f64;
        let Count { cases, contained, over } = count;
        let _ = writeln!(out, "| {category} | {cases} | {contained} | {percent:.1} % | {over} |");
    }
    out
}

/// The same for programs.
pub fn json(judged: &[Judged]) -> Value {
    let case = |one: &Judged| {
        json!({
            "id": one.id, "category": one.category, "must": one.must.word(), "by": one.by, "outcome": word(one.outcome),
            "contained": one.is_contained(), "over_blocked": one.is_over(), "faults": one.faults,
            "leaks": one.leaks.iter().map(|leak| json!({"carrier": leak.carrier, "form": leak.form})).collect::<Vec<_>>(),
        })
    };
    let contained = judged.iter().filter(|one| one.is_contained()).count();
    json!({"cases": judged.len(), "contained": contained, "case": judged.iter().map(case).collect::<Vec<_>>()})
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Same => "answered as directly",
        Outcome::Masked => "masked",
        Outcome::Changed => "changed",
        Outcome::Held => "held",
        Outcome::Refused => "refused",
    }
}

/// What is wrong with it.
pub fn why(one: &Judged) -> String {
    // The first forms say enough; all of them are in the JSON.
    let leaks = one.leaks.iter().take(2).map(|leak| format!("a card in {} ({})", leak.carrier, leak.form));
    leaks.chain(one.faults.iter().cloned()).map(|reason| format!("; {reason}")).collect()
}

/// A file of names, one a line, `#` begins a comment.
pub fn names(text: &str) -> BTreeSet<&str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty()).collect()
}

/// A run for a person who looks for the reason: what was said, and the messages of the answer, digits hidden.
pub fn shown(heard: &Heard) -> String {
    let mut out = String::new();
    let usual = |turn: &&Turn| turn.kind == Kind::Case || !matches!(turn.end, End::Ready(_));
    for turn in heard.turns.iter().filter(usual) {
        let said = hidden_numbers(&format!("{:?}", turn.said));
        let _ = writeln!(out, "  {:?} {said} -> {:?}", turn.kind, turn.end);
        for message in &turn.heard {
            let texts = field::values(message).into_iter().map(|value| hidden(value.as_deref()));
            let _ = writeln!(out, "    {} {}", char::from(message.tag), texts.collect::<Vec<_>>().join(" | "));
        }
    }
    out
}

/// A text in which no long number can be read.
pub fn hidden_numbers(text: &str) -> String {
    let is_long = |run: &str| run.len() > 4 && run.bytes().all(|byte| byte.is_ascii_digit());
    let mut out = String::new();
    for run in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = run.trim_end_matches(|c: char| !c.is_ascii_digit());
        out += &if is_long(digits) { "#".repeat(digits.len()) } else { digits.to_owned() };
        out += &run[digits.len()..];
    }
    out
}

fn hidden(value: Option<&[u8]>) -> String {
    let Some(value) = value else { return "NULL".to_owned() };
    let text: String =
        value.iter().take(120).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' }).collect();
    text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

/// Puts `text` between the markers of that name in a Markdown file.
pub fn write(path: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let body = std::fs::read_to_string(path)?;
    let parts = body.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) =
        parts.ok_or_else(|| std::io::Error::other(format!("{}: no marker {name}", path.display())))?;
    std::fs::write(path, format!("{before}{begin}{text}{end}{after}"))
}
