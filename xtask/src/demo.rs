//! `demo`: see it work in a minute, and leave nothing.
//!
//! What it shows it reads from the bytes that reached psql and from the database's own log.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};

use crate::stand::ci::Ci;
use crate::stand::{AGENT_USER, Postgres, Service, free_port, succeed};
use crate::{setup, shell};

mod held;
mod identity;

/// Card numbers that the brands publish for tests.
const TABLE: &str = "
CREATE ROLE app LOGIN;
CREATE DATABASE payments;
\\connect payments
CREATE TABLE payments(id int PRIMARY KEY, customer text, pan text, cvv text, amount numeric(10,2));
INSERT INTO payments VALUES
 (1,'Ada Alder','4111111111111111','123',10.50), (2,'Ben Birch','5555555555554444','456',20.00),
 (3,'Cyd Cedar','2223003122003222','789',35.25), (4,'Dov Dogwood','378282246310005','1234',41.00);
CREATE TABLE tickets(id int PRIMARY KEY, note text);
INSERT INTO tickets VALUES (1,'paid with 4111 1111 1111 1111, please refund'), (2,'order 4111111111111112, no card');
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
ALTER TABLE payments OWNER TO app;
";

const POLICY: &str = r#"
[[sensitive]]
database = "payments"
columns  = ["public.payments.pan"]
kind     = "pan"

[[sensitive]]
database = "payments"
columns  = ["*.cvv"]
kind     = "cvv"

[[rule]]
name       = "agents read"
agents     = ["group:payments-agents"]
databases  = ["payments"]
statements = ["select"]
tables     = ["public.payments", "public.tickets", "@catalog"]
action     = "allow"

[[rule]]
name       = "sessions"
statements = ["session", "show"]
action     = "allow"

[[rule]]
name       = "no agent changes the schema"
agents     = ["group:payments-agents"]
statements = ["schema"]
action     = "block"
message    = "schema changes are made by people, not by agents"

[[rule]]
name       = "changes of payments need a person"
agents     = ["group:payments-agents"]
statements = ["update", "delete"]
tables     = ["public.payments"]
action     = "hold"
approvers  = ["group:payments-leads"]
message    = "a payments lead agrees to every change of a payment"
"#;

const ROWS: &str = "SELECT customer, pan, cvv, amount FROM payments ORDER BY id";
const NOTES: &str = "SELECT note FROM tickets ORDER BY id";

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// `cargo xtask demo [--yes] [--keep]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(unknown) = args.iter().find(|a| !["--yes", "--keep"].contains(&a.as_str())) {
        bail!("`{unknown}` is not known; there are --yes and --keep");
    }
    setup::ensure()?;
    shell::step("build");
    shell::run(shell::cargo(&["build", "--release", "--package", "interceptor"]))?;
    if !shell::is_root() {
        let own = std::env::current_exe().context("where is xtask?")?;
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.insert(0, "demo");
        return shell::run(shell::as_root(&own.to_string_lossy(), &args)?);
    }
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).context("cannot watch for Ctrl-C")?;
    let binary = shell::target().join("release/interceptor");
    let given = |word: &str| args.iter().any(|a| a == word);
    show(&binary, given("--yes"), given("--keep"))
}

fn show(binary: &Path, yes: bool, keep: bool) -> Result<()> {
    shell::step("a throw-away PostgreSQL with a payments table");
    let bin = setup::postgres_bin().context("PostgreSQL's programs are not below /usr/lib/postgresql")?;
    let mut database = Postgres::start(&bin, "")?;
    script(&database, TABLE)?;
    proceed()?;

    shell::step("attach the kernel half, start the service");
    let ci = Ci::new().context("the keys of a CI of the demo's own")?;
    let config = format!(
        "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:{0}\", \"[::1]:{0}\"]\nunix_directories = [\"{1}\"]\n\n[[agent]]\nname = \"reconciler\"\ngroups = [\"payments-agents\"]\n\n[[reviewer]]\nname = \"you\"\nuser = \"root\"\ngroups = [\"payments-leads\"]\n\n[admin]\nlisten = \"127.0.0.1:{2}\"\n",
        database.port,
        database.socket_folder().display(),
        free_port()?
    ) + &ci.tables();
    let mut service = Service::start(binary, "", &config, POLICY)?;
    print!("{}", text(&succeed(&mut service.verb("check"))?.stdout));
    proceed()?;

    rows(&database, &service)?;
    proceed()?;
    refusal(&database, &service)?;
    proceed()?;
    held::show(&database, &service, yes)?;
    proceed()?;
    identity::show(&database, &service, &ci)?;
    proceed()?;
    record(&mut service)?;

    if keep {
        service.keep();
        database.keep();
        return how_to_play(&database, &service);
    }
    shell::step("removing what was made");
    let (pins, folders) = (service.pins(), [service.state(), database.socket_folder().to_path_buf()]);
    drop(service);
    drop(database);
    ensure!(!pins.exists(), "{} is still there: `interceptor detach`", pins.display());
    for folder in folders {
        ensure!(!folder.exists(), "{} is still there", folder.display());
    }
    println!("  links, pins, cgroups, processes and files are gone");
    Ok(())
}

/// Outside and as an agent: the same psql, the same address, the same statement.
fn rows(database: &Postgres, service: &Service) -> Result<()> {
    for statement in [ROWS, NOTES] {
        shell::step(&format!("psql -h 127.0.0.1 -p {} -c \"{statement}\"", database.port));
        let outside = text(&succeed(&mut outside(database, &["-c", statement]))?.stdout);
        let inside = text(&succeed(&mut agent(database, service, &["-c", statement]))?.stdout);
        side_by_side(("outside", &outside), ("as agent `reconciler`", &inside));
        ensure!(outside.len() == inside.len(), "masking changed a length");
        ensure!(outside != inside, "nothing was masked");
    }
    Ok(())
}

fn refusal(database: &Postgres, service: &Service) -> Result<()> {
    shell::step("DROP TABLE as the agent, and the connection lives on");
    let script = "\\set VERBOSITY verbose\nSELECT pg_backend_pid() AS before \\gset\nDROP TABLE payments;\n\\echo SQLSTATE :LAST_ERROR_SQLSTATE\nSELECT pg_backend_pid() = :before AS same_connection;\n";
    let file = crate::stand::Folder::new("demo")?;
    let path = file.path().join("drop.sql");
    std::fs::write(&path, script)?;
    let output = agent(database, service, &["-f", &path.to_string_lossy()]).output()?;
    let said = text(&output.stderr) + &text(&output.stdout);
    print!("{}", indent(&said));
    ensure!(said.contains("SQLSTATE 42501"), "the refusal did not reach the client");
    let log = database.log();
    let executed = log.lines().filter(|l| l.contains("statement: DROP TABLE")).count();
    println!(
        "  the database's own log: {executed} DROP TABLE executed, {} statements in all",
        log.matches("statement: ").count()
    );
    ensure!(executed == 0, "the database executed what was refused");
    Ok(())
}

fn record(service: &mut Service) -> Result<()> {
    shell::step("interceptor audit export: who did what");
    print!("{}", indent(&text(&succeed(&mut service.verb("audit export"))?.stdout)));
    shell::step("interceptor audit verify");
    service.stop("TERM")?;
    print!("{}", indent(&text(&succeed(&mut service.verb("audit verify"))?.stdout)));

    shell::step("the same on a copy in which one byte was changed");
    let copy = crate::stand::Folder::new("copy")?;
    succeed(Command::new("cp").arg("-r").arg(service.state()).arg(copy.path()))?;
    let state = copy.path().join("state");
    flip_a_byte(&state)?;
    let mut verify = service.verb("audit verify");
    let verdict = verify.arg(&state).output()?;
    print!("{}", indent(&(text(&verdict.stdout) + &text(&verdict.stderr))));
    ensure!(verdict.status.code() == Some(1), "a changed byte was not found");
    service.run().context("the service did not start again")
}

/// Changes one letter of a statement's text in the first segment that holds one.
fn flip_a_byte(state: &Path) -> Result<()> {
    let mut segments: Vec<PathBuf> = Vec::new();
    let mut folders = vec![state.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "seg") {
                segments.push(path);
            }
        }
    }
    segments.sort();
    for path in segments {
        let mut bytes = std::fs::read(&path)?;
        if let Some(at) = bytes.windows(8).position(|w| w == b"customer") {
            bytes[at] = b'C';
            std::fs::write(&path, bytes)?;
            println!("  byte {at} of {} was `c`, is `C`", path.file_name().unwrap_or_default().to_string_lossy());
            return Ok(());
        }
    }
    bail!("no record holds the statement's text")
}

fn how_to_play(database: &Postgres, service: &Service) -> Result<()> {
    let (binary, config) = (shell::target().join("release/interceptor"), service.config_path());
    let (binary, config) = (binary.display(), config.display());
    println!("\nIt runs on. As root:\n");
    println!("  psql -h 127.0.0.1 -p {} -U app payments                      # outside", database.port);
    println!("  {binary} exec --config {config} --agent reconciler --user {AGENT_USER} -- \\");
    println!("      psql -h 127.0.0.1 -p {} -U app payments                  # as the agent", database.port);
    println!("  {binary} status --config {config}");
    println!("  {binary} audit export --config {config}");
    println!("\nTo end it:\n\n  {}\n", service.end_by_hand());
    println!("  {}", database.end_by_hand());
    Ok(())
}

fn outside(database: &Postgres, args: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    let user = format!("--reuid={AGENT_USER}");
    command.args([&user, "--clear-groups", "--regid=65534", "--", "psql"]).args(psql(database)).args(args);
    command.current_dir("/").env("HOME", "/nonexistent");
    command
}

fn agent(database: &Postgres, service: &Service, args: &[&str]) -> Command {
    let mut all = psql(database);
    all.extend(args.iter().map(ToString::to_string));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut command = service.exec("reconciler", "psql", &all);
    command.env("HOME", "/nonexistent");
    command
}

fn psql(database: &Postgres) -> Vec<String> {
    let port = database.port.to_string();
    ["-X", "-h", "127.0.0.1", "-p", &port, "-U", "app", "-d", "payments"].map(str::to_owned).to_vec()
}

fn script(database: &Postgres, sql: &str) -> Result<()> {
    let folder = crate::stand::Folder::new("sql")?;
    let path = folder.path().join("table.sql");
    std::fs::write(&path, sql)?;
    succeed(database.psql("postgres").arg("-f").arg(&path))?;
    Ok(())
}

fn side_by_side(left: (&str, &str), right: (&str, &str)) {
    let width = left.1.lines().map(str::len).max().unwrap_or(0).max(left.0.len()) + 4;
    println!("  {:<width$}{}", left.0, right.0);
    for (a, b) in left.1.lines().zip(right.1.lines()) {
        println!("  {a:<width$}{b}");
    }
}

fn proceed() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        bail!("interrupted; what was made is removed");
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// For a terminal: our own catalog query is long.
fn indent(text: &str) -> String {
    const WIDTH: usize = 200;
    let cut = |line: &str| match line.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("  {}…\n", &line[..at]),
        None => format!("  {line}\n"),
    };
    text.lines().map(cut).collect()
}
