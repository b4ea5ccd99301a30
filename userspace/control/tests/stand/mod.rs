//! A service that is all well, and a folder for its socket.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::expect_used)] // each test file uses a part

pub mod provider;
pub mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use control::approvals::{Approvals, Ask, Limits, Reviewer, Rule, State, Vote};
use control::{
    Canary, Column, Columns, Coverage, Database, Figure, FigureKind, Handle, Label, Latency, LiveSession, Looks, Mode,
    Policy, Settings, Shard, ShardState, Source, Status, serve,
};

/// A fresh directory that is removed again.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("control-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a temporary directory");
        Folder(path)
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("admin.sock")
    }

    pub fn serve(&self, service: Service) -> Handle {
        serve(Settings { socket: self.socket(), page: None, webhooks: vec![], workloads: None }, Arc::new(service))
            .expect("serves")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct Service {
    pub mode: Mode,
    pub reload: Result<String, String>,
    pub approvals: Approvals,
    /// What was said of webhooks.
    pub hooks: std::sync::Mutex<Vec<String>>,
    pub live: std::sync::Mutex<Vec<LiveSession>>,
}

/// An open session.
pub fn live(id: &str, agent: &str) -> LiveSession {
    LiveSession {
        id: id.into(),
        agent: agent.into(),
        uid: 1000,
        pid: 42,
        executable: "psql".into(),
        principal: None,
        agent_address: "127.0.0.1:4".into(),
        database: "payments".into(),
        age_s: 61,
        waits: false,
    }
}

/// The account that runs the tests is the reviewer `me`.
pub fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("of this process").uid()
}

pub fn well() -> Service {
    let me = Reviewer {
        name: "me".into(),
        uid: Some(own_uid()),
        subject: Some("me-1".into()),
        groups: vec!["leads".into()],
    };
    Service {
        mode: Mode::Enforce,
        reload: Ok(String::new()),
        approvals: Approvals::new(Limits::default(), vec![me]),
        hooks: Default::default(),
        live: Default::default(),
    }
}

impl Source for Service {
    fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    /// A session that does what it is told at once.
    fn vote(&self, vote: &Vote) -> bool {
        let state = if vote.approve { State::Approved } else { State::Denied };
        self.approvals.over(&vote.id, state, "", 1);
        true
    }

    fn status(&self) -> Status {
        Status {
            version: "0.1.0".into(),
            pid: 7,
            uptime_s: 60,
            policy: Policy { version: "ab12".into(), refused: None },
            restart: None,
            shards: vec![
                Shard { number: 0, state: ShardState::Serving, sessions: 2, last_seq: 41, synced_seq: 40 },
                Shard {
                    number: 1,
                    state: ShardState::Stopped("fsync failed".into()),
                    sessions: 0,
                    last_seq: 9,
                    synced_seq: 9,
                },
            ],
            sessions: 2,
            agents: vec![],
            databases: vec![Database {
                name: "pay\"ments\\\n".into(),
                protocol: "postgres".into(),
                mode: self.mode,
                mask: true,
                masking: "balanced".into(),
                sessions: 2,
            }],
            findings: vec!["payments/app public.t.c".into()],
            canary: Canary::Works,
            coverage: Coverage { attached: true, ..Coverage::default() },
            latency: vec![Latency {
                stage: "judge",
                what: "parsing and the verdict",
                count: 3,
                sum_ns: 4_500_000,
                p50_ns: 1_000_000,
                p90_ns: 2_500_000,
                p99_ns: 2_500_000,
                p999_ns: 2_500_000,
                max_ns: 2_500_000,
                below: vec![(1 << 20, 2), (1 << 21, 2)],
            }],
            figures: [(0, "block"), (1, "allow")]
                .map(|(shard, word)| Figure {
                    name: "decisions_total",
                    help: "statements judged",
                    kind: FigureKind::Counter,
                    labels: vec![Label::Shard(shard), Label::Reason(word)],
                    value: 5,
                })
                .into(),
        }
    }

    fn columns(&self) -> Columns {
        let column = Column {
            database: "payments".into(),
            dbname: "app".into(),
            column: "public.t.c".into(),
            table_oid: 16_400,
            attribute: 2,
            values: 2000,
            hits: 3,
            first_s: 5,
            last_s: 9,
            looks: Looks::Chance,
            clear: Some("x".into()),
        };
        Columns { columns: vec![column], overflow: 1 }
    }

    fn sessions(&self) -> Vec<LiveSession> {
        self.live.lock().expect("whole").clone()
    }

    fn end_session(&self, id: &str, why: &str) -> bool {
        let mut live = self.live.lock().expect("whole");
        let before = live.len();
        live.retain(|session| session.id != id);
        self.hooks.lock().expect("whole").push(format!("{id} ended {why}"));
        live.len() < before
    }

    fn webhook(&self, name: &str, failed: Option<&str>) {
        self.hooks.lock().expect("whole").push(format!("{name}: {}", failed.unwrap_or("well")));
    }

    fn reload(&self) -> Result<String, String> {
        self.reload.clone()
    }
}

/// A held statement of an agent with this account.
pub fn ask(id: &str, uid: u32) -> Ask {
    let terms = policy::Terms {
        rule: "writes".into(),
        approvers: vec!["group:leads".into()],
        approvals: 1,
        expires_s: 600,
        ..policy::Terms::default()
    };
    let approvers = terms.approvers.clone();
    Ask {
        id: id.into(),
        session: 7,
        agent: "reconciler".into(),
        groups: vec![],
        uid,
        pid: 1,
        executable: "psql".into(),
        cgroup: 1,
        agent_address: "127.0.0.1:4".into(),
        database: "payments".into(),
        dbname: "app".into(),
        database_user: "app".into(),
        application: "psql".into(),
        request: "query",
        text: "DELETE FROM t".into(),
        redacted: false,
        kinds: vec!["delete"],
        tables: vec![],
        parameters: vec![],
        rules: vec![Rule { name: "writes".into(), approvers, approvals: 1, message: None, terms: Arc::new(terms) }],
        policy: "ab".into(),
        record: "0-1".into(),
        asked_s: 1,
        expires_s: u64::MAX / 2,
        ..Ask::default()
    }
}
