//! (subject, effects) -> verdict, and the words of approval.
//!
//! A verdict is taken per pair of a statement (kind, and the table or function it falls on):
//!
//! - any matching block refuses it; else any matching hold asks a person; else any matching allow lets it pass; a pair that no
//!   rule matches is refused. The statement gets the strictest of its pairs' answers. So the order of rules never matters.
//! - A hold needs no allow beside it: it is an allow on the condition that a person agrees. Adding one therefore never lets
//!   anything pass unasked, and adding a block never lets anything pass.
//! - A name without schema is judged as every name it may resolve to: each of them needs an allow, and a block or hold of any
//!   of them decides.
//!   Names that the server ships resolve to `pg_catalog`.
//! - Absent `agents`, `databases`, `statements`: any. Absent `tables` and `functions`: any object, or none. With `tables`, a rule
//!   matches pairs on these tables; with `functions`, pairs on these functions; and an allow also the pairs of its kinds of
//!   the groups `read` and `session` that fall on nothing (`SELECT 1`, `FETCH`), which reach no table.
//! - What several rules hold goes on when each of them has its approvals ([`holds`]).
//! - An allow may carry terms. `match = true`: a sensitive column may be compared with a whole value (on a hold it is a
//!   condition: the rule is about statements that do so, and a person's word lets them). `rows_over = N`: at most N rows
//!   of what it allows leave; of several allows for one pair the loosest holds, of several pairs the strictest.
//! - An allow whose `tables` or `functions` spell an object out, without a star, vouches for it: what it does beyond its text is the
//!   operator's to know.
//! - Conditions (`columns`, `where`, `unbounded`, `without_where`, `database_wide`, `estimated_rows_over`) are of the whole statement, and of the rule's
//!   `tables` where it has some. All of a rule's must hold. A fact that is not known is as if a block or hold asked for it.
//!   A block or hold with `columns`, `where` or `unbounded` is about what is read in the end: a view or function that reads one of
//!   its `tables` counts as that table.
//! - SET of `interceptor.reveal` asks people for clear values ([`reveal()`]): a `[[reveal]]` holds it, or nothing allows it.
//! - `claims`, and groups that tokens tell, are of an agent that a token is bound to. Without one nothing is known of them: an allow does not
//!   match, a block or hold does. An excluded group (`!group:x`) the other way round.
//! - `valid` and `hours` are UTC unless they carry an offset; outside of them a rule is as if it were not there.
//!
//! No IO, no clock: the time is part of the question.
#![forbid(unsafe_code)]

mod conditions;
mod judge;
mod load;
mod pattern;
mod patterns;
mod people;
mod reveal;
mod spelling;
mod terms;
mod window;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use patterns::{Names as NamePatterns, Objects};
use window::Window;

pub use judge::{holds, judge};
pub use pattern::{MATCH_BYTES_MAX, PATTERNS_MAX, Pattern};
pub use people::Person;
pub use reveal::{REVEAL, REVEAL_COLUMNS_MAX, REVEAL_S, Reveal, Unrevealed, ends_reveal, reveal};
pub use terms::{may_match, results, rows_over, vouches};
pub use window::instant;

/// Names that rules may use; a rule with another one is refused.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Agents of the configuration.
    pub agents: Vec<String>,
    /// Groups that some agent is in.
    pub groups: Vec<String>,
    /// Databases of the configuration.
    pub databases: Vec<String>,
    /// Groups that a token may put an agent into.
    pub signed_groups: Vec<String>,
    /// Claims of tokens that rules may match.
    pub claims: Vec<String>,
}

/// Who signed a policy off, as its own file says. Whoever may write the file may write that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// People, as they are called where it was approved.
    pub by: Vec<String>,
    /// Why, or under which number.
    pub reason: String,
}

/// A loaded policy.
#[derive(Clone, Debug)]
pub struct Policy {
    version: String,
    approved: Option<Approved>,
    sensitive: Vec<Sensitive>,
    scans: Vec<Scanned>,
    patterns: Vec<Pattern>,
    reveals: Vec<Reveal>,
    /// In the order of their names.
    rules: Vec<Rule>,
    /// Names of the claims that some rule asks for, each once.
    claims: Arc<[String]>,
}

/// One `[[rule]]`, resolved.
#[derive(Clone, Debug)]
struct Rule {
    name: String,
    agents: NamePatterns,
    /// What a token must say, each by name and pattern.
    claims: Vec<(String, String)>,
    databases: NamePatterns,
    /// Sorted; `None`: any.
    kinds: Option<sql::Kinds>,
    tables: Option<Objects>,
    functions: Option<Objects>,
    conditions: conditions::Conditions,
    action: Action,
    /// Of a hold.
    terms: Option<Arc<Terms>>,
    message: Option<String>,
    window: Window,
    /// An allow: whole values of sensitive columns may be compared for equality. A hold: that is what it is about, and a person's word
    /// lets it go on.
    may_match: bool,
    /// An allow: so many rows may leave.
    rows_over: Option<u64>,
    /// Of an allow or a hold: whether what comes back is kept in the record; `None`: its database says.
    results: Option<bool>,
}

/// What a hold asks for before its statement goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The rule; of a `[[reveal]]` its name too.
    pub rule: String,
    /// Who may approve: reviewers' names or `group:NAME`; none: any reviewer.
    pub approvers: Vec<String>,
    /// How many people must.
    pub approvals: u32,
    /// The approvers are groups, and each must have a person of its own among those who approve.
    pub all_groups: bool,
    /// Who may let it go on alone, loudly, in an emergency: reviewers' names or `group:NAME`; none: nobody.
    pub break_glass: Vec<String>,
    /// After so many seconds without a decision it is denied.
    pub expires_s: u32,
    /// For so many seconds one approval also covers the same statement with the same parameters; `None`: it is for one run.
    pub covers_s: Option<u32>,
    /// For so many seconds at most people may approve in advance whatever the rule holds; `None`: they may not.
    pub grant_s: Option<u32>,
    /// An approval is for about as many rows as the planner expects, and for no more.
    pub rows: bool,
    /// Whoever decides must have proved who it is so many seconds ago at most; `None`: any login that holds will do.
    pub max_age_s: Option<u32>,
    /// The rule's own words.
    pub message: Option<String>,
}

/// How long a held statement waits where its rule does not say.
pub const EXPIRES_S: u32 = 600;
/// The longest that a rule may let one wait, or an approval cover others.
pub const EXPIRES_S_MAX: u32 = 86_400;
/// The most people that a rule may ask for.
pub const APPROVALS_MAX: u32 = 8;

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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl Policy {
    /// Reads `policy.toml`. All of it is checked: a rule that could never be enforced is refused.
    pub fn parse(text: &str, names: &Names) -> Result<Policy, Error> {
        load::policy(text, names)
    }

    /// The first 16 hex digits of the SHA-256 of the text.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Who signed it off; `None`: its file names nobody.
    pub fn approved(&self) -> Option<&Approved> {
        self.approved.as_ref()
    }

    /// The columns that the policy names sensitive and that may be of this database.
    pub fn sensitive<'a>(&'a self, database: &'a str) -> impl Iterator<Item = &'a Sensitive> + 'a {
        self.sensitive.iter().filter(move |s| s.database.as_deref().is_none_or(|d| d == database))
    }

    /// The columns of this database that are searched in a mode of their own.
    pub fn scans<'a>(&'a self, database: &'a str) -> impl Iterator<Item = &'a Scanned> + 'a {
        self.scans.iter().filter(move |s| s.database.as_deref().is_none_or(|d| d == database))
    }

    /// The columns of this database that rules ask about: whoever describes it to `sql` marks them as watched.
    pub fn watched<'a>(&'a self, database: &'a str) -> Vec<ColumnPattern> {
        let of_database = |rule: &&Rule| rule.databases.matches(database);
        self.rules.iter().filter(of_database).flat_map(conditions::watched).collect()
    }

    /// Whether a rule for this database asks what only a traced statement tells: `columns`, `where`, `unbounded`.
    pub fn asks_of_columns(&self, database: &str) -> bool {
        self.rules.iter().any(|rule| rule.conditions.are_traced() && rule.databases.matches(database))
    }

    /// What is masked in this database beside card numbers, in the order of the file; at most [`PATTERNS_MAX`].
    pub fn patterns<'a>(&'a self, database: &'a str) -> impl Iterator<Item = &'a Pattern> + 'a {
        self.patterns.iter().filter(move |p| p.is_for(database))
    }

    /// Whose clear values an agent may ask to be shown, of this database.
    pub fn reveals<'a>(&'a self, database: &'a str) -> impl Iterator<Item = &'a Reveal> + 'a {
        self.reveals.iter().filter(move |reveal| reveal.databases.matches(database))
    }

    /// What this rule, or `reveal NAME`, asks for; `None`: there is none that holds.
    pub fn terms(&self, rule: &str) -> Option<Arc<Terms>> {
        let reveals = self.reveals.iter().map(|reveal| &reveal.terms);
        self.rules
            .iter()
            .filter_map(|rule| rule.terms.as_ref())
            .chain(reveals)
            .find(|terms| terms.rule == rule)
            .cloned()
    }

    /// Every rule, in the order of their names, and then every `[[reveal]]`.
    pub fn overview(&self) -> impl Iterator<Item = Overview<'_>> {
        let rules = self.rules.iter().map(|rule| Overview {
            name: &rule.name,
            action: rule.action,
            message: rule.message.as_deref(),
            terms: rule.terms.as_deref(),
        });
        let reveals = self.reveals.iter().map(|reveal| Overview {
            name: &reveal.terms.rule,
            action: Action::Hold,
            message: reveal.terms.message.as_deref(),
            terms: Some(&reveal.terms),
        });
        rules.chain(reveals)
    }

    /// The names of the rules that give this agent something (they allow, or hold), whatever database or hour they are for; one that wants a
    /// token's word too.
    pub fn given<'a>(&'a self, agent: &str, groups: &[String]) -> impl Iterator<Item = &'a str> {
        let subject = Subject { agent: agent.to_owned(), groups: groups.to_owned(), signed: None };
        let gives = move |rule: &&Rule| rule.action != Action::Block && rule.agents.covers(&subject, Doubt::Counts);
        self.rules.iter().filter(gives).map(|rule| rule.name.as_str())
    }

    /// Where the rule of this name, or `reveal NAME`, stands in [`Policy::overview`].
    pub fn place(&self, rule: &str) -> Option<u16> {
        let of_rule = self.rules.binary_search_by(|known| known.name.as_str().cmp(rule)).ok();
        let of_reveal = || self.reveals.iter().position(|reveal| reveal.terms.rule == rule);
        let place = of_rule.or_else(|| of_reveal().map(|at| at + self.rules.len()))?;
        u16::try_from(place).ok()
    }

    /// Names of the claims that rules ask for: of a token they make the difference, and no others do.
    pub fn claims(&self) -> &Arc<[String]> {
        &self.claims
    }

    /// How many rules there are.
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// The terms of every rule that holds, in the order of their names, and of every `[[reveal]]`.
    pub fn holds(&self) -> impl Iterator<Item = &Terms> {
        let reveals = self.reveals.iter().map(|reveal| &*reveal.terms);
        self.rules.iter().filter_map(|rule| rule.terms.as_deref()).chain(reveals)
    }
}

/// What there is to say of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Overview<'a> {
    /// Its name; of a `[[reveal]]` `reveal NAME`.
    pub name: &'a str,
    /// What it does.
    pub action: Action,
    /// Its own words.
    pub message: Option<&'a str>,
    /// Of a hold, whom it asks.
    pub terms: Option<&'a Terms>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The agent's name.
    pub agent: String,
    /// The groups that the configuration puts it into.
    pub groups: Vec<String>,
    /// What a token says of it; `None`: there is none, and nothing is known of what one would say.
    pub signed: Option<Signed>,
}

/// What an issuer has signed of an agent, as far as rules ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    groups: Vec<String>,
    claims: Vec<(String, String)>,
    mark: u64,
}

impl Signed {
    /// Of the groups that its claims put it into, and of claims by name; one with several values is there for each.
    pub fn new(groups: Vec<String>, claims: Vec<(String, String)>) -> Signed {
        let mut hasher = DefaultHasher::new();
        (&groups, &claims).hash(&mut hasher);
        Signed { mark: hasher.finish(), groups, claims }
    }

    /// The groups.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The claims.
    pub fn claims(&self) -> &[(String, String)] {
        &self.claims
    }

    /// The same without claims that are not named here: whom rules cannot tell apart shares what was judged for one of them.
    pub fn of_claims(&self, named: &[String]) -> Signed {
        let claims = self.claims.iter().filter(|(claim, _)| named.contains(claim));
        Signed::new(self.groups.clone(), claims.cloned().collect())
    }

    /// Finds a place in a table; two that say something else seldom share one.
    pub fn mark(&self) -> u64 {
        self.mark
    }
}

/// What is asked of a subject, where a part of it may not be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// What is not known is as if it were so: of rules that refuse or hold.
    Counts,
    /// What is not known is as if it were not so: of rules that allow.
    CountsNot,
}

impl Subject {
    /// Whether it is in a group of this name, where a token `may_tell`.
    pub(crate) fn is_in(&self, group: &str, may_tell: bool, doubt: Doubt) -> bool {
        let is_it = |of: &String| sql::matches(group, of);
        let unknown = may_tell && doubt == Doubt::Counts;
        self.groups.iter().any(is_it) || self.signed.as_ref().map_or(unknown, |signed| signed.groups.iter().any(is_it))
    }

    /// Whether this claim is as the pattern says. A token that does not have it says nothing of it.
    pub(crate) fn claims(&self, (name, pattern): &(String, String), doubt: Doubt) -> bool {
        let said = self.signed.iter().flat_map(|signed| &signed.claims).filter(|(claim, _)| claim == name);
        let mut values = said.map(|(_, value)| value).peekable();
        match values.peek() {
            None => doubt == Doubt::Counts,
            Some(_) => values.any(|value| sql::matches(pattern, value)),
        }
    }
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
    /// Every schema that an unqualified name may resolve to, in order. `pg_catalog` need not be among them.
    pub schemas: &'a [String],
    /// What the database holds, where that is known: which names are views, and so stand for other tables.
    pub schema: Option<&'a sql::Schema>,
    /// The most rows that the database's planner expects of any step of it; `None`: it was not asked, or did not say.
    pub estimated_rows: Option<u64>,
    /// Wall clock, seconds since 1970 in UTC.
    pub wall_s: i64,
}

/// What a rule does. The order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Forward it.
    Allow,
    /// Ask a person.
    Hold,
    /// Refuse it.
    Block,
}

impl Action {
    /// As it is written in a rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Hold => "hold",
            Action::Block => "block",
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// What to do.
    pub action: Action,
    /// The rule that decided (of several, the first by name); `None`: no rule covers `pair`.
    pub rule: Option<&'a str>,
    /// The rule's own words, for whom it refuses or holds.
    pub message: Option<&'a str>,
    /// The pair that decided; `None` for an allow.
    pub pair: Option<&'a sql::Pair>,
    /// A time window opens or closes then: a kept verdict is void from that second on.
    pub valid_until: Option<i64>,
    /// Nobody has estimated its rows, and a rule asks for them: with an estimate the verdict may be another.
    pub wants_estimate: bool,
}

impl Verdict<'_> {
    /// The verdict as a sentence for people.
    pub fn sentence(&self, question: &Question<'_>) -> String {
        let agent = &question.subject.agent;
        let what = self.pair.map_or_else(|| "it".to_owned(), |pair| judge::said(pair, question));
        match (self.action, self.rule, self.message) {
            (Action::Allow, Some(rule), _) => format!("rule `{rule}` allows it for agent {agent}"),
            (Action::Allow, None, _) => format!("allowed for agent {agent}"),
            (_, _, Some(message)) => message.to_owned(),
            (Action::Hold, rule, None) => {
                format!("rule `{}` holds {what} of agent {agent} for approval", rule.unwrap_or_default())
            }
            (Action::Block, Some(rule), None) => format!("rule `{rule}` blocks {what} for agent {agent}"),
            (Action::Block, None, None) => format!("no rule allows {what} for agent {agent}"),
        }
    }
}

/// A column that the policy names sensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensitive {
    /// Only in this database; `None`: in all.
    pub database: Option<String>,
    /// Schema; a star matches inside it.
    pub schema: String,
    /// Table; a star matches inside it.
    pub table: String,
    /// Column; a star matches inside it.
    pub column: String,
    /// What it holds.
    pub kind: SensitiveKind,
}

/// Columns by name; a star matches inside each part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnPattern {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Column.
    pub column: String,
}

/// One column of a `[[scan]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Only in this database; `None`: in all.
    pub database: Option<String>,
    /// Which.
    pub column: ColumnPattern,
    /// How eagerly it is searched.
    pub mode: ScanMode,
}

/// How eagerly a column is searched for card numbers. Where several tables name one, strict holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScanMode {
    /// Whole runs of digits and printed groupings.
    Balanced,
    /// Any window of digits, and the encodings that hide one.
    Strict,
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

impl SensitiveKind {
    const ALL: [(&'static str, SensitiveKind); 7] = [
        ("pan", SensitiveKind::Pan),
        ("cvv", SensitiveKind::Cvv),
        ("expiry", SensitiveKind::Expiry),
        ("track", SensitiveKind::Track),
        ("secret", SensitiveKind::Secret),
        ("pii", SensitiveKind::Pii),
        ("clear", SensitiveKind::Clear),
    ];
}

impl fmt::Display for SensitiveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = SensitiveKind::ALL.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| *name);
        f.write_str(name)
    }
}
