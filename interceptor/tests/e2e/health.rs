//! What must hold after every fault: the service is the same process, serves, keeps nothing, and an agent's next statement works.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::Stage;

/// How long sessions that are over may take to leave: the linger of 5 s and the login's 10 s are in it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service as it was before the fault.
pub struct Health {
    pid: u32,
}

impl Health {
    pub fn of(stage: &Stage) -> Health {
        Health { pid: stage.service.pid().expect("the service runs") }
    }

    /// Fails unless the service got over it.
    #[track_caller]
    pub fn holds(&self, stage: &Stage) {
        no_session_is_left(stage);
        let status = status(stage);
        assert_eq!(status["pid"], self.pid, "another process serves");
        let shards = status["shards"].as_array().cloned().unwrap_or_default();
        assert!(!shards.is_empty());
        for shard in shards {
            assert_eq!(shard["state"]["is"], "serving", "{shard}");
        }
        let log = stage.service.log();
        assert!(!log.contains("panicked"), "the service panicked: {log}");
        stage.ask("SELECT 1").says("1");
    }

    /// Bytes of memory that the service alone has (its record is mapped from files and is not in it).
    pub fn memory(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the service runs");
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux says it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }
}

/// What `status --json` says.
pub fn status(stage: &Stage) -> Value {
    let output = stage.service.verb("status").arg("--json").output().expect("status runs");
    serde_json::from_slice(&output.stdout).expect("status speaks JSON")
}

/// Waits until the service counts no session.
#[track_caller]
pub fn no_session_is_left(stage: &Stage) {
    let start = Instant::now();
    loop {
        let sessions = status(stage)["sessions"].as_u64();
        if sessions == Some(0) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{sessions:?} sessions are left");
        std::thread::sleep(Duration::from_millis(50));
    }
}
