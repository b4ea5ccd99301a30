//! Who is asked, what they see, and whose word counts.

use super::*;

/// A person is asked about a search for a whole value for just that, and a yes answers it; what asks in another way stays refused.
#[test]
fn a_search_for_a_whole_value_may_wait_for_a_person() {
    let text = "\n[[rule]]\nname = \"searches\"\nstatements = [\"select\"]\nmatch = true\naction = \"hold\"\napprovers = [\"group:leads\"]\n";
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &format!("{POLICY}{text}")).login();
    let search = "SELECT id FROM payments WHERE pan = '4'";
    let heard = world.ask(&query(search));
    assert!(heard[0].starts_with("E NOTICE 00000 held for approval"), "{heard:?}");
    assert!(world.server.log.is_empty());
    assert!(world.approve().iter().any(|said| said.starts_with("D ")));
    assert_eq!(world.server.log, [search]);
    for text in ["SELECT id FROM payments WHERE pan LIKE '4%'", "SELECT id FROM payments WHERE pan = '4' AND pan < '5'"]
    {
        assert!(world.ask(&query(text))[0].starts_with("E ERROR 42501"), "{text}");
    }
    world.lives();
}

#[test]
fn the_reviewer_sees_the_parameters_masked() {
    let mut world = World::ready();
    let mut bytes = extended(&["P  UPDATE payments SET id = $1"]);
    encode::bind(&mut bytes, b"", b"", &[], &[Some(world::PAN.as_bytes()), None], &[]).unwrap();
    bytes.extend(extended(&["E ", "S"]));
    world.ask(&bytes);
    let shown: Vec<&str> = world.asked().parameters.iter().map(|value| value.as_str()).collect();
    assert!(shown == ["411111******1111", "NULL"], "{} parameters", shown.len());
    assert_eq!(world.asked().tables.iter().map(|t| t.as_str()).collect::<Vec<_>>(), ["payments"]);
    let sensitive: Vec<&str> = world.asked().sensitive.iter().map(|column| column.as_str()).collect();
    assert_eq!(sensitive, ["public.payments.pan (pan)"], "of its table, though it names none");
    let mut world = World::ready();
    let mut bytes = extended(&["P  UPDATE payments SET cvv = $1 WHERE id = 737"]);
    encode::bind(&mut bytes, b"", b"", &[], &[Some(b"737")], &[]).unwrap();
    bytes.extend(extended(&["E ", "S"]));
    world.ask(&bytes);
    assert!(world.asked().redacted && !format!("{:?}", world.asked()).contains(world::CVV));
    assert!(world.records.iter().all(|(_, payload)| !payload.windows(3).any(|w| w == world::CVV.as_bytes())));
}

#[test]
fn as_many_people_as_the_rule_asks_for() {
    let text = POLICY.replace("action = \"hold\"", "action = \"hold\"\napprovals = 2");
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &text).login();
    world.ask(&query(UPDATE));
    for (reviewer, groups) in [("ann", &["leads"][..]), ("ann", &["leads"]), ("bob", &["others"]), ("leads", &[])] {
        world.vote(true, reviewer, groups, "fine");
        assert_eq!(world.heard(), [""; 0], "{reviewer}");
    }
    let id = world.asked().id;
    assert!(matches!(world.asking[1..], [Asking::Counted(of, 1)] if of == id), "{:?}", world.asking);
    assert_eq!(world.count(RecordType::Approval), 1);
    world.vote(true, "cyd", &["leads"], "fine");
    assert_eq!(world.heard(), ["SET", "Z I"]);
    // The one who approved may think better of it, while the other one has not spoken.
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &text).login();
    world.ask(&query(UPDATE));
    world.vote(true, "ann", &["leads"], "fine");
    world.vote(false, "ann", &["leads"], "on second thought");
    assert!(world.heard()[0].contains("on second thought"));
}

#[test]
fn every_group_must_have_spoken() {
    let policy = POLICY.replace(
        "approvers = [\"group:leads\"]",
        "approvers = [\"group:leads\", \"group:security\"]\napprovals = \"all-groups\"",
    );
    let mut world = World::with(open("reconciler", Mode::Enforce, true), &policy).login();
    world.ask(&query(UPDATE));
    world.vote(true, "ann", &["leads"], "fine");
    world.vote(true, "bob", &["leads"], "fine");
    world.vote(true, "ann", &["leads", "security"], "for both");
    assert!(world.server.log.is_empty(), "nobody of security but one who speaks for leads");
    world.vote(true, "eve", &["security"], "fine");
    assert_eq!(world.server.log, [UPDATE]);
}

#[test]
fn one_person_breaks_glass_where_the_rule_says_so_and_every_rule_must() {
    let rule = "\n[[rule]]\nname = \"also\"\nstatements = [\"update\"]\naction = \"hold\"\napprovers = [\"bob\"]\n";
    let two = POLICY.replace(
        "approvers = [\"group:leads\"]",
        "approvers = [\"group:leads\"]\napprovals = 2\nbreak_glass = [\"eve\"]",
    );
    for (policy, by, break_glass, ran) in [
        (two.clone(), "eve", true, true),
        (two.clone(), "eve", false, false),
        (two.clone(), "mal", true, false),
        (POLICY.to_owned(), "eve", true, false),
        (two.clone() + rule, "eve", true, false),
        (two + rule + "break_glass = [\"eve\"]\n", "eve", true, true),
    ] {
        let mut world = World::with(open("reconciler", Mode::Enforce, true), &policy).login();
        world.ask(&query(UPDATE));
        let vote = Vote {
            ask: world.asked().id,
            approve: true,
            reviewer: by.into(),
            groups: vec![],
            login: "unix socket, uid 1001".into(),
            reason: "the house burns".into(),
            standing: None,
            break_glass,
        };
        world.say(vote.clone());
        assert_eq!(!world.server.log.is_empty(), ran, "{by} {break_glass}");
        world.say(Vote { approve: false, ..vote });
        assert_eq!(!world.server.log.is_empty(), ran, "to deny is no emergency");
    }
}

#[test]
fn a_word_about_another_id_or_out_of_time_changes_nothing() {
    let mut world = held();
    let right = world.asked().id;
    let vote = |ask| Vote {
        ask,
        approve: true,
        reviewer: "ann".into(),
        groups: vec!["leads".into()],
        login: String::new(),
        reason: String::new(),
        standing: None,
        break_glass: false,
    };
    world.say(vote(AskId::of(99)));
    assert_eq!((world.heard(), world.ends()), (vec![], vec![AskEnd::Gone]));
    world.now.mono_ns += 600_000_000_000;
    world.say(vote(right));
    assert!(world.heard()[0].contains("expired"));
    assert!(world.server.log.is_empty());
    world.lives();
}

#[test]
fn a_block_beside_a_hold_blocks() {
    let mut world = World::ready();
    world.ask(&query("PREPARE u AS UPDATE payments SET id = 1"));
    assert_eq!(world.approve(), ["PREPARE", "Z I"]);
    world.asking.clear();
    for text in [
        "UPDATE payments SET id = 1; DROP TABLE payments",
        "EXECUTE u; SET standard_conforming_strings = off",
        "EXECUTE u; EXECUTE nobody",
        "UPDATE payments SET id = 1; EXECUTE nobody",
        "UPDATE payments SET id = 1; SET standard_conforming_strings = off",
    ] {
        let heard = world.ask(&query(text));
        assert!(heard[0].starts_with("E ERROR") && heard[1] == "Z I", "{text}: {heard:?}");
        assert!(world.asking.is_empty(), "{text}");
    }
    world.ask(&query("EXECUTE u"));
    assert_eq!(world.asked().text.as_str(), "EXECUTE u\n-- EXECUTE runs:\nUPDATE payments SET id = 1");
    assert_eq!(world.approve().last().unwrap(), "Z I");
}
