//! Records for people and programs: one JSON object, or one line. Text is masked again on its way out, so that even a record
//! that somebody else wrote shows no card number.
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pan::Masked;
use serde_json::{Map, Value, json};

use crate::decode::{Fields, number, record_id};
use crate::event::{Stage, Verdict};
use crate::field::{self, Form};
use crate::id::RecordId;
use crate::received::{timing, with_zeros};
use crate::record_type::RecordType;
use crate::segment::Frame;
use crate::token::CardToken;

/// A record as JSON: `record`, `type`, `time` (RFC 3339, UTC), `monotonic`, `session`, then its fields by their names, and
/// `pci`, the six fields of PCI DSS v4.0.1 10.2.2. Clocks are texts: nanoseconds as a number look like a card number.
pub fn json(shard: u16, frame: &Frame<'_>) -> Value {
    let mut object = Map::new();
    object.insert("record".into(), RecordId { shard, seq: frame.seq }.to_string().into());
    object.insert("type".into(), type_name(frame.kind).into());
    object.insert("time".into(), time(frame.stamp.wall_ns).into());
    object.insert("monotonic".into(), monotonic(frame.stamp.mono_ns).into());
    if frame.session != 0 {
        object.insert("session".into(), frame.session.into());
    }
    for field in Fields::of(frame.payload()) {
        match field {
            Ok((number, value)) => insert(&mut object, number, value),
            Err(_) => _ = object.insert("malformed".into(), true.into()),
        }
    }
    if RecordType::of(frame.kind).is_some_and(|kind| !kind.closes_batch() && kind != RecordType::Recovered) {
        let pci = pci(&object, frame);
        object.insert("pci".into(), pci);
    }
    if frame.kind == RecordType::Approval.code() {
        let points = exception(&object);
        object.insert("pci_8_6_1".into(), points);
    }
    Value::Object(object)
}

/// The record in bytes that are one frame without its padding; `None`: they are none.
pub fn frame(record: &[u8]) -> Option<Frame<'_>> {
    Frame::whole(record)
}

/// The same in one line: when, what, whose, and what it came to.
pub fn line(shard: u16, frame: &Frame<'_>) -> String {
    let object = json(shard, frame);
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut line = format!("{} {} {}", text("time"), text("record"), text("type"));
    // Writing to a String cannot fail.
    for key in [
        "agent",
        "principal",
        "operator",
        "database",
        "change",
        "verdict",
        "rule",
        "approval",
        "under",
        "reveal",
        "reviewer",
        "justification",
        "reason",
        "sqlstate",
        "cause",
        "object",
        "message",
    ] {
        match text(key) {
            "" => {}
            value => _ = write!(line, " {key}={value}"),
        }
    }
    for key in ["rows", "bytes", "masked", "sensitive", "result_bytes", "left_off", "starred"] {
        match object.get(key).and_then(Value::as_u64) {
            None | Some(0) => {}
            Some(value) => _ = write!(line, " {key}={value}"),
        }
    }
    match object.get("approved") {
        Some(Value::Bool(true)) if object.get("break_glass").is_some() => line.push_str(" BROKE GLASS"),
        Some(Value::Bool(true)) => line.push_str(" APPROVED"),
        Some(Value::Bool(false)) => line.push_str(" DENIED"),
        _ => {}
    }
    if object.get("success") == Some(&Value::Bool(false)) {
        line.push_str(" FAILED");
    }
    if text("stage") == Stage::Begins.as_str() {
        line.push_str(" BEGINS");
    }
    match text("text") {
        "" => {}
        statement => _ = write!(line, ": {statement}"),
    }
    if let Some(values) = parameters(&object) {
        let _ = write!(line, " -- {values}");
    }
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What a statement was bound to, in one line; `None`: to nothing, or that is not recorded.
pub fn parameters(record: &Value) -> Option<String> {
    let values = record.get("parameters")?.as_array()?.iter().filter_map(Value::as_str);
    let named: Vec<String> = (1..).zip(values).map(|(at, value)| format!("${at} = {value}")).collect();
    Some(named.join(", ")).filter(|named| !named.is_empty())
}

fn type_name(kind: u8) -> String {
    RecordType::of(kind).map_or_else(|| format!("type-{kind}"), |kind| kind.name().to_owned())
}

fn insert(object: &mut Map<String, Value>, number: u8, bytes: &[u8]) {
    let Some(row) = field::known(number) else { return };
    let value = value(number, row.form, bytes);
    if !matches!(row.form, Form::List | Form::Head | Form::Token) {
        object.insert(row.name.into(), value);
        return;
    }
    if let Value::Array(list) = object.entry(row.name).or_insert_with(|| json!([])) {
        list.push(value);
    }
}

fn value(field: u8, form: Form, bytes: &[u8]) -> Value {
    let text = |bytes: &[u8]| Value::from(Masked::of_bytes(bytes).as_str());
    match (form, number(bytes)) {
        (Form::Number, Some(flag))
            if matches!(
                field,
                field::SUCCESS
                    | field::REDACTED
                    | field::APPROVED
                    | field::BREAK_GLASS
                    | field::CLOCK_SYNCED
                    | field::RESULT_FOLLOWS
            ) =>
        {
            (flag != 0).into()
        }
        (Form::Number, Some(code)) if field == field::VERDICT => {
            let verdict = Verdict::ALL.iter().find(|verdict| u64::from(verdict.code()) == code);
            verdict.map_or("unknown", |verdict| verdict.as_str()).into()
        }
        (Form::Number, Some(code)) if field == field::STAGE => {
            let stage = Stage::ALL.iter().find(|stage| u64::from(stage.code()) == code);
            stage.map_or("unknown", |stage| stage.as_str()).into()
        }
        (Form::Number, Some(seconds)) if matches!(field, field::EXPIRES | field::REMOVED_UNTIL | field::ISSUED) => {
            time(seconds.saturating_mul(1_000_000_000)).into()
        }
        (Form::Number, Some(value)) => value.into(),
        (Form::Number, None) => Value::Null,
        (Form::Text | Form::List, _) => text(bytes),
        (Form::Address, _) => address(bytes).map_or(Value::Null, |address| address.to_string().into()),
        (Form::Id, _) => record_id(bytes).map_or(Value::Null, |id| id.to_string().into()),
        (Form::Hash | Form::Key | Form::Boot, _) => hex(bytes).into(),
        (Form::Bytes, _) => with_zeros(bytes).map_or(Value::Null, |bytes| BASE64.encode(bytes).into()),
        (Form::Timing, _) => timing(bytes).map_or(Value::Null, |pairs| json!(pairs)),
        (Form::Token, _) => CardToken::of_bytes(bytes).map_or(Value::Null, |token| token.to_string().into()),
        (Form::Signature, _) => BASE64.encode(bytes.get(..64).unwrap_or(bytes)).into(),
        (Form::Head, _) => crate::decode::head(bytes)
            .map_or(Value::Null, |head| json!({ "shard": head.shard, "size": head.size, "root": hex(&head.root) })),
    }
}

/// At most a hash's 32 bytes, in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}

fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip = match <[u8; 4]>::try_from(ip) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_le_bytes(*port)))
}

/// User identification, type, date and time, success or failure (or that it only begins), origination, affected resource.
fn pci(object: &Map<String, Value>, frame: &Frame<'_>) -> Value {
    let joined = |keys: &[&str], between: &str| {
        let found: Vec<String> = keys
            .iter()
            .filter_map(|key| match object.get(*key)? {
                Value::String(text) => Some(text.clone()),
                Value::Array(list) => Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
                other => Some(format!("{key} {other}")),
            })
            .collect();
        found.join(between)
    };
    let session = object.contains_key("database") && !object.contains_key("operator");
    let (user, origination, resource) = if session {
        let resource = joined(&["database", "dbname", "tables", "object", "decision"], " ");
        (
            joined(&["agent", "principal", "database_user"], " as "),
            joined(&["agent_address", "pid", "exe_name"], " "),
            resource,
        )
    } else {
        let resource = joined(&["object", "agent", "cgroup", "principal", "database", "unit", "policy"], " ");
        (joined(&["reviewer", "operator", "uid"], " "), joined(&["pid"], " "), resource)
    };
    let outcome = match (object.get("success"), object.get("stage")) {
        (Some(Value::Bool(true)), _) => "success",
        (None, Some(Value::String(stage))) if stage == Stage::Begins.as_str() => "begins",
        _ => "failure",
    };
    json!({
        "user": user, "type": type_name(frame.kind), "time": time(frame.stamp.wall_ns), "outcome": outcome,
        "origination": origination, "resource": resource,
    })
}

/// The six points of PCI DSS v4.0.1 8.6.1 about the use of an account by exception.
fn exception(object: &Map<String, Value>) -> Value {
    let field = |key: &str| object.get(key).cloned().unwrap_or(Value::Null);
    json!({
        "exceptional_need": field("need"), "time_limit": field("expires"), "justification": field("justification"),
        "approval": field("approved"), "identity_confirmed": field("reviewer_login"),
        "attributable": { "agent": field("agent"), "database_user": field("database_user"), "reviewer": field("reviewer") },
    })
}

/// RFC 3339 in UTC, with nanoseconds. The calendar is Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
pub fn time(wall_ns: u64) -> String {
    let seconds = wall_ns / 1_000_000_000;
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", wall_ns % 1_000_000_000)
}

/// Hours, minutes, seconds and nanoseconds since boot.
fn monotonic(mono_ns: u64) -> String {
    let seconds = mono_ns / 1_000_000_000;
    format!("{}:{:02}:{:02}.{:09}", seconds / 3_600, seconds / 60 % 60, seconds % 60, mono_ns % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let cases = [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_399_000_000_001, "2000-02-28T23:59:59.000000001Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (1_767_225_599_999_999_999, "2025-12-31T23:59:59.999999999Z"),
            (1_767_225_600_000_000_000, "2026-01-01T00:00:00.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
        ];
        for (wall_ns, expected) in cases {
            assert_eq!(time(wall_ns), expected);
        }
        assert_eq!(monotonic(93_784_000_000_005), "26:03:04.000000005");
    }
}
