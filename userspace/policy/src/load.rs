//! `policy.toml` into rules. Every doubt is an error that names its line.

use std::fmt::Write as _;
use std::ops::Range;

use sha2::{Digest, Sha256};
use sql::{Group, Kind, Kinds, matches};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::patterns::{NamePattern, Names as NamePatterns, ObjectPattern, Objects, dotted};
use crate::spelling::nearest;
use crate::window::Window;
use crate::{Action, Approved, ColumnPattern, Error, Names, Policy, Rule, Sensitive, SensitiveKind};

mod conditions;
mod reveal;
mod search;
mod terms;

pub(crate) fn policy(text: &str, names: &Names) -> Result<Policy, Error> {
    let file = File { text };
    let root = DeTable::parse(text).map_err(|error| {
        file.error(error.span().unwrap_or_default(), format!("not TOML: {}", error.message().replace('\n', " ")))
    })?;
    file.keys(root.get_ref(), &["approved", "sensitive", "scan", "pattern", "reveal", "rule"])?;
    let approved = root.get_ref().get("approved").map(|table| read_approved(&file, table)).transpose()?;
    let mut sensitive = Vec::new();
    for table in file.tables(root.get_ref(), "sensitive")? {
        read_sensitive(&file, table, names, &mut sensitive)?;
    }
    let mut scans = Vec::new();
    for table in file.tables(root.get_ref(), "scan")? {
        search::read_scan(&file, table, names, &mut scans)?;
    }
    let mut patterns = Vec::new();
    for table in file.tables(root.get_ref(), "pattern")? {
        search::read_pattern(&file, table, names, &mut patterns)?;
    }
    let mut reveals = Vec::new();
    for table in file.tables(root.get_ref(), "reveal")? {
        reveal::read(&file, table, (names, &sensitive), &mut reveals)?;
    }
    let mut rules: Vec<Rule> = Vec::new();
    for table in file.tables(root.get_ref(), "rule")? {
        let rule = read_rule(&file, table, names)?;
        if rules.iter().any(|known| known.name == rule.name) {
            return Err(file.error(table.span(), format!("the name `{}` is taken by another rule", rule.name)));
        }
        rules.push(rule);
    }
    rules.sort_by(|one, other| one.name.cmp(&other.name));
    let mut claims: Vec<String> = rules.iter().flat_map(|rule| &rule.claims).map(|(claim, _)| claim.clone()).collect();
    claims.sort();
    claims.dedup();
    let claims = claims.into();
    Ok(Policy { version: version(text), approved, sensitive, scans, patterns, reveals, rules, claims })
}

/// `[approved]`: all of it or none.
fn read_approved(file: &File<'_>, table: &Table<'_>) -> Result<Approved, Error> {
    let of = file.table(table)?;
    file.keys(of, &["by", "reason"])?;
    let by = file.list(of, "by")?.ok_or_else(|| file.error(table.span(), "`by` is missing"))?;
    let reason = file.required(of, "reason", table)?.text.to_owned();
    Ok(Approved { by: by.iter().map(|word| word.text.to_owned()).collect(), reason })
}

fn version(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The file's text, to say where something stands; and the shapes that values may have.
struct File<'t> {
    text: &'t str,
}

type Table<'t> = Spanned<DeValue<'t>>;

/// A string and where it stands.
struct Word<'t> {
    text: &'t str,
    span: Range<usize>,
}

impl File<'_> {
    fn error(&self, span: Range<usize>, message: impl Into<String>) -> Error {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error { line, message: message.into(), nearest: None }
    }

    fn keys(&self, table: &DeTable<'_>, known: &[&str]) -> Result<(), Error> {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let mut error = self.error(key.span(), format!("unknown key `{name}`"));
                error.nearest = nearest(name, known.iter().copied());
                return Err(error);
            }
        }
        Ok(())
    }

    /// The tables of `[[key]]`.
    fn tables<'a, 't>(&self, root: &'a DeTable<'t>, key: &str) -> Result<Vec<&'a Table<'t>>, Error> {
        let Some(value) = root.get(key) else { return Ok(Vec::new()) };
        let array = value.get_ref().as_array();
        array
            .filter(|array| array.iter().all(|item| item.get_ref().is_table()))
            .map(|array| array.iter().collect())
            .ok_or_else(|| self.error(value.span(), format!("`{key}` is written as `[[{key}]]`")))
    }

    fn table<'a, 't>(&self, value: &'a Table<'t>) -> Result<&'a DeTable<'t>, Error> {
        value.get_ref().as_table().ok_or_else(|| self.error(value.span(), "expected a table"))
    }

    fn word<'a>(&self, value: &'a Table<'_>, key: &str) -> Result<Word<'a>, Error> {
        match value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => Err(self.error(value.span(), format!("`{key}` is empty"))),
            Some(text) if text.chars().any(char::is_control) => {
                Err(self.error(value.span(), format!("`{key}` has a control character")))
            }
            Some(text) => Ok(Word { text, span: value.span() }),
            None => Err(self.error(value.span(), format!("`{key}` takes strings"))),
        }
    }

    fn optional<'a>(&self, table: &'a DeTable<'_>, key: &str) -> Result<Option<Word<'a>>, Error> {
        table.get(key).map(|value| self.word(value, key)).transpose()
    }

    fn required<'a>(&self, table: &'a DeTable<'_>, key: &str, whole: &Table<'_>) -> Result<Word<'a>, Error> {
        self.optional(table, key)?.ok_or_else(|| self.error(whole.span(), format!("`{key}` is missing")))
    }

    /// A list of strings; `None` where the key is absent. Empty ones say nothing and are refused.
    fn list<'a>(&self, table: &'a DeTable<'_>, key: &str) -> Result<Option<Vec<Word<'a>>>, Error> {
        let Some(value) = table.get(key) else { return Ok(None) };
        let Some(array) = value.get_ref().as_array() else {
            return Err(self.error(value.span(), format!("`{key}` is a list of strings")));
        };
        if array.is_empty() {
            return Err(self.error(value.span(), format!("`{key}` is empty: leave it out to mean any")));
        }
        array.iter().map(|item| self.word(item, key)).collect::<Result<_, _>>().map(Some)
    }

    fn unknown<'k>(&self, word: &Word<'_>, what: &str, known: impl Iterator<Item = &'k str>) -> Error {
        let bare = word.text.trim_start_matches('!');
        let mut error = self.error(word.span.clone(), format!("unknown {what} `{bare}`"));
        error.nearest = nearest(bare, known);
        error
    }
}

fn read_sensitive(file: &File<'_>, whole: &Table<'_>, names: &Names, into: &mut Vec<Sensitive>) -> Result<(), Error> {
    let table = file.table(whole)?;
    file.keys(table, &["database", "columns", "kind"])?;
    let database = database(file, table, names)?;
    let kind = file.required(table, "kind", whole)?;
    let Some((_, kind)) = SensitiveKind::ALL.into_iter().find(|(name, _)| *name == kind.text) else {
        return Err(file.unknown(&kind, "kind of sensitive column", SensitiveKind::ALL.iter().map(|(name, _)| *name)));
    };
    let Some(columns) = file.list(table, "columns")? else {
        return Err(file.error(whole.span(), "`columns` is missing"));
    };
    for word in columns {
        let ColumnPattern { schema, table, column } = column(file, &word)?;
        let sensitive = Sensitive { database: database.clone(), schema, table, column, kind };
        let same = |known: &Sensitive| Sensitive { kind, ..known.clone() } == sensitive;
        if into.iter().any(same) {
            return Err(file.error(word.span, format!("`{}` is named sensitive twice", word.text)));
        }
        into.push(sensitive);
    }
    Ok(())
}

/// `database`, of those that the configuration has.
fn database(file: &File<'_>, table: &DeTable<'_>, names: &Names) -> Result<Option<String>, Error> {
    let Some(word) = file.optional(table, "database")? else { return Ok(None) };
    match names.databases.iter().any(|known| known == word.text) {
        true => Ok(Some(word.text.to_owned())),
        false => Err(file.unknown(&word, "database", names.databases.iter().map(String::as_str))),
    }
}

/// `schema.table.column` or `*.column`.
fn column(file: &File<'_>, word: &Word<'_>) -> Result<ColumnPattern, Error> {
    match dotted(word.text).unwrap_or_default().as_slice() {
        [schema, table, column] => {
            Ok(ColumnPattern { schema: schema.clone(), table: table.clone(), column: column.clone() })
        }
        [any, column] if any == "*" => {
            Ok(ColumnPattern { schema: any.clone(), table: any.clone(), column: column.clone() })
        }
        _ => {
            let message = format!("`{}` is not `schema.table.column` or `*.column`", word.text);
            Err(file.error(word.span.clone(), message))
        }
    }
}

const RULE_KEYS: [&str; 22] = [
    "name",
    "agents",
    "claims",
    "databases",
    "statements",
    "tables",
    "functions",
    "action",
    "approvers",
    "approvals",
    "expires",
    "covers",
    "grant",
    "rows",
    "max_age",
    "break_glass",
    "message",
    "valid",
    "hours",
    "match",
    "rows_over",
    "record",
];

fn read_rule(file: &File<'_>, whole: &Table<'_>, names: &Names) -> Result<Rule, Error> {
    let table = file.table(whole)?;
    file.keys(table, &[RULE_KEYS.as_slice(), &conditions::KEYS].concat())?;
    let name = file.required(table, "name", whole)?.text.to_owned();
    let action = action(file, table, whole)?;
    let message = file.optional(table, "message")?.map(|word| word.text.to_owned());
    let rule = Rule {
        agents: agents(file, table, names)?,
        claims: claims(file, table, names)?,
        databases: databases(file, table, names)?,
        kinds: kinds(file, table)?,
        tables: objects(file, table, "tables")?,
        functions: objects(file, table, "functions")?,
        terms: terms::read(file, table, action, (&name, message.as_deref()))?,
        message,
        conditions: conditions::read_conditions(file, table, action)?,
        window: window(file, table)?,
        may_match: may_match(file, table, action)?,
        rows_over: rows_over(file, table, action)?,
        results: results(file, table, action)?,
        name,
        action,
    };
    reachable(file, table, &rule)?;
    Ok(rule)
}

fn action(file: &File<'_>, table: &DeTable<'_>, whole: &Table<'_>) -> Result<Action, Error> {
    let word = file.required(table, "action", whole)?;
    match word.text {
        "allow" => Ok(Action::Allow),
        "hold" => Ok(Action::Hold),
        "block" => Ok(Action::Block),
        _ => Err(file.unknown(&word, "action", ["allow", "hold", "block"].into_iter())),
    }
}

/// Splits a list into what it wants and what it excludes (`!x`).
fn split<T>(
    words: Vec<Word<'_>>,
    mut read: impl FnMut(&Word<'_>, &str) -> Result<T, Error>,
) -> Result<(Vec<T>, Vec<T>), Error> {
    let (mut wanted, mut excluded) = (Vec::new(), Vec::new());
    for word in words {
        match word.text.strip_prefix('!') {
            Some(text) => excluded.push(read(&word, text)?),
            None => wanted.push(read(&word, word.text)?),
        }
    }
    Ok((wanted, excluded))
}

fn agents(file: &File<'_>, table: &DeTable<'_>, names: &Names) -> Result<NamePatterns, Error> {
    let Some(words) = file.list(table, "agents")? else { return Ok(NamePatterns::default()) };
    let (wanted, excluded) = split(words, |word, text| {
        let (pattern, what, known, text) = match text.strip_prefix("group:") {
            Some(group) => {
                let signed = names.signed_groups.iter().any(|name| matches(group, name));
                let known: Vec<&String> = names.groups.iter().chain(&names.signed_groups).collect();
                (NamePattern::Group { name: group.to_owned(), signed }, "group", known, group)
            }
            None => (NamePattern::Name(text.to_owned()), "agent", names.agents.iter().collect(), text),
        };
        match known.iter().any(|name| matches(text, name)) {
            true => Ok(pattern),
            false => {
                let known = known.iter().map(|name| name.as_str());
                Err(file.unknown(&Word { text, span: word.span.clone() }, what, known))
            }
        }
    })?;
    Ok(NamePatterns { wanted, excluded })
}

/// `claims = { ref = "refs/heads/main" }`: a star matches inside a value.
fn claims(file: &File<'_>, table: &DeTable<'_>, names: &Names) -> Result<Vec<(String, String)>, Error> {
    let Some(value) = table.get("claims") else { return Ok(Vec::new()) };
    let all = file.table(value)?;
    if all.is_empty() {
        return Err(file.error(value.span(), "`claims` is empty: leave it out to mean any"));
    }
    let mut claims = Vec::new();
    for (key, value) in all {
        let name: &str = key.get_ref();
        if !names.claims.iter().any(|known| known == name) {
            let word = Word { text: name, span: key.span() };
            return Err(file.unknown(
                &word,
                "claim (an [[issuer]] must keep it, and a name needs its id)",
                names.claims.iter().map(String::as_str),
            ));
        }
        claims.push((name.to_owned(), file.word(value, name)?.text.to_owned()));
    }
    Ok(claims)
}

fn databases(file: &File<'_>, table: &DeTable<'_>, names: &Names) -> Result<NamePatterns, Error> {
    let Some(words) = file.list(table, "databases")? else { return Ok(NamePatterns::default()) };
    let (wanted, excluded) = split(words, |word, text| match names.databases.iter().any(|name| matches(text, name)) {
        true => Ok(NamePattern::Name(text.to_owned())),
        false => Err(file.unknown(word, "database", names.databases.iter().map(String::as_str))),
    })?;
    Ok(NamePatterns { wanted, excluded })
}

/// The kinds that `statements` names: kinds, groups and patterns with stars, less the excluded ones.
fn kinds(file: &File<'_>, table: &DeTable<'_>) -> Result<Option<Kinds>, Error> {
    let Some(words) = file.list(table, "statements")? else { return Ok(None) };
    let span = words.first().map(|word| word.span.clone()).unwrap_or_default();
    let (wanted, excluded) = split(words, |word, text| {
        let of: Vec<Kind> = match Group::parse(text) {
            Some(group) => Kind::all().filter(|kind| group.contains(*kind)).collect(),
            None => Kind::all().filter(|kind| matches(text, kind.as_str())).collect(),
        };
        let known = Kind::all().map(Kind::as_str).chain(Group::NAMES.iter().copied());
        if of.is_empty() { Err(file.unknown(word, "kind of statement", known)) } else { Ok(of) }
    })?;
    let (wanted, excluded) = (wanted.concat(), excluded.concat());
    let any = wanted.is_empty();
    let kinds: Kinds = Kind::all().filter(|kind| (any || wanted.contains(kind)) && !excluded.contains(kind)).collect();
    if kinds.is_empty() {
        return Err(file.error(span, "`statements` excludes all that it names"));
    }
    Ok(Some(kinds))
}

fn objects(file: &File<'_>, table: &DeTable<'_>, key: &str) -> Result<Option<Objects>, Error> {
    let Some(words) = file.list(table, key)? else { return Ok(None) };
    let (wanted, excluded) = split(words, |word, text| {
        if text.starts_with('@') {
            return match (key, text) {
                ("tables", "@catalog") => Ok(ObjectPattern::Catalog),
                _ => Err(file.unknown(word, "built-in set", (key == "tables").then_some("@catalog").into_iter())),
            };
        }
        match dotted(text).unwrap_or_default().as_slice() {
            [schema, name] => Ok(ObjectPattern::Name { schema: schema.clone(), name: name.clone() }),
            _ => {
                let message = format!("`{}` is not `schema.name`; `*` stands for any: `*.{}`", word.text, text);
                Err(file.error(word.span.clone(), message))
            }
        }
    })?;
    if wanted.iter().any(|pattern| excluded.contains(pattern)) {
        let span = table.get(key).map(Spanned::span).unwrap_or_default();
        return Err(file.error(span, format!("`{key}` excludes what it names")));
    }
    Ok(Some(Objects { wanted, excluded }))
}

fn window(file: &File<'_>, table: &DeTable<'_>) -> Result<Window, Error> {
    let mut window = Window::default();
    if let Some(word) = file.optional(table, "valid")? {
        window.set_valid(word.text).ok_or_else(|| {
            file.error(word.span.clone(), "`valid` is written as \"2026-01-01/2026-02-01\": from, and until before")
        })?;
    }
    if let Some(word) = file.optional(table, "hours")? {
        window.set_hours(word.text).ok_or_else(|| {
            file.error(
                word.span.clone(),
                "`hours` is written as \"mon-fri 08:00-18:00\", an offset like +01:00 after it",
            )
        })?;
    }
    Ok(window)
}

fn may_match(file: &File<'_>, table: &DeTable<'_>, action: Action) -> Result<bool, Error> {
    let Some(value) = table.get("match") else { return Ok(false) };
    if action == Action::Block {
        return Err(file.error(value.span(), "`match` is for rules that allow or hold: what no rule allows is refused"));
    }
    Ok(conditions::flag(file, table, "match")?.unwrap_or_default())
}

fn rows_over(file: &File<'_>, table: &DeTable<'_>, action: Action) -> Result<Option<u64>, Error> {
    let Some(value) = table.get("rows_over") else { return Ok(None) };
    if action != Action::Allow {
        return Err(file.error(value.span(), "`rows_over` is for rules whose action is `allow`"));
    }
    conditions::rows(file, table, "rows_over")
}

fn results(file: &File<'_>, table: &DeTable<'_>, action: Action) -> Result<Option<bool>, Error> {
    let Some(word) = file.optional(table, "record")? else { return Ok(None) };
    if action == Action::Block {
        return Err(file.error(word.span, "`record` is for rules that allow or hold: what is refused has no result"));
    }
    match word.text {
        "statements" => Ok(Some(false)),
        "results" => Ok(Some(true)),
        _ => Err(file.unknown(&word, "record", ["statements", "results"].into_iter())),
    }
}

/// `tables` and `functions` must fit some kind that the rule is about, or it would never match.
fn reachable(file: &File<'_>, table: &DeTable<'_>, rule: &Rule) -> Result<(), Error> {
    let Some(kinds) = &rule.kinds else { return Ok(()) };
    let some = |takes: fn(Kind) -> bool| kinds.iter().any(takes);
    for (key, given, fits) in [
        ("tables", rule.tables.is_some(), some(Kind::takes_table)),
        ("functions", rule.functions.is_some(), some(Kind::takes_function)),
    ] {
        if given && !fits {
            let span = table.get(key).map(Spanned::span).unwrap_or_default();
            return Err(file.error(span, format!("none of the rule's statements has {key}, so it would never match")));
        }
    }
    Ok(())
}
