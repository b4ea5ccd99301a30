//! What is due: which segments are removed, which are moved, and which are kept though their time is over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;
use audit::segment::{HEADER_LEN, Header, Previous, file_name, parse_file_name};
use audit::show;

use crate::config::Retention;
use crate::record;

const DAY_NS: u64 = 86_400_000_000_000;

/// A segment behind which another was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) shard: u16,
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// When it was begun, and when the next one was: nanoseconds since 1970.
    pub(super) began_ns: u64,
    pub(super) ended_ns: u64,
    /// What the next one says of it.
    pub(super) next: Previous,
}

impl Sealed {
    pub(super) fn name(&self) -> String {
        file_name(self.shard, self.number)
    }
}

/// All of them, by shard and number.
pub(super) fn sealed(folders: &[PathBuf]) -> Result<Vec<Sealed>> {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).and_then(parse_file_name);
    let files = record::segments(folders)?.into_iter();
    let all: BTreeMap<(u16, u64), PathBuf> = files.filter_map(|path| Some((name(&path)?, path))).collect();
    let sealed = all.iter().filter_map(|(&(shard, number), path)| {
        let next = header(all.get(&(shard, number + 1))?)?;
        let own = header(path)?;
        // A clock that was set back makes nothing older.
        let ended_ns = next.wall_ns.max(own.wall_ns);
        Some(Sealed { shard, number, path: path.clone(), began_ns: own.wall_ns, ended_ns, next: next.previous })
    });
    Ok(sealed.collect())
}

/// The first segment of each series.
pub(super) fn begins(folders: &[PathBuf]) -> Result<BTreeMap<u16, u64>> {
    let name = |path: PathBuf| path.file_name().and_then(|name| name.to_str()).and_then(parse_file_name);
    let mut begins = BTreeMap::new();
    for (shard, number) in record::segments(folders)?.into_iter().filter_map(name) {
        let first = begins.entry(shard).or_insert(number);
        *first = number.min(*first);
    }
    Ok(begins)
}

/// `None`: it is not begun, or cannot be read; then it is left where it is.
fn header(path: &Path) -> Option<Header> {
    let mut bytes = [0; HEADER_LEN];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    Header::read(&bytes).ok()
}

/// What is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    /// For good, or from this host where an archive has it, in this order.
    pub(super) removals: Vec<&'a Sealed>,
    /// To the cold folder.
    pub(super) moves: Vec<&'a Sealed>,
    /// Why, and how many.
    pub(super) kept: BTreeMap<String, usize>,
}

/// Of a series only its beginning can be removed: what is held keeps all behind it. `taken`: the first segment of a series that some
/// sink has not taken whole.
pub(super) fn plan<'a>(
    sealed: &'a [Sealed],
    retention: &Retention,
    cold: Option<&Path>,
    taken: &dyn Fn(u16) -> u64,
    now_ns: u64,
) -> Result<Plan<'a>> {
    let older = |segment: &Sealed, days: u32| now_ns.saturating_sub(segment.ended_ns) > u64::from(days) * DAY_NS;
    let mut plan = Plan::default();
    let mut keeps: Option<(u16, String)> = None;
    for segment in sealed {
        let why = keeps.take().filter(|(shard, _)| *shard == segment.shard).map(|(_, why)| why);
        let why = why.or_else(|| kept(segment, retention, taken));
        match why {
            None if older(segment, retention.days_here()) => {
                plan.removals.push(segment);
                continue;
            }
            Some(why) if older(segment, retention.days_here()) => {
                *plan.kept.entry(why.clone()).or_default() += 1;
                keeps = Some((segment.shard, why));
            }
            _ => {}
        }
        let is_cold = cold.is_some_and(|cold| segment.path.starts_with(cold));
        if cold.is_some() && !is_cold && older(segment, retention.at_hand_days) {
            plan.moves.push(segment);
        }
    }
    Ok(plan)
}

fn kept(segment: &Sealed, retention: &Retention, taken: &dyn Fn(u16) -> u64) -> Option<String> {
    let holds = |hold: &&crate::config::Hold| {
        // Checked when the configuration was read.
        hold.span().is_ok_and(|span| span.from_ns <= segment.ended_ns && segment.began_ns < span.to_ns)
    };
    if let Some(hold) = retention.hold.iter().find(holds) {
        return Some(format!("hold {}", hold.name));
    }
    (segment.number >= taken(segment.shard)).then(|| "a sink has not taken it".to_owned())
}

impl Plan<'_> {
    /// For a person.
    pub(super) fn words(&self) -> String {
        let mut out = String::new();
        let day = |segment: &Sealed| show::time(segment.ended_ns).get(..10).unwrap_or_default().to_owned();
        for (verb, segments) in [("remove", &self.removals), ("move", &self.moves)] {
            for segment in segments {
                let _ = writeln!(out, "{verb:<7} {} (records until {})", segment.path.display(), day(segment));
            }
        }
        for (why, count) in &self.kept {
            let _ = writeln!(out, "keep    {count} segments whose time is over: {why}");
        }
        if out.is_empty() { "nothing is due\n".to_owned() } else { out }
    }
}
