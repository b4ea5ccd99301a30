//! From a text to its statements.

use std::ops::Range;

use crate::grammar::Refused;
use crate::statement::{Object, Prepared, Statement};
use crate::tree::{List, Node, Unreadable, Value, at};
use crate::walk::Walk;
use crate::{Context, Kind, grammar, lineage, literals, redact};

/// How much of a text is looked at before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Statements in one text.
    pub statements: usize,
    /// Levels of the parse tree's nesting: a UNION takes one, an operator two, a subquery up to nine. 500 stay within
    /// half a megabyte of stack even in a debug build.
    pub depth: usize,
    /// Bytes of the parse tree, about: some 20 to 100 per token.
    pub tree_bytes: usize,
    /// Major version of the server that reads it: a function that another version has is the user's in this one.
    pub server: u16,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 1 << 20, statements: 10_000, depth: 500, tree_bytes: 64 << 20, server: crate::SERVER }
    }
}

/// What a text would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// Its statements in order; none for an empty text.
    pub statements: Vec<Statement>,
    /// The bytes where its constants begin, if what is said here holds for every text that differs in the values of its constants alone: a
    /// single statement that reads or changes rows, of which nobody has looked at a constant.
    pub constants: Option<Box<[usize]>>,
}

/// Why a text could not be judged. It must not be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The grammar rejects it.
    Syntax {
        /// The parser's words, without any piece of the text.
        message: String,
        /// Where, in characters from 1 as the protocol's field `P` counts; 0: not known.
        cursor: usize,
    },
    /// Nested deeper than the limit, or than the parser's stack.
    TooDeep,
    /// More bytes, or a larger parse tree, than the limit.
    TooLong,
    /// More statements than the limit.
    TooMany,
    /// The grammar's library wrote something that this crate cannot read: a fault of ours.
    Unreadable,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refusal::Syntax { message, .. } => message,
            Refusal::TooDeep => "the statement is nested too deeply",
            Refusal::TooLong => "the statement is too long",
            Refusal::TooMany => "too many statements in one text",
            Refusal::Unreadable => "the statement could not be analyzed",
        })
    }
}

impl std::error::Error for Refusal {}

/// What a text would do, statement by statement. A text without a statement (empty, or comments alone) has none.
pub fn analyze(text: &str, limits: &Limits) -> Result<Analysis, Refusal> {
    read(text, limits, None)
}

/// As [`analyze`], with the lineage of each statement in a database that is known.
pub fn analyze_in(text: &str, limits: &Limits, context: &Context<'_>) -> Result<Analysis, Refusal> {
    read(text, limits, Some(context))
}

fn read(text: &str, limits: &Limits, context: Option<&Context<'_>>) -> Result<Analysis, Refusal> {
    if text.len() > limits.bytes {
        return Err(Refusal::TooLong);
    }
    // As long as the tree lives, and no longer.
    let prepared = |name: &str| context.and_then(|context| (context.prepared)(name));
    let cursors = |name: &str| context.and_then(|context| (context.cursors)(name));
    let arena = grammar::Arena::take();
    match grammar::parse(text, &arena, limits.depth, limits.tree_bytes) {
        Ok(parsed) => {
            let lineage = context.map(|known| {
                let context = Context {
                    prepared: &prepared,
                    cursors: &cursors,
                    temporary_at: known.temporary_at,
                    ..Context::new(known.schema, known.schemas)
                };
                lineage::Text::new(&context, &arena)
            });
            let statements = statements(text, parsed.statements, &arena, limits, lineage)?;
            // All trees that were read for it are.
            if !arena.is_sound() {
                return Err(Refusal::Unreadable);
            }
            let constants = literals::shared(&statements, parsed.literals);
            Ok(Analysis { statements, constants })
        }
        Err(Refused::Fault(fault)) => Err(refusal(&fault)),
        Err(Refused::Unreadable(Unreadable::TooDeep)) => Err(Refusal::TooDeep),
        Err(Refused::Unreadable(Unreadable::TooLong)) => Err(Refusal::TooLong),
        Err(Refused::Unreadable(Unreadable::Malformed)) => Err(Refusal::Unreadable),
    }
}

fn statements<'t>(
    text: &str,
    raw: List<'t>,
    arena: &'t grammar::Arena,
    limits: &Limits,
    mut lineage: Option<lineage::Text<'t>>,
) -> Result<Vec<Statement>, Refusal> {
    if raw.len() > limits.statements {
        return Err(Refusal::TooMany);
    }
    let mut statements = Vec::with_capacity(raw.len());
    for raw in raw.iter().filter_map(Value::as_node) {
        let node = raw.node(at!("stmt")).ok_or(Refusal::Unreadable)?;
        let span = span(text, raw).ok_or(Refusal::Unreadable)?;
        let statement = add_statement(&mut statements, text, node, arena, span, limits.server);
        let statement = statement.ok_or(Refusal::Unreadable)?;
        if let Some(known) = &mut lineage {
            statement.lineage = Some(known.follow(node, statement, text));
        }
    }
    if statements.len() == raw.len() { Ok(statements) } else { Err(Refusal::Unreadable) }
}

/// Adds a statement in its place: it is large, and is not moved there. `None`: it cannot be read.
fn add_statement<'s, 't>(
    statements: &'s mut Vec<Statement>,
    text: &str,
    node: Node<'t>,
    arena: &'t grammar::Arena,
    span: Range<usize>,
    server: u16,
) -> Option<&'s mut Statement> {
    let mut walk = Walk::of(server, arena);
    walk.statement(node);
    let columns = walk.finish();
    for prepared in &mut walk.prepared {
        if let Prepared::Prepare { inner, .. } = prepared {
            *inner = prepared_text(text, &span)?;
        }
    }
    if walk.pairs.is_empty() {
        walk.effect(Kind::UNKNOWN, Object::None);
    }
    let pairs = walk.pairs;
    let mut kinds: Vec<Kind> = pairs.iter().map(|pair| pair.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    statements.push(Statement {
        span,
        changes_data: kinds.iter().any(|kind| kind.changes_data()),
        pairs,
        kinds,
        columns,
        settings: walk.settings,
        prepared: walk.prepared,
        copy: walk.copy,
        transaction: walk.transaction,
        changes_catalog: walk.changes_catalog,
        search_path_sensitive: walk.search_path_sensitive,
        without_where: walk.without_where.into_iter().collect(),
        harmless_calls: walk.harmless_calls,
        is_database_wide: walk.is_database_wide,
        lineage: None,
    });
    statements.last_mut()
}

/// Where the query of `CREATE VIEW name AS query` stands in the statement.
pub fn defining_query(statement: &str) -> Option<Range<usize>> {
    prepared_text(statement, &(0..statement.len()))
}

/// The bytes after `PREPARE name (types) AS`.
fn prepared_text(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    /// The scanner's number of the keyword AS (`pg_query_scan_tokens.h`); `(` and `)` have their ASCII codes.
    const AS: i32 = 295;
    let tokens = grammar::scan(text.get(span.clone())?).ok()?;
    let mut nested = 0_usize;
    let mut tokens = tokens.iter().filter(|token| !redact::COMMENTS.contains(&token.number));
    tokens.find(|token| {
        match token.number {
            40 => nested += 1,
            41 => nested = nested.saturating_sub(1),
            _ => {}
        }
        nested == 0 && token.number == AS
    })?;
    Some(span.start + tokens.next()?.start..span.end)
}

/// Where the query of `COPY (query) TO …` stands in the statement; `None`: it is no such.
pub fn copied_query(statement: &str) -> Option<Range<usize>> {
    let tokens = grammar::scan(statement).ok()?;
    let mut tokens = tokens.iter().filter(|token| !redact::COMMENTS.contains(&token.number));
    let word = |token: &grammar::Token| statement.get(token.start..token.end).map(str::to_ascii_lowercase);
    let is_copy = word(tokens.next()?)? == "copy";
    let first = tokens.next().filter(|token| is_copy && token.number == 40)?;
    let mut nested = 1_usize;
    let last = tokens.find(|token| {
        match token.number {
            40 => nested += 1,
            41 => nested -= 1,
            _ => {}
        }
        nested == 0
    })?;
    (word(tokens.next()?)? == "to").then_some(first.end..last.start)
}

/// The bytes of a statement without the white space and comments around it.
fn span(text: &str, raw: Node<'_>) -> Option<Range<usize>> {
    let start = usize::try_from(raw.int(at!("stmt_location"))).ok()?;
    let end = match usize::try_from(raw.int(at!("stmt_len"))).ok()? {
        0 => text.len(),
        length => start.checked_add(length)?,
    };
    let words = text.get(start..end)?;
    if words.contains("--") || words.contains("/*") {
        let tokens = grammar::scan(words).ok()?;
        let mut own = tokens.iter().filter(|token| !redact::COMMENTS.contains(&token.number));
        let first = own.next()?;
        let last = own.next_back().unwrap_or(first);
        return Some(start + first.start..start + last.end);
    }
    let lead = words.len() - words.trim_ascii_start().len();
    let tail = words.len() - words.trim_ascii_end().len();
    (lead + tail <= words.len()).then(|| start + lead..end - tail)
}

fn refusal(fault: &grammar::Fault) -> Refusal {
    let message = fault.message.as_str();
    if message.starts_with("stack depth limit exceeded") || message.starts_with("memory exhausted") {
        return Refusal::TooDeep;
    }
    Refusal::Syntax { message: unquoted(message), cursor: fault.cursor }
}

/// The parser's message without what it quotes of the text: a literal there may be a card number.
fn unquoted(message: &str) -> String {
    let message = message.split(" at or near ").next().unwrap_or_default();
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) => {
            let head = message.get(..first).unwrap_or_default();
            let tail = if last > first { message.get(last + 1..).unwrap_or_default() } else { "" };
            format!("{head}\"...\"{tail}")
        }
        _ => message.to_owned(),
    }
}
