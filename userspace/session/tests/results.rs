//! Recorded results: the bytes that the agent received, masked, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use audit::RecordType;
use audit::received::{Kept, read};
use session::{Database, ResultMemory};
use world::{CVV, PAN, World, extended, query};

/// A world whose database keeps results.
fn keeping() -> World {
    let mut open = world::open("reconciler", session::Mode::Enforce, true);
    open.database = Arc::new(Database { results: true, ..(*open.database).clone() });
    World::with(open, world::POLICY).login()
}

fn results(world: &World) -> Vec<Kept> {
    let of = |(kind, payload): &(u8, Vec<u8>)| (*kind == RecordType::Result.code()).then(|| read(payload).unwrap());
    world.records.iter().filter_map(of).collect()
}

/// The messages that a result has, by their types.
fn types(kept: &Kept) -> String {
    let bytes = kept.packed.as_deref().unwrap();
    let (mut types, mut at) = (String::new(), 0);
    while at < bytes.len() {
        types.push(char::from(bytes[at]));
        at += 1 + u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
    }
    assert_eq!(at, bytes.len(), "whole messages");
    types
}

#[test]
fn the_bytes_are_those_that_the_agent_received() {
    let mut world = keeping();
    world.send(&query("SELECT * FROM payments"));
    let kept = results(&world);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].packed.as_ref(), Some(&world.agent));
    assert_eq!((types(&kept[0]).as_str(), kept[0].left_off), ("TDCZ", 0));
    assert_eq!(kept[0].timing.iter().map(|(_, bytes)| bytes).sum::<u64>(), kept[0].length);
}

#[test]
fn each_statement_has_its_own_also_in_a_pipeline() {
    let mut world = keeping();
    world.ask(&extended(&["P s SELECT * FROM payments", "B  s", "E ", "B  s", "E ", "S"]));
    world.ask(&query("SELECT 1"));
    let kept = results(&world);
    let types: Vec<String> = kept.iter().map(types).collect();
    assert_eq!(types, ["12DC", "2DC", "TDCZ"]);
    let decisions: Vec<_> = kept.iter().map(|kept| kept.decision.unwrap()).collect();
    assert!(decisions.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}

#[test]
fn no_card_and_no_cvv_is_kept() {
    let mut world = keeping();
    world.ask(&query("SELECT * FROM payments"));
    world.ask(&extended(&["P s SELECT * FROM payments", "B  s", "E ", "S"]));
    world.ask(&query("COPY payments TO STDOUT"));
    let kept = results(&world);
    assert_eq!(kept.len(), 3);
    for kept in &kept {
        let bytes = kept.packed.as_deref().unwrap();
        for secret in [PAN, CVV] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
    assert!(world.records.iter().all(|(_, payload)| !payload.windows(PAN.len()).any(|w| w == PAN.as_bytes())));
}

#[test]
fn what_is_refused_has_no_result_and_costs_the_next_nothing() {
    let mut world = keeping();
    world.ask(&query("DROP TABLE payments"));
    assert_eq!(results(&world).len(), 0);
    world.ask(&query("SELECT 1"));
    let kept = results(&world);
    assert_eq!(kept.iter().map(types).collect::<Vec<_>>(), ["TDCZ"], "the refusal's answer is not of it");
}

#[test]
fn a_rule_may_ask_for_it_where_its_database_does_not() {
    let policy = world::POLICY.replacen("name = \"work\"\n", "name = \"work\"\nrecord = \"results\"\n", 1);
    let mut world = World::with(world::open("reconciler", session::Mode::Enforce, true), &policy).login();
    world.ask(&query("SELECT 1"));
    assert_eq!(results(&world).len(), 1);
    let mut world = World::ready();
    world.ask(&query("SELECT 1"));
    assert_eq!(results(&world).len(), 0);
}

/// However the bytes are cut, and whatever else the calls bring.
#[test]
fn cuts_change_nothing() {
    let run = |cut: usize| {
        let mut world = keeping();
        world.cut = cut;
        world.ask(&query("SELECT * FROM payments"));
        world.ask(&extended(&["P s SELECT * FROM payments", "B  s", "E ", "S"]));
        world.close();
        results(&world).into_iter().map(|kept| kept.packed).collect::<Vec<_>>()
    };
    let whole = run(usize::MAX);
    assert_eq!(whole.len(), 2);
    (1..80).for_each(|cut| assert_eq!(run(cut), whole, "{cut}"));
}

/// The decisions whose outcomes say that a result follows, and those that one came of.
fn promised_and_came(world: &World) -> (Vec<u64>, Vec<u64>) {
    let mut promised = Vec::new();
    for (_, payload) in world.records.iter().filter(|(kind, _)| *kind == RecordType::Outcome.code()) {
        let fields: Vec<(u8, &[u8])> = audit::decode::Fields::of(payload).map(Result::unwrap).collect();
        let decision = fields.iter().find(|(number, _)| *number == audit::field::DECISION).unwrap().1;
        if fields.contains(&(audit::field::RESULT_FOLLOWS, &[1])) {
            promised.push(audit::decode::record_id(decision).unwrap().seq);
        }
    }
    (promised, results(world).iter().map(|kept| kept.decision.unwrap().seq).collect())
}

/// Wherever the answer ends, and the session with it.
#[test]
fn what_an_outcome_promises_comes_and_nothing_else() {
    let asked = [
        query("SELECT * FROM payments"),
        query("SELECT 1"),
        extended(&["P s SELECT * FROM payments", "B  s", "E ", "B  s", "E ", "S"]),
    ];
    let mut counts = std::collections::BTreeSet::new();
    for asked in &asked {
        for end in 0..400 {
            let mut world = keeping();
            world.input(session::Input::FromAgent(&mut asked.clone()));
            let mut bytes = world.server.take();
            let is_whole = end >= bytes.len();
            bytes.truncate(end);
            world.input(session::Input::FromDatabase(&mut bytes));
            world.close();
            let (promised, came) = promised_and_came(&world);
            assert_eq!(promised, came, "after {end} bytes");
            counts.insert(promised.len());
            if is_whole {
                break;
            }
        }
    }
    assert!(counts.contains(&0) && counts.contains(&1) && counts.contains(&2), "{counts:?}");
}

/// What the database answers to a statement, its row so many times.
fn answer(world: &mut World, rows: usize) -> Vec<u8> {
    world.input(session::Input::FromAgent(&mut query("SELECT * FROM payments")));
    let mut bytes = world.server.take();
    let mut at = 0;
    while bytes[at] != b'D' {
        at += 1 + u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
    }
    let end = at + 1 + u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
    let row = bytes[at..end].repeat(rows);
    bytes.splice(at..end, row);
    bytes
}

/// What the agent got of a statement with so many rows.
fn received(world: &mut World, rows: usize) -> Vec<u8> {
    world.agent.clear();
    let bytes = answer(world, rows);
    for piece in bytes.chunks(world.cut.min(bytes.len())) {
        world.input(session::Input::FromDatabase(&mut piece.to_vec()));
    }
    std::mem::take(&mut world.agent)
}

/// How many bytes a record says are left off, and the hashes that it has of them.
fn left_off(payload: &[u8]) -> (u64, Vec<(u8, Vec<u8>)>) {
    let fields: Vec<(u8, &[u8])> = audit::decode::Fields::of(payload).map(Result::unwrap).collect();
    let hashes = fields.iter().filter(|(_, value)| value.len() == 32);
    (read(payload).unwrap().left_off, hashes.map(|(number, value)| (*number, value.to_vec())).collect())
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    blake3::hash(bytes).as_bytes().to_vec()
}

#[test]
fn of_what_is_beyond_the_bound_there_are_a_count_and_a_hash() {
    const KEPT: usize = 256 << 10;
    // In pieces that end anywhere, and in one.
    for cut in [997, 65_391, usize::MAX] {
        let mut world = keeping();
        world.cut = cut;
        let got = received(&mut world, 60_000);
        let result = world.long.pop().unwrap();
        assert!(!result.is_cut() && got.len() > 6 * KEPT);
        // Whole blocks of it wait for whoever hashes them: some by another thread, the rest with the result's end.
        assert_eq!(world.blocks.len(), 4, "as many as there are buffers: nobody has given one back");
        world.blocks.truncate(2);
        let blocks = std::mem::take(&mut world.blocks);
        std::thread::spawn(move || blocks.iter().rev().for_each(session::Block::hash)).join().unwrap();
        let unkept = left_off(&result.unkept());
        let full = result.pack(|_| None).full;
        assert_eq!(read(&full).unwrap().packed.as_deref(), Some(&got[..KEPT]));
        let beyond = (audit::field::LEFT_OFF_BLAKE3, hash(&got[KEPT..]));
        assert_eq!(left_off(&full), ((got.len() - KEPT) as u64, vec![beyond]));
        let first = (audit::field::LEFT_OFF_FIRST_BLAKE3, hash(&got[..KEPT]));
        let behind = (audit::field::LEFT_OFF_BEHIND_BLAKE3, hash(&got[KEPT..]));
        assert_eq!(unkept, (got.len() as u64, vec![first, behind]));
    }
}

/// Also what waits to be packed, and what was packed and waits to be written, takes memory of the shard.
#[test]
fn results_that_are_being_recorded_have_one_bound() {
    const SHORT: usize = 1024;
    let memory = ResultMemory::new(8 << 10);
    let world = || {
        let mut world = keeping();
        world.results = memory.clone();
        world
    };
    let (mut one, mut other) = (world(), world());
    assert!(received(&mut one, 150).len() > 4 << 10);
    assert_eq!(memory.taken(), (8 << 10) - SHORT, "it is in steps of twice as much");
    // There is no memory for the other's: its first bytes, a count and a hash; and short ones as ever.
    let got = received(&mut other, 150);
    let cut = other.long.pop().unwrap();
    assert!(cut.is_cut());
    let full = cut.pack(|_| None).full;
    assert_eq!(read(&full).unwrap().packed.as_deref(), Some(&got[..SHORT]));
    assert_eq!(
        left_off(&full),
        ((got.len() - SHORT) as u64, vec![(audit::field::LEFT_OFF_BLAKE3, hash(&got[SHORT..]))])
    );
    assert!(String::from_utf8_lossy(&full).contains("there was no memory for more of it"));
    let short = received(&mut other, 1);
    assert_eq!(results(&other).last().unwrap().packed.as_ref(), Some(&short));
    // Packed it takes what it is, and once it is written nothing.
    let packed = one.long.pop().unwrap().pack(|_| Some(vec![7; 100]));
    assert_eq!((memory.taken(), packed.memory()), (packed.full.len() + packed.short.len(), memory.taken()));
    drop(packed);
    assert_eq!(memory.taken(), 0);
    let got = received(&mut other, 150);
    assert_eq!(read(&other.long.pop().unwrap().pack(|_| None).full).unwrap().packed, Some(got));
    // A session that ends gives back what it holds of a result that has no end.
    let mut bytes = answer(&mut other, 150);
    bytes.truncate(4000);
    other.input(session::Input::FromDatabase(&mut bytes));
    assert!(memory.taken() > 0);
    other.close();
    drop(other);
    assert_eq!(memory.taken(), 0);
}
