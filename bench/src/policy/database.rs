//! The statements, and the database that they are said in: the data files of the test of false alarms.

use std::sync::Arc;

use policy::{Names, Policy, Subject};
use session::{Asker, StatementCache, Survey, Surveyed};

const SHARED: &str = include_str!("../../../interceptor/tests/evasion/alarms/applications.sql");
const POLICY: &str = include_str!("../../../interceptor/tests/evasion/alarms/policy.toml");
const APPLICATIONS: [(&str, &str); 7] = [
    ("pgbench", include_str!("../../../interceptor/tests/evasion/alarms/pgbench.sql")),
    ("tpc-c", include_str!("../../../interceptor/tests/evasion/alarms/tpcc.sql")),
    ("tpc-h", include_str!("../../../interceptor/tests/evasion/alarms/tpch.sql")),
    ("django", include_str!("../../../interceptor/tests/evasion/alarms/django.sql")),
    ("sqlalchemy", include_str!("../../../interceptor/tests/evasion/alarms/sqlalchemy.sql")),
    ("prisma", include_str!("../../../interceptor/tests/evasion/alarms/prisma.sql")),
    ("activerecord", include_str!("../../../interceptor/tests/evasion/alarms/activerecord.sql")),
];

/// A table with sensitive columns, so that statements are traced.
const SENSITIVE: &str = "CREATE TABLE payments(id int PRIMARY KEY, customer int, pan text, amount numeric);";

/// One statement of an application.
pub(crate) struct Statement {
    pub(crate) application: &'static str,
    /// The application's place among all.
    at: usize,
    /// Its place in the data file, from 1.
    pub(crate) place: usize,
    pub(crate) text: String,
}

/// The part of a data file that makes its tables, and the part that is said.
fn parts(text: &'static str) -> (&'static str, &'static str) {
    let (before, run) = text.split_once("--@ run\n").unwrap_or((text, ""));
    (before.split_once("--@ setup\n").map_or("", |(_, setup)| setup), run)
}

/// All of them; each text once.
pub(crate) fn statements() -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    for (at, (application, text)) in APPLICATIONS.into_iter().enumerate() {
        let run = parts(text).1.lines().filter(|line| !line.starts_with("--@ ")).collect::<Vec<_>>().join("\n");
        for (place, text) in (1..).zip(run.split(";\n").filter(|text| !text.trim().is_empty())) {
            let text = with_oids(text.trim().trim_end_matches(';'));
            if !statements.iter().any(|known| known.text == text) {
                statements.push(Statement { application, at, place, text });
            }
        }
    }
    statements
}

/// `{name}` stands for a relation's OID.
fn with_oids(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let name = behind.split_once('}').filter(|(name, _)| is_identifier(name));
        out.push_str(before);
        rest = match name {
            Some((_, behind)) => {
                out.push_str("16411");
                behind
            }
            None => {
                out.push('{');
                behind
            }
        };
    }
    out + rest
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The databases of the applications under one policy: their tables may be called alike, and are not.
pub(crate) struct Databases([Database; APPLICATIONS.len()]);

impl Databases {
    pub(crate) fn new() -> Result<Databases, String> {
        let policy = Arc::new(Policy::parse(POLICY, &Names::default()).map_err(|error| error.to_string())?);
        let databases = APPLICATIONS.iter().map(|(name, text)| Database::new(&policy, name, text));
        let databases: Vec<Database> = databases.collect::<Result<_, String>>()?;
        databases.try_into().map(Databases).map_err(|_| "not every application has a database".to_owned())
    }

    /// That of the statement's application.
    pub(crate) fn of(&self, statement: &Statement) -> &Database {
        &self.0[statement.at]
    }
}

/// A database as the interceptor knows it, and the agent in it.
pub(crate) struct Database {
    surveyed: Surveyed,
    asker: Asker,
}

impl Database {
    /// With the application's own tables; where it makes none, with those of `applications.sql`, as in the test.
    fn new(policy: &Arc<Policy>, name: &str, text: &'static str) -> Result<Database, String> {
        let mut survey = Survey::new(policy, "payments");
        let setup = Some(parts(text).0).filter(|setup| !setup.trim().is_empty()).unwrap_or(parts(SHARED).0);
        let tables: Vec<Table> =
            [setup, SENSITIVE].iter().flat_map(|setup| setup.split(";\n")).filter_map(Table::read).collect();
        let rows = tables.iter().zip(1_u32..).map(|(table, at)| (table, (16_384 + at).to_string()));
        let rows: Vec<(&Table, String)> = rows.collect();
        let mut row = |result: usize, values: &[&str]| {
            let values = values.iter().map(|value| Some((*value).to_owned())).collect();
            survey.row(&(result, values)).ok_or("a row of the database's own description is refused")
        };
        // The results as `postgres::catalog::question` asks for them: relations, columns, keys.
        for (table, oid) in &rows {
            row(7, &[oid, "public", &table.name, "r", "", "f", "", ""])?;
        }
        for (table, oid) in &rows {
            for (number, column) in (1..).zip(&table.columns) {
                row(8, &[oid, &number.to_string(), column, "25"])?;
            }
        }
        for (table, oid) in rows.iter().filter(|(table, _)| !table.key.is_empty()) {
            let numbers: Vec<String> = table.key.iter().map(usize::to_string).collect();
            row(11, &[oid, &numbers.join(" ")])?;
        }
        let subject = Subject { agent: "reconciler".to_owned(), groups: Vec::new(), signed: None };
        let asker = Asker::new(subject, &["public".to_owned()], 1_790_000_000);
        Ok(Database { surveyed: survey.finish(name, &Arc::default()), asker })
    }

    /// Whether a text passes.
    pub(crate) fn passes(&self, cache: &mut StatementCache, text: &str) -> bool {
        self.surveyed.passes(cache, &self.asker, text)
    }

    /// Whether it can be told what a text does and where its values come from.
    pub(crate) fn traces(&self, text: &str) -> bool {
        self.surveyed.traces(&self.asker, text)
    }

    /// Whether a text is judged, without a cache.
    pub(crate) fn judges(&self, text: &str) -> bool {
        self.surveyed.judges(&self.asker, text)
    }

    /// As another agent.
    pub(crate) fn asker(name: String) -> Asker {
        Asker::new(Subject { agent: name, groups: Vec::new(), signed: None }, &["public".to_owned()], 1_790_000_000)
    }

    /// The same for one.
    pub(crate) fn passes_for(&self, asker: &Asker, cache: &mut StatementCache, text: &str) -> bool {
        self.surveyed.passes(cache, asker, text)
    }
}

/// A table as `CREATE TABLE` makes it.
struct Table {
    name: String,
    columns: Vec<String>,
    /// Columns of its primary key, from 1.
    key: Vec<usize>,
}

impl Table {
    /// `CREATE TABLE name(column type …, PRIMARY KEY (column, …))`; `None`: another statement.
    fn read(text: &str) -> Option<Table> {
        let (name, body) = text.trim().strip_prefix("CREATE TABLE ")?.split_once('(')?;
        let body = body.get(..body.rfind(')')?)?;
        let mut table = Table { name: name.trim().to_owned(), columns: Vec::new(), key: Vec::new() };
        for item in items(body) {
            let item = item.trim();
            if let Some(columns) = item.strip_prefix("PRIMARY KEY") {
                let columns = columns.trim().trim_start_matches('(').split_once(')')?.0;
                let place = |name: &str| Some(table.columns.iter().position(|column| column == name.trim())? + 1);
                table.key = columns.split(',').filter_map(place).collect();
            } else if let Some(name) = item.split_whitespace().next().filter(|name| is_column(name)) {
                table.columns.push(name.to_owned());
                if item.contains("PRIMARY KEY") {
                    table.key = vec![table.columns.len()];
                }
            }
        }
        Some(table)
    }
}

fn is_column(name: &str) -> bool {
    !["CONSTRAINT", "CHECK", "UNIQUE", "FOREIGN", "EXCLUDE"].contains(&name)
}

/// Split at the commas that no parenthesis encloses.
fn items(body: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let comma = |letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    };
    body.split(comma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let table =
            Table::read("CREATE TABLE t(a int, b numeric(4,2) DEFAULT 1, PRIMARY KEY (b, a)) WITH (fillfactor = 9)");
        let table = table.unwrap();
        assert_eq!((table.columns, table.key), (vec!["a".to_owned(), "b".to_owned()], vec![2, 1]));
    }

    /// Views, which these databases are not told of.
    const VIEWS: [&str; 3] = ["revenue0", "active_customers", "totals"];

    /// What is measured is what passes: nothing of it is refused but statements over views, as unknown.
    #[test]
    fn all_statements_pass_but_those_over_views() {
        let (databases, statements) = (Databases::new().unwrap(), statements());
        assert!(statements.len() > 200);
        let mut cache = StatementCache::new();
        for statement in &statements {
            let text = &statement.text;
            let reads = |view: &str| {
                let written = [format!("from {view} "), format!(", {view} "), format!("FROM \"{view}\"")];
                written.iter().any(|words| text.contains(words))
            };
            let reads_view = VIEWS.into_iter().any(reads);
            assert_eq!(databases.of(statement).passes(&mut cache, text), !reads_view, "{text}");
        }
    }
}
