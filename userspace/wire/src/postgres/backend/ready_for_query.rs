//! ReadyForQuery: the server waits for the next command.

use super::super::malformed::Malformed;
use super::super::read::Reader;

/// The server waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyForQuery {
    /// Where the transaction stands.
    pub status: TransactionStatus,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// `I`: in no transaction block.
    Idle,
    /// `T`: in a transaction block.
    Block,
    /// `E`: in a failed transaction block; all but its end is rejected.
    Failed,
}

impl TransactionStatus {
    /// The byte on the wire.
    pub fn byte(self) -> u8 {
        match self {
            TransactionStatus::Idle => b'I',
            TransactionStatus::Block => b'T',
            TransactionStatus::Failed => b'E',
        }
    }
}

impl ReadyForQuery {
    /// Parses a whole body.
    pub fn parse(body: &[u8]) -> Result<ReadyForQuery, Malformed> {
        let mut reader = Reader::new(body);
        let status = match reader.u8()? {
            b'I' => TransactionStatus::Idle,
            b'T' => TransactionStatus::Block,
            b'E' => TransactionStatus::Failed,
            _ => return Err(Malformed::TransactionStatus),
        };
        reader.end()?;
        Ok(ReadyForQuery { status })
    }
}
