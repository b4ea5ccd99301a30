//! The same by one table of words that has each record whole, and by its figures: what the index must say, whatever it keeps where.

use std::collections::HashSet;

use rusqlite::{Connection, params_from_iter};

use super::super::entry::{Column, Entry};
use super::super::query::Query;
use super::*;

pub(super) struct Twin {
    words: Connection,
    /// In the order of time.
    records: Vec<(RecordId, Entry)>,
}

impl Twin {
    pub(super) fn of(record: &Record) -> Twin {
        let columns = Column::ALL.map(Column::name).join(", ");
        let words = Connection::open_in_memory().unwrap();
        let tokens = super::super::index::TOKENS;
        words.execute_batch(&format!("CREATE VIRTUAL TABLE words USING fts5({columns}, {tokens});")).unwrap();
        let mut records: Vec<(RecordId, Entry)> = Vec::new();
        record.segments();
        for path in crate::record::segments(std::slice::from_ref(&record.folder)).unwrap() {
            let name = path.file_name().unwrap().to_str().unwrap();
            let (shard, _) = audit::segment::parse_file_name(name).unwrap();
            for frame in audit::segment::frames(&std::fs::read(&path).unwrap()) {
                let mut entry = Entry::whole(&frame);
                match entry.about.and_then(|about| records.iter_mut().find(|(id, _)| *id == about)) {
                    Some((_, decision)) => decision.ended_by(&mut entry),
                    None if frame.kind < 240 => records.push((RecordId { shard, seq: frame.seq }, entry)),
                    None => {}
                }
            }
        }
        records.sort_by_key(|(_, entry)| entry.wall_ns);
        for (at, (_, entry)) in records.iter_mut().enumerate() {
            entry.mark();
            let sql = format!("INSERT INTO words(rowid, {columns}) VALUES ({at}{})", ", ?".repeat(Column::COUNT));
            words.execute(&sql, params_from_iter(&entry.words.0)).unwrap();
        }
        Twin { words, records }
    }

    fn with(&self, told: &str) -> HashSet<usize> {
        let mut find = self.words.prepare_cached("SELECT rowid FROM words WHERE words MATCH ?").unwrap();
        find.query_map([told], |row| row.get::<_, i64>(0)).unwrap().map(|row| row.unwrap() as usize).collect()
    }

    pub(super) fn finds(&self, query: &Query) -> Vec<RecordId> {
        let all: Vec<HashSet<usize>> = query.terms.iter().map(|term| self.with(&term.told(None))).collect();
        let is_found = |at: usize, entry: &Entry| {
            let figures = &entry.figures;
            let figure = |column| match column {
                "rows" => figures.rows,
                "bytes" => figures.bytes,
                "masked" => figures.masked,
                "sensitive" => figures.sensitive,
                _ => figures.duration_ns,
            };
            query.terms.iter().zip(&all).all(|(term, with)| with.contains(&at) != term.is_not)
                && query.bounds.iter().all(|bound| bound.holds(figure(bound.column), bound.value))
                && query.since_ns.is_none_or(|since| entry.wall_ns >= since)
                && query.until_ns.is_none_or(|until| entry.wall_ns < until)
        };
        let found = self.records.iter().enumerate().filter(|(at, (_, entry))| is_found(*at, entry));
        found.map(|(_, (id, _))| *id).rev().collect()
    }
}

pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    pub(super) fn of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len())]
    }
}

pub(super) const WORDS: [&str; 12] =
    ["alpha", "Beta", "'gamma", "delta'", "7", "77", "$7", "ß", "x_1", "'it''s'", "(a,", "b)"];
pub(super) const TERMS: [&str; 51] = [
    "alpha",
    "beta",
    "gamma",
    "7",
    "77",
    "ß",
    "s",
    "a*",
    "x_*",
    "7*",
    "text:delta",
    "text:7",
    "agent:reconciler",
    "agent:refunder",
    "verdict:blocked",
    "type:decision",
    "table:payments",
    "kind:select",
    "\"alpha beta\"",
    "\"alpha 7\"",
    "\"7 alpha\"",
    "\"gamma delta\"",
    "\"beta gamma\"",
    "\"a b\"",
    "text:\"delta 7\"",
    "\"ß 7\"",
    "masked:>0",
    "rows:>200",
    "rows:<=3",
    "since:1h",
    "gamma*",
    "delt*",
    "text:it*",
    "\"it s\"",
    "\"s it\"",
    "\"7 del\"*",
    "text:gamma",
    "said:7",
    "\"7 beta\"",
    "\"beta 77 alpha\"",
    "\"delta 7 b\"",
    "\"x_1 gam\"*",
    "text:\"77 ß 7\"",
    "\"7 7\"",
    "\"77 7\"",
    "\"gamma gamma\"",
    "\"alpha gamma\"",
    "\"gamma alpha\"",
    "\"beta 7 alpha\"",
    "\"7 beta 7\"",
    "\"alpha gam\"*",
];

#[test]
fn the_index_finds_what_a_table_of_whole_records_finds() {
    let mut record = Record::new("twin", 2);
    let mut dice = Dice(0x0ec0);
    let mut running = Vec::new();
    for shard in 0..2 {
        record.begins(shard, 1, "reconciler");
    }
    for round in 0..6 {
        for _ in 0..60 {
            let text: Vec<&str> = (0..1 + dice.below(6)).map(|_| dice.of(&WORDS)).collect();
            let (rows, masked) = (dice.below(400) as u64, dice.below(3) as u64);
            let outcome = (dice.below(3) > 0).then_some((rows, masked));
            let is_refused = dice.below(4) == 0;
            let told = Told {
                agent: if dice.below(2) == 0 { "reconciler" } else { "refunder" },
                text: &text.join(" "),
                kinds: &["select"],
                verdict: if is_refused { Verdict::Block } else { Verdict::Allow },
                outcome: outcome.filter(|_| !is_refused),
            };
            let (shard, agent) = (dice.below(2) as u16, told.agent);
            let decision = record.statement(shard, 1, &told);
            if !is_refused && outcome.is_none() {
                running.push((decision, agent));
            }
        }
        // Some end when they were indexed long ago, and the index goes on in several steps.
        if round % 2 == 1 {
            for (decision, agent) in running.drain(..) {
                record.outcome(1, agent, decision, 300, 1);
            }
        }
        record.now_s += 1200;
        record.index();
    }
    let twin = Twin::of(&record);
    let (index, segments) = (record.index().0, record.segments());
    assert!(index.sets() > 20, "{} sets of frequent words", index.sets());
    let (mut asked, mut found) = (0, 0);
    for _ in 0..1200 {
        let terms: Vec<String> = (0..1 + dice.below(3))
            .map(|_| {
                let term = dice.of(&TERMS);
                let can_be_left_out = !term.contains('>') && !term.contains('<') && !term.starts_with("since");
                if can_be_left_out && dice.below(4) == 0 { format!("-{term}") } else { term.to_owned() }
            })
            .collect();
        let typed = terms.join(" ");
        let query = Query::parse(&typed, record.now_s).unwrap();
        let expected = twin.finds(&query);
        let told: Vec<RecordId> =
            index.find(&query, &segments, 10_000).unwrap().iter().map(super::super::Hit::id).collect();
        assert_eq!(told, expected, "{typed}");
        (asked, found) = (asked + 1, found + usize::from(!expected.is_empty()));
    }
    assert!(found * 4 > asked, "most find nothing: {found} of {asked}");
}

/// Where no more profiles are made, words are found all the same.
#[test]
fn where_there_are_too_many_profiles_records_have_their_words_for_themselves() {
    for bounds in [(3, 5), (0, 2), (0, 0)] {
        let mut record = Record::new("bounds", 1);
        record.begins(0, 1, "reconciler");
        for n in 0..30 {
            let text = format!("SELECT w{} FROM payments WHERE id = {n}", n % 7);
            let agent = if n % 2 == 0 { "reconciler" } else { "refunder" };
            record.statement(0, 1, &Told { agent, ..Told::allowed(&text, n, n % 3) });
        }
        let mut index = Index::open(&record.folder.join("index.sqlite3")).unwrap();
        index.profiles_at_most(bounds.0, bounds.1);
        index.fill(&record.segments(), &mut |_| {}).unwrap();
        let twin = Twin::of(&record);
        for typed in [
            "w3 agent:reconciler",
            "masked:>0 w2",
            "\"id 9\"",
            "\"from payments where id 21\"",
            "w1 -agent:refunder",
            "type:decision",
        ] {
            let query = Query::parse(typed, record.now_s).unwrap();
            let told: Vec<RecordId> =
                index.find(&query, &record.segments(), 100).unwrap().iter().map(super::super::Hit::id).collect();
            assert_eq!(told, twin.finds(&query), "{typed} {bounds:?}");
            assert!(!told.is_empty(), "{typed}");
        }
    }
}
