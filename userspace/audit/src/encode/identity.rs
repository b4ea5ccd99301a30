//! What tokens say, to payloads.

use super::{bytes, name, name_if, number, omitted, session};
use crate::event::{Identified, Principal, Text, TokenSeen};
use crate::{LIST_MAX, field};

impl Principal<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        name(out, field::ISSUER, self.issuer);
        name(out, field::SUBJECT, self.subject);
        name(out, field::PRINCIPAL, self.principal);
        bytes(out, field::TOKEN_HASH, &self.token);
    }
}

impl Identified<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        session(out, self.actor, self.cause.is_none(), self.number);
        name(out, field::CHANGE, Text::Literal(self.change));
        if let Some(refused) = &self.refused {
            refused.append(out);
        }
        for (of, list) in [(field::SIGNED_GROUPS, self.groups), (field::CLAIMS, self.claims)] {
            list.iter().take(LIST_MAX).for_each(|one| name(out, of, Text::Masked(one)));
        }
        omitted(out, self.groups.len().saturating_sub(LIST_MAX) + self.claims.len().saturating_sub(LIST_MAX));
        number(out, field::TOKEN_EXPIRES, self.expires_s);
        name_if(out, field::CAUSE, self.cause);
    }
}

impl TokenSeen<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        self.operator.append(out, self.change != "refused");
        name_if(out, field::AGENT, self.agent);
        if let Some(cgroup) = self.cgroup {
            number(out, field::CGROUP, cgroup);
        }
        name(out, field::CHANGE, Text::Literal(self.change));
        if let Some(signed) = &self.signed {
            signed.append(out);
        }
        if let Some(expires_s) = self.expires_s {
            number(out, field::TOKEN_EXPIRES, expires_s);
        }
        name_if(out, field::CAUSE, self.cause);
    }
}
