//! The disk under the record becomes read-only while the service runs, as ext4 does on an error of its medium.

use std::path::PathBuf;
use std::process::Command;

use crate::faults::{await_log, said};
use crate::raw::{Agent, Message, PATIENCE};
use crate::stage::Stage;
use crate::stand::succeed;

/// An ext4 of its own over a folder; gone on drop.
struct Ext4 {
    folder: PathBuf,
    image: PathBuf,
}

impl Ext4 {
    fn over(folder: PathBuf, uid: u32) -> Ext4 {
        let image = folder.with_extension("image");
        std::fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).expect("an image");
        let owner = format!("root_owner={uid}:{uid}");
        succeed(Command::new("mkfs.ext4").args(["-q", "-E", &owner]).arg(&image)).expect("a file system");
        let disk = Ext4 { folder, image };
        disk.mount();
        std::fs::remove_dir(disk.folder.join("lost+found")).expect("an empty folder");
        disk
    }

    fn mount(&self) {
        succeed(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.folder)).expect("mounted");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o700)).expect("the service's alone");
    }

    /// What errors=remount-ro does (ext4(5), `abort`): nothing is written any more, whoever has a file open.
    fn fails(&self) {
        succeed(Command::new("mount").args(["-o", "remount,abort"]).arg(&self.folder)).expect("aborted");
    }

    /// It is repaired, and there again.
    fn is_mended(&self) {
        succeed(Command::new("umount").arg(&self.folder)).expect("unmounted");
        // 1: errors were corrected (fsck(8)).
        let fsck = Command::new("fsck.ext4").args(["-p", "-f"]).arg(&self.image).output().expect("fsck starts");
        assert!(matches!(fsck.status.code(), Some(0 | 1)), "{fsck:?}");
        self.mount();
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.folder).output();
        let _ = std::fs::remove_file(&self.image);
    }
}

#[test]
fn a_disk_that_becomes_read_only_stops_every_shard_and_the_record_goes_on_when_it_is_mended() {
    let Some(mut stage) = Stage::usual() else { return };
    stage.service.stop("TERM").expect("stopped");
    let disk = Ext4::over(stage.service.state(), stage.service.uid());
    let config = stage.service.config_path();
    let text = std::fs::read_to_string(&config).expect("readable");
    std::fs::write(&config, text.replace("segment_bytes = 8388608", "segment_bytes = 1048576")).expect("written");
    stage.service.run().expect("started");
    let agent = Agent::start(&stage);
    let mut wires: Vec<_> = (0..8).map(|_| agent.login().expect("logged in")).collect();
    for wire in &mut wires {
        let answer = wire.ask("INSERT INTO plain VALUES (1, 'before')").expect("answered");
        assert!(answer.iter().all(|message| message.tag != b'E'));
    }

    disk.fails();
    for (number, wire) in wires.iter_mut().enumerate() {
        // What changes data is on disk before it goes on: so it never does.
        let answer = wire.ask(&format!("INSERT INTO plain VALUES (2, 'lost_{number}')"));
        // The first of a shard is told why before the connection ends.
        let told = |answer: &[Message]| answer.iter().any(|message| message.tag == b'E');
        assert!(answer.is_err() || answer.is_ok_and(|answer| told(&answer)), "connection {number}: it went on");
    }
    // The last shard has stopped, and says why.
    await_log(&stage, "the record");
    let patience = std::time::Instant::now();
    while agent.login().is_ok() {
        assert!(patience.elapsed() < PATIENCE, "new connections are served");
    }
    assert!(!stage.database.log().contains("lost_"), "a statement was executed whose record is on no disk");
    drop((wires, agent));

    stage.service.stop("KILL").expect("killed");
    disk.is_mended();
    stage.service.run().expect("started");
    stage.ask("SELECT 1").says("1");
    stage.service.stop("TERM").expect("stopped");
    let (status, text) = said(&mut stage.service.verb("audit verify"));
    assert_eq!(status, Some(0), "{text}");
}
