//! What an agent received, out of its record: PostgreSQL's messages as tables for a person, or as values for a program.

use anyhow::{Context, Result, bail};
use audit::received::{Kept, read};
use control::plain;
use pan::Masked;
use serde_json::{Value, json};

/// More than any record keeps of one: what unpacks to more is none of ours.
const UNPACKED_MAX: usize = 1 << 20;
/// Characters of one value that a person is shown.
const SHOWN: usize = 60;

/// One message, as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Columns(Vec<String>),
    /// `None`: null.
    Row(Vec<Option<String>>),
    Said(String),
}

/// The bytes of a result, unpacked; `None`: none are kept.
pub(crate) fn bytes(kept: &Kept) -> Result<Option<Vec<u8>>> {
    let Some(packed) = &kept.packed else { return Ok(None) };
    let length = usize::try_from(kept.length).ok().filter(|length| *length <= UNPACKED_MAX);
    let length = length.context("it says that it is longer than any record keeps")?;
    let bytes = match kept.is_zstd {
        true => zstd::bulk::decompress(packed, length).context("it cannot be unpacked")?,
        false => packed.clone(),
    };
    if bytes.len() != length {
        bail!("it is not as long as it says");
    }
    Ok(Some(bytes))
}

/// The messages. The last one may be cut.
pub(crate) fn lines(bytes: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some((kind, behind)) = rest.split_first() {
        let Some(length) = word(behind) else { break };
        let body = behind.get(4..(length as usize).clamp(4, behind.len())).unwrap_or_default();
        rest = behind.get(4 + body.len()..).unwrap_or_default();
        match kind {
            b'T' => lines.push(Line::Columns(columns(body))),
            b'D' => lines.push(Line::Row(row(body))),
            b'd' => lines.push(Line::Said(text(body))),
            b'C' => lines.push(Line::Said(texts(body).join(" "))),
            b'E' => lines.push(Line::Said(format!("error: {}", report(body)))),
            b'N' => lines.push(Line::Said(format!("notice: {}", report(body)))),
            b'A' => lines.push(Line::Said("a notification".to_owned())),
            b's' => lines.push(Line::Said("more rows are there".to_owned())),
            _ => {}
        }
    }
    lines
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// Masked once more: the record may be somebody else's.
fn text(bytes: &[u8]) -> String {
    Masked::of_bytes(bytes).as_str().trim_end_matches(['\0', '\n']).to_owned()
}

fn texts(body: &[u8]) -> Vec<String> {
    body.split(|byte| *byte == 0).filter(|part| !part.is_empty()).map(text).collect()
}

fn columns(body: &[u8]) -> Vec<String> {
    /// Of one column behind its name: table, attribute, type, size, modifier, format.
    const FACTS: usize = 18;
    let mut rest = body.get(2..).unwrap_or_default();
    let mut names = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        names.push(text(rest.get(..end).unwrap_or_default()));
        rest = rest.get(end + 1 + FACTS..).unwrap_or_default();
    }
    names
}

fn row(body: &[u8]) -> Vec<Option<String>> {
    let mut rest = body.get(2..).unwrap_or_default();
    let mut values = Vec::new();
    while let Some(length) = word(rest) {
        let behind = rest.get(4..).unwrap_or_default();
        if length == u32::MAX {
            values.push(None);
            rest = behind;
            continue;
        }
        let (value, left) = behind.split_at((length as usize).min(behind.len()));
        values.push(Some(shown(value)));
        rest = left;
    }
    values
}

/// Text as it is; a binary value in hexadecimal.
fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(words) if !words.contains(|c: char| c.is_control() && !c.is_whitespace()) => text(value),
        _ => text(format!("\\x{}", value.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).as_bytes()),
    }
}

fn report(body: &[u8]) -> String {
    let field = |code: u8| {
        let of = |part: &&[u8]| part.first() == Some(&code);
        body.split(|byte| *byte == 0).find(of).map(|part| text(part.get(1..).unwrap_or_default()))
    };
    format!("{} {}", field(b'C').unwrap_or_default(), field(b'M').unwrap_or_default())
}

/// For a person: a table where there is one.
pub(crate) fn words(lines: &[Line]) -> String {
    let mut out = String::new();
    let cell = |value: &str| -> String {
        let cut: String = plain(value).chars().take(SHOWN).collect();
        if value.chars().count() > SHOWN { cut + "…" } else { cut }
    };
    for line in lines {
        let line = match line {
            Line::Columns(names) => names.iter().map(|name| cell(name)).collect::<Vec<_>>().join(" | "),
            Line::Row(values) => {
                let cells = values.iter().map(|value| value.as_deref().map_or_else(|| "∅".to_owned(), cell));
                cells.collect::<Vec<_>>().join(" | ")
            }
            Line::Said(words) => format!("({})", cell(words)),
        };
        out += &format!("    {line}\n");
    }
    out
}

/// For a program.
pub(crate) fn value(lines: &[Line]) -> Value {
    let one = |line: &Line| match line {
        Line::Columns(names) => json!({ "columns": names }),
        Line::Row(values) => json!({ "row": values }),
        Line::Said(words) => json!({ "said": words }),
    };
    lines.iter().map(one).collect::<Vec<_>>().into()
}

/// The lines of a result's record, or why there are none.
pub(crate) fn of(payload: &[u8]) -> Result<Vec<Line>> {
    let kept = read(payload).context("a result's record is damaged: run `interceptor audit verify`")?;
    let mut lines = bytes(&kept)?.map_or_else(Vec::new, |bytes| lines(&bytes));
    if kept.left_off > 0 {
        lines.push(Line::Said(format!("{} bytes more, which are not kept", kept.left_off)));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> Vec<u8> {
        let column = |name: &[u8]| [name, &[0; 19]].concat();
        let columns = [&b"T\0\0\0\x31\0\x02"[..], &column(b"id"), &column(b"pan")].concat();
        let rows =
            b"D\0\0\0\x1f\0\x02\0\0\0\x017\0\0\0\x10411111******1111D\0\0\0\x0f\0\x02\xff\xff\xff\xff\0\0\0\x01\x01";
        [&columns[..], rows, b"C\0\0\0\x0dSELECT 2\0Z\0\0\0\x05I"].concat()
    }

    #[test]
    fn messages_become_a_table() {
        let read = words(&lines(&result()));
        assert_eq!(read, "    id | pan\n    7 | 411111******1111\n    ∅ | \\x01\n    (SELECT 2)\n");
        assert_eq!(value(&lines(&result()))[1], json!({ "row": ["7", "411111******1111"] }));
    }

    #[test]
    fn a_cut_or_foreign_result_shows_no_card_and_does_not_fail() {
        let whole = result();
        for end in 0..whole.len() {
            let _ = words(&lines(&whole[..end]));
        }
        let foreign = b"D\0\0\0\x1a\0\x01\0\0\0\x104111111111111111";
        assert!(!words(&lines(foreign)).contains("4111111111111111"));
        let binary = b"D\0\0\0\x1b\0\x01\0\0\0\x114111111111111111\xff";
        assert!(!words(&lines(binary)).contains("34313131313131313131313131313131"));
    }

    #[test]
    fn what_unpacks_to_another_length_is_refused() {
        let packed = zstd::bulk::compress(&[7; 4096], 1).unwrap();
        let kept = |length| Kept { packed: Some(packed.clone()), is_zstd: true, length, ..Kept::default() };
        assert_eq!(bytes(&kept(4096)).unwrap().unwrap(), [7; 4096]);
        assert!(bytes(&kept(4095)).is_err() && bytes(&kept(4097)).is_err() && bytes(&kept(1 << 40)).is_err());
        assert_eq!(bytes(&Kept::default()).unwrap(), None);
    }
}
