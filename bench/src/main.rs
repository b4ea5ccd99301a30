//! Load: direct and through the interceptor in interleaved rounds of one run.
//!
//! `bench load` starts a worker for each path, those through us behind a prefix (such as `interceptor exec … --`), and gives
//! them slices of work in a shuffled order. It judges ratios of one round, never absolute times. `cargo xtask bench` makes
//! the database and the services and calls it.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a benchmark's output is its purpose

mod answers;
mod client;
mod cpu;
mod dice;
mod hold;
mod identity;
mod load;
mod login;
mod pan;
mod policy;
mod ratio;
mod record;
mod relay;
mod sealed;
mod search;
mod slice;
mod stub;
mod verify;
mod worker;

use std::process::ExitCode;

const HELP: &str = "\
bench worker                                         reads slices from standard input, one a line; answers one line each
bench relay   --listen PORT --to ADDRESS […]         a relay that does nothing: the floor of every proxy on our ring
bench stub    --port PORT                            a server that says what PostgreSQL would say, from canned bytes
bench tls-keys FOLDER                                a certificate for the stub under TLS
bench tls-stub --port PORT --keys FOLDER             the stub under TLS
bench url     ADDRESS                                where a database is, and whether TLS is asked for
bench load    [micro] [latency] [bulk] [churn] [idle] [tls] [all] --postgres PORT --near PORT --far PORT
              [--through FILE]… [--rounds N] [--slice-ms N] [--quick] [--idle SESSIONS] [--case NAME]…
              [--sealed PORT --keys FOLDER] [--json FILE] [--report] [--check]; or --soak MINUTES; or --url ADDRESS [--table NAME]
bench hold    --near PORT --seen PORT --policy FILE --without FILE --with FILE --through FILE SOCKET […]
              [--rounds N] [--slice-ms N] [--decisions N] [--quick] [--report] [--check]
bench identity-keys FOLDER                           an issuer's keys, and a token of it that holds for an hour
bench identity --near PORT --database PORT --through FILE […] [--rounds N] [--slice-ms N] [--quick] [--report] [--check]
bench pan     [--quick] [--check] [--class WORD] [--json FILE] [--markdown] [--report] [--search SECONDS] [--seed N]
bench policy  [--quick] [--all] [--application NAME] [--json FILE] [--seed N] [--profile SECONDS]
bench verify  --program PATH [--records N] [--rounds N] [--check]
bench search  --program PATH [--beside PATH] [--records N] [--queries N] [--seed N] [--folder DIR] [--kept DIR] [--kind N] [--check]
bench pan-truth [--quick] [--markdown] [--report]
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("worker") => worker::run(),
        Some("relay") => relay::run(&args[1..]),
        Some("stub") => stub::run(&args[1..]),
        Some("tls-keys") => sealed::keys::run(&args[1..]),
        Some("tls-stub") => sealed::run_stub(&args[1..]),
        Some("url") => load::foreign::run(&args[1..]),
        Some("load") => load::run(&args[1..]),
        Some("hold") => hold::run(&args[1..]),
        Some("identity-keys") => identity::keys::run(&args[1..]),
        Some("identity") => identity::run(&args[1..]),
        Some("pan") => pan::run(&args[1..]),
        Some("policy") => policy::run(&args[1..]),
        Some("verify") => verify::run(&args[1..]),
        Some("search") => search::run(&args[1..]),
        Some("pan-truth") => pan::truth::run(&args[1..]),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
