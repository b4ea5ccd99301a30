//! Taking out what is not in the record any more: a power cut took it after it was read, and other records may have its names and places.
//!
//! Rows of such records are found by nothing from then on, decisions whose outcome went with them run again, and the sessions that they
//! belong to are summed up anew from what is left. Then the series is read from there like any that has grown.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use audit::{RecordId, show};
use rusqlite::{Transaction, TransactionBehavior, params};

use super::super::entry::{Entry, Figures};
use super::super::place::{Place, Segments};
use super::fill::{FULL, Sum, Writer};
use super::profiles::GONE;
use super::series::{Item, Series};
use super::{Index, blocks, signed};

impl Index {
    /// Takes out what stood behind the place that each series goes back to; how many records that were.
    pub(super) fn take_back(&mut self, series: &[Series<'_>], segments: &Segments) -> Result<u64> {
        let back = || series.iter().filter_map(|series| Some((series.shard, series.back_to?)));
        if back().next().is_none() {
            return Ok(0);
        }
        let mut going = self.going()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut count = 0;
        for (shard, seq) in back() {
            let mut writer = Writer::new(&transaction, &mut going)?;
            let mut touched = BTreeSet::new();
            count += writer.drop_behind(shard, seq, &mut touched)?;
            writer.run_again(shard, seq, segments, &mut touched)?;
            writer.sum_anew(&touched, segments)?;
            writer.finish()?;
        }
        transaction.commit().context(FULL)?;
        Ok(count)
    }
}

impl Writer<'_, '_> {
    /// The rows of later records than this one.
    fn drop_behind(&mut self, shard: u16, seq: u64, touched: &mut BTreeSet<i64>) -> Result<u64> {
        let mut find = self.transaction.prepare("SELECT id, session FROM records WHERE shard = ? AND seq > ?")?;
        let mut rows = find.query(params![shard, signed(seq)])?;
        let mut words = self.transaction.prepare("DELETE FROM words WHERE rowid = ?")?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            touched.extend(row.get::<_, Option<i64>>(1)?);
            words.execute([id])?;
            self.going.blocks.put(self.transaction, id, GONE, &Figures::default())?;
            self.going.without.changed(self.transaction, blocks::place(id).0)?;
            count += 1;
        }
        for gone in [
            "DELETE FROM running WHERE shard = ?1 AND session IN (SELECT id FROM sessions WHERE shard = ?1 AND seq > ?2)",
            "DELETE FROM sessions WHERE shard = ?1 AND seq > ?2",
            "DELETE FROM records WHERE shard = ?1 AND seq > ?2",
        ] {
            self.transaction.execute(gone, params![shard, signed(seq)])?;
        }
        Ok(count)
    }

    /// The decisions before, whose outcome is gone.
    fn run_again(&mut self, shard: u16, seq: u64, segments: &Segments, touched: &mut BTreeSet<i64>) -> Result<()> {
        let mut find = self
            .transaction
            .prepare("SELECT id, session, shard, seq, segment, at FROM records WHERE shard = ? AND out_seq > ?")?;
        let mut rows = find.query(params![shard, signed(seq)])?;
        let mut update = self.transaction.prepare(
            "UPDATE records SET rows = 0, bytes = 0, masked = 0, sensitive = 0, duration_ns = 0, out_seq = NULL,
             out_segment = NULL, out_at = NULL WHERE id = ?",
        )?;
        let mut words = self.transaction.prepare("DELETE FROM words WHERE rowid = ?")?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            // What the outcome added goes. Of a decision that was moved away nothing is known but what stands here.
            if let Some(mut entry) = entry(segments, place(row, 2)?)? {
                words.execute([id])?;
                self.tell(id, &mut entry)?;
            }
            touched.extend(row.get::<_, Option<i64>>(1)?);
            update.execute([id])?;
        }
        Ok(())
    }

    /// What is left of each session. One of which a part was moved away stays as it was.
    fn sum_anew(&mut self, touched: &BTreeSet<i64>, segments: &Segments) -> Result<()> {
        let mut reset = self.transaction.prepare(
            "UPDATE sessions SET last = began, ended = 0, user = '', statements = 0, refused = 0, rows = 0, masked = 0 WHERE id = ?",
        )?;
        for session in touched {
            if let Some(sum) = summed(self.transaction, *session, segments)? {
                reset.execute([session])?;
                self.sums.insert(*session, sum);
            }
        }
        Ok(())
    }
}

fn summed(transaction: &Transaction<'_>, session: i64, segments: &Segments) -> Result<Option<Sum>> {
    let mut find = transaction.prepare_cached(
        "SELECT shard, seq, segment, at, out_seq, out_segment, out_at FROM records WHERE session = ? ORDER BY id",
    )?;
    let mut rows = find.query([session])?;
    let mut sum = Sum::default();
    while let Some(row) = rows.next()? {
        let record = place(row, 0)?;
        let Some(mut one) = entry(segments, record)? else { return Ok(None) };
        if row.get::<_, Option<i64>>(4)?.is_some() {
            let Some(mut outcome) = entry(segments, outcome(row, record.id.shard)?)? else { return Ok(None) };
            one.ended_by(&mut outcome);
        }
        sum.add(&Item::again(record, one));
    }
    Ok(Some(sum))
}

/// The record that stands there; `None`: its segment is not here any more.
fn entry(segments: &Segments, place: Place) -> Result<Option<Entry>> {
    let bytes = segments.record(place)?;
    Ok(bytes.as_deref().and_then(show::frame).map(|frame| Entry::of(&frame)))
}

fn place(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<Place> {
    let number = |at: usize| row.get::<_, i64>(at).map(|number| number as u64);
    let id = RecordId { shard: row.get(from)?, seq: number(from + 1)? };
    Ok(Place { id, segment: number(from + 2)?, at: number(from + 3)? })
}

fn outcome(row: &rusqlite::Row<'_>, shard: u16) -> rusqlite::Result<Place> {
    let number = |at: usize| row.get::<_, i64>(at).map(|number| number as u64);
    Ok(Place { id: RecordId { shard, seq: number(4)? }, segment: number(5)?, at: number(6)? })
}
