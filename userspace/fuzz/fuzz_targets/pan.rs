//! The scanners of either mode, on every backend, against their oracles. Input: one byte for the fill and the mode, one for the seed of the
//! cuts, then the value.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pan::{
    Backend, Engine, Fill, Masked, Mode, Scanner, Settings, Whole, WholeScanner, mask_numeric, mask_whole_text, naive,
    strict, whole_numeric,
};

/// One of every backend. They live as long as the process.
static ENGINES: LazyLock<Vec<Engine>> = LazyLock::new(|| {
    let engine = |backend| Engine::new(&Settings { backend: Some(backend), ..Settings::default() });
    Backend::available().into_iter().filter_map(|backend| engine(backend).ok()).collect()
});

fuzz_target!(|input: &[u8]| {
    let [kind, seed, value @ ..] = input else { return };
    let fill = [Fill::Text, Fill::Number, Fill::Json, Fill::Hex][usize::from(kind % 4)];
    match kind / 4 % 5 {
        0 => all_backends(Mode::Balanced, value, *seed, fill),
        1 => all_backends(Mode::Strict, value, *seed, fill),
        2 => all_backends(Mode::Strict, &repeated(value, *seed), *seed, fill),
        3 => all_backends(Mode::Balanced, &repeated(value, *seed).repeat(4), *seed, fill),
        _ => others(value, *seed, fill),
    }
});

/// Long enough for the ways that go many bytes at a time, which the fuzzer's short inputs never reach.
fn repeated(value: &[u8], seed: u8) -> Vec<u8> {
    let between = [b"".as_slice(), b"x", b" ", b"\n", b"the order of today, "];
    let between = between[usize::from(seed) % between.len()].repeat(usize::from(seed / 16));
    let times = 3000_usize.checked_div(value.len() + between.len()).unwrap_or(0).clamp(1, 200);
    [value, &between].concat().repeat(times)
}

fn all_backends(mode: Mode, value: &[u8], seed: u8, fill: Fill) {
    let mut expected = value.to_vec();
    let cards = match mode {
        Mode::Balanced => naive::mask_text(&mut expected, fill),
        Mode::Strict => strict::naive::mask_text(&mut expected, fill),
    };
    for engine in ENGINES.iter() {
        let mut whole = value.to_vec();
        let found = Scanner::with_mode(engine, mode, fill).scan(&mut whole, true).cards;
        assert!(found == cards && whole == expected, "{:?} {mode:?} {fill:?}, whole", engine.backend());
        let (mut scanner, mut found) = (Scanner::with_mode(engine, mode, fill), 0);
        let out = in_pieces(value, seed, |bytes, last| {
            let scan = scanner.scan(bytes, last);
            assert!(scan.hold <= Scanner::HOLD_MAX);
            found += scan.cards;
            scan.hold
        });
        assert!(found == cards && out == expected, "{:?} {mode:?} {fill:?}, in pieces", engine.backend());
    }
    // What the strict scan fills a number with may write other hex pairs where it stands in the midst of hex text.
    if mode == Mode::Balanced || matches!(fill, Fill::Text | Fill::Hex) {
        let mut again = expected.clone();
        let found = Scanner::of(mode, fill).scan(&mut again, true).cards;
        assert!(found == 0 && again == expected, "{mode:?} {fill:?}, again");
    }
}

/// Everything else that masks.
fn others(value: &[u8], seed: u8, fill: Fill) {
    let masked = Masked::of_bytes(value);
    assert!(Masked::of(masked.as_str()) == masked);
    for whole in [Whole::KeepEnds, Whole::KeepNothing] {
        let mut expected = value.to_vec();
        mask_whole_text(&mut expected, whole, fill);
        let mut scanner = WholeScanner::new(whole, fill);
        let out = in_pieces(value, seed, |bytes, last| {
            let hold = scanner.mask(bytes, last);
            assert!(hold <= WholeScanner::HOLD_MAX);
            hold
        });
        assert!(out == expected);
        let _ = whole_numeric(&mut value.to_vec(), whole);
    }
    let mut numeric = value.to_vec();
    if mask_numeric(&mut numeric) == Ok(1) {
        assert!(mask_numeric(&mut numeric) == Ok(0));
    }
}

/// Feeds `value` in pieces as a caller does: what is held comes again in front of the next. A seed of 128 and more makes long ones.
fn in_pieces(value: &[u8], seed: u8, mut feed: impl FnMut(&mut [u8], bool) -> usize) -> Vec<u8> {
    let (mut out, mut held, mut at, mut state) = (Vec::new(), Vec::new(), 0, u32::from(seed) + 1);
    let most = if seed < 128 { 24 } else { 600 };
    loop {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let end = value.len().min(at + (state >> 16) as usize % most);
        held.extend_from_slice(&value[at..end]);
        at = end;
        let hold = feed(&mut held, at == value.len());
        let rest = held.split_off(held.len() - hold);
        out.append(&mut held);
        held = rest;
        if at == value.len() {
            assert!(held.is_empty());
            return out;
        }
    }
}
