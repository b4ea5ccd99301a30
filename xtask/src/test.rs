//! `test`: everything that a change must pass, in the order in which it fails fastest. Built with `saml`, as the package is.

use anyhow::{Result, bail};

use crate::{backends, bench, clients, failures, install, kernel_tests, setup, shell, stand, tidy};

/// `cargo xtask test`.
pub(crate) fn run() -> Result<()> {
    setup::ensure()?;
    clients::ensure()?;
    backends::ensure()?;
    shell::step("format");
    shell::run(shell::cargo(&["fmt", "--all", "--check"]))?;
    tidy::run()?;
    shell::step("clippy");
    shell::run(shell::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "interceptor/saml",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))?;
    // A kernel half that a killed run left would refuse ports to the tests.
    for port in stand::claim::sweep()? {
        println!("  detached the kernel half that a killed stand left, interceptor-{port}");
    }
    shell::step("unit tests");
    failures::run(shell::cargo(&[
        "test",
        "--workspace",
        "--exclude",
        "interceptor",
        "--features",
        "control/saml",
        "--quiet",
    ]))?;
    failures::run(shell::cargo(&[
        "test",
        "--package",
        "interceptor",
        "--features",
        "saml",
        "--lib",
        "--bins",
        "--quiet",
    ]))?;
    backends::test()?;
    bench::truth(&["--quick".to_owned()])?;
    bench::pan(&["--check".to_owned()])?;
    install::check_exposure()?;
    kernel()
}

/// The tests on a real kernel with real databases: root, one at a time.
fn kernel() -> Result<()> {
    shell::step("kernel and end-to-end tests");
    if !shell::is_root() && shell::output("sudo", &["-n", "true"]).is_none() {
        if shell::is_ci() {
            bail!("the kernel tests need root, and CI has neither root nor sudo");
        }
        println!(
            "  SKIPPED: the kernel tests need root and sudo asks for a password; run `sudo -v` first, then this again"
        );
        return Ok(());
    }
    kernel_tests::build()?;
    kernel_tests::run("INTERCEPTOR_KERNEL_TESTS=1", "*", &["--test-threads=1"])
}
