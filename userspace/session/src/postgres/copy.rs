//! COPY: data from the agent streams as it is; data to the agent is masked by the positions of the columns.

use sql::{CopyDirection, CopyEnd, CopyFormat, CopySource};
use wire::postgres::Format;
use wire::postgres::backend::CopyResponse;

use super::content::Content;
use super::queue::Request;
use super::rewrite::{self, BodyMask, Column, Columns, CopyOptions};
use super::settings;
use super::{Connection, Cx, Fatal, Step};
use crate::catalogs::{Catalog, CatalogColumn, CatalogTable, Treatment};
use crate::derived::Places;
use crate::verdicts::{Judged, Why};

/// How a COPY to the agent is to be read.
pub(super) struct Plan<'a> {
    format: Option<rewrite::CopyFormat>,
    /// The table, if policy names columns of it, and the columns named.
    table: Option<(&'a CatalogTable, &'a [String])>,
    /// Of a query over a table of which policy wants a column searched strictly.
    strict: bool,
    /// Of a query: how its columns are masked.
    places: &'a Places,
}

impl Connection {
    /// The plan of a COPY to the agent, or why there is none.
    pub(super) fn copy_plan<'a>(&'a self, judged: &'a Judged, at: usize) -> Result<Plan<'a>, &'static str> {
        let none = "this is no COPY";
        let statement = judged.statements.get(at).ok_or(none)?;
        let copy = statement.copy.as_ref().ok_or(none)?;
        let places = judged.places(at);
        let mut strict = false;
        let table = match &copy.source {
            CopySource::Query => {
                let read = |any: fn(&CatalogColumn) -> bool| {
                    statement.pairs.iter().any(|pair| match &pair.object {
                        sql::Object::Table(name) => {
                            self.catalog.named(name, self.schemas.current()).any(|table| table.columns.iter().any(any))
                        }
                        sql::Object::None | sql::Object::Function(_) => false,
                    })
                };
                strict = read(|column| column.sought.mode == Some(pan::Mode::Strict));
                let untold = judged.refusal.as_ref().is_some_and(|refusal| refusal.why == Why::Unjudged);
                if (judged.derived.is_none() || untold) && read(|column| column.treatment != Treatment::Content) {
                    return Err("COPY of a query over a table with sensitive columns cannot be masked");
                }
                if copy.format == CopyFormat::Binary && places.is_untyped() {
                    return Err("a column that derives from a sensitive one cannot be masked in a binary COPY");
                }
                None
            }
            CopySource::Table { name, columns } => {
                let mut tables = self.catalog.named(name, self.schemas.current());
                let table = tables.next();
                if tables.next().is_some() {
                    return Err("it cannot be told which table is copied");
                }
                table.map(|table| (table, columns.as_slice()))
            }
        };
        let csv = match copy.format {
            CopyFormat::Binary => return Ok(Plan { format: None, table, strict, places }),
            CopyFormat::Csv => true,
            CopyFormat::Text => false,
            CopyFormat::Unknown => return Err("the format of this COPY is not known"),
        };
        let word = |name: &str| copy.option(name).and_then(<[String]>::first).map(String::as_bytes);
        let letter = |name: &str| match word(name) {
            None => Ok(None),
            Some([byte]) => Ok(Some(*byte)),
            Some(_) => Err("COPY delimiter, quote and escape must be single one-byte characters"),
        };
        let header = copy.option("header").is_some_and(|words| {
            words.first().is_none_or(|word| !matches!(word.as_str(), "false" | "off" | "0" | "f" | "no" | "n"))
        });
        let options = CopyOptions {
            csv,
            delimiter: letter("delimiter")?,
            quote: letter("quote")?,
            escape: letter("escape")?,
            null: word("null"),
            header,
        };
        let format = rewrite::CopyFormat::new(&options)
            .map_err(|_| "card numbers cannot be found in a COPY with these options")?;
        let readable = |words: &[String]| {
            let encoding = words.first().and_then(|word| settings::encoding(word.as_bytes()));
            encoding.is_some_and(|encoding| self.login.reads(encoding))
        };
        if !copy.option("encoding").is_none_or(readable) {
            return Err("COPY in this encoding cannot be masked");
        }
        Ok(Plan { format: Some(format), table, strict, places })
    }

    /// The statement that the answer at hand belongs to.
    fn copying(&self) -> Option<(&Judged, usize)> {
        if self.login.misreads {
            return None;
        }
        let run = match self.queue.front()? {
            Request::Query(run) | Request::Execute { run, .. } => run,
            _ => return None,
        };
        let at = if matches!(self.queue.front()?, Request::Query(_)) { self.tally.statements_done() } else { 0 };
        let judged = run.judged.as_deref()?;
        judged.statements.get(at).map(|_| (judged, at))
    }

    /// CopyOutResponse.
    pub(super) fn copy_out_begins(&mut self, body: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let misread = || Fatal::database("a COPY that the statement did not announce");
        let response = CopyResponse::parse(body).map_err(Fatal::of_database)?;
        let (binary, count) = (response.format == Format::Binary, response.columns.len());
        if self.database.copy.is_some()
            || !matches!(self.queue.front(), Some(Request::Query(_) | Request::Execute { .. }))
        {
            return Err(misread());
        }
        let mut columns = self.database.copy_columns.take().unwrap_or_default();
        columns.clear();
        columns.set_types(self.catalog.types.clone());
        self.content.prepare(&mut columns);
        let mask = match self.copying() {
            Some((judged, at)) => {
                let said = judged
                    .statements
                    .get(at)
                    .and_then(|statement| statement.copy.as_ref())
                    .filter(|copy| copy.direction == CopyDirection::Out && copy.end == CopyEnd::Client);
                said.ok_or_else(misread)?;
                let plan = self.copy_plan(judged, at);
                match plan {
                    Ok(plan) => {
                        if plan.format.is_none() != binary {
                            return Err(misread());
                        }
                        let seen = &mut cx.shared.catalogs.seen;
                        columns.set_evidence(seen.evidence());
                        let now_s = cx.now.wall_ns / 1_000_000_000;
                        let mut slot = |table, number| seen.describe(self.place, table, number, now_s);
                        fill(&mut columns, &plan, (&self.catalog, &self.content), &mut slot, count, binary)?;
                        plan.format.map_or_else(BodyMask::copy_binary, BodyMask::copy_text)
                    }
                    // Only where nothing is masked anyway.
                    Err(_) if !self.masks() => BodyMask::copy_binary(),
                    Err(_) => return Err(misread()),
                }
            }
            // Not parsed, so not refused: `observe`.
            None if !self.masks() => BodyMask::copy_binary(),
            None => return Err(Fatal::new(b"42501", "a COPY that could not be parsed cannot be masked")),
        };
        self.database.copy_columns = Some(columns);
        self.database.copy = Some(Box::new(mask));
        Ok(())
    }

    /// CopyInResponse.
    pub(super) fn copy_in_begins(&mut self, body: &[u8]) -> Step {
        CopyResponse::parse(body).map_err(Fatal::of_database)?;
        let runs = matches!(self.queue.front(), Some(Request::Query(run) | Request::Execute { run, .. })
            if run.copies_in() > 0 || (self.observes() && (self.login.misreads || run.judged.as_ref().is_none_or(|judged| judged.refusal.is_some()))));
        if !runs {
            return Err(Fatal::database("a COPY that the statement did not announce"));
        }
        self.tally.copy_in_begins();
        self.queue.haunt(self.tally.copies_begun());
        Ok(())
    }

    /// The server reads COPY data from the agent, and its end has not been sent.
    pub(super) fn reads_copy(&self) -> bool {
        self.tally.copies_begun() > self.queue.copies_ended()
    }

    pub(super) fn begin_copy_data(&mut self) -> Step {
        self.database.copy.is_some().then_some(()).ok_or(Fatal::database("COPY data outside a COPY"))
    }
}

/// The columns in the order in which COPY writes them.
fn fill(
    columns: &mut Columns,
    plan: &Plan<'_>,
    (catalog, content): (&Catalog, &Content),
    slot: &mut dyn FnMut(u32, i16) -> Option<u32>,
    count: usize,
    binary: bool,
) -> Step {
    let Some((table, named)) = plan.table else {
        let sought = content.in_mode(plan.strict.then_some(pan::Mode::Strict));
        for at in 0..count {
            let place = plan.places.at(at, count);
            match place.treatment {
                Treatment::Content => columns.push_sought(0, binary, sought),
                Treatment::Clear => columns.push_clear(0, binary),
                Treatment::Whole(whole) => {
                    columns.push(Column { type_oid: place.type_oid, binary, whole: Some(whole) });
                }
            }
        }
        return Ok(());
    };
    let drifted =
        || Fatal::new(b"42501", "the table has changed since its sensitive columns were looked up").hint("try again");
    let mut push = |column: &CatalogColumn| match (column.treatment, column.type_oid) {
        (Treatment::Content, type_oid) => {
            let sought = content.of_column(catalog, table.oid, column.number);
            columns.push_counted(type_oid, binary, sought, slot(table.oid, column.number));
        }
        (Treatment::Whole(whole), type_oid) => columns.push(Column { type_oid, binary, whole: Some(whole) }),
        (Treatment::Clear, type_oid) => columns.push_clear(type_oid, binary),
    };
    if named.is_empty() {
        table.columns.iter().for_each(&mut push);
    }
    for name in named {
        let column = table.columns.iter().find(|column| column.name == *name).ok_or_else(drifted)?;
        push(column);
    }
    if columns.len() != count {
        return Err(drifted());
    }
    if columns.unmaskable().is_some() {
        return Err(Fatal::new(b"42501", "a sensitive column of this type cannot be masked in binary format"));
    }
    Ok(())
}
