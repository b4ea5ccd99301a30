//! What an agent and a reviewer are told of a held statement.

use std::sync::Arc;

use audit::NAME_MAX;
use pan::Masked;
use policy::Terms;
use wire::postgres::Format;
use wire::postgres::frontend::Bind;

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

/// Bytes of one value that a reviewer is shown.
const VALUE_MAX: usize = NAME_MAX - 32;

/// Types are the server's to know: of a binary value, what it may be.
pub(super) fn values(bind: &Bind<'_>, redacted: bool, max: usize) -> Vec<Masked> {
    let format = |at: usize| match bind.formats.len() {
        0 => Format::Text,
        1 => bind.formats.iter().next().unwrap_or(Format::Text),
        _ => bind.formats.iter().nth(at).unwrap_or(Format::Text),
    };
    let value = |(at, value): (usize, Option<&[u8]>)| match value {
        None => Masked::literal("NULL"),
        Some(_) if redacted => Masked::literal("[redacted]"),
        Some(bytes) => said(bytes, format(at)),
    };
    let mut all: Vec<Masked> = bind.values().enumerate().take(max).map(value).collect();
    if bind.len() > max {
        all.push(Masked::of(&format!("[and {} more]", bind.len() - max)));
    }
    all
}

fn said(bytes: &[u8], format: Format) -> Masked {
    let number = |value: i64| Masked::of(&format!("{value}"));
    match (format, bytes) {
        (Format::Binary, [a, b]) => number(i16::from_be_bytes([*a, *b]).into()),
        (Format::Binary, [a, b, c, d]) => number(i32::from_be_bytes([*a, *b, *c, *d]).into()),
        (Format::Binary, [a, b, c, d, e, f, g, h]) => number(i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
        (_, bytes) => match std::str::from_utf8(bytes) {
            // Masked as a whole, cut after: no number loses its end to the cut and passes for none.
            Ok(text) if format == Format::Text || !text.contains(char::is_control) => {
                cut(&Masked::of(text), bytes.len())
            }
            _ => Masked::of(&format!("[{} bytes]", bytes.len())),
        },
    }
}

fn cut(text: &Masked, bytes: usize) -> Masked {
    let whole = text.as_str();
    if whole.len() <= VALUE_MAX {
        return text.clone();
    }
    Masked::of(&format!("{} [of {bytes} bytes]", &whole[..whole.floor_char_boundary(VALUE_MAX)]))
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

    #[test]
    fn values_are_masked_whatever_their_form() {
        for (bytes, format, expected) in [
            (b"4111111111111111".as_slice(), Format::Text, "411111******1111"),
            (&4_111_111_111_111_111_i64.to_be_bytes(), Format::Binary, "411111******1111"),
            (&7_i32.to_be_bytes(), Format::Binary, "7"),
            (&(-7_i16).to_be_bytes(), Format::Binary, "-7"),
            (b"ada", Format::Binary, "ada"),
            (b"\x00\x01\x02", Format::Binary, "[3 bytes]"),
            (b"\xff\xfe\xfd", Format::Text, "[3 bytes]"),
        ] {
            assert!(said(bytes, format).as_str() == expected, "{} bytes", bytes.len());
        }
        assert!(said(&[b'x'; 400], Format::Text).as_str().ends_with("x [of 400 bytes]"));
    }
}
