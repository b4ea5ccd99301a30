//! The name of a record, as an agent sees it in an error's DETAIL and an operator types it.
use std::fmt;
use std::str::FromStr;

/// Which record: the shard that wrote it and its place in that shard's series. Displayed as `shard-seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The shard; [`crate::segment::SERVICE_SHARD`] for the service's own series.
    pub shard: u16,
    /// The place in the shard's series, from 1.
    pub seq: u64,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.shard, self.seq)
    }
}

/// The text is no record id: `shard-seq`, both decimal without sign or leading zero, seq from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedId;

impl fmt::Display for MalformedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record id looks like 3-1042: the shard, a dash, the record's number from 1")
    }
}

impl std::error::Error for MalformedId {}

impl FromStr for RecordId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<RecordId, MalformedId> {
        let (shard, seq) = text.split_once('-').ok_or(MalformedId)?;
        let seq: u64 = decimal(seq)?;
        if seq == 0 {
            return Err(MalformedId);
        }
        Ok(RecordId { shard: decimal(shard)?, seq })
    }
}

/// One number in its only spelling, so that one record has one name.
fn decimal<N: FromStr + ToString>(text: &str) -> Result<N, MalformedId> {
    let number: N = text.parse().map_err(|_| MalformedId)?;
    if number.to_string() == text { Ok(number) } else { Err(MalformedId) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_displayed_is_parsed() {
        for id in [RecordId { shard: 0, seq: 1 }, RecordId { shard: u16::MAX, seq: u64::MAX }] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "", "-", "1", "1-", "-1", "1-0", "01-1", "1-01", "+1-1", "1-+1", "1-1 ", " 1-1", "65536-1", "1-2-3", "1--2",
        ] {
            assert_eq!(text.parse::<RecordId>(), Err(MalformedId), "{text:?}");
        }
        assert_eq!("0-18446744073709551616".parse::<RecordId>(), Err(MalformedId));
    }
}
