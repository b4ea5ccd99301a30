//! verify.py, one process for many logs.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use audit::verify::{Anchor, Verdict};

type Files = [(String, Vec<u8>)];

/// What a verifier said: its exit status, and the record that it names, of one that is not whole.
pub type Said = (u8, Option<String>);

/// The same of the first verifier.
pub fn said(verdict: &Verdict) -> Said {
    let named = match verdict {
        Verdict::Whole(_) => None,
        Verdict::Tampered(at) | Verdict::TornTail(_, at) | Verdict::CannotTell(at) => {
            Some(format!("{}-{}", at.shard, at.seq))
        }
    };
    (verdict.exit_status(), named)
}

/// The second verifier, and a folder for what it is to read, which is removed again.
pub struct Second {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Second {
    /// `None` where there is no python3, which CI has.
    pub fn start(name: &str) -> Option<Second> {
        let mut command = Command::new("python3");
        command.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/many.py"));
        let Ok(mut process) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "python3 is missing, and CI needs it");
            println!("SKIPPED: python3 is missing, so the second verifier was not run");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("audit-second-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a temporary folder");
        let to = process.stdin.take().expect("a pipe");
        let from = BufReader::new(process.stdout.take().expect("a pipe"));
        Some(Second { process, to, from, folder })
    }

    /// What it says of these files.
    pub fn verify(&mut self, files: &Files, open: bool, anchors: &[Anchor]) -> Said {
        let hex = |root: &[u8; 32]| root.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let anchors = anchors.iter().filter_map(|a| Some(format!("{}:{}:{}", a.shard, a.seq, hex(&a.root?))));
        let anchors: Vec<String> = anchors.collect();
        self.ask(files, &format!("verify\t{}\t{}", u8::from(open), anchors.join(" ")));
        let said = self.line();
        self.remove(files);
        said
    }

    /// What it says of them when each byte of the first is changed by the mask, in turn.
    pub fn flips(&mut self, files: &Files, mask: u8) -> Vec<Said> {
        self.ask(files, &format!("flips\t{mask}"));
        let said = (0..files[0].1.len()).map(|_| self.line()).collect();
        self.remove(files);
        said
    }

    fn ask(&mut self, files: &Files, words: &str) {
        let mut line = words.to_owned();
        for (name, bytes) in files {
            let path = self.folder.join(name);
            std::fs::write(&path, bytes).expect("a file");
            line += &format!("\t{}", path.display());
        }
        writeln!(self.to, "{line}").expect("it listens");
    }

    fn remove(&self, files: &Files) {
        files.iter().for_each(|(name, _)| _ = std::fs::remove_file(self.folder.join(name)));
    }

    fn line(&mut self) -> Said {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("an answer");
        let (status, words) = line.trim_end().split_once('\t').expect("a status and words");
        let named = words.split_once(", record ").and_then(|(_, rest)| rest.split_once(": "));
        (status.parse().expect("a status"), named.map(|(record, _)| record.to_owned()))
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
