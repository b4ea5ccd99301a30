//! Once a second where something was recorded, and once a minute where nothing was, so that silence is evidence too: a record of how far every shard's series is on disk, in the node's own series, and
//! that series' size and root under the host's key, in the file `checkpoint`.
//!
//! One signature so covers all shards: who has the public key finds a changed, missing or shortened series without asking this host.
//! What was recorded since the last checkpoint, at most a second's, is bound by the next one. The key is of this run alone: root has certified
//! it, with all that was recorded before (docs/decisions/0125). Who has been root may sign another history; a checkpoint that was
//! copied off the host before, or cosigned by a witness, shows that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use audit::RecordType;
use audit::keys::KeyTold;
use audit::note::{Checkpoint, SignerKey};
use audit::segment::NODE_SHARD;
use audit::{Event, Head, Operator, Text};
use pan::Masked;
use proxy::DurableHead;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::host_record::series::{self, Appended, Place};
use crate::record::now_ns;
use crate::{load, root_key, sha256, sys};

/// How long nothing may be recorded before a checkpoint says so.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);
/// What each checkpoint promises of the next: twice that, so that a busy host breaks no promise.
const NEXT_WITHIN_S: u32 = 120;

/// The signed checkpoint, in the folder of the record.
pub const CHECKPOINT: &str = "checkpoint";
/// The public key, for whoever verifies; `audit key` prints it.
pub const PUBLIC_KEY: &str = "record.pub";
/// The root key of a service that nobody certifies, and of an older host: readable by the service.
pub(crate) const OWN_ROOT_KEY: &str = "record.key";
/// What is told of keys, by root: a line per record, for the service to write.
pub(crate) const TOLD_KEYS: &str = "record.keys";
/// What other keys of the service are derived from; on an older host the key above is.
const SECRET: &str = "service.key";

/// What is told of keys: the file, and its records' types and payloads.
type Certified = (String, Vec<(RecordType, Vec<u8>)>);

/// Whoever signs the record of this host.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    /// Of this run.
    key: SignerKey,
    /// What certifies it, and each change of the root key before: as it was read, and as records.
    certified: Certified,
    /// The segment of the node's series in which that stands. Each has it, so that none needs one before it.
    told_in: Option<u64>,
    program: Option<[u8; 32]>,
    /// The hash of the kernel half.
    objects: [u8; 32],
    shards: Vec<Arc<DurableHead>>,
    /// What the last checkpoint told.
    told: Vec<Head>,
    /// When it was.
    written: Option<Instant>,
}

impl Checkpoints {
    /// Over the record in `folder`, with the key that root has certified for this run. Where root has none, the service certifies itself
    /// with a key of its own, which then is the root key.
    pub fn open(folder: &Path) -> Result<Checkpoints> {
        let key = match handed(folder)? {
            Some(key) => key,
            None => own(folder)?,
        };
        let certified = certified(folder, &key)?;
        let program = File::open("/proc/self/exe").and_then(sha256::of).map(|(_, hash)| hash).ok();
        let objects = Sha256::digest(load::object()).into();
        let (folder, shards, told) = (folder.to_owned(), Vec::new(), Vec::new());
        Ok(Checkpoints { folder, key, certified, told_in: None, program, objects, shards, told, written: None })
    }

    /// What other keys of the service are derived from: drawn where there is nothing yet.
    pub fn secret(folder: &Path) -> Result<Zeroizing<Vec<u8>>> {
        if let Some(secret) = Checkpoints::kept_secret(folder)? {
            return Ok(secret);
        }
        let text = root_key::draw(&root_key::log_name())?;
        replace(folder, SECRET, &text, &Replaced::secret())?;
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// The same, where there is one.
    pub fn kept_secret(folder: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
        for name in [SECRET, OWN_ROOT_KEY] {
            match fs::read(folder.join(name)) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                read => return read.map(Zeroizing::new).map(Some).with_context(|| format!("cannot read {name}")),
            }
        }
        Ok(None)
    }

    /// The shards whose records are told of.
    pub fn of(&mut self, shards: Vec<Arc<DurableHead>>) {
        self.shards = shards;
    }

    /// Writes and signs a checkpoint where a series is further than in the last one, or where that is a minute old. Says whether
    /// it did.
    pub fn turn(&mut self, policy: &str, now: Instant) -> Result<bool> {
        let heads = self.heads();
        self.look_at_keys()?;
        let is_due = self.told_in.is_none()
            || self.written.is_none_or(|written| now.saturating_duration_since(written) >= HEARTBEAT_EVERY);
        if heads.is_empty() || (heads == self.told && !is_due) {
            return Ok(false);
        }
        self.sign(policy, heads, NEXT_WITHIN_S)?;
        self.written = Some(now);
        Ok(true)
    }

    /// The last one of a service that stops in order: it promises no other.
    pub fn last(&mut self, policy: &str) -> Result<()> {
        let heads = self.heads();
        if heads.is_empty() { Ok(()) } else { self.sign(policy, heads, 0) }
    }

    fn heads(&self) -> Vec<Head> {
        self.shards.iter().filter_map(|shard| shard.get()).collect()
    }

    fn sign(&mut self, policy: &str, heads: Vec<Head>, next_within_s: u32) -> Result<()> {
        let written =
            self.write(policy, &heads, next_within_s).context("a checkpoint of the record was not written")?;
        let head = if self.told_in == Some(written.segment) { written.head } else { self.tell()? };
        let name = self.key.public().name().to_owned();
        let signed = self.key.sign(&Checkpoint { origin: name, size: head.size, root: head.root })?;
        replace(&self.folder, CHECKPOINT, &signed, &Replaced::open())?;
        self.told = heads;
        Ok(())
    }

    /// Root may have told of another root key meanwhile.
    fn look_at_keys(&mut self) -> Result<()> {
        match fs::read_to_string(self.folder.join(TOLD_KEYS)) {
            Ok(text) if text == self.certified.0 => Ok(()),
            Ok(_) => {
                self.certified = certified(&self.folder, &self.key)?;
                self.told_in = None;
                Ok(())
            }
            Err(why) => Err(why).with_context(|| format!("cannot read {TOLD_KEYS}")),
        }
    }

    /// Tells of the keys in the segment at hand: whoever has no segment before it needs none for them.
    fn tell(&mut self) -> Result<Head> {
        let place = Place { folder: &self.folder, shard: NODE_SHARD };
        loop {
            let (mut first, mut last) = (None, None);
            for (kind, payload) in &self.certified.1 {
                let written = series::append(&place, kind.code(), payload)?;
                first.get_or_insert(written.segment);
                last = Some(written);
            }
            let last: Appended = last.context("nothing certifies this run's key")?;
            if first == Some(last.segment) {
                self.told_in = first;
                return Ok(last.head);
            }
        }
    }

    fn write(&self, policy: &str, heads: &[Head], next_within_s: u32) -> Result<Appended> {
        let policy = Masked::of(policy);
        let uid = nix::unistd::Uid::effective().as_raw();
        let operator = Operator { name: Text::Literal("service"), uid, pid: std::process::id() };
        let program = self.program.as_ref();
        let (policy, objects, clock) = (Text::Masked(&policy), &self.objects, sys::clock::state());
        let event = Event::Checkpoint { operator, policy, program, objects, clock, next_within_s, heads };
        let mut payload = Vec::new();
        audit::encode(&event, &mut payload);
        let place = Place { folder: &self.folder, shard: NODE_SHARD };
        Ok(series::append(&place, event.kind(), &payload)?)
    }
}

/// The key that root left for this run. It is in memory alone from here on: no backup has it.
fn handed(folder: &Path) -> Result<Option<SignerKey>> {
    let path = folder.join(root_key::RUN_KEY);
    let Some(key) = root_key::read(&path)? else { return Ok(None) };
    fs::remove_file(&path)
        .and_then(|()| File::open(folder)?.sync_all())
        .with_context(|| format!("cannot remove {}", path.display()))?;
    Ok(Some(key))
}

/// A key for this run, certified by the service's own root key, which is made where this log has none.
fn own(folder: &Path) -> Result<SignerKey> {
    let told = root_key::told_keys(folder)?;
    let path = folder.join(OWN_ROOT_KEY);
    let is_roots = told.iter().any(|(kind, _)| *kind == RecordType::RootKey);
    let root = match root_key::read(&path)? {
        Some(root) if !is_roots => root,
        None if !is_roots && !folder.join(PUBLIC_KEY).exists() => {
            let text = root_key::draw(&root_key::log_name())?;
            replace(folder, OWN_ROOT_KEY, &format!("{}\n", text.as_str()), &Replaced::secret())?;
            SignerKey::parse(&text)?
        }
        _ => bail!(
            "no key is certified for this run, and the root key of the record is root's: run `interceptor audit certify` as root before each start (the shipped unit does)"
        ),
    };
    replace(folder, PUBLIC_KEY, &format!("{}\n", root.public()), &Replaced::open())?;
    let key = SignerKey::parse(&root_key::draw(root.public().name())?)?;
    let base = series::head(&Place { folder, shard: NODE_SHARD })?;
    let told = KeyTold::run(&root, key.public(), series::boot_id(), now_ns() / 1_000_000_000, base);
    replace(folder, TOLD_KEYS, &root_key::line(&told), &Replaced::open())?;
    Ok(key)
}

/// What is told of keys, where it certifies this one.
fn certified(folder: &Path, key: &SignerKey) -> Result<Certified> {
    let path = folder.join(TOLD_KEYS);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let told = root_key::parse(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let last = told.last().and_then(|(kind, payload)| KeyTold::read(kind.code(), payload));
    let fits = last.is_some_and(|last| last.record_type() == RecordType::RunKey && last.key == key.public().bytes());
    ensure!(fits, "{} does not certify this run's key: restart the service", path.display());
    Ok((text, told))
}

/// How a file is put in the place of another.
pub(crate) struct Replaced(u32);

impl Replaced {
    /// For everybody to read.
    pub(crate) fn open() -> Replaced {
        Replaced(0o644)
    }

    /// For its owner alone.
    pub(crate) fn secret() -> Replaced {
        Replaced(0o600)
    }
}

/// Puts a file in the place of another: whole, on disk, or not at all.
pub(crate) fn replace(folder: &Path, name: &str, text: &str, how: &Replaced) -> Result<()> {
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(how.0).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
