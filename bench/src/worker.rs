//! A worker: keeps its connections warm, does the slices that it is told, answers with what came of each.

use std::collections::HashMap;
use std::io::{BufRead, Error, Result, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::answers::{COPY, Flow, HELD, LARGE, LARGE_COPY, POINT, card};
use crate::client::{Client, Target};
use crate::dice::Dice;
use crate::load::foreign;
use crate::login::Password;
use crate::slice::{Cpus, Outcome, Slice, Work};

const PREPARED: &str = "point";
/// Behind a password in an account: the login's key is computed once.
pub(crate) const KEPT: &str = "kept";

/// Who a worker is, and what it asks: the benchmark's own, or what `--url` says.
struct Account {
    host: IpAddr,
    user: String,
    password: Option<Password>,
    point: &'static str,
    /// The statement of [`Work::Table`].
    table: String,
}

impl Default for Account {
    fn default() -> Account {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Account { host, user: "app".to_owned(), password: None, point: POINT, table: String::new() }
    }
}

impl Account {
    /// A line of a host, a user, a table and a password, of which the last two may be empty, and perhaps a word that its key is kept.
    fn parse(line: &str) -> Option<Account> {
        let [_, host, user, table, password, ref kept @ ..] = line.split('\t').collect::<Vec<_>>()[..] else {
            return None;
        };
        let kept = *kept == [KEPT];
        let password = (!password.is_empty()).then(|| Password { text: password.to_owned(), kept });
        let (host, user) = (host.parse().ok()?, user.to_owned());
        Some(Account { host, user, password, point: "SELECT 1", table: foreign::rows_of(table) })
    }
}

/// What a worker keeps between slices.
#[derive(Default)]
struct Kept {
    account: Account,
    /// Warm connections by place, and by the CPUs on which they were made.
    pools: HashMap<(Target, Cpus), Vec<Client>>,
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
        let line = line.map_err(|e| e.to_string())?;
        if line.starts_with("account\t") {
            kept.account = Account::parse(&line).ok_or("an account that cannot be read")?;
            continue;
        }
        let slice: Slice = line.parse()?;
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
    if slice.work == Work::Close {
        kept.pools.clear();
        kept.stalled.clear();
        return Ok(Outcome::new());
    }
    let Kept { account, pools, stalled } = kept;
    let target = Target {
        host: account.host,
        port: slice.port,
        user: account.user.clone(),
        dbname: slice.dbname.clone(),
        sealed: slice.sealed,
        password: account.password.clone(),
    };
    if let Cpus::Kept(connect, _) = slice.cpus {
        uring::pin_to(connect)?;
    }
    if slice.work == Work::Stall {
        let mut client = Client::connect(&target)?;
        client.ask(&Flow::Unread.sql())?;
        stalled.push(client);
        return Ok(Outcome::new());
    }
    let wanted = if slice.work == Work::Connect { 0 } else { slice.connections as usize };
    let pool = pools.entry((target.clone(), slice.cpus)).or_default();
    pool.truncate(wanted);
    while pool.len() < wanted {
        let mut client = connect(&target, slice.cpus.connect(pool.len()))?;
        client.prepare(PREPARED, account.point)?;
        pool.push(client);
    }
    if let Cpus::Kept(_, work) = slice.cpus {
        uring::pin_to(work)?;
    }
    match slice.work {
        Work::Check(flow) => check(pool, flow),
        Work::Held => each(pool, |client| client.query(HELD).map(|answer| answer.bytes)),
        Work::Idle => each(pool, |client| client.query(account.point).map(|answer| answer.bytes)),
        Work::IdleBulk => each(pool, |client| client.bulk(&Flow::Some.sql())),
        _ => together(account, &target, pool, slice),
    }
}

/// On a thread of its own, because a thread that was kept on a CPU stays there.
fn connect(target: &Target, cpu: Option<u32>) -> Result<Client> {
    let there = || cpu.map_or(Ok(()), uring::pin_to).and_then(|()| Client::connect(target));
    std::thread::scope(|scope| scope.spawn(there).join().unwrap_or_else(|_| Err(Error::other("a thread ended"))))
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
fn together(account: &Account, target: &Target, pool: &mut [Client], slice: &Slice) -> Result<Outcome> {
    let start = Instant::now();
    let end = start + Duration::from_millis(slice.millis.into());
    let clients = pool.iter_mut().map(Some).chain(std::iter::repeat_with(|| None)).take(slice.connections as usize);
    let results: Vec<Result<Outcome>> = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .enumerate()
            .map(|(index, client)| scope.spawn(move || one(account, target, client, slice, index as u32, (start, end))))
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
    account: &Account,
    target: &Target,
    mut client: Option<&mut Client>,
    slice: &Slice,
    index: u32,
    (start, end): (Instant, Instant),
) -> Result<Outcome> {
    let point = account.point;
    let mut outcome = Outcome::new();
    let mut dice = Dice(u64::from(std::process::id()) << 32 | u64::from(index) | 1);
    if let (Work::Open(rate), Some(client)) = (slice.work, client.as_deref_mut()) {
        open_loop(client, point, (rate, slice.connections, index), (start, end), &mut outcome)?;
        outcome.micros = start.elapsed().as_micros() as u64;
        return Ok(outcome);
    }
    while Instant::now() < end {
        let begin = Instant::now();
        outcome.bytes += match (slice.work, client.as_deref_mut()) {
            (Work::Extended, Some(client)) => client.extended(point)?.bytes,
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
            (Work::Table, Some(client)) => client.bulk(&account.table)?,
            (_, Some(client)) => client.query(point)?.bytes,
            (_, None) => Client::connect(target)?.query(point)?.bytes,
        };
        record(&mut outcome, begin);
    }
    outcome.micros = start.elapsed().as_micros() as u64;
    Ok(outcome)
}

/// Starts are fixed in advance; a late one is measured from when it should have been.
fn open_loop(
    client: &mut Client,
    point: &str,
    (rate, connections, index): (u32, u32, u32),
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
        outcome.bytes += client.query(point)?.bytes;
        record(outcome, intended);
        intended += gap;
    }
    Ok(())
}

fn record(outcome: &mut Outcome, begin: Instant) {
    outcome.latencies.saturating_record((begin.elapsed().as_nanos() as u64).max(1));
}
