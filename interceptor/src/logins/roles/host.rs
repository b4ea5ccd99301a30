//! Which host this is, for the mark of its roles: two hosts on one database never drop each other's.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};

/// Random bytes that were drawn once. With the machine's id, so that a copied folder on another machine is another host.
const FILE: &str = "roles.id";

/// 16 hexadecimal digits.
pub(super) fn id(state_dir: &Path) -> Result<String> {
    let path = state_dir.join(FILE);
    let drawn = match std::fs::read(&path) {
        Ok(drawn) => drawn,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            let mut drawn = vec![0; 16];
            SystemRandom::new().fill(&mut drawn).ok().context("the host has no randomness")?;
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o640).open(&path);
            let written = file.as_mut().map_err(|why| std::io::Error::from(why.kind())).and_then(|file| {
                file.write_all(&drawn)?;
                file.sync_all()
            });
            written.with_context(|| format!("cannot write {}", path.display()))?;
            drawn
        }
        Err(why) => return Err(why).with_context(|| format!("cannot read {}", path.display())),
    };
    let machine = std::fs::read("/etc/machine-id").unwrap_or_default();
    let hash = Sha256::new().chain_update(b"interceptor roles").chain_update(&machine).chain_update(&drawn).finalize();
    Ok(hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
