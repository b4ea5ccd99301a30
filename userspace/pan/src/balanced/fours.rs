//! Numbers printed in fours, judged at all places of a word at once.
//!
//! Where group follows group each may begin a number: one place in five is a start, and a list of them costs more than to ask every place. So check
//! digits, separators, heads and neighbours are answered for 64 places by vectors and shifted masks. What is said of a number is what [`super::sorted`] says of it; what is rare is left to be looked at closer.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "called where `Masks::AT_ONCE` says so"))]

mod accounts;

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

/// Whether numbers in fours can be judged in this way.
#[inline(always)]
pub(crate) fn can_judge(input: Input<'_>) -> bool {
    input.heads.sixteens().is_some()
}

/// What stands around a block. Where that is not all among the bytes it is copied to `room`: nothing stands before a value and behind it, which is
/// like zeros.
#[inline(always)]
fn around<'a>(input: Input<'a>, room: &'a mut Option<[u8; AROUND]>) -> &'a [u8; AROUND] {
    let whole = input.at.checked_sub(WORD).and_then(|at| input.bytes.get(at..)?.first_chunk());
    match whole {
        Some(around) => around,
        None => room.insert(copied(input)),
    }
}

/// The first block of a pass, or the last.
#[cold]
#[inline(never)]
fn copied(input: Input<'_>) -> [u8; AROUND] {
    let mut room = [0; AROUND];
    let (before, block) = room.split_at_mut(WORD);
    let bytes = input.bytes.get(input.at..).unwrap_or_default();
    block.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
    let earlier = input.bytes.iter().take(input.at).rev().chain(input.context.iter().rev());
    before.iter_mut().rev().zip(earlier).for_each(|(slot, byte)| *slot = *byte);
    room
}

/// Adds the numbers that start there; how many have the right check digit.
#[inline(always)]
pub(crate) fn sort<M: Strict>(sorted: &mut Sorted, starts: Starts<'_>, input: Input<'_>) -> usize {
    let Some(heads) = input.heads.sixteens() else { return 0 };
    let mut room = None;
    let bytes = around(input, &mut room);
    let mut masks = Fours { sums: [0; _], issued: [0; _], bytes, beside: Beside::EMPTY };
    masks.read::<M>(heads);
    accounts::tell::<M>(sorted, &masks.beside, bytes);
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

/// Tells which places are an account number's, see [`Sorted::tell`].
#[inline(always)]
pub(crate) fn tell<M: Strict>(sorted: &mut Sorted, input: Input<'_>) {
    let (mut room, mut beside) = (None, Beside::EMPTY);
    let bytes = around(input, &mut room);
    (0..MASKS).for_each(|word| beside.read::<M>(word, window(bytes, word * WORD)));
    accounts::tell::<M>(sorted, &beside, bytes);
}

/// What judging all places at once cannot leave out, for [`super::bound`]: the sums and heads of all places, which numbers have the right check
/// digit, which of them no card before hides, and what they hide. No neighbour and no separator is seen. How many have
/// the right check digit and head.
#[inline(always)]
pub(crate) fn bound<M: Strict>(starts: Starts<'_>, input: Input<'_>, hidden: &mut [u64; WORDS + AHEAD]) -> usize {
    let Some(heads) = input.heads.sixteens() else { return 0 };
    let mut room = None;
    let bytes = around(input, &mut room);
    let mut masks = Fours { sums: [0; _], issued: [0; _], bytes, beside: Beside::EMPTY };
    masks.read_sums::<M>(heads);
    let [one, two, three] = starts;
    let three = three.map_or(0, |starts| masks.bound::<M, 3>(starts, input, hidden));
    let two = two.map_or(0, |starts| masks.bound::<M, 2>(starts, input, hidden));
    one.map_or(0, |starts| masks.bound::<M, 1>(starts, input, hidden)) + two + three
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
    beside: Beside,
}

/// What stands in the words, as bits, from the one before the block on.
struct Beside {
    digits: [u64; MASKS],
    letters: [u64; MASKS],
    large: [u64; MASKS],
    plus: [u64; MASKS],
    dots: [u64; MASKS],
    stars: [u64; MASKS],
    /// What a letter that ends an escape stands behind, and a few others.
    escapes: [u64; MASKS],
    /// What may begin the rest of a track, and a few others.
    tracks: [u64; MASKS],
    /// The first byte of a longer separator, and a few others.
    long: [u64; MASKS],
}

impl Fours<'_> {
    #[inline(always)]
    fn read<M: Strict>(&mut self, heads: &[Eight]) {
        (0..MASKS).for_each(|word| self.beside.read::<M>(word, window(self.bytes, word * WORD)));
        self.read_sums::<M>(heads);
    }

    #[inline(always)]
    fn read_sums<M: Strict>(&mut self, heads: &[Eight]) {
        let (words, _) = self.sums.as_chunks_mut::<WORD>();
        // By number, so that the compiler sees that none of the loads leaves the bytes.
        for word in 0..=WORDS {
            let digits = four_digits::<M::Values>(self.bytes, (1 + word) * WORD);
            if let Some(sums) = words.get_mut(word) {
                sum_of(digits).put(sums);
            }
            if word < WORDS {
                self.issued[word] = has(any_of(digits, heads), u8::MAX);
            }
        }
    }

    /// Adds the numbers with separators of `GAP` bytes.
    #[inline(always)]
    fn sort<M: Strict, const GAP: usize>(&self, sorted: &mut Sorted, starts: &[u64; WORDS]) -> usize {
        let (id, says, mut count) = (id(GAP), self.beside.says::<GAP>(), 0);
        for word in 0..WORDS {
            let starts = starts[word];
            if starts == 0 {
                continue;
            }
            let right = starts & self.right::<M, GAP>(word);
            let open = right & self.separated::<M, GAP>(word) & !says.closed[word];
            let issued = open & self.issued[word];
            sorted.name::<M>(word, starts, id);
            sorted.add_word(word, GAP, issued, [issued & says.closer[word], issued & says.odd[word]]);
            count += right.count_ones() as usize;
        }
        count
    }

    /// See the function of this name.
    #[inline(always)]
    fn bound<M: Strict, const GAP: usize>(
        &self,
        starts: &[u64; WORDS],
        input: Input<'_>,
        hidden: &mut [u64; WORDS + AHEAD],
    ) -> usize {
        let (form, mut count) = (input.forms.get(id(GAP)), 0);
        for word in 0..WORDS {
            if starts[word] == 0 {
                continue;
            }
            let right = starts[word] & self.right::<M, GAP>(word) & self.issued[word] & !hidden[word];
            let taken = form.not_hidden(right);
            let [here, behind] = form.hidden_by(taken);
            (hidden[word], hidden[word + 1]) = (hidden[word] | here, hidden[word + 1] | behind);
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
            1 => same & !shift(self.beside.long[word + 1], self.beside.long[word + 2], 4),
            2 => same & is::<M::Values>(bytes, at, 0xc2) & is::<M::Values>(bytes, at + 1, 0xa0),
            _ => same & is_long::<M::Values>(bytes, at),
        }
    }
}

/// What the neighbours say, as bits of the block's words.
struct Says {
    /// No card.
    closed: [u64; WORDS],
    /// It has to be looked at closer.
    closer: [u64; WORDS],
    /// The left side too.
    odd: [u64; WORDS],
}

impl Beside {
    const EMPTY: Beside = Beside {
        digits: [0; MASKS],
        letters: [0; MASKS],
        large: [0; MASKS],
        plus: [0; MASKS],
        dots: [0; MASKS],
        stars: [0; MASKS],
        escapes: [0; MASKS],
        tracks: [0; MASKS],
        long: [0; MASKS],
    };

    #[inline(always)]
    fn read<M: Strict>(&mut self, word: usize, bytes: &[u8; WORD]) {
        let (here, nibble) = (M::Values::at(bytes), M::Values::all(15));
        let rows = here.and(nibble).of(&BYTES.0).and(here.high().of(&BYTES.1));
        let letters = has(rows, LETTERS_1 | LETTERS_2);
        self.digits[word] = M::digits(bytes);
        self.letters[word] = letters;
        self.large[word] = letters & !has(here, 0x20);
        self.plus[word] = has(rows, PLUS);
        self.dots[word] = has(rows, DOT);
        self.stars[word] = has(rows, STAR);
        self.escapes[word] = has(rows, ESCAPE);
        self.tracks[word] = has(rows, TRACK);
        self.long[word] = has(rows, LONG);
    }

    /// What the neighbours of all places say. A loop that the compiler makes vectors of words of.
    #[inline(always)]
    fn says<const GAP: usize>(&self) -> Says {
        let mut says = Says { closed: [0; WORDS], closer: [0; WORDS], odd: [0; WORDS] };
        let span = 16 + 3 * GAP as u32;
        for word in 0..WORDS {
            let letters = [self.letters[word], self.letters[word + 1], self.letters[word + 2]];
            let letter = left(letters[0], letters[1], 1);
            let odd = letter & left(self.escapes[word], self.escapes[word + 1], 2);
            let filled = [0, 1].map(|at| self.digits[word + at] | self.stars[word + at]);
            let decimal = left(self.dots[word], self.dots[word + 1], 1) & left(filled[0], filled[1], 2);
            let plus = left(self.plus[word], self.plus[word + 1], 1);
            let goes_on = [1, 2].map(|at| self.digits[word + at] | self.tracks[word + at]);
            says.closed[word] = (letter & !odd) | plus | decimal | shift(letters[1], letters[2], span);
            says.closer[word] = odd | shift(goes_on[0], goes_on[1], span);
            says.odd[word] = odd;
        }
        says
    }
}

/// The bits of a word so many places further on.
#[inline(always)]
fn left(before: u64, here: u64, n: u32) -> u64 {
    here << n | before >> (64 - n)
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
