//! What a person types: `agent:reconciler table:payments masked:>0 verdict:held since:7d "amount >" -pg_catalog`.
//!
//! Words must all be there; a quoted one is a phrase, a star at its end any word that begins so, a dash in front one that must not be
//! there. `field:word` looks in one field. `rows`, `bytes`, `masked`, `sensitive` and `ms` are compared (`>`, `>=`, `<`, `<=`, `=`), `since` and
//! `until` are a date, a date with a time, or an age (`7d`, `12h`, `30m`). Readings of the record are found only where a type is named.

use std::fmt;

use audit::token::CardToken;
use audit::{RecordId, RecordType};
use pan::Masked;

use super::entry::{Column, MANY, Words};
use super::shape::is_word;

/// A search that the index understands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Words, which must all be there, or must not.
    pub(super) terms: Vec<Sought>,
    pub(super) bounds: Vec<Bound>,
    /// Nanoseconds since 1970.
    pub(super) since_ns: Option<u64>,
    pub(super) until_ns: Option<u64>,
    /// The record with which a session starts.
    pub(super) session: Option<RecordId>,
}

/// A set of what is looked for: one for each term, and for each piece of it.
pub(super) type Bits = u128;
/// So many bits there are.
const BITS: usize = 120;

/// A word or phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sought {
    pub(super) is_not: bool,
    column: Option<&'static str>,
    /// In FTS5's own words: quoted, in which nothing has a meaning but a quotation mark, doubled.
    string: String,
    /// It has several words, which must follow each other.
    pub(super) is_phrase: bool,
    /// Those of a phrase, quoted: where one of them is not, the phrase is not.
    pub(super) pieces: Vec<String>,
    /// The pieces are all of the phrase.
    pub(super) is_ascii: bool,
    /// It, quoted, where it is one word of ASCII without signs around it.
    one: Option<String>,
}

impl Sought {
    fn new(column: Option<&'static str>, word: &str, is_begin: bool, is_not: bool) -> Sought {
        let star = if is_begin { " *" } else { "" };
        let quoted = |word: &str, star: &str| format!("\"{}\"{star}", word.replace('"', "\"\"").replace('\0', " "));
        let words: Vec<&str> = word.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
        let is_phrase = words.len() > 1;
        let last = words.last().copied();
        let pieces = words.iter().filter(|word| is_phrase && word.is_ascii());
        Sought {
            is_not,
            column,
            string: quoted(word, star),
            is_phrase,
            pieces: pieces.map(|word| quoted(word, if Some(*word) == last { star } else { "" })).collect(),
            is_ascii: word.is_ascii(),
            one: words.first().filter(|_| !is_phrase && word.is_ascii()).map(|word| quoted(word, star)),
        }
    }

    /// What it, or one of its pieces, is in small letters, with a star where only its beginning is said, and whether in the text alone; `None`:
    /// it is no single word, or is looked for in another field.
    pub(super) fn word(&self, piece: Option<&str>) -> Option<(String, bool)> {
        let is_of_text = match self.column {
            None => false,
            Some("text") => true,
            Some(_) => return None,
        };
        let quoted = piece.or(self.one.as_deref())?.to_ascii_lowercase();
        let word = quoted.trim_matches(['"', ' ', '*']);
        Some((format!("{word}{}", if quoted.ends_with('*') { "*" } else { "" }), is_of_text))
    }

    /// It, quoted, where it is one word of ASCII.
    pub(super) fn one(&self) -> Option<&str> {
        self.one.as_deref()
    }

    /// The column that it is looked for in; `None`: any.
    pub(super) fn column(&self) -> Option<&'static str> {
        self.column
    }

    /// Whether a phrase of ASCII is in a record, of which all is ASCII; `None`: FTS5 must say, which may end words elsewhere.
    pub(super) fn is_plainly_in(&self, words: &Words) -> Option<bool> {
        let mut columns = Column::ALL.iter().filter(|column| self.column.is_none_or(|own| own == column.name()));
        if !self.is_ascii || self.pieces.is_empty() || !columns.clone().all(|column| words.of(*column).is_ascii()) {
            return None;
        }
        let is = |(piece, word): (&String, &&str)| {
            let wanted = piece.trim_matches(['"', ' ', '*']);
            let length = if piece.ends_with('*') { wanted.len().min(word.len()) } else { word.len() };
            word.get(..length).is_some_and(|word| word.eq_ignore_ascii_case(wanted))
        };
        Some(columns.any(|column| {
            let all: Vec<&str> = words.of(*column).split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
            all.windows(self.pieces.len()).any(|at| self.pieces.iter().zip(at).all(is))
        }))
    }

    /// As FTS5 reads it; or one of its pieces.
    pub(super) fn told(&self, piece: Option<&str>) -> String {
        let string = piece.unwrap_or(&self.string);
        self.column.map_or_else(|| string.to_owned(), |column| format!("{column} : {string}"))
    }
}

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) column: &'static str,
    pub(super) is: &'static str,
    pub(super) value: u64,
}

impl Bound {
    /// Whether a figure is within one that is compared with `bound`.
    pub(super) fn holds(&self, figure: u64, bound: u64) -> bool {
        match self.is {
            ">" => figure > bound,
            ">=" => figure >= bound,
            "<" => figure < bound,
            "<=" => figure <= bound,
            _ => figure == bound,
        }
    }
}

/// It cannot be read as a search: why, for the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear(String);

impl Unclear {
    /// What was typed may be a card number.
    fn new(words: &str) -> Unclear {
        Unclear(Masked::of(words).as_str().to_owned())
    }
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unclear {}

/// A field that holds words, and the index's column.
const WORDS: [(&str, &str); 13] = [
    ("agent", "agent"),
    ("database", "database"),
    ("user", "user"),
    ("table", "objects"),
    ("object", "objects"),
    ("kind", "kinds"),
    ("rule", "rule"),
    ("verdict", "verdict"),
    ("reviewer", "reviewer"),
    ("text", "text"),
    ("said", "said"),
    ("card", "said"),
    ("type", "marks"),
];
/// A field that holds a figure, the index's column, and how many of it are one of the person's.
const FIGURES: [(&str, &str, u64); 5] = [
    ("rows", "rows", 1),
    ("bytes", "bytes", 1),
    ("masked", "masked", 1),
    ("sensitive", "sensitive", 1),
    ("ms", "duration_ns", 1_000_000),
];
const OTHERS: [&str; 3] = ["since", "until", "session"];
const HOUR_S: u64 = 3600;

impl Query {
    /// Reads what a person typed, at this time (seconds since 1970).
    pub fn parse(typed: &str, now_s: u64) -> Result<Query, Unclear> {
        let mut query = Query::default();
        // Signs alone are part of a pasted statement, and of no word.
        let is_sign = |term: &Term| term.field.is_none() && !term.word.chars().any(char::is_alphanumeric);
        let typed_terms = terms(typed)?;
        if typed_terms.iter().all(is_sign) && !typed_terms.is_empty() {
            return Err(Unclear::new(&format!(
                "`{}` has neither a letter nor a digit: signs are not looked for",
                typed.trim()
            )));
        }
        for term in typed_terms.iter().filter(|term| !is_sign(term)) {
            match &term.field {
                None => query.look_for(term, None)?,
                Some(field) => query.take(field, term, now_s)?,
            }
        }
        // Who looks for a word has just written it into the record, as a reading.
        let asks_for_type = typed_terms.iter().any(|term| term.field.as_deref() == Some("type"));
        if !query.terms.is_empty() && !asks_for_type {
            query.terms.push(Sought::new(Some("marks"), RecordType::Reading.name(), false, true));
        }
        query.leave_room()?;
        Ok(query)
    }

    /// From when on, nanoseconds since 1970.
    pub fn since_ns(&self) -> Option<u64> {
        self.since_ns
    }

    /// What a word is twice is looked for once; pieces are there to be quick, and are left off where they are many.
    fn leave_room(&mut self) -> Result<(), Unclear> {
        let mut terms: Vec<Sought> = Vec::new();
        for term in self.terms.drain(..) {
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
        let mut left = BITS.checked_sub(terms.len()).ok_or_else(|| {
            Unclear::new(&format!("more than {BITS} words: fewer say as much, or quotes around them make one phrase"))
        })?;
        for term in &mut terms {
            let kept = term.pieces.len().min(left);
            term.is_ascii &= kept == term.pieces.len();
            term.pieces.truncate(kept);
            left -= kept;
        }
        self.terms = terms;
        Ok(())
    }

    fn take(&mut self, field: &str, term: &Term, now_s: u64) -> Result<(), Unclear> {
        if field == "card" {
            // A number is not repeated, and no record has it.
            let read: Result<CardToken, _> = term.word.parse();
            read.map_err(|why| Unclear::new(&format!("card: {why}")))?;
        }
        if let Some((_, column)) = WORDS.iter().find(|(name, _)| *name == field) {
            let told = if *column == "verdict" { verdict(&term.word) } else { term.word.clone() };
            return self.look_for(&Term { word: told, ..term.clone() }, Some(column));
        }
        if term.is_not {
            return Err(Unclear::new(&format!(
                "-{field}: only words can be left out; turn the comparison round instead"
            )));
        }
        if let Some((_, column, unit)) = FIGURES.iter().find(|(name, ..)| *name == field) {
            let bound = bound(field, column, *unit, &term.word)?;
            self.terms.extend(mark(&bound).map(|mark| Sought::new(Some("marks"), mark, false, false)));
            self.bounds.push(bound);
            return Ok(());
        }
        match field {
            "since" => self.since_ns = Some(instant(field, &term.word, now_s)?),
            "until" => self.until_ns = Some(instant(field, &term.word, now_s)?),
            "session" => {
                let session =
                    term.word.parse().map_err(|why| Unclear::new(&format!("session:{}: {why}", term.word)))?;
                self.session = Some(session);
            }
            _ => return Err(unknown(field)),
        }
        Ok(())
    }

    fn look_for(&mut self, term: &Term, column: Option<&'static str>) -> Result<(), Unclear> {
        // Records hold masked numbers: a number that somebody looks for is looked for as it stands there.
        let masked = Masked::of(&term.word);
        let (word, is_begin) = match masked.as_str().strip_suffix('*') {
            Some(begin) if !term.is_quoted && begin.chars().any(char::is_alphanumeric) => (begin, true),
            _ => (masked.as_str(), false),
        };
        if !word.chars().any(char::is_alphanumeric) {
            return Err(Unclear::new(&format!("`{word}` has neither a letter nor a digit: signs are not looked for")));
        }
        self.terms.push(Sought::new(column, word, is_begin, term.is_not));
        Ok(())
    }
}

/// One piece of what was typed.
#[derive(Clone, Debug, Default)]
struct Term {
    is_not: bool,
    field: Option<String>,
    word: String,
    is_quoted: bool,
}

fn terms(typed: &str) -> Result<Vec<Term>, Unclear> {
    let mut terms = Vec::new();
    let mut rest = typed.trim_start();
    while !rest.is_empty() {
        let mut term = Term::default();
        if let Some(behind) = rest.strip_prefix('-') {
            (term.is_not, rest) = (true, behind);
        }
        if let Some((field, behind)) = rest.split_once(':')
            && !field.is_empty()
            && field.bytes().all(|byte| byte.is_ascii_lowercase())
        {
            (term.field, rest) = (Some(field.to_owned()), behind);
        }
        (term.word, term.is_quoted, rest) = word(rest)?;
        if term.word.is_empty() {
            return Err(Unclear::new(&match &term.field {
                Some(field) => format!("{field}: says nothing to look for"),
                None => "a dash or quotes with nothing to look for".to_owned(),
            }));
        }
        terms.push(term);
        rest = rest.trim_start();
    }
    Ok(terms)
}

/// A quoted or plain word, and what is behind it.
fn word(typed: &str) -> Result<(String, bool, &str), Unclear> {
    match typed.strip_prefix('"') {
        Some(inner) => match inner.split_once('"') {
            Some((phrase, rest)) => Ok((phrase.trim().to_owned(), true, rest)),
            None => Err(Unclear::new("a quotation mark is missing")),
        },
        None => {
            let end = typed.find(char::is_whitespace).unwrap_or(typed.len());
            let (word, rest) = typed.split_at(end);
            Ok((word.to_owned(), false, rest))
        }
    }
}

/// As people say it.
fn verdict(word: &str) -> String {
    match word {
        "held" => "hold",
        "allowed" => "allow",
        "blocked" | "denied" => "block",
        other => other,
    }
    .to_owned()
}

fn bound(field: &str, column: &'static str, unit: u64, word: &str) -> Result<Bound, Unclear> {
    let signs = [">=", "<=", ">", "<", "="];
    let is = signs.into_iter().find(|sign| word.starts_with(sign));
    let digits = is.map_or(word, |sign| word.trim_start_matches(sign));
    let value: u64 = digits.parse().map_err(|_| {
        Unclear::new(&format!("{field}:{word}: a number is wanted, such as {field}:>100 or {field}:<=5"))
    })?;
    // SQLite's integers are signed.
    Ok(Bound { column, is: is.unwrap_or("="), value: value.saturating_mul(unit).min(i64::MAX as u64) })
}

/// The mark of [`super::entry::Entry::marks`] that every record within the bound has.
fn mark(bound: &Bound) -> Option<&'static str> {
    let least = match bound.is {
        ">" => bound.value.saturating_add(1),
        ">=" | "=" => bound.value,
        _ => 0,
    };
    match (bound.column, least) {
        (_, 0) => None,
        ("masked", _) => Some("masked"),
        ("sensitive", _) => Some("sensitive"),
        ("rows", MANY..) => Some("many"),
        ("rows", _) => Some("rows"),
        _ => None,
    }
}

/// Nanoseconds since 1970 of a date, or of an age before now.
fn instant(field: &str, word: &str, now_s: u64) -> Result<u64, Unclear> {
    let age = || {
        let (count, unit) = word.split_at_checked(word.len().checked_sub(1)?)?;
        let seconds = match unit {
            "d" => 24 * HOUR_S,
            "h" => HOUR_S,
            "m" => 60,
            _ => return None,
        };
        Some(now_s.saturating_sub(count.parse::<u64>().ok()?.saturating_mul(seconds)))
    };
    let date = || u64::try_from(policy::instant(word)?).ok();
    let seconds = age().or_else(date).ok_or_else(|| {
        Unclear::new(&format!(
            "{field}:{word}: a date (2026-01-31), a date with a time (2026-01-31T08:00Z) or an age (7d, 12h, 30m)"
        ))
    })?;
    Ok(seconds.saturating_mul(1_000_000_000).min(i64::MAX as u64))
}

fn unknown(field: &str) -> Unclear {
    let names = WORDS.iter().map(|(name, _)| *name).chain(FIGURES.iter().map(|(name, ..)| *name)).chain(OTHERS);
    let names: Vec<&str> = names.collect();
    let nearest = names.iter().max_by(|a, b| strsim::jaro(a, field).total_cmp(&strsim::jaro(b, field)));
    Unclear::new(&format!(
        "no field is called `{field}`; did you mean `{}`? The fields: {}. A colon inside a word wants quotes around it",
        nearest.unwrap_or(&"text"),
        names.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_767_225_600; // 2026-01-01

    /// All of it.
    fn told(typed: &str) -> String {
        let terms = Query::parse(typed, NOW_S).unwrap().terms;
        let told = terms.iter().map(|term| format!("{}{}", if term.is_not { "NOT " } else { "" }, term.told(None)));
        told.collect::<Vec<_>>().join(" AND ")
    }

    /// Without what leaves readings out.
    fn matches(typed: &str) -> String {
        let told = told(typed);
        told.strip_suffix(" AND NOT marks : \"reading\"").unwrap_or(&told).to_owned()
    }

    #[test]
    fn words_become_quoted_strings() {
        let cases = [
            ("", ""),
            ("payments", "\"payments\""),
            ("  drop   table ", "\"drop\" AND \"table\""),
            ("\"amount >\"", "\"amount >\""),
            ("pay*", "\"pay\" *"),
            ("\"pay*\"", "\"pay*\""),
            ("agent:reconciler", "agent : \"reconciler\""),
            ("table:public.payments verdict:held", "objects : \"public.payments\" AND verdict : \"hold\""),
            ("SELECT * FROM t -- x", "\"SELECT\" AND \"FROM\" AND \"t\" AND \"x\""),
            ("drop -table drop", "\"drop\" AND NOT \"table\""),
            ("-a1 -agent:b", "NOT \"a1\" AND NOT agent : \"b\""),
            // The syntax of the index itself is text like any other.
            ("OR", "\"OR\""),
            ("a\"b", "\"a\"\"b\""),
            ("(NEAR(a)^*", "\"(NEAR(a)^\" *"),
            ("\"{agent} : x\"", "\"{agent} : x\""),
            ("x\0y", "\"x y\""),
        ];
        for (typed, expected) in cases {
            assert_eq!(matches(typed), expected, "{typed:?}");
        }
    }

    #[test]
    fn figures_are_compared_and_marked() {
        let query = Query::parse("masked:>0 rows:>=1000 bytes:<5 ms:20", NOW_S).unwrap();
        let told: Vec<String> = query.terms.iter().map(|term| term.told(None)).collect();
        assert_eq!(told, ["marks : \"masked\"", "marks : \"many\"", "marks : \"reading\""]);
        let bounds: Vec<_> = query.bounds.iter().map(|bound| (bound.column, bound.is, bound.value)).collect();
        let expected = [("masked", ">", 0), ("rows", ">=", 1000), ("bytes", "<", 5), ("duration_ns", "=", 20_000_000)];
        assert_eq!(bounds, expected);
        assert_eq!(matches("rows:<5"), "");
        assert_eq!(matches("rows:999"), "marks : \"rows\"");
    }

    #[test]
    fn times_are_dates_and_ages() {
        const S: u64 = 1_000_000_000;
        let cases = [
            ("since:7d", (NOW_S - 7 * 86_400) * S),
            ("since:30m", (NOW_S - 1_800) * S),
            ("since:2025-12-31", (NOW_S - 86_400) * S),
            ("since:2025-12-31T12:00Z", (NOW_S - 43_200) * S),
            ("since:99999999999d", 0),
        ];
        for (typed, expected) in cases {
            assert_eq!(Query::parse(typed, NOW_S).unwrap().since_ns, Some(expected), "{typed}");
        }
        assert_eq!(Query::parse("until:12h", NOW_S).unwrap().until_ns, Some((NOW_S - 43_200) * S));
    }

    #[test]
    fn readings_of_the_record_are_found_where_they_are_asked_for() {
        assert_eq!(told("type:reading x1"), "marks : \"reading\" AND \"x1\"");
        assert_eq!(told("x1"), "\"x1\" AND NOT marks : \"reading\"");
        assert_eq!(told(""), "");
    }

    #[test]
    fn a_phrase_is_looked_for_by_its_words_first() {
        let pieces = |typed: &str| Query::parse(typed, NOW_S).unwrap().terms.remove(0).pieces;
        assert_eq!(pieces("word"), [""; 0]);
        assert_eq!(pieces("\"amount > 5\""), ["\"amount\"", "\"5\""]);
        assert_eq!(pieces("text:a.b*"), ["\"a\"", "\"b\" *"]);
        let many: Vec<String> = (0..200).map(|n| format!("w{n}")).collect();
        assert!(pieces(&format!("\"{}\"", many.join(" "))).len() < 128);
        assert!(Query::parse(&many.join(" "), NOW_S).unwrap_err().to_string().contains("fewer"));
    }

    #[test]
    fn a_word_is_told_from_a_phrase_and_from_other_fields() {
        let word = |typed: &str| {
            let sought = Query::parse(typed, NOW_S).unwrap().terms.remove(0);
            let pieces = sought.pieces.iter().map(|piece| sought.word(Some(piece)));
            std::iter::once(sought.word(None)).chain(pieces).flatten().map(|(word, _)| word).collect::<Vec<_>>()
        };
        for (typed, words) in [
            ("Settled", &["settled"][..]),
            ("'Settled'", &["settled"]),
            ("text:set*", &["set*"]),
            ("\"set*\"", &["set"]),
            ("2026-06-28*", &["2026", "06", "28*"]),
            ("agent:settled", &[]),
            ("naïve", &[]),
        ] {
            assert_eq!(word(typed), words, "{typed}");
        }
    }

    #[test]
    fn a_number_is_looked_for_as_records_have_it() {
        assert_eq!(matches("4111111111111111"), "\"411111******1111\"");
    }

    #[test]
    fn what_is_unclear_shows_no_card() {
        for field in ["since:", "rows:x", "session:", "-rows:", "x", "4111111111111111"] {
            let typed = format!("{field}4111111111111111 \"");
            let why = Query::parse(&typed, NOW_S).unwrap_err().to_string();
            assert!(!why.contains("4111111111111111"), "{field}");
            if let Err(why) = Query::parse(typed.trim_end_matches('"'), NOW_S) {
                assert!(!why.to_string().contains("4111111111111111"), "{field}");
            }
        }
    }

    #[test]
    fn what_is_unclear_is_said() {
        let cases = [
            ("agnt:x", "`agent`"),
            ("\"open", "quotation"),
            ("agent:", "nothing to look for"),
            ("-", "nothing to look for"),
            ("\"\"", "nothing to look for"),
            (">", "neither a letter"),
            ("rows:many", "rows:>100"),
            ("-rows:5", "only words"),
            ("since:yesterday", "2026-01-31"),
            ("session:x", "shard"),
        ];
        for (typed, part) in cases {
            let why = Query::parse(typed, NOW_S).unwrap_err().to_string();
            assert!(why.contains(part), "{typed}: {why}");
        }
    }
}
