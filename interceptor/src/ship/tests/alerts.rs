//! What of the record becomes an alert, and what becomes of a sink that lags.

use std::collections::BTreeMap;

use audit::segment::{Appender, Identity, Previous, Stamp};
use audit::{Event, Operator, encode};

use super::*;
use crate::ship::alerts::{Alert, Watch};
use crate::ship::follow::Record;

/// A second of both clocks.
fn at(mono: u64, wall: u64) -> Stamp {
    Stamp { mono_ns: mono * 1_000_000_000, wall_ns: (1_800_000_000 + wall) * 1_000_000_000 }
}

/// Alerts of events at these seconds.
fn raised(events: &[(Event<'_>, u64)]) -> Vec<Alert> {
    stamped(events.iter().map(|(event, second)| (event, at(*second, *second))))
}

/// The frames are made by a real appender.
fn stamped<'e>(events: impl Iterator<Item = (&'e Event<'e>, Stamp)>) -> Vec<Alert> {
    let mut memory = vec![0; 1 << 20];
    let identity = Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [0; 32] };
    let mut appender = Appender::begin(&mut memory, 0, identity, Previous::NONE, at(0, 0)).unwrap();
    for (event, stamp) in events {
        let mut payload = Vec::new();
        encode(event, &mut payload);
        appender.append(&mut memory, event.kind(), 0, stamp, &payload).unwrap();
    }
    let mut watch = Watch::new(3);
    let records = frames(&memory).map(|frame| Record { shard: 0, bytes: frame.bytes().to_vec() });
    records.flat_map(|record| watch.see(&record)).collect()
}

fn objects(events: &[(Event<'_>, u64)]) -> Vec<String> {
    raised(events).into_iter().map(|alert| alert.object).collect()
}

fn decision(parts: &Parts, verdict: audit::Verdict) -> Event<'_> {
    let verdict = if verdict == audit::Verdict::Block { &parts.block } else { &parts.allow };
    Event::Decision(audit::Decided {
        actor: &parts.actor,
        statement: &parts.statement,
        verdict,
        parameters: None,
        request: "query",
        approval: None,
        reveal: None,
        number: 1,
    })
}

struct Parts {
    actor: audit::ActorPart,
    statement: audit::StatementPart,
    block: audit::VerdictPart,
    allow: audit::VerdictPart,
}

fn parts() -> Parts {
    let address: std::net::SocketAddr = "127.0.0.1:4000".parse().unwrap();
    let actor = audit::ActorPart::of(&audit::Actor {
        agent: "reconciler".into(),
        cgroup: 7,
        pid: 1,
        uid: 2,
        exe_device: 3,
        exe_inode: 4,
        exe_name: "psql".into(),
        agent_address: address,
        database: "payments".into(),
        database_address: address,
        dbname: None,
        database_user: None,
        application: None,
        certificate: None,
        signed: None,
    });
    let statement = audit::StatementPart::of(&audit::Statement {
        kinds: &["drop-table"],
        tables: &[],
        text: "DROP TABLE t".into(),
        text_bytes: 12,
        redacted: false,
        tokens: &audit::token::CardTokens::default(),
    });
    let verdict = |verdict, rule: &'static str| {
        audit::VerdictPart::of(&audit::VerdictFacts {
            verdict,
            rule: Some(rule.into()),
            reason: None,
            policy: "ab12".into(),
        })
    };
    let block = verdict(audit::Verdict::Block, "no schema");
    Parts { actor, statement, block, allow: verdict(audit::Verdict::Allow, "read") }
}

#[test]
fn a_rule_that_blocks_is_told_once_a_minute_and_many_denials_once() {
    let parts = parts();
    let block = || decision(&parts, audit::Verdict::Block);
    let events: Vec<_> = [1, 2, 3, 4, 5, 62].into_iter().map(|second| (block(), second)).collect();
    let raised = raised(&events);
    let told: Vec<(&str, u64)> = raised.iter().map(|alert| (alert.object.as_str(), alert.about.unwrap().seq)).collect();
    assert_eq!(told, [("rule blocks", 1), ("denials", 3), ("rule blocks", 6)]);
    assert!(raised[2].message.contains("5 times in the minute before"), "{}", raised[2].message);
    assert!(objects(&[(decision(&parts, audit::Verdict::Allow), 1)]).is_empty());
}

#[test]
fn a_broken_glass_is_told_and_an_approval_is_not() {
    let parts = parts();
    let approval = |break_glass| {
        Event::Approval(audit::Approval {
            actor: &parts.actor,
            approval: "K7Q2M-9XDRT".into(),
            ask: RecordId { shard: 0, seq: 1 },
            under: None,
            approved: true,
            break_glass,
            reviewer: "ann".into(),
            login: "admin socket, uid 7".into(),
            justification: "the house burns".into(),
            need: "updates wait".into(),
            expires_s: 7,
            number: 1,
        })
    };
    let raised = raised(&[(approval(false), 1), (approval(true), 2)]);
    let [alert] = &raised[..] else { panic!("{raised:?}") };
    assert_eq!((alert.object.as_str(), alert.about.unwrap().seq), ("break glass", 2));
    assert_eq!(alert.message, "ann let a held statement of reconciler go on alone (K7Q2M-9XDRT): the house burns");
}

#[test]
fn broken_redirection_and_a_failed_check_are_told() {
    let operator = Operator { name: "root".into(), uid: 0, pid: 1 };
    let canary = |success| Event::Canary { operator, object: "canary".into(), success, message: Some("lost".into()) };
    let verify =
        |success| Event::Reading { operator, object: "audit verify".into(), success, message: Some("TAMPERED".into()) };
    let events = [(canary(true), 1), (canary(false), 2), (verify(true), 3), (verify(false), 4)];
    assert_eq!(objects(&events), ["redirection", "verification"]);
}

#[test]
fn card_data_where_none_should_be_and_a_removed_kernel_half_are_told() {
    let parts = parts();
    let column = Event::Finding { actor: &parts.actor, object: "public.notes.body".into(), counters: &[], number: 1 };
    let detach = |stage| Event::Detach {
        operator: Operator { name: "ann".into(), uid: 0, pid: 1 },
        object: "/sys/fs/bpf/interceptor".into(),
        stage,
        message: None,
    };
    let events = [(column, 1), (detach(audit::Stage::Begins), 2), (detach(audit::Stage::Done), 3)];
    let raised = raised(&events);
    let told: Vec<(&str, u64)> = raised.iter().map(|alert| (alert.object.as_str(), alert.about.unwrap().seq)).collect();
    assert_eq!(told, [("card data", 1), ("detach", 3)]);
    assert!(raised[0].message.contains("public.notes.body"), "{}", raised[0].message);
}

#[test]
fn a_clock_that_was_set_back_is_told_once() {
    let operator = Operator { name: "service".into(), uid: 7, pid: 1 };
    let canary = Event::Canary { operator, object: "canary".into(), success: true, message: None };
    // An hour back; it goes on from there. A host that slept goes forward, and is not told.
    let stamps = [at(1, 4000), at(2, 401), at(3, 402), at(4, 9000)];
    let raised = stamped(stamps.map(|stamp| (&canary, stamp)).into_iter());
    let [alert] = &raised[..] else { panic!("{raised:?}") };
    assert_eq!((alert.object.as_str(), alert.about.unwrap().seq), ("clock", 2));
    assert_eq!(alert.message, "the wall clock went back by 3600 s");
}

#[test]
fn a_sink_that_lags_is_told_once_and_again_when_it_has_caught_up() {
    let scratch = Scratch::new("lags");
    let sink = Sink {
        name: "siem".into(),
        to: To::File(scratch.0.join("out.json")),
        only_alerts: false,
        lag_max: Duration::from_secs(60),
    };
    let seen = Seen::of(&sink);
    let started = Started {
        name: sink.name.clone(),
        lag_max: sink.lag_max,
        seen: seen.clone(),
        thread: std::thread::spawn(|| Ok(())),
    };
    let mut shipper = Shipper {
        record: HostRecord::new(&scratch.0.join("state")),
        position: Position::of(&scratch.0, "alerts.watch"),
        follower: Follower::new(Vec::new(), BTreeMap::default()),
        watch: Watch::new(3),
        folder: scratch.0.clone(),
        late: Vec::new(),
        told: None,
    };
    let mut lags = |seconds: Option<u64>| {
        seen.set(|health| health.oldest_ns = seconds.map(|seconds| now_ns() - seconds * 1_000_000_000));
        shipper.watch(std::slice::from_ref(&started), None);
        let status = fs::read_to_string(scratch.0.join(STATUS)).unwrap();
        let shipping: Shipping = serde_json::from_str(&status).unwrap();
        let name = "interceptor_sink_lag_seconds{sink=\"siem\"} ";
        let metrics = shipping.metrics();
        let lag = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert!(lag.parse::<u64>().unwrap() >= seconds.unwrap_or(0), "{lag}");
    };
    [Some(50), Some(100), Some(200), None, None].into_iter().for_each(&mut lags);
    let bytes = fs::read(scratch.0.join("state-host").join(file_name(u16::MAX, 1))).unwrap();
    let alerts = frames(&bytes).filter(|frame| frame.kind == RecordType::Alert.code());
    let told: Vec<String> = alerts
        .map(|alert| audit::show::json(u16::MAX, &alert)["message"].as_str().unwrap_or_default().to_owned())
        .collect();
    let [late, over] = &told[..] else { panic!("{told:?}") };
    assert!(late.starts_with("it lacks records that are ") && over.ends_with("it has caught up"), "{told:?}");
}

#[test]
fn a_login_that_could_not_be_made_or_dropped_is_told() {
    let credential = |change| {
        Event::Credential(audit::CredentialSeen {
            operator: Operator { name: "service".into(), uid: 7, pid: 1 },
            change,
            database: "payments".into(),
            role: Some("icpt_reconciler_0".into()),
            agent: Some("reconciler".into()),
            cgroup: Some(7),
            principal: None,
            grants: &[],
            until_s: None,
            cause: Some("the database is down".into()),
        })
    };
    let events = ["issued", "created", "dropped", "kept", "refused"].map(|change| (credential(change), 1));
    let raised = raised(&events);
    let words: Vec<&str> = raised.iter().map(|alert| alert.message.as_str()).collect();
    assert_eq!(
        words,
        [
            "payments: a login was kept (icpt_reconciler_0): the database is down",
            "payments: a login was refused (icpt_reconciler_0): the database is down"
        ]
    );
}
