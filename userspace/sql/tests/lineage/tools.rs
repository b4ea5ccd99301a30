//! What drivers, tools and benchmarks send, in a database without a column that matters: nothing of it is refused.

use std::collections::HashMap;

use sql::{Analysis, Column, Context, Limits, Name, Prepared, Relation, RelationKind, Schema, Sensitivity, analyze_in};

const FILES: &[&str] = &[
    include_str!("data/django.sql"),
    include_str!("data/orm.sql"),
    include_str!("data/pgbench.sql"),
    include_str!("data/sqlalchemy.sql"),
    include_str!("data/tpc.sql"),
    include_str!("../../../policy/testdata/psql.sql"),
    include_str!("../../../policy/testdata/pg_dump.sql"),
];

fn schema() -> Schema {
    let mut schema = Schema::new();
    let lines = include_str!("data/tables.txt").lines().filter(|line| !line.starts_with('#'));
    for (oid, line) in (1..).zip(lines) {
        let mut words = line.split(' ').map(str::to_owned);
        let name = Name::new(Some("public"), &words.next().expect("a name"));
        let columns = (1..).zip(words);
        let columns =
            columns.map(|(number, name)| Column { number, name, type_oid: 25, sensitivity: Sensitivity::None });
        let (kind, columns, parents) = (RelationKind::Table, columns.collect(), Vec::new());
        schema.add_relation(Relation { oid, name, kind, columns, has_rules: false, parents, computations: Vec::new() });
    }
    schema
}

/// Analyzes the texts of a file one after the other, as a session would that remembers what was prepared.
fn session(file: &str, schema: &Schema, mut each: impl FnMut(&str, &Analysis)) {
    let path = ["pg_catalog", "public"].map(str::to_owned);
    let mut prepared: HashMap<String, String> = HashMap::new();
    for text in file.split("-- @\n") {
        let known = |name: &str| prepared.get(name).map(String::as_str);
        let context = Context { prepared: &known, ..Context::new(schema, &path) };
        let analysis = analyze_in(text, &Limits::default(), &context).expect("an analysis");
        each(text, &analysis);
        for statement in &analysis.statements {
            for one in &statement.prepared {
                if let Prepared::Prepare { name, inner } = one {
                    prepared.insert(name.clone(), text.get(inner.clone()).expect("a range").to_owned());
                }
            }
        }
    }
}

/// Where nothing matters a check of a domain has nothing to ask.
#[test]
fn domains() {
    let schema = schema();
    for text in [
        "CREATE DOMAIN positive AS int DEFAULT 1 CHECK (VALUE > 0 AND value < 9)",
        "ALTER DOMAIN positive ADD CONSTRAINT c CHECK (VALUE <> 5)",
        "CREATE DOMAIN word AS text NOT NULL CONSTRAINT c CHECK (lower(VALUE) = VALUE)",
    ] {
        session(text, &schema, |text, analysis| {
            for lineage in analysis.statements.iter().filter_map(|statement| statement.lineage.as_ref()) {
                assert!(lineage.unknown.is_empty(), "{text}: {:?}", lineage.unknown);
            }
        });
    }
}

#[test]
fn nothing_is_refused() {
    let schema = schema();
    let mut refused = String::new();
    for file in FILES {
        session(file, &schema, |text, analysis| {
            for lineage in analysis.statements.iter().filter_map(|statement| statement.lineage.as_ref()) {
                let clean = lineage.outputs.iter().all(|output| output.sources.is_empty())
                    && lineage.probes.is_empty()
                    && lineage.flows.is_empty()
                    && lineage.elsewhere.is_empty()
                    && lineage.unknown.is_empty()
                    && !lineage.may_quote;
                if !clean {
                    refused += &format!("{text}\n    {lineage:?}\n");
                }
            }
        });
    }
    assert!(refused.is_empty(), "\n{refused}");
}
