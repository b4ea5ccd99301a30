//! One slice of work and what came of it, as lines of text between the conductor and its workers.

use std::fmt;
use std::str::FromStr;

use hdrhistogram::Histogram;

use crate::answers::{FLOWS, Flow};

/// What a worker does for a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// A simple Query, as fast as it goes.
    Simple,
    /// Parse, Bind, Describe, Execute, Sync, as fast as it goes.
    Extended,
    /// Bind, Describe, Execute, Sync of a prepared statement, as fast as it goes.
    Prepared,
    /// A simple Query at this many per second over all connections; latency counts from the intended start, so a
    /// stalled answer counts for all that should have been asked meanwhile (no coordinated omission).
    Open(u32),
    /// Rows of a big SELECT.
    Bulk(Flow),
    /// A big COPY TO STDOUT.
    Copy,
    /// 500 MB of rows, and of COPY TO STDOUT: one operation, however long.
    Large,
    LargeCopy,
    /// Rows of 1 KiB by COPY FROM STDIN, a thousand an operation.
    CopyIn,
    /// Rows of the table that the worker was told of.
    Table,
    /// pgbench's transaction, TPC-B-like: three updates, a select, an insert.
    Tpcb,
    /// One more connection asks for 100 MB and reads nothing; it stays until the next `Close`.
    Stall,
    /// Simple queries on all connections but the first, which reads a big SELECT meanwhile.
    Beside,
    /// Connect, one query, close.
    Connect,
    /// The statement that waits for a person, once on each connection.
    Held,
    /// Opens so many connections as there are and asks one small query on each; they stay.
    Idle,
    /// Reads a result of 1 MiB on each of those.
    IdleBulk,
    /// The answer to one big SELECT, not timed: what it is, as a sum.
    Check(Flow),
    /// Closes all connections.
    Close,
}

const WORDS: [(Work, &str); 15] = [
    (Work::Simple, "simple"),
    (Work::Extended, "extended"),
    (Work::Prepared, "prepared"),
    (Work::Copy, "copy"),
    (Work::Large, "large"),
    (Work::LargeCopy, "large-copy"),
    (Work::CopyIn, "copy-in"),
    (Work::Table, "table"),
    (Work::Tpcb, "tpcb"),
    (Work::Stall, "stall"),
    (Work::Beside, "beside"),
    (Work::Connect, "connect"),
    (Work::Held, "held"),
    (Work::Idle, "idle"),
    (Work::IdleBulk, "idle-bulk"),
];

/// A slice: the work, on so many connections of this place, for so long.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slice {
    pub(crate) work: Work,
    /// Connections are under TLS.
    pub(crate) sealed: bool,
    pub(crate) port: u16,
    pub(crate) dbname: String,
    pub(crate) connections: u32,
    pub(crate) millis: u32,
    pub(crate) cpus: Cpus,
}

/// On which CPUs a slice's connections are made, which is what decides whose they are where there is a thread for each CPU, and on which its work
/// is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cpus {
    /// Both wherever the scheduler likes.
    Any,
    /// Made on the first, the work is kept on the second.
    Kept(u32, u32),
    /// Made on the two by turns, beginning with the first; the work is done wherever the scheduler likes.
    Spread(u32, u32),
}

impl Cpus {
    /// Where the connection of this number is made.
    pub(crate) fn connect(self, index: usize) -> Option<u32> {
        match self {
            Cpus::Any => None,
            Cpus::Kept(connect, _) => Some(connect),
            Cpus::Spread(even, odd) => Some(if index.is_multiple_of(2) { even } else { odd }),
        }
    }
}

/// Behind two CPUs between which only the connections are spread.
const SPREAD: &str = "spread";
/// In front of a work that is done under TLS.
const SEALED: &str = "sealed-";

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.sealed { SEALED } else { "" })?;
        match self.work {
            Work::Open(rate) => write!(f, "open:{rate}"),
            Work::Bulk(flow) => write!(f, "bulk:{}", flow.table()),
            Work::Check(flow) => write!(f, "check:{}", flow.table()),
            Work::Close => write!(f, "close"),
            work => write!(f, "{}", WORDS.iter().find(|(of, _)| *of == work).map_or("", |(_, word)| word)),
        }?;
        write!(f, " {} {} {} {}", self.port, self.dbname, self.connections, self.millis)?;
        match self.cpus {
            Cpus::Any => Ok(()),
            Cpus::Kept(connect, work) => write!(f, " {connect} {work}"),
            Cpus::Spread(even, odd) => write!(f, " {even} {odd} {SPREAD}"),
        }
    }
}

impl FromStr for Slice {
    type Err = String;

    fn from_str(line: &str) -> Result<Slice, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [word, port, dbname, connections, millis, ref cpus @ ..] = words[..] else {
            return Err(format!("`{line}` is no slice"));
        };
        let plain = word.strip_prefix(SEALED);
        let number = |text: &str| text.parse::<u32>().map_err(|_| format!("`{text}` is no number"));
        let cpus = match cpus {
            [] => Cpus::Any,
            [connect, work] => Cpus::Kept(number(connect)?, number(work)?),
            [even, odd, SPREAD] => Cpus::Spread(number(even)?, number(odd)?),
            _ => return Err(format!("`{line}` is no slice")),
        };
        Ok(Slice {
            work: work_of(plain.unwrap_or(word))?,
            sealed: plain.is_some(),
            port: port.parse().map_err(|_| format!("`{port}` is no port"))?,
            dbname: dbname.to_owned(),
            connections: number(connections)?,
            millis: number(millis)?,
            cpus,
        })
    }
}

fn work_of(word: &str) -> Result<Work, String> {
    let unknown = || format!("`{word}` is no work");
    let flow = |table: &str| FLOWS.iter().find(|(_, name)| *name == table).map(|(flow, _)| *flow).ok_or_else(unknown);
    match word.split_once(':') {
        Some(("open", rate)) => Ok(Work::Open(rate.parse().map_err(|_| unknown())?)),
        Some(("bulk", table)) => Ok(Work::Bulk(flow(table)?)),
        Some(("check", table)) => Ok(Work::Check(flow(table)?)),
        None if word == "close" => Ok(Work::Close),
        _ => WORDS.iter().find(|(_, name)| *name == word).map(|(work, _)| *work).ok_or_else(unknown),
    }
}

/// What came of a slice.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Latencies in nanoseconds.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) bytes: u64,
    pub(crate) micros: u64,
    /// Open loop: starts that were late by more than a millisecond.
    pub(crate) late: u64,
    /// What the bytes of a check add up to, and how often the card stands in them.
    pub(crate) sum: u64,
    pub(crate) cards: u64,
}

impl Outcome {
    pub(crate) fn new() -> Outcome {
        let latencies =
            Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap_or_else(|_| unreachable!("constant bounds"));
        Outcome { latencies, bytes: 0, micros: 0, late: 0, sum: 0, cards: 0 }
    }

    /// What another did in the same time.
    pub(crate) fn beside(&mut self, other: &Outcome) {
        let micros = self.micros.max(other.micros);
        self.after(other);
        self.micros = micros;
    }

    /// What was done after this.
    pub(crate) fn after(&mut self, other: &Outcome) {
        self.latencies += &other.latencies;
        self.bytes += other.bytes;
        self.micros += other.micros;
        self.late += other.late;
        self.sum = self.sum.wrapping_add(other.sum);
        self.cards += other.cards;
    }

    /// A quantile in microseconds.
    pub(crate) fn quantile(&self, of: f64) -> f64 {
        self.latencies.value_at_quantile(of) as f64 / 1e3
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.micros.max(1) as f64 / 1e6
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.bytes, self.micros, self.late, self.sum, self.cards)?;
        for step in self.latencies.iter_recorded() {
            write!(f, " {}:{}", step.value_iterated_to(), step.count_at_value())?;
        }
        Ok(())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(line: &str) -> Result<Outcome, String> {
        let wrong = || format!("a worker said `{}`", line.chars().take(80).collect::<String>());
        let mut words = line.split_whitespace();
        let mut number = || words.next().and_then(|w| w.parse::<u64>().ok()).ok_or_else(wrong);
        let mut outcome = Outcome {
            bytes: number()?,
            micros: number()?,
            late: number()?,
            sum: number()?,
            cards: number()?,
            ..Outcome::new()
        };
        for pair in words {
            let (value, count) = pair.split_once(':').ok_or_else(wrong)?;
            let (value, count) = (value.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
            outcome.latencies.record_n(value, count).map_err(|_| wrong())?;
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_both_ways() {
        let others = [Work::Open(8000), Work::Bulk(Flow::Wide), Work::Check(Flow::Cards), Work::Close];
        for work in WORDS.iter().map(|(work, _)| *work).chain(others) {
            for cpus in [Cpus::Any, Cpus::Kept(0, 1), Cpus::Spread(1, 0)] {
                let sealed = cpus != Cpus::Any;
                let slice =
                    Slice { work, sealed, port: 5432, dbname: "bench".to_owned(), connections: 4, millis: 200, cpus };
                assert_eq!(slice.to_string().parse::<Slice>().unwrap(), slice);
            }
        }
        let mut outcome = Outcome::new();
        outcome.latencies.record(42).unwrap();
        (outcome.bytes, outcome.sum, outcome.cards) = (7, 8, 9);
        let back: Outcome = outcome.to_string().parse().unwrap();
        assert_eq!((back.bytes, back.latencies.len(), back.latencies.max()), (7, 1, 42));
        assert_eq!((back.sum, back.cards), (8, 9));
    }

    #[test]
    fn time_adds_up_only_one_after_the_other() {
        let one = Outcome { micros: 5, bytes: 1, ..Outcome::new() };
        let (mut beside, mut after) = (one.clone(), one.clone());
        beside.beside(&one);
        after.after(&one);
        assert_eq!((beside.micros, beside.bytes, after.micros, after.bytes), (5, 2, 10, 2));
    }
}
