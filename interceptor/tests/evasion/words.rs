//! The grammar here against the server's own: every word that either has, in every place where a name may stand. What the server takes for a
//! name and the grammar here does not is listed: each needs an answer of its own, or reads past the verdict.

use std::collections::BTreeSet;

use sql::{ColumnRef, Limits, Object, Statement};

use crate::client::{Manner, Talk, Way};
use crate::ground::Ground;

/// The words of PostgreSQL 18's grammar (`kwlist.h`), and those that it has lost since 13.
const WORDS: &str = include_str!("words.txt");
/// Words that the server takes for a name and the grammar here does not, with the place. `sql` (`lineage/newer.rs`) takes them for both.
const OTHERWISE: &str = include_str!("words-read-otherwise.txt");

/// Where a word may stand, and the server's complaint when it has read a name there that does not exist.
const PLACES: &[(&str, &str, &str)] = &[
    ("column", "SELECT {} FROM pg_class", "42703"),
    ("column of a table", "SELECT c.{} FROM pg_class c", "42703"),
    ("column in a condition", "SELECT 1 FROM pg_class WHERE {} = 'x'", "42703"),
    ("function", "SELECT {}(1)", "42883"),
    ("function of nothing", "SELECT {}()", "42883"),
    ("function of two", "SELECT {}(1, 2)", "42883"),
    ("function in FROM", "SELECT 1 FROM {}(1) x", "42883"),
    ("table", "SELECT 1 FROM {}", "42P01"),
    ("table in a schema", "SELECT 1 FROM public.{}", "42P01"),
    ("table that is filled", "INSERT INTO {} VALUES (1)", "42P01"),
];

#[test]
fn words_are_names_where_the_server_says_so() {
    let Some(ground) = Ground::set() else { return };
    let talk = Talk::new(Way::Direct(ground.port()), "evasion", "", Manner::default());
    let mut session = talk.login("postgres", &[]);
    let mut found = BTreeSet::new();
    let (mut asked, mut refused) = (0, Vec::new());
    for word in WORDS.lines().filter(|word| !word.is_empty()) {
        for (place, template, complaint) in PLACES {
            let text = template.replace("{}", word);
            session.parse("", &text, &[]);
            session.sync();
            let turns = talk.take();
            let code = turns.iter().flat_map(|turn| &turn.heard).find(|message| message.tag == b'E');
            asked += 1;
            // Neither a syntax error nor another meaning: it is a name.
            if code.is_none_or(|message| message.code() != *complaint) {
                continue;
            }
            match sql::analyze(&text, &Limits::default()) {
                Err(_) => refused.push(format!("{word} as {place}")),
                Ok(analysis) if analysis.statements.iter().any(|one| names(one, place, word)) => {}
                Ok(_) => _ = found.insert(format!("{word} as {place}")),
            }
        }
    }
    println!(
        "{asked} asked; {} that only the server takes, and that are refused; {} read otherwise",
        refused.len(),
        found.len()
    );
    println!("refused: {}", refused.join(", "));
    let known: BTreeSet<String> = OTHERWISE.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    // Another version of the server has fewer.
    let new: Vec<&String> = found.difference(&known).collect();
    assert!(new.is_empty(), "the server reads a name, and the grammar here something else: {new:#?}");
    assert!(asked > 4000);
}

/// Does the statement name the word in that place?
fn names(statement: &Statement, place: &str, word: &str) -> bool {
    let column =
        || statement.columns.iter().any(|column| matches!(column, ColumnRef::Named { name, .. } if name == word));
    let object = |is: fn(&Object) -> Option<&sql::Name>| {
        statement.pairs.iter().filter_map(|pair| is(&pair.object)).any(|name| name.name == word)
    };
    if place.starts_with("column") {
        column()
    } else if place.starts_with("function") {
        // The server's own are no effect.
        sql::is_safe_function(word)
            || object(|object| if let Object::Function(name) = object { Some(name) } else { None })
    } else {
        object(|object| if let Object::Table(name) = object { Some(name) } else { None })
    }
}
