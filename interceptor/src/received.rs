//! What an agent received, out of its record: PostgreSQL's messages as tables for a person, or as values for a program.

use anyhow::{Context, Result, bail};
use audit::received::{Kept, read};
use control::{Line, Received, plain};
use pan::Masked;

/// More than any record keeps of one: what unpacks to more is none of ours.
const UNPACKED_MAX: usize = 1 << 20;
/// Characters of one value that a person is shown.
const SHOWN: usize = 60;

/// The bytes of a result, unpacked; `None`: none are kept.
fn bytes(kept: &Kept) -> Result<Option<Vec<u8>>> {
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

/// The messages: how long each is, and what is shown of it. The last one may be cut.
fn messages(bytes: &[u8]) -> impl Iterator<Item = (usize, Option<Line>)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (kind, behind) = rest.split_first()?;
        let length = word(behind)? as usize;
        let body = behind.get(4..length.clamp(4, behind.len())).unwrap_or_default();
        rest = behind.get(4 + body.len()..).unwrap_or_default();
        Some((5 + body.len(), line(*kind, body)))
    })
}

fn line(kind: u8, body: &[u8]) -> Option<Line> {
    Some(match kind {
        b'T' => Line::Columns(columns(body)),
        b'D' => Line::Row(row(body)),
        b'd' => Line::Said(text(body)),
        b'C' => Line::Said(texts(body).join(" ")),
        b'E' => Line::Said(format!("error: {}", report(body))),
        b'N' => Line::Said(format!("notice: {}", report(body))),
        b'A' => Line::Said("a notification".to_owned()),
        b's' => Line::Said("more rows are there".to_owned()),
        _ => return None,
    })
}

fn lines(bytes: &[u8]) -> Vec<Line> {
    messages(bytes).filter_map(|(_, line)| line).collect()
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

/// The lines of a result's record, or why there are none.
pub(crate) fn of(payload: &[u8]) -> Result<Vec<Line>> {
    let kept = kept(payload)?;
    let mut lines = bytes(&kept)?.map_or_else(Vec::new, |bytes| lines(&bytes));
    if kept.left_off > 0 {
        lines.push(Line::Said(format!("{} bytes more, which are not kept", kept.left_off)));
    }
    Ok(lines)
}

fn kept(payload: &[u8]) -> Result<Kept> {
    read(payload).context("a result's record is damaged: run `interceptor audit verify`")
}

/// How much of a session's results a page shows; what is beyond is a number of bytes.
pub(crate) struct Room {
    left: usize,
}

impl Room {
    /// Of all results together.
    const ALL: usize = 1 << 20;
    /// Of one.
    const ONE: usize = 64 << 10;
    /// Letters of one value.
    const VALUE: usize = 200;
    /// A value takes so much beside its letters.
    const FRAME: usize = 16;

    pub(crate) fn new() -> Room {
        Room { left: Room::ALL }
    }

    /// What is shown of the next result's record.
    pub(crate) fn show(&mut self, payload: &[u8]) -> Result<Received> {
        self.take(&kept(payload)?)
    }

    fn take(&mut self, kept: &Kept) -> Result<Received> {
        let mut shown = Received { lines: Vec::new(), more: kept.left_off };
        if self.left == 0 {
            // Not even unpacked.
            shown.more += kept.length;
            return Ok(shown);
        }
        let Some(bytes) = bytes(kept)? else { return Ok(shown) };
        let mut left = self.left.min(Room::ONE);
        let mut told = 0;
        for (length, line) in messages(&bytes) {
            if let Some(line) = line.map(cut) {
                let size = size(&line);
                if size > left {
                    break;
                }
                left -= size;
                shown.lines.push(line);
            }
            told += length;
        }
        shown.more += bytes.len().saturating_sub(told) as u64;
        let is_full = told < bytes.len() && self.left < Room::ONE;
        self.left -= self.left.min(Room::ONE) - left;
        if is_full {
            self.left = 0;
        }
        Ok(shown)
    }
}

/// With no value that is longer than is shown.
fn cut(line: Line) -> Line {
    let short = |text: String| match text.char_indices().nth(Room::VALUE) {
        Some((at, _)) => {
            format!("{}\u{2026} {} bytes more", text.get(..at).unwrap_or_default(), text.len() - at)
        }
        None => text,
    };
    match line {
        Line::Columns(names) => Line::Columns(names.into_iter().map(short).collect()),
        Line::Row(values) => Line::Row(values.into_iter().map(|value| value.map(short)).collect()),
        Line::Said(words) => Line::Said(short(words)),
    }
}

fn size(line: &Line) -> usize {
    let of = |text: &str| text.len() + Room::FRAME;
    match line {
        Line::Columns(names) => names.iter().map(|name| of(name)).sum(),
        Line::Row(values) => values.iter().map(|value| of(value.as_deref().unwrap_or_default())).sum(),
        Line::Said(words) => of(words),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let (named, first) = (json!({ "columns": ["id", "pan"] }), json!({ "row": ["7", "411111******1111"] }));
        let (second, tag) = (json!({ "row": [null, "\\x01"] }), json!({ "said": "SELECT 2" }));
        assert_eq!(json!(lines(&result())), json!([named, first, second, tag]));
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

    fn keeps(bytes: Vec<u8>) -> Kept {
        Kept { length: bytes.len() as u64, packed: Some(bytes), ..Kept::default() }
    }

    fn rows(count: usize, value: &str) -> Kept {
        let length = value.len() as u32;
        let row = [&b"D"[..], &(length + 10).to_be_bytes(), &[0, 1], &length.to_be_bytes(), value.as_bytes()].concat();
        keeps(row.repeat(count))
    }

    #[test]
    fn a_page_shows_a_result_up_to_a_bound_and_counts_the_rest() {
        let mut room = Room::new();
        let whole = room.take(&keeps(result())).unwrap();
        assert_eq!((whole.lines.len(), whole.more), (4, 0));
        let beyond = room.take(&Kept { left_off: 7, ..keeps(result()) }).unwrap();
        assert_eq!((beyond.lines.len(), beyond.more), (4, 7));
        let unkept = room.take(&Kept { left_off: 9, ..Kept::default() }).unwrap();
        assert_eq!((unkept.lines.len(), unkept.more), (0, 9));
        let many = room.take(&rows(2000, &"x".repeat(100))).unwrap();
        assert_eq!(many.lines.len(), Room::ONE / (100 + Room::FRAME));
        assert_eq!(many.more, (2000 - many.lines.len() as u64) * 111);
        let long = room.take(&rows(1, &"x".repeat(1000))).unwrap();
        assert_eq!(long.lines, [Line::Row(vec![Some("x".repeat(200) + "\u{2026} 800 bytes more")])]);
        // All together too; what finds no room is not even unpacked.
        while room.left > 0 {
            room.take(&rows(2000, "x")).unwrap();
        }
        let packed = Kept { packed: Some(vec![1]), is_zstd: true, length: 500, left_off: 20, ..Kept::default() };
        assert_eq!(room.take(&packed).unwrap(), Received { lines: vec![], more: 520 });
    }

    #[test]
    fn a_value_is_masked_before_it_is_cut() {
        let value = "x".repeat(190) + " 4111111111111111";
        let shown = Room::new().take(&rows(1, &value)).unwrap();
        let Line::Row(values) = &shown.lines[0] else { panic!("a row") };
        assert!(values[0].as_ref().is_some_and(|value| value.ends_with(" 411111***\u{2026} 7 bytes more")));
    }

    #[test]
    fn a_damaged_record_says_what_to_do() {
        let why = Room::new().show(&[0xff]).unwrap_err().to_string();
        assert!(why.contains("interceptor audit verify"), "{why}");
    }
}
