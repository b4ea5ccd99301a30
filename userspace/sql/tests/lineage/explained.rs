//! What is said of a statement to whoever wrote it.

use sql::{Context, Limits, analyze_in, explain};

use crate::database;

fn said(text: &str) -> Vec<String> {
    let schema = database::schema();
    let schemas = ["pg_catalog", "public"].map(str::to_owned);
    let analysis = analyze_in(text, &Limits::default(), &Context::new(&schema, &schemas)).expect("an analysis");
    let lineage = analysis.statements.first().and_then(|statement| statement.lineage.as_ref()).expect("a lineage");
    let line =
        |one: sql::Explained| if one.change.is_empty() { one.to_string() } else { format!("{one} | {}", one.change) };
    explain(lineage, &schema).into_iter().map(line).collect()
}

#[test]
fn every_part_has_its_reason() {
    for (text, expected) in [
        (
            "SELECT customer, pan, array_agg(pan) OVER (), substr(pan, 1, 8) AS head FROM payments",
            &[
                "output 1 `customer`: passes: nothing sensitive is in it",
                "output 2 `pan`: masked: it is public.payments.pan",
                "output 3 `array_agg`: masked whole: public.payments.pan stands in it, beside other things",
                "output 4 `head`: refused: substr(pan, ..., ...) transforms public.payments.pan, and no mask would find it \
                 | select public.payments.pan as it is, which is masked, or leave it out",
            ][..],
        ),
        (
            "SELECT remark FROM noted WHERE remark LIKE 'x%'",
            &["output 1 `remark`: passes: policy calls public.noted.remark clear"],
        ),
        (
            "SELECT id FROM payments WHERE pan LIKE '4111%' ORDER BY pan",
            &[
                "output 1 `id`: passes: nothing sensitive is in it",
                "pan LIKE ...: refused unless policy lets this agent ask: a predicate tells public.payments.pan bit by bit \
                 | filter by another column, or compare the whole column by `=` with a parameter where policy allows it",
                "pan: refused unless policy lets this agent ask: an order by it tells public.payments.pan bit by bit \
                 | order by another column",
            ],
        ),
        (
            "INSERT INTO tickets SELECT id, pan FROM payments",
            &["note of tickets: remembered: it is filled from public.payments.pan"],
        ),
        (
            "SELECT opaque(1), x FROM pg_stats",
            &[
                "output 1 `opaque`: passes: nothing sensitive is in it",
                "output 2 `x`: passes: nothing sensitive is in it",
                "pg_catalog.pg_stats: refused: it holds values, statements or files of others \
                 | read the table itself, or have a rule name it",
                "public.opaque: refused: it is not known what it does with what it is given \
                 | use a function of the server's own, or have a rule name it",
            ],
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

/// Names are the agent's to choose, and may be digits; literals never stand there.
#[test]
fn no_number_is_repeated() {
    for text in [
        "SELECT reverse(pan) AS \"4012888888881881\" FROM payments WHERE pan LIKE '4012888888881881%'",
        "SELECT \"4012888888881881\".pan || '4012888888881881' FROM payments AS \"4012888888881881\"",
        "SELECT \"4012888888881881\"(pan), \"x4012888888881881\" FROM payments, \"4012888888881881\"",
        "INSERT INTO \"4012888888881881\" SELECT substr(pan, 4012888888881881) FROM payments",
        "SELECT pan::\"4012888888881881\", (p).\"4012888888881881\" FROM payments p GROUP BY pan LIKE '4012888888881881'",
        "SELECT 4012888888881881 + pan_int, CASE pan WHEN '4012888888881881' THEN 1 END FROM payments",
    ] {
        let said = said(text).concat();
        let digits: String = said.chars().filter(char::is_ascii_digit).collect();
        assert!(!digits.contains("4012888888"), "{text}");
    }
}
