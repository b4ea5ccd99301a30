//! What the adversary asked for, kept where the world can check that it was done. One run is one thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::rng::Rng;
use crate::link::Side;

/// From a byte of a stream on, a record must be safe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    pub(super) from: u64,
    pub(super) seq: u64,
    /// On disk, or else out of the process.
    pub(super) on_disk: bool,
}

/// Shared by the adversaries and the world of one run.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) rng: Rng,
    /// The last record asked for so far.
    pub(super) last_seq: u64,
    /// The last one that a session asked for.
    pub(super) last_own_seq: u64,
    /// The last record that is on disk.
    pub(super) synced_seq: u64,
    /// The last one that is out of the process.
    pub(super) stored_seq: u64,
    /// Segments that the shard gave back.
    pub(super) retired: Vec<u64>,
    /// Per agent and side that bytes go to: what must be safe before they leave.
    pub(super) gates: HashMap<(usize, Side), Vec<Gate>>,
    /// The last record that something waited for on disk, and went on.
    pub(super) acknowledged_seq: u64,
    /// Nothing goes to an agent before its record is on disk.
    pub(super) strict: bool,
    /// How many calls were durable.
    pub(super) durable_calls: u64,
    /// Agents whose session the adversary ended on its own, at once, or was told to end.
    pub(super) spoiled: Vec<usize>,
    /// Sessions whose last record was asked for.
    pub(super) closed: Vec<u64>,
    /// Sessions end themselves at once, now and then.
    pub(super) aborts: bool,
    /// Records may be refused for want of a segment.
    pub(super) scarce: bool,
    /// Sessions write no more than they were given room for.
    pub(super) obeys: bool,
    /// Sessions that refused their agent for want of room.
    pub(super) refusing: usize,
    /// Agents whose handshake took too long.
    pub(super) late: u64,
    /// How often a person was to be asked.
    pub(super) asked: usize,
}

thread_local! {
    // The adversary is made by the shard, which has no place for a ledger: it is found here.
    static CURRENT: RefCell<Option<Rc<RefCell<Ledger>>>> = const { RefCell::new(None) };
}

impl Ledger {
    pub(super) fn begin(seed: u64, aborts: bool, scarce: bool) -> Rc<RefCell<Ledger>> {
        let ledger = Rc::new(RefCell::new(Ledger {
            rng: Rng::new(seed ^ 0xADE5),
            last_seq: 0,
            last_own_seq: 0,
            synced_seq: 0,
            stored_seq: 0,
            retired: Vec::new(),
            gates: HashMap::new(),
            acknowledged_seq: 0,
            strict: false,
            durable_calls: 0,
            spoiled: Vec::new(),
            closed: Vec::new(),
            aborts,
            scarce,
            obeys: true,
            refusing: 0,
            late: 0,
            asked: 0,
        }));
        CURRENT.with(|current| *current.borrow_mut() = Some(Rc::clone(&ledger)));
        ledger
    }

    pub(super) fn current() -> Rc<RefCell<Ledger>> {
        CURRENT.with(|current| Rc::clone(current.borrow().as_ref().unwrap()))
    }
}
