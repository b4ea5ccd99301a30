//! Searches: block by block from the newest on, first by what records have in common, then by their own words, at last by the
//! record itself.

use std::collections::HashMap;

use anyhow::{Context, Result};
use audit::show;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::entry::{Column, Entry};
use super::super::place::{Found, Segments};
use super::super::query::{Bits, Query, Sought};
use super::blocks::{self, BLOCK, Bounded, place};
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
    own: Vec<(Bits, String)>,
    /// What must be there and can only be among a record's own words, all at once.
    own_alone: Option<(Bits, String)>,
    /// What must be there, and what must not.
    need: Bits,
    none: Bits,
    /// Phrases of which a part may stand among what is shared and another among what is a record's own.
    phrases: Vec<Phrase<'q>>,
    /// Rows from and to.
    rows: (i64, i64),
    /// Of one session alone.
    only: Option<Vec<i64>>,
}

impl Plan<'_> {
    /// What decides most comes first: what only own words can have, then whether a profile's records can be it at all.
    fn sort_own(&mut self) {
        let own = self.own.iter().fold(Bits::MIN, |all, (bit, _)| all | bit);
        let shared = self.profiles.iter().fold(Bits::MIN, |all, bits| all | bits);
        let is_alone = |bit: Bits| bit & self.need != 0 && bit & shared == 0;
        let (alone, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.own).into_iter().partition(|(bit, _)| is_alone(*bit));
        let bits = alone.iter().fold(Bits::MIN, |all, (bit, _)| all | bit);
        let told: Vec<String> = alone.into_iter().map(|(_, told)| format!("({told})")).collect();
        self.own_alone = (!told.is_empty()).then(|| (bits, told.join(" AND ")));
        self.own = rest;
        let can = |bits: &Bits| (bits | own) & self.need == self.need && bits & self.none == 0;
        self.may = self.profiles.iter().map(can).collect();
    }

    /// The phrases that only the record itself can tell: some of their words are shared, and some its own. `None`: one is not there
    /// that must be, or the other way round.
    fn open(&self, shared: Bits, own: Bits, shares_nothing: bool) -> Option<Vec<&Phrase<'_>>> {
        let mut open = Vec::new();
        for phrase in &self.phrases {
            let (is_there, pieces) = ((shared | own) & phrase.bit != 0, phrase.pieces);
            let may_go_over_both = !phrase.sought.is_ascii || (shared & pieces != 0 && own & pieces != 0);
            let may = (shared | own) & pieces == pieces && (may_go_over_both || shares_nothing);
            match (is_there, may) {
                (true, _) if phrase.sought.is_not => return None,
                (false, true) => open.push(phrase),
                (false, false) if !phrase.sought.is_not => return None,
                _ => {}
            }
        }
        Some(open)
    }
}

struct Phrase<'q> {
    sought: &'q Sought,
    bit: Bits,
    pieces: Bits,
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
        if plan.rows.0 > plan.rows.1 {
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
            own_alone: None,
            need: 0,
            none: 0,
            phrases: Vec::new(),
            rows: (1, last),
            only: None,
        };
        let mut next = 1;
        let mut bit = || {
            let bit = next;
            next <<= 1;
            bit
        };
        for sought in &query.terms {
            let own = bit();
            self.look(&mut plan, &sought.told(None), own)?;
            let (mut pieces, mut is_own, mut is_shared) = (0, false, false);
            for piece in &sought.pieces {
                let of = bit();
                is_own |= self.look(&mut plan, &sought.told(Some(piece)), of)?;
                is_shared |= plan.profiles.iter().any(|bits| bits & of != 0);
                pieces |= of;
            }
            // Records that share nothing have the words of both sides, but not in their order.
            is_shared |= most as usize >= self.profiles_max.1;
            let is_mixed = sought.is_phrase && (!sought.is_ascii || (is_own && is_shared));
            match (is_mixed, sought.is_not) {
                (true, is_not) => {
                    plan.phrases.push(Phrase { sought, bit: own, pieces });
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

    /// Where something stands; whether some record has it among its own words.
    fn look(&self, plan: &mut Plan<'_>, told: &str, bit: Bits) -> Result<bool> {
        let mut shared = self.connection.prepare_cached("SELECT rowid FROM facets WHERE facets MATCH ?")?;
        let mut rows = shared.query([told])?;
        while let Some(row) = rows.next()? {
            if let Some(bits) = plan.profiles.get_mut(row.get::<_, i64>(0)? as usize) {
                *bits |= bit;
            }
        }
        let mut own = self.connection.prepare_cached("SELECT 1 FROM words WHERE words MATCH ? LIMIT 1")?;
        let is_own = own.exists([told])?;
        if is_own {
            plan.own.push((bit, told.to_owned()));
        }
        Ok(is_own)
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
        let profiles = blocks::profiles(&self.connection, number)?;
        let profile = |id: i64| {
            let at = 2 * (id - begin) as usize;
            usize::from(profiles.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]])))
        };
        // Where none can be, nothing else is read.
        let may = |id: &i64| plan.may.get(profile(*id)).copied().unwrap_or_default();
        let Some(last) = (from..=to).rev().find(may) else { return Ok(()) };
        let Some(own) = self.own(plan, from, last)? else { return Ok(()) };
        let bounds = plan.query.bounds.iter().map(|bound| Bounded::read(&self.connection, number, bound));
        let bounds: Vec<Bounded> = bounds.collect::<Result<_>>()?;
        for id in (from..=last).rev() {
            if !may(&id) {
                continue;
            }
            let shared = plan.profiles.get(profile(id)).copied().unwrap_or_default();
            let own = own.get(&id).copied().unwrap_or_default();
            let bits = shared | own;
            if bits & plan.need != plan.need || bits & plan.none != 0 {
                continue;
            }
            if plan.only.as_ref().is_some_and(|only| only.binary_search(&id).is_err()) {
                continue;
            }
            let at = (id - begin) as usize;
            let (mut is_within, mut is_open) = (true, false);
            for bound in &bounds {
                match bound.holds(at) {
                    Some(holds) => is_within &= holds,
                    None => is_open = true,
                }
            }
            if !is_within {
                continue;
            }
            is_open |= plan.query.since_ns.is_some() || plan.query.until_ns.is_some();
            if is_open && !self.is_within(plan.query, id)? {
                continue;
            }
            let Some(open) = plan.open(shared, own, profile(id) == usize::from(NONE)) else { continue };
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

    /// What the rows of a block have among their own words; `None`: none has what must be there.
    fn own(&self, plan: &Plan<'_>, mut from: i64, mut to: i64) -> Result<Option<HashMap<i64, Bits>>> {
        let mut own: HashMap<i64, Bits> = HashMap::new();
        let mut find = self
            .connection
            .prepare_cached("SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid")?;
        if let Some((bits, told)) = &plan.own_alone {
            let rows = find.query_map(params![told, from, to], |row| row.get::<_, i64>(0))?;
            let rows: Vec<i64> = rows.collect::<rusqlite::Result<_>>()?;
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
            (from, to) = (*first, *last);
            own.extend(rows.into_iter().map(|row| (row, *bits)));
        }
        for (bit, told) in &plan.own {
            let mut rows = find.query(params![told, from, to])?;
            while let Some(row) = rows.next()? {
                *own.entry(row.get(0)?).or_default() |= bit;
            }
        }
        Ok(Some(own))
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
    fn holds(&mut self, open: &[&Phrase<'_>], hit: &Hit, segments: &Segments) -> Result<bool> {
        let Found { record, outcome } = segments.found(hit)?;
        let Some(record) = record.as_deref().and_then(show::frame) else { return Ok(false) };
        let mut entry = Entry::whole(&record);
        if let Some(outcome) = outcome.as_deref().and_then(show::frame) {
            entry.ended_by(&mut Entry::whole(&outcome));
        }
        entry.mark();
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
        for phrase in open {
            let mut is = transaction.prepare_cached("SELECT 1 FROM one WHERE one MATCH ?")?;
            if is.exists([phrase.sought.told(None)])? == phrase.sought.is_not {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
