//! Every record is an event that the public schema takes, as `ocsf/check.py` says, which was written from the schema alone.
#![allow(clippy::expect_used, clippy::print_stdout)] // helpers of tests count as no tests

mod log;

use std::io::Write;
use std::process::{Command, Stdio};

use audit::ocsf::{Teller, event};
use audit::segment::{SEGMENT_LEN_MIN, frames};
use log::{CARD, log};
use serde_json::{Value, json};

/// All classes that records become.
const CLASSES: [u64; 6] = [0, 2004, 2006, 3002, 6002, 6005];

fn events() -> Vec<Value> {
    let files = log(1, 60, SEGMENT_LEN_MIN * 4, 7);
    let teller = Teller { host: "host.example", version: "0.1.0" };
    files
        .iter()
        .flat_map(|(_, bytes)| frames(bytes).map(|frame| event(teller, 0, &frame)).collect::<Vec<_>>())
        .collect()
}

/// The exit status of check.py over events, and what it says; `None` where there is no python3.
fn checked(events: &[Value]) -> Option<(i32, String)> {
    let mut command = Command::new("python3");
    command.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/ocsf/check.py")).arg("-");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    child.stdin.take().expect("its input").write_all(lines.join("\n").as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    Some((output.status.code()?, String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn skipped() {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "python3 is missing, and CI needs it");
    println!("SKIPPED: python3 is missing, so events were not checked by the schema");
}

#[test]
fn the_public_schema_takes_every_record() {
    let events = events();
    for class in CLASSES {
        assert!(events.iter().any(|event| event["class_uid"] == class), "no record of class {class}");
    }
    let Some((status, said)) = checked(&events) else { return skipped() };
    assert_eq!(status, 0, "{said}");
    assert!(said.contains(&format!("{} events of 6 classes, 0 not as", events.len())), "{said}");
}

/// A change to an event, and what is said of it.
type Case = (fn(&mut Value), &'static str);

#[test]
fn what_the_schema_does_not_take_is_said() {
    let cases: [Case; 12] = [
        (|event| event["class_uid"] = json!(6004), "class_uid 6004 is none of ours"),
        (|event| event["type_uid"] = json!(600_501), "type_uid is not class_uid * 100 + activity_id"),
        (|event| event["severity_id"] = json!(7), "severity_id is 7, which its enumeration does not have"),
        (|event| event["rows"] = json!(7), "rows is no attribute here"),
        (|event| event["query_info"]["rows"] = json!(7), "query_info.rows is no attribute here"),
        (|event| event["query_info"]["query_string"] = json!(null), "query_info.query_string is null"),
        (
            |event| _ = event["query_info"].as_object_mut().map(|of| of.remove("query_string")),
            "query_info.query_string is required",
        ),
        (|event| _ = event.as_object_mut().map(|of| of.remove("actor")), "actor is required"),
        (|event| event["src_endpoint"]["port"] = json!(70_000), "outside the range of a port_t"),
        (|event| event["src_endpoint"] = json!({ "port": 1 }), "at_least_one of"),
        (|event| event["metadata"]["profiles"] = json!(["host"]), "action_id is of the profile security_control"),
        (|event| event["time"] = json!("now"), "time is no timestamp_t"),
    ];
    let decision = events().into_iter().find(|event| event["unmapped"]["verdict"] == "allow").expect("a decision");
    for (change, expected) in cases {
        let mut event = decision.clone();
        change(&mut event);
        let Some((status, said)) = checked(&[event]) else { return skipped() };
        assert!(status == 1 && said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn what_was_decided_is_said_in_the_schemas_words() {
    let decided = |verdict: &str| {
        let event =
            events().into_iter().find(|event| event["unmapped"]["verdict"] == verdict).expect("such a decision");
        (event["action_id"].as_u64(), event["disposition_id"].as_u64(), event["firewall_rule"]["name"].clone())
    };
    for (verdict, action, disposition) in [("allow", 1, 1), ("hold", 2, 14), ("block", 2, 2), ("would-block", 1, 1)] {
        assert_eq!(decided(verdict), (Some(action), Some(disposition), "agents read".into()), "{verdict}");
    }
    let outcome = events().into_iter().find(|event| event["unmapped"]["type"] == "outcome").expect("an outcome");
    assert_eq!(outcome["disposition_id"], 11, "what left was masked");
}

#[test]
fn no_event_holds_a_card() {
    assert!(events().iter().all(|event| !event.to_string().contains(CARD)));
}
