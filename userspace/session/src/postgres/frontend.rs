//! The agent's bytes: frames are found, bounded by type, and handed to what judges them. Nothing is sent on from here but what
//! needs no verdict. Frames that came in pieces, or too early, wait in the inbox.

use wire::postgres::frontend::CopyFail;
use wire::postgres::limits::HEADER;
use wire::postgres::{FrontendTag, Header, Malformed, Tag, header, startup};

use super::catalog::Question;
use super::tls::misplaced as tls_misplaced;
use super::{Connection, Cx, Fatal, Phase, Step};
use crate::Limits;

/// The agent's side.
#[derive(Debug, Default)]
pub(super) struct Agent {
    /// What came and could not be worked off yet.
    inbox: Vec<u8>,
    flow: Flow,
    /// The server drops everything up to the next Sync, and so do we.
    pub(super) skipping: bool,
    /// The frame in front of the inbox waits for an answer to what was sent before it.
    pub(super) waiting: bool,
    /// It waits for room in the record, which the next call may have.
    pub(super) short_of_room: bool,
    /// The agent has sent its last byte.
    pub(super) closed: bool,
    /// The database was told so.
    pub(super) shut: bool,
    /// Terminate came: what is behind it is not read, by us as by the server.
    terminated: bool,
}

impl Agent {
    /// Something of it waits to be worked off.
    pub(super) fn waits(&self) -> bool {
        !self.inbox.is_empty()
    }
}

/// A body that is not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flow {
    #[default]
    Frame,
    /// COPY data goes on as it comes.
    Copy { left: usize },
    /// A refused frame is read over.
    Drop { left: usize },
}

/// A whole frame of the agent, and where in the chunk it lies if it does.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) bytes: &'a [u8],
    at: Option<usize>,
}

impl<'a> Sent<'a> {
    pub(super) fn body(&self) -> &'a [u8] {
        self.bytes.get(5..).unwrap_or_default()
    }

    /// It goes on to the database as it is.
    pub(super) fn forward(&self, cx: &mut Cx<'_, '_>) {
        forward(self.bytes, self.at, cx);
    }
}

fn forward(bytes: &[u8], at: Option<usize>, cx: &mut Cx<'_, '_>) {
    match at {
        Some(at) => cx.out.database_chunk(at..at + bytes.len()),
        None => {
            let mark = cx.out.mark();
            cx.out.own.extend_from_slice(bytes);
            cx.out.database_own(mark);
        }
    }
}

/// Inbox memory that is kept for the next frame.
const INBOX_KEPT: usize = 16 << 10;

impl Connection {
    pub(super) fn agent_bytes(&mut self, chunk: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        if self.agent.terminated {
            return Ok(());
        }
        let mut rest = chunk;
        while !rest.is_empty() && self.phase != Phase::Closed && !self.agent.terminated {
            let base = chunk.len() - rest.len();
            if self.agent.inbox.is_empty() {
                let done = self.frames(rest, Some(base), cx)?;
                rest = rest.get(done..).unwrap_or_default();
                return if self.agent.terminated { Ok(()) } else { self.wait(rest, cx) };
            }
            self.drain_inbox(cx)?;
            // What is left there waits for the rest of its frame, or for the session.
            let missing = if self.agent.inbox.is_empty() { continue } else { self.missing()? };
            // A request for encryption has to be the last of what came: all of it lies together.
            let whole = missing == 0 || self.phase == Phase::Startup;
            let take = if whole { rest.len() } else { missing.min(rest.len()) };
            let (head, tail) = rest.split_at(take);
            self.wait(head, cx)?;
            rest = tail;
        }
        Ok(())
    }

    fn wait(&mut self, bytes: &[u8], cx: &Cx<'_, '_>) -> Step {
        let limits = cx.shared.limits;
        self.agent.inbox.extend_from_slice(bytes);
        // One frame of the largest size, and what one read may bring behind it.
        if self.agent.inbox.len() > limits.frame.saturating_add(limits.inbox) {
            return Err(Fatal::new(b"54000", "too many bytes ahead of the server"));
        }
        Ok(())
    }

    /// Works off what waits, as far as the session is ready for it.
    pub(super) fn drain_inbox(&mut self, cx: &mut Cx<'_, '_>) -> Step {
        if self.agent.inbox.is_empty() || self.phase == Phase::Closed {
            return Ok(());
        }
        let mut inbox = std::mem::take(&mut self.agent.inbox);
        self.agent.waiting = false;
        self.agent.short_of_room = false;
        let done = self.frames(&inbox, None, cx)?;
        inbox.drain(..done);
        if self.agent.terminated {
            inbox.clear();
        }
        if inbox.is_empty() {
            inbox.shrink_to(INBOX_KEPT);
        }
        self.agent.inbox = inbox;
        Ok(())
    }

    /// Bytes that the frame at the inbox's start lacks; 0: none.
    fn missing(&self) -> Result<usize, Fatal> {
        if self.agent.flow != Flow::Frame {
            return Ok(0);
        }
        let inbox = self.agent.inbox.as_slice();
        if self.phase == Phase::Startup {
            return match startup::first(inbox) {
                startup::First::Incomplete(missing) => Ok(missing),
                startup::First::Packet { .. } => Ok(0),
                startup::First::Tls => Err(tls_misplaced()),
                startup::First::Malformed(why) => Err(Fatal::of_agent(why)),
            };
        }
        match header::<FrontendTag>(inbox) {
            Header::Incomplete(missing) => Ok(missing),
            Header::Frame { body_len, .. } => Ok((HEADER + body_len).saturating_sub(inbox.len())),
            Header::Malformed(why) => Err(Fatal::of_agent(why)),
        }
    }

    /// The session is not ready for the agent's next frame.
    pub(super) fn is_paused(&self, cx: &Cx<'_, '_>) -> bool {
        match self.phase {
            Phase::Startup | Phase::Checking => false,
            Phase::Login => self.login.asked.is_none(),
            Phase::Ready => {
                self.own.is_asking()
                    || self.agent.waiting
                    || self.queue.len() >= cx.shared.limits.pipelined
                    || self.hold.as_ref().is_some_and(|hold| hold.waits())
                    || self.cut.is_some()
                    || self.estimating.as_ref().is_some_and(|asked| asked.waits())
                    || self.judging.as_ref().is_some_and(|judging| judging.waits())
            }
            Phase::Connecting | Phase::Cancelling | Phase::Closed => true,
        }
    }

    pub(super) fn reads_agent(&self, cx: &Cx<'_, '_>) -> bool {
        let ahead = self.own.is_asked_ahead() && !self.agent.waits();
        self.phase != Phase::Closed && (!self.is_paused(cx) || ahead || self.reads_behind_a_hold(cx))
    }

    /// While a statement waits for a person the agent is read on a little, so that its leaving is seen.
    fn reads_behind_a_hold(&self, cx: &Cx<'_, '_>) -> bool {
        let room = cx.shared.limits.inbox / 2;
        self.hold.as_ref().is_some_and(|hold| self.agent.inbox.len() < hold.len().saturating_add(room))
    }

    /// What the agent has sent is not wanted any more.
    pub(super) fn forget_inbox(&mut self) {
        self.agent.inbox = Vec::new();
        self.agent.waiting = false;
        self.agent.short_of_room = false;
    }

    /// Whole frames of the agent still wait: its end is not passed on before them.
    pub(super) fn holds_agent_back(&self, cx: &Cx<'_, '_>) -> bool {
        self.is_paused(cx) && !self.agent.inbox.is_empty()
    }

    /// Works off whole frames from the front of `bytes`; says how far it came.
    fn frames(&mut self, bytes: &[u8], base: Option<usize>, cx: &mut Cx<'_, '_>) -> Result<usize, Fatal> {
        let mut at = 0;
        while at < bytes.len() && !self.agent.terminated && (self.agent.flow != Flow::Frame || !self.is_paused(cx)) {
            let rest = bytes.get(at..).unwrap_or_default();
            let place = base.map(|base| base + at);
            let done = match self.agent.flow {
                Flow::Copy { left } => {
                    let take = left.min(rest.len());
                    forward(rest.get(..take).unwrap_or_default(), place, cx);
                    self.agent.flow = if take == left { Flow::Frame } else { Flow::Copy { left: left - take } };
                    take
                }
                Flow::Drop { left } => {
                    let take = left.min(rest.len());
                    self.agent.flow = if take == left { Flow::Frame } else { Flow::Drop { left: left - take } };
                    take
                }
                Flow::Frame if self.phase == Phase::Startup => self.packet(rest, place, cx)?,
                Flow::Frame => self.frame(rest, place, cx)?,
            };
            if done == 0 {
                break;
            }
            at += done;
        }
        Ok(at)
    }

    fn packet(&mut self, rest: &[u8], base: Option<usize>, cx: &mut Cx<'_, '_>) -> Result<usize, Fatal> {
        match startup::first(rest) {
            startup::First::Incomplete(_) => Ok(0),
            // PostgreSQL 17, sslnegotiation=direct.
            startup::First::Tls => self.tls_at_once(base, cx).map(|()| rest.len()),
            startup::First::Malformed(why @ Malformed::Version { .. }) => {
                Err(Fatal::new(b"0A000", why.as_str()).hint("protocol 3.0 to 3.2 is served"))
            }
            startup::First::Malformed(why) => Err(Fatal::of_agent(why)),
            startup::First::Packet { packet, len } => {
                self.startup_packet(packet, rest.len() == len, cx)?;
                Ok(len)
            }
        }
    }

    /// One frame, or 0 when it is not whole and must be.
    fn frame(&mut self, rest: &[u8], place: Option<usize>, cx: &mut Cx<'_, '_>) -> Result<usize, Fatal> {
        let (tag, len) = match header::<FrontendTag>(rest) {
            Header::Incomplete(_) => return Ok(0),
            Header::Malformed(why) => return Err(Fatal::of_agent(why)),
            Header::Frame { tag, body_len } => (tag, body_len),
        };
        let expected = match self.phase {
            Phase::Login | Phase::Checking => matches!(tag, FrontendTag::Authentication | FrontendTag::Terminate),
            _ => tag != FrontendTag::Authentication,
        };
        if !expected {
            return Err(Fatal::agent("a message that has no place here"));
        }
        let left = match tag {
            _ if self.drops(tag) => Some(Flow::Drop { left: len }),
            FrontendTag::CopyData => Some(Flow::Copy { left: len }),
            _ => None,
        };
        if let Some(flow) = left {
            if matches!(flow, Flow::Copy { .. }) {
                forward(rest.get(..HEADER).unwrap_or_default(), place, cx);
            }
            self.agent.flow = if len == 0 { Flow::Frame } else { flow };
            return Ok(HEADER);
        }
        match self.wants_catalog_first(tag, rest.get(HEADER).copied(), cx)? {
            Question::None => {}
            Question::Asked => return Ok(0),
            Question::Unrecorded => {
                self.refuse_unasked(tag, cx)?;
                self.agent.flow = if len == 0 { Flow::Frame } else { Flow::Drop { left: len } };
                return Ok(HEADER);
            }
        }
        if len > longest(tag, cx.shared.limits) {
            if !matches!(tag, FrontendTag::Query | FrontendTag::Parse) {
                return Err(Fatal::new(b"54000", "a message is longer than the interceptor's limit"));
            }
            self.refuse_too_long(tag, cx)?;
            if self.agent.waiting {
                return Ok(0);
            }
            self.agent.flow = Flow::Drop { left: len };
            return Ok(HEADER);
        }
        let Some(bytes) = rest.get(..HEADER + len) else { return Ok(0) };
        self.request(tag, Sent { bytes, at: place }, cx)?;
        if self.agent.waiting {
            return Ok(0);
        }
        self.estimating = None;
        self.judging = None;
        Ok(HEADER + len)
    }

    /// What the server would read and drop: everything up to Sync after an error, and COPY data outside a COPY.
    fn drops(&self, tag: FrontendTag) -> bool {
        match tag {
            FrontendTag::Sync | FrontendTag::Terminate | FrontendTag::Authentication => false,
            FrontendTag::CopyData | FrontendTag::CopyDone | FrontendTag::CopyFail => {
                self.agent.skipping || !(self.queue.expects_copy_data() || self.reads_copy())
            }
            _ => self.agent.skipping,
        }
    }

    fn request(&mut self, tag: FrontendTag, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let ends_copy = matches!(tag, FrontendTag::CopyDone | FrontendTag::CopyFail);
        let in_copy = ends_copy || matches!(tag, FrontendTag::Flush | FrontendTag::Sync | FrontendTag::Terminate);
        if self.reads_copy() && !in_copy {
            return Err(Fatal::agent("unexpected message type during COPY from stdin"));
        }
        self.learn_taints(cx);
        match tag {
            FrontendTag::Query => return self.query(sent, cx),
            FrontendTag::FunctionCall => return self.function_call(sent, cx),
            FrontendTag::Parse => return self.parse(sent, cx),
            FrontendTag::Bind => return self.bind(sent, cx),
            FrontendTag::Describe => return self.describe(sent, cx),
            FrontendTag::Execute => return self.execute(sent, cx),
            FrontendTag::Close => return self.close_target(sent, cx),
            FrontendTag::Sync => return self.sync(sent, cx),
            FrontendTag::Authentication if self.phase == Phase::Checking => {
                return self.checks_placeholder(sent.body(), cx);
            }
            FrontendTag::Authentication if !self.authentication_answer(sent.body(), cx)? => return Ok(()),
            FrontendTag::Authentication => {}
            FrontendTag::CopyFail => {
                CopyFail::parse(sent.body()).map_err(Fatal::of_agent)?;
                self.queue.copy_data_ended(self.tally.copies_begun());
            }
            FrontendTag::CopyDone => self.queue.copy_data_ended(self.tally.copies_begun()),
            FrontendTag::Terminate => {
                self.agent.closed = true;
                self.agent.terminated = true;
                if self.phase == Phase::Checking {
                    return Ok(()); // nobody was dialled
                }
            }
            // CopyData never comes here: it is not kept.
            FrontendTag::Flush | FrontendTag::CopyData => {}
        }
        sent.forward(cx);
        Ok(())
    }
}

/// Parse carries a name and parameter types beside the text.
const STATEMENT_EXTRA: usize = 264 << 10;

/// Our bounds, below those that the protocol sets per type.
fn longest(tag: FrontendTag, limits: &Limits) -> usize {
    match tag {
        FrontendTag::Query | FrontendTag::Parse => limits.statement.saturating_add(STATEMENT_EXTRA),
        FrontendTag::Bind | FrontendTag::FunctionCall => limits.frame,
        _ => tag.body_max(),
    }
}
