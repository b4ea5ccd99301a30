//! What is not kept of results is hashed by one thread for all shards, block by block. No shard waits for it, nor does the record: a block that
//! finds no room is hashed by its shard, and one that nobody came to by whoever needs its value (note 0194).

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::Builder;

use session::Block;

/// The thread helps, so whoever waits for bytes goes first where no CPU is free: an agent's end of a stream keeps three quarters of a CPU that both want.
const NICE: u8 = 5;

/// The shards' end of the queue.
#[derive(Clone, Debug)]
pub struct HashLine(SyncSender<Block>);

impl HashLine {
    /// Hands a block on, or hashes it here.
    pub(crate) fn give(&self, block: Block) {
        if let Err(TrySendError::Full(block) | TrySendError::Disconnected(block)) = self.0.try_send(block) {
            block.hash();
        }
    }

    /// One at whose other end is nobody.
    #[cfg(test)]
    pub(crate) fn nobody() -> HashLine {
        HashLine(sync_channel(1).0)
    }
}

/// Starts the thread. It ends when the last shard has.
pub(crate) fn start(shards: usize) -> io::Result<HashLine> {
    let (line, blocks) = sync_channel::<Block>(shards * Block::OF_A_SHARD);
    let serve = move || {
        // Where it is refused the thread works all the same, only not behind others.
        let _ = uring::give_way(NICE);
        blocks.iter().for_each(|block| block.hash());
    };
    Builder::new().name("hashing".to_owned()).spawn(serve)?;
    Ok(HashLine(line))
}

#[cfg(test)]
mod tests {
    /// What the unit does not allow ends the process, with every session.
    #[test]
    fn the_units_filter_lets_the_thread_give_way() {
        let unit = include_str!("../../../systemd/interceptor.service");
        let filters = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter="));
        let behind = filters.skip_while(|calls| !calls.starts_with('~'));
        assert!(behind.flat_map(str::split_whitespace).any(|call| call == "setpriority"), "behind what is taken away");
    }
}
