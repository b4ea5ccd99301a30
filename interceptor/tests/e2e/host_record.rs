//! What root does by hand or at boot (attach, exec, detach) is in the record too, whole, or it is not done.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::stage::{Stage, binary};
use crate::stand::{Service, succeed};

/// The service's own series: docs/AUDIT-FORMAT.md.
const FIRST_SEGMENT: &str = "65535-0000000001.seg";

/// Files and a kernel half, no service and no database: these verbs need neither. `None` where the kernel tests cannot run.
fn host() -> Option<Service> {
    if !nix::unistd::Uid::effective().is_root() {
        assert!(std::env::var("CI").is_err(), "the end-to-end tests need root, and CI has to run them");
        eprintln!("SKIPPED: the end-to-end tests need root; `cargo xtask test` uses sudo for them");
        return None;
    }
    let config = "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5\"]\n\n[[agent]]\nname = \"reconciler\"\n";
    Some(Service::prepare(binary(), "shards = 1", config, crate::stage::POLICY).expect("the files"))
}

/// The records of one type, oldest first.
fn records(host: &Service, name: &str) -> Vec<serde_json::Value> {
    let output = succeed(host.verb("audit export").arg("--json")).expect("audit export");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let records = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    records.filter(|record: &serde_json::Value| record["type"] == name).collect()
}

fn stages(records: &[serde_json::Value]) -> Vec<&str> {
    records.iter().map(|record| record["stage"].as_str().unwrap_or_default()).collect()
}

#[track_caller]
fn whole(host: &Service) {
    let verdict = host.verb("audit verify").output().expect("runs");
    assert_eq!(verdict.status.code(), Some(0), "{}", words(&verdict));
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// A file system over a folder, until dropped.
struct Over<'a>(&'a Path);

impl<'a> Over<'a> {
    fn new(folder: &'a Path, options: &str) -> Over<'a> {
        let options = format!("{options},mode=0700");
        succeed(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder)).expect("mounted");
        Over(folder)
    }
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if let Err(error) = succeed(Command::new("umount").arg(self.0)) {
            eprintln!("{error}");
        }
    }
}

#[test]
fn attach_exec_and_detach_are_records_beside_those_of_the_shards() {
    let Some(mut stage) = Stage::usual() else { return };
    stage.ask("SELECT count(*) FROM payments").says("5");
    whole(&stage.service);
    stage.service.stop("TERM").expect("stopped");
    whole(&stage.service);
    succeed(&mut stage.service.verb("detach")).expect("detached");
    whole(&stage.service);

    for name in ["attach", "detach"] {
        let found = records(&stage.service, name);
        assert_eq!(stages(&found), ["begins", "done"], "{name}: {found:?}");
    }
    let admissions = records(&stage.service, "admission");
    assert_eq!(stages(&admissions), ["done"], "{admissions:?}");
    let text = admissions[0].to_string();
    for part in ["reconciler", "cgroup ", "nobody", "operator"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert!(records(&stage.service, "decision").len() == 1, "the shards' records are not there");
    second_opinion(&stage.service);
    // The service lets the series be, and goes on beside it.
    succeed(&mut stage.service.verb("attach")).expect("attached");
    stage.service.run().expect("started again");
    stage.ask("SELECT count(*) FROM payments").says("5");
    whole(&stage.service);
}

/// The verifier that shares no code with us.
fn second_opinion(host: &Service) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace/audit/verify.py");
    let folders = [host.state(), host.host_record()];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("readable").flatten());
    let segments =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    succeed(Command::new("python3").arg(script).args(segments)).expect("whole by verify.py too");
}

#[test]
fn without_a_service_and_without_its_folder_the_record_is_whole_and_roots() {
    let Some(host) = host() else { return };
    fs::remove_dir(host.state()).expect("removed");
    succeed(&mut host.verb("attach")).expect("attached");
    for (path, mode) in [(host.host_record(), 0o700), (host.host_record().join(FIRST_SEGMENT), 0o600)] {
        let is = fs::metadata(&path).expect("made");
        assert_eq!((is.uid(), is.mode() & 0o7777), (0, mode), "{}", path.display());
    }
    assert!(!host.state().exists(), "root has no hand in the service's folder");
    whole(&host);
}

#[test]
fn a_link_or_a_foreign_folder_in_its_place_leads_root_nowhere() {
    let Some(host) = host() else { return };
    let place = host.host_record();
    let refused = || {
        let attach = host.verb("attach").output().expect("runs");
        assert!(!attach.status.success() && words(&attach).contains("nothing was done"), "{}", words(&attach));
        assert_eq!(fs::read_dir(host.state()).expect("readable").count(), 0, "root was led into the service's folder");
    };
    std::os::unix::fs::symlink(host.state(), &place).expect("linked");
    refused();
    fs::remove_file(&place).expect("removed");
    fs::create_dir(&place).expect("made");
    std::os::unix::fs::chown(&place, Some(host.uid()), Some(host.uid())).expect("given away");
    refused();
    assert_eq!(fs::read_dir(&place).expect("readable").count(), 0, "root wrote in a folder of somebody else");
    fs::remove_dir(&place).expect("removed");
    succeed(&mut host.verb("attach")).expect("attached");
    whole(&host);
}

#[test]
fn attach_works_and_is_recorded_with_the_capabilities_of_its_unit() {
    let Some(host) = host() else { return };
    let unit = include_str!("../../../systemd/interceptor-attach.service");
    let set = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).expect("it is there");
    let set: String =
        set.split(' ').map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase())).collect();
    let attach = host.verb("attach");
    let mut narrow = Command::new("setpriv");
    narrow.args(["--no-new-privs", &format!("--bounding-set=-all{set}"), "--"]);
    narrow.arg(attach.get_program()).args(attach.get_args());
    // Twice: the folder is missing, and it is there.
    succeed(&mut narrow).expect("attached");
    succeed(&mut narrow).expect("attached again");
    assert_eq!(records(&host, "attach").len(), 4);
    whole(&host);
}

#[test]
fn many_at_once_do_not_tear_the_record() {
    let Some(host) = host() else { return };
    succeed(&mut host.verb("attach")).expect("attached");
    let started: Vec<_> = (0..12).map(|_| host.exec("reconciler", "true", &[]).spawn().expect("starts")).collect();
    for mut child in started {
        assert!(child.wait().expect("ends").success());
    }
    assert_eq!(stages(&records(&host, "admission")), ["done"; 12]);
    whole(&host);
}

#[test]
fn what_fails_is_a_record_too() {
    let Some(host) = host() else { return };
    // Nothing is attached.
    assert!(!host.exec("reconciler", "true", &[]).status().expect("runs").success());
    host.write_policy("nonsense").expect("written");
    assert!(!host.verb("attach").status().expect("runs").success());
    host.write_policy(crate::stage::POLICY).expect("written");
    succeed(&mut host.verb("attach")).expect("attached");
    assert!(!host.exec("stranger", "true", &[]).status().expect("runs").success());
    assert!(!host.verb("admit").arg("nowhere.service").status().expect("runs").success());
    // The admission, and that its command could not be run.
    assert!(!host.exec("reconciler", "/nowhere/program", &[]).status().expect("runs").success());
    let admissions = records(&host, "admission");
    assert_eq!(stages(&admissions), ["failed", "failed", "begins", "failed", "done", "failed"]);
    assert_eq!(stages(&records(&host, "attach")), ["begins", "failed", "begins", "done"]);
    let outcomes: Vec<_> =
        admissions.iter().map(|record| record["pci"]["outcome"].as_str().unwrap_or_default()).collect();
    assert_eq!(outcomes, ["failure", "failure", "begins", "failure", "success", "failure"]);
    whole(&host);
}

#[test]
fn what_cannot_be_recorded_does_not_start_and_detach_says_so() {
    let Some(host) = host() else { return };
    let marker = std::env::temp_dir().join(format!("interceptor-host-record-{}", std::process::id()));
    let _ = fs::remove_file(&marker);
    let run = || host.exec("reconciler", "touch", &[&marker.display().to_string()]).output().expect("runs");
    succeed(&mut host.verb("attach")).expect("attached");
    let folder = host.host_record();
    {
        // Full: no place for a segment.
        let _small = Over::new(&folder, "size=65536");
        let refused = run();
        assert_eq!(refused.status.code(), Some(1), "{}", words(&refused));
        assert!(words(&refused).contains("cannot be recorded"), "{}", words(&refused));
        let attach = host.verb("attach").output().expect("runs");
        assert!(!attach.status.success() && words(&attach).contains("nothing was done"), "{}", words(&attach));
    }
    assert!(!marker.exists(), "the agent ran without a record");
    {
        // A medium that has become read-only, and nothing to write on.
        let _shut = Over::new(&folder, "ro");
        assert_eq!(run().status.code(), Some(1));
        let detach = host.verb("detach").output().expect("runs");
        assert!(detach.status.success(), "{}", words(&detach));
        assert!(words(&detach).contains("NOT in the record"), "{}", words(&detach));
    }
    assert!(!marker.exists(), "the agent ran without a record");
    whole(&host);
    // With a record it runs, and could all the time have made the file.
    succeed(&mut host.verb("attach")).expect("attached");
    assert!(run().status.success() && marker.exists());
    fs::remove_file(marker).expect("removed");
    whole(&host);
}

#[test]
fn who_reads_the_record_is_in_it_and_who_cannot_be_reads_nothing() {
    let Some(host) = host() else { return };
    succeed(&mut host.verb("attach")).expect("attached");
    assert_eq!(records(&host, "reading").len(), 1, "this very reading, written before it was shown");
    whole(&host);
    succeed(host.verb("audit export").arg(host.state())).expect_err("no shard has written there");
    // The folder by its name is the record all the same; a copy of it elsewhere is not.
    succeed(host.verb("audit export").arg(host.host_record())).expect("exported");
    let copy = crate::stand::Folder::new("copy").expect("made");
    fs::copy(host.host_record().join(FIRST_SEGMENT), copy.path().join(FIRST_SEGMENT)).expect("copied");
    succeed(host.verb("audit export").arg(copy.path())).expect("exported");
    let found = records(&host, "reading");
    let objects: Vec<&str> = found.iter().filter_map(|record| record["object"].as_str()).collect();
    assert_eq!(objects, ["audit export", "audit verify", "audit export", "audit export", "audit export"]);
    assert_eq!(found[1]["success"], true);
    assert!(found[1]["message"].as_str().is_some_and(|words| words.starts_with("whole: ")), "{:?}", found[1]);

    // A folder in which nothing can be written.
    let folder = host.host_record();
    let _over = Over::new(&folder, "ro");
    let refused = host.verb("audit export").output().expect("runs");
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0), "{}", words(&refused));
    assert!(words(&refused).contains("nothing is shown"), "{}", words(&refused));
}
