//! `evasion`: the red team against the service. What it knows is in the program's own tests; this starts them with its words.

use anyhow::Result;

use crate::{kernel_tests, setup, shell};

/// `cargo xtask evasion [--only ID|CATEGORY] [--json FILE] [--report] [--show] | --variants N [--seed S] | --fuzz N [--minutes M] [--seed S]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::ensure()?;
    shell::step("evasion");
    kernel_tests::build()?;
    let words = format!("INTERCEPTOR_EVASION={}", args.join("\n"));
    kernel_tests::run(&words, "evasion", &["--ignored", "--nocapture", "--exact", "orders::evasion"])
}
