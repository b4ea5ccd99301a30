//! Results of many rows, in pieces of any size. Byte by byte no row is ever whole, so each goes through its masker: that is what all else is
//! compared with.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use session::{Catalogs, Evidence, Finish, Input};
use wire::postgres::encode;
use world::{PAN, Seed, World, query};

/// What the world's server answers to `question`, with these messages in place of the rows or the COPY data.
fn answer(question: &str, messages: &[u8]) -> Vec<u8> {
    let mut server = World::ready().server;
    server.feed(&query(question));
    let answer = server.take();
    let kind = if question.starts_with("COPY") { b'd' } else { b'D' };
    let (mut out, mut rest) = (Vec::new(), &answer[..]);
    while let [tag, a, b, c, d, ..] = *rest {
        let (message, behind) = rest.split_at(1 + u32::from_be_bytes([a, b, c, d]) as usize);
        out.extend_from_slice(if tag == kind { messages } else { message });
        rest = behind;
    }
    out
}

fn rows(seed: u64) -> Vec<u8> {
    let (mut seed, mut out) = (Seed(seed), Vec::new());
    for n in 0..400 {
        let text = match seed.next(12) {
            0 => format!("{n} {PAN}"),
            1 => format!("1700000000{:03}", seed.next(1000)),
            2 => "many words ".repeat(seed.next(200)),
            _ => format!("row {n}"),
        };
        let value = (seed.next(9) > 0).then_some(text.as_bytes());
        encode::data_row(&mut out, &[value]).unwrap();
    }
    out
}

fn lines(seed: u64) -> Vec<u8> {
    let (mut seed, mut out) = (Seed(seed), Vec::new());
    for n in 0..400 {
        let card = if seed.next(9) == 0 { PAN } else { "\\N" };
        let note = ["a few words", "tab\\tin it 4111111111111111", "two\\\\nlines", "4111\\t1111"][seed.next(4)];
        encode::backend_copy_data(&mut out, format!("{n}\t{note}\t{card}\n").as_bytes()).unwrap();
    }
    out
}

/// What the agent hears, what is counted and how it ends, and what is written down.
type Told = (Vec<u8>, String, Vec<(u8, Vec<u8>)>);

fn told(question: &str, answer: &[u8], cut: usize) -> Told {
    let evidence = Arc::new(Evidence::default());
    let mut world = World::new();
    world.catalogs = Catalogs::with(Arc::clone(&evidence), Arc::default(), Arc::default());
    let mut world = world.login();
    world.input(Input::FromAgent(&mut query(question)));
    for piece in answer.chunks(cut) {
        world.input(Input::FromDatabase(&mut piece.to_vec()));
    }
    let counts: Vec<_> = evidence.columns().iter().map(|seen| (seen.values, seen.hits, seen.found)).collect();
    (world.agent, format!("{counts:?} {:?}", world.finished), world.records)
}

#[test]
fn pieces_of_any_size_say_the_same() {
    for (question, some) in
        [("SELECT note FROM tickets", rows as fn(u64) -> Vec<u8>), ("COPY tickets TO STDOUT", lines)]
    {
        for seed in 1..4 {
            let answer = answer(question, &some(seed));
            let want = told(question, &answer, 1);
            assert!(want.0.len() == answer.len() && !want.0.windows(16).any(|bytes| bytes == PAN.as_bytes()));
            for cut in [7, 64, 500, 8192, 65_536] {
                assert!(told(question, &answer, cut) == want, "{question}: pieces of {cut}, seed {seed}");
            }
        }
    }
}

#[test]
fn a_row_that_does_not_add_up_ends_the_session_as_ever() {
    let mut good = Vec::new();
    encode::data_row(&mut good, &[Some(b"a value")]).unwrap();
    // The count, the value's length, and the message's.
    for (at, byte) in [(6, 0), (6, 2), (10, 6), (10, 8), (7, 0xff), (4, 18), (4, 16)] {
        let mut bad = good.clone();
        bad[at] = byte;
        let answer = answer("SELECT note FROM tickets", &[good.repeat(20), bad, good.repeat(3)].concat());
        let (heard, counts, _) = told("SELECT note FROM tickets", &answer, usize::MAX);
        assert!(counts.ends_with(&format!("{:?}", Finish::Close)), "{at} {byte}");
        let whole = heard.windows(good.len()).filter(|bytes| *bytes == good).count();
        assert_eq!(whole, 20, "{at} {byte}: nothing of it or behind it");
        let byte_by_byte = told("SELECT note FROM tickets", &answer, 1);
        assert_eq!(byte_by_byte.1.split(' ').next_back(), counts.split(' ').next_back());
    }
}
