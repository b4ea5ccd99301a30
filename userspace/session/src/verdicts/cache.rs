//! Verdicts kept per shard: by a text's exact bytes, by its shape, and by all that a verdict depends on beside.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use policy::Policy;
use sql::Shape;

use super::hits::{Hits, RuleHits};
use super::{Asked, Judged, judge, judge_read};

/// The cache; one per shard. Each agent has a room of its own, so that one that says ever new texts evicts nobody's but its own; verdicts
/// are of one agent anyway.
#[derive(Debug, Default)]
pub struct StatementCache {
    agents: HashMap<String, Room, BuildHasherDefault<Placed>>,
    policy: Option<Arc<Policy>>,
    lookups: Lookups,
    hits: Hits,
}

/// How texts were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// By the same bytes.
    pub exact: u64,
    /// By a text that differs in literals alone.
    pub alike: u64,
    /// Not: they were judged.
    pub judged: u64,
}

/// One agent's: by the same bytes, and by all but the values of constants.
#[derive(Debug, Default)]
struct Room {
    exact: Generations<Arc<Judged>>,
    alike: Generations<Alike>,
    skeleton: Vec<u8>,
    seen: Seen,
}

/// Places of texts that were found by their shape of late. Whoever writes values into texts seldom says one twice; one that comes again is
/// kept.
#[derive(Debug)]
struct Seen(Box<[u64; SEEN]>);

/// A power of two.
const SEEN: usize = 256;

impl Default for Seen {
    fn default() -> Seen {
        Seen(Box::new([0; SEEN]))
    }
}

impl Seen {
    /// Whether this place was here since another took its cell.
    fn again(&mut self, place: u64) -> bool {
        let cell = &mut self.0[place as usize % SEEN];
        std::mem::replace(cell, place) == place
    }
}

/// A text that stands for all of its shape.
#[derive(Debug)]
struct Alike {
    judged: Arc<Judged>,
    /// Found when it is looked for: most texts are said by none but themselves.
    shape: Option<Shape>,
}

/// Of one agent.
const ENTRIES_MAX: usize = 2048;
/// Bytes of the texts of one agent.
const BYTES_MAX: usize = 4 << 20;
/// Longer texts are not kept: they are seldom said twice.
const TEXT_MAX: usize = 64 << 10;
/// In longer texts constants are not looked for.
const ALIKE_MAX: usize = 4 << 10;

impl StatementCache {
    /// An empty cache.
    pub fn new() -> StatementCache {
        StatementCache::default()
    }

    /// How texts were found so far.
    pub fn lookups(&self) -> Lookups {
        self.lookups
    }

    /// A decision was taken by the rule at this place of the policy.
    pub(crate) fn hit(&mut self, policy: &Arc<Policy>, place: u16) {
        self.hits.add(policy, place);
    }

    /// How often each rule decided.
    pub fn hits(&self) -> RuleHits {
        self.hits.told()
    }

    /// Forgets all of it, and keeps the room.
    pub fn forget(&mut self) {
        self.agents.values_mut().for_each(Room::forget);
    }

    /// The verdict on this very text, if it is kept.
    pub(crate) fn known(&mut self, policy: &Arc<Policy>, asked: &Asked<'_>) -> Option<Arc<Judged>> {
        if asked.bytes.len() > TEXT_MAX || !self.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy)) {
            return None;
        }
        let place = place(asked, asked.bytes);
        let room = self.agents.get_mut(asked.subject.agent.as_str())?;
        room.exact.find(place, |judged| judged.is_for(asked)).cloned()
    }

    /// Keeps a verdict that was taken aside, under this policy.
    pub(crate) fn learn(&mut self, policy: &Arc<Policy>, asked: &Asked<'_>, judged: &Arc<Judged>) {
        let size = asked.bytes.len();
        if size <= TEXT_MAX {
            let place = place(asked, asked.bytes);
            if let Some(room) = self.room(policy, &asked.subject.agent) {
                room.exact.keep(place, size, Arc::clone(judged));
            }
        }
    }

    /// The verdict on a text. A hit allocates nothing but its room's first.
    pub(crate) fn judge(&mut self, policy: &Arc<Policy>, asked: Asked<'_>) -> Arc<Judged> {
        if asked.estimated_rows.is_some() {
            return Arc::new(judge(policy, &asked));
        }
        let mut lookups = self.lookups;
        let judged = match self.room(policy, &asked.subject.agent) {
            Some(room) => room.judge(policy, asked, &mut lookups),
            None => Arc::new(judge(policy, &asked)),
        };
        self.lookups = lookups;
        judged
    }

    /// An agent's room under this policy.
    fn room(&mut self, policy: &Arc<Policy>, agent: &str) -> Option<&mut Room> {
        if !self.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy)) {
            // Rooms too: an agent that the configuration has no more leaves none behind.
            self.agents.clear();
            self.policy = Some(Arc::clone(policy));
        }
        if !self.agents.contains_key(agent) {
            self.agents.insert(agent.to_owned(), Room::default());
        }
        self.agents.get_mut(agent)
    }
}

impl Room {
    fn forget(&mut self) {
        self.exact.forget();
        self.alike.forget();
    }

    fn judge(&mut self, policy: &Arc<Policy>, asked: Asked<'_>, lookups: &mut Lookups) -> Arc<Judged> {
        let place = place(&asked, asked.bytes);
        if let Some(judged) = self.exact.find(place, |judged| judged.is_for(&asked)) {
            lookups.exact += 1;
            return Arc::clone(judged);
        }
        // What constants are worth is read in the encoding that was told of: in UTF-8 alone.
        let text = Some(asked.bytes).filter(|bytes| bytes.len() <= ALIKE_MAX && !asked.latin1);
        let text = text.and_then(|bytes| std::str::from_utf8(bytes).ok());
        let alike_at = text.map(|text| {
            sql::skeleton(text, &mut self.skeleton);
            self::place(&asked, &self.skeleton)
        });
        if let Some((text, at)) = text.zip(alike_at)
            && let Some(judged) = self.find_alike(at, text, &asked)
        {
            lookups.alike += 1;
            if self.seen.again(place) {
                self.exact.keep(place, text.len(), Arc::clone(&judged));
            }
            return judged;
        }
        lookups.judged += 1;
        let judged = Arc::new(match text {
            Some(text) => judge_read(policy, &asked, Some(text.to_owned())),
            None => judge(policy, &asked),
        });
        let size = asked.bytes.len();
        if size <= TEXT_MAX {
            self.exact.keep(place, size, Arc::clone(&judged));
        }
        if let Some(at) = alike_at.filter(|_| judged.constants.is_some()) {
            self.alike.keep(at, size, Alike { judged: Arc::clone(&judged), shape: None });
        }
        judged
    }

    /// The verdict of a text of the same shape.
    fn find_alike(&mut self, at: u64, text: &str, asked: &Asked<'_>) -> Option<Arc<Judged>> {
        let alike = self.alike.find(at, |alike| holds(&alike.judged, asked))?;
        if alike.shape.is_none() {
            let known = &alike.judged;
            alike.shape = known.constants.as_deref().and_then(|constants| Shape::of(&known.text, constants));
        }
        let Some(shape) = &alike.shape else {
            self.alike.drop(at);
            return None;
        };
        let meaning = shape.is_of(text).then(|| Arc::clone(&alike.judged.meaning))?;
        Some(Arc::new(Judged::new(meaning, asked, text.to_owned())))
    }
}

/// Taken for this question, and no time window has opened or closed since.
fn holds(judged: &Judged, asked: &Asked<'_>) -> bool {
    judged.key.is(asked) && judged.is_valid(asked.wall_s)
}

/// What was kept, by a digest that only finds the place: one entry for each, compared in full, so a collision costs a miss and nothing else.
/// When the younger generation is full it becomes the older one.
#[derive(Debug)]
struct Generations<T> {
    young: HashMap<u64, (usize, T), BuildHasherDefault<Placed>>,
    old: HashMap<u64, (usize, T), BuildHasherDefault<Placed>>,
    young_bytes: usize,
}

impl<T> Default for Generations<T> {
    fn default() -> Generations<T> {
        Generations { young: HashMap::default(), old: HashMap::default(), young_bytes: 0 }
    }
}

impl<T> Generations<T> {
    fn forget(&mut self) {
        self.young.clear();
        self.old.clear();
        self.young_bytes = 0;
    }

    fn drop(&mut self, place: u64) {
        self.young.remove(&place);
    }

    /// What is kept there, if it fits; from now on young.
    fn find(&mut self, place: u64, fits: impl Fn(&T) -> bool) -> Option<&mut T> {
        if !self.young.get(&place).is_some_and(|(_, entry)| fits(entry)) {
            let (size, entry) = self.old.remove(&place).filter(|(_, entry)| fits(entry))?;
            self.keep(place, size, entry);
        }
        self.young.get_mut(&place).map(|(_, entry)| entry)
    }

    fn keep(&mut self, place: u64, size: usize, entry: T) {
        if self.young.len() >= ENTRIES_MAX / 2 || self.young_bytes + size > BYTES_MAX / 2 {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.young_bytes = 0;
        }
        self.young_bytes += size;
        self.young.insert(place, (size, entry));
    }
}

/// Of the text and of what sessions of one agent differ in most. What else a verdict is of, the key compares.
fn place(asked: &Asked<'_>, bytes: &[u8]) -> u64 {
    let of = asked.subject.signed.as_ref().map_or(0, policy::Signed::mark) ^ u64::from(asked.catalog.version);
    digest(bytes, digest(asked.database.as_bytes(), of))
}

/// Two words go into a lane by one wide product (as wyhash has it), in lanes that do not wait for each other. Whoever makes two texts fall
/// together makes his own room miss, so a word that makes a factor zero is no harm but to who wrote it.
fn digest(bytes: &[u8], seed: u64) -> u64 {
    let fold = |lane: u64, pair: &[u8; 16]| {
        let (words, _) = pair.as_chunks::<8>();
        product(lane ^ u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]) ^ ODD)
    };
    let mut lanes: [u64; LANES] = BEGIN.map(|lane| lane ^ seed);
    let (pairs, rest) = bytes.as_chunks::<16>();
    let (blocks, few) = pairs.as_chunks::<LANES>();
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(lane, pair)| *lane = fold(*lane, pair));
    }
    lanes.iter_mut().zip(few).for_each(|(lane, pair)| *lane = fold(*lane, pair));
    // The end; in a longer text with what is before it.
    let end = bytes.last_chunk().copied().unwrap_or_else(|| {
        let mut end = [0; 16];
        end.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        end
    });
    let last = fold(bytes.len() as u64 ^ seed, &end);
    let [a, b, c, d, e, f] = lanes;
    let (left, right) = (product(a ^ last, b ^ ODD), product(c ^ ODD, d ^ last.rotate_left(32)));
    product(left ^ ODD, product(e ^ last, f ^ right))
}

/// Both halves of the product.
fn product(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

/// Of a digest.
const LANES: usize = 6;
const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
const BEGIN: [u64; LANES] =
    [ODD, ODD.rotate_left(11), ODD.rotate_left(22), ODD.rotate_left(33), ODD.rotate_left(44), ODD.rotate_left(55)];

/// The places are digests already; names of agents are the configuration's.
#[derive(Debug, Default)]
struct Placed(u64);

impl Hasher for Placed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = digest(bytes, self.0);
    }

    fn write_u8(&mut self, end: u8) {
        self.0 ^= u64::from(end);
    }

    fn write_u64(&mut self, place: u64) {
        self.0 = place;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Meaning;
    use super::*;
    use crate::catalogs::Catalog;
    use crate::postgres::catalog::survey::{Asker, Survey, Surveyed};

    const POLICY: &str = "[[rule]]\nname = \"any\"\naction = \"allow\"\n";

    fn ask(cache: &mut StatementCache, policy: &Arc<Policy>, agent: &str, text: &str) -> Arc<Judged> {
        let subject = Arc::new(policy::Subject { agent: agent.to_owned(), groups: Vec::new(), signed: None });
        let asked = Asked {
            bytes: text.as_bytes(),
            latin1: false,
            subject: &subject,
            database: "payments",
            schemas: &Arc::from(["public".to_owned()]),
            sure: true,
            temporary_at: 0,
            catalog: &Catalog::default(),
            wall_s: 0,
            limit: 1 << 20,
            card_key: None,
            estimated_rows: None,
        };
        cache.judge(policy, asked)
    }

    #[test]
    fn debug_says_no_word_of_a_text() {
        let policy = Arc::new(Policy::parse(POLICY, &policy::Names::default()).unwrap());
        let mut cache = StatementCache::new();
        for text in ["SELECT 'a secret word'", "SET application_name = 'a secret word'", "SELECT 1 AS secret"] {
            ask(&mut cache, &policy, "reconciler", text);
        }
        assert!(!format!("{cache:?}").contains("secret"));
    }

    /// Twice as many as an agent's room has entries, each said twice: nothing of another's goes.
    #[test]
    fn a_stream_of_unique_texts_evicts_nobody_elses() {
        let policy = Arc::new(Policy::parse(POLICY, &policy::Names::default()).unwrap());
        let mut cache = StatementCache::new();
        let first = ask(&mut cache, &policy, "reconciler", "SELECT 1");
        let own = ask(&mut cache, &policy, "stranger", "SELECT 1");
        for number in 0..2 * ENTRIES_MAX {
            for _ in 0..2 {
                ask(&mut cache, &policy, "stranger", &format!("SELECT 1 AS x{number}"));
            }
        }
        assert!(Arc::ptr_eq(&first, &ask(&mut cache, &policy, "reconciler", "SELECT 1")));
        assert!(!Arc::ptr_eq(&own, &ask(&mut cache, &policy, "stranger", "SELECT 1")), "its own room is bounded");
        let kept = &cache.agents["stranger"];
        assert!(kept.exact.young.len() + kept.exact.old.len() <= ENTRIES_MAX);
        assert!(kept.alike.young.len() + kept.alike.old.len() <= ENTRIES_MAX);
    }

    const SENSITIVE: &str = r#"
[[sensitive]]
columns = ["public.payments.pan"]
kind = "pan"

[[sensitive]]
columns = ["public.payments.cvv"]
kind = "cvv"

[[rule]]
name = "any"
action = "allow"

[[rule]]
name = "all of it"
statements = ["select"]
tables = ["public.tickets"]
unbounded = true
action = "hold"
"#;

    /// A database with `payments` and `tickets`.
    fn surveyed() -> Surveyed {
        let policy = Policy::parse(SENSITIVE, &policy::Names::default()).unwrap();
        let mut survey = Survey::new(&Arc::new(policy), "payments");
        let mut row = |result, values: &[&str]| {
            survey.row(&(result, values.iter().map(|value| Some((*value).to_owned())).collect())).unwrap();
        };
        let tables = [("16385", "payments", "id customer pan cvv amount"), ("16386", "tickets", "id note")];
        for (oid, table, _) in tables {
            row(7, &[oid, "public", table, "r", "", "f", "", ""]);
        }
        for (oid, table, columns) in tables {
            for (number, column) in (1..).zip(columns.split(' ')) {
                row(8, &[oid, &number.to_string(), column, "25"]);
                if table == "payments" {
                    row(5, &[oid, "public", table, &number.to_string(), column, "25"]);
                }
            }
            row(11, &[oid, "1"]);
        }
        survey.finish("payments", &Arc::default())
    }

    const TEXTS: &[&str] = &[
        "SELECT note FROM tickets WHERE id = %",
        "SELECT note FROM tickets LIMIT %",
        "SELECT pan FROM payments WHERE id = % LIMIT %",
        "SELECT id, pan FROM payments ORDER BY %",
        "SELECT pan, % FROM payments",
        "SELECT substr(pan, %, %) FROM payments",
        "SELECT pan::varchar(%) FROM payments",
        "SELECT id FROM payments WHERE pan = %",
        "SELECT id FROM payments WHERE pan LIKE %",
        "SELECT id FROM payments WHERE cvv = % AND id = %",
        "INSERT INTO payments VALUES (%, %, %, %, %)",
        "INSERT INTO tickets VALUES (%, %)",
        "UPDATE tickets SET note = % WHERE id = %;  -- done",
        "  DELETE FROM tickets WHERE id = % ; ",
        "SELECT set_config(%, %, false)",
        "SET search_path = %",
        "SELECT note FROM tickets WHERE id = % /* % */",
        "SELECT nowhere FROM tickets WHERE id = %",
        "SELECT note FROM missing WHERE id = %",
        "SELECT %::regclass, nextval(%)",
        "SELECT note FROM tickets WHERE id = % FOR UPDATE; SELECT %",
    ];
    const CONSTANTS: &[&str] = &[
        "1",
        "2",
        "3",
        "5",
        "40",
        "4000",
        "-7",
        "1.5",
        "99999999999",
        "'a'",
        "''",
        "'it''s'",
        "'4111111111111111'",
        "4111111111111111",
        "'4111%'",
        "'search_path'",
        "'public'",
        "E'\\'x'",
        "$q$ ' $q$",
        "NULL",
        "$1",
        "U&'a'",
        "'\u{e4}'",
        "B'1'",
    ];

    /// What is found in the cache is what judging the text anew gives: the verdict, the record's words, where its statements stand.
    #[test]
    fn what_is_found_is_what_would_be_judged() {
        let surveyed = surveyed();
        let subject = policy::Subject { agent: "reconciler".to_owned(), groups: Vec::new(), signed: None };
        let asker = Asker::new(subject, &["public".to_owned()], 0);
        let mut cache = StatementCache::new();
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut below = |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % bound
        };
        for _ in 0..20_000 {
            let mut text = TEXTS[below(TEXTS.len())].to_owned();
            while let Some(at) = text.find('%') {
                // A percent sign of a constant stays one.
                text.replace_range(at..=at, &CONSTANTS[below(CONSTANTS.len())].replace('%', "\u{1}"));
            }
            let text = text.replace('\u{1}', "%");
            let asked = surveyed.asked(&asker, text.as_bytes());
            let (found, anew) = (cache.judge(&surveyed.policy, asked), judge(&surveyed.policy, &asked));
            assert_eq!((&found.text, &found.part, found.bytes()), (&anew.text, &anew.part, anew.bytes()), "{text}");
            assert_eq!(said(&found), said(&anew), "{text}");
            for at in 0..anew.statements.len() {
                assert_eq!(found.span(at), anew.span(at), "{text}");
            }
        }
        let lookups = cache.lookups();
        assert!(lookups.alike > 1_000 && lookups.exact > 1_000 && lookups.judged > 1_000, "{lookups:?}");
    }

    /// All of a verdict but the text and the places in it.
    fn said(judged: &Judged) -> String {
        let Meaning {
            statements,
            refusal,
            rule,
            allowed,
            sensitive,
            secret,
            derived,
            rows_over,
            results,
            wants_estimate,
            ..
        } = &*judged.meaning;
        let mut statements = statements.clone();
        statements.iter_mut().for_each(|statement| statement.span = 0..0);
        format!(
            "{statements:?} {refusal:?} {rule:?} {allowed:?} {sensitive} {secret} {derived:?} {rows_over:?} {results:?} {wants_estimate}"
        )
    }

    /// The place of a text is of all of its bytes and of their order.
    #[test]
    fn every_byte_decides_the_place() {
        let text: Vec<u8> = (0..600_u32).map(|at| (at * 7 % 251) as u8).collect();
        let mut texts = BTreeSet::from([text.clone()]);
        for at in 0..text.len() {
            texts.insert(text[..at].to_vec());
            for other in [0, 1, 0x80, text[at].wrapping_add(1)] {
                let mut changed = text.clone();
                changed[at] = other;
                texts.insert(changed);
            }
            let mut swapped = text.clone();
            swapped.swap(at, at.saturating_sub(8));
            texts.insert(swapped);
        }
        let places: BTreeSet<u64> = texts.iter().map(|text| digest(text, 0)).collect();
        assert_eq!(places.len(), texts.len());
        assert_ne!(digest(&text, 0), digest(&text, 1));
    }

    /// A room that is full of one agent's shapes costs another nothing, and a text that was never said is no hit of a shape that reads its value.
    #[test]
    fn another_agent_or_database_has_no_part_in_a_shape() {
        let policy = Arc::new(Policy::parse(POLICY, &policy::Names::default()).unwrap());
        let mut cache = StatementCache::new();
        ask(&mut cache, &policy, "reconciler", "SELECT 1");
        ask(&mut cache, &policy, "reconciler", "SELECT 2");
        assert_eq!(cache.lookups().alike, 1);
        ask(&mut cache, &policy, "stranger", "SELECT 3");
        let other = Arc::new(Policy::parse(POLICY, &policy::Names::default()).unwrap());
        ask(&mut cache, &other, "reconciler", "SELECT 4");
        assert_eq!(cache.lookups(), Lookups { exact: 0, alike: 1, judged: 3 });
    }
}
