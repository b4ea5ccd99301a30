//! Direct, direct once more (the noise of this machine), and through us: slices in a shuffled order, ratios per round.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::cpu;
use crate::dice::Dice;
use crate::ratio::{Ratio, paired};
use crate::slice::{Outcome, Slice, Work};
use crate::worker;

struct Plan {
    rounds: u32,
    millis: u32,
    pid: Option<u32>,
}

struct Case {
    name: &'static str,
    work: Work,
    connections: u32,
    figure: Figure,
}

/// What of an outcome is compared.
#[derive(Clone, Copy, PartialEq)]
enum Figure {
    Latency,
    BytesPerSecond,
    PerSecond,
}

const CASES: &[Case] = &[
    Case { name: "select simple, 1 connection", work: Work::Simple, connections: 1, figure: Figure::Latency },
    Case { name: "select simple, 8 connections", work: Work::Simple, connections: 8, figure: Figure::Latency },
    Case { name: "select prepared, 1 connection", work: Work::Prepared, connections: 1, figure: Figure::Latency },
    Case { name: "select prepared, 8 connections", work: Work::Prepared, connections: 8, figure: Figure::Latency },
    Case { name: "open loop 2000/s, 4 connections", work: Work::Open(2000), connections: 4, figure: Figure::Latency },
    Case { name: "bulk rows", work: Work::Rows, connections: 1, figure: Figure::BytesPerSecond },
    Case { name: "bulk COPY", work: Work::Copy, connections: 1, figure: Figure::BytesPerSecond },
    Case { name: "connect, query, close", work: Work::Connect, connections: 1, figure: Figure::PerSecond },
];

/// The paths: two direct ones, so that the noise of the machine stands beside every figure.
const DIRECT: usize = 0;
const AGAIN: usize = 1;
const THROUGH: usize = 2;

/// Runs all cases and prints the table.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let split = args.iter().position(|a| a == "--").ok_or("`--` and the prefix of the path through us are missing")?;
    let (target, rest) = worker::parse(&args[..split])?;
    let plan = plan(&rest)?;
    let own = std::env::current_exe().map_err(|e| e.to_string())?.to_string_lossy().into_owned();
    let worker = [
        own,
        "worker".into(),
        "--port".into(),
        target.port.to_string(),
        "--user".into(),
        target.user,
        "--dbname".into(),
        target.dbname,
    ];
    let through: Vec<String> = args[split + 1..].iter().chain(&worker).cloned().collect();
    let mut workers = [Worker::start(&worker)?, Worker::start(&worker)?, Worker::start(&through)?];
    let mut dice = Dice(u64::from(std::process::id()) | 1);
    println!(
        "{:<33} {:>26} {:>9} {:>26} {:>20} {:>10}",
        "", "through us", "direct", "ratio [95 %]", "direct/direct", "CPU us/op"
    );
    for case in CASES {
        measure(case, &plan, &mut workers, &mut dice)?;
    }
    println!(
        "\nratio: ours over direct, median of {} paired rounds of {} ms; direct/direct is the noise of this machine.",
        plan.rounds, plan.millis
    );
    println!("latency: p50 (p99) in us; open loop counts from the intended start; CPU: the proxy's process alone.");
    Ok(())
}

fn plan(args: &[String]) -> Result<Plan, String> {
    let mut plan = Plan { rounds: 11, millis: 250, pid: None };
    for pair in args.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        let value: u32 = value.parse().map_err(|_| format!("{name} needs a number"))?;
        match name.as_str() {
            "--rounds" => plan.rounds = value,
            "--slice-ms" => plan.millis = value,
            "--pid" => plan.pid = Some(value),
            other => return Err(format!("`{other}` is not known")),
        }
    }
    Ok(plan)
}

fn measure(case: &Case, plan: &Plan, workers: &mut [Worker; 3], dice: &mut Dice) -> Result<(), String> {
    let slice = Slice { work: case.work, connections: case.connections, millis: plan.millis };
    let mut sums = [Outcome::new(), Outcome::new(), Outcome::new()];
    let mut rounds: [Vec<f64>; 3] = Default::default();
    let mut nanos = 0;
    for round in 0..=plan.rounds {
        let mut order = [DIRECT, AGAIN, THROUGH];
        dice.shuffle(&mut order);
        for path in order {
            let before = plan.pid.map_or(0, cpu::nanos);
            let outcome = workers[path].slice(slice)?;
            if round == 0 {
                continue; // warm-up
            }
            nanos += if path == THROUGH { plan.pid.map_or(0, cpu::nanos) - before } else { 0 };
            rounds[path].push(figure(case.figure, &outcome));
            sums[path].add(&outcome);
        }
    }
    let pairs =
        |a: usize, b: usize| paired(&rounds[a].iter().copied().zip(rounds[b].iter().copied()).collect::<Vec<_>>());
    print(case, &sums, nanos, pairs(THROUGH, DIRECT), pairs(AGAIN, DIRECT));
    Ok(())
}

fn figure(figure: Figure, outcome: &Outcome) -> f64 {
    let seconds = outcome.micros as f64 / 1e6;
    match figure {
        Figure::Latency => outcome.latencies.value_at_quantile(0.5) as f64,
        Figure::BytesPerSecond => outcome.bytes as f64 / seconds,
        Figure::PerSecond => outcome.latencies.len() as f64 / seconds,
    }
}

fn print(case: &Case, sums: &[Outcome; 3], nanos: u64, ours: Option<Ratio>, noise: Option<Ratio>) {
    let shown = |path: usize| match case.figure {
        Figure::Latency => {
            let latencies = &sums[path].latencies;
            format!("{} ({}) us", latencies.value_at_quantile(0.5), latencies.value_at_quantile(0.99))
        }
        // The rounds' times add up to less than the wall clock says; ratios are what counts.
        Figure::BytesPerSecond => format!("{:.0} MB", sums[path].bytes as f64 / 1e6),
        Figure::PerSecond => format!("{} conn.", sums[path].latencies.len()),
    };
    let interval = |r: Option<Ratio>| r.map_or("-".into(), |r| format!("{:.2} [{:.2}-{:.2}]", r.median, r.low, r.high));
    let operations = sums[THROUGH].latencies.len().max(1);
    let cpu = if nanos == 0 { "-".into() } else { format!("{:.1}", nanos as f64 / 1e3 / operations as f64) };
    let (ours, noise) = (interval(ours), interval(noise));
    println!("{:<33} {:>26} {:>9} {ours:>26} {noise:>20} {cpu:>10}", case.name, shown(THROUGH), shown(DIRECT));
}

struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(words: &[String]) -> Result<Worker, String> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", words[0]))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        match (input, output) {
            (Some(input), Some(output)) => Ok(Worker { child, input, output: BufReader::new(output) }),
            _ => Err("a worker without pipes".into()),
        }
    }

    fn slice(&mut self, slice: Slice) -> Result<Outcome, String> {
        writeln!(self.input, "{slice}").map_err(|e| format!("a worker is gone: {e}"))?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|e| e.to_string())?;
        if line.is_empty() {
            return Err(format!("a worker ended at `{slice}`; what it said stands above"));
        }
        line.parse()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
