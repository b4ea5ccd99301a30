//! What the server executed, by its own log (`log_statement = all`), for one database.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Each line of the log begins with this prefix; `%d` says which case it belongs to.
pub const SETTING: &str = "log_line_prefix = '@%d@ '\n";

/// The log, from a place in it on.
pub struct ServerLog {
    path: PathBuf,
    from: u64,
}

impl ServerLog {
    /// From its present end on.
    pub fn from_here(path: PathBuf) -> ServerLog {
        let from = std::fs::metadata(&path).map_or(0, |file| file.len());
        ServerLog { path, from }
    }

    /// The texts that it executed since then in this database.
    pub fn executed(&self, database: &str) -> Vec<String> {
        let mut bytes = Vec::new();
        let mut file = std::fs::File::open(&self.path).expect("the server logs");
        file.seek(SeekFrom::Start(self.from)).and_then(|_| file.read_to_end(&mut bytes)).expect("the log can be read");
        let log = String::from_utf8_lossy(&bytes);
        let prefix = format!("@{database}@ LOG:  ");
        let mut texts: Vec<String> = Vec::new();
        let mut ours = false;
        for line in log.lines() {
            if line.starts_with('@') {
                let text = line.strip_prefix(&prefix).and_then(statement);
                ours = text.is_some();
                texts.extend(text.map(str::to_owned));
            } else if let (true, Some(text)) = (ours, texts.last_mut()) {
                // A text's further lines begin with a tab of the log's own.
                text.push('\n');
                text.push_str(line.strip_prefix('\t').unwrap_or(line));
            }
        }
        texts
    }
}

fn statement(line: &str) -> Option<&str> {
    line.strip_prefix("statement: ").or_else(|| line.strip_prefix("execute ")?.split_once(": ").map(|(_, text)| text))
}
