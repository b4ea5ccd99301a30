//! The verdict on a text, by all that it depends on.

mod cache;
mod hits;
mod refusal;
mod watched;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use audit::token::{CardKey, CardTokens};
use audit::{StatementPart, VerdictFacts, VerdictPart};
use pan::Masked;
use policy::{Action, Policy, Question, Sensitive};
use sql::{ColumnRef, Name, Object, Pair, Scope, Setting, SettingValue, Statement, matches};

use crate::catalogs::{Catalog, is_masked, is_secret};
use crate::derived::{Derived, Places, Traced};
pub(crate) use crate::inner::Inner;
use crate::postgres::settings::{self, Rule};
pub use cache::{Lookups, StatementCache};
pub use hits::RuleHits;
pub(crate) use refusal::{Answer, DISK_FULL, MAKE_ROOM, Refusal, Why};
use watched::Watched;

/// One text and what is known of it. Immutable; sessions hold it while its statement runs.
pub(crate) struct Judged {
    /// The text as UTF-8: what [`Judged::span`] points into.
    pub(crate) text: String,
    /// The bytes that it came in, where they are not those of `text`.
    bytes: Option<Box<[u8]>>,
    /// What the record says of the statement, encoded once.
    pub(crate) part: StatementPart,
    meaning: Arc<Meaning>,
}

/// What is said of a text that holds for every text that differs from it in the values of its constants alone.
pub(crate) struct Meaning {
    key: Key,
    /// Its statements; none where it could not be parsed. Their places are those in the text that was judged.
    pub(crate) statements: Vec<Statement>,
    /// The length of that text.
    text_len: usize,
    /// Where the constants of that text begin, if it holds for others at all.
    constants: Option<Box<[usize]>>,
    /// What the record says of it beside its text.
    kinds: Vec<&'static str>,
    tables: Vec<Masked>,
    pub(crate) refusal: Option<Refusal>,
    /// The rule that decided, if one did.
    pub(crate) rule: Option<Masked>,
    /// Where it stands in the policy.
    pub(crate) rule_at: Option<u16>,
    /// What the record says when it is simply allowed.
    pub(crate) allowed: VerdictPart,
    /// Seconds since 1970 from which on the verdict is void.
    valid_until_s: Option<i64>,
    /// Touches, or may touch, a sensitive column of any kind: its errors may quote what stands there.
    pub(crate) sensitive: bool,
    /// Touches, or may touch, a column whose values nobody may see: its literals and parameters are shown to nobody.
    pub(crate) secret: bool,
    pub(crate) changes_data: bool,
    pub(crate) changes_catalog: bool,
    /// Has effects on what the session knows (settings, named statements, transactions of schemas): the slow path looks at it.
    pub(crate) has_effects: bool,
    /// How many COPYs from the client are in it.
    pub(crate) copies_in: u32,
    /// May change `client_encoding`.
    pub(crate) changes_encoding: bool,
    /// Where its values come from; `None` where nothing in the database is sensitive.
    pub(crate) derived: Option<Derived>,
    /// So many rows of each result may leave.
    pub(crate) rows_over: Option<u64>,
    /// Whether its result is kept; `None`: its database says.
    pub(crate) results: Option<bool>,
    /// A rule asks how many rows it is expected to have, and nobody has said: it may be judged otherwise then.
    pub(crate) wants_estimate: bool,
    /// By which estimate it was judged.
    pub(crate) estimated_rows: Option<u64>,
}

/// For whom and where a verdict was taken.
#[derive(Debug)]
struct Key {
    latin1: bool,
    subject: Arc<policy::Subject>,
    database: String,
    schemas: Arc<[String]>,
    sure: bool,
    temporary_at: usize,
    version: u32,
}

/// Whom and what a verdict is taken for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) latin1: bool,
    pub(crate) subject: &'a Arc<policy::Subject>,
    pub(crate) database: &'a str,
    pub(crate) schemas: &'a Arc<[String]>,
    /// They are what the server searches, in this order.
    pub(crate) sure: bool,
    /// Where among them the session's temporary schema is searched.
    pub(crate) temporary_at: usize,
    pub(crate) catalog: &'a Catalog,
    pub(crate) wall_s: i64,
    pub(crate) limit: usize,
    /// What card numbers are told by in its record; `None`: nobody writes one.
    pub(crate) card_key: Option<&'a CardKey>,
    /// What the planner says of it. A verdict by an estimate is of one run, and is not kept.
    pub(crate) estimated_rows: Option<u64>,
}

impl<'a> Asked<'a> {
    fn of(&self, statement: &'a Statement) -> Question<'a> {
        Question {
            subject: self.subject,
            database: self.database,
            statement,
            schemas: self.schemas,
            schema: self.catalog.schema.as_deref(),
            estimated_rows: self.estimated_rows,
            wall_s: self.wall_s,
        }
    }
}

impl Key {
    fn is(&self, asked: &Asked<'_>) -> bool {
        self.latin1 == asked.latin1
            && (Arc::ptr_eq(&self.subject, asked.subject) || self.subject == *asked.subject)
            && self.database == asked.database
            && self.version == asked.catalog.version
            && (self.sure, self.temporary_at) == (asked.sure, asked.temporary_at)
            && (Arc::ptr_eq(&self.schemas, asked.schemas) || self.schemas == *asked.schemas)
    }
}

impl std::ops::Deref for Judged {
    type Target = Meaning;

    fn deref(&self) -> &Meaning {
        &self.meaning
    }
}

impl fmt::Debug for Judged {
    /// No word of the statement.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judged").field("bytes", &self.bytes().len()).field("meaning", &self.meaning).finish()
    }
}

impl fmt::Debug for Meaning {
    /// The rule and the refusal: statements have words of the text in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Meaning { statements, rule, refusal, .. } = self;
        f.debug_struct("Meaning")
            .field("statements", &statements.len())
            .field("rule", rule)
            .field("refusal", refusal)
            .finish_non_exhaustive()
    }
}

impl Judged {
    /// The verdict on a text as it came and, read, as UTF-8.
    fn new(meaning: Arc<Meaning>, asked: &Asked<'_>, text: String) -> Judged {
        let record_text = if meaning.secret { Masked::of(sql::redact(&text).as_str()) } else { Masked::of(&text) };
        // Of a column whose values nobody may see there are no tokens either.
        let names_cards = !meaning.secret && record_text.as_str() != text;
        let tokens = asked.card_key.filter(|_| names_cards).map(|key| key.tokens(text.as_bytes())).unwrap_or_default();
        let part = StatementPart::of(&audit::Statement {
            kinds: &meaning.kinds,
            tables: &meaning.tables,
            text: (&record_text).into(),
            text_bytes: asked.bytes.len() as u64,
            redacted: meaning.secret,
            tokens: &tokens,
        });
        let bytes = (asked.bytes != text.as_bytes()).then(|| asked.bytes.into());
        Judged { text, bytes, part, meaning }
    }

    /// A text that nobody has read, for this reason. The record has its length alone.
    pub(crate) fn unread(policy: &Policy, asked: &Asked<'_>, refusal: Refusal) -> Judged {
        let meaning = mean(policy, asked, 0, Err(refusal));
        let part = StatementPart::of(&audit::Statement {
            kinds: &[],
            tables: &[],
            text: (&Masked::literal("[a long text that was not read]")).into(),
            text_bytes: asked.bytes.len() as u64,
            redacted: true,
            tokens: &CardTokens::default(),
        });
        let text = decode(asked.bytes, asked.latin1).unwrap_or_default();
        let bytes = (asked.bytes != text.as_bytes()).then(|| asked.bytes.into());
        Judged { text, bytes, part, meaning: Arc::new(meaning) }
    }

    /// Taken of these bytes for this question, and no time window has opened or closed since.
    pub(crate) fn is_for(&self, asked: &Asked<'_>) -> bool {
        self.bytes() == asked.bytes && self.key.is(asked) && self.is_valid(asked.wall_s)
    }

    /// Where in the text its statement number `at` stands. In one that was judged by another of its shape all that differs stands in it.
    pub(crate) fn span(&self, at: usize) -> Option<Range<usize>> {
        let span = &self.statements.get(at)?.span;
        Some(span.start..(span.end + self.text.len()).checked_sub(self.text_len)?)
    }

    /// The bytes as they came: what a later judgement is taken of.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(self.text.as_bytes())
    }
}

impl Meaning {
    /// No time window has opened or closed since.
    pub(crate) fn is_valid(&self, wall_s: i64) -> bool {
        self.valid_until_s.is_none_or(|until| wall_s < until)
    }

    /// How the result of its statement number `at` is masked by the place of each column; empty: nothing in it is sensitive.
    pub(crate) fn places(&self, at: usize) -> &Places {
        self.derived.as_ref().and_then(|derived| derived.statements.get(at)).map_or(Places::NONE, |of| &of.places)
    }

    /// Whether it may run again without another look: it asks nothing, writes nothing anywhere, and its errors tell nothing.
    pub(crate) fn is_settled(&self) -> bool {
        self.derived.as_ref().is_none_or(Derived::is_settled)
    }

    /// It came in LATIN1.
    pub(crate) fn is_latin1(&self) -> bool {
        self.key.latin1
    }
}

/// Text as the server will read it: UTF-8 as it is, LATIN1 letter by letter. `None`: bytes that are no UTF-8.
fn decode(bytes: &[u8], latin1: bool) -> Option<String> {
    if latin1 {
        return Some(bytes.iter().map(|&byte| char::from(byte)).collect());
    }
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// Judges a text.
pub(crate) fn judge(policy: &Policy, asked: &Asked<'_>) -> Judged {
    judge_read(policy, asked, decode(asked.bytes, asked.latin1))
}

/// Judges a text that was read already; `None`: it could not be.
fn judge_read(policy: &Policy, asked: &Asked<'_>, text: Option<String>) -> Judged {
    let analysis = match text.as_deref() {
        Some(text) => analyze(asked, text).map_err(unjudged),
        None => {
            Err(Refusal::new(Why::Unjudged, "invalid byte sequence for encoding \"UTF8\"", "").with_code(*b"22021"))
        }
    };
    let text = text.unwrap_or_default();
    Judged::new(Arc::new(mean(policy, asked, text.len(), analysis)), asked, text)
}

/// What a text would do, and where its values come from as far as that is known of the database.
pub(crate) fn analyze(asked: &Asked<'_>, text: &str) -> Result<sql::Analysis, sql::Refusal> {
    let limits =
        sql::Limits { bytes: asked.limit.saturating_mul(2), server: asked.catalog.server(), ..sql::Limits::default() };
    match &asked.catalog.schema {
        None => sql::analyze(text, &limits),
        Some(schema) => {
            let temporary_at = Some(asked.temporary_at);
            let context = sql::Context { temporary_at, ..sql::Context::new(schema, asked.schemas) };
            sql::analyze_in(text, &limits, &context)
        }
    }
}

/// The schemas that the server searches, the session's temporary one among them.
pub(crate) fn searched(schemas: &[String], temporary_at: usize) -> Vec<String> {
    let mut path = schemas.to_vec();
    path.insert(temporary_at.min(path.len()), "pg_temp".to_owned());
    path
}

/// What a text of that length comes to.
fn mean(policy: &Policy, asked: &Asked<'_>, text_len: usize, analysis: Result<sql::Analysis, Refusal>) -> Meaning {
    let (statements, constants, mut refusal) = match analysis {
        Ok(analysis) => (analysis.statements, analysis.constants, None),
        Err(refusal) => (Vec::new(), None, Some(refusal)),
    };
    let Decided { mut rule, mut rule_at, valid_until_s, wants_estimate } =
        decide(policy, asked, &statements, &mut refusal);
    let unjudged = refusal.as_ref().is_some_and(|refusal| refusal.why == Why::Unjudged);
    let derived = trace(policy, asked, &statements);
    let found = derived.as_ref().and_then(|derived| derived.refusal.as_ref());
    if outdoes(found, refusal.as_ref()) {
        refusal = found.cloned();
        (rule, rule_at) = (None, None);
    }
    let rows_over = statements.iter().filter_map(|statement| policy::rows_over(policy, &asked.of(statement))).min();
    let results = statements.iter().filter_map(|statement| policy::results(policy, &asked.of(statement))).max();
    let watched = Watched::of(policy, asked.database);
    let touched = |which: fn(&Sensitive) -> bool, may_hide: bool| {
        may_hide && unjudged && watched.of_kind(which).next().is_some()
            || statements.iter().any(|statement| watched.touched_by(statement, which, may_hide))
    };
    // What is kept is kept for long; an error is of what the database holds now.
    let secret = touched(is_secret, true);
    let sensitive =
        derived.as_ref().is_some_and(|derived| derived.sensitive) || touched(is_masked, !asked.catalog.is_clean);
    let rule_name = rule.as_ref().map(Into::into);
    let allowed = with_version(policy, |version| {
        VerdictPart::of(&VerdictFacts {
            verdict: audit::Verdict::Allow,
            rule: rule_name,
            reason: None,
            policy: version.into(),
        })
    });
    Meaning {
        key: Key {
            latin1: asked.latin1,
            subject: Arc::clone(asked.subject),
            database: asked.database.to_owned(),
            schemas: Arc::clone(asked.schemas),
            sure: asked.sure,
            temporary_at: asked.temporary_at,
            version: asked.catalog.version,
        },
        kinds: kinds(statements.iter()),
        tables: tables(statements.iter()),
        text_len,
        constants,
        allowed,
        sensitive,
        secret,
        // What could not be judged may change anything.
        changes_data: statements.iter().any(|statement| statement.changes_data) || unjudged,
        changes_catalog: statements.iter().any(|statement| statement.changes_catalog) || unjudged,
        has_effects: statements
            .iter()
            .any(|statement| !statement.settings.is_empty() || !statement.prepared.is_empty()),
        copies_in: statements
            .iter()
            .filter_map(|statement| statement.copy.as_ref())
            .filter(|copy| copy.direction == sql::CopyDirection::In && copy.end == sql::CopyEnd::Client)
            .fold(0, |count, _| count + 1),
        changes_encoding: unjudged
            || statements
                .iter()
                .flat_map(|statement| &statement.settings)
                .any(|setting| *settings::rule(&setting.name) == Rule::Encoding || setting.name == "*"),
        refusal,
        rule,
        rule_at,
        valid_until_s,
        derived,
        rows_over,
        results,
        wants_estimate,
        estimated_rows: asked.estimated_rows,
        statements,
    }
}

/// With the policy's version as a record has it. It is asked for at each verdict, and seldom another one than before.
fn with_version<T>(policy: &Policy, body: impl FnOnce(&Masked) -> T) -> T {
    thread_local! {
        static LAST: RefCell<Option<(String, Masked)>> = const { RefCell::new(None) };
    }
    let version = policy.version();
    LAST.with_borrow_mut(|last| match last {
        Some((of, masked)) if of == version => body(masked),
        _ => body(&last.insert((version.to_owned(), Masked::of(version))).1),
    })
}

/// Where the values of a text come from, where the database holds anything sensitive; what rules alone ask of it they judge themselves.
fn trace(policy: &Policy, asked: &Asked<'_>, statements: &[Statement]) -> Option<Derived> {
    let schema = asked.catalog.schema.as_deref().filter(|_| asked.catalog.guards && !statements.is_empty())?;
    let traced = Traced {
        policy,
        catalog: asked.catalog,
        schema,
        subject: asked.subject,
        database: asked.database,
        schemas: asked.schemas,
        temporary_at: asked.temporary_at,
        sure: asked.sure,
        wall_s: asked.wall_s,
    };
    Some(traced.judge(statements))
}

/// Whether the new refusal says more than what is known.
fn outdoes(new: Option<&Refusal>, known: Option<&Refusal>) -> bool {
    new.is_some_and(|new| known.is_none_or(|known| new.why.rank() > known.why.rank()))
}

/// The rule that decided, and how long it holds.
#[derive(Default)]
struct Decided {
    rule: Option<Masked>,
    rule_at: Option<u16>,
    valid_until_s: Option<i64>,
    wants_estimate: bool,
}

/// Policy's answer on all statements, and their settings.
fn decide(policy: &Policy, asked: &Asked<'_>, statements: &[Statement], refusal: &mut Option<Refusal>) -> Decided {
    let mut decided = Decided::default();
    for statement in statements {
        let verdict = policy::judge(policy, asked.of(statement));
        decided.wants_estimate |= verdict.wants_estimate;
        decided.valid_until_s = match (decided.valid_until_s, verdict.valid_until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let unfit = policy::reveal(policy, &asked.of(statement)).and_then(Result::err);
        let unfit = unfit.map(|why| Refusal::new(Why::Blocked, &why.to_string(), "see [[reveal]] of the policy"));
        let found = Refusal::stronger(unfit, refused(&verdict));
        let found = Refusal::stronger(found, statement.settings.iter().find_map(refused_setting));
        // One refusal refuses all.
        if outdoes(found.as_ref(), refusal.as_ref()) {
            *refusal = found;
        } else if refusal.is_some() || decided.rule.is_some() {
            continue;
        }
        decided.rule = verdict.rule.map(Masked::of);
        decided.rule_at = verdict.rule.and_then(|rule| policy.place(rule));
    }
    decided
}

fn unjudged(refusal: sql::Refusal) -> Refusal {
    let hint = "the statement was not forwarded: it could not be parsed";
    match refusal {
        sql::Refusal::Syntax { message, .. } => Refusal::new(Why::Unjudged, &message, hint),
        sql::Refusal::TooDeep => {
            Refusal::new(Why::Unjudged, "statement is nested too deeply", hint).with_code(*b"54001")
        }
        sql::Refusal::TooLong => Refusal::new(Why::Unjudged, "statement is too long", hint).with_code(*b"54000"),
        sql::Refusal::TooMany => {
            Refusal::new(Why::Unjudged, "too many statements in one text", hint).with_code(*b"54000")
        }
        sql::Refusal::Unreadable => Refusal::new(Why::Unjudged, "statement could not be analyzed", hint),
    }
}

fn refused(verdict: &policy::Verdict<'_>) -> Option<Refusal> {
    let what = verdict.pair.map(said).unwrap_or_default();
    match verdict.action {
        Action::Allow => None,
        Action::Hold => Some(Refusal::new(
            Why::Held,
            verdict.message.unwrap_or("the statement is held for approval"),
            "a person must approve it",
        )),
        Action::Block => Some(match (verdict.message, verdict.rule) {
            (Some(message), _) => Refusal::new(Why::Blocked, message, "the policy of this agent blocks it"),
            (None, Some(rule)) => Refusal::new(
                Why::Blocked,
                &format!("{what} is blocked by rule \"{rule}\""),
                "the policy of this agent blocks it",
            ),
            (None, None) => Refusal::new(
                Why::Blocked,
                &format!("no rule of the policy allows {what}"),
                "ask the operator for a rule that allows it",
            ),
        }),
    }
}

/// A pair in words: `select on public.payments`.
fn said(pair: &Pair) -> String {
    match &pair.object {
        Object::None => pair.kind.as_str().to_owned(),
        Object::Table(name) => format!("{} on {name}", pair.kind.as_str()),
        Object::Function(name) => format!("{} of function {name}", pair.kind.as_str()),
    }
}

fn refused_setting(setting: &Setting) -> Option<Refusal> {
    let hint = "this setting changes how statements are read and must keep its safe value";
    if setting.name.is_empty() {
        return Some(Refusal::new(Why::Blocked, "the name of a setting must be a constant", hint));
    }
    let rule = settings::rule(&setting.name);
    let name = &setting.name;
    let unsafe_value =
        || Some(Refusal::new(Why::Blocked, &format!("parameter \"{name}\" may not have this value"), hint));
    match (&setting.value, rule) {
        (_, Rule::Any) => None,
        // Somebody's later setting: what it does to a session is seen at that session's start.
        (_, Rule::Schemas | Rule::Role) if setting.scope == Scope::Stored => None,
        (SettingValue::Default, _) => None,
        (SettingValue::Unknown, _) => {
            Some(Refusal::new(Why::Blocked, &format!("the value of parameter \"{name}\" must be a constant"), hint))
        }
        (SettingValue::Known(words), rule) if settings::admits(rule, words) => None,
        (SettingValue::Known(_), _) => unsafe_value(),
    }
}

/// It names a column that is called so, or all of those of such a table.
fn names(sensitive: &Sensitive, statement: &Statement) -> bool {
    statement.columns.iter().any(|column| match column {
        ColumnRef::Named { name, .. } => matches(&sensitive.column, name),
        ColumnRef::All { .. } => has_table(sensitive, statement),
    })
}

fn has_table(sensitive: &Sensitive, statement: &Statement) -> bool {
    let is_it = |pair: &Pair| matches!(&pair.object, Object::Table(name) if matches(&sensitive.table, &name.name));
    statement.pairs.iter().any(is_it)
}

/// For a person: the sensitive columns that they name, and those of their tables, as the policy writes them.
pub(crate) fn sensitive_columns(policy: &Policy, database: &str, statements: &[&Statement]) -> Vec<Masked> {
    let is_of = |sensitive: &&Sensitive| {
        is_masked(sensitive)
            && statements.iter().any(|statement| {
                names(sensitive, statement) || sensitive.table != "*" && has_table(sensitive, statement)
            })
    };
    let named = policy.sensitive(database).filter(is_of).map(|Sensitive { schema, table, column, kind, .. }| {
        Masked::of(&format!("{schema}.{table}.{column} ({kind})"))
    });
    named.collect()
}

pub(crate) fn kinds<'a>(statements: impl Iterator<Item = &'a Statement>) -> Vec<&'static str> {
    let mut words: Vec<&str> =
        statements.flat_map(|statement| statement.kinds.iter().map(|kind| kind.as_str())).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Most texts name no more tables and functions.
const TABLES: usize = 16;

pub(crate) fn tables<'a>(statements: impl Iterator<Item = &'a Statement>) -> Vec<Masked> {
    let mut words: Vec<Cow<'_, str>> = Vec::with_capacity(TABLES);
    let named = statements.flat_map(|statement| &statement.pairs).filter_map(|pair| match &pair.object {
        Object::Table(Name { schema: None, name }) => Some(name.as_str().into()),
        // As it is displayed.
        Object::Table(Name { schema: Some(schema), name }) => {
            Some([schema.as_str(), ".", name.as_str()].concat().into())
        }
        Object::Function(name) => Some(format!("{name}()").into()),
        Object::None => None,
    });
    words.extend(named);
    words.sort_unstable();
    words.dedup();
    words.iter().map(|word| Masked::of(word)).collect()
}
