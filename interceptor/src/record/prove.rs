//! `audit checkpoint`, `audit prove`, `audit check-proof`, `audit consistency`: what somebody elsewhere can check with the public key alone.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use audit::chain::{Hash, leaf};
use audit::keys::Keys;
use audit::note::{Unfit, VerifierKey, inclusion_proof, read_inclusion_proof};
use audit::proof::{Ranges, consistency, extends, includes, inclusion};
use audit::segment::{HEADER_LEN, Header, NODE_SHARD, frames};
use audit::{Head, RecordId, RecordType, decode, show};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::signed::{self, Signed, Unsigned};
use super::{Against, folders_and_state, reading, series_of};
use crate::checkpoints::PUBLIC_KEY;

/// `audit checkpoint`: the newest signed checkpoint, to be kept elsewhere.
pub fn checkpoint(path: &Path, folder: Option<PathBuf>) -> Result<u8> {
    let (folders, _) = folders_and_state(path, folder)?;
    print!("{}", signed(&folders)?.text);
    Ok(0)
}

/// `audit key`: the public key, to be kept elsewhere.
pub fn key(path: &Path, folder: Option<PathBuf>) -> Result<u8> {
    let (folders, _) = folders_and_state(path, folder)?;
    let keys = folders.iter().map(|folder| folder.join(PUBLIC_KEY));
    let key = keys.into_iter().find(|path| path.exists()).context("no key is here: the service has not run yet")?;
    println!("{}", signed::key_of(&key.display().to_string())?);
    Ok(0)
}

/// `audit prove SHARD-SEQ`: one record with all that shows, by the public key alone, that it is in the signed record.
pub fn prove(path: &Path, folder: Option<PathBuf>, record: RecordId) -> Result<u8> {
    let (folders, _) = folders_and_state(path, folder.clone())?;
    reading::begins(path, folder.as_deref(), &format!("audit prove {record}"))?;
    println!("{:#}", proof(&folders, record)?);
    Ok(0)
}

pub(super) fn proof(folders: &[PathBuf], record: RecordId) -> Result<Value> {
    let signed = signed(folders)?;
    let (bound, bytes_of_bound) = bound(folders, record, signed.checkpoint.size)?;
    let size_of_node = signed.checkpoint.size;
    let node_path = path_of(folders, NODE_SHARD, inclusion(bound.seq - 1, size_of_node), size_of_node)?;
    let (tree_size, tree_path, bytes) = match bound.head {
        None => (0, Vec::new(), Vec::new()),
        Some(Head { size, .. }) => {
            let path = path_of(folders, record.shard, inclusion(record.seq - 1, size), size)?;
            (size, path, bytes_of(folders, record)?)
        }
    };
    Ok(json!({
        "proof": "interceptor-record-v1",
        "record": record.to_string(),
        "bytes": BASE64.encode(bytes),
        "tree_size": tree_size,
        "path": tree_path.iter().map(|hash| BASE64.encode(hash)).collect::<Vec<_>>(),
        "keys": signed::certificates(folders, size_of_node)?.iter().map(|frame| BASE64.encode(frame)).collect::<Vec<_>>(),
        "checkpoint_record": BASE64.encode(bytes_of_bound),
        "tlog_proof": inclusion_proof(bound.seq, &node_path, &signed.text),
    }))
}

/// `audit check-proof FILE --key K`: exit 0 where the proof holds, 1 where it does not. Needs nothing else of the host.
pub fn check_proof(file: &Path, key: &str) -> Result<u8> {
    let key = signed::key_of(key)?;
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    match Checked::read(&text).and_then(|proof| proof.holds(&key)) {
        Some(line) => {
            println!("proven by {}: {line}", key.name());
            Ok(0)
        }
        None => {
            println!("NOT PROVEN: {} is no proof of a record under this key", file.display());
            Ok(1)
        }
    }
}

/// `audit consistency KEPT [LATER]`: whether the record here, or a later checkpoint that was kept too, goes on where a checkpoint that
/// was kept elsewhere ended, with the proof.
pub fn since(path: &Path, folder: Option<PathBuf>, kept: &Path, later: Option<&Path>, key: Option<&str>) -> Result<u8> {
    let (folders, _) = folders_and_state(path, folder)?;
    let newest = match signed::read(&folders, &Against { key, ..Against::default() })? {
        Ok(signed) => signed,
        Err(Unsigned::Never) => bail!("nothing is signed here: the service has not run yet"),
        Err(Unsigned::Broken(why)) => bail!("{why}"),
    };
    let (keys, begins) = match signed::keys_of(&folders, newest.keys.at(0).clone())? {
        Ok(found) => found,
        Err(why) => bail!("{why}"),
    };
    let old = match signed::open(&keys, begins, kept)? {
        Ok(old) => old,
        Err(Unfit::Unsigned) => {
            println!("FORKED: no key of the record here has signed {}", kept.display());
            return Ok(1);
        }
        Err(why) => bail!("{}: {why}", kept.display()),
    };
    let new = match later.map(|later| signed::open(&keys, begins, later)).transpose()? {
        None => newest.checkpoint.clone(),
        Some(Ok(later)) => later,
        Some(Err(why)) => bail!("{}: {why}", later.unwrap_or(kept).display()),
    };
    let path = match old.size <= new.size {
        true => path_of(&folders, NODE_SHARD, consistency(old.size, new.size), new.size)?,
        false => Vec::new(),
    };
    if !extends((old.size, &old.root), (new.size, &new.root), &path) {
        let which = later.map_or_else(|| "the record here".to_owned(), |later| later.display().to_string());
        println!("FORKED: {which} does not go on from checkpoint {} of {}", old.size, kept.display());
        return Ok(1);
    }
    println!("consistent: checkpoint {} goes on from {}\n", new.size, old.size);
    path.iter().for_each(|hash| println!("{}", BASE64.encode(hash)));
    match later {
        None => print!("\n{}", newest.text),
        Some(later) => print!("\n{}", fs::read_to_string(later).unwrap_or_default()),
    }
    Ok(0)
}

fn signed(folders: &[PathBuf]) -> Result<Signed> {
    match signed::read(folders, &Against::default())? {
        Ok(signed) => Ok(signed),
        Err(Unsigned::Never) => bail!("nothing is signed here: the service has not run yet"),
        Err(Unsigned::Broken(why)) => bail!("{why}"),
    }
}

/// The checkpoint record that binds a record first.
struct Bound {
    seq: u64,
    head: Option<Head>,
}

fn bound(folders: &[PathBuf], record: RecordId, size: u64) -> Result<(Bound, Vec<u8>)> {
    for path in series_of(folders, NODE_SHARD)? {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for frame in frames(&bytes).filter(|frame| frame.seq <= size) {
            if record.shard == NODE_SHARD {
                if frame.seq == record.seq {
                    return Ok((Bound { seq: frame.seq, head: None }, frame.bytes().to_vec()));
                }
                continue;
            }
            if let Some(head) = head_of(frame.kind, frame.payload(), record.shard)
                && head.size >= record.seq
            {
                return Ok((Bound { seq: frame.seq, head: Some(head) }, frame.bytes().to_vec()));
            }
        }
    }
    bail!(
        "record {record} is bound by no checkpoint: it is none of the service's, or was written within the last second"
    )
}

fn head_of(kind: u8, payload: &[u8], shard: u16) -> Option<Head> {
    if kind != RecordType::Checkpoint.code() {
        return None;
    }
    decode::heads(payload)?.into_iter().find(|head| head.shard == shard)
}

/// The roots of ranges of a series, read once from its beginning.
fn path_of(folders: &[PathBuf], shard: u16, ranges: Vec<std::ops::Range<u64>>, size: u64) -> Result<Vec<Hash>> {
    let mut found = Ranges::of(ranges);
    for path in series_of(folders, shard)? {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        frames(&bytes).filter(|frame| frame.seq <= size).for_each(|frame| found.leaf(leaf(frame.bytes())));
    }
    found.roots().with_context(|| format!("the series of shard {shard} ends before record {size}"))
}

/// The proof that the node's series of one size goes on to another, from the segment that has the first one's end: its header has all
/// that is needed of what is before.
pub(crate) fn path_since(folders: &[PathBuf], old: u64, new: u64) -> Result<Vec<Hash>> {
    let files = series_of(folders, NODE_SHARD)?;
    let header = |path: &PathBuf| -> Result<Header> {
        let mut bytes = vec![0; HEADER_LEN];
        fs::File::open(path)
            .and_then(|mut file| file.read_exact(&mut bytes))
            .with_context(|| format!("cannot read {}", path.display()))?;
        Header::read(&bytes).with_context(|| format!("{} has no header", path.display()))
    };
    let mut first = None;
    for (at, path) in files.iter().enumerate() {
        // One that was made in advance is zeros.
        match header(path) {
            Ok(header) if header.previous.tree.size() <= old => first = Some((at, header)),
            _ => break,
        }
    }
    let (at, header) = first.with_context(|| format!("what was up to record {old} of the node's was removed"))?;
    let mut tree = header.previous.tree.clone();
    let ranges = consistency(old, new);
    let later: Vec<std::ops::Range<u64>> = ranges.iter().filter(|range| range.start >= old).cloned().collect();
    let mut found = Ranges::since(old, later);
    for path in files.iter().skip(at) {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        for frame in frames(&bytes).filter(|frame| frame.seq <= new) {
            let leaf = leaf(frame.bytes());
            if frame.seq <= old { tree.push(leaf) } else { found.leaf(leaf) }
        }
    }
    let ends = || format!("the node's series ends before record {new}");
    let mut later = found.roots().with_context(ends)?.into_iter();
    // The rest are the perfect subtrees that the first size is the sum of.
    let mut start = 0;
    let sizes = (0..u64::BITS).rev().map(|bit| 1 << bit).filter(|size| old & size != 0);
    let before: Vec<(u64, Hash)> = sizes
        .zip(tree.frontier())
        .map(|(size, hash)| {
            start += size;
            (start - size, *hash)
        })
        .collect();
    let path = ranges.iter().map(|range| match range.start >= old {
        true => later.next(),
        false => before.iter().find(|(start, _)| *start == range.start).map(|(_, hash)| *hash),
    });
    path.collect::<Option<_>>().with_context(ends)
}

fn bytes_of(folders: &[PathBuf], record: RecordId) -> Result<Vec<u8>> {
    for path in series_of(folders, record.shard)? {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Some(frame) = frames(&bytes).find(|frame| frame.seq == record.seq) {
            return Ok(frame.bytes().to_vec());
        }
    }
    bail!("there is no record {record}")
}

/// A proof as it was read.
struct Checked {
    record: RecordId,
    bytes: Vec<u8>,
    tree_size: u64,
    path: Vec<Hash>,
    keys: Vec<Vec<u8>>,
    checkpoint_record: Vec<u8>,
    tlog_proof: String,
}

impl Checked {
    fn read(text: &str) -> Option<Checked> {
        let value: Value = serde_json::from_str(text).ok()?;
        let word = |key: &str| value.get(key)?.as_str();
        let bytes = |key: &str| BASE64.decode(word(key)?).ok();
        let hash = |value: &Value| BASE64.decode(value.as_str()?).ok()?.try_into().ok();
        (word("proof")? == "interceptor-record-v1").then_some(())?;
        Some(Checked {
            record: word("record")?.parse().ok()?,
            bytes: bytes("bytes")?,
            tree_size: value.get("tree_size")?.as_u64()?,
            path: value.get("path")?.as_array()?.iter().map(hash).collect::<Option<_>>()?,
            // A proof of a record without keys of runs has none.
            keys: match value.get("keys") {
                None => Vec::new(),
                Some(keys) => {
                    let one = |key: &Value| BASE64.decode(key.as_str()?).ok();
                    keys.as_array()?.iter().map(one).collect::<Option<_>>()?
                }
            },
            checkpoint_record: bytes("checkpoint_record")?,
            tlog_proof: word("tlog_proof")?.to_owned(),
        })
    }

    /// What the record says, if every step from its bytes to the signature holds.
    fn holds(&self, key: &VerifierKey) -> Option<String> {
        let (seq, path, signed) = read_inclusion_proof(&self.tlog_proof).ok()?;
        let mut keys = Keys::of(key.clone());
        for told in &self.keys {
            keys.see(&[0; 16], &show::frame(told)?).ok()?;
        }
        let node = keys.open(signed).ok()?;
        includes(&leaf(&self.checkpoint_record), seq - 1, node.size, &path, &node.root).then_some(())?;
        let bound = show::frame(&self.checkpoint_record).filter(|frame| frame.seq == seq)?;
        if self.record.shard == NODE_SHARD {
            return (self.record.seq == seq).then(|| show::line(NODE_SHARD, &bound));
        }
        let head = head_of(bound.kind, bound.payload(), self.record.shard)?;
        let frame = show::frame(&self.bytes).filter(|frame| frame.seq == self.record.seq)?;
        let proven = head.size == self.tree_size
            && includes(&leaf(&self.bytes), self.record.seq - 1, head.size, &self.path, &head.root);
        proven.then(|| show::line(self.record.shard, &frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_record::series::{self, Place};
    use crate::record::tests::Scratch;

    #[test]
    fn a_proof_from_the_last_segments_is_that_of_all() {
        let scratch = Scratch::new("since");
        let place = Place { folder: &scratch.folders()[0], shard: NODE_SHARD };
        (0..14).for_each(|_| _ = series::append(&place, 18, &[7; 200_000]).unwrap());
        let size = series::head(&place).unwrap().size;
        assert!(series_of(&scratch.folders(), NODE_SHARD).unwrap().len() > 2);
        for old in 1..size {
            let all = path_of(&scratch.folders(), NODE_SHARD, consistency(old, size), size).unwrap();
            assert_eq!(path_since(&scratch.folders(), old, size).unwrap(), all, "{old} to {size}");
        }
        fs::remove_file(scratch.folders()[0].join("65534-0000000001.seg")).unwrap();
        assert!(path_since(&scratch.folders(), 1, size).is_err());
        assert!(path_since(&scratch.folders(), size - 1, size).is_ok());
    }

    #[test]
    fn every_bound_record_is_proven_and_no_changed_one() {
        let scratch = Scratch::new("prove");
        scratch.append(0, 7);
        scratch.append(1, 3);
        scratch.sign();
        scratch.append(0, 2);
        scratch.sign();
        let (folders, key) = (scratch.folders(), scratch.key());
        for (shard, count) in [(0, 18), (1, 6), (NODE_SHARD, 3)] {
            for seq in 1..=count {
                let text = proof(&folders, RecordId { shard, seq }).unwrap().to_string();
                assert!(Checked::read(&text).unwrap().holds(&key).is_some(), "{shard}-{seq}");
                for at in (0..text.len()).step_by(11) {
                    let mut changed = text.clone().into_bytes();
                    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                    let Ok(changed) = String::from_utf8(changed) else { continue };
                    let holds = Checked::read(&changed).and_then(|proof| proof.holds(&key));
                    // A letter in JSON's own spelling of a signature line of nobody's does not matter; nothing else passes.
                    assert!(holds.is_none(), "{shard}-{seq}, byte {at}");
                }
            }
        }
        assert!(proof(&folders, RecordId { shard: 0, seq: 99 }).is_err());
        assert!(proof(&folders, RecordId { shard: 7, seq: 1 }).is_err());
    }
}
