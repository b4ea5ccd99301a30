//! Phrases of values and of the statements around them, where a few words are everywhere: what blocks tell of neighbours must not hide a record.

use super::twin::{Dice, Twin};
use super::*;

const STATEMENTS: [&str; 5] = [
    "DELETE FROM notes WHERE author = '?' AND written < '?' LIMIT #",
    "UPDATE orders SET state = '?' WHERE id = # AND amount > #",
    "INSERT INTO notes VALUES (#, '?', '?')",
    "SELECT # FROM notes WHERE id IN (#, #) OR author = '?'",
    "'?' and # or '?' AND written",
];
const VALUES: [&str; 6] = ["Ada", "Ken", "2026 01", "01 2026", "it naïve", "state"];
const WORDS: [&str; 17] = [
    "author", "ada", "ken", "and", "written", "2026", "01", "limit", "7", "8", "state", "where", "id", "or", "in",
    "from", "it",
];

#[test]
fn a_phrase_of_words_that_are_everywhere_is_found_where_it_is() {
    let mut record = Record::new("near", 1);
    let mut dice = Dice(0x4ea2);
    record.begins(0, 1, "reconciler");
    for _ in 0..330 {
        let statement = dice.of(&STATEMENTS);
        let filled = |sign| match sign {
            '?' => dice.of(&VALUES).to_owned(),
            '#' => dice.of(&["7", "8", "2026"]).to_owned(),
            other => String::from(other),
        };
        let text: String = statement.chars().map(filled).collect();
        record.statement(0, 1, &Told::allowed(&text, 1, 0));
    }
    let (index, segments, twin) = (record.index().0, record.segments(), Twin::of(&record));
    let pairs = WORDS.iter().flat_map(|one| WORDS.iter().map(move |other| format!("\"{one} {other}\"")));
    let mut typed: Vec<String> = pairs.collect();
    for _ in 0..500 {
        let words: Vec<&str> = (0..3 + dice.below(2)).map(|_| dice.of(&WORDS)).collect();
        let field = ["", "", "text:", "said:"][dice.below(4)];
        let star = ["", "", "*"][dice.below(3)];
        typed.push(format!("{field}\"{}\"{star}", words.join(" ")));
    }
    let mut found = 0;
    for typed in typed {
        let query = Query::parse(&typed, record.now_s).unwrap();
        let told: Vec<RecordId> =
            index.find(&query, &segments, 1000).unwrap().iter().map(super::super::Hit::id).collect();
        assert_eq!(told, twin.finds(&query), "{typed}");
        found += usize::from(!told.is_empty());
    }
    assert!(found > 80, "{found}");
}
