//! `nightly`: what takes longer than a change may wait for.

use anyhow::Result;

use crate::{setup, shell};

/// The fuzz targets of userspace/fuzz and how long each runs, in seconds.
const TARGETS: &[&str] = &["pan", "wire_frontend", "wire_backend", "sql"];
const FUZZ_SECONDS: u32 = 600;

/// `cargo xtask nightly`.
pub(crate) fn run() -> Result<()> {
    setup::ensure()?;
    crate::test::run()?;
    crate::suites::run(&[])?;
    kills()?;
    miri()?;
    fuzz()
}

/// The portable path of the scan under Miri, a component of nightly toolchains that no distribution packages.
fn miri() -> Result<()> {
    shell::step("pan under Miri");
    if shell::output("cargo", &["+nightly", "miri", "--version"]).is_none() {
        println!("  SKIPPED: needs a nightly toolchain with the component miri (`rustup +nightly component add miri`)");
        return Ok(());
    }
    let mut tests = shell::command("cargo", &["+nightly", "miri", "test", "--package", "pan", "--lib"]);
    tests.env("INTERCEPTOR_PAN_BACKEND", "portable").env("MIRIFLAGS", "-Zmiri-disable-isolation");
    shell::run(tests)
}

/// A hundred kills of the service under load, where `test` does twenty.
fn kills() -> Result<()> {
    shell::step("100 kills under load");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut tests = shell::as_root(
        &cargo,
        &["test", "--package", "interceptor", "--test", "e2e", "--", "--test-threads=1", "kills"],
    )?;
    tests.env("INTERCEPTOR_KILLS", "100");
    shell::run(tests)
}

/// cargo-fuzz needs a nightly compiler: said, not hidden, where there is none.
fn fuzz() -> Result<()> {
    if shell::output("cargo", &["+nightly", "fuzz", "--version"]).is_none() {
        println!("  SKIPPED: fuzzing needs a nightly toolchain and `cargo install cargo-fuzz`");
        return Ok(());
    }
    for target in TARGETS {
        shell::step(&format!("fuzz {target} for {FUZZ_SECONDS} s"));
        let limit = format!("-max_total_time={FUZZ_SECONDS}");
        let mut fuzz = shell::command("cargo", &["+nightly", "fuzz", "run", target, "--", &limit]);
        fuzz.current_dir(shell::root().join("userspace"));
        shell::run(fuzz)?;
    }
    Ok(())
}
