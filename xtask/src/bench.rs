//! `bench`: direct and through the interceptor, in interleaved rounds on one throw-away database.

use anyhow::{Context, Result, bail};

use crate::stand::{AGENT_USER, Postgres, Service, succeed};
use crate::{setup, shell};

const TABLES: &str = "
CREATE ROLE app LOGIN;
CREATE DATABASE bench;
\\connect bench
CREATE TABLE bench_small(id int PRIMARY KEY, note text);
INSERT INTO bench_small SELECT g, 'a note of some length, number ' || g FROM generate_series(1, 1000) g;
CREATE TABLE bench_rows(id int PRIMARY KEY, a int, b bigint, c numeric(12,2), at timestamptz, note text);
INSERT INTO bench_rows SELECT g, g % 1000, g * 7919::bigint, g / 7.0, '2026-01-01'::timestamptz + g * interval '1 second',
  'row of a table that is neither narrow nor wide ' || g FROM generate_series(1, 100000) g;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO app;
VACUUM ANALYZE;
";

const POLICY: &str = r#"
[[rule]]
name       = "read"
statements = ["select", "copy-out"]
tables     = ["public.bench_small", "public.bench_rows", "@catalog"]
action     = "allow"

[[rule]]
name       = "sessions"
statements = ["session"]
action     = "allow"
"#;

/// `cargo xtask bench pan …`: the scan alone, which needs neither root nor a database.
pub(crate) fn pan(args: &[String]) -> Result<()> {
    let mut args = args.to_vec();
    args.extend(vectorscan()?);
    scan("pan", &args)
}

/// The options that name Vectorscan's worker, compiled here where the library is installed; it is no dependency of the build.
fn vectorscan() -> Result<Vec<String>> {
    if !shell::output("ldconfig", &["-p"])
        .or(shell::output("/sbin/ldconfig", &["-p"]))
        .is_some_and(|list| list.contains("libhs.so.5"))
    {
        return Ok(Vec::new());
    }
    let worker = shell::target().join("vectorscan").to_string_lossy().into_owned();
    std::fs::create_dir_all(shell::target()).context("the target folder")?;
    shell::run(shell::command("cc", &["-O2", "-o", &worker, "bench/src/pan/vectorscan.c", "-ldl"]))?;
    Ok(vec!["--vectorscan".to_owned(), worker])
}

/// `cargo xtask pan-truth …`.
pub(crate) fn truth(args: &[String]) -> Result<()> {
    scan("pan-truth", args)
}

fn scan(verb: &str, args: &[String]) -> Result<()> {
    shell::step(verb);
    shell::run(shell::cargo(&["build", "--release", "--package", "bench", "--quiet"]))?;
    let args: Vec<&str> = std::iter::once(verb).chain(args.iter().map(String::as_str)).collect();
    shell::run(shell::command(&shell::target().join("release/bench").to_string_lossy(), &args))
}

/// `cargo xtask bench [--rounds N] [--slice-ms N]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(("pan", rest)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return pan(rest);
    }
    setup::ensure()?;
    shell::step("build");
    shell::run(shell::cargo(&["build", "--release", "--package", "interceptor", "--package", "bench"]))?;
    if !shell::is_root() {
        let own = std::env::current_exe().context("where is xtask?")?;
        let args: Vec<&str> = std::iter::once("bench").chain(args.iter().map(String::as_str)).collect();
        return shell::run(shell::as_root(&own.to_string_lossy(), &args)?);
    }
    let release = shell::target().join("release");
    let bin = setup::postgres_bin().context("PostgreSQL's programs are not below /usr/lib/postgresql")?;
    let database = Postgres::start(&bin, "log_statement = none\nmax_connections = 200\nshared_buffers = 256MB\n")?;
    let tables = release.join("bench-tables.sql");
    std::fs::write(&tables, TABLES)?;
    succeed(database.psql("postgres").arg("-f").arg(&tables))?;
    let config = format!(
        "[[database]]\nname = \"bench\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:{}\"]\n\n[[agent]]\nname = \"load\"\n",
        database.port
    );
    let service = Service::start(&release.join("interceptor"), "segment_bytes = 67108864", &config, POLICY)?;
    machine();
    let Some(pid) = service.pid() else { bail!("the service is not running") };
    let prefix = service.exec("load", "", &[]);
    let mut compare = shell::command(
        &release.join("bench").to_string_lossy(),
        &["compare", "--port", &database.port.to_string(), "--pid", &pid.to_string()],
    );
    compare.args(args).arg("--").arg(prefix.get_program());
    compare.args(prefix.get_args().filter(|a| !a.is_empty()));
    println!("  as account {AGENT_USER}, everything on: default policy, masking, record with `standard` durability\n");
    shell::run(compare)
}

/// What the figures were measured on.
fn machine() {
    let line = |program: &str, args: &[&str]| shell::output(program, args).unwrap_or_default().trim().to_owned();
    shell::step("bench");
    println!("  kernel {}, {} cores, {}", line("uname", &["-r"]), line("nproc", &[]), line("psql", &["--version"]));
    println!(
        "  commit {}, load before: {}",
        line("git", &["rev-parse", "--short", "HEAD"]),
        line("cat", &["/proc/loadavg"])
    );
}
