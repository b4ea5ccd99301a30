//! What a statement's two records cost in memory: stored with their checksum, hashed into the tree, their root now and then.
//!
//! Timed alone, because the product has no setting without a record. What the disk adds is measured through the service, with the
//! record in memory and on disk.

use std::time::Instant;

use audit::RecordType;
use audit::segment::{Appender, Identity, Previous, Refused, Stamp};

/// Bytes of the decision and of the outcome of a point select; together with their frames eleven blocks of SHA-256.
const DECISION: usize = 380;
const OUTCOME: usize = 150;
/// Records between two calls of the hash, as a shard that is busy hashes.
const HASHED: u64 = audit::chain::BATCH as u64;
/// Statements between two roots.
const ROOTED: u64 = 8192;
const SEGMENT: usize = 64 << 20;
const ROUNDS: usize = 5;

/// CPU nanoseconds a statement: the least of some rounds over a segment each.
pub(crate) fn nanos_per_statement() -> Result<f64, String> {
    let mut memory = vec![0; SEGMENT];
    let mut least = f64::MAX;
    for _ in 0..ROUNDS {
        memory.fill(0);
        let begin = Instant::now();
        let statements = fill(&mut memory).map_err(|refused| refused.to_string())?;
        least = least.min(begin.elapsed().as_nanos() as f64 / statements as f64);
    }
    Ok(least)
}

/// Fills a segment with the records of statements; says of how many.
fn fill(memory: &mut [u8]) -> Result<u64, Refused> {
    let identity = Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };
    let stamp = Stamp { mono_ns: 1, wall_ns: 1 };
    let mut appender = Appender::begin(memory, 0, identity, Previous::NONE, stamp)?;
    let (decision, outcome) = ([b'd'; DECISION], [b'o'; OUTCOME]);
    let mut statements = 0;
    while appender.left() > 4 * (DECISION + OUTCOME) {
        appender.append(memory, RecordType::Decision.code(), 7, stamp, &decision)?;
        appender.append(memory, RecordType::Outcome.code(), 7, stamp, &outcome)?;
        statements += 1;
        if appender.unhashed() >= HASHED {
            appender.hash(memory, HASHED);
        }
        if statements % ROOTED == 0 {
            appender.root(memory, stamp, 0)?;
        }
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_filled_with_records_of_statements() {
        let mut memory = vec![0; 4 << 20];
        let statements = fill(&mut memory).unwrap();
        let records = audit::segment::frames(&memory).count() as u64;
        assert!(statements > 4000 && records >= 2 * statements, "{statements} {records}");
    }
}
