//! Load on every path in interleaved rounds: `cargo xtask bench`.
//!
//! Ratios of one round are judged, never absolute times. Before anything is timed, every path must bring the same bytes.

mod cage;
mod cases;
mod chart;
pub(crate) mod foreign;
mod fsyncs;
mod goals;
mod idle;
mod measure;
pub(crate) mod options;
mod published;
mod report;
mod shards;
mod slow;
mod soak;
pub(crate) mod targets;
mod tls;
pub(crate) mod verdict;

use crate::answers::Flow;
use crate::dice::Dice;
use crate::record;
use crate::slice::{Outcome, Slice, Work};
use cases::{Case, Group};
use measure::{Measured, Metric};
use options::Options;
use report::Run;
use targets::{BESIDE, Backend, MEMORY, NAMED, Place, RESULTS, RESULTS_BESIDE, STRICT, Stand, Target, UNRECORDED, US};
use verdict::Verdict;

/// `bench load …`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let options = Options::of(args)?;
    let mut stand = Stand::start(&options)?;
    for version in &stand.versions {
        println!("  {version}");
    }
    if let Some(url) = &options.url {
        println!(
            "  {} of {}: only read, `SELECT 1`{}",
            url.dbname,
            url.to,
            if options.table.is_some() { " and the table" } else { "" }
        );
        return theirs(&options, &mut stand);
    }
    check(&options, &mut stand)?;
    if let Some(minutes) = options.soak {
        return soak::run(&options, &mut stand, minutes);
    }
    let mut dice = Dice(u64::from(std::process::id()) | 1);
    let mut run = Run::new(&options, stand.versions.clone());
    for group in Group::ALL.into_iter().filter(|group| options.groups.contains(group)) {
        if options.wants(name_beside(group)) {
            beside(group, &options, &mut stand, &mut dice, &mut run)?;
        }
        for case in cases::cases(group, options.quick).into_iter().filter(|case| options.wants(&case.id)) {
            let case = cases::with_rate(case, slowest(&run.measured));
            run.measured.push(one(&case, &options, &mut stand, &mut dice)?);
        }
    }
    run.finish();
    print!("{}", report::run_goals_text(&run));
    if let Some(path) = &options.json {
        std::fs::write(path, report::json(&run)).map_err(|error| format!("{path}: {error}"))?;
    }
    if options.report {
        published::write(&run)?;
    }
    let unmet = run.judged.iter().filter(|judged| !matches!(judged.verdict, Verdict::Met | Verdict::Absent));
    match unmet.map(|judged| judged.what.as_str()).collect::<Vec<_>>()[..] {
        [ref first, ..] if options.check => Err(format!("a goal is not met: {first}")),
        _ => Ok(()),
    }
}

/// A user's own database.
fn theirs(options: &Options, stand: &mut Stand) -> Result<(), String> {
    let mut dice = Dice(u64::from(std::process::id()) | 1);
    let mut run = Run::new(options, Vec::new());
    for case in foreign::cases(options.table.is_some()) {
        let case = cases::with_rate(case, slowest(&run.measured));
        run.measured.push(one(&case, options, stand, &mut dice)?);
    }
    match &options.json {
        Some(path) => std::fs::write(path, report::json(&run)).map_err(|error| format!("{path}: {error}")),
        None => Ok(()),
    }
}

/// What `--case` calls that of a kind of load which is no case.
fn name_beside(group: Group) -> &'static str {
    match group {
        Group::Idle => "idle",
        Group::Tls => "tls",
        Group::Micro => "record",
        Group::Latency => "shards",
        Group::Bulk => "slow-reader",
        Group::Churn => "",
    }
}

/// What a kind of load measures that is no case.
fn beside(group: Group, options: &Options, stand: &mut Stand, dice: &mut Dice, run: &mut Run) -> Result<(), String> {
    match group {
        Group::Idle => run.idle = idle::run(options, stand)?,
        Group::Tls => run.tls = tls::run(options, stand, dice)?,
        Group::Micro => {
            run.record_ns = Some(record::nanos_per_statement()?);
            run.fsyncs = Some(fsyncs::run(options, dice)?);
        }
        Group::Latency => run.shards = shards::run(options, stand, dice)?,
        Group::Bulk => run.slow = slow::run(options, stand, dice)?,
        Group::Churn => {}
    }
    print!("{}", report::group_text(run, group));
    Ok(())
}

fn one(case: &Case, options: &Options, stand: &mut Stand, dice: &mut Dice) -> Result<Measured, String> {
    let measured = measure::case(case, options, stand, dice)?;
    print!("{}", report::table(&measured));
    // Warm connections are kept within a case only: a server with hundreds of idle ones is another server.
    for target in &mut stand.targets {
        for _ in 0..target.starts() {
            target.close(case.backend)?;
            target.turn();
        }
    }
    Ok(measured)
}

/// What the slowest path did in the closed loop with 8 connections on PostgreSQL; a low guess where that was not run.
fn slowest(measured: &[Measured]) -> f64 {
    const GUESS: f64 = 3000.0;
    let closed = measured.iter().find(|m| ["pg-simple-8", "url-prepared-8"].contains(&m.case.id.as_str()));
    let rates = closed.into_iter().flat_map(|m| m.lines.iter().filter_map(|l| m.value(Metric::PerSecond, l.target)));
    rates.map(|rate| rate.median).reduce(f64::min).unwrap_or(GUESS)
}

/// Every path brings the bytes that the direct one brings; through us no card is left, and through the others all are.
fn check(options: &Options, stand: &mut Stand) -> Result<(), String> {
    let streams = [(Backend::Postgres, Flow::Rows), (Backend::Far, Flow::Rows), (Backend::Far, Flow::Wide)];
    for (backend, flow) in streams.into_iter().chain([(Backend::Far, Flow::Cards)]) {
        let mut direct: Option<Outcome> = None; // it comes first
        // Where a column is named the stub tells of its table alone.
        let asked = |name: &str| flow == Flow::Cards || name != NAMED;
        for target in stand.targets.iter_mut().filter(|target| asked(target.name)) {
            let ours = [US, STRICT, BESIDE, MEMORY, UNRECORDED, NAMED, RESULTS, RESULTS_BESIDE];
            let masks = flow == Flow::Cards && ours.contains(&target.name);
            for _ in 0..target.starts() {
                let got = brought(target, backend, flow, options)?;
                let wanted = direct.get_or_insert_with(|| got.clone());
                let cards = if masks { 0 } else { wanted.cards };
                let same = got.bytes == wanted.bytes && got.cards == cards && (got.sum == wanted.sum) != masks;
                if !same {
                    return Err(format!("{}: another stream than the direct one ({})", target.name, flow.table()));
                }
                target.turn();
            }
        }
    }
    println!("  every path brings the same bytes (masked where there are cards)");
    Ok(())
}

fn brought(target: &mut Target, backend: Backend, flow: Flow, options: &Options) -> Result<Outcome, String> {
    let Place { port, dbname, .. } = target.place(backend).clone();
    let cpus = measure::cpus(backend, options);
    let slice = Slice { work: Work::Check(flow), sealed: false, port, dbname, connections: 1, millis: 0, cpus };
    target.worker.slice(&slice).map_err(|error| format!("{}: {error}", target.name))
}
