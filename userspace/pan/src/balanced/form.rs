//! The forms in which a number is written: a plain run of 13 to 19 digits, or one of five groupings with a separator of one to three bytes.
//! What there is to know of each stands in a table, so that a number is judged without a loop over its groups.

use crate::{
    balanced::candidate::SHAPES,
    keep::{DIGITS_MAX, DIGITS_MIN, Keep},
    separator,
};

/// The most bytes of a written number, rounded up: 19 digits and four separators of three bytes are 31.
pub(crate) const SPAN_MAX: usize = 32;
const PLAIN: usize = DIGITS_MAX - DIGITS_MIN + 1;
const GAPS: usize = separator::BYTES_MAX;
/// How many there are.
pub(crate) const COUNT: usize = PLAIN + SHAPES.len() * GAPS;

/// One form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// 0xff where a digit stands.
    pub(crate) digits: [u8; SPAN_MAX],
    /// 0xff where a digit stands that the check sum doubles.
    pub(crate) doubled: [u8; SPAN_MAX],
    /// Bit n: a digit is hidden.
    pub(crate) hidden: u64,
    /// The same as intervals, each from a digit to one past another; those behind the last are empty.
    pub(crate) stars: [(u32, u32); 5],
    /// `digits` as bits.
    pub(crate) pattern: u64,
    /// How many digits.
    pub(crate) count: usize,
    /// How many bytes.
    pub(crate) span: usize,
    /// Bytes of a separator; 0 in a plain run.
    pub(crate) gap: usize,
    /// The bytes of a separator in the first of four, as a mask.
    pub(crate) gap_bytes: u32,
    /// Where the separators stand; the last is said again up to the fourth.
    pub(crate) gaps: [u8; 4],
    /// How many groups.
    pub(crate) groups: usize,
    /// Digits of the last group.
    pub(crate) last_group: usize,
    /// A plain card of so many digits may begin with the last group: its kept first digits, alone in the output, complete the grouping. 0: none.
    pub(crate) completed_by: u32,
    /// Where groups of four follow each other, a card hides the first digit of the group that begins so many bytes behind its own and of no other: the
    /// next but one. 0: that is not so.
    pub(crate) hides_at: u32,
    /// The kept end may stand in the middle of a run of digits, so a grouping may begin with it.
    pub(crate) end_in_run: bool,
}

/// All of them, for one masked format.
#[derive(Debug)]
pub(crate) struct Forms([Form; COUNT]);

/// Which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FormId(u8);

impl Forms {
    pub(crate) fn new(keep: Keep) -> Forms {
        Forms(std::array::from_fn(|index| match index.checked_sub(PLAIN) {
            None => Form::new(keep, &[DIGITS_MIN + index], 0),
            Some(grouping) => Form::new(keep, SHAPES[grouping % SHAPES.len()], grouping / SHAPES.len() + 1),
        }))
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Form> {
        self.0.iter()
    }

    #[inline(always)]
    pub(crate) fn get(&self, id: FormId) -> &Form {
        let FormId(index) = id;
        &self.0[usize::from(index)]
    }
}

impl FormId {
    /// The bit of the longest plain run: those of groupings are higher.
    pub(crate) const PLAIN_LAST: u32 = 1 << (PLAIN - 1);

    /// The one of this index.
    #[inline(always)]
    pub(crate) fn of(index: u32) -> FormId {
        FormId(index as u8)
    }

    /// Plain runs by their length, then the groupings by their separator, then by their shape.
    #[inline(always)]
    pub(crate) const fn index(self) -> u32 {
        let FormId(index) = self;
        index as u32
    }

    /// A run of so many digits; 13 to 19.
    #[inline(always)]
    pub(crate) fn plain(digits: usize) -> FormId {
        FormId((digits - DIGITS_MIN) as u8)
    }

    /// A shape by its index, with a separator of so many bytes; 1 to 3.
    #[inline(always)]
    pub(crate) const fn grouping(shape: usize, gap: usize) -> FormId {
        FormId((PLAIN + (gap - 1) * SHAPES.len() + shape) as u8)
    }
}

impl Form {
    fn new(keep: Keep, shape: &[usize], gap: usize) -> Form {
        let count = shape.iter().sum();
        let mut form = Form {
            digits: [0; SPAN_MAX],
            doubled: [0; SPAN_MAX],
            hidden: 0,
            stars: [(0, 0); 5],
            pattern: 0,
            count,
            span: 0,
            gap,
            gap_bytes: ((1_u64 << (8 * gap)) - 1) as u32,
            gaps: [0; 4],
            groups: shape.len(),
            last_group: shape.last().copied().unwrap_or(0),
            completed_by: (DIGITS_MIN..=DIGITS_MAX)
                .find(|&digits| shape.len() > 1 && Some(&keep.first(digits)) == shape.last())
                .map_or(0, |digits| digits as u32),
            hides_at: 0,
            end_in_run: keep.last() > 0 && shape.last().is_some_and(|&last| last > keep.last()),
        };
        let mut index = 0;
        for (group, &wanted) in shape.iter().enumerate() {
            if group > 0 {
                form.gaps[group - 1..].fill(form.span as u8);
                form.span += gap;
            }
            for _ in 0..wanted {
                form.put(form.span, (count - index) % 2 == 0, keep.hides(index, count));
                form.span += 1;
                index += 1;
            }
        }
        let (step, firsts) = (4 + gap, |group: usize| form.hidden >> (group * (4 + gap)) & 1);
        if shape == [4; 4] && [0, 1, 2, 3].map(firsts) == [0, 0, 1, 0] {
            form.hides_at = 2 * step as u32;
        }
        let mut rest = form.hidden;
        for interval in &mut form.stars {
            let from = rest.trailing_zeros() & 63;
            let to = from + (rest >> from).trailing_ones();
            *interval = (from, to);
            rest = rest >> to << to;
        }
        form
    }

    fn put(&mut self, at: usize, doubled: bool, hidden: bool) {
        let byte = |yes: bool| if yes { 0xff } else { 0 };
        self.digits[at] = 0xff;
        self.doubled[at] = byte(doubled);
        self.pattern |= 1 << at;
        self.hidden |= u64::from(hidden) << at;
    }

    /// The sum of the check digit: a loop over a fixed number of bytes.
    #[inline(always)]
    pub(crate) fn luhn_sum(&self, bytes: &[u8; SPAN_MAX]) -> u32 {
        let places = bytes.iter().zip(&self.digits).zip(&self.doubled);
        places.fold(0, |sum, ((byte, here), doubled)| {
            let digit = byte.wrapping_sub(b'0') & here;
            // A doubled digit adds twice itself, less 9 from five on.
            let again = digit.wrapping_sub(if digit > 4 { 9 } else { 0 }) & doubled;
            sum + u32::from(digit.wrapping_add(again))
        })
    }

    /// Of starts in groups of four those whose first digit no card before them hides. Where `hides_at` is not 0.
    #[inline(always)]
    pub(crate) fn not_hidden(&self, starts: u64) -> u64 {
        let at = self.hides_at & 63;
        // The first of a row, then every second one of it: one further on, then two more. A card reaches ten bytes at least, so that is a word.
        let first = starts & !(starts << at);
        let [second, fourth] = [2 * at, 4 * at].map(|by| if by < 64 { u64::MAX << by } else { 0 });
        let (by_two, by_four) = ((2 * at) & 63, (4 * at) & 63);
        let taken = first | starts & (first << by_two) & second;
        taken | starts & (starts << by_two) & (taken << by_four) & second & fourth
    }

    /// What cards in groups of four hide that start there: in the word and in the one behind. Where `hides_at` is not 0.
    #[inline(always)]
    pub(crate) fn hidden_by(&self, starts: u64) -> [u64; 2] {
        let third = self.hides_at & 63;
        let second_half = third / 2 + 2;
        let starts = u128::from(starts);
        let two = starts | starts << 1;
        let second = two * u128::from(self.hidden >> second_half & 1);
        let hidden = (two | two << 2) << third | second << second_half;
        [hidden as u64, (hidden >> 64) as u64]
    }

    /// Whether the bits of the digits from its first on are this grouping, and nothing behind it makes it another.
    #[inline(always)]
    pub(crate) fn fits(&self, digits: u64) -> bool {
        let next = digits >> self.span;
        let last = digits >> (self.span - self.last_group);
        digits & ((1 << self.span) - 1) == self.pattern && (next & 1 == 0 || last.trailing_ones() == self.completed_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_spans_what_it_says() {
        let forms = Forms::new(Keep::default());
        for (index, form) in forms.0.iter().enumerate() {
            assert_eq!(form.pattern.count_ones() as usize, form.count, "form {index}");
            assert_eq!(form.span, form.count + form.gap * (form.groups - 1));
            assert_eq!(form.pattern >> (form.span - 1), 1);
            let starred = form.stars.iter().fold(0, |bits, (from, to)| bits | ((1_u64 << to) - (1 << from)));
            assert_eq!(starred, form.hidden, "form {index}");
            assert_eq!(form.hidden.count_ones() as usize, form.count - 4 - Keep::default().first(form.count));
        }
        assert_eq!(forms.get(FormId::plain(16)).count, 16);
        assert_eq!(forms.get(FormId::grouping(4, 3)).span, 19);
        assert_eq!(forms.get(FormId::grouping(0, 3)).span, 31);
        let completed = |shape| forms.get(FormId::grouping(shape, 1)).completed_by;
        assert_eq!([0, 1, 2, 3, 4].map(completed), [0, 13, 14, 13, 14]);
        assert_eq!(Forms::new(Keep::LastFour).get(FormId::grouping(1, 1)).completed_by, 0);
        assert!(forms.get(FormId::grouping(2, 1)).end_in_run && !forms.get(FormId::grouping(1, 1)).end_in_run);
    }

    #[test]
    fn cards_side_by_side() {
        let mut state = 1_u64;
        for (keep, gap) in [Keep::FirstSixLastFour, Keep::FirstEightLastFour]
            .into_iter()
            .flat_map(|keep| (1..4).map(move |gap| (keep, gap)))
        {
            let forms = Forms::new(keep);
            let form = forms.get(FormId::grouping(1, gap));
            for _ in 0..crate::times(2000) {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let groups = (0..64_u64).filter(|at| (at + state % 5).is_multiple_of(4 + gap as u64));
                let starts = groups.filter(|at| state >> (at % 50) & 3 > 0).fold(0, |bits, at| bits | 1_u64 << at);
                let (mut taken, mut hidden) = (0, 0_u128);
                for at in (0..64).filter(|at| starts >> at & 1 == 1) {
                    if hidden >> at & 1 == 0 {
                        (taken, hidden) = (taken | 1 << at, hidden | u128::from(form.hidden) << at);
                    }
                }
                assert_eq!(form.not_hidden(starts), taken, "{starts:#x}");
                assert_eq!(form.hidden_by(taken), [hidden as u64, (hidden >> 64) as u64], "{taken:#x}");
            }
        }
        let hides_at = |keep| {
            [0, 1, 2, 3].map(|gap| {
                Forms::new(keep).get(if gap == 0 { FormId::plain(16) } else { FormId::grouping(1, gap) }).hides_at
            })
        };
        assert_eq!(hides_at(Keep::FirstSixLastFour), [0, 10, 12, 14]);
        assert_eq!(hides_at(Keep::LastFour), [0; 4]);
        assert_eq!(hides_at(Keep::Nothing), [0; 4]);
    }

    #[test]
    fn luhn_over_a_grouping() {
        let forms = Forms::new(Keep::default());
        let form = forms.get(FormId::grouping(1, 1));
        let mut bytes = [b'9'; SPAN_MAX];
        bytes[..19].copy_from_slice(b"4111 1111 1111 1111");
        assert_eq!(form.luhn_sum(&bytes), 30);
        bytes[4] = b'-';
        bytes[19] = b'1';
        assert_eq!(form.luhn_sum(&bytes), 30);
    }
}
