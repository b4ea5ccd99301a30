//! A build of ours that does not record statements, to be measured beside ours.
//!
//! The product has no such setting, and its source no such switch: the tree is copied below the target folder, and the copy changed. What a
//! connection's start and end take stays recorded; a statement's decision and outcome are not encoded, so nothing is stored, hashed or synced.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::stand::{Service, succeed};

/// What the copy's program is called.
const PROGRAM: &str = "interceptor-unrecorded";

/// A file of the copy: what stands there once, and what stands there instead.
struct Change {
    file: &'static str,
    was: &'static str,
    is: &'static str,
}

const CHANGES: [Change; 2] = [
    Change {
        file: "userspace/session/src/effects.rs",
        was: "        audit::encode(event, &mut self.bytes);\n",
        is: "        if matches!(event, Event::Decision(_) | Event::Outcome(_)) {\n            return;\n        }\n        audit::encode(event, &mut self.bytes);\n",
    },
    // Another name, so that it is never taken for the product's.
    Change {
        file: "interceptor/Cargo.toml",
        was: "\n[lints]\n",
        is: "autobins = false\n\n[[bin]]\nname = \"interceptor-unrecorded\"\npath = \"src/main.rs\"\n\n[lints]\n",
    },
];

/// Where the program is once it is built.
pub(super) fn program() -> PathBuf {
    built().join("release").join(PROGRAM)
}

/// Its own: cargo tells crates of two copies of a workspace apart by nothing, so in one folder each would be built of what the other left.
fn built() -> PathBuf {
    shell::target().join("unrecorded-built")
}

/// Copies, changes and builds. What did not change since the last time is not built again.
pub(super) fn build() -> Result<()> {
    let copy = shell::target().join("unrecorded");
    let listed = shell::output("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    for file in listed.context("git does not list the tree")?.split_terminator('\0') {
        let from = shell::root().join(file);
        let bytes = match std::fs::read(&from) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue, // deleted, and not committed
            Err(error) => return Err(error).with_context(|| from.display().to_string()),
        };
        let bytes = match CHANGES.iter().find(|change| change.file == file) {
            Some(change) => change.applied(String::from_utf8(bytes)?)?.into_bytes(),
            None => bytes,
        };
        write_if_new(&copy.join(file), &bytes)?;
    }
    let mut cargo = shell::cargo(&["build", "--release", "--package", "interceptor"]);
    // Absolute: it would be taken from the copy.
    let built = std::path::absolute(built()).context("the target folder")?;
    cargo.current_dir(&copy).env("CARGO_TARGET_DIR", built);
    shell::run(cargo)
}

/// After the load: ours kept statements, and the other did not.
pub(super) fn check(ours: &Service, left_out: &Service) -> Result<()> {
    differ(records(ours)?, records(left_out)?)
}

/// Where both did the same work they are far apart. Where only what has no statements was asked for (`--case record`) there is nothing to tell.
fn differ(ours: u64, left_out: u64) -> Result<()> {
    const STATEMENTS: u64 = 10_000;
    if left_out * 10 > ours.max(STATEMENTS) {
        bail!(
            "{ours} records of ours and {left_out} of the build that is to keep none of statements: what was compared is not what it was taken for"
        );
    }
    Ok(())
}

/// How many records all shards have.
fn records(service: &Service) -> Result<u64> {
    let status = succeed(service.verb("status").arg("--json"))?;
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).context("what `status --json` says")?;
    let shards = status["shards"].as_array().context("`status --json` tells of no shards")?;
    Ok(shards.iter().filter_map(|shard| shard["last_seq"].as_u64()).sum())
}

impl Change {
    fn applied(&self, text: String) -> Result<String> {
        if text.matches(self.was).count() != 1 {
            bail!(
                "{}: not once in it: {:?}; xtask/src/bench/unrecorded.rs says what is changed in the copy",
                self.file,
                self.was
            );
        }
        Ok(text.replace(self.was, self.is))
    }
}

/// A file that is the same keeps its time, by which cargo knows what is to be built.
fn write_if_new(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, bytes))
        .with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_stands_once_in_the_tree() {
        for change in &CHANGES {
            let text = std::fs::read_to_string(shell::root().join(change.file)).unwrap();
            let changed = change.applied(text).unwrap();
            assert!(changed.contains(change.is), "{}", change.file);
            assert!(change.applied(changed.replace(change.was, "")).is_err(), "{}", change.file);
        }
    }

    #[test]
    fn who_keeps_statements_is_seen_by_how_many_records_there_are() {
        for (ours, left_out, fit) in
            [(2_000_000, 900, true), (40, 40, true), (40, 1_001, false), (1_000_000, 1_000_000, false)]
        {
            assert_eq!(differ(ours, left_out).is_ok(), fit, "{ours} and {left_out}");
        }
    }

    #[test]
    fn a_file_that_is_the_same_is_not_written() {
        let folder = crate::stand::Folder::new("unrecorded").unwrap();
        let path = folder.path().join("a/b");
        write_if_new(&path, b"one").unwrap();
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        write_if_new(&path, b"one").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
        write_if_new(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }
}
