//! Records that were indexed and that a power cut took then: the index must say what one says that never saw them.

use audit::segment::recover;

use super::super::Session;
use super::twin::{Dice, TERMS, WORDS};
use super::*;

/// How far a series is on disk.
struct OnDisk {
    shard: u16,
    number: u64,
    bytes: Vec<u8>,
}

impl Record {
    fn on_disk(&self, shard: u16) -> OnDisk {
        let series = &self.series[usize::from(shard)];
        OnDisk { shard, number: series.number, bytes: series.bytes.clone() }
    }

    /// Closes a batch; all up to this record is on disk, as it says.
    fn close(&mut self, shard: u16, durable_seq: u64) {
        let stamp = self.stamp();
        let series = &mut self.series[usize::from(shard)];
        match series.appender.root(&mut series.bytes, stamp, durable_seq) {
            Ok(()) | Err(Refused::Full) => {}
            Err(why) => panic!("{why}"),
        }
    }

    /// The power is cut: what is behind this is lost, and the service goes on there.
    fn cut(&mut self, to: OnDisk) {
        let OnDisk { shard, number, mut bytes } = to;
        let last = self.series[usize::from(shard)].number;
        (number..=last).for_each(|number| _ = std::fs::remove_file(self.folder.join(file_name(shard, number))));
        self.now_s += 1;
        let recovered = recover(&bytes).unwrap();
        let appender = Appender::resume(&mut bytes, &recovered, self.stamp()).unwrap();
        self.series[usize::from(shard)] = Series { shard, number, bytes, appender };
    }

    /// An index that is made now.
    fn made_now(&self) -> Index {
        let path = self.folder.join("now.sqlite3");
        Index::remove(&path).unwrap();
        let mut index = Index::open(&path).unwrap();
        index.fill(&self.segments(), &mut |_| {}).unwrap();
        index
    }

    /// Both indices find the same by words, and have the same sessions.
    fn holds(&self, index: &Index, typed: &[String]) {
        let anew = self.made_now();
        let segments = self.segments();
        for typed in typed {
            let query = Query::parse(typed, self.now_s).unwrap();
            let found = |index: &Index| {
                let hits = index.find(&query, &segments, 10_000).unwrap();
                // A series that is read again is not in the order of time with the others.
                let mut hits: Vec<_> =
                    hits.iter().map(|hit| (hit.id(), hit.outcome.map(|o| o.id), hit.session)).collect();
                hits.sort_unstable();
                hits
            };
            assert_eq!(found(index), found(&anew), "{typed}");
        }
        let sessions = |index: &Index| {
            let mut sessions = index.sessions(0, 1000).unwrap();
            // An outcome counts for the time of the last record only where it comes late.
            sessions.iter_mut().for_each(|session: &mut Session| session.last_ns = 0);
            sessions.sort_by_key(|session| session.id);
            sessions
        };
        assert_eq!(sessions(index), sessions(&anew));
    }
}

/// Statements of one shard, some of which run on.
fn say(record: &mut Record, shard: u16, session: u64, count: usize, dice: &mut Dice, running: &mut Vec<RecordId>) {
    for _ in 0..count {
        let text: Vec<&str> = (0..1 + dice.below(6)).map(|_| dice.of(&WORDS)).collect();
        let outcome = (dice.below(3) > 0).then_some((dice.below(400) as u64, dice.below(3) as u64));
        let text = text.join(" ");
        let told = Told { outcome, ..Told::allowed(&text, 0, 0) };
        let decision = record.statement(shard, session, &told);
        running.extend(outcome.is_none().then_some(decision));
        if dice.below(8) == 0 {
            record.close(shard, 0);
        }
    }
}

#[test]
fn what_a_power_cut_took_is_not_found_and_what_came_after_it_is() {
    for seed in 1..=4 {
        let mut record = Record::new(&format!("back-{seed}"), 2);
        let mut dice = Dice(seed);
        let mut running = [Vec::new(), Vec::new()];
        let typed: Vec<String> =
            TERMS.iter().map(|term| (*term).to_owned()).chain(["lost".into(), "kept".into()]).collect();
        for shard in 0..2 {
            record.begins(shard, 1, "reconciler");
        }
        for round in 0..4 {
            for shard in 0..2 {
                say(&mut record, shard, 1, 30, &mut dice, &mut running[usize::from(shard)]);
            }
            // Some was indexed before the cut, and closed or not.
            if dice.below(2) == 0 {
                record.index();
            }
            let to = record.on_disk(round % 2);
            let shard = to.shard;
            let before = running[usize::from(shard)].clone();
            record.begins(shard, 7, "refunder");
            for decision in running[usize::from(shard)].drain(..).take(3) {
                record.outcome(1, "reconciler", decision, 300, 1);
            }
            // Of some rounds it reaches into the segment before.
            say(&mut record, shard, if round < 2 { 1 } else { 7 }, 20 + 60 * dice.below(2), &mut dice, &mut Vec::new());
            record.statement(shard, 7, &Told::allowed("SELECT lost", 1, 0));
            let is_read = dice.below(4) > 0;
            if is_read {
                record.index();
            }
            record.cut(to);
            if dice.below(2) == 0 {
                let taken_back = record.index().1.taken_back;
                assert!((taken_back > 0) == is_read, "{taken_back} taken back, seed {seed}");
                record.holds(&record.index().0, &typed);
            }
            running[usize::from(shard)] = before;
            record.statement(shard, 1, &Told::allowed("SELECT kept", 1, 0));
            say(&mut record, shard, 1, 10, &mut dice, &mut running[usize::from(shard)]);
            let index = record.index().0;
            record.holds(&index, &typed);
            assert_eq!(record.index().1, Filled::default(), "it is read once, seed {seed}");
        }
    }
}

/// A segment that was begun is gone as a whole, and nothing was recorded since.
#[test]
fn a_segment_that_went_takes_its_entries_along() {
    let mut record = Record::new("went", 1);
    record.begins(0, 1, "reconciler");
    record.close(0, 1);
    while record.series[0].number < 2 {
        record.statement(0, 1, &Told::allowed("SELECT before", 1, 0));
    }
    let to = record.on_disk(0);
    while record.series[0].number < 3 {
        record.statement(0, 1, &Told::allowed("SELECT after", 1, 0));
    }
    assert!(record.finds("after").len() > 3);
    record.cut(to);
    assert_eq!(record.finds("after").len(), 0);
    record.holds(&record.index().0, &["before".to_owned(), "type:decision".to_owned()]);
}

/// Where segments were moved away, those that are left are what it is held against; nothing is read again.
#[test]
fn what_was_moved_away_stays() {
    let mut record = Record::new("moved", 1);
    record.begins(0, 1, "reconciler");
    while record.series[0].number < 4 {
        record.statement(0, 1, &Told::allowed("SELECT word", 1, 0));
    }
    let found = record.finds("word").len();
    let segments = record.segments();
    drop(segments);
    std::fs::remove_file(record.folder.join(file_name(0, 1))).unwrap();
    let mut index = Index::open(&record.folder.join("index.sqlite3")).unwrap();
    let left = Segments::of(std::slice::from_ref(&record.folder)).unwrap();
    assert_eq!(index.fill(&left, &mut |_| {}).unwrap(), Filled::default());
    let query = Query::parse("word", record.now_s).unwrap();
    assert_eq!(index.find(&query, &left, 1000).unwrap().len(), found);
}
