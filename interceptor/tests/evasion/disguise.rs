//! What an attacker changes in a statement without changing what it brings: letters' case, comments, quotes, schemas, aliases, harmless
//! functions around a column, and what SQL can wrap around a query.

use crate::corpus::{Case, Must};
use crate::dice::Dice;
use crate::tokens::{self, Token};

/// Names that the corpus made, so that they can be quoted.
const NAMES: &[&str] = &[
    "payments",
    "card_events",
    "tickets",
    "orders",
    "v_payments",
    "id",
    "customer",
    "pan",
    "pan_int",
    "pan_num",
    "amount",
    "meta",
    "raw",
    "note",
    "reference",
];

/// Column, as it may stand in an expression where a masked value is asked for.
const ROUND_MASKED: &[&str] = &["({})", "{}::text", "coalesce({}, {})", "(SELECT {})"];
/// And where anything is refused.
const ROUND: &[&str] = &[
    "({})",
    "{}::text",
    "coalesce({}, {})",
    "(SELECT {})",
    "CASE WHEN true THEN {} END",
    "(ARRAY[{}])[1]",
    "concat({})",
    "trim({})",
    "nullif({}, '')",
    "substr({}, 1)",
    "left({}, 99)",
    "format('%s', {})",
    "greatest({}, {})",
    "({} || '')",
    "lower({})",
    "replace({}, 'x', 'y')",
    "({} COLLATE \"C\")",
    "rtrim({}, 'z')",
    "{}::varchar",
];

/// A statement, disguised.
type Change = fn(&str, &mut Dice) -> String;

/// A disguise of the case's statements, and the names of what was done.
pub fn disguise(case: &Case, dice: &mut Dice) -> (Vec<String>, Vec<&'static str>) {
    let mut done = Vec::new();
    let mut steps = case.steps.clone();
    if is_query(&steps) {
        if dice.percent(45) {
            steps[0] = round(&steps[0], case.must, dice, &mut done);
        }
        if dice.percent(25) {
            steps[0] = alias(&steps[0], &mut done);
        }
        if dice.percent(50) {
            steps = wrap(&steps[0], dice, &mut done);
        }
    }
    if !reads_strings_otherwise(&case.steps) {
        let changes: [(usize, &str, Change); 4] = [
            (50, "case", recase),
            (50, "blanks and comments", blanks),
            (35, "quoted names", quote),
            (25, "schema", qualify),
        ];
        for (often, name, change) in changes {
            if dice.percent(often) {
                steps = steps.iter().map(|step| change(step, dice)).collect();
                done.push(name);
            }
        }
    }
    (steps, done)
}

/// One query, that may stand where a query may.
fn is_query(steps: &[String]) -> bool {
    let [one] = steps else { return false };
    let tokens = tokens::read(one);
    let first = tokens.iter().find(|token| !matches!(token, Token::Space(_)));
    let starts = first.is_some_and(|t| ["select", "with", "values", "table"].iter().any(|word| t.is(word)));
    let bars = ["delete", "insert", "update", "into", "for"];
    starts
        && !tokens.iter().any(|token| {
            *token == Token::Sign(';') || bars.iter().any(|word| token.is(word)) && !is_function_word(&tokens, token)
        })
}

/// `substring(x FROM a FOR b)` and `overlay` have words of their own.
fn is_function_word(tokens: &[Token], token: &Token) -> bool {
    token.is("for") && tokens.iter().any(|other| other.is("overlay") || other.is("substring"))
}

/// What a backslash means changes in the middle, or a setting that the lexer would have to know.
fn reads_strings_otherwise(steps: &[String]) -> bool {
    steps.iter().any(|step| {
        ["standard_conforming_strings", "client_encoding", "backslash_quote"].iter().any(|word| step.contains(word))
    })
}

/// A harmless expression around one use of the column.
fn round(sql: &str, must: Must, dice: &mut Dice, done: &mut Vec<&'static str>) -> String {
    let mut tokens = tokens::read(sql);
    let bars = ["using", "natural", "rollup", "returning", "recursive"];
    if tokens.iter().any(|token| bars.iter().any(|word| token.is(word))) {
        return sql.to_owned();
    }
    let places: Vec<usize> =
        (0..tokens.len()).filter(|at| tokens[*at].is("pan") && stands_alone(&tokens, *at)).collect();
    if places.is_empty() {
        return sql.to_owned();
    }
    done.push("a harmless expression");
    let at = *dice.pick(&places);
    let forms = if must == Must::Mask { ROUND_MASKED } else { ROUND };
    for _ in 0..dice.between(1, if must == Must::Mask { 1 } else { 3 }) {
        let inner = tokens[at].text();
        tokens[at] = Token::Word(dice.pick::<&str>(forms).replace("{}", &inner));
    }
    tokens::write(&tokens)
}

/// No part of a longer name, no function, no name that is being given.
fn stands_alone(tokens: &[Token], at: usize) -> bool {
    let before = tokens[..at].iter().rev().find(|token| !matches!(token, Token::Space(_)));
    let after = tokens[at + 1..].iter().find(|token| !matches!(token, Token::Space(_)));
    let given = before.is_some_and(|token| *token == Token::Sign('.') || token.is("as") || token.is("to"));
    let typed = after.is_some_and(|token| token.is("text") || *token == Token::Sign('(') || *token == Token::Sign('.'));
    !given && !typed
}

fn alias(sql: &str, done: &mut Vec<&'static str>) -> String {
    let tokens = tokens::read(sql);
    let own = |word: &str| {
        ["where", "order", "limit", "group", "having", "window", "union", "tablesample"]
            .contains(&word.to_ascii_lowercase().as_str())
    };
    let uses = tokens.windows(2).any(|two| two[0].is("payments") && two[1] == Token::Sign('.'));
    let mut out = Vec::new();
    let mut changed = false;
    for (at, token) in tokens.iter().enumerate() {
        out.push(token.clone());
        let from = tokens[..at]
            .iter()
            .rev()
            .find(|token| !matches!(token, Token::Space(_)))
            .is_some_and(|token| token.is("from"));
        let next = tokens[at + 1..].iter().find(|token| !matches!(token, Token::Space(_)));
        let free = match next {
            None => true,
            Some(Token::Word(word)) => own(word),
            Some(Token::Sign(c)) => *c == ')' || *c == ',',
            Some(_) => false,
        };
        if token.is("payments") && from && free && !uses {
            out.push(Token::Word(" AS zz".to_owned()));
            changed = true;
        }
    }
    if changed {
        done.push("an alias");
    }
    tokens::write(&out)
}

fn wrap(q: &str, dice: &mut Dice, done: &mut Vec<&'static str>) -> Vec<String> {
    let (name, steps): (&str, Vec<String>) = match dice.below(16) {
        0 => ("subquery", vec![format!("SELECT * FROM ({q}) AS w1")]),
        1 => ("CTE", vec![format!("WITH w1 AS ({q}) SELECT * FROM w1")]),
        2 => ("materialized CTE", vec![format!("WITH w1 AS MATERIALIZED ({q}) TABLE w1")]),
        3 => ("parentheses", vec![format!("(({q}))")]),
        4 => ("LATERAL", vec![format!("SELECT w1.* FROM ({q}) w1, LATERAL (SELECT 1) w2")]),
        5 => ("UNION ALL", vec![format!("({q}) UNION ALL ({q})")]),
        6 => (
            "cursor",
            vec!["BEGIN".into(), format!("DECLARE w1 CURSOR FOR {q}"), "FETCH ALL w1".into(), "COMMIT".into()],
        ),
        // A copy of no table at all is a matter of rules.
        7 if q.to_ascii_lowercase().contains("from") => ("COPY", vec![format!("COPY ({q}) TO STDOUT")]),
        8 => ("PREPARE", vec![format!("PREPARE w1 AS {q}"), "EXECUTE w1".into()]),
        9 => ("view", vec![format!("CREATE TEMP VIEW w1 AS {q}"), "SELECT * FROM w1".into()]),
        10 => ("table made from it", vec![format!("CREATE TEMP TABLE w1 AS {q}"), "SELECT * FROM w1".into()]),
        11 => ("two subqueries", vec![format!("SELECT * FROM (SELECT * FROM ({q}) w1 OFFSET 0) w2")]),
        12 => ("transaction", vec!["BEGIN".into(), q.to_owned(), "ROLLBACK".into()]),
        13 => ("join with nothing", vec![format!("SELECT w1.* FROM ({q}) w1 CROSS JOIN (VALUES (1)) w2(one)")]),
        14 => ("two CTEs", vec![format!("WITH w1 AS ({q}), w2 AS (SELECT * FROM w1) SELECT * FROM w2")]),
        _ => ("several statements", vec![format!("SELECT 1; {q}; SELECT 2")]),
    };
    done.push(name);
    steps
}

fn recase(sql: &str, dice: &mut Dice) -> String {
    let flip = |word: String, dice: &mut Dice| -> String {
        word.chars().map(|c| if dice.percent(50) { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
    };
    let change = |token: Token| match token {
        // What a harmless expression put in has strings in it.
        Token::Word(word) if !word.contains(['\'', '"']) => Token::Word(flip(word, dice)),
        other => other,
    };
    tokens::write(&tokens::read(sql).into_iter().map(change).collect::<Vec<_>>())
}

fn blanks(sql: &str, dice: &mut Dice) -> String {
    const BLANKS: &[&str] = &[
        " ",
        "  ",
        "\n",
        "\t",
        "\r\n",
        "/**/",
        " /* x /* y */ z */ ",
        "--\n",
        " -- ; SELECT 1 '\n",
        "\x0c",
        "/*'*/",
        "/*$a$*/",
    ];
    let tokens = tokens::read(sql);
    // A line break joins two constants into one, a comment does not: between constants nothing is changed.
    let text =
        |at: Option<usize>| at.and_then(|at| tokens.get(at)).is_some_and(|token| matches!(token, Token::Text(_)));
    let change = |(at, token): (usize, &Token)| match token {
        Token::Space(old) if !text(at.checked_sub(1)) && !text(Some(at + 1)) && dice.percent(60) => {
            let between = dice.pick::<&str>(BLANKS);
            Token::Space(if old.starts_with("--") { format!("{old}\n{between}") } else { (*between).to_owned() })
        }
        other => other.clone(),
    };
    tokens::write(&tokens.iter().enumerate().map(change).collect::<Vec<_>>())
}

fn quote(sql: &str, dice: &mut Dice) -> String {
    let tokens = tokens::read(sql);
    let change = |(at, token): (usize, &Token)| match token {
        Token::Word(word)
            if NAMES.contains(&word.to_ascii_lowercase().as_str()) && !is_setting(&tokens, at) && dice.percent(60) =>
        {
            let name = word.to_ascii_lowercase();
            Token::Name(match dice.below(3) {
                0 => format!("U&\"\\{:04x}{}\"", u32::from(name.as_bytes()[0]), &name[1..]),
                _ => format!("\"{name}\""),
            })
        }
        other => other.clone(),
    };
    tokens::write(&tokens.iter().enumerate().map(change).collect::<Vec<_>>())
}

/// `raw`, `id`, … after these are no names of the corpus.
fn is_setting(tokens: &[Token], at: usize) -> bool {
    tokens[..at]
        .iter()
        .rev()
        .find(|token| !matches!(token, Token::Space(_)))
        .is_some_and(|token| token.is("set") || token.is("show"))
}

fn qualify(sql: &str, dice: &mut Dice) -> String {
    let tokens = tokens::read(sql);
    let ours = |token: &Token| {
        ["payments", "card_events", "tickets", "orders", "v_payments"].iter().any(|name| token.is(name))
    };
    let change = |(at, token): (usize, &Token)| {
        let before = tokens[..at].iter().rev().find(|token| !matches!(token, Token::Space(_)));
        let place = before.is_some_and(|token| ["from", "join", "update", "table"].iter().any(|word| token.is(word)));
        let function = tokens.iter().any(|token| {
            ["extract", "substring", "trim", "overlay", "temp", "search_path", "schema"]
                .iter()
                .any(|word| token.is(word))
        });
        if ours(token) && place && !function && dice.percent(80) {
            Token::Word(format!("public.{}", token.text()))
        } else {
            token.clone()
        }
    };
    tokens::write(&tokens.iter().enumerate().map(change).collect::<Vec<_>>())
}

/// The same statements on tables that are not sensitive, whose numbers are no cards.
pub fn harmless(steps: &[String], numbers: &[(String, String)]) -> Vec<String> {
    const TABLES: &[(&str, &str)] =
        &[("payments", "invoices"), ("card_events", "stock_events"), ("v_payments", "v_invoices")];
    let numbered = |text: &str| numbers.iter().fold(text.to_owned(), |text, (card, number)| text.replace(card, number));
    let name = |text: &str| {
        let bare = text.trim_matches('"').to_ascii_lowercase();
        TABLES.iter().find(|(old, _)| *old == bare).map(|(_, new)| (*new).to_owned())
    };
    let escaped = |text: &str| {
        TABLES
            .iter()
            .find(|(old, _)| text == format!("U&\"\\{:04x}{}\"", u32::from(old.as_bytes()[0]), &old[1..]))
            .map(|(_, new)| format!("\"{new}\""))
    };
    let change = |token: Token| match token {
        Token::Word(word) => Token::Word(name(&word).unwrap_or(word)),
        Token::Name(word) => Token::Name(name(&word).or_else(|| escaped(&word)).unwrap_or(word)),
        Token::Text(text) => Token::Text(numbered(&text)),
        Token::Number(text) => Token::Number(numbered(&text)),
        other => other,
    };
    steps.iter().map(|step| tokens::write(&tokens::read(step).into_iter().map(change).collect::<Vec<_>>())).collect()
}

#[test]
fn a_disguise_brings_the_same_tables() {
    let numbers = [("4111111111111111".to_owned(), "7000000000000001".to_owned())];
    let steps =
        ["SELECT pan FROM PayMents p, U&\"\\0070ayments\" q WHERE p.pan = '4111111111111111' AND q.id = 1".to_owned()];
    let twin = &harmless(&steps, &numbers)[0];
    assert_eq!(twin, "SELECT pan FROM invoices p, \"invoices\" q WHERE p.pan = '7000000000000001' AND q.id = 1");
    let mut dice = Dice::new(7, 7);
    let quoted = quote("SELECT pan FROM payments", &mut dice);
    assert!(quoted.contains('"') || quoted.contains("U&") || quoted == "SELECT pan FROM payments");
    assert_eq!(
        qualify("SELECT pan FROM payments", &mut Dice::new(1, 2)).replace("public.", ""),
        "SELECT pan FROM payments"
    );
}
