//! The agent's bytes: frames are found, bounded by type, and handed to what judges them. Nothing is sent on from here but what
//! needs no verdict. Frames that came in pieces, or too early, wait in the inbox.

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
    /// The agent has sent its last byte.
    pub(super) closed: bool,
    /// The database was told so.
    pub(super) shut: bool,
    /// Terminate came: what is behind it is not read, by us as by the server.
    terminated: bool,
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
    pub(super) fn from_agent(&mut self, chunk: &[u8], cx: &mut Cx<'_, '_>) -> Step {
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
            let missing = if self.agent.inbox.is_empty() { continue } else { self.missing(cx.shared.limits)? };
            let take = if missing == 0 { rest.len() } else { missing.min(rest.len()) };
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
    fn missing(&self, limits: &Limits) -> Result<usize, Fatal> {
        if self.agent.flow != Flow::Frame {
            return Ok(0);
        }
        let inbox = self.agent.inbox.as_slice();
        let header = if self.phase == Phase::Startup { 4 } else { 5 };
        if inbox.len() < header {
            return Ok(header - inbox.len());
        }
        let total = match self.phase {
            Phase::Startup => startup_len(inbox, limits)?,
            _ => frame_len(inbox)?,
        };
        Ok(total.saturating_sub(inbox.len()))
    }

    /// The session is not ready for the agent's next frame.
    pub(super) fn is_paused(&self, cx: &Cx<'_, '_>) -> bool {
        match self.phase {
            Phase::Startup => false,
            Phase::Login => !self.login.asks_agent,
            Phase::Ready => self.own.is_asking() || self.queue.len() >= cx.shared.limits.pipelined,
            Phase::Connecting | Phase::Cancelling | Phase::Closed => true,
        }
    }

    pub(super) fn reads_agent(&self, cx: &Cx<'_, '_>) -> bool {
        self.phase != Phase::Closed && !self.is_paused(cx)
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
                Flow::Frame if self.phase == Phase::Startup => self.packet(rest, cx)?,
                Flow::Frame => self.frame(rest, place, cx)?,
            };
            if done == 0 {
                break;
            }
            at += done;
        }
        Ok(at)
    }

    fn packet(&mut self, rest: &[u8], cx: &mut Cx<'_, '_>) -> Result<usize, Fatal> {
        // Direct TLS begins with a handshake record (PostgreSQL 17, sslnegotiation=direct).
        if rest.first() == Some(&0x16) {
            return Err(Fatal::agent("TLS is not served here").hint("connect with sslmode=disable or prefer"));
        }
        if rest.len() < 4 {
            return Ok(0);
        }
        let total = startup_len(rest, cx.shared.limits)?;
        let Some(packet) = rest.get(..total) else { return Ok(0) };
        self.startup_packet(packet, rest.len() == total, cx)?;
        Ok(total)
    }

    /// One frame, or 0 when it is not whole and must be.
    fn frame(&mut self, rest: &[u8], place: Option<usize>, cx: &mut Cx<'_, '_>) -> Result<usize, Fatal> {
        let Some(&kind) = rest.first() else { return Ok(0) };
        if !self.expects(kind) {
            return Err(Fatal::agent("invalid frontend message type"));
        }
        if rest.len() < 5 {
            return Ok(0);
        }
        let total = frame_len(rest)?;
        let len = total - 5;
        if self.drops(kind) {
            self.agent.flow = Flow::Drop { left: len };
            self.end_flow(len);
            return Ok(5);
        }
        if kind == b'd' {
            forward(rest.get(..5).unwrap_or_default(), place, cx);
            self.agent.flow = Flow::Copy { left: len };
            self.end_flow(len);
            return Ok(5);
        }
        if self.wants_catalog_first(kind, cx) {
            return Ok(0);
        }
        if matches!(kind, b'Q' | b'P') && len > cx.shared.limits.statement.saturating_add(STATEMENT_EXTRA) {
            self.refuse_too_long(kind, cx);
            self.agent.flow = Flow::Drop { left: len };
            return Ok(5);
        }
        if len > longest(kind, cx.shared.limits) {
            return Err(Fatal::agent("invalid message length"));
        }
        let Some(bytes) = rest.get(..total) else { return Ok(0) };
        self.request(kind, Sent { bytes, at: place }, cx)?;
        Ok(total)
    }

    fn end_flow(&mut self, len: usize) {
        if len == 0 {
            self.agent.flow = Flow::Frame;
        }
    }

    fn expects(&self, kind: u8) -> bool {
        match self.phase {
            Phase::Login => matches!(kind, b'p' | b'X'),
            _ => {
                matches!(kind, b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'S' | b'H' | b'F' | b'd' | b'c' | b'f' | b'X')
            }
        }
    }

    /// What the server would read and drop: everything up to Sync after an error, and COPY data outside a COPY.
    fn drops(&self, kind: u8) -> bool {
        match kind {
            b'S' | b'X' => false,
            b'd' | b'c' | b'f' => self.agent.skipping || !self.queue.expects_copy_data(),
            _ => self.agent.skipping,
        }
    }

    fn request(&mut self, kind: u8, sent: Sent<'_>, cx: &mut Cx<'_, '_>) -> Step {
        if self.tally.reads_copy() && !matches!(kind, b'c' | b'f' | b'H' | b'S' | b'X') {
            return Err(Fatal::agent("unexpected message type during COPY from stdin"));
        }
        match kind {
            b'p' => {
                self.login.asks_agent = false;
                sent.forward(cx);
                Ok(())
            }
            b'Q' => self.query(sent, cx),
            b'F' => self.function_call(sent, cx),
            b'P' => self.parse(sent, cx),
            b'B' => self.bind(sent, cx),
            b'D' => self.describe(sent, cx),
            b'E' => self.execute(sent, cx),
            b'C' => self.close_target(sent, cx),
            b'S' => self.sync(sent, cx),
            b'H' | b'c' => {
                sent.body().is_empty().then_some(()).ok_or(Fatal::agent("invalid message format"))?;
                if kind == b'c' {
                    self.tally.copy_data_ended();
                }
                sent.forward(cx);
                Ok(())
            }
            b'f' => {
                let text = sent.body();
                let whole = text.split_last().is_some_and(|(end, text)| *end == 0 && !text.contains(&0));
                whole.then_some(()).ok_or(Fatal::agent("invalid message format"))?;
                self.tally.copy_data_ended();
                sent.forward(cx);
                Ok(())
            }
            _ => {
                sent.body().is_empty().then_some(()).ok_or(Fatal::agent("invalid message format"))?;
                sent.forward(cx);
                self.agent.closed = true;
                self.agent.terminated = true;
                Ok(())
            }
        }
    }
}

/// Parse carries a name and parameter types beside the text.
const STATEMENT_EXTRA: usize = 264 << 10;

/// The server's bounds: `SocketBackend` in postgres.c allows 10,000 bytes for the short messages.
fn longest(kind: u8, limits: &Limits) -> usize {
    match kind {
        b'Q' | b'P' => limits.statement.saturating_add(STATEMENT_EXTRA),
        b'B' | b'F' => limits.frame,
        b'p' => limits.password,
        b'S' | b'H' | b'c' | b'X' => 0,
        _ => 10_000,
    }
}

/// Length of a frame with its type byte.
fn frame_len(bytes: &[u8]) -> Result<usize, Fatal> {
    let len = bytes.get(1..).and_then(<[u8]>::first_chunk::<4>).map(|len| i32::from_be_bytes(*len));
    match len {
        Some(len) if len >= 4 => Ok(len as usize + 1),
        _ => Err(Fatal::agent("invalid message length")),
    }
}

/// Length of a startup packet, itself included.
fn startup_len(bytes: &[u8], limits: &Limits) -> Result<usize, Fatal> {
    let len = bytes.first_chunk::<4>().map(|len| i32::from_be_bytes(*len));
    match len {
        Some(len) if len >= 8 && len as usize <= limits.startup => Ok(len as usize),
        _ => Err(Fatal::agent("invalid length of startup packet")),
    }
}
