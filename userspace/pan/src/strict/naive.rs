//! The oracle of the strict mode: the same results as the scanner, said as plainly as we can. Whole value at hand, every window tried.

use super::{
    SPAN_MAX, base64,
    token::{self, Token},
};
use crate::{Engine, Fill, balanced::candidate::Tail, hex};

/// Masks a whole value; returns the number of cards found.
pub fn mask_text(value: &mut [u8], fill: Fill) -> u32 {
    mask_text_with(Engine::current(), value, fill)
}

/// The same with settings other than the process's.
pub fn mask_text_with(engine: &Engine, value: &mut [u8], fill: Fill) -> u32 {
    if fill == Fill::Hex {
        return mask_hex(engine, value);
    }
    let mut value = Value {
        engine,
        json: fill == Fill::Json,
        input: value.to_vec(),
        hidden: vec![false; value.len()],
        pairs: vec![false; value.len()],
        output: value,
    };
    let cards = value.digits() + value.hex_pairs() + value.base64();
    match fill {
        Fill::Number | Fill::Json => value.write_tokens(),
        Fill::Text | Fill::Hex => value.write_stars(0..value.input.len()),
    }
    cards
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

struct Value<'a> {
    engine: &'a Engine,
    json: bool,
    input: Vec<u8>,
    output: &'a mut [u8],
    /// What has to go: first bytes of digits, and single bytes.
    hidden: Vec<bool>,
    /// Hex pairs that have to go, by their first byte.
    pairs: Vec<bool>,
}

/// A digit and where it stands.
#[derive(Clone, Copy)]
struct Digit {
    value: u8,
    start: usize,
    end: usize,
}

/// One way through the digits of a run.
#[derive(Default)]
struct Judged {
    hidden: Vec<usize>,
    cards: u32,
    /// A card ends at the last digit.
    ends: bool,
}

fn is_card(engine: &Engine, digits: &[u8]) -> bool {
    let value =
        |(index, &digit): (usize, &u8)| u32::from(if index % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 });
    engine.heads.strict(digits).contains(digits.len())
        && digits.iter().rev().enumerate().map(value).sum::<u32>().is_multiple_of(10)
}

/// Every window of a run. `end`: where the run ends, with the separators behind it.
fn judge(engine: &Engine, run: &[Digit], end: usize) -> Judged {
    let mut judged = Judged::default();
    let is_late = |&index: &usize| {
        let limit = run[index].start + SPAN_MAX;
        end > limit && run.get(index + 18).is_none_or(|digit| digit.end > limit)
    };
    let overlong = (0..run.len()).find(is_late);
    let limit = overlong.map_or(usize::MAX, |index| run[index].start + SPAN_MAX);
    let mut covered = 0;
    for last in (0..run.len()).filter(|&last| run[last].end <= limit) {
        judged.ends = false;
        let mut counts = false;
        for first in (last + 1).saturating_sub(19)..(last + 1).saturating_sub(12) {
            let window = &run[first..=last];
            let digits: Vec<u8> = window.iter().map(|digit| digit.value).collect();
            let backward: Vec<u8> = digits.iter().rev().copied().collect();
            let hides = |index| engine.keep.hides(index, window.len());
            if is_card(engine, &digits) {
                judged.hidden.extend((0..window.len()).filter(|&index| hides(index)).map(|index| window[index].start));
            }
            if is_card(engine, &backward) {
                let mirrored = (0..window.len()).filter(|&index| hides(window.len() - 1 - index));
                judged.hidden.extend(mirrored.map(|index| window[index].start));
            }
            if is_card(engine, &digits) || is_card(engine, &backward) {
                judged.ends = true;
                counts |= first >= covered;
            }
        }
        if counts {
            covered = last + 1;
            judged.cards += 1;
        }
    }
    if let Some(index) = overlong {
        judged.hidden.extend(run[index..].iter().map(|digit| digit.start));
        judged.cards += 1;
        judged.ends = true;
    }
    judged
}

impl Value<'_> {
    fn digits(&mut self) -> u32 {
        let (mut run, mut run_end, mut gap) = (Vec::new(), 0, 0);
        let (mut at, mut cards, mut name) = (0, 0, None);
        while at <= self.input.len() {
            let token =
                if at < self.input.len() { token::at(&self.input, at, true, self.json) } else { Token::Other(1) };
            match token {
                Token::Digit(value, length) => {
                    run.push(Digit { value, start: at, end: at + length });
                    (run_end, gap) = (at + length, 0);
                }
                Token::Separator(length) if gap < 3 => (run_end, gap) = (at + length, gap + 1),
                _ => {
                    let judged = judge(self.engine, &run, run_end);
                    judged.hidden.iter().for_each(|&at| self.hidden[at] = true);
                    cards += judged.cards;
                    run.clear();
                    let ends = judged.ends && gap == 0;
                    gap = 0;
                    if let Some((from, tail)) = self.stripe(at, ends, &mut name) {
                        at = self.hide_tail(from, tail);
                        continue;
                    }
                }
            }
            if self.input.get(at).is_some_and(|&byte| Tail::Track1.ends_at(byte)) {
                name = None;
            }
            let (Token::Digit(_, length) | Token::Separator(length) | Token::Other(length)) = token else { break };
            at += length;
        }
        cards
    }

    /// Whether a stripe's rest begins behind `at`, where a run has ended.
    fn stripe(&self, at: usize, card_ends: bool, name: &mut Option<usize>) -> Option<(usize, Tail)> {
        match *self.input.get(at..)? {
            [b'^', ..] if name.is_some_and(|from| at - from <= 33) => {
                *name = None;
                Some((at + 1, Tail::Track1))
            }
            [b'^', ..] => {
                *name = card_ends.then_some(at);
                None
            }
            [b'=' | b'D' | b'd', b'0'..=b'9', ..] if card_ends => Some((at + 1, Tail::Track2)),
            _ => None,
        }
    }

    fn hide_tail(&mut self, from: usize, tail: Tail) -> usize {
        let length = self.input[from..].iter().take_while(|&&byte| !tail.ends_at(byte)).count();
        for at in from..from + length {
            self.hidden[at] |= self.input[at].is_ascii_alphanumeric();
        }
        from + length
    }

    fn hex_pairs(&mut self) -> u32 {
        let mut cards = 0;
        for parity in [0, 1] {
            let (mut run, mut gap) = (Vec::new(), 0);
            for at in (parity..self.input.len() + 2).step_by(2) {
                match *self.input.get(at..).unwrap_or_default() {
                    [b'3', digit @ b'0'..=b'9', ..] => {
                        run.push(Digit { value: digit - b'0', start: at, end: at + 2 });
                        gap = 0;
                    }
                    [high, low, ..] if gap < 3 && token::is_separator_pair(high, low) => gap += 1,
                    _ => {
                        let judged = judge(self.engine, &run, 0);
                        judged.hidden.iter().for_each(|&at| self.pairs[at] = true);
                        cards += judged.cards;
                        run.clear();
                        gap = 0;
                    }
                }
            }
        }
        cards
    }

    fn base64(&mut self) -> u32 {
        let mut cards = 0;
        for token in tokens(&self.input) {
            if let Some(from) = card_in_base64(self.engine, &token) {
                token.iter().filter(|(at, _)| *at >= from).for_each(|&(at, _)| self.hidden[at] = true);
                cards += 1;
            }
        }
        cards
    }

    fn pair(&self, at: usize, back: usize) -> bool {
        at >= back && self.pairs.get(at - back).copied().unwrap_or(false)
    }

    fn gone(&self, at: usize) -> bool {
        self.hidden[at] || self.pair(at, 0) || self.pair(at, 1)
    }

    /// Writes stars at `at`; returns what comes next.
    fn star(&mut self, at: usize) -> usize {
        if self.hidden[at] {
            return at + token::star(&mut self.output[at..]);
        }
        if self.pair(at, 0) {
            self.output[at] = if self.pair(at, 2) && !self.pair(at, 1) { b'2' } else { b'a' };
        } else if self.pair(at, 1) {
            self.output[at] = b'a';
        }
        at + 1
    }

    fn write_stars(&mut self, places: std::ops::Range<usize>) {
        let mut next = places.start;
        while next < places.end {
            next = self.star(next);
        }
    }

    fn write_tokens(&mut self) {
        let strings = strings(&self.input);
        // The digits of the number as they are written, and whether each is the value's own.
        let (mut number, mut gap, mut escaped) = (Vec::<(u8, bool)>::new(), 0, false);
        let mut at = 0;
        while at < self.input.len() {
            let token = token::at(&self.input, at, true, self.json);
            let (Token::Digit(_, length) | Token::Separator(length) | Token::Other(length)) = token else { break };
            let starred = self.json && strings[at];
            let gone = (at..at + length).any(|at| self.gone(at));
            match token {
                Token::Digit(value, 1) if !(starred || gone && escaped) => {
                    let own = !gone && !self.completes(&number, value);
                    let value = if own { value } else { self.fill(&number, at, gone) };
                    self.output[at] = b'0' + value;
                    number.push((value, own));
                    (gap, escaped) = (0, false);
                }
                Token::Digit(value, 2..) if !starred && !gone && !self.completes(&number, value) => {
                    number.push((value, true));
                    (gap, escaped) = (0, false);
                }
                Token::Separator(_) if !starred && !gone && gap < 3 => {
                    gap += 1;
                    escaped = matches!(self.input[at], b'%' | b'\\');
                }
                _ => {
                    if matches!(token, Token::Digit(..)) && !starred {
                        token::star(&mut self.output[at..]);
                    } else {
                        self.write_stars(at..at + length);
                    }
                    number.clear();
                    (gap, escaped) = (0, false);
                }
            }
            at += length;
        }
    }

    /// Whether a card that is not all the value's own would end at this digit behind `number`.
    fn completes(&self, number: &[(u8, bool)], value: u8) -> bool {
        number.iter().rev().take(19).any(|(_, own)| !own) && self.ends_card(number, &[value])
    }

    fn ends_card(&self, number: &[(u8, bool)], more: &[u8]) -> bool {
        let digits: Vec<u8> = number.iter().map(|(digit, _)| *digit).chain(more.iter().copied()).collect();
        (13..=19.min(digits.len())).any(|length| {
            let window = &digits[digits.len() - length..];
            let backward: Vec<u8> = window.iter().rev().copied().collect();
            is_card(self.engine, window) || is_card(self.engine, &backward)
        })
    }

    fn fill(&self, number: &[(u8, bool)], at: usize, gone: bool) -> u8 {
        let kept = |&at: &usize| self.input[at].is_ascii_digit() && !self.gone(at);
        let ahead = (at + 1..self.input.len()).take(if gone { 4 } else { 0 }).take_while(kept);
        let ahead: Vec<u8> = ahead.map(|at| self.input[at] - b'0').collect();
        let leads = at == 0 || !self.output[at - 1].is_ascii_digit();
        let fills = [0, 1, 7, 2, 8, 9, 4, 5, 6, 3].into_iter().filter(|&fill| fill > 0 || !leads);
        let fits = |fill: &u8, count: usize| {
            let more: Vec<u8> = [*fill].into_iter().chain(ahead[..count].iter().copied()).collect();
            (1..=more.len()).all(|length| !self.ends_card(number, &more[..length]))
        };
        let found = fills.clone().find(|fill| fits(fill, ahead.len()));
        found.or_else(|| fills.clone().find(|fill| fits(fill, 0))).unwrap_or(1)
    }
}

/// The base64 tokens of the input, as places and values of their characters.
fn tokens(input: &[u8]) -> Vec<Vec<(usize, u8)>> {
    let (mut tokens, mut token) = (Vec::new(), Vec::new());
    let (mut at, mut line) = (0, 0);
    while at < input.len() {
        if let Some(value) = base64::value(input[at]) {
            token.push((at, value));
            (at, line) = (at + 1, line + 1);
            continue;
        }
        let breaks = input[at..].iter().take(2).take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        if breaks > 0 && line >= 16 {
            at += breaks;
        } else {
            tokens.push(std::mem::take(&mut token));
            at += match &input[at..] {
                [b'\\', b'u', digits @ ..] => {
                    2 + digits.iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count()
                }
                [b'\\', _, ..] => 2,
                _ => 1,
            };
        }
        line = 0;
    }
    tokens.push(token);
    tokens
}

/// Where the first card in any decoding of a token begins.
fn card_in_base64(engine: &Engine, token: &[(usize, u8)]) -> Option<usize> {
    let mut found = Vec::new();
    for alignment in 0..4 {
        let (mut run, mut gap) = (Vec::new(), 0);
        for last in 1..token.len() {
            let (start, before, value) = (token[last - 1].0, token[last - 1].1, token[last].1);
            let byte = match (last + 4 - alignment) % 4 {
                1 => before << 2 | value >> 4,
                2 => before << 4 | value >> 2,
                3 => before << 6 | value,
                _ => continue,
            };
            match byte {
                b'0'..=b'9' => {
                    run.push(Digit { value: byte - b'0', start, end: last });
                    gap = 0;
                    for first in run.len().saturating_sub(19)..run.len().saturating_sub(12) {
                        let digits: Vec<u8> = run[first..].iter().map(|digit| digit.value).collect();
                        let backward: Vec<u8> = digits.iter().rev().copied().collect();
                        if is_card(engine, &digits) || is_card(engine, &backward) {
                            found.push((last, run[first].start));
                        }
                    }
                }
                b' ' | b'-' | b'.' | b'_' | b'/' | b'\t' | b'\n' | b'\r' if gap < 3 => gap += 1,
                _ => {
                    run.clear();
                    gap = 0;
                }
            }
        }
    }
    found.into_iter().min().map(|(_, start)| start)
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
