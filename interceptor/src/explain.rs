//! `explain --schema`: the verdict as a session would give it, with the lineage of each output, by what the database holds: as it is now
//! (`live`, on our own login), or as it was when it was written to a file.

#![allow(clippy::print_stdout)] // the answer is for the terminal

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use pan::Masked;
use policy::{Policy, Subject};
use proxy::TaintFile;
use serde_json::{Value, json};
use session::{Explanation, Limits, OfStatement, Row, Survey};
use sql::Fate;

use crate::config::Config;
use crate::estimates;
use crate::tls::Legs;

/// What is asked.
pub struct Asked<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The database's endpoint.
    pub database: &'a str,
    /// The database behind it; of one that has a single name it may be left out.
    pub dbname: Option<&'a str>,
    /// The schemas of unqualified names, in order.
    pub search_path: &'a [String],
    /// `live`, or a file.
    pub schema: &'a str,
    /// Where to write what the database holds.
    pub save: Option<&'a Path>,
    /// The statement.
    pub sql: &'a str,
    /// The clock, for rules with a time window.
    pub wall_s: i64,
}

/// What becomes of the statement.
pub fn explain(config: &Config, policy: Policy, asked: &Asked<'_>) -> Result<Explanation> {
    let agent = config.agent(asked.agent).with_context(|| format!("no agent is called `{}`", asked.agent))?;
    let (_, database) =
        config.database(asked.database).with_context(|| format!("no database is called `{}`", asked.database))?;
    let subject = Subject { agent: agent.name.clone(), groups: agent.groups.clone(), signed: None };
    let dbname = match (asked.dbname, database.dbnames.as_slice()) {
        (Some(name), _) => name.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => database.name.clone(),
    };
    let mut survey = Survey::new(&Arc::new(policy), &database.name);
    let rows = match asked.schema {
        "live" => live(config, asked.database, &dbname, &survey.question(&Limits::default()))?,
        file => read(Path::new(file))?,
    };
    if let Some(path) = asked.save {
        write(path, &rows).with_context(|| format!("cannot write {}", path.display()))?;
    }
    for row in &rows {
        survey.row(row).context("what the database holds cannot be read: was it written by another version?")?;
    }
    let state = &config.service.state_dir;
    let tainted = TaintFile::open(state).with_context(|| {
        format!(
            "what was written into columns is not known: cannot read `tainted` in {} (only root may)",
            state.display()
        )
    })?;
    Ok(survey.explain(&dbname, tainted.taints(), (&subject, asked.search_path), (asked.sql, asked.wall_s)))
}

/// What our own login at this database is told.
pub(crate) fn live(config: &Config, name: &str, dbname: &str, question: &str) -> Result<Vec<Row>> {
    let (_, database) = config.database(name).context("the database is configured")?;
    let logins = estimates::logins(config)?;
    let login = logins.get(name).with_context(|| {
        format!("what `{name}` holds is asked on [database.login], which it does not have: configure one (for --schema, or give a file)")
    })?;
    let single = database.addresses.iter().find_map(|endpoint| {
        let whole = if endpoint.address.is_ipv4() { 32 } else { 128 };
        (endpoint.prefix == whole).then_some(SocketAddr::new(endpoint.address, endpoint.port?))
    });
    let address = single.with_context(|| format!("`{name}` has no single address with a port to ask"))?;
    let tls = Legs::new(config)?.of(name).database.clone();
    estimates::survey(login, tls.as_ref(), (address, dbname), question)
        .with_context(|| format!("[database.login] of `{name}` at {address}"))
}

fn read(path: &Path) -> Result<Vec<Row>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        let row = serde_json::from_str(&line);
        rows.push(row.with_context(|| {
            format!("{}, line {}: not a row that `explain --save` wrote", path.display(), number + 1)
        })?);
    }
    Ok(rows)
}

/// A row a line: which result it is of, and its values. A card number in a definition is masked: with one that is no longer a constant of its
/// kind the definition is not known.
fn write(path: &Path, rows: &[Row]) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    for (result, values) in rows {
        let masked = |value: &Option<String>| value.as_ref().map(|value| Masked::of(value).as_str().to_owned());
        let row: Row = (*result, values.iter().map(masked).collect());
        writeln!(out, "{}", serde_json::to_string(&row)?)?;
    }
    Ok(out.flush()?)
}

/// For a person.
pub fn text(explanation: &Explanation) -> String {
    let mut out = format!("verdict   {}\n", explanation.verdict);
    let mut line = |name: &str, words: &str| {
        if !words.is_empty() {
            let _ = writeln!(out, "{name:<9} {words}");
        }
    };
    line("rule", explanation.rule.as_deref().unwrap_or_default());
    line("message", &explanation.message);
    line("detail", &explanation.detail);
    line("hint", &explanation.hint);
    if let Some(rows) = explanation.rows_over {
        line("rows", &format!("at most {rows} of each result leave"));
    }
    if explanation.wants_estimate {
        line("estimate", "a rule asks for the planner's; it is not asked here and counts as too many");
    }
    for (number, statement) in explanation.statements.iter().enumerate() {
        if explanation.statements.len() > 1 {
            let _ = writeln!(out, "statement {}", number + 1);
        }
        of_statement(statement, &mut out);
    }
    out
}

fn of_statement(statement: &OfStatement, out: &mut String) {
    for effect in &statement.effects {
        let _ = writeln!(out, "effect    {effect}");
    }
    for part in &statement.parts {
        let _ = writeln!(out, "part      {part}");
        if !part.change.is_empty() {
            let _ = writeln!(out, "  instead {}", part.change);
        }
    }
}

/// For a program.
pub fn as_value(explanation: &Explanation) -> Value {
    let part = |part: &sql::Explained| json!({ "part": part.part, "fate": fate(part.fate), "reason": part.reason, "instead": part.change });
    let statement = |statement: &OfStatement| {
        let parts: Vec<Value> = statement.parts.iter().map(part).collect();
        json!({ "effects": statement.effects, "parts": parts })
    };
    let statements: Vec<Value> = explanation.statements.iter().map(statement).collect();
    json!({
        "verdict": explanation.verdict,
        "rule": explanation.rule,
        "message": explanation.message,
        "detail": explanation.detail,
        "hint": explanation.hint,
        "rows_over": explanation.rows_over,
        "wants_estimate": explanation.wants_estimate,
        "statements": statements,
    })
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Passes => "passes",
        Fate::Masked => "masked",
        Fate::Hidden => "hidden",
        Fate::Remembered => "remembered",
        Fate::Questioned => "questioned",
        Fate::Refused => "refused",
    }
}

/// `explain` on the command line.
pub fn run(path: &Path, asked: &Asked<'_>, json: bool) -> Result<u8> {
    let (config, policy) = crate::check::load(path)?;
    config.masking.install()?;
    if asked.search_path.is_empty() {
        bail!("--search-path names no schema");
    }
    let explanation = explain(&config, policy, asked)?;
    if json {
        println!("{:#}", as_value(&explanation));
    } else {
        print!("{}", text(&explanation));
    }
    Ok(u8::from(explanation.verdict != "allow"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_by_these_keys_and_words() {
        let fates =
            [Fate::Passes, Fate::Masked, Fate::Hidden, Fate::Remembered, Fate::Questioned, Fate::Refused].map(|fate| {
                sql::Explained { part: "output 1".into(), fate, reason: "a card".into(), change: "count(*)".into() }
            });
        let statement = OfStatement { effects: vec!["select public.payments".into()], parts: fates.to_vec() };
        let explanation = Explanation {
            verdict: "block",
            rule: Some("no cards".into()),
            message: "refused".into(),
            detail: "why".into(),
            hint: "instead".into(),
            wants_estimate: true,
            rows_over: Some(10),
            statements: vec![statement],
        };
        let part = |fate: &str| json!({ "part": "output 1", "fate": fate, "reason": "a card", "instead": "count(*)" });
        let parts = ["passes", "masked", "hidden", "remembered", "questioned", "refused"].map(part);
        let expected = json!({
            "verdict": "block", "rule": "no cards", "message": "refused", "detail": "why", "hint": "instead",
            "rows_over": 10, "wants_estimate": true,
            "statements": [{ "effects": ["select public.payments"], "parts": parts }],
        });
        assert_eq!(as_value(&explanation), expected);
        let none = Explanation { rule: None, rows_over: None, statements: Vec::new(), ..explanation };
        let value = as_value(&none);
        // Keys are there where there is nothing to say.
        assert_eq!(
            (&value["rule"], &value["rows_over"], &value["statements"]),
            (&Value::Null, &Value::Null, &json!([]))
        );
        assert_eq!(value.as_object().unwrap().len(), expected.as_object().unwrap().len());
    }
}
