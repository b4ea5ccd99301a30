//! A statement that waits for a person, inside its open connection.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{agent, indent, proceed, text};
use crate::shell;
use crate::stand::{Postgres, Service, succeed};

const CHANGE: &str = "UPDATE payments SET amount = amount + 1 WHERE id = 2";
/// How long psql may take to reach the service.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pauses on it, or decides by itself with `--yes`.
pub(super) fn show(database: &Postgres, service: &Service, yes: bool) -> Result<()> {
    shell::step("a change of a payment waits for a person; the connection stays open");
    let mut psql = agent(database, service, &["-c", CHANGE]);
    let mut psql = psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("psql does not start")?;
    let decided = decide(service, &mut psql, yes);
    if decided.is_err() {
        // Nobody waits for it any more: the hold ends with its agent.
        let _ = psql.kill();
    }
    let output = psql.wait_with_output()?;
    decided?;
    println!("  what psql was told:");
    print!("{}", indent(&(text(&output.stderr) + &text(&output.stdout))));
    let executed = database.log().lines().filter(|line| line.contains("statement: UPDATE payments")).count();
    println!("  the database's own log: {executed} UPDATE executed");
    ensure!(executed == usize::from(output.status.success()), "it ran, or not, against the decision");
    ensure!(!yes || executed == 1, "it was approved and did not run");
    Ok(())
}

fn decide(service: &Service, psql: &mut Child, yes: bool) -> Result<()> {
    let id = held(service)?;
    print!("{}", indent(&text(&succeed(service.verb("approvals show").arg(&id))?.stdout)));
    how_to_decide(service, &id)?;
    if yes {
        println!("  --yes: the demo decides");
        let mut approve = service.verb("approvals approve");
        print!("{}", indent(&text(&succeed(approve.args([&id, "--reason", "the demo says so"]))?.stdout)));
        return Ok(());
    }
    println!("  It goes on when you have decided.");
    while psql.try_wait()?.is_none() {
        proceed()?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// On the page, where the link logs in and shows this approval, or by a command.
fn how_to_decide(service: &Service, id: &str) -> Result<()> {
    let link = text(&succeed(service.verb("approvals login").arg(id))?.stdout);
    let (approvals, config) = (service.verb("approvals"), service.config_path());
    let (binary, config) = (approvals.get_program().to_string_lossy(), config.display());
    println!("\n  Decide on the page; the link logs you in, once, within two minutes (from elsewhere: `ssh -L`):\n");
    println!("    {}\n", link.trim());
    println!("  or in another terminal, as root, with `approve` or `deny`:\n");
    println!("    {binary} approvals approve {id} --reason 'I agree' --config {config}\n");
    Ok(())
}

/// The id of what is held.
fn held(service: &Service) -> Result<String> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        proceed()?;
        let listing = text(&succeed(service.verb("approvals list").arg("--json"))?.stdout);
        // The only statement that waits: its id is the only one in the list.
        if let Some((id, _)) = listing.split_once("\"id\":\"").and_then(|(_, rest)| rest.split_once('"')) {
            return Ok(id.to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("the statement is not held: {}", service.log())
}
