//! Find and mask card numbers in place.
//!
//! * [`Scanner`] masks one value by content as it streams; [`mask_text`] does so with the whole value at hand. [`naive`] is the oracle.
//! * [`mask_int8`] and [`mask_numeric`] do it for binary forms, where the type says what the bytes are.
//! * [`WholeScanner`], [`mask_whole_text`] and their kin mask a column that policy names sensitive, whatever it holds.
//! * [`Suspects`] says where in a buffer of many values one needs a look, [`clean_prefix`] up to where none does.
//! * [`card_numbers`] tells the numbers of a text by their digits, for whoever makes a keyed token of them.
//! * [`Masked`] is text that the strict scan has been over, the only text that may be written down.
//!
//! Content detection is *balanced*: issuer range, length and check digit of a whole run of digits or a printed grouping, with rules on what
//! may stand beside it. The rules and their cost in false masks are in `iin.csv`, [`naive`] and the tests. Who chooses the text of a value can evade
//! them (a letter beside the number is enough); columns that must not leak are named in policy. Masking never changes a length.

#![deny(unsafe_code)] // allowed below arch alone

mod arch;
mod balanced;
mod engine;
mod hex;
mod iin;
mod integer;
mod json;
mod keep;
mod luhn;
mod masked;
pub mod naive;
mod numeric;
mod scanner;
mod separator;
pub mod strict;
mod whole;

use balanced::alone::{self, Alone};

pub use arch::{BACKEND_VARIABLE, Backend};
pub use balanced::prefix::{Suspects, clean_prefix};
pub use engine::{Engine, Mode, Prefix, Settings, Unfit};
pub use integer::{mask_int8, whole_int4, whole_int8};
pub use keep::Keep;
pub use masked::{Masked, MaskedBytes};
pub use numeric::{Malformed, mask_numeric, whole_numeric};
pub use scanner::{Scan, Scanner};
pub use strict::card_numbers;
pub use whole::{Whole, WholeScanner, mask_whole_text};

/// How a hidden digit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A star.
    Text,
    /// Digits that keep the length and fail the check digit, computed from the kept digits alone. What is no number (a printed grouping, the
    /// rest of a track) gets stars.
    Number,
    /// [`Fill::Text`] inside a JSON string, [`Fill::Number`] outside.
    Json,
    /// The bytes are the hex text of a bytea (`\x3431…`): pairs are decoded, masked as text, encoded again. Anything else is scanned as text.
    Hex,
}

/// Masks a whole value by content; returns the number of cards. The same as a [`Scanner`] fed once.
pub fn mask_text(value: &mut [u8], fill: Fill) -> u32 {
    if fill == Fill::Text {
        match alone::mask(Engine::current(), value) {
            Alone::Card => return 1,
            Alone::Number => return 0,
            Alone::Other => {}
        }
    }
    Scanner::new(fill).scan(value, true).cards
}

/// How often a test compares: Miri takes some thousand times as long.
#[cfg(test)]
pub(crate) const fn times(count: usize) -> usize {
    if cfg!(miri) { count.div_ceil(200) } else { count }
}
