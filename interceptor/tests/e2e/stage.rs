//! What every end-to-end test starts from: a payments table of published test numbers, a policy, a service.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::stand::{Folder, Postgres, Service, succeed};

/// Published test numbers, with and without separators.
pub const TABLE: &str = "
CREATE ROLE app LOGIN;
CREATE TABLE payments(id int PRIMARY KEY, customer text, pan text, pan_int bigint, pan_num numeric, cvv text, amount numeric(10,2), meta jsonb, raw bytea);
INSERT INTO payments
SELECT i, c, p, p::bigint, p::numeric, '12' || i, 10 * i, jsonb_build_object('pan', p), convert_to(p, 'UTF8')
FROM (VALUES (1,'Ada Alder','4111111111111111'), (2,'Ben Birch','5555555555554444'), (3,'Cyd Cedar','2223003122003222'),
 (4,'Dov Dogwood','378282246310005'), (5,'Eve Elm','6011111111111117')) v(i, c, p);
CREATE TABLE tickets(id int PRIMARY KEY, note text);
INSERT INTO tickets VALUES (1,'paid with 4111 1111 1111 1111, please refund'), (2,'order 4111111111111112, no card');
CREATE TABLE plain(id int, note text);
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT CREATE ON SCHEMA public TO app;
ALTER TABLE payments OWNER TO app;
";

/// What the agents of the tests may do.
pub const POLICY: &str = r#"
[[sensitive]]
columns = ["public.payments.pan"]
kind = "pan"

[[sensitive]]
columns = ["*.cvv"]
kind = "cvv"

[[rule]]
name = "read"
statements = ["select", "copy-out", "declare", "fetch", "close", "explain", "show"]
tables = ["public.payments", "public.tickets", "public.plain", "@catalog"]
action = "allow"
match = true

[[rule]]
name = "write plain"
statements = ["insert", "update", "delete", "copy-in", "select"]
tables = ["public.plain"]
action = "allow"

[[rule]]
name = "sessions"
statements = ["session", "show"]
action = "allow"

[[rule]]
name = "no schema"
statements = ["schema"]
action = "block"
message = "schema changes are made by people"
"#;

/// The numbers that must never reach an agent, as text.
pub const CARDS: &[&str] = &[
    "4111111111111111",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "4111 1111 1111 1111",
];

/// The lines of a login of ours, whose password is in this folder.
pub fn login(passwords: &Folder) -> String {
    let passfile = passwords.path().join("payments");
    std::fs::write(&passfile, "open sesame\n").expect("written");
    std::fs::set_permissions(&passfile, std::fs::Permissions::from_mode(0o600)).expect("ours alone");
    format!("[database.login]\nuser = \"interceptor_ro\"\npassfile = \"{}\"\n", passfile.display())
}

/// A database with that role, which must prove its password.
pub fn with_login() -> std::io::Result<Postgres> {
    let database = Postgres::start(&postgres_bin(), "")?;
    database.sql("postgres", "CREATE ROLE interceptor_ro LOGIN PASSWORD 'open sesame' CONNECTION LIMIT 8")?;
    let hba = database.socket_folder().join("data/pg_hba.conf");
    let lines = std::fs::read_to_string(&hba)?;
    std::fs::write(&hba, format!("host all interceptor_ro all scram-sha-256\n{lines}"))?;
    database.sql("postgres", "SELECT pg_reload_conf()")?;
    Ok(database)
}

/// One test at a time: the kernel half is the host's.
static ONE: Mutex<()> = Mutex::new(());

/// A database, a service and the right to use the kernel.
pub struct Stage {
    pub service: Service,
    pub database: Postgres,
    _one: MutexGuard<'static, ()>,
}

impl Stage {
    /// `None`, said loudly, where the kernel tests cannot run; a failure where CI should have been able to.
    pub fn set(lines: &str, policy: &str) -> Option<Stage> {
        Stage::before(lines, policy, || Postgres::start(&postgres_bin(), ""))
    }

    /// With tables of the configuration beside the database's own lines.
    pub fn set_beside(lines: &str, tables: &str, policy: &str) -> Option<Stage> {
        // The agent's table ends the configuration: what follows it is beside it.
        Stage::set(&format!("{lines}\n{tables}"), policy)
    }

    /// Fails unless the database itself says so, asked by nobody's agent.
    #[track_caller]
    pub fn database_has(&self, sql: &str, expected: &str) {
        let said = self.database.sql("postgres", sql).expect("the database answers");
        assert_eq!(said.trim(), expected, "{sql}");
    }

    /// In front of a database of the test's own making.
    pub fn before(lines: &str, policy: &str, start: impl FnOnce() -> std::io::Result<Postgres>) -> Option<Stage> {
        if !may_run() {
            return None;
        }
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let database = start().unwrap_or_else(|why| panic!("no throw-away PostgreSQL: {why}"));
        database.sql("postgres", TABLE).expect("the tables");
        let config = format!(
            "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:{0}\", \"[::1]:{0}\"]\nunix_directories = [\"{1}\"]\n{lines}\n[[agent]]\nname = \"reconciler\"\ngroups = [\"payments-agents\"]\n",
            database.port,
            database.socket_folder().display()
        );
        // What the service said is lines, and the last ones say why.
        let service = Service::start(binary(), "shards = 2", &config, policy)
            .unwrap_or_else(|why| panic!("the service does not start: {why}"));
        Some(Stage { service, database, _one: one })
    }

    /// The usual one.
    pub fn usual() -> Option<Stage> {
        Stage::set("", POLICY)
    }

    /// psql as the agent, over the database's own address; nothing is changed in it.
    pub fn agent(&self, args: &[&str]) -> Command {
        let port = self.database.port.to_string();
        let mut all = vec!["-X", "-At", "-h", "127.0.0.1", "-p", &port, "-U", "app", "-d", "postgres"];
        all.extend(args);
        let mut command = self.service.exec("reconciler", "psql", &all);
        command.env("HOME", "/nonexistent");
        command
    }

    /// One statement as the agent: what reached psql, from both of its outputs.
    pub fn ask(&self, sql: &str) -> Answer {
        Answer::of(self.agent(&["-v", "VERBOSITY=verbose", "-c", sql]).output().expect("psql starts"))
    }

    /// A script as the agent, with errors shown and gone on from.
    pub fn script(&self, sql: &str) -> Answer {
        let mut psql = self.agent(&["-v", "VERBOSITY=verbose", "-f", "-"]);
        psql.stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut child = psql.spawn().expect("psql starts");
        std::io::Write::write_all(&mut child.stdin.take().expect("piped"), sql.as_bytes()).expect("psql reads");
        Answer::of(child.wait_with_output().expect("psql ends"))
    }

    /// The record so far, one JSON object a line.
    pub fn record(&self) -> Vec<String> {
        let output = succeed(self.service.verb("audit export").arg("--json")).expect("audit export");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

/// What reached the client.
pub struct Answer {
    pub out: String,
    pub err: String,
    pub ok: bool,
}

impl Answer {
    pub fn of(output: Output) -> Answer {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Answer { out: text(&output.stdout), err: text(&output.stderr), ok: output.status.success() }
    }

    /// Fails if a card is anywhere in it; names the number's place in the list, never the number.
    #[track_caller]
    pub fn holds_no_card(&self) -> &Answer {
        for (index, card) in CARDS.iter().enumerate() {
            assert!(!self.out.contains(card) && !self.err.contains(card), "card {index} of the list reached the agent");
        }
        self
    }

    /// Fails unless the error carries this SQLSTATE.
    #[track_caller]
    pub fn refused(&self, sqlstate: &str) -> &Answer {
        assert!(self.err.contains(sqlstate), "expected {sqlstate}, the client saw: {}", self.err);
        self
    }

    /// Fails unless this is what psql printed.
    #[track_caller]
    pub fn says(&self, expected: &str) -> &Answer {
        assert_eq!(self.out.trim_end(), expected, "stderr: {}", self.err);
        self
    }
}

/// The program under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_interceptor"))
}

fn may_run() -> bool {
    let root =
        std::fs::read_to_string("/proc/self/status").is_ok_and(|s| s.lines().any(|l| l.starts_with("Uid:\t0\t")));
    if !root {
        assert!(std::env::var("CI").is_err(), "the end-to-end tests need root, and CI has to run them");
        eprintln!("SKIPPED: the end-to-end tests need root; `cargo xtask test` uses sudo for them");
    }
    root
}

/// Where the newest PostgreSQL of the host has its programs, or the one that `INTERCEPTOR_POSTGRES_BIN` names (with a psql in it).
pub fn postgres_bin() -> PathBuf {
    if let Some(bin) = std::env::var_os("INTERCEPTOR_POSTGRES_BIN") {
        return bin.into();
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is not installed: `cargo xtask setup`")
}
