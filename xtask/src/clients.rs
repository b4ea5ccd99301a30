//! The drivers that the tests run as agents (interceptor/tests/e2e/clients.rs) and the identity providers that reviewers log in at
//! (userspace/control/tests/{oidc,saml}.rs), and the gRPC server that plays a SPIFFE agent (spiffe.rs): pinned with hashes, installed once, outside of the distribution's own folders. With nothing missing it touches no network.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::setup::{self, Piece};
use crate::shell::{self, command};

/// Beside the target folder: where its drivers are if the account of the agents cannot reach that.
const ELSEWHERE: &str = "/var/tmp/interceptor-clients";
/// The drivers' pins, and the scripts that use what they name.
const DRIVERS: &str = "interceptor/tests/clients";
/// The provider's pins, and its script.
const PROVIDER: &str = "userspace/control/tests/provider";
/// The same by SAML.
const SAML_PROVIDER: &str = "userspace/control/tests/saml_provider";
/// A SPIFFE agent's pins, and its script.
const SPIFFE_AGENT: &str = "userspace/control/tests/spiffe_agent";
/// The distribution's Python: one from a toolchain manager lives in a home that agents cannot read.
const PYTHON: &str = "/usr/bin/python3";
const JDBC: &str = "/usr/share/java/postgresql.jar";

const PIECES: &[Piece] = &[
    Piece {
        name: "Python with pip",
        why: "psycopg 3 and asyncpg run as agents in the tests",
        debian: &["python3", "python3-pip"],
        elsewhere: "python3-pip (Fedora), python-pip (Arch)",
        without: "the tests with psycopg and asyncpg are skipped",
        present: || shell::output(PYTHON, &["-m", "pip", "--version"]).is_some(),
    },
    Piece {
        name: "Node.js with npm",
        why: "node's `pg` runs as an agent in the tests, and identity providers and a SPIFFE agent run on it",
        debian: &["nodejs", "npm"],
        elsewhere: "nodejs, npm",
        without: "the tests with node's `pg` and with a real identity provider are skipped",
        present: || setup::has("node") && setup::has("npm"),
    },
    Piece {
        name: "Java compiler",
        why: "pgjdbc's script is run from its source",
        debian: &["default-jdk-headless"],
        elsewhere: "java-latest-openjdk-devel (Fedora), jdk-openjdk (Arch)",
        without: "the test with pgjdbc is skipped",
        present: || setup::has("java") && setup::has("javac"),
    },
    Piece {
        name: "pgjdbc",
        why: "it runs as an agent in the tests",
        debian: &["libpostgresql-jdbc-java"],
        elsewhere: "postgresql-jdbc (Fedora); its jar belongs at /usr/share/java/postgresql.jar",
        without: "the test with pgjdbc is skipped",
        present: || Path::new(JDBC).exists(),
    },
];

/// Packages of one language's registry: their pins, and how they get into a folder.
struct Kind {
    folder: &'static str,
    /// Where its pins are.
    at: &'static str,
    pins: &'static [&'static str],
    /// Another version of it needs other packages.
    runtime: (&'static str, &'static [&'static str]),
    install: fn(pins: &Path, into: &Path) -> Result<()>,
}

const KINDS: &[Kind] = &[
    Kind {
        folder: "python",
        at: DRIVERS,
        pins: &["requirements.txt"],
        runtime: (PYTHON, &["--version"]),
        install: python,
    },
    Kind {
        folder: "node",
        at: DRIVERS,
        pins: &["package.json", "package-lock.json"],
        runtime: ("node", &["--version"]),
        install: node,
    },
    Kind {
        folder: "provider",
        at: PROVIDER,
        pins: &["package.json", "package-lock.json"],
        runtime: ("node", &["--version"]),
        install: node,
    },
    Kind {
        folder: "saml_provider",
        at: SAML_PROVIDER,
        pins: &["package.json", "package-lock.json"],
        runtime: ("node", &["--version"]),
        install: node,
    },
    Kind {
        folder: "spiffe_agent",
        at: SPIFFE_AGENT,
        pins: &["package.json", "package-lock.json"],
        runtime: ("node", &["--version"]),
        install: node,
    },
];

/// Installs what is missing. Where it cannot, CI fails; elsewhere the tests of what is missing say that they are skipped.
pub(crate) fn ensure() -> Result<()> {
    match prepare() {
        Err(error) if !shell::is_ci() => {
            println!("\n  the tests of some drivers will be SKIPPED: {error:#}");
            Ok(())
        }
        other => other,
    }
}

fn prepare() -> Result<()> {
    let packages = setup::ensure_pieces(PIECES);
    let base = folder()?;
    for kind in KINDS {
        let pins = shell::root().join(kind.at);
        let wanted = stamp(kind, &pins)?;
        let into = base.join(kind.folder);
        if std::fs::read_to_string(into.join("stamp")).is_ok_and(|found| found == wanted) {
            continue;
        }
        shell::step(&format!("packages for the tests: {} into {}", kind.pins.join(" and "), into.display()));
        let new = base.join(format!("{}.new", kind.folder));
        for old in [&new, &into] {
            if old.exists() {
                std::fs::remove_dir_all(old).with_context(|| format!("{} is in the way", old.display()))?;
            }
        }
        std::fs::create_dir_all(&new)?;
        (kind.install)(&pins, &new).with_context(|| format!("{} cannot be installed", kind.folder))?;
        std::fs::write(new.join("stamp"), &wanted)?;
        // The account of the agents reads them, whatever our umask says.
        shell::run(command("chmod", &["-R", "a+rX", &new.to_string_lossy()]))?;
        std::fs::rename(&new, &into)?;
    }
    packages
}

/// The pins and the runtime's version: installed anew when one of them changes.
fn stamp(kind: &Kind, pins: &Path) -> Result<String> {
    let mut stamp =
        shell::output(kind.runtime.0, kind.runtime.1).with_context(|| format!("{} does not start", kind.runtime.0))?;
    for pin in kind.pins {
        stamp += &std::fs::read_to_string(pins.join(pin)).with_context(|| format!("{}/{pin}", kind.at))?;
    }
    Ok(stamp)
}

/// Only wheels whose hashes are written down; nothing of theirs is built or run here.
fn python(pins: &Path, into: &Path) -> Result<()> {
    let mut install =
        command(PYTHON, &["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"]);
    install.arg("--target").arg(into).arg("--requirement").arg(pins.join("requirements.txt"));
    install.env("PIP_ROOT_USER_ACTION", "ignore").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    shell::run(install)
}

/// Only what the lock file names by its hash; no package's own scripts are run.
fn node(pins: &Path, into: &Path) -> Result<()> {
    for pin in ["package.json", "package-lock.json"] {
        std::fs::copy(pins.join(pin), into.join(pin))?;
    }
    let mut install = command("npm", &["ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"]);
    install.arg("--prefix").arg(into);
    shell::run(install)
}

/// `target/clients`, or a folder that every account can reach.
fn folder() -> Result<PathBuf> {
    let beside = shell::target().join("clients");
    let base = if beside.ancestors().all(anyone_may_enter) { beside } else { PathBuf::from(ELSEWHERE) };
    std::fs::create_dir_all(&base).with_context(|| base.display().to_string())?;
    // Below /var/tmp anybody may have made it first.
    let (found, own) = (std::fs::symlink_metadata(&base)?, std::fs::metadata("/proc/self")?);
    if !found.is_dir() || ![0, own.uid()].contains(&found.uid()) {
        bail!("{} is somebody else's: remove it", base.display());
    }
    if found.uid() == own.uid() {
        std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(base)
}

/// What is not there yet is made by us, and can be entered.
fn anyone_may_enter(folder: &Path) -> bool {
    std::fs::metadata(folder).map_or(true, |found| found.permissions().mode() & 0o001 != 0)
}
