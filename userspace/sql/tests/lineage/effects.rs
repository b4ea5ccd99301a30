//! What rules may ask of a statement beside its kinds: columns that it uses, rows that it reads, how wide it reaches.

use sql::{Context, Limits, Name, Used, analyze_in};

use crate::database;

fn names(names: &[Name]) -> String {
    names.iter().map(|name| name.name.as_str()).collect::<Vec<_>>().join(" ")
}

fn columns(used: &Option<Vec<Used>>) -> String {
    let used = used.as_ref().expect("the schema tells");
    used.iter().map(|used| format!("{}.{}", used.relation.name, used.column)).collect::<Vec<_>>().join(" ")
}

/// The text's only statement, with what is asked of it in words.
fn check(cases: &[(&str, &str)], say: impl Fn(&sql::Statement) -> String) {
    let schema = database::schema();
    let schemas = ["pg_catalog", "public"].map(str::to_owned);
    let context = Context::new(&schema, &schemas);
    for (text, expected) in cases {
        let analysis = analyze_in(text, &Limits::default(), &context).expect("an analysis");
        let told = say(analysis.statements.first().expect("a statement"));
        assert_eq!(told, *expected, "{text}");
    }
}

fn lineage(statement: &sql::Statement) -> &sql::Lineage {
    statement.lineage.as_ref().expect("a lineage")
}

/// `total` is a column that rules ask about; so are the sensitive ones.
#[test]
fn columns_that_are_used() {
    let cases = [
        ("SELECT id FROM orders", ""),
        ("SELECT total FROM orders", "orders.total"),
        ("SELECT * FROM orders", "orders.total"),
        ("SELECT o FROM orders o", "orders.total"),
        ("SELECT count(total) FROM orders", "orders.total"),
        ("SELECT id FROM orders ORDER BY total", "orders.total"),
        ("SELECT id FROM (SELECT * FROM orders) s", "orders.total"),
        ("SELECT id FROM orders WHERE total > 5", "orders.total"),
        ("UPDATE tickets SET note = total FROM orders o", "orders.total"),
        ("COPY (SELECT sum(total) FROM orders) TO STDOUT", "orders.total"),
        ("SELECT id, pan FROM payments", "payments.pan"),
        ("UPDATE orders SET total = 1 WHERE id = 1", "orders.total"),
        ("INSERT INTO orders(id, ref) VALUES (1, 'x')", ""),
        ("INSERT INTO orders VALUES (1, 'x', now(), 2)", "orders.total"),
        ("COPY orders FROM STDIN", "orders.total"),
        ("COPY orders(id, ref) TO STDOUT", ""),
        ("COPY orders TO STDOUT", "orders.total"),
        ("SELECT fixed_total()", "orders.total"),
    ];
    check(&cases, |statement| columns(&lineage(statement).used));
}

#[test]
fn columns_that_are_asked_about() {
    let cases = [
        ("SELECT total FROM orders", ""),
        ("SELECT id FROM orders ORDER BY total", ""),
        ("SELECT id FROM orders WHERE total > 5", "orders.total"),
        ("SELECT id FROM (SELECT id, total + 1 AS t FROM orders) s WHERE t > 5", "orders.total"),
        ("WITH a AS (SELECT total AS x FROM orders) SELECT 1 FROM a JOIN tickets ON x = id", "orders.total"),
        ("SELECT CASE WHEN total > 5 THEN 1 END FROM orders", "orders.total"),
        ("SELECT sum(total) FROM orders HAVING max(total) > 5", "orders.total"),
        ("DELETE FROM orders WHERE total = 5", "orders.total"),
        ("SELECT id FROM orders WHERE id = 5", ""),
    ];
    check(&cases, |statement| columns(&lineage(statement).asked));
}

/// A rule's column is no secret: nothing of it is told but that it is used.
#[test]
fn columns_of_rules_are_no_sources() {
    let cases = [
        ("SELECT reverse(total::text), p.* FROM orders p", "clean"),
        ("INSERT INTO tickets SELECT id, total FROM orders WHERE total > 5", "clean"),
        ("SELECT set_config('a.b', total::text, false) FROM orders", "clean"),
        ("ALTER TABLE orders RENAME COLUMN total TO x", "clean"),
        ("SELECT *, total FROM pg_class, orders", "clean"),
    ];
    check(&cases, |statement| {
        let lineage = lineage(statement);
        let told = lineage.outputs.iter().any(|output| !output.sources.is_empty());
        let told = told || !lineage.probes.is_empty() || !lineage.flows.is_empty() || !lineage.unknown.is_empty();
        (if told { "told" } else { "clean" }).to_owned()
    });
}

/// The key of each table here is its first column.
#[test]
fn relations_that_are_read_whole() {
    let cases = [
        ("SELECT * FROM orders", "orders"),
        ("SELECT count(*) FROM orders", "orders"),
        ("SELECT * FROM orders LIMIT 5", ""),
        ("SELECT * FROM orders LIMIT $1", ""),
        ("SELECT * FROM orders LIMIT (SELECT 5)", "orders"),
        ("SELECT * FROM orders WHERE id = $1", ""),
        ("SELECT * FROM orders WHERE id = $1::int", ""),
        ("SELECT * FROM orders WHERE id::int = $1", "orders"),
        ("SELECT * FROM orders WHERE 5 = id AND total > 3", ""),
        ("SELECT * FROM orders WHERE id = 5 OR true", "orders"),
        ("SELECT * FROM orders WHERE id > 5", "orders"),
        ("SELECT * FROM orders WHERE ref = 'x'", "orders"),
        ("SELECT * FROM orders WHERE id = id", "orders"),
        ("SELECT * FROM orders o JOIN tickets t ON t.id = o.id", "orders tickets"),
        ("SELECT * FROM orders o JOIN tickets t ON t.id = o.id WHERE o.id = $1", ""),
        ("SELECT * FROM orders o JOIN tickets t ON t.id = o.id WHERE $1 = t.id", ""),
        ("SELECT * FROM orders a, orders b, tickets t WHERE t.id = 7 AND b.id = t.id AND a.id = b.total", ""),
        ("SELECT * FROM orders o, tickets t WHERE t.id = o.total AND o.ref = 'x'", "orders tickets"),
        ("SELECT * FROM orders o, tickets t WHERE o.id = $1", "tickets"),
        ("SELECT * FROM (SELECT * FROM orders) s", "orders"),
        ("WITH a AS (SELECT * FROM orders) SELECT * FROM a LIMIT 1", "orders"),
        ("SELECT * FROM tickets WHERE id = 1 AND EXISTS (SELECT 1 FROM orders)", ""),
        ("SELECT 1 UNION ALL SELECT id FROM orders", "orders"),
        ("SELECT * FROM card_events WHERE n = 1", "card_events"),
        ("INSERT INTO tickets SELECT id, ref FROM orders", "orders"),
        ("COPY orders TO STDOUT", "orders"),
        ("SELECT relname FROM pg_class", ""),
        ("SELECT fixed_total()", ""),
        ("SELECT * FROM v_payments", "payments"),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM v_payments)", ""),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM v_payments) UNION ALL SELECT 1 FROM v_payments", "payments"),
    ];
    check(&cases, |statement| names(&lineage(statement).unbounded));
}

#[test]
fn changes_without_a_condition() {
    let cases = [
        ("DELETE FROM orders", "orders"),
        ("DELETE FROM orders WHERE true", "orders"),
        ("DELETE FROM orders WHERE 1 = 1 OR $1", "orders"),
        ("DELETE FROM orders WHERE id = 1", ""),
        ("UPDATE orders SET ref = 'x'", "orders"),
        ("UPDATE orders SET ref = 'x' WHERE id > 0", ""),
        ("WITH d AS (DELETE FROM orders RETURNING id) SELECT * FROM d", "orders"),
        ("DELETE FROM orders WHERE CURRENT OF c", ""),
        ("SELECT * FROM orders", ""),
    ];
    check(&cases, |statement| names(&statement.without_where));
}

#[test]
fn statements_that_reach_wide() {
    let cases = [
        ("VACUUM", "wide"),
        ("VACUUM orders", ""),
        ("ANALYZE", "wide"),
        ("REINDEX DATABASE x", "wide"),
        ("REINDEX TABLE orders", ""),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO x", "wide"),
        ("GRANT SELECT ON orders TO x", ""),
        ("DROP SCHEMA public CASCADE", "wide"),
        ("DROP TABLE orders", ""),
        ("DROP OWNED BY x", "wide"),
        ("ALTER DATABASE x SET a.b = 1", "wide"),
        ("CREATE PUBLICATION p FOR ALL TABLES", "wide"),
        ("SELECT 1", ""),
    ];
    check(&cases, |statement| (if statement.is_database_wide { "wide" } else { "" }).to_owned());
}
