//! Whose pins are whose: a stand that was killed leaves its kernel half attached, and that refuses to others the port
//! that it fenced. The next stand, and `cargo xtask test`, take away what nobody claims any more.

use std::fs::{self, File};
use std::io::{ErrorKind, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::SERVICE_UID_MIN;

/// Where the kernel half of each stand is pinned.
const PINS: &str = "/sys/fs/bpf";
/// A locked file for each stand that is alive.
const CLAIMS: &str = "/run/interceptor-stands";

/// One stand's port while its process lives: the kernel gives the lock back when that ends, however it ends.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    _locked: File,
}

impl Claim {
    /// Claims the pins of the stand with this port, of which there must be none yet.
    pub fn new(port: u16) -> Result<Claim> {
        fs::create_dir_all(CLAIMS)?;
        let path = Path::new(CLAIMS).join(port.to_string());
        let locked = File::create(&path)?;
        locked.try_lock()?;
        Ok(Claim { path, _locked: locked })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Where the kernel half of the stand with this port is pinned.
pub fn pins(port: u16) -> PathBuf {
    Path::new(PINS).join(format!("interceptor-{port}"))
}

/// Detaches the kernel halves of stands that ended without doing so; answers the ports.
///
/// A stand is over when nobody holds its claim and no process runs under its account, as one that a demonstration was
/// asked to leave running would. Pins with other names are not a stand's.
pub fn sweep() -> Result<Vec<u16>> {
    let entries = match fs::read_dir(PINS) {
        Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let ports = names.filter_map(|name| name.strip_prefix("interceptor-")?.parse().ok());
    let mut swept = Vec::new();
    for port in ports.filter(|&port| !runs(port)) {
        // Claimed while it goes, so that a new stand with the same port waits for its turn by an error.
        let Ok(_claim) = Claim::new(port) else { continue };
        fs::remove_dir_all(pins(port))?;
        swept.push(port);
    }
    Ok(swept)
}

/// Whether a process runs under the account of the stand with this port.
fn runs(port: u16) -> bool {
    let uid = SERVICE_UID_MIN + u32::from(port);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| entry.metadata().ok()).any(|process| process.uid() == uid)
}
