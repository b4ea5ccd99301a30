//! Clear values that agents were shown.

use pan::Masked;

use super::{cut, id, list, name, number, omitted, session, text};
use crate::event::{RevealOver, Revealed, Revealing, Text};
use crate::{JUSTIFICATION_MAX, LIST_MAX, NAME_MAX, field};

impl Revealing<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        session(out, self.actor, true, self.number);
        name(out, field::REVEAL, self.reveal);
        name(out, field::RULE, self.rule);
        text(out, field::JUSTIFICATION, self.justification, JUSTIFICATION_MAX);
        list(out, field::COLUMNS, self.columns);
        number(out, field::UNTIL, self.until_s);
    }
}

impl Revealed<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        session(out, self.actor, true, self.number);
        id(out, field::DECISION, self.decision);
        name(out, field::REVEAL, self.reveal);
        shown(out, self.counts);
    }
}

impl RevealOver<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        session(out, self.actor, true, self.number);
        name(out, field::REVEAL, self.reveal);
        name(out, field::CAUSE, Text::Literal(self.cause));
        shown(out, self.counts);
    }
}

/// `column=count` of each column.
fn shown(out: &mut Vec<u8>, counts: &[(Masked, u64)]) {
    for (column, count) in counts.iter().take(LIST_MAX) {
        let words = format!("{}={count}", cut(column.as_str(), NAME_MAX - 24));
        text(out, field::REVEALED, Text::Masked(&Masked::of(&words)), NAME_MAX);
    }
    omitted(out, counts.len().saturating_sub(LIST_MAX));
}
