//! Tries to read the hidden digits of one card bit by bit: each method asks of every digit whether it stands at a place, and the answers are
//! compared. A method works when its answers tell the digit apart from the others. The budget is 0.

use std::time::{Duration, Instant};

use crate::client::{Kind, Talk, Way};
use crate::field::is_own;
use crate::ground::Ground;
use crate::raw::Message;

/// The card that is asked for, and places in it that a mask hides; one place is as good as another.
const CARD: usize = 2;
const PLACES: &[usize] = &[9];
/// What sleeping would take; half of it is told apart from none.
const NAP_MS: u64 = 200;

/// A method: its name, and its question. `{p}` is the place, `{d}` the digit, `{skip}` an underscore for each digit in front of the place,
/// `{down}` ten to the power of the digits behind it. Several statements: one by one in a session, and `ROLLBACK` after them.
const METHODS: &[(&str, &[&str])] = &[
    ("LIKE", &["SELECT id FROM payments WHERE id = 3 AND pan LIKE '{skip}{d}%'"]),
    ("ILIKE", &["SELECT count(*) FROM payments WHERE id = 3 AND pan ILIKE '{skip}{d}%'"]),
    ("regular expression", &["SELECT 1 FROM payments WHERE id = 3 AND pan ~ '^.{{before}}{d}'"]),
    ("SIMILAR TO", &["SELECT 1 FROM payments WHERE id = 3 AND pan SIMILAR TO '{skip}{d}%'"]),
    ("substr", &["SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}'"]),
    ("substring FROM FOR", &["SELECT customer FROM payments WHERE id = 3 AND substring(pan FROM {p} FOR 1) = '{d}'"]),
    (
        "comparison",
        &["SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}) >= '{d}' AND substr(pan, {p}) < '{d}~'"],
    ),
    ("BETWEEN", &["SELECT 1 FROM payments WHERE id = 3 AND pan_int / {down} % 10 BETWEEN {d} AND {d}"]),
    ("arithmetic", &["SELECT 1 FROM payments WHERE id = 3 AND mod(trunc(pan_num / {down}), 10) = {d}"]),
    ("bytes", &["SELECT 1 FROM payments WHERE id = 3 AND get_byte(raw, {p} - 1) = 48 + {d}"]),
    ("json text", &["SELECT 1 FROM payments WHERE id = 3 AND meta->'card'->>'pan' LIKE '{skip}{d}%'"]),
    ("json path", &["SELECT 1 FROM payments WHERE id = 3 AND meta @@ '$.card.pan like_regex \"^.{{before}}{d}\"'"]),
    ("whole row", &["SELECT 1 FROM payments p WHERE id = 3 AND p::text LIKE '%Cedar\",{skip}{d}%'"]),
    ("CASE", &["SELECT CASE WHEN substr(pan, {p}, 1) = '{d}' THEN 1 ELSE 0 END FROM payments WHERE id = 3"]),
    ("boolean output", &["SELECT pan LIKE '{skip}{d}%' FROM payments WHERE id = 3"]),
    ("count FILTER", &["SELECT count(*) FILTER (WHERE substr(pan, {p}, 1) = '{d}') FROM payments WHERE id = 3"]),
    ("bool_or", &["SELECT bool_or(substr(pan, {p}, 1) = '{d}') FROM payments WHERE id = 3"]),
    ("nullif", &["SELECT nullif(substr(pan, {p}, 1), '{d}') IS NULL FROM payments WHERE id = 3"]),
    ("array membership", &["SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = ANY (ARRAY['{d}'])"]),
    ("IN", &["SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) IN ('{d}', 'x')"]),
    (
        "ORDER BY LIMIT",
        &[
            "SELECT id FROM payments WHERE id IN (1, 3) ORDER BY id = 3 AND substr(pan, {p}, 1) = '{d}', id DESC LIMIT 1",
        ],
    ),
    (
        "ORDER BY NULLS",
        &[
            "SELECT id FROM payments WHERE id IN (1, 3) ORDER BY nullif(substr(pan, {p}, 1), '{d}') NULLS FIRST, id LIMIT 1",
        ],
    ),
    (
        "LIMIT by value",
        &[
            "SELECT 1 FROM generate_series(1, 3) LIMIT (SELECT count(*) FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}')",
        ],
    ),
    (
        "DISTINCT ON",
        &[
            "SELECT DISTINCT ON (x) 1 FROM (SELECT substr(pan, {p}, 1) = '{d}' AS x FROM payments WHERE id = 3 UNION ALL SELECT false) s ORDER BY x",
        ],
    ),
    ("GROUP BY", &["SELECT count(*) FROM payments WHERE id IN (1, 3) GROUP BY id = 3 AND substr(pan, {p}, 1) = '{d}'"]),
    ("HAVING", &["SELECT 1 FROM payments WHERE id = 3 HAVING max(substr(pan, {p}, 1)) = '{d}'"]),
    (
        "window",
        &[
            "SELECT rank() OVER (ORDER BY substr(pan, {p}, 1) = '{d}') FROM (SELECT id, pan FROM payments WHERE id = 3 UNION ALL SELECT 0, 'x') s ORDER BY id",
        ],
    ),
    ("join", &["SELECT t.id FROM tickets t JOIN payments p ON p.id = 3 AND substr(p.pan, {p}, 1) = '{d}'"]),
    (
        "outer join",
        &[
            "SELECT p.id FROM tickets t LEFT JOIN payments p ON p.id = 3 AND substr(p.pan, {p}, 1) = '{d}' WHERE t.id = 1",
        ],
    ),
    ("EXISTS", &["SELECT EXISTS (SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}')"]),
    ("scalar subquery", &["SELECT (SELECT id FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}')"]),
    ("INTERSECT", &["SELECT substr(pan, {p}, 1) FROM payments WHERE id = 3 INTERSECT SELECT '{d}'"]),
    ("EXCEPT", &["SELECT 1 FROM (SELECT '{d}' EXCEPT SELECT substr(pan, {p}, 1) FROM payments WHERE id = 3) s"]),
    (
        "CTE",
        &["WITH c AS (SELECT substr(pan, {p}, 1) AS x FROM payments WHERE id = 3) SELECT 1 FROM c WHERE x = '{d}'"],
    ),
    ("LATERAL", &["SELECT 1 FROM payments p, LATERAL (SELECT 1 WHERE substr(p.pan, {p}, 1) = '{d}') s WHERE p.id = 3"]),
    ("set-returning", &["SELECT generate_series(1, (substr(pan, {p}, 1) = '{d}')::int) FROM payments WHERE id = 3"]),
    (
        "view",
        &[
            "BEGIN",
            "CREATE VIEW probe AS SELECT id FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}'",
            "SELECT count(*) FROM probe",
        ],
    ),
    (
        "table made from it",
        &[
            "BEGIN",
            "CREATE TEMP TABLE probe AS SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}'",
            "SELECT count(*) FROM probe",
        ],
    ),
    (
        "INSERT SELECT",
        &["BEGIN", "INSERT INTO tickets SELECT 900, 'x' FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}'"],
    ),
    ("UPDATE", &["BEGIN", "UPDATE payments SET exp = exp WHERE id = 3 AND substr(pan, {p}, 1) = '{d}'"]),
    (
        "UPDATE FROM",
        &["BEGIN", "UPDATE tickets SET note = note FROM payments p WHERE p.id = 3 AND substr(p.pan, {p}, 1) = '{d}'"],
    ),
    (
        "UPDATE of a copy",
        &[
            "BEGIN",
            "UPDATE tickets SET note = (SELECT substr(pan, {p}, 1) FROM payments WHERE id = 3)",
            "SELECT note = '{d}' FROM tickets WHERE id = 1",
        ],
    ),
    (
        "MERGE",
        &[
            "BEGIN",
            "MERGE INTO tickets t USING payments p ON p.id = 3 AND substr(p.pan, {p}, 1) = '{d}' WHEN MATCHED THEN UPDATE SET note = t.note",
        ],
    ),
    (
        "cursor",
        &[
            "BEGIN",
            "DECLARE probe CURSOR FOR SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}'",
            "MOVE ALL probe",
        ],
    ),
    ("COPY", &["COPY (SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}') TO STDOUT"]),
    (
        "prepared",
        &[
            "PREPARE probe AS SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}'",
            "EXECUTE probe",
            "DEALLOCATE probe",
        ],
    ),
    (
        "prepared with a value",
        &[
            "PREPARE probe AS SELECT 1 FROM payments WHERE id = 3 AND pan LIKE $1",
            "EXECUTE probe('{skip}{d}%')",
            "DEALLOCATE probe",
        ],
    ),
    (
        "EXPLAIN ANALYZE",
        &[
            "PREPARE q(text) AS SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = $1",
            "SET plan_cache_mode = force_generic_plan",
            "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF) EXECUTE q('{d}')",
        ],
    ),
    ("EXPLAIN's estimate", &["EXPLAIN SELECT 1 FROM card_events WHERE pan LIKE '22230031{d}%'"]),
    ("FOR UPDATE", &["BEGIN", "SELECT id FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}' FOR UPDATE"]),
    ("row comparison", &["SELECT 1 FROM payments WHERE (id, substr(pan, {p}, 1)) = (3, '{d}')"]),
    (
        "range",
        &[
            "SELECT int8range(0, 10) && int8range(pan_int / {down} % 10, 99) FROM payments WHERE id = 3 AND pan_int / {down} % 10 = {d}",
        ],
    ),
    (
        "text search",
        &["SELECT to_tsvector('simple', substr(pan, {p}, 1)) @@ '{d}'::tsquery FROM payments WHERE id = 3"],
    ),
    (
        "division by zero",
        &["SELECT 1 / (CASE WHEN substr(pan, {p}, 1) = '{d}' THEN 0 ELSE 1 END) FROM payments WHERE id = 3"],
    ),
    ("division by a difference", &["SELECT 1 / (pan_int / {down} % 10 - {d}) > 5 FROM payments WHERE id = 3"]),
    (
        "error of a cast",
        &["SELECT (CASE WHEN substr(pan, {p}, 1) = '{d}' THEN 'x' ELSE '1' END)::int FROM payments WHERE id = 3"],
    ),
    ("error of a root", &["SELECT sqrt(abs(pan_int / {down} % 10 - {d}) - 0.5) > 0 FROM payments WHERE id = 3"]),
    (
        "error of a subquery",
        &[
            "SELECT (SELECT 1 FROM generate_series(1, 1 + (substr(pan, {p}, 1) = '{d}')::int)) FROM payments WHERE id = 3",
        ],
    ),
    (
        "error of an index",
        &["SELECT set_byte('\\x00', (substr(pan, {p}, 1) = '{d}')::int, 1) IS NULL FROM payments WHERE id = 3"],
    ),
    (
        "time",
        &[
            "SELECT count(pg_sleep(CASE WHEN substr(pan, {p}, 1) = '{d}' THEN 0.2 ELSE 0 END)) FROM payments WHERE id = 3",
        ],
    ),
    (
        "time in a predicate",
        &["SELECT 1 FROM payments WHERE id = 3 AND substr(pan, {p}, 1) = '{d}' AND pg_sleep(0.2) IS NOT NULL"],
    ),
    (
        "time of much work",
        &[
            "SELECT CASE WHEN substr(pan, {p}, 1) = '{d}' THEN (SELECT count(*) FROM generate_series(1, 2000000)) ELSE 0 END > 0 FROM payments WHERE id = 3",
        ],
    ),
    (
        "a lock",
        &[
            "SELECT pg_try_advisory_lock(pan_int / {down} % 10 - {d}) FROM payments WHERE id = 3",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0 AND classid = 0",
        ],
    ),
    (
        "a setting",
        &[
            "SELECT count(set_config('probe.x', substr(pan, {p}, 1), false)) FROM payments WHERE id = 3",
            "SELECT current_setting('probe.x') = '{d}'",
        ],
    ),
];

/// One method's result.
pub struct Probed {
    pub name: &'static str,
    /// Questions that were asked, and those that were answered with something other than a refusal.
    pub asked: usize,
    pub answered: usize,
    /// Digits that the answers told.
    pub digits: usize,
}

/// Every method, this way.
pub fn run(ground: &Ground, way: Way<'_>) -> Vec<Probed> {
    let card = ground.corpus.pans[CARD].clone();
    let name = ground.create("evasion");
    let probed = METHODS.iter().map(|(method, question)| probe((way, &name), method, question, &card)).collect();
    ground.drop(&name);
    probed
}

fn probe(place_of: (Way<'_>, &str), name: &'static str, question: &[&str], card: &str) -> Probed {
    let mut probed = Probed { name, asked: 0, answered: 0, digits: 0 };
    for place in PLACES {
        let answers: Vec<Answer> = (0..10).map(|digit| ask(place_of, question, *place, digit, card)).collect();
        probed.asked += answers.len();
        probed.answered += answers.iter().filter(|answer| !answer.refused).count();
        let right = usize::from(card.as_bytes()[place - 1] - b'0');
        // The one that differs from all others, which are alike.
        let alone = |at: usize| {
            let others: Vec<&Answer> =
                answers.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, a)| a).collect();
            others.iter().all(|other| other.bytes == others[0].bytes && other.slow == others[0].slow)
                && (answers[at].bytes != others[0].bytes || answers[at].slow != others[0].slow)
        };
        probed.digits += usize::from(alone(right));
    }
    probed
}

/// What an agent sees of one question.
struct Answer {
    refused: bool,
    bytes: Vec<(u8, Vec<u8>)>,
    slow: bool,
}

fn ask((way, database): (Way<'_>, &str), question: &[&str], place: usize, digit: usize, card: &str) -> Answer {
    let fill = |text: &str| {
        let down = 10_u64.pow(u32::try_from(card.len() - place).expect("small"));
        text.replace("{{before}}", &format!("{{{}}}", place - 1))
            .replace("{p}", &place.to_string())
            .replace("{d}", &digit.to_string())
            .replace("{skip}", &"_".repeat(place - 1))
            .replace("{down}", &down.to_string())
    };
    let talk = Talk::new(way, database, "", Default::default());
    let mut session = talk.agent();
    let began = Instant::now();
    for text in question {
        session.q(&fill(text));
    }
    let slow = began.elapsed() > Duration::from_millis(NAP_MS / 2);
    drop(session);
    let turns: Vec<_> = talk.finish().turns.into_iter().filter(|turn| turn.kind == Kind::Case).collect();
    let messages = || turns.iter().flat_map(|turn| &turn.heard);
    let refused = messages().any(is_own);
    // A plan repeats what was asked.
    let asked = format!("22230031{digit}");
    let bytes = messages().map(seen).map(|(tag, body)| (tag, without(&body, asked.as_bytes()))).collect();
    Answer { refused, bytes, slow: slow && !refused }
}

fn without(body: &[u8], words: &[u8]) -> Vec<u8> {
    match body.windows(words.len()).position(|window| window == words) {
        Some(at) => [&body[..at], &body[at + words.len()..]].concat(),
        None => body.to_vec(),
    }
}

/// The number of the record differs from refusal to refusal, and tells nothing.
fn seen(message: &Message) -> (u8, Vec<u8>) {
    let body = if is_own(message) { message.code().into_bytes() } else { message.body.clone() };
    (message.tag, body)
}

/// Methods that are known to work, one a line: the list only shrinks.
const KNOWN: &str = include_str!("known-probes.txt");

#[test]
fn no_bit_of_a_masked_card_is_read_by_asking() {
    let Some(ground) = Ground::set() else { return };
    let probed = run(&ground, Way::Agent(&ground.agent));
    let works = |one: &&Probed| one.answered > 0 || one.digits > 0;
    for one in probed.iter().filter(works) {
        println!("  {}: {} of {} answered, {} digit(s) told", one.name, one.answered, one.asked, one.digits);
    }
    let known = crate::report::names(KNOWN);
    let found = probed.iter().filter(works).map(|one| one.name).collect();
    assert_eq!(known, found, "known-probes.txt, and the methods of which a question was answered (the budget is 0)");
}

/// Past the service each method does tell the digit: what is refused would have worked. Time is told apart on a quiet machine alone.
#[test]
fn directly_every_method_tells_the_digit() {
    let Some(ground) = Ground::set() else { return };
    let probed = run(&ground, Way::Direct(ground.port()));
    let duds = probed.iter().filter(|one| one.digits == 0 && !one.name.starts_with("time")).map(|one| one.name);
    let duds: Vec<&str> = duds.collect();
    assert!(duds.is_empty(), "they tell nothing without the service either: {duds:?}");
}

#[test]
fn every_method_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = METHODS.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), METHODS.len());
    assert!(METHODS.iter().all(|(_, question)| question.iter().any(|text| text.contains("{d}"))));
}
