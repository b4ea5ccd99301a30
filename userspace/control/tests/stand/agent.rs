//! A SPIFFE agent of another make: `@grpc/grpc-js` on two unix sockets. Used by the tests of tokens and end to end.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

pub struct Agent {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    pub workload: PathBuf,
    pub delegated: PathBuf,
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    /// With the script at this place, its sockets in this folder. `None`, said loudly, where its packages are not installed.
    pub fn start(script: &Path, folder: &Path) -> Option<Agent> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("clients");
        let folders = [target, PathBuf::from("/var/tmp/interceptor-clients")].map(|place| place.join("spiffe_agent"));
        let Some(packages) = folders.into_iter().find(|place| place.join("stamp").exists()) else {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "`@grpc/grpc-js` is missing, and CI needs it"
            );
            println!(
                "SKIPPED: `@grpc/grpc-js` is not installed (`cargo xtask test` does), so no SPIFFE agent was asked"
            );
            return None;
        };
        let (workload, delegated) = (folder.join("agent.sock"), folder.join("spire-admin.sock"));
        let mut node = Command::new("node");
        node.arg(script).arg(packages).args([&workload, &delegated]);
        let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node starts");
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("piped")));
        let mut agent = Agent { child, to, from, workload, delegated };
        agent.heard();
        Some(agent)
    }

    /// How it answers from now on; how many SVIDs it was asked for until then.
    pub fn becomes(&mut self, how: &Value) -> u64 {
        writeln!(self.to.as_mut().expect("it listens"), "{how}").expect("it listens");
        self.heard()
    }

    fn heard(&mut self) -> u64 {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("its word");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        said["asked"].as_u64().expect("a number")
    }
}
