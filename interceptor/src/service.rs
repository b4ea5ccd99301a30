//! The running service as the rest of the program sees it: status, reload, its own records, the end.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use audit::{Event, Operator, SignedOff, Text};
use control::approvals::{Approvals, Granting, Login, Rejected, Reviewer, Standing};
use control::{
    Agent, Canary, Columns, Coverage, Database, Figure, FigureKind, Label, Latency, LiveSession, Looks, Mode, Policy,
    RuleBook, Shard, ShardState, Source, Status, Timeline,
};
use pan::Masked;
use proxy::{Handle, Spread, Stage};

use crate::config::{self, AgentBy, Config};
use crate::logins::Figures;
use crate::origin::Counters;
use crate::origins::Known;
use crate::{approvals, check, columns};

mod answers;
mod seen;
mod tokens;

/// How long a shard's loop may stand still before it counts as dead.
const SHARD_PATIENCE: Duration = Duration::from_secs(5);

/// Everything behind the admin socket.
pub struct Service {
    config: Config,
    /// Where the configuration was read.
    path: PathBuf,
    /// Taken at the end, when the shards are waited for.
    handle: Mutex<Option<Handle>>,
    counters: Counters,
    held: Approvals,
    known: Arc<Known>,
    started: Instant,
    state: Mutex<State>,
    logins: Figures,
    /// Whoever fetches tokens.
    workloads: OnceLock<Arc<control::Workloads>>,
}

struct State {
    policy: Arc<policy::Policy>,
    /// Since when.
    in_force: Instant,
    /// Why the last reload was refused.
    refused: Option<String>,
    /// What the configuration says otherwise by now, seen at the last reload.
    restart: Option<&'static str>,
    /// How many findings there were at the last look, and which of them were told in the journal.
    told: (u32, HashSet<(String, String, u32, i16)>),
    canary: Canary,
}

impl Service {
    /// Over started shards.
    pub fn new(
        path: &Path,
        config: Config,
        handle: Handle,
        policy: Arc<policy::Policy>,
        counters: Counters,
        held: Approvals,
        known: Arc<Known>,
    ) -> Service {
        let state = Mutex::new(State {
            policy,
            in_force: Instant::now(),
            refused: None,
            restart: None,
            told: Default::default(),
            canary: Canary::Unproven,
        });
        let path = path.to_path_buf();
        Service {
            config,
            path,
            handle: Mutex::new(Some(handle)),
            counters,
            held,
            known,
            started: Instant::now(),
            state,
            logins: Figures::default(),
            workloads: OnceLock::new(),
        }
    }

    /// Held statements.
    pub fn held(&self) -> &Approvals {
        &self.held
    }

    /// A word stands from now on. Recorded first.
    pub fn stands(&self, one: Standing) -> bool {
        tracing::warn!(approval = %one.id, agent = %one.agent, database = %one.database, until = one.until_s, "an approval stands for a while");
        approvals::recorded(operator(), &one, |event| self.record(event));
        self.held.stand(one, approvals::now_s())
    }

    /// A session shows no clear values any more.
    fn end_reveal(&self, shown: &control::approvals::Revealing) -> Result<(), Rejected> {
        let id = shown.id.parse().map_err(|_| Rejected::Unknown)?;
        let told = self.with_handle(|handle| handle.end_reveal(shown.session, id));
        told.and_then(Result::ok).ok_or(Rejected::Unheard)
    }

    /// Keys and certificates of the databases.
    pub fn tls(&self) -> &crate::tls::Legs {
        self.known.tls()
    }

    /// Serves the admin socket, and the page where it has one; tells webhooks.
    pub fn serve_control(
        self: &Arc<Service>,
        page: Option<control::Page>,
        webhooks: Vec<control::Webhook>,
        workloads: Option<Arc<control::Workloads>>,
    ) -> Result<control::Handle> {
        let settings = control::Settings { socket: self.config.admin_socket(), page, webhooks, workloads };
        let source: Arc<dyn Source> = Arc::<Service>::clone(self);
        control::serve(settings, source).context("the admin socket")
    }

    /// What the last canary came to.
    pub fn canary(&self, error: Option<String>) {
        self.state().canary = error.map_or(Canary::Works, Canary::Broken);
    }

    /// Reads the policy again and gives it to every shard; the old one stays where it does not load.
    pub fn reload(&self, by: Option<u32>) -> Result<String, String> {
        let previous = self.policy();
        let loaded = check::load_policy(&self.config).map_err(|e| e.to_string());
        let outcome = loaded.and_then(|policy| {
            let (version, rules, policy) = (policy.version().to_owned(), policy.rules(), Arc::new(policy));
            let told = self.with_handle(|handle| handle.reload(&policy));
            told.and_then(Result::ok)
                .ok_or("a shard does not listen; the policy may hold on some only: restart the service")?;
            let mut state = self.state();
            (state.policy, state.in_force) = (policy, Instant::now());
            Ok((version, rules))
        });
        self.state().refused = outcome.as_ref().err().cloned();
        self.state().restart = self.masking_changed();
        self.record_policy(by, &previous, &outcome);
        outcome.map(|(version, _)| version)
    }

    /// The masked format is set once, before anything is masked; a database's mode of search goes with its sessions.
    fn masking_changed(&self) -> Option<&'static str> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        (config::masking_of(&text)? != self.config.all_masking())
            .then_some("the configuration's masking has changed since the start: it takes a restart, and the old one holds until then")
    }

    /// The version of the policy in force.
    pub fn policy(&self) -> String {
        self.state().policy.version().to_owned()
    }

    /// What a reload could not put in force.
    pub fn wants_restart(&self) -> Option<&'static str> {
        self.state().restart
    }

    fn record_policy(&self, by: Option<u32>, previous: &str, outcome: &Result<(String, usize), String>) {
        let (policy, rules, message) = match outcome {
            Ok((version, rules)) => (version.as_str(), *rules, None),
            Err(why) => (previous, 0, Some(Masked::of(why))),
        };
        let (policy, previous) = (Masked::of(policy), Masked::of(previous));
        let approved = self.approved().filter(|_| outcome.is_ok());
        self.record(&Event::PolicyLoad {
            operator: by.map_or_else(operator, caller),
            policy: Text::Masked(&policy),
            previous: Some(Text::Masked(&previous)),
            rules: u32::try_from(rules).unwrap_or(u32::MAX),
            approved: approved.as_ref().map(signed_off),
            success: outcome.is_ok(),
            message: message.as_ref().map(Text::Masked),
        });
    }

    /// Who signed off the policy in force.
    fn approved(&self) -> Option<(Masked, Masked)> {
        let state = self.state();
        let approved = state.policy.approved()?;
        Some((Masked::of(&approved.by.join(", ")), Masked::of(&approved.reason)))
    }

    /// The first record of a run.
    pub fn record_start(&self) {
        let release =
            nix::sys::utsname::uname().map(|u| u.release().to_string_lossy().into_owned()).unwrap_or_default();
        let (kernel, policy) = (Masked::of(&release), Masked::of(self.state().policy.version()));
        let approved = self.approved();
        self.record(&Event::ServiceStart {
            operator: operator(),
            version: env!("CARGO_PKG_VERSION"),
            kernel: Text::Masked(&kernel),
            policy: Text::Masked(&policy),
            approved: approved.as_ref().map(signed_off),
            success: true,
            message: None,
        });
    }

    /// What the service before this one was killed over.
    pub fn record_left(&self, left: &approvals::Left) {
        tracing::warn!(approval = %left.approval, "a statement was held when the service was killed: it ended with its connection");
        self.record(&Event::AskLeft {
            operator: operator(),
            agent: Text::Masked(&left.agent),
            approval: Text::Masked(&left.approval),
            ask: left.ask,
            cause: "the service was killed, and the connection ended",
        });
    }

    /// The last record that the service itself asks for; sessions end after it.
    pub fn record_stop(&self) {
        self.record(&Event::ServiceStop { operator: operator(), cause: Text::Literal("told to stop"), success: true });
    }

    fn record(&self, event: &Event<'_>) {
        if !self.tell_record(event) {
            tracing::error!("a record of the service itself could not be written: no shard listens");
        }
    }

    /// False: no shard listens.
    fn tell_record(&self, event: &Event<'_>) -> bool {
        let mut payload = Vec::new();
        audit::encode(event, &mut payload);
        let heard = self.with_handle(|handle| handle.record(event.record_type().code(), &payload));
        heard.is_some_and(|told| told.is_ok())
    }

    /// Columns that are plainly cards and that no rule names.
    fn findings(&self) -> Vec<String> {
        if self.with_handle(found).unwrap_or(0) == 0 {
            return Vec::new();
        }
        let columns = Source::columns(self).columns.into_iter().filter(|column| column.looks == Looks::Cards);
        columns.map(|column| format!("{}/{} {}", column.database, column.dbname, column.column)).collect()
    }

    /// Findings that were not told here before: each once.
    pub fn new_findings(&self) -> Vec<String> {
        let count = self.with_handle(found).unwrap_or(0);
        if count == self.state().told.0 {
            return Vec::new();
        }
        let columns = Source::columns(self).columns.into_iter().filter(|column| column.looks == Looks::Cards);
        let mut state = self.state();
        state.told.0 = count;
        columns
            .filter(|c| state.told.1.insert((c.database.clone(), c.dbname.clone(), c.table_oid, c.attribute)))
            .map(|c| format!("{}/{} {}", c.database, c.dbname, c.column))
            .collect()
    }

    /// Slow statements that were not logged yet.
    pub fn slow(&self) -> Vec<proxy::Slow> {
        self.with_handle(Handle::slow).unwrap_or_default()
    }

    /// Every shard's loop has turned lately.
    pub fn ticked(&self, within: Duration) -> bool {
        self.with_handle(|handle| handle.ticked_since(since_ns(within))).unwrap_or(false)
    }

    /// Whether a shard has no room for records.
    pub fn record_is_full(&self) -> bool {
        self.with_handle(Handle::snapshots).unwrap_or_default().iter().any(|shard| shard.record_full > 0)
    }

    /// Why nothing is served any more, once every shard has stopped.
    pub fn all_stopped(&self) -> Option<String> {
        let fates = self.with_handle(Handle::fates)?;
        let stopped: Vec<String> = fates.iter().flatten().map(ToString::to_string).collect();
        (!stopped.is_empty() && stopped.len() == fates.len()).then(|| stopped.join("; "))
    }

    /// Ends all sessions and waits for the shards.
    pub fn drain(&self) -> Result<()> {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let patience = Duration::from_secs(self.config.service.drain_seconds.into());
        handle.map_or(Ok(()), |handle| crate::run::drain(handle, patience))
    }

    fn with_handle<T>(&self, use_it: impl FnOnce(&Handle) -> T) -> Option<T> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(use_it)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shards(&self) -> Vec<Shard> {
        let since_ns = since_ns(SHARD_PATIENCE);
        let pair = self.with_handle(|handle| (handle.snapshots(), handle.fates()));
        let (snapshots, fates) = pair.unwrap_or_default();
        let shard = |(number, (snapshot, fate)): (u16, (proxy::Snapshot, Option<proxy::Stopped>))| Shard {
            number,
            state: match fate {
                Some(fate) => ShardState::Stopped(fate.to_string()),
                None if snapshot.ticked_ns < since_ns => ShardState::Stuck,
                None if snapshot.record_full > 0 => ShardState::RecordFull,
                None => ShardState::Serving,
            },
            sessions: snapshot.sessions,
            last_seq: snapshot.last_seq,
            synced_seq: snapshot.synced_seq,
        };
        (0..).zip(snapshots.into_iter().zip(fates)).map(shard).collect()
    }

    /// Counters of the shards, each with its number, and of the kernel half.
    fn figures(&self) -> Vec<Figure> {
        let snapshots = self.with_handle(Handle::snapshots).unwrap_or_default();
        let shards = (0..).zip(snapshots).flat_map(|(number, snapshot)| {
            snapshot
                .each()
                .map(move |(name, value)| figure(name, value, vec![Label::Shard(number)]))
                .collect::<Vec<_>>()
        });
        let kernel = self.counters.all().unwrap_or_default().into_iter();
        let held = Figure {
            help: "Statements that wait for a person.",
            ..figure("approvals_pending", self.held.pending() as u64, Vec::new())
        };
        std::iter::once(held)
            .chain(self.logins_shown())
            .chain(shards)
            .chain(kernel.map(|(counter, value)| figure(counter.name(), value, Vec::new())))
            .collect()
    }

    fn latency(&self) -> Vec<Latency> {
        let spreads = self.with_handle(|handle| Stage::ALL.map(|stage| (stage, handle.spread(stage))));
        spreads.into_iter().flatten().map(|(stage, spread)| latency(stage, &spread)).collect()
    }

    fn sessions(&self) -> u64 {
        self.with_handle(Handle::snapshots).unwrap_or_default().iter().map(|s| s.sessions).sum()
    }
}

/// The metrics page has bounds from 2^10 ns (1 us) to 2^34 ns (17 s).
const POWERS: std::ops::RangeInclusive<u32> = 10..=34;

fn latency(stage: Stage, spread: &Spread) -> Latency {
    Latency {
        stage: stage.as_str(),
        what: stage.meaning(),
        count: spread.count(),
        sum_ns: spread.sum_ns,
        p50_ns: spread.quantile(0.5),
        p90_ns: spread.quantile(0.9),
        p99_ns: spread.quantile(0.99),
        p999_ns: spread.quantile(0.999),
        max_ns: spread.max_ns,
        below: POWERS.map(|power| (1 << power, spread.below(power))).collect(),
    }
}

/// How many findings all shards have.
fn found(handle: &Handle) -> u32 {
    handle.evidence().map(session::Evidence::findings).sum()
}

/// So long ago, on the clock that the shards tick by.
fn since_ns(ago: Duration) -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from);
    let since = now.ok().and_then(|now| now.checked_sub(ago)).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Counters that go down again.
const GAUGES: &[&str] = &[
    "approvals_pending",
    "roles_live",
    "roles_overdue",
    "sessions",
    "handshakes",
    "record_full",
    "result_bytes",
    "stopped",
    "ticked_ns",
    "last_seq",
    "synced_seq",
];

fn figure(name: &'static str, value: u64, labels: Vec<Label>) -> Figure {
    let kind = if GAUGES.contains(&name) { FigureKind::Gauge } else { FigureKind::Counter };
    let help = if labels.is_empty() {
        "Counted by the kernel half since it was attached."
    } else {
        "Of one shard since it started."
    };
    Figure { name, help, kind, labels, value }
}

impl Source for Service {
    fn status(&self) -> Status {
        let state = self.state();
        let (policy, refused, canary) =
            (state.policy.version().to_owned(), state.refused.clone(), state.canary.clone());
        let restart = state.restart.map(str::to_owned);
        drop(state);
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs(),
            policy: Policy { version: policy, refused },
            restart,
            shards: self.shards(),
            sessions: self.sessions(),
            agents: self.config.agents.iter().map(|agent| self.agent(agent)).collect(),
            databases: self.config.databases.iter().map(|database| self.database(database)).collect(),
            coverage: Coverage {
                attached: canary == Canary::Works,
                protected: self.config.agents.iter().map(|a| a.name.clone()).collect(),
                gaps: Vec::new(),
            },
            findings: self.findings(),
            canary,
            latency: self.latency(),
            figures: self.figures(),
        }
    }

    fn columns(&self) -> Columns {
        self.with_handle(|handle| columns::of_all(handle.evidence())).unwrap_or_default()
    }

    fn approvals(&self) -> &Approvals {
        &self.held
    }

    fn vote(&self, vote: &control::approvals::Vote) -> bool {
        let session = vote.session;
        if vote.break_glass {
            tracing::error!(approval = %vote.id, reviewer = %vote.reviewer, reason = %vote.reason, "BREAK GLASS: a person lets a held statement go on alone");
        }
        let sent = approvals::vote(vote).and_then(|vote| self.with_handle(|handle| handle.vote(session, vote)));
        sent.is_some_and(|sent| sent.is_ok())
    }

    fn sessions(&self) -> Vec<LiveSession> {
        self.open_sessions()
    }

    fn rules(&self) -> RuleBook {
        self.rule_book()
    }

    fn timeline(&self, id: &str, reviewer: &Reviewer, login: &Login) -> Result<Timeline, Rejected> {
        self.timeline_for(id, reviewer, login)
    }

    fn end_session(&self, id: &str, why: &str) -> bool {
        let Some(session) = seen::session_of(id) else { return false };
        if !Source::sessions(self).iter().any(|open| open.id == id) {
            return false;
        }
        tracing::warn!(session = id, why, "a reviewer ends a session");
        let told = self.with_handle(|handle| handle.end_session(session, Masked::of(why)));
        told.is_some_and(|told| told.is_ok())
    }

    fn webhook(&self, name: &str, failed: Option<&str>) {
        match failed {
            Some(why) => tracing::error!(
                webhook = name,
                why,
                "a webhook does not take its messages: who waits for it hears nothing"
            ),
            None => tracing::info!(webhook = name, "the webhook takes its messages again"),
        }
    }

    fn reload(&self, by: Option<u32>) -> Result<String, String> {
        Service::reload(self, by)
    }

    fn caller(&self, end: &std::os::fd::OwnedFd) -> Result<control::Caller, String> {
        crate::sys::peer::caller(end).map_err(|why| why.to_string())
    }

    fn hold(&self, process: &control::Caller) -> Result<control::IsThere, String> {
        crate::sys::peer::hold(process).map_err(|why| why.to_string())
    }

    fn processes(&self, cgroup: u64) -> Vec<control::Process> {
        self.known.processes(cgroup)
    }

    fn token_is(&self, ask: &control::SvidAsk, outcome: Result<(), &str>) {
        self.identified(ask, outcome);
    }

    fn token(&self, news: &control::TokenNews<'_>) -> bool {
        self.token_came(news)
    }

    fn grant(&self, wanted: &control::Wanted, reviewer: &Reviewer, login: &Login) -> Result<Standing, Rejected> {
        let policy = Arc::clone(&self.state().policy);
        let terms = policy.terms(&wanted.rule).ok_or(Rejected::Nothing("rule that holds"))?;
        if !self.config.agents.iter().any(|agent| agent.name == wanted.agent) {
            return Err(Rejected::Nothing("agent"));
        }
        if !self.config.databases.iter().any(|database| database.name == wanted.database) {
            return Err(Rejected::Nothing("database"));
        }
        let granting = Granting {
            id: approvals::fresh_id().ok_or(Rejected::Full)?,
            terms,
            agent: wanted.agent.clone(),
            database: wanted.database.clone(),
            policy: policy.version().to_owned(),
            for_s: wanted.seconds,
        };
        let one = granting.by(reviewer, login, &wanted.reason, approvals::now_s())?;
        if self.stands(one.clone()) { Ok(one) } else { Err(Rejected::Full) }
    }

    fn take_back(&self, id: &str, reviewer: &Reviewer, login: &Login, reason: &str) -> Result<(), Rejected> {
        let reason = control::approvals::reason(reason)?;
        let agent = match self.held.revealed(id) {
            Some(shown) => {
                self.end_reveal(&shown)?;
                shown.agent
            }
            None => self.held.take_back_standing(id).ok_or(Rejected::NothingStands)?.agent,
        };
        let (id, agent, name) = (Masked::of(id), Masked::of(&agent), Masked::of(&reviewer.name));
        let (login, reason) = (Masked::of(&login.words), Masked::of(&reason));
        self.record(&Event::GrantOver(audit::GrantOver {
            operator: operator(),
            agent: Text::Masked(&agent),
            approval: Text::Masked(&id),
            reviewer: Text::Masked(&name),
            login: Text::Masked(&login),
            justification: Text::Masked(&reason),
        }));
        Ok(())
    }
}

impl Service {
    /// How processes are known to be this agent; nothing for one that the configuration does not have.
    pub fn agent_by(&self, name: &str) -> String {
        let by = |agent: &config::Agent| match &agent.by {
            AgentBy::Unit(unit) => format!("unit {unit}"),
            AgentBy::Cgroup(path) => format!("cgroup {}", path.display()),
            AgentBy::User(user) => format!("user {user}"),
            AgentBy::Exec => "exec".into(),
        };
        self.config.agents.iter().find(|agent| agent.name == name).map(by).unwrap_or_default()
    }

    fn agent(&self, agent: &config::Agent) -> Agent {
        let by = self.agent_by(&agent.name);
        Agent { name: agent.name.clone(), by, sessions: self.known.sessions_of_agent(&agent.name) }
    }

    fn database(&self, database: &config::Database) -> Database {
        Database {
            name: database.name.clone(),
            protocol: "postgres".into(),
            mode: if database.mode == config::Mode::Enforce { Mode::Enforce } else { Mode::Observe },
            mask: database.mask,
            masking: database.masking.to_string(),
            sessions: self.known.sessions_on_database(&database.name),
        }
    }
}

/// The service itself.
/// Who asked on the admin socket: an account, as the kernel says.
fn caller(uid: u32) -> Operator<'static> {
    Operator { name: Text::Literal("admin socket"), uid, pid: 0 }
}

fn signed_off((by, reason): &(Masked, Masked)) -> SignedOff<'_> {
    SignedOff { by: Text::Masked(by), reason: Text::Masked(reason) }
}

fn operator() -> Operator<'static> {
    Operator { name: Text::Literal("service"), uid: nix::unistd::Uid::effective().as_raw(), pid: std::process::id() }
}
