//! The scanner against its oracle. Input: one byte for the fill, one for the seed of the cuts, then the value.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pan::{Fill, Masked, Scanner, Whole, WholeScanner, mask_numeric, mask_text, mask_whole_text, naive, whole_numeric};

fuzz_target!(|input: &[u8]| {
    let [kind, seed, value @ ..] = input else { return };
    let fill = [Fill::Text, Fill::Number, Fill::Json, Fill::Hex][usize::from(kind % 4)];
    let mut expected = value.to_vec();
    let cards = naive::mask_text(&mut expected, fill);
    let mut scanner = Scanner::new(fill);
    let mut found = 0;
    let out = in_pieces(value, *seed, |bytes, last| {
        let scan = scanner.scan(bytes, last);
        assert!(scan.hold <= Scanner::HOLD_MAX);
        found += scan.cards;
        scan.hold
    });
    assert!(found == cards && out == expected);
    let mut again = expected.clone();
    assert!(mask_text(&mut again, fill) == 0 && again == expected);

    let masked = Masked::of_bytes(value);
    assert!(Masked::of(masked.as_str()) == masked);
    for whole in [Whole::KeepEnds, Whole::KeepNothing] {
        let mut expected = value.to_vec();
        mask_whole_text(&mut expected, whole, fill);
        let mut scanner = WholeScanner::new(whole, fill);
        let out = in_pieces(value, *seed, |bytes, last| {
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
});

/// Feeds `value` in pieces as a caller does: what is held comes again in front of the next.
fn in_pieces(value: &[u8], seed: u8, mut feed: impl FnMut(&mut [u8], bool) -> usize) -> Vec<u8> {
    let (mut out, mut held, mut at, mut state) = (Vec::new(), Vec::new(), 0, u32::from(seed) + 1);
    loop {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let end = value.len().min(at + (state >> 24) as usize % 24);
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
