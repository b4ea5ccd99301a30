//! `audit verify` and `audit export`.
use std::path::{Path, PathBuf};

use anyhow::Result;

/// `audit verify`.
pub fn verify(_path: &Path, _folder: Option<PathBuf>, _json: bool) -> Result<u8> {
    Ok(5)
}

/// `audit export`.
pub fn export(_path: &Path, _folder: Option<PathBuf>, _json: bool) -> Result<u8> {
    Ok(5)
}
