//! A service that is all well, and a folder for its socket.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::expect_used, clippy::print_stdout)] // each test file uses a part

pub mod agent;
pub mod idp;
pub mod provider;
pub mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use control::approvals::{
    Approvals, Ask, Limits, Login, Rejected, Revealing, Reviewer, Rule, Standing, State, Vote, reason as reason_of,
};
use control::{
    Canary, Column, Columns, Coverage, Database, Figure, FigureKind, Handle, Label, Latency, Line, LiveSession, Looks,
    Mode, Moment, Policy, Received, RuleBook, RuleUse, Settings, Shard, ShardState, Source, Status, Timeline, serve,
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
    pub tokens: Tokens,
}

/// What a program with sessions says and hears of tokens.
#[derive(Default)]
pub struct Tokens {
    pub heard: std::sync::Mutex<Heard>,
    pub news: std::sync::Condvar,
}

#[derive(Default)]
pub struct Heard {
    /// What became of tokens, in their order.
    pub changes: Vec<String>,
    /// What sessions were told.
    pub answers: Vec<(u64, Result<(), String>)>,
    /// Those that have sessions.
    pub processes: Vec<control::Process>,
    /// A process is another one when it is looked at again.
    pub gone: bool,
}

impl Tokens {
    /// Waits until this is so.
    #[track_caller]
    pub fn until<T>(&self, mut is_so: impl FnMut(&mut Heard) -> Option<T>) -> T {
        let start = std::time::Instant::now();
        let mut heard = self.heard.lock().expect("whole");
        loop {
            if let Some(found) = is_so(&mut heard) {
                return found;
            }
            assert!(start.elapsed() < patience(), "not in time: {:?} {:?}", heard.changes, heard.answers);
            heard = self.news.wait_timeout(heard, std::time::Duration::from_millis(200)).expect("whole").0;
        }
    }

    fn hears(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.heard.lock().expect("whole"));
        self.news.notify_all();
    }
}

/// How long a busy machine may take for anything.
fn patience() -> std::time::Duration {
    std::time::Duration::from_secs(60)
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
        disagrees: false,
        agent_address: "127.0.0.1:4".into(),
        database: "payments".into(),
        age_s: 61,
        waits: false,
    }
}

/// A word that stands for an hour from then on.
pub fn stands(id: &str, now_s: u64, text: &str) -> Standing {
    Standing {
        id: id.into(),
        rules: vec!["writes".into()],
        agent: "reconciler".into(),
        database: "payments".into(),
        policy: "ab".into(),
        text: text.into(),
        reviewer: "me".into(),
        groups: vec![],
        login: "admin socket".into(),
        reason: "the night job".into(),
        given_s: now_s,
        until_s: now_s + 3600,
        used: 2,
        binding: None,
    }
}

/// Clear values that are shown for an hour from then on.
pub fn reveals(id: &str, now_s: u64) -> Revealing {
    Revealing {
        id: id.into(),
        session: 7,
        agent: "reconciler".into(),
        database: "payments".into(),
        rule: "reveal disputes".into(),
        reason: "ticket 7".into(),
        columns: vec!["public.payments.pan".into()],
        until_s: now_s + 3600,
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
        approvals: Approvals::new(
            Limits { pending: 10_000, per_agent: 10_000, per_database: 10_000, ..Limits::default() },
            vec![me],
        ),
        hooks: Default::default(),
        live: Default::default(),
        tokens: Tokens::default(),
    }
}

impl Source for Service {
    fn hold(&self, _process: &control::Caller) -> Result<control::IsThere, String> {
        let gone = self.tokens.heard.lock().expect("whole").gone;
        Ok(Box::new(move || !gone))
    }

    fn processes(&self, cgroup: u64) -> Vec<control::Process> {
        let all = self.tokens.heard.lock().expect("whole").processes.clone();
        all.into_iter().filter(|one| one.caller.cgroup == cgroup).collect()
    }

    fn token_is(&self, ask: &control::SvidAsk, outcome: Result<(), &str>) {
        self.tokens.hears(|heard| heard.answers.push((ask.session, outcome.map_err(str::to_owned))));
    }

    fn token(&self, news: &control::TokenNews<'_>) -> bool {
        let job = news.job.map(ToString::to_string).unwrap_or_default();
        let who = news.binding.map(|binding| binding.identity.principal.clone());
        let how = if news.fetched { "fetched" } else { "brought" };
        let what = who.as_deref().or(news.why).unwrap_or_default();
        self.tokens.hears(|heard| heard.changes.push(format!("{how} {job}: {} {what}", news.change)));
        true
    }

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

    fn rules(&self) -> RuleBook {
        let rule = |name: &str, action, hits, asks: Option<&str>| RuleUse {
            name: name.into(),
            action,
            hits,
            asks: asks.map(str::to_owned),
            message: None,
        };
        let rules = vec![
            rule("reads", "allow", 41, None),
            rule("deletes <b>wait</b>", "hold", 3, Some("one person of group:leads, within 600 s")),
            rule("no schema", "block", 0, None),
        ];
        RuleBook { version: "ab12".into(), in_force_s: 4000, rules }
    }

    fn timeline(&self, id: &str, reviewer: &Reviewer, _login: &Login) -> Result<Timeline, Rejected> {
        if !["0.7", "0.8"].contains(&id) {
            return Err(Rejected::NoSession);
        }
        self.hooks.lock().expect("whole").push(format!("{id} read by {}", reviewer.name));
        let moment = |since_us, what: &str, text: &str, failed| Moment {
            record: "0-7".into(),
            time: "2026-11-26T04:00:00.000000Z".into(),
            since_us,
            what: what.into(),
            words: "reads".into(),
            text: text.into(),
            failed,
            received: None,
        };
        let evil = "<script>alert(1)</script>\u{202e}\u{1b}[2J";
        let received = Received {
            lines: vec![
                Line::Columns(vec!["id".into(), format!("pan {evil}")]),
                Line::Row(vec![Some("7".into()), Some("411111******1111".into())]),
                Line::Row(vec![Some("8".into()), Some("x".repeat(180))]),
                Line::Row(vec![None, Some(evil.into())]),
                Line::Said(format!("notice: 00000 {evil}")),
                Line::Said("SELECT 2".into()),
            ],
            more: 4096,
        };
        let moments = vec![
            moment(0, "session-start", "", false),
            moment(1500, "allow", "SELECT <script>alert(1)</script>\u{202e}", false),
            Moment { received: Some(received), ..moment(2000, "received 5000 bytes", "", false) },
            moment(61_000_000, "block", "DROP TABLE payments", true),
        ];
        Ok(Timeline { id: id.into(), agent: "reconciler".into(), database: "payments".into(), left_off: 2, moments })
    }

    fn take_back(&self, id: &str, reviewer: &Reviewer, _login: &Login, reason: &str) -> Result<(), Rejected> {
        let reason = reason_of(reason)?;
        if self.approvals.revealed(id).is_some() {
            self.approvals.reveal_over(id);
        } else {
            self.approvals.take_back_standing(id).ok_or(Rejected::NothingStands)?;
        }
        self.hooks.lock().expect("whole").push(format!("{id} revoked by {}: {reason}", reviewer.name));
        Ok(())
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

    fn reload(&self, _: Option<u32>) -> Result<String, String> {
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
        agent_by: "unit reconciler.service".into(),
        groups: vec![],
        host: "pay-1".into(),
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
        rules: vec![Rule {
            name: "writes".into(),
            approvers,
            approvals: 1,
            all_groups: false,
            break_glass: vec![],
            message: None,
            terms: Arc::new(terms),
        }],
        policy: "ab".into(),
        record: "0-1".into(),
        asked_s: 1,
        expires_s: u64::MAX / 2,
        ..Ask::default()
    }
}
