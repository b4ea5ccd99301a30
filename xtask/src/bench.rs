//! `bench`: every path in interleaved rounds: nothing in between, relays that do nothing, us, what others use.

mod foreign;
mod hold;
mod identity;
mod unrecorded;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::stand::{AGENT_USER, Folder, Postgres, Service, free_port, succeed};
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
CREATE TABLE bench_wide(id int PRIMARY KEY, note text);
ALTER TABLE bench_wide ALTER note SET STORAGE EXTERNAL;
INSERT INTO bench_wide SELECT g, repeat('wide words ', 744) FROM generate_series(1, 2000) g;
CREATE TABLE bench_sink(id int, note text);
CREATE TABLE bench_branches(id int PRIMARY KEY, balance int) WITH (fillfactor = 50);
CREATE TABLE bench_tellers(id int PRIMARY KEY, balance int) WITH (fillfactor = 50);
CREATE TABLE bench_accounts(id int PRIMARY KEY, balance int, filler char(84)) WITH (fillfactor = 90);
CREATE TABLE bench_history(teller int, branch int, account int, delta int, at timestamp);
INSERT INTO bench_branches SELECT g, 0 FROM generate_series(1, 10) g;
INSERT INTO bench_tellers SELECT g, 0 FROM generate_series(1, 100) g;
INSERT INTO bench_accounts SELECT g, 0, '' FROM generate_series(1, 100000) g;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO app;
GRANT INSERT ON bench_sink, bench_history TO app;
GRANT UPDATE ON bench_branches, bench_tellers, bench_accounts TO app;
VACUUM ANALYZE;
";

const POLICY: &str = r#"
[[rule]]
name       = "read"
statements = ["select", "copy-out"]
tables     = ["public.bench_*", "pg_catalog.generate_series", "@catalog"]
action     = "allow"

[[rule]]
name       = "write"
statements = ["insert", "update", "copy-in"]
tables     = ["public.bench_*"]
action     = "allow"

[[rule]]
name       = "sessions"
statements = ["session"]
action     = "allow"
"#;

/// Beside it, where a column that is named is priced.
const NAMED: &str = r#"
[[sensitive]]
columns = ["public.bench_cards.card"]
kind    = "pan"
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

/// How often the builds are started whose ratio is judged by hundredths: one start differs from the next by as much.
const STARTS: usize = 3;
/// Descriptors that ten thousand sessions take: two of the service, one of each end.
const DESCRIPTORS: u32 = 65_536;
/// Room for them on one shard.
const SESSIONS: &str = "connections_per_shard_max = 12288\nconnections_per_agent_max = 12288";

/// `cargo xtask bench [micro | latency | bulk | churn | idle | tls | all] …`: without a word all of these, with `all` the scan too;
/// `bench pan`: the scan alone; `bench hold`: what held statements cost; `bench identity`: what tokens and logins of ours do.
/// `bench verify`: the record's verifier beside a bare SHA-256; `bench search`: searches of so many records.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(("pan", rest)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return pan(rest);
    }
    if let Some(("policy", rest)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return scan("policy", rest);
    }
    if let Some((verb @ ("verify" | "search"), rest)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        shell::run(shell::cargo(&["build", "--release", "--package", "interceptor", "--quiet"]))?;
        let program = shell::target().join("release/interceptor").to_string_lossy().into_owned();
        return scan(verb, &[&["--program".to_owned(), program], rest].concat());
    }
    setup::ensure()?;
    let (install, args): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| *arg == "--install-peers");
    if !install.is_empty() {
        install_peers()?;
    }
    shell::step("build");
    shell::run(shell::cargo(&["build", "--release", "--package", "interceptor", "--package", "bench"]))?;
    if prices(&args) {
        unrecorded::build()?;
    }
    if !shell::is_root() {
        let own = std::env::current_exe().context("where is xtask?")?;
        let args: Vec<&str> = std::iter::once("bench").chain(args.iter().map(|arg| arg.as_str())).collect();
        return shell::run(shell::as_root(&own.to_string_lossy(), &args)?);
    }
    if args.first().is_some_and(|first| *first == "hold") {
        return hold::measure(&args[1..]);
    }
    if args.first().is_some_and(|first| *first == "identity") {
        return identity::measure(&args[1..]);
    }
    if let Some(at) = args.iter().position(|arg| *arg == "--url") {
        let url = args.get(at + 1).context("--url needs an address")?;
        return foreign::load(&args, url);
    }
    load(&args)?;
    if args.iter().any(|arg| *arg == "all") {
        let quick = args.iter().any(|arg| *arg == "--quick");
        return pan(&quick.then(|| "--quick".to_owned()).into_iter().collect::<Vec<_>>());
    }
    Ok(())
}

/// A database, two services in front of it (one for each durability of the record), and the load.
fn load(args: &[&String]) -> Result<()> {
    let (args, other) = beside(args)?;
    let release = shell::target().join("release");
    let bin = setup::postgres_bin().context("PostgreSQL's programs are not below /usr/lib/postgresql")?;
    let database = Postgres::start(&bin, "log_statement = none\nmax_connections = 700\nshared_buffers = 256MB\n")?;
    let folder = Folder::new("bench")?;
    let tables = folder.path().join("tables.sql");
    std::fs::write(&tables, TABLES)?;
    succeed(database.psql("postgres").arg("-f").arg(&tables))?;
    let (near, far, sealed) = (free_port()?, free_port()?, free_port()?);
    let bench = release.join("bench").to_string_lossy().into_owned();
    let keys = folder.path().display().to_string();
    shell::run(shell::command(&bench, &["tls-keys", &keys]))?;
    let rest = format!(
        "[[database]]\nname = \"sealed\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:{sealed}\"]\nagent_tls = \"allow\"\n\
         tls = \"verify-full\"\nroots = \"{keys}/root.pem\"\nserver_name = \"db.bench\"\n\n[[agent]]\nname = \"load\"\n"
    );
    let config = endpoint("bench", &[database.port, near, far]) + &rest;
    more_descriptors();
    let service = |durability: &str| format!("segment_bytes = 67108864\ndurability = \"{durability}\"\n{SESSIONS}");
    let start = |program: &Path, durability: &str| Service::start(program, &service(durability), &config, POLICY);
    let ours = release.join("interceptor");
    let second = match &other {
        Some(program) => ("beside", start(Path::new(program), "standard")?),
        None => ("strict", start(&ours, "strict")?),
    };
    let mut services = vec![("standard", start(&ours, "standard")?), second];
    if prices(&args) {
        let unmasked = config.replace("[[database]]", "[[database]]\nmode = \"observe\"\nmask = false");
        services.push(("unmasked", Service::start(&ours, &service("standard"), &unmasked, POLICY)?));
        // Memory that looks like a disk: what waits for one waits for nothing.
        let folder = Folder::below(Path::new("/dev/shm"), "service")?;
        services.push(("memory", Service::start_in(folder, &ours, &service("standard"), &config, POLICY)?));
        let results = config.replace("[[database]]", "[[database]]\nrecord = \"results\"");
        let with_results = |program: &Path| Service::start(program, &service("standard"), &results, POLICY);
        let starts = if args.iter().any(|arg| *arg == "--quick") { 1 } else { STARTS };
        for nth in 0..starts {
            services.push(("unrecorded", start(&unrecorded::program(), "standard")?));
            services.push(("results", with_results(&ours)?));
            if nth > 0 {
                services.push(("standard", start(&ours, "standard")?));
            }
            if let Some(program) = other.as_deref().map(Path::new) {
                services.push(("results-beside", with_results(program)?));
                if nth > 0 {
                    services.push(("beside", start(program, "standard")?));
                }
            }
        }
    }
    if wants(&args, "bulk") {
        // A database of its own: what is known of the tables of one is not asked of another.
        let config = endpoint("bench", &[database.port, near]) + &endpoint("cards", &[far]) + &rest;
        let policy = format!("{POLICY}{NAMED}");
        services.push(("named", Service::start(&ours, &service("standard"), &config, &policy)?));
    }
    machine();
    let ports = [("--postgres", database.port), ("--near", near), ("--far", far), ("--sealed", sealed)];
    let mut load = shell::command(&bench, &["load", "--keys", &keys]);
    load.args(args).args(ports.iter().flat_map(|(flag, port)| [(*flag).to_owned(), port.to_string()]));
    for (name, service) in &services {
        load.arg("--through").arg(through(folder.path(), name, service)?);
    }
    println!("  ours: as account {AGENT_USER} by `interceptor exec`, everything on: policy, masking, record");
    println!("  (`standard` durability, and once more {})", other.as_deref().unwrap_or("`strict`"));
    let started = services.iter().filter(|(name, _)| *name == "standard").count();
    if started > 1 {
        println!(
            "  what is compared with a build that keeps no record was started {started} times, and has its rounds by turns"
        );
    }
    shell::run(load)?;
    let named = |wanted: &str| services.iter().find(|(name, _)| *name == wanted).map(|(_, service)| service);
    match (named("standard"), named("unrecorded")) {
        (Some(ours), Some(left_out)) => unrecorded::check(ours, left_out),
        _ => Ok(()),
    }
}

/// A database of the configuration, on these ports.
fn endpoint(name: &str, ports: &[u16]) -> String {
    let addresses: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let addresses = addresses.join(", ");
    format!("[[database]]\nname = \"{name}\"\nprotocol = \"postgres\"\naddresses = [{addresses}]\n\n")
}

/// Each connection is a descriptor on both ends of the load too. Where the host refuses, the load takes fewer sessions and says so.
fn more_descriptors() {
    let pid = std::process::id().to_string();
    let raise = |limit: &str| {
        let wanted = format!("--nofile={limit}");
        shell::output("prlimit", &["--pid", &pid, &wanted]).is_some()
    };
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let hard =
        limits.lines().find(|line| line.starts_with("Max open files")).and_then(|line| line.split_whitespace().nth(4));
    // Up to the hard limit takes no capability.
    if !raise(&format!("{DESCRIPTORS}:{DESCRIPTORS}")) && !hard.is_some_and(|hard| raise(&format!("{hard}:"))) {
        println!("  the limit of descriptors stays as it is");
    }
}

/// Whether parts of ours are priced.
fn prices(args: &[&String]) -> bool {
    let alone = ["hold", "identity"].into_iter().any(|word| args.first().is_some_and(|first| *first == word));
    !alone && !args.iter().any(|arg| *arg == "--url") && wants(args, "micro")
}

/// Whether this kind of load is asked for: by name, or because none is.
fn wants(args: &[&String], word: &str) -> bool {
    const WORDS: [&str; 6] = ["micro", "latency", "bulk", "churn", "idle", "tls"];
    let asked: Vec<&str> = args.iter().map(|arg| arg.as_str()).filter(|arg| WORDS.contains(arg)).collect();
    asked.is_empty() || asked.contains(&word)
}

/// `--beside PROGRAM`: another build of ours, in place of the one with the strict record; and the other words.
fn beside<'a>(args: &[&'a String]) -> Result<(Vec<&'a String>, Option<String>)> {
    let Some(at) = args.iter().position(|arg| *arg == "--beside") else { return Ok((args.to_vec(), None)) };
    let Some(program) = args.get(at + 1) else { bail!("--beside needs the path of a program") };
    let rest = args[..at].iter().chain(&args[at + 2..]).copied().collect();
    Ok((rest, Some((*program).clone())))
}

/// How a worker is started as an agent of this service, in a file, because a prefix has spaces and dashes.
fn through(folder: &Path, name: &str, service: &Service) -> Result<PathBuf> {
    let Some(pid) = service.pid() else { bail!("the service is not running") };
    let exec = service.exec("load", "", &[]);
    let words = std::iter::once(exec.get_program()).chain(exec.get_args()).filter(|word| !word.is_empty());
    let lines: Vec<String> = [name.to_owned(), pid.to_string()]
        .into_iter()
        .chain(words.map(|word| word.to_string_lossy().into_owned()))
        .collect();
    let path = folder.join(format!("{name}-{pid}"));
    std::fs::write(&path, lines.join("\n"))?;
    Ok(path)
}

/// pgbouncer and HAProxy from the distribution; their services are not started where a policy can say so.
fn install_peers() -> Result<()> {
    shell::step("peers");
    const POLICY_RC: &str = "/usr/sbin/policy-rc.d";
    let apt = ["apt-get", "install", "--yes", "--no-install-recommends", "pgbouncer", "haproxy"];
    if Path::new(POLICY_RC).exists() {
        return shell::run(shell::as_root(apt[0], &apt[1..])?);
    }
    let script = format!(
        "printf '#!/bin/sh\\nexit 101\\n' > {POLICY_RC}; chmod 755 {POLICY_RC}; {}; status=$?; rm -f {POLICY_RC}; exit $status",
        apt.join(" ")
    );
    shell::run(shell::as_root("sh", &["-c", &script])?)
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
