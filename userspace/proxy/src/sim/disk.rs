//! A simulated disk under the record: memory and a page cache that a killed process leaves behind, and sectors that a power cut leaves.
//!
//! What is kept of a real one: a write's sectors reach the disk at any time, in any order, and all of them before it ends, but for one that fails; a store into a mapped file is in the cache at once; the kernel writes any dirty sector at any time, in any order; an fsync
//! that succeeds has written what was dirty when it began; one that fails has written some of it, and the rest counts as
//! clean from then on; a clean page may be dropped and read again; a power cut leaves each sector as it was or as it was to become. A
//! sector is written whole.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use audit::RecordType;
use audit::segment::{HEADER_LEN, Header, file_name, frames_from};
use uring::{File, Kept};

use super::ledger::Ledger;
use super::rng::Rng;
use crate::driver::{Medium, Memory, Segment, Target};
use crate::supply::Supply;
use crate::tail::held;

/// Small, so that a run uses many.
pub(super) const SEGMENT_BYTES: usize = 32 << 10;
const SECTOR: usize = 512;
const PAGE: usize = 4096;

/// What goes wrong: each once in so many times; 0: never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// An fsync fails (EIO, or ENOSPC of a disk that promised more than it has).
    pub(super) sync: usize,
    /// A store is lost, in part or whole: SIGBUS.
    pub(super) store: usize,
    /// No segment can be made: ENOSPC, a short write, EIO.
    pub(super) create: usize,
}

/// What one file is, by whom one asks.
struct Stored {
    /// Whoever stores into it: what a start must make of it after a kill.
    meant: Vec<u8>,
    /// Whoever reads the file.
    cache: Vec<u8>,
    /// The next power cut.
    disk: Vec<u8>,
    /// Sectors that the kernel knows to be newer in the cache.
    dirty: Vec<bool>,
    /// Some may be.
    is_dirty: bool,
    /// The sectors that an fsync or a write brings to disk, as they were when it began.
    syncing: Option<BTreeMap<usize, Vec<u8>>>,
}

impl Stored {
    fn new() -> Stored {
        let zeros = vec![0; SEGMENT_BYTES];
        let dirty = vec![false; SEGMENT_BYTES / SECTOR];
        Stored { meant: zeros.clone(), cache: zeros.clone(), disk: zeros, dirty, is_dirty: false, syncing: None }
    }

    fn write(&mut self, sector: usize) {
        let range = sector * SECTOR..(sector + 1) * SECTOR;
        self.disk[range.clone()].copy_from_slice(&self.cache[range]);
        self.dirty[sector] = false;
        // What is older than that is not written over it.
        if let Some(syncing) = &mut self.syncing {
            syncing.remove(&sector);
        }
    }

    fn begin_sync(&mut self) {
        let dirty =
            self.dirty.iter_mut().enumerate().filter_map(|(sector, dirty)| std::mem::take(dirty).then_some(sector));
        let bytes = dirty.map(|sector| (sector, self.cache[sector * SECTOR..(sector + 1) * SECTOR].to_vec())).collect();
        self.syncing = Some(bytes);
    }

    fn begin_write(&mut self, at: usize, bytes: &[u8]) {
        let sectors = bytes.chunks(SECTOR).enumerate().map(|(index, sector)| (at / SECTOR + index, sector.to_vec()));
        self.syncing = Some(sectors.collect());
    }

    /// Some sectors of a write, or of an fsync, that is under way are written.
    fn go_on(&mut self, rng: &mut Rng) {
        let Some(syncing) = &mut self.syncing else { return };
        let written: Vec<usize> = syncing.keys().copied().filter(|_| rng.once_in(16)).collect();
        for sector in written {
            if let Some(bytes) = syncing.remove(&sector) {
                put(&mut self.disk, sector, &bytes);
                put(&mut self.cache, sector, &bytes);
            }
        }
    }

    /// Ends an fsync or a write: each of its sectors is written, or it is not and nobody will know.
    fn end_sync(&mut self, mut is_written: impl FnMut() -> bool) {
        for (sector, bytes) in self.syncing.take().unwrap_or_default() {
            if is_written() {
                put(&mut self.disk, sector, &bytes);
                put(&mut self.cache, sector, &bytes);
            }
        }
    }

    /// Stores what differs, where `is_stored` says so.
    fn store(&mut self, bytes: &[u8], mut is_stored: impl FnMut() -> bool) {
        for (sector, new) in bytes.chunks(SECTOR).enumerate() {
            let old = &mut self.cache[sector * SECTOR..(sector + 1) * SECTOR];
            if old != new && is_stored() {
                old.copy_from_slice(new);
                put(&mut self.meant, sector, new);
                self.dirty[sector] = true;
                self.is_dirty = true;
            }
        }
    }
}

fn put(image: &mut [u8], sector: usize, bytes: &[u8]) {
    image[sector * SECTOR..(sector + 1) * SECTOR].copy_from_slice(bytes);
}

/// How far a series is, in one of its images: where the next frame is read, and its number.
#[derive(Clone, Copy)]
struct Reach {
    file: u64,
    at: usize,
    last_seq: u64,
}

/// The disk of one run; outlives the processes that write on it.
pub(super) struct Disk {
    pub(super) rng: Rng,
    pub(super) faults: Faults,
    files: BTreeMap<u64, Stored>,
    /// The memory that outlives processes, and what of it a power cut leaves.
    tail: Vec<u8>,
    tail_on_disk: Vec<u8>,
    /// An fsync has failed in this process.
    pub(super) sync_failed: bool,
    on_disk: Reach,
    in_cache: Reach,
    /// How many of each fault there were.
    pub(super) failed: [usize; 3],
}

thread_local! {
    // As the ledger: the shard has no place for it.
    static CURRENT: RefCell<Option<Rc<RefCell<Disk>>>> = const { RefCell::new(None) };
}

const BEGIN: Reach = Reach { file: 1, at: HEADER_LEN, last_seq: 0 };

impl Disk {
    pub(super) fn begin(seed: u64, faults: Faults) -> Rc<RefCell<Disk>> {
        let rng = Rng::new(seed ^ 0xD15C);
        let files = BTreeMap::new();
        let (tail, tail_on_disk) = (Vec::new(), Vec::new());
        let disk = Disk {
            rng,
            faults,
            files,
            tail,
            tail_on_disk,
            sync_failed: false,
            on_disk: BEGIN,
            in_cache: BEGIN,
            failed: [0; 3],
        };
        let disk = Rc::new(RefCell::new(disk));
        CURRENT.with(|current| *current.borrow_mut() = Some(Rc::clone(&disk)));
        disk
    }

    pub(super) fn current() -> Rc<RefCell<Disk>> {
        CURRENT.with(|current| Rc::clone(current.borrow().as_ref().unwrap()))
    }

    fn fails(&mut self, once_in: usize, which: usize) -> bool {
        let fails = once_in > 0 && self.rng.once_in(once_in);
        self.failed[which] += usize::from(fails);
        fails
    }

    /// The kernel writes some sectors, since it has nothing better to do.
    pub(super) fn write_back(&mut self) {
        for stored in self.files.values_mut() {
            stored.go_on(&mut self.rng);
            if stored.is_dirty {
                for sector in 0..stored.dirty.len() {
                    if stored.dirty[sector] && self.rng.once_in(16) {
                        stored.write(sector);
                    }
                }
                stored.is_dirty = stored.dirty.contains(&true);
            }
        }
        if self.rng.once_in(16) {
            self.write_tail_back(4);
        }
    }

    /// Some pages of the memory are written, one in so many.
    fn write_tail_back(&mut self, once_in: usize) {
        self.tail_on_disk.resize(self.tail.len(), 0);
        for (page, memory) in self.tail_on_disk.chunks_mut(PAGE).zip(self.tail.chunks(PAGE)) {
            if self.rng.once_in(once_in) {
                page.copy_from_slice(memory);
            }
        }
    }

    fn begin_sync(&mut self, number: u64) {
        assert!(!self.sync_failed, "an fsync behind one that failed: the kernel would say that all is well");
        if let Some(stored) = self.files.get_mut(&number) {
            assert!(stored.syncing.is_none(), "two at a time");
            stored.begin_sync();
        }
    }

    pub(super) fn begin_write(&mut self, file: File, at: u64, bytes: &[u8]) {
        assert!(!self.sync_failed && !self.is_syncing(), "a write behind one that failed, or two at a time");
        let (at, end) = (at as usize, at as usize + bytes.len());
        assert!(at.is_multiple_of(PAGE) && end.is_multiple_of(PAGE) && end <= SEGMENT_BYTES && at < end, "whole pages");
        if let Some(stored) = self.files.get_mut(&(file.0 as u64)) {
            stored.begin_write(at, bytes);
        }
    }

    /// The fsync or the write has ended; false: it failed.
    pub(super) fn end_sync(&mut self, file: File) -> bool {
        let fails = self.fails(self.faults.sync, 0);
        self.sync_failed |= fails;
        let rng = &mut self.rng;
        if let Some(stored) = self.files.get_mut(&(file.0 as u64)) {
            stored.end_sync(|| !fails || rng.once_in(2));
        }
        !fails
    }

    pub(super) fn is_syncing(&self) -> bool {
        self.files.values().any(|stored| stored.syncing.is_some())
    }

    /// The last record that no power cut takes any more.
    pub(super) fn durable_seq(&mut self) -> u64 {
        let reach = self.reach(self.on_disk, |stored| &stored.disk);
        self.on_disk = reach;
        reach.last_seq
    }

    /// The last record that no kill takes any more.
    pub(super) fn stored_seq(&mut self) -> u64 {
        let reach = self.reach(self.in_cache, |stored| &stored.meant);
        self.in_cache = reach;
        reach.last_seq
    }

    fn reach<'a>(&'a self, mut reach: Reach, image: impl Fn(&'a Stored) -> &'a Vec<u8>) -> Reach {
        while let Some(stored) = self.files.get(&reach.file) {
            if reach.at == HEADER_LEN && Header::read(image(stored)).is_err() {
                break;
            }
            let mut is_sealed = false;
            for (at, frame) in frames_from(image(stored), reach.at) {
                if frame.seq != reach.last_seq + 1 {
                    break;
                }
                (reach.at, reach.last_seq) = (at + frame.room(), frame.seq);
                is_sealed = frame.kind == RecordType::Seal.code();
            }
            if !is_sealed {
                break;
            }
            reach = Reach { file: reach.file + 1, at: HEADER_LEN, last_seq: reach.last_seq };
        }
        reach
    }

    /// The process is killed. What its last fsync was about is still to be written; of a write under way some is; a clean page may be
    /// dropped and read again.
    pub(super) fn kill(&mut self) {
        for stored in self.files.values_mut() {
            let rng = &mut self.rng;
            stored.end_sync(|| rng.once_in(2));
            stored.is_dirty = true;
            for page in 0..SEGMENT_BYTES / PAGE {
                let mut sectors = page * PAGE / SECTOR..(page + 1) * PAGE / SECTOR;
                if sectors.all(|sector| !stored.dirty[sector]) && self.rng.once_in(4) {
                    let page = page * PAGE..(page + 1) * PAGE;
                    stored.cache[page.clone()].copy_from_slice(&stored.disk[page]);
                }
            }
        }
        self.restart();
    }

    /// The power is cut. A segment that was being made is there in part.
    pub(super) fn cut(&mut self) {
        for stored in self.files.values_mut() {
            let rng = &mut self.rng;
            stored.end_sync(|| rng.once_in(2));
            for sector in 0..stored.dirty.len() {
                if stored.dirty[sector] && self.rng.once_in(2) {
                    stored.write(sector);
                }
            }
            stored.cache.clone_from(&stored.disk);
            stored.meant.clone_from(&stored.disk);
            stored.dirty.fill(false);
        }
        self.write_tail_back(2);
        self.tail.clone_from(&self.tail_on_disk);
        if self.rng.once_in(8) {
            let next = self.files.keys().last().map_or(1, |last| last + 1);
            let mut half = Stored::new();
            let len = self.rng.skewed(SEGMENT_BYTES / SECTOR) * SECTOR + self.rng.below(2) * self.rng.below(SECTOR);
            half.meant.truncate(len);
            half.cache.truncate(len);
            half.disk.truncate(len);
            self.files.insert(next, half);
        }
        self.restart();
    }

    fn restart(&mut self) {
        self.sync_failed = false;
        (self.on_disk, self.in_cache) = (BEGIN, BEGIN);
    }

    /// All files, by name, with all that was stored.
    pub(super) fn images(&self) -> Vec<(String, Vec<u8>)> {
        self.files.iter().map(|(number, stored)| (file_name(0, *number), stored.meant.clone())).collect()
    }

    fn create(&mut self, number: u64) -> io::Result<SimTarget> {
        if self.fails(self.faults.create, 2) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.files.contains_key(&number) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.files.insert(number, Stored::new());
        Ok(SimTarget(number))
    }
}

/// A file of it, as a shard writes it.
pub(super) struct SimTarget(u64);

impl Target for SimTarget {
    fn file(&self) -> File {
        File(self.0 as i32)
    }
}

/// Memory that outlives the process.
pub(super) struct SimMemory {
    bytes: Vec<u8>,
    broken: RefCell<bool>,
}

impl SimMemory {
    /// What was stored is there when the owner looks whether the store was lost, which it does behind each.
    fn publish(&self) {
        let disk = Disk::current();
        let Disk { files, tail, rng, faults, failed, .. } = &mut *disk.borrow_mut();
        if *self.broken.borrow() || *tail == self.bytes {
            return;
        }
        let fails = faults.store > 0 && rng.once_in(faults.store);
        if fails {
            failed[1] += 1;
            *self.broken.borrow_mut() = true;
        }
        for (old, new) in tail.chunks_mut(SECTOR).zip(self.bytes.chunks(SECTOR)) {
            if old != new && (!fails || rng.once_in(2)) {
                old.copy_from_slice(new);
            }
        }
        // Only the region that was taken last is stored into.
        let Some(active) = held(&self.bytes).pop() else { return };
        let begin = active.bytes.as_ptr() as usize - self.bytes.as_ptr() as usize;
        let Some(meant) = files.get_mut(&active.segment).and_then(|file| file.meant.get_mut(active.at..)) else {
            return;
        };
        let there = &tail[begin..begin + active.bytes.len()];
        for (there, meant) in there.chunks(SECTOR).zip(meant.chunks_mut(SECTOR)) {
            if there.iter().any(|byte| *byte != 0) {
                meant.copy_from_slice(there);
            }
        }
    }
}

impl Memory for SimMemory {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn broken(&self) -> bool {
        self.publish();
        *self.broken.borrow()
    }

    fn keep(&self) -> Kept {
        Kept::default()
    }
}

/// A mapped file of it.
pub(super) struct SimSegment {
    bytes: Vec<u8>,
    number: u64,
    broken: RefCell<bool>,
}

impl SimSegment {
    /// What was stored is seen by the disk when the owner looks whether the store was lost, which it does behind each.
    fn publish(&self) {
        if *self.broken.borrow() {
            return;
        }
        let disk = Disk::current();
        let Disk { files, rng, faults, failed, .. } = &mut *disk.borrow_mut();
        let Some(stored) = files.get_mut(&self.number).filter(|stored| stored.cache != self.bytes) else { return };
        if faults.store > 0 && rng.once_in(faults.store) {
            failed[1] += 1;
            *self.broken.borrow_mut() = true;
            return stored.store(&self.bytes, || rng.once_in(2));
        }
        stored.store(&self.bytes, || true);
    }
}

impl Segment for SimSegment {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn broken(&self) -> bool {
        self.publish();
        *self.broken.borrow()
    }

    fn store_anew(&mut self, range: Range<usize>) -> io::Result<()> {
        self.publish();
        let disk = Disk::current();
        let mut disk = disk.borrow_mut();
        if let Some(stored) = disk.files.get_mut(&self.number) {
            // The kernel writes whole pages.
            let pages = range.start / PAGE * PAGE..range.end.next_multiple_of(PAGE);
            stored.dirty[pages.start / SECTOR..pages.end / SECTOR].fill(true);
            stored.is_dirty = true;
        }
        disk.begin_sync(self.number);
        if disk.end_sync(File(self.number as i32)) { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
    }
}

/// The disk as the folder of a record.
pub(super) struct Here;

impl Medium for Here {
    type Segment = SimSegment;
    type Target = SimTarget;
    type Memory = SimMemory;

    fn numbers(&self) -> io::Result<Vec<u64>> {
        Ok(Disk::current().borrow().files.keys().copied().collect())
    }

    fn open(&self, number: u64) -> io::Result<Option<SimSegment>> {
        let bytes = Disk::current().borrow().files[&number].cache.clone();
        Ok((!bytes.is_empty()).then_some(SimSegment { bytes, number, broken: RefCell::new(false) }))
    }

    fn create(&self, number: u64, len: usize) -> io::Result<SimSegment> {
        assert_eq!(len, SEGMENT_BYTES);
        Disk::current().borrow_mut().create(number)?;
        Ok(SimSegment { bytes: vec![0; len], number, broken: RefCell::new(false) })
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        Disk::current().borrow_mut().files.remove(&number);
        Ok(())
    }

    fn target(&self, number: u64) -> io::Result<SimTarget> {
        Ok(SimTarget(number))
    }

    fn path(&self, number: u64) -> PathBuf {
        PathBuf::from(file_name(0, number))
    }

    fn tail(&self) -> io::Result<Vec<u8>> {
        Ok(Disk::current().borrow().tail.clone())
    }

    fn remove_tail(&self) -> io::Result<()> {
        let disk = Disk::current();
        let mut disk = disk.borrow_mut();
        // All that it held is in the files by now.
        for stored in disk.files.values_mut() {
            stored.meant.clone_from(&stored.cache);
        }
        disk.tail.clear();
        Ok(())
    }

    fn new_tail(&self, len: usize) -> io::Result<SimMemory> {
        let disk = Disk::current();
        let mut disk = disk.borrow_mut();
        (disk.tail, disk.tail_on_disk) = (vec![0; len], Vec::new());
        Ok(SimMemory { bytes: vec![0; len], broken: RefCell::new(false) })
    }

    fn tail_path(&self) -> PathBuf {
        PathBuf::from("00000.tail")
    }
}

/// The next segments, made in advance, of which there are only so many.
pub(super) struct SimSupply {
    pub(super) next: u64,
    pub(super) left: i32,
    ready: Option<SimTarget>,
}

impl SimSupply {
    pub(super) fn new(next: u64, left: i32) -> SimSupply {
        SimSupply { next, left, ready: None }
    }

    fn make(&mut self) {
        if self.left > 0
            && self.ready.is_none()
            && let Ok(segment) = Disk::current().borrow_mut().create(self.next)
        {
            (self.left, self.next, self.ready) = (self.left - 1, self.next + 1, Some(segment));
        }
    }
}

impl Supply<SimTarget> for SimSupply {
    fn next(&mut self) -> Option<SimTarget> {
        let ledger = Ledger::current();
        if ledger.borrow_mut().rng.once_in(3) {
            return None;
        }
        self.make();
        let next = self.ready.take();
        if ledger.borrow_mut().rng.once_in(2) {
            self.make();
        }
        next
    }

    fn retire(&mut self, segment: SimTarget) {
        let ledger = Ledger::current();
        ledger.borrow_mut().retired.push(segment.0);
    }
}
