//! Builds the kernel half (`../interceptor-ebpf`) and hands its object to `src/load.rs`.
//!
//! The command is our own, not aya-build's: that one calls rustup where it finds one, and a plain distribution has none.
//! Two toolchains will do: the distribution's own (Debian: `rustc-web cargo-web rust-web-src`, allowed to use its
//! unstable features by RUSTC_BOOTSTRAP), or rustup's nightly with the component `rust-src`. Both need `bpf-linker`.
//! `cargo xtask setup` installs what is missing.
#![allow(clippy::print_stdout)] // a build script speaks to cargo through it

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const TARGET: &str = "bpfel-unknown-none";
const CURE: &str = "`cargo xtask setup` installs it";

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let source = here.parent().ok_or("the crate has no parent folder")?.join("interceptor-ebpf");
    for watched in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", source.join(watched).display());
    }
    println!("cargo::rerun-if-changed={}", here.join("abi").display());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=INTERCEPTOR_EBPF_TOOLCHAIN");

    let path = path_with_linker()?;
    let target_dir = target_dir(&out);
    let mut command = Toolchain::find(&path)?.cargo();
    command
        .current_dir(&source)
        .args(["build", "--locked", "--release", "--target", TARGET, "-Zbuild-std=core", "--target-dir"])
        .arg(&target_dir)
        .env("PATH", &path)
        // debuginfo: the maps are described in BTF, which the linker makes from it
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            [
                "-Clinker=bpf-linker".into(),
                "-Clink-arg=--btf".into(),
                "-Cdebuginfo=2".into(),
                format!("--remap-path-prefix={}=interceptor", source.parent().unwrap_or(&source).display()),
            ]
            .join("\u{1f}"),
        );
    let done = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !done.status.success() {
        for line in String::from_utf8_lossy(&done.stderr).lines() {
            println!("cargo::warning={line}");
        }
        return Err(format!("the kernel half does not build ({}); tried {command:?}", done.status));
    }
    let object = target_dir.join(TARGET).join("release/interceptor-ebpf");
    fs::copy(&object, out.join("interceptor-ebpf"))
        .map_err(|error| format!("cannot copy {}: {error}", object.display()))?;
    Ok(())
}

/// Shared by all profiles: `core` is built once, not once for debug, test, clippy and release each.
fn target_dir(out: &Path) -> PathBuf {
    // OUT_DIR is <target>/<profile>/build/<package>-<hash>/out
    out.ancestors().nth(4).unwrap_or(out).join("ebpf")
}

/// The search path, with cargo's own folder of programs in front: that is where `cargo install` puts the linker.
fn path_with_linker() -> Result<OsString, String> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = home.map(|home| home.join("bin")).into_iter().chain(env::split_paths(&path)).collect();
    if !folders.iter().any(|folder| folder.join("bpf-linker").is_file()) {
        return Err(format!("bpf-linker is missing: the kernel half cannot be linked; {CURE}"));
    }
    env::join_paths(folders).map_err(|error| format!("PATH: {error}"))
}

/// What can compile for the kernel.
enum Toolchain {
    /// The distribution's packages.
    System,
    /// rustup's nightly.
    Nightly,
}

impl Toolchain {
    fn find(path: &OsString) -> Result<Toolchain, String> {
        let wanted = env::var("INTERCEPTOR_EBPF_TOOLCHAIN").unwrap_or_default();
        if wanted != "nightly" && Toolchain::system_has_source() {
            return Ok(Toolchain::System);
        }
        if wanted != "system" && Toolchain::nightly_has_source(path) {
            return Ok(Toolchain::Nightly);
        }
        Err(format!(
            "no toolchain for the kernel half: wanted are Debian's packages rustc-web, cargo-web and rust-web-src, \
             or `rustup toolchain install nightly --component rust-src`; {CURE}"
        ))
    }

    /// `rust-web-src` links its tree into the compiler's sysroot.
    fn system_has_source() -> bool {
        let Ok(sysroot) =
            Command::new("/usr/bin/rustc").args(["--print", "sysroot"]).env_remove("RUSTUP_TOOLCHAIN").output()
        else {
            return false;
        };
        let root = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
        Path::new("/usr/bin/cargo").exists() && root.join("lib/rustlib/src/rust/library/core/Cargo.toml").exists()
    }

    fn nightly_has_source(path: &OsString) -> bool {
        let sysroot = clean(Command::new("rustc")).env("PATH", path).args(["+nightly", "--print", "sysroot"]).output();
        sysroot.is_ok_and(|sysroot| {
            let root = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
            sysroot.status.success() && root.join("lib/rustlib/src/rust/library/core/Cargo.toml").exists()
        })
    }

    fn cargo(&self) -> Command {
        match self {
            Toolchain::System => {
                let mut command = clean(Command::new("/usr/bin/cargo"));
                command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
                command
            }
            Toolchain::Nightly => {
                let mut command = clean(Command::new("cargo"));
                command.arg("+nightly");
                command
            }
        }
    }
}

/// Without what the outer cargo says to its build scripts: its flags, wrappers and toolchain are for the host.
fn clean(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        let keep = matches!(&*name_text, "CARGO_HOME" | "CARGO_NET_OFFLINE" | "RUSTUP_HOME");
        let outer =
            ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_", "CLIPPY", "LD_LIBRARY_PATH", "TARGET", "OUT_DIR"];
        if !keep && outer.iter().any(|prefix| name_text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
