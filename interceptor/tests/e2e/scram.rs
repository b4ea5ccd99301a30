//! SCRAM between two TLS legs with verifiers: unchanged clients, a PostgreSQL that asks for scram-sha-256, every channel_binding.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::clients;
use crate::stage::{Answer, POLICY, Stage};
use crate::stand::{Folder, succeed};
use crate::tls::{CARD, Keys, MASKED, Trusted, psql};

/// Roles whose verifier is known, whose is not, and of whom there is none.
const ROLES: &str =
    "CREATE ROLE keyless LOGIN PASSWORD 'open sesame'; CREATE ROLE \"key \"\"d\" LOGIN PASSWORD 'open sesame'";
const GRANT: &str = "GRANT ALL ON ALL TABLES IN SCHEMA public TO scram, keyless, \"key \"\"d\"";
/// What OPERATING.md says makes a file of verifiers.
const MAKE: &str = r#"SELECT format('"%s" "%s"', replace(rolname, '"', '""'), rolpassword) FROM pg_authid WHERE rolpassword LIKE 'SCRAM-SHA-256$%' AND rolname <> 'keyless'"#;

struct Verified {
    stage: Stage,
    file: PathBuf,
    _keys: Keys,
    _folder: Folder,
}

impl Verified {
    fn set() -> Option<Verified> {
        let keys = Keys::new("db.example");
        let folder = Folder::new("verifiers").expect("a folder");
        let file = folder.path().join("payments");
        let lines = format!(
            "agent_tls = \"allow\"\nnames = [\"localhost\"]\ntls = \"verify-full\"\nroots = \"{}\"\nserver_name = \"db.example\"\nscram_verifiers = \"{}\"",
            keys.path("root.pem"),
            file.display()
        );
        let stage = Stage::before(&lines, POLICY, || {
            let database = keys.database()?;
            database.sql("postgres", ROLES)?;
            std::fs::write(&file, database.sql("postgres", MAKE)?)?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
            Ok(database)
        })?;
        stage.database.sql("postgres", GRANT).expect("granted");
        Some(Verified { stage, file, _keys: keys, _folder: folder })
    }

    fn login(&self, user: &str, password: &str, words: &str) -> Answer {
        psql(&self.stage, &format!("host=127.0.0.1 user='{user}' password='{password}' {words}"), CARD)
    }

    /// The logins of the record.
    fn logins(&self) -> Vec<String> {
        self.stage.record().into_iter().filter(|line| line.contains("\"login\"")).collect()
    }

    fn last_login(&self) -> String {
        self.logins().pop().unwrap_or_default()
    }
}

#[test]
fn every_channel_binding_logs_in_and_the_record_says_how() {
    let Some(here) = Verified::set() else { return };
    let trusted = Trusted::of(&here.stage);
    let full = format!("sslmode=verify-full sslrootcert={}", trusted.path());
    for (words, way) in [
        ("sslmode=require", "scram ended, bound to both legs"),
        ("sslmode=require channel_binding=prefer", "scram ended, bound to both legs"),
        ("sslmode=require channel_binding=require", "scram ended, bound to both legs"),
        ("sslmode=require channel_binding=disable", "scram ended, bound to the database's leg"),
        (&format!("{full} channel_binding=require"), "scram ended, bound to both legs"),
        ("sslmode=require ssl_max_protocol_version=TLSv1.2 channel_binding=require", "scram ended, bound to both legs"),
        ("sslmode=disable", "sasl"),
    ] {
        here.login("scram", "open sesame", words).says(MASKED);
        let login = here.last_login();
        assert!(login.contains(&format!("\"authentication\":\"{way}\"")), "{words}: {login}");
    }
    here.login("key \"d", "open sesame", "sslmode=require channel_binding=require").says(MASKED);
    let check = succeed(&mut here.stage.service.verb("check")).expect("check");
    assert!(String::from_utf8_lossy(&check.stdout).contains("verifiers  payments         2 roles"));
}

#[test]
fn wrong_passwords_and_unknown_roles_are_refused_by_the_database_in_its_own_words() {
    let Some(here) = Verified::set() else { return };
    for (user, password, cause) in [
        ("scram", "wrong", "the agent's proof does not fit the role's verifier"),
        ("keyless", "open sesame", "no verifier of this role is known to the interceptor"),
        ("nobody-at-all", "open sesame", "no verifier of this role is known to the interceptor"),
    ] {
        for words in ["sslmode=require", "sslmode=require channel_binding=require"] {
            let answer = here.login(user, password, words);
            assert!(!answer.ok);
            answer
                .refused(&format!("password authentication failed for user \"{user}\""))
                .refused("channel_binding=disable");
            let login = here.last_login();
            assert!(login.contains("\"sqlstate\":\"28P01\"") && login.contains(cause), "{login}");
        }
        let line = format!("password authentication failed for user \"{user}\"");
        assert!(here.stage.database.log().contains(&line), "the database has counted it");
    }
    assert!(!here.login("scram", "wrong", "sslmode=require channel_binding=disable").ok);
    assert!(!here.login("nobody-at-all", "wrong", "sslmode=require channel_binding=disable").ok);
    // Without a verifier the way round is what it was.
    here.login("keyless", "open sesame", "sslmode=require channel_binding=disable").says(MASKED);
    assert!(here.last_login().contains("\"authentication\":\"scram passed on\""));
}

#[test]
fn a_new_password_holds_once_its_verifier_is_reloaded() {
    let Some(here) = Verified::set() else { return };
    let words = "sslmode=require channel_binding=require";
    here.stage.database.sql("postgres", "ALTER ROLE scram PASSWORD 'new sesame'").expect("altered");
    for password in ["open sesame", "new sesame"] {
        here.login("scram", password, words).refused("password authentication failed for user \"scram\"");
        assert!(here.last_login().contains("the verifier of this role is not the one that the database has"));
    }
    let made = here.stage.database.sql("postgres", MAKE).expect("made");
    std::fs::write(&here.file, made).expect("written");
    chown(&here.file, Some(here.stage.service.uid()), None).expect("given");
    let pid = here.stage.service.pid().expect("runs").to_string();
    succeed(Command::new("kill").args(["-s", "HUP", &pid])).expect("told");
    let until = Instant::now() + Duration::from_secs(60);
    while !here.stage.service.log().contains("verifiers of roles reloaded") {
        assert!(Instant::now() < until, "the service says:\n{}", here.stage.service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    here.login("scram", "new sesame", words).says(MASKED);
    assert!(!here.login("scram", "open sesame", words).ok);
}

#[test]
fn psycopg_logs_in_bound() {
    let Some(folder) = clients::python() else { return };
    let Some(here) = Verified::set() else { return };
    let port = here.stage.database.port;
    let script = format!(
        "import psycopg\nfor binding in 'prefer', 'require', 'disable':\n c = psycopg.connect(\"host=127.0.0.1 port={port} dbname=postgres user=scram password='open sesame' sslmode=require channel_binding=\" + binding)\n print(binding, c.execute('{CARD}').fetchone()[0], c.pgconn.used_password)\ntry:\n psycopg.connect(\"host=127.0.0.1 port={port} dbname=postgres user=scram password=wrong sslmode=require\")\nexcept psycopg.OperationalError as e:\n print('password authentication failed' in str(e))\n"
    );
    let mut command = here.stage.service.exec("reconciler", "/usr/bin/python3", &["-B", "-c", &script]);
    command.env("HOME", "/nonexistent").env("PYTHONPATH", folder.join("python"));
    let answer = Answer::of(command.output().expect("python starts"));
    let lines = ["prefer", "require", "disable"].map(|binding| format!("{binding} {MASKED} True"));
    answer.says(&format!("{}\nTrue", lines.join("\n")));
}
