//! What in the record a person must look at, found as it is read: a pure fold over records, whose clock is theirs.

use std::collections::{HashMap, HashSet};

use audit::segment::{Frame, Stamp};
use audit::{RecordId, RecordType, show};
use serde_json::Value;

use super::follow::Record;

const MINUTE_NS: u64 = 60_000_000_000;
/// The wall clock may move so far beside the monotonic one, between two records of a series, before it is an alert. The kernel slews both
/// alike, so that the time between them adds nothing to it.
const JUMP_NS: u64 = MINUTE_NS;
/// So many agents and rules are told apart; beyond, the oldest windows are dropped.
const WINDOWS_MAX: usize = 4096;

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alert {
    /// What it is about.
    pub(super) object: String,
    /// The record that it begins with.
    pub(super) about: Option<RecordId>,
    /// What was seen.
    pub(super) message: String,
}

/// What was seen so far.
pub(super) struct Watch {
    /// Of one agent in one minute, so many denials are an alert.
    denials: u32,
    blocked: HashMap<(String, String), Window>,
    denied: HashMap<String, Window>,
    /// Of each series' last record.
    clocks: HashMap<u16, (Option<[u8; 16]>, Stamp)>,
    jump: Option<Jump>,
}

/// The last jump of the wall clock that was told. Every series shows it, each with its next record, and it is told once.
struct Jump {
    /// When the monotonic clock began by the wall's reading, before it and after.
    from_ns: i64,
    to_ns: i64,
    /// The series that showed it: what one of them shows again is another.
    series: HashSet<u16>,
}

#[derive(Clone, Copy, Default)]
struct Window {
    since_ns: u64,
    count: u32,
    /// The alert of this window was raised.
    told: bool,
}

impl Watch {
    pub(super) fn new(denials: u32) -> Watch {
        Watch { denials, blocked: HashMap::new(), denied: HashMap::new(), clocks: HashMap::new(), jump: None }
    }

    /// What the next record gives rise to.
    pub(super) fn see(&mut self, record: &Record) -> Vec<Alert> {
        let Some(frame) = record.frame() else { return Vec::new() };
        let mut alerts: Vec<Alert> = self.clock(record, &frame).into_iter().collect();
        let Some(kind) = RecordType::of(frame.kind) else { return alerts };
        if !matches!(
            kind,
            RecordType::Decision
                | RecordType::Approval
                | RecordType::Finding
                | RecordType::Identity
                | RecordType::Token
                | RecordType::Credential
                | RecordType::Canary
                | RecordType::Detach
                | RecordType::Reading
                | RecordType::Recovered
                | RecordType::Login
        ) {
            return alerts;
        }
        let says = show::json(record.shard, &frame);
        let word = |key: &str| says[key].as_str().unwrap_or_default().to_owned();
        let about = Some(RecordId { shard: record.shard, seq: frame.seq });
        let mut raise = |object: &str, message: String| alerts.push(Alert { object: object.into(), about, message });
        let failed = says["success"] == Value::Bool(false);
        match kind {
            RecordType::Decision if says["verdict"] == "block" => {
                let (agent, rule) = (word("agent"), word("rule"));
                if !rule.is_empty()
                    && let Some(before) = open(&mut self.blocked, (agent.clone(), rule.clone()), frame.stamp.wall_ns)
                {
                    let more =
                        if before > 1 { format!(", {before} times in the minute before") } else { String::new() };
                    raise("rule blocks", format!("the rule `{rule}` blocks a statement of {agent}{more}"));
                }
                self.denied(&agent, frame.stamp.wall_ns).into_iter().for_each(|why| raise("denials", why));
            }
            RecordType::Approval if says["break_glass"] == true => raise(
                "break glass",
                format!(
                    "{} let a held statement of {} go on alone ({}): {}",
                    word("reviewer"),
                    word("agent"),
                    word("approval"),
                    word("justification")
                ),
            ),
            RecordType::Login if failed => {
                let agent = word("agent");
                self.denied(&agent, frame.stamp.wall_ns).into_iter().for_each(|why| raise("denials", why));
            }
            RecordType::Finding => raise(
                "card data",
                format!(
                    "the column {} holds card numbers plainly, and no rule names it (PCI DSS 12.10.7)",
                    word("object")
                ),
            ),
            RecordType::Identity if says["change"] == "disagrees" => {
                raise("identity", format!("agent {}: {} ({})", word("agent"), word("cause"), word("principal")))
            }
            RecordType::Token if failed && word("cause").contains("another job") => {
                raise("token", format!("a token was used again: {}", word("cause")));
            }
            RecordType::Credential if failed => raise(
                "login of ours",
                format!(
                    "{}: a login was {} ({}): {}",
                    word("database"),
                    word("change"),
                    word("database_user"),
                    word("cause")
                ),
            ),
            RecordType::Canary if failed => raise("redirection", format!("redirection is broken: {}", word("message"))),
            RecordType::Detach if says["stage"] == "done" => {
                raise("detach", "the kernel half was removed: agents reach databases directly".into());
            }
            RecordType::Reading if failed && says["object"] == "audit verify" => {
                raise("verification", format!("the record did not verify: {}", word("message")));
            }
            RecordType::Recovered => {
                raise("service killed", "writing went on after a kill or a power cut".into());
            }
            _ => {}
        }
        alerts
    }

    /// A denial of this agent's; the alert where it is one too many.
    fn denied(&mut self, agent: &str, wall_ns: u64) -> Option<String> {
        open(&mut self.denied, agent.to_owned(), wall_ns);
        let window = self.denied.get_mut(agent)?;
        if window.count < self.denials || window.told {
            return None;
        }
        window.told = true;
        Some(format!("{agent} was denied {} times within a minute", window.count))
    }

    /// Both clocks go alike within one boot; a boot begins the monotonic one anew.
    fn clock(&mut self, record: &Record, frame: &Frame<'_>) -> Option<Alert> {
        let (shard, boot_id, stamp) = (record.shard, record.boot_id, frame.stamp);
        // What ends a segment may be written by a later boot than the segment's.
        if RecordType::of(frame.kind).is_some_and(|kind| kind.closes_batch() || kind == RecordType::Recovered) {
            return None;
        }
        let (boot_before, before) = self.clocks.insert(shard, (boot_id, stamp))?;
        let (from_ns, to_ns) = (began_ns(before), began_ns(stamp));
        let (is_back, far_ns) = (to_ns < from_ns, to_ns.abs_diff(from_ns));
        // A boot looks like a jump forward; never like one back, as it begins behind the one before.
        let is_one_boot = before.mono_ns <= stamp.mono_ns && (is_back || (boot_id.is_some() && boot_id == boot_before));
        if !is_one_boot || far_ns <= JUMP_NS || self.is_told(shard, from_ns, to_ns) {
            return None;
        }
        self.jump = Some(Jump { from_ns, to_ns, series: HashSet::from([shard]) });
        let far = far_ns / 1_000_000_000;
        let message = if is_back {
            format!("the wall clock went back by {far} s")
        } else {
            // A suspended host's monotonic clock stands still: the two look alike, here and to every other reader of the record.
            format!(
                "the wall clock went forward by {far} s beside the monotonic clock: it was set, or the host was suspended"
            )
        };
        Some(Alert { object: "clock".into(), about: Some(RecordId { shard, seq: frame.seq }), message })
    }

    /// Another series showed this jump before, and this one did not.
    fn is_told(&mut self, shard: u16, from_ns: i64, to_ns: i64) -> bool {
        let is_near = |one: i64, other: i64| one.abs_diff(other) <= JUMP_NS;
        self.jump.as_mut().is_some_and(|jump| {
            is_near(jump.from_ns, from_ns) && is_near(jump.to_ns, to_ns) && jump.series.insert(shard)
        })
    }
}

/// When the monotonic clock began, by the wall's: only a step of the wall's moves it, and a suspend.
fn began_ns(stamp: Stamp) -> i64 {
    stamp.wall_ns.wrapping_sub(stamp.mono_ns).cast_signed()
}

/// Counts in the window of a key; where a new window begins, how many the one before had.
fn open<K: std::hash::Hash + Eq + Clone>(windows: &mut HashMap<K, Window>, key: K, wall_ns: u64) -> Option<u32> {
    if windows.len() >= WINDOWS_MAX {
        windows.retain(|_, window| wall_ns.saturating_sub(window.since_ns) < MINUTE_NS);
        if windows.len() >= WINDOWS_MAX {
            windows.clear();
        }
    }
    let window = windows.entry(key).or_default();
    if window.count > 0 && wall_ns.saturating_sub(window.since_ns) < MINUTE_NS {
        window.count += 1;
        return None;
    }
    let before = window.count;
    *window = Window { since_ns: wall_ns, count: 1, told: false };
    Some(before)
}
