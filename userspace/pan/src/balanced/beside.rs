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

/// Bytes by whether they matter.
pub(crate) type Matters = [bool; 256];
/// On the left of a number it closes it or depends on more.
pub(crate) static ON_THE_LEFT: Matters = matters(true);
/// Behind a plain number the same, or it may begin the separator of a grouping that begins with the number's kept end.
pub(crate) static BEHIND: Matters = matters(false);

const fn matters(left: bool) -> Matters {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < 256 {
        let beside = of(byte as u8);
        let says = if left { beside.left } else { beside.plain };
        table[byte] = !matches!(says, Says::Open) || !left && beside.leads;
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
        for second in 0..=255 {
            for first in 0..=255 {
                assert_eq!(left_allows(second, first), candidate::left_allows(Some(second), Some(first)));
            }
        }
    }
}
