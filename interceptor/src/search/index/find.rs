//! Searches: block by block from the newest on, first by what records have in common, then by their own words, at last by the
//! record itself.

use std::collections::BTreeSet;
use std::rc::Rc;

use anyhow::{Context, Result};
use audit::show;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::entry::{Column, Entry};
use super::super::place::{Found, Segments};
use super::super::query::{self, Bits, Query};
use super::blocks::{self, BLOCK, Bounded, place, profile};
use super::frequent::{Key, Rows};
use super::near::{Need, Told};
use super::over::{Over, side_by_side};
use super::own::{Others, Sieve, Sought, is_merged};
use super::profiles::{NONE, tell};
use super::{HOUR_NS, Hit, Index, TOKENS, hit, signed};

/// A search, as far as it is the same for all blocks.
struct Plan<'q> {
    query: &'q Query,
    /// Per profile: which of what is looked for its words have.
    profiles: Vec<Bits>,
    /// Per profile: whether a record of it can be what is looked for, its own words aside.
    may: Vec<bool>,
    /// What some record has among its own words, and others have among what they share.
    own: Vec<Sought>,
    /// What must be there and can only be among a record's own words.
    alone: Vec<Sought>,
    alone_bits: Bits,
    /// What must be there, and what must not.
    need: Bits,
    none: Bits,
    /// Phrases of which a part may stand among what is shared and another among what is a record's own.
    phrases: Vec<Phrase<'q>>,
    /// Phrases that must be there, and of which a full block can tell that they are not.
    near: Vec<Near>,
    /// The words of which blocks are asked for that.
    near_words: BTreeSet<String>,
    /// Rows from and to.
    rows: (i64, i64),
    /// Of one session alone.
    only: Option<Vec<i64>>,
}

impl Plan<'_> {
    /// What decides most comes first: what only own words can have, then whether a profile's records can be it at all.
    fn sort_own(&mut self) {
        let all = |own: &[Sought]| own.iter().fold(Bits::MIN, |all, sought| all | sought.bits);
        let own = all(&self.own);
        let shared = self.profiles.iter().fold(Bits::MIN, |all, bits| all | bits);
        let is_alone = |bits: Bits| bits & self.need != 0 && bits & shared == 0;
        (self.alone, self.own) = std::mem::take(&mut self.own).into_iter().partition(|sought| is_alone(sought.bits));
        self.alone_bits = all(&self.alone);
        let can = |(profile, bits): (usize, &Bits)| {
            let has = |phrase: &Phrase<'_>| {
                phrase.sought.is_not || phrase.are_all_own || bits & phrase.bit != 0 || phrase.can_go_over(profile)
            };
            (bits | own) & self.need == self.need && bits & self.none == 0 && self.phrases.iter().all(has)
        };
        self.may = self.profiles.iter().enumerate().map(can).collect();
    }

    /// Per profile: whether a record of it can be what is looked for, in a block that has told what stands side by side.
    fn may_near(&self, told: &Told) -> Vec<bool> {
        let is_own = |near: &Near| near.own.as_ref().is_some_and(|own| own.iter().all(|need| told.may(need)));
        let near: Vec<(&Near, bool)> = self.near.iter().map(|near| (near, is_own(near))).collect();
        let can = |(profile, may): (usize, &bool)| {
            let shared = self.profiles.get(profile).copied().unwrap_or_default();
            // Records that share nothing have all their words together, in an order of their own.
            let is_alone = profile == usize::from(NONE);
            *may && (is_alone || near.iter().all(|(near, is_own)| near.may(told, *is_own, shared, profile)))
        };
        self.may.iter().enumerate().map(can).collect()
    }

    /// The phrases that only the record itself can tell: some of their words are shared, and some its own. `None`: one is not there
    /// that must be, or the other way round.
    fn open(&self, shared: Bits, own: Bits, profile: usize) -> Option<Vec<&query::Sought>> {
        let shares_nothing = profile == usize::from(NONE);
        let mut open = Vec::new();
        for phrase in &self.phrases {
            let (is_there, pieces) = ((shared | own) & phrase.bit != 0, phrase.pieces);
            let may_go_over_both = !phrase.sought.is_ascii || (shared & pieces != 0 && own & pieces != 0);
            let may = (shared | own) & pieces == pieces
                && (may_go_over_both || shares_nothing)
                && phrase.can_go_over(profile);
            match (is_there, may) {
                (true, _) if phrase.sought.is_not => return None,
                (false, true) => open.push(phrase.sought),
                (false, false) if !phrase.sought.is_not => return None,
                _ => {}
            }
        }
        Some(open)
    }
}

struct Phrase<'q> {
    sought: &'q query::Sought,
    bit: Bits,
    pieces: Bits,
    /// A record may have all of it among its own words.
    are_all_own: bool,
    /// Its records may have it over both sides; `None`: those of all profiles may.
    over: Option<Rc<Over>>,
}

impl Phrase<'_> {
    fn can_go_over(&self, profile: usize) -> bool {
        let shares_nothing = profile == usize::from(NONE);
        shares_nothing || self.over.as_ref().is_none_or(|over| over.may.get(profile).copied().unwrap_or_default())
    }
}

/// A phrase that must be there.
struct Near {
    /// What a profile has that shares all of it.
    bit: Bits,
    /// What it needs where all of it is among own words; `None`: no record has it so.
    own: Option<Vec<Need>>,
    over: Option<Rc<Over>>,
}

impl Near {
    /// Whether a record of the profile, in a block that has told, can have it.
    fn may(&self, told: &Told, own: bool, shared: Bits, profile: usize) -> bool {
        own || shared & self.bit != 0 || self.over.as_ref().is_some_and(|over| over.may_in(told, profile))
    }
}

/// What is known of the rows of a block.
struct Block<'p> {
    plan: &'p Plan<'p>,
    /// The row at place 0.
    begin: i64,
    profiles: Vec<u8>,
    others: Others,
    bounds: Vec<Bounded>,
    /// Phrases that are not looked for yet.
    unsure: Vec<&'p query::Sought>,
}

impl Block<'_> {
    /// What a row has among its shared and its own words, and whether its figures and time must be looked at; `None`: it is not what is looked for.
    fn can_be(&self, at: usize) -> Option<(Bits, Bits, bool)> {
        let plan = self.plan;
        let profile = profile(&self.profiles, at);
        if !plan.may.get(profile).copied().unwrap_or_default() {
            return None;
        }
        let shared = plan.profiles.get(profile).copied().unwrap_or_default();
        let own = plan.alone_bits | self.others.of(at);
        let bits = shared | own;
        if bits & plan.need != plan.need || bits & plan.none != 0 {
            return None;
        }
        let id = self.begin + at as i64;
        if plan.only.as_ref().is_some_and(|only| only.binary_search(&id).is_err()) {
            return None;
        }
        let mut is_open = plan.query.since_ns.is_some() || plan.query.until_ns.is_some();
        for bound in &self.bounds {
            match bound.holds(at) {
                Some(true) => {}
                Some(false) => return None,
                None => is_open = true,
            }
        }
        Some((shared, own, is_open))
    }
}

impl Index {
    /// What was found, newest first.
    pub fn find(&self, query: &Query, segments: &Segments, limit: usize) -> Result<Vec<Hit>> {
        self.found(query, segments, limit).with_context(|| self.broken())
    }

    fn found(&self, query: &Query, segments: &Segments, limit: usize) -> Result<Vec<Hit>> {
        let plan = self.plan(query)?;
        let mut aside = Aside::default();
        let mut hits = Vec::new();
        let (first, last) = (place(plan.rows.0).0, place(plan.rows.1).0);
        if plan.rows.0 > plan.rows.1 || !plan.may.contains(&true) {
            return Ok(hits);
        }
        for number in (first..=last).rev() {
            self.block(&plan, number, segments, &mut aside, limit, &mut hits)?;
            if hits.len() >= limit {
                break;
            }
        }
        Ok(hits)
    }

    fn plan<'q>(&self, query: &'q Query) -> Result<Plan<'q>> {
        let most: i64 = self.connection.query_row("SELECT ifnull(max(id), 0) FROM profiles", [], |row| row.get(0))?;
        let last: i64 = self.connection.query_row("SELECT ifnull(max(id), 0) FROM records", [], |row| row.get(0))?;
        let mut plan = Plan {
            query,
            profiles: vec![0; most as usize + 1],
            may: Vec::new(),
            own: Vec::new(),
            alone: Vec::new(),
            alone_bits: 0,
            need: 0,
            none: 0,
            phrases: Vec::new(),
            near: Vec::new(),
            near_words: BTreeSet::new(),
            rows: (1, last),
            only: None,
        };
        let mut next = 1;
        let mut bit = || {
            let bit = next;
            next <<= 1;
            bit
        };
        for (number, sought) in query.terms.iter().enumerate() {
            let own = bit();
            let (mut pieces, mut is_own, mut is_shared, mut are_all_own) = (0, false, false, true);
            for piece in &sought.pieces {
                let of = bit();
                let can_be_own = self.look(&mut plan, number, Some(piece), of)?;
                is_own |= can_be_own;
                are_all_own &= can_be_own;
                is_shared |= plan.profiles.iter().any(|bits| bits & of != 0);
                pieces |= of;
            }
            // Whether a phrase of words that some have is anywhere can take a walk over all of them.
            if are_all_own || !sought.is_ascii {
                self.look(&mut plan, number, None, own)?;
            } else {
                self.look_shared(&mut plan, &sought.told(None), own)?;
            }
            // Records that share nothing have the words of both sides, but not in their order.
            let is_full = most as usize >= self.profiles_max.1;
            let is_divided = sought.is_phrase && is_own && is_shared;
            let over = if is_divided { self.over(sought, plan.profiles.len())?.map(Rc::new) } else { None };
            let can_go_over = over.as_ref().map_or(is_shared, |over| over.may.contains(&true));
            if sought.is_phrase && sought.is_ascii && !sought.is_not && is_own && (over.is_some() || !is_divided) {
                let together = are_all_own.then(|| side_by_side(&sought.pieces));
                let words = together.iter().flatten().flat_map(Need::words);
                let words = words.chain(over.iter().flat_map(|over| over.words()));
                plan.near_words.extend(words.map(str::to_owned));
                plan.near.push(Near { bit: own, own: together, over: over.clone() });
            }
            let is_mixed = sought.is_phrase && (!sought.is_ascii || (is_own && (can_go_over || is_full)));
            match (is_mixed, sought.is_not) {
                (true, is_not) => {
                    plan.phrases.push(Phrase { sought, bit: own, pieces, are_all_own, over });
                    if !is_not {
                        plan.need |= pieces;
                    } else {
                        plan.none |= own;
                    }
                }
                (false, true) => plan.none |= own,
                (false, false) => plan.need |= own | pieces,
            }
        }
        plan.sort_own();
        self.bound(&mut plan)?;
        Ok(plan)
    }

    /// Where something stands; whether some record can have it among its own words.
    fn look(&self, plan: &mut Plan<'_>, number: usize, piece: Option<&str>, bits: Bits) -> Result<bool> {
        let Some(sought) = plan.query.terms.get(number) else { return Ok(false) };
        let told = sought.told(piece);
        self.look_shared(plan, &told, bits)?;
        let is_phrase_of_pieces = piece.is_none() && sought.is_phrase && sought.is_ascii;
        let can_be_own = is_phrase_of_pieces || is_merged(&told) || self.can_be_own(sought, piece, &told)?;
        if can_be_own {
            let key = sought.word(piece).map(|(word, is_of_text)| Key { word, is_of_text });
            plan.own.push(Sought::new(bits, told, key, is_phrase_of_pieces.then_some(number)));
        }
        Ok(can_be_own)
    }

    /// Whether some record has it among its own words.
    fn can_be_own(&self, sought: &query::Sought, piece: Option<&str>, told: &str) -> Result<bool> {
        let column = Column::ALL.into_iter().find(|column| sought.column() == Some(column.name()));
        if let (Some(column), Some(word)) = (column, piece.or(sought.one())) {
            return self.is_own_in(column, word, told);
        }
        let mut own = self.connection.prepare_cached("SELECT 1 FROM words WHERE words MATCH ? LIMIT 1")?;
        Ok(own.exists([told])?)
    }

    fn look_shared(&self, plan: &mut Plan<'_>, told: &str, bits: Bits) -> Result<()> {
        self.facets(told, |profile| plan.profiles.get_mut(profile).into_iter().for_each(|known| *known |= bits))
    }

    /// Bounds of rows, by whole hours and by a session.
    fn bound(&self, plan: &mut Plan<'_>) -> Result<()> {
        let edge = |sql: &str, time_ns: u64| -> Result<Option<i64>> {
            Ok(self.connection.query_row(sql, [signed(time_ns / HOUR_NS)], |row| row.get(0))?)
        };
        if let Some(since) = plan.query.since_ns {
            let first = edge("SELECT min(first) FROM hours WHERE hour >= ?", since)?;
            plan.rows.0 = plan.rows.0.max(first.unwrap_or(i64::MAX));
        }
        if let Some(until) = plan.query.until_ns {
            plan.rows.1 = plan.rows.1.min(edge("SELECT max(last) FROM hours WHERE hour <= ?", until)?.unwrap_or(0));
        }
        if let Some(session) = plan.query.session {
            let mut of = self.connection.prepare_cached(
                "SELECT id FROM records WHERE session = (SELECT id FROM sessions WHERE shard = ? AND seq = ?) ORDER BY id",
            )?;
            let rows = of.query_map(params![session.shard, signed(session.seq)], |row| row.get(0))?;
            let only: Vec<i64> = rows.collect::<rusqlite::Result<_>>()?;
            plan.rows.0 = plan.rows.0.max(only.first().copied().unwrap_or(i64::MAX));
            plan.rows.1 = plan.rows.1.min(only.last().copied().unwrap_or(0));
            plan.only = Some(only);
        }
        Ok(())
    }

    fn block(
        &self,
        plan: &Plan<'_>,
        number: i64,
        segments: &Segments,
        aside: &mut Aside,
        limit: usize,
        hits: &mut Vec<Hit>,
    ) -> Result<()> {
        let begin = number * BLOCK + 1;
        let (from, to) = (plan.rows.0.max(begin), plan.rows.1.min(begin + BLOCK - 1));
        if plan
            .only
            .as_ref()
            .is_some_and(|only| only.partition_point(|id| *id < from) == only.partition_point(|id| *id <= to))
        {
            return Ok(());
        }
        let Some(mut sieve) = Sieve::by_sets(&self.connection, number, begin, &plan.alone, plan.rows)? else {
            return Ok(());
        };
        let profiles = blocks::profiles(&self.connection, number)?;
        let (first, last) = ((from - begin) as usize, (to - begin) as usize);
        let words = plan.near_words.iter().map(String::as_str);
        let told = if plan.near.is_empty() { None } else { Told::read(&self.connection, number, words)? };
        let may_near = told.as_ref().map(|told| plan.may_near(told));
        let may = |at: usize| {
            let profile = profile(&profiles, at);
            plan.may.get(profile).copied().unwrap_or_default()
                && (may_near.as_ref().is_none_or(|may| may.get(profile).copied().unwrap_or_default())
                    || told.as_ref().is_some_and(|told| told.is_unclear(at)))
        };
        // Where none can be, nothing else is read.
        let (first, last) = match &mut sieve.rows {
            Some(rows) => {
                rows.retain(|at| (first..=last).contains(&at) && may(at));
                let Some((first, last)) = rows.ends() else { return Ok(()) };
                (first, last)
            }
            None => {
                let Some(last) = (first..=last).rev().find(|at| may(*at)) else { return Ok(()) };
                let first = (first..=last).find(|at| may(*at)).unwrap_or(last);
                if may_near.is_some() {
                    let mut rows = Rows::none();
                    (first..=last).filter(|at| may(*at)).for_each(|at| rows.put(at));
                    sieve.rows = Some(rows);
                }
                (first, last)
            }
        };
        let (from, to) = (begin + first as i64, begin + last as i64);
        if !sieve.by_words(from, to)? {
            return Ok(());
        }
        let others = sieve.others(&plan.own, from, to)?;
        let bounds = plan.query.bounds.iter().map(|bound| Bounded::read(&self.connection, number, bound));
        let unsure = sieve.unsure.iter().filter_map(|number| plan.query.terms.get(*number)).collect();
        let block = Block { plan, begin, profiles, others, bounds: bounds.collect::<Result<_>>()?, unsure };
        match &sieve.rows {
            Some(rows) => {
                let places: Vec<usize> = rows.all().collect();
                self.rows(&block, places.into_iter().rev(), segments, aside, limit, hits)
            }
            None => self.rows(&block, (first..=last).rev(), segments, aside, limit, hits),
        }
    }

    /// The rows at these places, each looked at as far as is needed.
    fn rows(
        &self,
        block: &Block<'_>,
        places: impl Iterator<Item = usize>,
        segments: &Segments,
        aside: &mut Aside,
        limit: usize,
        hits: &mut Vec<Hit>,
    ) -> Result<()> {
        let plan = block.plan;
        for at in places {
            let Some((shared, own, is_open)) = block.can_be(at) else { continue };
            let id = block.begin + at as i64;
            if is_open && !self.is_within(plan.query, id)? {
                continue;
            }
            let Some(mut open) = plan.open(shared, own, profile(&block.profiles, at)) else {
                continue;
            };
            open.extend(&block.unsure);
            let hit = self.hit(id)?;
            if !open.is_empty() && !aside.holds(&open, &hit, segments)? {
                continue;
            }
            hits.push(hit);
            if hits.len() >= limit {
                break;
            }
        }
        Ok(())
    }

    /// Whether a row is within the times and figures, exactly.
    fn is_within(&self, query: &Query, id: i64) -> Result<bool> {
        let mut read = self
            .connection
            .prepare_cached("SELECT time, rows, bytes, masked, sensitive, duration_ns FROM records WHERE id = ?")?;
        let figures: Option<[i64; 6]> = read
            .query_row([id], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?]))
            .optional()?;
        let Some([time, figures @ ..]) = figures else { return Ok(false) };
        let time = time as u64;
        let is_timely =
            query.since_ns.is_none_or(|since| time >= since) && query.until_ns.is_none_or(|until| time < until);
        Ok(is_timely && query.bounds.iter().all(|bound| bound.holds(blocks::figure(&figures, bound), bound.value)))
    }

    fn hit(&self, id: i64) -> Result<Hit> {
        let mut read = self.connection.prepare_cached(
            "SELECT r.shard, r.seq, r.segment, r.at, r.out_seq, r.out_segment, r.out_at, s.shard, s.seq FROM records r
             LEFT JOIN sessions s ON s.id = r.session WHERE r.id = ?",
        )?;
        Ok(read.query_row([id], hit)?)
    }
}

/// An index of one record in memory, which says whether a phrase is in it.
#[derive(Default)]
struct Aside(Option<Connection>);

impl Aside {
    /// Whether the phrases are there that must be, and those are not that must not.
    fn holds(&mut self, open: &[&query::Sought], hit: &Hit, segments: &Segments) -> Result<bool> {
        let Found { record, outcome } = segments.found(hit)?;
        let Some(record) = record.as_deref().and_then(show::frame) else { return Ok(false) };
        let mut entry = Entry::whole(&record);
        if let Some(outcome) = outcome.as_deref().and_then(show::frame) {
            entry.ended_by(&mut Entry::whole(&outcome));
        }
        entry.mark();
        let mut left = Vec::new();
        for phrase in open {
            match phrase.is_plainly_in(&entry.words) {
                Some(is_in) if is_in == phrase.is_not => return Ok(false),
                Some(_) => {}
                None => left.push(phrase),
            }
        }
        if left.is_empty() {
            return Ok(true);
        }
        let connection = match &mut self.0 {
            Some(connection) => connection,
            none => {
                let connection = Connection::open_in_memory()?;
                let columns: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
                let columns = columns.join(", ");
                connection.execute_batch(&format!("CREATE VIRTUAL TABLE one USING fts5({columns}, {TOKENS});"))?;
                none.insert(connection)
            }
        };
        let transaction = connection.transaction()?;
        tell(&transaction, "one", 1, &entry.words)?;
        for phrase in left {
            let mut is = transaction.prepare_cached("SELECT 1 FROM one WHERE one MATCH ?")?;
            if is.exists([phrase.told(None)])? == phrase.is_not {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
