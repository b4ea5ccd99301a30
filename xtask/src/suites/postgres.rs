//! PostgreSQL's own regression, isolation and libpq_pipeline tests.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::source::Built;
use super::{Launcher, Outcome, Outcomes};
use crate::stand::{Folder, succeed};

/// COPY in both directions, prepared statements and transactions, portals, long texts and values, many result columns,
/// errors and notices; `test_setup` and those up to `create_misc` are what the others build on.
const SCHEDULE: &str = "\
test: test_setup
test: strings
test: create_index
test: create_misc create_am
test: copy copyselect copydml insert_conflict
test: create_procedure select errors
test: transactions random portals arrays prepared_xacts
test: psql psql_crosstab
test: create_view
test: portals_p2 guc json jsonb jsonb_jsonpath
test: plancache plpgsql copy2 temp prepare largeobject returning rowtypes
";

pub(super) fn regress(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
    if !built.tests.is_empty() {
        let lines = built.tests.iter().map(|test| format!("test: {test}\n"));
        let schedule: String = std::iter::once("test: test_setup\n".to_owned()).chain(lines).collect();
        return scheduled(built, port, launch, &schedule);
    }
    let folder = built.source.join("src/test/regress");
    let extra = ["--dlpath=.", "--max-connections=4", "--schedule=./parallel_schedule", "--dbname=regression"];
    pg_regress(built, port, launch, &folder, "pg_regress", &extra)
}

pub(super) fn isolation(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
    let folder = built.source.join("src/test/isolation");
    let extra = ["--schedule=./isolation_schedule", "--dbname=isolation_regression"];
    pg_regress(built, port, launch, &folder, "pg_isolation_regress", &extra)
}

/// The files of pg_regress with the most protocol in them and what they build on, and all of libpq_pipeline.
pub(super) fn protocol_heavy(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
    let mut outcomes = scheduled(built, port, launch, SCHEDULE)?;
    outcomes.extend(pipeline(built, port, launch)?);
    Ok(outcomes)
}

/// The files of pg_regress that a schedule of ours names.
fn scheduled(built: &Built, port: u16, launch: &mut Launcher<'_>, schedule: &str) -> Result<Outcomes> {
    let place = Folder::new("schedule")?;
    let file = place.path().join("schedule");
    fs::write(&file, schedule)?;
    let folder = built.source.join("src/test/regress");
    let chosen = format!("--schedule={}", file.display());
    let extra = ["--dlpath=.", "--max-connections=4", &chosen, "--dbname=regression"];
    pg_regress(built, port, launch, &folder, "pg_regress", &extra)
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
            outcomes.insert(id.to_owned(), Outcome::of(right.starts_with("ok")));
        }
    }
    if outcomes.is_empty() {
        bail!("{driver} printed no outcome: {}{}", text, String::from_utf8_lossy(&output.stderr));
    }
    Ok(outcomes)
}

pub(super) fn pipeline(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
    let folder = built.source.join("src/test/modules/libpq_pipeline");
    let program = folder.join("libpq_pipeline");
    let list = succeed(launch(&program, &["tests".into()], &folder)?.env("PATH", path(built)))?;
    let target = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
    let mut outcomes = Outcomes::new();
    for test in String::from_utf8_lossy(&list.stdout).lines() {
        let status =
            launch(&program, &[test.to_owned(), target.clone()], &folder)?.env("PATH", path(built)).output()?.status;
        outcomes.insert(test.to_owned(), Outcome::of(status.success()));
    }
    Ok(outcomes)
}

fn path(built: &Built) -> String {
    format!("{}:/usr/local/bin:/usr/bin:/bin", built.bin.display())
}
