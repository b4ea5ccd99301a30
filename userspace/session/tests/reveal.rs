//! Clear values, for a while: what is shown, what is not, what is counted, and how it ends.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use audit::RecordType;
use session::{Ask, Asking, Input, Mode, Vote};
use world::{POLICY, World, extended, open, policy, query};

const REVEAL: &str = "
[[reveal]]
name = \"disputes\"
columns = [\"public.payments.pan\", \"public.odds.odd\"]
approvers = [\"group:leads\"]
lasts = \"10m\"
";
const SET: &str = "SET interceptor.reveal = 'ticket 7'";
const SELECT: &str = "SELECT * FROM payments";
const CLEAR: &str = "D 1,4111111111111111,***";
const MASKED: &str = "D 1,411111******1111,***";

fn text() -> String {
    POLICY.to_owned() + REVEAL
}

fn world() -> World {
    World::with(open("reconciler", Mode::Enforce, true), &text()).login()
}

impl World {
    fn asked(&self) -> &Ask {
        fn ask(asking: &Asking) -> Option<&Ask> {
            match asking {
                Asking::Ask(ask) => Some(ask),
                _ => None,
            }
        }
        self.asking.iter().filter_map(ask).next_back().expect("a person is asked")
    }

    fn vote(&mut self, reviewer: &str) -> Vec<String> {
        let ask = self.asked().id;
        self.input(Input::Vote(Box::new(Vote {
            ask,
            approve: true,
            reviewer: reviewer.into(),
            groups: vec!["leads".into()],
            login: "unix socket, uid 1001".into(),
            reason: "fine".into(),
            standing: None,
            break_glass: false,
        })));
        self.answer();
        self.heard()
    }

    fn agree(&mut self) -> Vec<String> {
        assert_eq!(self.vote("ann"), [""; 0], "four eyes");
        self.vote("bob")
    }

    fn shown(&mut self) -> bool {
        let heard = self.ask(&query(SELECT));
        assert!(heard.contains(&CLEAR.to_owned()) != heard.contains(&MASKED.to_owned()), "{heard:?}");
        heard.contains(&CLEAR.to_owned())
    }

    /// The lines of `column=count`, of the records of this type.
    fn counts(&self, wanted: RecordType) -> Vec<String> {
        let records = self.records.iter().filter(|(kind, _)| *kind == wanted.code());
        records
            .flat_map(|(_, payload)| {
                let fields = audit::decode::Fields::of(payload).flatten();
                fields.filter(|(number, _)| *number == audit::field::REVEALED).collect::<Vec<_>>()
            })
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    fn told(&self) -> Vec<String> {
        let say = |asking: &Asking| match asking {
            Asking::Revealing(shown) => Some(format!("shows {}", shown.columns.len())),
            Asking::RevealOver(_, why) => Some((*why).to_owned()),
            _ => None,
        };
        self.asking.iter().filter_map(say).collect()
    }
}

fn shown() -> World {
    let mut world = world();
    world.ask(&query(SET));
    assert_eq!(world.agree(), ["SET", "Z I"]);
    world
}

#[test]
fn people_agree_and_the_column_is_shown_counted_and_on_disk_first() {
    let mut world = world();
    assert!(!world.shown());
    let heard = world.ask(&query(SET));
    assert!(heard[0].contains("held for approval") && heard.len() == 1, "{heard:?}");
    let text = world.asked().text.as_str().to_owned();
    assert_eq!(
        text,
        format!("{SET}\n-- would show clear values of public.payments.pan, public.odds.odd for 600 seconds at most")
    );
    assert_eq!(world.agree(), ["SET", "Z I"]);
    assert_eq!(world.server.log.last().map(String::as_str), Some(SET), "as it is, and the server takes it");
    assert_eq!((world.count(RecordType::Reveal), world.told()), (1, vec!["shows 2".to_owned()]));
    let durable = world.durable;
    world.server.rows = 3;
    assert!(world.shown());
    assert_eq!(world.durable, durable + 1, "the decision on what is shown is on disk before it goes on");
    assert_eq!(world.counts(RecordType::Revealed), ["public.payments.pan=3"]);
    let leaks = |payload: &[u8]| payload.windows(16).any(|window| window == world::PAN.as_bytes());
    assert!(!world.records.iter().any(|(_, payload)| leaks(payload)), "a clear value is in the record");
    world.close();
    assert_eq!(world.counts(RecordType::RevealOver), ["public.payments.pan=3", "public.odds.odd=0"]);
    assert_eq!(world.told(), ["shows 2", "the session ended"]);
}

#[test]
fn only_a_column_that_the_server_names_is_shown() {
    let mut world = shown();
    for (text, expected) in [
        ("SELECT pan FROM payments", "D 4111111111111111"),
        ("SELECT cvv FROM payments", "D ***"),
        ("SELECT ref FROM v_payments", "D 411111******1111"),
        ("SELECT note FROM tickets", "D 411111******1111"),
        ("COPY payments TO STDOUT", "d 1\t411111******1111\t***"),
    ] {
        let heard = world.ask(&query(text));
        assert!(heard.iter().any(|said| said == expected), "{text}: {} lines", heard.len());
    }
    let heard = world.ask(&query("INSERT INTO payments (pan) VALUES ('twice')"));
    assert!(!heard.iter().any(|said| said.contains(world::PAN)), "what an error quotes is not shown");
}

#[test]
fn it_ends_by_itself() {
    type End = (&'static str, fn(&mut World));
    let ends: [End; 8] = [
        ("the agent ended it", |world| drop(world.ask(&query("RESET interceptor.reveal")))),
        ("the agent ended it", |world| drop(world.ask(&query("SET interceptor.reveal TO DEFAULT")))),
        ("the agent ended it", |world| drop(world.ask(&query("RESET ALL")))),
        ("the agent ended it", |world| drop(world.ask(&query("DISCARD ALL")))),
        ("its time is over", |world| {
            world.now.mono_ns = world.out.deadline.expect("a deadline");
            world.input(Input::Deadline);
            world.answer();
        }),
        ("its time is over", |world| world.now.mono_ns += 600_000_000_000),
        ("the policy has changed", |world| world.policy = policy(&format!("{}# a comment", text()))),
        ("a reviewer ended it", |world| {
            let ask = world.asked().id;
            world.input(Input::EndReveal(ask));
        }),
    ];
    for (why, end) in ends {
        let mut world = shown();
        assert!(world.shown());
        end(&mut world);
        assert!(!world.shown(), "{why}");
        assert_eq!(world.told(), ["shows 2", why]);
        assert_eq!(world.counts(RecordType::RevealOver)[0], "public.payments.pan=1");
    }
}

#[test]
fn rows_that_come_after_its_end_are_masked() {
    let mut world = shown();
    world.server.rows = 2;
    let mut bytes = query(SELECT);
    world.input(Input::FromAgent(&mut bytes));
    let mut answer = world.server.take();
    let row = answer.len() - answer.iter().rev().position(|byte| *byte == b'D').expect("rows") - 1;
    let mut second = answer.split_off(row);
    world.input(Input::FromDatabase(&mut answer));
    world.now.mono_ns += 600_000_000_000;
    world.input(Input::FromDatabase(&mut second));
    let heard = world.heard();
    let rows: Vec<&String> = heard.iter().filter(|said| said.starts_with("D ")).collect();
    assert!(rows == [CLEAR, MASKED], "{} rows", rows.len());
    assert_eq!(world.counts(RecordType::Revealed), ["public.payments.pan=1"]);
}

#[test]
fn a_transaction_that_is_rolled_back_takes_it_along() {
    for (end, stays) in [("COMMIT", true), ("ROLLBACK WORK", false)] {
        let mut world = world();
        world.ask(&query("BEGIN"));
        world.ask(&query(SET));
        assert_eq!(world.agree(), ["SET", "Z T"]);
        assert!(world.shown());
        world.ask(&query(end));
        assert_eq!(world.shown(), stays, "{end}");
    }
    let mut world = world();
    world.ask(&query("BEGIN"));
    world.ask(&query(SET));
    world.agree();
    world.ask(&query("DROP TABLE payments"));
    world.ask(&query("ROLLBACK"));
    assert!(!world.shown());
}

#[test]
fn what_is_bound_before_is_not_shown_and_what_is_bound_under_it_is_not_shown_after() {
    let mut world = world();
    world.ask(&extended(&["P s SELECT pan FROM payments", "S"]));
    let run = ["B  s", "D P ", "E ", "S"];
    assert!(world.ask(&extended(&run)).contains(&"D 411111******1111".to_owned()));
    world.ask(&query(SET));
    world.agree();
    assert!(world.ask(&extended(&run)).contains(&"D 4111111111111111".to_owned()));
    assert!(world.ask(&extended(&["B  s", "E ", "S"])).contains(&"D 4111111111111111".to_owned()));
    world.ask(&query("BEGIN"));
    world.ask(&extended(&["B p s", "D P p", "S"]));
    world.now.mono_ns += 600_000_000_000;
    let heard = world.ask(&extended(&["E p", "S"]));
    assert!(heard.contains(&"D 411111******1111".to_owned()), "{} lines", heard.len());
}

#[test]
fn what_is_pipelined_behind_the_question_is_not_shown() {
    let mut world = world();
    let mut bytes = query(SET);
    bytes.extend(query(SELECT));
    world.ask(&bytes);
    let heard = world.agree();
    assert!(heard.contains(&MASKED.to_owned()) || heard.contains(&CLEAR.to_owned()));
    let decided = world.records.iter().filter(|(kind, payload)| {
        *kind == RecordType::Decision.code()
            && audit::decode::Fields::of(payload).flatten().any(|(number, _)| number == audit::field::REVEAL)
    });
    assert_eq!(
        decided.count(),
        usize::from(heard.contains(&CLEAR.to_owned())),
        "nothing is shown but what was decided so"
    );
}

#[test]
fn what_cannot_be_agreed_to_is_refused_and_nobody_is_asked() {
    let mut world = world();
    for (text, said) in [
        ("SET interceptor.reveal = ''", "say why"),
        ("SET LOCAL interceptor.reveal = 'x'", "are asked for by SET"),
        ("SELECT set_config('interceptor.reveal', 'x', false)", "are asked for by SET"),
        ("SET interceptor.reveal = 'x'; SELECT pan FROM payments", "among other statements"),
    ] {
        let heard = world.ask(&query(text));
        assert!(heard[0].starts_with("E ERROR 42501") && heard[0].contains(said), "{text}: {heard:?}");
    }
    assert!(world.asking.is_empty());
    let mut world = World::with(open("reconciler", Mode::Enforce, true), POLICY).login();
    let heard = world.ask(&query(SET));
    assert!(heard[0].contains("no [[reveal]] of the policy"), "{heard:?}");
    let all = POLICY.to_owned()
        + &REVEAL.replace("public.payments.pan", "public.nowhere.x").replace("public.odds.odd", "a.b.c");
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &all).login();
    let heard = world.ask(&query(SET));
    assert!(heard[0].contains("none of the columns"), "{heard:?}");
}

#[test]
fn what_people_did_not_see_is_not_shown() {
    let mut world = world();
    world.ask(&query(SET));
    world.vote("ann");
    world.policy = policy(&text().replace("\"public.odds.odd\"", "\"public.payments.id\""));
    let heard = world.vote("bob");
    assert!(heard[0].starts_with("E ERROR 42501"), "{heard:?}");
    assert!(!world.shown() && world.told().is_empty());
    let mut world = self::world();
    let set = format!("P  {SET}");
    world.ask(&extended(&[&set, "B  ", "H"]));
    world.agree();
    world.policy = policy(&format!("{}# a comment", text()));
    let heard = world.ask(&extended(&["E ", "S"]));
    assert!(heard[0].starts_with("E ERROR 42501"), "{heard:?}");
    assert!(!world.shown() && world.told().is_empty());
}

#[test]
fn a_question_that_fails_shows_nothing() {
    let mut world = world();
    world.ask(&query(SET));
    world.vote("ann");
    world.now.mono_ns += 600_000_000_000;
    world.input(Input::Deadline);
    world.answer();
    assert!(world.heard()[0].contains("expired"));
    assert!(!world.shown() && world.told().is_empty());
}
