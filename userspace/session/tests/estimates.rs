//! Statements that wait for the planner's estimate: below the bound, above it, unknown, late; Query and Bind.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use session::{Asking, Estimate, EstimateAsk, Input, Mode};
use world::{World, extended, open, query};

const SENSITIVE: &str = "[[sensitive]]\ncolumns = [\"public.payments.pan\"]\nkind = \"pan\"\n";
const ANY: &str = "[[rule]]\nname = \"any\"\naction = \"allow\"\n";
const OVER: &str = "[[rule]]\nname = \"large\"\nstatements = [\"select\"]\nestimated_rows_over = 1000\n";
const SELECT: &str = "SELECT id FROM payments";

fn world(action: &str, estimates: bool) -> World {
    let mut open = open("reconciler", Mode::Enforce, true);
    Arc::get_mut(&mut open.database).expect("ours alone").estimates = estimates;
    World::with(open, &format!("{SENSITIVE}{ANY}{OVER}action = \"{action}\"\n")).login()
}

impl World {
    fn asked_planner(&self) -> Vec<EstimateAsk> {
        let of = |asking: &Asking| match asking {
            Asking::Estimate(ask) => Some(EstimateAsk::clone(ask)),
            _ => None,
        };
        self.asking.iter().filter_map(of).collect()
    }

    fn estimate(&mut self, rows: Option<u64>) -> Vec<String> {
        let number = self.asked_planner().last().expect("the planner is asked").number;
        let estimate = rows.map(|rows| Estimate { rows, cost: 7 });
        self.input(Input::Estimated { number, estimate });
        self.answer();
        self.heard()
    }

    fn people(&self) -> Vec<Option<Estimate>> {
        let of = |asking: &Asking| match asking {
            Asking::Ask(ask) => Some(ask.estimate),
            _ => None,
        };
        self.asking.iter().filter_map(of).collect()
    }
}

#[test]
fn nothing_goes_on_before_the_answer_and_the_bound_decides() {
    let mut world = world("block", true);
    for (rows, passes) in [(Some(1000), true), (Some(1001), false), (None, false)] {
        world.server.log.clear();
        assert!(world.ask(&query(SELECT)).is_empty() && world.server.log.is_empty(), "it waits");
        let heard = world.estimate(rows);
        assert_eq!(heard[0].starts_with("E ERROR 42501"), !passes, "{rows:?}: {heard:?}");
        assert_eq!(world.server.log.len(), usize::from(passes));
        assert_eq!(heard.last().unwrap(), "Z I");
    }
    let asked = world.asked_planner();
    assert_eq!(
        (asked.len(), asked[0].text.as_str(), &*asked[0].schemas),
        (3, SELECT, &["pg_catalog".to_owned(), "public".to_owned()][..])
    );
    assert!(!format!("{:?}", asked[0]).contains("payments"), "no word of it is in Debug");
}

/// The planner does not take a COPY, but what it copies.
#[test]
fn of_a_copy_the_query_is_planned() {
    let mut world = world("block", true);
    for (text, planned) in [
        ("COPY (SELECT id FROM payments) TO STDOUT", Some(SELECT)),
        ("COPY /* all */ ( (SELECT id FROM payments) ) TO STDOUT CSV", Some("(SELECT id FROM payments)")),
        ("COPY payments (id) TO STDOUT", None),
    ] {
        let before = world.asked_planner().len();
        world.ask(&query(text));
        let asked = world.asked_planner();
        assert_eq!(asked.get(before).map(|asked| asked.text.trim()), planned, "{text}");
        if planned.is_some() {
            assert!(world.estimate(Some(1001))[0].starts_with("E ERROR 42501"), "{text}");
        }
    }
}

#[test]
fn without_an_answer_it_counts_as_over_and_a_late_one_is_nobodys() {
    let mut world = world("block", true);
    world.ask(&query(SELECT));
    world.now.mono_ns = world.out.deadline.expect("a deadline");
    world.input(Input::Deadline);
    world.answer();
    assert!(world.heard()[0].starts_with("E ERROR 42501"));
    // The answer to the first is no answer to the second.
    world.ask(&query(SELECT));
    let first = world.asked_planner()[0].number;
    world.input(Input::Estimated { number: first, estimate: Some(Estimate { rows: 1, cost: 1 }) });
    world.answer();
    assert!(world.heard().is_empty() && world.server.log.is_empty());
    assert!(world.estimate(Some(1)).iter().any(|said| said.starts_with("D ")));
}

#[test]
fn of_the_extended_protocol_bind_waits_with_its_values() {
    let mut world = world("block", true);
    let heard = world.ask(&extended(&["P  SELECT id FROM payments WHERE id > $1", "B  ", "E ", "S"]));
    assert_eq!(heard, ["1"], "it is read, and not planned");
    assert!(world.server.log.is_empty());
    assert!(world.asked_planner()[0].values.is_some());
    let heard = world.estimate(Some(3));
    assert!(heard.iter().any(|said| said.starts_with("D ")), "{heard:?}");
    world.ask(&extended(&["P  SELECT id FROM payments WHERE id > $1", "B  ", "E ", "S"]));
    let heard = world.estimate(Some(3000));
    assert!(heard.iter().any(|said| said.starts_with("E ERROR 42501")), "{heard:?}");
    assert_eq!(world.server.log.len(), 1);
}

#[test]
fn a_reviewer_is_told_and_no_rule_need_ask_for_it() {
    let mut world = world("hold", true);
    world.ask(&query(SELECT));
    assert!(world.people().is_empty());
    world.estimate(Some(5000));
    assert_eq!(world.people(), [Some(Estimate { rows: 5000, cost: 7 })]);

    let mut open = open("reconciler", Mode::Enforce, true);
    Arc::get_mut(&mut open.database).expect("ours alone").estimates = true;
    let mut world = World::with(open, world::POLICY).login();
    world.ask(&query("UPDATE payments SET id = 1"));
    world.estimate(Some(7));
    assert_eq!(world.people(), [Some(Estimate { rows: 7, cost: 7 })]);
}

#[test]
fn what_planning_could_run_is_not_planned_and_counts_as_over() {
    for (text, estimates) in [
        (SELECT, false),
        ("SELECT 1; SELECT 2", true),
        ("SELECT no_such_function()", true),
        ("SELECT table_to_xml('payments', true, false, '')", true),
        ("SELECT id FROM payments WHERE id = (SELECT count(*) FROM nowhere)", true),
    ] {
        let mut world = world("block", estimates);
        let heard = world.ask(&query(text));
        assert!(heard[0].starts_with("E ERROR 42501"), "{text}: {heard:?}");
        assert!(world.asked_planner().is_empty(), "{text}");
    }
}
