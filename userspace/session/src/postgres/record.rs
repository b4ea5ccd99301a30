//! What the session writes down: its start and end, one decision per statement that goes to the server, one outcome per statement
//! that ran, its own questions, cancel requests. A Query message is one decision, however many statements it has, because that is
//! how the server's own log counts (`exec_simple_query` logs the whole string, `exec_execute_message` each Execute).

use super::judge::Verdict;
use super::queue::Run;
use super::{Connection, Cx};
use crate::RecordId;
use crate::verdicts::Refusal;

/// What the statement at hand has come to so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Rows that passed.
    pub(super) rows_seen: u64,
    /// Rows that command tags counted.
    rows: u64,
    pub(super) bytes: u64,
    pub(super) cards: u32,
    pub(super) sensitive: u32,
    statements: usize,
    sqlstate: Option<[u8; 5]>,
    copies_begun: u32,
    copies_ended: u32,
}

impl Tally {
    /// One statement of the request is complete.
    pub(super) fn completed(&mut self, rows: Option<u64>) {
        self.statements += 1;
        self.rows = self.rows.saturating_add(rows.unwrap_or(0));
    }

    pub(super) fn failed(&mut self, code: [u8; 5]) {
        self.sqlstate = Some(code);
    }

    /// Statements of a Query that are complete.
    pub(super) fn statements_done(&self) -> usize {
        self.statements
    }

    pub(super) fn copy_in_begins(&mut self) {
        self.copies_begun += 1;
    }

    pub(super) fn copy_data_ended(&mut self) {
        self.copies_ended += 1;
    }

    /// The server reads COPY data from the agent, and its end has not been sent.
    pub(super) fn reads_copy(&self) -> bool {
        self.copies_begun > self.copies_ended && self.sqlstate.is_none()
    }
}

impl Cx<'_, '_> {
    /// The id that the next record of this call gets.
    fn next_record(&self) -> RecordId {
        let RecordId { shard, seq } = self.shared.next_record;
        RecordId { shard, seq: seq + self.out.records.len() as u64 }
    }

    fn write(&mut self, kind: u8, line: &str) -> RecordId {
        let id = self.next_record();
        self.out.records.push(kind, |out| out.extend_from_slice(line.as_bytes()));
        id
    }
}

impl Connection {
    pub(super) fn record_start(&mut self, cx: &mut Cx<'_, '_>) {
        cx.write(1, "start");
    }

    pub(super) fn record_end(&mut self, cx: &mut Cx<'_, '_>) {
        cx.write(2, "end");
    }

    pub(super) fn record_parse(&mut self, verdict: &Verdict, cx: &mut Cx<'_, '_>) {
        let _ = (verdict, cx);
    }

    pub(super) fn record_decision(&mut self, verdict: &Verdict, cx: &mut Cx<'_, '_>) -> RecordId {
        let _ = verdict.action();
        cx.write(3, verdict.judged.record_text.as_str())
    }

    pub(super) fn record_refusal(&mut self, refusal: &Refusal, cx: &mut Cx<'_, '_>) -> RecordId {
        cx.write(3, refusal.message.as_str())
    }

    pub(super) fn record_unseen(&mut self, cx: &mut Cx<'_, '_>) -> RecordId {
        cx.write(3, "portal opened inside the server")
    }

    pub(super) fn record_own(&mut self, text: &str, cx: &mut Cx<'_, '_>) {
        cx.write(5, text);
    }

    pub(super) fn record_cancel(&mut self, session: Option<u64>, cx: &mut Cx<'_, '_>) {
        let _ = session;
        cx.write(6, "cancel");
    }

    /// The statement is done: its outcome, and what it leaves behind.
    pub(super) fn finish_run(&mut self, seq: u64, run: &Run, cx: &mut Cx<'_, '_>) {
        if let Some(judged) = &run.judged
            && judged.has_effects
            && self.tally.sqlstate.is_none()
        {
            self.names_changed(judged, seq);
        }
        cx.write(4, "outcome");
        self.tally = Tally::default();
    }

    pub(super) fn skipped_run(&mut self, run: &Run, cx: &mut Cx<'_, '_>) {
        let _ = run;
        cx.write(4, "skipped");
    }
}
