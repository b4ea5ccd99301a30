//! PostgreSQL's own regression, isolation and libpq_pipeline tests.

use std::path::Path;

use anyhow::{Result, bail};

use super::source::Built;
use super::{Launcher, Outcomes};
use crate::stand::succeed;

pub(super) fn regress(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
    let folder = built.source.join("src/test/regress");
    let extra = ["--dlpath=.", "--max-connections=4", "--schedule=./parallel_schedule", "--dbname=regression"];
    pg_regress(built, port, launch, &folder, "pg_regress", &extra)
}

pub(super) fn isolation(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
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

pub(super) fn pipeline(built: &Built, port: u16, launch: &mut Launcher<'_>) -> Result<Outcomes> {
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
