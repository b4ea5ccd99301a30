//! `nightly`: what takes longer than a change may wait for.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::{kernel_tests, setup, shell};

/// The fuzz targets of userspace/fuzz and how long each runs, in seconds.
const TARGETS: &[&str] = &["pan", "wire_frontend", "wire_backend", "sql", "lineage", "identity"];
const FUZZ_SECONDS: u32 = 600;
/// Another time for each.
const FUZZ_SECONDS_VARIABLE: &str = "INTERCEPTOR_FUZZ_SECONDS";
/// Inputs of the oracle's night, so many to a shard; the first seed, by another variable.
const ORACLE_INPUTS: u64 = 10_000_000;
const ORACLE_SHARD: u64 = 500_000;
const ORACLE_FIRST: &str = "INTERCEPTOR_PAN_FIRST";
const KILLS: u32 = 1000;
const ROLE_JOBS: u32 = 1000;
/// Of mixed load; another time for it.
const SOAK_MINUTES: &str = "60";
const SOAK_MINUTES_VARIABLE: &str = "INTERCEPTOR_SOAK_MINUTES";
/// Variants of the corpus of evasions, and statements that the expression fuzzer has the server execute.
const VARIANTS: &str = "10000";
const EXPRESSIONS: &str = "100000";
/// What the README shows of the page.
const PICTURE: &str = "docs/approval.png";
/// What drives them.
const CARGO_FUZZ: &str = "=0.13.2";

type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("test", crate::test::run),
    ("suites", || crate::suites::run(&[])),
    ("sim", sim),
    ("disk", disk),
    ("export", export),
    ("soak", soak),
    ("idle", idle),
    ("kills", kills),
    ("frames", frames),
    ("roles", roles),
    ("page", page),
    ("variants", || crate::evasion::run(&["--variants", VARIANTS, "--seed", "1"].map(str::to_owned))),
    ("expressions", || crate::evasion::run(&["--fuzz", EXPRESSIONS, "--minutes", "60"].map(str::to_owned))),
    ("oracle", oracle),
    ("miri", miri),
    ("fuzz", fuzz),
];

/// `cargo xtask nightly [STEP…]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(unknown) = args.iter().find(|arg| !STEPS.iter().any(|(name, _)| name == arg)) {
        bail!(
            "`{unknown}` is no step; there are {}",
            STEPS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        );
    }
    setup::ensure()?;
    for (_, step) in STEPS.iter().filter(|(name, _)| args.is_empty() || args.iter().any(|arg| arg == name)) {
        step()?;
    }
    Ok(())
}

/// Ten million inputs through either scan and its oracle, where `test` does a hundred thousand and fifty thousand. A shard after the other, so that a
/// night that ends early has proven something, and the next one begins behind it.
fn oracle() -> Result<()> {
    let begin = match std::env::var(ORACLE_FIRST) {
        Ok(text) => text.parse().with_context(|| format!("{ORACLE_FIRST} is no number"))?,
        Err(_) => 1,
    };
    for (mode, test) in [("balanced", "differential"), ("strict", "strict")] {
        shell::step(&format!("{ORACLE_INPUTS} inputs against the {mode} oracle, seed {begin} and on"));
        for first in (begin..=ORACLE_INPUTS).step_by(ORACLE_SHARD as usize) {
            let mut tests = shell::cargo(&[
                "test",
                "--quiet",
                "--release",
                "--package",
                "pan",
                "--test",
                test,
                "equals_the_oracle",
            ]);
            tests.args(["--", "--exact"]);
            tests.env("INTERCEPTOR_PAN_INPUTS", ORACLE_SHARD.to_string()).env(ORACLE_FIRST, first.to_string());
            shell::run(tests)?;
            println!("  {mode}: seeds {first} to {} are as the oracle", first + ORACLE_SHARD - 1);
        }
    }
    Ok(())
}

/// The portable path of the scan under Miri, a component of nightly toolchains that no distribution packages.
fn miri() -> Result<()> {
    shell::step("pan under Miri");
    if shell::output("cargo", &["+nightly", "miri", "--version"]).is_none() {
        println!("  SKIPPED: needs a nightly toolchain with the component miri (`rustup +nightly component add miri`)");
        return Ok(());
    }
    let mut tests =
        shell::command("cargo", &["+nightly", "miri", "test", "--package", "pan", "--lib", "--test", "differential"]);
    tests.env("INTERCEPTOR_PAN_BACKEND", "portable").env("MIRIFLAGS", "-Zmiri-disable-isolation");
    shell::run(tests)
}

/// 100,000 seeds of the simulated world, plain and under TLS, where `test` does a thousand.
fn sim() -> Result<()> {
    shell::step("100,000 seeds of the simulated world");
    let mut tests = shell::cargo(&["test", "--release", "--package", "proxy", "--lib", "sim::runs"]);
    tests.env("INTERCEPTOR_SIM_TIMES", "100");
    shell::run(tests)
}

/// 10,000 seeds of the record's simulated disk, where `test` does a thousand.
fn disk() -> Result<()> {
    shell::step("10,000 seeds of the record's disk");
    let mut tests =
        shell::cargo(&["test", "--release", "--package", "proxy", "--lib", "sim::power", "--", "--nocapture"]);
    tests.env("INTERCEPTOR_SIM_TIMES", "10");
    shell::run(tests)
}

/// A million records exported, and what memory that takes beside a tenth of them.
fn export() -> Result<()> {
    shell::step("an export of a million records");
    let mut tests =
        shell::cargo(&["test", "--release", "--package", "interceptor", "--test", "export", "--", "--nocapture"]);
    tests.env("INTERCEPTOR_EXPORT_RECORDS", "1000000");
    shell::run(tests)
}

/// An hour of mixed load: no error, flat memory, flat descriptors.
fn soak() -> Result<()> {
    let minutes = std::env::var(SOAK_MINUTES_VARIABLE).unwrap_or_else(|_| SOAK_MINUTES.to_owned());
    crate::bench::run(&["--soak".to_owned(), minutes, "latency".to_owned()])
}

/// Ten thousand idle sessions, plain and under TLS, against what each may cost.
fn idle() -> Result<()> {
    crate::bench::run(&["idle", "--check"].map(str::to_owned))
}

/// A thousand kills of the service under load, where `test` does twenty.
fn kills() -> Result<()> {
    shell::step(&format!("{KILLS} kills under load"));
    end_to_end(&format!("INTERCEPTOR_KILLS={KILLS}"), "kills")
}

/// Ten thousand random frames that no other night has had, where `test` sends the same ones each time.
fn frames() -> Result<()> {
    let seed = std::time::UNIX_EPOCH.elapsed().context("the clock is before 1970")?.as_secs();
    shell::step(&format!("random frames, INTERCEPTOR_SEED={seed}"));
    end_to_end(&format!("INTERCEPTOR_SEED={seed}"), "faults::ten_thousand_random_frames")
}

/// A thousand jobs with roles of their own that are killed at some moment, where `test` has fifty.
fn roles() -> Result<()> {
    shell::step(&format!("{ROLE_JOBS} jobs with roles of their own"));
    end_to_end(&format!("INTERCEPTOR_ROLE_JOBS={ROLE_JOBS}"), "jobs_that_are_killed")
}

/// The end-to-end tests of this name, with this variable.
fn end_to_end(variable: &str, name: &str) -> Result<()> {
    kernel_tests::run(variable, "e2e", &["--test-threads=1", "--nocapture", name])
}

/// Every test of the page in Chromium, where `test` does one; the README's picture is what they saw. Then the evidence pack of a real stand.
fn page() -> Result<()> {
    shell::step("the page in Chromium");
    let args = [
        "test",
        "--package",
        "control",
        "--features",
        "saml",
        "--test",
        "browser",
        "--",
        "--include-ignored",
        "--test-threads=1",
    ];
    shell::run(shell::cargo(&args))?;
    std::fs::copy(shell::target().join("tmp/approval-light-1200.png"), PICTURE).context("the picture of the page")?;
    println!("  pictures are in {}; the README's is {PICTURE}", shell::target().join("tmp").display());
    shell::step("the evidence pack in Chromium");
    kernel_tests::run("INTERCEPTOR_KERNEL_TESTS=1", "e2e", &["--ignored", "--nocapture", "the_pack_opens"])
}

/// The fuzzer's instrumentation is a compiler flag that only nightly accepts; this variable opens it in a stable one.
fn fuzz() -> Result<()> {
    let seconds = match std::env::var(FUZZ_SECONDS_VARIABLE) {
        Ok(text) => text.parse().with_context(|| format!("{FUZZ_SECONDS_VARIABLE} is no number"))?,
        Err(_) => FUZZ_SECONDS,
    };
    let tools = fuzzer()?;
    let built = shell::target().join("fuzz").to_string_lossy().into_owned();
    let path = format!("{}:{}", tools.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    for target in TARGETS {
        shell::step(&format!("fuzz {target} for {seconds} s"));
        let limit = format!("-max_total_time={seconds}");
        let place = ["--fuzz-dir", "userspace/fuzz", "--target-dir", &built];
        let mut fuzz = shell::cargo(&["fuzz", "run"]);
        fuzz.args(place).args([target, "--", &limit]).env("RUSTC_BOOTSTRAP", "1").env("PATH", &path);
        shell::run(fuzz)?;
    }
    Ok(())
}

/// The folder with cargo-fuzz: built once.
fn fuzzer() -> Result<PathBuf> {
    let tools = shell::target().join("fuzz-tools");
    if !tools.join("bin/cargo-fuzz").exists() {
        shell::step(&format!("cargo-fuzz {CARGO_FUZZ}, built once into {}", tools.display()));
        let root = tools.to_string_lossy();
        shell::run(shell::cargo(&["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--root", &root]))?;
    }
    Ok(tools)
}
