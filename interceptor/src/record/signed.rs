//! What signed checkpoints say of a record: the sizes and roots that its series must have.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use audit::note::{Checkpoint, Unfit, VerifierKey};
use audit::segment::{NODE_SHARD, frames};
use audit::verify::{Anchor, Summary};
use audit::{RecordType, decode};

use super::series_of;
use crate::checkpoints::{CHECKPOINT, PUBLIC_KEY};

/// The signed state of a record.
pub(super) struct Signed {
    /// By whom.
    pub(super) key: VerifierKey,
    /// The key was found beside the record, so whoever wrote the record may have written it.
    pub(super) own: bool,
    /// The newest checkpoint, and the text of it.
    pub(super) checkpoint: Checkpoint,
    pub(super) text: String,
    /// What the verifier must find.
    pub(super) anchors: Vec<Anchor>,
}

/// Why the signed state is none.
#[derive(Debug)]
pub(super) enum Unsigned {
    /// Nothing is signed here, and no key was named.
    Never,
    /// A key or an earlier checkpoint was named, and what is here does not fit it.
    Broken(String),
}

/// A key in its own words, or a file that holds it.
pub(super) fn key_of(words: &str) -> Result<VerifierKey> {
    let text = match VerifierKey::parse(words) {
        Ok(key) => return Ok(key),
        Err(_) => fs::read_to_string(words).with_context(|| format!("{words} is neither a public key nor a file"))?,
    };
    VerifierKey::parse(&text).with_context(|| format!("{words} holds no public key (NAME+ID+KEY)"))
}

/// Reads the newest checkpoint of the folders, and earlier ones that were kept elsewhere.
pub(super) fn read(folders: &[PathBuf], key: Option<&str>, kept: &[PathBuf]) -> Result<Result<Signed, Unsigned>> {
    let named = key.map(key_of).transpose()?;
    let own = named.is_none();
    let found = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
    let key = match (named, found(PUBLIC_KEY)) {
        (Some(key), _) => key,
        (None, Some(path)) => key_of(&path.display().to_string())?,
        (None, None) if kept.is_empty() => return Ok(Err(Unsigned::Never)),
        (None, None) => bail!("a kept checkpoint needs the key that signed it: give --key"),
    };
    let Some(path) = found(CHECKPOINT) else {
        let never_began = own && kept.is_empty() && series_of(folders, NODE_SHARD)?.is_empty();
        let why = "the signed checkpoint is missing".to_owned();
        return Ok(Err(if never_began { Unsigned::Never } else { Unsigned::Broken(why) }));
    };
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let checkpoint = match key.open(&text, key.name()) {
        Ok(checkpoint) => checkpoint,
        Err(why) => return Ok(Err(Unsigned::Broken(format!("{}: {why}", path.display())))),
    };
    let mut anchors = vec![anchor(&checkpoint)];
    for path in kept {
        match open(&key, path)? {
            Ok(earlier) => anchors.push(anchor(&earlier)),
            Err(why) => bail!("{}: {why}", path.display()),
        }
    }
    anchors.extend(told(folders, checkpoint.size)?);
    Ok(Ok(Signed { key, own, checkpoint, text, anchors }))
}

/// A checkpoint that was kept elsewhere.
pub(super) fn open(key: &VerifierKey, path: &Path) -> Result<Result<Checkpoint, Unfit>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(key.open(&text, key.name()))
}

fn anchor(checkpoint: &Checkpoint) -> Anchor {
    Anchor { shard: NODE_SHARD, seq: checkpoint.size, root: Some(checkpoint.root) }
}

/// What the node's own records up to this one say of the shards. They are not verified here: the anchor of the node's series does it.
fn told(folders: &[PathBuf], size: u64) -> Result<Vec<Anchor>> {
    let mut anchors = BTreeMap::new();
    for path in series_of(folders, NODE_SHARD)? {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let records = frames(&bytes).filter(|frame| frame.seq <= size && frame.kind == RecordType::Checkpoint.code());
        for head in records.filter_map(|frame| decode::heads(frame.payload())).flatten() {
            // Of two that tell the same size two roots, both are kept: one of them will not be met.
            anchors.insert((head.shard, head.size, head.root), ());
        }
    }
    Ok(anchors.into_keys().map(|(shard, seq, root)| Anchor { shard, seq, root: Some(root) }).collect())
}

impl Signed {
    /// How many records came after the newest checkpoint, in the series that it binds.
    pub(super) fn unsigned(&self, summary: &Summary) -> u64 {
        let signed = |shard| self.anchors.iter().filter(|a| a.shard == shard).map(|a| a.seq).max().unwrap_or(0);
        let bound = summary.series.iter().filter(|series| series.shard <= NODE_SHARD);
        bound.map(|series| series.last_seq.saturating_sub(signed(series.shard))).sum()
    }

    /// For a person.
    pub(super) fn words(&self, summary: &Summary) -> String {
        let after = match self.unsigned(summary) {
            0 => "every record of the service is bound by it".to_owned(),
            count => format!("{count} records after it are not signed yet"),
        };
        let own = if self.own {
            "\n  the key lies beside the record: hold it against a copy of your own with --key, and the record against a checkpoint that was kept elsewhere with --kept"
        } else {
            ""
        };
        format!("signed: checkpoint {} by {}; {after}{own}\n", self.checkpoint.size, self.key.name())
    }
}
