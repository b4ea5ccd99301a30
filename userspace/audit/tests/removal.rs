//! Segments that were removed for good: both verifiers accept a series that begins later only with the tombstone that tells of it.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod log;

use std::path::PathBuf;
use std::process::Command;

use audit::note::SignerKey;
use audit::removal::Removed;
use audit::segment::{Header, SEGMENT_LEN_MIN, SERVICE_SHARD};
use audit::verify::{Anchor, Options, Summary, Verdict, Why, verify};
use audit::{Event, Head, Operator, encode};
use log::{Writer, log};

type Files = Vec<(String, Vec<u8>)>;

fn key(seed: u8) -> SignerKey {
    SignerKey::of_seed("host.example/interceptor", &[seed; 32]).expect("a key")
}

/// What the header of the segment behind it tells of a removed one.
fn removed(files: &Files, segment: usize) -> Removed {
    let own = Header::read(&files[segment].1).expect("a header");
    let next = Header::read(&files[segment + 1].1).expect("a header");
    let head = Head { shard: own.shard, size: next.first_seq() - 1, root: next.previous.tree.root() };
    Removed { head, segment: own.number(), first_seq: own.first_seq(), sha256: [5; 32], until_s: 1_790_000_000 }
}

/// Root's series with these tombstones.
fn graves(tombstones: &[(Removed, Option<&SignerKey>)]) -> Files {
    let mut writer = Writer::new(SERVICE_SHARD, 1, SEGMENT_LEN_MIN, u64::MAX);
    let operator = Operator { name: "root".into(), uid: 0, pid: 1 };
    for (removed, key) in tombstones {
        let signature = key.map(|key| removed.sign(key));
        let event = Event::Tombstone { operator, removed, cause: "400 days".into(), signature: signature.as_ref() };
        let mut payload = Vec::new();
        encode(&event, &mut payload);
        writer.append(event.kind(), &payload);
    }
    writer.stop()
}

/// The exit status of both verifiers, which is the same, and the first one's verdict.
fn both(name: &str, files: &Files, anchors: &[Anchor]) -> Verdict {
    let public = key(1).public().clone();
    let readers = files.iter().map(|(name, bytes)| (name.clone(), Ok(bytes.as_slice())));
    let first = verify(readers, &Options { anchors, keys: Some(std::slice::from_ref(&public)), ..Options::default() });
    let folder: PathBuf = std::env::temp_dir().join(format!("audit-removal-{}-{name}", std::process::id()));
    std::fs::create_dir(&folder).expect("a temporary directory");
    let mut command = Command::new("python3");
    command.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/verify.py")).args(["--key", &public.to_string()]);
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a file");
        command.arg(path);
    }
    let second = command.output().ok().map(|output| {
        let is_told = matches!(&first, Verdict::Whole(summary) if !summary.removed.all.is_empty());
        assert_eq!(String::from_utf8_lossy(&output.stdout).contains("removed: shard 0: "), is_told);
        output.status.code()
    });
    let _ = std::fs::remove_dir_all(&folder);
    match second {
        Some(status) => assert_eq!(status, Some(i32::from(first.exit_status())), "{name}: {first:?}"),
        None => assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "python3 is missing, and CI needs it"),
    }
    first
}

/// One shard's series without its first `gone` segments, beside root's.
fn without(files: &Files, gone: usize, graves: Files) -> Files {
    files.iter().skip(gone).cloned().chain(graves).collect()
}

fn whole(verdict: Verdict) -> Summary {
    match verdict {
        Verdict::Whole(summary) => summary,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn tampered(verdict: Verdict, expected: Why) {
    let Verdict::Tampered(finding) = verdict else { panic!("{verdict:?}") };
    assert_eq!((finding.why, finding.shard), (expected, 0));
}

fn series() -> Files {
    let files = log(1, 200, SEGMENT_LEN_MIN, 7);
    assert!(files.len() > 4);
    files
}

#[test]
fn what_a_signed_tombstone_tells_of_may_be_missing() {
    let files = series();
    let key = key(1);
    let told = [0, 1].map(|segment| (removed(&files, segment), Some(&key)));
    let summary = whole(both("told", &without(&files, 2, graves(&told)), &[]));
    let gap = summary.removed.all[0];
    assert_eq!((gap.shard, gap.segments, gap.records), (0, 2, told[1].0.head.size));
    // Between the tombstone and the removal somebody may pull the plug.
    let before = whole(both("before", &without(&files, 0, graves(&told)), &[]));
    assert_eq!(before.removed.all, []);
}

#[test]
fn without_its_tombstone_it_is_missing() {
    let files = series();
    let key = key(1);
    let told = |segment| (removed(&files, segment), Some(&key));
    tampered(both("none", &without(&files, 2, graves(&[])), &[]), Why::NoTombstone);
    tampered(both("earlier", &without(&files, 2, graves(&[told(0)])), &[]), Why::NoTombstone);
    tampered(both("later", &without(&files, 2, graves(&[told(2)])), &[]), Why::NoTombstone);
    let mut other = told(1);
    other.0.head.shard = 1;
    tampered(both("other-series", &without(&files, 2, graves(&[other])), &[]), Why::NoTombstone);
}

#[test]
fn a_forged_tombstone_is_none() {
    let files = series();
    let (own, other) = (key(1), key(2));
    let true_one = removed(&files, 1);
    let mut wrong_root = true_one.clone();
    wrong_root.head.root[0] ^= 1;
    let mut wrong_size = true_one.clone();
    wrong_size.head.size += 1;
    for (name, removed) in [("root", wrong_root), ("size", wrong_size)] {
        let told = graves(&[(removed, Some(&own))]);
        tampered(both(name, &without(&files, 2, told), &[]), Why::OtherTombstone);
    }
    for (name, key) in [("unsigned", None), ("foreign", Some(&other))] {
        let told = graves(&[(true_one.clone(), key)]);
        tampered(both(name, &without(&files, 2, told), &[]), Why::UnsignedTombstone);
    }
    // A good one beside it is enough.
    let told = graves(&[(true_one.clone(), Some(&other)), (true_one, Some(&own))]);
    whole(both("beside", &without(&files, 2, told), &[]));
}

#[test]
fn a_tombstone_of_the_service_is_none() {
    let files = series();
    let key = key(1);
    let mut told = graves(&[(removed(&files, 1), Some(&key))]);
    // The same record in the node's series, which the service writes.
    let mut writer = Writer::new(audit::segment::NODE_SHARD, 1, SEGMENT_LEN_MIN, u64::MAX);
    for frame in audit::segment::frames(&told[0].1).filter(|frame| frame.kind == 27) {
        writer.append(frame.kind, frame.payload());
    }
    told = writer.stop();
    tampered(both("service", &without(&files, 2, told), &[]), Why::NoTombstone);
}

#[test]
fn anchors_before_the_gap_say_nothing_and_those_behind_it_hold() {
    let files = series();
    let key = key(1);
    let told = removed(&files, 1);
    let Head { size, root, .. } = told.head;
    let kept = without(&files, 2, graves(&[(told, Some(&key))]));
    let at = |seq, root| Anchor { shard: 0, seq, root: Some(root) };
    let check = |anchors: &[Anchor]| {
        let readers = kept.iter().map(|(name, bytes)| (name.clone(), Ok(bytes.as_slice())));
        verify(readers, &Options { anchors, ..Options::default() })
    };
    assert_eq!(whole(check(&[at(1, [1; 32]), at(size, root)])).removed.beyond, 1);
    tampered(check(&[at(size, [1; 32])]), Why::Anchor);
    tampered(check(&[at(size + 1, [1; 32])]), Why::Anchor);
    tampered(check(&[at(1_000_000, [1; 32])]), Why::Anchor);
}
