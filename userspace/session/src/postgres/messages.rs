//! Messages of our own, written by `wire`. None of them can fail to be written but by a fault of ours; then the session ends.

use wire::postgres::SqlState;
use wire::postgres::backend::report;
use wire::postgres::encode::{self, Unencodable};
use wire::postgres::frontend::{Kind, Target};
use wire::postgres::{BackendTag, Malformed};

use super::Fatal;

impl From<Unencodable> for Fatal {
    fn from(_: Unencodable) -> Fatal {
        Fatal::new(b"XX000", "a message of the interceptor's own could not be written")
    }
}

impl Fatal {
    /// The agent's bytes are no message.
    pub(super) fn of_agent(malformed: Malformed) -> Fatal {
        Fatal::agent(malformed.as_str())
    }

    /// The database's bytes are no message.
    pub(super) fn of_database(malformed: Malformed) -> Fatal {
        Fatal::database(malformed.as_str())
    }
}

pub(super) fn describe_portal(out: &mut Vec<u8>, name: &[u8]) -> Result<(), Fatal> {
    Ok(encode::describe(out, Target { kind: Kind::Portal, name })?)
}

/// What an error of ours says. All of it is text that may be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorText<'a> {
    /// As the server spells it, in its language.
    pub(super) severity: &'a [u8],
    /// `ERROR` or `FATAL`, never translated.
    pub(super) severity_word: &'a [u8],
    pub(super) code: &'a [u8; 5],
    pub(super) message: &'a str,
    pub(super) detail: &'a str,
    pub(super) hint: &'a str,
}

/// ErrorResponse. Letters outside ASCII are written as `?`: they may not be in the agent's encoding.
pub(super) fn error(out: &mut Vec<u8>, error: &ErrorText<'_>) -> Result<(), Fatal> {
    let plain = |text: &str| -> Vec<u8> {
        text.chars().map(|letter| if letter.is_ascii() && letter != '\0' { letter as u8 } else { b'?' }).collect()
    };
    let (message, detail, hint) = (plain(error.message), plain(error.detail), plain(error.hint));
    let code = SqlState::of_bytes(error.code).ok_or(Unencodable)?;
    let fields: [(u8, &[u8]); 6] = [
        (report::SEVERITY, error.severity),
        (report::SEVERITY_UNTRANSLATED, error.severity_word),
        (report::CODE, code.as_bytes()),
        (report::MESSAGE, &message),
        (report::DETAIL, &detail),
        (report::HINT, &hint),
    ];
    let said = fields.into_iter().filter(|(_, text)| !text.is_empty());
    Ok(encode::report_fields(out, BackendTag::ErrorResponse, said)?)
}
