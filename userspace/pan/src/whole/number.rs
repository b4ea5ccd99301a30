//! Is a value one number, spaces around it aside: 13 to 19 digits in a run, or in a printed grouping with one separator throughout?
//! One mask of its digits says so, beside the masks of the forms that there are.

use super::KEEPING_MAX;
use crate::{
    Engine,
    arch::{self, WORD},
    balanced::{
        candidate::SHAPES,
        form::{Form, FormId, SPAN_MAX},
    },
    keep::{DIGITS_MAX, DIGITS_MIN},
    separator,
};

const _: () = assert!(KEEPING_MAX <= WORD && SPAN_MAX < WORD);

/// A value that is one number.
pub(super) struct Number<'e> {
    /// Where it begins: spaces may stand in front.
    start: usize,
    form: &'e Form,
}

impl<'e> Number<'e> {
    pub(super) fn of(engine: &'e Engine, value: &[u8]) -> Option<Number<'e>> {
        if value.len() > KEEPING_MAX {
            return None;
        }
        let end = value.trim_ascii_end().len();
        let text = value.get(..end)?.trim_ascii_start();
        let may_be = (DIGITS_MIN..SPAN_MAX).contains(&text.len()) && text.first()?.is_ascii_digit();
        let mut bytes = [0; WORD];
        bytes.get_mut(..text.len()).filter(|_| may_be)?.copy_from_slice(text);
        let digits = arch::digits(&bytes);
        let form = |id| Some(engine.forms.get(id)).filter(|form| form.span == text.len() && form.pattern == digits);
        let plain = (DIGITS_MIN..=DIGITS_MAX).contains(&text.len()).then(|| FormId::plain(text.len()));
        let form = plain.and_then(form).or_else(|| {
            let groupings = (0..SHAPES.len()).flat_map(|shape| (1..=separator::BYTES_MAX).map(move |gap| (shape, gap)));
            let mut fitting = groupings.filter_map(|(shape, gap)| form(FormId::grouping(shape, gap)));
            fitting.find(|form| is_separated(&bytes, form))
        })?;
        Some(Number { start: end - text.len(), form })
    }

    /// Whether it begins the value and nothing stands between its digits.
    pub(super) fn is_plain(&self) -> bool {
        self.start == 0 && self.form.gap == 0
    }

    /// How many digits it has.
    pub(super) fn count(&self) -> usize {
        self.form.count
    }

    /// Hides the digits that do not stay.
    pub(super) fn star(&self, value: &mut [u8]) {
        for (from, to) in self.form.stars {
            let hidden = self.start + from as usize..self.start + to as usize;
            value.get_mut(hidden).unwrap_or_default().fill(b'*');
        }
    }
}

/// Whether the same separator stands in all gaps.
fn is_separated(bytes: &[u8; WORD], form: &Form) -> bool {
    let gap = |at: u8| {
        let four = bytes.get(usize::from(at)..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        u32::from_le_bytes(four) & form.gap_bytes
    };
    let [first, rest @ ..] = form.gaps.map(gap);
    separator::is(first, form.gap) && rest.iter().all(|other| *other == first)
}
