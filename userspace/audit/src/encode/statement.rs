//! Statements, what they are bound to, and what is decided of them.

use super::{bytes, list, long_text, name, name_if, number, number_if, omitted};
use crate::event::{Decided, Parameters, Statement, Text, VerdictFacts};
use crate::token::CardTokens;
use crate::{LIST_MAX, field};

impl Statement<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        for kind in self.kinds.iter().take(LIST_MAX) {
            name(out, field::KIND, Text::Literal(kind));
        }
        for table in self.tables.iter().take(LIST_MAX) {
            name(out, field::TABLE, Text::Masked(table));
        }
        omitted(out, self.kinds.len().saturating_sub(LIST_MAX) + self.tables.len().saturating_sub(LIST_MAX));
        long_text(out, self.text);
        number(out, field::TEXT_BYTES, self.text_bytes);
        if self.redacted {
            number(out, field::REDACTED, 1);
        }
        tokens(out, self.tokens);
    }
}

impl Parameters<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        list(out, field::PARAMETERS, self.values);
        tokens(out, self.tokens);
        number_if(out, field::PARAMETERS_UNREAD, Some(self.unread).filter(|unread| *unread > 0));
    }
}

impl VerdictFacts<'_> {
    /// The verdict's success comes first, as in every payload.
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        number(out, field::SUCCESS, u64::from(self.verdict.goes_on()));
        number(out, field::VERDICT, u64::from(self.verdict.code()));
        name_if(out, field::RULE, self.rule);
        name_if(out, field::REASON, self.reason);
        name(out, field::POLICY, self.policy);
    }
}

impl Decided<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.verdict.0);
        out.extend_from_slice(&self.actor.0);
        // A word of this program's: nothing in it is to be looked at.
        bytes(out, field::REQUEST, self.request.as_bytes());
        name_if(out, field::APPROVAL, self.approval);
        name_if(out, field::REVEAL, self.reveal);
        number(out, field::NUMBER, self.number);
        out.extend_from_slice(&self.statement.0);
        out.extend_from_slice(self.parameters.map_or(&[], |part| &part.0));
    }
}

fn tokens(out: &mut Vec<u8>, of: &CardTokens) {
    of.tokens.iter().for_each(|token| bytes(out, field::CARD_TOKENS, &token.0));
    number_if(out, field::CARD_TOKENS_OMITTED, Some(of.left_off).filter(|left_off| *left_off > 0));
}
