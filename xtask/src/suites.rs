//! `suites`: foreign test suites, direct and through the interceptor, and the *sets* of test ids compared.
//!
//! PostgreSQL's own regression, isolation and libpq_pipeline tests come from the distribution's source package of the very
//! version that is installed. They run in `observe` without masking: being there must change nothing.

mod coverage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use coverage::Coverage;

use crate::stand::{Postgres, Service, succeed};
use crate::{setup, shell};

/// Where sources are built once; every account may enter it, which a checkout below /root does not allow.
const CACHE: &str = "/var/tmp/interceptor-suites";

/// Observes everything, masks nothing: the transparency bar.
const OBSERVE: &str = "mode = \"observe\"\nmask = false";
/// Observes everything, masks.
const OBSERVE_MASKED: &str = "mode = \"observe\"";

const POLICY: &str = "[[rule]]\nname = \"nothing is allowed, everything is seen\"\nstatements = [\"copy-program\"]\naction = \"block\"\n";

/// Outcome by test id.
type Outcomes = BTreeMap<String, bool>;

struct Suite {
    name: &'static str,
    run: fn(&Built, u16, &mut Launcher<'_>) -> Result<Outcomes>,
}

const SUITES: &[Suite] = &[
    Suite { name: "pg_regress", run: regress },
    Suite { name: "isolation", run: isolation },
    Suite { name: "libpq_pipeline", run: pipeline },
];

struct Built {
    source: PathBuf,
    bin: PathBuf,
}

/// Starts a program as the account `postgres`, directly or as an agent.
type Launcher<'a> = dyn FnMut(&Path, &[String], &Path) -> Result<Command> + 'a;

/// `cargo xtask suites [NAME…]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(unknown) = args.iter().find(|a| !SUITES.iter().any(|s| s.name == a.as_str())) {
        bail!("`{unknown}` is no suite; there are {}", SUITES.iter().map(|s| s.name).collect::<Vec<_>>().join(", "));
    }
    setup::ensure()?;
    shell::step("build");
    shell::run(shell::cargo(&["build", "--release", "--package", "interceptor"]))?;
    if !shell::is_root() {
        let own = std::env::current_exe().context("where is xtask?")?;
        let args: Vec<&str> = std::iter::once("suites").chain(args.iter().map(String::as_str)).collect();
        return shell::run(shell::as_root(&own.to_string_lossy(), &args)?);
    }
    let built = build()?;
    let chosen = SUITES.iter().filter(|s| args.is_empty() || args.iter().any(|a| a == s.name));
    let mut differing = 0;
    for suite in chosen {
        differing += compare(&built, suite)?;
    }
    if differing > 0 { bail!("{differing} comparison(s) differ, see above") } else { Ok(()) }
}

/// One suite direct, observed, and observed with masking; the number of comparisons that differ beyond what is expected.
fn compare(built: &Built, suite: &Suite) -> Result<u32> {
    shell::step(suite.name);
    let direct = {
        let database = Postgres::start(&built.bin, SETTINGS)?;
        (suite.run)(built, database.port, &mut |program, args, folder| Ok(as_postgres(program, args, folder)))?
    };
    println!("  direct:                       {}", count(&direct));
    let mut differing = 0;
    for (what, mode, may_differ) in
        [("observe, no masking", OBSERVE, &[][..]), ("observe, masked", OBSERVE_MASKED, &["int8", "numeric"][..])]
    {
        let database = Postgres::start(&built.bin, SETTINGS)?;
        let (outcomes, coverage) = through(built, suite, &database, mode)?;
        println!("  {:<29} {}", format!("{what}:"), count(&outcomes));
        coverage.print();
        let differences: BTreeSet<&str> = direct
            .keys()
            .chain(outcomes.keys())
            .filter(|id| direct.get(*id) != outcomes.get(*id))
            .map(String::as_str)
            .collect();
        let (expected, unexpected): (Vec<&str>, Vec<&str>) =
            differences.into_iter().partition(|id| may_differ.contains(id));
        if !expected.is_empty() {
            println!("    differ, as they must (card numbers in their output): {}", expected.join(" "));
        }
        if !unexpected.is_empty() {
            println!("    differ: {}", unexpected.join(" "));
        }
        if !unexpected.is_empty() || !coverage.holds() {
            println!("    this comparison FAILS");
            differing += 1;
        }
    }
    Ok(differing)
}

/// Few worker processes: two cores.
const SETTINGS: &str = "max_connections = 100\nautovacuum = off\n";

fn through(built: &Built, suite: &Suite, database: &Postgres, mode: &str) -> Result<(Outcomes, Coverage)> {
    let config = format!(
        "[[database]]\nname = \"suite\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:{}\"]\n{mode}\n\n[[agent]]\nname = \"suite\"\n",
        database.port
    );
    let mut service =
        Service::start(&shell::target().join("release/interceptor"), "segment_bytes = 67108864", &config, POLICY)?;
    let before = database.log().len();
    let outcomes = (suite.run)(built, database.port, &mut |program, args, folder| {
        let mut command = service.verb("exec");
        command.args(["--agent", "suite", "--user", "postgres", "--"]).arg(program).args(args).current_dir(folder);
        Ok(command)
    })?;
    // What the agents' last connections left behind is written when the service ends.
    service.stop("TERM")?;
    let export = succeed(service.verb("audit export").arg("--json"))?;
    let log = database.log();
    let coverage = Coverage::of(log.get(before..).unwrap_or_default(), &String::from_utf8_lossy(&export.stdout))?;
    Ok((outcomes, coverage))
}

fn count(outcomes: &Outcomes) -> String {
    let passed = outcomes.values().filter(|ok| **ok).count();
    let failed: Vec<&str> = outcomes.iter().filter(|(_, ok)| !**ok).map(|(id, _)| id.as_str()).collect();
    let tail = if failed.is_empty() { String::new() } else { format!("; failed: {}", failed.join(" ")) };
    format!("{passed}/{}{tail}", outcomes.len())
}

fn as_postgres(program: &Path, args: &[String], folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"])
        .arg(program)
        .args(args)
        .current_dir(folder);
    command
}

fn regress(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
    let folder = built.source.join("src/test/regress");
    let extra = ["--dlpath=.", "--max-connections=4", "--schedule=./parallel_schedule", "--dbname=regression"];
    pg_regress(built, port, launch, &folder, "pg_regress", &extra)
}

fn isolation(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
    let folder = built.source.join("src/test/isolation");
    let extra = ["--schedule=./isolation_schedule", "--dbname=isolation_regression"];
    pg_regress(built, port, launch, &folder, "pg_isolation_regress", &extra)
}

/// Both drivers print `test NAME ... ok` or, in a parallel group, `     NAME ... FAILED`.
fn pg_regress(
    built: &Built,
    port: u16,
    launch: &mut Launcher<'_>,
    folder: &Path,
    driver: &str,
    extra: &[&str],
) -> Result<Outcomes> {
    let mut args = vec!["--inputdir=.".into(), format!("--bindir={}", built.bin.display())];
    args.extend(["--host=127.0.0.1".to_owned(), format!("--port={port}"), "--user=postgres".into()]);
    args.extend(extra.iter().map(ToString::to_string));
    let output = launch(&folder.join(driver), &args, folder)?.env("PATH", path(built)).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut outcomes = Outcomes::new();
    for line in text.lines() {
        let Some((left, right)) = line.split_once(" ... ") else { continue };
        let id = left.trim().trim_start_matches("test ").trim();
        if right.starts_with("ok") || right.starts_with("FAILED") || right.starts_with("failed") {
            outcomes.insert(id.to_owned(), right.starts_with("ok"));
        }
    }
    if outcomes.is_empty() {
        bail!("{driver} printed no outcome: {}{}", text, String::from_utf8_lossy(&output.stderr));
    }
    Ok(outcomes)
}

fn pipeline(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
    let folder = built.source.join("src/test/modules/libpq_pipeline");
    let program = folder.join("libpq_pipeline");
    let list = succeed(launch(&program, &["tests".into()], &folder)?.env("PATH", path(built)))?;
    let target = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
    let mut outcomes = Outcomes::new();
    for test in String::from_utf8_lossy(&list.stdout).lines() {
        let status =
            launch(&program, &[test.to_owned(), target.clone()], &folder)?.env("PATH", path(built)).output()?.status;
        outcomes.insert(test.to_owned(), status.success());
    }
    Ok(outcomes)
}

fn path(built: &Built) -> String {
    format!("{}:/usr/local/bin:/usr/bin:/bin", built.bin.display())
}

/// The source of the installed server, unpacked and built as far as its tests need.
fn build() -> Result<Built> {
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
