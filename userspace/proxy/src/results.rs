//! Long results are packed by one thread for all shards: they go there over a bounded queue that no shard waits for, and come back as records by
//! the shard's mailbox. What finds no room is a count and a hash.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use audit::RecordType;
use session::{Effects, LongResult};

use crate::asks::Asks;
use crate::conversation::Conversation;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::journal::RecordFailure;
use crate::mailbox::{Mailbox, Message};
use crate::shard::{Shard, Stopped};

/// Results that may wait, of all shards together; each has at most what is kept of one.
const WAITING_MAX: usize = 64;
/// zstd's level: the fastest that compresses text well.
const LEVEL: i32 = 1;
/// A full mailbox is tried again after so long. Meanwhile the queue fills, and what finds no room in it is a count and a hash.
const PAUSE: Duration = Duration::from_millis(1);

/// The shards' end of the queue.
#[derive(Clone, Debug)]
pub struct ResultLine(SyncSender<Box<LongResult>>);

/// A line on which so much may wait, and its other end.
pub(crate) fn result_line(waiting: usize) -> (ResultLine, Receiver<Box<LongResult>>) {
    let (line, end) = sync_channel(waiting);
    (ResultLine(line), end)
}

/// Starts the thread. It ends when the last shard has.
pub(crate) fn start(shards: Vec<Mailbox>) -> io::Result<ResultLine> {
    let (line, results) = result_line(WAITING_MAX);
    Builder::new().name("results".to_owned()).spawn(move || serve(&results, &shards))?;
    Ok(line)
}

fn serve(results: &Receiver<Box<LongResult>>, shards: &[Mailbox]) {
    while let Ok(result) = results.recv() {
        let session = result.session;
        let Some(shard) = shards.get(Asks::shard_of(session)) else { continue };
        let packed = result.pack(|bytes| zstd::bulk::compress(bytes, LEVEL).ok());
        let mut message = Message::Result { session, packed: Box::new(packed) };
        while let Err(Some(back)) = shard.give(message) {
            message = back;
            std::thread::sleep(PAUSE);
        }
    }
}

impl<D: Driver, C: Conversation> Shard<D, C> {
    /// Hands on what is to be hashed and packed.
    pub(crate) fn say_results(&mut self, effects: &mut Effects) -> Result<(), Stopped> {
        effects.blocks.drain(..).for_each(|block| self.parts.hashing.give(block));
        for result in effects.results.drain(..) {
            let is_cut = result.is_cut();
            let left = self.parts.results.0.try_send(result);
            Counters::add(&self.parts.counters.results_cut, u64::from(is_cut || left.is_err()));
            let Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) = left else {
                self.packing += 1;
                continue;
            };
            let payload = back.unkept();
            self.parts.journal.append_last(RecordType::Result.code(), back.session, self.now, &payload)?;
        }
        Ok(())
    }

    /// A result was packed: its record, or where there is no room for all of it that it was.
    pub(crate) fn packed(&mut self, session: u64, packed: &session::PackedResult) -> Result<(), Stopped> {
        let kind = RecordType::Result.code();
        self.packing = self.packing.saturating_sub(1);
        self.parts.journal.prepare(self.now)?;
        match self.parts.journal.append(kind, session, self.now, &packed.full, self.owed) {
            Ok(_) => {}
            Err(RecordFailure::Full | RecordFailure::Unfit) => {
                Counters::add(&self.parts.counters.results_cut, u64::from(!packed.is_cut));
                self.parts.journal.append_last(kind, session, self.now, &packed.short)?;
            }
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }
}
