//! Events of every kind, and whole logs of them, for the tests beside this folder.
#![allow(dead_code, unreachable_pub, clippy::expect_used, clippy::print_stdout)] // each test file uses its part

pub mod second;

use std::net::SocketAddr;

use audit::keys::{KeyTold, Role};
use audit::received::{Hashed, Packing, Received, Timing};
use audit::removal::Removed;
use audit::segment::{Appender, Identity, Previous, Refused, Stamp, file_name};
use audit::token::CardKey;
use audit::{
    Actor, ActorPart, Clock, Decided, Event, Head, LoginTls, Operator, Outcome, Parameters, ParametersPart, RecordId,
    SessionTotals, SqlState, Stage, Statement, StatementPart, Text, Verdict, VerdictFacts, VerdictPart, encode,
};
use pan::{Masked, MaskedBytes};

/// A published test number: what must never come out.
pub const CARD: &str = "4111111111111111";

/// What tokens are made with.
pub const SECRET: &[u8] = b"the secret of a host";

/// The parts that events borrow. Every name that an agent may choose holds a card number.
pub struct Parts {
    pub text: Masked,
    pub name: Masked,
    pub actor: ActorPart,
    pub statement: StatementPart,
    pub parameters: ParametersPart,
    pub verdicts: Vec<VerdictPart>,
    pub counts: Vec<(Masked, u64)>,
    pub result: MaskedBytes,
    pub timing: Timing,
}

impl Parts {
    pub fn new() -> Parts {
        let name = Masked::of(&format!("n{CARD} x"));
        let text = Masked::of(&format!("SELECT * FROM t WHERE pan = '{CARD}' -- naïve"));
        let agent: SocketAddr = "127.0.0.1:40000".parse().expect("an address");
        let database: SocketAddr = "[2001:db8::1]:5432".parse().expect("an address");
        let actor = ActorPart::of(&Actor {
            agent: "reconciler".into(),
            cgroup: 7,
            pid: 4711,
            uid: 1000,
            exe_device: 64769,
            exe_inode: 131_072,
            exe_name: Text::Masked(&name),
            agent_address: agent,
            database: "payments".into(),
            database_address: database,
            dbname: Some(Text::Masked(&name)),
            database_user: Some(Text::Masked(&name)),
            application: Some(Text::Masked(&name)),
            certificate: Some(Text::Masked(&name)),
            signed: Some(audit::Principal {
                issuer: "ci".into(),
                subject: Text::Masked(&name),
                principal: Text::Masked(&name),
                token: [0xab; 32],
            }),
        });
        let tokens = CardKey::derived(SECRET).expect("a key").tokens(b"4111111111111111");
        let parameters =
            ParametersPart::of(&Parameters { values: std::slice::from_ref(&name), tokens: &tokens, unread: 70_000 });
        let statement = StatementPart::of(&Statement {
            kinds: &["select", "delete"],
            tables: &[name.clone(), Masked::literal("public.customers")],
            text: Text::Masked(&text),
            text_bytes: 52,
            redacted: true,
            tokens: &tokens,
        });
        let verdicts = Verdict::ALL
            .iter()
            .map(|verdict| {
                VerdictPart::of(&VerdictFacts {
                    verdict: *verdict,
                    rule: Some("agents read".into()),
                    reason: Some(Text::Masked(&name)),
                    policy: "ab12".into(),
                })
            })
            .collect();
        let counts = vec![(name.clone(), 3), (Masked::literal("public.payments.pan"), u64::MAX)];
        let (result, _) = MaskedBytes::of(format!("D\0\0{CARD}\0").into_bytes(), std::iter::once(3..19));
        let mut timing = Timing::default();
        timing.add(2_000_000, 20, 512);
        Parts { text, name, actor, statement, parameters, verdicts, counts, result, timing }
    }

    /// One event of every kind, a decision with every verdict; numbers at their edges.
    pub fn events(&self) -> Vec<Event<'_>> {
        let Parts { actor, statement, .. } = self;
        let masked = Some(Text::Masked(&self.name));
        let operator = Operator { name: Text::Masked(&self.name), uid: 0, pid: u32::MAX };
        let totals = SessionTotals {
            statements: 1,
            refused: 0,
            rows: u64::from(u32::MAX),
            bytes: 1 << 40,
            sent: 255,
            masked: 256,
            sensitive: 65_536,
            duration_ns: 5,
        };
        let mut events = vec![
            Event::SessionStart { actor, number: 1 },
            Event::Login {
                way: Some("md5"),
                actor,
                success: false,
                sqlstate: Some(SqlState::of(b"28P01")),
                cause: masked,
                tls: LoginTls {
                    agent: masked,
                    database: Some("TLSv1.3".into()),
                    peer: masked,
                    serial: masked,
                    sha256: Some([9; 32]),
                },
                number: 2,
            },
            Event::SessionEnd {
                actor,
                success: true,
                cause: "the agent left".into(),
                sqlstate: None,
                totals,
                number: 9,
            },
            Event::Outcome(Outcome {
                actor,
                decision: RecordId { shard: 3, seq: 300 },
                success: false,
                sqlstate: Some(SqlState::of(CARD.as_bytes())),
                cause: Some("cancelled"),
                rows: 3,
                bytes: 400,
                masked: 2,
                sensitive: 1,
                duration_ns: 1_000_000,
                result_follows: true,
                number: 4,
            }),
            Event::Own { actor, purpose: "catalog", text: Text::Masked(&self.text), number: 5 },
            Event::Finding {
                actor,
                object: Text::Masked(&self.name),
                counters: &[("values", 16), ("hits", 8)],
                number: 6,
            },
            Event::Ask(audit::Asked {
                transaction_ns: Some(1_500_000_000),
                rows_bound: Some(1_800_000),
                estimate: Some((900_000, 12_345)),
                actor,
                statement: &self.statement,
                verdict: &self.verdicts[1],
                request: "bind",
                approval: "K7Q2M-9XDRT".into(),
                expires_s: 1_790_000_600,
                need: Text::Masked(&self.name),
                approvers: std::slice::from_ref(&self.name),
                approvals: 2,
                parameters: Some(&self.parameters),
                transaction: "open",
                number: 7,
            }),
            Event::Approval(audit::Approval {
                actor,
                approval: "K7Q2M-9XDRT".into(),
                ask: RecordId { shard: 3, seq: 300 },
                under: Some("ABCDE-FGHJK".into()),
                approved: true,
                break_glass: true,
                reviewer: "ann".into(),
                login: "unix socket, uid 1001".into(),
                justification: Text::Masked(&self.name),
                need: Text::Masked(&self.name),
                expires_s: 1_790_000_600,
                number: 8,
            }),
            Event::AskOver(audit::AskOver {
                actor,
                approval: "K7Q2M-9XDRT".into(),
                ask: RecordId { shard: 3, seq: 300 },
                cause: "nobody decided in time",
                number: 9,
            }),
            Event::Reveal(audit::Revealing {
                actor,
                reveal: "K7Q2M-9XDRT".into(),
                rule: "reveal disputes".into(),
                justification: Text::Masked(&self.name),
                columns: std::slice::from_ref(&self.name),
                until_s: 1_790_000_600,
                number: 10,
            }),
            Event::Revealed(audit::Revealed {
                actor,
                decision: RecordId { shard: 3, seq: 301 },
                reveal: "K7Q2M-9XDRT".into(),
                counts: &self.counts,
                number: 11,
            }),
            Event::RevealOver(audit::RevealOver {
                actor,
                reveal: "K7Q2M-9XDRT".into(),
                cause: "its time is over",
                counts: &self.counts,
                number: 12,
            }),
            Event::Identity(audit::Identified {
                actor,
                change: "disagrees",
                refused: None,
                groups: std::slice::from_ref(&self.name),
                claims: std::slice::from_ref(&self.name),
                expires_s: 1_790_000_600,
                cause: Some(Text::Masked(&self.name)),
                number: 13,
            }),
            Event::Token(audit::TokenSeen {
                operator,
                agent: Some("reconciler".into()),
                cgroup: Some(7),
                change: "refused",
                signed: Some(audit::Principal {
                    issuer: "ci".into(),
                    subject: Text::Masked(&self.name),
                    principal: Text::Masked(&self.name),
                    token: [0xab; 32],
                }),
                expires_s: Some(1_790_000_600),
                cause: Some(Text::Masked(&self.name)),
            }),
            Event::Credential(audit::CredentialSeen {
                operator,
                change: "kept",
                database: "payments".into(),
                role: Some("icpt_reconciler_k3v7q2m9xdrt0a1b".into()),
                agent: Some("reconciler".into()),
                cgroup: Some(7),
                principal: Some(Text::Masked(&self.name)),
                grants: std::slice::from_ref(&self.name),
                until_s: Some(1_790_000_600),
                cause: Some(Text::Masked(&self.name)),
            }),
            Event::Grant(audit::Grant {
                operator,
                approval: "K7Q2M-9XDRT".into(),
                rules: std::slice::from_ref(&self.name),
                agent: "reconciler".into(),
                database: "payments".into(),
                policy: "0123456789abcdef".into(),
                reviewer: "ann".into(),
                login: "unix socket, uid 1001".into(),
                justification: Text::Masked(&self.name),
                given_s: 1_790_000_000,
                until_s: 1_790_000_600,
                binding: Some([7; 32]),
            }),
            Event::GrantOver(audit::GrantOver {
                operator,
                agent: "reconciler".into(),
                approval: "K7Q2M-9XDRT".into(),
                reviewer: "ann".into(),
                login: "unix socket, uid 1001".into(),
                justification: Text::Masked(&self.name),
            }),
            Event::AskLeft {
                operator,
                agent: "reconciler".into(),
                approval: "K7Q2M-9XDRT".into(),
                ask: RecordId { shard: 3, seq: 300 },
                cause: "the service was killed",
            },
            Event::Cancel { actor, target: Some(77), success: true, cause: None },
            Event::Cancel { actor, target: None, success: false, cause: Some("no session has this key") },
            Event::Admission {
                operator,
                agent: "reconciler".into(),
                unit: Text::Masked(&self.name),
                stage: Stage::Failed,
                message: masked,
            },
            Event::PolicyLoad {
                operator,
                policy: "ab12".into(),
                previous: masked,
                rules: 12,
                approved: Some(audit::SignedOff { by: "ann, bob".into(), reason: Text::Masked(&self.name) }),
                success: false,
                message: masked,
            },
            Event::Attach { operator, object: "7 programs".into(), stage: Stage::Begins, message: None },
            Event::Detach { operator, object: "7 programs".into(), stage: Stage::Done, message: masked },
            Event::Reading { operator, object: Text::Masked(&self.name), success: true, message: masked },
            Event::ServiceStart {
                operator,
                version: "0.1.0",
                kernel: Text::Masked(&self.name),
                policy: "ab12".into(),
                approved: None,
                success: true,
                message: None,
            },
            Event::ServiceStop { operator, cause: "SIGTERM".into(), success: true },
            Event::Canary { operator, object: "redirection".into(), success: false, message: masked },
            Event::Alert {
                operator,
                object: "denials".into(),
                about: Some(RecordId { shard: 1, seq: 12 }),
                message: Text::Masked(&self.name),
            },
            Event::Result(Received {
                actor,
                decision: RecordId { shard: 3, seq: 300 },
                kept: Some((&self.result, None)),
                packing: Packing::Plain,
                timing: &self.timing,
                left_off: 7,
                hash: Some(Hashed::Parts { first_bytes: 3, first: &[0xee; 32], behind: &[0xdd; 32] }),
                starred: 1,
                cause: Some("there was no room for it"),
                number: 5,
            }),
            Event::Tombstone {
                operator,
                removed: &REMOVED,
                cause: Text::Masked(&self.name),
                signature: Some(&[9; 64]),
            },
            Event::Key { operator, told: &RUN_KEY },
            Event::Key { operator, told: &ROOT_KEY },
            Event::Retention {
                operator,
                object: Text::Masked(&self.name),
                success: false,
                message: Text::Masked(&self.name),
            },
            Event::Checkpoint {
                operator,
                policy: "ab12".into(),
                program: Some(&[5; 32]),
                objects: &[6; 32],
                clock: Some(Clock { synced: true, offset_us: 12, error_us: 4000 }),
                next_within_s: 120,
                heads: &[Head { shard: 0, size: 300, root: [1; 32] }, Head { shard: 1, size: 1, root: [2; 32] }],
            },
            Event::Counters {
                operator,
                object: "origins",
                success: false,
                counters: &[("swept", 0), ("refused", 10), ("dropped", u64::MAX)],
            },
        ];
        for verdict in &self.verdicts {
            events.push(Event::Decision(Decided {
                actor,
                statement,
                verdict,
                parameters: Some(&self.parameters),
                request: "query",
                approval: masked,
                reveal: None,
                number: 3,
            }));
        }
        events
    }

    /// One payload per event, with its type.
    pub fn payloads(&self) -> Vec<(u8, Vec<u8>)> {
        self.events()
            .iter()
            .map(|event| {
                let mut payload = Vec::new();
                encode(event, &mut payload);
                (event.kind(), payload)
            })
            .collect()
    }
}

/// What a tombstone tells of, with numbers of every length.
pub const REMOVED: Removed = Removed {
    head: Head { shard: 1, size: 300, root: [0xcd; 32] },
    segment: 2,
    first_seq: 70_000,
    sha256: [0xab; 32],
    until_s: 1_790_000_000,
};

/// What is told of keys, with numbers of every length.
pub const RUN_KEY: KeyTold = KeyTold {
    role: Role::Run { boot_id: [0xb0; 16] },
    log: [0x10; 32],
    key: [0xee; 32],
    issued_s: 1_790_000_000,
    base: Head { shard: 65_534, size: 70_000, root: [0xcd; 32] },
    signature: [0x51; 64],
};
pub const ROOT_KEY: KeyTold = KeyTold { role: Role::Root { consent: [0xc0; 64] }, ..RUN_KEY };

pub const IDENTITY: Identity = Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };

pub fn stamp(seq: u64) -> Stamp {
    Stamp { mono_ns: 1_000 * seq, wall_ns: 1_800_000_000_000_000_000 + seq }
}

/// A segment that a writer is at, with the sealed ones before it: what a shard does, in memory.
pub struct Writer {
    pub files: Vec<(String, Vec<u8>)>,
    pub memory: Vec<u8>,
    pub appender: Appender,
    shard: u16,
    identity: Identity,
    batch: u64,
}

impl Writer {
    pub fn new(shard: u16, shards: u16, size: usize, batch: u64) -> Writer {
        let mut memory = vec![0; size];
        let identity = Identity { shards, ..IDENTITY };
        let appender = Appender::begin(&mut memory, shard, identity, Previous::NONE, stamp(0)).expect("a segment");
        Writer { files: Vec::new(), memory, appender, shard, identity, batch }
    }

    pub fn append(&mut self, kind: u8, payload: &[u8]) -> u64 {
        self.append_of(5, kind, payload)
    }

    /// A record of this session.
    pub fn append_of(&mut self, session: u64, kind: u8, payload: &[u8]) -> u64 {
        let seq = loop {
            let stamp = stamp(self.appender.next_seq());
            match self.appender.append(&mut self.memory, kind, session, stamp, payload) {
                Err(Refused::Full) => self.next_segment(),
                other => break other.expect("a record that fits"),
            }
        };
        if self.appender.unrooted() >= self.batch {
            let stamp = stamp(seq);
            match self.appender.root(&mut self.memory, stamp, seq / 2) {
                Err(Refused::Full) => self.next_segment(),
                other => other.expect("a root"),
            }
        }
        seq
    }

    fn next_segment(&mut self) {
        let stamp = stamp(self.appender.next_seq());
        let previous = self.appender.seal(&mut self.memory, stamp, 0).expect("a seal");
        let number = self.appender.header().number();
        let fresh = vec![0; self.memory.len()];
        let sealed = std::mem::replace(&mut self.memory, fresh);
        self.files.push((file_name(self.shard, number), sealed));
        self.appender =
            Appender::begin(&mut self.memory, self.shard, self.identity, previous, stamp).expect("a segment");
    }

    /// The files after an orderly stop.
    pub fn stop(mut self) -> Vec<(String, Vec<u8>)> {
        let (stamp, durable_seq) = (stamp(self.appender.next_seq()), self.appender.last_seq());
        self.appender.stop(&mut self.memory, stamp, durable_seq).expect("a stop");
        self.killed()
    }

    /// The files as they are.
    pub fn killed(mut self) -> Vec<(String, Vec<u8>)> {
        self.files.push((file_name(self.shard, self.appender.header().number()), self.memory));
        self.files
    }
}

/// A whole log: `shards` series of `records` events each.
pub fn log(shards: u16, records: usize, size: usize, batch: u64) -> Vec<(String, Vec<u8>)> {
    let payloads = Parts::new().payloads();
    let mut files = Vec::new();
    for shard in 0..shards {
        let mut writer = Writer::new(shard, shards, size, batch);
        for (kind, payload) in payloads.iter().cycle().skip(usize::from(shard)).take(records) {
            writer.append(*kind, payload);
        }
        files.extend(writer.stop());
    }
    files
}

pub fn verify(files: &[(String, Vec<u8>)]) -> audit::verify::Verdict {
    verify_with(files, &audit::verify::Options::default())
}

pub fn verify_with(files: &[(String, Vec<u8>)], options: &audit::verify::Options<'_>) -> audit::verify::Verdict {
    audit::verify::verify(files.iter().map(|(name, bytes)| (name.clone(), Ok(bytes.as_slice()))), options)
}

/// The places of the frames in a segment: offset and length with padding.
pub fn places(segment: &[u8]) -> Vec<(usize, usize)> {
    let mut at = audit::segment::HEADER_LEN;
    audit::segment::frames(segment)
        .map(|frame| {
            let length = (audit::segment::FRAME_LEN + frame.payload().len()).next_multiple_of(8);
            at += length;
            (at - length, length)
        })
        .collect()
}

/// Makes a frame's checksum fit again, as somebody would who changes a record knowingly.
pub fn mend(segment: &mut [u8], at: usize) {
    let len = u32::from_le_bytes(segment[at..at + 4].try_into().expect("a length")) as usize;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&segment[at..at + 40]), &segment[at + 44..at + len]);
    segment[at + 40..at + 44].copy_from_slice(&crc.to_le_bytes());
}

/// A small generator of numbers (xorshift64*), so that a seed replays a failure.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}
