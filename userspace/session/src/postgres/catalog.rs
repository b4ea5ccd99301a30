//! Our own question to the database, on the agent's connection and with the agent's rights: which schemas unqualified names mean,
//! where the sensitive columns are, which types there are. Asked before the agent sees the first ReadyForQuery, and while the
//! session is idle when something changed. Its answer is swallowed.
//!
//! It is one simple Query, so an implicit transaction: an error in it leaves nothing behind (`BeginImplicitTransactionBlock`,
//! xact.c), SET TRANSACTION and SET LOCAL hold for it alone. A simple Query drops the unnamed statement: while the agent has one
//! the question waits. Every name and operator is qualified.

use std::fmt::Write as _;
use std::sync::Arc;

use pan::Masked;
use policy::Policy;
use wire::postgres::FrontendTag;
use wire::postgres::backend::{DataRow, Report, TransactionStatus, report};
use wire::postgres::encode;

use super::backend::Frame;
use super::queue::Request;
use super::room::Room;
use super::settings::{self, Encoding};
use super::{Connection, Cx, Fatal, Phase, Step};
use crate::catalogs::{Builder, CatalogColumn, sought_of, treatment_of};
use crate::evidence::ColumnName;
use crate::verdicts::{Refusal, Why};

/// query_canceled
const CANCELLED: &[u8; 5] = b"57014";

/// The question that is being asked.
#[derive(Debug, Default)]
pub(super) struct OwnQuery {
    /// Few sessions ask at any time: an idle one has no place for it.
    asking: Option<Box<Asking>>,
    failed: Option<Failure>,
    /// Asked since the last statement: it is not asked twice for one, whatever came of it.
    answered: bool,
}

/// Why there is no answer.
#[derive(Debug)]
struct Failure {
    message: Masked,
    /// Somebody cancelled it, or a time limit of the agent's did: meant for the statement that waits for it.
    cancelled: bool,
}

#[derive(Debug)]
struct Asking {
    asked_ns: u64,
    /// The agent waits for its first ReadyForQuery.
    first: bool,
    /// Result sets seen so far.
    results: usize,
    policy: Arc<Policy>,
    epoch: u64,
    /// Schemas of the path that exist and may be used, and perhaps others.
    usable: Vec<String>,
    schemas: Vec<String>,
    path: Vec<String>,
    builder: Option<Builder>,
    rows: usize,
    /// Which result set has the names of columns in which cards were seen.
    names_at: usize,
    failed: Option<Failure>,
    commands: usize,
}

/// Whether the session's own question comes before a frame of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// There is none.
    None,
    /// It does: the frame waits.
    Asked,
    /// It would, and cannot be recorded: the frame is refused.
    Unrecorded,
}

impl OwnQuery {
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    pub(super) fn asked_ns(&self) -> Option<u64> {
        self.asking.as_ref().map(|asking| asking.asked_ns)
    }
}

impl Connection {
    /// In `observe` without masking nothing is asked.
    pub(super) fn asks_catalog(&self) -> bool {
        !self.observes() || self.open.database.mask
    }

    /// Before this frame of the agent the question has to be asked; it is asked then, and the frame waits.
    pub(super) fn wants_catalog_first(&mut self, tag: FrontendTag, cx: &mut Cx<'_, '_>) -> Result<Question, Fatal> {
        let idle = self.phase == Phase::Ready
            && self.status == TransactionStatus::Idle
            && self.queue.is_between_transactions()
            && !self.agent.skipping;
        let uses = match tag {
            FrontendTag::Query | FrontendTag::FunctionCall => true,
            FrontendTag::Parse | FrontendTag::Bind | FrontendTag::Execute => !self.statements.has_unnamed(),
            _ => false,
        };
        if !idle || !uses || !self.asks_catalog() {
            return Ok(Question::None);
        }
        if self.is_current(cx) {
            // What was answered has served: the next time that something changes is another time.
            self.own.answered = false;
            return Ok(Question::None);
        }
        if std::mem::take(&mut self.own.answered) {
            return Ok(Question::None);
        }
        match self.ask_catalog(false, cx)? {
            Room::Here | Room::Later => Ok(Question::Asked),
            Room::Nowhere => Ok(Question::Unrecorded),
        }
    }

    fn oldest_ns(cx: &Cx<'_, '_>) -> u64 {
        cx.now.mono_ns.saturating_sub(cx.shared.limits.catalog_age_ms.saturating_mul(1_000_000))
    }

    fn is_current(&self, cx: &Cx<'_, '_>) -> bool {
        self.schemas.is_sure() && cx.shared.catalogs.is_current(&self.catalog, cx.shared.policy, Self::oldest_ns(cx))
    }

    pub(super) fn ask_catalog(&mut self, first: bool, cx: &mut Cx<'_, '_>) -> Result<Room, Fatal> {
        let place = (self.open.database.name.as_str(), self.startup.dbname.as_str(), self.startup.user.as_str());
        let known = cx.shared.catalogs.find(place, cx.shared.policy, Self::oldest_ns(cx));
        let mut text = String::from(SCHEMAS);
        if known.is_none() {
            write_tables(&mut text, cx.shared.policy, &self.open.database.name, cx.shared.limits.catalog_rows);
        }
        let unnamed = cx.shared.catalogs.seen.unnamed(self.place);
        write_names(&mut text, &unnamed);
        let room = self.own_room(&text, cx);
        if room != Room::Here {
            return Ok(room);
        }
        let builder = known.is_none().then(Builder::default);
        let names_at = if known.is_none() { 5 } else { 3 };
        if let Some(known) = known {
            self.catalog = known;
        }
        self.own.asking = Some(Box::new(Asking {
            asked_ns: cx.now.mono_ns,
            first,
            results: 0,
            policy: Arc::clone(cx.shared.policy),
            epoch: cx.shared.catalogs.epoch(),
            usable: Vec::new(),
            schemas: Vec::new(),
            path: Vec::new(),
            builder,
            rows: 0,
            names_at,
            failed: None,
            commands: 0,
        }));
        self.record_own(&text, cx);
        let mark = cx.out.mark();
        encode::query(&mut cx.out.own, text.as_bytes())?;
        cx.out.database_own(mark);
        self.queue.push(Request::Catalog);
        Ok(Room::Here)
    }

    /// A message of the answer.
    pub(super) fn own_answer(&mut self, frame: &Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let misread = || Fatal::database("the catalog query's answer cannot be read");
        let latin1 = self.login.encoding == Encoding::Latin1;
        let asking = self.own.asking.as_mut().ok_or_else(misread)?;
        match frame.kind() {
            b'T' => asking.results += 1,
            b'D' if asking.results == asking.names_at => {
                let (table, number, name) = column_name(frame.body(), latin1).ok_or_else(misread)?;
                cx.shared.catalogs.seen.name(self.place, table, number, name);
            }
            b'D' => asking.row(frame.body(), latin1, &self.open.database.name).ok_or_else(misread)?,
            b'C' => asking.commands += 1,
            b'E' => {
                let error = Report::parse(frame.body()).map_err(Fatal::of_database)?;
                asking.failed = Some(Failure {
                    message: Masked::of_bytes(error.text(report::MESSAGE).unwrap_or_default()),
                    cancelled: error.text(report::CODE) == Some(CANCELLED.as_slice()),
                });
            }
            _ => return Err(misread()),
        }
        Ok(())
    }

    /// ReadyForQuery behind it.
    pub(super) fn own_ready(&mut self, status: TransactionStatus, cx: &mut Cx<'_, '_>) -> Step {
        let asking = self.own.asking.take().ok_or(Fatal::database("an answer that nothing was asked for"))?;
        if status != TransactionStatus::Idle {
            return Err(Fatal::database("the catalog query left a transaction behind"));
        }
        self.statements.close(b"", (self.queue.next_seq(), 0));
        self.portals.close(b"");
        let failed = asking.failed.or_else(|| {
            (asking.rows > cx.shared.limits.catalog_rows).then(|| Failure {
                message: Masked::literal("the database has too many sensitive columns"),
                cancelled: false,
            })
        });
        // A cancel before the first statement has found nothing to cancel.
        self.own.answered = match &failed {
            Some(why) if asking.first => !why.cancelled,
            _ => !asking.first,
        };
        match failed {
            Some(why) => {
                self.own.failed = Some(why);
                self.catalog = Arc::default();
            }
            None => {
                self.own.failed = None;
                self.schemas.set(asking.schemas, asking.path);
                if let Some(builder) = asking.builder {
                    let place =
                        (self.open.database.name.as_str(), self.startup.dbname.as_str(), self.startup.user.as_str());
                    let catalog = Arc::new(builder.finish(&asking.policy, cx.now.mono_ns, asking.epoch));
                    cx.shared.catalogs.keep(place, &catalog);
                    self.catalog = catalog;
                }
            }
        }
        if asking.first {
            self.send_ready(status, cx);
        }
        Ok(())
    }

    /// Why statements are refused while the sensitive columns are not known.
    pub(super) fn unknown_catalog(&self) -> Refusal {
        let why = match &self.own.failed {
            Some(Failure { message, cancelled: true }) => {
                return Refusal::new(Why::Firm, message.as_str(), "").with_code(*CANCELLED);
            }
            Some(Failure { message, .. }) => {
                format!("the sensitive columns of this database could not be looked up: {}", message.as_str())
            }
            None => "the policy has changed since the sensitive columns were looked up".to_owned(),
        };
        Refusal::new(Why::Firm, &why, "end the transaction, or connect again")
    }
}

impl Asking {
    fn row(&mut self, body: &[u8], latin1: bool, database: &str) -> Option<()> {
        let values = values(body)?;
        self.rows += 1;
        let text = |at: usize| text(values.get(at).copied().flatten()?, latin1);
        match self.results {
            1 => {
                let name = text(0)?;
                // An agent's own temporary tables shadow nothing that it may not read.
                if !name.starts_with("pg_temp") && !name.starts_with("pg_toast_temp") {
                    self.usable.push(name);
                }
            }
            2 => {
                let (user, path) = (text(0)?, text(1)?);
                self.path = settings::schema_names(&path);
                self.path.iter_mut().filter(|name| *name == "$user").for_each(|name| user.clone_into(name));
                // In front of all where the setting does not name it (`recomputeNamespacePath`, namespace.c).
                if !self.path.iter().any(|name| name == "pg_catalog") {
                    self.schemas.push("pg_catalog".to_owned());
                }
                self.schemas.extend(self.path.iter().filter(|name| self.usable.contains(name)).cloned());
            }
            3 => {
                let (oid, schema, table) = (text(0)?.parse().ok()?, text(1)?, text(2)?);
                let (number, name, type_oid) = (text(3)?.parse().ok()?, text(4)?, text(5)?.parse().ok()?);
                let treatment = treatment_of(&self.policy, database, &schema, &table, &name);
                let sought = sought_of(&self.policy, database, &schema, &table, &name);
                let column = CatalogColumn { number, name, type_oid, treatment, sought };
                self.builder.as_mut()?.column(oid, schema, table, column);
            }
            4 => {
                let (oid, send, subtype) = (text(0)?.parse().ok()?, text(1)?, text(2)?.parse().ok()?);
                self.builder.as_mut()?.type_of(oid, &send, subtype);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The first values of a row.
fn values(body: &[u8]) -> Option<[Option<&[u8]>; 6]> {
    let mut values = [None; 6];
    for (place, value) in values.iter_mut().zip(DataRow::parse(body).ok()?.values()) {
        *place = value;
    }
    Some(values)
}

fn text(bytes: &[u8], latin1: bool) -> Option<String> {
    if latin1 {
        return Some(bytes.iter().map(|&byte| char::from(byte)).collect());
    }
    String::from_utf8(bytes.to_vec()).ok()
}

/// One row of what [`write_names`] asks.
fn column_name(body: &[u8], latin1: bool) -> Option<(u32, i16, ColumnName)> {
    let values = values(body)?;
    let text = |at: usize| text(values.get(at).copied().flatten()?, latin1);
    let name = ColumnName { schema: text(2)?, table: text(3)?, column: text(4)? };
    Some((text(0)?.parse().ok()?, text(1)?.parse().ok()?, name))
}

/// Asks what columns are called, of which only the numbers are known.
fn write_names(into: &mut String, columns: &[(u32, i16)]) {
    if columns.is_empty() {
        return;
    }
    let one = |&(table, number): &(u32, i16)| {
        format!("(c.oid OPERATOR(pg_catalog.=) {table}::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.=) {number})")
    };
    let wanted: Vec<String> = columns.iter().map(one).collect();
    let separator = if into.trim_end().ends_with(';') { "" } else { "; " };
    // Written to a String: cannot fail.
    let _ = write!(
        into,
        "{separator}SELECT c.oid, a.attnum, n.nspname, c.relname, a.attname FROM pg_catalog.pg_class AS c \
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid WHERE {}",
        wanted.join(" OR ")
    );
}

/// Not `current_schemas()`: where the path begins with `pg_temp` it makes the session's temporary schema, which the agent would see.
const SCHEMAS: &str = "/* interceptor */ SET TRANSACTION READ ONLY; \
SELECT n.nspname FROM pg_catalog.pg_namespace AS n \
WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND (n.nspname OPERATOR(pg_catalog.=) CURRENT_USER \
OR pg_catalog.strpos(pg_catalog.replace(pg_catalog.lower(pg_catalog.current_setting('search_path')), '\"\"', '\"'), \
pg_catalog.lower(n.nspname::pg_catalog.text)) \
OPERATOR(pg_catalog.>) 0); \
SELECT CURRENT_USER, pg_catalog.current_setting('search_path'); ";

/// The columns of every table that has one that policy names, then the types that are not built in.
fn write_tables(text: &mut String, policy: &Policy, database: &str, rows_max: usize) {
    let mut hits = String::new();
    let sensitive = policy.sensitive(database).map(|s| (&s.schema, &s.table, &s.column));
    let named = policy.patterns(database).flat_map(|pattern| &pattern.columns);
    let sought = policy.scans(database).map(|scan| &scan.column).chain(named);
    for (schema, table, column) in sensitive.chain(sought.map(|c| (&c.schema, &c.table, &c.column))) {
        if !hits.is_empty() {
            hits.push_str(" OR ");
        }
        hits.push('(');
        like(&mut hits, "n.nspname", schema);
        hits.push_str(" AND ");
        like(&mut hits, "c.relname", table);
        hits.push_str(" AND ");
        like(&mut hits, "s.attname", column);
        hits.push(')');
    }
    if hits.is_empty() {
        hits.push_str("false");
    }
    let limit = rows_max.saturating_add(1);
    // Written to a String: cannot fail.
    let _ = write!(
        text,
        "SET LOCAL search_path = pg_catalog; \
SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname, a.atttypid \
FROM pg_catalog.pg_class AS c \
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid \
WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped AND EXISTS (\
SELECT 1 FROM pg_catalog.pg_attribute AS s WHERE s.attrelid OPERATOR(pg_catalog.=) c.oid \
AND s.attnum OPERATOR(pg_catalog.>) 0 AND NOT s.attisdropped AND ({hits})) \
ORDER BY c.oid, a.attnum LIMIT {limit}; \
SELECT t.oid, p.proname, COALESCE(r.rngsubtype, 0::pg_catalog.oid) \
FROM pg_catalog.pg_type AS t \
JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) t.typsend::pg_catalog.oid \
LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid OPERATOR(pg_catalog.=) t.oid \
WHERE t.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid LIMIT {limit}"
    );
}

/// `pattern` as a comparison: equal, or LIKE where it has a star.
fn like(text: &mut String, column: &str, pattern: &str) {
    if pattern == "*" {
        text.push_str("true");
        return;
    }
    let star = pattern.contains('*');
    text.push_str(column);
    text.push_str(if star { " OPERATOR(pg_catalog.~~) " } else { " OPERATOR(pg_catalog.=) " });
    let mut value = String::with_capacity(pattern.len());
    for letter in pattern.chars() {
        match letter {
            '*' => value.push('%'),
            '%' | '_' | '\\' if star => value.extend(['\\', letter]),
            letter => value.push(letter),
        }
    }
    literal(text, &value);
}

/// A string constant in ASCII alone: it means the same in every client_encoding. (Letters that the server's own encoding lacks are an
/// error there, and no such name exists.)
fn literal(text: &mut String, value: &str) {
    let plain = value.is_ascii();
    text.push_str(if plain { "'" } else { "U&'" });
    for letter in value.chars() {
        match letter {
            '\'' => text.push_str("''"),
            '\\' if !plain => text.push_str("\\\\"),
            letter if letter.is_ascii() => text.push(letter),
            // Written to a String: cannot fail.
            letter => _ = write!(text, "\\+{:06x}", u32::from(letter)),
        }
    }
    text.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_compared_in_any_encoding() {
        for (pattern, expected) in [
            ("pan", "c OPERATOR(pg_catalog.=) 'pan'"),
            ("a_b*", r"c OPERATOR(pg_catalog.~~) 'a\_b%'"),
            (r"o'\x", r"c OPERATOR(pg_catalog.=) 'o''\x'"),
            ("größe", r"c OPERATOR(pg_catalog.=) U&'gr\+0000f6\+0000dfe'"),
            ("ł_'*", r"c OPERATOR(pg_catalog.~~) U&'\+000142\\_''%'"),
            ("*", "true"),
        ] {
            let mut text = String::new();
            like(&mut text, "c", pattern);
            assert_eq!(text, expected);
        }
    }
}
