//! A role of the database for each job: unchanged clients with a placeholder, a PostgreSQL that asks for scram-sha-256.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::clients;
use crate::dice::Dice;
use crate::stage::{Answer, POLICY, Stage, postgres_bin};
use crate::stand::ci::Ci;
use crate::stand::{Folder, Postgres, succeed};

/// Of the owner, who may make roles and nothing else.
const OWNER: &str = "CREATE ROLE roles_owner LOGIN CREATEROLE PASSWORD 'the owner''s own'; \
    CREATE ROLE payments_ro NOLOGIN; CREATE ROLE plain_ro NOLOGIN; CREATE ROLE heir NOLOGIN";
const GRANTS: &str = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO payments_ro; GRANT SELECT ON plain TO plain_ro";
/// PostgreSQL 16 and newer: CREATEROLE alone grants no role that it did not make.
const ADMIN: &str =
    "GRANT payments_ro TO roles_owner WITH ADMIN OPTION; GRANT plain_ro TO roles_owner WITH ADMIN OPTION";
const OURS: &str = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'icpt\\_%'";
/// How long a role that is over may stay.
const PATIENCE: Duration = Duration::from_secs(60);

struct Roles {
    stage: Stage,
    _folder: Folder,
}

impl Roles {
    fn set(owner: &str) -> Option<Roles> {
        Roles::set_beside(owner, "")
    }

    /// With these tables beside the database's.
    fn set_beside(owner: &str, tables: &str) -> Option<Roles> {
        let folder = Folder::new("owner").expect("a folder");
        let path = folder.path().join("owner");
        std::fs::write(&path, "the owner's own\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        let lines = format!(
            "[database.credentials]\nmode = \"ephemeral\"\n[database.credentials.owner]\nuser = \"roles_owner\"\npassfile = \"{}\"\n{owner}\n\
             [[database.credentials.role]]\nfor = [\"report*\"]\ngrants = [\"plain_ro\"]\n\
             [[database.credentials.role]]\nagents = [\"group:payments-agents\"]\nfor = [\"app\"]\ngrants = [\"payments_ro\"]\n{tables}",
            path.display()
        );
        let stage = Stage::before(&lines, POLICY, || {
            let database = Postgres::start(&postgres_bin(), "")?;
            let rules = "local all all trust\nhost all all all scram-sha-256\n";
            std::fs::write(database.socket_folder().join("data/pg_hba.conf"), rules)?;
            database.control("restart")?;
            database.sql("postgres", OWNER)?;
            Ok(database)
        })?;
        stage.database.sql("postgres", GRANTS).expect("granted");
        let version = stage.database.sql("postgres", "SHOW server_version_num").expect("a version");
        if version.trim().parse::<u32>().expect("a number") >= 160_000 {
            stage.database.sql("postgres", ADMIN).expect("granted");
        }
        Some(Roles { stage, _folder: folder })
    }

    fn words(&self, user: &str) -> String {
        format!("host=127.0.0.1 port={} dbname=postgres user={user} password=placeholder", self.stage.database.port)
    }

    /// One job of one statement.
    fn ask(&self, user: &str, sql: &str) -> Answer {
        let words = self.words(user);
        let mut command = self.stage.service.exec("reconciler", "psql", &["-X", "-At", "-d", &words, "-c", sql]);
        command.env("HOME", "/nonexistent");
        Answer::of(command.output().expect("psql starts"))
    }

    fn job(&self) -> Job {
        self.begun(self.stage.service.exec("reconciler", "psql", &["-X", "-At", "-d", &self.words("app"), "-f", "-"]))
    }

    /// A job that is who this token says.
    fn job_of(&self, token: &Path) -> Job {
        let mut exec = self.stage.service.verb("exec");
        exec.args(["--agent", "reconciler", "--user", "nobody", "--token-file"]).arg(token);
        exec.args(["--", "psql", "-X", "-At", "-d", &self.words("app"), "-f", "-"]).current_dir("/");
        self.begun(exec)
    }

    fn begun(&self, mut command: Command) -> Job {
        command.env("HOME", "/nonexistent").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("psql starts");
        let (to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Job { child, to: Some(to), from: BufReader::new(from) }
    }

    fn told(&self, change: &str) -> Vec<String> {
        let change = format!("\"change\":\"{change}\"");
        let is_it = |line: &String| line.contains("\"type\":\"credential\"") && line.contains(&change);
        self.stage.record().into_iter().filter(is_it).collect()
    }

    #[track_caller]
    fn becomes(&self, what: &str, sql: &str, expected: &str) {
        let said = || self.stage.database.sql("postgres", sql).expect("the database answers");
        eventually(what, || said().trim() == expected);
    }

    #[track_caller]
    fn has_none_left(&self) {
        self.becomes("no role is left", OURS, "0");
    }
}

/// Looks again and again, for a bounded time.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A psql that goes on until its input ends.
struct Job {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Job {
    fn ask(&mut self, sql: &str) -> String {
        let to = self.to.as_mut().expect("it goes on");
        writeln!(to, "{sql};").expect("it reads");
        let mut line = String::new();
        self.from.read_line(&mut line).expect("it answers");
        line.trim().to_owned()
    }

    fn role(&mut self) -> String {
        self.ask("SELECT session_user")
    }

    fn end(mut self) {
        drop(self.to.take());
        self.child.wait().expect("it ends");
    }
}

#[test]
fn three_jobs_are_three_roles_and_leave_none() {
    let Some(here) = Roles::set("") else { return };
    let mut jobs = [here.job(), here.job(), here.job()];
    let roles: Vec<String> = jobs.iter_mut().map(Job::role).collect();
    assert!(roles.iter().all(|role| role.starts_with("icpt_reconciler_")), "{roles:?}");
    assert!(roles[0] != roles[1] && roles[1] != roles[2] && roles[0] != roles[2], "{roles:?}");
    assert_eq!(jobs[0].ask("SELECT count(*) FROM payments"), "5");
    here.stage.database_has(OURS, "3");
    let member = "SELECT DISTINCT g.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid WHERE r.rolname LIKE 'icpt%'";
    here.stage.database_has(member, "payments_ro");
    // Past the interceptor the placeholder opens nothing, and the role has no other password that anybody knows.
    let direct = here.words(&roles[0]);
    let output =
        Command::new("psql").args(["-X", "-At", "-d", &direct, "-c", "SELECT 1"]).output().expect("psql starts");
    Answer::of(output).refused("password authentication failed");
    jobs.into_iter().for_each(Job::end);
    here.has_none_left();
    eventually("three are recorded as dropped", || here.told("dropped").len() == 3);
    let created = here.told("created");
    assert_eq!(created.len(), 3);
    for role in &roles {
        let line = created.iter().find(|line| line.contains(role.as_str())).expect("recorded");
        assert!(line.contains("\"grants\":[\"payments_ro\"]") && line.contains("\"agent\":\"reconciler\""), "{line}");
    }
    let log = here.stage.database.log();
    assert!(log.contains("PASSWORD 'SCRAM-SHA-256$4096:"), "the server is told the verifier");
    assert!(
        !log.contains("the owner's own") && !here.stage.service.log().contains("ALERT"),
        "{}",
        here.stage.service.log()
    );
}

#[test]
fn sessions_of_one_job_share_its_role() {
    let Some(here) = Roles::set("") else { return };
    let words = here.words("app");
    let script = format!("for i in 1 2 3; do psql -X -At -d '{words}' -c 'SELECT session_user'; done");
    let mut command = here.stage.service.exec("reconciler", "/bin/sh", &["-c", &script]);
    command.env("HOME", "/nonexistent");
    let answer = Answer::of(command.output().expect("it starts"));
    let roles: Vec<&str> = answer.out.lines().collect();
    assert!(roles.len() == 3 && roles.iter().all(|role| *role == roles[0]), "{roles:?} {}", answer.err);
    here.has_none_left();
}

#[test]
fn psycopg_is_a_job_too() {
    let Some(folder) = clients::python() else { return };
    let Some(here) = Roles::set("") else { return };
    let script = format!(
        "import psycopg\nc = psycopg.connect('{}')\nprint(c.execute('SELECT session_user').fetchone()[0], c.execute('SELECT count(*) FROM payments').fetchone()[0], c.pgconn.used_password)\n",
        here.words("app")
    );
    let mut command = here.stage.service.exec("reconciler", "/usr/bin/python3", &["-B", "-c", &script]);
    command.env("HOME", "/nonexistent").env("PYTHONPATH", folder.join("python"));
    let answer = Answer::of(command.output().expect("python starts"));
    assert!(
        answer.out.starts_with("icpt_reconciler_") && answer.out.trim_end().ends_with(" 5 False"),
        "{} {}",
        answer.out,
        answer.err
    );
    here.has_none_left();
}

#[test]
fn rights_are_the_rules_and_without_a_rule_there_are_none() {
    let Some(here) = Roles::set("") else { return };
    here.ask("reports", "SELECT count(*) FROM plain").says("0");
    here.ask("reports", "SELECT count(*) FROM payments").refused("permission denied for table payments");
    here.ask("other", "SELECT 1").refused("no [[database.credentials.role]] is for this agent and this user");
    here.ask("app", "SET ROLE payments_ro").refused("no rule of the policy allows set-role");
    here.has_none_left();
}

#[test]
fn what_a_kill_leaves_is_dropped_by_the_next_run() {
    let Some(mut here) = Roles::set("") else { return };
    let mut job = here.job();
    let role = job.role();
    // Another host's, of the same name and another mark; and one without a mark.
    here.stage
        .database
        .sql("postgres", "CREATE ROLE icpt_other; COMMENT ON ROLE icpt_other IS 'interceptor 0000000000000000: a role of one job, dropped when the job is over'; CREATE ROLE icpt_nobodys")
        .expect("made");
    here.stage.service.stop("KILL").expect("killed");
    job.end();
    here.stage.database_has(OURS, "3");
    here.stage.service.run().expect("it starts again");
    here.becomes("the janitor has dropped it", OURS, "2");
    eventually("it is recorded", || here.told("dropped").iter().any(|line| line.contains(&role)));
    here.ask("app", "SELECT 1").says("1");
    here.becomes("others' stay", OURS, "2");
}

#[test]
fn with_the_database_down_a_role_is_dropped_later() {
    let Some(here) = Roles::set("") else { return };
    let mut job = here.job();
    let role = job.role();
    here.stage.database.control("stop").expect("stopped");
    job.end();
    eventually("it is told that it could not be", || here.told("kept").iter().any(|line| line.contains(&role)));
    assert!(here.stage.service.log().contains("ALERT: a job is over and its role could not be dropped"));
    here.stage.database.control("start").expect("started");
    here.has_none_left();
    eventually("it is recorded", || here.told("dropped").iter().any(|line| line.contains(&role)));
}

const WHOSE: &str = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'plain'";

#[test]
fn what_a_job_owns_becomes_the_heirs() {
    let Some(here) = Roles::set("heir = \"heir\"") else { return };
    here.stage.database.sql("postgres", "GRANT heir TO roles_owner").expect("granted");
    let mut job = here.job();
    let role = job.role();
    here.stage.database.sql("postgres", &format!("ALTER TABLE plain OWNER TO {role}")).expect("given");
    job.end();
    here.has_none_left();
    here.stage.database_has(WHOSE, "heir");
}

#[test]
fn without_an_heir_what_a_job_owns_stays_with_its_locked_role() {
    let Some(here) = Roles::set("") else { return };
    let mut job = here.job();
    let role = job.role();
    // A right that a superuser gave it by name is not the owner's to take.
    let given = format!("ALTER TABLE plain OWNER TO {role}; GRANT SELECT ON tickets TO {role}");
    here.stage.database.sql("postgres", &given).expect("given");
    job.end();
    eventually("it is told", || here.told("kept").iter().any(|line| line.contains("it owns something")));
    here.stage.database_has(WHOSE, &role);
    here.stage.database_has(&format!("SELECT rolcanlogin FROM pg_roles WHERE rolname = '{role}'"), "f");
    here.stage.database.sql("postgres", "ALTER TABLE plain OWNER TO app").expect("given back");
    eventually("the other reason is told", || here.told("kept").iter().any(|line| line.contains("2BP01")));
    here.stage.database.sql("postgres", &format!("REVOKE SELECT ON tickets FROM {role}")).expect("taken back");
    here.has_none_left();
}

#[test]
fn an_owner_without_the_right_makes_no_role() {
    let Some(here) = Roles::set("") else { return };
    here.stage.database.sql("postgres", "ALTER ROLE roles_owner NOCREATEROLE").expect("altered");
    here.ask("app", "SELECT 1").refused("the owner has no right to do that");
    assert!(here.told("refused").iter().any(|line| line.contains("42501")));
    here.has_none_left();
}

/// The job itself goes on: its role ends by its token alone, and with it its session.
fn ends_by(holds_s: u64, cause: &str, end: impl FnOnce(&Roles, &str)) {
    let ci = Ci::new().expect("an issuer");
    let Some(here) = Roles::set_beside("", &ci.tables()) else { return };
    let token = ci.file("job", &ci.token(1, holds_s, serde_json::json!({}))).expect("written");
    let mut job = here.job_of(&token);
    let role = job.role();
    assert!(role.starts_with("icpt_reconciler_"), "{role}\n{}", here.stage.service.log());
    // One that nothing ends stands beside it.
    let mut other = here.job();
    let others = other.role();
    end(&here, "ci:74/1/1");
    here.becomes("the other's role alone is left", OURS, "1");
    here.stage.database_has(&format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'"), "0");
    here.stage.database_has(&format!("SELECT count(*) FROM pg_roles WHERE rolname = '{others}'"), "1");
    eventually("it is recorded", || here.told("dropped").iter().any(|line| line.contains(&role)));
    let line = here.told("dropped").into_iter().find(|line| line.contains(&role)).expect("recorded");
    assert!(line.contains(cause) && line.contains("\"principal\":\"ci:74/1/1\""), "{line}");
    // Its psql is there, and has no session any more.
    assert!(job.child.try_wait().expect("asked").is_none(), "the job goes on");
    assert_eq!(job.ask("SELECT 1"), "");
    assert_eq!(other.role(), others, "the other goes on");
    // By the clock of the record: a turn of the janitor and three statements take a second or two; a busy machine has more time.
    let time = |line: &str| {
        let one: serde_json::Value = serde_json::from_str(line).expect("JSON");
        one["time"].as_str().expect("a time").to_owned()
    };
    let token = |change: &str| {
        let change = format!("\"change\":\"{change}\"");
        let is_it = |line: &String| line.contains("\"type\":\"token\"") && line.contains(&change);
        here.stage.record().into_iter().find(is_it).expect("recorded")
    };
    let ended = match cause {
        "revoked" => format!("'{}'", time(&token("revoked"))),
        _ => format!(
            "to_timestamp({})",
            serde_json::from_str::<serde_json::Value>(&token("bound")).expect("JSON")["token_expires"]
        ),
    };
    let within = format!("SELECT '{}'::timestamptz - {ended}::timestamptz < interval '60 s'", time(&line));
    here.stage.database_has(&within, "t");
    other.end();
    job.end();
    here.has_none_left();
}

#[test]
fn a_role_ends_with_its_jobs_token() {
    ends_by(15, "expired", |_, _| {});
}

#[test]
fn a_role_ends_when_its_jobs_token_is_revoked() {
    ends_by(600, "revoked", |here, principal| {
        let mut verb = here.stage.service.verb("identity revoke");
        let told = Answer::of(verb.args([principal, "--reason", "it leaks"]).output().expect("the verb starts"));
        assert!(told.ok, "{}", told.err);
    });
}

/// A job that asks who it is, again and again, on one connection after the other, until it is killed.
fn churn(here: &Roles, dice: &mut Dice) -> Vec<String> {
    let words = here.words("app");
    let asks = "-c 'SELECT session_user' -c 'SELECT session_user'";
    let script = format!("while :; do psql -X -q -At -d '{words}' {asks} 2>/dev/null; done");
    let mut command = here.stage.service.exec("reconciler", "/bin/sh", &["-c", &script]);
    command.env("HOME", "/nonexistent").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let from = child.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).collect::<Vec<_>>());
    std::thread::sleep(Duration::from_millis(dice.below(700) as u64));
    // Half of them die with who watches over them.
    let signal = if dice.below(2) == 0 { "KILL" } else { "TERM" };
    succeed(Command::new("kill").args(["-s", signal, &child.id().to_string()])).expect("killed");
    child.wait().expect("it has ended");
    reader.join().expect("read")
}

#[test]
fn jobs_that_are_killed_leave_no_role_and_never_have_anothers() {
    let Some(mut here) = Roles::set("") else { return };
    let number = |name: &str, usual: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (count, seed) = (number("INTERCEPTOR_ROLE_JOBS", 50), number("INTERCEPTOR_SEED", 1));
    const AT_ONCE: u64 = 5;
    // The service is killed so often meanwhile, each time in the middle of what it does.
    let rounds = 5.min(count.div_ceil(AT_ONCE));
    let (mut whose, mut answers, mut asked) = (BTreeMap::<String, u64>::new(), 0, 0);
    for round in 0..rounds {
        let jobs = count / rounds + u64::from(round < count % rounds);
        let lanes: Vec<u64> = (0..AT_ONCE).map(|lane| jobs / AT_ONCE + u64::from(lane < jobs % AT_ONCE)).collect();
        let said: Vec<Vec<String>> = std::thread::scope(|scope| {
            let here = &here;
            let all: Vec<_> = lanes
                .iter()
                .zip(0..)
                .map(|(jobs, lane)| {
                    scope.spawn(move || {
                        let mut dice = Dice::new(seed, round * AT_ONCE + lane);
                        (0..*jobs).map(|_| churn(here, &mut dice)).collect::<Vec<_>>()
                    })
                })
                .collect();
            all.into_iter().flat_map(|lane| lane.join().expect("a lane")).collect()
        });
        for roles in said {
            asked += 1;
            answers += roles.len();
            for role in &roles {
                assert!(role.starts_with("icpt_reconciler_"), "seed {seed}: a job was {role}");
                let first = *whose.entry(role.clone()).or_insert(asked);
                assert_eq!(first, asked, "seed {seed}: {role} is of two jobs");
            }
            let own = roles.first();
            assert!(roles.iter().all(|role| Some(role) == own), "seed {seed}: a job had two roles: {roles:?}");
        }
        // One that is in the middle of its job when the service dies, and its role with nobody to drop it.
        let mut job = here.job();
        let role = job.role();
        here.stage.service.stop("KILL").expect("killed");
        job.end();
        assert!(role.starts_with("icpt_reconciler_"), "{role}");
        here.stage.service.run().expect("it starts again");
    }
    here.has_none_left();
    println!(
        "seed {seed}: {asked} jobs, {} roles seen in {answers} answers, {rounds} kills of the service; 0 roles are left",
        whose.len()
    );
    // How many is the machine's matter: a job has 700 ms at most.
    assert!(!whose.is_empty(), "no job of {asked} came as far as a role");
}
