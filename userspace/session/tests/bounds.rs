//! How much of a result may leave.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use session::{Finish, Input, Mode};
use world::{World, extended, open, query};

const ONE: &str = "
[[rule]]
name = \"one\"
statements = [\"select\", \"copy-out\", \"session\"]
rows_over = 1
action = \"allow\"
";
const NONE: &str = "
[[rule]]
name = \"none\"
statements = [\"select\", \"copy-out\", \"session\"]
rows_over = 0
action = \"allow\"
";
const SAID: &str = "E ERROR 54000 more than";

fn world(policy: &str) -> World {
    World::with(open("reconciler", Mode::Enforce, true), policy).login()
}

impl World {
    /// The server has worked the cancel off.
    fn cancelled(&mut self) -> Vec<String> {
        let number = self.cancels() as u64;
        self.input(Input::CancelIsOver(number));
        self.answer();
        self.heard()
    }

    fn lives(&mut self) {
        assert_eq!(self.finished, Finish::No);
        let heard = self.ask(&query("SET application_name = 'x'"));
        assert_eq!(heard, ["SET", "Z I"]);
    }
}

#[test]
fn at_the_bound_the_statement_is_cancelled_and_the_connection_goes_on() {
    let mut world = world(ONE);
    let heard = world.ask(&query("SELECT one FROM plain"));
    assert!(heard.iter().any(|said| said.starts_with("D")), "the first row: {heard:?}");
    let heard = world.ask(&query("SELECT one FROM plain; SELECT one FROM plain"));
    assert_eq!(heard.iter().filter(|said| said.starts_with("D")).count(), 1, "{heard:?}");
    assert!(heard.iter().any(|said| said.starts_with(SAID)), "{heard:?}");
    assert_eq!((world.cancels(), heard.last().map(String::as_str)), (1, Some("Z I")));
    // The next statement waits until the cancel can hit it no more.
    let before = world.server.log.len();
    assert!(world.ask(&query("SET application_name = 'x'")).is_empty());
    assert_eq!(world.server.log.len(), before);
    assert_eq!(world.cancelled(), ["SET", "Z I"]);
    world.lives();
}

#[test]
fn of_the_extended_protocol_and_of_copy_too() {
    let mut world = world(NONE);
    let heard = world.ask(&extended(&["P  SELECT one FROM plain", "B  ", "E ", "S"]));
    assert!(
        heard.iter().any(|said| said.starts_with(SAID)) && !heard.iter().any(|said| said.starts_with("D")),
        "{heard:?}"
    );
    assert_eq!(heard.last().map(String::as_str), Some("Z I"), "{heard:?}");
    world.cancelled();
    let heard = world.ask(&query("COPY plain TO STDOUT"));
    assert!(
        heard.iter().any(|said| said.starts_with(SAID)) && !heard.iter().any(|said| said.starts_with("d ")),
        "{heard:?}"
    );
    world.cancelled();
    world.lives();
}

#[test]
fn what_runs_behind_it_cannot_be_taken_back_so_the_connection_ends() {
    let mut world = world(NONE);
    let pipeline = ["P  SELECT one FROM plain", "B  ", "E ", "B  ", "E ", "S"];
    let heard = world.ask(&extended(&pipeline));
    assert!(heard.iter().any(|said| said.starts_with("E FATAL 54000 more than 0 rows")), "{heard:?}");
    assert_eq!(world.finished, Finish::Close);
}

#[test]
fn a_cancel_that_nobody_answers_for_is_waited_for_a_bounded_time() {
    let mut world = world(NONE);
    world.ask(&query("SELECT one FROM plain"));
    assert!(world.ask(&query("SET application_name = 'x'")).is_empty());
    world.now.mono_ns = world.out.deadline.unwrap();
    world.input(Input::Deadline);
    world.answer();
    assert_eq!(world.heard(), ["SET", "Z I"]);
    world.lives();
}
