//! Cases, run: each in a fresh database, once directly and once as an agent through the service, several at a time.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::client::{Heard, Manner, Talk, Way};
use crate::corpus::{Case, Corpus};
use crate::judge::{Judged, judge};
use crate::raw::Agent;
use crate::recipes;
use crate::report;
use crate::secrets::Secrets;
use crate::server_log::{self, ServerLog};
use crate::stage::{Stage, postgres_bin};
use crate::stand::{Folder, Postgres};

/// What agents may do here.
const POLICY: &str = include_str!("policy.toml");
/// The superuser's statements before the setup of the corpus; the template is dba's, as the corpus wants it.
const ROLES: &str = "CREATE ROLE agent LOGIN; CREATE ROLE dba LOGIN SUPERUSER";
/// Connections and wal_level: what the cases ask of the server.
const SETTINGS: &str = "max_connections = 60\nautovacuum = off\nwal_level = logical\nmax_replication_slots = 4\n";
/// What of a case reaches beyond its database (roles, slots, the server's configuration), and would be seen by another.
const ALONE: &[&str] = &["cpy-security-label-role", "srv-alter-system", "srv-logical-slot", "inf-advisory-lock"];
/// How many cases run at a time.
const WORKERS: usize = 6;

/// A database server with the corpus in a template, the service in front of it, an agent.
pub struct Ground {
    pub corpus: Corpus,
    pub secrets: Secrets,
    pub agent: Agent,
    pub stage: Stage,
    /// Where the server may write.
    folder: Folder,
    log: PathBuf,
    /// Each case's words are printed, digits hidden.
    pub shows: bool,
    count: AtomicUsize,
}

impl Ground {
    /// `None`, said loudly, where the kernel tests cannot run.
    pub fn set() -> Option<Ground> {
        Ground::under(POLICY)
    }

    /// Under another policy.
    pub fn under(policy: &str) -> Option<Ground> {
        let settings = format!("{SETTINGS}{}", server_log::SETTING);
        let stage = Stage::before("", policy, || Postgres::start(&postgres_bin(), &settings))?;
        let corpus = Corpus::read();
        let sql = |database: &str, sql: &str| stage.database.sql(database, sql).expect("the corpus is set up");
        for role in ROLES.split("; ") {
            sql("postgres", role);
        }
        sql("postgres", "CREATE DATABASE evasion OWNER dba");
        sql("evasion", &format!("SET SESSION AUTHORIZATION dba; {}", corpus.setup.sql));
        let folder = Folder::new("evasion").expect("a folder");
        let secrets = Secrets::new(&corpus.pans);
        let agent = Agent::start(&stage);
        let log = stage.database.socket_folder().join("log");
        Some(Ground { corpus, secrets, agent, stage, folder, log, shows: false, count: AtomicUsize::new(0) })
    }

    /// Both runs of a case, and what is thought of them.
    pub fn run(&self, case: &Case, manner: Manner) -> Judged {
        let alone = ALONE.contains(&case.id.as_str());
        let (direct, _) = self.talk(case, Way::Direct(self.port()), Manner { pieces: None, ..manner });
        if alone {
            self.restore();
        }
        let (through, executed) = self.talk(case, Way::Agent(&self.agent), manner);
        if alone {
            self.restore();
        }
        let judged = judge(case, &self.secrets, &direct, &through, &executed);
        if self.shows {
            println!("{}\n directly\n{} as an agent\n{}", case.id, report::shown(&direct), report::shown(&through));
        }
        judged
    }

    /// One run in a database of its own: what was heard, and what the server executed.
    fn talk(&self, case: &Case, way: Way<'_>, manner: Manner) -> (Heard, Vec<String>) {
        let name = self.create("evasion");
        let folder = self.folder.path().join(&name);
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("the server may write there");
        let log = ServerLog::from_here(self.log.clone());
        let talk = Talk::new(way, &name, &folder.display().to_string(), manner);
        perform(case, &talk);
        let heard = talk.finish();
        let executed = log.executed(&name);
        self.drop(&name);
        (heard, executed)
    }

    /// A fresh database like this one.
    pub fn create(&self, template: &str) -> String {
        self.create_as(format!("ev_{}", self.count.fetch_add(1, Ordering::Relaxed)), template)
    }

    /// One of this name.
    pub fn create_as(&self, name: String, template: &str) -> String {
        self.maintain(&format!("CREATE DATABASE {name} TEMPLATE {template} OWNER dba"));
        name
    }

    /// One like it in which this was run as the superuser.
    pub fn prepare(&self, template: &str, sql: &str) -> String {
        let name = self.create(template);
        self.stage.database.sql(&name, sql).expect("its tables");
        name
    }

    pub fn drop(&self, name: &str) {
        self.maintain(&format!("DROP DATABASE {name} WITH (FORCE)"));
    }

    /// The database server's.
    pub fn port(&self) -> u16 {
        self.stage.database.port
    }

    /// `{name}` becomes the OID of that relation.
    pub fn with_oids(&self, database: &str, text: &str) -> String {
        let mut text = text.to_owned();
        for relation in ["customers", "accounts", "visits", "active_customers", "totals"] {
            let place = format!("{{{relation}}}");
            if text.contains(&place) {
                let sql = format!("SELECT '{relation}'::regclass::oid");
                text = text.replace(&place, self.stage.database.sql(database, &sql).expect("known").trim());
            }
        }
        text
    }

    fn maintain(&self, sql: &str) {
        let talk = Talk::new(Way::Direct(self.port()), "postgres", "", Manner::default());
        talk.login("postgres", &[]).q(sql);
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
                        let one = self.run(case, Manner::default());
                        judged.lock().unwrap_or_else(PoisonError::into_inner).push((*index, one));
                    }
                });
            }
        });
        let mut judged = judged.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (index, case) in alone {
            judged.push((index, self.run(case, Manner::default())));
        }
        judged.sort_by_key(|(index, _)| *index);
        judged.into_iter().map(|(_, one)| one).collect()
    }

    /// What a case may have left in the cluster.
    fn restore(&self) {
        let sql = "ALTER ROLE agent RESET ALL; SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots";
        for one in sql.split("; ") {
            self.stage.database.sql("postgres", one).expect("the cluster is as it was");
        }
    }
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
