//! Vectorscan in a process of its own (`vectorscan.c`), so that the benchmark holds no `unsafe`: it gets the bytes once and times its passes itself.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The process.
pub(crate) struct Worker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// The pattern's place in its list: the same two as the regex crate's.
    pattern: usize,
}

impl Worker {
    pub(crate) fn start(program: &str, pattern: usize) -> Result<Worker, String> {
        let failed = |what: &str| format!("{program}: {what}");
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error.to_string()))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else { return Err(failed("no pipes")) };
        let mut worker = Worker { child, to, from: BufReader::new(from), pattern };
        match worker.answer().as_deref() {
            Some("ready") => Ok(worker),
            _ => Err(failed("it ended; is libhs.so.5 there?")),
        }
    }

    /// Gives it the bytes; it answers with the number of matches.
    pub(crate) fn load(&mut self, bytes: &[u8]) {
        // What fails here shows at the next answer.
        let _ = writeln!(self.to, "b {} {}", self.pattern, bytes.len());
        let _ = self.to.write_all(bytes).and_then(|()| self.to.flush());
        self.answer();
    }

    pub(crate) fn time(&mut self, passes: usize) -> Option<Duration> {
        writeln!(self.to, "r {passes}").and_then(|()| self.to.flush()).ok()?;
        self.answer()?.parse().ok().map(Duration::from_nanos)
    }

    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        self.from.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim().to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It holds nothing that wants an orderly end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
