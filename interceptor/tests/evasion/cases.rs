//! Cases, run: each in a fresh database, once directly and once as an agent through the service, several at a time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::client::{Heard, Manner, Talk, Way};
use crate::corpus::Case;
use crate::ground::Ground;
use crate::judge::{Judged, judge};
use crate::recipes;
use crate::report;

/// What of a case reaches beyond its database (roles, slots, the server's configuration), and would be seen by another.
pub const ALONE: &[&str] = &["cpy-security-label-role", "srv-alter-system", "srv-logical-slot", "inf-advisory-lock"];
/// How many cases run at a time.
const WORKERS: usize = 6;

/// Where a case runs.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// In a database of its own, made from this one.
    Fresh(&'a str),
    /// In this one, which it leaves as it was.
    In(&'a str),
}

impl Ground {
    /// Both runs of a case, and what is thought of them.
    pub fn run(&self, case: &Case, manner: Manner, place: Place<'_>) -> Judged {
        let alone = ALONE.contains(&case.id.as_str());
        // Directly, what changes nothing needs no database of its own.
        let beside =
            if reads(case) && matches!(place, Place::Fresh("evasion")) { Place::In(&self.direct) } else { place };
        let (direct, _) = self.talk(case, Way::Direct(self.port()), Manner { pieces: None, ..manner }, beside);
        if alone {
            self.restore();
        }
        let (through, executed) = self.talk(case, Way::Agent(&self.agent_of_case()), manner, place);
        if alone {
            self.restore();
        }
        let judged = judge(case, &self.secrets, &direct, &through, &executed);
        if self.shows {
            println!("{}\n directly\n{} as an agent\n{}", case.id, report::shown(&direct), report::shown(&through));
        }
        judged
    }

    /// One run: what was heard, and what the server executed.
    fn talk(&self, case: &Case, way: Way<'_>, manner: Manner, place: Place<'_>) -> (Heard, Vec<String>) {
        let template = match place {
            Place::In(name) => return self.talk_in(name, "", case, way, manner),
            Place::Fresh(template) => template,
        };
        let name = self.create(template);
        let heard = self.talk_in(&name, &self.folder(&name), case, way, manner);
        self.drop(&name);
        heard
    }

    fn talk_in(&self, name: &str, folder: &str, case: &Case, way: Way<'_>, manner: Manner) -> (Heard, Vec<String>) {
        let log = self.log();
        let talk = Talk::new(way, name, folder, manner);
        perform(case, &talk);
        (talk.finish(), log.executed(name))
    }

    /// All of these, in their order.
    pub fn run_all(&self, cases: &[&Case]) -> Vec<Judged> {
        let next = AtomicUsize::new(0);
        let judged = Mutex::new(Vec::new());
        let (alone, together): (Vec<_>, Vec<_>) =
            cases.iter().enumerate().partition(|(_, case)| ALONE.contains(&case.id.as_str()));
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    while let Some((index, case)) = together.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let one = self.run(case, Manner::default(), Place::Fresh("evasion"));
                        judged.lock().unwrap_or_else(PoisonError::into_inner).push((*index, one));
                    }
                });
            }
        });
        let mut judged = judged.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (index, case) in alone {
            judged.push((index, self.run(case, Manner::default(), Place::Fresh("evasion"))));
        }
        judged.sort_by_key(|(index, _)| *index);
        judged.into_iter().map(|(_, one)| one).collect()
    }
}

/// Whether a case leaves nothing behind but what ends with its session.
pub fn reads(case: &Case) -> bool {
    const STARTS: &[&str] = &[
        "SELECT",
        "WITH",
        "VALUES",
        "EXPLAIN",
        "COPY (",
        "BEGIN",
        "COMMIT",
        "DECLARE",
        "FETCH",
        "MOVE",
        "PREPARE",
        "EXECUTE",
        "SHOW",
        "SET client_encoding",
        "CREATE TEMP",
        "SET standard_conforming_strings",
        ";;/*",
    ];
    const WRITES: &[&str] = &[
        "DELETE",
        "INSERT",
        "UPDATE",
        "MERGE",
        "DROP",
        "lo_",
        "setval",
        "pg_create",
        "pg_drop",
        "schema_to_xml",
        "wr()",
        "IN (%L)",
        "CREATE EXTENSION",
    ];
    case.role == "agent"
        && !case.steps.is_empty()
        && case.steps.iter().all(|step| {
            STARTS.iter().any(|start| step.starts_with(start)) && !WRITES.iter().any(|word| step.contains(word))
        })
}

/// Says what the case says.
pub fn perform(case: &Case, talk: &Talk<'_>) {
    if let Some(recipe) = recipes::of(&case.id).filter(|_| case.recipe.is_some()) {
        return recipe(talk);
    }
    let mut session = talk.login(&case.role, &[]);
    for step in &case.steps {
        if step == "-- new session" {
            session = talk.login(&case.role, &[]);
        } else {
            session.statement(&talk.fill(step));
        }
    }
    session.after();
}

/// Cases that are known not to be contained, one id a line: the list only shrinks.
const KNOWN: &str = include_str!("known-leaks.txt");

/// The visible corpus: whatever is not on the list is contained, and what is on it is not.
#[test]
fn the_visible_corpus_is_contained() {
    let Some(ground) = Ground::set() else { return };
    let judged = ground.run_all(&ground.corpus.case.iter().collect::<Vec<_>>());
    println!("{}", report::text(&judged));
    let known = report::names(KNOWN);
    let leaky: BTreeSet<&str> = judged.iter().filter(|one| !one.is_contained()).map(|one| one.id.as_str()).collect();
    let new: Vec<_> = leaky.difference(&known).collect();
    let gone: Vec<_> = known.difference(&leaky).collect();
    assert!(new.is_empty(), "not contained, and not in known-leaks.txt: {new:?}");
    assert!(gone.is_empty(), "contained; take them off known-leaks.txt: {gone:?}");
}
