//! What signed checkpoints say of a record: the sizes and roots that its series must have.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use audit::keys::Keys;
use audit::note::{Checkpoint, Unfit, VerifierKey, checkpoint_of};
use audit::segment::{Frame, Header, NODE_SHARD, frames};
use audit::verify::{Anchor, Summary};
use audit::witness::WitnessKey;
use audit::{RecordType, decode, show};

use super::{Against, series_of};
use crate::checkpoints::{CHECKPOINT, PUBLIC_KEY};
use crate::ship::anchor::COSIGNED;

/// The signed state of a record.
pub(super) struct Signed {
    /// Who may sign it: from the first root key on.
    pub(super) keys: Keys,
    /// The key was found beside the record, so whoever wrote the record may have written it.
    pub(super) own: bool,
    /// The newest checkpoint, and the text of it.
    pub(super) checkpoint: Checkpoint,
    pub(super) text: String,
    /// What the verifier must find.
    pub(super) anchors: Vec<Anchor>,
    /// What a witness has cosigned: who, up to which record of the node's, and when, seconds since 1970.
    pub(super) witnessed: Option<(String, u64, u64)>,
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

/// A witness's key in its own words, or a file that holds it.
fn witness_of(words: &str) -> Result<WitnessKey> {
    let text = match WitnessKey::parse(words) {
        Ok(key) => return Ok(key),
        Err(_) => {
            fs::read_to_string(words).with_context(|| format!("{words} is neither a witness's key nor a file"))?
        }
    };
    WitnessKey::parse(&text).with_context(|| format!("{words} holds no witness's public key (NAME+ID+KEY)"))
}

/// Reads the newest checkpoint of the folders, and earlier ones that were kept elsewhere.
pub(super) fn read(folders: &[PathBuf], against: &Against<'_>) -> Result<Result<Signed, Unsigned>> {
    let Against { key, kept, witness } = *against;
    let named = key.map(key_of).transpose()?;
    let own = named.is_none();
    let found = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
    let first = match (named, found(PUBLIC_KEY)) {
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
    let (keys, begins) = match keys_of(folders, first)? {
        Ok(found) => found,
        Err(why) => return Ok(Err(Unsigned::Broken(why))),
    };
    let checkpoint = match keys.open(&text) {
        Ok(checkpoint) => checkpoint,
        Err(why) => return Ok(Err(Unsigned::Broken(format!("{}: {why}", path.display())))),
    };
    let mut anchors = vec![anchor(&checkpoint)];
    for path in kept {
        match open(&keys, begins, path)? {
            Ok(earlier) => anchors.push(anchor(&earlier)),
            Err(Unfit::Unsigned) => {
                return Ok(Err(Unsigned::Broken(format!(
                    "{}: no key of this record has signed it: the record was put back to an earlier state or goes another way, or it is of another log",
                    path.display()
                ))));
            }
            Err(why) => bail!("{}: {why}", path.display()),
        }
    }
    let mut witnessed = None;
    if let Some(words) = witness {
        let witness = witness_of(words)?;
        let Some(path) = found(COSIGNED) else {
            return Ok(Err(Unsigned::Broken(format!("no checkpoint that {} cosigned is here", witness.name()))));
        };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let cosigned = witness.open(&text).and_then(|(_, time_s)| Ok((keys.open(&text)?, time_s)));
        match cosigned {
            Ok((cosigned, time_s)) => {
                anchors.push(anchor(&cosigned));
                witnessed = Some((witness.name().to_owned(), cosigned.size, time_s));
            }
            Err(why) => return Ok(Err(Unsigned::Broken(format!("{}: {why}", path.display())))),
        }
    }
    let own_bases = keys.bases().iter().filter(|base| base.size > 0);
    anchors.extend(own_bases.map(|base| Anchor { shard: NODE_SHARD, seq: base.size, root: Some(base.root) }));
    anchors.extend(told(folders, checkpoint.size)?);
    Ok(Ok(Signed { keys, own, checkpoint, text, anchors, witnessed }))
}

/// A checkpoint that was kept elsewhere. One of what was removed since is not checked any more: what certified its key is gone with it.
pub(super) fn open(keys: &Keys, begins: u64, path: &Path) -> Result<Result<Checkpoint, Unfit>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(match checkpoint_of(&text) {
        Ok(gone) if gone.size < begins && gone.origin == keys.name() => Ok(gone),
        _ => keys.open(&text),
    })
}

/// Every key that the node's series tells of, and its first record; or which record tells of one that is none.
pub(super) fn keys_of(folders: &[PathBuf], first: VerifierKey) -> Result<Result<(Keys, u64), String>> {
    let (mut keys, mut begins) = (Keys::of(first), None);
    for path in series_of(folders, NODE_SHARD)? {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // One without a header is the verifier's to name.
        let Ok(header) = Header::read(&bytes) else { continue };
        begins.get_or_insert(header.first_seq());
        for frame in frames(&bytes) {
            if let Err(why) = keys.see(&header.identity.boot_id, &frame) {
                return Ok(Err(format!("{}: record {NODE_SHARD}-{}: {why}", path.display(), frame.seq)));
            }
        }
    }
    Ok(Ok((keys, begins.unwrap_or(1))))
}

/// The records that a key of that state is certified by, as they stand in the node's series.
pub(super) fn certificates(folders: &[PathBuf], size: u64) -> Result<Vec<Vec<u8>>> {
    let mut all: Vec<(u8, Vec<u8>)> = Vec::new();
    for path in series_of(folders, NODE_SHARD)? {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let is_told = |frame: &Frame<'_>| {
            let kind = RecordType::of(frame.kind);
            frame.seq <= size && matches!(kind, Some(RecordType::RunKey | RecordType::RootKey))
        };
        for frame in frames(&bytes).filter(is_told) {
            // Each segment tells them again: the last telling of a run is enough, and the first of each root key.
            let is_run = frame.kind == RecordType::RunKey.code();
            let is_known = |(kind, before): &(u8, Vec<u8>)| {
                let (one, other) = (show::frame(before), frame.payload());
                *kind == frame.kind && (is_run || one.is_some_and(|one| one.payload() == other))
            };
            if is_run {
                all.retain(|one| !is_known(one));
            } else if all.iter().any(is_known) {
                continue;
            }
            all.push((frame.kind, frame.bytes().to_vec()));
        }
    }
    Ok(all.into_iter().map(|(_, bytes)| bytes).collect())
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

    /// How the first key leads to the one that signed, for a person.
    fn chain(&self) -> String {
        let rotations = match self.keys.roots().len() {
            0 | 1 => String::new(),
            more => format!(", whose root key was replaced {} times", more - 1),
        };
        match self.keys.at(self.checkpoint.size) == self.keys.roots().last().unwrap_or(self.keys.at(0)) {
            true => rotations,
            false => format!(" with a key of this run{rotations}"),
        }
    }

    /// What a witness has cosigned, for a program.
    pub(super) fn cosigned(&self) -> serde_json::Value {
        let Some((name, size, time_s)) = &self.witnessed else { return serde_json::Value::Null };
        serde_json::json!({ "witness": name, "size": size, "time": show::time(time_s.saturating_mul(1_000_000_000)) })
    }

    /// The same for a person.
    fn witnessed_words(&self) -> String {
        let Some((name, size, time_s)) = &self.witnessed else { return String::new() };
        let time = show::time(time_s.saturating_mul(1_000_000_000));
        let time = time.get(..19).unwrap_or(&time);
        format!(
            "\n  cosigned by {name}: the record goes on from checkpoint {size} of {time}Z; what is later, no one outside has seen"
        )
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
        let own = self.witnessed_words() + own;
        format!("signed: checkpoint {} by {}{}; {after}{own}\n", self.checkpoint.size, self.keys.name(), self.chain())
    }
}
