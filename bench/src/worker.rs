//! A worker: keeps its connections warm, does the slices that it is told, answers with what came of each.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use crate::client::{Client, Target};
use crate::slice::{Outcome, Slice, Work};

const POINT: &str = "SELECT id, note FROM bench_small WHERE id = 42";
const PREPARED: &str = "point";
const ROWS: &str = "SELECT * FROM bench_rows";
const COPY: &str = "COPY bench_rows (id, a, b, c, at, note) TO STDOUT";

/// Reads slices until its input ends.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (target, _) = parse(args)?;
    let mut pool: Vec<Client> = Vec::new();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let slice: Slice = line.map_err(|e| e.to_string())?.parse()?;
        let outcome = work(&target, &mut pool, slice).map_err(|e| format!("{slice}: {e}"))?;
        writeln!(out, "{outcome}").and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// `--port P --user U --dbname D`, and what it does not know.
pub(crate) fn parse(args: &[String]) -> Result<(Target, Vec<String>), String> {
    let mut target = Target { port: 0, user: "app".into(), dbname: "bench".into() };
    let mut rest = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().cloned().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--port" => target.port = value()?.parse().map_err(|_| "--port needs a number")?,
            "--user" => target.user = value()?,
            "--dbname" => target.dbname = value()?,
            _ => rest.push(arg.clone()),
        }
    }
    if target.port == 0 { Err("--port is missing".into()) } else { Ok((target, rest)) }
}

fn work(target: &Target, pool: &mut Vec<Client>, slice: Slice) -> std::io::Result<Outcome> {
    if slice.work != Work::Connect {
        while pool.len() < slice.connections as usize {
            let mut client = Client::connect(target)?;
            client.prepare(PREPARED, POINT)?;
            pool.push(client);
        }
    }
    let start = Instant::now();
    let end = start + Duration::from_millis(slice.millis.into());
    // Only other work than connecting uses the warm ones.
    let warm = if slice.work == Work::Connect { &mut [][..] } else { pool.as_mut_slice() };
    let clients = warm.iter_mut().map(Some).chain(std::iter::repeat_with(|| None)).take(slice.connections as usize);
    let results: Vec<std::io::Result<Outcome>> = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .enumerate()
            .map(|(index, client)| scope.spawn(move || one(target, client, slice, index as u32, start, end)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(std::io::Error::other("a thread ended")))).collect()
    });
    let mut sum = Outcome::new();
    for result in results {
        sum.add(&result?);
    }
    Ok(sum)
}

fn one(
    target: &Target,
    client: Option<&mut Client>,
    slice: Slice,
    index: u32,
    start: Instant,
    end: Instant,
) -> std::io::Result<Outcome> {
    let mut outcome = Outcome::new();
    match (slice.work, client) {
        (Work::Open(rate), Some(client)) => {
            open_loop(client, rate, slice.connections, index, (start, end), &mut outcome)?
        }
        (work, mut client) => {
            while Instant::now() < end {
                let begin = Instant::now();
                let answer = match (work, client.as_deref_mut()) {
                    (Work::Prepared, Some(client)) => client.execute(PREPARED)?,
                    (Work::Rows, Some(client)) => client.query(ROWS)?,
                    (Work::Copy, Some(client)) => client.query(COPY)?,
                    (_, Some(client)) => client.query(POINT)?,
                    (_, None) => Client::connect(target)?.query(POINT)?,
                };
                record(&mut outcome, begin);
                outcome.bytes += answer.bytes;
            }
        }
    }
    outcome.micros = start.elapsed().as_micros() as u64;
    Ok(outcome)
}

/// Starts are fixed in advance; a late one is measured from when it should have been.
fn open_loop(
    client: &mut Client,
    rate: u32,
    connections: u32,
    index: u32,
    span: (Instant, Instant),
    outcome: &mut Outcome,
) -> std::io::Result<()> {
    let gap = Duration::from_secs_f64(f64::from(connections) / f64::from(rate.max(1)));
    let mut intended = span.0 + gap.mul_f64(f64::from(index) / f64::from(connections.max(1)));
    while intended < span.1 {
        if let Some(wait) = intended.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        outcome.late += u64::from(intended.elapsed() > Duration::from_millis(1));
        outcome.bytes += client.query(POINT)?.bytes;
        record(outcome, intended);
        intended += gap;
    }
    Ok(())
}

fn record(outcome: &mut Outcome, begin: Instant) {
    outcome.latencies.saturating_record((begin.elapsed().as_micros() as u64).max(1));
}
