//! Bytes that nobody should send, and good ones in the worst pieces.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use session::{Finish, Input};
use wire::postgres::{BackendTag, Tag};
use world::{PAN, Seed, World, extended, frames, query, startup};

/// Everything that a client does, in one stream.
fn scenario() -> Vec<u8> {
    let mut bytes = startup(0, &[("user", "app"), ("database", "payments")]);
    bytes.extend(query("SELECT * FROM payments"));
    bytes.extend(query("DROP TABLE payments"));
    bytes.extend(query("BEGIN"));
    bytes.extend(extended(&["P s SELECT pan FROM payments", "D S s", "B p s", "D P p", "E p", "C P p", "C S s", "S"]));
    bytes.extend(extended(&["P  SELECT cvv FROM payments", "B  ", "E ", "H", "P  DROP TABLE x", "B  ", "E ", "S"]));
    bytes.extend(query("ROLLBACK"));
    bytes.extend(query("COPY payments TO STDOUT"));
    bytes.extend(query("NOTIFY ch"));
    bytes.extend(query("INSERT INTO payments (pan) VALUES ('twice')"));
    bytes.extend(extended(&["P  SELECT pan FROM payments", "S", "B  nope", "P  SELECT 1", "S", "B  ", "E ", "S"]));
    bytes.extend(extended(&["P x INSERT twice", "B x x", "E x", "P  SELECT 1", "S", "B  ", "E ", "S"]));
    bytes.extend(extended(&["P  COPY payments FROM STDIN", "B  ", "E ", "S"]));
    wire::postgres::encode::copy_fail(&mut bytes, b"no").unwrap();
    bytes.extend(extended(&["S"]));
    bytes.extend(query("SELECT 1"));
    bytes.extend(b"X\0\0\0\x04");
    bytes
}

fn said_of(world: &World) -> Vec<String> {
    let (said, rest) = frames(&world.agent);
    assert_eq!(rest, 0);
    // Which number a record gets depends on what arrived with what.
    said.iter().map(|word| word.split(" record 3-").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn pieces_of_any_size_say_the_same() {
    let mut whole = World::new();
    whole.send(&scenario());
    let want = said_of(&whole);
    assert!(want.len() > 40 && want.iter().all(|word| !word.contains(PAN)));
    for cut in [1, 2, 3, 4, 5, 6, 7, 11, 64, 257] {
        let mut world = World::new();
        world.cut = cut;
        world.send(&scenario());
        assert_eq!(said_of(&world), want, "pieces of {cut}");
        assert_eq!(world.server.log, whole.server.log, "pieces of {cut}");
        assert_eq!(world.records.len(), whole.records.len(), "pieces of {cut}");
    }
}

#[test]
fn a_cut_at_every_byte_says_the_same() {
    let bytes = scenario();
    let mut whole = World::new();
    whole.send(&bytes);
    let want = said_of(&whole);
    for at in 1..bytes.len() {
        let mut world = World::new();
        world.send(&bytes[..at]);
        world.send(&bytes[at..]);
        assert_eq!(said_of(&world), want, "cut at {at}");
    }
}

#[test]
fn an_end_at_every_byte_ends_the_session_in_order() {
    let bytes = scenario();
    for at in 1..bytes.len() {
        let mut world = World::new();
        world.send(&bytes[..at]);
        world.input(Input::AgentClosed);
        assert!(world.finished != Finish::No, "end at {at}");
        world.input(Input::DatabaseClosed);
        assert_eq!(world.finished, Finish::Close, "end at {at}");
        world.close();
    }
}

#[test]
fn impossible_lengths_end_the_session_and_nothing_is_forwarded() {
    for kind in *b"QPBDECSHFdcfXp" {
        for length in [-1i32, 0, 3, i32::MIN, i32::MAX] {
            let mut world = World::ready();
            let mut bytes = vec![kind];
            bytes.extend(length.to_be_bytes());
            let heard = world.ask(&bytes);
            assert!(
                heard.last().is_some_and(|word| word.starts_with("E FATAL")),
                "{} {length}: {heard:?}",
                kind as char
            );
            assert_eq!(world.finished, Finish::Close);
            assert!(world.server.seen.is_empty());
        }
    }
    for length in [-1i32, 0, 3, 1 << 30, i32::MAX] {
        let mut world = World::new();
        let heard = world.ask(&[length.to_be_bytes(), [0, 3, 0, 0]].concat());
        assert!(heard[0].starts_with("E FATAL"), "{length}");
        assert!(!world.server.started);
    }
}

#[test]
fn unknown_types_and_inner_lengths_end_the_session() {
    let parse_with_count = b"P\0\0\0\x0a\0\0\xff\xff\0\0";
    let two_strings = b"Q\0\0\0\x08ab\0c";
    let zero_inside = b"Q\0\0\0\x08a\0b\0";
    for bytes in
        [b"?\0\0\0\x04".as_slice(), b"W\0\0\0\x04", parse_with_count, two_strings, zero_inside, b"D\0\0\0\x06Xa"]
    {
        let mut world = World::ready();
        let heard = world.ask(bytes);
        assert!(heard[0].starts_with("E FATAL 08P01"), "{heard:?}");
        assert!(world.server.seen.is_empty());
    }
}

#[test]
fn a_message_smuggled_in_a_value_is_part_of_the_value() {
    let mut world = World::ready();
    let smuggled = query("DROP TABLE payments");
    let mut bind = extended(&["P  SELECT 1"]);
    wire::postgres::encode::bind(&mut bind, b"", b"", &[], &[Some(&smuggled)], &[]).unwrap();
    bind.extend(extended(&["E ", "S"]));
    let heard = world.ask(&bind);
    assert_eq!(heard, ["1", "2", "D 1", "SELECT 1", "Z I"]);
    assert_eq!(world.server.log, ["SELECT 1"]);
}

/// Ten thousand sessions of random frames: no panic, never a statement that was not decided, never a card number.
#[test]
fn random_frames() {
    let seed: u64 = 0x5EED_0003;
    let mut random = Seed(seed);
    let good = [
        query("SELECT * FROM payments"),
        query("DROP TABLE x"),
        query("BEGIN"),
        query("ROLLBACK"),
        query("COPY payments TO STDOUT"),
        query("COPY payments FROM STDIN"),
        query("PREPARE q AS SELECT pan FROM payments"),
        query("EXECUTE q"),
        extended(&["P  SELECT * FROM payments"]),
        extended(&["P s SELECT cvv FROM payments"]),
        extended(&["P  DROP TABLE y"]),
        extended(&["B  "]),
        extended(&["B p s"]),
        extended(&["D P p"]),
        extended(&["D S s"]),
        extended(&["E "]),
        extended(&["E p"]),
        extended(&["C S s"]),
        extended(&["C P p"]),
        extended(&["S"]),
        extended(&["S"]),
        extended(&["H"]),
        b"c\0\0\0\x04".to_vec(),
        b"d\0\0\0\x07abc".to_vec(),
        b"f\0\0\0\x05\0".to_vec(),
    ];
    let mut ran = 0;
    for round in 0..10_000 {
        let mut world = World::ready();
        let mut bytes = Vec::new();
        for _ in 0..1 + random.next(12) {
            let mut frame = good[random.next(good.len())].clone();
            if random.next(40) == 0 {
                let at = random.next(frame.len());
                frame[at] = random.next(256) as u8;
            }
            bytes.extend(frame);
        }
        world.cut = [usize::MAX, 1, 7, 100][random.next(4)];
        world.send(&bytes);
        let said = [String::from_utf8_lossy(&world.agent)];
        let case = format!("seed {seed:#x} round {round}");
        assert!(
            said.iter().all(|word| !word.contains(PAN) && !word.contains("\t737") && !word.contains("\0\0\0\x03737")),
            "{case}: {:?}",
            world.server.log
        );
        assert!(world.server.log.iter().all(|text| !text.starts_with("DROP")), "{case}");
        assert!(world.decisions_to_run() >= world.server.log.len(), "{case}: {:?}", world.server.log);
        ran += world.server.log.len();
    }
    assert!(ran > 2_000, "the frames were not all refused");
}

/// The database's own bytes, damaged: the session ends, or what passes is whole and masked.
#[test]
fn a_damaged_database_never_shows_a_card() {
    let mut random = Seed(0x5EED_0004);
    let frame = |kind: u8, body: &[u8]| {
        let mut out = vec![kind];
        out.extend((body.len() as u32 + 4).to_be_bytes());
        out.extend(body);
        out
    };
    for _ in 0..3_000 {
        let mut world = World::ready();
        world.input(Input::FromAgent(&mut query("SELECT pan FROM payments")));
        let mut bytes = world.server.take();
        for _ in 0..random.next(3) {
            let tag = BackendTag::ALL[random.next(BackendTag::ALL.len())];
            let body: Vec<u8> = (0..random.next(20)).map(|_| random.next(256) as u8).collect();
            let at = random.next(bytes.len());
            bytes.splice(at..at, frame(tag.byte(), &body));
        }
        let at = random.next(bytes.len());
        bytes[at] ^= 1 << random.next(8);
        for piece in bytes.chunks(1 + random.next(40)) {
            if world.finished == Finish::Close {
                break;
            }
            world.input(Input::FromDatabase(&mut piece.to_vec()));
        }
        let heard = String::from_utf8_lossy(&world.agent).into_owned();
        assert!(!heard.contains(PAN));
    }
}
