//! A record of a few sessions, written as shards write it, and searched.

use std::path::PathBuf;

use audit::segment::{Appender, Identity, Previous, Refused, Stamp, file_name};
use audit::token::CardKey;
use audit::{
    Actor, ActorPart, Decided, Event, Outcome, RecordId, SessionTotals, SqlState, Statement, StatementPart, Text,
    Verdict, VerdictFacts, VerdictPart, encode, show,
};
use pan::Masked;

use super::{Filled, Index, Query, Segments};

mod back;
mod near;
mod twin;

/// 2026-01-01, in seconds.
const BEGIN_S: u64 = 1_767_225_600;
const SEGMENT: usize = 16 << 10;

/// One shard's series in the making.
struct Series {
    shard: u16,
    number: u64,
    bytes: Vec<u8>,
    appender: Appender,
}

/// A record in a folder of its own, which is removed.
pub(crate) struct Record {
    pub(crate) folder: PathBuf,
    series: Vec<Series>,
    now_s: u64,
}

impl Record {
    pub(crate) fn new(name: &str, shards: u16) -> Record {
        let folder = std::env::temp_dir().join(format!("search-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let mut record = Record { folder, series: Vec::new(), now_s: BEGIN_S };
        for shard in 0..shards {
            let mut bytes = vec![0; SEGMENT];
            let appender = Appender::begin(&mut bytes, shard, identity(), Previous::NONE, record.stamp()).unwrap();
            record.series.push(Series { shard, number: 1, bytes, appender });
        }
        record
    }

    fn stamp(&self) -> Stamp {
        Stamp { mono_ns: self.now_s * 1_000_000_000, wall_ns: self.now_s * 1_000_000_000 }
    }

    /// A second later.
    pub(crate) fn write(&mut self, shard: u16, session: u64, event: &Event<'_>) -> RecordId {
        self.now_s += 1;
        let (stamp, mut payload) = (self.stamp(), Vec::new());
        encode(event, &mut payload);
        let series = &mut self.series[usize::from(shard)];
        let store =
            |series: &mut Series| series.appender.append(&mut series.bytes, event.kind(), session, stamp, &payload);
        let seq = match store(series) {
            Err(Refused::Full) => {
                let previous = series.appender.seal(&mut series.bytes, stamp, 0).unwrap();
                std::fs::write(self.folder.join(file_name(shard, series.number)), &series.bytes).unwrap();
                series.bytes.fill(0);
                series.number += 1;
                series.appender = Appender::begin(&mut series.bytes, shard, identity(), previous, stamp).unwrap();
                store(series).unwrap()
            }
            other => other.unwrap(),
        };
        RecordId { shard, seq }
    }

    /// A statement that is allowed and ends, or is refused; the record of its decision.
    pub(crate) fn statement(&mut self, shard: u16, session: u64, of: &Told<'_>) -> RecordId {
        let actor = actor(of.agent);
        let text = Masked::of(of.text);
        let verdict = VerdictPart::of(&VerdictFacts {
            verdict: of.verdict,
            rule: Some("agents read".into()),
            reason: None,
            policy: "ab12".into(),
        });
        let statement = StatementPart::of(&Statement {
            kinds: of.kinds,
            tables: &[Masked::literal("public.payments")],
            text: Text::Masked(&text),
            text_bytes: 9,
            redacted: false,
            tokens: &card_key().tokens(of.text.as_bytes()),
        });
        let decided = Decided {
            actor: &actor,
            statement: &statement,
            verdict: &verdict,
            parameters: None,
            request: "query",
            approval: None,
            reveal: None,
            number: 2,
        };
        let decision = self.write(shard, session, &Event::Decision(decided));
        if let Some((rows, masked)) = of.outcome {
            self.outcome(session, of.agent, decision, rows, masked);
        }
        decision
    }

    fn outcome(&mut self, session: u64, agent: &'static str, decision: RecordId, rows: u64, masked: u64) -> RecordId {
        let outcome = Outcome {
            actor: &actor(agent),
            decision,
            success: true,
            sqlstate: Some(SqlState::OK),
            cause: None,
            rows,
            bytes: rows * 10,
            masked,
            sensitive: 0,
            duration_ns: 1_000_000,
            result_follows: false,
            number: 3,
        };
        self.write(decision.shard, session, &Event::Outcome(outcome))
    }

    pub(crate) fn begins(&mut self, shard: u16, session: u64, agent: &'static str) -> RecordId {
        self.write(shard, session, &Event::SessionStart { actor: &actor(agent), number: 1 })
    }

    pub(crate) fn segments(&self) -> Segments {
        for series in &self.series {
            std::fs::write(self.folder.join(file_name(series.shard, series.number)), &series.bytes).unwrap();
        }
        Segments::of(std::slice::from_ref(&self.folder)).unwrap()
    }

    fn index(&self) -> (Index, Filled) {
        let mut index = Index::open(&self.folder.join("index.sqlite3")).unwrap();
        let filled = index.fill(&self.segments(), &mut |_| {}).unwrap();
        (index, filled)
    }

    /// What a search finds, newest first.
    fn finds(&self, typed: &str) -> Vec<RecordId> {
        let query = Query::parse(typed, self.now_s).unwrap();
        self.index().0.find(&query, &self.segments(), 1000).unwrap().iter().map(super::Hit::id).collect()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What is told of a statement.
pub(crate) struct Told<'a> {
    agent: &'static str,
    text: &'a str,
    kinds: &'a [&'static str],
    verdict: Verdict,
    /// Rows, and masked values.
    outcome: Option<(u64, u64)>,
}

impl<'a> Told<'a> {
    pub(crate) fn allowed(text: &'a str, rows: u64, masked: u64) -> Told<'a> {
        Told { agent: "reconciler", text, kinds: &["select"], verdict: Verdict::Allow, outcome: Some((rows, masked)) }
    }

    pub(crate) fn of(self, kinds: &'a [&'static str]) -> Told<'a> {
        Told { kinds, ..self }
    }

    pub(crate) fn refused(text: &'a str) -> Told<'a> {
        Told { agent: "refunder", text, kinds: &["select"], verdict: Verdict::Block, outcome: None }
    }
}

/// What card numbers are told by.
fn card_key() -> CardKey {
    CardKey::derived(b"the secret of a host").unwrap()
}

fn identity() -> Identity {
    Identity { shards: 1, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] }
}

fn actor(agent: &'static str) -> ActorPart {
    ActorPart::of(&Actor {
        agent: agent.into(),
        cgroup: 7,
        pid: 4711,
        uid: 1000,
        exe_device: 1,
        exe_inode: 2,
        exe_name: "psql".into(),
        agent_address: "127.0.0.1:40000".parse().unwrap(),
        database: "payments".into(),
        database_address: "127.0.0.1:5432".parse().unwrap(),
        dbname: Some("shop".into()),
        database_user: Some("app".into()),
        application: None,
        certificate: None,
        signed: None,
    })
}

#[test]
fn words_fields_and_figures_find_what_they_say() {
    let mut record = Record::new("fields", 2);
    record.begins(0, 1, "reconciler");
    record.begins(1, 1, "refunder");
    let many = record.statement(0, 1, &Told::allowed("SELECT name FROM payments WHERE amount > 5", 2000, 0));
    let cards = record.statement(0, 1, &Told::allowed("SELECT pan FROM payments", 3, 3));
    let dropped = record.statement(1, 1, &Told::refused("DROP TABLE payments"));
    let number = record.statement(1, 1, &Told::refused("SELECT '4111111111111111'"));
    let token = card_key().token(b"4111111111111111").to_string();
    let (card, no_card) = (format!("card:{token}"), format!("-card:{token} type:decision"));
    let cases: [(&str, &[RecordId]); 19] = [
        ("payments verdict:blocked text:drop", &[dropped]),
        ("agent:reconciler text:payments", &[cards, many]),
        ("table:payments verdict:allow", &[cards, many]),
        ("masked:>0", &[cards]),
        ("masked:>3", &[]),
        ("rows:>=2000", &[many]),
        ("rows:<10 type:decision", &[number, dropped, cards]),
        ("\"amount > 5\"", &[many]),
        ("\"5 amount\"", &[]),
        ("am*", &[many]),
        ("type:decision -agent:refunder", &[cards, many]),
        ("4111111111111111", &[number]),
        ("4111111111111111 -verdict:block", &[]),
        ("session:1-1 type:decision", &[number, dropped]),
        ("' OR 1=1; --", &[]),
        ("user:app ms:1", &[cards, many]),
        (&card, &[number]),
        (&token, &[number]),
        (&no_card, &[dropped, cards, many]),
    ];
    for (typed, expected) in cases {
        assert_eq!(record.finds(typed), expected, "{typed}");
    }
}

#[test]
fn times_bound_what_is_found_also_across_hours() {
    let mut record = Record::new("times", 1);
    record.begins(0, 1, "reconciler");
    let early = record.statement(0, 1, &Told::allowed("SELECT 1", 1, 0));
    record.now_s += 3 * 3600;
    let late = record.statement(0, 1, &Told::allowed("SELECT 1", 1, 0));
    assert_eq!(record.finds("select"), [late, early]);
    assert_eq!(record.finds("select since:1h"), [late]);
    assert_eq!(record.finds("select until:1h"), [early]);
    assert_eq!(record.finds("select since:2026-01-01T02:00Z until:2026-01-02"), [late]);
    assert_eq!(record.finds("select since:2027-01-01"), []);
    assert_eq!(record.finds("type:decision since:2026-01-01T02:00Z"), [late]);
}

#[test]
fn what_is_recorded_later_is_found_by_the_same_index() {
    let mut record = Record::new("later", 2);
    let session = record.begins(0, 1, "reconciler");
    let running = record.statement(0, 1, &Told { outcome: None, ..Told::allowed("SELECT pan", 0, 0) });
    assert_eq!(record.finds("masked:>0"), []);
    // Its outcome comes after the index was brought up to date.
    record.outcome(1, "reconciler", running, 4, 4);
    assert_eq!(record.finds("masked:>0 text:pan"), [running]);
    assert_eq!(record.index().1, Filled::default(), "nothing is indexed twice");
    // Segments fill, and are sealed.
    let texts: Vec<String> = (0..200).map(|n| format!("SELECT w{n} FROM payments")).collect();
    let written: Vec<RecordId> = texts.iter().map(|text| record.statement(0, 1, &Told::allowed(text, 1, 0))).collect();
    assert!(record.series[0].number > 3, "several segments");
    for (n, id) in written.iter().enumerate().step_by(37) {
        assert_eq!(record.finds(&format!("w{n}")), [*id]);
    }
    let (index, _) = record.index();
    let found = index.session(written[7]).unwrap().unwrap();
    assert_eq!((found.id, found.statements, found.rows, found.masked), (session, 201, 204, 4));
    assert_eq!((found.agent.as_str(), found.user.as_str(), found.has_ended), ("reconciler", "app", false));
}

#[test]
fn a_number_that_comes_again_after_a_restart_is_another_session() {
    let mut record = Record::new("restart", 1);
    let first = record.begins(0, 1, "reconciler");
    record.statement(0, 1, &Told::allowed("SELECT 1", 1, 0));
    let ended = Event::SessionEnd {
        actor: &actor("reconciler"),
        success: true,
        cause: "the agent left".into(),
        sqlstate: None,
        totals: SessionTotals::default(),
        number: 4,
    };
    record.write(0, 1, &ended);
    let second = record.begins(0, 1, "refunder");
    let refused = record.statement(0, 1, &Told::refused("SELECT 2"));
    let (index, _) = record.index();
    let sessions = index.sessions(0, 10).unwrap();
    let told: Vec<_> =
        sessions.iter().map(|s| (s.id, s.agent.as_str(), s.statements, s.refused, s.has_ended)).collect();
    assert_eq!(told, [(second, "refunder", 1, 1, false), (first, "reconciler", 1, 0, true)]);
    let mut shown = Vec::new();
    let mut show = |hit: super::Hit| -> anyhow::Result<()> {
        shown.push(hit.id());
        Ok(())
    };
    index.records(&sessions[0], &mut show).unwrap();
    assert_eq!(shown, [second, refused]);
}

#[test]
fn what_is_shown_is_read_from_the_segments() {
    let mut record = Record::new("shown", 1);
    record.begins(0, 1, "reconciler");
    record.statement(0, 1, &Told::allowed("SELECT naïve", 7, 0));
    let (index, _) = record.index();
    let hit = index.find(&Query::parse("NAIVE", record.now_s).unwrap(), &record.segments(), 1).unwrap()[0];
    let found = record.segments().found(&hit).unwrap();
    let text = |bytes: Option<Vec<u8>>| show::json(0, &show::frame(&bytes.unwrap()).unwrap());
    assert_eq!(text(found.record)["text"], "SELECT naïve");
    assert_eq!(text(found.outcome)["rows"], 7);
    // A segment that was moved away is no error: what is left of it is its place.
    std::fs::rename(record.folder.join(file_name(0, 1)), record.folder.join("away")).unwrap();
    std::fs::copy(record.folder.join("away"), record.folder.join(file_name(0, 2))).unwrap();
    let gone = Segments::of(std::slice::from_ref(&record.folder)).unwrap().found(&hit).unwrap();
    assert_eq!((gone.record, gone.outcome), (None, None));
}

#[test]
fn an_index_that_is_damaged_or_of_another_record_is_made_anew() {
    let mut record = Record::new("anew", 1);
    record.begins(0, 1, "reconciler");
    let one = record.statement(0, 1, &Told::allowed("SELECT 1", 1, 0));
    assert_eq!(record.finds("select"), [one]);
    let path = record.folder.join("index.sqlite3");
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    assert_eq!(record.finds("select"), [one]);

    let mut other = Record::new("other", 1);
    other.now_s += 5;
    other.begins(0, 1, "reconciler");
    // A header of its own: made at another time.
    let mut bytes = vec![0; SEGMENT];
    other.series[0].appender = Appender::begin(&mut bytes, 0, identity(), Previous::NONE, other.stamp()).unwrap();
    other.series[0].bytes = bytes;
    let two = other.statement(0, 1, &Told::allowed("SELECT 2", 1, 0));
    std::fs::copy(&path, other.folder.join("index.sqlite3")).unwrap();
    assert_eq!(other.finds("select"), [two]);
}

#[test]
fn a_segment_that_ends_before_its_seal_is_named_and_the_rest_is_found() {
    let mut record = Record::new("damaged", 1);
    record.begins(0, 1, "reconciler");
    while record.series[0].number < 2 {
        record.statement(0, 1, &Told::allowed("SELECT 1", 1, 0));
    }
    let last = record.statement(0, 1, &Told::allowed("SELECT lastword", 1, 0));
    record.segments();
    let first = record.folder.join(file_name(0, 1));
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[8000] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    let (index, filled) = record.index();
    assert_eq!(filled.damaged, [(0, 1)]);
    let found = index.find(&Query::parse("lastword", record.now_s).unwrap(), &record.segments(), 10).unwrap();
    assert_eq!(found.iter().map(super::Hit::id).collect::<Vec<_>>(), [last]);
}

#[test]
fn the_index_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let record = Record::new("mode", 1);
    record.index();
    let mode = |end: &str| std::fs::metadata(record.folder.join(end)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("index.sqlite3"), 0o600);
}
