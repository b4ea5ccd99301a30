//! `audit verify` and `audit export`: the record, read from its segments; what of it can be shown elsewhere is in `prove`.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use audit::segment::{NODE_SHARD, parse_file_name};
use audit::show;
use audit::silence::Silence;
use audit::verify::{Finding, Gap, Missing, Options, Summary, Verdict};
use serde_json::json;

use self::figures::{Figure, Span};
use self::signed::{Signed, Unsigned};
use crate::config::Config;
use crate::host_record;

mod examine;
mod export;
pub mod figures;
#[cfg(test)]
mod key_tests;
mod prove;
pub(crate) mod reading;
mod signed;
pub(crate) mod stands;
mod token;

pub use export::{Form, export};
pub(crate) use prove::path_since;
pub use prove::{check_proof, checkpoint, key, prove, since};
pub use token::token;

/// A record that is being written can look torn while it is read: so often it is read before that is believed.
const READINGS: u32 = 5;

/// What the record is held against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Against<'a> {
    /// The public key, or a file that holds it; none: the one beside the record.
    pub key: Option<&'a str>,
    /// Signed checkpoints that were kept elsewhere.
    pub kept: &'a [PathBuf],
    /// The public key of the witness that must have cosigned a checkpoint, or a file that holds it.
    pub witness: Option<&'a str>,
}

/// `audit verify`: exit 0 whole, 1 tampered, 4 only a torn tail, 5 cannot tell.
pub fn verify(path: &Path, folder: Option<PathBuf>, against: Against<'_>, as_json: bool) -> Result<u8> {
    let (folders, open) = folders_and_state(path, folder.clone())?;
    let mut judged = judge(&folders, against, open)?;
    for _ in 1..READINGS {
        if !open || matches!(judged, Ok((Verdict::Whole(_), _))) {
            break;
        }
        judged = judge(&folders, against, open)?;
    }
    let (whole, words_of) = match &judged {
        Ok((verdict, signed)) => (verdict.exit_status() == 0, words(verdict, open, signed.as_ref())),
        Err(why) => (false, why.clone()),
    };
    reading::checked(path, folder.as_deref(), whole, words_of.lines().next().unwrap_or_default());
    let (verdict, signed) = match judged {
        Ok(judged) => judged,
        Err(why) if as_json => {
            println!("{:#}", json!({ "verdict": "tampered", "finding": { "why": why } }));
            return Ok(1);
        }
        Err(why) => {
            println!("TAMPERED: {why}");
            return Ok(1);
        }
    };
    let waiting = if open { 0 } else { in_tails(&folders)? };
    if as_json {
        let mut value = as_value(&verdict, signed.as_ref());
        value["records_in_tails"] = waiting.into();
        println!("{value:#}");
    } else {
        print!("{}", words(&verdict, open, signed.as_ref()));
        if waiting > 0 {
            println!(
                "{waiting} records are in a tail (*.tail) and in no segment yet: a service that runs writes them, and one that was killed with its next start"
            );
        }
    }
    Ok(verdict.exit_status())
}

/// Records that stand in a tail, and that no segment has yet.
fn in_tails(folders: &[PathBuf]) -> Result<u64> {
    let there = folders.iter().filter(|folder| folder.is_dir());
    there.map(|folder| proxy::waiting(folder).with_context(|| format!("the tails in {}", folder.display()))).sum()
}

/// The verdict, and what was signed; or why what is signed does not fit. The checkpoint is read before the segments, which only grow.
fn judge(folders: &[PathBuf], against: Against<'_>, open: bool) -> Result<Result<(Verdict, Option<Signed>), String>> {
    let signed = match signed::read(folders, &against)? {
        Ok(signed) => Some(signed),
        Err(Unsigned::Never) => None,
        Err(Unsigned::Broken(why)) => return Ok(Err(why)),
    };
    let files = segments(folders)?;
    let anchors = signed.as_ref().map_or(&[][..], |signed| &signed.anchors);
    let keys = signed.as_ref().map(|signed| signed.keys.roots());
    Ok(Ok((examine::verdict(&files, &Options { anchors, open, keys }), signed)))
}

/// The segments of one series, in order.
pub(crate) fn series_of(folders: &[PathBuf], shard: u16) -> Result<Vec<PathBuf>> {
    let mut files = segments(folders)?;
    let number = |path: &PathBuf| path.file_name().and_then(|n| n.to_str()).and_then(parse_file_name);
    files.retain(|path| number(path).is_some_and(|(of, _)| of == shard));
    Ok(files)
}

/// The folders that are meant, and whether a service may be writing to them: one that is named, or the shards' and root's own.
pub(crate) fn folders_and_state(path: &Path, folder: Option<PathBuf>) -> Result<(Vec<PathBuf>, bool)> {
    match folder {
        Some(folder) => Ok((vec![folder], false)),
        None => {
            let config = Config::load(path)?;
            let open = control::client::get(&config.admin_socket(), "/status").is_ok();
            Ok((folders(&config), open))
        }
    }
}

/// Where the record of a configuration is: the shards' folder, root's own, and that of what is old.
pub(crate) fn folders(config: &Config) -> Vec<PathBuf> {
    let state = config.service.state_dir.clone();
    let host = host_record::folder(&state);
    [state, host].into_iter().chain(config.retention.cold.clone()).collect()
}

/// The segments of the folders in the order of their names, which is that of shard and number. Of several folders some may be
/// missing: a host may have attached and never served.
pub(crate) fn segments(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let entries = match std::fs::read_dir(folder) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound && folders.len() > 1 => continue,
            entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
        };
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.retain(|path| path.file_name().and_then(|n| n.to_str()).and_then(parse_file_name).is_some());
    if files.is_empty() {
        let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        bail!("no segment (*.seg) of a record is in {}", names.join(" or "));
    }
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    // One that is being moved is in both; where it was written it stays until the other is whole.
    files.dedup_by(|later, first| later.file_name() == first.file_name());
    Ok(files)
}

fn words(verdict: &Verdict, open: bool, signed: Option<&Signed>) -> String {
    let bound = |summary: &Summary| match signed {
        Some(signed) => signed.words(summary),
        None => "not signed: the service has written no checkpoint here yet\n".to_owned(),
    };
    match verdict {
        Verdict::Whole(summary) => {
            let running = if open { "; the service is writing on" } else { "" };
            let silent = silences(summary, open.then(now_ns));
            let removed = removed(summary) + &missing(summary, open);
            format!("whole: {}{running}\n{}{removed}{}{silent}", extent(summary), series(summary), bound(summary))
        }
        Verdict::Tampered(finding) => format!("TAMPERED: {finding}\n"),
        Verdict::TornTail(summary, finding) => {
            format!(
                "torn tail: {finding}\nall before it is whole: {}\n{}{}{}{}",
                extent(summary),
                series(summary),
                removed(summary) + &missing(summary, open),
                bound(summary),
                silences(summary, None)
            )
        }
        Verdict::CannotTell(finding) => format!("cannot tell: {finding}\n"),
    }
}

fn extent(summary: &Summary) -> String {
    format!("{} records in {} series", summary.records, summary.series.len())
}

fn series(summary: &Summary) -> String {
    let line = |s: &audit::verify::Series| {
        format!(
            "  shard {}: records {}-{} in {} segments, {} of them not bound by a root yet\n",
            s.shard, s.first_seq, s.last_seq, s.segments, s.unrooted
        )
    };
    summary.series.iter().map(line).collect()
}

/// What retention removed, as its tombstones tell.
fn removed(summary: &Summary) -> String {
    let line = |gap: &Gap| {
        let until = show::time(gap.until_s.saturating_mul(1_000_000_000));
        format!(
            "  removed of shard {}: records 1-{} in {} segments, the last of {}, as signed tombstones tell\n",
            gap.shard,
            gap.records,
            gap.segments,
            until.get(..19).unwrap_or(&until)
        )
    };
    let mut out: String = summary.removed.all.iter().map(line).collect();
    if summary.removed.beyond > 0 {
        out +=
            &format!("  {} signed states are of what was removed, and say nothing any more\n", summary.removed.beyond);
    }
    out
}

/// Results that were to follow and did not.
fn missing(summary: &Summary, open: bool) -> String {
    const SHOWN: usize = 20;
    let missing = &summary.removed.missing;
    if missing.count == 0 {
        return String::new();
    }
    let named: Vec<String> = missing.named.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if missing.count > named.len() as u64 { ", …: --json names more" } else { "" };
    let yet = if open { "; those of the last moments may come yet" } else { "" };
    format!(
        "  {} results never came: the service was killed before it had recorded what was received of {}{more}{yet}\n",
        missing.count,
        named.join(", ")
    )
}

/// Where a checkpoint was due and none came; `now_ns`: of a service that is running.
fn silences(summary: &Summary, now_ns: Option<u64>) -> String {
    const SHOWN: usize = 20;
    let all = &summary.silences.all;
    let mut out: String = all
        .iter()
        .rev()
        .take(SHOWN)
        .map(|silence| {
            format!(
                "  silent: {silence} (after record {NODE_SHARD}-{}): the service did not run, or could not write\n",
                silence.after_seq
            )
        })
        .collect();
    match all.len().saturating_sub(SHOWN) {
        0 => {}
        more => out += &format!("  and {more} earlier ones: --json names all\n"),
    }
    if let (Some(now), Some(due)) = (now_ns, summary.silences.due_ns)
        && now > due
    {
        out += &format!("  silent since: a checkpoint was due at {}\n", show::time(due));
    }
    out
}

pub(crate) fn now_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

fn as_value(verdict: &Verdict, signed: Option<&Signed>) -> serde_json::Value {
    let place = |f: &Finding| json!({ "file": f.file, "offset": f.offset, "record": format!("{}-{}", f.shard, f.seq), "why": f.why.to_string() });
    let signature = |summary: &Summary| {
        signed.map(|signed| {
            let (key, size) = (signed.keys.at(0).to_string(), signed.checkpoint.size);
            let by = signed.keys.at(size).to_string();
            json!({ "key": key, "by": by, "root_keys": signed.keys.roots().len(), "checkpoint": size, "after": signed.unsigned(summary), "cosigned": signed.cosigned() })
        })
    };
    let signature = match verdict {
        Verdict::Whole(summary) | Verdict::TornTail(summary, _) => signature(summary),
        Verdict::Tampered(_) | Verdict::CannotTell(_) => None,
    };
    let (word, records, finding) = match verdict {
        Verdict::Whole(summary) => ("whole", Some(summary.records), None),
        Verdict::Tampered(finding) => ("tampered", None, Some(place(finding))),
        Verdict::TornTail(summary, finding) => ("torn-tail", Some(summary.records), Some(place(finding))),
        Verdict::CannotTell(finding) => ("cannot-tell", None, Some(place(finding))),
    };
    let silences: Vec<serde_json::Value> = match verdict {
        Verdict::Whole(summary) | Verdict::TornTail(summary, _) => {
            summary.silences.all.iter().map(silence_value).collect()
        }
        Verdict::Tampered(_) | Verdict::CannotTell(_) => Vec::new(),
    };
    let removed: Vec<serde_json::Value> = match verdict {
        Verdict::Whole(summary) | Verdict::TornTail(summary, _) => summary.removed.all.iter().map(gap_value).collect(),
        Verdict::Tampered(_) | Verdict::CannotTell(_) => Vec::new(),
    };
    let missing = match verdict {
        Verdict::Whole(summary) | Verdict::TornTail(summary, _) => &summary.removed.missing,
        Verdict::Tampered(_) | Verdict::CannotTell(_) => &Missing::default(),
    };
    let named: Vec<String> = missing.named.iter().map(ToString::to_string).collect();
    json!({
        "missing_results": { "count": missing.count, "of": named },
        "verdict": word, "records": records, "finding": finding, "signed": signature, "silences": silences, "removed": removed,
    })
}

fn gap_value(gap: &Gap) -> serde_json::Value {
    let until = show::time(gap.until_s.saturating_mul(1_000_000_000));
    json!({ "shard": gap.shard, "records": gap.records, "segments": gap.segments, "until": until })
}

fn silence_value(silence: &Silence) -> serde_json::Value {
    json!({
        "after": format!("{NODE_SHARD}-{}", silence.after_seq), "from": show::time(silence.from_ns),
        "until": show::time(silence.until_ns), "seconds": silence.length_ns / 1_000_000_000,
    })
}

/// What `audit verify` says of the configuration's own record, and whether it is whole.
pub(crate) fn checked(path: &Path) -> Result<(bool, String)> {
    let (folders, open) = folders_and_state(path, None)?;
    for _ in 1..READINGS {
        if let Ok((verdict @ Verdict::Whole(_), signed)) = judge(&folders, Against::default(), open)? {
            return Ok((true, words(&verdict, open, signed.as_ref())));
        }
    }
    Ok(match judge(&folders, Against::default(), open)? {
        Ok((verdict, signed)) => (verdict.exit_status() == 0, words(&verdict, open, signed.as_ref())),
        Err(why) => (false, format!("TAMPERED: {why}\n")),
    })
}

/// The same of a copy in one folder, for a program.
pub(crate) fn checked_copy(folder: &Path) -> Result<serde_json::Value> {
    Ok(match judge(&[folder.to_owned()], Against::default(), false)? {
        Ok((verdict, _)) => as_value(&verdict, None),
        Err(why) => json!({ "verdict": "tampered", "finding": { "why": why } }),
    })
}

/// `audit export --count`: one figure of the record.
pub fn count(path: &Path, folder: Option<PathBuf>, span: Span, figure: &Figure) -> Result<u8> {
    if folder.is_none() || path.exists() {
        Config::load(path)?.masking.install()?;
    }
    let (folders, _) = folders_and_state(path, folder.clone())?;
    reading::begins(path, folder.as_deref(), "audit export --count")?;
    let mut tally = figure.zero();
    figures::each(&folders, span, |record| figure.add(&mut tally, record))?;
    print!("{}", tally.lines());
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use audit::note::VerifierKey;
    use audit::segment::file_name;
    use audit::{Head, RecordType};
    use proxy::DurableHead;

    use super::*;
    use crate::checkpoints::{CHECKPOINT, Checkpoints, PUBLIC_KEY};
    use crate::host_record::series::{self, Place};

    /// A record in a folder of its own, which is removed. Each series is written as root's is: a stop follows each record.
    pub(super) struct Scratch(pub(super) PathBuf);

    impl Scratch {
        pub(super) fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("signed-record-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir(&path).unwrap();
            Scratch(path)
        }

        pub(super) fn folders(&self) -> Vec<PathBuf> {
            vec![self.0.clone()]
        }

        pub(super) fn append(&self, shard: u16, count: u32) {
            let place = Place { folder: &self.0, shard };
            (0..count).for_each(|_| _ = series::append(&place, RecordType::Canary.code(), b"").unwrap());
        }

        /// Signs all series as they are on disk.
        pub(super) fn sign(&self) {
            let mut checkpoints = Checkpoints::open(&self.0).unwrap();
            checkpoints.of(self.heads());
            let now = Instant::now();
            assert!(checkpoints.turn("ab12", now).unwrap());
            assert!(!checkpoints.turn("ab12", now + Duration::from_secs(59)).unwrap(), "nothing new");
            assert!(checkpoints.turn("ab12", now + Duration::from_secs(60)).unwrap(), "a minute is over");
            checkpoints.last("ab12").unwrap();
        }

        /// How far all series but the node's are on disk.
        pub(super) fn heads(&self) -> Vec<Arc<DurableHead>> {
            let Ok((Verdict::Whole(summary), _)) = judge(&self.folders(), Against::default(), false).unwrap() else {
                panic!("it is not whole before it is signed")
            };
            let shards = summary.series.iter().filter(|series| series.shard != NODE_SHARD).map(|series| {
                let head = DurableHead::default();
                head.tell(Head { shard: series.shard, size: series.last_seq, root: series.root });
                Arc::new(head)
            });
            shards.collect()
        }

        pub(super) fn key(&self) -> VerifierKey {
            VerifierKey::parse(&std::fs::read_to_string(self.0.join(PUBLIC_KEY)).unwrap()).unwrap()
        }

        pub(super) fn segment(&self, shard: u16) -> PathBuf {
            self.0.join(file_name(shard, 1))
        }

        pub(super) fn kept(&self) -> PathBuf {
            let kept = self.0.join("kept");
            std::fs::copy(self.0.join(CHECKPOINT), &kept).unwrap();
            kept
        }

        /// Exit status as `audit verify` has it. With a key the second verifier, in Python, must say the same.
        pub(super) fn verdict(&self, key: Option<&str>, kept: &[PathBuf]) -> u8 {
            let status =
                verify(Path::new("/none"), Some(self.0.clone()), Against { key, kept, ..Against::default() }, true)
                    .unwrap();
            if let Some((second, said)) = key.and_then(|key| self.second(key, kept)) {
                assert_eq!(second, i32::from(status), "the second verifier");
                let first = match judge(&self.folders(), Against { key, kept, ..Against::default() }, false).unwrap() {
                    Ok((verdict, signed)) => words(&verdict, false, signed.as_ref()),
                    Err(why) => why,
                };
                let named = [named(&first), named(&said)];
                assert!(status == 0 || named[0].is_none() || named[0] == named[1], "two records: {first}{said}");
            }
            status
        }

        fn second(&self, key: &str, kept: &[PathBuf]) -> Option<(i32, String)> {
            let mut command = std::process::Command::new("python3");
            command.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../userspace/audit/verify.py"));
            command.args(["--key", key, "--checkpoint"]).arg(self.0.join(CHECKPOINT));
            kept.iter().for_each(|kept| _ = command.arg("--kept").arg(kept));
            command.args(segments(&self.folders()).unwrap());
            match command.output() {
                Ok(output) => {
                    let said = String::from_utf8_lossy(&output.stdout).into_owned();
                    print!("{said}{}", String::from_utf8_lossy(&output.stderr));
                    output.status.code().map(|status| (status, said))
                }
                Err(_) => {
                    assert!(
                        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                        "python3 is missing, and CI needs it"
                    );
                    println!("SKIPPED: python3 is missing, so the second verifier was not run");
                    None
                }
            }
        }
    }

    /// The record that a verifier names in its first line: SHARD-SEQ.
    fn named(said: &str) -> Option<&str> {
        let behind = said.lines().next()?.split("record ").skip(1);
        let mut names = behind.filter_map(|rest| rest.split_once(':').map(|(name, _)| name));
        names.find(|name| name.contains('-') && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()))
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn signed(name: &str) -> (Scratch, String) {
        let scratch = Scratch::new(name);
        scratch.append(0, 5);
        scratch.append(1, 2);
        scratch.sign();
        let key = scratch.key().to_string();
        assert_eq!(scratch.verdict(Some(&key), &[]), 0);
        (scratch, key)
    }

    #[test]
    fn what_was_recorded_since_is_whole_and_not_bound_yet() {
        let (scratch, key) = signed("since");
        scratch.append(0, 3);
        let Ok((Verdict::Whole(summary), Some(signed))) =
            judge(&scratch.folders(), Against { key: Some(&key), ..Against::default() }, false).unwrap()
        else {
            panic!("whole")
        };
        assert_eq!(signed.unsigned(&summary), 6);
    }

    #[test]
    fn a_series_that_was_written_anew_is_found() {
        let (scratch, key) = signed("anew");
        std::fs::remove_file(scratch.segment(0)).unwrap();
        scratch.append(0, 5);
        assert_eq!(scratch.verdict(Some(&key), &[]), 1);
    }

    #[test]
    fn a_shortened_and_a_missing_series_are_found() {
        for shard in [0, 1, NODE_SHARD] {
            let (scratch, key) = signed(&format!("missing-{shard}"));
            std::fs::remove_file(scratch.segment(shard)).unwrap();
            assert_eq!(scratch.verdict(Some(&key), &[]), 1, "{shard}");
            if shard != NODE_SHARD {
                scratch.append(shard, 1);
                assert_eq!(scratch.verdict(Some(&key), &[]), 1, "{shard}");
            }
        }
    }

    #[test]
    fn a_missing_a_foreign_and_a_changed_checkpoint_are_found() {
        let (scratch, key) = signed("checkpoint");
        let path = scratch.0.join(CHECKPOINT);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("/interceptor", "/interceptos", 1)).unwrap();
        assert_eq!(scratch.verdict(Some(&key), &[]), 1);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(scratch.verdict(Some(&key), &[]), 1);
        assert_eq!(scratch.verdict(None, &[]), 1, "also by the record's own key");
        // Whoever holds the folder may sign anew with a key of his own: only a kept key shows it.
        for name in ["record.key", "record.pub", "record.keys"] {
            std::fs::remove_file(scratch.0.join(name)).unwrap();
        }
        std::fs::remove_file(scratch.segment(NODE_SHARD)).unwrap();
        scratch.sign();
        assert_eq!(scratch.verdict(None, &[]), 0);
        assert_eq!(scratch.verdict(Some(&key), &[]), 1);
    }

    #[test]
    fn a_record_that_was_put_back_to_an_earlier_state_is_found_by_a_kept_checkpoint() {
        let (scratch, key) = signed("rollback");
        let before: Vec<(PathBuf, Vec<u8>)> =
            [scratch.segment(0), scratch.segment(1), scratch.segment(NODE_SHARD), scratch.0.join(CHECKPOINT)]
                .into_iter()
                .map(|path| (path.clone(), std::fs::read(path).unwrap()))
                .collect();
        scratch.append(0, 4);
        scratch.sign();
        let kept = [scratch.kept()];
        assert_eq!(scratch.verdict(Some(&key), &kept), 0);
        before.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        assert_eq!(scratch.verdict(Some(&key), &[]), 0, "nobody can tell it from the record of that time");
        assert_eq!(scratch.verdict(Some(&key), &kept), 1);
        assert_eq!(since(Path::new("/none"), Some(scratch.0.clone()), &kept[0], None, Some(&key)).unwrap(), 1);
        // A history that goes another way from there, signed by the true key: a fork.
        scratch.append(0, 6);
        scratch.sign();
        assert_eq!(scratch.verdict(Some(&key), &[]), 0);
        assert_eq!(scratch.verdict(Some(&key), &kept), 1);
        assert_eq!(since(Path::new("/none"), Some(scratch.0.clone()), &kept[0], None, Some(&key)).unwrap(), 1);
    }

    #[test]
    fn what_goes_on_from_a_kept_checkpoint_is_consistent() {
        let (scratch, key) = signed("goes-on");
        let kept = scratch.kept();
        scratch.append(1, 4);
        scratch.sign();
        assert_eq!(since(Path::new("/none"), Some(scratch.0.clone()), &kept, None, Some(&key)).unwrap(), 0);
        assert_eq!(
            since(Path::new("/none"), Some(scratch.0.clone()), &scratch.0.join(CHECKPOINT), None, None).unwrap(),
            0
        );
    }

    #[test]
    fn one_kept_checkpoint_goes_on_from_another_or_does_not() {
        let (scratch, key) = signed("two");
        let first = scratch.kept();
        scratch.append(1, 4);
        scratch.sign();
        let second = scratch.0.join("second");
        std::fs::copy(scratch.0.join(CHECKPOINT), &second).unwrap();
        scratch.append(0, 2);
        scratch.sign();
        let check = |from: &Path, to: &Path| {
            since(Path::new("/none"), Some(scratch.0.clone()), from, Some(to), Some(&key)).unwrap()
        };
        assert_eq!(check(&first, &second), 0);
        assert_eq!(check(&second, &first), 1, "the other way round");
        assert_eq!(check(&second, &scratch.0.join(CHECKPOINT)), 0);
    }

    #[test]
    fn the_private_key_is_the_services_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (scratch, _) = signed("private");
        let mode = std::fs::metadata(scratch.0.join("record.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
