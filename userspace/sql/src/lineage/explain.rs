//! A lineage in sentences: what each part of a statement would come to, why, and what to write instead. Names alone, no literal.

use super::words::identifier;
use crate::{Clause, ColumnId, How, Lineage, Name, Output, Probe, Schema, Sensitivity, Source, Unknown};

/// What becomes of a part of a statement, if no rule says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Nothing is done to it.
    Passes,
    /// It is masked as the column is that it shows.
    Masked,
    /// Every digit of it is masked.
    Hidden,
    /// What it fills is sensitive from then on.
    Remembered,
    /// The statement is refused, unless policy lets this agent ask.
    Questioned,
    /// The statement is refused.
    Refused,
}

/// One part of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Which: an output by number and name, a clause, a target.
    pub part: String,
    /// What becomes of it.
    pub fate: Fate,
    /// Why.
    pub reason: String,
    /// What to write instead; empty where it passes.
    pub change: String,
}

impl Explained {
    fn new(part: String, fate: Fate, reason: String, change: impl Into<String>) -> Explained {
        Explained { part, fate, reason, change: change.into() }
    }
}

impl std::fmt::Display for Explained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fate = match self.fate {
            Fate::Passes => "passes",
            Fate::Masked => "masked",
            Fate::Hidden => "masked whole",
            Fate::Remembered => "remembered",
            Fate::Questioned => "refused unless policy lets this agent ask",
            Fate::Refused => "refused",
        };
        write!(f, "{}: {fate}: {}", self.part, self.reason)
    }
}

/// Every part of the statement, outputs first.
pub fn explain(lineage: &Lineage, schema: &Schema) -> Vec<Explained> {
    let words = Words { schema };
    let mut all: Vec<Explained> = (1..).zip(&lineage.outputs).map(|(number, one)| words.output(number, one)).collect();
    all.extend(lineage.probes.iter().map(|probe| words.probe(probe)));
    for flow in &lineage.flows {
        let column = if flow.column.is_empty() { "all columns".to_owned() } else { shown(&flow.column) };
        let part = format!("{} of {}", column, name(&flow.target));
        let verbatim = flow.sources.iter().all(|source| source.how >= How::Verbatim);
        let reason = format!("it is filled from {}", words.columns(&flow.sources));
        let (fate, change) = if verbatim {
            (Fate::Remembered, "")
        } else {
            (Fate::Refused, "fill it with the column itself, unchanged, or with another one")
        };
        all.push(Explained::new(part, fate, reason, change));
    }
    for read in &lineage.elsewhere {
        let reason = "it holds values, statements or files of others".to_owned();
        let change = "read the table itself, or have a rule name it";
        all.push(Explained::new(name(read), Fate::Refused, reason, change));
    }
    all.extend(lineage.unknown.iter().map(unknown));
    all
}

struct Words<'s> {
    schema: &'s Schema,
}

impl Words<'_> {
    fn output(&self, number: usize, output: &Output) -> Explained {
        let part = format!("output {number} `{}`", shown(&output.name));
        let sensitive = |source: &&Source| self.schema.sensitivity(source.column) == Sensitivity::Sensitive;
        let sources: Vec<Source> = output.sources.iter().filter(sensitive).copied().collect();
        let columns = self.columns(&sources);
        let expression = if output.expression.is_empty() { part.clone() } else { output.expression.to_string() };
        let Some(worst) = sources.iter().map(|source| source.how).min() else {
            let reason = match output.sources.as_slice() {
                [] => "nothing sensitive is in it".to_owned(),
                clear => format!("policy calls {} clear", self.columns(clear)),
            };
            return Explained::new(part, Fate::Passes, reason, "");
        };
        let (fate, reason, change) = match worst {
            How::Identity => (Fate::Masked, format!("it is {columns}"), String::new()),
            How::Verbatim => (Fate::Hidden, format!("{columns} stands in it, beside other things"), String::new()),
            How::Injective | How::Lossy => (
                Fate::Refused,
                format!("{expression} transforms {columns}, and no mask would find it"),
                format!("select {columns} as it is, which is masked, or leave it out"),
            ),
            How::Predicate => (
                Fate::Refused,
                format!("{expression} tells how {columns} compares"),
                "leave the comparison out, or filter by another column".to_owned(),
            ),
        };
        Explained::new(part, fate, reason, change)
    }

    fn probe(&self, probe: &Probe) -> Explained {
        let column = self.column(probe.column);
        let (clause, change) = match probe.clause {
            Clause::Where => (
                "a predicate",
                "filter by another column, or compare the whole column by `=` with a parameter where policy allows it",
            ),
            Clause::Match => {
                ("an equality with a whole value", "filter by another column, or ask for `match` in a rule")
            }
            Clause::Join => {
                ("once agents have written into it, a comparison with other stored values", "join by another column")
            }
            Clause::OrderBy => ("an order by it", "order by another column"),
            Clause::GroupBy => ("a grouping by it", "group by another column, or drop DISTINCT"),
            Clause::Case => ("a choice by it", "choose by another column"),
            Clause::Other => ("a use of it that depends on its value", "leave it out"),
        };
        let reason = format!("{clause} tells {column} bit by bit");
        let fate = if probe.clause == Clause::Join { Fate::Passes } else { Fate::Questioned };
        Explained::new(probe.expression.clone(), fate, reason, change)
    }

    fn columns(&self, sources: &[Source]) -> String {
        let mut names: Vec<String> = sources.iter().map(|source| self.column(source.column)).collect();
        names.dedup();
        names.join(", ")
    }

    fn column(&self, id: ColumnId) -> String {
        let relation = self.schema.relation_of(id.relation);
        let column = relation.and_then(|relation| relation.columns.iter().find(|column| column.number == id.number));
        match (relation, column) {
            (Some(relation), Some(column)) => format!("{}.{}", name(&relation.name), shown(&column.name)),
            _ => "a column that is gone".to_owned(),
        }
    }
}

fn unknown(unknown: &Unknown) -> Explained {
    let (part, reason, change) = match unknown {
        Unknown::Relation(relation) => (
            name(relation),
            "it is not known what it holds",
            "name a table that is there, with its schema; what was made just now is known at the next statement",
        ),
        Unknown::Column(column) => {
            (shown(column), "no column of that name is known", "name the column with its table, and one that is there")
        }
        Unknown::Function(function) => (
            name(function),
            "it is not known what it does with what it is given",
            "use a function of the server's own, or have a rule name it",
        ),
        Unknown::Form(form) => {
            (form.clone(), "where its values come from cannot be told", "write it as a plain query of tables")
        }
    };
    Explained::new(part, Fate::Refused, reason.to_owned(), change)
}

fn name(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", shown(schema), shown(&name.name)),
        None => shown(&name.name),
    }
}

/// A name as it may be shown.
fn shown(name: &str) -> String {
    identifier(name).to_string()
}
