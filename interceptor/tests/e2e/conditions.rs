//! Rules that ask which columns a statement uses, and how far it reaches: by the database's own catalog.

use crate::stage::{POLICY, Stage};

const RULES: &str = r#"
[[rule]]
name = "any"
action = "allow"

[[rule]]
name = "names of columns"
statements = ["select"]
tables = ["public.payments"]
columns = ["amount"]
action = "block"

[[rule]]
name = "conditions on it"
statements = ["select"]
tables = ["public.tickets"]
where = ["note"]
action = "block"

[[rule]]
name = "whole tables"
statements = ["select"]
tables = ["public.payments", "public.pairs"]
unbounded = true
action = "block"

[[rule]]
name = "all rows"
statements = ["update", "delete"]
without_where = true
action = "block"

[[rule]]
name = "all of it"
statements = ["vacuum", "grant"]
database_wide = true
action = "block"

[[rule]]
name = "functions"
statements = ["function-call"]
functions = ["pg_catalog.pg_sleep", "public.opaque"]
action = "block"
"#;

const OBJECTS: &str = "
CREATE VIEW v_payments AS SELECT id AS number, customer, amount AS worth FROM payments;
CREATE VIEW v_tickets AS SELECT id, note AS words FROM tickets;
CREATE FUNCTION worth_of(int) RETURNS numeric LANGUAGE sql AS 'SELECT amount FROM public.payments WHERE id = $1';
CREATE FUNCTION opaque() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE TABLE pairs(a int, b int, c int, UNIQUE (a, b) INCLUDE (c), UNIQUE (c) DEFERRABLE);
CREATE UNIQUE INDEX ON pairs (b) WHERE c > 0;
GRANT SELECT ON v_payments, v_tickets, pairs TO app;
";

fn check(stage: &Stage) {
    stage.database.sql("postgres", OBJECTS).expect("made");
    for refused in [
        "SELECT amount FROM payments WHERE id = 1",
        "SELECT * FROM payments WHERE id = 1",
        "SELECT id FROM payments WHERE id = 1 AND amount > 5",
        "SELECT worth FROM v_payments LIMIT 1",
        "SELECT worth_of(1)",
        "SELECT id FROM tickets WHERE note = 'a' LIMIT 1",
        "SELECT id FROM v_tickets WHERE words LIKE 'a%' LIMIT 1",
        "SELECT id FROM payments",
        "SELECT id FROM payments WHERE id > 1",
        "SELECT id FROM payments WHERE id::numeric = 1",
        "SELECT number FROM v_payments",
        "SELECT b FROM pairs WHERE a = 1",
        "SELECT b FROM pairs WHERE b = 1",
        "SELECT b FROM pairs WHERE c = 1",
        "UPDATE plain SET note = 'x'",
        "DELETE FROM plain WHERE true",
        "VACUUM",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO app",
        "SELECT pg_sleep(0)",
        "SELECT opaque()",
    ] {
        let answer = stage.ask(refused);
        assert!(answer.err.contains("42501") && !answer.ok, "{refused}: {}{}", answer.out, answer.err);
    }
    for passes in [
        "SELECT customer FROM payments WHERE id = 1",
        "SELECT id FROM payments LIMIT 2",
        "SELECT id FROM payments WHERE 2 = id AND customer <> 'x'",
        "SELECT note FROM tickets",
        "SELECT id FROM v_tickets",
        "SELECT id FROM tickets WHERE id = 1",
        "SELECT b FROM pairs WHERE a = 1 AND b = 2",
        "UPDATE plain SET note = 'x' WHERE id = 1",
        "DELETE FROM plain WHERE id = 99",
        "VACUUM plain",
        "SELECT count(*) FROM plain",
    ] {
        let answer = stage.ask(passes);
        assert!(answer.ok, "{passes}: {}", answer.err);
    }
}

#[test]
fn they_are_judged_by_the_catalog_where_nothing_is_sensitive() {
    let Some(stage) = Stage::set("", RULES) else { return };
    check(&stage);
    // What cannot be told is no refusal by itself here: only rules ask.
    let alone = "[[rule]]\nname = \"any\"\naction = \"allow\"\n\n[[rule]]\nname = \"deletes\"\nstatements = [\"delete\"]\ncolumns = [\"amount\"]\naction = \"block\"\n";
    drop(stage);
    let Some(stage) = Stage::set("", alone) else { return };
    let unseen = "CREATE FUNCTION unseen() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 7; END'";
    stage.database.sql("postgres", unseen).expect("made");
    stage.ask("SELECT unseen()").says("7");
    stage.ask("DELETE FROM payments WHERE amount > 1000").refused("42501");
    stage.ask("DELETE FROM payments WHERE id = 1000").says("DELETE 0");
}

#[test]
fn they_are_judged_by_the_catalog_beside_sensitive_columns() {
    let sensitive = POLICY.split("[[rule]]").next().unwrap_or_default();
    let Some(stage) = Stage::set("", &format!("{sensitive}{RULES}")) else { return };
    check(&stage);
    stage.ask("SELECT pan FROM payments WHERE id = 1").says("411111******1111");
}
