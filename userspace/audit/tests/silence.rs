//! Where a checkpoint was due and none came is named, by both verifiers alike.
#![allow(clippy::expect_used, clippy::print_stdout)] // helpers of tests count as no tests

mod log;

use std::process::Command;

use audit::segment::{Appender, Identity, NODE_SHARD, Previous, SEGMENT_LEN_MIN, Stamp, file_name};
use audit::verify::{Options, Summary, Verdict};
use audit::{Event, Head, Operator, encode};
use log::{IDENTITY, verify_with};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_800_000_000 * SECOND;

/// When a checkpoint was written, in seconds by the monotonic and the wall clock, and within how many it promises the next.
type Beat = (u64, u64, u32);

fn payload(next_within_s: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    let event = Event::Checkpoint {
        operator: Operator { name: "service".into(), uid: 1, pid: 2 },
        policy: "ab12".into(),
        program: None,
        objects: &[6; 32],
        clock: None,
        next_within_s,
        heads: &[Head { shard: 0, size: 1, root: [1; 32] }],
    };
    encode(&event, &mut payload);
    payload
}

/// One segment per boot: each begins at the monotonic clock's zero.
fn node(boots: &[&[Beat]]) -> Vec<(String, Vec<u8>)> {
    let mut previous = Previous::NONE;
    let mut files = Vec::new();
    for (boot, beats) in (1u8..).zip(boots) {
        let at = |(mono, wall, _): Beat| Stamp { mono_ns: mono * SECOND, wall_ns: START + wall * SECOND };
        let mut memory = vec![0; SEGMENT_LEN_MIN];
        let identity = Identity { shards: 0, boot_id: [boot; 16], ..IDENTITY };
        let mut appender =
            Appender::begin(&mut memory, NODE_SHARD, identity, previous, at(beats[0])).expect("a segment");
        for beat in *beats {
            appender.append(&mut memory, 24, 0, at(*beat), &payload(beat.2)).expect("a record");
        }
        let end = at(beats[beats.len() - 1]);
        let number = appender.header().number();
        previous = if usize::from(boot) == boots.len() {
            appender.stop(&mut memory, end, 0).expect("a stop");
            Previous::NONE
        } else {
            appender.seal(&mut memory, end, 0).expect("a seal")
        };
        files.push((file_name(NODE_SHARD, number), memory));
    }
    files
}

fn summary(files: &[(String, Vec<u8>)]) -> Summary {
    match verify_with(files, &Options::default()) {
        Verdict::Whole(summary) => summary,
        other => panic!("{other:?}"),
    }
}

/// The silent seconds as verify.py prints them; `None` where there is no python3.
fn second(name: &str, files: &[(String, Vec<u8>)]) -> Option<Vec<String>> {
    let folder = std::env::temp_dir().join(format!("audit-silence-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new("python3");
    command.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py"));
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("a file");
        command.arg(folder.join(name));
    }
    let output = command.output();
    let _ = std::fs::remove_dir_all(&folder);
    let Ok(output) = output else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "python3 is missing, and CI needs it");
        println!("SKIPPED: python3 is missing, so the second verifier was not run");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(said.lines().filter(|line| line.starts_with("silence: ")).map(str::to_owned).collect())
}

#[track_caller]
fn check(name: &str, boots: &[&[Beat]], silent_s: &[(u64, u64)]) -> Summary {
    let files = node(boots);
    let summary = summary(&files);
    let found: Vec<(u64, u64)> = summary.silences.all.iter().map(|s| (s.after_seq, s.length_ns / SECOND)).collect();
    assert_eq!(found, silent_s, "{name}");
    if let Some(second) = second(name, &files) {
        let expected: Vec<String> =
            silent_s.iter().map(|(seq, s)| format!("silence: after record {NODE_SHARD}-{seq} for {s} s")).collect();
        assert_eq!(second, expected, "{name}: the second verifier");
    }
    summary
}

#[test]
fn a_promise_that_was_broken_is_named_and_a_kept_one_is_not() {
    let kept = check("kept", &[&[(1, 1, 120), (61, 61, 120), (181, 181, 120)]], &[]);
    assert_eq!(kept.silences.due_ns, Some(START + 301 * SECOND));
    check("late", &[&[(1, 1, 120), (122, 122, 120), (140, 140, 120)]], &[(1, 121)]);
    check("twice", &[&[(1, 1, 120), (500, 500, 120), (510, 510, 120), (900, 900, 120)]], &[(1, 499), (3, 390)]);
    check("none promised", &[&[(1, 1, 0), (5000, 5000, 0)]], &[]);
}

#[test]
fn a_stop_in_order_promises_nothing() {
    let summary = check("stopped", &[&[(1, 1, 120), (2, 2, 0), (9000, 9000, 120), (9001, 9001, 0)]], &[]);
    assert_eq!(summary.silences.due_ns, None);
}

#[test]
fn neither_a_clock_set_back_nor_a_boot_hides_a_silence() {
    check("set back", &[&[(1, 5000, 120), (400, 4900, 120)]], &[(1, 399)]);
    // Set back by an hour while the service runs on, and while it does not.
    check("an hour back", &[&[(100, 3700, 120), (160, 160, 120), (220, 220, 0)]], &[]);
    check("an hour back, and silent", &[&[(100, 3700, 120), (700, 700, 120), (760, 760, 0)]], &[(1, 600)]);
    // The next boot's monotonic clock says nothing of the time between.
    check("a boot between", &[&[(9000, 1, 120)], &[(3, 700, 120)]], &[(1, 699)]);
    check("a quick boot", &[&[(9000, 1, 120)], &[(3, 100, 120)]], &[]);
}
