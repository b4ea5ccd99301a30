//! What may stand beside a number, byte by byte, as a table: most bytes say yes or no at once.

use crate::balanced::candidate;

/// What a byte says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// A card may be here.
    Open,
    /// No card.
    Closed,
    /// It depends on more than this byte.
    Depends,
    /// It may begin the rest of track 2.
    Track2,
    /// It may end the number of track 1.
    Track1,
}

/// Of each byte what it says on the left, behind a plain run, and behind a grouping.
#[derive(Clone, Copy)]
pub(crate) struct Beside {
    pub(crate) left: Says,
    pub(crate) plain: Says,
    pub(crate) group: Says,
    /// It may begin a separator.
    pub(crate) leads: bool,
}

/// The table.
pub(crate) static BESIDE: [Beside; 256] = table();

/// No card.
pub(crate) const CLOSED: u8 = 1;
/// More than this byte has to be looked at.
pub(crate) const CLOSER: u8 = 2;
/// It may begin a separator.
pub(crate) const LEADS: u8 = 4;

/// It may begin the rest of track 1, or of track 2; there it may be a letter.
pub(crate) const TRACK_1: u8 = 16;
pub(crate) const TRACK_2: u8 = 32;
pub(crate) const LETTER: u8 = 64;

/// Of each byte what it says, as these bits.
pub(crate) type Flags = [u8; 256];
/// On the left of a number.
pub(crate) static LEFT: Flags = flags(Side::Left, 0, false);
/// Behind a plain number; it may begin the separator of a grouping that begins with the number's kept end.
pub(crate) static PLAIN: Flags = flags(Side::Plain, CLOSER, false);
/// The same, which is told apart.
pub(crate) static PLAIN_THEN: Flags = flags(Side::Plain, LEADS, true);
/// Behind a grouping.
pub(crate) static GROUP_THEN: Flags = flags(Side::Group, LEADS, true);

#[derive(Clone, Copy)]
enum Side {
    Left,
    Plain,
    Group,
}

/// `leads`: what is said besides of a byte that may begin a separator. `tracks`: what may begin the rest of one is told apart.
const fn flags(side: Side, leads: u8, tracks: bool) -> Flags {
    let (mut table, mut byte) = ([0; 256], 0);
    while byte < 256 {
        let beside = of(byte as u8);
        let says = match side {
            Side::Left => beside.left,
            Side::Plain => beside.plain,
            Side::Group => beside.group,
        };
        table[byte] = match says {
            Says::Closed => CLOSED,
            Says::Open if beside.leads => leads,
            Says::Open => 0,
            Says::Track1 if tracks => TRACK_1,
            Says::Track2 if tracks && byte != b'=' as usize => TRACK_2 | LETTER,
            Says::Track2 if tracks => TRACK_2,
            _ => CLOSER,
        };
        byte += 1;
    }
    table
}

const fn table() -> [Beside; 256] {
    let mut table = [Beside { left: Says::Open, plain: Says::Open, group: Says::Open, leads: false }; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = of(byte as u8);
        byte += 1;
    }
    table
}

const fn of(byte: u8) -> Beside {
    let left = match byte {
        b'.' | b'B' | b'b' | b'n' | b'r' | b't' | b'f' | b'v' => Says::Depends,
        b'+' => Says::Closed,
        byte if byte.is_ascii_alphanumeric() => Says::Closed,
        _ => Says::Open,
    };
    let plain = match byte {
        b'D' | b'd' | b'=' => Says::Track2,
        b'^' => Says::Track1,
        byte if byte.is_ascii_alphanumeric() => Says::Closed,
        _ => Says::Open,
    };
    let group = match byte {
        b'=' => Says::Track2,
        b'^' => Says::Track1,
        b'0'..=b'9' => Says::Depends,
        byte if byte.is_ascii_alphabetic() => Says::Closed,
        _ => Says::Open,
    };
    let leads = matches!(byte, b' ' | b'-' | b'.' | 0xa0 | 0xc2 | 0xe2 | 0xe3);
    Beside { left, plain, group, leads }
}

/// [`candidate::left_allows`] by two bytes, as sets that have to meet: of the first what has to be said of the second, and what is said of that.
static FIRST: Flags = first();
static SECOND: Flags = second();
const ANYTHING: u8 = 1;
const NO_DIGIT: u8 = 2;
const PERCENT: u8 = 4;
const BACKSLASH: u8 = 8;

const fn first() -> Flags {
    let (mut table, mut byte) = ([0; 256], 0);
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'.' => NO_DIGIT,
            b'B' => PERCENT,
            b'b' => PERCENT | BACKSLASH,
            b'n' | b'r' | b't' | b'f' | b'v' => BACKSLASH,
            byte if matches!(of(byte).left, Says::Open) => ANYTHING,
            _ => 0,
        };
        byte += 1;
    }
    table
}

const fn second() -> Flags {
    let (mut table, mut byte) = ([ANYTHING; 256], 0);
    while byte < 256 {
        table[byte] |= match byte as u8 {
            b'0'..=b'9' | b'*' => 0,
            b'%' => NO_DIGIT | PERCENT,
            b'\\' => NO_DIGIT | BACKSLASH,
            _ => NO_DIGIT,
        };
        byte += 1;
    }
    table
}

/// The same without a branch, as [`CLOSED`] or nothing, where a digit on the left is a hidden one.
#[inline(always)]
pub(crate) fn group_left_flag(second: u8, first: u8) -> u8 {
    left_flag(second, first) & !(u8::from(first.is_ascii_digit()) * CLOSED)
}

/// The same without a branch, as [`CLOSED`] or nothing.
#[inline(always)]
pub(crate) fn left_flag(second: u8, first: u8) -> u8 {
    if FIRST[usize::from(first)] & SECOND[usize::from(second)] == 0 { CLOSED } else { 0 }
}

/// Whether the two bytes on the left allow a card.
#[inline(always)]
pub(crate) fn left_allows(second: u8, first: u8) -> bool {
    match BESIDE[usize::from(first)].left {
        Says::Open => true,
        Says::Closed => false,
        Says::Depends | Says::Track1 | Says::Track2 => candidate::left_allows(Some(second), Some(first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_left_side_says_what_the_rule_says() {
        for second in (0..=255).step_by(if cfg!(miri) { 17 } else { 1 }) {
            for first in 0..=255 {
                let allows = candidate::left_allows(Some(second), Some(first));
                assert_eq!(left_allows(second, first), allows);
                assert_eq!(left_flag(second, first) == 0, allows);
            }
        }
    }
}
