//! ErrorResponse and NoticeResponse.

use super::super::backend::report::{CODE, MESSAGE, SEVERITY, SEVERITY_UNTRANSLATED};
use super::super::limits::BACKEND_SMALL_BODY_MAX;
use super::super::sqlstate::SqlState;
use super::super::tag::{BackendTag, Tag};
use super::alloc::vec::Vec;
use super::writer::{Unencodable, Writer};

/// A field of a report: its type (constants in [`super::super::backend::report`]) and text.
pub type Field<'a> = (u8, &'a str);

/// Text that one field of a report of ours may have; the rest is cut off. Far below what libpq takes for an error before login
/// (30,000 bytes in all, `MAX_ERRLEN` in fe-connect.c).
const FIELD_MAX: usize = 2048;

/// ErrorResponse with the severity (`ERROR`, `FATAL`), the code, the message and further fields
/// ([`super::super::backend::report::DETAIL`] and its like).
/// A zero byte becomes a space and text over 2 KiB is cut, and more than nine further fields are left out, so that an error can always be said.
pub fn error_response(out: &mut Vec<u8>, severity: &str, code: SqlState, message: &str, more: &[Field<'_>]) {
    report(out, BackendTag::ErrorResponse, severity, code, message, more);
}

/// NoticeResponse with the severity (`WARNING`, `NOTICE`, …); else as [`error_response`].
pub fn notice_response(out: &mut Vec<u8>, severity: &str, code: SqlState, message: &str, more: &[Field<'_>]) {
    report(out, BackendTag::NoticeResponse, severity, code, message, more);
}

/// A report with exactly these fields, of the server's own or for a simulated one. `tag` is ErrorResponse or NoticeResponse.
pub fn report_fields<'f>(
    out: &mut Vec<u8>,
    tag: BackendTag,
    fields: impl IntoIterator<Item = (u8, &'f [u8])>,
) -> Result<(), Unencodable> {
    Writer::typed(out, tag)
        .refuse_if(!matches!(tag, BackendTag::ErrorResponse | BackendTag::NoticeResponse))
        .each(fields, |writer, (code, text)| writer.refuse_if(code == 0).u8(code).string(text))
        .u8(0)
        .finish()
}

fn report(out: &mut Vec<u8>, tag: BackendTag, severity: &str, code: SqlState, message: &str, more: &[Field<'_>]) {
    let start = out.len();
    out.extend_from_slice(&[tag.byte(), 0, 0, 0, 0]);
    field(out, SEVERITY, severity);
    field(out, SEVERITY_UNTRANSLATED, severity);
    field(out, CODE, code.as_str());
    field(out, MESSAGE, message);
    for &(code, text) in more.iter().filter(|(code, _)| *code != 0).take(MORE_MAX) {
        field(out, code, text);
    }
    out.push(0);
    let length = (out.len() - start - 1) as u32; // bounded by the constants below
    if let Some(word) = out.get_mut(start + 1..).and_then(|frame| frame.first_chunk_mut::<4>()) {
        *word = length.to_be_bytes();
    }
}

/// Further fields of one report.
const MORE_MAX: usize = 9;
const _: () = assert!((4 + MORE_MAX) * (FIELD_MAX + 2) < BACKEND_SMALL_BODY_MAX);

fn field(out: &mut Vec<u8>, code: u8, text: &str) {
    out.push(code);
    out.extend(text.get(..text.floor_char_boundary(FIELD_MAX)).unwrap_or(text).bytes().map(|byte| match byte {
        0 => b' ',
        byte => byte,
    }));
    out.push(0);
}
