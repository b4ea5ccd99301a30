//! The root key of this host's record, in root's folder: it signs no checkpoint, but certifies a fresh key for each run of the service, and its
//! own successor. The service can neither read nor use it (docs/decisions/0125).
//!
//! What root says of keys goes to the service as a file in the service's folder, with the payloads of the records that the service then
//! writes into the node's series: all of it is signed, so the folder need not be trusted.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use audit::RecordType;
use audit::keys::{KeyTold, Role};
use audit::note::{SignerKey, VerifierKey, private_key};
use audit::segment::NODE_SHARD;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use nix::fcntl::{Flock, FlockArg};
use pan::Masked;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::checkpoints::{OWN_ROOT_KEY, PUBLIC_KEY, Replaced, TOLD_KEYS, replace};
use crate::config::Config;
use crate::host_record::series::{self, Place};
use crate::host_record::{self, Deed, HostRecord, Stage};
use crate::privileges::{self, Account};
use crate::record::now_ns;

/// The root key, in root's folder.
const ROOT_KEY: &str = "root.key";
/// The next one, until it is told.
const NEXT_ROOT_KEY: &str = "root.key.next";
/// The key of the next run, in the service's folder until the service has read it.
pub(crate) const RUN_KEY: &str = "run.key";

/// The root key; `None`: there is none yet. An older host has it in the service's folder until it is rotated.
pub(crate) fn of(state_dir: &Path) -> Result<Option<SignerKey>> {
    let host = host_record::folder(state_dir);
    match read(&host.join(ROOT_KEY))? {
        Some(key) => Ok(Some(key)),
        None => read(&state_dir.join(OWN_ROOT_KEY)),
    }
}

/// A private key. No link is followed.
pub(crate) fn read(path: &Path) -> Result<Option<SignerKey>> {
    let mut text = Zeroizing::new(String::new());
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path);
    match opened.and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => SignerKey::parse(&text).map(Some).with_context(|| format!("{} is no key", path.display())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A fresh key of this name, in the words of its file.
pub(crate) fn draw(name: &str) -> Result<Zeroizing<String>> {
    let mut seed = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *seed).ok().context("the kernel gives no random bytes")?;
    Ok(Zeroizing::new(private_key(name, &seed)?))
}

/// What this host's log is called: it begins with the host's name, so that it is unique among those that an assessor holds.
pub(crate) fn log_name() -> String {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let host = Masked::of(&host);
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || ".-_".contains(*letter);
    let host: String = host.as_str().chars().filter(fits).take(200).collect();
    format!("{}/interceptor", if host.is_empty() { "host" } else { &host })
}

/// `audit certify`: a key for the next run of the service. The unit calls it as root before each start.
pub fn certify(path: &Path) -> Result<u8> {
    let config = Config::load(path)?;
    let account = privileges::account(&config.service.user)?;
    certify_for(&config.service.state_dir, Some(account))?;
    Ok(0)
}

/// The same for this process, which is root and becomes the service.
pub(crate) fn certify_for(state_dir: &Path, account: Option<Account>) -> Result<()> {
    let host = host_record::own_folder(&host_record::folder(state_dir))?;
    let _one = lock(&host)?;
    finish_rotation(state_dir, &host)?;
    let root = match of(state_dir)? {
        Some(root) => root,
        None => first(state_dir, &host)?,
    };
    let text = draw(root.public().name())?;
    let key = SignerKey::parse(&text)?;
    let told = KeyTold::run(&root, key.public(), series::boot_id(), now_ns() / 1_000_000_000, base(state_dir)?);
    let mut lines = rotations(state_dir)?;
    lines.push(line(&told));
    hand(state_dir, TOLD_KEYS, &lines.concat(), 0o644, account)?;
    // Last: without what certifies it a key is none.
    hand(state_dir, RUN_KEY, &format!("{}\n", text.as_str()), 0o600, account)
}

/// Where there was none.
fn first(state_dir: &Path, host: &Path) -> Result<SignerKey> {
    if state_dir.join(PUBLIC_KEY).exists() {
        tracing::error!(
            "the root key of the record is gone: a new one is made, and a verifier with the old public key will say so; restore it from its backup if there is one"
        );
    }
    let text = draw(&log_name())?;
    let key = SignerKey::parse(&text)?;
    replace(host, ROOT_KEY, &format!("{}\n", text.as_str()), &Replaced::secret())?;
    let public = format!("{}\n", key.public());
    hand(state_dir, PUBLIC_KEY, &public, 0o644, None)?;
    Ok(key)
}

/// `audit rotate-key`: another root key from now on, signed by the one before.
pub fn rotate(path: &Path) -> Result<u8> {
    let config = Config::load(path)?;
    let account =
        if nix::unistd::Uid::effective().is_root() { Some(privileges::account(&config.service.user)?) } else { None };
    let next = rotate_for(&config.service.state_dir, account)?;
    println!("the root key is {next} from now on");
    println!(
        "the first public key (`interceptor audit key`) still verifies the whole record; give the new one to your witness"
    );
    println!(
        "keep a copy of {} off this host, where no backup of the record is",
        host_record::folder(&config.service.state_dir).join(ROOT_KEY).display()
    );
    Ok(0)
}

pub(crate) fn rotate_for(state_dir: &Path, account: Option<Account>) -> Result<VerifierKey> {
    let host = host_record::own_folder(&host_record::folder(state_dir))?;
    let _one = lock(&host)?;
    finish_rotation(state_dir, &host)?;
    let Some(root) = of(state_dir)? else { bail!("there is no root key yet: the service has not run") };
    let text = draw(root.public().name())?;
    let next = SignerKey::parse(&text)?;
    let (issued_s, base) = (now_ns() / 1_000_000_000, base(state_dir)?);
    let told = KeyTold::root(&root, &next, issued_s, base);
    // On disk before it is told: who is told of a key that is lost cannot be told of another.
    replace(&host, NEXT_ROOT_KEY, &format!("{}\n", text.as_str()), &Replaced::secret())?;
    HostRecord::new(state_dir)
        .write(&Deed::Key { told: &told }, Stage::Done(""))
        .context("the root key stays as it is")?;
    let mut lines = rotations(state_dir)?;
    lines.push(line(&told));
    // The run that goes on is certified anew: what the old root key says counts no more behind this.
    if let Some((kind, payload)) = told_keys(state_dir)?.last()
        && let Some(run) = KeyTold::read(kind.code(), payload)
        && run.is_signed(root.public())
        && let Role::Run { boot_id } = run.role
    {
        let key = VerifierKey::new(next.public().name(), run.key)?;
        lines.push(line(&KeyTold::run(&next, &key, boot_id, issued_s, base)));
    }
    hand(state_dir, TOLD_KEYS, &lines.concat(), 0o644, account)?;
    finish_rotation(state_dir, &host)?;
    Ok(next.public().clone())
}

/// A rotation that was told is done, also where it was interrupted.
fn finish_rotation(state_dir: &Path, host: &Path) -> Result<()> {
    let path = host.join(NEXT_ROOT_KEY);
    let Some(next) = read(&path)? else { return Ok(()) };
    let told = told_keys(state_dir)?;
    let is_told = told.iter().any(|(kind, payload)| {
        *kind == RecordType::RootKey
            && KeyTold::read(kind.code(), payload).is_some_and(|told| told.key == next.public().bytes())
    });
    let done = if is_told { fs::rename(&path, host.join(ROOT_KEY)) } else { fs::remove_file(&path) };
    done.and_then(|()| File::open(host)?.sync_all()).with_context(|| format!("cannot finish {}", path.display()))
}

/// What the record is up to now, as far as the node's series tells.
fn base(state_dir: &Path) -> Result<audit::Head> {
    Ok(series::head(&Place { folder: state_dir, shard: NODE_SHARD })?)
}

/// One line of the file: the type of the record, and its payload.
pub(crate) fn line(told: &KeyTold) -> String {
    let mut payload = Vec::new();
    host_record::encode(&Deed::Key { told }, Stage::Done(""), &mut payload);
    format!("{} {}\n", told.record_type(), BASE64.encode(payload))
}

/// The lines of what was told of root keys.
fn rotations(state_dir: &Path) -> Result<Vec<String>> {
    let told = told_keys(state_dir)?.into_iter().filter(|(kind, _)| *kind == RecordType::RootKey);
    Ok(told.map(|(kind, payload)| format!("{kind} {}\n", BASE64.encode(payload))).collect())
}

/// Types and payloads of what was told of keys.
pub(crate) fn told_keys(state_dir: &Path) -> Result<Vec<(RecordType, Vec<u8>)>> {
    let path = state_dir.join(TOLD_KEYS);
    let mut text = String::new();
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path);
    match opened.and_then(|file| file.take(TOLD_MAX).read_to_string(&mut text)) {
        Ok(_) => parse(&text).with_context(|| format!("{} is damaged", path.display())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(why) => Err(why).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Which boot of the host this is; `None`: it cannot be told.
pub(crate) fn boot(state_dir: &Path) -> Option<[u8; 16]> {
    boot_or_certified(series::boot_id(), state_dir)
}

/// What the kernel shows, where it is not hidden.
pub(crate) fn boot_or_certified(shown: [u8; 16], state_dir: &Path) -> Option<[u8; 16]> {
    if shown == [0; 16] { boot_of_run(state_dir) } else { Some(shown) }
}

/// The boot of the host, as root saw it when it certified this run. The service may not look itself: /proc/sys is hidden from it
/// (`ProcSubset=pid`).
pub(crate) fn boot_of_run(state_dir: &Path) -> Option<[u8; 16]> {
    let told = told_keys(state_dir).ok()?;
    let last = told.last().and_then(|(kind, payload)| KeyTold::read(kind.code(), payload))?;
    match last.role {
        Role::Run { boot_id } => Some(boot_id),
        Role::Root { .. } => None,
    }
}

/// More is no file of ours.
const TOLD_MAX: u64 = 1 << 20;

/// The lines of such a file.
pub(crate) fn parse(text: &str) -> Option<Vec<(RecordType, Vec<u8>)>> {
    let one = |line: &str| {
        let (kind, payload) = line.split_once(' ')?;
        let kind = [RecordType::RunKey, RecordType::RootKey].into_iter().find(|of| of.name() == kind)?;
        let payload = BASE64.decode(payload).ok()?;
        KeyTold::read(kind.code(), &payload)?;
        Some((kind, payload))
    };
    text.lines().map(one).collect()
}

/// One at a time.
fn lock(host: &Path) -> Result<Flock<File>> {
    let file = File::create(host.join("root.lock")).context("cannot lock the root key")?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, why)| why).context("cannot lock the root key")
}

/// A file in the service's folder, for the service to read. The folder is the service's: a link there is not followed, and what is there
/// under the same name is removed first.
fn hand(state_dir: &Path, name: &str, text: &str, mode: u32, account: Option<Account>) -> Result<()> {
    let (path, new): (PathBuf, PathBuf) = (state_dir.join(name), state_dir.join(format!("{name}.root")));
    let write = || {
        match fs::remove_file(&new) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&new)?;
        if let Some(Account { uid, gid }) = account.filter(|_| nix::unistd::Uid::effective().is_root()) {
            fchown(&file, Some(uid), Some(gid))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(state_dir)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
