//! `interceptor ship` as a process: killed again and again while the record grows, it loses nothing.

#![allow(clippy::expect_used, clippy::print_stdout)] // a test fails by a panic

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use audit::segment::{Appender, HEADER_LEN, Identity, Previous, Stamp, file_name};
use audit::{Event, Operator, encode};
use uring::MappedSegment;

/// How often the shipper is killed.
const KILLS: u32 = 20;
/// How long a shipper may take to begin, on a disk that others keep busy.
const PATIENCE: Duration = Duration::from_secs(60);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        // Root's record wants a folder that nobody else can write in.
        let path = std::env::temp_dir().join(format!("ship-killed-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("state")).expect("a folder");
        Folder(path)
    }

    fn config(&self) -> PathBuf {
        let path = self.0.join("interceptor.toml");
        let text = format!(
            "[service]\nstate_dir = \"{0}/state\"\nrun_dir = \"{0}/run\"\n[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\n[[sink]]\nname = \"out\"\nkind = \"file\"\npath = \"{0}/out.json\"\n",
            self.0.display()
        );
        std::fs::write(&path, text).expect("written");
        path
    }

    fn shipper(&self, once: bool) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interceptor"));
        command.args(["ship", "--config"]).arg(self.config()).stderr(Stdio::null());
        if once {
            command.arg("--once");
        }
        command
    }

    /// The numbers of shard 0's records in the file, in its order.
    fn shipped(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.0.join("out.json")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let seq = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).expect("every line is an event");
            let uid = event["metadata"]["uid"].as_str().expect("a name").to_owned();
            uid.strip_prefix("0-").map(|seq| seq.parse().expect("a number"))
        };
        whole.lines().filter_map(seq).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A shard's series as the service writes it: a mapped segment after another.
struct Shard {
    folder: PathBuf,
    segment: MappedSegment,
    appender: Appender,
}

const IDENTITY: Identity = Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };

fn stamp() -> Stamp {
    Stamp { mono_ns: uring::mono_ns(), wall_ns: uring::wall_ns() }
}

impl Shard {
    fn begin(folder: &Path, previous: Previous) -> Shard {
        let path = folder.join(file_name(0, previous.number + 1));
        let mut segment = MappedSegment::create(&path, 256 << 10).expect("a segment");
        let appender = Appender::begin(segment.bytes(), 0, IDENTITY, previous, stamp()).expect("begun");
        Shard { folder: folder.to_owned(), segment, appender }
    }

    fn append(&mut self) {
        let mut payload = Vec::new();
        let operator = Operator { name: "root".into(), uid: 0, pid: 1 };
        let event = Event::Canary { operator, object: "x".into(), success: true, message: Some("y".into()) };
        encode(&event, &mut payload);
        if self.appender.append(self.segment.bytes(), event.kind(), 0, stamp(), &payload).is_err() {
            let previous = self.appender.seal(self.segment.bytes(), stamp(), 0).expect("sealed");
            let folder = self.folder.clone();
            *self = Shard::begin(&folder, previous);
            self.append();
        }
    }

    fn last_seq(&self) -> u64 {
        self.appender.next_seq() - 1
    }
}

fn end(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("gone");
}

#[test]
fn a_shipper_that_is_killed_loses_nothing() {
    assert_eq!(HEADER_LEN, 4096);
    let folder = Folder::new();
    let mut shard = Shard::begin(&folder.0.join("state"), Previous::NONE);
    let mut moved = 0;
    let mut pause = 7;
    for round in 0..KILLS {
        let before = folder.shipped().len();
        let child = folder.shipper(false).spawn().expect("starts");
        // Killed somewhere in the middle of what it does, a different time each round; every other round not before it shipped anything.
        pause = pause * 31 % 97;
        let began = Instant::now();
        let until = began + Duration::from_millis(150 + 4 * pause);
        while Instant::now() < until
            || (round % 2 == 0 && folder.shipped().len() == before && began.elapsed() < PATIENCE)
        {
            (0..5).for_each(|_| shard.append());
            std::thread::sleep(Duration::from_millis(5));
        }
        end(child);
        moved += u32::from(folder.shipped().len() > before);
    }
    assert!(
        moved >= KILLS / 2,
        "it was killed before it shipped anything, {moved} of {KILLS} rounds: the test shows nothing"
    );
    let status = folder.shipper(true).status().expect("runs");
    assert!(status.success());
    let shipped = folder.shipped();
    let all: BTreeSet<u64> = shipped.iter().copied().collect();
    assert!(all.iter().copied().eq(1..=shard.last_seq()), "records are missing: {} of {}", all.len(), shard.last_seq());
    let repeats = shipped.len() - all.len();
    println!("{KILLS} kills, {} records, {repeats} came twice, 0 lost", all.len());
    // A second one beside it would ship everything twice.
    let first = folder.shipper(false).spawn().expect("starts");
    let lock = folder.0.join("state-host/ship.json");
    let stamp = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let (was, began) = (stamp(&lock), Instant::now());
    while stamp(&lock) == was && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(folder.shipper(true).status().expect("runs").code(), Some(1));
    end(first);
}
