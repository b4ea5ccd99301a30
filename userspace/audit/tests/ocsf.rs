//! Every record is an event that the public schema takes: the attributes that its classes require, with values of their enumerations.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod log;

use audit::ocsf::{Teller, event};
use audit::segment::{SEGMENT_LEN_MIN, frames};
use log::{CARD, log};
use serde_json::Value;

/// Of each class what OCSF 1.3.0 requires beside the base event's own (`events/*/*.json`, `requirement: required`, and
/// `constraints: at_least_one`).
const REQUIRED: &[(u64, &[&str])] = &[
    (0, &[]),
    (2004, &["finding_info"]),
    (2006, &["finding_info"]),
    (3002, &["user", "service"]),
    (6002, &["app"]),
    (6005, &["actor", "src_endpoint", "database", "query_info", "dst_endpoint", "type_id"]),
];

fn events() -> Vec<Value> {
    let files = log(1, 60, SEGMENT_LEN_MIN * 4, 7);
    let teller = Teller { host: "host.example", version: "0.1.0" };
    files
        .iter()
        .flat_map(|(_, bytes)| frames(bytes).map(|frame| event(teller, 0, &frame)).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_record_has_what_its_class_requires() {
    let mut classes = Vec::new();
    for event in events() {
        let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("no {key}"));
        let (class, activity) = (number("class_uid"), number("activity_id"));
        assert_eq!(number("category_uid"), class / 1000);
        assert_eq!(number("type_uid"), class * 100 + activity);
        assert!(
            (1..=4).contains(&number("severity_id")) && number("status_id") <= 2 && number("time") > 1_700_000_000_000
        );
        assert!(activity <= 8 || activity == 99);
        for key in ["version", "uid", "product"] {
            assert!(!event["metadata"][key].is_null(), "metadata lacks {key}");
        }
        let (_, required) = REQUIRED.iter().find(|(known, _)| *known == class).expect("a known class");
        for key in *required {
            assert!(!event[*key].is_null(), "class {class} lacks {key}");
        }
        classes.push(class);
    }
    for (class, _) in REQUIRED {
        assert!(classes.contains(class), "no record of class {class}");
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
