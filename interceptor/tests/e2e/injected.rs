//! A database password that the agent never holds: unchanged clients with a placeholder, a PostgreSQL that asks for scram-sha-256.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;

use crate::clients;
use crate::stage::{Answer, POLICY, Stage};
use crate::stand::{Folder, Postgres, succeed};
use crate::tls::{Keys, psql};

const ROLES: &str =
    "CREATE ROLE writer LOGIN PASSWORD 'kept by us'; CREATE ROLE reader LOGIN PASSWORD 'kept by us too'";
/// Rows of `mine` are shown to the agent whose they are.
const TABLES: &str = "CREATE TABLE mine(owner text, note text); \
    INSERT INTO mine VALUES ('reconciler', 'its own'), ('other', 'somebody else''s'); \
    ALTER TABLE mine ENABLE ROW LEVEL SECURITY; \
    CREATE POLICY own ON mine USING (owner = current_setting('interceptor.agent', true)); \
    GRANT ALL ON ALL TABLES IN SCHEMA public TO writer; GRANT SELECT ON plain, mine TO reader";
const MINE: &str = "
[[rule]]
name = \"its own\"
statements = [\"select\"]
tables = [\"public.mine\"]
action = \"allow\"
";
const PLACEHOLDER: &str = "user=app password=placeholder";

struct Injected {
    stage: Stage,
    keys: Keys,
    _folder: Folder,
}

impl Injected {
    /// TLS towards the database, and a login of ours: `reader` for users that begin with report, else `writer`.
    fn set(password: &str) -> Option<Injected> {
        Injected::set_behind(password, None)
    }

    /// The same, and who is no report must know this placeholder.
    fn set_behind(password: &str, placeholder: Option<&str>) -> Option<Injected> {
        let (keys, folder) = (Keys::new("db.example"), Folder::new("passwords").expect("a folder"));
        let file = |name: &str, password: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("{password}\n")).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
            path.display().to_string()
        };
        let placeholder = placeholder.map(|text| format!("placeholder = \"{}\"\n", verifier(text))).unwrap_or_default();
        let lines = format!(
            "tls = \"verify-full\"\nroots = \"{}\"\nserver_name = \"db.example\"\n[database.credentials]\nmode = \"inject\"\ntell_agent = true\n\
             [[database.credentials.login]]\nfor = [\"report*\"]\nuser = \"reader\"\npassfile = \"{}\"\n\
             [[database.credentials.login]]\nuser = \"writer\"\npassfile = \"{}\"\n{placeholder}",
            keys.path("root.pem"),
            file("reader", "kept by us too"),
            file("writer", password),
        );
        let stage = Stage::before(&lines, &format!("{POLICY}{MINE}"), || strict(&keys))?;
        stage.database.sql("postgres", TABLES).expect("the tables");
        stage.database.sql("postgres", "ALTER ROLE app PASSWORD 'what it really has'").expect("altered");
        Some(Injected { stage, keys, _folder: folder })
    }

    fn psql(&self, words: &str, sql: &str) -> Answer {
        psql(&self.stage, &format!("host=127.0.0.1 {words}"), sql)
    }

    fn last_login(&self) -> String {
        self.stage.record().into_iter().rfind(|line| line.contains("\"login\"")).unwrap_or_default()
    }
}

/// What PostgreSQL would keep of it, by the algorithm of RFC 5802.
fn verifier(text: &str) -> String {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD as B64;
    use ring::{digest, hmac, pbkdf2};
    let (salt, rounds) = (b"salt of a test..", std::num::NonZeroU32::new(4096).expect("above 0"));
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, text.as_bytes(), &mut salted);
    let sign = |word: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), word);
    let stored = digest::digest(&digest::SHA256, sign(b"Client Key").as_ref());
    let (salt, stored, server) = (B64.encode(salt), B64.encode(stored), B64.encode(sign(b"Server Key")));
    format!("SCRAM-SHA-256$4096:{salt}${stored}:{server}")
}

/// Nobody is trusted over TCP.
pub(crate) fn strict(keys: &Keys) -> std::io::Result<Postgres> {
    std::fs::write(keys.path("hba.conf"), "local all all trust\nhost all all all scram-sha-256\n")?;
    let database = keys.database()?;
    database.sql("postgres", ROLES)?;
    Ok(database)
}

#[test]
fn a_placeholder_is_enough_and_opens_nothing_past_the_interceptor() {
    let Some(here) = Injected::set("kept by us") else { return };
    here.psql(PLACEHOLDER, "SELECT session_user, current_user").says("writer|writer");
    let login = here.last_login();
    assert!(login.contains("\"authentication\":\"scram injected, bound to the database's leg\""), "{login}");
    assert!(login.contains("\"database_user\":\"writer\""), "{login}");
    here.psql("user=app", "SELECT count(*) FROM payments").says("5");
    here.psql("user=reports password=x", "SELECT session_user").says("reader");
    here.psql("user=reports password=x", "SELECT count(*) FROM payments")
        .refused("permission denied for table payments");
    // Past the interceptor the placeholder is no password, and neither is it one of the login's.
    let direct = |user: &str| {
        let mut command = std::process::Command::new("psql");
        let words = format!(
            "host=127.0.0.1 port={} dbname=postgres user={user} password=placeholder",
            here.stage.database.port
        );
        Answer::of(command.args(["-X", "-At", "-d", &words, "-c", "SELECT 1"]).output().expect("psql starts"))
    };
    for user in ["app", "writer", "reader"] {
        direct(user).refused(&format!("password authentication failed for user \"{user}\""));
    }
    for line in here.stage.record() {
        assert!(!line.contains("kept by us") && !line.contains("placeholder"), "{line}");
    }
    let log = here.stage.service.log();
    assert!(!log.contains("kept by us"), "the log shows it");
    let check = succeed(&mut here.stage.service.verb("check")).expect("check");
    assert!(String::from_utf8_lossy(&check.stdout).contains("LOGIN OF OURS for report*: reader"));
}

#[test]
fn a_placeholder_that_is_checked_lets_in_who_knows_it() {
    let Some(here) = Injected::set_behind("kept by us", Some("look elsewhere")) else { return };
    here.psql("user=app password='look elsewhere'", "SELECT session_user").says("writer");
    let login = here.last_login();
    assert!(login.contains("placeholder checked, bound to the database's leg"), "{login}");
    let said = "password authentication failed: it is not the placeholder of this user";
    here.psql("user=app password=placeholder", "SELECT 1").refused(said);
    let login = here.last_login();
    assert!(login.contains("placeholder refused") && login.contains("\"sqlstate\":\"28P01\""), "{login}");
    here.psql("user=app", "SELECT 1").refused("no password supplied");
    // The other login has none.
    here.psql("user=reports password=x", "SELECT session_user").says("reader");
    let metrics = succeed(here.stage.service.verb("status").arg("--metrics")).expect("metrics");
    let metrics = String::from_utf8_lossy(&metrics.stdout).into_owned();
    let counted = metrics.lines().filter(|line| line.starts_with("interceptor_wrong_placeholders"));
    assert_eq!(counted.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>(), 1, "{metrics}");
    assert!(!here.stage.database.log().contains("user=app"), "the database hears of no stranger");
    let check = succeed(&mut here.stage.service.verb("check")).expect("check");
    assert!(String::from_utf8_lossy(&check.stdout).contains("agents are asked for a placeholder"));
}

#[test]
fn psycopg_needs_no_password() {
    let Some(folder) = clients::python() else { return };
    let Some(here) = Injected::set("kept by us") else { return };
    let script = format!(
        "import psycopg\nc = psycopg.connect('host=127.0.0.1 port={} dbname=postgres user=app password=placeholder')\nprint(c.execute('SELECT count(*) FROM payments').fetchone()[0], c.info.user, c.pgconn.used_password)\n",
        here.stage.database.port
    );
    let mut command = here.stage.service.exec("reconciler", "/usr/bin/python3", &["-B", "-c", &script]);
    command.env("HOME", "/nonexistent").env("PYTHONPATH", folder.join("python"));
    Answer::of(command.output().expect("python starts")).says("5 app False");
}

#[test]
fn a_wrong_password_of_ours_is_refused_by_the_database() {
    let Some(here) = Injected::set("an old one") else { return };
    here.psql(PLACEHOLDER, "SELECT 1").refused("password authentication failed for user \"writer\"");
    assert!(here.last_login().contains("\"sqlstate\":\"28P01\""));
    here.psql("user=report", "SELECT 1").says("1");
}

#[test]
fn a_database_that_asks_for_no_scram_gets_no_login() {
    let Some(here) = Injected::set("kept by us") else { return };
    let asks = "the database asks for another login than SCRAM-SHA-256, and gets none";
    for (method, says) in [("trust", "the database did not prove"), ("password", asks), ("md5", asks)] {
        let rules = format!("local all all trust\nhost all all all {method}\n");
        std::fs::write(here.keys.path("hba.conf"), rules).expect("written");
        if method == "md5" {
            let old = "SET password_encryption = 'md5'; ALTER ROLE writer PASSWORD 'kept by us'";
            here.stage.database.sql("postgres", old).expect("altered");
        }
        here.stage.database.control("restart").expect("it has read them");
        here.psql(PLACEHOLDER, "SELECT 1").refused(says);
        assert!(here.last_login().contains("\"sqlstate\":\"28000\""), "{method}: {}", here.last_login());
    }
}

#[test]
fn row_level_security_sees_the_agent_and_nobody_says_otherwise() {
    let Some(here) = Injected::set("kept by us") else { return };
    here.psql(PLACEHOLDER, "SELECT note FROM mine").says("its own");
    for text in [
        "SET interceptor.agent = 'other'",
        "SET \"Interceptor.Agent\" TO 'other'",
        "SELECT set_config('interceptor.agent', 'other', false)",
        "SET SESSION AUTHORIZATION postgres",
        "SET ROLE reader",
    ] {
        here.psql(PLACEHOLDER, text).refused("42501");
    }
    for way in ["RESET interceptor.agent", "RESET ALL", "DISCARD ALL"] {
        let args = ["-X", "-At", "-v", "VERBOSITY=verbose", "-d"];
        let words = format!("host=127.0.0.1 port={} dbname=postgres {PLACEHOLDER}", here.stage.database.port);
        let mut command = here.stage.service.exec(
            "reconciler",
            "psql",
            &[args.as_slice(), &[&words, "-q", "-c", way, "-c", "SELECT note FROM mine"]].concat(),
        );
        command.env("HOME", "/nonexistent");
        Answer::of(command.output().expect("psql starts")).says("its own");
    }
    here.psql("user=app options='-c interceptor.agent=other'", "SELECT 1").refused("startup setting");
}

#[test]
fn a_service_with_passwords_leaves_no_core_dump() {
    let Some(mut here) = Injected::set("kept by us") else { return };
    here.psql(PLACEHOLDER, "SELECT 1").says("1");
    let pid = here.stage.service.pid().expect("it runs");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let core: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max core file size")).expect("one").split_whitespace().collect();
    assert_eq!((core[4], core[5]), ("0", "0"), "soft and hard: nothing it loads may raise it");
    // Of a process that is not dumpable the files in its folder of /proc are root's (proc(5)): its own account reads no memory of it.
    let owner = |name: &str| std::fs::metadata(format!("/proc/{pid}/{name}")).expect("it is there").uid();
    assert_eq!(["mem", "environ", "maps"].map(owner), [0; 3]);
    let status = here.stage.service.dies_of("ABRT").expect("it died");
    assert!(!status.core_dumped() && status.signal() == Some(6), "{status}");
}
