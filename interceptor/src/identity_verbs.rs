//! `identity list`, `show` and `revoke`: what is bound in the running service. Exit 1 where the answer is no, 3 where it cannot be reached.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use control::{client, plain};
use serde_json::{Value, json};

use crate::config::Config;
use crate::review::unreachable;

/// `identity list`.
pub fn list(path: &Path, as_json: bool) -> Result<u8> {
    asked(path, |answer| {
        print!("{}", if as_json { format!("{answer}\n") } else { table(answer) });
        0
    })
}

/// `identity show`.
pub fn show(path: &Path, name: &str, as_json: bool) -> Result<u8> {
    asked(path, |answer| {
        let all = answer["identities"].as_array().map_or(&[][..], Vec::as_slice);
        let found: Vec<&Value> = all.iter().filter(|one| is(one, name)).collect();
        for one in &found {
            print!("{}", if as_json { format!("{one}\n") } else { text(one) });
        }
        if found.is_empty() {
            eprintln!("interceptor: nothing of the name `{}` is bound: `interceptor identity list`", plain(name));
        }
        u8::from(found.is_empty())
    })
}

/// `identity revoke`.
pub fn revoke(path: &Path, name: &str, reason: &str) -> Result<u8> {
    let socket = Config::load(path)?.admin_socket();
    match client::post(&socket, "/identities/revoke", &json!({ "name": name, "reason": reason }).to_string()) {
        Ok((200, answer)) => {
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            println!("{}: revoked {}; its sessions end now", plain(name), answer["revoked"]);
            Ok(0)
        }
        Ok((_, words)) => {
            eprintln!("interceptor: {}", plain(&words));
            Ok(1)
        }
        Err(error) => unreachable(&socket, error),
    }
}

fn asked(path: &Path, then: impl FnOnce(&Value) -> u8) -> Result<u8> {
    let socket = Config::load(path)?.admin_socket();
    match client::get(&socket, "/identities") {
        Ok(answer) => Ok(then(&serde_json::from_str(&answer).context("the service's answer is not JSON")?)),
        Err(client::Unreachable::Status(404, words)) => {
            eprintln!("interceptor: {}", plain(&words));
            Ok(1)
        }
        Err(error) => unreachable(&socket, error),
    }
}

fn is(one: &Value, name: &str) -> bool {
    name.strip_prefix('#') == Some(one["number"].to_string().as_str()) || one["job"] == name || one["principal"] == name
}

fn word(one: &Value, key: &str) -> String {
    plain(one[key].as_str().unwrap_or_default())
}

fn table(answer: &Value) -> String {
    let now_s = u64::try_from(crate::verbs::wall_s()).unwrap_or(0);
    let all = answer["identities"].as_array().map_or(&[][..], Vec::as_slice);
    let mut out = String::new();
    if all.is_empty() {
        out.push_str("no token is bound\n");
    } else {
        let _ = writeln!(out, "{:<6} {:<8} {:<24} {:>8}  principal", "number", "state", "job", "left");
    }
    for one in all {
        let left = one["expires_s"].as_u64().unwrap_or(0).saturating_sub(now_s);
        let number = format!("#{}", one["number"]);
        let (state, job, principal) = (word(one, "state"), word(one, "job"), word(one, "principal"));
        let _ = writeln!(out, "{number:<6} {state:<8} {job:<24} {left:>6} s  {principal}");
    }
    for issuer in answer["issuers"].as_array().into_iter().flatten() {
        let silent = issuer["silent_s"].as_u64();
        let state = match (silent, issuer["keys"].as_u64().unwrap_or(0)) {
            (None, keys) => format!("{keys} keys"),
            (Some(for_s), 0) => format!("NO KEYS: it has not answered for {for_s} s, and its tokens are refused"),
            (Some(for_s), keys) => format!("{keys} keys, SILENT for {for_s} s"),
        };
        let _ = writeln!(out, "issuer {:<24} {state}", word(issuer, "name"));
    }
    out
}

fn text(one: &Value) -> String {
    let mut out = String::new();
    for key in ["job", "state", "principal", "issuer", "subject", "token"] {
        let _ = writeln!(out, "{key:<10} {}", word(one, key));
    }
    let until_ns = one["expires_s"].as_u64().unwrap_or(0).saturating_mul(1_000_000_000);
    let _ = writeln!(out, "{:<10} {}", "until", audit::show::time(until_ns));
    let groups: Vec<String> =
        one["groups"].as_array().into_iter().flatten().filter_map(|g| g.as_str().map(plain)).collect();
    let _ = writeln!(out, "{:<10} {}", "groups", if groups.is_empty() { "none".to_owned() } else { groups.join(", ") });
    for claim in one["claims"].as_array().into_iter().flatten() {
        let part = |at: usize| plain(claim[at].as_str().unwrap_or_default());
        let _ = writeln!(out, "{:<10} {} = {}", "claim", part(0), part(1));
    }
    if let Some(why) = one["revoked"].as_object() {
        let part = |key: &str| plain(why.get(key).and_then(Value::as_str).unwrap_or_default());
        let _ = writeln!(out, "{:<10} by {}: {}", "revoked", part("by"), part("why"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Value {
        json!({
            "identities": [{
                "number": 7, "job": "cgroup 4711", "state": "revoked", "issuer": "ci", "subject": "s\u{1b}[2J", "principal": "ci:1/2",
                "token": "ab", "groups": ["main"], "claims": [["ref", "main"]], "expires_s": 5,
                "revoked": { "by": "ann", "why": "lost" },
            }],
            "issuers": [
                { "name": "ci", "keys": 2, "shown_s": 1, "silent_s": null },
                { "name": "old", "keys": 0, "shown_s": null, "silent_s": 90 },
            ],
        })
    }

    #[test]
    fn a_line_for_each_and_what_must_not_be_overlooked() {
        let shown = table(&answer());
        assert!(shown.contains("#7     revoked  cgroup 4711") && shown.contains("NO KEYS"), "{shown}");
        assert!(table(&json!({})).contains("no token is bound"));
    }

    #[test]
    fn one_is_found_by_number_job_or_principal() {
        let one = &answer()["identities"][0];
        assert!(is(one, "#7") && is(one, "cgroup 4711") && is(one, "ci:1/2") && !is(one, "7") && !is(one, "ci:1"));
        let shown = text(one);
        assert!(shown.contains("ref = main") && shown.contains("by ann: lost") && !shown.contains('\u{1b}'), "{shown}");
    }
}
