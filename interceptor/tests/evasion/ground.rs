//! Where attacks happen: a database server with the corpus in a template, the service in front of it, an agent that dials.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::client::{Manner, Talk, Way};
use crate::corpus::Corpus;
use crate::raw::Agent;
use crate::secrets::Secrets;
use crate::server_log::{self, ServerLog};
use crate::stage::{Stage, postgres_bin};
use crate::stand::{Folder, Postgres};

/// What agents may do here.
const POLICY: &str = include_str!("policy.toml");
/// The superuser's statements before the setup of the corpus.
const ROLES: &[&str] = &["CREATE ROLE agent LOGIN", "CREATE ROLE dba LOGIN SUPERUSER"];
/// What the cases ask of the server.
const SETTINGS: &str =
    "max_connections = 60\nautovacuum = off\nwal_level = logical\nmax_replication_slots = 4\nmax_wal_size = 256MB\n";

/// More agents than the usual one, under the same rules: what one spends of its errors in an hour another has left.
const SPARE_AGENTS: usize = 400;
/// So many cases are one agent's.
const CASES_OF_AN_AGENT: usize = 300;

/// All of it.
pub struct Ground {
    pub corpus: Corpus,
    pub secrets: Secrets,
    pub agent: Agent,
    pub stage: Stage,
    /// A database like the template, for runs past the service that change nothing.
    pub direct: String,
    /// Where the server may write.
    folder: Folder,
    log: PathBuf,
    /// Each case's words are printed, digits hidden.
    pub shows: bool,
    count: AtomicUsize,
    /// How many of the other agents have been started.
    spent: AtomicUsize,
    /// Whose turn it is, and how many cases it has had.
    taken: Mutex<(Arc<Agent>, usize)>,
}

impl Ground {
    /// `None`, said loudly, where the kernel tests cannot run.
    pub fn set() -> Option<Ground> {
        Ground::under(POLICY)
    }

    /// Under another policy.
    pub fn under(policy: &str) -> Option<Ground> {
        let settings = format!("{SETTINGS}{}", server_log::SETTING);
        let login = Folder::new("login").expect("a folder");
        let passfile = login.path().join("evasion");
        std::fs::write(&passfile, "open sesame").expect("written");
        std::fs::set_permissions(&passfile, Permissions::from_mode(0o600)).expect("ours alone");
        let lines =
            format!("[database.login]\nuser = \"planner\"\npassfile = \"{}\"\n", passfile.display()) + &spare_agents();
        let stage = Stage::before(&lines, policy, || {
            let database = Postgres::start_in(in_memory()?, &postgres_bin(), &settings)?;
            let hba = database.socket_folder().join("data/pg_hba.conf");
            let trusting = std::fs::read_to_string(&hba)?;
            std::fs::write(&hba, format!("host all planner all scram-sha-256\n{trusting}"))?;
            database.sql(
                "postgres",
                "CREATE ROLE planner LOGIN PASSWORD 'open sesame' IN ROLE pg_read_all_data; SELECT pg_reload_conf()",
            )?;
            Ok(database)
        })?;
        let corpus = Corpus::read();
        let sql = |database: &str, sql: &str| stage.database.sql(database, sql).expect("the corpus is set up");
        for role in ROLES {
            sql("postgres", role);
        }
        sql("postgres", "CREATE DATABASE evasion OWNER dba");
        sql("evasion", &format!("SET SESSION AUTHORIZATION dba; {}", corpus.setup.sql));
        let folder = Folder::new("evasion").expect("a folder");
        let secrets = Secrets::new(&corpus.pans);
        let agent = Agent::start(&stage);
        let taken = Mutex::new((Arc::new(Agent::start(&stage)), 0));
        let log = stage.database.socket_folder().join("log");
        let direct = String::new();
        let mut ground = Ground {
            corpus,
            secrets,
            agent,
            stage,
            direct,
            folder,
            log,
            shows: false,
            count: AtomicUsize::new(0),
            spent: AtomicUsize::new(0),
            taken,
        };
        ground.direct = ground.create("evasion");
        Some(ground)
    }

    /// The server's log from now on.
    pub fn log(&self) -> ServerLog {
        ServerLog::from_here(self.log.clone())
    }

    /// An agent that has spent nothing; the last of them again when there are no more.
    pub fn spare_agent(&self) -> Agent {
        let at = self.spent.fetch_add(1, Ordering::Relaxed).min(SPARE_AGENTS - 1);
        Agent::start_as(&self.stage, &format!("spare-{at}"))
    }

    /// The agent of a case. What fails over a sensitive value is counted: many cases are for several agents.
    pub fn agent_of_case(&self) -> Arc<Agent> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.1 >= CASES_OF_AN_AGENT {
            *taken = (Arc::new(self.spare_agent()), 0);
        }
        taken.1 += 1;
        Arc::clone(&taken.0)
    }

    /// A folder in which the server may write.
    pub fn folder(&self, name: &str) -> String {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("the server may write there");
        folder.display().to_string()
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
        let failed = talk.finish().turns.iter().any(|turn| turn.heard.iter().any(|message| message.tag == b'E'));
        assert!(!failed, "the server refuses {sql}");
    }

    /// What a case may have left in the cluster.
    pub fn restore(&self) {
        let sql = "ALTER ROLE agent RESET ALL; SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots";
        for one in sql.split("; ") {
            self.stage.database.sql("postgres", one).expect("the cluster is as it was");
        }
    }
}

fn spare_agents() -> String {
    (0..SPARE_AGENTS).map(|at| format!("[[agent]]\nname = \"spare-{at}\"\n")).collect()
}

/// A folder for the server's files: in memory where the host has that, because hundreds of databases are made and dropped.
fn in_memory() -> std::io::Result<Folder> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { Folder::below(memory, "evasion") } else { Folder::new("evasion") }
}
