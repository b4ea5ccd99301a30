//! Records for a SIEM that reads syslog: ArcSight's Common Event Format, version 0, in messages of RFC 5424.
//!
//! A line has the fields that such a SIEM searches by, and at most [`TEXT_MAX`] bytes of a statement; the whole record is in what
//! [`crate::ocsf`] makes of it. Text is masked again, as in [`crate::show`].

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::ocsf::{Teller, severity};
use crate::record_type::RecordType;
use crate::segment::Frame;
use crate::show;

/// Of a statement's text; receivers need not take messages of more than 8192 bytes (RFC 5425 4.3.1).
const TEXT_MAX: usize = 2048;
/// Of any other value.
const VALUE_MAX: usize = 512;
/// `log audit` (RFC 5424 6.2.1).
const FACILITY: u32 = 13;

/// One record as a message: header, no structured data, the CEF line.
pub fn syslog(teller: Teller<'_>, shard: u16, frame: &Frame<'_>) -> String {
    let record = match show::json(shard, frame) {
        Value::Object(record) => record,
        _ => Map::new(),
    };
    let level = severity(frame.kind, &record);
    // Informational, notice, warning, error, critical.
    let priority = FACILITY * 8 + [6, 6, 5, 4, 3, 2].get(level as usize).copied().unwrap_or(2);
    let time = show::time(frame.stamp.wall_ns);
    // RFC 5424 has six digits of a second at most.
    let time = format!("{}Z", time.get(..26).unwrap_or(&time));
    let kind = RecordType::of(frame.kind).map_or("unknown", RecordType::name);
    let host: String = teller.host.chars().filter(char::is_ascii_graphic).take(255).collect();
    let host = if host.is_empty() { "-" } else { &host };
    format!("<{priority}>1 {time} {host} interceptor - {kind} - {}", line(teller, frame, &record, level))
}

/// Names of CEF and the record's, in the order of the line.
const KEYS: &[(&str, &str)] = &[
    ("externalId", "record"),
    ("suser", "agent"),
    ("duser", "database_user"),
    ("act", "verdict"),
    ("app", "application"),
    ("spid", "pid"),
    ("sproc", "exe_name"),
    ("cs1", "database"),
    ("cs2", "tables"),
    ("cs3", "rule"),
    ("cs4", "approval"),
    ("cs5", "policy"),
    ("cs6", "text"),
    ("cn1", "rows"),
    ("cn2", "masked"),
    ("cn3", "session"),
];

fn line(teller: Teller<'_>, frame: &Frame<'_>, record: &Map<String, Value>, level: u32) -> String {
    let kind = RecordType::of(frame.kind).map_or_else(|| format!("type-{}", frame.kind), |kind| kind.name().to_owned());
    let mut out = format!("CEF:0|interceptor|interceptor|{}|{kind}|{kind}|{}|", header(teller.version), level * 2);
    // Writing to a String cannot fail.
    let _ = write!(out, "rt={}", frame.stamp.wall_ns / 1_000_000);
    for (key, name) in KEYS {
        let Some(value) = record.get(*name).map(text).filter(|value| !value.is_empty()) else { continue };
        let most = if *name == "text" { TEXT_MAX } else { VALUE_MAX };
        let _ = write!(out, " {key}={}", extension(&value, most));
        if key.starts_with('c') {
            let _ = write!(out, " {key}Label={name}");
        }
    }
    if !record.contains_key("agent")
        && let Some(operator) = record.get("operator").map(text)
    {
        let _ = write!(out, " suser={}", extension(&operator, VALUE_MAX));
    }
    for (address, port, name) in [("src", "spt", "agent_address"), ("dst", "dpt", "database_address")] {
        let socket = record.get(name).and_then(Value::as_str).and_then(|a| a.parse::<std::net::SocketAddr>().ok());
        if let Some(socket) = socket {
            let _ = write!(out, " {address}={} {port}={}", socket.ip(), socket.port());
        }
    }
    if let Some(success) = record.get("success").and_then(Value::as_bool) {
        let _ = write!(out, " outcome={}", if success { "success" } else { "failure" });
    }
    let why = ["reason", "cause", "message"].iter().find_map(|key| record.get(*key)).map(text);
    if let Some(why) = why.filter(|why| !why.is_empty()) {
        let _ = write!(out, " reason={}", extension(&why, VALUE_MAX));
    }
    if let Some(object) = record.get("object").map(text) {
        let _ = write!(out, " filePath={}", extension(&object, VALUE_MAX));
    }
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Of a header: `|` and `\` are escaped, and there is no line's end.
fn header(value: &str) -> String {
    let clean: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.replace('\\', "\\\\").replace('|', "\\|")
}

/// Of an extension: `=` and `\` are escaped, a line's end is `\n`, other control characters are spaces.
fn extension(value: &str, most: usize) -> String {
    let cut = value.get(..value.floor_char_boundary(most)).unwrap_or_default();
    let mut out = String::with_capacity(cut.len());
    for c in cut.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '=' => out.push_str("\\="),
            '\n' | '\r' => out.push_str("\\n"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_ends_it() {
        assert_eq!(extension("a=b\\c\r\nd\te|f", 99), "a\\=b\\\\c\\n\\nd e|f");
        assert_eq!(header("a|b\\c\nd"), "a\\|b\\\\c d");
        assert_eq!(extension("häh", 2), "h");
    }
}
