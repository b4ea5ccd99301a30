//! `tidy`: the rules of the house that a machine can hold.
//!
//! The arrows between the crates, who may hold `unsafe`, sizes of files, banned names, licences and sources of
//! dependencies. What it asserts is what docs/ARCHITECTURE.md says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

/// The arrows of DESIGN section 5: a crate may depend on these crates of ours and on no others.
const ARROWS: &[(&str, &[&str])] = &[
    ("interceptor-abi", &[]),
    ("pan", &[]),
    ("wire", &[]),
    ("sql", &[]),
    ("policy", &["sql"]),
    ("sha256", &[]),
    ("audit", &["pan", "sha256"]),
    ("identity", &[]),
    ("saml", &[]),
    ("session", &["wire", "sql", "policy", "pan", "audit"]),
    ("uring", &[]),
    ("proxy", &["session", "uring", "audit", "policy"]),
    ("control", &["policy", "audit", "identity", "saml"]),
    (
        "interceptor",
        &[
            "interceptor-abi",
            "pan",
            "wire",
            "sql",
            "policy",
            "audit",
            "session",
            "uring",
            "proxy",
            "control",
            "identity",
        ],
    ),
    ("bench", &["pan", "uring", "audit", "session", "policy", "sql"]), // the scan, the record and the verdict alone, without a database and a service around them; a relay that does nothing, on our ring
    ("xtask", &[]),
];

/// Who may hold `unsafe`, as path prefixes; everything else forbids it.
const UNSAFE: &[&str] = &[
    "userspace/pan/src/arch/",
    "userspace/sha256/src/lockstep.rs",
    "userspace/sha256/src/wide.rs",
    "userspace/uring/src/",
    "userspace/sql/src/grammar.rs",
    "userspace/sql/src/grammar/measure.rs",
    "userspace/sql/src/grammar/node.rs",
    "interceptor-ebpf/src/",
    "interceptor/abi/src/",
    "interceptor/src/load",
    "interceptor/src/sys/",
];

/// tokio lives in `control` alone.
const TOKIO: &[&str] = &["control"];

/// Licences that may be linked in; a dependency's expression must be satisfiable from these.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    "Apache-2.0 WITH LLVM-exception",
    "BSL-1.0",
    "MIT-0",
];

/// Longer files need a reason here; the list only shrinks.
const FILE_LINES_MAX: usize = 600;
const LONG_FILES: &[&str] = &[];

const BANNED_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// `cargo xtask tidy`.
pub(crate) fn run() -> Result<()> {
    shell::step("tidy");
    let mut faults = Vec::new();
    let metadata = metadata()?;
    arrows(&metadata, &mut faults);
    dependencies(&metadata, &mut faults);
    sources(&mut faults)?;
    for fault in &faults {
        println!("  {fault}");
    }
    if faults.is_empty() {
        println!("  arrows, unsafe allow-list, sizes, names, licences and sources hold");
        return Ok(());
    }
    bail!("{} rule(s) of the house broken, see above", faults.len())
}

fn metadata() -> Result<Value> {
    let output =
        shell::cargo(&["metadata", "--format-version", "1", "--all-features"]).output().context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata speaks JSON")
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A dependency counts when it is linked into the crate; those of tests may point anywhere.
fn arrows(metadata: &Value, faults: &mut Vec<String>) {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let ours: BTreeSet<&str> = packages(metadata).filter(|p| p["source"].is_null()).map(|p| text(p, "name")).collect();
    for package in packages(metadata).filter(|p| p["source"].is_null()) {
        let name = text(package, "name");
        let Some(may) = allowed.get(name) else {
            faults.push(format!("{name}: a crate that the list of arrows does not know"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = text(dependency, "name");
            let linked = text(dependency, "kind") != "dev";
            if linked && ours.contains(on) && !may.contains(&on) {
                faults.push(format!("{name} -> {on}: this arrow does not exist in the design"));
            }
            if linked && on == "tokio" && !TOKIO.contains(&name) {
                faults.push(format!("{name} -> tokio: tokio lives in `control` alone"));
            }
        }
    }
    for missing in allowed.keys().filter(|name| !ours.contains(**name)) {
        faults.push(format!("{missing}: in the list of arrows, not in the workspace"));
    }
}

/// Licences allowed, sources the registry alone. (Advisories need a database that CI cannot reach: see docs/decisions.)
fn dependencies(metadata: &Value, faults: &mut Vec<String>) {
    for package in packages(metadata).filter(|p| !p["source"].is_null()) {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        if !text(package, "source").starts_with("registry+") {
            faults.push(format!("{name}: comes from {}, not from the registry", text(package, "source")));
        }
        if !satisfiable(licence) {
            faults.push(format!("{name}: licence `{licence}` is not in the list of those allowed"));
        }
    }
}

/// `A OR B AND (C/D)`: every conjunct needs one allowed alternative.
fn satisfiable(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], " ").replace('/', " OR ");
    !flat.trim().is_empty()
        && flat.split(" AND ").all(|part| part.split(" OR ").any(|one| LICENCES.contains(&one.trim())))
}

fn sources(faults: &mut Vec<String>) -> Result<()> {
    let mut files = Vec::new();
    walk(&shell::root(), &mut files)?;
    for path in files {
        let shown = path.strip_prefix(shell::root()).unwrap_or(&path).to_string_lossy().into_owned();
        let body = std::fs::read_to_string(&path).with_context(|| shown.clone())?;
        source(&shown, &body, faults);
    }
    Ok(())
}

fn source(shown: &str, body: &str, faults: &mut Vec<String>) {
    let stem = Path::new(shown).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    if BANNED_NAMES.contains(&stem.as_str()) {
        faults.push(format!("{shown}: `{stem}` says nothing; name the file after what is in it"));
    }
    let production = body.split("#[cfg(test)]").next().unwrap_or(body);
    let lines = production.lines().count();
    if lines > FILE_LINES_MAX && !shown.contains("/tests/") && !LONG_FILES.contains(&shown) {
        faults.push(format!("{shown}: {lines} lines; above {FILE_LINES_MAX} a file wants to be two"));
    }
    let holds_unsafe = body.lines().any(|line| {
        let code = line.split("//").next().unwrap_or(line);
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|u| code.contains(u))
    });
    let may = UNSAFE.iter().any(|prefix| shown.starts_with(prefix))
        || shown.contains("/tests/")
        || shown == "xtask/src/tidy.rs";
    if holds_unsafe && !may {
        faults.push(format!("{shown}: holds `unsafe`; the list of those that may does not name it"));
    }
    if shown.ends_with("src/lib.rs") || shown.ends_with("src/main.rs") {
        if !body.starts_with("//!") {
            faults.push(format!("{shown}: its first line does not say what the crate is for"));
        }
        let folder_may = UNSAFE
            .iter()
            .any(|prefix| prefix.starts_with(shown.trim_end_matches("lib.rs").trim_end_matches("main.rs")));
        if !folder_may && !body.contains("#![forbid(unsafe_code)]") {
            faults.push(format!("{shown}: lacks #![forbid(unsafe_code)]"));
        }
    }
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            walk(&path, into)?;
        } else if name.ends_with(".rs") {
            into.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions() {
        assert!(satisfiable("MIT OR Apache-2.0"));
        assert!(satisfiable("MIT/Apache-2.0"));
        assert!(satisfiable("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(!satisfiable("GPL-3.0"));
        assert!(!satisfiable("MIT AND GPL-3.0"));
        assert!(!satisfiable(""));
    }

    #[test]
    fn a_room_without_permission_may_not_hold_unsafe() {
        let mut faults = Vec::new();
        source("userspace/pan/src/swar.rs", "fn f() { unsafe { g() } }", &mut faults);
        source("userspace/uring/src/ring.rs", "fn f() { unsafe { g() } }", &mut faults);
        source("userspace/pan/src/util.rs", "", &mut faults);
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
