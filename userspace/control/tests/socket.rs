//! The socket from both ends.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod stand;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use control::approvals::State;
use control::{Mode, ServeError, Settings, Source, client, serve};
use stand::{Folder, Service, ask, own_uid, well};

#[test]
fn status_is_json_and_observe_is_loud() {
    let folder = Folder::new();
    let _server = folder.serve(Service { mode: Mode::Observe, ..well() });
    let body = client::get(&folder.socket(), "/status").expect("an answer");
    let status: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(status["version"], "0.1.0");
    assert_eq!(status["shards"][0]["state"]["is"], "serving");
    assert_eq!(status["shards"][1]["state"], serde_json::json!({"is": "stopped", "why": "fsync failed"}));
    assert_eq!(status["databases"][0]["mode"], "observe");
    assert_eq!((&status["latency"][0]["stage"], &status["latency"][0]["p50_ns"]), (&"judge".into(), &1_000_000.into()));
    let warnings = status["warnings"].as_array().expect("warnings");
    assert!(warnings.iter().any(|w| w.as_str().is_some_and(|w| w.contains("OBSERVE"))));
    assert!(warnings.iter().any(|w| w.as_str().is_some_and(|w| w.contains("shard 1 has stopped"))));
    assert!(warnings.iter().any(|w| w.as_str().is_some_and(|w| w.contains("public.t.c holds CARD NUMBERS"))));
    assert_eq!(warnings.len(), 3);
    let columns: serde_json::Value =
        serde_json::from_str(&client::get(&folder.socket(), "/columns").expect("answers")).expect("JSON");
    assert_eq!((&columns["columns"][0]["looks"], &columns["overflow"]), (&"chance".into(), &1.into()));
}

#[test]
fn metrics_are_prometheus_text() {
    let folder = Folder::new();
    let _server = folder.serve(Service { mode: Mode::Observe, ..well() });
    let page = client::get(&folder.socket(), "/metrics").expect("an answer");
    let expected = "# HELP interceptor_decisions_total statements judged\n\
                    # TYPE interceptor_decisions_total counter\n\
                    interceptor_decisions_total{shard=\"0\",reason=\"block\"} 5\n\
                    interceptor_decisions_total{shard=\"1\",reason=\"allow\"} 5\n";
    assert!(page.contains(expected));
    assert!(page.contains("interceptor_database_observed{database=\"pay\\\"ments\\\\\\n\"} 1\n"));
    assert!(page.contains("interceptor_records_unsynced{shard=\"0\"} 1\n"));
    assert!(page.contains("interceptor_shard_serving{shard=\"1\"} 0\n"));
    let expected = "# TYPE interceptor_stage_seconds histogram\n\
                    interceptor_stage_seconds_bucket{stage=\"judge\",le=\"0.001048576\"} 2\n\
                    interceptor_stage_seconds_bucket{stage=\"judge\",le=\"0.002097152\"} 2\n\
                    interceptor_stage_seconds_bucket{stage=\"judge\",le=\"+Inf\"} 3\n\
                    interceptor_stage_seconds_sum{stage=\"judge\"} 0.0045\n\
                    interceptor_stage_seconds_count{stage=\"judge\"} 3\n";
    assert!(page.contains(expected), "{page}");
    let names: Vec<&str> =
        page.lines().filter_map(|l| l.strip_prefix("# TYPE ")).filter_map(|l| l.split(' ').next()).collect();
    let mut unique = names.clone();
    unique.dedup();
    assert_eq!(names, unique, "one TYPE per name");
    let sampled = page.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split(['{', ' ']).next());
    // A histogram's samples have its name and one of three endings.
    let sampled = sampled.map(|name| {
        ["_bucket", "_sum", "_count"].iter().fold(name, |name, end| name.strip_suffix(end).unwrap_or(name))
    });
    assert!(sampled.clone().count() > 10 && sampled.into_iter().all(|name| names.contains(&name)));
}

#[test]
fn reload_answers_version_or_reason() {
    for (reload, expected) in
        [(Ok("cd34".to_owned()), Ok("cd34".to_owned())), (Err("line 3".to_owned()), Err("line 3".to_owned()))]
    {
        let folder = Folder::new();
        let _server = folder.serve(Service { reload, ..well() });
        assert_eq!(client::reload(&folder.socket()).expect("an answer"), expected);
    }
}

#[test]
fn other_requests_are_refused() {
    let folder = Folder::new();
    let server = folder.serve(well());
    assert!(matches!(client::get(&folder.socket(), "/nothing"), Err(client::Unreachable::Status(404, _))));
    assert!(matches!(client::get(&folder.socket(), "/reload"), Err(client::Unreachable::Status(405, _))));
    assert!(server.is_alive());
}

#[test]
fn the_socket_is_for_root_and_the_group_alone() {
    let folder = Folder::new();
    let _server = folder.serve(well());
    let mode = std::fs::metadata(folder.socket()).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o7777, 0o660);
    assert_eq!(std::fs::read_dir(&folder.0).expect("the directory").count(), 1, "no other file is left");
}

#[test]
fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let folder = Folder::new();
    drop(UnixListener::bind(folder.socket()).expect("a socket that nobody serves"));
    let server = folder.serve(well());
    let second =
        serve(Settings { socket: folder.socket(), page: None, webhooks: vec![], workloads: None }, Arc::new(well()));
    assert!(matches!(second, Err(ServeError::Taken(_))));
    assert!(client::get(&folder.socket(), "/status").is_ok());
    drop(server);
    assert!(!folder.socket().exists(), "the socket goes with its server");
    assert!(matches!(client::get(&folder.socket(), "/status"), Err(client::Unreachable::Socket(_))));
}

mod approvals {
    use serde_json::Value;

    use super::*;

    #[test]
    fn are_listed_shown_and_decided() {
        let folder = Folder::new();
        let service = Arc::new(well());
        let handle = serve(
            Settings { socket: folder.socket(), page: None, webhooks: vec![], workloads: None },
            Arc::clone(&service) as Arc<dyn Source>,
        );
        let _handle = handle.expect("serves");
        let socket = folder.socket();
        let own = own_uid();
        let other = own + 1;
        for (id, uid) in [("AAAAA-AAAAA", other), ("BBBBB-BBBBB", other), ("CCCCC-CCCCC", own)] {
            assert!(service.approvals().asked(ask(id, uid)));
        }
        let list: Value = serde_json::from_str(&client::get(&socket, "/approvals").expect("a list")).expect("JSON");
        assert_eq!(list["pending"].as_array().map(Vec::len), Some(3));
        let one: Value =
            serde_json::from_str(&client::get(&socket, "/approvals/AAAAA-AAAAA").expect("one")).expect("JSON");
        assert_eq!((&one["text"], &one["state"]), (&"DELETE FROM t".into(), &"pending".into()));
        let said = r#"{"reason": "ticket 7"}"#;
        for (path, body, status, words) in [
            ("AAAAA-AAAAA/approve", said, 200, "\"state\":\"approved\""),
            ("AAAAA-AAAAA/approve", said, 409, "it is over: approved: by me: ticket 7"),
            ("BBBBB-BBBBB/deny", said, 200, "\"state\":\"denied\""),
            ("CCCCC-CCCCC/approve", said, 403, "own account"),
            ("DDDDD-DDDDD/approve", said, 404, "no held statement"),
            ("CCCCC-CCCCC/approve", "{}", 422, "reason"),
            ("CCCCC-CCCCC/approve", "{\"reason\": \" \"}", 400, "say why"),
            ("CCCCC-CCCCC/approve", &format!("{{\"reason\": \"{}\"}}", "x".repeat(9000)), 413, "length"),
        ] {
            let (code, answer) = client::post(&socket, &format!("/approvals/{path}"), body).expect("an answer");
            assert_eq!(code, status, "{path}: {answer}");
            assert!(answer.contains(words), "{path}: {answer}");
        }
        assert_eq!(service.approvals().get("BBBBB-BBBBB").map(|one| one.state), Some(State::Denied));
    }
}
