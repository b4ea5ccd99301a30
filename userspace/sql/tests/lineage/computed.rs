//! Relations that make something of their rows by themselves: it is told what looks at a column that is filled, and a generated column is
//! what its expression makes of the others.

use crate::words::check;

#[test]
fn generated_columns_are_what_they_are_made_of() {
    check(&[
        ("SELECT tail FROM last_four", "tail <- last_four.card lossy"),
        ("SELECT four, id FROM last_four", "four <- last_four.four"),
        ("SELECT * FROM last_four", "card <- last_four.card; tail <- last_four.card lossy; four <- last_four.four"),
        ("SELECT id FROM last_four WHERE tail = '1'", "where last_four.card; quotes"),
        ("SELECT part FROM made", "clean"),
    ]);
}

#[test]
fn what_looks_at_a_column_that_is_filled() {
    check(&[
        (
            "INSERT INTO made(text) SELECT pan FROM payments",
            "made.text gets payments.pan, watched by a generated column; quotes",
        ),
        ("INSERT INTO made(id) SELECT pan FROM payments", "made.id gets payments.pan, watched by a key; quotes"),
        ("INSERT INTO made SELECT id, customer FROM payments", "clean"),
        ("UPDATE keyed SET note = pan FROM payments", "keyed.note gets payments.pan, watched by a trigger; quotes"),
        ("UPDATE keyed SET note = customer FROM payments", "clean"),
        // The part may have what the whole has not.
        (
            "INSERT INTO routed(note) SELECT pan FROM payments",
            "routed.note gets payments.pan, watched by a check; quotes",
        ),
        ("INSERT INTO routed(id) SELECT pan FROM payments", "routed.id gets payments.pan; quotes"),
        ("INSERT INTO tickets(note) SELECT pan FROM payments", "tickets.note gets payments.pan; quotes"),
    ]);
}

#[test]
fn what_the_same_text_has_set_up() {
    let filled = "INSERT INTO g(a) SELECT pan FROM payments";
    for (set_up, by) in [
        ("CREATE TABLE g(a text, b text GENERATED ALWAYS AS (reverse(a)) STORED)", "a generated column"),
        ("CREATE TABLE g(a text CHECK (a < '5'))", "a check"),
        ("CREATE TABLE g(a text, CHECK (a < '5'))", "a check"),
        ("CREATE TABLE g(a text UNIQUE)", "a key"),
        ("CREATE TABLE g(b int, a text, PRIMARY KEY (b, a))", "a key"),
        ("CREATE TABLE g(a text, EXCLUDE USING gist (a WITH =))", "an exclusion"),
        ("CREATE TABLE g(a text REFERENCES tickets)", "a foreign key"),
        ("CREATE TABLE g(a text) PARTITION BY RANGE (a)", "a partition's bounds"),
        ("CREATE TABLE g(a public.short)", "a domain"),
        ("CREATE TABLE g(LIKE made INCLUDING ALL)", "a check"),
        ("CREATE TABLE g() INHERITS (made)", "a check"),
        ("CREATE TABLE g(a text); CREATE INDEX ON g (substr(a, 1, 1))", "an index"),
        ("CREATE TABLE g(a text); ALTER TABLE g ADD CHECK (a < '5')", "a check"),
        ("CREATE TABLE g(a text); ALTER TABLE g ADD b text GENERATED ALWAYS AS (a) STORED", "a generated column"),
        ("CREATE TABLE g(a text); CREATE POLICY p ON g USING (a < '5')", "row level security"),
    ] {
        let told = crate::words::lineage(&crate::database::schema(), &format!("{set_up}; {filled}"));
        let last = told.rsplit(" / ").next().unwrap_or_default();
        assert_eq!(last, format!("g.a gets payments.pan, watched by {by}; quotes"), "{set_up}");
    }
    check(&[(
        "CREATE TABLE g(id int PRIMARY KEY, a text); INSERT INTO g SELECT id, pan FROM payments",
        "clean / g.a gets payments.pan; quotes",
    )]);
}

#[test]
fn nothing_is_set_up_over_what_matters_already() {
    check(&[
        ("ALTER TABLE charges ADD CHECK (card < '5')", "where charges.card; quotes"),
        ("ALTER TABLE charges ADD UNIQUE (card)", "other charges.card"),
        ("ALTER TABLE charges ALTER card TYPE int USING 1", "other charges.card"),
        ("ALTER TABLE charges ALTER card TYPE public.short", "other charges.card"),
        ("ALTER TABLE charges ALTER card TYPE varchar(64)", "clean"),
        ("CREATE INDEX ON charges (substr(card, 9, 1))", "other charges.card; quotes"),
        ("CREATE INDEX ON charges (day) WHERE card < '5'", "where charges.card; quotes"),
        ("CLUSTER charges USING charges_card", "unknown form CLUSTER of a table with columns that matter"),
        ("CLUSTER tickets USING tickets_pkey", "clean"),
        ("CREATE POLICY p ON charges USING (card < '5')", "where charges.card; quotes"),
    ]);
}
