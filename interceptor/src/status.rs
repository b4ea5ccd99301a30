//! `status`: what the running service says of itself. Exit 3 where it cannot be reached, 1 where it is not healthy.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use control::client::{self, Unreachable};
use serde_json::Value;

use crate::columns;
use crate::config::Config;
use crate::ship;

/// The exit status of a service that cannot be reached.
const UNREACHABLE: u8 = 3;

/// What the service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// How it is.
    Status,
    /// What it saw in the columns of tables.
    Columns,
    /// Its figures for Prometheus.
    Metrics,
    /// Where the time goes.
    Latency,
}

/// Prints it.
pub fn print(path: &Path, asked: Asked, json: bool) -> Result<u8> {
    let config = Config::load(path)?;
    let socket = config.admin_socket();
    let answer = match client::get(&socket, page(asked)) {
        Ok(answer) => answer,
        Err(error @ Unreachable::Socket(_)) => {
            eprintln!(
                "interceptor: the service cannot be reached at {}: {error}; is it running (`systemctl status interceptor`), and are you root?",
                socket.display()
            );
            return Ok(UNREACHABLE);
        }
        Err(error) => return Err(error.into()),
    };
    if asked == Asked::Metrics {
        print!("{answer}");
        if let Some(Ok(shipping)) = ship::shipping(&config) {
            print!("{}", shipping.metrics());
        }
        return Ok(0);
    }
    let mut status: Value = serde_json::from_str(&answer).context("the service's answer is not JSON")?;
    if asked == Asked::Latency {
        status = status["latency"].take();
    }
    if json {
        println!("{status:#}");
    } else if asked == Asked::Columns {
        print!("{}", columns::text(&status));
    } else if asked == Asked::Latency {
        print!("{}", latency_text(&status));
    } else {
        print!("{}", text(&status));
        print!("{}", sinks(&config));
    }
    if matches!(asked, Asked::Columns | Asked::Latency) {
        return Ok(0);
    }
    let shards = status["shards"].as_array().map(Vec::as_slice).unwrap_or_default();
    let refusing = shards.iter().any(|shard| ["record-full", "stopped"].iter().any(|is| shard["state"]["is"] == *is));
    Ok(u8::from(status["canary"]["is"] != "works" || refusing))
}

/// A line per sink and for the anchor; where nothing leaves this host, that only it holds the record.
fn sinks(config: &Config) -> String {
    let only_here = config.only_here().map(|why| format!("WARNING   {why}\n")).unwrap_or_default();
    only_here
        + &match ship::shipping(config) {
            None => String::new(),
            Some(Err(why)) => format!("WARNING   {why:#}\n"),
            Some(Ok(shipping)) => shipping.words().0,
        }
}

fn page(asked: Asked) -> &'static str {
    match asked {
        Asked::Status | Asked::Latency => "/status",
        Asked::Columns => "/columns",
        Asked::Metrics => "/metrics",
    }
}

/// One line per stage that was measured.
fn latency_text(stages: &Value) -> String {
    let mut out = format!("{:<12} {:>10}", "stage", "count");
    const SHARES: [(&str, &str); 5] =
        [("p50", "p50_ns"), ("p90", "p90_ns"), ("p99", "p99_ns"), ("p99.9", "p999_ns"), ("max", "max_ns")];
    for (title, _) in SHARES {
        let _ = write!(out, " {title:>9}");
    }
    out.push_str("  from and to\n");
    for stage in stages.as_array().into_iter().flatten() {
        let word = |key: &str| stage[key].as_str().unwrap_or_default().to_owned();
        let _ = write!(out, "{:<12} {:>10}", word("stage"), stage["count"].as_u64().unwrap_or(0));
        for (_, key) in SHARES {
            let _ = write!(out, " {:>9}", duration(stage[key].as_u64().unwrap_or(0)));
        }
        let _ = writeln!(out, "  {}", word("what"));
    }
    out
}

/// Three digits or so, in the unit that fits.
fn duration(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{:.1} us", ns as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0} us", ns as f64 / 1e3),
        1_000_000..10_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        10_000_000..1_000_000_000 => format!("{:.0} ms", ns as f64 / 1e6),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}

/// For a person.
fn text(status: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "interceptor {}  pid {}  up {} s  policy {}  sessions {}",
        word(&status["version"]),
        status["pid"],
        status["uptime_s"],
        word(&status["policy"]["version"]),
        status["sessions"]
    );
    for warning in status["warnings"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "WARNING   {}", word(warning));
    }
    for database in status["databases"].as_array().into_iter().flatten() {
        let masked = if database["mask"] == true {
            format!("masked ({})", word(&database["masking"]))
        } else {
            "NOT MASKED".to_owned()
        };
        let (name, mode, sessions) = (word(&database["name"]), word(&database["mode"]), &database["sessions"]);
        let _ = writeln!(out, "database  {name:<20} {mode}, {masked}, {sessions} sessions");
    }
    for agent in status["agents"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "agent     {:<20} {}, {} sessions",
            word(&agent["name"]),
            word(&agent["by"]),
            agent["sessions"]
        );
    }
    if let Some(identities) = status["identities"].as_object() {
        let count = |key: &str| identities.get(key).and_then(Value::as_u64).unwrap_or(0);
        let words = format!("{} bound, {} expired, {} revoked", count("bound"), count("expired"), count("revoked"));
        let _ = writeln!(out, "tokens    {words}; `interceptor identity list`");
    }
    for shard in status["shards"].as_array().into_iter().flatten() {
        let (number, state, sessions) = (&shard["number"], word(&shard["state"]["is"]), &shard["sessions"]);
        let _ = writeln!(out, "shard     {number:<20} {state}, {sessions} sessions, {} records", shard["last_seq"]);
    }
    for figure in status["figures"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|f| f["value"] != 0 && f["labels"] == Value::Array(vec![]))
    {
        let _ = writeln!(out, "count     {:<40} {}", word(&figure["name"]), figure["value"]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_whether_anybody_elsewhere_could_tell() {
        for (lines, is_told) in crate::config::lead_off() {
            let database = "[[database]]\nname = \"d\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:1\"]\n";
            let state = "[service]\nstate_dir = \"/nowhere/interceptor\"\n";
            let said = sinks(&Config::parse(&format!("{state}{database}{lines}")).unwrap());
            let told = said.lines().filter(|line| line.starts_with("WARNING   neither an [anchor] nor a [[sink]]"));
            assert_eq!(told.count() == 1, is_told, "{lines}: {said}");
        }
    }

    #[test]
    fn latency_is_a_line_per_stage() {
        let stages = serde_json::json!([{
            "stage": "judge", "what": "parsing", "count": 12, "p50_ns": 900, "p90_ns": 42_000, "p99_ns": 1_500_000,
            "p999_ns": 200_000_000, "max_ns": 3_000_000_000_u64,
        }]);
        let expected = "\
stage             count       p50       p90       p99     p99.9       max  from and to
judge                12    0.9 us     42 us    1.5 ms    200 ms     3.0 s  parsing
";
        assert_eq!(latency_text(&stages), expected);
    }
}
