//! Logins of ours, to payloads.

use super::{name, name_if, number, omitted};
use crate::event::{CredentialSeen, Text};
use crate::{LIST_MAX, field};

impl CredentialSeen<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        self.operator.append(out, !matches!(self.change, "refused" | "kept"));
        name_if(out, field::AGENT, self.agent);
        if let Some(cgroup) = self.cgroup {
            number(out, field::CGROUP, cgroup);
        }
        name(out, field::DATABASE, self.database);
        name_if(out, field::DATABASE_USER, self.role);
        name_if(out, field::CAUSE, self.cause);
        if let Some(until_s) = self.until_s {
            number(out, field::UNTIL, until_s);
        }
        name_if(out, field::PRINCIPAL, self.principal);
        name(out, field::CHANGE, Text::Literal(self.change));
        self.grants.iter().take(LIST_MAX).for_each(|one| name(out, field::GRANTS, Text::Masked(one)));
        omitted(out, self.grants.len().saturating_sub(LIST_MAX));
    }
}
