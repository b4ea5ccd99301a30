//! `approvals`: what waits for a person, and a person's word about it. Exit 1 where the answer is no, 3 where the service cannot be reached.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use control::client::{self, Unreachable};
use control::plain;
use serde_json::{Value, json};
use session::AskId;

use crate::cli::Granting;
use crate::config::Config;

/// The exit status of a service that cannot be reached.
const UNREACHABLE: u8 = 3;
/// How often a watched table is drawn anew.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Of what is over a table shows so many.
const OVER_SHOWN: usize = 10;

/// `approvals list`.
pub fn list(path: &Path, as_json: bool, watch: bool) -> Result<u8> {
    let socket = Config::load(path)?.admin_socket();
    loop {
        let listing = match client::get(&socket, "/approvals") {
            Ok(answer) => answer,
            Err(error) => return unreachable(&socket, error),
        };
        let listing: Value = serde_json::from_str(&listing).context("the service's answer is not JSON")?;
        let mut out = std::io::stdout().lock();
        if watch && out.is_terminal() {
            out.write_all(b"\x1b[H\x1b[2J").context("cannot write")?;
        }
        if as_json {
            writeln!(out, "{listing}").context("cannot write")?;
        } else {
            out.write_all(table(&listing, now_s()).as_bytes()).context("cannot write")?;
        }
        out.flush().context("cannot write")?;
        drop(out);
        if !watch {
            return Ok(0);
        }
        std::thread::sleep(WATCH_EVERY);
    }
}

/// `approvals show`.
pub fn show(path: &Path, id: &str, as_json: bool) -> Result<u8> {
    let socket = Config::load(path)?.admin_socket();
    let id = parse(id)?;
    match client::get(&socket, &format!("/approvals/{id}")) {
        Ok(answer) => {
            let one: Value = serde_json::from_str(&answer).context("the service's answer is not JSON")?;
            if as_json {
                println!("{one:#}")
            } else {
                print!("{}", text(&one, now_s()))
            }
            Ok(0)
        }
        Err(Unreachable::Status(404, words)) => {
            eprintln!("interceptor: {}", plain(&words));
            Ok(1)
        }
        Err(error) => unreachable(&socket, error),
    }
}

/// `approvals login`: to the list, or to one of them.
pub fn login(path: &Path, id: Option<&str>) -> Result<u8> {
    let to = match id {
        Some(id) => format!("/login?approval={}", parse(id)?),
        None => "/login".to_owned(),
    };
    print_answer(path, &to, "")
}

/// `approvals token`.
pub fn token(path: &Path, scopes: &[String], purpose: &str, seconds: u64) -> Result<u8> {
    let wanted = json!({ "scopes": scopes, "purpose": purpose, "seconds": seconds });
    print_answer(path, "/token", &wanted.to_string())
}

/// What the service gives the account that asks, as it is.
fn print_answer(path: &Path, to: &str, body: &str) -> Result<u8> {
    Ok(match said(path, to, body)? {
        Ok(answer) => {
            println!("{answer}");
            0
        }
        Err(status) => status,
    })
}

/// Says it to the service: its answer, or the exit status once the person was told why there is none.
fn said(path: &Path, to: &str, body: &str) -> Result<Result<String, u8>> {
    let socket = Config::load(path)?.admin_socket();
    match client::post(&socket, to, body) {
        Ok((200, answer)) => Ok(Ok(answer)),
        Ok((_, words)) => {
            eprintln!("interceptor: {}", plain(&words));
            Ok(Err(1))
        }
        Err(error) => unreachable(&socket, error).map(Err),
    }
}

/// The same, of an answer in JSON; printed as it is, or in words of ours.
fn said_and_shown(
    path: &Path,
    (to, body): (&str, &Value),
    as_json: bool,
    words: impl FnOnce(&Value) -> String,
) -> Result<Result<Value, u8>> {
    let answer = match said(path, to, &body.to_string())? {
        Ok(answer) => answer,
        Err(status) => return Ok(Err(status)),
    };
    let one: Value = serde_json::from_str(&answer).context("the service's answer is not JSON")?;
    if as_json {
        println!("{one:#}");
    } else {
        println!("{}", words(&one));
    }
    Ok(Ok(one))
}

/// What a person says of a held statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It may go on.
    Approve,
    /// It may not.
    Deny,
    /// It goes on at once: an emergency.
    BreakGlass,
}

impl Word {
    fn verb(self) -> &'static str {
        match self {
            Word::Approve => "approve",
            Word::Deny => "deny",
            Word::BreakGlass => "break-glass",
        }
    }
}

/// `approvals approve` and `approvals deny`.
pub fn decide(path: &Path, id: &str, said: Word, reason: &str, as_json: bool) -> Result<u8> {
    let to = format!("/approvals/{}/{}", parse(id)?, said.verb());
    let approve = said != Word::Deny;
    let shown = said_and_shown(path, (&to, &json!({ "reason": reason })), as_json, |one| outcome(one, approve))?;
    let wanted = if approve { ["approved", "pending"] } else { ["denied", "pending"] };
    Ok(shown.map_or_else(|status| status, |one| u8::from(!wanted.contains(&word(&one["state"]).as_str()))))
}

/// `approvals grant`.
pub fn grant(wanted: &Granting) -> Result<u8> {
    let Some(seconds) = seconds(&wanted.lasts) else { bail!("--for is written as 90s, 10m or 2h") };
    let body = json!({
        "rule": wanted.rule, "agent": wanted.agent, "database": wanted.database, "seconds": seconds,
        "reason": wanted.reason,
    });
    let words = |one: &Value| {
        let left = one["until_s"].as_u64().unwrap_or(0).saturating_sub(now_s());
        format!(
            "{}: what the rule holds of this agent goes on for {}, as far as your word counts",
            word(&one["id"]),
            duration(left)
        )
    };
    let shown = said_and_shown(&wanted.from.config, ("/grants", &body), wanted.json, words)?;
    Ok(shown.map_or_else(|status| status, |_| 0))
}

/// `90s`, `10m`, `2h`.
fn seconds(text: &str) -> Option<u64> {
    let unit = [('s', 1), ('m', 60), ('h', 3600)].into_iter().find(|(unit, _)| text.ends_with(*unit))?.1;
    text.get(..text.len() - 1)?.parse::<u64>().ok()?.checked_mul(unit)
}

/// `approvals revoke`.
pub fn revoke(path: &Path, id: &str, reason: &str) -> Result<u8> {
    let id = parse(id)?;
    let body = json!({ "reason": reason }).to_string();
    Ok(match said(path, &format!("/standing/{id}/revoke"), &body)? {
        Ok(_) => {
            println!("{id}: it stands no more");
            0
        }
        Err(status) => status,
    })
}

fn parse(id: &str) -> Result<AskId> {
    match id.parse() {
        Ok(id) => Ok(id),
        Err(_) => bail!("`{}` is no id of an approval: one looks like K7Q2M-9XDRT", plain(id)),
    }
}

pub(crate) fn unreachable(socket: &Path, error: Unreachable) -> Result<u8> {
    let Unreachable::Socket(error) = error else { return Err(error.into()) };
    eprintln!(
        "interceptor: the service cannot be reached at {}: {error}; is it running (`systemctl status interceptor`), and are you in its group?",
        socket.display()
    );
    Ok(UNREACHABLE)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What a word came to, for the one who said it.
fn outcome(one: &Value, approve: bool) -> String {
    let id = word(&one["id"]);
    let wanted: u64 = rules(one).map(|rule| rule["approvals"].as_u64().unwrap_or(1)).max().unwrap_or(1);
    match (word(&one["state"]).as_str(), approve) {
        ("approved", true) => format!("{id}: approved; the statement goes on"),
        ("denied", false) => format!("{id}: denied; the agent was told why"),
        ("pending", _) if one["heard"] == true => {
            format!("{id}: counted; {wanted} people must approve, and it waits for the others")
        }
        ("pending", _) => format!("{id}: sent; the session has not answered yet (`interceptor approvals show {id}`)"),
        (state, _) => format!("{id}: {state}: {}", word(&one["why"])),
    }
}

fn rules(one: &Value) -> impl Iterator<Item = &Value> {
    one["rules"].as_array().into_iter().flatten()
}

fn table(listing: &Value, now_s: u64) -> String {
    let all = |key: &str| listing[key].as_array().cloned().unwrap_or_default();
    let (pending, over) = (all("pending"), all("over"));
    let mut out = String::new();
    if pending.is_empty() {
        out.push_str("nothing waits for a person\n");
    } else {
        let _ = writeln!(
            out,
            "{:<12} {:>6} {:>7}  {:<16} {:<16} {:<20} statement",
            "id", "age", "left", "agent", "database", "rule"
        );
    }
    for one in &pending {
        let (age, left) = (since(one, "asked_s", now_s), one["expires_s"].as_u64().unwrap_or(0).saturating_sub(now_s));
        let _ = writeln!(
            out,
            "{:<12} {:>6} {:>7}  {:<16} {:<16} {:<20} {}",
            word(&one["id"]),
            duration(age),
            duration(left),
            short(&word(&one["agent"]), 16),
            short(&word(&one["database"]), 16),
            short(&rule_names(one), 20),
            short(&word(&one["text"]), 60)
        );
    }
    for one in &all("reveals") {
        let _ = writeln!(
            out,
            "{:<12} {:>14}  {:<16} {:<16} CLEAR VALUES are shown of {}: {}",
            word(&one["id"]),
            format!("{} left", duration(one["until_s"].as_u64().unwrap_or(0).saturating_sub(now_s))),
            short(&word(&one["agent"]), 16),
            short(&word(&one["database"]), 16),
            short(&words(&one["columns"]), 60),
            short(&word(&one["reason"]), 60)
        );
    }
    for one in &all("standing") {
        let _ = writeln!(
            out,
            "{:<12} {:>14}  {:<16} {:<16} {:<20} stands, by {}: {} {}",
            word(&one["id"]),
            format!("{} left", duration(one["until_s"].as_u64().unwrap_or(0).saturating_sub(now_s))),
            short(&word(&one["agent"]), 16),
            short(&word(&one["database"]), 16),
            short(&words(&one["rules"]), 20),
            word(&one["reviewer"]),
            short(&word(&one["reason"]), 40),
            short(&word(&one["text"]), 40)
        );
    }
    for one in over.iter().take(OVER_SHOWN) {
        let _ = writeln!(
            out,
            "{:<12} {:>6} ago    {:<16} {:<16} {:<20} {}: {}",
            word(&one["id"]),
            duration(since(one, "ended_s", now_s)),
            short(&word(&one["agent"]), 16),
            short(&word(&one["database"]), 16),
            short(&rule_names(one), 20),
            word(&one["state"]),
            short(&word(&one["why"]), 60)
        );
    }
    out
}

fn text(one: &Value, now_s: u64) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<12} {value}");
    };
    let list = |key: &str| {
        let words: Vec<String> = one[key].as_array().into_iter().flatten().map(word).collect();
        words.join(" ")
    };
    line("id", word(&one["id"]));
    line("state", format!("{} {}", word(&one["state"]), word(&one["why"])).trim().to_owned());
    if word(&one["state"]) == "pending" {
        let left = one["expires_s"].as_u64().unwrap_or(0).saturating_sub(now_s);
        line("waits", format!("{}, denied in {}", duration(since(one, "asked_s", now_s)), duration(left)));
    }
    line(
        "who",
        format!(
            "{} ({}), {}: pid {}, uid {}, {}, on {} from {}",
            word(&one["agent"]),
            list("groups"),
            word(&one["agent_by"]),
            one["pid"],
            one["uid"],
            word(&one["executable"]),
            word(&one["host"]),
            word(&one["agent_address"])
        ),
    );
    let role = format!("{} as {}", word(&one["dbname"]), word(&one["database_user"]));
    line("where", format!("{}, {role}, application {}", word(&one["database"]), word(&one["application"])));
    for rule in rules(one) {
        line("rule", format!("{}: {}: {}", word(&rule["name"]), wanted(rule), word(&rule["message"])));
    }
    line("effects", format!("{}; {}", list("kinds"), list("tables")));
    if one["sensitive"].as_array().is_some_and(|columns| !columns.is_empty()) {
        line("sensitive", words(&one["sensitive"]));
    }
    match (one["estimate"]["rows"].as_u64(), one["estimate"]["cost"].as_u64()) {
        (Some(rows), Some(cost)) => {
            line("estimate", format!("at most {rows} rows in a step, cost {cost}, says the planner"))
        }
        _ => line("estimate", "none: the planner was not asked, or did not say".to_owned()),
    }
    if one["in_transaction"] == true {
        let since = one["transaction_since_s"].as_u64().map(|since| duration(now_s.saturating_sub(since)));
        let since = since.map(|since| format!("open for {since}")).unwrap_or_else(|| "open".to_owned());
        line("transaction", format!("{since}: locks of earlier statements are held while it waits"));
    }
    if let Some(rows) = one["rows_bound"].as_u64() {
        line("rows", format!("at most {rows} may leave if it is approved"));
    }
    if one["redacted"] == true {
        line(
            "redacted",
            "it touches a column whose values nobody may see: literals and parameters are hidden".to_owned(),
        );
    }
    line("record", word(&one["record"]));
    for said in one["words"].as_array().into_iter().flatten() {
        let verb = match (said["approve"] == true, said["break_glass"] == true) {
            (true, true) => "BROKE GLASS",
            (true, false) => "approved",
            (false, _) => "denied",
        };
        let under = said["under"].as_str().map(|id| format!(", as it stands by {}", plain(id))).unwrap_or_default();
        line(
            verb,
            format!("by {} ({}){under}: {}", word(&said["reviewer"]), word(&said["login"]), word(&said["reason"])),
        );
    }
    line("statement", String::new());
    for statement in one["text"].as_str().unwrap_or_default().lines() {
        let _ = writeln!(out, "  {}", plain(statement));
    }
    for (number, value) in one["parameters"].as_array().into_iter().flatten().enumerate() {
        let _ = writeln!(out, "  ${} = {}", number + 1, word(value));
    }
    out
}

/// Whom a rule asks.
fn wanted(rule: &Value) -> String {
    let named = |key: &str| rule[key].as_array().into_iter().flatten().map(word).collect::<Vec<_>>().join(", ");
    let who = Some(named("approvers")).filter(|who| !who.is_empty()).unwrap_or_else(|| "any reviewer".to_owned());
    let people = if rule["all_groups"] == true { "one of each".to_owned() } else { rule["approvals"].to_string() };
    match named("break_glass").as_str() {
        "" => format!("{people} of {who}"),
        names => format!("{people} of {who} ({names} may break glass)"),
    }
}

fn rule_names(one: &Value) -> String {
    let names: Vec<String> = rules(one).map(|rule| word(&rule["name"])).collect();
    names.join(", ")
}

/// A list's entries in one line.
fn words(list: &Value) -> String {
    let words: Vec<String> = list.as_array().into_iter().flatten().map(word).collect();
    words.join(", ")
}

fn since(one: &Value, key: &str, now_s: u64) -> u64 {
    now_s.saturating_sub(one[key].as_u64().unwrap_or(now_s))
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// One line of at most so many letters.
fn short(text: &str, letters: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(letters) {
        Some(_) => line.chars().take(letters - 1).chain(['\u{2026}']).collect(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Value {
        json!({
            "id": "K7Q2M-9XDRT", "agent": "reconciler", "groups": ["payments-agents"], "uid": 1000, "pid": 42,
            "executable": "psql", "agent_address": "127.0.0.1:4", "database": "payments", "dbname": "app",
            "database_user": "app", "application": "psql", "kinds": ["delete"], "tables": ["public.t"],
            "rules": [{ "name": "deletes wait", "approvers": ["group:leads"], "approvals": 2, "message": "ask" }],
            "text": text, "parameters": ["7"], "in_transaction": true, "redacted": false, "record": "0-9",
            "state": "pending", "asked_s": 100, "expires_s": 700, "words": [],
        })
    }

    #[test]
    fn a_table_has_a_line_per_statement() {
        let listing = json!({ "pending": [one("DELETE\n FROM t")], "over": [] });
        let expected = "\
id              age    left  agent            database         rule                 statement
K7Q2M-9XDRT    20 s   9 min  reconciler       payments         deletes wait         DELETE FROM t
";
        assert_eq!(table(&listing, 120), expected);
        assert_eq!(table(&json!({ "pending": [], "over": [] }), 0), "nothing waits for a person\n");
    }

    #[test]
    fn one_in_full_says_who_what_and_what_it_would_touch() {
        let mut held = one("DELETE FROM t");
        (held["agent_by"], held["host"]) = ("unit recon.service".into(), "pay-1".into());
        (held["sensitive"], held["rows_bound"]) = (json!(["public.t.pan (pan)"]), 200.into());
        held["transaction_since_s"] = 60.into();
        let shown = text(&held, 120);
        for line in [
            "who          reconciler (payments-agents), unit recon.service: pid 42, uid 1000, psql, on pay-1 from 127.0.0.1:4",
            "sensitive    public.t.pan (pan)",
            "transaction  open for 60 s: locks of earlier statements are held while it waits",
            "rows         at most 200 may leave if it is approved",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
    }

    #[test]
    fn nothing_that_an_agent_writes_moves_the_cursor() {
        let evil = "SELECT 1 -- \u{1b}[2J\u{1b}]0;title\u{7}\r\u{9b}31m\u{202e}lla\u{200b}\n-- next";
        for shown in [table(&json!({ "pending": [one(evil)] }), 120), text(&one(evil), 120)] {
            let bad = |letter: char| (letter.is_control() && letter != '\n') || "\u{200b}\u{202e}".contains(letter);
            assert!(!shown.contains(bad), "{shown:?}");
            assert!(shown.contains("\\u{1b}[2J"));
        }
        assert!(text(&one(evil), 120).contains("\n  -- next\n"), "lines stay lines");
    }

    #[test]
    fn ids_are_those_of_approvals() {
        assert!(parse("k7q2m9xdrt").is_ok());
        assert!(parse("../../reload").is_err());
    }

    #[test]
    fn what_a_word_came_to() {
        for (state, heard, approve, expected) in [
            ("approved", true, true, "K7Q2M-9XDRT: approved; the statement goes on"),
            ("denied", true, false, "K7Q2M-9XDRT: denied; the agent was told why"),
            ("pending", true, true, "K7Q2M-9XDRT: counted; 2 people must approve, and it waits for the others"),
            ("cancelled", true, true, "K7Q2M-9XDRT: cancelled: the agent left"),
        ] {
            let mut one = one("x");
            (one["state"], one["heard"], one["why"]) = (state.into(), heard.into(), "the agent left".into());
            assert_eq!(outcome(&one, approve), expected);
        }
    }
}
