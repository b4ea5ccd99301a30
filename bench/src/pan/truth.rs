//! What is found and what is wrongly masked: `cargo xtask pan-truth`.
//!
//! False masks per million values for every class, by simpler rules and by ours; recall on a generated corpus and on published test numbers.
//! A budget that is exceeded, or a number that is not found, makes the exit status 1.

mod corpus;
mod published;
mod rules;
mod values;

use std::fmt::Write as _;
use std::time::Instant;

use pan::{Engine, Fill, Masked, Scanner};

use crate::dice::Dice;
use crate::pan::readme;
use corpus::{FORMS, Recalls};
use published::Published;
use rules::{Heads, Hits};
use values::{CLASSES, Values};

/// What the command line asks for.
#[derive(Default)]
struct Options {
    quick: bool,
    markdown: bool,
    report: bool,
}

/// `bench pan-truth …`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let mut options = Options::default();
    for arg in args {
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--markdown" => options.markdown = true,
            "--report" => options.report = true,
            other => return Err(format!("unknown option `{other}`")),
        }
    }
    let (start, engine) = (Instant::now(), Engine::current());
    let truth = Truth {
        per_class: if options.quick { 50_000 } else { 1_000_000 },
        false_masks: Vec::new(),
        recalls: corpus::run(engine, if options.quick { 1 } else { 10 }),
        published: published::run(engine),
    }
    .with_false_masks(engine);
    truth.print();
    println!("\n  {:.1} s, backend {}", start.elapsed().as_secs_f64(), engine.backend().name());
    if options.markdown {
        println!("\n{}", truth.markdown());
    }
    if options.report {
        readme::replace("pan-truth", &truth.markdown())?;
    }
    match truth.faults().as_slice() {
        [] => Ok(()),
        faults => Err(faults.join("; ")),
    }
}

/// Hits per million values of one class.
struct FalseMasks {
    values: &'static Values,
    rules: Hits,
    balanced: u64,
    strict: u64,
}

struct Truth {
    per_class: u64,
    false_masks: Vec<FalseMasks>,
    recalls: Recalls,
    published: Published,
}

impl Truth {
    fn with_false_masks(mut self, engine: &'static Engine) -> Truth {
        let heads = Heads::all();
        self.false_masks = CLASSES.iter().map(|values| false_masks(engine, &heads, values, self.per_class)).collect();
        self
    }

    fn per_million(&self, count: u64) -> String {
        thousands(count * 1_000_000 / self.per_class)
    }

    /// A budget is exceeded when chance does not explain it: four standard deviations of a count of that size. A budget of 0 has none.
    fn exceeds(&self, masks: &FalseMasks) -> bool {
        let Some(budget) = masks.values.budget else { return false };
        let expected = f64::from(budget) * self.per_class as f64 / 1e6;
        masks.balanced as f64 > expected + 4.0 * expected.sqrt()
    }

    fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self
            .false_masks
            .iter()
            .filter(|masks| self.exceeds(masks))
            .map(|masks| format!("`{}` exceeds its budget", masks.values.title))
            .collect();
        let forms = FORMS.iter().zip(&self.recalls.forms).filter(|(_, recall)| !recall.whole());
        faults.extend(forms.map(|((form, _), _)| format!("recall of `{form}` is below 100 %")));
        let forms = FORMS.iter().zip(&self.recalls.strict).filter(|(_, recall)| !recall.whole());
        faults.extend(forms.map(|((form, _), _)| format!("recall of `{form}` by the strict scan is below 100 %")));
        if !self.recalls.strict_tails.whole() {
            faults.push("the rest of a track is not always hidden by the strict scan".into());
        }
        if !self.recalls.cuts.whole() {
            faults.push("recall of values in two pieces is below 100 %".into());
        }
        if !self.published.balanced.whole() {
            faults.push(format!("published test numbers missed, lines {:?} of the list", self.published.missed));
        }
        if !self.published.found_although_declared.is_empty() {
            let lines = &self.published.found_although_declared;
            faults.push(format!("declared as not found and found, lines {lines:?} of the list"));
        }
        faults
    }

    fn print(&self) {
        println!("  false masks per million values, {} values a class", thousands(self.per_class));
        println!(
            "  {:<30} {:>10} {:>10} {:>10} {:>10} {:>10}  budget of balanced",
            "", "Luhn", "+ issuer", "+ letter", "balanced", "strict"
        );
        for masks in &self.false_masks {
            let cells = self.cells(masks);
            println!(
                "  {:<30} {:>10} {:>10} {:>10} {:>10} {:>10}  {}",
                masks.values.title, cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]
            );
        }
        println!("\n  {:<40} {:>24} {:>24}", "recall, a card written as", "balanced", "strict");
        for [what, balanced, strict] in self.recall_lines() {
            println!("  {what:<40} {balanced:>24} {strict:>24}");
        }
        for (brand, recall) in &self.recalls.brands {
            println!("  {:<40} {} of {}", format!("brand {brand}"), recall.percent(), thousands(recall.sought));
        }
        for (reason, count) in &self.published.declared {
            println!("  published and not found by content: {count}, {reason}");
        }
    }

    fn cells(&self, masks: &FalseMasks) -> [String; 6] {
        let budget = match masks.values.budget {
            Some(budget) if self.exceeds(masks) => format!("{} EXCEEDED", thousands(budget.into())),
            Some(budget) => thousands(budget.into()),
            None => String::new(),
        };
        let counts = [masks.rules.luhn, masks.rules.issued, masks.rules.letters, masks.balanced, masks.strict];
        let [luhn, issued, letters, balanced, strict] = counts.map(|count| self.per_million(count));
        [luhn, issued, letters, balanced, strict, budget]
    }

    /// What, by the balanced scan, by the strict one.
    fn recall_lines(&self) -> Vec<[String; 3]> {
        let line = |recall: &corpus::Recall| format!("{} of {}", recall.percent(), thousands(recall.sought));
        let recalls = self.recalls.forms.iter().zip(&self.recalls.strict);
        let mut lines: Vec<_> = FORMS
            .iter()
            .zip(recalls)
            .map(|((form, _), (balanced, strict))| [(*form).to_owned(), line(balanced), line(strict)])
            .collect();
        lines.push(["any form in two pieces, cut everywhere".into(), line(&self.recalls.cuts), String::new()]);
        lines.push(["the rest of a track, hidden too".into(), String::new(), line(&self.recalls.strict_tails)]);
        let what = format!("published test numbers of {} processors", self.published.sources);
        lines.push([what, line(&self.published.balanced), line(&self.published.strict)]);
        lines
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "{}, {} values a class, `cargo xtask pan-truth --report`\n\n\
             | value, not a card | Luhn | + issuer | + letter | **balanced** | strict | budget |\n|---|---:|---:|---:|---:|---:|---:|\n",
            readme::today(),
            thousands(self.per_class)
        );
        for masks in &self.false_masks {
            let cells = self.cells(masks);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | **{}** | {} | {} |",
                masks.values.title, cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]
            );
        }
        text.push_str("\n| a card, written as | found by balanced | by strict |\n|---|---:|---:|\n");
        for [what, balanced, strict] in self.recall_lines() {
            let _ = writeln!(text, "| {what} | {balanced} | {strict} |");
        }
        text
    }
}

fn false_masks(engine: &'static Engine, heads: &Heads, values: &'static Values, count: u64) -> FalseMasks {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut masks = FalseMasks { values, rules: Hits::default(), balanced: 0, strict: 0 };
    for _ in 0..count {
        let value = (values.value)(&mut dice);
        let hits = rules::count(heads, &value);
        masks.rules.luhn += hits.luhn;
        masks.rules.issued += hits.issued;
        masks.rules.letters += hits.letters;
        masks.strict += u64::from(Masked::of(&value).as_str() != value);
        let scan = Scanner::with(engine, Fill::Text).scan(&mut value.into_bytes(), true);
        masks.balanced += u64::from(scan.cards);
    }
    masks
}

fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_budget_of_zero_allows_none() {
        let truth = |balanced| Truth {
            per_class: 1_000_000,
            false_masks: vec![FalseMasks {
                values: CLASSES.iter().find(|values| values.budget == Some(0)).unwrap(),
                rules: Hits::default(),
                balanced,
                strict: 0,
            }],
            recalls: corpus::run(Engine::current(), 0),
            published: Published::default(),
        };
        let exceeded = |truth: &Truth| truth.exceeds(&truth.false_masks[0]);
        assert!(!exceeded(&truth(0)) && exceeded(&truth(1)));
        let faults = truth(0).faults();
        assert!(faults.iter().any(|fault| fault.starts_with("recall of")), "nothing sought is no recall");
        assert!(faults.iter().any(|fault| fault.starts_with("the rest of a track")));
    }
}
