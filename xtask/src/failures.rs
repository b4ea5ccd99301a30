//! Runs tests and says again, at the very end and in a few lines, which failed and why: of a long log, a reader (and many a CI's page)
//! sees the end.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Of one test's words, so many lines of so many characters.
const LINES_MAX: usize = 16;
const LINE_MAX: usize = 300;
/// Of all that failed, so many.
const TESTS_MAX: usize = 8;

/// Shows the command and runs it with our output, as `shell::run`; its error has the first words of each test that failed.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let shown = shell::show(&command);
    println!("$ {shown}");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let mut said = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        pass_on(&mut output, &mut said).with_context(|| format!("cannot read what `{shown}` says"))?;
    }
    let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}{}", summary(&String::from_utf8_lossy(&said)));
    }
    Ok(())
}

/// To our output at once, and kept.
fn pass_on(from: &mut impl Read, kept: &mut Vec<u8>) -> std::io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let len = from.read(&mut buffer)?;
        let read = buffer.get(..len).unwrap_or_default();
        if read.is_empty() {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        out.write_all(read)?;
        out.flush()?;
        kept.extend_from_slice(read);
    }
}

/// For each failed test its name and the first lines of what it said, without the stack. libtest prints them behind a line
/// `---- name stdout ----` each, and their names again behind `failures:`.
fn summary(output: &str) -> String {
    let mut out = String::new();
    for block in output.split("\n---- ").skip(1).take(TESTS_MAX) {
        let mut lines = block.lines();
        let Some(name) = lines.next().and_then(|head| head.strip_suffix(" stdout ----")) else { continue };
        out.push_str(&format!("\n\n{name}:"));
        let own = lines.take_while(|line| *line != "stack backtrace:" && *line != "failures:");
        for line in own.filter(|line| !line.is_empty()).take(LINES_MAX) {
            out.push_str("\n    ");
            out.extend(line.chars().take(LINE_MAX));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_said_again_without_the_stack() {
        let output = "running 3 tests\ntest a::b ... FAILED\ntest c ... ok\ntest d ... FAILED\n\nfailures:\n\n---- a::b stdout ----\n\nthread 'a::b' panicked at x.rs:1:2:\nthe service does not start: no port\nstack backtrace:\n   0: rust\n\n---- d stdout ----\nsecond\n\n\nfailures:\n    a::b\n    d\n\ntest result: FAILED.\n";
        let said = "\n\na::b:\n    thread 'a::b' panicked at x.rs:1:2:\n    the service does not start: no port\n\nd:\n    second";
        assert_eq!(summary(output), said);
        assert_eq!(summary("error: could not compile\n"), "");
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = format!("\n---- t stdout ----\n{}\n{}", "x".repeat(1000), "y\n".repeat(100));
        assert!(summary(&long).len() < 500, "{}", summary(&long));
    }
}
