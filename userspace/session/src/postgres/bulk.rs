//! Rows and COPY data that surely hold no card pass as they came: the raw bytes of a chunk are looked at once, and of a message only that its
//! parts add up. What is cut by the chunk's end, or may hold a card, goes the way of all messages, through its masker.

use wire::postgres::limits::HEADER;
use wire::postgres::{BackendTag, Header, Tag, header};

use super::portals::Rows;
use super::queue::Request;
use super::rewrite::{Columns, Passed};
use super::{Connection, Cx, Phase};

/// After so many looks in a row that let nothing pass, some messages are walked without a look,
const VAIN: u32 = 3;
/// twice as many each time, up to 2 to the power of this.
const WALK_LOG_MAX: u32 = 8;

/// What is kept from one message to the next.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    passed: Passed,
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

    /// The next message may hold a card, and nothing has passed in front of it.
    fn looked_in_vain(&mut self) {
        self.vain += 1;
        if self.vain >= VAIN {
            self.walk = 1 << (self.vain - VAIN).min(WALK_LOG_MAX);
        }
    }

    /// Lets messages of one type pass; returns where the next one begins, and how many they were. `clean`: the chunk holds no card up to there.
    fn pass(
        &mut self,
        chunk: &[u8],
        from: usize,
        clean: &mut usize,
        mut passes: impl FnMut(&[u8], &mut Passed) -> bool,
    ) -> (usize, usize) {
        let (mut at, mut count) = (from, 0);
        let kind = chunk.get(from).copied();
        while let Some(body) = whole(chunk, at, kind) {
            let end = at + HEADER + body.len();
            if *clean <= at {
                *clean = at + pan::clean_prefix(chunk.get(at..).unwrap_or_default());
                #[cfg(test)]
                {
                    self.looks += 1;
                }
                if *clean < end {
                    self.looked_in_vain();
                }
            }
            if *clean < end || !passes(body, &mut self.passed) {
                break;
            }
            self.vain = 0;
            #[cfg(test)]
            {
                self.total += 1;
            }
            (at, count) = (end, count + 1);
        }
        (at, count)
    }
}

/// The body of the message at `at`, if it is of this type and its end is here.
#[inline(always)]
fn whole(chunk: &[u8], at: usize, kind: Option<u8>) -> Option<&[u8]> {
    let bytes = chunk.get(at..)?;
    match header::<BackendTag>(bytes) {
        Header::Frame { tag, body_len } if Some(tag.byte()) == kind => bytes.get(HEADER..HEADER + body_len),
        _ => None,
    }
}

impl Connection {
    /// Lets what it may pass from `at` on, between messages; returns where the first message begins that has to be read.
    pub(super) fn pass(&mut self, chunk: &[u8], at: usize, clean: &mut usize, cx: &mut Cx<'_, '_>) -> usize {
        let kind = chunk.get(at).copied();
        if !matches!(kind, Some(b'D' | b'd')) || self.phase != Phase::Ready || !self.masks() {
            return at;
        }
        // As for every message: what is outstanding says whose columns these are.
        self.queue.exorcise();
        let row = kind == Some(b'D');
        let columns = if row { self.row_columns() } else { self.copy_columns() };
        if !columns.is_some_and(Columns::may_pass) || self.database.bulk.walks() {
            return at;
        }
        let mut bulk = std::mem::take(&mut self.database.bulk);
        let columns = if row { self.row_columns() } else { self.copy_columns() };
        let (end, count) = match (columns, &self.database.copy) {
            (Some(columns), _) if row => {
                let passed = bulk.pass(chunk, at, clean, |body, passed| columns.passes(body, passed));
                columns.count_passed(&mut bulk.passed);
                passed
            }
            (Some(columns), Some(copy)) => bulk.pass(chunk, at, clean, |body, _| copy.passes(body, columns)),
            _ => (at, 0),
        };
        self.database.bulk = bulk;
        self.tally.rows_seen += if row { count as u64 } else { 0 };
        self.tally.bytes += (end - at - HEADER * count) as u64;
        if cx.shared.catalogs.seen.evidence().crossed() > 0 {
            self.record_findings(cx);
        }
        cx.out.agent_chunk(at..end);
        end
    }

    fn copy_columns(&self) -> Option<&Columns> {
        self.database.copy.as_ref().map(|_| &self.database.copy_columns)
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
