//! Runs tests and says again, at the very end and in a few lines, which failed and why: of a long log, a reader (and many a CI's page)
//! sees the end.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Of one test's words, so many lines of so many characters.
const LINES_MAX: usize = 16;
const LINE_MAX: usize = 300;
/// Of all that failed, so many.
const TESTS_MAX: usize = 8;
/// So long a pipe may stay open behind the end of what was run: a process that a test left behind holds it for as long as it lives.
const PATIENCE: Duration = Duration::from_secs(5);
const LEFT_BEHIND: &str =
    "what was run has ended, and something that it started holds its output still: nobody waits for that";

/// Shows the command and runs it with our output, as `shell::run`; its error has the first words of each test that failed.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let shown = shell::show(&command);
    println!("$ {shown}");
    let child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let (status, said) = pass_on(child, &mut std::io::stdout()).with_context(|| format!("`{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}{}", summary(&String::from_utf8_lossy(&said)));
    }
    Ok(())
}

/// What comes of a program that runs, in its order.
enum Heard {
    Bytes(Vec<u8>),
    /// Nobody holds its output any more.
    Closed(std::io::Result<()>),
    Ended(std::io::Result<ExitStatus>),
    /// It ended a while ago.
    PatienceIsOver,
}

/// What it says goes to our output at once, and is kept; until it has ended and nothing follows, or our patience is over.
fn pass_on(mut child: Child, out: &mut impl Write) -> Result<(ExitStatus, Vec<u8>)> {
    let (hears, heard) = channel();
    let output = child.stdout.take().context("its output was not asked for")?;
    thread::spawn({
        let hears = hears.clone();
        move || _ = hears.send(Heard::Closed(read(output, &hears)))
    });
    thread::spawn(move || {
        // Whoever listened may have gone.
        _ = hears.send(Heard::Ended(child.wait()));
        thread::sleep(PATIENCE);
        _ = hears.send(Heard::PatienceIsOver);
    });
    let (mut said, mut status, mut is_closed) = (Vec::new(), None, false);
    for heard in heard {
        match heard {
            Heard::Bytes(bytes) => {
                out.write_all(&bytes)?;
                out.flush()?;
                said.extend(bytes);
            }
            Heard::Closed(how) => {
                how.context("cannot read what it says")?;
                is_closed = true;
            }
            Heard::Ended(how) => status = Some(how.context("cannot wait for its end")?),
            Heard::PatienceIsOver => {
                writeln!(out, "{LEFT_BEHIND}")?;
                break;
            }
        }
        if is_closed && status.is_some() {
            break;
        }
    }
    Ok((status.context("nothing was heard of its end")?, said))
}

fn read(mut from: impl Read, hears: &Sender<Heard>) -> std::io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let len = from.read(&mut buffer)?;
        let read = buffer.get(..len).unwrap_or_default();
        if read.is_empty() || hears.send(Heard::Bytes(read.to_vec())).is_err() {
            return Ok(());
        }
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

    /// What `sh` ran, and what was passed on.
    fn heard(script: &str) -> (ExitStatus, String, String) {
        let child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = Vec::new();
        let (status, said) = pass_on(child, &mut out).unwrap();
        (status, String::from_utf8(said).unwrap(), String::from_utf8(out).unwrap())
    }

    #[test]
    fn all_that_is_said_is_passed_on_and_kept() {
        let (status, said, out) = heard("seq 100000; exit 3");
        assert_eq!((status.code(), said.lines().count()), (Some(3), 100_000));
        assert!(said == out);
        // Its output is closed before it ends.
        let (status, said, _) = heard("echo a; exec >&-; exit 4");
        assert_eq!((status.code(), said.as_str()), (Some(4), "a\n"));
    }

    #[test]
    fn who_is_left_behind_with_the_output_is_not_waited_for() {
        let (status, said, out) = heard("sleep 600 & echo $!; exit 5");
        // It lives: it was ended by us.
        let ended = Command::new("kill").arg(said.trim()).status().unwrap();
        assert!(ended.success());
        assert_eq!((status.code(), out), (Some(5), format!("{said}{LEFT_BEHIND}\n")));
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = format!("\n---- t stdout ----\n{}\n{}", "x".repeat(1000), "y\n".repeat(100));
        assert!(summary(&long).len() < 500, "{}", summary(&long));
    }
}
