//! The oracle: the same results as the scanner, said as plainly as we can. Whole value at hand, one position after the other.
//!
//! The rule in one sentence: going left to right, a number is judged by what stands left of it in the *output* (so what we hid counts as
//! hidden) and by what stands right of it in the *input*. Then the output, scanned again, holds no card.

use crate::{Engine, Fill, balanced::iban, hex};

/// Masks a whole value; returns the number of cards found.
pub fn mask_text(value: &mut [u8], fill: Fill) -> u32 {
    mask_text_with(Engine::current(), value, fill)
}

/// The same with settings other than the process's.
pub fn mask_text_with(engine: &Engine, value: &mut [u8], fill: Fill) -> u32 {
    if fill == Fill::Hex {
        return mask_hex(engine, value);
    }
    let (input, in_string) = (value.to_vec(), strings(value));
    let mut hidden = vec![false; value.len()];
    let mut tail: Option<(usize, Tail)> = None;
    let (mut cards, mut i) = (0, 0);
    while i < input.len() {
        if let Some((from, kind)) = tail.filter(|&(from, _)| from == i) {
            i = mask_tail(value, from, kind);
            tail = None;
            continue;
        }
        let starred = fill == Fill::Text || (fill == Fill::Json && in_string[i]);
        if !hidden[i]
            && let Some(card) = card_at(engine, &input, value, i, starred)
        {
            cards += 1;
            let mut digits: Vec<u8> = card.iter().map(|&at| input[at] - b'0').collect();
            engine.keep.fill_number(&mut digits);
            let plain = card.last().copied() == Some(i + card.len() - 1);
            for (index, &at) in card.iter().enumerate().filter(|(index, _)| engine.keep.hides(*index, card.len())) {
                hidden[at] = true;
                value[at] = if starred || !plain { b'*' } else { b'0' + digits[index] };
            }
            tail = tail.or(tail_of(&input, value, i, card[card.len() - 1] + 1, plain));
        }
        i += 1;
    }
    cards
}

#[derive(Clone, Copy, PartialEq)]
enum Tail {
    Digits,
    Track1,
}

/// The positions of the digits of the card that starts at `i`, if one does.
fn card_at(engine: &Engine, input: &[u8], output: &[u8], i: usize, starred: bool) -> Option<Vec<usize>> {
    if !input[i].is_ascii_digit() || !left_allows(&output[..i]) {
        return None;
    }
    let run = run_at(input, i);
    let plain: Vec<usize> = (i..i + run).collect();
    if valid(engine, input, &plain) && right_allows(&input[i + run..], true) {
        return Some(plain);
    }
    [&[4, 4, 4, 4, 3][..], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 5]].iter().find_map(|shape| {
        let separator = separator_at(&input[i + 4.min(run)..])?;
        let (mut digits, mut at, mut group) = (Vec::new(), i, i);
        for (index, &count) in shape.iter().enumerate() {
            if index > 0 {
                at += separator.len();
                if !input.get(at - separator.len()..)?.starts_with(separator) {
                    return None;
                }
            }
            let run = run_at(input, at);
            let ends_in_next_card =
                index + 1 == shape.len() && starred && separator != b"." && begins_next_card(engine, input, at, count);
            if run != count && !ends_in_next_card {
                return None;
            }
            digits.extend(at..at + count);
            (group, at) = (at, at + count);
        }
        let fours = shape.len() >= 4;
        let end_is_free = run_at(input, group) > at - group || right_allows(&input[at..], false);
        (valid(engine, input, &digits) && end_is_free && !(fours && in_iban(&output[..i], separator))).then_some(digits)
    })
}

/// A plain card right behind a grouping shows its first digits; where those would complete the grouping they count as its last group,
/// because in the output they will stand alone.
fn begins_next_card(engine: &Engine, input: &[u8], at: usize, count: usize) -> bool {
    let run = run_at(input, at);
    let plain: Vec<usize> = (at..at + run).collect();
    engine.keep.first(run) == count && valid(engine, input, &plain) && right_allows(&input[at + run..], true)
}

fn valid(engine: &Engine, input: &[u8], at: &[usize]) -> bool {
    let digits: Vec<u8> = at.iter().map(|&at| input[at] - b'0').collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &d)| u32::from(if i % 2 == 0 { d } else { d * 2 / 10 + d * 2 % 10 }))
        .sum();
    engine.heads.balanced(&digits).contains(digits.len()) && sum.is_multiple_of(10)
}

fn run_at(input: &[u8], at: usize) -> usize {
    input.get(at..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn left_allows(left: &[u8]) -> bool {
    match *left {
        [.., b'0'..=b'9'] | [.., b'+'] | [.., b'0'..=b'9' | b'*', b'.'] => false,
        [.., b'%', b'B' | b'b'] | [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f' | b'v'] => true,
        [.., letter] => !letter.is_ascii_alphabetic(),
        [] => true,
    }
}

fn right_allows(right: &[u8], plain: bool) -> bool {
    match *right {
        [b'D', b'0'..=b'9', ..] if plain => true,
        [b'd', b'0'..=b'9', b'0'..=b'9', b'0', b'1'..=b'9', ..] if plain => true,
        [b'd', b'0'..=b'9', b'0'..=b'9', b'1', b'0'..=b'2', ..] if plain => true,
        [byte, ..] => !byte.is_ascii_alphanumeric(),
        [] => true,
    }
}

fn separator_at(input: &[u8]) -> Option<&[u8]> {
    let length = match *input {
        [b' ' | b'-' | b'.' | 0xa0, ..] => 1,
        [0xc2, 0xa0, ..] => 2,
        [0xe2, 0x80, 0x80..=0x8a | 0x90..=0x95 | 0xaf, ..] | [0xe2, 0x81, 0x9f, ..] | [0xe2, 0x88, 0x92, ..] => 3,
        [0xe3, 0x80, 0x80, ..] => 3,
        _ => return None,
    };
    input.get(..length)
}

fn in_iban(mut left: &[u8], separator: &[u8]) -> bool {
    for _ in 0..4 {
        let Some((before, group)) = left.strip_suffix(separator).and_then(|left| left.split_last_chunk::<4>()) else {
            return false;
        };
        if iban::is_head(*group) {
            return !before.last().is_some_and(u8::is_ascii_alphanumeric);
        }
        if !group.iter().all(|&byte| iban::is_body(byte)) {
            return false;
        }
        left = before;
    }
    false
}

fn tail_of(input: &[u8], output: &[u8], start: usize, end: usize, plain: bool) -> Option<(usize, Tail)> {
    match *input.get(end..)? {
        [b'=', b'0'..=b'9', ..] => Some((end + 1, Tail::Digits)),
        [b'D' | b'd', ..] if plain => Some((end + 1, Tail::Digits)),
        [b'^', ref name @ ..] if matches!(output[..start], [.., b'%', b'B' | b'b']) => {
            let length = name.iter().take(33).position(|&byte| byte == b'^' || ends_track(byte))?;
            (name[length] == b'^').then_some((end + 1 + length + 1, Tail::Track1))
        }
        _ => None,
    }
}

fn mask_tail(value: &mut [u8], from: usize, kind: Tail) -> usize {
    let length = match kind {
        Tail::Digits => run_at(value, from),
        Tail::Track1 => value[from..].iter().take_while(|&&byte| !ends_track(byte)).count(),
    };
    value[from..from + length].iter_mut().filter(|byte| byte.is_ascii_alphanumeric()).for_each(|byte| *byte = b'*');
    from + length
}

fn ends_track(byte: u8) -> bool {
    matches!(byte, b'?' | b'"' | b'\\' | 0..=0x1f | 0x7f..)
}

/// For each byte: does it stand inside a JSON string?
fn strings(value: &[u8]) -> Vec<bool> {
    let (mut inside, mut escaped) = (false, false);
    let step = |&byte: &u8| {
        let was = inside;
        match byte {
            b'"' if !escaped => inside = !inside,
            b'\\' if inside && !escaped => {
                escaped = true;
                return was;
            }
            _ => {}
        }
        escaped = false;
        was
    };
    value.iter().map(step).collect()
}

fn mask_hex(engine: &Engine, value: &mut [u8]) -> u32 {
    let Some(text) = value.strip_prefix(b"\\x") else { return mask_text_with(engine, value, Fill::Text) };
    let decoded: Vec<u8> = text.chunks_exact(2).map_while(|pair| hex::decode(pair[0], pair[1])).collect();
    let mut masked = decoded.clone();
    let mut cards = mask_text_with(engine, &mut masked, Fill::Text);
    for (index, _) in masked.iter().enumerate().filter(|(index, byte)| decoded[*index] != **byte) {
        value[2 + index * 2..4 + index * 2].copy_from_slice(&hex::encode(masked[index]));
    }
    cards += mask_text_with(engine, &mut value[2 + decoded.len() * 2..], Fill::Text); // what is no hex is text again
    cards
}
