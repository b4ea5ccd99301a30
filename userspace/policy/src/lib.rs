//! (subject, effects) -> verdict, and the words of approval.
#![forbid(unsafe_code)]

/// Names that rules may use; a rule with another one is refused.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Agents of the configuration.
    pub agents: Vec<String>,
    /// Groups that some agent is in.
    pub groups: Vec<String>,
    /// Databases of the configuration.
    pub databases: Vec<String>,
}

/// A loaded policy.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    version: String,
    sensitive: Vec<Sensitive>,
}

/// Why a policy was refused at load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
    /// The known word nearest to the unknown one.
    pub nearest: Option<String>,
}

impl Policy {
    /// Reads `policy.toml`.
    pub fn parse(text: &str, names: &Names) -> Result<Policy, Error> {
        let _ = (text, names);
        Ok(Policy::default())
    }

    /// Digest of the text: 16 hex digits of its SHA-256.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The columns that the policy names sensitive and that may be of this database.
    pub fn sensitive<'a>(&'a self, database: &'a str) -> impl Iterator<Item = &'a Sensitive> + 'a {
        self.sensitive.iter().filter(move |s| s.database.as_deref().is_none_or(|d| d == database))
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The agent's name.
    pub agent: String,
    /// The groups it is in.
    pub groups: Vec<String>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// The endpoint's name in the configuration.
    pub database: &'a str,
    /// What the statement would do.
    pub statement: &'a sql::Statement,
    /// Every schema that an unqualified name may resolve to; `pg_catalog` is always looked at as well.
    pub schemas: &'a [String],
    /// Wall clock, seconds since 1970 in UTC.
    pub wall_s: i64,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Forward it.
    Allow,
    /// Ask a person.
    Hold,
    /// Refuse it.
    Block,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// What to do.
    pub action: Action,
    /// The rule that decided; `None`: no rule covers `pair`.
    pub rule: Option<&'a str>,
    /// The rule's own words, for whom it refuses.
    pub message: Option<&'a str>,
    /// The pair that decided; `None` for a plain allow.
    pub pair: Option<&'a sql::Pair>,
    /// A time window opens or closes then: a kept verdict is void from that second on.
    pub valid_until: Option<i64>,
}

/// Judges one statement.
pub fn judge<'a>(policy: &'a Policy, question: Question<'a>) -> Verdict<'a> {
    let _ = policy;
    let pair = question.statement.pairs.first();
    Verdict { action: Action::Block, rule: None, message: None, pair, valid_until: None }
}

/// A column that the policy names sensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensitive {
    /// Only in this database; `None`: in all.
    pub database: Option<String>,
    /// Schema, or `*`.
    pub schema: String,
    /// Table, or `*`.
    pub table: String,
    /// Column; a star matches inside it.
    pub column: String,
    /// What it holds.
    pub kind: SensitiveKind,
}

/// What a sensitive column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SensitiveKind {
    /// A card number: its ends stay.
    Pan,
    /// A card's check value: nothing stays.
    Cvv,
    /// An expiry date.
    Expiry,
    /// Magnetic-stripe data.
    Track,
    /// Any other secret.
    Secret,
    /// Data about a person.
    Pii,
    /// Never masked by content; its use is recorded.
    Clear,
}
