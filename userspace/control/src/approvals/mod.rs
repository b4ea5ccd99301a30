//! Held statements as people see them: who waits for what, who may decide, and what came of it.
//!
//! The session is the one that holds, counts and lets go; what is kept here is for people, and a way for their words. The first word
//! that decides wins, and whoever comes second is told. All text is masked before it comes here, but the reasons that people give.

mod standing;
mod table;

use std::fmt;

use audit::Masked;
use serde::Serialize;

pub use standing::{Granting, Standing};
pub use table::Approvals;

/// Bounds of what may wait, and what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Held statements at a time.
    pub pending: usize,
    /// Of one agent.
    pub per_agent: usize,
    /// On one database.
    pub per_database: usize,
    /// Bytes of their texts, all together.
    pub bytes: usize,
    /// Ends that are remembered.
    pub history: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { pending: 1024, per_agent: 64, per_database: 256, bytes: 64 << 20, history: 500 }
    }
}

/// A person who may decide, as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewer {
    /// The name in records.
    pub name: String,
    /// The account on this host; `None`: none is known.
    pub uid: Option<u32>,
    /// What the identity provider calls the person (`sub`), where the configuration says.
    pub subject: Option<String>,
    /// Named in rules as `group:NAME`.
    pub groups: Vec<String>,
}

/// How it is known who a reviewer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// For the record.
    pub words: String,
    /// When the person last proved it, seconds since 1970; 0: nobody says.
    pub proved_s: u64,
}

/// What one rule that holds asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Reviewers' names or `group:NAME`; none: any reviewer.
    pub approvers: Vec<String>,
    /// How many people must approve.
    pub approvals: u32,
    /// Each of the approvers, which are groups, must have a person of its own among them.
    pub all_groups: bool,
    /// Who may let it go on alone in an emergency.
    pub break_glass: Vec<String>,
    /// Its own words.
    pub message: Option<String>,
    /// Its terms.
    #[serde(skip)]
    pub terms: std::sync::Arc<policy::Terms>,
}

/// What the database's planner expects of a statement; nothing has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The most rows of any step.
    pub rows: u64,
    /// The cost of all of it, in the planner's units.
    pub cost: u64,
}

/// A held statement.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ask {
    /// What a person types.
    pub id: String,
    /// The session that waits.
    pub session: u64,
    /// The agent's configured name.
    pub agent: String,
    /// How its processes are known: `unit reconciler.service`, `user svc-recon`, `cgroup /path`, `exec`.
    pub agent_by: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// The host that it runs on.
    pub host: String,
    /// Its account.
    pub uid: u32,
    /// Its process.
    pub pid: u32,
    /// Its executable's name.
    pub executable: String,
    /// Its cgroup's id.
    pub cgroup: u64,
    /// Its end of the socket.
    pub agent_address: String,
    /// The configured name of the database's endpoint.
    pub database: String,
    /// The database named at startup.
    pub dbname: String,
    /// The database's role.
    pub database_user: String,
    /// As the agent claims it.
    pub application: String,
    /// How it came.
    pub request: &'static str,
    /// The statement.
    pub text: String,
    /// Its literals and parameters are not shown.
    pub redacted: bool,
    /// Its kinds.
    pub kinds: Vec<&'static str>,
    /// Tables and functions that it names.
    pub tables: Vec<String>,
    /// Sensitive columns that it names, or that its tables may have, each with its kind.
    pub sensitive: Vec<String>,
    /// The values of its parameters.
    pub parameters: Vec<String>,
    /// It would run in a transaction that is open.
    pub in_transaction: bool,
    /// Since when that one has been open, with its locks; seconds since 1970.
    pub transaction_since_s: Option<u64>,
    /// So many rows of it may leave if it is approved.
    pub rows_bound: Option<u64>,
    /// What an approval that covers further runs is bound to, by a key of this host.
    #[serde(skip)]
    pub binding: [u8; 32],
    /// What the database's planner expects of it; absent: it was not asked, or did not say.
    pub estimate: Option<Estimate>,
    /// Every rule that holds it.
    pub rules: Vec<Rule>,
    /// The policy's version.
    pub policy: String,
    /// The record that asks.
    pub record: String,
    /// Seconds since 1970.
    pub asked_s: u64,
    /// Denied from then on.
    pub expires_s: u64,
}

/// What a person answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may go on, as far as this person is asked.
    Approve,
    /// It may not.
    Deny,
    /// It goes on at once, whoever else would be asked: an emergency, and an alert.
    BreakGlass,
}

impl Answer {
    /// As it stands in an address, and on the page.
    pub fn of(word: &str) -> Option<Answer> {
        match word {
            "approve" => Some(Answer::Approve),
            "deny" => Some(Answer::Deny),
            "break-glass" => Some(Answer::BreakGlass),
            _ => None,
        }
    }

    fn approves(self) -> bool {
        self != Answer::Deny
    }
}

/// What a person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Word {
    /// Yes or no.
    pub approve: bool,
    /// The person.
    pub reviewer: String,
    /// The person's groups when it was said.
    #[serde(skip)]
    pub groups: Vec<String>,
    /// How that is known.
    pub login: String,
    /// Why, masked.
    pub reason: String,
    /// Seconds since 1970.
    pub at_s: u64,
    /// The person broke glass.
    pub break_glass: bool,
    /// The approval or grant that stands, of which it is; absent: it was said about this statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under: Option<String>,
}

/// Where a held statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It waits.
    Pending,
    /// It went on.
    Approved,
    /// A person denied it.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// The agent cancelled it, or left.
    Cancelled,
    /// It was refused for another reason: the policy, the service's end, the record.
    Refused,
}

impl State {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Approved => "approved",
            State::Denied => "denied",
            State::Expired => "expired",
            State::Cancelled => "cancelled",
            State::Refused => "refused",
        }
    }
}

/// A held statement and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Approval {
    /// The statement.
    #[serde(flatten)]
    pub ask: Ask,
    /// Where it stands.
    pub state: State,
    /// Why, where it is over.
    pub why: Option<String>,
    /// What people said.
    pub words: Vec<Word>,
    /// When it was over, seconds since 1970.
    pub ended_s: Option<u64>,
}

/// All of them, those that wait first, by age; then the others, the youngest first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Listing {
    /// Waiting.
    pub pending: Vec<Approval>,
    /// Over.
    pub over: Vec<Approval>,
    /// Words that stand for a while.
    pub standing: Vec<Standing>,
    /// Clear values that are shown.
    pub reveals: Vec<Revealing>,
}

/// Clear values that an agent is shown, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revealing {
    /// The approval.
    pub id: String,
    /// The session.
    pub session: u64,
    /// The agent's configured name.
    pub agent: String,
    /// The database's.
    pub database: String,
    /// `reveal NAME`.
    pub rule: String,
    /// The agent's own, masked.
    pub reason: String,
    /// Whose values.
    pub columns: Vec<String>,
    /// Over then at the latest, seconds since 1970.
    pub until_s: u64,
}

/// A person's word on its way to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// About which.
    pub id: String,
    /// The session that waits.
    pub session: u64,
    /// Yes or no.
    pub approve: bool,
    /// The person.
    pub reviewer: String,
    /// The person's groups.
    pub groups: Vec<String>,
    /// How that is known.
    pub login: String,
    /// Why.
    pub reason: String,
    /// It was said before, and stands.
    pub standing: Option<Given>,
    /// The person breaks glass.
    pub break_glass: bool,
}

/// A word that was said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// To this approval, or as this grant.
    pub approval: String,
    /// Seconds since 1970.
    pub at_s: u64,
    /// It is a grant of this rule.
    pub rule: Option<String>,
}

/// Why a word does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// There is no such id, or it is forgotten.
    Unknown,
    /// Nothing stands under this id, or is shown under it (any more).
    NothingStands,
    /// It is over.
    Over {
        /// What became of it.
        state: State,
        /// In words.
        why: String,
    },
    /// Somebody else has decided a moment ago.
    Decided(String),
    /// This account is no reviewer of the configuration.
    NoReviewer(u32),
    /// The rules that hold it do not name this reviewer.
    NoApprover,
    /// No rule that holds it names this reviewer among those who may break glass.
    NoBreakGlass,
    /// The statement is of the reviewer's own account.
    Own,
    /// The login is older than the rule lets it be: so many seconds.
    Stale(u32),
    /// This reviewer has approved already; another one must.
    Again,
    /// No reason, or a longer one than is kept.
    Reason,
    /// The session's shard does not listen.
    Unheard,
    /// No rule of the policy has this name, or the configuration no such agent or database.
    Nothing(&'static str),
    /// The rule takes no grants.
    NoGrant,
    /// A grant of this rule lasts so many seconds at most.
    TooLong(u32),
    /// Too many words stand already, or it cannot be recorded.
    Full,
    /// No open session has this name, or its shard does not listen.
    NoSession,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Unknown => f.write_str("no held statement has this id"),
            Rejected::NothingStands => f.write_str("nothing stands under this id"),
            Rejected::Over { state, why } => write!(f, "it is over: {}: {why}", state.as_str()),
            Rejected::Decided(who) => write!(f, "{who} has decided already"),
            Rejected::NoReviewer(uid) => {
                write!(f, "no [[reviewer]] of the configuration has this account (uid {uid})")
            }
            Rejected::NoApprover => f.write_str("the rule that holds it does not name you among its approvers"),
            Rejected::NoBreakGlass => f.write_str("no rule that holds it names you in its `break_glass`"),
            Rejected::Own => f.write_str("nobody decides about a statement of their own account"),
            Rejected::Stale(age) => write!(f, "the rule wants a login of the last {age} s: log in again"),
            Rejected::Again => f.write_str("you have approved it already; somebody else must too"),
            Rejected::Reason => write!(f, "say why, in 1 to {} bytes", audit::JUSTIFICATION_MAX),
            Rejected::NoSession => f.write_str("no open session has this name, or its shard does not listen"),
            Rejected::Unheard => f.write_str("the session's shard does not listen"),
            Rejected::Nothing(what) => write!(f, "there is no such {what}"),
            Rejected::NoGrant => f.write_str("the rule takes no grants: it has no `grant = \"…\"`"),
            Rejected::TooLong(longest_s) => write!(f, "a grant of this rule lasts 1 to {longest_s} seconds"),
            Rejected::Full => f.write_str("too many approvals stand already, or it cannot be recorded"),
        }
    }
}

impl Rejected {
    /// As an HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Rejected::Unknown | Rejected::NothingStands | Rejected::NoSession | Rejected::Nothing(_) => 404,
            Rejected::Over { .. } | Rejected::Decided(_) | Rejected::Again => 409,
            Rejected::NoReviewer(_)
            | Rejected::NoApprover
            | Rejected::NoBreakGlass
            | Rejected::Own
            | Rejected::NoGrant
            | Rejected::Stale(_) => 403,
            Rejected::Reason | Rejected::TooLong(_) => 400,
            Rejected::Unheard | Rejected::Full => 503,
        }
    }
}

/// A reason as it may be kept: trimmed, of one line, within its bound, masked.
pub fn reason(text: &str) -> Result<String, Rejected> {
    let text = text.trim();
    if text.is_empty() || text.len() > audit::JUSTIFICATION_MAX {
        return Err(Rejected::Reason);
    }
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    Ok(Masked::of(&line).as_str().to_owned())
}
