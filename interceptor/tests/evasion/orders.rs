//! What `cargo xtask evasion` asks for: it starts the test below with its own words in a variable.

use std::path::Path;
use std::time::Duration;

use crate::corpus::Case;
use crate::fuzz::{self, Bounds};
use crate::ground::Ground;
use crate::{report, variants};

/// The words, one a line.
const ORDER: &str = "INTERCEPTOR_EVASION";

/// What can be asked for.
#[derive(Debug, Default)]
struct Orders {
    json: Option<String>,
    /// Ids or categories.
    only: Vec<String>,
    /// Writes the table into the documentation.
    report: bool,
    /// Prints what was said and heard, digits hidden.
    show: bool,
    /// Statements that the expression fuzzer is to execute; 0: it does not run.
    fuzz: u64,
    /// Variants of the cases; 0: the cases themselves.
    variants: u64,
    /// At most this long.
    minutes: u64,
    seed: u64,
    /// Where the fuzzer's earlier runs have left what they did, and this one leaves it.
    tally: Option<String>,
    /// The fuzzer's program of this number alone, shown.
    at: Option<u64>,
}

impl Orders {
    fn parse(words: &str) -> Result<Orders, String> {
        let mut orders = Orders { minutes: 60, seed: 1, ..Orders::default() };
        let mut words = words.lines();
        while let Some(word) = words.next() {
            let mut value = || words.next().map(str::to_owned).ok_or_else(|| format!("{word} takes a value"));
            match word {
                "--json" => orders.json = Some(value()?),
                "--only" => orders.only.push(value()?),
                "--fuzz" => orders.fuzz = number(word, &value()?)?,
                "--variants" => orders.variants = number(word, &value()?)?,
                "--minutes" => orders.minutes = number(word, &value()?)?,
                "--at" => orders.at = Some(number(word, &value()?)?),
                "--tally" => orders.tally = Some(value()?),
                "--seed" => orders.seed = number(word, &value()?)?,
                "--report" => orders.report = true,
                "--show" => orders.show = true,
                other => return Err(format!("`{other}` is unknown")),
            }
        }
        Ok(orders)
    }

    fn chosen(&self, case: &Case) -> bool {
        self.only.is_empty() || self.only.iter().any(|one| *one == case.id || *one == case.category)
    }
}

fn number(word: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{word} takes a number"))
}

#[test]
#[ignore = "started by `cargo xtask evasion`"]
fn evasion() {
    let Ok(words) = std::env::var(ORDER) else { return };
    let orders = match Orders::parse(&words) {
        Ok(orders) => orders,
        Err(why) => panic!("{why}"),
    };
    let mut ground = Ground::set().expect("`cargo xtask evasion` runs as root");
    ground.shows = orders.show;
    if orders.fuzz > 0 {
        fuzz(&orders, &ground);
    } else if orders.variants > 0 {
        variants(&orders, &ground);
    } else {
        corpus(&orders, &ground);
    }
}

fn fuzz(orders: &Orders, ground: &Ground) {
    let time = Duration::from_secs(60 * orders.minutes);
    let counts = fuzz::run(
        ground,
        Bounds {
            seed: orders.seed,
            statements: orders.fuzz,
            time,
            only: orders.at,
            tally: orders.tally.as_ref().map(Into::into),
        },
    );
    println!("\nseed {}\n{}", orders.seed, counts.text());
    if orders.report {
        report::write(&docs(), "fuzz", &counts.table()).expect("the report is written");
    }
    assert!(counts.is_clean(), "the fuzzer found a way, see above");
}

fn variants(orders: &Orders, ground: &Ground) {
    let tally = variants::run(ground, orders.variants, orders.seed);
    println!("\nseed {}\n{}", orders.seed, tally.text());
    if orders.report {
        report::write(&docs(), "variants", &tally.table()).expect("the report is written");
    }
    assert!(tally.holds(), "not within the bounds: 99.9 % contained, 2 % of the masks over-blocked, no twin disturbed");
}

/// Every case, and whether all is as it must be.
fn corpus(orders: &Orders, ground: &Ground) {
    let chosen: Vec<&Case> = ground.corpus.case.iter().filter(|case| orders.chosen(case)).collect();
    assert!(!chosen.is_empty(), "no case has that id or category");
    let judged = ground.run_all(&chosen);
    println!("\n{}", report::text(&judged));
    if let Some(path) = &orders.json {
        std::fs::write(path, format!("{:#}\n", report::json(&judged))).expect("the JSON is written");
    }
    if orders.report {
        report::write(&docs(), "evasion", &report::table(&judged)).expect("the report is written");
    }
    let failed = judged.iter().filter(|one| !one.is_contained()).count();
    assert_eq!(failed, 0, "of {} cases are not contained", judged.len());
}

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TESTING.md")
}
