//! Texts that differ in the values of their constants alone: where one stands for all of them, each by itself comes to the same.

use sql::{Analysis, Context, Limits, Schema, Shape, analyze_in};

use crate::database;

fn analyzed(schema: &Schema, text: &str) -> Option<Analysis> {
    let path = ["pg_catalog", "public"].map(str::to_owned);
    analyze_in(text, &Limits::default(), &Context::new(schema, &path)).ok()
}

/// What is said of a text, without where it stands.
fn said(analysis: &Analysis) -> Vec<sql::Statement> {
    let mut statements = analysis.statements.clone();
    statements.iter_mut().for_each(|statement| statement.span = 0..0);
    statements
}

fn shape(schema: &Schema, text: &str) -> Option<Shape> {
    Shape::of(text, &analyzed(schema, text)?.constants?)
}

#[test]
fn a_constant_that_is_looked_at_is_not_shared() {
    let schema = database::schema();
    for (text, is_shared) in [
        ("SELECT note FROM tickets WHERE id = 5", true),
        ("SELECT note FROM tickets WHERE id = -5 AND note = 'a' LIMIT 10", true),
        ("SELECT note FROM tickets WHERE id = - 5.5", true),
        ("INSERT INTO tickets VALUES (1, 'x'), (2, $$y$$)", true),
        ("UPDATE tickets SET note = E'a\\'b' WHERE id IN (1, 2, 3)", true),
        ("DELETE FROM tickets WHERE id = 1", true),
        ("SELECT pan FROM payments WHERE id = 7 AND exp < date '2026-01-01' + interval '3' month", true),
        ("SELECT pan FROM payments WHERE pan LIKE '4%'", true),
        ("SELECT left(pan, 4) FROM payments", true),
        // The value decides.
        ("SELECT pan, id FROM payments ORDER BY 1", false),
        ("SELECT pan, count(*) FROM payments GROUP BY 1", false),
        ("SELECT DISTINCT ON (1) pan FROM payments", false),
        ("SELECT meta #>> '{a}' FROM payments", false),
        ("SELECT jsonb_path_query(meta, '$.a') FROM payments", false),
        ("SELECT pan::varchar(40) FROM payments", false),
        ("SELECT set_config('search_path', 'x', false)", false),
        ("SELECT setting FROM pg_settings WHERE name = 'port'", false),
        // It is no constant of an expression.
        ("SELECT id::float(20) FROM tickets", false),
        ("SELECT interval(3) '1 s'", true),
        ("SET search_path = 'x'", false),
        ("FETCH 5 FROM c", false),
        ("SELECT U&'a' FROM tickets", false),
        ("SELECT 1; SELECT 2", false),
        ("EXPLAIN SELECT 1", false),
        ("SELECT 1 INTO kept", false),
        ("PREPARE p AS SELECT 1", false),
        ("COPY (SELECT 1) TO STDOUT", false),
        ("SELECT note FROM tickets", false),
    ] {
        assert_eq!(shape(&schema, text).is_some(), is_shared, "{text}");
    }
}

#[test]
fn a_shape_is_all_but_the_values() {
    let schema = database::schema();
    let shape = shape(&schema, "SELECT note FROM tickets WHERE id = -5 AND note = 'a'").expect("a shape");
    for text in [
        "SELECT note FROM tickets WHERE id = -12345 AND note = ''",
        "SELECT note FROM tickets WHERE id = -0 AND note = E'\\''",
        "SELECT note FROM tickets WHERE id = -0 AND note = $q$ ' OR true --$q$",
        "SELECT note FROM tickets WHERE id = -0x1F AND note = 'a'\n'b'",
    ] {
        assert!(shape.is_of(text), "{text}");
    }
    for text in [
        "SELECT note FROM tickets WHERE id = 5 AND note = 'a'",
        "SELECT note FROM tickets WHERE id = -5.0 AND note = 'a'",
        "SELECT note FROM tickets WHERE id = -99999999999 AND note = 'a'",
        "SELECT note FROM tickets WHERE id = -5 AND note = 'a' OR true",
        "SELECT note FROM tickets WHERE id = -5 AND note = 'a' --",
        "SELECT note FROM tickets WHERE id = -5 AND note = U&'a'",
        "SELECT note FROM tickets WHERE id = -5 AND note = x'1F'",
        "SELECT note FROM tickets WHERE id = -5 AND note = 5",
        "SELECT note FROM tickets WHERE id = --5\n 5 AND note = 'a'",
        "SELECT note FROM tickets WHERE id = -5 AND note = 'a",
        "select note FROM tickets WHERE id = -5 AND note = 'a'",
    ] {
        assert!(!shape.is_of(text), "{text}");
    }
}

/// What stands in the place of `%i`, `%f` and `%s`.
const WHOLE: &[&str] =
    &["0", "1", "2", "3", "4", "7", "8", "10", "16", "40", "1000", "2147483647", "0x1F", "1_000", "0b11", "-1", "- 2"];
const OTHER: &[&str] = &["0.0", "1.5", ".5", "1e3", "99999999999", "2147483648", "123.", "1e-7", "-0.5"];
const WORDS: &[&str] = &[
    "''",
    "'a'",
    "'%'",
    "'4111%'",
    "'pan'",
    "'public.payments'",
    "'SELECT pan FROM payments'",
    "'search_path'",
    "'{a}'",
    "'$.a'",
    "'$.**'",
    "'a.b'",
    "','",
    "''''",
    "'a''b'",
    "E'a\\'b'",
    "$$x$$",
    "$q$ ' -- $q$",
    "'a'\n  'b'",
    "N'x'",
    "'1'",
    "'2026-01-01'",
    "'year'",
    "'t'",
    "'on'",
    "'\u{e4}'",
    "'base64'",
    "'%s %s'",
    "'FM999'",
    "'(1,2)'",
    "'port'",
];
/// What is no such constant: a text with one of them is not of the shape, or comes to the same.
const HOSTILE: &[&str] = &[
    "NULL",
    "TRUE",
    "$1",
    "pan",
    "'a' || pan",
    "1 OR true",
    "1--\n",
    "1/**/",
    "U&'x'",
    "B'1'",
    "X'1F'",
    "(SELECT pan FROM payments)",
    "'a' 'b'",
    "1, 2",
    "1)",
    "'",
    "$$",
    "DEFAULT",
    "*",
    "1.",
    "1e",
    "'a'::text",
    "ARRAY[1]",
    "(1)",
    "5 ",
    "+1",
    "--1\n2",
];
const EXPRESSIONS: &[&str] = &[
    "%i",
    "%s",
    "%f",
    "pan",
    "id + %i",
    "left(pan, %i)",
    "substr(pan, %i, %i)",
    "pan::varchar(%i)",
    "pan::char(%i)",
    "amount::numeric(%i)",
    "meta ->> %s",
    "meta #>> %s",
    "jsonb_path_query(meta, %s)",
    "jsonb_extract_path_text(meta, %s)",
    "string_agg(pan, %s)",
    "array_to_string(ARRAY[pan], %s)",
    "split_part(pan, %s, %i)",
    "format(%s, pan)",
    "concat_ws(%s, pan, note)",
    "lpad(pan, %i, %s)",
    "encode(pan::bytea, %s)",
    "to_char(pan_num, %s)",
    "translate(pan, %s, %s)",
    "replace(pan, %s, %s)",
    "regexp_replace(pan, %s, %s)",
    "extract(%s FROM day)",
    "date_trunc(%s, day)",
    "date %s - interval %s day",
    "CASE WHEN id = %i THEN pan ELSE %s END",
    "CASE pan WHEN %s THEN %i END",
    "coalesce(pan, %s)",
    "nullif(pan, %s)",
    "greatest(pan, %s)",
    "(ARRAY[pan, %s])[%i]",
    "query_to_xml(%s, true, false, %s)",
    "%s::regclass",
    "nextval(%s)",
    "lo_get(%i)",
    "pg_read_file(%s)",
    "set_config(%s, %s, false)",
    "current_setting(%s)",
    "pg_sleep(%f)",
    "int8range(pan_int, pan_int + %i)",
    "numrange(pan_num - %i, pan_num)",
    "pan_int % %i",
    "pan_int / %i",
    "row_number() OVER (ORDER BY id ROWS %i PRECEDING)",
    "tail_of(%s)",
    "twice(%s)",
    "has_card(%s)",
    "find_card(%s)",
    "(SELECT max(pan) FROM payments WHERE id = %i)",
    "sum(pan_num)",
    "EXISTS (SELECT %i FROM payments WHERE pan = %s)",
    "xpath(%s, raw)",
    "percentile_disc(%f) WITHIN GROUP (ORDER BY pan)",
    "trim(%s FROM pan)",
    "overlay(pan PLACING %s FROM %i FOR %i)",
    "position(%s IN pan)",
    "pan COLLATE \"C\"",
    "payments.pan ~?~ %s",
    "json_value(meta, %s)",
    "json_scalar(%i)",
    "width_bucket(pan_num, %i, %i, %i)",
    "interval(%i) %s",
    "id::float(%i)",
    "pan::bit(%i)",
    "pg_column_size(%s)",
    "to_json(pan)",
    "json_build_object(%s, pan)",
];
const CONDITIONS: &[&str] = &[
    "true",
    "id = %i",
    "id IN (%i, %i)",
    "pan = %s",
    "pan LIKE %s ESCAPE %s",
    "pan ~ %s",
    "pan BETWEEN %s AND %s",
    "note = %s",
    "name = %s",
    "id < %f",
    "pan IN (%s, %s)",
    "pan IS DISTINCT FROM %s",
    "id = ANY (ARRAY[%i, %i])",
    "pan_int > %i",
    "meta ? %s",
    "amount > %i AND id = %i",
    "left(pan, %i) = %s",
    "%i = %i",
    "%s::bool",
    "id = -%i",
    "NOT pan = %s",
    "(id, pan) = (%i, %s)",
];
const FROM: &[&str] = &[
    "payments",
    "payments p, tickets t",
    "payments JOIN tickets USING (id)",
    "v_payments",
    "v_tail",
    "(SELECT * FROM payments WHERE id = %i LIMIT %i) payments",
    "payments TABLESAMPLE bernoulli (%i)",
    "generate_series(%i, %i) g",
    "last_four",
    "(VALUES (%i, %s)) payments(id, pan)",
    "pg_settings",
    "jsonb_to_recordset(%s) AS r(pan text)",
    "pg_stats",
    "charges",
    "orders",
];
const TAILS: &[&str] = &[
    "",
    "ORDER BY %i",
    "ORDER BY id LIMIT %i",
    "LIMIT %i OFFSET %i",
    "GROUP BY %i",
    "GROUP BY id HAVING count(*) > %i",
    "ORDER BY %s",
    "FETCH FIRST %i ROWS ONLY",
    "UNION SELECT %i",
    "UNION ALL SELECT pan FROM payments WHERE id = %i",
    "FOR UPDATE",
    "ORDER BY id + %i",
    "GROUP BY ROLLUP (%i)",
];
const WHOLES: &[&str] = &[
    "INSERT INTO tickets VALUES (%i, %s)",
    "INSERT INTO tickets(note) SELECT {e} FROM {f} WHERE {c}",
    "INSERT INTO tickets VALUES (%i, %s) ON CONFLICT (id) DO UPDATE SET note = %s WHERE tickets.id > %i RETURNING note, %i",
    "UPDATE tickets SET note = {e} FROM payments WHERE {c}",
    "DELETE FROM payments WHERE {c} RETURNING {e}",
    "SELECT DISTINCT ON (%i) {e} FROM {f}",
    "WITH w AS (SELECT {e} AS x FROM {f} WHERE {c}) SELECT x FROM w {t}",
    "SELECT {e}, {e} FROM {f} WHERE {c} {t}",
    "SELECT {e} FROM {f} {t}",
    "SELECT {e}, {e} FROM {f} WHERE {c} AND {c} {t}",
    "VALUES (%i, %s), (%i, {e})",
    "SELECT (SELECT {e} FROM {f} WHERE {c} LIMIT %i)",
    "MERGE INTO tickets USING payments p ON tickets.id = p.id AND {c} WHEN MATCHED THEN UPDATE SET note = {e}",
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }

    fn of(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }
}

/// A text whose constants are open.
fn form(dice: &mut Dice) -> String {
    let mut form = dice.of(WHOLES).to_owned();
    for (slot, words) in [("{e}", EXPRESSIONS), ("{f}", FROM), ("{c}", CONDITIONS), ("{t}", TAILS)] {
        while form.contains(slot) {
            form = form.replacen(slot, dice.of(words), 1);
        }
    }
    form
}

/// With constants; now and then with something else in the place of one.
fn filled(form: &str, is_hostile: bool, dice: &mut Dice) -> String {
    let mut text = String::new();
    let mut rest = form;
    while let Some(at) = rest.find('%') {
        let (before, slot) = rest.split_at(at);
        text += before;
        let words = match slot.get(1..2) {
            Some("i") => WHOLE,
            Some("f") => OTHER,
            Some("s") => WORDS,
            _ => &["%"],
        };
        let is_slot = words.len() > 1;
        text += if is_slot && is_hostile && dice.below(4) == 0 { dice.of(HOSTILE) } else { dice.of(words) };
        rest = &slot[if is_slot { 2 } else { 1 }..];
    }
    text + rest
}

/// Whatever a shape is found to be of comes to what the text comes to that it was taken of.
#[test]
fn what_is_shared_is_the_same() {
    let schema = database::schema();
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(6);
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3_000);
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ seed);
    let (mut shared, mut compared) = (0, 0);
    for round in 0..rounds {
        let form = form(&mut dice);
        let text = filled(&form, false, &mut dice);
        let Some(analysis) = analyzed(&schema, &text) else { continue };
        let Some(shape) = analysis.constants.as_deref().and_then(|constants| Shape::of(&text, constants)) else {
            continue;
        };
        shared += 1;
        assert!(shape.is_of(&text));
        for at in 0..12 {
            let other = filled(&form, at % 3 == 0, &mut dice);
            if !shape.is_of(&other) {
                continue;
            }
            compared += 1;
            let by_itself = analyzed(&schema, &other);
            let by_itself = by_itself
                .unwrap_or_else(|| panic!("seed {seed}, round {round}: {text}\nshared with what is refused: {other}"));
            assert_eq!(said(&by_itself), said(&analysis), "seed {seed}, round {round}:\n{text}\n{other}");
            // All that differs in length stands inside the statement.
            let (one, two) = (&analysis.statements[0].span, &by_itself.statements[0].span);
            assert_eq!((one.start, one.end + other.len()), (two.start, two.end + text.len()), "{text}\n{other}");
        }
    }
    assert!(shared * 5 > rounds && compared > shared, "{shared} of {rounds} shared, {compared} compared");
}
