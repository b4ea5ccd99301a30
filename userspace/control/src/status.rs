//! What the service says of itself.
use serde::Serialize;

use crate::latency::Latency;

/// The running service.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since it began to serve.
    pub uptime_s: u64,
    /// The policy in force.
    pub policy: Policy,
    /// What of the configuration a reload could not put in force.
    pub restart: Option<String>,
    /// Every shard.
    pub shards: Vec<Shard>,
    /// Sessions that are open, all shards together.
    pub sessions: u64,
    /// Every configured agent.
    pub agents: Vec<Agent>,
    /// Every configured database.
    pub databases: Vec<Database>,
    /// Columns that hold card numbers plainly and that no rule names, each as `database/dbname column`.
    pub findings: Vec<String>,
    /// Whether redirection was proven.
    pub canary: Canary,
    /// What is protected, and what is known not to be.
    pub coverage: Coverage,
    /// Where the time goes, stage by stage.
    pub latency: Vec<Latency>,
    /// Everything that is counted.
    pub figures: Vec<Figure>,
}

/// The policy in force.
#[derive(Clone, Debug, Serialize)]
pub struct Policy {
    /// Its version.
    pub version: String,
    /// Why the last reload was refused, where it was.
    pub refused: Option<String>,
}

/// One shard.
#[derive(Clone, Debug, Serialize)]
pub struct Shard {
    /// Its number.
    pub number: u16,
    /// What it does.
    pub state: ShardState,
    /// Its open sessions.
    pub sessions: u64,
    /// Its last record.
    pub last_seq: u64,
    /// Its last record that is on disk.
    pub synced_seq: u64,
}

/// What a shard does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "why")]
pub enum ShardState {
    /// It accepts and serves.
    Serving,
    /// It serves what is open.
    Draining,
    /// It has not ticked in time.
    Stuck,
    /// Its record has no room, so it refuses connections and statements until there is.
    RecordFull,
    /// It ended: why.
    Stopped(String),
}

/// One configured agent.
#[derive(Clone, Debug, Serialize)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// How it is known: `unit reconciler.service`, `user svc-recon`, `cgroup /path`, `exec`.
    pub by: String,
    /// Its open sessions.
    pub sessions: u64,
}

/// An open session.
#[derive(Clone, Debug, Serialize)]
pub struct LiveSession {
    /// What a person types: `SHARD.NUMBER`.
    pub id: String,
    /// The agent's configured name.
    pub agent: String,
    /// Its account.
    pub uid: u32,
    /// Its process.
    pub pid: u32,
    /// Its executable's name.
    pub executable: String,
    /// Who it is by a token that is bound to its job; `None`: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// That token is not one that the agent may have: it counts for nothing.
    pub disagrees: bool,
    /// Its end of the socket.
    pub agent_address: String,
    /// The configured name of the database's endpoint.
    pub database: String,
    /// How long it is open.
    pub age_s: u64,
    /// A person is asked about a statement of it.
    pub waits: bool,
}

/// What is done with a refused statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is refused.
    Enforce,
    /// It goes on and is recorded.
    Observe,
}

/// One configured database.
#[derive(Clone, Debug, Serialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its protocol.
    pub protocol: String,
    /// Its mode.
    pub mode: Mode,
    /// Whether what comes back is masked.
    pub mask: bool,
    /// How eagerly it is searched for card numbers: `balanced` or `strict`.
    pub masking: String,
    /// Its open sessions.
    pub sessions: u64,
}

/// Whether redirection was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "why")]
pub enum Canary {
    /// Not yet.
    Unproven,
    /// At the last try.
    Works,
    /// The last try failed: what was seen.
    Broken(String),
}

/// What is protected, and what is known not to be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Coverage {
    /// The kernel half is attached.
    pub attached: bool,
    /// Agents whose unit, cgroup or user is in the kernel's map.
    pub protected: Vec<String>,
    /// What was found open, each in one sentence with its cure.
    pub gaps: Vec<String>,
}

/// One figure of a time series.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Its name without the prefix `interceptor_`: lower-case words with `_`, the unit last; a counter's ends with `_total`.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// How it moves.
    pub kind: FigureKind,
    /// Of what.
    pub labels: Vec<Label>,
    /// The value.
    pub value: u64,
}

/// How a figure moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FigureKind {
    /// Only up, from 0 at start.
    Counter,
    /// Up and down.
    Gauge,
}

/// What tells one figure of a name from the others. None of these is a word that an agent chooses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// A shard's number.
    Shard(u16),
    /// A database's configured name.
    Database(String),
    /// A webhook's configured name.
    Webhook(String),
    /// One of our own words.
    Reason(&'static str),
}

impl Status {
    /// What an operator must not overlook, each in one sentence.
    pub fn warnings(&self) -> Vec<String> {
        let observed = self
            .databases
            .iter()
            .filter(|d| d.mode == Mode::Observe)
            .map(|d| format!("database {}: OBSERVE: what policy refuses is recorded and FORWARDED", d.name));
        let unmasked = self
            .databases
            .iter()
            .filter(|d| !d.mask)
            .map(|d| format!("database {}: NOT MASKED: card numbers reach agents as they are", d.name));
        let shards = self.shards.iter().filter_map(|shard| match &shard.state {
            ShardState::Serving => None,
            ShardState::Draining => Some(format!("shard {} is draining", shard.number)),
            ShardState::RecordFull => Some(format!(
                "shard {} REFUSES connections and statements (53100): its record has no room for a next segment; is the disk full?",
                shard.number
            )),
            ShardState::Stuck => Some(format!("shard {} has not ticked in time", shard.number)),
            ShardState::Stopped(why) => Some(format!("shard {} has stopped: {why}", shard.number)),
        });
        let canary = match &self.canary {
            Canary::Works => None,
            Canary::Unproven => Some("redirection is not proven yet".to_owned()),
            Canary::Broken(why) => Some(format!("REDIRECTION IS BROKEN: {why}")),
        };
        let attached = (!self.coverage.attached).then(|| "the kernel half is NOT ATTACHED".to_owned());
        let refused =
            self.policy.refused.iter().map(|why| {
                format!("the last reload was refused, policy {} stays in force: {why}", self.policy.version)
            });
        let gaps = self.coverage.gaps.iter().cloned();
        canary
            .into_iter()
            .chain(attached)
            .chain(observed)
            .chain(unmasked)
            .chain(shards)
            .chain(refused)
            .chain(self.restart.iter().cloned())
            .chain(self.findings.iter().map(|column| {
                format!("{column} holds CARD NUMBERS and no rule names it: declare it `kind = \"pan\"` ([[sensitive]])")
            }))
            .chain(gaps)
            .collect()
    }
}
