//! The source of the installed server: from the distribution's source package of its very version, or of the nearest one that can be had,
//! and then that version's server beside it.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::stand::succeed;
use crate::{setup, shell};

/// Where sources are built once; every account may enter it, which a checkout below /root does not allow.
pub(super) const CACHE: &str = "/var/tmp/interceptor-suites";

pub(super) struct Built {
    pub(super) source: PathBuf,
    pub(super) bin: PathBuf,
    /// What of a suite is to run: files of pg_regress, words in names of asyncpg's tests; empty: all.
    pub(super) tests: Vec<String>,
    /// Where the tests are not of the installed version: what runs instead.
    pub(super) mismatch: Option<String>,
}

/// Unpacked and built as far as its tests need.
///
/// A mirror may have a server's package and not, or no longer, its source. Then the newest version of the same major serves whose source the
/// mirror or the cache has, with the server of that version, unpacked into the cache: the host's own stays as it is. Where only the source can be
/// had the installed server runs: what a test expects too much or too little shows in the direct run as well.
pub(super) fn build() -> Result<Built> {
    let installed = setup::postgres_bin().context("PostgreSQL's programs are not below /usr/lib/postgresql")?;
    let major =
        installed.parent().and_then(Path::file_name).context("no version in the path")?.to_string_lossy().into_owned();
    let package = format!("postgresql-{major}");
    let version = shell::output("dpkg-query", &["-W", "-f", "${Version}", &package])
        .context("the server is not from a package")?;
    match built(&package, &version, &installed) {
        Ok(source) => return Ok(Built { source, bin: installed, tests: Vec::new(), mismatch: None }),
        Err(error) => println!("  {error:#}"),
    }
    for other in other_versions(&package, &major, &version)? {
        match built(&package, &other, &installed) {
            Ok(source) => {
                let (bin, server) = server(&major, &other, &source).map_or_else(
                    |error| (installed, format!("the installed one, {version}: {error:#}")),
                    |bin| (bin, format!("of that version too, beside the installed {version}")),
                );
                let mismatch = Some(format!("the tests are of {other}; the server is {server}"));
                return Ok(Built { source, bin, tests: Vec::new(), mismatch });
            }
            Err(error) => println!("  {error:#}"),
        }
    }
    bail!("neither the mirror nor {CACHE} has a source of {package}")
}

/// The programs of this version's packages, unpacked beside its source. PostgreSQL finds what belongs to it from where it stands.
fn server(major: &str, version: &str, source: &Path) -> Result<PathBuf> {
    let cache = source.parent().context("a source without a folder")?;
    let bin = cache.join("server/usr/lib/postgresql").join(major).join("bin");
    if !bin.join("postgres").exists() || !bin.join("psql").exists() {
        let packages = [format!("postgresql-{major}={version}"), format!("postgresql-client-{major}={version}")];
        shell::step(&format!("the server {version}, unpacked once into {}", cache.display()));
        let mut download = Command::new("apt-get");
        download.args(["-qq", "-o", "APT::Sandbox::User=root", "download"]).args(&packages).current_dir(cache);
        succeed(&mut download).with_context(|| format!("the mirror has no package {}", packages.join(" and ")))?;
        for entry in std::fs::read_dir(cache)?.flatten().filter(|e| e.path().extension().is_some_and(|e| e == "deb")) {
            succeed(Command::new("dpkg-deb").arg("-x").arg(entry.path()).arg(cache.join("server")))?;
        }
    }
    Ok(bin)
}

/// The source of this version, built now unless it was before.
fn built(package: &str, version: &str, bin: &Path) -> Result<PathBuf> {
    let cache = Path::new(CACHE).join(version.replace(':', "_"));
    let source = cache.join("source");
    if !cache.join("built").exists() {
        shell::step(&format!("the source of {package} {version}, built once into {}", cache.display()));
        std::fs::create_dir_all(&cache)?;
        if let Err(error) = fetch(package, version, &cache) {
            let _ = std::fs::remove_dir(&cache); // only where nothing came
            return Err(error);
        }
        make(bin, &source)?;
        succeed(Command::new("chown").args(["-R", "postgres:postgres"]).arg(&cache))?;
        std::fs::write(cache.join("built"), "")?;
    }
    Ok(source)
}

/// What else the mirror's index lists and the cache holds of this major, the newest first.
fn other_versions(package: &str, major: &str, version: &str) -> Result<Vec<String>> {
    let listed = succeed(Command::new("apt-cache").args(sources()?).args(["madison", package]))?;
    let mut versions: Vec<String> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned()))
        .collect();
    for entry in std::fs::read_dir(CACHE)?.flatten().filter(|entry| entry.path().join("built").exists()) {
        let name = entry.file_name().to_string_lossy().replace('_', ":");
        versions.extend(name.strip_prefix(major).is_some_and(|rest| rest.starts_with('.')).then(|| name.clone()));
    }
    versions.retain(|other| other != version);
    versions.sort_by(|one, other| newest_first(one, other));
    versions.dedup();
    Ok(versions)
}

fn newest_first(one: &str, other: &str) -> Ordering {
    let holds = |relation: &str| {
        let status = Command::new("dpkg").args(["--compare-versions", one, relation, other]).status();
        status.is_ok_and(|status| status.success())
    };
    match (holds("gt"), holds("lt")) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Greater,
        _ => one.cmp(other),
    }
}

/// Options that make apt read a list of sources of our own: the host's stays as it is.
fn sources() -> Result<Vec<String>> {
    let (parts, lists) = (Path::new(CACHE).join("apt/parts"), Path::new(CACHE).join("apt/lists"));
    std::fs::create_dir_all(&parts)?;
    std::fs::create_dir_all(&lists)?;
    for entry in std::fs::read_dir("/etc/apt/sources.list.d")?.flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        if text.contains("debian") && text.contains("Types:") {
            let lines: Vec<&str> =
                text.lines().map(|l| if l.starts_with("Types:") { "Types: deb-src" } else { l }).collect();
            std::fs::write(parts.join(entry.file_name()), lines.join("\n") + "\n")?;
        }
    }
    if let Ok(text) = std::fs::read_to_string("/etc/apt/sources.list") {
        let lines: Vec<String> =
            text.lines().filter_map(|l| l.strip_prefix("deb ").map(|rest| format!("deb-src {rest}"))).collect();
        std::fs::write(parts.join("all.list"), lines.join("\n") + "\n")?;
    }
    Ok([
        "Dir::Etc::sourcelist=/dev/null".into(),
        format!("Dir::Etc::sourceparts={}", parts.display()),
        format!("Dir::State::lists={}", lists.display()),
        "APT::Sandbox::User=root".to_string(),
    ]
    .into_iter()
    .flat_map(|option| ["-o".to_owned(), option])
    .collect())
}

/// The distribution's source package.
fn fetch(package: &str, version: &str, cache: &Path) -> Result<()> {
    let options = sources()?;
    succeed(Command::new("apt-get").arg("-qq").args(&options).arg("update"))?;
    let wanted = format!("{package}={version}");
    succeed(
        Command::new("apt-get")
            .arg("-qq")
            .args(&options)
            .args(["source", "--download-only", &wanted])
            .current_dir(cache),
    )
    .with_context(|| format!("the mirror has no source of {wanted}"))?;
    let archive = std::fs::read_dir(cache)?
        .flatten()
        .map(|e| e.path())
        .find(|p| p.to_string_lossy().contains(".orig.tar"))
        .context("apt-get source brought no archive")?;
    std::fs::create_dir_all(cache.join("source"))?;
    succeed(
        Command::new("tar").arg("xf").arg(archive).arg("-C").arg(cache.join("source")).arg("--strip-components=1"),
    )?;
    Ok(())
}

fn make(bin: &Path, source: &Path) -> Result<()> {
    let prefix = format!("--prefix={}", bin.parent().unwrap_or(bin).display());
    succeed(Command::new("./configure").args(["--without-readline", "--without-zlib", &prefix]).current_dir(source))?;
    for (folder, target) in [
        ("src/backend", "generated-headers"),
        ("src/test/regress", "all"),
        ("src/test/isolation", "all"),
        ("src/test/modules/libpq_pipeline", "all"),
    ] {
        succeed(Command::new("make").args(["-s", "-j2", "-C", folder, target]).current_dir(source))?;
    }
    Ok(())
}
