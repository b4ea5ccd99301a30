//! Once a second where something was recorded, and once a minute where nothing was, so that silence is evidence too: a record of how far every shard's series is on disk, in the node's own series, and
//! that series' size and root under the host's key, in the file `checkpoint`.
//!
//! One signature so covers all shards: who has the public key finds a changed, missing or shortened series without asking this host.
//! What was recorded since the last checkpoint, at most a second's, is bound by the next one. The key can be read by the service and by
//! root: who has been root may sign another history. A checkpoint that was copied off the host before shows that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use audit::note::{Checkpoint, SignerKey, private_key};
use audit::segment::NODE_SHARD;
use audit::{Event, Head, Operator, Text};
use pan::Masked;
use proxy::DurableHead;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use crate::host_record::series::{self, Place};
use crate::{load, sys};

/// How long nothing may be recorded before a checkpoint says so.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);
/// What each checkpoint promises of the next: twice that, so that a busy host breaks no promise.
const NEXT_WITHIN_S: u32 = 120;

/// The signed checkpoint, in the folder of the record.
pub const CHECKPOINT: &str = "checkpoint";
/// The public key, for whoever verifies; `audit key` prints it.
pub const PUBLIC_KEY: &str = "record.pub";
/// The private key, readable by the service alone.
const PRIVATE_KEY: &str = "record.key";

/// Whoever signs the record of this host.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    key: SignerKey,
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
    /// Over the record in `folder`; makes the host's key where there is none.
    pub fn open(folder: &Path) -> Result<Checkpoints> {
        let key = match fs::read_to_string(folder.join(PRIVATE_KEY)) {
            Ok(text) => SignerKey::parse(&text).with_context(|| {
                format!("{} is no private key of a record: restore it", folder.join(PRIVATE_KEY).display())
            })?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => make_key(folder)?,
            Err(why) => return Err(why).with_context(|| format!("cannot read {}", folder.join(PRIVATE_KEY).display())),
        };
        replace(folder, PUBLIC_KEY, &format!("{}\n", key.public()), 0o644)?;
        let program = hash_of_program().ok();
        let objects = Sha256::digest(load::object()).into();
        let (folder, shards, told) = (folder.to_owned(), Vec::new(), Vec::new());
        Ok(Checkpoints { folder, key, program, objects, shards, told, written: None })
    }

    /// The key alone, for root's tombstones; `None`: the service has not run yet. No link is followed.
    pub(crate) fn signer(folder: &Path) -> Result<Option<SignerKey>> {
        let path = folder.join(PRIVATE_KEY);
        let mut text = zeroize::Zeroizing::new(String::new());
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path);
        match opened.and_then(|mut file| file.read_to_string(&mut text)) {
            Ok(_) => SignerKey::parse(&text).map(Some).with_context(|| format!("{} is no key", path.display())),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// What other keys of this host are derived from.
    pub fn secret(folder: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        let path = folder.join(PRIVATE_KEY);
        fs::read(&path).map(zeroize::Zeroizing::new).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The shards whose records are told of.
    pub fn of(&mut self, shards: Vec<Arc<DurableHead>>) {
        self.shards = shards;
    }

    /// Writes and signs a checkpoint where a series is further than in the last one, or where that is a minute old. Says whether
    /// it did.
    pub fn turn(&mut self, policy: &str, now: Instant) -> Result<bool> {
        let heads = self.heads();
        let is_due = self.written.is_none_or(|written| now.saturating_duration_since(written) >= HEARTBEAT_EVERY);
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
        let head = self.write(policy, &heads, next_within_s).context("a checkpoint of the record was not written")?;
        let name = self.key.public().name().to_owned();
        let signed = self.key.sign(&Checkpoint { origin: name, size: head.size, root: head.root })?;
        replace(&self.folder, CHECKPOINT, &signed, 0o644)?;
        self.told = heads;
        Ok(())
    }

    fn write(&self, policy: &str, heads: &[Head], next_within_s: u32) -> Result<Head> {
        let policy = Masked::of(policy);
        let uid = nix::unistd::Uid::effective().as_raw();
        let operator = Operator { name: Text::Literal("service"), uid, pid: std::process::id() };
        let program = self.program.as_ref();
        let (policy, objects, clock) = (Text::Masked(&policy), &self.objects, sys::clock::state());
        let event = Event::Checkpoint { operator, policy, program, objects, clock, next_within_s, heads };
        let mut payload = Vec::new();
        audit::encode(&event, &mut payload);
        let place = Place { folder: &self.folder, shard: NODE_SHARD };
        Ok(series::append(&place, event.kind(), &payload)?.1)
    }
}

/// Draws the host's key. Its name begins with the host's, so that it is unique among those that an assessor holds.
fn make_key(folder: &Path) -> Result<SignerKey> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).ok().context("the kernel gives no random bytes")?;
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).take(200).collect();
    let name = format!("{}/interceptor", if host.is_empty() { "host" } else { &host });
    let text = private_key(&name, &seed)?;
    replace(folder, PRIVATE_KEY, &format!("{text}\n"), 0o600)?;
    Ok(SignerKey::parse(&text)?)
}

/// Puts a file in the place of another: whole, on disk, or not at all.
fn replace(folder: &Path, name: &str, text: &str, mode: u32) -> Result<()> {
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn hash_of_program() -> io::Result<[u8; 32]> {
    let (mut file, mut hash, mut piece) = (File::open("/proc/self/exe")?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(piece.get(..count).unwrap_or_default()),
        }
    }
}
