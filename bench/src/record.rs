//! What a statement's two records cost in memory: encoded, stored with their checksum, hashed into the tree, their root now and then, and
//! what was written is made zero again.
//!
//! Timed alone, because the product has no setting without a record. What the disk adds is measured through the service, with the
//! record in memory and on disk.

use std::time::Instant;

use audit::segment::{Appender, Identity, Previous, Refused, Stamp, Window};
use audit::token::CardTokens;
use audit::{
    Actor, ActorPart, Decided, Event, Masked, Outcome, RecordId, RecordType, Statement, StatementPart, Text, Verdict,
    VerdictFacts, VerdictPart, encode,
};

use crate::answers;

/// Records between two calls of the hash, as a shard that is busy hashes.
const HASHED: u64 = 4 * audit::chain::BATCH as u64;
/// Statements between two roots.
const ROOTED: u64 = 8192;
/// Statements between two fsyncs: what one connection does in 8 ms.
const SYNCED: u64 = 160;
const SEGMENT: usize = 64 << 20;
/// Writes are of whole pages, and what is stored into is far longer than what comes together for one.
const PAGE: usize = 4096;
const REGION: usize = 1 << 20;
const ROUNDS: usize = 5;

/// CPU nanoseconds a statement: the least of some rounds over a segment each.
pub(crate) fn nanos_per_statement() -> Result<f64, String> {
    let parts = Parts::of_a_select();
    let mut least = f64::MAX;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let statements = fill(SEGMENT, &parts, |_, _| {}).map_err(|refused| refused.to_string())?;
        least = least.min(begin.elapsed().as_nanos() as f64 / statements as f64);
    }
    Ok(least)
}

/// What is encoded once: of a session, of a statement, of a verdict.
struct Parts {
    actor: ActorPart,
    statement: StatementPart,
    verdict: VerdictPart,
}

impl Parts {
    /// Of the select that the cases of prepared statements run, as it is recorded through the service.
    fn of_a_select() -> Parts {
        let names = ["load", "bench", "app", "read", "b63d57a38717d3ab"].map(Masked::of);
        let [agent, database, user, rule, policy] = names.each_ref().map(Text::Masked);
        let here = |port| ([127, 0, 0, 1], port).into();
        let actor = Actor {
            agent,
            cgroup: 217_428,
            pid: 8_699,
            uid: 65_534,
            exe_device: 65_024,
            exe_inode: 5_704_017,
            exe_name: database,
            agent_address: here(41_060),
            database,
            database_address: here(27_880),
            dbname: Some(database),
            database_user: Some(user),
            application: None,
            certificate: None,
            signed: None,
        };
        let (text, tables, tokens) = (Masked::of(answers::POINT), [Masked::of("bench_small")], CardTokens::default());
        let statement = Statement {
            kinds: &["select"],
            tables: &tables,
            text: Text::Masked(&text),
            text_bytes: answers::POINT.len() as u64,
            redacted: false,
            tokens: &tokens,
        };
        let verdict = VerdictFacts { verdict: Verdict::Allow, rule: Some(rule), reason: None, policy };
        Parts {
            actor: ActorPart::of(&actor),
            statement: StatementPart::of(&statement),
            verdict: VerdictPart::of(&verdict),
        }
    }

    fn decision(&self, number: u64) -> Event<'_> {
        Event::Decision(Decided {
            actor: &self.actor,
            statement: &self.statement,
            verdict: &self.verdict,
            parameters: None,
            request: "execute",
            approval: None,
            reveal: None,
            number,
        })
    }

    fn outcome(&self, seq: u64, number: u64) -> Event<'_> {
        Event::Outcome(Outcome {
            actor: &self.actor,
            decision: RecordId { shard: 0, seq },
            success: true,
            sqlstate: None,
            cause: None,
            rows: 1,
            bytes: 110,
            masked: 0,
            sensitive: 0,
            duration_ns: 17_000,
            result_follows: false,
            number,
        })
    }
}

/// What is stored into, and what was before: as the regions of the service's journal.
struct Regions {
    active: Vec<u8>,
    other: Vec<u8>,
    at: usize,
    size: usize,
}

impl Regions {
    fn window(&mut self) -> Window<'_> {
        let len = self.active.len().min(self.size - self.at);
        Window::new(self.at, &mut self.active[..len])
    }

    /// The bytes up to `end` are written, and what comes is stored behind them.
    fn turn(&mut self, end: usize, write: &mut impl FnMut(usize, &[u8])) {
        let (page, len) = (end / PAGE * PAGE - self.at, end % PAGE);
        self.other[..len].copy_from_slice(&self.active[page..page + len]);
        let written = &mut self.active[..(end - self.at).next_multiple_of(PAGE)];
        write(self.at, written);
        written.fill(0);
        std::mem::swap(&mut self.active, &mut self.other);
        self.at += page;
    }
}

/// Fills a segment with the records of statements; says of how many. `write` is given what a write would be: from which byte on, and the bytes.
fn fill(size: usize, parts: &Parts, mut write: impl FnMut(usize, &[u8])) -> Result<u64, Refused> {
    let identity = Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };
    let stamp = Stamp { mono_ns: 1, wall_ns: 1 };
    let mut regions = Regions { active: vec![0; REGION], other: vec![0; REGION], at: 0, size };
    let mut appender = Appender::begin_of(size, regions.window(), 0, identity, Previous::NONE, stamp)?;
    let (mut payload, mut statements) = (Vec::new(), 0);
    while appender.left() > 4096 {
        payload.clear();
        encode(&parts.decision(2 * statements + 1), &mut payload);
        let seq = appender.append(regions.window(), RecordType::Decision.code(), 7, stamp, &payload)?;
        payload.clear();
        encode(&parts.outcome(seq, 2 * statements + 2), &mut payload);
        appender.append(regions.window(), RecordType::Outcome.code(), 7, stamp, &payload)?;
        statements += 1;
        if appender.unhashed() >= HASHED {
            appender.hash(regions.window(), HASHED);
        }
        if statements % ROOTED == 0 {
            appender.root(regions.window(), stamp, 0)?;
        }
        if statements % SYNCED == 0 {
            appender.hash(regions.window(), u64::MAX);
            regions.turn(appender.end(), &mut write);
        }
    }
    regions.turn(appender.end(), &mut write);
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_filled_with_records_of_statements() {
        let mut segment = vec![0; 4 << 20];
        let write = |at: usize, bytes: &[u8]| segment[at..at + bytes.len()].copy_from_slice(bytes);
        let statements = fill(4 << 20, &Parts::of_a_select(), write).unwrap();
        let frames: Vec<_> = audit::segment::frames(&segment).collect();
        assert!(statements > 4000 && frames.len() as u64 >= 2 * statements, "{statements} {}", frames.len());
        // As long as those in a segment of the service that `bench micro` had run through (229 and 140 to 149, 2026-11-27).
        let of = |kind: RecordType| frames.iter().filter(move |frame| frame.kind == kind.code());
        let all_in =
            |kind, range: std::ops::RangeInclusive<usize>| of(kind).all(|frame| range.contains(&frame.bytes().len()));
        assert!(all_in(RecordType::Decision, 226..=232) && all_in(RecordType::Outcome, 136..=149));
    }
}
