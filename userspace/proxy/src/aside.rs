//! Large statements are judged by one thread of their own for all shards: they go there over a bounded queue that no shard waits for, and
//! verdicts come back by the shard's mailbox. What finds no room, or no answer in time, is refused.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use session::JudgeAsk;

use crate::asks::Asks;
use crate::mailbox::{Mailbox, Message};

/// Statements that may wait, of all shards together; each is at most as long as a statement may be.
const WAITING_MAX: usize = 32;

/// The stack of a thread that judges statements: a shard's, and the one here. `sql`'s limit of nesting fits in half of it.
pub const STACK_BYTES: usize = 2 << 20;

/// A full mailbox is tried again so often, and after so long.
const TRIES: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(1);

/// The shards' end of the queue.
#[derive(Clone, Debug)]
pub struct LargeLine(SyncSender<Box<JudgeAsk>>);

impl LargeLine {
    /// Hands a statement on. `false`: there is no room, or nobody takes it.
    pub(crate) fn send(&self, ask: Box<JudgeAsk>) -> bool {
        self.0.try_send(ask).is_ok()
    }
}

/// A line on which so much may wait, and its other end.
pub(crate) fn large_line(waiting: usize) -> (LargeLine, Receiver<Box<JudgeAsk>>) {
    let (line, end) = sync_channel(waiting);
    (LargeLine(line), end)
}

/// Starts the thread. It ends when the last shard has.
pub(crate) fn start(shards: Vec<Mailbox>) -> io::Result<LargeLine> {
    let (line, asks) = large_line(WAITING_MAX);
    Builder::new().name("large".to_owned()).stack_size(STACK_BYTES).spawn(move || serve(&asks, &shards))?;
    Ok(line)
}

fn serve(asks: &Receiver<Box<JudgeAsk>>, shards: &[Mailbox]) {
    while let Ok(ask) = asks.recv() {
        let mut verdict = Some(ask.judge());
        let Some(shard) = shards.get(Asks::shard_of(ask.session)) else { continue };
        for _ in 0..TRIES {
            let message = Message::Judged { session: ask.session, number: ask.number, verdict: verdict.take() };
            match shard.give(message) {
                Ok(()) => break,
                Err(Some(Message::Judged { verdict: back, .. })) => verdict = back,
                Err(_) => break,
            }
            std::thread::sleep(PAUSE);
        }
    }
}
