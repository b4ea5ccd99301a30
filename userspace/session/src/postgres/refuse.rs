//! Refusal. In place of the refused request the server gets a text that its own grammar rejects, and its error gets our words: so
//! the transaction's state, and what is skipped up to Sync, stay the server's own truth.

use wire::postgres::FrontendTag;
use wire::postgres::backend::{Report, report};
use wire::postgres::encode;

use super::backend::Frame;
use super::judge::Verdict;
use super::messages::{self, ErrorText};
use super::queue::{Refused, Request};
use super::rewrite::Message;
use super::{Connection, Cx, Fatal, Step};
use crate::RecordId;
use crate::verdicts::{Refusal, Why};

/// What the server answers to a text that its grammar rejects.
const SYNTAX_ERROR: &[u8] = b"42601";

fn rejected_text(record: Option<RecordId>) -> String {
    match record {
        Some(record) => format!("interceptor refused record {}-{}", record.shard, record.seq),
        None => "interceptor refused without a record".to_owned(),
    }
}

impl Connection {
    /// For Query and FunctionCall: an error and ReadyForQuery will come.
    pub(super) fn refuse_query(&mut self, request: &'static str, verdict: &Verdict, cx: &mut Cx<'_, '_>) -> Step {
        let record = self.record_refused(request, verdict, cx);
        let Some(refusal) = verdict.refusal.clone() else { return Ok(()) };
        self.portals.close(b"");
        self.send_rejected_query(refusal, record, cx)
    }

    fn send_rejected_query(&mut self, refusal: Refusal, record: Option<RecordId>, cx: &mut Cx<'_, '_>) -> Step {
        let mark = cx.out.mark();
        encode::query(&mut cx.out.own, rejected_text(record).as_bytes())?;
        cx.out.database_own(mark);
        self.queue.push(Request::RefusedQuery(Refused { refusal, record }));
        Ok(())
    }

    /// For the messages of the extended protocol: an error will come, and the server skips up to Sync.
    pub(super) fn refuse_extended(
        &mut self,
        request: &'static str,
        name: &[u8],
        verdict: &Verdict,
        cx: &mut Cx<'_, '_>,
    ) -> Step {
        let record = self.record_refused(request, verdict, cx);
        let Some(refusal) = verdict.refusal.clone() else { return Ok(()) };
        self.send_rejected_parse(name, refusal, record, cx)
    }

    fn send_rejected_parse(
        &mut self,
        name: &[u8],
        refusal: Refusal,
        record: Option<RecordId>,
        cx: &mut Cx<'_, '_>,
    ) -> Step {
        let mark = cx.out.mark();
        encode::parse(&mut cx.out.own, name, rejected_text(record).as_bytes(), std::iter::empty())?;
        cx.out.database_own(mark);
        let refused = Refused { refusal, record };
        self.queue.push(Request::RefusedParse { refused, unnamed: name.is_empty() });
        self.agent.skipping = true;
        Ok(())
    }

    /// A request that names what does not exist, as far as the session can know.
    pub(super) fn refuse_unresolved(
        &mut self,
        request: &'static str,
        message: &str,
        code: [u8; 5],
        cx: &mut Cx<'_, '_>,
    ) -> Step {
        self.refuse_unread(request, Refusal::new(Why::Unjudged, message, "").with_code(code), cx)
    }

    /// A request of which nothing was read that could be judged.
    pub(super) fn refuse_unread(&mut self, request: &'static str, refusal: Refusal, cx: &mut Cx<'_, '_>) -> Step {
        let Some((refusal, record)) = self.record_refusal(request, refusal, cx) else { return Ok(()) };
        self.send_rejected_parse(NOBODY, refusal, record, cx)
    }

    /// A statement over the bound: its frame is read over, its place is kept.
    pub(super) fn refuse_too_long(&mut self, tag: FrontendTag, cx: &mut Cx<'_, '_>) -> Step {
        let hint = "the longest statement that is judged is set in the interceptor's limits";
        let refusal = Refusal::new(Why::Firm, "statement is too long to be judged", hint).with_code(*b"54000");
        let request = if tag == FrontendTag::Query { "query" } else { "parse" };
        let Some((refusal, record)) = self.record_refusal(request, refusal, cx) else { return Ok(()) };
        self.send_rejected(tag, refusal, record, cx)
    }

    /// The session's own question has no room in the record, so the statement that waits for its answer is refused.
    pub(super) fn refuse_unasked(&mut self, tag: FrontendTag, cx: &mut Cx<'_, '_>) -> Step {
        self.count_unrecorded(cx);
        self.send_rejected(tag, Refusal::unrecorded(), None, cx)
    }

    fn send_rejected(
        &mut self,
        tag: FrontendTag,
        refusal: Refusal,
        record: Option<RecordId>,
        cx: &mut Cx<'_, '_>,
    ) -> Step {
        if matches!(tag, FrontendTag::Query | FrontendTag::FunctionCall) {
            self.send_rejected_query(refusal, record, cx)
        } else {
            self.send_rejected_parse(NOBODY, refusal, record, cx)
        }
    }

    /// The server's error at the place of a refused request.
    pub(super) fn rejected(&mut self, frame: &Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let said = Report::parse(frame.body()).map_err(Fatal::of_database)?;
        let code = said.text(report::CODE).ok_or(Fatal::database("an error without its code"))?;
        let (Some(Request::RefusedQuery(refused) | Request::RefusedParse { refused, .. }), SYNTAX_ERROR) =
            (self.queue.front(), code)
        else {
            return self.rejected_otherwise(frame, cx);
        };
        let mut detail = match (&refused.refusal.answer, refused.record) {
            (Some(answer), record) => answer.detail(record),
            (None, Some(record)) => format!("record {}-{}", record.shard, record.seq),
            (None, None) => String::new(),
        };
        // How an ask ended is one line of JSON, for programs: nothing stands beside it.
        if let (Some(more), None) = (&refused.refusal.detail, &refused.refusal.answer) {
            detail.push_str(if detail.is_empty() { "" } else { ": " });
            detail.push_str(more.as_str());
        }
        let error = ErrorText {
            severity: said.text(report::SEVERITY).unwrap_or(b"ERROR"),
            severity_word: said.text(report::SEVERITY_UNTRANSLATED).unwrap_or(b"ERROR"),
            code: &refused.refusal.code,
            message: refused.refusal.message.as_str(),
            detail: &detail,
            hint: refused.refusal.hint,
        };
        let mark = cx.out.mark();
        messages::error(&mut cx.out.own, &error)?;
        cx.out.agent_own(mark);
        let code = refused.refusal.code;
        self.errored(code, cx);
        Ok(())
    }

    /// Something else went wrong there (the session is ended, a timeout): the agent is told that.
    pub(super) fn rejected_otherwise(&mut self, frame: &Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let mut bytes = frame.bytes.to_vec();
        let mut copy = Frame { bytes: &mut bytes, at: None };
        self.database.mask(&mut copy, Message::Error, self.strip())?;
        copy.relay(cx);
        let said = Report::parse(frame.body()).map_err(Fatal::of_database)?;
        let code = said.sqlstate().map_or(*b"XX000", |code| *code.as_bytes());
        self.errored(code, cx);
        Ok(())
    }
}

/// Said where a result would have to be masked and cannot be.
pub(super) const NO_BINARY: &str = "a sensitive column of this type cannot be masked in binary format";
pub(super) const READ_AS_TEXT: &str = "read the column as text, or leave it out of the result";

/// A statement name that no one uses: a text that does not parse is never stored under it.
const NOBODY: &[u8] = b"interceptor";
