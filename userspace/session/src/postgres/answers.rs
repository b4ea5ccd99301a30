//! What each message of the database means for the queue, and whether the agent gets it.

use std::sync::Arc;

use pan::Masked;
use wire::postgres::Format;
use wire::postgres::backend::{
    Authentication, CommandComplete, Field, ReadyForQuery, Report, RowDescription, TransactionStatus,
};

use super::backend::Frame;
use super::content::Content;
use super::portals::{Rows, Slot};
use super::queue::{Entry, Request};
use super::record::Tally;
use super::refuse::{NO_BINARY, READ_AS_TEXT};
use super::reveal::Reveal;
use super::rewrite::{Column, Columns, Message, Strip};
use super::scram::refused_with_hint;
use super::{Connection, Cx, Fatal, Phase, Step};
use crate::catalogs::{Catalog, Treatment};
use crate::verdicts::Judged;

fn misplaced() -> Fatal {
    Fatal::database("an answer that nothing was asked for")
}

impl Connection {
    /// A whole message.
    pub(super) fn answer(&mut self, frame: Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        match self.phase {
            Phase::Login => self.login_answer(frame, cx),
            _ => self.ready_answer(frame, cx),
        }
    }

    fn login_answer(&mut self, mut frame: Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        if frame.kind() == b'v' {
            return self.negotiate(frame.body());
        }
        self.tell_version(cx)?;
        match frame.kind() {
            b'R' => {
                let step = Authentication::parse(frame.body()).map_err(Fatal::of_database)?;
                if self.injects(&step, cx)? || self.ends_scram(&step, cx)? {
                    return Ok(());
                }
                self.authentication(step)?;
                if self.narrows_offer(&step, cx)? {
                    return Ok(());
                }
            }
            b'K' => return self.backend_key(frame.body(), cx),
            b'S' => return self.parameter(frame, cx),
            b'Z' => {
                let ready = ReadyForQuery::parse(frame.body()).map_err(Fatal::of_database)?;
                return self.logged_in(ready.status, cx);
            }
            b'E' => {
                let code = Report::parse(frame.body()).map_err(Fatal::of_database)?.sqlstate();
                let code = code.map_or(*b"XX000", |code| *code.as_bytes());
                self.database.mask(&mut frame, Message::Error, Strip::Nothing)?;
                let cause = self.login.scram.doomed().map(Masked::literal);
                self.record_login(Some(code), cause.as_ref(), cx);
                self.ended.code = Some(code);
                if cause.is_some() {
                    return refused_with_hint(&frame, cx);
                }
            }
            _ => {
                self.database.mask(&mut frame, Message::Error, Strip::Nothing)?;
            }
        }
        frame.relay(cx);
        Ok(())
    }

    fn parameter(&mut self, mut frame: Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        self.watch(frame.body(), cx)?;
        self.database.mask(&mut frame, Message::ParameterStatus, Strip::Nothing)?;
        frame.relay(cx);
        Ok(())
    }

    fn ready_answer(&mut self, mut frame: Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let kind = frame.kind();
        match kind {
            b'S' => return self.parameter(frame, cx),
            b'Z' => return self.ready_for_query(frame, cx),
            _ => {}
        }
        if matches!(self.queue.front(), Some(Request::Catalog)) {
            let fatal = kind == b'E' && Report::parse(frame.body()).map_err(Fatal::of_database)?.ends_the_connection();
            return if fatal { self.last_words(frame, cx) } else { self.own_answer(&frame, cx) };
        }
        if self.cut.as_ref().is_some_and(|cut| cut.drops()) {
            return self.cut_ends(&frame, cx);
        }
        match kind {
            b'1' | b'2' | b'3' => self.acknowledged(kind)?,
            b't' => {
                let asked = matches!(self.queue.front(), Some(Request::DescribeStatement { .. }));
                asked.then_some(()).ok_or_else(misplaced)?;
            }
            b'T' => {
                let own = self.described(&frame, cx)?;
                if own {
                    return Ok(());
                }
                self.database.mask(&mut frame, Message::RowDescription, Strip::Nothing)?;
            }
            b'n' => {
                if self.described_nothing()? {
                    return Ok(());
                }
            }
            b'C' => {
                let masked = self.database.mask(&mut frame, Message::CommandComplete, Strip::Nothing)?;
                self.tally.cards += masked.cards;
                self.complete(frame.body(), cx)?;
            }
            b'I' | b's' => self.complete(b"", cx)?,
            b'G' => self.copy_in_begins(frame.body())?,
            b'H' => self.copy_out_begins(frame.body(), cx)?,
            b'c' => {
                self.database.copy.take().ok_or_else(misplaced)?;
            }
            b'E' => return self.rejected(&frame, cx),
            _ => return Err(misplaced()),
        }
        frame.relay(cx);
        Ok(())
    }

    /// ParseComplete, BindComplete, CloseComplete.
    fn acknowledged(&mut self, kind: u8) -> Step {
        let Entry { seq, request, .. } = self.queue.pop().ok_or_else(misplaced)?;
        match (kind, request) {
            (b'1', Request::Parse { name, .. }) => self.statements.confirm(&name, (seq, 0)),
            (b'2', Request::Bind { slot }) => self.portals.release(slot),
            (b'3', Request::CloseStatement { name }) => self.statements.close(&name, (seq, 0)),
            (b'3', Request::ClosePortal) => {}
            _ => return Err(misplaced()),
        }
        Ok(())
    }

    /// RowDescription. True: it answers our own Describe.
    fn described(&mut self, frame: &Frame<'_>, cx: &mut Cx<'_, '_>) -> Result<bool, Fatal> {
        let described = RowDescription::parse(frame.body()).map_err(Fatal::of_database)?;
        let (catalog, content) = (&self.catalog, &self.content);
        let masks = self.open.database.mask || self.open.database.mode != crate::Mode::Observe;
        let mut runs = true;
        let (columns, places, own, done, is_shown) = match self.queue.front() {
            Some(Request::Query(run)) => {
                self.database.result_known = true;
                let places = run.inner.places(run.judged.as_ref(), self.tally.statements_done());
                (&mut self.database.result, places, false, false, run.is_shown)
            }
            Some(Request::DescribeStatement { name }) => {
                // The formats are Bind's to say.
                let no_binary = |judged: &Arc<Judged>| {
                    let mut columns = Columns::new();
                    columns.set_types(catalog.types.clone());
                    let (places, count) = (judged.places(0), described.fields().count());
                    described.fields().enumerate().for_each(|(at, f)| {
                        let place = places.at(at, count).treatment;
                        let f = Field { format: Format::Binary, ..f };
                        push(&mut columns, (catalog, content), place, &f, (None, None))
                    });
                    columns.each_unmaskable().collect()
                };
                self.statements.described(name, no_binary);
                self.queue.pop();
                return Ok(false);
            }
            Some(&(Request::DescribePortal { slot } | Request::OwnDescribe { slot })) => {
                let own = matches!(self.queue.front(), Some(Request::OwnDescribe { .. }));
                // Not yet: Execute will be refused.
                runs = self.queue.executes(slot);
                let slot = self.portals.get_mut(slot).ok_or_else(misplaced)?;
                slot.rows = Rows::Known;
                let Slot { inner, judged, columns, is_shown, .. } = slot;
                (columns, inner.places(judged.as_ref(), 0), own, true, *is_shown)
            }
            _ => return Err(misplaced()),
        };
        columns.set_types(catalog.types.clone());
        content.prepare(columns);
        columns.clear();
        let (seen, now_s) = (&mut cx.shared.catalogs.seen, cx.now.wall_ns / 1_000_000_000);
        columns.set_evidence(seen.evidence());
        let count = described.fields().count();
        let shown = self.reveal.as_deref().filter(|_| is_shown);
        for (at, field) in described.fields().enumerate() {
            let slot = seen.describe(self.place, field.table, field.attribute, now_s);
            push(columns, (catalog, content), places.at(at, count).treatment, &field, (slot, shown));
        }
        if masks && runs && columns.unmaskable().is_some() {
            return Err(Fatal::new(b"42501", NO_BINARY).hint(READ_AS_TEXT));
        }
        if done {
            self.pop_and_release();
        }
        Ok(own)
    }

    fn described_nothing(&mut self) -> Result<bool, Fatal> {
        let own = match self.queue.front() {
            Some(Request::DescribeStatement { .. }) => {
                self.queue.pop();
                return Ok(false);
            }
            Some(&Request::DescribePortal { slot }) => {
                self.no_rows(slot);
                false
            }
            Some(&Request::OwnDescribe { slot }) => {
                self.no_rows(slot);
                true
            }
            _ => return Err(misplaced()),
        };
        self.pop_and_release();
        Ok(own)
    }

    fn no_rows(&mut self, slot: u32) {
        if let Some(slot) = self.portals.get_mut(slot) {
            slot.rows = Rows::None;
        }
    }

    fn pop_and_release(&mut self) {
        if let Some(entry) = self.queue.pop()
            && let Some(slot) = slot_of(&entry.request)
        {
            self.portals.release(slot);
        }
    }

    /// A row begins: whose columns are they?
    pub(super) fn begin_row(&mut self) -> Step {
        if self.row_columns().is_some() { Ok(()) } else { Err(Fatal::database("a row whose columns are not known")) }
    }

    pub(super) fn begin_function_result(&mut self) -> Step {
        match self.queue.front() {
            Some(&Request::Function { binary, .. }) => {
                self.database.result.clear();
                self.content.prepare(&mut self.database.result);
                // The result's type is not told: unknown types are read by their shape.
                self.database.result.push(Column { type_oid: 0, binary, whole: None });
                Ok(())
            }
            _ => Err(misplaced()),
        }
    }

    /// CommandComplete (with its tag), EmptyQueryResponse, PortalSuspended.
    fn complete(&mut self, body: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let rows =
            if body.is_empty() { None } else { CommandComplete::parse(body).map_err(Fatal::of_database)?.rows() };
        self.database.copy = None;
        if body.starts_with(b"ROLLBACK") {
            self.reveal_may_be_undone(cx);
        }
        match self.queue.front() {
            Some(Request::Query(_)) => {
                self.tally.completed(rows);
                self.database.result_known = false;
            }
            Some(Request::Execute { .. }) => {
                self.tally.completed(rows);
                let sent = self.tally.rows_seen;
                let Some(Entry { seq, request: Request::Execute { run, slot }, .. }) = self.queue.pop() else {
                    return Err(misplaced());
                };
                if let Some(slot) = self.portals.get_mut(slot) {
                    slot.sent = slot.sent.saturating_add(u32::try_from(sent).unwrap_or(u32::MAX));
                }
                self.portals.release(slot);
                self.finish_run(seq, &run, cx);
                self.queue.lay_ghosts();
            }
            _ => return Err(misplaced()),
        }
        Ok(())
    }

    /// A streamed message has ended.
    pub(super) fn streamed(&mut self, kind: u8, cx: &mut Cx<'_, '_>) -> Step {
        match kind {
            b'D' => self.tally.rows_seen += 1,
            // In text and CSV a frame holds whole rows, and PostgreSQL sends one in each.
            b'd' if self.rows_over().is_some() => self.tally.rows_seen += 1,
            b'E' => {
                let code = self.streamed_sqlstate();
                self.errored(code.unwrap_or(*b"XX000"), cx);
            }
            _ => {}
        }
        Ok(())
    }

    /// An ErrorResponse has been sent on: the queue follows the server.
    pub(super) fn errored(&mut self, code: [u8; 5], cx: &mut Cx<'_, '_>) {
        self.database.copy = None;
        self.database.result_known = false;
        self.reveal_may_be_undone(cx);
        let tells = self.queue.front().and_then(Request::run).is_some_and(super::queue::Run::may_quote);
        if tells && !is_of_no_value(&code) {
            self.budget.errs(cx);
        }
        match self.queue.front() {
            None | Some(Request::Sync { .. }) => {}
            Some(request) if request.is_extended() => self.skip_to_sync(code, cx),
            Some(_) => self.tally.failed(code),
        }
    }

    /// The server drops everything up to the next Sync.
    fn skip_to_sync(&mut self, code: [u8; 5], cx: &mut Cx<'_, '_>) {
        let mut first = true;
        while let Some(request) = self.queue.front() {
            if matches!(request, Request::Sync { .. }) {
                break;
            }
            let Some(Entry { seq, request, .. }) = self.queue.pop() else { break };
            match &request {
                Request::Parse { name, .. } => {
                    if first && name.is_empty() {
                        self.statements.close(b"", (seq, 0));
                    }
                    self.statements.undo(name, (seq, 0));
                }
                Request::RefusedParse { unnamed: true, .. } if first => self.statements.close(b"", (seq, 0)),
                Request::Bind { slot } => self.portals.undo(*slot),
                Request::Execute { run, .. } => {
                    self.tally.failed(code);
                    if first { self.finish_run(seq, run, cx) } else { self.skipped_run(seq, run, cx) }
                }
                Request::Query(run) | Request::Function { run, .. } => self.skipped_run(seq, run, cx),
                _ => {}
            }
            if let Some(slot) = slot_of(&request) {
                self.portals.release(slot);
            }
            first = false;
        }
        // What the agent sent behind a Sync will be heard.
        self.agent.skipping = !self.queue.ends_in_sync();
    }

    /// The database ends the session while we ask: the agent is told.
    fn last_words(&mut self, mut frame: Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let code = Report::parse(frame.body()).map_err(Fatal::of_database)?.sqlstate();
        self.ended.code = code.map(|code| *code.as_bytes());
        self.database.mask(&mut frame, Message::Error, Strip::Nothing)?;
        frame.relay(cx);
        Ok(())
    }

    fn ready_for_query(&mut self, frame: Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let status = ReadyForQuery::parse(frame.body()).map_err(Fatal::of_database)?.status;
        let Entry { seq, request, .. } = self.queue.pop().ok_or_else(misplaced)?;
        self.database.copy = None;
        self.database.result_known = false;
        match &request {
            Request::Query(run) | Request::Function { run, .. } => {
                if matches!(request, Request::Query(_)) {
                    self.statements.close(b"", (seq, 0));
                }
                self.finish_run(seq, run, cx);
                self.cut_is_over();
            }
            Request::Sync { ghost, .. } => {
                self.agent.skipping = false;
                if *ghost {
                    self.queue.inherit_ghost();
                }
            }
            Request::RefusedQuery(_) => {
                self.statements.close(b"", (seq, 0));
                self.tally = Tally::default();
            }
            Request::Catalog => {
                self.status = status;
                return self.own_ready(status, cx);
            }
            _ => return Err(misplaced()),
        }
        self.nothing_ends();
        self.status = status;
        self.queue.ready();
        if status == TransactionStatus::Idle {
            self.tainted = false;
            self.transaction_since_ns = None;
            self.reveal_is_firm();
            self.login.unsettled &= !self.queue.is_idle();
            self.portals.end_transaction(seq);
            self.schemas.transaction_ended();
        }
        frame.relay(cx);
        Ok(())
    }
}

/// No value decides such an error: a lost connection, a conflict, a lack of something, an operator's doing, a text that means nothing
/// there. (What makes a name of a value is refused.)
fn is_of_no_value(code: &[u8; 5]) -> bool {
    [b"08", b"25", b"26", b"34", b"40", b"42", b"53", b"55", b"57", b"58"]
        .iter()
        .any(|class| code.starts_with(class.as_slice()))
}

fn slot_of(request: &Request) -> Option<u32> {
    match request {
        Request::Bind { slot }
        | Request::DescribePortal { slot }
        | Request::OwnDescribe { slot }
        | Request::Execute { slot, .. } => Some(*slot),
        _ => None,
    }
}

/// One column of a result, with what policy says of the table's column that it comes from, and what is known of its place.
fn push(
    columns: &mut Columns,
    (catalog, content): (&Catalog, &Content),
    place: Treatment,
    field: &Field<'_>,
    (slot, shown): (Option<u32>, Option<&Reveal>),
) {
    let (type_oid, binary) = (field.type_oid, field.format == Format::Binary);
    let treatment = catalog.treatment(field.table, field.attribute).stricter(place);
    match treatment {
        Treatment::Content => {
            let sought = content.of_column(catalog, field.table, field.attribute);
            columns.push_counted(type_oid, binary, sought, slot);
        }
        Treatment::Whole(whole) => columns.push(Column { type_oid, binary, whole: Some(whole) }),
        Treatment::Clear => columns.push_clear(type_oid, binary),
    }
    if let Some(reveal) = shown
        && let Some(place) = reveal.place(field.table, field.attribute, treatment)
    {
        columns.show_last(place, reveal.counts());
    }
}
