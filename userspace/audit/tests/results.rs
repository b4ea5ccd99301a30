//! Results that were to follow: both verifiers name the decision of each that never came.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod log;

use std::process::Command;

use audit::received::{Packing, Received};
use audit::segment::SEGMENT_LEN_MIN;
use audit::verify::{Options, Verdict, verify};
use audit::{Event, Outcome, RecordId, RecordType, encode};
use log::{Parts, Writer};

/// What is recorded of the statements of one shard.
#[derive(Clone, Copy)]
enum Says {
    /// Its outcome: that its result follows, or not.
    Ends(u64, bool),
    /// Its result.
    Result(u64),
    /// Something else that fills a segment.
    Else,
}

fn series(all: &[Says]) -> Vec<(String, Vec<u8>)> {
    let parts = Parts::new();
    let mut writer = Writer::new(0, 1, SEGMENT_LEN_MIN, 8);
    for one in all {
        let (mut payload, of) = (Vec::new(), |seq| RecordId { shard: 0, seq });
        let (actor, number) = (&parts.actor, 1);
        let kind = match *one {
            Says::Ends(seq, result_follows) => {
                let (success, sqlstate, cause, masked, sensitive, duration_ns) = (true, None, None, 0, 0, 5);
                let (decision, rows, bytes) = (of(seq), 1, 9);
                let event = Event::Outcome(Outcome {
                    actor,
                    decision,
                    success,
                    sqlstate,
                    cause,
                    rows,
                    bytes,
                    masked,
                    sensitive,
                    duration_ns,
                    result_follows,
                    number,
                });
                encode(&event, &mut payload);
                event.kind()
            }
            Says::Result(seq) => {
                let (kept, packing, timing) = (None, Packing::Plain, &parts.timing);
                let (left_off, hash, starred, cause) = (9, None, 0, None);
                let decision = of(seq);
                let event = Event::Result(Received {
                    actor,
                    decision,
                    kept,
                    packing,
                    timing,
                    left_off,
                    hash,
                    starred,
                    cause,
                    number,
                });
                encode(&event, &mut payload);
                event.kind()
            }
            Says::Else => {
                payload = vec![b'x'; 6000];
                writer.append(RecordType::Canary.code(), &payload);
                continue;
            }
        };
        writer.append(kind, &payload);
    }
    writer.stop()
}

/// The decisions that both verifiers name.
fn missing(name: &str, all: &[Says]) -> Vec<u64> {
    let files = series(all);
    let readers = files.iter().map(|(name, bytes)| (name.clone(), Ok(bytes.as_slice())));
    let Verdict::Whole(summary) = verify(readers, &Options::default()) else { panic!("whole") };
    let named: Vec<u64> = summary.removed.missing.named.iter().map(|decision| decision.seq).collect();
    assert_eq!(summary.removed.missing.count, named.len() as u64);
    let folder = std::env::temp_dir().join(format!("audit-results-{}-{name}", std::process::id()));
    std::fs::create_dir(&folder).expect("a temporary directory");
    let mut command = Command::new("python3");
    command.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py"));
    for (name, bytes) in &files {
        std::fs::write(folder.join(name), bytes).expect("a file");
        command.arg(folder.join(name));
    }
    let output = command.output();
    let _ = std::fs::remove_dir_all(&folder);
    match output {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let second: Vec<u64> = said
                .lines()
                .filter_map(|line| line.strip_prefix("missing result: of record 0-")?.parse().ok())
                .collect();
            assert_eq!((output.status.code(), &second), (Some(0), &named), "{said}");
        }
        Err(_) => assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "python3 is missing, and CI needs it"),
    }
    named
}

#[test]
fn a_result_that_never_came_is_named_and_no_other() {
    use Says::{Else, Ends, Result};
    let cases: [(&str, &[Says], &[u64]); 6] = [
        ("none", &[Ends(3, false), Ends(4, false)], &[]),
        ("behind", &[Ends(300, true), Result(300), Ends(301, true), Ends(302, false), Result(301)], &[]),
        ("lost", &[Ends(300, true), Ends(70_000, true), Result(300), Ends(302, false)], &[70_000]),
        ("segments", &[Ends(3, true), Ends(4, true), Else, Else, Else, Result(4), Else, Else], &[3]),
        // Of an outcome that was removed, or of a version that did not say so.
        ("older", &[Result(2), Ends(3, false), Result(3), Else, Else, Result(1)], &[]),
        ("all", &[Ends(5, true), Else, Else, Ends(6, true), Ends(7, true)], &[5, 6, 7]),
    ];
    for (name, all, expected) in cases {
        assert_eq!(missing(name, all), expected, "{name}");
    }
}
