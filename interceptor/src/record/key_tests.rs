//! Keys of runs and of root, told in the record: both verifiers follow them from the first root key, and name each that is none.

use std::fs;
use std::path::Path;

use audit::keys::KeyTold;
use audit::note::{Checkpoint, SignerKey};
use audit::segment::NODE_SHARD;
use audit::{Event, Head, Operator, RecordType};

use super::tests::Scratch;
use super::*;
use crate::checkpoints::{CHECKPOINT, Checkpoints, PUBLIC_KEY};
use crate::host_record::series::{self, Place};
use crate::root_key;

const LOG: &str = "host.example/interceptor";

fn key(seed: u8) -> SignerKey {
    SignerKey::of_seed(LOG, &[seed; 32]).unwrap()
}

/// A record whose first root key is that of seed 1, in root's folder.
struct Log {
    scratch: Scratch,
    key: String,
}

impl Log {
    fn new(name: &str) -> Log {
        let scratch = Scratch::new(&format!("keys-{name}"));
        let host = host_record::folder(&scratch.0);
        let _ = fs::remove_dir_all(&host);
        fs::create_dir(&host).unwrap();
        fs::write(host.join("root.key"), audit::note::private_key(LOG, &[1; 32]).unwrap()).unwrap();
        let key = key(1).public().to_string();
        fs::write(scratch.0.join(PUBLIC_KEY), &key).unwrap();
        scratch.append(0, 3);
        Log { scratch, key }
    }

    fn folder(&self) -> &Path {
        &self.scratch.0
    }

    fn head(&self) -> Head {
        series::head(&Place { folder: self.folder(), shard: NODE_SHARD }).unwrap()
    }

    /// A run of the service that root has certified: something is recorded, and signed.
    fn run(&self) {
        root_key::certify_for(self.folder(), None).unwrap();
        self.scratch.append(0, 2);
        self.scratch.sign();
    }

    /// Somebody who may write the folder tells of a key.
    fn tell(&self, told: &KeyTold) {
        let mut payload = Vec::new();
        let operator = Operator { name: "root".into(), uid: 0, pid: 1 };
        audit::encode(&Event::Key { operator, told }, &mut payload);
        let place = Place { folder: self.folder(), shard: NODE_SHARD };
        series::append(&place, told.record_type().code(), &payload).unwrap();
    }

    fn certificate(&self, root: &SignerKey, run: &SignerKey) -> KeyTold {
        KeyTold::run(root, run.public(), series::boot_id(), 1_790_000_000, self.head())
    }

    /// The record as it is now, signed by this key.
    fn signed_by(&self, key: &SignerKey) {
        let Head { size, root, .. } = self.head();
        let text = key.sign(&Checkpoint { origin: LOG.to_owned(), size, root }).unwrap();
        fs::write(self.folder().join(CHECKPOINT), text).unwrap();
    }

    fn is_whole(&self) -> bool {
        self.scratch.verdict(Some(&self.key), &[]) == 0
    }

    /// Both verifiers call it tampered; the first one says so much of why.
    #[track_caller]
    fn is_found(&self, words: &str) {
        assert_eq!(self.scratch.verdict(Some(&self.key), &[]), 1);
        let said = match judge(&self.scratch.folders(), Against { key: Some(&self.key), ..Against::default() }, false) {
            Ok(Err(why)) => why,
            Ok(Ok((verdict, _))) => format!("{verdict:?}"),
            Err(why) => panic!("{why}"),
        };
        assert!(said.contains(words), "{said}");
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(host_record::folder(self.folder()));
    }
}

#[test]
fn each_run_has_a_key_of_its_own_and_the_first_root_key_verifies_them_all() {
    let log = Log::new("runs");
    log.run();
    let (first, kept) = (fs::read_to_string(log.folder().join("record.keys")).unwrap(), log.scratch.kept());
    assert!(!log.folder().join("run.key").exists(), "it is in memory alone");
    assert!(log.is_whole());
    log.run();
    assert!(log.is_whole());
    assert_ne!(fs::read_to_string(log.folder().join("record.keys")).unwrap(), first);
    assert_eq!(log.scratch.verdict(Some(&log.key), &[kept]), 0, "a checkpoint of an earlier run");
    assert_eq!(log.scratch.verdict(Some(&key(2).public().to_string()), &[]), 1, "another key");
}

#[test]
fn a_record_that_the_root_key_signed_itself_goes_on_with_keys_of_runs() {
    let log = Log::new("older");
    let place = Place { folder: log.folder(), shard: NODE_SHARD };
    series::append(&place, RecordType::Canary.code(), b"").unwrap();
    log.signed_by(&key(1));
    let kept = log.scratch.kept();
    assert!(log.is_whole());
    log.run();
    assert_eq!(log.scratch.verdict(Some(&log.key), &[kept]), 0);
    // From the first key of a run on the root key itself signs nothing.
    log.signed_by(&key(1));
    log.is_found("not signed by this key");
}

#[test]
fn a_replaced_root_key_is_followed_and_certifies_no_more() {
    let log = Log::new("rotated");
    root_key::certify_for(log.folder(), None).unwrap();
    assert_eq!(root_key::boot_of_run(log.folder()), Some(series::boot_id()), "the service is told which boot it is");
    assert_eq!(
        root_key::boot_or_certified([0; 16], log.folder()),
        Some(series::boot_id()),
        "where the kernel hides it"
    );
    let mut running = Checkpoints::open(log.folder()).unwrap();
    running.of(log.scratch.heads());
    running.last("ab12").unwrap();
    assert!(log.is_whole());
    let next = root_key::rotate_for(log.folder(), None).unwrap();
    // The run goes on under the new one.
    assert!(running.turn("ab12", std::time::Instant::now()).unwrap());
    running.last("ab12").unwrap();
    assert!(log.is_whole());
    log.run();
    assert!(log.is_whole());
    let signed = judge(&log.scratch.folders(), Against { key: Some(&log.key), ..Against::default() }, false);
    let Ok(Ok((Verdict::Whole(_), Some(signed)))) = signed else { panic!("whole") };
    assert_eq!(signed.keys.roots().last(), Some(&next));
    root_key::rotate_for(log.folder(), None).unwrap();
    log.run();
    assert!(log.is_whole(), "twice");
    // Whoever has stolen the first one certifies a key with it.
    log.tell(&log.certificate(&key(1), &key(7)));
    log.signed_by(&key(7));
    log.is_found("a root key that was replaced before");
}

#[test]
fn a_rotation_that_was_cut_off_is_done_at_the_next_start() {
    let log = Log::new("cut-off");
    log.run();
    let next = root_key::rotate_for(log.folder(), None).unwrap();
    let host = host_record::folder(log.folder());
    // As if the power had gone before the new key took the old one's place.
    fs::rename(host.join("root.key"), host.join("root.key.next")).unwrap();
    fs::write(host.join("root.key"), audit::note::private_key(LOG, &[1; 32]).unwrap()).unwrap();
    log.run();
    assert!(log.is_whole());
    assert_eq!(root_key::of(log.folder()).unwrap().unwrap().public(), &next);
    // One that was drawn and not told is none.
    fs::write(host.join("root.key.next"), audit::note::private_key(LOG, &[9; 32]).unwrap()).unwrap();
    log.run();
    assert!(log.is_whole());
    assert_eq!(root_key::of(log.folder()).unwrap().unwrap().public(), &next);
}

#[test]
fn what_nobody_may_tell_of_is_found_and_named() {
    type Tells = dyn Fn(&Log) -> KeyTold;
    let cases: [(&str, &Tells, &str); 6] = [
        ("stranger", &|log| log.certificate(&key(5), &key(7)), "not signed by the root key"),
        ("rotation", &|log| KeyTold::root(&key(5), &key(7), 1, log.head()), "not signed by the root key"),
        (
            "consent",
            &|log| {
                let role = audit::keys::Role::Root { consent: [3; 64] };
                KeyTold { role, ..KeyTold::root(&key(1), &key(7), 1, log.head()) }
            },
            "has not signed that it is one",
        ),
        (
            "log",
            &|log| log.certificate(&SignerKey::of_seed("elsewhere.example/x", &[1; 32]).unwrap(), &key(7)),
            "of another log",
        ),
        ("boot", &|log| KeyTold::run(&key(1), key(7).public(), [0x77; 16], 1, log.head()), "of another boot"),
        (
            "place",
            &|log| {
                let head = log.head();
                KeyTold::run(&key(1), key(7).public(), series::boot_id(), 1, Head { size: head.size + 9, ..head })
            },
            "at another place",
        ),
    ];
    for (name, told, words) in cases {
        let log = Log::new(name);
        log.run();
        log.tell(&told(&log));
        log.signed_by(&key(7));
        log.is_found(words);
        log.is_found("record 65534-");
    }
}

#[test]
fn the_key_of_a_run_signs_neither_what_was_before_it_nor_what_comes_after_it() {
    let log = Log::new("bounds");
    log.run();
    let before = log.scratch.kept();
    let certificate = log.certificate(&key(1), &key(7));
    log.tell(&certificate);
    log.signed_by(&key(7));
    assert!(log.is_whole());
    // Another history of the time before, with all that whoever has the run's key can make.
    let segment = log.scratch.segment(NODE_SHARD);
    let whole = fs::read(&segment).unwrap();
    fs::remove_file(&segment).unwrap();
    let place = Place { folder: log.folder(), shard: NODE_SHARD };
    while log.head().size < certificate.base.size {
        series::append(&place, RecordType::Canary.code(), b"").unwrap();
    }
    log.tell(&certificate);
    log.signed_by(&key(7));
    log.is_found("Anchor");
    // A checkpoint of the time before is none of its.
    fs::write(&segment, whole).unwrap();
    let kept = fs::read_to_string(&before).unwrap();
    let old = audit::note::checkpoint_of(&kept).unwrap();
    fs::write(log.folder().join(CHECKPOINT), key(7).sign(&old).unwrap()).unwrap();
    log.is_found("not signed by this key");
    // Nor one of the time after.
    log.signed_by(&key(7));
    log.run();
    assert!(log.is_whole());
    log.signed_by(&key(7));
    log.is_found("not signed by this key");
    log.tell(&certificate);
    log.signed_by(&key(7));
    log.is_found("of a run that another one followed");
}

#[test]
fn each_segment_tells_of_the_keys_again() {
    let log = Log::new("segments");
    log.run();
    root_key::rotate_for(log.folder(), None).unwrap();
    root_key::certify_for(log.folder(), None).unwrap();
    let mut running = Checkpoints::open(log.folder()).unwrap();
    running.of(log.scratch.heads());
    let place = Place { folder: log.folder(), shard: NODE_SHARD };
    for _ in 0..3 {
        series::append(&place, RecordType::Canary.code(), &[7; 700_000]).unwrap();
        running.last("ab12").unwrap();
    }
    assert!(log.is_whole());
    assert!(log.scratch.0.join("65534-0000000002.seg").exists());
    // Without the first segments, which retention removes, the keys still lead to the newest checkpoint.
    fs::remove_file(log.scratch.segment(NODE_SHARD)).unwrap();
    let first = key(1).public().clone();
    let (keys, begins) = signed::keys_of(&log.scratch.folders(), first).unwrap().unwrap();
    assert!(begins > 1);
    assert!(keys.open(&fs::read_to_string(log.folder().join(CHECKPOINT)).unwrap()).is_ok());
}

#[test]
fn a_service_that_nobody_certifies_does_not_take_the_root_keys_place() {
    let log = Log::new("uncertified");
    log.run();
    let why = Checkpoints::open(log.folder()).expect_err("root's key is there").to_string();
    assert!(why.contains("interceptor audit certify"), "{why}");
}

#[test]
fn a_proof_leads_from_the_first_key_to_the_record() {
    let log = Log::new("proof");
    log.run();
    root_key::rotate_for(log.folder(), None).unwrap();
    log.run();
    let text = prove::proof(&log.scratch.folders(), audit::RecordId { shard: 0, seq: 3 }).unwrap().to_string();
    let file = log.folder().join("proof");
    fs::write(&file, &text).unwrap();
    assert_eq!(check_proof(&file, &log.key).unwrap(), 0);
    assert_eq!(check_proof(&file, &key(2).public().to_string()).unwrap(), 1);
    // Without what certifies the key nothing is proven.
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["keys"].as_array_mut().unwrap().pop();
    fs::write(&file, value.to_string()).unwrap();
    assert_eq!(check_proof(&file, &log.key).unwrap(), 1);
}
