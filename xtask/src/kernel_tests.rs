//! The tests of the package `interceptor` on a real kernel with real databases, which need root. Built with `saml`, as the package is.

use anyhow::Result;

use crate::{failures, shell};

/// What every cargo call for them begins with behind its verb, so that all share one build.
const PACKAGE: [&str; 4] = ["--package", "interceptor", "--features", "saml"];

/// Builds them and the programs that they start, as the caller: root only runs them.
pub(crate) fn build() -> Result<()> {
    let words = [&["build"], &PACKAGE[..], &["--tests", "--bins", "--quiet"]].concat();
    shell::run(shell::cargo(&words))
}

/// Runs the tests of one program (`*`: of all) as root, with this variable (`NAME=VALUE`) and with these words for it.
pub(crate) fn run(variable: &str, program: &str, words: &[&str]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    // By `env`: sudo passes on only what it is told to.
    let test = [&[variable, &cargo, "test"], &PACKAGE[..], &["--test", program, "--"], words].concat();
    failures::run(shell::as_root("env", &test)?)
}
