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
    let records =
        frames(&memory).map(|frame| Record { shard: 0, boot_id: Some([1; 16]), bytes: frame.bytes().to_vec() });
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

/// One record: its series, the boot of its segment (0: not known), its stamp.
type At = (u16, u8, Stamp);

fn frame_of(kind: RecordType, (shard, boot, stamp): At) -> Record {
    let operator = Operator { name: "service".into(), uid: 7, pid: 1 };
    let canary = Event::Canary { operator, object: "canary".into(), success: true, message: None };
    let mut payload = Vec::new();
    encode(&canary, &mut payload);
    let mut memory = vec![0; 1 << 16];
    let identity = Identity { shards: 9, boot_id: [boot; 16], host_id: [2; 16], config: [0; 32] };
    let mut appender = Appender::begin(&mut memory, shard, identity, Previous::NONE, stamp).unwrap();
    match kind {
        RecordType::Recovered => appender.recovered(&mut memory, stamp, 0).unwrap(),
        RecordType::Seal => _ = appender.seal(&mut memory, stamp, 0).unwrap(),
        _ => _ = appender.append(&mut memory, canary.kind(), 0, stamp, &payload).unwrap(),
    }
    let bytes = frames(&memory).last().unwrap().bytes().to_vec();
    Record { shard, boot_id: (boot != 0).then_some([boot; 16]), bytes }
}

/// What is told of records in the order in which a reader gets them, and at which of them.
fn told_of_clocks(records: impl IntoIterator<Item = Record>) -> Vec<(usize, String)> {
    let mut watch = Watch::new(3);
    let told = |(place, record): (usize, Record)| {
        let clocks = watch.see(&record).into_iter().filter(|alert| alert.object == "clock");
        clocks.map(|alert| (place, alert.message)).collect::<Vec<_>>()
    };
    records.into_iter().enumerate().flat_map(told).collect()
}

fn canaries<const N: usize>(records: [At; N]) -> [Record; N] {
    records.map(|at| frame_of(RecordType::Canary, at))
}

#[test]
fn a_clock_that_jumps_is_told_once_either_way() {
    // An hour back, and it goes on from there; two hours forward, and on.
    let stamps = [at(1, 4000), at(2, 401), at(3, 402), at(4, 7603), at(5, 7604)];
    let told = told_of_clocks(canaries(stamps.map(|stamp| (0, 1, stamp))));
    let forward =
        "the wall clock went forward by 7200 s beside the monotonic clock: it was set, or the host was suspended";
    assert_eq!(told, [(1, "the wall clock went back by 3600 s".to_owned()), (3, forward.to_owned())]);
}

#[test]
fn what_is_no_jump_is_not_told() {
    for (what, records) in [
        ("a minute forward, a minute back", canaries([(0, 1, at(1, 1)), (0, 1, at(2, 62)), (0, 1, at(3, 3))])),
        ("a year between records", canaries([(0, 1, at(1, 1)), (0, 1, at(31_536_001, 31_536_001)), (1, 1, at(1, 1))])),
        ("a boot", canaries([(0, 1, at(9_000, 9_000)), (0, 2, at(5, 9_100)), (0, 2, at(6, 9_101))])),
        (
            "a boot that writes later than the one before",
            canaries([(0, 1, at(5, 5)), (0, 2, at(90, 9_100)), (0, 2, at(91, 9_101))]),
        ),
        ("a boot that nobody names", canaries([(0, 0, at(5, 5)), (0, 0, at(90, 9_100)), (0, 0, at(91, 9_101))])),
    ] {
        assert_eq!(told_of_clocks(records), [], "{what}");
    }
}

/// A later boot says in a segment of the one before that it was killed, and seals it.
#[test]
fn what_ends_the_segment_of_another_boot_is_no_jump() {
    let records = [
        (RecordType::Canary, (0, 1, at(5, 5))),
        (RecordType::Recovered, (0, 1, at(90, 9_100))),
        (RecordType::Seal, (0, 1, at(90, 9_100))),
        (RecordType::Canary, (0, 2, at(91, 9_101))),
    ];
    assert_eq!(told_of_clocks(records.map(|(kind, at)| frame_of(kind, at))), []);
}

/// A quiet series shows it an hour later; and what one series shows twice happened twice.
#[test]
fn a_jump_that_every_series_shows_is_told_once() {
    let (before, after, later) = (at(10, 10), at(20, 1020), at(3600, 4601));
    let [first, ..] = canaries([(0, 1, before)]);
    let each = canaries([(1, 1, before), (2, 1, before), (0, 1, after), (1, 1, after), (2, 1, later)]);
    let places = |told: Vec<(usize, String)>| told.into_iter().map(|(place, _)| place).collect::<Vec<_>>();
    assert_eq!(places(told_of_clocks([first.clone()].into_iter().chain(each))), [3]);
    // Back in steps that are too small to be told, and forward again.
    let steps = (1..=25).map(|step| frame_of(RecordType::Canary, (0, 1, at(20 + step, 1020 + step - 40 * step))));
    let [forward, again] = canaries([(0, 1, after), (0, 1, at(60, 1060))]);
    let twice = [first, forward].into_iter().chain(steps).chain([again]);
    assert_eq!(places(told_of_clocks(twice)), [1, 27]);
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
