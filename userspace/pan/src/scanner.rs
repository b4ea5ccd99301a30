//! The streaming scan of one value: finds card numbers by content and masks them in place, holding back only what could be part of one.

use crate::{Engine, Fill, Mode, balanced, hex, strict};

/// What one call of [`Scanner::scan`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Cards found. Each is counted once, however the value was cut.
    pub cards: u32,
    /// How many bytes at the end are not final yet.
    pub hold: usize,
}

/// Scans one value as it streams. Small, no heap; a fresh one per value.
#[derive(Clone, Copy)]
pub struct Scanner {
    engine: &'static Engine,
    mode: Mode,
    fill: Fill,
    hex: Hex,
    text: Text,
}

impl Scanner {
    /// The most bytes that `scan` may hold back in any mode: what the mode's scan of text holds, in hex two digits to the byte, and half a
    /// pair.
    pub const HOLD_MAX: usize = 2 * TEXT_HOLD_MAX + 1;

    /// A balanced scanner at the beginning of a value.
    pub fn new(fill: Fill) -> Scanner {
        Scanner::of(Mode::Balanced, fill)
    }

    /// A scanner of this mode at the beginning of a value.
    pub fn of(mode: Mode, fill: Fill) -> Scanner {
        Scanner::with_mode(Engine::current(), mode, fill)
    }

    /// A balanced scanner with settings other than the process's.
    pub fn with(engine: &'static Engine, fill: Fill) -> Scanner {
        Scanner::with_mode(engine, Mode::Balanced, fill)
    }

    /// A scanner of this mode with settings other than the process's.
    pub fn with_mode(engine: &'static Engine, mode: Mode, fill: Fill) -> Scanner {
        let text = Text::new(engine, mode, if fill == Fill::Hex { Fill::Text } else { fill });
        Scanner { engine, mode, fill, hex: Hex::Start, text }
    }

    /// Masks in place. `bytes` are the bytes held back by the previous call followed by new ones; all but the last `hold` are final and
    /// may leave. The caller presents the held ones again in front of the next. `last`: the value ends with `bytes`, and nothing is held.
    pub fn scan(&mut self, bytes: &mut [u8], last: bool) -> Scan {
        match self.fill {
            Fill::Hex => self.scan_hex(bytes, last),
            Fill::Text | Fill::Number | Fill::Json => self.text.scan(bytes, last),
        }
    }

    fn scan_hex(&mut self, bytes: &mut [u8], last: bool) -> Scan {
        let mut at = 0;
        if self.hex == Hex::Start {
            match *bytes {
                [] | [b'\\'] if !last => return Scan { cards: 0, hold: bytes.len() },
                [b'\\', b'x', ..] => (self.hex, at) = (Hex::Pairs, 2),
                _ => self.hex = Hex::Not,
            }
        }
        let mut cards = 0;
        while self.hex == Hex::Pairs {
            let rest = bytes.get_mut(at..).unwrap_or_default();
            let window = self.scan_window(rest, last);
            (cards, at) = (cards + window.cards, at + window.done);
            if window.whole {
                return Scan { cards, hold: if last { 0 } else { bytes.len() - at } };
            }
        }
        let text = self.text.scan(bytes.get_mut(at..).unwrap_or_default(), last);
        Scan { cards: cards + text.cards, hold: text.hold }
    }

    /// Decodes a window of pairs, masks it as text and writes back what changed. What is no hex ends the decoded value and is text itself.
    fn scan_window(&mut self, bytes: &mut [u8], last: bool) -> Window {
        let (mut decoded, mut count) = ([0; WINDOW], 0);
        let (pairs, rest) = bytes.as_chunks_mut::<2>();
        let here = pairs.len().min(WINDOW);
        for (slot, &mut [high, low]) in decoded.iter_mut().zip(pairs.iter_mut()) {
            let Some(byte) = hex::decode(high, low) else { break };
            *slot = byte;
            count += 1;
        }
        let broken = count < here;
        let all = count == pairs.len();
        let ends = broken || (last && all);
        let before = decoded;
        let scan = self.text.scan(decoded.get_mut(..count).unwrap_or_default(), ends);
        for ((pair, old), new) in pairs.iter_mut().zip(before).zip(decoded).take(count) {
            if old != new {
                *pair = hex::encode(new);
            }
        }
        if broken || (last && all && !rest.is_empty()) {
            (self.hex, self.text) = (Hex::Not, Text::new(self.engine, self.mode, Fill::Text));
            return Window { cards: scan.cards, done: count * 2, whole: false };
        }
        Window { cards: scan.cards, done: (count - scan.hold) * 2, whole: all }
    }
}

/// Pairs decoded at a time; a window holds more than the text scan may hold back, so it always goes on.
const WINDOW: usize = 512;
const TEXT_HOLD_MAX: usize = if strict::HOLD_MAX > balanced::HOLD_MAX { strict::HOLD_MAX } else { balanced::HOLD_MAX };
const _: () = assert!(WINDOW > 2 * TEXT_HOLD_MAX && Scanner::HOLD_MAX <= 512);

/// The scan of text, by mode.
#[derive(Clone, Copy)]
enum Text {
    Balanced(balanced::Text),
    Strict(strict::Text),
}

impl Text {
    /// `fill` is not [`Fill::Hex`].
    fn new(engine: &'static Engine, mode: Mode, fill: Fill) -> Text {
        match mode {
            Mode::Balanced => Text::Balanced(balanced::Text::new(engine, fill)),
            Mode::Strict => Text::Strict(strict::Text::new(engine, fill)),
        }
    }

    fn scan(&mut self, bytes: &mut [u8], last: bool) -> Scan {
        match self {
            Text::Balanced(text) => text.scan(bytes, last),
            Text::Strict(text) => text.scan(bytes, last),
        }
    }
}

struct Window {
    cards: u32,
    /// Bytes of hex text that are final.
    done: usize,
    /// The window reached the end of the bytes.
    whole: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hex {
    Start,
    Pairs,
    /// Written in another form (`bytea_output = escape`), or broken: scanned as text.
    Not,
}
