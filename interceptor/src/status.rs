//! `status`: what the running service says of itself. Exit 3 where it cannot be reached, 1 where it is not healthy.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use control::client::{self, Unreachable};
use serde_json::Value;

use crate::columns;
use crate::config::Config;

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
}

/// Prints it.
pub fn print(path: &Path, asked: Asked, json: bool) -> Result<u8> {
    let socket = Config::load(path)?.admin_socket();
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
        return Ok(0);
    }
    let status: Value = serde_json::from_str(&answer).context("the service's answer is not JSON")?;
    if json {
        println!("{status:#}");
    } else if asked == Asked::Columns {
        print!("{}", columns::text(&status));
    } else {
        print!("{}", text(&status));
    }
    if asked == Asked::Columns {
        return Ok(0);
    }
    let shards = status["shards"].as_array().map(Vec::as_slice).unwrap_or_default();
    let refusing = shards.iter().any(|shard| ["record-full", "stopped"].iter().any(|is| shard["state"]["is"] == *is));
    Ok(u8::from(status["canary"]["is"] != "works" || refusing))
}

fn page(asked: Asked) -> &'static str {
    match asked {
        Asked::Status => "/status",
        Asked::Columns => "/columns",
        Asked::Metrics => "/metrics",
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
