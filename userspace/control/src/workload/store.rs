//! What is bound, on disk: a line for the table as it was, and behind it one for each binding since. So a binding costs its own line and not
//! all of them; when the lines behind have grown as long as the first one, the table is written anew (decisions/0183).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::table::{Binding, Table};

/// Less than that is not written anew.
const LINES_MIN: u64 = 256 << 10;
/// It is no longer.
const BYTES_MAX: u64 = 128 << 20;

/// One binding, as it was at this time.
#[derive(Serialize, Deserialize)]
struct Line<B> {
    at_s: u64,
    binding: B,
}

/// The file, and how much of it is lines.
#[derive(Debug)]
struct Open {
    file: File,
    whole: u64,
    lines: u64,
}

/// The file that it is kept in.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// `None`: what is next is the whole table.
    open: Mutex<Option<Open>>,
}

impl Store {
    /// At this path; nothing is written yet.
    pub fn new(path: PathBuf) -> Store {
        Store { path, open: Mutex::new(None) }
    }

    /// What the service before this one had bound. An error: it cannot be relied on, and what it forgets could be used again. A last line
    /// that was cut short was never answered, and counts for nothing.
    pub fn read(&self) -> Result<Table, String> {
        let failed = |why: &dyn std::fmt::Display| {
            format!("{}: {why}; remove it to begin without bound tokens", self.path.display())
        };
        let held = match fs::metadata(&self.path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Table::default()),
            held => held.map_err(|why| failed(&why))?,
        };
        if held.len() > BYTES_MAX || held.mode() & 0o077 != 0 {
            return Err(failed(&"it is too long, or others may read it"));
        }
        let bytes = fs::read(&self.path).map_err(|why| failed(&why))?;
        read(&bytes).ok_or_else(|| failed(&"it cannot be read"))
    }

    /// Keeps what has become of these bindings at this time, which `table` has not in it yet.
    pub fn append(&self, table: &Table, bindings: &[Binding], at_s: u64) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let held = match open.take() {
            Some(held) if held.lines <= held.whole.max(LINES_MIN) => held,
            _ => self.written_anew(table)?,
        };
        let mut lines = Vec::new();
        for binding in bindings {
            serde_json::to_writer(&mut lines, &Line { at_s, binding })?;
            lines.push(b'\n');
        }
        (&held.file).write_all(&lines)?;
        held.file.sync_data()?;
        // Where one of both fails, what stands there is not known: the next time all of it is written anew.
        *open = Some(Open { lines: held.lines + lines.len() as u64, ..held });
        Ok(())
    }

    /// What was appended last does not count after all: all of it is written anew.
    pub fn rewrite(&self, table: &Table) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open = None;
        *open = Some(self.written_anew(table)?);
        Ok(())
    }

    /// Under another name first, so that there is a whole one at every time.
    fn written_anew(&self, table: &Table) -> io::Result<Open> {
        let mut bytes = serde_json::to_vec(table)?;
        bytes.push(b'\n');
        let fresh = self.path.with_extension("json.new");
        match fs::remove_file(&fresh) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        // The new name too is to outlive a power cut: lines go to this file from here on.
        File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
        Ok(Open { file, whole: bytes.len() as u64, lines: 0 })
    }
}

fn read(bytes: &[u8]) -> Option<Table> {
    // Before there were lines the table had no line end behind it.
    let (first, rest) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (bytes.get(..at)?, bytes.get(at + 1..)?),
        None => (bytes, &[][..]),
    };
    let mut table: Table = serde_json::from_slice(first).ok()?;
    let mut lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    lines.pop();
    for line in lines {
        let Line { at_s, binding }: Line<Binding> = serde_json::from_slice(line).ok()?;
        table.commit(binding, at_s);
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;

    use identity::Identity;

    use super::super::table::{Attested, Job, Revoked};
    use super::*;

    const NOW_S: u64 = 1000;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("interceptor-store-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn store(&self) -> Store {
            Store::new(self.0.join("identities.json"))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// As a CI job's.
    fn identity(run: u64) -> Identity {
        let claims = ["repository", "repository_id", "ref", "run_id", "run_attempt", "actor_id", "environment", "sha"];
        let mut token = [0; 32];
        token[..8].copy_from_slice(&run.to_le_bytes());
        Identity {
            issuer: "ci".into(),
            subject: "repo:octo-org/octo-repo:ref:refs/heads/main".into(),
            principal: format!("ci:74/{run}/1"),
            token,
            groups: vec!["main-branch".into()],
            attributes: claims.map(|claim| (claim.to_owned(), format!("octo-org/octo-repo/{run}"))).to_vec(),
            expires_s: NOW_S + 3600,
        }
    }

    fn bind(store: &Store, table: &mut Table, run: u64) {
        let (binding, _) = table.plan(Job::Cgroup(run), identity(run), Attested::ByToken, NOW_S).unwrap();
        store.append(table, std::slice::from_ref(&binding), NOW_S).unwrap();
        table.commit(binding, NOW_S);
    }

    fn same(one: &Table, other: &Table) {
        let text = |table: &Table| serde_json::to_value(table).unwrap();
        assert_eq!(text(one), text(other));
    }

    #[test]
    fn what_is_read_is_what_was_bound() {
        let folder = Folder::new("same");
        let (store, mut table) = (folder.store(), Table::default());
        assert!(store.read().unwrap().bindings().is_empty(), "there is none yet");
        (1..=20).for_each(|run| bind(&store, &mut table, run));
        let by = Revoked { by: "ann".into(), why: "lost".into() };
        let revoked = table.revoke("ci:74/7/1", &by, NOW_S);
        store.append(&table, &revoked, NOW_S).unwrap();
        // The same cgroup's next job.
        let (binding, _) = table.plan(Job::Cgroup(3), identity(99), Attested::ByToken, NOW_S + 1).unwrap();
        store.append(&table, std::slice::from_ref(&binding), NOW_S + 1).unwrap();
        table.commit(binding, NOW_S + 1);
        let mut read = folder.store().read().unwrap();
        same(&read, &table);
        let again =
            |read: &mut Table, cgroup, run| read.bind(Job::Cgroup(cgroup), identity(run), Attested::ByToken, NOW_S);
        assert!(again(&mut read, 50, 5).is_err(), "its token is another job's");
        assert!(again(&mut read, 50, 7).is_err(), "it was revoked");
        // The next service begins with the whole, and goes on with lines.
        let next = folder.store();
        bind(&next, &mut read, 100);
        same(&folder.store().read().unwrap(), &read);
    }

    /// What was answered before the cut is there; the line that was cut is not, and is not taken for half of one.
    #[test]
    fn a_cut_takes_the_last_line_alone() {
        let folder = Folder::new("cut");
        let (store, mut table) = (folder.store(), Table::default());
        let path = folder.0.join("identities.json");
        bind(&store, &mut table, 1);
        let before = fs::metadata(&path).unwrap().len() as usize;
        bind(&store, &mut table, 2);
        let whole = fs::read(&path).unwrap();
        for at in before..whole.len() {
            let read = read(&whole[..at]).unwrap();
            assert_eq!(read.bindings().len(), 1, "cut at {at} of {}", whole.len());
        }
        assert_eq!(read(&whole).unwrap().bindings().len(), 2);
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap();
        assert!((0..first).all(|at| read(&whole[..at]).is_none()), "the first line is never cut: it comes by a rename");
        let mut broken = whole.clone();
        broken[first + 1] = b'x';
        assert!(read(&broken).is_none(), "a line in the middle is no cut");
        // As the version before wrote it.
        assert!(read(&serde_json::to_vec(&table).unwrap()).is_some_and(|read| read.bindings().len() == 2));
    }

    #[test]
    fn lines_do_not_grow_for_ever_and_the_file_is_the_services_alone() {
        let folder = Folder::new("grow");
        let (store, mut table) = (folder.store(), Table::default());
        let path = folder.0.join("identities.json");
        bind(&store, &mut table, 1);
        let one = table.bindings()[0].clone();
        let many = vec![one; 400];
        let mut longest = 0;
        for _ in 0..20 {
            store.append(&table, &many, NOW_S).unwrap();
            longest = longest.max(fs::metadata(&path).unwrap().len());
        }
        assert!(longest < 2 * LINES_MIN + 400 * 2048, "{longest}");
        store.rewrite(&table).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 4096);
        same(&folder.store().read().unwrap(), &table);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(folder.store().read().unwrap_err().contains("others may read it"));
    }

    /// Not part of the tests: what a binding costs by its number, and what it cost when all of them were written each time.
    #[test]
    #[ignore = "a measurement"]
    fn what_a_binding_costs() {
        for count in [1000, 10_000] {
            let folder = Folder::new("cost");
            let store = folder.store();
            for (name, anew) in [("all of them anew", true), ("a line each", false)] {
                let mut table = Table::default();
                for run in 0..count - 100 {
                    table.bind(Job::Cgroup(run), identity(run), Attested::ByToken, NOW_S).unwrap();
                }
                store.rewrite(&table).unwrap();
                let start = Instant::now();
                for run in count - 100..count {
                    if anew {
                        let before = table.clone();
                        table.bind(Job::Cgroup(run), identity(run), Attested::ByToken, NOW_S).unwrap();
                        store.rewrite(&table).unwrap();
                        drop(before);
                    } else {
                        bind(&store, &mut table, run);
                    }
                }
                let each = start.elapsed() / 100;
                let bytes = fs::metadata(folder.0.join("identities.json")).unwrap().len();
                println!("{count} bindings, {name}: {each:?} for each of the last 100; {bytes} bytes");
            }
            let (mut table, start) = (Table::default(), Instant::now());
            store.rewrite(&table).unwrap();
            (0..count).for_each(|run| bind(&store, &mut table, run));
            println!("{count} bindings, a line each: {:?} in all", start.elapsed());
        }
    }
}
