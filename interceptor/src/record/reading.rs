//! Reading the record is a record (PCI DSS v4.0.1 10.2.1.3): written before anything is shown, or nothing is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::config::Config;
use crate::host_record::{self, Deed, HostRecord, Stage};

/// Who reads what, before it is shown. A copy of a record elsewhere is nobody's to write in: of it nothing is recorded.
pub(crate) fn begins(config: &Path, folder: Option<&Path>, object: &str) -> Result<()> {
    let Some(record) = own(config, folder)? else { return Ok(()) };
    record
        .write(&Deed::Reading { object }, Stage::Done("shown"))
        .map(drop)
        .context("nothing is shown: who reads the record must be in it")
}

/// What a check came to. A record that cannot be written does not hide it.
pub(super) fn checked(config: &Path, folder: Option<&Path>, is_whole: bool, words: &str) {
    let stage = if is_whole { Stage::Done(words) } else { Stage::Failed(words) };
    let written = own(config, folder).and_then(|record| match record {
        Some(record) => record.write(&Deed::Reading { object: "audit verify" }, stage).map(drop).map_err(Into::into),
        None => Ok(()),
    });
    if let Err(why) = written {
        eprintln!("interceptor: this check is not in the record: {why:#}");
    }
}

/// The record of this host, where it is this that is read.
fn own(config: &Path, folder: Option<&Path>) -> Result<Option<HostRecord>> {
    let state = match (Config::load(config), folder) {
        (Ok(config), _) => config.service.state_dir,
        (Err(why), None) => return Err(why.into()),
        (Err(_), Some(_)) => return Ok(None),
    };
    let is =
        |one: &Path, other: &Path| one.canonicalize().ok().is_some_and(|one| other.canonicalize().ok() == Some(one));
    let own: [PathBuf; 2] = [state.clone(), host_record::folder(&state)];
    let reads_own = folder.is_none_or(|folder| own.iter().any(|own| is(own, folder)));
    Ok(reads_own.then(|| HostRecord::new(&state)))
}
