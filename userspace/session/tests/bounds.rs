//! How much of a result may leave.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use session::{Finish, Mode};
use world::{World, open, query};

const ONE: &str = "
[[rule]]
name = \"one\"
statements = [\"select\", \"copy-out\", \"session\"]
rows_over = 1
action = \"allow\"
";

#[test]
fn a_row_beyond_the_bound_ends_the_statement_and_says_so() {
    let mut world = World::with(open("reconciler", Mode::Enforce, true), ONE).login();
    let heard = world.ask(&query("SELECT one FROM plain"));
    assert!(heard.iter().any(|said| said.starts_with("D")), "the first row: {heard:?}");
    let heard = world.ask(&query("SELECT one FROM plain; SELECT one FROM plain"));
    assert_eq!(heard.iter().filter(|said| said.starts_with("D")).count(), 1, "{heard:?}");
    assert!(heard.iter().any(|said| said.starts_with("E FATAL 54000 more than 1 rows")), "{heard:?}");
    assert_eq!(world.finished, Finish::Close);
}
