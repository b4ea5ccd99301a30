//! What stands at a place of the text, read as digits: one digit in any of its encodings, one separator, or something else.

/// One reading of the bytes at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A digit of this value, so many bytes long.
    Digit(u8, usize),
    /// What may stand between two digits of one number.
    Separator(usize),
    Other(usize),
    /// It depends on bytes that have not come yet.
    More,
}

/// The token at `at`, where a byte stands. `json`: an escape `\uXXXX` is one token whatever it writes, so that its own digits are never
/// overwritten.
pub(super) fn at(bytes: &[u8], at: usize, last: bool, json: bool) -> Token {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(&first) = rest.first() else { return Token::More };
    match first {
        b'0'..=b'9' => Token::Digit(first - b'0', 1),
        b' ' | b'-' | b'.' | b'_' | b'/' | b'\t' | b'\n' | b'\r' | 0xa0 => Token::Separator(1),
        b'%' if rest.len() < 4 && !last => Token::More,
        b'%' => percent(rest),
        b'\\' => escape(rest, last, json),
        0xc2 | 0xd9 | 0xdb => whole(rest, 2, last).unwrap_or_else(|| two(rest)),
        0xe2 | 0xe3 | 0xef => whole(rest, 3, last).unwrap_or_else(|| three(rest)),
        _ => Token::Other(1),
    }
}

/// The answer when fewer than `length` bytes are at hand.
fn whole(rest: &[u8], length: usize, last: bool) -> Option<Token> {
    (rest.len() < length).then_some(if last { Token::Other(1) } else { Token::More })
}

fn two(rest: &[u8]) -> Token {
    match *rest {
        [0xd9, byte @ 0xa0..=0xa9, ..] => Token::Digit(byte - 0xa0, 2),
        [0xdb, byte @ 0xb0..=0xb9, ..] => Token::Digit(byte - 0xb0, 2),
        [0xc2, 0xa0 | 0xad, ..] => Token::Separator(2),
        _ => Token::Other(1),
    }
}

fn three(rest: &[u8]) -> Token {
    match *rest {
        [0xef, 0xbc, byte @ 0x90..=0x99, ..] => Token::Digit(byte - 0x90, 3),
        [0xe2, 0x80, 0x80..=0x95 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f | 0xa0, ..]
        | [0xe2, 0x88, 0x92, ..]
        | [0xe3, 0x80, 0x80, ..]
        | [0xef, 0xbb, 0xbf, ..] => Token::Separator(3),
        _ => Token::Other(1),
    }
}

/// `%34`, or the separator `%20` and its like. Before a plain digit it is a percent sign (`LIKE '%37…'`): the digits are read as they stand.
fn percent(rest: &[u8]) -> Token {
    match *rest {
        [_, b'3', b'0'..=b'9', b'0'..=b'9', ..] => Token::Other(1),
        [_, b'3', byte @ b'0'..=b'9', ..] => Token::Digit(byte - b'0', 3),
        [_, high, low, ..] if is_separator_pair(high, low) => Token::Separator(3),
        _ => Token::Other(1),
    }
}

/// Two hex digits that write a separator of one byte.
pub(super) fn is_separator_pair(high: u8, low: u8) -> bool {
    matches!(
        (high, low),
        (b'2', b'0' | b'd' | b'D' | b'e' | b'E' | b'f' | b'F')
            | (b'5', b'f' | b'F')
            | (b'0', b'9' | b'a' | b'A' | b'd' | b'D')
            | (b'a' | b'A', b'0')
    )
}

/// `\u0034`, a separator written so, or the escape of a white space.
fn escape(rest: &[u8], last: bool, json: bool) -> Token {
    match *rest {
        [_] if !last => Token::More,
        [_, b'n' | b'r' | b't' | b'/', ..] => Token::Separator(2),
        [_, b'u', ..] => unicode(rest, last, json),
        _ => Token::Other(1),
    }
}

fn unicode(rest: &[u8], last: bool, json: bool) -> Token {
    let mut code = 0;
    for index in 2..6 {
        let Some(&byte) = rest.get(index) else { return if last { Token::Other(1) } else { Token::More } };
        let Some(digit) = char::from(byte).to_digit(16) else { return Token::Other(1) };
        code = code << 4 | digit;
    }
    match code {
        0x30..=0x39 => Token::Digit((code - 0x30) as u8, 6),
        0x09 | 0x0a | 0x0d | 0x20 | 0x2d | 0x2e | 0x2f | 0x5f | 0xa0 | 0xad => Token::Separator(6),
        0x2000..=0x2015 | 0x202f | 0x205f | 0x2060 | 0x2212 | 0x3000 | 0xfeff => Token::Separator(6),
        _ if json => Token::Other(6),
        _ => Token::Other(1),
    }
}

/// Overwrites the digit that begins with `token`'s first byte by what stands for a star in its own encoding; returns its length.
pub(super) fn star(token: &mut [u8]) -> usize {
    let with: &[u8] = match token {
        [b'%', ..] => b"%2a",
        [b'\\', ..] => b"\\u002a",
        [0xef, ..] => b"***",
        [0xd9 | 0xdb, ..] => b"**",
        _ => b"*",
    };
    token.iter_mut().zip(with).for_each(|(byte, with)| *byte = *with);
    with.len()
}
