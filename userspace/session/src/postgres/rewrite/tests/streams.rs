//! Values larger than any memory for them, and bytes that nobody meant.

use super::*;
use pan::Whole::{KeepEnds, KeepNothing};

/// Feeds one field of `len` bytes, all `pattern` over and over, in pieces of 64 KiB; hands what leaves of the field to `seen`.
fn stream(columns: &Columns, pattern: &[u8], len: usize, mut seen: impl FnMut(usize, &[u8])) -> (u32, u32) {
    let mut mask = BodyMask::row();
    let head = [&[0, 1][..], &i32::try_from(len).unwrap().to_be_bytes()].concat();
    let mut buffer = head.clone();
    let (mut made, mut left, mut cards, mut sensitive) = (0, 0, 0, 0);
    loop {
        while buffer.len() < 65_536 && made < len {
            let part = &pattern[..pattern.len().min(len - made)];
            buffer.extend_from_slice(part);
            made += part.len();
        }
        let progress = mask.feed(&mut buffer, made == len, columns).expect("well formed");
        assert!(buffer.len() - progress.done <= HOLD_MAX);
        let skip = head.len().saturating_sub(left).min(progress.done);
        seen((left + skip).saturating_sub(head.len()), &buffer[skip..progress.done]);
        left += progress.done;
        cards += progress.cards;
        sensitive += progress.sensitive;
        buffer.drain(..progress.done);
        if left == len + head.len() {
            return (cards, sensitive);
        }
    }
}

#[test]
fn a_field_of_two_hundred_megabytes() {
    const LEN: usize = 200_000_000;
    let text = "no number here, not even a short one. ".repeat(500).into_bytes();
    let (pattern, expected) = ([&text, VISA, b" "].concat(), [&text, VISA_TEXT, b" "].concat());
    let period = pattern.len();
    let whole_periods = LEN / period * period;
    let (cards, _) = stream(&columns(false, &[25]), &pattern, whole_periods, |mut place, mut bytes| {
        while !bytes.is_empty() {
            let here = &expected[place % period..];
            let (part, rest) = bytes.split_at(bytes.len().min(here.len()));
            assert!(here.starts_with(part), "near byte {place}");
            (place, bytes) = (place + part.len(), rest);
        }
    });
    assert_eq!(cards as usize, whole_periods / period);
}

#[test]
fn a_long_sensitive_field() {
    const LEN: usize = 5_000_000;
    let counts = stream(&sensitive(false, 25, KeepNothing), VISA, LEN, |_, bytes| {
        assert!(bytes.iter().all(|byte| *byte == b'*'));
    });
    assert_eq!(counts, (0, 1));
}

/// Columns of any kind, sensitive or not.
fn some_columns(noise: &mut Noise) -> Columns {
    const OIDS: [u32; 18] =
        [16, 17, 20, 21, 23, 25, 114, 700, 701, 1009, 1016, 1700, 2249, 3802, 3926, 4536, 1001, 50_000];
    let mut columns = Columns::new();
    for _ in 0..noise.below(4) {
        let whole = [None, None, Some(KeepEnds), Some(KeepNothing)][noise.below(4)];
        columns.push(Column { type_oid: OIDS[noise.below(OIDS.len())], binary: noise.below(2) == 0, whole });
    }
    columns
}

fn some_mask(noise: &mut Noise) -> BodyMask {
    let options = CopyOptions { csv: noise.below(2) == 0, header: noise.below(4) == 0, ..CopyOptions::default() };
    let message = [
        Message::Error,
        Message::ParameterStatus,
        Message::Notification,
        Message::CommandComplete,
        Message::RowDescription,
    ][noise.below(5)];
    match noise.below(6) {
        0 | 1 => BodyMask::row(),
        2 => BodyMask::copy_text(CopyFormat::new(&options).expect("fit options")),
        3 => BodyMask::copy_binary(),
        4 => BodyMask::strings(message, if noise.below(2) == 0 { Strip::Values } else { Strip::Nothing }),
        _ => BodyMask::function(),
    }
}

/// Bytes that look a little like the body of a message.
fn some_body(noise: &mut Noise, columns: usize) -> Vec<u8> {
    let mut body = match noise.below(4) {
        0 => [&b"PGCOPY\n\xff\r\n\0"[..], &[0; 8]].concat(),
        1 => Vec::new(),
        _ => u16::try_from(columns).unwrap().to_be_bytes().to_vec(),
    };
    for _ in 0..noise.below(40) {
        match noise.below(10) {
            0 => body.extend(VISA),
            1 => body.extend(words(&[[0, 1, -1, -2, 2, 8, 16, 20, 25, i32::MAX, i32::MIN][noise.below(11)]])),
            2 => body.extend(words(&[i32::try_from(noise.below(60)).unwrap()])),
            3 => body.extend(value(Some(VISA))),
            4 => body.push(b"\t\n,\"\\\0{}C\\x"[noise.below(10)]),
            5 => body.extend(numeric(3, &[4111, 1111, 1111, 1111])),
            6 => body.extend((0..noise.below(9)).map(|at| b'0' + at as u8)),
            7 => body.extend(array(20, &[Some(&[0; 8]), None])),
            8 => body.extend([b'7'].repeat(noise.below(700))),
            _ => body.push(noise.next() as u8),
        }
    }
    body
}

#[test]
fn noise() {
    const SEED: u64 = 0x1a7e_0003;
    for round in 0..10_000_u64 {
        let mut noise = Noise(SEED + round * 0x9e37_79b9);
        let columns = some_columns(&mut noise);
        let mask = some_mask(&mut noise);
        let body = some_body(&mut noise, columns.len());
        let whole = feed(&mask, &columns, &[&body], |_| false);
        let step = 1 + noise.below(20);
        let cut = feed(&mask, &columns, &[&body], |place| place % step == 0);
        match (&whole, &cut) {
            // Which of two faults is met first may depend on the cut; that there is one may not.
            (Err(_), Err(_)) => {}
            _ => assert!(whole == cut, "round {round} in pieces of {step}: {}", difference(&cut, &whole)),
        }
        if let Ok((out, ..)) = &whole {
            assert_eq!(out.len(), body.len(), "round {round}");
        }
    }
}

/// Bodies that are well formed up to their values, so that most of the noise gets past the counts.
#[test]
fn noise_in_values() {
    for round in 0..10_000_u64 {
        let mut noise = Noise(0xbead + round * 0x9e37_79b9);
        let columns = some_columns(&mut noise);
        let values: Vec<Option<Vec<u8>>> =
            (0..columns.len()).map(|_| (noise.below(5) > 0).then(|| some_body(&mut noise, 1))).collect();
        let body = row(&values.iter().map(Option::as_deref).collect::<Vec<_>>());
        let whole = feed(&BodyMask::row(), &columns, &[&body], |_| false);
        let step = 1 + noise.below(20);
        let cut = feed(&BodyMask::row(), &columns, &[&body], |place| place % step == 0);
        if whole.is_ok() || cut.is_ok() {
            assert!(whole == cut, "round {round} in pieces of {step}: {}", difference(&cut, &whole));
        }
    }
}
