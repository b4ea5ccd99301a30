//! One slice of work and what came of it, as lines of text between `compare` and its workers.

use std::fmt;
use std::str::FromStr;

use hdrhistogram::Histogram;

/// What a worker does for a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// A simple Query, as fast as it goes.
    Simple,
    /// Bind, Describe, Execute, Sync of a prepared statement, as fast as it goes.
    Prepared,
    /// A simple Query at this many per second over all connections; latency counts from the intended start, so a
    /// stalled answer counts for all that should have been asked meanwhile (no coordinated omission).
    Open(u32),
    /// Rows of a big SELECT.
    Rows,
    /// A big COPY TO STDOUT.
    Copy,
    /// Connect, one query, close.
    Connect,
}

/// A slice: the work, on so many connections, for so long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Slice {
    pub(crate) work: Work,
    pub(crate) connections: u32,
    pub(crate) millis: u32,
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, rate) = match self.work {
            Work::Simple => ("simple", 0),
            Work::Prepared => ("prepared", 0),
            Work::Open(rate) => ("open", rate),
            Work::Rows => ("rows", 0),
            Work::Copy => ("copy", 0),
            Work::Connect => ("connect", 0),
        };
        write!(f, "{word} {} {} {rate}", self.connections, self.millis)
    }
}

impl FromStr for Slice {
    type Err = String;

    fn from_str(line: &str) -> Result<Slice, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [word, connections, millis, rate] = words[..] else { return Err(format!("`{line}` is no slice")) };
        let number = |text: &str| text.parse::<u32>().map_err(|_| format!("`{text}` is no number"));
        let work = match word {
            "simple" => Work::Simple,
            "prepared" => Work::Prepared,
            "open" => Work::Open(number(rate)?),
            "rows" => Work::Rows,
            "copy" => Work::Copy,
            "connect" => Work::Connect,
            other => return Err(format!("`{other}` is no work")),
        };
        Ok(Slice { work, connections: number(connections)?, millis: number(millis)? })
    }
}

/// What came of a slice.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Latencies in microseconds.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) bytes: u64,
    pub(crate) micros: u64,
    /// Open loop: starts that were late by more than a millisecond.
    pub(crate) late: u64,
}

impl Outcome {
    pub(crate) fn new() -> Outcome {
        let latencies =
            Histogram::new_with_bounds(1, 60_000_000, 3).unwrap_or_else(|_| unreachable!("constant bounds"));
        Outcome { latencies, bytes: 0, micros: 0, late: 0 }
    }

    pub(crate) fn add(&mut self, other: &Outcome) {
        self.latencies += &other.latencies;
        self.bytes += other.bytes;
        self.micros = self.micros.max(other.micros);
        self.late += other.late;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.bytes, self.micros, self.late)?;
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
        let mut outcome = Outcome { bytes: number()?, micros: number()?, late: number()?, ..Outcome::new() };
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
        let slice = Slice { work: Work::Open(8000), connections: 4, millis: 200 };
        assert_eq!(slice.to_string().parse::<Slice>().unwrap(), slice);
        let mut outcome = Outcome::new();
        outcome.latencies.record(42).unwrap();
        outcome.bytes = 7;
        let back: Outcome = outcome.to_string().parse().unwrap();
        assert_eq!((back.bytes, back.latencies.len(), back.latencies.max()), (7, 1, 42));
    }
}
