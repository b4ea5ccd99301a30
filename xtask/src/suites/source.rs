//! The source of the installed server, from the distribution's source package of its very version.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::stand::succeed;
use crate::{setup, shell};

/// Where sources are built once; every account may enter it, which a checkout below /root does not allow.
pub(super) const CACHE: &str = "/var/tmp/interceptor-suites";

pub(super) struct Built {
    pub(super) source: PathBuf,
    pub(super) bin: PathBuf,
}

/// Unpacked and built as far as its tests need.
pub(super) fn build() -> Result<Built> {
    let bin = setup::postgres_bin().context("PostgreSQL's programs are not below /usr/lib/postgresql")?;
    let major =
        bin.parent().and_then(Path::file_name).context("no version in the path")?.to_string_lossy().into_owned();
    let package = format!("postgresql-{major}");
    let version = shell::output("dpkg-query", &["-W", "-f", "${Version}", &package])
        .context("the server is not from a package")?;
    let cache = Path::new(CACHE).join(version.replace(':', "_"));
    let source = cache.join("source");
    if !cache.join("built").exists() {
        shell::step(&format!("the source of {package} {version}, built once into {}", cache.display()));
        std::fs::create_dir_all(&cache)?;
        fetch(&package, &version, &cache)?;
        make(&bin, &source)?;
        succeed(Command::new("chown").args(["-R", "postgres:postgres"]).arg(&cache))?;
        std::fs::write(cache.join("built"), "")?;
    }
    Ok(Built { source, bin })
}

/// The distribution's source package, by a list of sources of our own: the host's stays as it is.
fn fetch(package: &str, version: &str, cache: &Path) -> Result<()> {
    let parts = cache.join("parts");
    std::fs::create_dir_all(&parts)?;
    std::fs::create_dir_all(cache.join("lists"))?;
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
    let options = [
        "-o".into(),
        "Dir::Etc::sourcelist=/dev/null".into(),
        "-o".into(),
        format!("Dir::Etc::sourceparts={}", parts.display()),
        "-o".into(),
        format!("Dir::State::lists={}", cache.join("lists").display()),
        "-o".into(),
        "APT::Sandbox::User=root".to_string(),
    ];
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
