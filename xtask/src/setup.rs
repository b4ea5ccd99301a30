//! `setup`: prepares a machine once. Checks first, installs only what is missing, says what and why.
//!
//! With nothing missing it touches no network. It needs no toolchain manager: the kernel half is built by the
//! distribution's own rustc (package `rustc-web`), which carries the sources of `core` that rustup's stable lacks.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{self, as_root, command, output};

/// bpf-linker's version and the LLVM that it is built against; they go together (its feature is named after the LLVM).
const LINKER_VERSION: &str = "0.13.0";
const LLVM: &str = "22";

/// One thing that a machine needs.
pub(crate) struct Piece {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    pub(crate) debian: &'static [&'static str],
    pub(crate) elsewhere: &'static str,
    pub(crate) without: &'static str,
    pub(crate) present: fn() -> bool,
}

const PIECES: &[Piece] = &[
    Piece {
        name: "C compiler",
        why: "builds libpg_query, PostgreSQL's own grammar",
        debian: &["gcc", "libc6-dev", "make"],
        elsewhere: "gcc or clang, and make",
        without: "nothing builds",
        present: || has("cc") && has("make"),
    },
    Piece {
        name: "libclang",
        why: "reads libpg_query's headers",
        debian: &["libclang-dev"],
        elsewhere: "clang-devel (Fedora), clang (Arch)",
        without: "userspace/sql and what stands on it do not build; pan, wire, audit and uring do",
        present: || exists_like("/usr/lib", "libclang") || exists_like("/usr/lib/x86_64-linux-gnu", "libclang"),
    },
    Piece {
        name: "xmlsec and libxml2",
        why: "verify SAML's signatures, by which reviewers may log in (userspace/saml)",
        debian: &["libxmlsec1-dev", "libxml2-dev", "libssl-dev", "pkg-config"],
        elsewhere: "xmlsec1-devel xmlsec1-openssl-devel (Fedora), xmlsec (Arch)",
        without: "userspace/saml, and the program with the feature `saml`, do not build; all else does",
        present: || has("xmlsec1-config") && has("pkg-config") && Path::new("/usr/include/openssl/evp.h").exists(),
    },
    Piece {
        name: "PostgreSQL server and client",
        why: "the tests, the demo and the benchmark run against a throw-away one",
        debian: &["postgresql", "postgresql-client"],
        elsewhere: "postgresql-server (Fedora), postgresql (Arch)",
        without: "everything builds; the tests with a real database, demo and bench do not run",
        present: || has("psql") && postgres_bin().is_some(),
    },
    Piece {
        name: "ip, kill and systemd-analyze",
        why: "kernel tests make network namespaces, end processes, and judge the units",
        debian: &["iproute2", "procps", "systemd"],
        elsewhere: "iproute, procps-ng and systemd",
        without: "everything builds; the kernel tests and the units' exposure are not checked",
        present: || has("ip") && Path::new("/bin/kill").exists() && has("systemd-analyze"),
    },
    Piece {
        name: "Chromium and its driver",
        why: "the page's tests look at it with a real browser",
        debian: &["chromium", "chromium-driver"],
        elsewhere: "chromium with chromedriver",
        without: "everything builds; no browser looks at the page",
        present: || has("chromedriver"),
    },
    Piece {
        name: "Rust with the sources of core",
        why: "the kernel half is built for bpfel-unknown-none, for which core has to be compiled",
        debian: &["rustc-web", "cargo-web", "rust-web-src"],
        elsewhere: "any nightly toolchain with the rust-src component",
        without: "the crates below userspace/ build; the program, which embeds the kernel half, does not",
        present: || distribution_rust() || nightly(),
    },
    Piece {
        name: "LLVM 22",
        why: "bpf-linker links the kernel half with it",
        debian: &["llvm-22-dev", "libpolly-22-dev", "libzstd-dev", "zlib1g-dev"],
        elsewhere: "llvm-devel 22 (Fedora), llvm (Arch)",
        without: "as above: the program is not built",
        present: || linker() || Path::new("/usr/lib/llvm-22/bin/llvm-config").exists(),
    },
];

/// For the verbs that build on it: silent where nothing is missing.
pub(crate) fn ensure() -> Result<()> {
    if missing(PIECES).is_empty() && linker() { Ok(()) } else { run() }
}

/// `cargo xtask setup`.
pub(crate) fn run() -> Result<()> {
    shell::step("setup");
    for piece in PIECES {
        println!("  {:<32} {}", piece.name, if (piece.present)() { "ok" } else { "missing" });
    }
    println!("  {:<32} {}", "bpf-linker", if linker() { "ok" } else { "missing" });
    ensure_pieces(PIECES)?;
    if !linker() {
        install_linker()?;
    }
    println!("  ready: a plain `cargo build` works from here on");
    Ok(())
}

/// Installs what is missing of these by the distribution's packages; silent where nothing is.
pub(crate) fn ensure_pieces(pieces: &[Piece]) -> Result<()> {
    match missing(pieces).as_slice() {
        [] => Ok(()),
        missing => install_packages(missing),
    }
}

fn missing(pieces: &[Piece]) -> Vec<&Piece> {
    pieces.iter().filter(|p| !(p.present)()).collect()
}

fn install_packages(missing: &[&Piece]) -> Result<()> {
    for piece in missing {
        println!("\n  {} is missing; what for: {}.", piece.name, piece.why);
        println!("    Debian: {}; elsewhere: {}", piece.debian.join(" "), piece.elsewhere);
        println!("    without it: {}", piece.without);
    }
    if !has("apt-get") {
        bail!("this is no Debian: install what is named above, then run `cargo xtask setup` again");
    }
    let mut install = vec!["-q", "-y", "--no-install-recommends", "install"];
    install.extend(missing.iter().flat_map(|p| p.debian));
    shell::step(&format!("installing by apt: {}", install[4..].join(" ")));
    let mut update = as_root("apt-get", &["-q", "update"])?;
    update.env("DEBIAN_FRONTEND", "noninteractive");
    shell::run(update)?;
    let mut packages = as_root("apt-get", &install)?;
    packages.env("DEBIAN_FRONTEND", "noninteractive");
    shell::run(packages).with_context(|| {
        let names: Vec<_> = missing.iter().map(|p| format!("{} ({})", p.name, p.debian.join(" "))).collect();
        format!("could not install {}; what still works without each stands above", names.join(", "))
    })?;
    match missing.iter().find(|p| !(p.present)()) {
        Some(piece) => bail!("{} was installed, yet it is not found; looked for by `{}`", piece.name, piece.why),
        None => Ok(()),
    }
}

fn install_linker() -> Result<()> {
    shell::step(&format!("building bpf-linker {LINKER_VERSION} against LLVM {LLVM} (about a minute, once)"));
    let prefix = format!("/usr/lib/llvm-{LLVM}");
    let mut install = command(
        &std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()),
        &[
            "install",
            "bpf-linker",
            "--version",
            LINKER_VERSION,
            "--locked",
            "--no-default-features",
            "--features",
            "llvm-22",
        ],
    );
    install.env("LLVM_PREFIX", &prefix).env("LIBRARY_PATH", format!("{prefix}/lib"));
    install.env("RUSTFLAGS", format!("-L native={prefix}/lib"));
    shell::run(install).context("bpf-linker did not build: without it the program, which embeds the kernel half, is not built; the crates below userspace/ are")
}

fn linker() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cargo")));
    has("bpf-linker") || home.is_some_and(|h| h.join("bin/bpf-linker").exists())
}

/// Where the newest PostgreSQL server of this machine has its programs.
pub(crate) fn postgres_bin() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

/// Whether the distribution's own Rust is there with the sources of core and std.
pub(crate) fn distribution_rust() -> bool {
    Path::new("/usr/bin/rustc").exists() && Path::new("/usr/bin/cargo").exists() && core_sources()
}

fn core_sources() -> bool {
    let sysroot = output("/usr/bin/rustc", &["--print", "sysroot"]).unwrap_or_default();
    Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
}

fn nightly() -> bool {
    let sysroot = output("rustc", &["+nightly", "--print", "sysroot"]).unwrap_or_default();
    !sysroot.is_empty() && Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
}

/// Whether the shell finds it.
pub(crate) fn has(program: &str) -> bool {
    output("sh", &["-c", &format!("command -v {program}")]).is_some()
}

fn exists_like(folder: &str, prefix: &str) -> bool {
    let direct = |dir: &Path| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.into_iter().any(|e| {
            let name = e.file_name().to_string_lossy().into_owned();
            name.starts_with(prefix) && name.contains(".so") && !name.contains("cpp")
        })
    };
    let llvm_libs = std::fs::read_dir(folder).into_iter().flatten().flatten();
    direct(Path::new(folder))
        || llvm_libs
            .filter(|e| e.file_name().to_string_lossy().starts_with("llvm-"))
            .any(|e| direct(&e.path().join("lib")))
}
