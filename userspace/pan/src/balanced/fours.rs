//! Numbers printed in fours, judged at all places of a word at once.
//!
//! Where group follows group each may begin a number: one place in five is a start, and a list of them costs more than to ask every place. So check
//! digits, separators, heads and neighbours are answered for 64 places by vectors and shifted masks. What is said of a number is what [`super::sorted`] says of it; what is rare is left to be looked at closer.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "called where `Masks::AT_ONCE` says so"))]

use crate::{
    arch::{
        WORD,
        lanes::{Lanes, Strict},
    },
    balanced::block::{AHEAD, WORDS, shift},
    balanced::form::FormId,
    balanced::sieve::Input,
    balanced::sorted::Sorted,
    iin::products::Eight,
};

/// Four groups of four: the second of `crate::balanced::candidate::SHAPES`.
const SHAPE: usize = 1;
/// The word before a block, the block, and what is read behind it.
const AROUND: usize = (1 + WORDS + AHEAD) * WORD;
/// The words of a block with the one before and the one behind.
const MASKS: usize = 1 + WORDS + 1;

/// The form with separators of so many bytes.
#[inline(always)]
pub(crate) const fn id(gap: usize) -> FormId {
    FormId::grouping(SHAPE, gap)
}

/// Starts by the length of the separator, where there are any.
pub(crate) type Starts<'a> = [Option<&'a [u64; WORDS]>; 3];

/// Whether a block has so much around it that it can be judged in this way.
#[inline(always)]
pub(crate) fn has_room(input: Input<'_>) -> bool {
    input.words == WORDS && around(input).is_some() && input.heads.sixteens().is_some()
}

#[inline(always)]
fn around(input: Input<'_>) -> Option<&[u8; AROUND]> {
    input.at.checked_sub(WORD).and_then(|at| input.bytes.get(at..)?.first_chunk())
}

/// Adds the numbers that start there; how many have the right check digit.
#[inline(always)]
pub(crate) fn sort<M: Strict>(sorted: &mut Sorted, starts: Starts<'_>, input: Input<'_>) -> usize {
    let (Some(bytes), Some(heads)) = (around(input), input.heads.sixteens()) else { return 0 };
    let mut masks = Fours { sums: [0; _], issued: [0; _], bytes, beside: [Beside::default(); _] };
    masks.read::<M>(heads);
    let [one, two, three] = starts;
    let mut count = 0;
    if let Some(starts) = three {
        count += masks.sort::<M, 3>(sorted, starts);
    }
    if let Some(starts) = two {
        count += masks.sort::<M, 2>(sorted, starts);
    }
    if let Some(starts) = one {
        count += masks.sort::<M, 1>(sorted, starts);
    }
    count
}

/// What is known of all places of a block.
struct Fours<'a> {
    /// The sum of the four digits that stand there, the first and the third doubled as the check digit wants it, modulo ten. Where no four digits
    /// stand, anything.
    sums: [u8; (WORDS + 1) * WORD],
    /// Where the head of a number of 16 digits stands that is issued.
    issued: [u64; WORDS],
    /// From the word before the block on.
    bytes: &'a [u8; AROUND],
    beside: [Beside; MASKS],
}

/// What stands in a word, as bits.
#[derive(Clone, Copy, Default)]
struct Beside {
    digits: u64,
    letters: u64,
    large: u64,
    plus: u64,
    dots: u64,
    stars: u64,
    /// What a letter that ends an escape stands behind, and a few others.
    escapes: u64,
    /// What may begin the rest of a track, and a few others.
    tracks: u64,
    /// The first byte of a longer separator, and a few others.
    long: u64,
}

impl Fours<'_> {
    #[inline(always)]
    fn read<M: Strict>(&mut self, heads: &[Eight]) {
        for (word, beside) in self.beside.iter_mut().enumerate() {
            let bytes = window(self.bytes, word * WORD);
            *beside = Beside { digits: M::digits(bytes), ..Beside::of::<M>(bytes) };
        }
        let (words, _) = self.sums.as_chunks_mut::<WORD>();
        for (word, sums) in words.iter_mut().enumerate() {
            let at = (1 + word) * WORD;
            let digits = four_digits::<M::Values>(self.bytes, at);
            sum_of(digits).put(sums);
            if let Some(issued) = self.issued.get_mut(word) {
                *issued = has(any_of(digits, heads), u8::MAX);
            }
        }
    }

    /// Adds the numbers with separators of `GAP` bytes.
    #[inline(always)]
    fn sort<M: Strict, const GAP: usize>(&self, sorted: &mut Sorted, starts: &[u64; WORDS]) -> usize {
        let (id, mut count) = (id(GAP), 0);
        for (word, &starts) in starts.iter().enumerate() {
            if starts == 0 {
                continue;
            }
            let says = self.says::<GAP>(word);
            let right = starts & self.right::<M, GAP>(word);
            let open = right & self.separated::<M, GAP>(word) & !says.closed;
            let issued = open & self.issued[word];
            sorted.name::<M>(word, starts, id);
            sorted.add_word(word, issued, issued & says.closer, issued & says.odd);
            count += right.count_ones() as usize;
        }
        count
    }

    /// Where the check digit is right.
    #[inline(always)]
    fn right<M: Strict, const GAP: usize>(&self, word: usize) -> u64 {
        /// By its lower four bits, the sum that ends in zero: four sums are 36 at most.
        const TENS: [u8; 16] = {
            let mut tens = [0xff; 16];
            (tens[0], tens[10], tens[20 % 16], tens[30 % 16]) = (0, 10, 20, 30);
            tens
        };
        let (at, step) = (word * WORD, 4 + GAP);
        let (first, second) = (load::<M::Values>(&self.sums, at), load::<M::Values>(&self.sums, at + step));
        let third = load::<M::Values>(&self.sums, at + 2 * step);
        let sum = first.plus(second).plus(third.plus(load::<M::Values>(&self.sums, at + 3 * step)));
        M::Values::bits(sum.and(M::Values::all(15)).of(&TENS).equals(sum))
    }

    /// Where a separator stands behind the first group, and the same one behind the second and the third.
    #[inline(always)]
    fn separated<M: Strict, const GAP: usize>(&self, word: usize) -> u64 {
        let (bytes, at, step) = (self.bytes, (1 + word) * WORD + 4, 4 + GAP);
        let mut same = u64::MAX;
        for byte in at..at + GAP {
            let first = load::<M::Values>(bytes, byte);
            let second = first.equals(load::<M::Values>(bytes, byte + step));
            let third = first.equals(load::<M::Values>(bytes, byte + 2 * step));
            same &= M::Values::bits(second) & M::Values::bits(third);
        }
        match GAP {
            // A start has what begins a separator there, and a digit behind it.
            1 => same & !shift(self.beside[word + 1].long, self.beside[word + 2].long, 4),
            2 => same & is::<M::Values>(bytes, at, 0xc2) & is::<M::Values>(bytes, at + 1, 0xa0),
            _ => same & is_long::<M::Values>(bytes, at),
        }
    }

    /// What the neighbours of all places say.
    #[inline(always)]
    fn says<const GAP: usize>(&self, word: usize) -> Says {
        let [before, here, behind] = [self.beside[word], self.beside[word + 1], self.beside[word + 2]];
        let left = |of: fn(Beside) -> u64, n: u32| of(here) << n | of(before) >> (64 - n);
        let then = |of: fn(Beside) -> u64| shift(of(here), of(behind), 16 + 3 * GAP as u32);
        let letter = left(|beside| beside.letters, 1);
        let odd = letter & left(|beside| beside.escapes, 2);
        let decimal = left(|beside| beside.dots, 1) & left(|beside| beside.digits | beside.stars, 2);
        let pairs = |here: Beside, behind: Beside| here.large & shift(here.large, behind.large, 1);
        let (early, late) = (pairs(before, here), pairs(here, behind));
        let account = (1..=4).fold(0, |any, group| {
            let n = group * (4 + GAP as u32);
            any | late << n | early >> (64 - n)
        });
        Says {
            closed: (letter & !odd) | left(|beside| beside.plus, 1) | decimal | then(|beside| beside.letters),
            closer: odd | account | then(|beside| beside.digits | beside.tracks),
            odd,
        }
    }
}

/// What the neighbours say, as bits of a word.
struct Says {
    /// No card.
    closed: u64,
    /// It has to be looked at closer.
    closer: u64,
    /// The left side too.
    odd: u64,
}

impl Beside {
    #[inline(always)]
    fn of<M: Strict>(bytes: &[u8; WORD]) -> Beside {
        let (here, nibble) = (M::Values::at(bytes), M::Values::all(15));
        let rows = here.and(nibble).of(&BYTES.0).and(here.high().of(&BYTES.1));
        let letters = has(rows, LETTERS_1 | LETTERS_2);
        Beside {
            digits: 0,
            letters,
            large: letters & !has(here, 0x20),
            plus: has(rows, PLUS),
            dots: has(rows, DOT),
            stars: has(rows, STAR),
            escapes: has(rows, ESCAPE),
            tracks: has(rows, TRACK),
            long: has(rows, LONG),
        }
    }
}

// What follows is no closure: a closure that the compiler does not inline is compiled without the processor's instructions.

/// Of each place the four digits that begin there.
#[inline(always)]
fn four_digits<L: Lanes>(bytes: &[u8], at: usize) -> [L; 4] {
    let nibble = L::all(15);
    [
        load::<L>(bytes, at).and(nibble),
        load::<L>(bytes, at + 1).and(nibble),
        load::<L>(bytes, at + 2).and(nibble),
        load::<L>(bytes, at + 3).and(nibble),
    ]
}

/// Their sum, the first and the third doubled, modulo ten.
#[inline(always)]
fn sum_of<L: Lanes>([first, second, third, fourth]: [L; 4]) -> L {
    first.doubled().plus(second).rest().plus(third.doubled().plus(fourth).rest()).rest()
}

/// Not zero where any of these products has them.
#[inline(always)]
fn any_of<L: Lanes>([first, second, third, fourth]: [L; 4], heads: &[Eight]) -> L {
    let mut any = L::all(0);
    for [firsts, seconds, thirds, fourths] in heads {
        let front = first.of(firsts).and(second.of(seconds));
        any = any.or(front.and(third.of(thirds).and(fourth.of(fourths))));
    }
    any
}

/// Where separators of three bytes stand.
#[inline(always)]
fn is_long<L: Lanes>(bytes: &[u8], at: usize) -> u64 {
    let third = load::<L>(bytes, at + 2);
    let rows = third.and(L::all(15)).of(&THIRDS.0).and(third.high().of(&THIRDS.1));
    let second = load::<L>(bytes, at + 1);
    let (e280, e281, e288) = (L::all(0x80), L::all(0x81), L::all(0x88));
    let behind_e2 = L::bits(second.equals(e280)) & has(rows, SPACES | DASHES | NARROW)
        | L::bits(second.equals(e281)) & has(rows, MATHEMATICAL)
        | L::bits(second.equals(e288)) & has(rows, MINUS);
    let behind_e3 = L::bits(second.equals(e280)) & has(rows, IDEOGRAPHIC);
    is::<L>(bytes, at, 0xe2) & behind_e2 | is::<L>(bytes, at, 0xe3) & behind_e3
}

/// Where this byte stands.
#[inline(always)]
fn is<L: Lanes>(bytes: &[u8], at: usize, byte: u8) -> u64 {
    L::bits(load::<L>(bytes, at).equals(L::all(byte)))
}

/// Where any of these bits is set.
#[inline(always)]
fn has<L: Lanes>(rows: L, bits: u8) -> u64 {
    L::bits(rows.meets(L::all(bits)))
}

#[inline(always)]
fn load<L: Lanes>(bytes: &[u8], at: usize) -> L {
    L::at(window(bytes, at))
}

/// By the low nibble of a byte and by its high one: the bits that both have say what it is.
type Nibbles = ([u8; 16], [u8; 16]);

const LETTERS_1: u8 = 1;
const LETTERS_2: u8 = 2;
const PLUS: u8 = 4;
const DOT: u8 = 8;
const STAR: u8 = 16;
/// `%` and `\`; `,` and `U` too.
const ESCAPE: u8 = 32;
/// `=` and `^`; `>` and `]` too.
const TRACK: u8 = 64;
/// c2, e2 and e3; c3 too.
const LONG: u8 = 128;
static BYTES: Nibbles = nibbles(&[
    (LETTERS_1, &[4, 6], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    (LETTERS_2, &[5, 7], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    (PLUS, &[2], &[0xb]),
    (DOT, &[2], &[0xe]),
    (STAR, &[2], &[0xa]),
    (ESCAPE, &[2, 5], &[0x5, 0xc]),
    (TRACK, &[3, 5], &[0xd, 0xe]),
    (LONG, &[0xc, 0xe], &[0x2, 0x3]),
]);

/// The third bytes of separators: behind e2 80, e2 81, e2 88 and e3 80 (`separator::read`).
const SPACES: u8 = 1;
const DASHES: u8 = 2;
const NARROW: u8 = 4;
const MATHEMATICAL: u8 = 8;
const MINUS: u8 = 16;
const IDEOGRAPHIC: u8 = 32;
static THIRDS: Nibbles = nibbles(&[
    (SPACES, &[8], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    (DASHES, &[9], &[0, 1, 2, 3, 4, 5]),
    (NARROW, &[0xa], &[0xf]),
    (MATHEMATICAL, &[9], &[0xf]),
    (MINUS, &[9], &[2]),
    (IDEOGRAPHIC, &[8], &[0]),
]);

const fn nibbles(kinds: &[(u8, &[u8], &[u8])]) -> Nibbles {
    let (mut low, mut high, mut kind) = ([0; 16], [0; 16], 0);
    while kind < kinds.len() {
        let (bit, highs, lows) = kinds[kind];
        let mut at = 0;
        while at < lows.len() {
            low[lows[at] as usize] |= bit;
            at += 1;
        }
        at = 0;
        while at < highs.len() {
            high[highs[at] as usize] |= bit;
            at += 1;
        }
        kind += 1;
    }
    (low, high)
}

/// The 64 bytes from `at` on, which lie within.
#[inline(always)]
fn window(bytes: &[u8], at: usize) -> &[u8; WORD] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).unwrap_or(&[0; WORD])
}
