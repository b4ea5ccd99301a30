//! Where the next segment comes from: made in advance by a helper thread, so that no shard ever waits for a disk to write zeros.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use uring::SegmentFile;

/// After a failure (a full disk, say) the helper tries again this much later; the shard refuses meanwhile.
const RETRY: Duration = Duration::from_secs(1);

/// A source of empty segments.
pub trait Supply<S>: Send {
    /// The next one, if it is ready. Never waits.
    fn next(&mut self) -> Option<S>;
    /// A full segment whose records are all on disk.
    fn retire(&mut self, segment: S);
}

enum Request {
    Next,
    Retire(SegmentFile),
}

/// Segments as files, made by a thread of their own.
pub(crate) struct FileSupply {
    requests: Sender<Request>,
    ready: Receiver<SegmentFile>,
}

impl FileSupply {
    /// Starts the helper, which makes the first segment at once. `path` names the n-th file, from `first` on.
    pub(crate) fn start(
        shard: u16,
        first: u64,
        len: usize,
        path: impl Fn(u64) -> PathBuf + Send + 'static,
    ) -> io::Result<FileSupply> {
        let (requests, asked) = channel();
        let (made, ready) = sync_channel(1);
        Builder::new().name(format!("segments-{shard}")).spawn(move || make(&asked, &made, first, len, path))?;
        let supply = FileSupply { requests, ready };
        supply.ask(Request::Next);
        Ok(supply)
    }

    fn ask(&self, request: Request) {
        // The helper ends only when this end is dropped.
        let _ = self.requests.send(request);
    }
}

impl Supply<SegmentFile> for FileSupply {
    fn next(&mut self) -> Option<SegmentFile> {
        let segment = self.ready.try_recv().ok()?;
        self.ask(Request::Next);
        Some(segment)
    }

    fn retire(&mut self, segment: SegmentFile) {
        self.ask(Request::Retire(segment));
    }
}

/// The helper's loop. At most one `Next` is open at a time, so the channel of ready segments always has room.
fn make(
    asked: &Receiver<Request>,
    made: &SyncSender<SegmentFile>,
    first: u64,
    len: usize,
    path: impl Fn(u64) -> PathBuf,
) {
    let mut number = first;
    let mut owed = false;
    loop {
        let request = if owed { asked.recv_timeout(RETRY) } else { asked.recv().map_err(RecvTimeoutError::from) };
        match request {
            Ok(Request::Next) => owed = true,
            // The last close of a file may take a while: that is why it is done here.
            Ok(Request::Retire(segment)) => drop(segment),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if owed && let Ok(segment) = SegmentFile::create(&path(number), len) {
            owed = false;
            number += 1;
            if made.send(segment).is_err() {
                return;
            }
        }
    }
}
