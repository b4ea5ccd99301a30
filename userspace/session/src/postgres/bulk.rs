//! Rows and COPY data that surely hold no card pass as they came: the raw bytes of a chunk are looked at once, and of a message only that its
//! parts add up. What is cut by the chunk's end, or may hold a card, goes the way of all messages, through its masker.

use std::ops::Range;

use wire::postgres::limits::HEADER;

use super::portals::Rows;
use super::queue::Request;
use super::rewrite::{Clean, Columns, Copies, Pass, Rows as RowsPass};
use super::{Connection, Cx, Phase};

/// After so many looks in a row that let nothing pass, some messages are walked without a look,
const VAIN: u32 = 3;
/// twice as many each time, up to 2 to the power of this.
const WALK_LOG_MAX: u32 = 8;

/// What is kept from one message to the next.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    /// Looks since one that let a message pass.
    vain: u32,
    /// Messages that are walked before the next look.
    walk: u32,
    /// Nothing passes: the twin in tests.
    #[cfg(test)]
    off: bool,
    /// Messages that have passed, and looks.
    #[cfg(test)]
    total: u64,
    #[cfg(test)]
    looks: u64,
}

impl Bulk {
    /// Whether the message at hand is walked without a look.
    fn walks(&mut self) -> bool {
        let walks = self.walk > 0;
        self.walk -= u32::from(walks);
        #[cfg(test)]
        let walks = walks || self.off;
        walks
    }

    /// The message at hand was looked at, and has to be walked.
    fn looked_in_vain(&mut self) {
        self.vain += 1;
        if self.vain >= VAIN {
            self.walk = 1 << (self.vain - VAIN).min(WALK_LOG_MAX);
        }
    }

    /// Lets messages of one type pass.
    fn pass(&mut self, chunk: &mut [u8], from: usize, clean: &mut Clean, mut way: impl Pass) -> Run {
        let kind = chunk.get(from).copied();
        let mut run = Run { end: from, messages: 0, cards: 0, sensitive: 0 };
        while let Some(body) = whole(chunk, run.end, kind) {
            let looked = clean.look(chunk, run.end);
            #[cfg(test)]
            {
                self.looks += u64::from(looked);
            }
            let cards = if clean.reaches(body.end) {
                way.passes(chunk.get_mut(body.clone()).unwrap_or_default()).then_some(0)
            } else {
                way.mask(chunk, body.clone(), clean)
            };
            let Some(cards) = cards else {
                if looked {
                    self.looked_in_vain();
                }
                break;
            };
            self.vain = 0;
            run = Run { end: body.end, messages: run.messages + 1, cards: run.cards + cards, ..run };
            if cards > 0 && way.has_found() {
                break;
            }
        }
        #[cfg(test)]
        {
            self.total += run.messages as u64;
        }
        run.sensitive = way.sensitive();
        run
    }
}

/// What has passed.
struct Run {
    /// Where the next message begins.
    end: usize,
    messages: usize,
    cards: u32,
    /// Values of sensitive columns.
    sensitive: u32,
}

/// Where the body of the message at `at` is, if it is of this type and its end is here.
#[inline(always)]
fn whole(chunk: &[u8], at: usize, kind: Option<u8>) -> Option<Range<usize>> {
    let [tag, length @ ..] = *chunk.get(at..)?.first_chunk::<HEADER>()?;
    // What this says no to is read as every message is, and its fault told.
    let body_len = (u32::from_be_bytes(length) as usize).checked_sub(4)?;
    let body = at + HEADER..at + HEADER + body_len;
    (Some(tag) == kind && body.end <= chunk.len()).then_some(body)
}

impl Connection {
    /// Lets what it may pass from `at` on, between messages; returns where the first message begins that has to be read.
    pub(super) fn pass(&mut self, chunk: &mut [u8], at: usize, clean: &mut Clean, cx: &mut Cx<'_, '_>) -> usize {
        let kind = chunk.get(at).copied();
        if !matches!(kind, Some(b'D' | b'd')) || self.phase != Phase::Ready || !self.masks() {
            return at;
        }
        // As for every message: what is outstanding says whose columns these are.
        self.queue.exorcise();
        if self.rows_over().is_some() {
            return at;
        }
        let row = kind == Some(b'D');
        let columns = if row { self.row_columns() } else { self.copy_columns() };
        if !columns.is_some_and(Columns::may_pass) || self.database.bulk.walks() {
            return at;
        }
        let mut bulk = std::mem::take(&mut self.database.bulk);
        let passed = &mut cx.shared.catalogs.passed;
        let columns = if row { self.row_columns() } else { self.copy_columns() };
        let run = match (columns, &self.database.copy) {
            (Some(columns), _) if row => bulk.pass(chunk, at, clean, RowsPass::new(columns, passed)),
            (Some(columns), Some(copy)) => bulk.pass(chunk, at, clean, Copies::new(copy, columns, passed)),
            _ => Run { end: at, messages: 0, cards: 0, sensitive: 0 },
        };
        columns.iter().for_each(|columns| columns.count_passed(passed));
        self.database.bulk = bulk;
        self.tally.rows_seen += if row { run.messages as u64 } else { 0 };
        self.tally.bytes += (run.end - at - HEADER * run.messages) as u64;
        self.tally.cards += run.cards;
        self.tally.sensitive += run.sensitive;
        if cx.shared.catalogs.seen.evidence().crossed() > 0 {
            self.record_findings(cx);
        }
        cx.out.agent_chunk(at..run.end);
        run.end
    }

    fn copy_columns(&self) -> Option<&Columns> {
        self.database.copy.as_ref().and(self.database.copy_columns.as_deref())
    }

    /// The columns of the rows that are being sent. None: they are not known, and a row has no place here.
    pub(super) fn row_columns(&self) -> Option<&Columns> {
        match self.queue.front() {
            Some(Request::Query(_)) => self.database.result_known.then_some(&self.database.result),
            Some(Request::Execute { slot, .. }) => {
                self.portals.get(*slot).filter(|slot| slot.rows == Rows::Known).map(|slot| &slot.columns)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
