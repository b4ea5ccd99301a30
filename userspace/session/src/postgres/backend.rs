//! The database's bytes: frames are found as they stream, each body passes its masker, and nothing else reaches the agent.
//! Rows, COPY data and strings stream at constant memory; the other messages are small and must be whole.

use wire::postgres::limits::HEADER;
use wire::postgres::{BackendTag, Header, Tag, header};

use super::bulk::Bulk;
use super::queue::Request;
use super::rewrite::{BodyMask, Clean, Columns, Malformed, Message, Progress, Spare, Strip};
use super::{Connection, Cx, Fatal, Phase, Step};

/// What is being done with the message at hand.
#[derive(Debug, Default)]
pub(super) enum Flow {
    /// Between messages.
    #[default]
    Boundary,
    /// A body passes its masker; `left` bytes of it are not final yet.
    Masking { kind: u8, left: usize },
    /// `mask = false`: a row or COPY data passes as it is.
    Passing { left: usize },
    /// A message of no concern to the agent.
    Dropping { left: usize },
    /// A message that must be whole is being put together.
    Whole { total: usize },
}

/// The database's side.
pub(super) struct Database {
    flow: Flow,
    whole: Vec<u8>,
    /// Of the row that is under way.
    row: Option<Box<BodyMask>>,
    pub(super) copy: Option<Box<BodyMask>>,
    pub(super) copy_columns: Option<Box<Columns>>,
    /// Of the error, notice or notification that is under way.
    strings: Option<Box<BodyMask>>,
    /// Made for the first one: few sessions call functions by their OID.
    function: Option<Box<BodyMask>>,
    /// Columns of the result of a simple Query.
    pub(super) result: Columns,
    /// `result` belongs to the result that is being sent.
    pub(super) result_known: bool,
    /// No columns: how strings are searched.
    plain: Columns,
    pub(super) bulk: Bulk,
}

impl Default for Database {
    fn default() -> Database {
        Database {
            flow: Flow::Boundary,
            whole: Vec::new(),
            row: None,
            copy: None,
            copy_columns: None,
            strings: None,
            function: None,
            result: Columns::new(),
            result_known: false,
            plain: Columns::new(),
            bulk: Bulk::default(),
        }
    }
}

impl Database {
    /// The next body is strings.
    fn begin_strings(&mut self, message: Message, strip: Strip, spare: &mut Spare) {
        self.strings = Some(spare.lend(BodyMask::strings(message, strip)));
    }

    /// A body has passed: an idle session keeps no masker.
    fn end_body(&mut self, spare: &mut Spare) {
        let ended = self.row.take().into_iter().chain(self.strings.take());
        ended.for_each(|mask| spare.take_back(mask));
    }

    pub(super) fn strings_columns(&mut self) -> &mut Columns {
        &mut self.plain
    }

    /// Masks the strings in a whole message's body.
    pub(super) fn mask(&self, frame: &mut Frame<'_>, message: Message, strip: Strip) -> Result<Progress, Fatal> {
        let body = frame.bytes.get_mut(5..).unwrap_or_default();
        if strip == Strip::Nothing && self.plain.strings_pass(message, body) {
            return Ok(Progress { done: body.len(), ..Progress::default() });
        }
        BodyMask::strings(message, strip).feed(body, true, &self.plain).map_err(unreadable)
    }

    /// The agent has been sent whole messages only.
    pub(super) fn at_boundary(&self) -> bool {
        matches!(self.flow, Flow::Boundary | Flow::Dropping { .. } | Flow::Whole { .. })
    }
}

/// A whole message, and where in the chunk it lies if it does.
pub(super) struct Frame<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) at: Option<usize>,
}

impl Frame<'_> {
    pub(super) fn kind(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(5..).unwrap_or_default()
    }

    /// Sends it on as it is now.
    pub(super) fn relay(&self, cx: &mut Cx<'_, '_>) {
        match self.at {
            Some(at) => cx.out.agent_chunk(at..at + self.bytes.len()),
            None => {
                let mark = cx.out.mark();
                cx.out.own.extend_from_slice(self.bytes);
                cx.out.agent_own(mark);
            }
        }
    }
}

/// How a message is to be taken, by its type and what is outstanding.
enum Taken {
    Whole,
    Stream,
    Drop,
}

impl Connection {
    pub(super) fn database_bytes(&mut self, chunk: &mut [u8], cx: &mut Cx<'_, '_>) -> Step {
        if self.tls.database_asked() {
            return self.database_answers_tls(chunk, cx);
        }
        match self.phase {
            Phase::Login | Phase::Ready => {}
            // A cancel request has no answer.
            Phase::Cancelling => return Ok(()),
            Phase::Startup | Phase::Checking | Phase::Connecting | Phase::Closed => {
                return Err(Fatal::database("bytes before the startup"));
            }
        }
        let (mut at, mut clean) = (0, Clean::default());
        while at < chunk.len() && self.phase != Phase::Closed {
            let before = at;
            if matches!(self.database.flow, Flow::Boundary) {
                self.cut_result(cx);
            }
            at = match self.database.flow {
                Flow::Boundary => match self.pass(chunk, at, &mut clean, cx) {
                    end if end == chunk.len() => end,
                    next => self.begin_message(chunk, next, cx)?,
                },
                Flow::Masking { kind, left } => self.mask_some(chunk, at, kind, left, cx)?,
                Flow::Passing { left } => {
                    let take = left.min(chunk.len() - at);
                    cx.out.agent_chunk(at..at + take);
                    self.tally.bytes += take as u64;
                    self.database.flow =
                        if take == left { Flow::Boundary } else { Flow::Passing { left: left - take } };
                    at + take
                }
                Flow::Dropping { left } => {
                    let take = left.min(chunk.len() - at);
                    self.database.flow =
                        if take == left { Flow::Boundary } else { Flow::Dropping { left: left - take } };
                    at + take
                }
                Flow::Whole { total } => self.gather(chunk, at, total, cx)?,
            };
            if at == before {
                break; // the rest is held until more is here
            }
        }
        if self.phase != Phase::Closed {
            cx.out.hold = chunk.len() - at;
            debug_assert!(cx.out.hold <= crate::HOLD_MAX);
        }
        Ok(())
    }

    /// Finds the header at `at`. Returns where to go on; `at` itself when the header is not whole.
    fn begin_message(&mut self, chunk: &mut [u8], at: usize, cx: &mut Cx<'_, '_>) -> Result<usize, Fatal> {
        let (kind, left) = match header::<BackendTag>(chunk.get(at..).unwrap_or_default()) {
            Header::Incomplete(_) => return Ok(at),
            Header::Malformed(why) => return Err(Fatal::of_database(why)),
            Header::Frame { tag, body_len } => (tag.byte(), body_len),
        };
        if self.waits_for_its_end(kind, left, chunk.len() - at) {
            return Ok(at);
        }
        // What is neither ReadyForQuery nor may come at any time answers what stands behind the Syncs that a COPY dropped.
        if !matches!(kind, b'Z' | b'N' | b'A' | b'S') {
            self.queue.exorcise();
        }
        if matches!(kind, b'D' | b'd') {
            self.cut_at_the_bound(cx)?;
        }
        match self.take(kind)? {
            Taken::Drop => {
                self.database.flow = Flow::Dropping { left };
                self.end_if_empty(left);
                Ok(at + 5)
            }
            Taken::Stream => {
                self.start_stream(kind, left, at, cx)?;
                Ok(at + 5)
            }
            Taken::Whole => {
                if left > cx.shared.limits.control {
                    return Err(Fatal::database("a message is longer than the limit"));
                }
                let total = left + 5;
                if let Some(bytes) = chunk.get_mut(at..at + total) {
                    self.answer(Frame { bytes, at: Some(at) }, cx)?;
                    return Ok(at + total);
                }
                self.database.whole.clear();
                self.database.flow = Flow::Whole { total };
                self.gather(chunk, at, total, cx)
            }
        }
    }

    /// A row of which only the beginning is here, and no more than can be held: whole it may pass, and a database that has begun a row ends it.
    fn waits_for_its_end(&self, kind: u8, body_len: usize, here: usize) -> bool {
        let row = matches!(kind, b'D' | b'd') && self.phase == Phase::Ready && self.masks();
        row && here < HEADER + body_len && here <= crate::HOLD_MAX
    }

    fn end_if_empty(&mut self, left: usize) {
        if left == 0 {
            self.database.flow = Flow::Boundary;
        }
    }

    fn gather(&mut self, chunk: &mut [u8], at: usize, total: usize, cx: &mut Cx<'_, '_>) -> Result<usize, Fatal> {
        let missing = total - self.database.whole.len();
        let take = missing.min(chunk.len() - at);
        self.database.whole.extend_from_slice(chunk.get(at..at + take).unwrap_or_default());
        if take == missing {
            self.database.flow = Flow::Boundary;
            let mut whole = std::mem::take(&mut self.database.whole);
            let step = self.answer(Frame { bytes: &mut whole, at: None }, cx);
            whole.clear();
            whole.shrink_to(64 << 10);
            self.database.whole = whole;
            step?;
        }
        Ok(at + take)
    }

    /// The one table of message types. A type that is not in it ends the session.
    fn take(&self, kind: u8) -> Result<Taken, Fatal> {
        let own = matches!(self.queue.front(), Some(Request::Catalog | Request::OwnDescribe { .. }));
        let replaced = matches!(self.queue.front(), Some(Request::RefusedQuery(_) | Request::RefusedParse { .. }));
        let cut = self.cut.as_ref().is_some_and(|cut| cut.drops());
        Ok(match (self.phase, kind) {
            (Phase::Login, b'R' | b'K' | b'S' | b'Z' | b'v' | b'E' | b'N') => Taken::Whole,
            // Of a statement that was cut its end alone matters.
            (Phase::Ready, b'C' | b'I' | b's' | b'E') if cut => Taken::Whole,
            (Phase::Ready, b'D' | b'd' | b'c' | b'T' | b'H' | b'n') if cut => Taken::Drop,
            (Phase::Ready, b'N') if own => Taken::Drop,
            (Phase::Ready, b'E') if own || replaced => Taken::Whole,
            (Phase::Ready, b'D') if own => Taken::Whole,
            (Phase::Ready, b'D' | b'd' | b'E' | b'N' | b'A' | b'V') => Taken::Stream,
            (
                Phase::Ready,
                b'S' | b'Z' | b'1' | b'2' | b'3' | b't' | b'T' | b'n' | b'C' | b'I' | b's' | b'G' | b'H' | b'c',
            ) => Taken::Whole,
            _ => return Err(Fatal::database("a message of a type that has no place here")),
        })
    }

    fn start_stream(&mut self, kind: u8, left: usize, at: usize, cx: &mut Cx<'_, '_>) -> Step {
        match kind {
            b'D' => self.begin_row()?,
            b'd' => self.begin_copy_data()?,
            b'V' => self.begin_function_result()?,
            b'E' | b'N' => {
                let strip = self.strip();
                self.database.begin_strings(Message::Error, strip, &mut cx.shared.catalogs.masks);
            }
            _ => {
                let spare = &mut cx.shared.catalogs.masks;
                self.database.begin_strings(Message::Notification, Strip::Nothing, spare);
            }
        }
        let raw = matches!(kind, b'D' | b'd' | b'V') && !self.masks();
        self.database.flow = if raw { Flow::Passing { left } } else { Flow::Masking { kind, left } };
        // Only now: what is refused above has no header in front of it.
        cx.out.agent_chunk(at..at + HEADER);
        if left == 0 {
            // An empty body is malformed for all but CopyData; the masker says so.
            if !raw {
                self.mask_some(&mut [], 0, kind, 0, cx)?;
            }
            self.database.flow = Flow::Boundary;
        }
        Ok(())
    }

    /// Errors and notices of a statement that touches a sensitive column, and all that follow it up to the end of its transaction,
    /// lose what may quote a value.
    pub(super) fn strip(&self) -> Strip {
        let sensitive = match self.queue.front() {
            Some(Request::Parse { sensitive, .. }) => *sensitive,
            Some(Request::Bind { slot } | Request::DescribePortal { slot } | Request::OwnDescribe { slot }) => self
                .portals
                .get(*slot)
                .is_none_or(|slot| slot.inner.sensitive || slot.judged.as_ref().is_none_or(|judged| judged.sensitive)),
            Some(request) => request.run().is_some_and(super::queue::Run::is_sensitive),
            None => false,
        };
        if (sensitive || self.tainted) && self.masks() { Strip::Values } else { Strip::Nothing }
    }

    fn mask_some(
        &mut self,
        chunk: &mut [u8],
        at: usize,
        kind: u8,
        left: usize,
        cx: &mut Cx<'_, '_>,
    ) -> Result<usize, Fatal> {
        let take = left.min(chunk.len() - at);
        let last = take == left;
        let bytes = chunk.get_mut(at..at + take).unwrap_or_default();
        let progress = self.feed(kind, bytes, last, &mut cx.shared.catalogs.masks).map_err(unreadable)?;
        self.tally.cards += progress.cards;
        self.tally.sensitive += progress.sensitive;
        if matches!(kind, b'D' | b'd' | b'V') {
            self.tally.bytes += progress.done as u64;
        }
        if cx.shared.catalogs.seen.evidence().crossed() > 0 {
            self.record_findings(cx);
        }
        cx.out.agent_chunk(at..at + progress.done);
        if last {
            self.database.flow = Flow::Boundary;
            self.streamed(kind, cx)?;
            self.database.end_body(&mut cx.shared.catalogs.masks);
        } else {
            self.database.flow = Flow::Masking { kind, left: left - progress.done };
        }
        Ok(at + progress.done)
    }

    fn feed(&mut self, kind: u8, bytes: &mut [u8], last: bool, spare: &mut Spare) -> Result<Progress, Malformed> {
        let Database { row, copy, copy_columns, strings, function, result, plain, .. } = &mut self.database;
        match kind {
            b'D' => {
                let columns = match self.queue.front() {
                    Some(Request::Execute { slot, .. }) => {
                        self.portals.get(*slot).map_or(&*plain, |slot| &slot.columns)
                    }
                    _ => &*result,
                };
                row.get_or_insert_with(|| spare.lend_row()).feed(bytes, last, columns)
            }
            b'd' => match (copy, copy_columns) {
                (Some(copy), Some(columns)) => copy.feed(bytes, last, columns),
                _ => Err(Malformed::Value),
            },
            b'V' => function.get_or_insert_with(|| Box::new(BodyMask::function())).feed(bytes, last, result),
            _ => strings.as_mut().ok_or(Malformed::Value)?.feed(bytes, last, plain),
        }
    }

    /// The SQLSTATE of the error or notice that has just passed.
    pub(super) fn streamed_sqlstate(&self) -> Option<[u8; 5]> {
        match self.database.strings.as_deref() {
            Some(BodyMask::Strings(strings)) => strings.sqlstate(),
            _ => None,
        }
    }
}

pub(super) fn unreadable(malformed: Malformed) -> Fatal {
    match malformed {
        Malformed::Unmaskable { .. } | Malformed::Opaque { .. } => {
            Fatal::new(b"42501", "a value of this type cannot be masked")
                .hint("read the column as text, or leave it out of the result")
        }
        Malformed::Count | Malformed::Length | Malformed::End | Malformed::Value | Malformed::Depth => {
            Fatal::database("a message whose parts do not add up")
        }
    }
}
