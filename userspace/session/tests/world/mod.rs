//! One session between an agent that the test plays and a small server; bytes arrive in pieces of any size.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)] // each test file uses a part

pub mod scram;
pub mod server;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use audit::RecordType;
use audit::token::CardKey;
use session::{
    Asking, Block, CancelTarget, Cancels, Catalogs, Database, Effects, Finish, HOLD_MAX, Input, Key, Limits,
    LongResult, Mode, Now, Open, Piece, RecordId, ResultMemory, Secure, Secured, Session, Shared, StatementCache,
    Subject,
};
use wire::postgres::backend::{CommandComplete, DataRow, Message, Report, RowDescription};
use wire::postgres::{BackendTag, Header, encode, header};

#[allow(unused_imports)] // not every test file names each
pub use server::{CVV, PAN, Server};

/// What tokens of card numbers are made with.
pub const SECRET: &[u8] = b"the secret of a host";

pub const POLICY: &str = r#"
[[sensitive]]
columns = ["public.payments.pan"]
kind = "pan"

[[sensitive]]
columns = ["*.cvv"]
kind = "cvv"

[[rule]]
name = "work"
statements = ["select", "insert", "copy-in", "copy-out", "session", "read"]
action = "allow"

[[rule]]
name = "no drops"
statements = ["drop-*"]
action = "block"
message = "nothing is dropped here"

[[rule]]
name = "updates wait"
statements = ["update"]
action = "hold"
approvers = ["group:leads"]
message = "updates are approved by a lead"
"#;

pub fn policy(text: &str) -> Arc<policy::Policy> {
    let names = policy::Names {
        agents: vec!["reconciler".into()],
        groups: vec!["leads".into()],
        databases: vec!["payments".into()],
        signed_groups: vec!["main-branch".into()],
        claims: vec!["ref".into(), "run_id".into()],
    };
    Arc::new(policy::Policy::parse(text, &names).expect("the policy is fit"))
}

#[derive(Default)]
pub struct Keys(pub RefCell<HashMap<Key, CancelTarget>>);

impl Cancels for Keys {
    fn register(&self, issued: Key, target: CancelTarget) {
        self.0.borrow_mut().insert(issued, target);
    }
    fn find(&self, issued: &Key) -> Option<CancelTarget> {
        self.0.borrow().get(issued).cloned()
    }
    fn forget(&self, issued: &Key) {
        self.0.borrow_mut().remove(issued);
    }
}

pub fn subject(agent: &str) -> Arc<Subject> {
    Arc::new(Subject {
        policy: Arc::new(policy::Subject { agent: agent.into(), groups: vec![], signed: None }),
        token: Arc::default(),
        cgroup: 7,
        pid: 8,
        uid: 9,
        exe_device: 10,
        exe_inode: 11,
        exe_name: "agent".into(),
    })
}

pub fn open(agent: &str, mode: Mode, mask: bool) -> Open {
    let address: SocketAddr = "127.0.0.1:5432".parse().unwrap();
    Open {
        id: 1,
        subject: subject(agent),
        signed: None,
        agent_address: "127.0.0.1:40000".parse().unwrap(),
        origin: address,
        database: Arc::new(Database {
            name: "payments".into(),
            dbnames: vec![],
            mode,
            mask,
            masking: pan::Mode::default(),
            agent_tls: session::AgentTls::default(),
            database_tls: false,
            verifiers: None,
            logins: None,
            tell_agent: false,
            asks_login: false,
            estimates: false,
            results: false,
            agent_certificate: false,
        }),
        secret: *b"ours-0123456789-0123456789-01234",
        nonces: Some(Box::new([*b"towards the agent.", *b"towards the server"])),
    }
}

pub struct World {
    pub session: Session,
    pub server: Server,
    pub policy: Arc<policy::Policy>,
    pub cache: StatementCache,
    pub catalogs: Catalogs,
    pub keys: Keys,
    pub limits: Limits,
    /// Bytes of records that a call may write.
    pub room: usize,
    /// Statements that were refused without a record.
    pub unrecorded: u32,
    /// Logins that did not know the placeholder.
    pub wrong_placeholders: u32,
    /// What results that are being recorded may take.
    pub results: ResultMemory,
    /// Derived from [`SECRET`].
    pub card_key: Arc<CardKey>,
    /// What is not kept of results, on its way to be hashed.
    pub blocks: Vec<Block>,
    /// Results on their way to be packed.
    #[allow(clippy::vec_box)] // as the effects have them
    pub long: Vec<Box<LongResult>>,
    pub now: Now,
    pub out: Effects,
    next_seq: u64,
    /// The next ask's id.
    pub next_ask: u64,
    /// What the control plane was told.
    /// Large texts that are to be judged.
    pub judge: Vec<session::JudgeAsk>,
    pub asking: Vec<Asking>,
    /// Sessions whose held statements a cancel request was for.
    pub cancel_held: Vec<u64>,
    held: Vec<u8>,
    /// Everything that the agent was sent.
    pub agent: Vec<u8>,
    /// Everything that the database was sent.
    pub sent: Vec<u8>,
    /// Records: type and payload.
    pub records: Vec<(u8, Vec<u8>)>,
    pub finished: Finish,
    pub durable: usize,
    connected: bool,
    /// The last leg that was to turn to TLS; the database's does at once.
    pub secured: Option<Secure>,
    /// The role that logs in by SCRAM, for the server.
    pub role: Arc<Mutex<scram::Role>>,
    /// Of the database's certificate.
    pub binding: Vec<u8>,
    /// Counts allocations so far, and how many the session made.
    pub probe: fn() -> usize,
    pub allocations: usize,
    /// Bytes that arrive at once, on both sides.
    pub cut: usize,
}

impl World {
    /// How often the server was asked to cancel what runs.
    pub fn cancels(&self) -> usize {
        self.asking.iter().filter(|asking| matches!(asking, Asking::Cancel(_))).count()
    }

    pub fn new() -> World {
        World::with(open("reconciler", Mode::Enforce, true), POLICY)
    }

    /// A session that begins with so much room in the record.
    pub fn new_in(room: usize) -> World {
        World::begin(open("reconciler", Mode::Enforce, true), POLICY, room)
    }

    pub fn with(open: Open, text: &str) -> World {
        World::begin(open, text, 1 << 30)
    }

    fn begin(open: Open, text: &str, room: usize) -> World {
        let mut world = World {
            session: Session::new(open),
            server: Server::new(),
            policy: policy(text),
            cache: StatementCache::new(),
            card_key: Arc::new(CardKey::derived(SECRET).unwrap()),
            catalogs: Catalogs::new(),
            keys: Keys::default(),
            limits: Limits::default(),
            room,
            unrecorded: 0,
            wrong_placeholders: 0,
            results: ResultMemory::new(1 << 20),
            blocks: Vec::new(),
            long: Vec::new(),
            now: Now { mono_ns: 1_000_000_000, wall_ns: 1_790_000_000_000_000_000 },
            out: Effects::default(),
            next_seq: 1,
            next_ask: 1,
            judge: Vec::new(),
            asking: Vec::new(),
            cancel_held: Vec::new(),
            held: Vec::new(),
            agent: Vec::new(),
            sent: Vec::new(),
            records: Vec::new(),
            finished: Finish::No,
            durable: 0,
            connected: false,
            secured: None,
            role: Arc::new(Mutex::new(scram::Role::new("", b"", 1))),
            binding: Vec::new(),
            probe: || 0,
            allocations: 0,
            cut: usize::MAX,
        };
        world.input(Input::Deadline);
        world
    }

    /// One call, and what it asks for.
    pub fn input(&mut self, input: Input<'_>) {
        let mut chunk: Vec<u8> = Vec::new();
        let (input, from_database) = match input {
            Input::FromAgent(bytes) => {
                chunk.extend_from_slice(bytes);
                (Input::FromAgent(&mut chunk), false)
            }
            Input::FromDatabase(bytes) => {
                chunk.append(&mut self.held);
                chunk.extend_from_slice(bytes);
                (Input::FromDatabase(&mut chunk), true)
            }
            other => (other, false),
        };
        self.out.clear();
        let mut shared = Shared {
            policy: &self.policy,
            statements: &mut self.cache,
            catalogs: &mut self.catalogs,
            cancels: &self.keys,
            next_record: RecordId { shard: 3, seq: self.next_seq },
            next_ask: Some(session::AskId::of(self.next_ask)),
            room: self.room,
            results: &self.results,
            card_key: &self.card_key,
            limits: &self.limits,
        };
        let owed = self.session.owes();
        let before = (self.probe)();
        self.session.handle(input, self.now, &mut shared, &mut self.out);
        self.allocations += (self.probe)() - before;
        let (taken, written) = (self.room - shared.room, cost(&self.out));
        assert!(written + self.session.owes() <= owed + taken, "{written} bytes of records without their room");
        self.unrecorded += self.out.unrecorded;
        self.wrong_placeholders += self.out.wrong_placeholders;
        assert!(self.out.hold <= HOLD_MAX && (self.out.hold == 0 || from_database));
        if from_database {
            self.held = chunk[chunk.len() - self.out.hold..].to_vec();
        }
        self.next_seq += self.out.records.len() as u64;
        self.records.extend(self.out.records.iter().map(|(kind, payload)| (kind, payload.to_vec())));
        self.durable += usize::from(self.out.durable);
        self.next_ask += self.out.asking.len() as u64;
        self.asking.append(&mut self.out.asking);
        self.judge.extend(self.out.judge.take().map(|ask| *ask));
        self.cancel_held.extend(self.out.cancel_held);
        self.blocks.append(&mut self.out.blocks);
        self.long.append(&mut self.out.results);
        let bytes = |piece: &Piece| match piece {
            Piece::Chunk(range) => chunk[range.start as usize..range.end as usize].to_vec(),
            Piece::Own(range) => self.out.own[range.start as usize..range.end as usize].to_vec(),
        };
        self.agent.extend(self.out.to_agent.iter().flat_map(bytes));
        let sent: Vec<u8> = self.out.to_database.iter().flat_map(bytes).collect();
        if self.out.finish != Finish::No {
            self.finished = self.out.finish;
        }
        if !sent.is_empty() {
            assert!(self.connected, "bytes before the connection");
            self.sent.extend_from_slice(&sent);
            self.server.feed(&sent);
        }
        if self.out.connect {
            self.connected = true;
            self.input(Input::DatabaseConnected);
        } else if self.out.secure.is_some() {
            self.secured = self.out.secure;
            if self.secured == Some(Secure::Database) {
                let binding = self.binding.clone();
                self.input(Input::DatabaseSecured(Secured { binding, ..tls("db.example", true) }));
            }
        }
    }

    /// From now on the server lets in this role alone.
    pub fn knows(&mut self, role: scram::Role) {
        self.role = Arc::new(Mutex::new(role));
        self.server.scram = Some(self.role.clone());
    }

    /// The agent sends; the server answers all that it is asked.
    pub fn send(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.cut.min(bytes.len()).max(1)) {
            if matches!(self.finished, Finish::Close | Finish::Abort) {
                return;
            }
            self.input(Input::FromAgent(&mut piece.to_vec()));
            self.answer();
        }
    }

    pub fn answer(&mut self) {
        while !self.server.out.is_empty() {
            let bytes = self.server.take();
            for piece in bytes.chunks(self.cut.min(bytes.len()).max(1)) {
                self.input(Input::FromDatabase(&mut piece.to_vec()));
            }
        }
    }

    /// A session that is ready for statements, with nothing left to look at.
    pub fn ready() -> World {
        World::new().login()
    }

    pub fn login(mut self) -> World {
        self.send(&startup(0, &[("user", "app"), ("database", "payments")]));
        assert!(self.agent.ends_with(b"Z\0\0\0\x05I"), "logged in");
        self.agent.clear();
        self.server.seen.clear();
        self
    }

    /// Sends, and tells what the agent got.
    pub fn ask(&mut self, bytes: &[u8]) -> Vec<String> {
        self.send(bytes);
        self.heard()
    }

    /// What the agent got, one word per message.
    pub fn heard(&mut self) -> Vec<String> {
        let bytes = std::mem::take(&mut self.agent);
        let (said, rest) = frames(&bytes);
        assert_eq!(rest, 0, "whole messages only");
        said
    }

    pub fn close(&mut self) {
        self.out.clear();
        let mut shared = Shared {
            policy: &self.policy,
            statements: &mut self.cache,
            catalogs: &mut self.catalogs,
            cancels: &self.keys,
            next_record: RecordId { shard: 3, seq: self.next_seq },
            next_ask: Some(session::AskId::of(self.next_ask)),
            room: self.room,
            results: &self.results,
            card_key: &self.card_key,
            limits: &self.limits,
        };
        let owed = self.session.owes();
        self.session.close(self.now, &mut shared, &mut self.out);
        assert!(cost(&self.out) <= owed, "the session's last records have no room");
        assert_eq!(self.session.owes(), 0);
        self.records.extend(self.out.records.iter().map(|(kind, payload)| (kind, payload.to_vec())));
        self.asking.append(&mut self.out.asking);
    }

    /// How many records of a type there are.
    pub fn count(&self, kind: RecordType) -> usize {
        self.records.iter().filter(|(known, _)| *known == kind.code()).count()
    }

    /// Decisions whose request is one of those that the server's log counts.
    pub fn decisions_to_run(&self) -> usize {
        let has = |payload: &[u8], word: &str| payload.windows(word.len()).any(|bytes| bytes == word.as_bytes());
        let decisions = self.records.iter().filter(|(kind, _)| *kind == RecordType::Decision.code());
        decisions
            .filter(|(_, payload)| ["query", "execute", "function-call"].iter().any(|word| has(payload, word)))
            .count()
    }
}

/// A handshake that went well.
pub fn tls(peer: &str, alpn: bool) -> Secured {
    Secured {
        version: "TLSv1.3",
        suite: "TLS13_AES_256_GCM_SHA384",
        alpn,
        peer: peer.into(),
        binding: vec![],
        certificate: None,
    }
}

/// The most bytes that the call's records take in a segment.
fn cost(out: &Effects) -> usize {
    out.records.iter().map(|(_, payload)| audit::segment::FRAME_LEN + payload.len() + 7).sum()
}

pub fn startup(minor: u16, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::startup_message(&mut out, minor, parameters.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()))).unwrap();
    out
}

pub fn query(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode::query(&mut out, text.as_bytes()).unwrap();
    out
}

/// Extended messages in short: `P name text`, `B portal statement`, `D P name`, `E portal`, `C S name`, `S`, `H`.
pub fn extended(messages: &[&str]) -> Vec<u8> {
    use wire::postgres::frontend::{Kind, Target};
    let mut out = Vec::new();
    for message in messages {
        let mut words = message.split(' ');
        let tag = words.next().unwrap();
        let mut name = || words.next().unwrap_or_default().as_bytes().to_vec();
        match tag {
            "P" => {
                let name = name();
                let text = message.splitn(3, ' ').nth(2).unwrap_or_default();
                encode::parse(&mut out, &name, text.as_bytes(), [].into_iter()).unwrap();
            }
            "B" => {
                let (portal, statement) = (name(), name());
                encode::bind(&mut out, &portal, &statement, &[], &[], &[]).unwrap();
            }
            "D" | "C" => {
                let kind = if name() == b"S" { Kind::Statement } else { Kind::Portal };
                let name = name();
                let target = Target { kind, name: &name };
                let write = if tag == "D" { encode::describe } else { encode::close };
                write(&mut out, target).unwrap();
            }
            "E" => encode::execute(&mut out, &name(), 0).unwrap(),
            "S" => encode::sync(&mut out),
            "H" => encode::flush(&mut out),
            other => panic!("{other}"),
        }
    }
    out
}

/// Whole messages in words, and how many bytes are left.
pub fn frames(mut bytes: &[u8]) -> (Vec<String>, usize) {
    let mut said = Vec::new();
    while let Header::Frame { tag, body_len } = header::<BackendTag>(bytes) {
        let Some(body) = bytes.get(5..5 + body_len) else { break };
        said.push(word(tag, body));
        bytes = &bytes[5 + body_len..];
    }
    (said, bytes.len())
}

fn word(tag: BackendTag, body: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match tag {
        BackendTag::ErrorResponse | BackendTag::NoticeResponse => {
            let report = Report::parse(body).unwrap();
            let field = |code: u8| report.text(code).map(text).unwrap_or_default();
            format!("E {} {} {} {}", field(b'S'), field(b'C'), field(b'M'), field(b'D')).trim().to_owned()
        }
        BackendTag::RowDescription => {
            let names: Vec<String> = RowDescription::parse(body).unwrap().fields().map(|f| text(f.name)).collect();
            format!("T {}", names.join(","))
        }
        BackendTag::DataRow => {
            let row = DataRow::parse(body).unwrap();
            let values: Vec<String> = row.values().map(|v| v.map(text).unwrap_or_default()).collect();
            format!("D {}", values.join(","))
        }
        BackendTag::CommandComplete => text(CommandComplete::parse(body).unwrap().tag),
        BackendTag::ReadyForQuery => format!("Z {}", text(body)),
        BackendTag::CopyData => format!("d {}", text(body).trim_end()),
        BackendTag::FunctionCallResponse => format!("V {}", text(&body[4..])),
        BackendTag::NotificationResponse => match Message::parse(tag, body).unwrap() {
            Message::NotificationResponse(note) => format!("A {}", text(note.payload)),
            _ => unreachable!(),
        },
        other => format!("{}", wire::postgres::Tag::byte(other) as char),
    }
}

/// A seeded source of numbers for tests: xorshift64*.
pub struct Seed(pub u64);

impl Seed {
    pub fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below
    }
}
