//! The same bytes in the same pieces, with messages that may pass and with none: nobody can tell the difference.

use std::net::SocketAddr;
use std::sync::Arc;

use audit::RecordId;
use audit::token::CardKey;
use pan::Whole;
use policy::{Names, Policy};
use wire::postgres::encode;

use super::super::queue::{Request, Run};
use super::super::rewrite::{BodyMask, Column, Columns, CopyFormat, CopyOptions, Patterns, Sought};
use super::super::{Connection, Phase};
use crate::{
    CancelTarget, Cancels, Catalogs, Database, Effects, Evidence, Finish, Input, Key, Limits, Mode, Now, Open, Piece,
    ResultMemory, Shared, StatementCache, Subject,
};

const CARD: &[u8] = b"4111111111111111";

struct Nobody;

impl Cancels for Nobody {
    fn register(&self, _: Key, _: CancelTarget) {}
    fn find(&self, _: &Key) -> Option<CancelTarget> {
        None
    }
    fn forget(&self, _: &Key) {}
}

struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// One column as the generator means it.
#[derive(Clone, Copy, Debug)]
struct Meant {
    type_oid: u32,
    binary: bool,
    clear: bool,
    /// Policy names it sensitive.
    whole: Option<Whole>,
    sought: Sought,
    slot: Option<u32>,
}

fn policy() -> Arc<Policy> {
    let names =
        Names { agents: vec!["a".into()], groups: vec![], databases: vec!["payments".into()], ..Names::default() };
    let text = "[[pattern]]\nname = \"p\"\nregex = 'c[0-9]{3}'\n";
    Arc::new(Policy::parse(text, &names).expect("a fit policy"))
}

fn open() -> Open {
    let address: SocketAddr = "127.0.0.1:5432".parse().expect("an address");
    let subject = Subject {
        policy: Arc::new(policy::Subject { agent: "a".into(), groups: vec![], signed: None }),
        token: Arc::default(),
        cgroup: 1,
        pid: 2,
        uid: 3,
        exe_device: 4,
        exe_inode: 5,
        exe_name: "a".into(),
    };
    let database = Database {
        name: "payments".into(),
        dbnames: vec![],
        mode: Mode::Enforce,
        mask: true,
        masking: pan::Mode::Balanced,
        agent_tls: crate::AgentTls::default(),
        database_tls: false,
        verifiers: None,
        logins: None,
        tell_agent: false,
        asks_login: false,
        estimates: false,
        results: false,
        agent_certificate: false,
    };
    Open {
        id: 1,
        subject: Arc::new(subject),
        signed: None,
        agent_address: address,
        origin: address,
        database: Arc::new(database),
        secret: [7; 32],
        nonces: None,
    }
}

/// A session in the middle of a result, and the shard that plays with it.
struct Side {
    connection: Connection,
    policy: Arc<Policy>,
    catalogs: Catalogs,
    evidence: Arc<Evidence>,
    cache: StatementCache,
    out: Effects,
    held: Vec<u8>,
    agent: Vec<u8>,
    records: Vec<(u8, Vec<u8>)>,
    /// Messages that passed.
    passed: u64,
}

impl Side {
    fn new(policy: &Arc<Policy>, columns: &[Meant], copy: Option<CopyFormat>, off: bool) -> Side {
        let evidence = Arc::new(Evidence::default());
        let mut catalogs = Catalogs::with(Arc::clone(&evidence), Arc::default(), Arc::default());
        let place = catalogs.seen.place("payments", "app");
        for attribute in 1..=4 {
            catalogs.seen.describe(place, 16_400, attribute, 5);
        }
        let mut connection = Connection::new(open());
        connection.phase = Phase::Ready;
        connection.queue.push(Request::Query(Run {
            judged: None,
            inner: Default::default(),
            record: RecordId { shard: 3, seq: 1 },
            started_ns: 0,
            rows_bound: None,
            is_shown: false,
            is_kept: false,
        }));
        let mut known = Columns::new();
        known.set_sought(Sought::default(), Patterns::new(policy.patterns("payments")).map(Arc::new));
        known.set_evidence(&evidence);
        for column in columns {
            match column {
                Meant { clear: true, .. } => known.push_clear(column.type_oid, column.binary),
                &Meant { type_oid, binary, whole: Some(whole), .. } => {
                    known.push(Column { type_oid, binary, whole: Some(whole) });
                }
                _ => known.push_counted(column.type_oid, column.binary, column.sought, column.slot),
            }
        }
        match copy {
            Some(format) => {
                connection.database.copy = Some(Box::new(BodyMask::copy_text(format)));
                connection.database.copy_columns = Some(Box::new(known));
            }
            None => {
                connection.database.result = known;
                connection.database.result_known = true;
            }
        }
        connection.database.bulk.off = off;
        Side {
            connection,
            policy: Arc::clone(policy),
            catalogs,
            evidence,
            cache: StatementCache::new(),
            out: Effects::default(),
            held: Vec::new(),
            agent: Vec::new(),
            records: Vec::new(),
            passed: 0,
        }
    }

    fn read(&mut self, piece: &[u8]) {
        let mut chunk = std::mem::take(&mut self.held);
        chunk.extend_from_slice(piece);
        self.out.clear();
        let mut shared = Shared {
            policy: &self.policy,
            statements: &mut self.cache,
            catalogs: &mut self.catalogs,
            cancels: &Nobody,
            next_record: RecordId { shard: 3, seq: 2 + self.records.len() as u64 },
            next_ask: None,
            room: 1 << 20,
            results: &ResultMemory::new(0),
            card_key: &Arc::new(CardKey::derived(b"a test").unwrap()),
            limits: &Limits::default(),
        };
        let mut cx = super::super::Cx { now: Now::default(), shared: &mut shared, out: &mut self.out };
        self.connection.handle(Input::FromDatabase(&mut chunk), &mut cx);
        self.held.extend_from_slice(&chunk[chunk.len() - self.out.hold..]);
        for piece in &self.out.to_agent {
            self.agent.extend_from_slice(match piece {
                Piece::Chunk(range) => &chunk[range.start as usize..range.end as usize],
                Piece::Own(range) => &self.out.own[range.start as usize..range.end as usize],
            });
        }
        self.records.extend(self.out.records.iter().map(|(kind, payload)| (kind, payload.to_vec())));
        self.passed += std::mem::take(&mut self.connection.database.bulk.total);
    }

    /// All that can be seen of it, but for the bytes.
    fn seen(&self) -> String {
        let tally = &self.connection.tally;
        let counts: Vec<_> = self.evidence.columns().iter().map(|seen| (seen.values, seen.hits, seen.found)).collect();
        format!(
            "{:?} {:?} rows {} bytes {} cards {} sensitive {} held {} {counts:?} {} findings",
            self.connection.phase,
            self.connection.ended.code,
            tally.rows_seen,
            tally.bytes,
            tally.cards,
            tally.sensitive,
            self.held.len(),
            self.evidence.findings(),
        )
    }

    fn is_over(&self) -> bool {
        self.out.finish != Finish::No
    }
}

const TYPES: [u32; 20] =
    [16, 17, 20, 21, 23, 25, 25, 25, 114, 701, 1009, 1016, 1043, 1184, 1700, 2249, 2950, 3802, 1560, 50_000];

fn some_columns(noise: &mut Noise) -> Vec<Meant> {
    let (binary, odd) = (noise.one_in(3), noise.one_in(4));
    (0..1 + noise.below(6))
        .map(|at| {
            let any = TYPES[noise.below(TYPES.len())];
            Meant {
                // Mostly what may pass: a column that never does decides for all.
                type_oid: if noise.one_in(6) { any } else { [25, 23, 1700, 1184, 20, 17][noise.below(6)] },
                binary: binary != noise.one_in(9),
                clear: odd && noise.one_in(6),
                whole: match noise.below(12) {
                    0 => Some(Whole::KeepEnds),
                    1 => Some(Whole::KeepNothing),
                    _ => None,
                },
                sought: Sought {
                    mode: if odd && noise.one_in(9) { pan::Mode::Strict } else { pan::Mode::Balanced },
                    patterns: u16::from(odd && noise.one_in(9)),
                },
                slot: (at < 4 && noise.one_in(2)).then_some(at as u32),
            }
        })
        .collect()
}

fn some_text(noise: &mut Noise, value: &mut Vec<u8>) {
    let long = "word ".repeat(60);
    for _ in 0..1 + noise.below(3) {
        let part: &[u8] = match noise.below(30) {
            0 => CARD,
            1 => b"4111 1111 1111 1111",
            2 => b"1700000000000123",
            3 => b"\\\\x34313131313131313131313131313131",
            4 => b"\\001",
            5 => b"c123",
            6 => b"{\"a\": 12}",
            7 => b"1234 5678",
            8 => long.as_bytes(),
            9 => b"0123456789",
            10 => b"2026-11-25 10:11:12",
            _ => b"a few words",
        };
        value.extend_from_slice(part);
        value.push(b' ');
    }
    if noise.one_in(2) {
        value.pop();
    }
}

/// A value that its type may have, mostly.
fn some_value(noise: &mut Noise, column: &Meant) -> Vec<u8> {
    let mut value = Vec::new();
    let card = 4_111_111_111_111_111_i64;
    let number = if noise.one_in(6) { card } else { noise.below(1 << 30) as i64 * 997 };
    match column.type_oid {
        _ if noise.one_in(60) => value.extend((0..noise.below(20)).map(|_| noise.below(256) as u8)),
        23 if column.binary => value.extend_from_slice(&(number as i32).to_be_bytes()),
        20 | 1184 if column.binary => value.extend_from_slice(&number.to_be_bytes()),
        701 if column.binary => value.extend_from_slice(&(number as f64).to_be_bytes()),
        1700 if column.binary => {
            let long = noise.one_in(5);
            let words: &[u16] = if long { &[4111, 1111, 1111, 1111] } else { &[12, 3400] };
            let head = [words.len() as u16, if long { 3 } else { 0 }, 0, 2];
            head.iter().chain(words).for_each(|word| value.extend_from_slice(&word.to_be_bytes()));
        }
        20 | 23 | 701 | 1700 => value.extend_from_slice(number.to_string().as_bytes()),
        3802 | 1560 if column.binary => {
            value.extend_from_slice(if column.type_oid == 3802 { b"\x01" } else { b"\0\0\0\x05" });
            some_text(noise, &mut value);
        }
        17 if !column.binary && noise.one_in(4) => value.extend_from_slice(b"\\x34313131313131313131313131313131"),
        _ => some_text(noise, &mut value),
    }
    value
}

/// Messages, and whether one was spoilt: then a card may stand beside anything.
fn some_stream(noise: &mut Noise, columns: &[Meant], copy: bool) -> (Vec<u8>, bool) {
    let (mut stream, mut spoilt) = (Vec::new(), false);
    for _ in 0..noise.below(24) {
        let start = stream.len();
        if noise.one_in(20) {
            encode::notification_response(&mut stream, 1, b"channel", CARD).expect("short");
            continue;
        }
        let values: Vec<Option<Vec<u8>>> =
            columns.iter().map(|column| (!noise.one_in(5)).then(|| some_value(noise, column))).collect();
        if copy {
            let fields: Vec<&[u8]> = values.iter().map(|value| value.as_deref().unwrap_or(b"\\N")).collect();
            let mut row = fields.join(&b"\t,"[noise.below(9) / 8]);
            row.push(b'\n');
            if noise.one_in(20) {
                row.extend_from_slice(b"1\n");
            }
            encode::backend_copy_data(&mut stream, &row).expect("short");
        } else {
            let values: Vec<Option<&[u8]>> = values.iter().map(Option::as_deref).collect();
            encode::data_row(&mut stream, &values).expect("short");
        }
        if noise.one_in(60) {
            spoilt = true;
            let at = start + noise.below(stream.len() - start);
            stream[at] = [0, 1, 0xff, noise.below(256) as u8][noise.below(4)];
        }
    }
    (stream, spoilt)
}

fn some_format(noise: &mut Noise) -> CopyFormat {
    let options = CopyOptions { csv: noise.one_in(2), header: noise.one_in(5), ..CopyOptions::default() };
    CopyFormat::new(&options).expect("fit options")
}

#[test]
fn nobody_can_tell() {
    let policy = policy();
    let (mut passed, mut cards, mut failed, mut found) = (0, 0, 0, 0);
    for round in 0..20_000_u64 {
        let mut noise = Noise(0xb01c + round * 0x9e37_79b9);
        let columns = some_columns(&mut noise);
        let copy = noise.one_in(3).then(|| some_format(&mut noise));
        let (stream, spoilt) = some_stream(&mut noise, &columns, copy.is_some());
        let [mut on, mut off] = [false, true].map(|off| Side::new(&policy, &columns, copy, off));
        let longest = [stream.len(), 1000, 100, 10][noise.below(4)];
        let mut rest = &stream[..];
        while !rest.is_empty() && !off.is_over() {
            let (piece, behind) = rest.split_at(rest.len().min(1 + noise.below(longest)));
            rest = behind;
            on.read(piece);
            off.read(piece);
            assert_eq!(on.seen(), off.seen(), "round {round}");
            assert!(on.agent == off.agent, "round {round}: what leaves differs");
            assert!(on.records == off.records, "round {round}: what is written down differs");
        }
        assert_eq!(off.passed, 0);
        let open = columns.iter().any(|column| column.clear);
        let leaks = on.agent.windows(CARD.len()).any(|bytes| bytes == CARD);
        assert!(open || spoilt || !leaks, "round {round}: a card leaves");
        passed += on.passed;
        cards += u64::from(on.connection.tally.cards);
        failed += u64::from(on.is_over());
        found += u64::from(on.evidence.findings());
    }
    assert!(passed > 20_000 && cards > 20_000 && failed > 1000 && found > 10, "{passed} {cards} {failed} {found}");
}

/// Work is bounded by the bytes, also where every row may hold a card.
#[test]
fn looks_are_rare_where_they_are_in_vain() {
    let meant =
        |type_oid| Meant { type_oid, binary: false, clear: false, whole: None, sought: Sought::default(), slot: None };
    let mut side = Side::new(&policy(), &[meant(17)], None, false);
    let (mut suspect, mut clean) = (Vec::new(), Vec::new());
    encode::data_row(&mut suspect, &[Some(b"1700000000000123 \\001")]).expect("short");
    encode::data_row(&mut clean, &[Some(b"word")]).expect("short");
    side.read(&suspect.repeat(2000));
    assert!(side.connection.database.bulk.looks < 30);
    assert_eq!((side.passed, side.connection.tally.rows_seen), (0, 2000));
    // It finds its way back.
    side.read(&clean.repeat(4000));
    assert!(side.passed > 3000);
    // Where they are of use each leads on to the next suspect.
    let mut side = Side::new(&policy(), &[meant(25)], None, false);
    side.read(&suspect.repeat(2000));
    assert_eq!((side.passed, side.connection.database.bulk.looks), (2000, 1));
}

/// What may pass does: the way around the masker is taken.
#[test]
fn what_passes() {
    let passes = |meant: &[(u32, bool)], values: &[Option<&[u8]>]| {
        let columns: Vec<Meant> = meant
            .iter()
            .map(|&(type_oid, binary)| Meant {
                type_oid,
                binary,
                clear: false,
                whole: None,
                sought: Sought::default(),
                slot: None,
            })
            .collect();
        let mut side = Side::new(&policy(), &columns, None, false);
        let mut stream = Vec::new();
        encode::data_row(&mut stream, values).expect("short");
        side.read(&stream);
        assert!(side.agent.len() == stream.len() && !side.is_over());
        side.passed == 1
    };
    let numeric: &[u8] = &[0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
    let large: &[u8] = &[0, 1, 0, 3, 0, 0, 0, 0, 0, 7];
    let below: &[u8] = &999_999_999_999_i64.to_be_bytes();
    let above: &[u8] = &1_000_000_000_000_i64.to_be_bytes();
    assert!(passes(&[(25, false), (23, false), (17, false)], &[Some(b"text"), None, Some(b"plain")]));
    assert!(passes(&[(25, true), (23, true), (16, true)], &[Some(b"text"), Some(&[0; 4]), Some(&[1])]));
    assert!(passes(&[(20, true), (1700, true), (701, true)], &[Some(below), Some(numeric), Some(&[0; 8])]));
    assert!(passes(&[(50_000, false)], &[Some(b"{a,b}")]) && passes(&[(3802, true)], &[Some(b"\x01{}")]));
    assert!(!passes(&[(20, true)], &[Some(above)]) && !passes(&[(1700, true)], &[Some(large)]));
    assert!(!passes(&[(701, true)], &[Some(&1e12_f64.to_be_bytes())]));
    assert!(!passes(&[(17, false)], &[Some(b"\\x41")]) && !passes(&[(50_000, false)], &[Some(b"a\\b")]));
    assert!(passes(&[(25, false)], &[Some(CARD)]) && !passes(&[(1009, true)], &[None]));
}
