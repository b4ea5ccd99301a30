//! Any text, about a database with columns that matter: an answer in bounds, sorted and unique as promised, and the same again.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sql::{
    Analysis, Column, Computation, Context, Function, Limits, Name, Relation, RelationKind, Schema, Sensitivity, Shape,
    Watch, analyze_in,
};

fn name(name: &str) -> Name {
    Name::new(Some("public"), name)
}

fn relation(oid: u32, table: &str, columns: &[(&str, Sensitivity)], kind: RelationKind) -> Relation {
    let columns = (1..).zip(columns).map(|(number, (name, sensitivity))| Column {
        number,
        name: (*name).to_owned(),
        type_oid: 25,
        sensitivity: *sensitivity,
    });
    let computations = match table {
        "payments" => vec![Computation::Generated { column: 3, expression: "\"right\"(pan, 4)".to_owned() }],
        "t" => vec![
            Computation::Generated { column: 2, expression: "(a || 'x'::text)".to_owned() },
            Computation::Watched { by: Watch::Key, columns: vec![1] },
        ],
        _ => Vec::new(),
    };
    Relation {
        oid,
        name: name(table),
        kind,
        columns: columns.collect(),
        has_rules: false,
        parents: Vec::new(),
        computations,
    }
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::new();
    let columns = [("id", Sensitivity::None), ("pan", Sensitivity::Sensitive), ("last4", Sensitivity::Clear)];
    schema.add_relation(relation(1, "payments", &columns, RelationKind::Table));
    schema.add_relation(relation(2, "t", &[("a", Sensitivity::None), ("b", Sensitivity::None)], RelationKind::Table));
    let query = "SELECT id, pan AS reference FROM public.payments".to_owned();
    let columns = [("id", Sensitivity::None), ("reference", Sensitivity::None)];
    schema.add_relation(relation(3, "v", &columns, RelationKind::View { query }));
    let arguments = vec!["x".to_owned()];
    schema.add_function(Function { name: name("f"), body: Some("SELECT x || $1".to_owned()), arguments });
    schema.add_function(Function { name: name("g"), body: None, arguments: Vec::new() });
    schema
});

fuzz_target!(|text: &str| {
    let schemas = ["pg_catalog", "public"].map(str::to_owned);
    let context = Context::new(&SCHEMA, &schemas);
    let Ok(analysis) = analyze_in(text, &Limits::default(), &context) else { return };
    for lineage in analysis.statements.iter().map(|statement| statement.lineage.as_ref().expect("asked for")) {
        assert!(lineage.probes.is_sorted() && lineage.unknown.is_sorted());
        assert!(lineage.outputs.iter().all(|output| output.sources.is_sorted()));
        assert!(lineage.open_at.is_none_or(|at| at <= lineage.outputs.len()));
    }
    let again = analyze_in(text, &Limits::default(), &context).expect("as before");
    assert!(again == analysis);
    shared(text, &analysis, &context);
});

/// A text that differs in its constants' digits alone, and is of the shape, comes to the same.
fn shared(text: &str, analysis: &Analysis, context: &Context<'_>) {
    let Some(shape) = analysis.constants.as_deref().and_then(|constants| Shape::of(text, constants)) else { return };
    assert!(shape.is_of(text));
    let turned = |c: char| if c.is_ascii_digit() { char::from(b'0' + (c as u8 - b'0' + 3) % 10) } else { c };
    let other: String = text.chars().map(turned).collect();
    if !shape.is_of(&other) {
        return;
    }
    let mut by_itself = analyze_in(&other, &Limits::default(), context).expect("of one shape");
    by_itself.statements[0].span = analysis.statements[0].span.clone();
    assert!(by_itself.statements == analysis.statements);
}
