//! Are we inside a JSON string? Two bits of state over the bytes; nothing is parsed, so nothing can be malformed.

/// Where the bytes read so far end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strings {
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// Goes over `bytes`.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.step(byte);
        }
    }

    /// Goes over one byte; says whether it belongs to a string's content or to its closing quote.
    pub(crate) fn step(&mut self, byte: u8) -> bool {
        let was = self.inside;
        let opens_escape = byte == b'\\' && self.inside && !self.escaped;
        self.inside ^= byte == b'"' && !self.escaped;
        self.escaped = opens_escape;
        was
    }

    pub(crate) fn inside(self) -> bool {
        self.inside
    }
}
