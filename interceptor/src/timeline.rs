//! One session as a timeline, for the page: read from the service's own record, in which it stands that it was read.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use audit::segment::{Frame, frames, parse_file_name};
use audit::{RecordType, show};
use control::{Moment, Timeline};
use serde_json::Value;

use crate::received::Room;

/// Of the session's shard so many segments are looked through, the youngest.
const SEGMENTS: usize = 2;
/// So many of its records are told, the last ones.
const MOMENTS_MAX: usize = 500;

/// What the session of this number did since the service began, as far as the youngest segments have it. `None`: nothing.
pub(crate) fn of(state_dir: &Path, session: u64, id: &str, began_wall_ns: u64) -> Option<Timeline> {
    let shard = u16::try_from(session >> proxy::SESSION_BITS).ok()?;
    let mut timeline = Timeline { id: id.to_owned(), ..Timeline::default() };
    let mut moments: VecDeque<(u64, Moment)> = VecDeque::new();
    let (mut room, mut first_ns, mut seen) = (Room::new(), 0, 0);
    for path in youngest_first(state_dir, shard) {
        // One at a time: a segment is some 64 MiB.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        if frames(&bytes).next().is_none() {
            continue; // the next one is made before it is written to
        }
        let own = frames(&bytes).filter(|frame| frame.session == session && frame.stamp.wall_ns >= began_wall_ns);
        let own: Vec<Frame<'_>> = own.collect();
        // Numbers of sessions begin anew with the service: what is before its last start is another session's.
        let began = own.iter().rposition(|frame| frame.kind == RecordType::SessionStart.code());
        let own = own.get(began.unwrap_or(0)..).unwrap_or_default();
        first_ns = own.first().map_or(first_ns, |first| first.stamp.mono_ns);
        let told = own.len().min(MOMENTS_MAX - moments.len());
        timeline.left_off += own.len() - told;
        // The youngest first: results are shown as long as there is room.
        for frame in own.iter().rev().take(told) {
            let says = show::json(shard, frame);
            if moments.is_empty() {
                (timeline.agent, timeline.database) = (word(&says, "agent"), word(&says, "database"));
            }
            let moment = with_result(moment(RecordType::of(frame.kind), &says), frame, &mut room);
            moments.push_front((frame.stamp.mono_ns, moment));
        }
        seen += 1;
        if seen == SEGMENTS || began.is_some() {
            break;
        }
    }
    let since = |(at_ns, moment): (u64, Moment)| Moment { since_us: at_ns.saturating_sub(first_ns) / 1000, ..moment };
    timeline.moments = moments.into_iter().map(since).collect();
    (!timeline.moments.is_empty()).then_some(timeline)
}

/// With what the agent received, where the record is one of that.
fn with_result(moment: Moment, frame: &Frame<'_>, room: &mut Room) -> Moment {
    if frame.kind != RecordType::Result.code() {
        return moment;
    }
    match room.show(frame.payload()) {
        Ok(received) => Moment { received: Some(received), ..moment },
        Err(why) => Moment { words: format!("{why:#}"), failed: true, ..moment },
    }
}

fn youngest_first(state_dir: &Path, shard: u16) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(state_dir).into_iter().flatten().flatten();
    let mut files: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let (of, number) = entry.file_name().to_str().and_then(parse_file_name)?;
            (of == shard).then(|| (number, entry.path()))
        })
        .collect();
    files.sort_unstable();
    files.into_iter().rev().map(|(_, path)| path)
}

fn moment(kind: Option<RecordType>, says: &Value) -> Moment {
    let told = |keys: &[&str]| {
        let words = keys.iter().map(|key| word(says, key)).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(", ")
    };
    let (what, words) = match kind {
        Some(RecordType::Decision) => (word(says, "verdict"), told(&["rule", "reason", "approval"])),
        Some(RecordType::Result) => (came_back(says), told(&["decision", "cause"])),
        Some(RecordType::Outcome) => (came_to(says), told(&["sqlstate", "cause"])),
        Some(RecordType::Approval) => {
            let what = match (says["approved"] == true, says["break_glass"] == true) {
                (true, true) => "BROKE GLASS",
                (true, false) => "approved",
                (false, _) => "denied",
            };
            (what.to_owned(), told(&["reviewer", "justification", "approval", "under"]))
        }
        _ => (
            word(says, "type"),
            told(&[
                "change",
                "principal",
                "rule",
                "approval",
                "reveal",
                "justification",
                "database_user",
                "dbname",
                "cause",
                "sqlstate",
                "message",
            ]),
        ),
    };
    let failed = says["success"] == false || says["verdict"] == "block" || says["approved"] == false;
    Moment {
        record: word(says, "record"),
        time: word(says, "time"),
        since_us: 0,
        what,
        words,
        text: bound(says),
        failed,
        received: None,
    }
}

/// A statement's text, and below it what that was bound to.
fn bound(says: &Value) -> String {
    let values = show::parameters(says).map(|values| format!("\n-- {values}"));
    word(says, "text") + &values.unwrap_or_default()
}

/// What a statement came to.
fn came_to(says: &Value) -> String {
    let count = |key: &str| says[key].as_u64().unwrap_or_default();
    let masked = count("masked") + count("sensitive");
    let took = count("duration_ns") as f64 / 1e6;
    let masked = if masked > 0 { format!(", {masked} values masked") } else { String::new() };
    format!("{} rows in {took:.3} ms{masked}", count("rows"))
}

/// How much the agent received.
fn came_back(says: &Value) -> String {
    let count = |key: &str| says[key].as_u64().unwrap_or_default();
    format!("received {} bytes", count("result_bytes").saturating_add(count("left_off")))
}

fn word(says: &Value, key: &str) -> String {
    says[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_moment_says_what_its_record_does() {
        for (kind, says, what, words, failed) in [
            (
                RecordType::Decision,
                json!({ "verdict": "hold", "rule": "deletes wait", "text": "DELETE" }),
                "hold",
                "deletes wait",
                false,
            ),
            (RecordType::Decision, json!({ "verdict": "block", "reason": "no rule" }), "block", "no rule", true),
            (
                RecordType::Outcome,
                json!({ "rows": 3, "duration_ns": 1_500_000, "masked": 2, "sensitive": 1 }),
                "3 rows in 1.500 ms, 3 values masked",
                "",
                false,
            ),
            (
                RecordType::Outcome,
                json!({ "success": false, "sqlstate": "57014" }),
                "0 rows in 0.000 ms",
                "57014",
                true,
            ),
            (
                RecordType::Approval,
                json!({ "approved": true, "reviewer": "ann", "justification": "ticket 7" }),
                "approved",
                "ann, ticket 7",
                false,
            ),
            (
                RecordType::Approval,
                json!({ "approved": true, "break_glass": true, "reviewer": "eve" }),
                "BROKE GLASS",
                "eve",
                false,
            ),
            (RecordType::Approval, json!({ "approved": false, "reviewer": "ann" }), "denied", "ann", true),
            (
                RecordType::Result,
                json!({ "decision": "0-7", "result_bytes": 120, "left_off": 30 }),
                "received 150 bytes",
                "0-7",
                false,
            ),
            (
                RecordType::SessionEnd,
                json!({ "type": "session-end", "cause": "by ann: it leaks" }),
                "session-end",
                "by ann: it leaks",
                false,
            ),
        ] {
            let moment = moment(Some(kind), &says);
            assert_eq!((moment.what.as_str(), moment.words.as_str(), moment.failed), (what, words, failed), "{says}");
        }
    }
}
