//! `interceptor audit export` of a long record takes no more memory than of a short one.

#![allow(clippy::expect_used, clippy::print_stdout)] // a test fails by a panic

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use audit::segment::{Appender, Identity, Previous, Refused, Stamp, file_name};
use audit::{Event, Operator, encode};

/// Records of the long one; a nightly run takes a million.
const RECORDS: u64 = 100_000;
const RECORDS_VARIABLE: &str = "INTERCEPTOR_EXPORT_RECORDS";
/// The long one is so many times the short one, and may take so much more memory.
const TIMES: u64 = 10;
const MORE_KIB: u64 = 2048;
const SEGMENT_BYTES: usize = 4 << 20;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Two shards' series with so many records in all.
fn record(name: &str, records: u64) -> Folder {
    let path = std::env::temp_dir().join(format!("export-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir(&path).expect("a folder");
    let identity = Identity { shards: 2, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };
    for shard in 0..2 {
        let (mut previous, mut left) = (Previous::NONE, records / 2);
        while left > 0 {
            let mut memory = vec![0; SEGMENT_BYTES];
            let number = previous.number + 1;
            let mut appender =
                Appender::begin(&mut memory, shard, identity, previous, Stamp::default()).expect("a segment");
            left = fill(&mut appender, &mut memory, left);
            previous = appender.seal(&mut memory, Stamp::default(), 0).expect("a seal");
            std::fs::write(path.join(file_name(shard, number)), memory).expect("written");
        }
    }
    Folder(path)
}

/// Appends up to so many; how many are left.
fn fill(appender: &mut Appender, memory: &mut [u8], records: u64) -> u64 {
    let operator = Operator { name: "service".into(), uid: 1, pid: 2 };
    let event = Event::Canary {
        operator,
        object: "redirection of a rather long name, as statements have".into(),
        success: true,
        message: None,
    };
    let mut payload = Vec::new();
    encode(&event, &mut payload);
    for left in (1..=records).rev() {
        let stamp = Stamp { mono_ns: appender.next_seq(), wall_ns: 1_800_000_000_000_000_000 + appender.next_seq() };
        match appender.append(&mut *memory, event.kind(), 0, stamp, &payload) {
            Ok(_) => {}
            Err(Refused::Full) => return left,
            Err(why) => panic!("{why}"),
        }
    }
    0
}

/// The most memory that the process had so far (proc_pid_status(5)); `None` when it is over.
fn most_kib(child: &Child) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Lines, and the most memory that the export had when it was last seen alive.
fn exported(folder: &Path, form: &str) -> (u64, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interceptor"));
    command.args(["audit", "export", "--config", "/none", form]).arg(folder).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut out = child.stdout.take().expect("a pipe");
    let (mut lines, mut most, mut piece) = (0, 0, vec![0; 1 << 16]);
    loop {
        // What it has not said yet waits in the pipe, so it lives.
        most = most_kib(&child).unwrap_or(most);
        match out.read(&mut piece).expect("readable") {
            0 => break,
            count => lines += piece[..count].iter().filter(|byte| **byte == b'\n').count() as u64,
        }
    }
    assert!(child.wait().expect("it ends").success());
    (lines, most)
}

#[test]
fn a_long_record_is_exported_in_the_memory_of_a_short_one() {
    let records = std::env::var(RECORDS_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(RECORDS);
    let (short, long) = (record("short", records / TIMES), record("long", records));
    for form in ["--json", "--ocsf"] {
        let (short_lines, short_kib) = exported(&short.0, form);
        let (lines, kib) = exported(&long.0, form);
        println!("{form}: {short_lines} records with {short_kib} KiB at most, {lines} with {kib} KiB");
        assert!(short_lines >= records / TIMES && lines >= records && short_kib > 0);
        assert!(kib <= short_kib + MORE_KIB, "{form}: memory grows with the record");
    }
}
