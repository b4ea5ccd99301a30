//! `evasion`: the red team against the service. What it knows is in the program's own tests; this starts them with its words.

use anyhow::Result;

use crate::{setup, shell};

/// `cargo xtask evasion [--only ID|CATEGORY] [--json FILE] [--report] [--show] | --variants N [--seed S] | --fuzz N [--minutes M] [--seed S]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::ensure()?;
    shell::step("evasion");
    shell::run(shell::cargo(&[
        "build",
        "--package",
        "interceptor",
        "--features",
        "saml",
        "--tests",
        "--bins",
        "--quiet",
    ]))?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    // By `env`: sudo passes on only what it is told to.
    let words = format!("INTERCEPTOR_EVASION={}", args.join("\n"));
    let test = [
        "test",
        "--package",
        "interceptor",
        "--features",
        "saml",
        "--test",
        "evasion",
        "--quiet",
        "--",
        "--ignored",
        "--nocapture",
    ];
    let words = [&[words.as_str(), &cargo][..], &test, &["--exact", "orders::evasion"]].concat();
    shell::run(shell::as_root("env", &words)?)
}
