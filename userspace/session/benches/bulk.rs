//! What the session alone costs, without sockets: results and COPY data by the byte, and round trips of a statement.
//!
//! `cargo bench -p session` prints a table: the best of a few rounds, beside a memcpy of the same bytes in the same rounds.
//! `-- NAME TIMES` runs one of them so many times and prints nothing, for a counter of instructions.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../tests/world/mod.rs"]
mod world;

use std::hint::black_box;
use std::time::{Duration, Instant};

use session::{HOLD_MAX, Input, RecordId, Shared};
use wire::postgres::backend::Field;
use wire::postgres::{Format, encode};
use world::{PAN, World, extended, query};

/// As the shard's buffers.
const CHUNK: usize = 64 << 10;
const ROUNDS: usize = 60;
const STREAMS: [&str; 10] =
    ["narrow", "uncounted", "nulls", "binary", "wide", "cards", "named", "cards-wide", "copy", "copy-named"];
const STATEMENTS: [&str; 3] = ["simple", "extended", "prepared"];

/// A session in the middle of a result, and the bytes that come.
struct Bulk {
    world: World,
    stream: Vec<u8>,
    buffer: Vec<u8>,
    seq: u64,
}

impl Bulk {
    fn hand(&mut self, input: Input<'_>) {
        let world = &mut self.world;
        world.out.clear();
        let mut shared = Shared {
            policy: &world.policy,
            statements: &mut world.cache,
            catalogs: &mut world.catalogs,
            cancels: &world.keys,
            next_record: RecordId { shard: 3, seq: self.seq },
            next_ask: None,
            room: 1 << 30,
            results: &world.results,
            card_key: &world.card_key,
            limits: &world.limits,
        };
        world.session.handle(input, world.now, &mut shared, &mut world.out);
        self.seq += world.out.records.len() as u64;
    }

    /// The whole stream, as a shard hands it over: what is held stands in front of what comes.
    fn run(&mut self) {
        let (stream, mut buffer) = (std::mem::take(&mut self.stream), std::mem::take(&mut self.buffer));
        let mut front = HOLD_MAX;
        for piece in stream.chunks(CHUNK) {
            let end = HOLD_MAX + piece.len();
            buffer[HOLD_MAX..end].copy_from_slice(piece);
            self.hand(Input::FromDatabase(&mut buffer[front..end]));
            let hold = self.world.out.hold;
            assert!(!self.world.out.to_agent.is_empty());
            buffer.copy_within(end - hold..end, HOLD_MAX - hold);
            front = HOLD_MAX - hold;
        }
        assert_eq!(front, HOLD_MAX, "the stream ends with a message");
        (self.stream, self.buffer) = (stream, buffer);
    }

    fn copy(&mut self) {
        for piece in self.stream.chunks(CHUNK) {
            self.buffer[HOLD_MAX..HOLD_MAX + piece.len()].copy_from_slice(piece);
            black_box(&mut self.buffer);
        }
    }
}

fn begin(question: &str, answer: &[u8], stream: Vec<u8>) -> Bulk {
    let mut bulk = Bulk { world: World::ready(), stream, buffer: vec![0; HOLD_MAX + CHUNK], seq: 1000 };
    bulk.hand(Input::FromAgent(&mut query(question)));
    bulk.hand(Input::FromDatabase(&mut answer.to_vec()));
    bulk
}

/// A result of columns of these types; `row` writes the values of row n.
fn result(types: &[u32], format: Format, table: u32, row: impl Fn(usize) -> Vec<Option<Vec<u8>>>) -> Bulk {
    let fields = types.iter().enumerate().map(|(at, &type_oid)| Field {
        name: b"column",
        name_range: 0..0,
        table,
        // Its third column has a name that policy knows too: here it has another.
        attribute: at as i16 + if table == 16_384 && at == 2 { 100 } else { 1 },
        type_oid,
        type_len: -1,
        type_modifier: -1,
        format,
    });
    let (mut answer, mut stream) = (Vec::new(), Vec::new());
    encode::row_description(&mut answer, fields).unwrap();
    for n in 0.. {
        let values = row(n);
        let values: Vec<Option<&[u8]>> = values.iter().map(Option::as_deref).collect();
        encode::data_row(&mut stream, &values).unwrap();
        if stream.len() >= 4 << 20 {
            break;
        }
    }
    begin("SELECT count(*) FROM tickets", &answer, stream)
}

fn text(value: String) -> Option<Vec<u8>> {
    Some(value.into_bytes())
}

/// A card in about 85 bytes.
fn cards(n: usize) -> Vec<Option<Vec<u8>>> {
    let note = "paid in the shop at the corner, goods not returned";
    vec![text(format!("{n}")), text(PAN.to_owned()), text(note.to_owned())]
}

/// Six columns, about 140 bytes.
fn narrow(n: usize) -> Vec<Option<Vec<u8>>> {
    let m = n * 7919 % 99_991;
    vec![
        text(format!("{}", 100_000 + n)),
        text(format!("customer number {m} of the northern branch")),
        text(format!("c{m}@example.com")),
        text(format!("2026-11-{:02} 01:{:02}:08.{m:05}+00", 1 + n % 28, n % 60)),
        text(format!("{}.{:02}", m * 3, n % 100)),
        text("Amsterdam".to_owned()),
    ]
}

const NARROW: [u32; 6] = [23, 25, 1043, 1184, 1700, 25];

fn bulk(name: &str) -> Bulk {
    match name {
        "narrow" => result(&NARROW, Format::Text, 16_900, narrow),
        "uncounted" => result(&NARROW, Format::Text, 0, narrow),
        "nulls" => result(&NARROW, Format::Text, 16_900, |n| {
            narrow(n).into_iter().enumerate().map(|(at, value)| value.filter(|_| at % 3 < 2 || n % 2 == 0)).collect()
        }),
        "binary" => result(&[20, 23, 25, 1184, 701, 1700, 25], Format::Binary, 16_900, |n| {
            let numeric = [0, 2, 0, 1, 0, 0, 0, 2, 0, 7, 3, n as u8];
            let mut row = narrow(n);
            row.splice(0..1, [Some((n as i64 * 977).to_be_bytes().to_vec()), Some((n as i32).to_be_bytes().to_vec())]);
            row.splice(
                3..6,
                [
                    Some((n as i64 * 1_000_003).to_be_bytes().to_vec()),
                    Some((n as f64 * 1.5).to_be_bytes().to_vec()),
                    Some(numeric.to_vec()),
                ],
            );
            row
        }),
        "wide" => result(&[23, 25], Format::Text, 16_900, |n| {
            vec![text(format!("{n}")), text("a document of many words, the same ones over and again; ".repeat(146))]
        }),
        "cards" => result(&[23, 25, 25], Format::Text, 16_900, cards),
        // The second column of this table is one that policy names a card's.
        "named" => result(&[23, 25, 25], Format::Text, 16_384, cards),
        "cards-wide" => result(&[25], Format::Text, 16_900, |n| {
            vec![text(
                format!("{n} paid with {PAN} in the shop at the corner, goods not returned; last price 12.50 ")
                    .repeat(80),
            )]
        }),
        "copy" => {
            let mut answer = Vec::new();
            encode::copy_out_response(&mut answer, Format::Text, &[Format::Text; 6]).unwrap();
            let mut stream = Vec::new();
            for n in 0..(4 << 20) / 140 {
                let row = narrow(n);
                let mut line = row.iter().flatten().cloned().collect::<Vec<_>>().join(&b'\t');
                if n % 4 == 0 {
                    line.extend_from_slice(b"\t\\N");
                    line.drain(..row[0].as_ref().unwrap().len() + 1);
                }
                line.push(b'\n');
                encode::backend_copy_data(&mut stream, &line).unwrap();
            }
            begin("COPY tickets TO STDOUT", &answer, stream)
        }
        "copy-named" => {
            let mut answer = Vec::new();
            encode::copy_out_response(&mut answer, Format::Text, &[Format::Text; 3]).unwrap();
            let mut stream = Vec::new();
            for n in 0..(4 << 20) / 60 {
                let line = format!("{n}\t{PAN}\tpaid in the shop at the corner {n}\n");
                encode::backend_copy_data(&mut stream, line.as_bytes()).unwrap();
            }
            begin("COPY payments TO STDOUT", &answer, stream)
        }
        other => panic!("no such workload: {other}"),
    }
}

/// A statement of one row, again and again: what the agent sends and what it is answered.
struct Statement {
    bulk: Bulk,
    asked: Vec<u8>,
    answered: Vec<u8>,
    buffer: Vec<u8>,
}

impl Statement {
    fn new(way: &str) -> Statement {
        let mut world = World::ready();
        world.ask(&extended(&["P s SELECT 1", "S"]));
        let asked = match way {
            "simple" => query("SELECT 1"),
            "extended" => extended(&["P  SELECT 1", "B  ", "D P ", "E ", "S"]),
            _ => extended(&["B  s", "D P ", "E ", "S"]),
        };
        for _ in 0..20 {
            world.ask(&asked);
        }
        world.server.feed(&asked);
        let answered = world.server.take();
        let bulk = Bulk { world, stream: Vec::new(), buffer: Vec::new(), seq: 1000 };
        Statement { bulk, asked, answered, buffer: Vec::new() }
    }

    fn run(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.extend_from_slice(&self.asked);
        self.bulk.hand(Input::FromAgent(&mut buffer));
        assert!(!self.bulk.world.out.to_database.is_empty());
        buffer.clear();
        buffer.extend_from_slice(&self.answered);
        self.bulk.hand(Input::FromDatabase(&mut buffer));
        assert!(!self.bulk.world.out.to_agent.is_empty());
        self.buffer = buffer;
    }
}

fn timed(mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let [name, times] = words.as_slice() {
        let times: usize = times.parse().expect("how many times");
        if STATEMENTS.contains(&name.as_str()) {
            let mut statement = Statement::new(name);
            (0..times).for_each(|_| statement.run());
        } else {
            let mut bulk = bulk(name);
            (0..times).for_each(|_| bulk.run());
            println!("{} bytes", bulk.stream.len());
        }
        return;
    }
    println!("{:12} {:>8} {:>8} {:>12}", "", "GB/s", "s/GB", "of memcpy");
    for name in STREAMS {
        let mut bulk = bulk(name);
        let (mut ours, mut copy) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            copy = copy.min(timed(|| bulk.copy()));
            ours = ours.min(timed(|| bulk.run()));
        }
        let per = |took: Duration| bulk.stream.len() as f64 / took.as_nanos() as f64;
        println!("{name:12} {:8.2} {:8.3} {:12.3}", per(ours), 1.0 / per(ours), per(ours) / per(copy));
    }
    for name in STATEMENTS {
        let mut statement = Statement::new(name);
        let mut least = Duration::MAX;
        for _ in 0..ROUNDS {
            least = least.min(timed(|| (0..1000).for_each(|_| statement.run())));
        }
        println!("{name:12} {:8.0} ns for a round trip", least.as_nanos() as f64 / 1000.0);
    }
}
