//! Statements of more than 16 KiB: they wait for a verdict that is taken aside, in their place, and for a bounded time.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use session::{Input, JudgeAsk, Mode};
use world::{World, extended, open, policy, query};

const POLICY: &str = "[[rule]]\nname = \"reads\"\nstatements = [\"select\", \"session\"]\naction = \"allow\"\n";
const NONE: &str = "[[rule]]\nname = \"none\"\naction = \"block\"\n";

fn world() -> World {
    World::with(open("reconciler", Mode::Enforce, true), POLICY).login()
}

/// A statement with so many bytes of blanks in it.
fn long(before: &str, after: &str) -> String {
    format!("{before}{}{after}", " ".repeat(20 << 10))
}

impl World {
    /// What is to be judged by now.
    fn asked(&mut self) -> JudgeAsk {
        self.judge.pop().expect("it is to be judged aside")
    }

    fn judged(&mut self, ask: &JudgeAsk) -> Vec<String> {
        self.input(Input::Judged { number: ask.number, verdict: Some(ask.judge()) });
        self.answer();
        self.heard()
    }
}

#[test]
fn it_waits_in_its_place_for_its_verdict() {
    let mut world = world();
    for (text, passes) in [(long("SELECT id", "FROM payments"), true), (long("DELETE", "FROM payments"), false)] {
        world.server.log.clear();
        let mut sent = query(&text);
        sent.extend(query("SELECT 1"));
        assert!(world.ask(&sent).is_empty() && world.server.log.is_empty(), "what is behind it waits too");
        let ask = world.asked();
        let heard = world.judged(&ask);
        assert_eq!(heard[0].starts_with("E ERROR 42501"), !passes, "{heard:?}");
        assert_eq!(world.server.log.len(), 1 + usize::from(passes));
        assert_eq!(heard.iter().filter(|said| *said == "Z I").count(), 2);
    }
    assert!(!format!("{:?}", world.judge).contains("payments"));
}

#[test]
fn known_ones_do_not_wait_again() {
    let mut world = world();
    let text = long("SELECT id", "FROM payments");
    world.ask(&query(&text));
    let ask = world.asked();
    world.judged(&ask);
    assert!(world.ask(&query(&text)).iter().any(|said| said.starts_with("D ")));
    assert!(world.judge.is_empty());
}

#[test]
fn without_an_answer_it_is_refused() {
    let mut world = world();
    let text = long("SELECT id", "FROM payments");
    world.ask(&query(&text));
    let ask = world.asked();
    world.input(Input::Judged { number: ask.number, verdict: None });
    world.answer();
    assert!(world.heard()[0].starts_with("E ERROR 53000"));
    // Late.
    world.ask(&query(&text));
    let late = world.asked();
    world.now.mono_ns = world.out.deadline.expect("a deadline");
    world.input(Input::Deadline);
    world.answer();
    assert!(world.heard()[0].starts_with("E ERROR 53000"));
    // The answer to that one is no answer to the next.
    world.ask(&query(&text));
    assert!(world.judged(&late).is_empty() && world.server.log.is_empty());
    let ask = world.asked();
    assert!(world.judged(&ask).iter().any(|said| said.starts_with("D ")));
}

#[test]
fn what_it_was_judged_under_has_to_hold() {
    let mut world = world();
    world.ask(&query(&long("SELECT id", "FROM payments")));
    let ask = world.asked();
    world.policy = policy(NONE);
    assert!(world.judged(&ask).is_empty(), "it is judged anew");
    let ask = world.asked();
    assert!(world.judged(&ask)[0].starts_with("E ERROR 42501"));
    assert!(world.server.log.is_empty());
}

#[test]
fn parse_waits_and_what_is_only_named_is_refused_when_it_is_stale() {
    let mut world = world();
    let text = "x".repeat(70 << 10);
    let parse = format!("P s SELECT id AS {text} FROM payments");
    assert!(world.ask(&extended(&[&parse, "B  s", "E ", "S"])).is_empty());
    let ask = world.asked();
    assert!(world.judged(&ask).iter().any(|said| said.starts_with("D ")));
    // The same statement again: its verdict still holds.
    assert!(world.ask(&extended(&["B  s", "E ", "S"])).iter().any(|said| said.starts_with("D ")));
    world.policy = policy(POLICY);
    let heard = world.ask(&extended(&["B  s", "E ", "S"]));
    assert!(heard[0].starts_with("E ERROR 54000"), "{heard:?}");
    assert!(world.judge.is_empty());
}
