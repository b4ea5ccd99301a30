//! Events to bytes and back, and what may not be in either.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod log;

use audit::decode::Fields;
use audit::segment::frames;
use audit::token::CardKey;
use audit::{Event, RecordType, Text, field, show};
use log::{CARD, Parts, Writer};
use pan::Masked;
use serde_json::{Value, json};

/// What a reader makes of each event.
fn shown() -> Vec<(Value, String)> {
    let mut writer = Writer::new(3, 1, 1 << 20, u64::MAX);
    for (kind, payload) in Parts::new().payloads() {
        writer.append(kind, &payload);
    }
    let memory = writer.memory;
    frames(&memory).map(|frame| (show::json(3, &frame), show::line(3, &frame))).collect()
}

fn of_type(name: &str) -> Value {
    shown().into_iter().map(|(json, _)| json).find(|json| json["type"] == name).expect("an event of this type")
}

#[test]
fn every_type_is_encoded_and_read_back() {
    let shown = shown();
    for kind in RecordType::ALL.iter().filter(|kind| kind.code() < 240) {
        assert!(shown.iter().any(|(json, _)| json["type"] == kind.name()), "{kind}");
        assert_eq!(RecordType::of(kind.code()), Some(*kind));
    }
    assert!(shown.iter().all(|(json, _)| json.get("malformed").is_none()));
    assert!(shown.iter().flat_map(|(json, _)| json.as_object()).flatten().all(|(_, value)| !value.is_null()));
}

#[test]
fn a_decision_says_all_that_it_was_told() {
    let decision = of_type("decision");
    let name = Masked::of(&format!("n{CARD} x"));
    let expected = json!({
        "success": true, "agent": "reconciler", "cgroup": 7, "pid": 4711, "uid": 1000, "exe_device": 64769,
        "exe_inode": 131_072, "exe_name": name.as_str(), "database": "payments", "dbname": name.as_str(),
        "database_user": name.as_str(), "application": name.as_str(), "agent_address": "127.0.0.1:40000",
        "database_address": "[2001:db8::1]:5432", "request": "query", "kinds": ["select", "delete"],
        "tables": [name.as_str(), "public.customers"], "text_bytes": 52, "redacted": true, "verdict": "allow",
        "reason": name.as_str(), "rule": "agents read", "policy": "ab12", "number": 3, "session": 5,
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&decision[key], value, "{key}");
    }
    assert!(decision["text"].as_str().expect("the text").ends_with("-- naïve"));
    // Of the text and of the parameters; in letters that nothing takes for a card number, wherever it goes.
    let token = CardKey::derived(log::SECRET).expect("a key").token(CARD.as_bytes()).to_string();
    assert_eq!(decision["card_tokens"], json!([token, token]));
    assert_eq!((&decision["parameters"], &decision["parameters_unread"]), (&json!([name.as_str()]), &json!(70_000)));
    assert_eq!(Masked::of(&token).as_str(), token);
    let line = shown().into_iter().find(|(json, _)| json == &decision).expect("the same").1;
    assert!(line.ends_with(&format!("-- $1 = {}", name.as_str())));
}

#[test]
fn an_approval_has_the_six_points_of_pci_8_6_1() {
    let approval = of_type("approval");
    let points = &approval["pci_8_6_1"];
    let name = Masked::of(&format!("n{CARD} x"));
    assert_eq!(
        *points,
        json!({
            "exceptional_need": name.as_str(), "time_limit": "2026-09-21T14:23:20.000000000Z",
            "justification": name.as_str(), "approval": true, "identity_confirmed": "unix socket, uid 1001",
            "attributable": { "agent": "reconciler", "database_user": name.as_str(), "reviewer": "ann" },
        })
    );
    assert_eq!(of_type("ask")["parameters"], json!([name.as_str()]));
    assert_eq!(of_type("ask-over")["decision"], approval["decision"]);
}

#[test]
fn an_outcome_and_counters_say_all_that_they_were_told() {
    let outcome = of_type("outcome");
    for (key, value) in [("rows", 3), ("bytes", 400), ("masked", 2), ("sensitive", 1), ("duration_ns", 1_000_000)] {
        assert_eq!(outcome[key], value, "{key}");
    }
    assert_eq!(outcome["decision"], "3-300");
    assert_eq!(outcome["sqlstate"], "?????", "sixteen digits are no SQLSTATE");
    assert_eq!(outcome["success"], false);
    assert_eq!(of_type("counters")["counters"], json!(["swept=0", "refused=10", "dropped=18446744073709551615"]));
}

#[test]
fn what_root_does_begins_is_done_or_fails() {
    let cases = [
        ("attach", "begins", Value::Null, "begins", " BEGINS"),
        ("detach", "done", true.into(), "success", ""),
        ("admission", "failed", false.into(), "failure", " FAILED"),
    ];
    for (kind, stage, success, outcome, end) in cases {
        let (json, line) = shown().into_iter().find(|(json, _)| json["type"] == kind).expect("it is there");
        assert_eq!(
            (&json["stage"], &json["success"], &json["pci"]["outcome"]),
            (&stage.into(), &success, &outcome.into())
        );
        assert_eq!((line.contains("FAILED"), line.contains("BEGINS")), (end == " FAILED", end == " BEGINS"), "{kind}");
    }
}

#[test]
fn every_event_has_the_six_fields_of_pci_10_2_2() {
    for (json, line) in shown() {
        for key in ["user", "type", "time", "outcome", "origination", "resource"] {
            let value = json["pci"][key].as_str().expect("a text");
            assert!(!value.is_empty(), "{}: {key}", json["type"]);
        }
        assert!(line.starts_with(json["time"].as_str().expect("a time")), "{}", json["type"]);
        assert_eq!(line.lines().count(), 1);
    }
}

#[test]
fn no_event_holds_a_card_in_any_form() {
    let parts = Parts::new();
    for event in parts.events() {
        assert!(!format!("{event:?}").contains(CARD), "{}", event.record_type());
    }
    for (kind, payload) in parts.payloads() {
        assert!(!payload.windows(CARD.len()).any(|window| window == CARD.as_bytes()), "type {kind}");
    }
    for (json, line) in shown() {
        for text in [json.to_string(), line] {
            assert_eq!(Masked::of(&text).as_str(), text, "the strict scan finds something in {}", json["type"]);
        }
    }
}

#[test]
fn a_foreign_record_is_masked_when_shown() {
    let mut payload = vec![field::MESSAGE, CARD.len() as u8];
    payload.extend_from_slice(CARD.as_bytes());
    let mut writer = Writer::new(0, 1, 1 << 16, u64::MAX);
    writer.append(RecordType::Canary.code(), &payload);
    let frame = frames(&writer.memory).next().expect("the record");
    assert!(!show::json(0, &frame).to_string().contains(CARD));
    assert!(!show::line(0, &frame).contains(CARD));
}

#[test]
fn unknown_fields_pass_and_damaged_ones_are_named() {
    let cases: [(&[u8], Value); 4] = [
        (&[200, 2, 9, 9, field::ROWS, 1, 7], json!({"rows": 7})),
        (&[field::ROWS, 1, 7, field::PID, 3, 1], json!({"rows": 7, "malformed": true})),
        (&[field::ROWS, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1], json!({"rows": null})),
        (&[field::ROWS, 0xff, 0xff, 0xff, 0xff, 1], json!({"malformed": true})),
    ];
    for (payload, expected) in cases {
        let mut writer = Writer::new(0, 1, 1 << 16, u64::MAX);
        writer.append(RecordType::Outcome.code(), payload);
        let frame = frames(&writer.memory).next().expect("the record");
        let json = show::json(0, &frame);
        for (key, value) in expected.as_object().expect("an object") {
            assert_eq!(json.get(key), Some(value), "{key}");
        }
    }
}

#[test]
fn long_texts_and_lists_are_cut_and_say_so() {
    let long = Masked::of(&"é".repeat(audit::TEXT_MAX));
    let tables = vec![Masked::of(&"ü".repeat(300)); audit::LIST_MAX + 5];
    let part = audit::StatementPart::of(&audit::Statement {
        kinds: &["select"],
        tables: &tables,
        text: Text::Masked(&long),
        text_bytes: 2 * audit::TEXT_MAX as u64,
        redacted: false,
        tokens: &audit::token::CardTokens::default(),
    });
    let parts = Parts::new();
    let decided = audit::Decided {
        actor: &parts.actor,
        statement: &part,
        verdict: &parts.verdicts[0],
        parameters: None,
        request: "query",
        approval: None,
        reveal: None,
        number: 1,
    };
    let mut payload = Vec::new();
    audit::encode(&Event::Decision(decided), &mut payload);
    assert!(payload.len() <= audit::PAYLOAD_MAX);
    let fields: Vec<(u8, &[u8])> = Fields::of(&payload).map(|field| field.expect("a field")).collect();
    let of = |number| fields.iter().filter(move |(n, _)| *n == number).map(|(_, value)| *value);
    assert_eq!(of(field::TEXT).map(<[u8]>::len).collect::<Vec<_>>(), [audit::TEXT_MAX]);
    assert_eq!(of(field::TABLE).map(<[u8]>::len).collect::<Vec<_>>(), [audit::NAME_MAX; audit::LIST_MAX]);
    assert_eq!(of(field::OMITTED).next(), Some(&[5u8][..]));
    assert!(fields.iter().filter(|(n, _)| *n == field::TABLE).all(|(_, value)| std::str::from_utf8(value).is_ok()));
}

#[test]
fn no_text_can_read_like_a_frame() {
    let text = Masked::of("a\0b\0");
    let parts = Parts::new();
    let mut payload = Vec::new();
    audit::encode(
        &Event::Own { actor: &parts.actor, purpose: "test", text: Text::Masked(&text), number: 1 },
        &mut payload,
    );
    let of_text = Fields::of(&payload).map(|field| field.expect("a field")).find(|(number, _)| *number == field::TEXT);
    assert_eq!(of_text, Some((field::TEXT, &b"a?b?"[..])));
}

#[test]
fn encoding_into_used_memory_allocates_nothing_more() {
    let parts = Parts::new();
    let mut out = Vec::new();
    parts.events().iter().for_each(|event| audit::encode(event, &mut out));
    let (capacity, bytes) = (out.capacity(), out.clone());
    out.clear();
    parts.events().iter().for_each(|event| audit::encode(event, &mut out));
    assert_eq!((out.capacity(), out), (capacity, bytes));
}
