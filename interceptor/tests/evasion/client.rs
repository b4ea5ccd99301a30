//! The tiny client of the corpus: it says bytes, and keeps every byte that it hears.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::field::is_ask;
use crate::raw::{Agent, Message, frame, query, startup};

/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(15);
/// After what was said byte by byte nobody knows which answer is the last: one that lasts this long is.
const QUIET: Duration = Duration::from_millis(300);

/// In place of a protocol version: the packet cancels a statement.
const CANCEL: u32 = 80_877_102;

/// Which way the connections go.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// Past the service, from outside of any agent.
    Direct(u16),
    /// Through it: dialled by a process of the agent.
    Agent(&'a Agent),
}

/// How the same things are said in another way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// A statement goes by Parse, Bind, Describe, Execute, Sync.
    pub extended: bool,
    /// With results in binary.
    pub binary: bool,
    /// Bytes are written in pieces of this size.
    pub pieces: Option<usize>,
}

/// One run of a case: where it happens, and all that was said and heard.
pub struct Talk<'a> {
    way: Way<'a>,
    pub database: String,
    /// Stands for `@DIR@`.
    folder: String,
    manner: Manner,
    turns: RefCell<Vec<Turn>>,
    bytes: RefCell<Vec<Vec<u8>>>,
}

/// What was said up to a point where an answer was waited for, and the answer.
pub struct Turn {
    /// The texts of its Query and Parse messages.
    pub said: Vec<String>,
    pub heard: Vec<Message>,
    /// The transaction status when it began.
    pub before: u8,
    /// A person would be asked; the agent did not wait.
    pub held: bool,
    pub end: End,
    pub kind: Kind,
}

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Login,
    Case,
    /// `SELECT 1` after the case.
    After,
}

/// Why the wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// ReadyForQuery with this transaction status.
    Ready(u8),
    /// The server waits for the data of a COPY.
    CopyIn,
    /// The connection is over.
    Closed,
    /// It goes on, and nothing came.
    Silent,
}

/// All of a run.
pub struct Heard {
    pub turns: Vec<Turn>,
    /// All bytes of each connection.
    pub bytes: Vec<Vec<u8>>,
}

impl<'a> Talk<'a> {
    pub fn new(way: Way<'a>, database: &str, folder: &str, manner: Manner) -> Talk<'a> {
        Talk {
            way,
            database: database.to_owned(),
            folder: folder.to_owned(),
            manner,
            turns: RefCell::default(),
            bytes: RefCell::default(),
        }
    }

    /// A connection on which nothing was said.
    pub fn dial(&self) -> Client<'_> {
        let socket = match self.way {
            Way::Direct(port) => TcpStream::connect(("127.0.0.1", port)),
            Way::Agent(agent) => agent.dial().map(|wire| wire.socket),
        };
        let socket = socket.expect("the database's port answers");
        socket.set_nodelay(true).expect("a TCP socket");
        socket.set_write_timeout(Some(PATIENCE)).expect("not zero");
        let said = Vec::new();
        Client {
            talk: self,
            socket: Some(socket),
            bytes: Vec::new(),
            at: 0,
            said,
            heard: Vec::new(),
            status: b'I',
            key: Vec::new(),
            held: false,
        }
    }

    /// A session of this role.
    pub fn login(&self, role: &str, extra: &[(&str, &str)]) -> Client<'_> {
        let mut client = self.dial();
        let mut keys = vec![("user", role), ("database", self.database.as_str())];
        keys.extend(extra);
        client.write(&startup(196_608, &keys));
        client.wait(Kind::Login);
        client
    }

    /// A usual session.
    pub fn agent(&self) -> Client<'_> {
        self.login("agent", &[])
    }

    /// Placeholders filled in.
    pub fn fill(&self, text: &str) -> String {
        text.replace("@DIR@", &self.folder)
    }

    /// What was said and heard since the last time.
    pub fn take(&self) -> Vec<Turn> {
        self.turns.take()
    }

    pub fn finish(self) -> Heard {
        Heard { turns: self.turns.into_inner(), bytes: self.bytes.into_inner() }
    }
}

/// One connection of a run.
pub struct Client<'t> {
    talk: &'t Talk<'t>,
    /// `None` once it is over.
    socket: Option<TcpStream>,
    /// All that came.
    bytes: Vec<u8>,
    /// Up to here it is messages that were read.
    at: usize,
    said: Vec<String>,
    heard: Vec<Message>,
    /// The last ReadyForQuery's.
    status: u8,
    /// What cancels this session's statement.
    key: Vec<u8>,
    held: bool,
}

impl Client<'_> {
    /// Whether anything can be said.
    pub fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// A simple statement and its answer; in the talk's manner.
    pub fn statement(&mut self, sql: &str) {
        if self.talk.manner.extended {
            self.extended(sql, &[], &[i16::from(self.talk.manner.binary)], true);
        } else {
            self.q(sql);
        }
    }

    /// Query, and wait for ReadyForQuery.
    pub fn q(&mut self, sql: &str) {
        self.q_bytes(sql.as_bytes());
    }

    pub fn q_bytes(&mut self, sql: &[u8]) {
        self.said.push(String::from_utf8_lossy(sql).into_owned());
        self.write(&frame(b'Q', &[sql, &[0]].concat()));
        self.wait(Kind::Case);
    }

    /// Parse, Bind, Describe of the portal, Execute, Sync.
    pub fn extended(&mut self, sql: &str, parameters: &[&[u8]], formats: &[i16], describe: bool) {
        self.parse("", sql, &[]);
        self.bind("", "", parameters, formats);
        if describe {
            self.desc(b'P', "");
        }
        self.ex("", 0);
        self.sync();
    }

    pub fn parse(&mut self, name: &str, sql: &str, oids: &[u32]) {
        self.said.push(sql.to_owned());
        let mut body = [name.as_bytes(), &[0], sql.as_bytes(), &[0]].concat();
        body.extend(u16::try_from(oids.len()).expect("few").to_be_bytes());
        body.extend(oids.iter().flat_map(|oid| oid.to_be_bytes()));
        self.send(b'P', &body);
    }

    pub fn bind(&mut self, portal: &str, statement: &str, parameters: &[&[u8]], formats: &[i16]) {
        let mut body = [portal.as_bytes(), &[0], statement.as_bytes(), &[0], &[0, 0]].concat();
        body.extend(u16::try_from(parameters.len()).expect("few").to_be_bytes());
        for parameter in parameters {
            body.extend(u32::try_from(parameter.len()).expect("short").to_be_bytes());
            body.extend(*parameter);
        }
        body.extend(u16::try_from(formats.len()).expect("few").to_be_bytes());
        body.extend(formats.iter().flat_map(|format| format.to_be_bytes()));
        self.send(b'B', &body);
    }

    pub fn desc(&mut self, kind: u8, name: &str) {
        self.send(b'D', &[&[kind], name.as_bytes(), &[0]].concat());
    }

    pub fn ex(&mut self, portal: &str, rows: u32) {
        self.send(b'E', &[portal.as_bytes(), &[0], &rows.to_be_bytes()].concat());
    }

    pub fn sync(&mut self) {
        self.send(b'S', &[]);
        self.wait(Kind::Case);
    }

    /// One message.
    pub fn send(&mut self, tag: u8, body: &[u8]) {
        self.write(&frame(tag, body));
    }

    /// Bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        let pieces = self.talk.manner.pieces.unwrap_or(bytes.len()).max(1);
        let Some(socket) = &mut self.socket else { return };
        // A peer that has closed is heard of by reading.
        let _ = bytes.chunks(pieces).try_for_each(|piece| socket.write_all(piece));
    }

    /// No more comes from here; the rest is still heard.
    pub fn half_close(&mut self) {
        if let Some(socket) = &self.socket {
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    /// The rest of an answer, up to ReadyForQuery.
    pub fn drain(&mut self) {
        self.wait(Kind::Case);
    }

    /// A byte that is no message (the answers to SSLRequest and GSSENCRequest).
    pub fn byte(&mut self) -> Option<u8> {
        if self.bytes.len() == self.at && self.fill(PATIENCE) != Filled::More {
            return None;
        }
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    /// All that comes until the end, or until nothing more does.
    pub fn read_all(&mut self) {
        let mut patience = PATIENCE.min(Duration::from_secs(3));
        let end = loop {
            match self.fill(patience) {
                Filled::More => patience = QUIET,
                Filled::Over => break End::Closed,
                Filled::Nothing => break End::Silent,
            }
        };
        while self.take_messages().is_some() {}
        self.turn(end, Kind::Case);
    }

    /// Does the session answer? Keeps the answer as a turn of its own. In small letters: no case says it so, and the log is searched for
    /// what a case says.
    pub fn after(&mut self) {
        if self.is_open() {
            self.write(&query("select 1"));
            self.wait(Kind::After);
        }
    }

    /// Drops the bytes of messages that were read; what is no whole message stays.
    pub fn forget(&mut self) {
        self.bytes.drain(..self.at);
        self.at = 0;
    }

    fn wait(&mut self, kind: Kind) {
        let end = loop {
            if let Some(end) = self.take_messages() {
                break end;
            }
            self.withdraw();
            match self.fill(PATIENCE) {
                Filled::More => {}
                Filled::Over => break End::Closed,
                Filled::Nothing => break End::Silent,
            }
        };
        self.turn(end, kind);
    }

    /// A held statement waits for a person: its agent cancels it.
    fn withdraw(&mut self) {
        if self.held || !self.heard.iter().any(is_ask) {
            return;
        }
        self.held = true;
        let mut other = self.talk.dial();
        other.write(&[&16_u32.to_be_bytes()[..], &CANCEL.to_be_bytes(), &self.key].concat());
        // It is closed when it was read; there is no answer.
        while other.fill(PATIENCE) == Filled::More {}
    }

    fn turn(&mut self, end: End, kind: Kind) {
        let (said, heard) = (std::mem::take(&mut self.said), std::mem::take(&mut self.heard));
        let turn = Turn { said, heard, before: self.status, held: std::mem::take(&mut self.held), end, kind };
        if let End::Ready(status) = end {
            self.status = status;
        }
        self.talk.turns.borrow_mut().push(turn);
    }

    /// Whole messages, up to the first ReadyForQuery.
    fn take_messages(&mut self) -> Option<End> {
        while let Some(message) = message_at(&self.bytes, self.at) {
            self.at += message.body.len() + 5;
            let ready = (message.tag == b'Z').then(|| End::Ready(message.body.first().copied().unwrap_or(b'?')));
            if message.tag == b'K' {
                self.key.clone_from(&message.body);
            }
            let wants = (message.tag == b'G').then_some(End::CopyIn);
            self.heard.push(message);
            if ready.is_some() || wants.is_some() {
                return ready.or(wants);
            }
        }
        None
    }

    fn fill(&mut self, patience: Duration) -> Filled {
        let Some(socket) = &mut self.socket else { return Filled::Over };
        socket.set_read_timeout(Some(patience)).expect("not zero");
        let mut room = [0; 16 << 10];
        let got = loop {
            match socket.read(&mut room) {
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match got {
            Ok(0) => self.over(),
            Ok(len) => {
                self.bytes.extend(&room[..len]);
                Filled::More
            }
            Err(why) if is_silence(&why) => Filled::Nothing,
            Err(_) => self.over(),
        }
    }

    fn over(&mut self) -> Filled {
        self.socket = None;
        Filled::Over
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        if !self.key.is_empty() {
            self.write(&frame(b'X', &[]));
        }
        self.talk.bytes.borrow_mut().push(std::mem::take(&mut self.bytes));
    }
}

#[derive(PartialEq, Eq)]
enum Filled {
    More,
    Over,
    Nothing,
}

fn is_silence(why: &io::Error) -> bool {
    matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn message_at(bytes: &[u8], at: usize) -> Option<Message> {
    let rest = bytes.get(at..)?;
    let (tag, len) = (*rest.first()?, u32::from_be_bytes(rest.get(1..5)?.try_into().ok()?) as usize);
    let body = rest.get(5..len.max(4) + 1)?;
    Some(Message { tag, body: body.to_vec() })
}
