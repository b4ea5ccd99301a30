//! Statements that wait for a person: approved, denied, expired, cancelled, left; alone, in a transaction, in a pipeline.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ends;
mod order;
mod people;
mod random;
#[path = "../world/mod.rs"]
mod world;

use audit::RecordType;
use session::{Ask, AskEnd, AskId, Asking, Finish, Input, Mode, Vote};
use wire::postgres::encode;
use world::{POLICY, Seed, World, extended, open, policy, query};

const UPDATE: &str = "UPDATE payments SET id = 1";
const MESSAGE: &str = "updates are approved by a lead";

impl World {
    fn asked(&self) -> &Ask {
        let mut asks = self.asking.iter().filter_map(|asking| match asking {
            Asking::Ask(ask) => Some(&**ask),
            _ => None,
        });
        asks.next_back().expect("a person is asked")
    }

    fn ends(&self) -> Vec<AskEnd> {
        let end = |asking: &Asking| match asking {
            Asking::Over(_, end) => Some(*end),
            _ => None,
        };
        self.asking.iter().filter_map(end).collect()
    }

    fn vote(&mut self, approve: bool, reviewer: &str, groups: &[&str], reason: &str) {
        let vote = Vote {
            ask: self.asked().id,
            approve,
            reviewer: reviewer.into(),
            groups: groups.iter().map(|group| (*group).into()).collect(),
            login: "unix socket, uid 1001".into(),
            reason: reason.into(),
            standing: None,
            break_glass: false,
        };
        self.say(vote);
    }

    fn say(&mut self, vote: Vote) {
        self.input(Input::Vote(Box::new(vote)));
        self.answer();
    }

    fn approve(&mut self) -> Vec<String> {
        self.vote(true, "ann", &["leads"], "ticket 7");
        self.heard()
    }

    fn deny(&mut self) -> Vec<String> {
        self.vote(false, "ann", &["leads"], "not on a friday");
        self.heard()
    }

    fn expire(&mut self) -> Vec<String> {
        self.now.mono_ns = self.out.deadline.expect("a deadline");
        self.input(Input::Deadline);
        self.answer();
        self.heard()
    }

    fn cancel(&mut self) -> Vec<String> {
        self.input(Input::CancelHeld);
        self.answer();
        self.heard()
    }

    /// The notice, in the words of `heard`.
    fn notice(&self) -> String {
        let id = self.asked().id;
        format!(
            "E NOTICE 00000 held for approval {id}: {MESSAGE} {{\"interceptor\":\"pending\",\"id\":\"{id}\",\"expires\":\"2026-09-21T14:23:20Z\"}}"
        )
    }

    fn lives(&mut self) {
        assert_eq!(self.ask(&query("SELECT 1")), ["T one", "D 1", "SELECT 1", "Z I"]);
    }
}

fn held() -> World {
    let mut world = World::ready();
    let heard = world.ask(&query(UPDATE));
    assert_eq!(heard, [world.notice()]);
    assert!(world.server.log.is_empty(), "nothing goes on before a person says so");
    world
}

fn held_in_a_pipeline() -> World {
    let mut world = World::ready();
    let parse = format!("P  {UPDATE}");
    let heard = world.ask(&extended(&[&parse, "B  ", "D P ", "E ", "S"]));
    assert_eq!(heard, ["1".to_owned(), world.notice()], "what is in front is answered first");
    assert!(world.server.log.is_empty());
    world
}
