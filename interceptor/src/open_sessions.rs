//! `sessions open` and `sessions kill`: what is open in the running service, and the end of one. Exit 1 where the answer is no, 3 where the
//! service cannot be reached.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use control::{client, plain};
use serde_json::{Value, json};

use crate::config::Config;
use crate::review::unreachable;

/// `sessions open`.
pub fn open(path: &Path, as_json: bool) -> Result<u8> {
    let socket = Config::load(path)?.admin_socket();
    let answer = match client::get(&socket, "/sessions") {
        Ok(answer) => answer,
        Err(error) => return unreachable(&socket, error),
    };
    if as_json {
        println!("{answer}");
    } else {
        let listed: Value = serde_json::from_str(&answer).context("the service's answer is not JSON")?;
        print!("{}", table(&listed));
    }
    Ok(0)
}

/// `sessions kill`.
pub fn kill(path: &Path, id: &str, reason: &str) -> Result<u8> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        bail!("`{}` is no open session: `interceptor sessions open` names them, such as 0.17", plain(id));
    }
    let socket = Config::load(path)?.admin_socket();
    match client::post(&socket, &format!("/sessions/{id}/kill"), &json!({ "reason": reason }).to_string()) {
        Ok((200, _)) => {
            println!("{id}: ended");
            Ok(0)
        }
        Ok((_, words)) => {
            eprintln!("interceptor: {}", plain(&words));
            Ok(1)
        }
        Err(error) => unreachable(&socket, error),
    }
}

fn table(listed: &Value) -> String {
    let mut out = String::new();
    let all = listed.as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        return "no agent is connected\n".to_owned();
    }
    let _ = writeln!(
        out,
        "{:<10} {:<16} {:<16} {:<16} {:>8} {:>7} {:<22} {:>8}  now",
        "id", "agent", "database", "executable", "pid", "uid", "from", "age"
    );
    for one in all {
        let word = |key: &str| plain(one[key].as_str().unwrap_or_default());
        let number = |key: &str| one[key].as_u64().unwrap_or_default();
        let now = if one["waits"] == true { "waits for a person" } else { "open" };
        let doubt = if one["disagrees"] == true { "DISAGREES with " } else { "" };
        let signed = one["principal"].as_str().map(|who| format!(", {doubt}{}", plain(who))).unwrap_or_default();
        let _ = writeln!(
            out,
            "{:<10} {:<16} {:<16} {:<16} {:>8} {:>7} {:<22} {:>6} s  {now}{signed}",
            word("id"),
            word("agent"),
            word("database"),
            word("executable"),
            number("pid"),
            number("uid"),
            word("agent_address"),
            number("age_s"),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_per_session_and_nothing_acts_in_it() {
        let one = json!({
            "id": "0.17", "agent": "reconciler", "database": "payments", "executable": "ps\u{1b}[2Jql\u{202e}", "pid": 42, "uid": 1000,
            "agent_address": "127.0.0.1:4", "age_s": 61, "waits": true, "principal": "ci:74/1001/2",
        });
        let shown = table(&json!([one]));
        assert_eq!(shown.lines().count(), 2);
        assert!(
            shown.contains("0.17")
                && shown.contains("waits for a person, ci:74/1001/2")
                && shown.contains("ps\\u{1b}[2Jql\\u{202e}")
        );
        assert_eq!(table(&json!([])), "no agent is connected\n");
    }
}
