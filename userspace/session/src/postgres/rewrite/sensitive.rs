//! Sensitive columns of rows that pass: the values are whole, so each is masked where it lies, as its masker would.

use super::columns::{Columns, Resolved};
use super::suspect::search_slowly;
use super::types::{Kind, Text, UserTypes};
use pan::{Fill, Whole};

impl Columns {
    /// Masks the sensitive values of a row that passes; returns how many there are.
    pub(super) fn mask_sensitive(&self, body: &mut [u8]) -> u32 {
        let (mut at, mut count) = (2, 0); // behind the count of fields
        for column in self.up_to_sensitive() {
            let Some(length) = body.get(at..).and_then(<[u8]>::first_chunk::<4>) else { break };
            let length = u32::from_be_bytes(*length);
            at += 4;
            if length == u32::MAX {
                continue; // null
            }
            let value = at..at + length as usize;
            at = value.end;
            if let (Some(whole), Some(value)) = (column.whole, body.get_mut(value)) {
                mask(column, whole, value, self.types());
                count += 1;
            }
        }
        count
    }
}

/// Masks a value for which its column's check holds.
#[inline(always)]
fn mask(column: &Resolved, whole: Whole, value: &mut [u8], types: Option<&UserTypes>) {
    let fill = match (column.binary, column.text, column.kind) {
        (false, Text::Plain, _) | (true, _, Kind::Text) => Fill::Text,
        (false, Text::Number, _) => Fill::Number,
        (false, Text::Json, _) | (true, _, Kind::Json) => Fill::Json,
        _ => return mask_slowly(column, value, types),
    };
    pan::mask_whole_text(value, whole, fill);
}

/// By the masker itself. The check says that it can; were it wrong, nothing of the value would leave.
#[inline(never)]
fn mask_slowly(column: &Resolved, value: &mut [u8], types: Option<&UserTypes>) {
    if search_slowly(column, value, types).is_err() {
        value.fill(0);
    }
}
