//! Variants of the corpus: each case disguised in seeded ways, said in another manner, and beside each the same shape on tables that are not
//! sensitive, which must pass unchanged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::cases::{ALONE, Place, reads};
use crate::client::Manner;
use crate::corpus::{Case, Must};
use crate::dice::Dice;
use crate::disguise;
use crate::ground::Ground;
use crate::judge::{Judged, Outcome};

const WORKERS: usize = 4;
/// Findings that are printed.
const KEPT: usize = 80;
/// Of a hundred variants, those of cases that change a database and need one of their own.
const CHANGING: usize = 8;
/// Cases whose stop is a matter of lineage alone: their twins on other tables are nobody's business.
const LINEAGE: &[&str] = &["lineage", "content_scan", "column_rule", "typed_scan", "rate_rule", "error_rewrite"];
/// Their recipes wait for silence, or are long.
const SLOW: &[&str] = &["wire-neg-length", "par-long-list", "wire-startup-guc", "cmd-generate-load", "inf-sleep"];

/// Tables of the same shape that no rule names, with numbers that are no cards.
const TWIN_TABLES: &str = "
CREATE TABLE invoices (LIKE payments INCLUDING ALL); CREATE TABLE stock_events (LIKE card_events INCLUDING ALL);
CREATE VIEW v_invoices AS SELECT id, customer, pan AS reference FROM invoices;
ALTER TABLE invoices OWNER TO dba; ALTER TABLE stock_events OWNER TO dba; ALTER VIEW v_invoices OWNER TO dba;
INSERT INTO invoices SELECT p.id, customer, n, n::bigint, n::numeric, exp, amount, jsonb_build_object('brand', meta->>'brand', 'card', jsonb_build_object('pan', n, 'exp', exp)),
 convert_to(n, 'UTF8') FROM payments p JOIN (VALUES @NUMBERS@) v(pan, n) USING (pan) ORDER BY p.id;
INSERT INTO stock_events SELECT g, (SELECT pan FROM invoices WHERE id = 1 + g % 3), 'auth' FROM generate_series(1, 300) g;
GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA public TO agent; ANALYZE";

/// What came of them.
#[derive(Debug, Default)]
pub struct Tally {
    pub variants: u64,
    /// The server itself refuses the disguise where it does not refuse the case: not counted.
    pub rejected: u64,
    pub contained: u64,
    /// Variants that ask for a mask, and those of them that got more than one.
    pub masks: u64,
    pub over: u64,
    pub twins: u64,
    /// Twins that were refused, and those in which something was masked.
    pub twins_refused: u64,
    pub twins_changed: u64,
    /// By category: variants, contained.
    pub categories: BTreeMap<String, (u64, u64)>,
    /// How often a disguise was in a variant that was not contained.
    pub disguises: BTreeMap<&'static str, u64>,
    /// Number, case, what is wrong, and the text, digits hidden.
    pub findings: Vec<(u64, String, String, String)>,
}

/// A variant with its benign twin.
struct Variant {
    case: Case,
    manner: Manner,
    done: Vec<&'static str>,
    twin: Option<Case>,
    /// It changes nothing that outlives its session.
    reads: bool,
}

/// Composes and runs `count` variants.
pub fn run(ground: &Ground, count: u64, seed: u64) -> Tally {
    let numbers = no_cards(&ground.corpus.pans);
    let values: Vec<String> = numbers.iter().map(|(pan, number)| format!("('{pan}', '{number}')")).collect();
    let template = ground.prepare("evasion", &TWIN_TABLES.replace("@NUMBERS@", &values.join(", ")));
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let own = ground.create(&template);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let variant = compose(ground, &numbers, Dice::new(seed, index));
                    one(ground, &template, &own, index, &variant, &tally);
                }
                ground.drop(&own);
            });
        }
    });
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The first packet of who asks for TLS.
const SSL_REQUEST_BYTES: usize = 8;

fn compose(ground: &Ground, numbers: &[(String, String)], mut dice: Dice) -> Variant {
    let usable = |case: &&Case| !ALONE.contains(&case.id.as_str()) && !SLOW.contains(&case.id.as_str());
    let changing = dice.percent(CHANGING);
    let cases: Vec<&Case> = ground.corpus.case.iter().filter(usable).filter(|case| reads(case) != changing).collect();
    let base = *dice.pick(&cases);
    let (steps, done) = disguise::disguise(base, &mut dice);
    let several = steps.iter().any(|step| step.contains(';') || step.starts_with("--"));
    let extended = dice.percent(35) && base.recipe.is_none() && !several;
    let binary = extended && dice.percent(40);
    let pieces = dice.percent(30).then(|| *dice.pick(&[1, 2, 3, 7, 64]));
    // Where a piece ends with the request nobody can tell what follows from what is said when the answer is there.
    let pieces =
        pieces.filter(|bytes| base.id != "wire-sslrequest-stuffed" || !SSL_REQUEST_BYTES.is_multiple_of(*bytes));
    let lineage =
        base.by.iter().all(|by| LINEAGE.contains(&by.as_str())) && base.must != Must::Any && base.recipe.is_none();
    let twin = lineage.then(|| Case { steps: disguise::harmless(&steps, numbers), must: Must::Allow, ..base.clone() });
    Variant {
        case: Case { steps, ..base.clone() },
        manner: Manner { extended, binary, pieces },
        done,
        twin,
        reads: reads(base),
    }
}

fn one(ground: &Ground, template: &str, own: &str, index: u64, variant: &Variant, tally: &Mutex<Tally>) {
    let place = if variant.reads { Place::In(own) } else { Place::Fresh(template) };
    let judged = ground.run(&variant.case, variant.manner, place);
    let twin =
        variant.twin.as_ref().filter(|_| !judged.server_refused).map(|twin| ground.run(twin, variant.manner, place));
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    if judged.server_refused && !fails_by_itself(&variant.case) {
        tally.rejected += 1;
        return;
    }
    tally.count(index, variant, &judged);
    if let Some(twin) = twin.filter(|twin| !twin.server_refused) {
        tally.count_twin(index, variant, &twin);
    }
}

/// The case's own point is an error.
fn fails_by_itself(case: &Case) -> bool {
    case.id.starts_with("inf-error")
        || case.id == "inf-div-zero"
        || case.recipe.is_some()
        || ["par-encoding-utf16", "wire-cut-error-echo"].contains(&case.id.as_str())
}

impl Tally {
    fn count(&mut self, index: u64, variant: &Variant, judged: &Judged) {
        self.variants += 1;
        let contained = judged.is_contained();
        self.contained += u64::from(contained);
        self.masks += u64::from(judged.must == Must::Mask);
        self.over += u64::from(judged.must == Must::Mask && judged.is_over());
        let category = self.categories.entry(judged.category.clone()).or_default();
        category.0 += 1;
        category.1 += u64::from(contained);
        if !contained {
            for name in &variant.done {
                *self.disguises.entry(name).or_default() += 1;
            }
        }
        if !contained || judged.must == Must::Mask && judged.is_over() {
            let what = if contained { "over-blocked".to_owned() } else { crate::report::why(judged) };
            self.keep(index, variant, &judged.id, what, &variant.case.steps);
        }
    }

    fn count_twin(&mut self, index: u64, variant: &Variant, twin: &Judged) {
        self.twins += 1;
        if twin.is_contained() {
            return;
        }
        let refused = twin.outcome >= Outcome::Held;
        self.twins_refused += u64::from(refused);
        self.twins_changed += u64::from(!refused);
        let what = if refused { "its twin was refused" } else { "its twin was changed" };
        if let Some(case) = &variant.twin {
            self.keep(index, variant, &twin.id, what.to_owned(), &case.steps);
        }
    }

    fn keep(&mut self, index: u64, variant: &Variant, id: &str, what: String, steps: &[String]) {
        if self.findings.len() < KEPT {
            let text = crate::report::hidden_numbers(&steps.join(" ;; "));
            self.findings.push((index, id.to_owned(), what, format!("{:?} {text:?}", variant.manner)));
        }
    }

    /// The bounds of the issue: 99.9 % contained, at most 2 % of the masks over-blocked, no twin refused or changed.
    pub fn holds(&self) -> bool {
        self.contained * 1000 >= self.variants * 999
            && self.over * 100 <= self.masks * 2
            && self.twins_refused == 0
            && self.twins_changed == 0
    }

    pub fn table(&self) -> String {
        let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
        let mut out = format!(
            "| variants | count | |\n|---|---:|---:|\n| run | {} | |\n| contained | {} | {:.2} % |\n| asked for a mask | {} | |\n| of those over-blocked | {} | {:.2} % |\n",
            self.variants,
            self.contained,
            percent(self.contained, self.variants),
            self.masks,
            self.over,
            percent(self.over, self.masks)
        );
        out += &format!(
            "| benign twins | {} | |\n| of those refused | {} | {:.2} % |\n| of those changed | {} | {:.2} % |\n| disguises that the server itself rejects | {} | |\n",
            self.twins,
            self.twins_refused,
            percent(self.twins_refused, self.twins),
            self.twins_changed,
            percent(self.twins_changed, self.twins),
            self.rejected
        );
        out
    }

    pub fn text(&self) -> String {
        let mut out = self.table();
        for (category, (all, contained)) in &self.categories {
            out += &format!("  {category}: {contained} of {all}\n");
        }
        out += "in those not contained:\n";
        for (name, count) in &self.disguises {
            out += &format!("  {name}: {count}\n");
        }
        for (index, id, what, text) in &self.findings {
            out += &format!("  {index} {id}: {what}: {text}\n");
        }
        out
    }
}

/// Numbers of the same lengths that no issuer gave: they begin with a 7, and neither they nor their mirror images, what is left of them by
/// a digit more, nor what lies between two of them has a right check digit; nothing masks a content that looks like a card by chance.
fn no_cards(pans: &[String]) -> Vec<(String, String)> {
    let mut before = 0_u64;
    let mut numbers = Vec::new();
    for pan in pans {
        let middle = pan.len() / 2;
        let mut candidates = (0..10_000_u32).map(|n| format!("7{}{n:04}{}", &pan[1..middle - 1], &pan[middle + 3..]));
        let value = |number: &str| number.parse::<u64>().expect("digits");
        let looks = |number: &str| crate::twins::luhn(number);
        let fails = |number: &String| {
            let mirrored: String = number.chars().rev().collect();
            let between = value(number).abs_diff(before).to_string();
            let turned = |by: u8| -> String {
                number.bytes().map(|digit| char::from((digit - b'0' + by) % 10 + b'0')).collect()
            };
            ![number.as_str(), &mirrored, &between, &format!("{number}0"), &turned(1), &turned(9)]
                .into_iter()
                .any(looks)
        };
        let number = candidates.find(fails).expect("half of them fail");
        before = value(&number);
        numbers.push((pan.clone(), number));
    }
    numbers
}
