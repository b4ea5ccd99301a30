//! A lineage as one line, and the check of a table of statements.

use sql::{Clause, Context, How, Limits, Lineage, Schema, Source, Unknown, analyze_in};

use crate::database;

/// Each text and the lineage of its statements: outputs that derive from something, probes, flows, and so on; `clean` for none.
pub(crate) fn check(cases: &[(&str, &str)]) {
    let schema = database::schema();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(text, expected)| {
            let told = lineage(&schema, text);
            (told != *expected).then(|| format!("{text}\n    expected {expected}\n    told     {told}\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.concat());
}

/// The lineage of each statement of a text, in words.
pub(crate) fn lineage(schema: &Schema, text: &str) -> String {
    let schemas = ["pg_temp_3", "pg_catalog", "public"].map(str::to_owned);
    let prepared = |name: &str| (name == "known").then_some("SELECT reverse(pan) FROM payments WHERE id = $1");
    let cursors = |name: &str| (name == "known").then_some("DECLARE known CURSOR FOR SELECT pan FROM payments");
    let context = Context { prepared: &prepared, cursors: &cursors, ..Context::new(schema, &schemas) };
    let analysis = match analyze_in(text, &Limits::default(), &context) {
        Ok(analysis) => analysis,
        Err(refusal) => return format!("refused: {refusal}"),
    };
    let told =
        analysis.statements.iter().map(|statement| in_words(schema, statement.lineage.as_ref().expect("a lineage")));
    told.collect::<Vec<String>>().join(" / ")
}

fn in_words(schema: &Schema, lineage: &Lineage) -> String {
    let mut parts = Vec::new();
    for output in lineage.outputs.iter().filter(|output| !output.sources.is_empty()) {
        parts.push(format!("{} <- {}", output.name, sources(schema, &output.sources)));
    }
    for probe in &lineage.probes {
        parts.push(format!("{} {}", clause(probe.clause), column(schema, probe.column)));
    }
    for flow in &lineage.flows {
        let watched = flow.watched.map_or(String::new(), |by| format!(", watched by {}", by.as_str()));
        parts.push(format!("{}.{} gets {}{watched}", flow.target, flow.column, sources(schema, &flow.sources)));
    }
    parts.extend(lineage.elsewhere.iter().map(|name| format!("elsewhere {name}")));
    parts.extend(lineage.unknown.iter().map(unknown));
    parts.extend(lineage.open_at.map(|at| format!("open at {at}")));
    parts.extend(lineage.may_quote.then(|| "quotes".to_owned()));
    parts.extend(lineage.is_plan.then(|| "plan".to_owned()));
    if parts.is_empty() { "clean".to_owned() } else { parts.join("; ") }
}

fn sources(schema: &Schema, sources: &[Source]) -> String {
    let words: Vec<String> = sources
        .iter()
        .map(|source| {
            let how = match source.how {
                How::Identity => "",
                How::Verbatim => " verbatim",
                How::Injective => " injective",
                How::Lossy => " lossy",
                How::Predicate => " predicate",
            };
            format!("{}{how}", column(schema, source.column))
        })
        .collect();
    words.join(", ")
}

fn column(schema: &Schema, id: sql::ColumnId) -> String {
    let relation = schema.relation_of(id.relation).expect("a relation");
    let column = relation.columns.iter().find(|column| column.number == id.number).expect("a column");
    format!("{}.{}", relation.name.name, column.name)
}

fn clause(clause: Clause) -> &'static str {
    match clause {
        Clause::Where => "where",
        Clause::Match => "match",
        Clause::Join => "join",
        Clause::OrderBy => "order",
        Clause::GroupBy => "group",
        Clause::Case => "case",
        Clause::Other => "other",
    }
}

fn unknown(unknown: &Unknown) -> String {
    match unknown {
        Unknown::Relation(name) => format!("unknown relation {name}"),
        Unknown::Column(name) => format!("unknown column {name}"),
        Unknown::Function(name) => format!("unknown function {name}"),
        Unknown::Form(form) => format!("unknown form {form}"),
    }
}
