//! asyncpg's own tests, of the version that the tests of this project pin: the source package has them, the wheel does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::source::{Built, CACHE};
use super::{Launcher, Outcome, Outcomes, as_postgres};
use crate::shell;
use crate::stand::{Folder, succeed};

/// The distribution's Python: one from a toolchain manager lives in a home that others cannot read.
const PYTHON: &str = "/usr/bin/python3";
/// Where asyncpg is pinned, with the hashes of its source and its wheels.
const PINS: &str = "interceptor/tests/clients/requirements.txt";
const PYTEST: &str = include_str!("pytest.txt");
/// What the last run said, test by test.
pub(super) const REPORT: &str = "/var/tmp/interceptor-suites/asyncpg.xml";

pub(super) fn asyncpg(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
    let folder = prepare()?;
    let home = Folder::new("asyncpg")?;
    fs::write(REPORT, "")?;
    succeed(Command::new("chown").arg("postgres").arg(home.path()).arg(REPORT))?;
    // `env` on both sides: an agent's home and names are set by `exec`, those of the direct run are root's.
    let mut args: Vec<String> = vec![
        format!("HOME={}", home.path().display()),
        "USER=postgres".into(),
        "LOGNAME=postgres".into(),
        "PGHOST=127.0.0.1".into(),
        format!("PGPORT={port}"),
        "PGUSER=postgres".into(),
        "PGDATABASE=postgres".into(),
        format!("PATH={}:/usr/local/bin:/usr/bin:/bin", built.bin.display()),
        format!("PYTHONPATH={}", folder.join("site").display()),
        "PYTHONDONTWRITEBYTECODE=1".into(),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1".into(),
        PYTHON.into(),
    ];
    args.extend(["-m", "pytest", "tests", "--quiet", "-p", "no:cacheprovider"].map(str::to_owned));
    args.push(format!("--junit-xml={REPORT}"));
    if !built.tests.is_empty() {
        args.extend(["-k".to_owned(), built.tests.join(" or ")]);
    }
    let output = launch(Path::new("/usr/bin/env"), &args, &folder)?.output()?;
    match fs::read_to_string(REPORT) {
        Ok(text) if !text.is_empty() => Ok(outcomes(&text)),
        _ => bail!(
            "pytest left no report: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// A report in JUnit's form: a `testcase` with nothing in it has passed. An error behind the test is a second one of its name.
fn outcomes(xml: &str) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for case in xml.split("<testcase ").skip(1) {
        let Some((attributes, rest)) = case.split_once('>') else { continue };
        let content = if attributes.ends_with('/') { "" } else { rest.split("</testcase>").next().unwrap_or_default() };
        let value = |name: &str| attributes.split_once(&format!("{name}=\"")).and_then(|(_, v)| v.split('"').next());
        let id = format!("{}::{}", value("classname").unwrap_or_default(), value(" name").unwrap_or_default());
        let outcome = [("<error", Outcome::Error), ("<failure", Outcome::Failed), ("<skipped", Outcome::Skipped)]
            .into_iter()
            .find(|(word, _)| content.contains(word))
            .map_or(Outcome::Passed, |(_, outcome)| outcome);
        let known = outcomes.entry(id).or_insert(outcome);
        *known = outcome.max(*known);
    }
    outcomes
}

/// The tests and what they need, fetched once. Nothing of a package's own is run as root: the account `postgres` does it.
fn prepare() -> Result<PathBuf> {
    let pins = fs::read_to_string(shell::root().join(PINS)).context(PINS)?;
    let pin = pin(&pins, "asyncpg")?;
    let version = pin.split([' ', '=']).nth(2).context("a pin without a version")?;
    let folder = Path::new(CACHE).join(format!("asyncpg-{version}"));
    let wanted = format!("{pin}\n{PYTEST}");
    if fs::read_to_string(folder.join("built")).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    shell::step(&format!("asyncpg {version} and its tests, fetched once into {}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("home"))?;
    fs::write(folder.join("asyncpg.txt"), &pin)?;
    fs::write(folder.join("all.txt"), &wanted)?;
    succeed(Command::new("chown").args(["-R", "postgres"]).arg(&folder))?;
    pip(&folder, "install --only-binary :all: --target site --requirement all.txt")?;
    pip(&folder, "download --no-binary :all: --no-deps --dest . --requirement asyncpg.txt")?;
    let archive = folder.join(format!("asyncpg-{version}.tar.gz"));
    let tests = format!("asyncpg-{version}/tests");
    let mut unpack = as_postgres(Path::new("/usr/bin/tar"), &["xzf".into(), archive.display().to_string()], &folder);
    succeed(unpack.args(["--strip-components=1", &tests]))?;
    fs::write(folder.join("built"), wanted)?;
    Ok(folder)
}

fn pip(folder: &Path, what: &str) -> Result<()> {
    let mut args: Vec<String> = vec!["-m".into(), "pip".into()];
    args.extend(what.split(' ').map(str::to_owned));
    args.extend(["--quiet", "--require-hashes", "--no-cache-dir"].map(str::to_owned));
    succeed(as_postgres(Path::new(PYTHON), &args, folder).env("HOME", folder.join("home")))?;
    Ok(())
}

/// One package's lines of a file of pins: all but its last end with a backslash.
fn pin(pins: &str, package: &str) -> Result<String> {
    let start = format!("{package}==");
    let mut lines = pins.lines().skip_while(|line| !line.starts_with(&start));
    let mut pin = String::new();
    for line in &mut lines {
        pin += line;
        pin.push('\n');
        if !line.ends_with('\\') {
            return Ok(pin);
        }
    }
    bail!("{PINS} does not pin {package}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_each_outcome() {
        let xml = "<testsuite><testcase classname=\"t.A\" name=\"one\" time=\"1\" />\
            <testcase classname=\"t.A\" name=\"two\"><failure message=\"a &gt; b\">…</failure></testcase>\
            <testcase classname=\"t.A\" name=\"three\"><skipped type=\"x\">no</skipped></testcase>\
            <testcase classname=\"t.A\" name=\"four\" time=\"1\" />\
            <testcase classname=\"t.A\" name=\"four\" time=\"1\"><error>behind it</error></testcase></testsuite>";
        let expected = [
            ("t.A::four", Outcome::Error),
            ("t.A::one", Outcome::Passed),
            ("t.A::three", Outcome::Skipped),
            ("t.A::two", Outcome::Failed),
        ];
        let expected: Outcomes = expected.into_iter().map(|(id, outcome)| (id.to_owned(), outcome)).collect();
        assert_eq!(outcomes(xml), expected);
    }

    #[test]
    fn a_pin_ends_where_its_hashes_end() -> Result<()> {
        let pins = "# why\na==1 \\\n    --hash=x\nasyncpg==2.3 \\\n    --hash=y \\\n    --hash=z\n    # via\nb==1\n";
        assert_eq!(pin(pins, "asyncpg")?, "asyncpg==2.3 \\\n    --hash=y \\\n    --hash=z\n");
        assert!(pin(pins, "b").is_ok());
        assert!(pin(pins, "c").is_err());
        Ok(())
    }
}
