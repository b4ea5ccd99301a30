//! The record that is searched: agents that each say their own statements, with other values each time.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use audit::segment::{Appender, Identity, Previous, Refused, Stamp, file_name};
use audit::token::CardTokens;
use audit::{
    Actor, ActorPart, Decided, Event, Outcome, RecordId, SessionTotals, SqlState, Statement, StatementPart, Text,
    Verdict, VerdictFacts, VerdictPart, encode,
};
use pan::Masked;

use crate::dice::Dice;

const SEGMENT: usize = 64 << 20;
const SHARDS: u16 = 2;
/// Records between two roots.
const ROOTED: u64 = 4096;
const DAYS: u64 = 90;
/// Statements of a session, at most.
const STATEMENTS: usize = 40;

/// Names of agents.
pub(super) const AGENTS: [&str; 8] =
    ["reconciler", "refunder", "reporter", "migrator", "support", "ledger", "fraud", "exporter"];
/// Names of tables.
pub(super) const TABLES: [&str; 10] = [
    "public.payments",
    "public.customers",
    "public.refunds",
    "public.orders",
    "public.ledger_entries",
    "public.chargebacks",
    "public.cards",
    "public.merchants",
    "public.audit_notes",
    "public.batches",
];
/// Names in values.
pub(super) const PEOPLE: [&str; 12] =
    ["Ada", "Grace", "Edsger", "Barbara", "Tony", "Leslie", "Frances", "Donald", "Radia", "Niklaus", "Shafi", "Ken"];

/// A statement with holes: `#` a number, `?` a name, `@` a date.
struct Template {
    text: &'static str,
    kind: &'static str,
    table: usize,
    verdict: Verdict,
    rule: &'static str,
}

const fn template(
    text: &'static str,
    kind: &'static str,
    table: usize,
    verdict: Verdict,
    rule: &'static str,
) -> Template {
    Template { text, kind, table, verdict, rule }
}

const TEMPLATES: [Template; 20] = {
    use Verdict::{Allow, Block, Hold};
    [
        template("SELECT id, amount, status FROM payments WHERE id = #", "select", 0, Allow, "agents read"),
        template("SELECT * FROM payments WHERE amount > # AND created_at >= '@'", "select", 0, Allow, "agents read"),
        template(
            "SELECT sum(amount) FROM payments WHERE merchant_id = # GROUP BY currency",
            "select",
            0,
            Allow,
            "agents read",
        ),
        template("UPDATE payments SET status = 'settled' WHERE id = #", "update", 0, Allow, "agents settle"),
        template(
            "SELECT name, email FROM customers WHERE name LIKE '?%' ORDER BY id LIMIT 20",
            "select",
            1,
            Allow,
            "agents read",
        ),
        template(
            "SELECT c.name, p.amount FROM customers c JOIN payments p ON p.customer_id = c.id WHERE c.id = #",
            "select",
            1,
            Allow,
            "agents read",
        ),
        template(
            "INSERT INTO refunds (payment_id, amount, reason) VALUES (#, #, 'asked by ?')",
            "insert",
            2,
            Hold,
            "refunds need a person",
        ),
        template("SELECT count(*) FROM refunds WHERE created_at > '@'", "select", 2, Allow, "agents read"),
        template("SELECT id FROM orders WHERE number = 'A-#' FOR UPDATE", "select", 3, Allow, "agents read"),
        template(
            "UPDATE orders SET state = 'shipped', note = 'by ?' WHERE id IN (#, #, #)",
            "update",
            3,
            Allow,
            "agents settle",
        ),
        template(
            "SELECT account, debit, credit FROM ledger_entries WHERE booked_on = '@' ORDER BY account",
            "select",
            4,
            Allow,
            "agents read",
        ),
        template("INSERT INTO ledger_entries (account, debit) VALUES (#, #)", "insert", 4, Allow, "agents settle"),
        template("SELECT * FROM chargebacks WHERE opened_on BETWEEN '@' AND '@'", "select", 5, Allow, "agents read"),
        template("SELECT pan, expiry FROM cards WHERE customer_id = #", "select", 6, Allow, "agents read"),
        template("COPY cards TO STDOUT", "copy-out", 6, Hold, "bulk export needs a person"),
        template("DROP TABLE batches_#", "drop-table", 9, Block, "no schema"),
        template("ALTER TABLE merchants ADD COLUMN note text", "alter-table", 7, Block, "no schema"),
        template(
            "SELECT m.name, count(*) FROM merchants m JOIN orders o ON o.merchant_id = m.id GROUP BY m.name HAVING count(*) > #",
            "select",
            7,
            Allow,
            "agents read",
        ),
        template("DELETE FROM audit_notes WHERE author = '?' AND written_on < '@'", "delete", 8, Block, "notes stay"),
        template(
            "SELECT id, state FROM batches WHERE state = 'open' AND id > # LIMIT 100",
            "select",
            9,
            Allow,
            "agents read",
        ),
    ]
};

/// What was written, and what a search can ask for.
pub(super) struct Written {
    pub(super) records: u64,
    pub(super) sessions: u64,
    pub(super) segments: u64,
    /// Records with which some sessions start.
    pub(super) some: Vec<RecordId>,
}

impl Written {
    /// What an earlier run kept.
    pub(super) fn read(path: &Path) -> Option<Written> {
        let text = std::fs::read_to_string(path).ok()?;
        let mut words = text.split_whitespace();
        let mut number = || words.next()?.parse().ok();
        let (records, sessions, segments) = (number()?, number()?, number()?);
        Some(Written { records, sessions, segments, some: words.map_while(|word| word.parse().ok()).collect() })
    }

    pub(super) fn keep(&self, path: &Path) -> Result<(), String> {
        let some: Vec<String> = self.some.iter().map(RecordId::to_string).collect();
        let text = format!("{} {} {} {}\n", self.records, self.sessions, self.segments, some.join(" "));
        std::fs::write(path, text).map_err(|why| format!("{}: {why}", path.display()))
    }
}

/// One shard's series.
struct Series {
    shard: u16,
    memory: Vec<u8>,
    appender: Appender,
    since_root: u64,
}

struct Writer {
    folder: PathBuf,
    series: Vec<Series>,
    written: Written,
    payload: Vec<u8>,
    now_ns: u64,
    /// Between two records.
    step_ns: u64,
}

/// Writes sessions until there are so many records.
pub(super) fn write(folder: &Path, records: u64, now_s: u64, seed: u64) -> Result<Written, String> {
    let span_ns = DAYS * 86_400 * 1_000_000_000;
    let now_ns = now_s * 1_000_000_000 - span_ns;
    let series = (0..SHARDS).map(|shard| Series::begin(shard, Previous::NONE, now_ns, vec![0; SEGMENT]));
    let mut writer = Writer {
        folder: folder.to_owned(),
        series: series.collect::<Result<_, _>>()?,
        written: Written { records: 0, sessions: 0, segments: 0, some: Vec::new() },
        payload: Vec::new(),
        now_ns,
        step_ns: span_ns / records,
    };
    let mut dice = Dice(seed);
    let verdicts: Vec<VerdictPart> = TEMPLATES.iter().map(verdict).collect();
    while writer.written.records < records {
        writer.session(&mut dice, &verdicts)?;
    }
    for series in 0..writer.series.len() {
        let stamp = stamp(writer.now_ns);
        let series = &mut writer.series[series];
        series.appender.stop(&mut series.memory, stamp, 0).map_err(|why| why.to_string())?;
        writer.written.segments += 1;
        store(&writer.folder, series)?;
    }
    Ok(writer.written)
}

impl Writer {
    fn session(&mut self, dice: &mut Dice, verdicts: &[VerdictPart]) -> Result<(), String> {
        let agent = dice.below(AGENTS.len());
        let shard = dice.below(usize::from(SHARDS));
        self.written.sessions += 1;
        let session = self.written.sessions;
        let actor = actor(agent, dice);
        let start = self.event(shard, session, &Event::SessionStart { actor: &actor, number: 1 })?;
        if dice.below(200) == 0 {
            self.written.some.push(start);
        }
        for number in 0..=dice.below(STATEMENTS) as u64 {
            // Each agent has some of the statements.
            let of = (agent * 3 + dice.below(8)) % TEMPLATES.len();
            self.statement(shard, session, &actor, &TEMPLATES[of], &verdicts[of], 2 * number + 2, dice)?;
        }
        let end = Event::SessionEnd {
            actor: &actor,
            success: true,
            cause: "the agent left".into(),
            sqlstate: None,
            totals: SessionTotals::default(),
            number: 99,
        };
        self.event(shard, session, &end).map(drop)
    }

    #[allow(clippy::too_many_arguments)] // one statement's parts, said once
    fn statement(
        &mut self,
        shard: usize,
        session: u64,
        actor: &ActorPart,
        template: &Template,
        verdict: &VerdictPart,
        number: u64,
        dice: &mut Dice,
    ) -> Result<(), String> {
        let text = Masked::of(&filled(template.text, dice));
        let tables = [Masked::literal(TABLES[template.table])];
        let statement = StatementPart::of(&Statement {
            kinds: &[template.kind],
            tables: &tables,
            text: Text::Masked(&text),
            text_bytes: text.as_str().len() as u64,
            redacted: false,
            tokens: &CardTokens::default(),
        });
        let decided = Decided {
            actor,
            statement: &statement,
            verdict,
            parameters: None,
            request: "query",
            approval: None,
            reveal: None,
            number,
        };
        let decision = self.event(shard, session, &Event::Decision(decided))?;
        if !template.verdict.goes_on() {
            return Ok(());
        }
        let rows = match dice.below(50) {
            0 => 1000 + dice.below(100_000) as u64,
            _ => dice.below(40) as u64,
        };
        let is_failed = dice.below(100) == 0;
        let longest_ns = 1 << (10 + dice.below(22));
        let outcome = Outcome {
            actor,
            decision,
            success: !is_failed,
            sqlstate: is_failed.then(|| SqlState::of(b"57014")),
            cause: None,
            rows,
            bytes: rows * 60,
            result_follows: false,
            masked: if template.table == 6 { rows } else { 0 },
            sensitive: 0,
            duration_ns: 200_000 + dice.below_wide(longest_ns),
            number: number + 1,
        };
        self.event(shard, session, &Event::Outcome(outcome)).map(drop)
    }

    fn event(&mut self, shard: usize, session: u64, event: &Event<'_>) -> Result<RecordId, String> {
        self.payload.clear();
        encode(event, &mut self.payload);
        self.now_ns += self.step_ns;
        let stamp = stamp(self.now_ns);
        let kind = event.kind();
        let series = &mut self.series[shard];
        let full = |why: &Refused| matches!(why, Refused::Full);
        let seq = match series.appender.append(&mut series.memory, kind, session, stamp, &self.payload) {
            Err(why) if full(&why) => {
                let previous = series.appender.seal(&mut series.memory, stamp, 0).map_err(|why| why.to_string())?;
                store(&self.folder, series)?;
                self.written.segments += 1;
                let mut memory = std::mem::take(&mut series.memory);
                memory.fill(0);
                *series = Series::begin(series.shard, previous, self.now_ns, memory)?;
                series.appender.append(&mut series.memory, kind, session, stamp, &self.payload)
            }
            other => other,
        }
        .map_err(|why| why.to_string())?;
        self.written.records += 1;
        series.since_root += 1;
        if series.since_root >= ROOTED {
            series.since_root = 0;
            match series.appender.root(&mut series.memory, stamp, 0) {
                Ok(_) | Err(Refused::Full) => {}
                Err(why) => return Err(why.to_string()),
            }
        }
        Ok(RecordId { shard: series.shard, seq })
    }
}

impl Series {
    fn begin(shard: u16, previous: Previous, now_ns: u64, mut memory: Vec<u8>) -> Result<Series, String> {
        let identity = Identity { shards: SHARDS, boot_id: [1; 16], host_id: [2; 16], config: [3; 32] };
        let appender = Appender::begin(&mut memory, shard, identity, previous, stamp(now_ns));
        Ok(Series { shard, memory, appender: appender.map_err(|why| why.to_string())?, since_root: 0 })
    }
}

fn store(folder: &Path, series: &Series) -> Result<(), String> {
    let path = folder.join(file_name(series.shard, series.appender.header().number()));
    let written = File::create(&path).and_then(|mut file| file.write_all(&series.memory));
    written.map_err(|why| format!("{}: {why}", path.display()))
}

fn stamp(now_ns: u64) -> Stamp {
    Stamp { mono_ns: now_ns, wall_ns: now_ns }
}

fn verdict(template: &Template) -> VerdictPart {
    VerdictPart::of(&VerdictFacts {
        verdict: template.verdict,
        rule: Some(template.rule.into()),
        reason: None,
        policy: "3f9a".into(),
    })
}

fn actor(agent: usize, dice: &mut Dice) -> ActorPart {
    let address = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    ActorPart::of(&Actor {
        agent: AGENTS[agent].into(),
        cgroup: 7,
        pid: 1000 + dice.below(30_000) as u32,
        uid: 1000 + agent as u32,
        exe_device: 1,
        exe_inode: 2,
        exe_name: "python3.11".into(),
        agent_address: address(32_768 + dice.below(28_000) as u16),
        database: if agent.is_multiple_of(3) { "warehouse" } else { "payments" }.into(),
        database_address: address(5432),
        dbname: Some("shop".into()),
        database_user: Some(if agent.is_multiple_of(2) { "app" } else { "batch" }.into()),
        application: Some("worker".into()),
        certificate: None,
        signed: None,
    })
}

fn filled(text: &str, dice: &mut Dice) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    for sign in text.chars() {
        match sign {
            '#' => filled += &dice.below(1_000_000).to_string(),
            '?' => filled += PEOPLE[dice.below(PEOPLE.len())],
            '@' => filled += &date(dice),
            other => filled.push(other),
        }
    }
    filled
}

/// A day of the year.
pub(super) fn date(dice: &mut Dice) -> String {
    format!("2026-{:02}-{:02}", 1 + dice.below(12), 1 + dice.below(28))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_whole_and_has_so_many_records() {
        let folder = super::super::Scratch::new(None).unwrap();
        let written = write(&folder.0, 20_000, 1_800_000_000, 5).unwrap();
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len() as u64, written.segments);
        let opened = files.iter().map(|path| (path.display().to_string(), File::open(path)));
        let verdict = audit::verify::verify(opened, &audit::verify::Options::default());
        let audit::verify::Verdict::Whole(summary) = verdict else { panic!("{verdict:?}") };
        assert!(written.records >= 20_000 && summary.records > written.records);
        assert!(!written.some.is_empty());
    }
}
