//! The scan for card numbers, measured: `cargo xtask bench pan`.
//!
//! Per class of input and backend GB/s and the ratios to memcpy and `memchr`, all of them in interleaved rounds of one process, and before that
//! whether each backend does what the oracle does. A goal that is missed is printed; only a wrong result makes the exit status 1.

pub(crate) mod cards;
mod chart;
mod classes;
mod engines;
mod measure;
pub(crate) mod readme;
mod report;
mod rivals;
mod search;
mod slowest;
pub(crate) mod truth;
mod vectorscan;

use std::process::Command;
use std::time::Duration;

use crate::dice::Dice;
use classes::{CLASSES, Class};
use engines::Measured;
use measure::{Plan, Way};
use report::Measurement;

/// What the command line asks for.
#[derive(Default)]
struct Options {
    quick: bool,
    /// Correctness alone.
    check: bool,
    /// Beside each backend what it cannot leave out, in place of what others do.
    bound: bool,
    report: bool,
    markdown: bool,
    json: Option<String>,
    class: Option<String>,
    search: Option<u64>,
    /// The program that runs Vectorscan.
    vectorscan: Option<String>,
    seed: u64,
}

impl Options {
    fn of(args: &[String]) -> Result<Options, String> {
        let mut options = Options { seed: 1, ..Options::default() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--check" => options.check = true,
                "--bound" => options.bound = true,
                "--report" => options.report = true,
                "--markdown" => options.markdown = true,
                "--json" => options.json = Some(value()?),
                "--vectorscan" => options.vectorscan = Some(value()?),
                "--class" => options.class = Some(value()?),
                "--search" => options.search = Some(number(&value()?)?),
                "--seed" => options.seed = number(&value()?)?,
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        if options.report && (options.quick || options.bound || options.class.is_some()) {
            return Err("--report wants the whole run".into());
        }
        Ok(options)
    }

    fn classes(&self) -> Result<Vec<&'static Class>, String> {
        let wanted = |class: &&Class| self.class.as_ref().is_none_or(|key| key == class.key);
        let classes: Vec<_> = CLASSES.iter().filter(wanted).collect();
        let keys: Vec<_> = CLASSES.iter().map(|class| class.key).collect();
        if classes.is_empty() { Err(format!("no such class; there are {}", keys.join(" "))) } else { Ok(classes) }
    }

    fn plans(&self) -> &'static [Plan] {
        const SLICE: Duration = Duration::from_micros(400);
        const SMALL: Plan = Plan { column: 0, size: 64 * 1024, rounds: 41, rivals_every: 3, takes: 3, slice: SLICE };
        const LARGE: Plan =
            Plan { column: 1, size: 64 * 1024 * 1024, rounds: 11, rivals_every: 5, takes: 1, slice: Duration::ZERO };
        const QUICK: Plan = Plan { rounds: 9, rivals_every: 3, ..SMALL };
        if self.quick { &[QUICK] } else { &[SMALL, LARGE] }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// `bench pan …`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = Options::of(args)?;
    let engines = engines::available()?;
    let classes = options.classes()?;
    let first = *engines.first().ok_or("no backend")?;
    if let Some(seconds) = options.search {
        return search::run(first, Duration::from_secs(seconds), options.seed);
    }
    check(&classes, &engines)?;
    if options.check {
        return Ok(());
    }
    let machine = machine();
    println!("  {machine}");
    let measurements = measure(&options, &classes, &engines)?;
    let [met, missed, open] = report::counts(&measurements);
    println!("\n  goals: {met} met, {missed} missed, {open} inconclusive");
    if options.markdown {
        println!("\n{}", report::markdown(&measurements, &machine));
    }
    if let Some(path) = &options.json {
        std::fs::write(path, report::json(&measurements, &machine)).map_err(|error| format!("{path}: {error}"))?;
    }
    if options.report {
        let path = chart::CHART_AT;
        std::fs::write(path, chart::svg(&measurements, &machine)).map_err(|error| format!("{path}: {error}"))?;
        readme::replace("pan-bench", &report::markdown(&measurements, &machine))?;
    }
    Ok(())
}

/// Each backend does on 64 KiB of each class, at its beginning and from odd offsets on, what the oracle does.
fn check(classes: &[&Class], engines: &[Measured]) -> Result<(), String> {
    for class in classes {
        let bytes = class.bytes(64 * 1024 + 64);
        for engine in engines {
            for offset in [0, 1, 13, 63] {
                let sample = bytes.get(offset..offset + 64 * 1024).unwrap_or_default();
                if !engine.agrees(class.scan, sample) {
                    return Err(format!(
                        "{} on `{}` from byte {offset} on is not what the oracle says",
                        engine.name, class.key
                    ));
                }
            }
        }
    }
    let names: Vec<_> = engines.iter().map(|engine| engine.name).collect();
    println!("  as the oracle: {} on {} classes", names.join(", "), classes.len());
    Ok(())
}

fn measure(options: &Options, classes: &[&'static Class], engines: &[Measured]) -> Result<Vec<Measurement>, String> {
    let rivals = if options.bound { Vec::new() } else { rivals::rivals(options.vectorscan.as_deref())? };
    if options.vectorscan.is_none() {
        println!("  Vectorscan: not installed (Debian: libvectorscan5), so it is not compared");
    }
    let mut ways = vec![Way::Memcpy, Way::Memchr];
    ways.extend(engines.iter().map(|engine| Way::Pan(*engine)));
    if options.bound {
        ways.extend(engines.iter().filter(|engine| engine.name != "portable").map(|engine| Way::Bound(*engine)));
    }
    ways.extend(rivals.iter().map(Way::Rival));
    let mut dice = Dice(options.seed | 1);
    let mut measurements = Vec::new();
    for plan in options.plans() {
        for class in classes {
            let rows = measure::class(class, *plan, &ways, &mut dice);
            let measurement = Measurement { class, column: plan.column, rows };
            measurement.print();
            measurements.push(measurement);
        }
    }
    Ok(measurements)
}

fn machine() -> String {
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().ok();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {} with {cores} cores, commit {commit}, `cargo xtask bench pan --report`",
        readme::today(),
        readme::processor()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_is_the_oracle_on_every_class() {
        check(&CLASSES.iter().collect::<Vec<_>>(), &engines::available().unwrap()).unwrap();
    }

    #[test]
    fn options_are_checked() {
        let of = |args: &[&str]| Options::of(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        assert!(of(&["--quick", "--json", "x"]).is_ok());
        assert!(of(&["--json"]).is_err() && of(&["--quick", "--report"]).is_err() && of(&["--fast"]).is_err());
    }
}
