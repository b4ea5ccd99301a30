//! Load: direct and through the interceptor in interleaved rounds of one run.
//!
//! `bench compare` starts two workers, one as itself and one behind a prefix (such as `interceptor exec … --`), and gives
//! them slices of work in a shuffled order. It judges ratios of one round, never absolute times. `cargo xtask bench` makes
//! the database and the service and calls it.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // a benchmark's output is its purpose

mod client;
mod compare;
mod cpu;
mod dice;
mod pan;
mod ratio;
mod slice;
mod worker;

use std::process::ExitCode;

const HELP: &str = "\
bench worker  --port P [--user U] [--dbname D]       reads slices from standard input, one a line; answers one line each
bench compare --port P [--user U] [--dbname D] [--pid PROXY] [--rounds N] [--slice-ms N] -- PREFIX…
bench pan     [--quick] [--check] [--class WORD] [--json FILE] [--markdown] [--report] [--search SECONDS] [--seed N]
bench pan-truth [--quick] [--markdown] [--report]
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("worker") => worker::run(&args[1..]),
        Some("compare") => compare::run(&args[1..]),
        Some("pan") => pan::run(&args[1..]),
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
