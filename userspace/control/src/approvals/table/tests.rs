//! Held statements, as people see and decide them.

use std::sync::Arc;

use super::standing;
use super::*;
use crate::approvals::{Answer, Given, Granting, Login, Rule};

fn rule(name: &str, approvers: &[&str], approvals: u32) -> Rule {
    let approvers: Vec<String> = approvers.iter().map(|word| (*word).to_owned()).collect();
    let terms = policy::Terms {
        rule: name.to_owned(),
        approvers: approvers.clone(),
        approvals,
        expires_s: 600,
        ..policy::Terms::default()
    };
    let terms = Arc::new(terms);
    Rule { name: name.to_owned(), approvers, approvals, all_groups: false, break_glass: vec![], message: None, terms }
}

fn ask(id: &str, agent: &str, rules: Vec<Rule>) -> Ask {
    Ask {
        id: id.to_owned(),
        session: 7,
        agent: agent.to_owned(),
        groups: vec![],
        uid: 1000,
        pid: 1,
        executable: "psql".into(),
        cgroup: 1,
        agent_address: "127.0.0.1:4".into(),
        database: "payments".into(),
        dbname: "app".into(),
        database_user: "app".into(),
        application: "psql".into(),
        request: "query",
        text: "DELETE FROM t".into(),
        redacted: false,
        kinds: vec!["delete"],
        tables: vec!["public.t".into()],
        parameters: vec![],
        rules,
        policy: "ab".into(),
        record: "0-1".into(),
        asked_s: 100,
        expires_s: 700,
        ..Ask::default()
    }
}

fn reviewer(name: &str, uid: u32, groups: &[&str]) -> Reviewer {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Reviewer { name: name.to_owned(), uid: Some(uid), subject: (name == "ann").then(|| "a1".into()), groups }
}

fn people() -> Vec<Reviewer> {
    vec![
        reviewer("ann", 1, &["leads"]),
        reviewer("bob", 2, &["leads"]),
        reviewer("eve", 3, &[]),
        reviewer("own", 1000, &["leads"]),
    ]
}

fn table(approvals: u32) -> Approvals {
    let table = Approvals::new(Limits::default(), people());
    assert!(table.asked(ask("A", "reconciler", vec![rule("r", &["group:leads"], approvals)])));
    table
}

fn at(proved_s: u64) -> Login {
    Login { words: "unix socket".into(), proved_s }
}

fn say(table: &Approvals, id: &str, uid: u32, approve: bool) -> Result<Vote, Rejected> {
    let reviewer = table.reviewer(uid)?;
    let answer = if approve { Answer::Approve } else { Answer::Deny };
    table.decide(id, reviewer, &at(200), answer, "ticket 7", 200)
}

#[test]
fn the_first_word_wins_and_the_second_is_told() {
    let table = table(1);
    let vote = say(&table, "A", 1, true).expect("it counts");
    assert_eq!((vote.session, vote.reviewer.as_str()), (7, "ann"));
    assert_eq!(say(&table, "A", 2, false), Err(Rejected::Decided("ann".into())));
    assert!(table.heard("A").is_none(), "the session has not answered");
    table.over("A", State::Approved, "approved", 201);
    let heard = table.heard("A").expect("it is over");
    assert_eq!((heard.state, heard.why.as_deref()), (State::Approved, Some("by ann: ticket 7")));
    let over = Rejected::Over { state: State::Approved, why: "by ann: ticket 7".into() };
    assert_eq!(say(&table, "A", 2, false), Err(over));
}

#[test]
fn who_may_not_is_told_why() {
    let table = table(1);
    for (id, uid, expected) in [
        ("B", 1, Rejected::Unknown),
        ("A", 3, Rejected::NoApprover),
        ("A", 1000, Rejected::Own),
        ("A", 99, Rejected::NoReviewer(99)),
    ] {
        assert_eq!(say(&table, id, uid, true), Err(expected.clone()), "{expected}");
    }
    let ann = reviewer("ann", 1, &["leads"]);
    for why in ["", " \n ", &"x".repeat(1025)] {
        assert_eq!(table.decide("A", &ann, &at(200), Answer::Approve, why, 200), Err(Rejected::Reason));
    }
    let late = table.decide("A", &ann, &at(200), Answer::Approve, "fine", 700);
    assert!(matches!(late, Err(Rejected::Over { state: State::Expired, .. })));
}

#[test]
fn two_must_approve() {
    let table = table(2);
    say(&table, "A", 1, true).expect("it counts");
    assert_eq!(say(&table, "A", 1, true), Err(Rejected::Again));
    assert!(table.heard("A").is_none());
    table.counted("A", 1);
    assert_eq!(table.heard("A").expect("counted").state, State::Pending);
    say(&table, "A", 2, true).expect("it counts");
    assert_eq!(say(&table, "A", 1, false), Err(Rejected::Decided("bob".into())));
}

#[test]
fn one_may_deny_what_two_must_approve() {
    let table = table(2);
    say(&table, "A", 1, true).expect("it counts");
    say(&table, "A", 1, false).expect("on second thought");
    assert_eq!(say(&table, "A", 2, true), Err(Rejected::Decided("ann".into())));
}

#[test]
fn every_rule_wants_its_own_people() {
    let table = Approvals::new(Limits::default(), people());
    table.asked(ask("A", "reconciler", vec![rule("r", &["group:leads"], 1), rule("s", &["eve"], 1)]));
    say(&table, "A", 1, true).expect("one of two");
    assert!(table.table().pending["A"].decided_by.is_none());
    say(&table, "A", 3, true).expect("the other");
    assert_eq!(table.table().pending["A"].decided_by.as_deref(), Some("eve"));
}

#[test]
fn every_group_must_have_spoken() {
    let mut both = rule("r", &["group:leads", "group:security"], 2);
    Arc::make_mut(&mut both.terms).all_groups = true;
    let table = Approvals::new(Limits::default(), vec![]);
    table.asked(ask("A", "reconciler", vec![both]));
    let say = |name: &str, groups: &[&str]| {
        table.decide("A", &reviewer(name, 9, groups), &at(200), Answer::Approve, "ticket 7", 200).expect("it counts");
        table.table().pending["A"].decided_by.clone()
    };
    assert_eq!((say("ann", &["leads", "security"]), say("bob", &["leads"])), (None, Some("bob".into())));
}

#[test]
fn whoever_may_break_glass_decides_alone_and_nobody_about_their_own() {
    let held = || {
        let mut held = rule("r", &["group:leads"], 2);
        Arc::make_mut(&mut held.terms).break_glass = vec!["group:oncall".into()];
        Arc::make_mut(&mut held.terms).max_age_s = Some(60);
        let table = Approvals::new(Limits::default(), vec![]);
        table.asked(ask("A", "reconciler", vec![held]));
        table
    };
    let say = |table: &Approvals, uid, groups: &[&str], proved_s, answer| {
        table.decide("A", &reviewer("eve", uid, groups), &at(proved_s), answer, "the house burns", 200)
    };
    for (uid, groups, proved_s, answer, expected) in [
        (9, &["oncall"], 200, Answer::BreakGlass, None),
        (9, &["leads"], 200, Answer::BreakGlass, Some(Rejected::NoBreakGlass)),
        (9, &["oncall"], 200, Answer::Approve, Some(Rejected::NoApprover)),
        (9, &["oncall"], 139, Answer::BreakGlass, Some(Rejected::Stale(60))),
        (1000, &["oncall"], 200, Answer::BreakGlass, Some(Rejected::Own)),
    ] {
        assert_eq!(say(&held(), uid, groups, proved_s, answer).err(), expected, "{groups:?}");
    }
    let table = held();
    let vote = say(&table, 9, &["oncall"], 200, Answer::BreakGlass).expect("it counts");
    assert!(vote.approve && vote.break_glass);
    assert_eq!(table.table().pending["A"].decided_by.as_deref(), Some("eve"));
    assert!(table.get("A").is_some_and(|one| one.words[0].break_glass));
    let table = held();
    say(&table, 9, &["leads", "oncall"], 200, Answer::Approve).expect("the first of two");
    say(&table, 9, &["leads", "oncall"], 200, Answer::BreakGlass).expect("nobody else is awake");
    assert_eq!(table.table().pending["A"].decided_by.as_deref(), Some("eve"));
}

#[test]
fn people_of_the_provider_are_told_apart_by_their_subject() {
    let table = table(2);
    let staff = |subject: &str| table.person("oidc", subject, &["leads".to_owned()]);
    assert_eq!((staff("a1").name.as_str(), staff("a1").uid), ("ann", Some(1)), "a configured person");
    assert_eq!((staff("ann").name.as_str(), staff("ann").uid), ("oidc:ann", None), "a subject takes no name");
    let say = |person: &Reviewer| table.decide("A", person, &at(200), Answer::Approve, "fine", 200);
    assert!(say(&staff("a1")).is_ok());
    assert_eq!(say(table.reviewer(1).expect("ann")), Err(Rejected::Again), "the same person by another way");
    assert_eq!(say(&table.person("oidc", "z9", &[])), Err(Rejected::NoApprover));
    let vote = say(&staff("z9")).expect("it counts");
    assert_eq!((vote.reviewer.as_str(), vote.groups.as_slice()), ("oidc:z9", &["leads".to_owned()][..]));
    assert_eq!(table.table().pending["A"].decided_by.as_deref(), Some("oidc:z9"), "two have approved");
}

#[test]
fn a_login_that_is_too_old_does_not_count() {
    let fresh = |max_age_s| {
        let mut rule = rule("r", &["group:leads"], 1);
        rule.terms = Arc::new(policy::Terms { max_age_s: Some(max_age_s), ..(*rule.terms).clone() });
        rule
    };
    let held = || {
        let table = Approvals::new(Limits::default(), people());
        table.asked(ask("A", "reconciler", vec![fresh(600), fresh(60), rule("s", &["eve"], 1)]));
        table
    };
    for (uid, proved_s, expected) in
        [(1, 139, Some(Rejected::Stale(60))), (1, 0, Some(Rejected::Stale(60))), (1, 140, None), (3, 0, None)]
    {
        let table = held();
        let said = table.decide("A", table.reviewer(uid).expect("known"), &at(proved_s), Answer::Approve, "fine", 200);
        assert_eq!(said.err(), expected, "{uid} {proved_s}");
    }
}

#[test]
fn a_word_that_did_not_arrive_was_not_said() {
    let table = table(1);
    let vote = say(&table, "A", 1, true).expect("it counts");
    table.take_back(&vote);
    assert!(table.get("A").expect("it waits").words.is_empty());
    assert!(say(&table, "A", 2, false).is_ok());
}

fn covering(covers_s: u32) -> Approvals {
    let mut rule = rule("r", &["group:leads"], 1);
    Arc::make_mut(&mut rule.terms).covers_s = Some(covers_s);
    let table = Approvals::new(Limits::default(), people());
    assert!(table.asked(ask("A", "reconciler", vec![rule.clone()])));
    assert_eq!(table.standing("A", 200), [], "nobody has spoken");
    say(&table, "A", 1, true).expect("it counts");
    table.over("A", State::Approved, "approved", 201);
    for one in table.covers("A", 201) {
        assert!(table.stand(one, 201));
    }
    table
}

#[test]
fn an_approval_covers_the_same_statement_for_its_window_and_never_another() {
    let rules = |covers_s| {
        let mut rule = rule("r", &["group:leads"], 1);
        Arc::make_mut(&mut rule.terms).covers_s = covers_s;
        vec![rule]
    };
    let usual = || ask("B", "reconciler", rules(Some(900)));
    for (asked, now_s, expected) in [
        (usual(), 1099, true),
        (usual(), 1100, false),
        (Ask { binding: [1; 32], ..usual() }, 300, false),
        (Ask { agent: "loader".into(), ..usual() }, 300, false),
        (Ask { database: "ledger".into(), ..usual() }, 300, false),
        (Ask { policy: "cd".into(), ..usual() }, 300, false),
        (Ask { uid: 1, ..usual() }, 300, false),
        (ask("B", "reconciler", rules(None)), 300, false),
    ] {
        let table = covering(900);
        assert!(table.asked(asked));
        let votes = table.standing("B", now_s);
        assert_eq!(votes.len(), usize::from(expected), "{now_s}");
        let Some(vote) = votes.first() else { continue };
        let given = Given { approval: "A".into(), at_s: 200, rule: None };
        assert_eq!((vote.reviewer.as_str(), vote.standing.as_ref()), ("ann", Some(&given)));
        table.over("B", State::Approved, "approved", now_s);
        assert!(table.covers("B", now_s).is_empty(), "what is covered covers nothing itself");
        // Nor does an emergency.
        let mut broken = table.get("A").expect("remembered");
        broken.words[0].break_glass = true;
        assert!(standing::covered(&broken, now_s).is_empty());
    }
    let table = covering(900);
    assert_eq!(table.list(300).standing.len(), 1);
    assert!(table.take_back_standing("A").is_some() && table.list(300).standing.is_empty());
}

#[test]
fn what_a_person_grants_is_of_one_rule_and_counts_for_it() {
    let mut held = rule("r", &["group:leads"], 1);
    Arc::make_mut(&mut held.terms).grant_s = Some(3600);
    let granting = |for_s| Granting {
        id: "G".into(),
        terms: Arc::clone(&held.terms),
        agent: "reconciler".into(),
        database: "payments".into(),
        policy: "ab".into(),
        for_s,
    };
    let table = Approvals::new(Limits::default(), people());
    let by = |uid, for_s| granting(for_s).by(table.reviewer(uid).expect("one"), &at(100), "the night job", 100);
    assert_eq!(by(1, 3601), Err(Rejected::TooLong(3600)));
    assert_eq!(by(1, 0), Err(Rejected::TooLong(3600)));
    assert_eq!(by(3, 60), Err(Rejected::NoApprover));
    assert!(table.stand(by(1, 600).expect("it counts"), 100));
    for (asked, now_s, expected) in [
        (ask("A", "reconciler", vec![held.clone()]), 699, true),
        (ask("B", "reconciler", vec![held.clone()]), 200, true),
        (ask("C", "loader", vec![held.clone()]), 200, false),
        (ask("D", "reconciler", vec![rule("s", &[], 1)]), 200, false),
        (ask("E", "reconciler", vec![held.clone()]), 700, false),
    ] {
        let id = asked.id.clone();
        assert!(table.asked(asked));
        let votes = table.standing(&id, now_s);
        assert_eq!(votes.len(), usize::from(expected), "{id}");
        assert!(
            votes.iter().all(|vote| vote.standing.as_ref().is_some_and(|given| given.rule.as_deref() == Some("r")))
        );
    }
}

#[test]
fn what_may_wait_is_bounded() {
    let limits = Limits { pending: 4, per_agent: 2, per_database: 3, bytes: 60, history: 2 };
    let table = Approvals::new(limits, people());
    let asked = |id: &str, agent: &str| table.asked(ask(id, agent, vec![rule("r", &[], 1)]));
    assert!(asked("A", "a") && asked("B", "a") && !asked("C", "a"), "two of one agent");
    assert!(!asked("A", "b"), "an id twice");
    assert!(asked("C", "b") && !asked("D", "b"), "three of one database");
    for id in ["A", "B", "C"] {
        table.over(id, State::Cancelled, "the agent left", 300);
    }
    assert_eq!((table.pending(), table.list(300).over.len()), (0, 2));
    assert!(asked("E", "a"));
    let mut long = ask("F", "b", vec![rule("r", &[], 1)]);
    long.text = "x".repeat(48);
    assert!(!table.asked(long), "too many bytes");
    assert_eq!(table.list(1000).over[0].state, State::Expired, "its end was not told");
}

#[test]
fn a_reason_is_one_masked_line() {
    let table = table(1);
    let ann = reviewer("ann", 1, &["leads"]);
    let vote = table
        .decide("A", &ann, &at(200), Answer::Approve, " refund\n4111111111111111\x1b[2J ", 200)
        .expect("it counts");
    assert!(vote.reason == "refund 411111******1111 [2J");
}

#[test]
fn ten_thousand_are_asked_about() {
    let limits = Limits { pending: 10_000, per_agent: 10_000, per_database: 10_000, ..Limits::default() };
    let table = Approvals::new(limits, people());
    for number in 0..10_001 {
        let taken = table.asked(ask(&number.to_string(), "a", vec![rule("r", &[], 1)]));
        assert_eq!(taken, number < 10_000);
    }
    assert_eq!(table.list(200).pending.len(), 10_000);
}
