//! A worker: keeps its connections warm, does the slices that it is told, answers with what came of each.

use std::collections::HashMap;
use std::io::{BufRead, Error, Result, Write};
use std::time::{Duration, Instant};

use crate::answers::{COPY, Flow, LARGE, LARGE_COPY, POINT, card};
use crate::client::{Client, Target};
use crate::dice::Dice;
use crate::slice::{Outcome, Slice, Work};

const PREPARED: &str = "point";
const USER: &str = "app";

/// What a worker keeps between slices.
#[derive(Default)]
struct Kept {
    /// Warm connections by place, and by the CPU on which they were made.
    pools: HashMap<(Target, Option<u32>), Vec<Client>>,
    /// Connections that have asked and do not read.
    stalled: Vec<Client>,
}

/// Reads slices until its input ends.
pub(crate) fn run() -> std::result::Result<(), String> {
    // An open loop's sleeps end when they should; where the kernel refuses it they are late on every path alike.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
    let mut kept = Kept::default();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let slice: Slice = line.map_err(|e| e.to_string())?.parse()?;
        // On a thread of its own, because a thread that was kept on a CPU stays there.
        let outcome = std::thread::scope(|scope| {
            let thread = scope.spawn(|| work(&mut kept, &slice));
            thread.join().unwrap_or_else(|_| Err(Error::other("a thread ended")))
        });
        let outcome = outcome.map_err(|e| format!("{slice}: {e}"))?;
        writeln!(out, "{outcome}").and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn work(kept: &mut Kept, slice: &Slice) -> Result<Outcome> {
    let target = Target { port: slice.port, user: USER.to_owned(), dbname: slice.dbname.clone(), sealed: slice.sealed };
    if slice.work == Work::Close {
        *kept = Kept::default();
        return Ok(Outcome::new());
    }
    if let Some((connect, _)) = slice.cpus {
        uring::pin_to(connect)?;
    }
    if slice.work == Work::Stall {
        let mut client = Client::connect(&target)?;
        client.ask(&Flow::Unread.sql())?;
        kept.stalled.push(client);
        return Ok(Outcome::new());
    }
    let wanted = if slice.work == Work::Connect { 0 } else { slice.connections as usize };
    let pool = kept.pools.entry((target.clone(), slice.cpus.map(|cpus| cpus.0))).or_default();
    pool.truncate(wanted);
    while pool.len() < wanted {
        let mut client = Client::connect(&target)?;
        client.prepare(PREPARED, POINT)?;
        pool.push(client);
    }
    if let Some((_, work)) = slice.cpus {
        uring::pin_to(work)?;
    }
    match slice.work {
        Work::Check(flow) => check(pool, flow),
        Work::Idle => each(pool, |client| client.query(POINT).map(|answer| answer.bytes)),
        Work::IdleBulk => each(pool, |client| client.bulk(&Flow::Some.sql())),
        _ => together(&target, pool, slice),
    }
}

/// The bytes themselves, as FNV-1a of them, and how often the card stands in them.
fn check(pool: &mut [Client], flow: Flow) -> Result<Outcome> {
    let client = pool.first_mut().ok_or(Error::other("a check wants one connection"))?;
    let bytes = client.captured(&flow.sql())?;
    let sum = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let cards = memchr::memmem::find_iter(&bytes, card().as_bytes()).count() as u64;
    Ok(Outcome { bytes: bytes.len() as u64, sum, cards, ..Outcome::new() })
}

/// Once on each connection, one after the other.
fn each(pool: &mut [Client], ask: impl Fn(&mut Client) -> Result<u64>) -> Result<Outcome> {
    let mut outcome = Outcome::new();
    for client in pool {
        outcome.bytes += ask(client)?;
    }
    Ok(outcome)
}

/// All connections at a time, each on a thread of its own.
fn together(target: &Target, pool: &mut [Client], slice: &Slice) -> Result<Outcome> {
    let start = Instant::now();
    let end = start + Duration::from_millis(slice.millis.into());
    let clients = pool.iter_mut().map(Some).chain(std::iter::repeat_with(|| None)).take(slice.connections as usize);
    let results: Vec<Result<Outcome>> = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .enumerate()
            .map(|(index, client)| scope.spawn(move || one(target, client, slice, index as u32, start, end)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(Error::other("a thread ended")))).collect()
    });
    let mut sum = Outcome::new();
    for result in results {
        sum.beside(&result?);
    }
    Ok(sum)
}

fn one(
    target: &Target,
    mut client: Option<&mut Client>,
    slice: &Slice,
    index: u32,
    start: Instant,
    end: Instant,
) -> Result<Outcome> {
    let mut outcome = Outcome::new();
    let mut dice = Dice(u64::from(std::process::id()) << 32 | u64::from(index) | 1);
    if let (Work::Open(rate), Some(client)) = (slice.work, client.as_deref_mut()) {
        open_loop(client, rate, slice.connections, index, (start, end), &mut outcome)?;
        outcome.micros = start.elapsed().as_micros() as u64;
        return Ok(outcome);
    }
    while Instant::now() < end {
        let begin = Instant::now();
        outcome.bytes += match (slice.work, client.as_deref_mut()) {
            (Work::Extended, Some(client)) => client.extended(POINT)?.bytes,
            (Work::Prepared, Some(client)) => client.execute(PREPARED)?.bytes,
            (Work::Bulk(flow), Some(client)) => client.bulk(&flow.sql())?,
            (Work::Copy, Some(client)) => client.bulk(COPY)?,
            (Work::Large, Some(client)) => client.bulk(LARGE)?,
            (Work::LargeCopy, Some(client)) => client.bulk(LARGE_COPY)?,
            (Work::CopyIn, Some(client)) => client.copy_in()?,
            (Work::Tpcb, Some(client)) => client.transaction(&mut dice)?,
            (Work::Beside, Some(client)) if index == 0 => {
                outcome.bytes += client.bulk(&Flow::Rows.sql())?;
                continue; // its latency is nobody's
            }
            (_, Some(client)) => client.query(POINT)?.bytes,
            (_, None) => Client::connect(target)?.query(POINT)?.bytes,
        };
        record(&mut outcome, begin);
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
) -> Result<()> {
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
    outcome.latencies.saturating_record((begin.elapsed().as_nanos() as u64).max(1));
}
