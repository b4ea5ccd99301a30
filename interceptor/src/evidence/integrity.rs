//! That the record is whole, that a changed copy is found, how old it is, and what the kernel half saw.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use audit::segment::{FRAME_LEN, HEADER_LEN, SERVICE_SHARD, frames, parse_file_name};
use audit::show;
use control::client;
use serde_json::{Value, json};

use super::Pack;
use super::catalogue::verb;
use crate::config::Config;
use crate::record;

/// Puts the proofs; whether the record is whole.
pub(super) fn put(pack: &mut Pack, config: &Config, path: &Path) -> Result<bool> {
    let (whole, words) = record::checked(path)?;
    let words = words + &config.only_here().map(|why| format!("WARNING: {why}\n")).unwrap_or_default();
    pack.put("integrity.txt", "10.3.2, 10.3.4", &verb("audit verify", path), &words)?;
    let folders = record::folders(config);
    let negative = negative(&folders, &pack.folder)?;
    pack.put_json("integrity-negative.json", "10.3.4", &verb("audit verify COPY", path), &negative)?;
    let retain = verb("audit retain --dry-run", path);
    pack.put_json("retention.json", "10.5.1", &retain, &retention(config, &folders)?)?;
    let coverage = coverage(config);
    pack.put_json("coverage.json", "7.3.1, 7.3.2, 12.5.2", &verb("status --json", path), &coverage)?;
    let clock = crate::sys::clock::state();
    let clock = clock.map(|c| json!({ "synced": c.synced, "offset_us": c.offset_us, "error_us": c.error_us }));
    pack.put_json("clock.json", "10.6.1", "timedatectl timesync-status", &json!(clock))?;
    Ok(whole)
}

/// A copy of root's series, verified, changed by one bit, and verified again: the check finds what it is for.
fn negative(folders: &[PathBuf], out: &Path) -> Result<Value> {
    let copy = out.join("negative.tmp");
    fs::create_dir(&copy).with_context(|| format!("cannot make {}", copy.display()))?;
    let result = changed(folders, &copy);
    fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    result
}

fn changed(folders: &[PathBuf], copy: &Path) -> Result<Value> {
    let files = record::series_of(folders, SERVICE_SHARD)?;
    for path in &files {
        fs::copy(path, copy.join(path.file_name().unwrap_or_default())).context("a copy of root's series")?;
    }
    let before = record::checked_copy(copy)?;
    let target = copy.join(files.first().and_then(|path| path.file_name()).context("root has no series yet")?);
    let mut bytes = fs::read(&target)?;
    let seq = frames(&bytes).next().map(|frame| frame.seq);
    let at = HEADER_LEN + FRAME_LEN + 2;
    *bytes.get_mut(at).context("root's series is empty")? ^= 1;
    fs::write(&target, bytes)?;
    Ok(json!({
        "copied": "root's series", "before the change": before, "changed": { "byte": at, "record": seq },
        "after the change": record::checked_copy(copy)?,
    }))
}

/// How long is kept, what is there of each series, and since when.
fn retention(config: &Config, folders: &[PathBuf]) -> Result<Value> {
    let mut series: std::collections::BTreeMap<u16, Value> = Default::default();
    let mut oldest = u64::MAX;
    for path in record::segments(folders)? {
        let Some((shard, _)) = path.file_name().and_then(|name| name.to_str()).and_then(parse_file_name) else {
            continue;
        };
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Some(first) = frames(&bytes).next() else { continue };
        oldest = oldest.min(first.stamp.wall_ns);
        let entry = series.entry(shard).or_insert_with(
            || json!({ "shard": shard, "oldest": show::time(first.stamp.wall_ns), "segments": 0, "bytes": 0 }),
        );
        entry["segments"] = (entry["segments"].as_u64().unwrap_or(0) + 1).into();
        entry["bytes"] = (entry["bytes"].as_u64().unwrap_or(0) + bytes.len() as u64).into();
    }
    let days = (oldest != u64::MAX).then(|| record::now_ns().saturating_sub(oldest) / 86_400_000_000_000);
    let series: Vec<Value> = series.into_values().collect();
    Ok(json!({
        "days that are there": days, "kept": crate::retention::state(config)?, "series": series,
        "what was removed": "integrity.txt names it; `interceptor audit export --where type=tombstone` prints each",
    }))
}

/// Protected connections that the kernel half saw: what it pointed at the proxy, and what it refused.
fn coverage(config: &Config) -> Value {
    let status = client::get(&config.admin_socket(), "/status").ok();
    let Some(status) = status.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
        return json!({ "running": false, "why": "the service did not answer: its counters are not here" });
    };
    let kernel: Vec<(String, u64)> = status["figures"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|figure| figure["labels"] == json!([]))
        .filter_map(|figure| Some((figure["name"].as_str()?.to_owned(), figure["value"].as_u64()?)))
        .collect();
    let one = |name: &str| kernel.iter().find(|(of, _)| of == name).map_or(0, |(_, value)| *value);
    let refused: u64 = kernel.iter().filter(|(name, _)| name.starts_with("refused_")).map(|(_, value)| value).sum();
    json!({
        "running": true, "coverage": status["coverage"], "canary": status["canary"],
        "redirected": one("redirected"), "refused": refused, "seen": one("redirected") + refused,
        "counters": kernel.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "since": "the kernel half was attached",
    })
}
