//! Where could a number start? Two thousand bytes at a time become bits, and the question is answered for 64 positions at once.

use crate::{
    arch::{Masks, WORD},
    balanced::candidate::SHAPES,
    keep::{DIGITS_MAX, DIGITS_MIN},
    separator,
};

/// Words of a block whose starts are looked for.
pub(crate) const WORDS: usize = 64;
/// Words behind them that a number may reach into.
pub(crate) const AHEAD: usize = 2;
/// How many lengths a run may have.
pub(crate) const LENGTHS: usize = DIGITS_MAX - DIGITS_MIN + 1;
/// How many lengths a separator may have.
pub(crate) const GAPS: usize = separator::BYTES_MAX;
/// Words whose bits are read.
const READ: usize = WORDS + AHEAD;

/// What the block before held.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    /// Four digits side by side, and nothing that may start; so often in a row one was looked at closer in vain.
    Fours(u8),
    Starts,
}

/// One block.
#[repr(C, align(64))]
pub(crate) struct Block {
    /// Nothing: so word 1 of the digits begins a cache line, and eight words are read from one.
    _room: [u64; 7],
    /// Bit n of word i + 1: the byte 64 i + n is a digit. Word 0 is what precedes the block.
    digits: [u64; 1 + READ],
    /// Bit n of word i: at 64 i + n a run of 13 to 19 digits starts.
    pub(crate) plain: [u64; WORDS],
    /// The same of groups of exactly four digits with four more behind one to three bytes, as every grouping begins.
    pub(crate) grouped: [u64; WORDS],
    before: Before,
}

/// What a block may hold.
pub(crate) struct Starts {
    /// Runs of 13 to 19 digits.
    pub(crate) plain: bool,
    /// Groups of four digits with two more behind them, each behind one to three bytes, as in every grouping.
    pub(crate) grouped: bool,
}

impl Block {
    pub(crate) const EMPTY: Block =
        Block { _room: [0; 7], digits: [0; 1 + READ], plain: [0; WORDS], grouped: [0; WORDS], before: Before::Nothing };

    /// Reads the first `words` words of `bytes`, which have `AHEAD` more behind them. `carry`: a digit stands before them. `goes_on`: they stand right
    /// behind a whole block that was read before, so the first of them are known.
    #[inline(always)]
    pub(crate) fn read<M: Masks>(&mut self, bytes: &[u8], words: usize, carry: bool, goes_on: bool) -> Starts {
        self.digits[0] = u64::from(carry) << 63;
        let (chunks, _) = bytes.as_chunks::<WORD>();
        let (read, known) = (words + AHEAD, if goes_on { AHEAD } else { 0 });
        for word in 1..=AHEAD {
            self.digits[word] = self.digits[WORDS + word];
        }
        if let (Some(chunks), Some(slots)) = (chunks.get(known..read), self.digits.get_mut(1 + known..=read)) {
            M::all_digits(chunks, slots);
        }
        if read < READ {
            self.digits[1 + read..].fill(0);
        }
        if !self.worth_a_look() {
            return Starts { plain: false, grouped: false };
        }
        let (plain, grouped) = self.find_runs();
        if words < WORDS {
            self.plain[words..].fill(0);
        }
        let starts = Starts { plain: plain != 0, grouped: grouped != 0 && self.has_third_group() };
        self.before = match self.before {
            _ if starts.plain || starts.grouped => Before::Starts,
            Before::Fours(in_vain) => Before::Fours(in_vain.wrapping_add(1)),
            Before::Nothing | Before::Starts => Before::Fours(0),
        };
        starts
    }

    /// Whether anything may start. Asked in the way that the block before suggests: what is like it is asked once.
    #[inline(always)]
    fn worth_a_look(&mut self) -> bool {
        match self.before {
            Before::Starts => true,
            Before::Nothing if !self.has_four() => false,
            // What is all digits is looked at closer without being asked, but for now and then.
            Before::Fours(in_vain) if in_vain % 8 > 2 => true,
            Before::Nothing | Before::Fours(_) => self.may_begin(),
        }
    }

    /// Whether four digits stand side by side within a word: of every run of 13, and of one of the first two groups of every grouping, one word
    /// has so many.
    #[inline(always)]
    fn has_four(&self) -> bool {
        let four = |digits: u64| digits & (digits >> 1) & (digits >> 2) & (digits >> 3);
        self.digits[1..].iter().fold(0, |any, &digits| any | four(digits)) != 0
    }

    /// Whether anything may start, asked with a third of the work: of thirteen digits in a row at least eight are two whole nibbles of the mask side
    /// by side, and behind a group of exactly four in a grouping digits stand at the seventh and eighth place, whatever the separator's length.
    /// Twice over, half a word apart, so that what reaches over an edge lies inside the other time.
    #[inline(always)]
    fn may_begin(&mut self) -> bool {
        const FIRSTS: u64 = 0x1111_1111_1111_1111;
        let mut seen = Seen::default();
        for index in 0..WORDS {
            seen.look(self.digits[1 + index]);
        }
        // What is before the lowest bit is not known there: here it is.
        seen.groups &= !1;
        for index in 0..WORDS {
            seen.look(shift(self.digits[index], self.digits[index + 1], 32));
        }
        seen.look(shift(self.digits[WORDS], self.digits[WORDS + 1], 32));
        let may = seen.runs & FIRSTS != 0 || seen.groups & !1 != 0;
        if !may {
            self.before = if seen.fours == 0 { Before::Nothing } else { Before::Fours(0) };
        }
        may
    }

    /// Runs of 13 to 19 digits. Answers whether there are any, and whether a group of four has another group of four and more behind one to three
    /// bytes, as every grouping begins.
    #[inline(always)]
    fn find_runs(&mut self) -> (u64, u64) {
        let (mut any_run, mut any_group) = (0, 0);
        for index in 0..WORDS {
            let (run, group) = begins(self.digits[index], self.digits[index + 1], self.digits[index + 2]);
            self.plain[index] = run;
            self.grouped[index] = group;
            any_run |= run;
            any_group |= group;
        }
        (any_run, any_group)
    }

    /// Reads a few words, which have no digits behind them. `carry`: one stands before them.
    #[inline(always)]
    pub(crate) fn read_few<M: Masks>(&mut self, words: &[[u8; WORD]], carry: bool) {
        self.digits[0] = u64::from(carry) << 63;
        if let Some(slots) = self.digits.get_mut(1..=words.len()) {
            M::all_digits(words, slots);
        }
    }

    /// Where in a word a number may start.
    #[inline(always)]
    pub(crate) fn starts(&self, word: usize) -> u64 {
        let (before, here, behind) = (self.digits[word], self.digits[word + 1], self.digits[word + 2]);
        // Without digits behind the word there is nothing to be filled from there.
        let (run, group) = if behind == 0 { begins(before, here, 0) } else { begins(before, here, behind) };
        run | group
    }

    /// Whether behind two groups of four and more there is a third, where one is in a grouping.
    #[inline(always)]
    fn has_third_group(&self) -> bool {
        let mut any = 0;
        for index in 0..WORDS {
            let (before, here, behind) = (self.digits[index], self.digits[index + 1], self.digits[index + 2]);
            let (here2, behind2) = (here & shift(here, behind, 1), behind & behind >> 1);
            let (here4, behind4) = (here2 & shift(here2, behind2, 2), behind2 & behind2 >> 2);
            let first = here4 & !(here << 1 | before >> 63) & !shift(here, behind, 4);
            let four = |n| shift(here4, behind4, n);
            let (twelve, fourteen) = (four(12), four(14));
            any |= first
                & (four(5) & (four(10) | twelve) | four(6) & (twelve | fourteen) | four(7) & (fourteen | four(16)));
        }
        any != 0
    }

    /// The runs by their length, from 13 on. Answers of which lengths there are any.
    #[inline(always)]
    pub(crate) fn by_length(&self, runs: &mut [[u64; WORDS]; LENGTHS]) -> [bool; LENGTHS] {
        let mut any = [0; LENGTHS];
        for index in 0..WORDS {
            let (here, behind) = (self.digits[index + 1], self.digits[index + 2]);
            let mut rest = self.plain[index];
            for length in 0..LENGTHS {
                let longer = shift(here, behind, (DIGITS_MIN + length) as u32);
                let runs = &mut runs[length][index];
                *runs = rest & !longer;
                any[length] |= *runs;
                rest &= longer;
            }
        }
        any.map(|any| any != 0)
    }

    /// Where groups of digits stand, and what may be a separator behind them. `bytes` and `words` as they were read.
    #[inline(always)]
    pub(crate) fn groups<M: Masks>(&self, bytes: &[u8], words: usize) -> Groups {
        let (mut groups, leads) = (Groups::EMPTY, leads::<M>(bytes, words));
        groups.find(&self.digits, &leads);
        groups.first = groups.four;
        groups.follow();
        groups
    }

    /// The same with groupings that begin with the last four digits of a longer group or run, as a card's kept end may.
    #[inline(always)]
    pub(crate) fn all_groups<M: Masks>(&self, bytes: &[u8], words: usize) -> Groups {
        let (mut groups, leads) = (Groups::EMPTY, leads::<M>(bytes, words));
        groups.find(&self.digits, &leads);
        groups.find_kept(&self.digits, &leads);
        for (first, four) in groups.first.iter_mut().zip(&groups.four) {
            *first |= four;
        }
        groups.follow();
        groups
    }

    /// The same of those alone.
    #[inline(always)]
    pub(crate) fn kept_groups<M: Masks>(&self, bytes: &[u8], words: usize) -> Groups {
        let (mut groups, leads) = (Groups::EMPTY, leads::<M>(bytes, words));
        groups.find(&self.digits, &leads);
        groups.find_kept(&self.digits, &leads);
        groups.follow();
        groups
    }

    /// Whether all runs have this length, given as how much more than 13 it is; if so, `runs` are they.
    #[inline(always)]
    pub(crate) fn all_of_length(&self, length: usize, runs: &mut [u64; WORDS]) -> bool {
        match length {
            0 => self.all_are::<13>(runs),
            1 => self.all_are::<14>(runs),
            2 => self.all_are::<15>(runs),
            3 => self.all_are::<16>(runs),
            4 => self.all_are::<17>(runs),
            5 => self.all_are::<18>(runs),
            _ => self.all_are::<DIGITS_MAX>(runs),
        }
    }

    #[inline(always)]
    fn all_are<const DIGITS: usize>(&self, runs: &mut [u64; WORDS]) -> bool {
        let mut others = 0;
        for (index, slot) in runs.iter_mut().enumerate() {
            let (here, behind) = (self.digits[index + 1], self.digits[index + 2]);
            let all = self.plain[index];
            let longer = (DIGITS_MIN..DIGITS).fold(all, |rest, n| rest & shift(here, behind, n as u32));
            *slot = longer & !shift(here, behind, DIGITS as u32);
            others |= all ^ *slot;
        }
        others == 0
    }

    /// Whether a digit stands in what was read behind a whole block.
    #[inline(always)]
    pub(crate) fn any_ahead(&self) -> bool {
        self.digits[1 + WORDS..].iter().fold(0, |any, digits| any | digits) != 0
    }

    /// The bits of the 64 bytes from `at` on, which lies in the block's words or the first one behind them.
    #[inline(always)]
    pub(crate) fn digits_from(&self, at: usize) -> u64 {
        let (word, bit) = (1 + at / WORD, at % WORD);
        self.digits[word] >> bit | self.digits[word + 1] << 1 << (WORD - 1 - bit)
    }
}

/// What was seen of 64 places at a time, over each other.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Four digits.
    fours: u64,
    /// Eight, where the place is a whole nibble.
    runs: u64,
    /// Exactly four, and digits seven and eight places further on.
    groups: u64,
}

impl Seen {
    #[inline(always)]
    fn look(&mut self, digits: u64) {
        let two = digits & digits >> 1;
        let four = two & two >> 2;
        self.fours |= four;
        self.runs |= four & four >> 4;
        self.groups |= four & !(digits << 1) & !(digits >> 4) & two >> 7;
    }
}

/// Where what may begin a separator stands.
#[inline(always)]
fn leads<M: Masks>(bytes: &[u8], words: usize) -> [u64; READ] {
    let mut leads = [0; READ];
    let (chunks, _) = bytes.as_chunks::<WORD>();
    for (leads, word) in leads.iter_mut().zip(chunks).take(words + AHEAD) {
        *leads = M::of(word, &separator::LEADS);
    }
    leads
}

/// Where groups of digits stand. Word i of each array begins at 64 i.
pub(crate) struct Groups {
    /// Four digits that a grouping may begin with, with what may be a separator behind them.
    first: [u64; READ],
    /// Those of them that are the last ones of more.
    pub(crate) kept: [u64; WORDS],
    /// A run of exactly four, of exactly six, with what may be a separator behind it.
    four: [u64; READ],
    six: [u64; READ],
    /// A run of three, four, five, or one of 13 and more, which kept digits may make as short.
    three_last: [u64; READ],
    four_last: [u64; READ],
    five_last: [u64; READ],
    /// Whether any two follow each other as the first two of a grouping do, with one, two, three bytes between them.
    pub(crate) any: [bool; GAPS],
}

impl Groups {
    const EMPTY: Groups = Groups {
        first: [0; READ],
        kept: [0; WORDS],
        four: [0; READ],
        six: [0; READ],
        three_last: [0; READ],
        four_last: [0; READ],
        five_last: [0; READ],
        any: [false; GAPS],
    };

    #[inline(always)]
    fn find(&mut self, digits: &[u64; 1 + READ], leads: &[u64; READ]) {
        for index in 0..READ - 1 {
            let (before, here, behind) = (digits[index], digits[index + 1], digits[index + 2]);
            let begins = here & !(here << 1 | before >> 63);
            let three = begins & shift(here, behind, 1) & shift(here, behind, 2);
            let four = three & shift(here, behind, 3);
            let five = four & shift(here, behind, 4);
            let six = five & shift(here, behind, 5);
            let seven = six & shift(here, behind, 6);
            // Enough to be sure enough: it is looked at again.
            let long = seven & shift(here, behind, 8) & shift(here, behind, 10) & shift(here, behind, 12);
            self.four[index] = four & !five & shift(leads[index], leads[index + 1], 4);
            self.six[index] = six & !seven & shift(leads[index], leads[index + 1], 6);
            self.three_last[index] = three & !four | long;
            self.four_last[index] = four & !five | long;
            self.five_last[index] = five & !six | long;
        }
    }

    /// The last four digits of five, or of nine and more: of a card's last group or run they may be kept. What stands before the words is not known,
    /// so of a run that begins there they are not among these.
    #[inline(always)]
    fn find_kept(&mut self, digits: &[u64; 1 + READ], leads: &[u64; READ]) {
        for index in 0..WORDS {
            let (before, here, behind) = (digits[index], digits[index + 1], digits[index + 2]);
            let earlier = |n: u32| here << n | before >> (64 - n);
            let two = here & shift(here, behind, 1);
            let four = two & shift(here, behind, 2) & shift(here, behind, 3) & !shift(here, behind, 4);
            let longer = earlier(1) & (!earlier(2) | earlier(5));
            self.first[index] = four & longer & shift(leads[index], leads[index + 1], 4);
            self.kept[index] = self.first[index];
        }
    }

    /// Looks what follows the first groups.
    #[inline(always)]
    fn follow(&mut self) {
        let mut any = [0; GAPS];
        for index in 0..WORDS {
            let (here, behind) = (self.four[index] | self.six[index], self.four[index + 1] | self.six[index + 1]);
            for (gap, any) in any.iter_mut().enumerate() {
                *any |= self.first[index] & shift(here, behind, 5 + gap as u32);
            }
        }
        self.any = any.map(|any| any != 0);
    }

    /// Where the shapes of `crate::balanced::candidate::SHAPES` start, with separators of `GAP` bytes. Answers of which there are any.
    #[inline(always)]
    pub(crate) fn shapes<const GAP: usize>(&self, starts: &mut [[u64; WORDS]; SHAPES.len()]) -> [bool; SHAPES.len()] {
        let (step, mut any) = (4 + GAP as u32, [0; SHAPES.len()]);
        for index in 0..WORDS {
            let at = |mask: &[u64; READ], n| shift(mask[index], mask[index + 1], n);
            let first = self.first[index];
            let two = first & at(&self.four, step);
            let three = two & at(&self.four, 2 * step);
            let six = first & at(&self.six, step);
            let found = [
                three & at(&self.four, 3 * step) & at(&self.three_last, 4 * step),
                three & at(&self.four_last, 3 * step),
                six & at(&self.five_last, 2 * step + 2),
                six & at(&self.four_last, 2 * step + 2),
                two & at(&self.five_last, 2 * step),
            ];
            for ((starts, any), found) in starts.iter_mut().zip(&mut any).zip(found) {
                starts[index] = found;
                *any |= found;
            }
        }
        any.map(|any| any != 0)
    }
}

/// Where in a word runs of 13 to 19 digits begin, and where groups of exactly four with four digits behind one to three bytes.
#[inline(always)]
fn begins(before: u64, here: u64, behind: u64) -> (u64, u64) {
    // Bit n of here4: digits stand at n, n + 1, n + 2, n + 3; and so on.
    let (here2, behind2) = (here & shift(here, behind, 1), behind & behind >> 1);
    let (here4, behind4) = (here2 & shift(here2, behind2, 2), behind2 & behind2 >> 2);
    let (here8, behind8) = (here4 & shift(here4, behind4, 4), behind4 & behind4 >> 4);
    let (here13, behind13) = (here8 & shift(here8, behind8, 5), behind8 & behind8 >> 5);
    let here20 = here13 & shift(here13, behind13, 7);
    let begins = !(here << 1 | before >> 63);
    let next = shift(here4, behind4, 5) | shift(here4, behind4, 6) | shift(here4, behind4, 7);
    (begins & here13 & !here20, begins & here4 & !shift(here, behind, 4) & next)
}

/// `here >> n`, filled from `behind`.
#[inline(always)]
pub(crate) fn shift(here: u64, behind: u64, n: u32) -> u64 {
    here >> n | behind << (64 - n)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Naive;

    impl Masks for Naive {
        fn digits(bytes: &[u8; WORD]) -> u64 {
            mask(bytes, |byte| byte.is_ascii_digit())
        }
    }

    fn mask(bytes: &[u8; WORD], is: impl Fn(u8) -> bool) -> u64 {
        bytes.iter().enumerate().fold(0, |mask, (at, &byte)| mask | u64::from(is(byte)) << at)
    }

    /// Naive twins: position by position. What stands in a gap is nobody's business yet.
    fn run_at(bytes: &[u8], from: usize) -> usize {
        bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn begins(bytes: &[u8], at: usize) -> bool {
        bytes[at].is_ascii_digit() && (at == 0 || !bytes[at - 1].is_ascii_digit())
    }

    /// Whether the four digits at `at` are the last of five, or of nine and more.
    fn is_kept(bytes: &[u8], at: usize) -> bool {
        let before = |n: usize| at >= n && bytes[at - n].is_ascii_digit();
        run_at(bytes, at) == 4 && before(1) && (!before(2) || before(5))
    }

    fn shape_at(bytes: &[u8], mut at: usize, shape: &[usize], gap: usize, may_begin: fn(&[u8], usize) -> bool) -> bool {
        let leads = |at: usize| bytes.get(at).is_some_and(|&byte| separator::LEADS.has(byte));
        shape.iter().enumerate().all(|(index, &wanted)| {
            let long =
                [0, 1, 2, 3, 4, 5, 6, 8, 10, 12].iter().all(|&n| bytes.get(at + n).is_some_and(u8::is_ascii_digit));
            let last = index + 1 == shape.len();
            let begins = if index == 0 { may_begin(bytes, at) } else { begins(bytes, at) };
            let fits = begins && (run_at(bytes, at) == wanted && (last || leads(at + wanted)) || last && long);
            at += wanted + gap;
            fits
        })
    }

    #[test]
    fn equals_the_naive_twin() {
        let (mut state, mut found_at_all) = (1_u64, [0; 3]);
        for round in 0..crate::times(600) {
            let mut next = |end: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % end
            };
            let words = 1 + next(if cfg!(miri) { 4 } else { WORDS as u64 }) as usize;
            let mut bytes = vec![b'-'; (words + AHEAD) * WORD];
            let (dense, mut run) = (2 + next(12), 0);
            for byte in &mut bytes {
                // Runs of four above all, and some of any length.
                let ends = if round % 2 == 0 { next(dense) == 0 } else { run >= [4, 4, 4, 5, 6, 16][next(6) as usize] };
                run = if ends { 0 } else { run + 1 };
                *byte = if ends { *b"    \xc2x".get(next(7) as usize).unwrap_or(&b'.') } else { b'7' };
            }
            let mut block = Block::EMPTY;
            let carry = round % 4 > 1 && bytes[0] != b'7';
            let starts = block.read::<Naive>(&bytes, words, carry, false);
            let mut runs = [[0; WORDS]; LENGTHS];
            let lengths = block.by_length(&mut runs);
            for (length, runs) in runs.iter().enumerate() {
                let mut alone = [0; WORDS];
                let others = (0..LENGTHS).any(|other| lengths[other] != (other == length));
                let any = starts.plain && lengths.contains(&true);
                assert!(!any || block.all_of_length(length, &mut alone) != others, "round {round}");
                assert!(!any || others || alone == *runs, "round {round}");
            }
            let is = |masks: &[u64; WORDS], at: usize| masks[at / WORD] >> (at % WORD) & 1 == 1;
            for (at, length) in (0..words * WORD).flat_map(|at| (0..LENGTHS).map(move |length| (at, length))) {
                let found = starts.plain && lengths[length] && is(&runs[length], at);
                assert_eq!(found, begins(&bytes, at) && run_at(&bytes, at) == 13 + length, "round {round}, at {at}");
                found_at_all[0] += u32::from(found);
            }
            let kept_too = round % 3 == 0;
            let groups =
                if kept_too { block.all_groups::<Naive>(&bytes, words) } else { block.groups::<Naive>(&bytes, words) };
            let mut shapes = [[[0; WORDS]; SHAPES.len()]; GAPS];
            let any = [
                groups.shapes::<1>(&mut shapes[0]),
                groups.shapes::<2>(&mut shapes[1]),
                groups.shapes::<3>(&mut shapes[2]),
            ];
            for (gap, shape) in (0..GAPS).flat_map(|gap| (0..SHAPES.len()).map(move |shape| (gap, shape))) {
                // What stands before the words is not known, but for whether it is a digit.
                for at in 6..words * WORD {
                    let found = starts.grouped && groups.any[gap] && any[gap][shape] && is(&shapes[gap][shape], at);
                    let alone = shape_at(&bytes, at, SHAPES[shape], gap + 1, begins);
                    let expected = alone || kept_too && shape_at(&bytes, at, SHAPES[shape], gap + 1, is_kept);
                    let expected = expected && starts.grouped;
                    assert_eq!(found, expected, "round {round}, at {at}");
                    found_at_all[1] += u32::from(found);
                }
            }
            let groups = block.kept_groups::<Naive>(&bytes, words);
            groups.shapes::<1>(&mut shapes[0]);
            // What stands before the words is not known, but for whether it is a digit.
            for (shape, at) in (0..SHAPES.len()).flat_map(|shape| (6..words * WORD).map(move |at| (shape, at))) {
                let found = groups.any[0] && is(&shapes[0][shape], at);
                let expected = shape_at(&bytes, at, SHAPES[shape], 1, is_kept);
                assert_eq!(found, expected, "round {round}, at {at}");
                found_at_all[2] += u32::from(found);
            }
        }
        assert!(found_at_all.iter().all(|&found| found > if cfg!(miri) { 0 } else { 1_000 }), "{found_at_all:?}");
    }
}
