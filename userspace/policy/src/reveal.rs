//! `[[reveal]]`: an agent asks people for clear values of listed columns, by a setting that PostgreSQL itself takes:
//! `SET interceptor.reveal = 'NAME: reason'`. What may be asked, by whom, and who must agree.

use std::fmt;
use std::sync::Arc;

use sql::{Kind, Scope, Setting, SettingValue, Statement};

use crate::patterns::Names as NamePatterns;
use crate::window::Window;
use crate::{ColumnPattern, Policy, Question, Terms};

/// The setting.
pub const REVEAL: &str = "interceptor.reveal";
/// How long clear values are shown where a `[[reveal]]` does not say.
pub const REVEAL_S: u32 = 900;
/// Columns of one `[[reveal]]`: each is named in every record that counts what was shown.
pub const REVEAL_COLUMNS_MAX: usize = 16;

/// One `[[reveal]]`.
#[derive(Clone, Debug)]
pub struct Reveal {
    /// Its name, which an agent may say in front of its reason.
    pub name: String,
    pub(crate) agents: NamePatterns,
    pub(crate) databases: NamePatterns,
    /// Whose values are shown.
    pub columns: Vec<ColumnPattern>,
    /// For so many seconds at most.
    pub lasts_s: u32,
    pub(crate) window: Window,
    /// Who must agree.
    pub terms: Arc<Terms>,
}

/// Why it cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrevealed {
    /// Not by a plain SET, alone in its statement, of a constant, for the session.
    Form,
    /// No reason is given.
    Reason,
    /// No `[[reveal]]` is for this agent and database now.
    Nothing,
    /// Several are, and none is named.
    Which(Vec<String>),
}

impl fmt::Display for Unrevealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unrevealed::Form => write!(f, "clear values are asked for by SET {REVEAL} = 'reason' alone"),
            Unrevealed::Reason => write!(f, "say why: SET {REVEAL} = 'reason'"),
            Unrevealed::Nothing => f.write_str("no [[reveal]] of the policy is for this agent on this database now"),
            Unrevealed::Which(names) => {
                write!(f, "say which, as SET {REVEAL} = 'NAME: reason': {}", names.join(", "))
            }
        }
    }
}

/// Does the statement ask for clear values, and for which? `None`: it does not.
pub fn reveal<'a>(policy: &'a Policy, question: &Question<'_>) -> Option<Result<(&'a Reveal, String), Unrevealed>> {
    let asks = |setting: &&Setting| setting.name == REVEAL && setting.scope != Scope::Stored;
    let setting = question.statement.settings.iter().find(asks)?;
    let words = match &setting.value {
        SettingValue::Default => return None,
        SettingValue::Known(words) if is_plain(question.statement, setting) => words.join(", "),
        SettingValue::Known(_) | SettingValue::Unknown => return Some(Err(Unrevealed::Form)),
    };
    Some(chosen(policy, question, &words))
}

/// Does the statement end what is shown: RESET, SET … TO DEFAULT, RESET ALL, DISCARD ALL, or a new question?
pub fn ends_reveal(statement: &Statement) -> bool {
    statement.settings.iter().any(|setting| setting.name == REVEAL || setting.name == "*" || setting.name.is_empty())
}

fn is_plain(statement: &Statement, setting: &Setting) -> bool {
    statement.kinds == [Kind::SET] && statement.settings.len() == 1 && setting.scope == Scope::Session
}

/// `NAME: reason` means that one; a reason alone the only one that there is.
fn chosen<'a>(policy: &'a Policy, question: &Question<'_>, words: &str) -> Result<(&'a Reveal, String), Unrevealed> {
    let of_agent = |reveal: &&Reveal| {
        reveal.agents.covers(question.subject, crate::Doubt::CountsNot)
            && reveal.databases.matches(question.database)
            && reveal.window.is_open(question.wall_s)
    };
    let all: Vec<&Reveal> = policy.reveals.iter().filter(of_agent).collect();
    let named =
        all.iter().find_map(|reveal| Some((*reveal, words.strip_prefix(reveal.name.as_str())?.strip_prefix(':')?)));
    let (reveal, reason) = match (named, all.as_slice()) {
        (Some(named), _) => named,
        (None, [only]) => (*only, words),
        (None, []) => return Err(Unrevealed::Nothing),
        (None, several) => return Err(Unrevealed::Which(several.iter().map(|reveal| reveal.name.clone()).collect())),
    };
    match reason.trim() {
        "" => Err(Unrevealed::Reason),
        reason => Ok((reveal, reason.to_owned())),
    }
}

impl Reveal {
    /// Is this one of its columns?
    pub fn shows(&self, schema: &str, table: &str, column: &str) -> bool {
        let one = |pattern: &ColumnPattern| {
            sql::matches(&pattern.schema, schema)
                && sql::matches(&pattern.table, table)
                && sql::matches(&pattern.column, column)
        };
        self.columns.iter().any(one)
    }

    /// The next second at which its window opens or closes.
    pub(crate) fn next_change(&self, wall_s: i64) -> Option<i64> {
        self.window.next_change(wall_s)
    }
}
