//! Rules that ask more of a statement than its kinds and tables.

use policy::{Action, Names, Policy, Question, Subject, judge};
use sql::{Column, Context, Function, Limits, Name, Relation, RelationKind, Schema, Sensitivity, analyze, analyze_in};

fn names() -> Names {
    Names {
        agents: vec!["reporter".to_owned()],
        groups: Vec::new(),
        databases: vec!["ledger".to_owned()],
        ..Names::default()
    }
}

/// A policy that allows reading and writing, with a rule of this kind and these conditions beside it.
fn beside(action: &str, conditions: &str) -> Policy {
    let text = format!(
        "[[rule]]\nname = \"all\"\naction = \"allow\"\n\n[[rule]]\nname = \"more\"\naction = \"{action}\"\n{conditions}\n"
    );
    Policy::parse(&text, &names()).unwrap_or_else(|error| panic!("{error}"))
}

fn table(oid: u32, table: &str, columns: &[&str]) -> Relation {
    let columns = (1..).zip(columns).map(|(number, name)| Column {
        number,
        name: (*name).to_owned(),
        type_oid: 25,
        sensitivity: Sensitivity::Watched,
    });
    let name = Name::new(Some("public"), table);
    let kind = RelationKind::Table;
    Relation {
        oid,
        name,
        kind,
        columns: columns.collect(),
        has_rules: false,
        parents: Vec::new(),
        computations: Vec::new(),
    }
}

fn schema() -> Schema {
    let mut schema = Schema::new();
    schema.add_relation(table(1, "customers", &["id", "name", "mail"]));
    schema.add_relation(table(2, "orders", &["id", "customer", "amount"]));
    schema.add_key(1, vec![1]);
    schema.add_key(2, vec![1]);
    let query = "SELECT customers.id, customers.mail AS address FROM public.customers".to_owned();
    let kind = RelationKind::View { query };
    schema.add_relation(Relation { kind, ..table(3, "addresses", &["id", "address"]) });
    let query = "SELECT orders.id FROM public.orders".to_owned();
    schema.add_relation(Relation { kind: RelationKind::View { query }, ..table(4, "order_ids", &["id"]) });
    let computations = vec![sql::Computation::Generated { column: 2, expression: "net + 1".to_owned() }];
    schema.add_relation(Relation { computations, ..table(5, "invoices", &["id", "gross", "net"]) });
    let mut cards = table(6, "cards", &["id", "pan"]);
    cards.columns[1].sensitivity = Sensitivity::Sensitive;
    schema.add_relation(cards);
    let query = "SELECT cards.id, cards.pan AS ref FROM public.cards".to_owned();
    schema.add_relation(Relation { kind: RelationKind::View { query }, ..table(7, "refs", &["id", "ref"]) });
    let name = |name: &str| Name::new(Some("public"), name);
    let function = |name, body: &str| Function { name, body: Some(body.to_owned()), arguments: Vec::new() };
    schema.add_function(function(name("first_mail"), "SELECT mail FROM public.customers LIMIT 1"));
    schema.add_function(function(name("orders_of"), "SELECT id FROM public.orders WHERE customer = $1"));
    schema.is_watching = true;
    schema
}

fn verdict(policy: &Policy, text: &str, schema: Option<&Schema>) -> &'static str {
    let path = ["pg_catalog", "public"].map(str::to_owned);
    let analysis = match schema {
        Some(schema) => analyze_in(text, &Limits::default(), &Context::new(schema, &path)),
        None => analyze(text, &Limits::default()),
    };
    let Ok(analysis) = analysis else { panic!("{text}: refused") };
    let [statement] = analysis.statements.as_slice() else { panic!("{text}: not one statement") };
    let subject = Subject { agent: "reporter".to_owned(), groups: Vec::new(), signed: None };
    let question = Question {
        subject: &subject,
        database: "ledger",
        statement,
        schemas: &path,
        schema,
        estimated_rows: None,
        wall_s: 0,
    };
    match judge(policy, question).action {
        Action::Allow => "allow",
        Action::Hold => "hold",
        Action::Block => "block",
    }
}

fn check(policy: &Policy, cases: &[(&str, &str)]) {
    let schema = schema();
    for (text, expected) in cases {
        assert_eq!(verdict(policy, text, Some(&schema)), *expected, "{text}");
    }
}

#[test]
fn a_column_that_is_used() {
    check(
        &beside("block", "columns = [\"mail\"]"),
        &[
            ("SELECT name FROM customers", "allow"),
            ("SELECT mail FROM customers", "block"),
            ("SELECT * FROM customers", "block"),
            ("SELECT c FROM customers c", "block"),
            ("SELECT id FROM customers ORDER BY mail", "block"),
            ("SELECT id FROM (SELECT id, mail AS x FROM customers) s WHERE x = 'a'", "block"),
            ("UPDATE customers SET mail = 'a' WHERE id = 1", "block"),
            ("SELECT amount FROM orders", "allow"),
            ("SELECT no_such FROM customers", "block"),
        ],
    );
}

#[test]
fn a_sensitive_column_that_is_compared_with_a_whole_value() {
    for tables in ["", "tables = [\"public.cards\"]"] {
        check(
            &beside("hold", &format!("match = true\nstatements = [\"select\"]\n{tables}")),
            &[
                ("SELECT id FROM cards WHERE pan = $1", "hold"),
                ("SELECT id FROM cards WHERE pan IN ('4', $1)", "hold"),
                ("SELECT id FROM refs WHERE ref = $1", "hold"),
                ("WITH c AS (SELECT * FROM cards) SELECT count(*) FROM c WHERE pan = $1", "hold"),
                ("SELECT id FROM cards WHERE id = $1", "allow"),
                ("SELECT name FROM customers WHERE mail = $1", "allow"),
                ("EXPLAIN SELECT id FROM cards WHERE pan = $1", "allow"),
                ("DECLARE c CURSOR FOR SELECT id FROM cards WHERE pan = '4'", "allow"), // refused when it is read
                ("SELECT id FROM cards WHERE pan LIKE $1", "allow"),                    // nobody's to allow
                ("UPDATE cards SET id = 2 WHERE pan = $1", "allow"),                    // another kind
            ],
        );
    }
    check(
        &beside("hold", "match = true\ntables = [\"public.orders\"]"),
        &[("SELECT id FROM cards WHERE pan = $1", "allow")],
    );
}

#[test]
fn a_column_that_is_asked_about() {
    check(
        &beside("hold", "where = [\"public.orders.amount\"]"),
        &[
            ("SELECT amount FROM orders", "allow"),
            ("SELECT id FROM orders WHERE amount > 5", "hold"),
            ("SELECT id FROM (SELECT id, amount * 2 AS d FROM orders) s WHERE d > 5", "hold"),
            ("SELECT id FROM orders WHERE id = 5", "allow"),
        ],
    );
}

/// By another name it is the same column, and the rule's table is read all the same.
#[test]
fn what_a_view_or_a_function_reads_counts() {
    check(
        &beside("block", "statements = [\"select\"]\ntables = [\"public.customers\"]\ncolumns = [\"mail\"]"),
        &[
            ("SELECT address FROM addresses", "block"),
            ("SELECT id FROM addresses", "allow"),
            ("SELECT id FROM addresses WHERE address = 'a'", "block"),
            ("SELECT id FROM order_ids", "allow"),
            ("SELECT first_mail()", "block"),
            ("SELECT id FROM orders WHERE customer = (SELECT id FROM customers WHERE mail = first_mail())", "block"),
            ("SELECT orders_of(1)", "allow"),
            ("UPDATE orders SET amount = 1 WHERE id = 1", "allow"),
            ("SELECT id FROM no_such", "block"),
        ],
    );
    check(
        &beside("hold", "tables = [\"public.orders\"]\nunbounded = true"),
        &[
            ("SELECT id FROM order_ids", "hold"),
            ("SELECT id FROM addresses", "allow"),
            ("SELECT id FROM order_ids LIMIT 1", "hold"),
            ("SELECT orders_of(1)", "hold"),
        ],
    );
}

#[test]
fn an_allow_of_these_columns_alone() {
    let text = "[[rule]]\nname = \"names\"\naction = \"allow\"\ntables = [\"public.customers\"]\n\
                columns = [\"id\", \"public.customers.name\"]\n";
    let policy = Policy::parse(text, &names()).unwrap();
    check(
        &policy,
        &[
            ("SELECT id, name FROM customers", "allow"),
            ("SELECT name FROM customers WHERE mail = 'a'", "block"),
            ("SELECT * FROM customers", "block"),
            ("SELECT id FROM orders", "block"),
        ],
    );
    assert_eq!(verdict(&policy, "SELECT id FROM customers", None), "block");
    assert_eq!(policy.watched("ledger").len(), 1);
}

#[test]
fn rows_without_a_bound() {
    check(
        &beside("hold", "unbounded = true\ntables = [\"public.orders\"]"),
        &[
            ("SELECT * FROM orders", "hold"),
            ("SELECT * FROM orders LIMIT 10", "allow"),
            ("SELECT * FROM orders WHERE id = $1", "allow"),
            ("SELECT * FROM customers", "allow"),
            ("SELECT * FROM customers c JOIN orders o ON o.customer = c.id WHERE c.id = 1", "hold"),
        ],
    );
    // Generated columns make it no less a table.
    check(&beside("hold", "unbounded = true"), &[("SELECT id FROM invoices", "hold")]);
    let text = "[[rule]]\nname = \"some\"\naction = \"allow\"\nunbounded = false\n";
    let policy = Policy::parse(text, &names()).unwrap();
    check(&policy, &[("SELECT * FROM orders", "block"), ("SELECT * FROM orders LIMIT 1", "allow")]);
}

#[test]
fn changes_of_everything() {
    check(
        &beside("block", "without_where = true"),
        &[
            ("DELETE FROM orders", "block"),
            ("DELETE FROM orders WHERE true", "block"),
            ("DELETE FROM orders WHERE id = 1", "allow"),
            ("WITH d AS (UPDATE orders SET amount = 0 RETURNING 1) SELECT count(*) FROM d", "block"),
        ],
    );
    check(&beside("block", "database_wide = true"), &[("VACUUM", "block"), ("VACUUM orders", "allow")]);
}

/// A function that reaches nothing is no effect, and a rule that names it is about it all the same.
#[test]
fn functions_that_reach_nothing_are_named_by_blocks_and_holds() {
    check(
        &beside("hold", "statements = [\"function-call\"]\nfunctions = [\"pg_catalog.generate_series\"]"),
        &[
            ("SELECT count(*) FROM generate_series(1, 10)", "hold"),
            ("SELECT id FROM orders WHERE id IN (SELECT pg_catalog.generate_series(1, 10))", "hold"),
            ("SELECT count(*) FROM orders", "allow"),
            ("SELECT other.generate_series(1, 10)", "allow"),
        ],
    );
    let allow = "[[rule]]\nname = \"calls\"\naction = \"allow\"\nstatements = [\"function-call\"]\nfunctions = [\"pg_catalog.*\"]\n";
    let policy = Policy::parse(allow, &names()).unwrap();
    check(&policy, &[("SELECT count(*) FROM orders", "block")]);
}

#[test]
fn rows_that_the_planner_expects() {
    let question = |policy: &Policy, estimated_rows| {
        let analysis = analyze("SELECT id FROM orders", &Limits::default()).unwrap();
        let subject = Subject { agent: "reporter".to_owned(), groups: Vec::new(), signed: None };
        let statement = &analysis.statements[0];
        let path = ["public".to_owned()];
        let question = Question {
            subject: &subject,
            database: "ledger",
            statement,
            schemas: &path,
            schema: None,
            estimated_rows,
            wall_s: 0,
        };
        let verdict = judge(policy, question);
        (verdict.action, verdict.wants_estimate)
    };
    let held = beside("hold", "estimated_rows_over = 1_000");
    for (rows, expected) in
        [(None, (Action::Hold, true)), (Some(1000), (Action::Allow, false)), (Some(1001), (Action::Hold, false))]
    {
        assert_eq!(question(&held, rows), expected, "{rows:?}");
    }
    // Of rules for other statements no estimate is wanted.
    let other = beside("hold", "statements = [\"delete\"]\nestimated_rows_over = 1_000");
    assert_eq!(question(&other, None), (Action::Allow, false));
    let text = "[[rule]]\nname = \"large\"\naction = \"allow\"\nestimated_rows_over = 10\n";
    let allowed = Policy::parse(text, &names()).unwrap();
    assert_eq!(question(&allowed, None), (Action::Block, true));
    assert_eq!(question(&allowed, Some(11)), (Action::Allow, false));
}

/// What is not told counts against the agent.
#[test]
fn facts_that_are_not_known() {
    for (action, conditions, expected) in [
        ("block", "columns = [\"mail\"]", "block"),
        ("hold", "where = [\"mail\"]", "hold"),
        ("hold", "unbounded = true", "hold"),
        ("hold", "unbounded = false", "hold"),
        ("block", "without_where = true", "allow"),
        ("block", "database_wide = true", "allow"),
    ] {
        assert_eq!(verdict(&beside(action, conditions), "SELECT id FROM customers", None), expected, "{conditions}");
    }
}

#[test]
fn words_are_checked_at_load() {
    let refused = |line: &str| {
        let text = format!("[[rule]]\nname = \"a\"\naction = \"allow\"\n{line}\n");
        Policy::parse(&text, &names()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (line, expected) in [
        ("unbounded = 1", "line 4: `unbounded` is true or false"),
        ("match = 1", "line 4: `match` is true or false"),
        ("unbound = true", "line 4: unknown key `unbound`; did you mean `unbounded`?"),
        ("columns = [\"a.b\"]", "line 4: `a.b` is not `column` or `schema.table.column`"),
        ("columns = [\"!a\"]", "line 4: `!a` is not `column` or `schema.table.column`"),
        ("columns = []", "line 4: `columns` is empty: leave it out to mean any"),
        ("columns = [\"a\", \"A\"]", "line 4: `A` stands twice in `columns`"),
        (
            "where = [\"a\"]",
            "line 4: `where` is for rules that hold or block: an agent can add a predicate that changes nothing",
        ),
    ] {
        assert_eq!(refused(line), expected, "{line}");
    }
}
