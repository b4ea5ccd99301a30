//! One statement under two names: what the kernel saw of who asks, and what an issuer has signed of it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{indent, psql, text};
use crate::shell;
use crate::stand::ci::Ci;
use crate::stand::{AGENT_USER, Postgres, Service, succeed};

const STATEMENT: &str = "SELECT count(*) FROM payments";
/// The run that the token is of.
const RUN: u32 = 4711;

/// A job of the agent with its CI's token, and its statement in the record.
pub(super) fn show(database: &Postgres, service: &Service, ci: &Ci) -> Result<()> {
    shell::step("a CI job with its token: one statement, two identities");
    let token = ci.file("token", &ci.token(RUN, 600, json!({})))?;
    println!("  interceptor identity test: what the token becomes");
    print!("{}", indent(&text(&succeed(service.verb("identity test").arg(&token))?.stdout)));
    let mut job = service.verb("exec");
    job.args(["--agent", "reconciler", "--user", AGENT_USER, "--token-file"]).arg(&token).args(["--", "psql"]);
    job.args(psql(database)).args(["-At", "-c", STATEMENT]).current_dir("/").env("HOME", "/nonexistent");
    let counted = text(&succeed(&mut job)?.stdout);
    ensure!(counted.trim() == "4", "the job's statement did not come back: {counted}");

    let export = text(&succeed(service.verb("audit export").args(["--json", "--where", "type=decision"]))?.stdout);
    let mut records = export.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let record = records.rfind(|record| record["text"] == STATEMENT).context("the statement is not in the record")?;
    println!("\n  {STATEMENT}: record {}, {}", word(&record["record"]), word(&record["verdict"]));
    println!("  {:<44}the token, which {} signed", "the kernel, at connect()", word(&record["issuer"]));
    let kernel = ["agent", "cgroup", "uid", "exe_name"].map(|name| format!("{name:<11}{}", word(&record[name])));
    let signed = ["subject", "principal", "token_hash"].map(|name| format!("{name:<11}{}", word(&record[name])));
    for (at, of_kernel) in kernel.iter().enumerate() {
        println!("  {of_kernel:<44}{}", signed.get(at).map_or("", String::as_str));
    }
    ensure!(record["agent"] == "reconciler", "the kernel's word is not in the record");
    ensure!(record["principal"] == format!("ci:74/{RUN}/1"), "the token's word is not in the record");
    Ok(())
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
