//! The database that the statements are about.

use sql::{Column, Computation, Function, Name, Relation, RelationKind, Schema, Sensitivity, Watch};

/// Tables by name, with their columns; one with `!` is sensitive, one with `~` clear, and a rule asks about one with `^`.
const TABLES: &[(u32, &str, &str)] = &[
    (1, "payments", "id customer pan! pan_int! pan_num! exp amount meta! raw!"),
    (2, "card_events", "n pan! what"),
    (3, "tickets", "id note"),
    (4, "orders", "id ref ordered_at total^ trace"),
    (10, "charges", "id card! day"),
    (11, "charges_2026", "id card day"),
    (12, "base", "id secret"),
    (13, "derived", "id secret!"),
    (14, "noted", "id remark~"),
    (15, "ruled", "id x"),
    (16, "last_four", "id card! tail four~"),
    (17, "made", "id text part"),
    (18, "keyed", "id note"),
    (19, "routed", "id note"),
    (28, "routed_low", "note id"),
    (29, "logins", "id system_user!"),
];

/// What a table makes of its rows by itself: a generated column's number and expression, or what looks at which columns.
fn computations(table: &str) -> Vec<Computation> {
    let generated =
        |column: i16, expression: &str| Computation::Generated { column, expression: expression.to_owned() };
    let watched = |by: Watch, columns: &[i16]| Computation::Watched { by, columns: columns.to_vec() };
    match table {
        "last_four" => vec![generated(3, "\"right\"(card, 4)"), generated(4, "\"right\"(card, 4)")],
        "made" => vec![generated(3, "reverse(text)"), watched(Watch::Key, &[1])],
        "keyed" => vec![watched(Watch::Trigger, &[])],
        // Its part has the columns in another order.
        "routed_low" => vec![watched(Watch::Check, &[1])],
        _ => Vec::new(),
    }
}

/// Views with their columns and queries.
const VIEWS: &[(u32, &str, &str, &str)] = &[
    (20, "v_payments", "id customer reference", "SELECT id, customer, pan AS reference FROM public.payments"),
    (
        21,
        "v_tail",
        "id tail",
        "SELECT id, \"right\"(pan, 4) AS tail FROM public.payments WHERE pan <> ''::text ORDER BY pan",
    ),
    (22, "v_clear", "id tail~", "SELECT id, \"right\"(pan, 4) AS tail FROM public.payments"),
    (23, "v_nested", "id ref", "SELECT id, reference FROM public.v_payments"),
    (24, "v_broken", "id x", "not a query"),
    (25, "v_self", "id", "SELECT id FROM public.v_self"),
    (26, "v_wide", "id", "SELECT id, pan FROM public.payments"),
    (27, "v_orders", "id ref", "SELECT id, ref FROM public.orders"),
];

/// Functions with their arguments and bodies; none: opaque.
const FUNCTIONS: &[(&str, &str, Option<&str>)] = &[
    ("tail_of", "", Some("SELECT right($1, 4)")),
    ("twice", "word", Some("SELECT word || twice.word")),
    ("cards", "", Some("SELECT pan FROM public.payments")),
    ("find_card", "pattern", Some("SELECT id FROM public.payments WHERE pan LIKE pattern")),
    ("plus_one", "", Some("SELECT $1 + 1")),
    ("itself", "", Some("SELECT public.itself($1)")),
    ("opaque", "", None),
    ("fixed_total", "", Some("SELECT total FROM orders LIMIT 1")),
    ("has_card", "", Some("SELECT count(*) FROM public.payments WHERE pan = $1")),
    ("elsewhere.lower", "", None),
    ("initcap", "", Some("SELECT reverse($1)")),
    ("json_scalar", "", None),
];

/// In `public`, unless a schema is written.
fn name(name: &str) -> Name {
    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
    Name::new(Some(schema), name)
}

fn columns(words: &str) -> Vec<Column> {
    let one = |(at, word): (usize, &str)| Column {
        number: i16::try_from(at + 1).expect("few columns"),
        name: word.trim_end_matches(['!', '~', '^']).to_owned(),
        type_oid: if word == "meta!" { 3802 } else { 25 },
        sensitivity: match word.chars().next_back() {
            Some('!') => Sensitivity::Sensitive,
            Some('~') => Sensitivity::Clear,
            Some('^') => Sensitivity::Watched,
            _ => Sensitivity::None,
        },
    };
    words.split(' ').enumerate().map(one).collect()
}

pub(crate) fn schema() -> Schema {
    let mut schema = Schema::new();
    for (oid, table, words) in TABLES {
        let parents = match oid {
            11 => vec![10],
            13 => vec![12],
            28 => vec![19],
            _ => Vec::new(),
        };
        let columns = columns(words);
        let has_rules = *table == "ruled";
        schema.add_relation(Relation {
            oid: *oid,
            name: name(table),
            kind: RelationKind::Table,
            columns,
            has_rules,
            parents,
            computations: computations(table),
        });
    }
    for (oid, view, words, query) in VIEWS {
        let kind = RelationKind::View { query: (*query).to_owned() };
        let columns = columns(words);
        schema.add_relation(Relation {
            oid: *oid,
            name: name(view),
            kind,
            columns,
            has_rules: false,
            parents: Vec::new(),
            computations: Vec::new(),
        });
    }
    for (function, arguments, body) in FUNCTIONS {
        let arguments = arguments.split(' ').map(str::to_owned).collect();
        schema.add_function(Function { name: name(function), body: body.map(str::to_owned), arguments });
    }
    for oid in [1, 3, 4] {
        schema.add_key(oid, vec![1]);
    }
    schema.is_watching = true;
    schema.add_operator("~?~");
    schema
}
