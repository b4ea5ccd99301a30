//! The tests of `pan` with each set of instructions: those of this processor by name, those of aarch64 under qemu-user.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::setup::{self, Piece};
use crate::shell;

const VARIABLE: &str = "INTERCEPTOR_PAN_BACKEND";

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Where Debian has the C library of aarch64.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// `std` for aarch64 is built from the sources that the kernel half's compiler carries: it needs no toolchain manager.
const PIECES: &[Piece] = &[
    Piece {
        name: "gcc for aarch64",
        why: "links the tests of the NEON backend",
        debian: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
        elsewhere: "gcc-aarch64-linux-gnu and glibc for it",
        without: "the NEON backend is not tested",
        present: || setup::has("aarch64-linux-gnu-gcc") && Path::new("/usr/aarch64-linux-gnu/lib/crti.o").exists(),
    },
    Piece {
        name: "qemu-user",
        why: "runs them",
        debian: &["qemu-user"],
        elsewhere: "qemu-user",
        without: "the NEON backend is not tested",
        present: || setup::has("qemu-aarch64"),
    },
];

/// `cargo xtask backends`.
pub(crate) fn run() -> Result<()> {
    ensure()?;
    test()
}

/// Installs what they need; silent where nothing is missing.
pub(crate) fn ensure() -> Result<()> {
    if cfg!(target_arch = "aarch64") || !setup::distribution_rust() { Ok(()) } else { setup::ensure_pieces(PIECES) }
}

/// Every backend, one after the other.
pub(crate) fn test() -> Result<()> {
    shell::step("pan on every backend");
    let native = native();
    // The fastest is the one that the unit tests have run on.
    for (index, (backend, present)) in native.iter().enumerate() {
        let fastest = !native.iter().skip(index + 1).any(|(_, present)| *present);
        match present {
            true if fastest => println!("  {backend}: the unit tests ran on it"),
            true => forced(backend)?,
            false => println!("  SKIPPED: {backend}: this processor lacks it; run the tests where there is one"),
        }
    }
    if cfg!(target_arch = "aarch64") { Ok(()) } else { neon() }
}

/// What `pan` calls its backends on this family of processors, the fastest last, and whether it will take them.
#[cfg(target_arch = "x86_64")]
fn native() -> Vec<(&'static str, bool)> {
    let avx2 =
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("lzcnt");
    let avx512 = avx2 && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl");
    vec![("portable", true), ("avx2", avx2), ("avx512", avx512)]
}

#[cfg(not(target_arch = "x86_64"))]
fn native() -> Vec<(&'static str, bool)> {
    vec![("portable", true), ("neon", cfg!(target_arch = "aarch64"))]
}

fn forced(backend: &str) -> Result<()> {
    let mut tests = shell::cargo(&["test", "--package", "pan", "--lib", "--tests", "--quiet"]);
    // Optimised, since all of it runs once a backend; assertions stay.
    tests.env("CARGO_PROFILE_DEV_OPT_LEVEL", "2").env("CARGO_TARGET_DIR", shell::target().join("backends"));
    tests.env(VARIABLE, backend);
    println!("  {VARIABLE}={backend}");
    shell::run(tests)
}

/// By the distribution's compiler, since its sources of `std` fit it alone. The first build of `std` takes two minutes.
fn neon() -> Result<()> {
    if !setup::distribution_rust() {
        println!(
            "  SKIPPED: neon: needs Debian's rustc-web and rust-web-src, from whose sources std is built for aarch64"
        );
        return Ok(());
    }
    let mut tests = Command::new("/usr/bin/cargo");
    tests.current_dir(shell::root()).args(["test", "--package", "pan", "--quiet", "--target", TARGET]);
    tests.args(["--lib", "--tests", "-Zbuild-std=std,panic_unwind,test"]); // no doc tests: rustdoc may be another toolchain's
    tests.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
    // cargo's own profiles end on a panic; a test wants to unwind, and std is built once for both.
    tests.env("CARGO_PROFILE_DEV_PANIC", "unwind").env("CARGO_PROFILE_DEV_OPT_LEVEL", "2");
    tests.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
    tests.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", format!("qemu-aarch64 -L {LIBRARIES}"));
    tests.env("CARGO_TARGET_DIR", shell::target().join("aarch64"));
    // What cargo and rustup told us is about another toolchain.
    let foreign = ["CARGO_PKG_", "CARGO_MANIFEST_", "RUSTUP_", "RUSTC_WRAPPER", "RUSTFLAGS", "LD_LIBRARY_PATH"];
    for (name, _) in std::env::vars().filter(|(name, _)| foreign.iter().any(|prefix| name.starts_with(prefix))) {
        tests.env_remove(name);
    }
    tests.env_remove("CARGO").env_remove(VARIABLE);
    shell::run(tests)
}
