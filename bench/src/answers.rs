//! What the stub server says: canned PostgreSQL messages, and the statements that ask for them.

use crate::dice::Dice;
use crate::pan::cards::valid;

/// One row by its key: what drivers ask all day. The stub answers with 100 bytes.
pub(crate) const POINT: &str = "SELECT id, note FROM bench_small WHERE id = 42";
/// What a rule of `bench hold` holds.
pub(crate) const HELD: &str = "DELETE FROM bench_held WHERE id = 7";
/// A big COPY, which only a real PostgreSQL answers.
pub(crate) const COPY: &str = "COPY bench_rows (id, a, b, c, at, note) TO STDOUT";

/// 500 MB of rows and of COPY, likewise.
pub(crate) const LARGE: &str = "SELECT r.* FROM bench_rows r CROSS JOIN generate_series(1, 38)";
pub(crate) const LARGE_COPY: &str = "COPY (SELECT r.* FROM bench_rows r CROSS JOIN generate_series(1, 50)) TO STDOUT";
/// Rows go in and none is kept, so that a run may be as long as it likes.
pub(crate) const COPY_IN: &str = "COPY bench_sink (id, note) FROM STDIN WHERE id < 0";

/// A big result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Rows of 130 bytes, in sends of 1 MiB: a source that is never what a relay waits for.
    Rows,
    /// The same in sends of 8 KiB, as PostgreSQL makes them.
    Rows8,
    /// Rows of 8 KiB.
    Wide,
    /// A card number in every row of 100 bytes.
    Cards,
    /// 1 MiB of `Rows`.
    Some,
    /// 100 MB of `Rows`, which nobody reads.
    Unread,
}

/// Every flow and the table that stands for it.
pub(crate) const FLOWS: [(Flow, &str); 6] = [
    (Flow::Rows, "bench_rows"),
    (Flow::Rows8, "bench_rows8"),
    (Flow::Wide, "bench_wide"),
    (Flow::Cards, "bench_cards"),
    (Flow::Some, "bench_some"),
    (Flow::Unread, "bench_unread"),
];

/// Bytes of one send.
const SMALL_SEND: usize = 8 << 10;
const LARGE_SEND: usize = 1 << 20;
/// Bytes of one big result, about.
const FLOW_BYTES: usize = 32 << 20;
const SOME_BYTES: usize = 1 << 20;
const UNREAD_BYTES: usize = 100_000_000;
/// A made-up table; names and types are as in the real one.
const TABLE: u32 = 16_385;
/// And of the table of [`POINT`], where the catalog is asked for.
const SMALL: u32 = 16_386;
const INT4: u32 = 23;
const TEXT: u32 = 25;

impl Flow {
    pub(crate) fn table(self) -> &'static str {
        FLOWS.iter().find(|(flow, _)| *flow == self).map_or("", |(_, table)| table)
    }

    /// The statement that asks for it.
    pub(crate) fn sql(self) -> String {
        format!("SELECT * FROM {}", self.table())
    }

    /// Which flow a statement asks for.
    pub(crate) fn of_sql(sql: &str) -> Option<Flow> {
        let table = sql.strip_prefix("SELECT * FROM ")?;
        FLOWS.iter().find(|(_, name)| *name == table).map(|(flow, _)| *flow)
    }

    /// What the stub sends again and again: whole rows.
    pub(crate) fn chunk(self) -> Vec<u8> {
        let most = if self == Flow::Rows8 { SMALL_SEND } else { LARGE_SEND };
        let mut chunk = Vec::with_capacity(most);
        for number in 0.. {
            let before = chunk.len();
            self.row(number, &mut chunk);
            if chunk.len() > most {
                chunk.truncate(before);
                break;
            }
        }
        chunk
    }

    /// How often the chunk is sent.
    pub(crate) fn times(self, chunk: usize) -> usize {
        let bytes = match self {
            Flow::Some => SOME_BYTES,
            Flow::Unread => UNREAD_BYTES,
            Flow::Rows | Flow::Rows8 | Flow::Wide | Flow::Cards => FLOW_BYTES,
        };
        bytes.div_ceil(chunk.max(1))
    }

    fn row(self, number: u32, out: &mut Vec<u8>) {
        match self {
            Flow::Rows | Flow::Rows8 | Flow::Some | Flow::Unread => {
                let values = [
                    format!("{}", 10_000 + number),
                    format!("{}", number % 1000),
                    format!("{}", u64::from(number) * 7919),
                    format!("{}.{:02}", number / 7, number % 100),
                    format!("2026-01-01 00:{:02}:{:02}+00", number / 60 % 60, number % 60),
                    format!("row of a table that is neither narrow nor wide {number}"),
                ];
                data_row(out, &values.each_ref().map(String::as_bytes));
            }
            Flow::Wide => data_row(out, &[number.to_string().as_bytes(), "wide words ".repeat(744).as_bytes()]),
            Flow::Cards => {
                data_row(out, &[number.to_string().as_bytes(), card().as_bytes(), "x".repeat(60).as_bytes()]);
            }
        }
    }

    /// Its columns.
    pub(crate) fn description(self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Flow::Rows | Flow::Rows8 | Flow::Some | Flow::Unread => row_description(
                &mut out,
                &[("id", INT4), ("a", INT4), ("b", 20), ("c", 1700), ("at", 1184), ("note", TEXT)],
            ),
            Flow::Wide => row_description(&mut out, &[("id", INT4), ("note", TEXT)]),
            Flow::Cards => row_description(&mut out, &CARDS),
        }
        out
    }
}

/// The one number in all rows of cards, of a made-up account.
pub(crate) fn card() -> String {
    valid(&mut Dice(0x5eed), "4", 16)
}

/// A message: tag, length, body.
pub(crate) fn message(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    out.push(tag);
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
}

/// A row in text.
pub(crate) fn data_row(out: &mut Vec<u8>, values: &[&[u8]]) {
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend_from_slice(value);
    }
    message(out, b'D', &body);
}

/// Columns of the made-up table, in text.
pub(crate) fn row_description(out: &mut Vec<u8>, columns: &[(&str, u32)]) {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for (number, (name, type_oid)) in (1_u16..).zip(columns) {
        body.extend(name.bytes().chain([0]));
        body.extend(TABLE.to_be_bytes());
        body.extend(number.to_be_bytes());
        body.extend(type_oid.to_be_bytes());
        body.extend((-1_i16).to_be_bytes());
        body.extend((-1_i32).to_be_bytes());
        body.extend(0_u16.to_be_bytes());
    }
    message(out, b'T', &body);
}

/// CommandComplete.
pub(crate) fn complete(out: &mut Vec<u8>, tag: &str) {
    message(out, b'C', &tag.bytes().chain([0]).collect::<Vec<u8>>());
}

/// ReadyForQuery, idle.
pub(crate) fn ready(out: &mut Vec<u8>) {
    message(out, b'Z', b"I");
}

/// All that a server says until the first ReadyForQuery, without asking for a password.
pub(crate) fn login(out: &mut Vec<u8>) {
    message(out, b'R', &[0; 4]);
    for (name, value) in [
        ("server_version", "15.0"),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
        ("integer_datetimes", "on"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("is_superuser", "off"),
        ("session_authorization", "app"),
        ("application_name", ""),
    ] {
        message(out, b'S', &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    message(out, b'K', &[0, 0, 0, 7, 0, 0, 0, 7]);
    ready(out);
}

/// The columns of [`POINT`].
pub(crate) fn point_description(out: &mut Vec<u8>) {
    row_description(out, &[("id", INT4), ("note", TEXT)]);
}

/// The row of [`POINT`] and its end.
pub(crate) fn point_row(out: &mut Vec<u8>) {
    data_row(out, &[b"42", "a note of some length, ".repeat(5).as_bytes().get(..98).unwrap_or_default()]);
    complete(out, "SELECT 1");
}

/// The columns of rows of cards.
const CARDS: [(&str, u32); 3] = [("id", INT4), ("card", TEXT), ("note", TEXT)];

/// The question about names that the product asks on its agent's connection: one schema, and the table of cards where policy names a column of it.
pub(crate) fn names(out: &mut Vec<u8>, sql: &str) {
    let table = Flow::Cards.table();
    let named = sql.contains(table);
    for statement in sql.split("; ").map(|s| s.trim_start_matches("/* interceptor */ ")) {
        let rows: Vec<String> = match statement {
            s if s.starts_with("SET") => {
                complete(out, "SET");
                continue;
            }
            s if s.starts_with("SELECT n.nspname FROM") => vec!["public".into(), "pg_catalog".into()],
            s if s.starts_with("SELECT CURRENT_USER") => vec!["app|\"$user\", public|150015|f".into()],
            s if named && s.starts_with("SELECT c.oid, n.nspname, c.relname, c.relkind") => {
                vec![format!("{TABLE}|public|{table}|r||f||"), format!("{SMALL}|public|bench_small|r||f||")]
            }
            s if named && s.starts_with("SELECT c.oid, n.nspname, c.relname, a.attnum") => {
                cards().map(|column| format!("{TABLE}|public|{table}|{column}")).collect()
            }
            s if named && s.starts_with("SELECT a.attrelid") => {
                let small = [format!("{SMALL}|1|id|{INT4}"), format!("{SMALL}|2|note|{TEXT}")];
                cards().map(|column| format!("{TABLE}|{column}")).chain(small).collect()
            }
            s if s.starts_with("SELECT") => Vec::new(),
            _ => continue,
        };
        let width = rows.first().map_or(1, |row| row.split('|').count());
        row_description(out, &[("a", TEXT); 8][..width]);
        for row in &rows {
            data_row(out, &row.split('|').map(str::as_bytes).collect::<Vec<_>>());
        }
        complete(out, &format!("SELECT {}", rows.len()));
    }
}

/// Number, name and type of each.
fn cards() -> impl Iterator<Item = String> {
    (1..).zip(CARDS).map(|(number, (name, type_oid))| format!("{number}|{name}|{type_oid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_whole_rows() {
        for (flow, table) in FLOWS {
            let chunk = flow.chunk();
            let mut at = 0;
            while at < chunk.len() {
                assert_eq!(chunk[at], b'D', "{table}");
                at += 1 + u32::from_be_bytes(chunk[at + 1..at + 5].try_into().unwrap()) as usize;
            }
            assert!(at == chunk.len() && at > 4000 && at <= LARGE_SEND, "{table}");
            assert_eq!(Flow::of_sql(&flow.sql()), Some(flow));
        }
        assert_eq!(Flow::of_sql(POINT), None);
    }

    #[test]
    fn the_answer_to_the_point_is_a_hundred_bytes() {
        let mut out = Vec::new();
        point_row(&mut out);
        assert_eq!(out.len() - "C....SELECT 1.".len(), 7 + 6 + 98 + 4);
    }
}
