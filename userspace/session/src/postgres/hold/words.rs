//! What an agent and a reviewer are told of a held statement.

use std::sync::Arc;

use pan::Masked;
use policy::Terms;

use super::super::judge::Verdict;
use crate::verdicts::{Answer, Judged, Refusal, Why};
use crate::{AskEnd, RecordId};

/// The first is the statement; the others are what its EXECUTEs run.
pub(super) fn shown(texts: &[Arc<Judged>]) -> Masked {
    let text = |judged: &Judged| {
        if judged.secret { sql::redact(&judged.text).as_str().to_owned() } else { judged.text.clone() }
    };
    let mut out = String::new();
    for (at, judged) in texts.iter().enumerate() {
        if at > 0 {
            out.push_str("\n-- EXECUTE runs:\n");
        }
        out.push_str(&text(judged));
    }
    Masked::of(&out)
}

pub(super) fn approvers(terms: &[Arc<Terms>]) -> Vec<Masked> {
    terms.iter().flat_map(|terms| &terms.approvers).map(|approver| Masked::of(approver)).collect()
}

/// Why it does not go on, for the agent.
pub(super) fn denial(verdict: &Verdict, answer: Option<Answer>, end: AskEnd) -> Refusal {
    if end == AskEnd::Cancelled {
        let said = Refusal::new(Why::Denied, "canceling statement due to user request", "").with_code(*b"57014");
        return Refusal { answer: answer.map(Arc::new), ..said };
    }
    let hint = match end {
        AskEnd::Denied => "a reviewer denied it: DETAIL has the reason",
        AskEnd::Expired => "nobody decided in time",
        AskEnd::PolicyChanged => "the policy has changed meanwhile: send it again",
        AskEnd::Stopping => "the interceptor is being stopped",
        AskEnd::Unheard => "it needs a person's approval, and nobody can be asked now: try again later",
        _ => "it needs a person's approval",
    };
    let message = verdict.refusal.as_ref().map_or_else(|| Masked::literal("denied"), |refusal| refusal.message.clone());
    Refusal { answer: answer.map(Arc::new), message, ..Refusal::new(Why::Denied, "", hint) }
}

/// A rule binds its approvals to the planner's estimate, and there is none.
pub(super) fn unbound() -> Refusal {
    let message = "an approval of this statement is for as many rows as the planner expects, and that is not known";
    Refusal::new(Why::Denied, message, "ask for it as one plain statement, without a cursor and without functions")
}

impl Answer {
    /// One line of JSON, ASCII alone.
    pub(in crate::postgres) fn detail(&self, record: Option<RecordId>) -> String {
        let word = match self.end {
            // As the server says it, which has no DETAIL for it.
            AskEnd::Cancelled => return String::new(),
            AskEnd::Expired => "expired",
            AskEnd::Unheard => "unavailable",
            _ => "denied",
        };
        let mut out = format!("{{\"interceptor\":\"{word}\",\"id\":\"{}\"", self.ask);
        if let Some((by, reason)) = &self.by {
            let reason = reason.as_str();
            let reason = &reason[..reason.floor_char_boundary(audit::JUSTIFICATION_MAX)];
            out.push_str(&format!(",\"by\":\"{}\",\"reason\":\"{}\"", escaped(by.as_str()), escaped(reason)));
        }
        if let Some(record) = record {
            out.push_str(&format!(",\"record\":\"{}-{}\"", record.shard, record.seq));
        }
        out.push('}');
        out
    }
}

/// What stands between quotes in JSON; nothing but printable ASCII.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            ' '..='~' => out.push(letter),
            other => {
                let mut units = [0; 2];
                other.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
        }
    }
    out
}

/// Letters outside ASCII may not be in the agent's encoding.
pub(super) fn ascii(text: &str) -> String {
    text.chars().map(|letter| if matches!(letter, ' '..='~') { letter } else { '?' }).collect()
}

/// RFC 3339, seconds.
pub(super) fn time(seconds: u64) -> String {
    let whole = audit::show::time(seconds.saturating_mul(1_000_000_000));
    format!("{}Z", whole.split('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AskId;

    #[test]
    fn json_is_ascii_and_one_line() {
        let answer = Answer {
            end: AskEnd::Denied,
            ask: AskId::of(7),
            by: Some((Masked::of("ann"), Masked::of("no \"DROP\"\\\n\x1b[31m café 🦀"))),
        };
        assert_eq!(
            answer.detail(Some(RecordId { shard: 3, seq: 9 })),
            r#"{"interceptor":"denied","id":"00000-00007","by":"ann","reason":"no \"DROP\"\\\u000a\u001b[31m caf\u00e9 \ud83e\udd80","record":"3-9"}"#
        );
        assert_eq!(time(1_790_000_600), "2026-09-21T14:23:20Z");
    }
}
