//! What Describe and Close name.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// One of the two name spaces of the extended query protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A prepared statement: byte `S`.
    Statement,
    /// A portal: byte `P`.
    Portal,
}

impl Kind {
    /// The byte on the wire.
    pub fn byte(self) -> u8 {
        match self {
            Kind::Statement => b'S',
            Kind::Portal => b'P',
        }
    }
}

/// A prepared statement or portal by name; the empty name is the unnamed one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// Which of the two.
    pub kind: Kind,
    /// Its name.
    pub name: &'a [u8],
}

opaque_debug!(Target);

impl<'a> Target<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Target<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let kind = match reader.u8()? {
            b'S' => Kind::Statement,
            b'P' => Kind::Portal,
            _ => return Err(Malformed::Target),
        };
        Ok(Target { kind, name: reader.last_string()? })
    }
}
