//! The expression fuzzer: composed statements, each asked of two databases that differ in hidden digits alone, directly and as an agent.
//!
//! A finding is an answer to the agent that differs between the two databases; where it does, it is said whether a card can be read from it.
//! What looks like a card and is the same from both says nothing of a hidden digit: it is counted as a coincidence. Counted are distinct
//! statements that the server executes on sensitive columns without an error; those whose answer it would have given away are `telling`.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::client::{Heard, Way};
use crate::dice::Dice;
use crate::grammar::{self, Program};
use crate::ground::Ground;
use crate::report;
use crate::secrets::Secrets;
use crate::twins::{self, Pair, Twins};

/// How many sessions of each kind work at a time.
const WORKERS: usize = 3;
/// Findings that are kept whole.
const KEPT: usize = 60;

/// How far to go.
pub struct Bounds {
    pub seed: u64,
    /// Distinct statements that the server executes, those of earlier runs among them.
    pub statements: u64,
    pub time: Duration,
    /// Only the program of this number, and all that is said is printed, digits hidden.
    pub only: Option<u64>,
    /// What earlier runs have done is in this file and the one beside it, and comes to it: one run in slices.
    pub tally: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Distinct programs that were composed.
    pub composed: u64,
    /// Of those: the server executes them on sensitive columns without an error.
    pub executes: u64,
    /// Of those: the answer depends on hidden digits.
    pub telling: u64,
    /// Of what the server executes: refused to the agent, or ended in another error.
    pub refused: u64,
    /// Of what the server executes: answered to the agent without an error.
    pub answered: u64,
    /// A card could be read from the answer, and the other database's answer was another.
    pub readable: u64,
    /// Signs of a card were in the answer, and in the other database's too, where that card has other digits.
    #[serde(default)]
    pub coincident: u64,
    /// The answer depended on hidden digits.
    pub dependent: u64,
    /// It did once, and not when asked again in untouched databases (another plan, another order).
    pub unrepeated: u64,
    /// The session did not answer.
    pub silent: u64,
    /// Findings by the form in which the card was read.
    pub forms: BTreeMap<String, u64>,
    /// Runs that it was done in, and how long they took.
    pub runs: u64,
    pub seconds: u64,
    /// The first findings: the number of the program, what was found, its text.
    pub findings: Vec<(u64, String, String)>,
}

struct Shared<'g> {
    ground: &'g Ground,
    twins: Twins,
    /// Nobody connects to these: what was found is asked again in copies of them.
    pristine: Twins,
    /// Held while something that was found is asked again.
    again: Mutex<()>,
    secrets: Secrets,
    bounds: Bounds,
    began: Instant,
    next: AtomicU64,
    seen: Mutex<HashSet<u64>>,
    counts: Mutex<Counts>,
}

/// Runs until a bound is reached.
pub fn run(ground: &Ground, bounds: Bounds) -> Counts {
    let twins = Twins::new(ground, bounds.seed);
    let (counts, seen) = bounds.tally.as_deref().map(earlier).unwrap_or_default();
    let shared = Shared {
        ground,
        secrets: Secrets::new(&twins.pans),
        pristine: twins.again(ground),
        twins,
        again: Mutex::default(),
        began: Instant::now(),
        next: AtomicU64::new(bounds.only.unwrap_or(0)),
        seen: Mutex::new(seen),
        counts: Mutex::new(counts),
        bounds,
    };
    std::thread::scope(|scope| {
        for _ in 0..if shared.bounds.only.is_some() { 1 } else { WORKERS } {
            scope.spawn(|| shared.work());
        }
    });
    let seen = shared.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut counts = shared.counts.into_inner().unwrap_or_else(PoisonError::into_inner);
    counts.seconds += shared.began.elapsed().as_secs();
    counts.runs += 1;
    if let Some(path) = &shared.bounds.tally {
        keep(path, &counts, &seen);
    }
    counts
}

fn seen_beside(tally: &Path) -> PathBuf {
    tally.with_extension("seen")
}

/// Counts and hashes of earlier runs; none: there was none.
fn earlier(tally: &Path) -> (Counts, HashSet<u64>) {
    let Ok(text) = std::fs::read_to_string(tally) else { return Default::default() };
    let bytes = std::fs::read(seen_beside(tally)).expect("the hashes of what was counted");
    let hashes = bytes.chunks_exact(8).map(|eight| u64::from_le_bytes(eight.try_into().expect("eight")));
    (serde_json::from_str(&text).expect("counts of an earlier run"), hashes.collect())
}

fn keep(tally: &Path, counts: &Counts, seen: &HashSet<u64>) {
    let bytes: Vec<u8> = seen.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    std::fs::write(seen_beside(tally), bytes).expect("the hashes are written");
    std::fs::write(tally, serde_json::to_string(counts).expect("numbers and texts")).expect("the counts are written");
}

/// With names of its own for what it makes: what was written into a relation of a name is remembered for the database, and the two
/// databases are not asked at one time.
fn named(program: Program, index: u64) -> Program {
    let step = |step: String| step.replace("fz", &format!("fz{index}x")).replace("fy", &format!("fy{index}x"));
    Program { steps: program.steps.into_iter().map(step).collect(), ..program }
}

impl Shared<'_> {
    fn work(&self) {
        let direct = twins::talks(&self.twins, Way::Direct(self.ground.port()));
        let mut direct = Pair::new(&direct);
        // What an agent that has no errors left did not get to.
        let mut left = None;
        while self.began.elapsed() < self.bounds.time {
            let agent = self.ground.spare_agent();
            let through = twins::talks(&self.twins, Way::Agent(&agent));
            let mut through = Pair::new(&through);
            while self.began.elapsed() < self.bounds.time {
                let Some((index, program)) = left.take().or_else(|| self.compose()) else { continue };
                let executed = self.one(index, &program, &mut direct, &mut through);
                let Some(executed) = executed else {
                    left = Some((index, program));
                    break;
                };
                if executed >= self.bounds.statements || self.bounds.only.is_some() {
                    return;
                }
            }
        }
    }

    /// The next program, unless it was there before.
    fn compose(&self) -> Option<(u64, Program)> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let program = grammar::program(Dice::new(self.bounds.seed, index));
        let mut hasher = DefaultHasher::new();
        (&program.steps, program.extended, program.binary).hash(&mut hasher);
        let is_new = self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(hasher.finish());
        is_new.then(|| (index, named(program, index)))
    }

    /// Asks, compares and counts; the number of statements that the server executes so far. `None`: the agent has no errors left, so that
    /// nothing is known of the program.
    fn one(&self, index: u64, program: &Program, direct: &mut Pair<'_>, through: &mut Pair<'_>) -> Option<u64> {
        let [one, other] = through.ask_both(program);
        if is_spent(&one) || is_spent(&other) {
            return None;
        }
        let [here, there] = direct.ask_both(program);
        if self.bounds.only.is_some() {
            for (what, heard) in [("directly", &here), ("as an agent", &one), ("as an agent, other digits", &other)] {
                println!(" {what}\n{}", report::shown(heard));
            }
        }
        let executes = !twins::failed(&here);
        let dependent = twins::told(&one) != twins::told(&other);
        let (leaks, alike) = match self.secrets.found(&one) {
            leaks if dependent => (leaks, Vec::new()),
            alike => (Vec::new(), alike),
        };
        let repeated = dependent && self.is_dependent(program);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.composed += 1;
        counts.executes += u64::from(executes);
        counts.telling += u64::from(executes && twins::told(&here) != twins::told(&there));
        counts.refused += u64::from(executes && twins::failed(&one));
        counts.answered += u64::from(executes && !twins::failed(&one));
        counts.readable += u64::from(!leaks.is_empty());
        counts.coincident += u64::from(!alike.is_empty());
        counts.dependent += u64::from(repeated);
        counts.unrepeated += u64::from(dependent && !repeated);
        counts.silent += u64::from(one.turns.iter().any(|turn| turn.end == crate::client::End::Silent));
        if let Some(leak) = leaks.first() {
            *counts.forms.entry(format!("{}, {}", leak.carrier, leak.form)).or_default() += 1;
        }
        if (repeated || !leaks.is_empty()) && counts.findings.len() < KEPT {
            let what = if leaks.is_empty() { "depends on hidden digits" } else { "a card can be read" };
            counts.findings.push((index, what.to_owned(), program.steps.join("; ")));
        }
        Some(counts.executes)
    }
}

/// Too many statements of the agent have failed over a value: what comes now is refused for that alone.
fn is_spent(heard: &Heard) -> bool {
    let messages = heard.turns.iter().flat_map(|turn| &turn.heard).filter(|message| message.tag == b'E');
    messages.filter_map(|message| message.field(b'M')).any(|text| text.contains("statements of this agent have failed"))
}

impl Shared<'_> {
    /// Asked again where nobody else is or was: no other program has left dead rows, another plan, or something written behind.
    fn is_dependent(&self, program: &Program) -> bool {
        let _alone = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        let twins = self.pristine.again(self.ground);
        let agent = self.ground.spare_agent();
        let through = twins::talks(&twins, Way::Agent(&agent));
        let [one, other] = Pair::new(&through).ask_both(program);
        twins.databases.iter().for_each(|name| self.ground.drop(name));
        twins::told(&one) != twins::told(&other)
    }
}

impl Counts {
    pub fn is_clean(&self) -> bool {
        self.readable == 0 && self.dependent == 0 && self.silent == 0
    }

    /// For people; statements hold no digit of a card.
    pub fn text(&self) -> String {
        let mut out = self.table();
        for (form, count) in &self.forms {
            out += &format!("  {count} by {form}\n");
        }
        for (index, what, text) in &self.findings {
            out += &format!("  {index}: {what}: {text}\n");
        }
        out
    }

    /// In Markdown.
    pub fn table(&self) -> String {
        let rows = [
            ("runs", self.runs),
            ("seconds", self.seconds),
            ("distinct programs composed", self.composed),
            ("executed by the server on sensitive columns without an error", self.executes),
            ("of those: the direct answer depends on hidden digits", self.telling),
            ("of those executed: refused to the agent", self.refused),
            ("of those executed: answered to the agent", self.answered),
            ("answers to the agent from which a card can be read", self.readable),
            ("answers with a card's signs that are the same without that card", self.coincident),
            ("answers to the agent that depend on hidden digits", self.dependent),
            ("those that differed once and not again in untouched databases", self.unrepeated),
            ("sessions that did not answer", self.silent),
        ];
        let line = |(what, count): &(&str, u64)| format!("| {what} | {count} |\n");
        format!("| expression fuzzer | count |\n|---|---:|\n{}", rows.iter().map(line).collect::<String>())
    }
}
