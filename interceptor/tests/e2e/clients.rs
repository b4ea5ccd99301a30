//! Real drivers, unchanged, as agents: each runs one script (`tests/clients`) twice against the database's own address,
//! outside and as an agent, and must pass the same checks; inside, the cards are masked and what policy forbids is refused.
//!
//! `cargo xtask test` installs the drivers (xtask/src/clients.rs). A missing one is said loudly, and fails where CI=true.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::stage::{CARDS, Stage, binary};
use crate::stand::{AGENT_USER, Folder};

#[path = "../clients/with_tokio_postgres.rs"]
mod with_tokio_postgres;

/// What the drivers and their scripts do beyond what the usual policy allows.
const POLICY: &str = r#"
[[rule]]
name = "when a statement sleeps"
statements = ["select"]
tables = ["pg_catalog.pg_stat_activity"]
action = "allow"

[[rule]]
name = "sleep, and what asyncpg's pool, pg_dump and pgjdbc's getPrimaryKeys call"
statements = ["function-call"]
functions = ["pg_catalog.pg_sleep", "*.pg_advisory_unlock_all", "pg_catalog.pg_export_snapshot", "information_schema._pg_expandarray"]
action = "allow"

# A function that nobody knows (pg_sleep) may have made the schema "$user". Whether it did is asked while the session is idle and
# has no unnamed statement; pgjdbc always has one.
[[rule]]
name = "the schema of the account, should it exist"
statements = ["read", "write", "copy-in", "copy-out"]
tables = ["app.*"]
action = "allow"

[[rule]]
name = "pg_dump locks what it reads"
statements = ["lock"]
tables = ["public.*"]
action = "allow"
"#;

/// Longer than any driver needs on a busy machine; a driver that waits for a lost answer ends here.
const PATIENCE: &str = "120";

/// A driver's script, and how it is started.
struct Driver {
    script: &'static str,
    beside: &'static [&'static str],
    starts: &'static [&'static str],
    /// Variables, each naming a folder below that of the drivers.
    folders: &'static [(&'static str, &'static str)],
    /// Without these it is not installed.
    needs: &'static [&'static str],
}

#[test]
fn psycopg() {
    prove(&Driver {
        script: "with_psycopg.py",
        beside: &["check.py"],
        starts: &["/usr/bin/python3", "-B"],
        folders: &[("PYTHONPATH", "python")],
        needs: &["/usr/bin/python3", "python/psycopg"],
    });
}

/// The folder of the drivers, where psycopg is installed.
pub(crate) fn python() -> Option<PathBuf> {
    installed(&Driver {
        script: "psycopg",
        beside: &[],
        starts: &["/usr/bin/python3"],
        folders: &[],
        needs: &["/usr/bin/python3", "python/psycopg"],
    })
}

#[test]
fn asyncpg() {
    prove(&Driver {
        script: "with_asyncpg.py",
        beside: &["check.py"],
        starts: &["/usr/bin/python3", "-B"],
        folders: &[("PYTHONPATH", "python")],
        needs: &["/usr/bin/python3", "python/asyncpg"],
    });
}

#[test]
fn node_pg() {
    prove(&Driver {
        script: "with_pg.js",
        beside: &[],
        starts: &["node", "--no-deprecation"],
        folders: &[("NODE_PATH", "node/node_modules")],
        needs: &["node/node_modules/pg", "node/node_modules/pg-cursor", "node/node_modules/pg-copy-streams"],
    });
}

#[test]
fn pgjdbc() {
    prove(&Driver {
        script: "WithPgjdbc.java",
        beside: &[],
        starts: &["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", JDBC],
        folders: &[],
        needs: &[JDBC],
    });
}

/// Debian's libpostgresql-jdbc-java.
const JDBC: &str = "/usr/share/java/postgresql.jar";

#[test]
fn psql() {
    prove(&Driver { script: "with_psql.sh", beside: &[], starts: &["bash"], folders: &[], needs: &[] });
}

#[test]
fn pg_dump() {
    prove(&Driver { script: "with_pg_dump.sh", beside: &[], starts: &["bash"], folders: &[], needs: &[] });
}

/// This very program, copied to where the agent's account may read it, is the agent.
#[test]
fn tokio_postgres() {
    let Some(stage) = stage() else { return };
    let folder = Folder::new("clients").expect("a folder");
    let own = folder.path().join("agent");
    std::fs::copy(std::env::current_exe().expect("known"), &own).expect("copied");
    let line = |_: &str| {
        let inner = ["--exact", "clients::tokio_postgres_inner", "--ignored", "--nocapture", "--quiet"];
        std::iter::once(own.display().to_string()).chain(inner.map(str::to_owned)).collect::<Vec<_>>()
    };
    let variables = |mode: &str| vec![(INNER.to_owned(), format!("{mode} 127.0.0.1 {}", stage.database.port))];
    compare(&stage, &line, &variables);
}

/// The variable that says what the inner test is to do.
const INNER: &str = "INTERCEPTOR_TEST_CLIENT";

#[test]
#[ignore = "started by `tokio_postgres` as an agent"]
fn tokio_postgres_inner() {
    let Ok(order) = std::env::var(INNER) else { return };
    let words: Vec<&str> = order.split(' ').collect();
    let [mode, host, port] = words.as_slice() else { panic!("{INNER} is MODE HOST PORT") };
    let run = with_tokio_postgres::Run {
        agent: *mode == "agent",
        host: (*host).to_owned(),
        port: port.parse().expect("a port"),
    };
    println!();
    if let Err(why) = with_tokio_postgres::run(&run) {
        println!("FAILED: {why}");
        std::process::exit(1);
    }
}

fn prove(driver: &Driver) {
    let Some(folder) = installed(driver) else { return };
    let Some(stage) = stage() else { return };
    let scripts = Folder::new("clients").expect("a folder");
    for name in std::iter::once(&driver.script).chain(driver.beside) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name);
        std::fs::copy(from, scripts.path().join(name)).expect("copied");
    }
    let port = stage.database.port.to_string();
    let line = |mode: &str| {
        let script = scripts.path().join(driver.script).display().to_string();
        let starts = driver.starts.iter().map(|word| (*word).to_owned());
        starts.chain([script, mode.to_owned(), "127.0.0.1".to_owned(), port.clone()]).collect::<Vec<_>>()
    };
    let variables = |_: &str| {
        let path = |below: &str| folder.join(below).display().to_string();
        driver.folders.iter().map(|(name, below)| ((*name).to_owned(), path(below))).collect()
    };
    compare(&stage, &line, &variables);
}

/// The same script outside and as an agent: the same checks pass; inside, the refusals as well.
fn compare(stage: &Stage, line: &dyn Fn(&str) -> Vec<String>, variables: &dyn Fn(&str) -> Vec<(String, String)>) {
    let inside = |line: &[String]| {
        let words: Vec<&str> = line.iter().skip(1).map(String::as_str).collect();
        stage.service.exec("reconciler", line.first().map_or("", String::as_str), &words)
    };
    let run = |mode: &str, start: &dyn Fn(&[String]) -> Command| {
        let mut patient: Vec<String> = ["timeout", "-k", "5", PATIENCE].map(str::to_owned).to_vec();
        patient.extend(line(mode));
        let mut command = start(&patient);
        command.env("HOME", "/nonexistent").envs(variables(mode));
        passed(mode, stage, &command.output().expect("starts"))
    };
    let direct = run("direct", &as_nobody);
    let mut agent = run("agent", &inside);
    agent.remove("refused");
    assert_eq!(direct, agent, "the checks that passed outside and as an agent");
    assert!(direct.len() >= 5, "only {} checks", direct.len());
}

/// The names of the checks that passed; fails with the script's own reason, and if a card is anywhere in what it printed.
fn passed(mode: &str, stage: &Stage, output: &Output) -> BTreeSet<String> {
    let printed =
        String::from_utf8_lossy(&output.stdout).into_owned() + String::from_utf8_lossy(&output.stderr).as_ref();
    assert!(!CARDS.iter().any(|card| printed.contains(card)), "{mode}: the script printed a card");
    let service = stage.service.log();
    assert!(output.status.success(), "{mode}: {}:\n{printed}\nthe service says:\n{service}", output.status);
    printed.lines().filter_map(|line| line.strip_prefix("ok ")).map(str::to_owned).collect()
}

fn stage() -> Option<Stage> {
    Stage::set("", &(crate::stage::POLICY.to_owned() + POLICY))
}

/// The folder of the drivers; `None`, said loudly, where this one is not installed.
fn installed(driver: &Driver) -> Option<PathBuf> {
    let beside_the_program = binary().parent().and_then(Path::parent).map(|target| target.join("clients"));
    let folders = beside_the_program.into_iter().chain([PathBuf::from("/var/tmp/interceptor-clients")]);
    // An absolute path stands for itself: `join` leaves it as it is.
    let found = folders.into_iter().find(|folder| driver.needs.iter().all(|need| folder.join(need).exists()));
    if found.is_none() || !starts(driver) {
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!in_ci, "{}: the driver is not installed, and CI has to run it", driver.script);
        eprintln!("SKIPPED: {}: the driver is not installed; `cargo xtask test` installs it", driver.script);
        return None;
    }
    found
}

/// The folder of the Python drivers, for another test's script; `None`, said loudly, where this one is not installed.
pub fn installed_python(script: &'static str, needs: &'static str) -> Option<PathBuf> {
    let needs: &'static [&'static str] = Box::leak(Box::new(["/usr/bin/python3", needs]));
    let driver = Driver { script, beside: &[], starts: &["/usr/bin/python3"], folders: &[], needs };
    installed(&driver).map(|folder| folder.join("python"))
}

/// The line, ended where it takes too long.
pub fn with_timeout(line: &[&str]) -> Vec<String> {
    ["timeout", "-k", "5", PATIENCE].iter().chain(line).map(|word| (*word).to_owned()).collect()
}

/// Whether the agents' account finds its interpreter.
fn starts(driver: &Driver) -> bool {
    let program = driver.starts.first().copied().unwrap_or_default();
    let look = ["sh".to_owned(), "-c".to_owned(), format!("command -v {program}")];
    as_nobody(&look).output().is_ok_and(|found| found.status.success())
}

/// Outside of everything, under the account that the agents have.
fn as_nobody(line: &[String]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", AGENT_USER, "--regid", "65534", "--clear-groups", "--"]).args(line).current_dir("/");
    command
}
