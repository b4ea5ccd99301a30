//! What is old is moved, what is older goes with a tombstone, and what must stay stays.

use std::fs;
use std::path::PathBuf;

use audit::RecordType;
use audit::note::SignerKey;
use audit::segment::file_name;
use audit::verify::{Gap, Options, Summary, Verdict, Why, verify};

use super::*;
use crate::checkpoints::Checkpoints;
use crate::host_record::series::{self, Place};

const DAY_NS: u64 = 86_400_000_000_000;

/// A host's folders below one that is removed. `state`: two shards of four segments each, the last one not sealed.
struct Host(PathBuf);

impl Host {
    fn new(name: &str) -> Host {
        let path = std::env::temp_dir().join(format!("retention-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        for folder in ["state", "state-host", "cold"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        let host = Host(path);
        Checkpoints::open(&host.state()).unwrap();
        for shard in [0, 1] {
            let place = Place { folder: &host.state(), shard };
            (0..4).for_each(|_| _ = series::append(&place, RecordType::Canary.code(), &[7; 700_000]).unwrap());
        }
        host
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn config(&self, retention: &str) -> Config {
        let text = format!(
            "[service]\nstate_dir = {:?}\n[[database]]\nname = \"d\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:1\"]\n[retention]\n{retention}",
            self.state()
        );
        Config::parse(&text).unwrap()
    }

    /// `cold` and these days.
    fn kept(&self, days: u32, at_hand_days: u32, more: &str) -> Config {
        let cold = self.0.join("cold");
        self.config(&format!("days = {days}\nat_hand_days = {at_hand_days}\ncold = {cold:?}\n{more}"))
    }

    /// Which segments of the shards lie in a folder.
    fn in_folder(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".seg")).collect();
        names.sort();
        names
    }

    fn key(&self) -> SignerKey {
        root_key::of(&self.state()).unwrap().unwrap()
    }

    fn verdict(&self, config: &Config) -> Verdict {
        let key = self.key();
        let files = crate::record::segments(&folders(config)).unwrap();
        let opened = files.iter().map(|path| (path.display().to_string(), File::open(path)));
        verify(opened, &Options { keys: Some(std::slice::from_ref(key.public())), ..Options::default() })
    }

    fn whole(&self, config: &Config) -> Summary {
        match self.verdict(config) {
            Verdict::Whole(summary) => summary,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn in_days(days: u64) -> u64 {
    now_ns() + days * DAY_NS
}

fn names(shards: &[u16], numbers: &[u64]) -> Vec<String> {
    shards.iter().flat_map(|shard| numbers.iter().map(move |number| file_name(*shard, *number))).collect()
}

#[test]
fn what_is_old_is_moved_and_verified_where_it_lies() {
    let host = Host::new("moved");
    let config = host.kept(400, 100, "");
    let before = host.whole(&config);
    assert_eq!(retain_at(&config, false, in_days(99)).unwrap(), 0);
    assert_eq!(host.in_folder("cold"), Vec::<String>::new());
    assert_eq!(retain_at(&config, true, in_days(101)).unwrap(), 0);
    assert_eq!(host.in_folder("cold"), Vec::<String>::new(), "a dry run moved");
    assert_eq!(retain_at(&config, false, in_days(101)).unwrap(), 0);
    assert_eq!(host.in_folder("cold"), names(&[0, 1], &[1, 2, 3]));
    assert_eq!(host.in_folder("state"), names(&[0, 1], &[4]));
    assert_eq!(host.whole(&config).series[..2], before.series[..]);
    // A bit of it changed there is found.
    let moved = host.0.join("cold").join(file_name(1, 2));
    let mut bytes = fs::read(&moved).unwrap();
    bytes[5000] ^= 1;
    fs::write(&moved, bytes).unwrap();
    assert_eq!(host.verdict(&config).exit_status(), 1);
}

#[test]
fn what_is_over_goes_and_a_tombstone_stays() {
    let host = Host::new("removed");
    let config = host.kept(400, 100, "");
    retain_at(&config, false, in_days(101)).unwrap();
    assert_eq!(retain_at(&config, false, in_days(401)).unwrap(), 0);
    assert_eq!((host.in_folder("cold").len(), host.in_folder("state")), (0, names(&[0, 1], &[4])));
    let removed = host.whole(&config).removed.all;
    assert_eq!(removed.iter().map(|gap| (gap.shard, gap.segments)).collect::<Vec<_>>(), [(0, 3), (1, 3)]);
    assert!(removed.iter().all(|Gap { records, until_s, .. }| *records > 0 && *until_s > 0));
    // Without root's series nobody tells of it.
    fs::remove_file(host.0.join("state-host").join(file_name(SERVICE_SHARD, 1))).unwrap();
    let Verdict::Tampered(finding) = host.verdict(&config) else { panic!("it is missing") };
    assert_eq!(finding.why, Why::NoTombstone);
}

#[test]
fn what_the_service_removes_itself_is_missing() {
    let host = Host::new("itself");
    let config = host.kept(400, 100, "");
    retain_at(&config, false, in_days(101)).unwrap();
    fs::remove_file(host.0.join("cold").join(file_name(0, 1))).unwrap();
    let Verdict::Tampered(finding) = host.verdict(&config) else { panic!("it is missing") };
    assert_eq!((finding.why, finding.shard), (Why::NoTombstone, 0));
}

#[test]
fn a_hold_keeps_what_it_is_about_and_all_behind_it() {
    let host = Host::new("held");
    let today = show::time(now_ns()).get(..10).unwrap().to_owned();
    let held = host.kept(400, 100, &format!("[[retention.hold]]\nname = \"case-17\"\nfrom = \"{today}\"\n"));
    assert_eq!(retain_at(&held, false, in_days(401)).unwrap(), 0);
    assert_eq!(host.in_folder("cold"), names(&[0, 1], &[1, 2, 3]), "moved, not removed");
    assert_eq!(host.whole(&held).removed.all, []);
    let other = host.kept(400, 100, "[[retention.hold]]\nname = \"old\"\nfrom = \"2020-01-01\"\nto = \"2020-12-31\"\n");
    assert_eq!(retain_at(&other, false, in_days(401)).unwrap(), 0);
    assert_eq!(host.in_folder("cold").len(), 0);
}

#[test]
fn what_a_sink_has_not_taken_stays() {
    let host = Host::new("sink");
    let mut config = host.kept(400, 100, "");
    let sink = "[[sink]]\nname = \"archive\"\nkind = \"segments\"\nfolder = \"/mnt/none\"\n";
    config.sinks = Config::parse(&format!(
        "[[database]]\nname = \"d\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:1\"]\n{sink}"
    ))
    .unwrap()
    .sinks;
    assert_eq!(retain_at(&config, false, in_days(401)).unwrap(), 0);
    assert_eq!(host.in_folder("cold"), names(&[0, 1], &[1, 2, 3]));
    assert_eq!(host.whole(&config).removed.all, []);
}

#[test]
fn what_an_archive_has_leaves_this_host_with_a_tombstone_and_what_is_held_stays() {
    let host = Host::new("archive");
    let archive = host.0.join("archive");
    fs::create_dir(&archive).unwrap();
    let config = |more: &str| {
        let path = host.0.join("interceptor.toml");
        let sink = format!("[[sink]]\nname = \"vault\"\nkind = \"segments\"\nfolder = {archive:?}\n");
        let database = "[[database]]\nname = \"d\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:1\"]\n";
        let retention = format!("[retention]\nat_hand_days = 100\ncold_sink = \"vault\"\n{more}");
        fs::write(&path, format!("[service]\nstate_dir = {:?}\n{database}{sink}{retention}", host.state())).unwrap();
        (Config::load(&path).unwrap(), path)
    };
    let (plain, path) = config("");
    assert_eq!(retain_at(&plain, false, in_days(101)).unwrap(), 0);
    assert_eq!(host.in_folder("state").len(), 8, "the archive has nothing yet");
    assert_eq!(ship::ship(&path, true).unwrap(), 0);
    assert_eq!(retain_at(&plain, false, in_days(99)).unwrap(), 0);
    assert_eq!(host.in_folder("state").len(), 8, "they are to be at hand");
    let today = show::time(now_ns()).get(..10).unwrap().to_owned();
    let (held, _) = config(&format!("[[retention.hold]]\nname = \"case-17\"\nfrom = \"{today}\"\n"));
    assert_eq!(retain_at(&held, false, in_days(101)).unwrap(), 0);
    assert_eq!(host.in_folder("state").len(), 8, "the hold keeps them on this host");
    assert_eq!(retain_at(&plain, false, in_days(101)).unwrap(), 0);
    assert_eq!(
        (host.in_folder("state"), host.in_folder("archive")),
        (names(&[0, 1], &[4]), names(&[0, 1], &[1, 2, 3]))
    );
    let removed = host.whole(&plain).removed.all;
    assert_eq!(removed.iter().map(|gap| (gap.shard, gap.segments)).collect::<Vec<_>>(), [(0, 3), (1, 3)]);
    let root = fs::read(host.0.join("state-host").join(file_name(SERVICE_SHARD, 1))).unwrap();
    let cause =
        |frame: &audit::segment::Frame<'_>| show::line(SERVICE_SHARD, frame).contains("the archive of `vault` has it");
    assert_eq!(frames(&root).filter(cause).count(), 6);
}

#[test]
fn what_was_tampered_with_stays_as_evidence() {
    let host = Host::new("tampered");
    let config = host.kept(400, 100, "");
    let path = host.state().join(file_name(0, 2));
    let mut bytes = fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(retain_at(&config, false, in_days(401)).unwrap(), 1);
    assert_eq!(
        host.in_folder("state"),
        names(&[0], &[2, 3, 4]).into_iter().chain(names(&[1], &[4])).collect::<Vec<_>>()
    );
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn roots_own_series_tells_again_what_others_need() {
    let host = Host::new("root");
    let config = host.kept(400, 100, "");
    retain_at(&config, false, in_days(401)).unwrap();
    let place = Place { folder: &host.0.join("state-host"), shard: SERVICE_SHARD };
    (0..4).for_each(|_| _ = series::append(&place, RecordType::Canary.code(), &[7; 700_000]).unwrap());
    assert_eq!(retain_at(&config, false, in_days(401)).unwrap(), 0);
    let removed: Vec<(u16, u64)> =
        host.whole(&config).removed.all.iter().map(|gap| (gap.shard, gap.segments)).collect();
    assert_eq!(removed[..2], [(0, 3), (1, 3)]);
    assert_eq!((removed.len(), removed[2].0), (3, SERVICE_SHARD));
}

#[test]
fn a_move_that_was_interrupted_goes_on() {
    let host = Host::new("interrupted");
    let config = host.kept(400, 100, "");
    let name = file_name(0, 1);
    fs::copy(host.state().join(&name), host.0.join("cold").join(&name)).unwrap();
    fs::write(host.0.join("cold").join(file_name(0, 2) + ".part"), b"half").unwrap();
    host.whole(&config);
    assert_eq!(retain_at(&config, false, in_days(101)).unwrap(), 0);
    assert_eq!(host.in_folder("cold"), names(&[0, 1], &[1, 2, 3]));
    host.whole(&config);
}

#[test]
fn a_cold_folder_of_others_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::new("others");
    let config = host.kept(400, 100, "");
    fs::set_permissions(host.0.join("cold"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(retain_at(&config, false, in_days(101)).is_err());
    fs::remove_dir(host.0.join("cold")).unwrap();
    assert!(retain_at(&config, false, in_days(101)).is_err());
    std::os::unix::fs::symlink(host.state(), host.0.join("cold")).unwrap();
    assert!(retain_at(&config, false, in_days(101)).is_err());
    assert_eq!(host.in_folder("state").len(), 8);
}
