//! Statements that are deep, or that would take long: an answer, in bounds, that never calls them clean without having seen them.

use crate::database;
use crate::words::lineage;

/// Half of what a shard has, and this is a debug build.
const STACK_BYTES: usize = 1 << 20;

fn told(text: &str) -> String {
    let text = text.to_owned();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let run = thread.spawn(move || lineage(&database::schema(), &text)).expect("a thread");
    run.join().expect("no panic")
}

fn nested(levels: usize, before: &str, inner: &str, after: &str) -> String {
    format!("{}{inner}{}", before.repeat(levels), after.repeat(levels))
}

/// Every depth is refused, unknown, or seen.
#[test]
fn deep_statements() {
    for levels in [10, 50, 100, 130, 160, 250, 500, 2_000] {
        for text in [
            format!("SELECT {} FROM payments", nested(levels, "(", "reverse(pan)", ")")),
            format!("SELECT {} FROM payments", nested(levels, "lower(", "pan", ")")),
            format!("SELECT {} FROM payments", nested(levels, "1 + ", "pan_int", "")),
            format!("SELECT {} FROM payments", nested(levels, "CASE WHEN true THEN ", "pan", " END")),
            format!("SELECT {} FROM payments", nested(levels, "ARRAY[", "pan", "]")),
            format!("SELECT x FROM {}", nested(levels, "(SELECT x FROM ", "(SELECT pan AS x FROM payments) a", ") a")),
            format!("SELECT {}", nested(levels, "(SELECT ", "pan FROM payments", ")")),
            nested(levels, "SELECT note FROM tickets UNION ALL ", "SELECT pan FROM payments", ""),
            format!("SELECT pan FROM payments {}", "NATURAL JOIN tickets ".repeat(levels)),
            format!("SELECT id FROM payments WHERE {}", nested(levels, "NOT ", "pan LIKE '4%'", "")),
            format!("SELECT {}.pan FROM payments p", nested(levels, "(", "p", ")")),
            nested(levels, "WITH a AS (", "SELECT pan FROM payments", ") SELECT pan FROM a"),
        ] {
            let told = told(&text);
            assert!(
                told.contains("payments.") || told.contains("unknown") || told.contains("refused"),
                "{levels} {told}"
            );
        }
    }
}

/// Long, but not deep.
#[test]
fn long_chains() {
    let chain = nested(450, "", "SELECT pan FROM payments", " UNION ALL SELECT note FROM tickets");
    assert_eq!(told(&chain), "pan <- payments.pan verbatim");
    let chain = nested(450, "", "SELECT ref FROM orders", " UNION SELECT note FROM tickets");
    assert_eq!(told(&chain), "clean");
    let chain = nested(200, "", "SELECT ref", " || 'x'") + " FROM orders";
    assert_eq!(told(&chain), "clean");
    let chain = nested(5_000, "", "SELECT id FROM orders WHERE true", " AND id > 1");
    assert_eq!(told(&chain), "clean");
}

/// Each doubles what the one before it reads: seen once each.
#[test]
fn doubling_tables() {
    let mut text = "WITH t0 AS (SELECT pan FROM payments)".to_owned();
    for at in 1..60 {
        text += &format!(", t{at} AS (SELECT a.pan FROM t{0} a, t{0} b)", at - 1);
    }
    assert_eq!(told(&format!("{text} SELECT pan FROM t59")), "pan <- payments.pan");
}

/// Recursive queries inside recursive queries: rounds of rounds.
#[test]
fn recursion_in_recursion() {
    for levels in [1, 2, 3, 6, 12] {
        let inner = "SELECT pan, customer FROM payments";
        let text = (0..levels).fold(inner.to_owned(), |query, at| {
            format!("WITH RECURSIVE r{at}(a, b) AS ({query} UNION ALL SELECT b, a FROM r{at}) SELECT a, b FROM r{at}")
        });
        let told = told(&text);
        assert!(told.contains("payments.pan") || told.contains("unknown"), "{levels} {told}");
    }
}

/// Many columns, many items, long lists.
#[test]
fn wide_statements() {
    let columns = vec!["pan"; 1600].join(", ");
    assert_eq!(told(&format!("SELECT {columns} FROM payments")).matches("payments.pan").count(), 1600);
    let stars = vec!["p.*"; 150].join(", ");
    assert_eq!(told(&format!("SELECT {stars} FROM payments p")).matches("payments.pan_int").count(), 150);
    let numbers = vec!["1"; 50_000].join(", ");
    assert_eq!(told(&format!("SELECT id FROM payments WHERE id IN ({numbers})")), "clean");
    let rows = vec!["(1, 2, 3)"; 20_000].join(", ");
    assert_eq!(told(&format!("VALUES {rows}")), "clean");
    let items = (0..20_000).map(|at| format!("orders o{at}")).collect::<Vec<_>>().join(", ");
    let names = vec!["ref"; 20_000].join(", ");
    let long = told(&format!("SELECT concat({names}) FROM {items}"));
    assert!(long.contains("too large"), "{long}");
    let nested_rows = (0..14).fold("p".to_owned(), |row, _| format!("ROW({row}, {row})"));
    assert!(told(&format!("SELECT {nested_rows} FROM payments p")).contains("payments.pan"));
}
