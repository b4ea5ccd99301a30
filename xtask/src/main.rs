//! The project's own tasks, one file per verb; knows nothing of the product.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a tool's output is its purpose

mod backends;
mod bench;
mod clients;
mod demo;
mod evasion;
mod failures;
mod install;
mod kernel_tests;
mod nightly;
mod setup;
mod shell;
mod stand;
mod suites;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask VERB

  setup       install what this machine lacks (PostgreSQL, libclang, the eBPF tools); says what and why
  test        everything that a change must pass: setup, fmt, clippy, tidy, unit and kernel tests
  demo        see it work: an unchanged psql, outside and as an agent   [--yes] [--keep]
  bench       load on every path, interleaved: direct, a null relay, us, pgbouncer, HAProxy; goals and their verdicts
              [micro] [latency] [bulk] [churn] [idle] [tls] [all]   [--install-peers] [--rounds N] [--slice-ms N] [--quick]
              [--idle SESSIONS] [--case NAME]… [--beside PROGRAM] [--json FILE] [--report] [--check]
              or --soak MINUTES: mixed load, no error, flat memory and descriptors
              or --url postgres://USER[:PASSWORD]@HOST[:PORT]/DB[?sslmode=require] [--table NAME]: your own database, directly, by
              the null relay and through us. Needs root here and nothing there; asks `SELECT 1` and only reads; with --table also
              100,000 rows of that table, in which cards are masked on our path. PGPASSWORD is used where the address has none
  bench pan   the scan of card numbers alone, by backend and kind of input   [--quick] [--check] [--class WORD] [--json FILE]
              [--markdown] [--report] [--search SECONDS [--seed N]]
  bench hold    rules that hold and match nothing, over none; from a decision to the first byte at the database
              [--quick] [--rounds N] [--slice-ms N] [--decisions N] [--report] [--check]
  bench identity  a bound token over none; a session's start with a login of ours over one of its own
              [--quick] [--rounds N] [--slice-ms N] [--report] [--check]
  bench verify  the record's verifier beside a bare SHA-256 over the same bytes   [--records N] [--rounds N] [--check]
  bench search  searches of so many records by the program itself, p50 and p99   [--records N] [--queries N] [--seed N] [--folder DIR] [--kept DIR] [--beside PROGRAM] [--kind N] [--check]
  bench policy  verdicts alone, never seen and known, beside the bare parse; hit rate; memory   [--quick] [--all]
              [--application NAME] [--json FILE] [--seed N]
  pan-truth   what is found and what is wrongly masked; status 1 over a budget   [--quick] [--markdown] [--report]
  evasion     the corpus of evasions against the service: recall by category, over-blocking, false refusals, leaks
              [--only ID|CATEGORY] [--json FILE] [--report] [--show]; or variants of its cases: --variants N [--seed S] [--report];
              or the expression fuzzer: --fuzz N [--minutes M] [--seed S] [--at NUMBER] [--tally FILE] [--report]
  suites      foreign test suites, direct and through the interceptor   [NAME…] [--way WAY] [--tests FILE,…]
  nightly     the longer runs: test, suites, kills, fuzzing              [STEP…]
  backends    pan's tests with every set of instructions (part of test)
  tidy        arrows, unsafe allow-list, sizes, licences (part of test)
  install     put the service on this host                              [--root DIR]
  uninstall   take it off again; leaves nothing                         [--root DIR] [--purge]
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mut verb = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    if rest.iter().any(|word| word == "--help" || word == "-h") {
        verb = "help".into();
    }
    let result = match verb.as_str() {
        "setup" => setup::run(),
        "test" => test::run(),
        "tidy" => tidy::run(),
        "backends" => backends::run(),
        "bench" => bench::run(&rest),
        "pan-truth" => bench::truth(&rest),
        "demo" => demo::run(&rest),
        "evasion" => evasion::run(&rest),
        "suites" => suites::run(&rest),
        "shred" => suites::shredder::shred(&rest), // not for people: the suites start it
        "nightly" => nightly::run(&rest),
        "install" => install::install(&rest),
        "uninstall" => install::uninstall(&rest),
        "" | "help" | "--help" | "-h" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprint!("`{other}` is no verb of xtask.\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask {verb}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
