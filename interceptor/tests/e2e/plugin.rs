//! A login that a program prints: psql with a placeholder, a PostgreSQL that asks for scram-sha-256, or for the password as it is.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use crate::injected::strict;
use crate::stage::{Answer, POLICY, Stage};
use crate::stand::{Folder, succeed};
use crate::tls::{Keys, psql};

const SECRET: &str = "kept by us";

struct Plugged {
    stage: Stage,
    keys: Keys,
    folder: Folder,
}

impl Plugged {
    /// The plugin says what the file `answer` beside it says, and does what the file `more` says.
    fn set(more: &str, lines: &str) -> Option<Plugged> {
        let (keys, folder) = (Keys::new("db.example"), Folder::new("plugin").expect("a folder"));
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("answer"), answer(SECRET, 3600)).expect("written");
        let script = format!("#!/bin/sh\n{more}\nexec cat {}\n", path("answer"));
        std::fs::write(path("plugin"), script).expect("written");
        std::fs::set_permissions(path("plugin"), std::fs::Permissions::from_mode(0o755)).expect("mode");
        let lines = format!(
            "tls = \"verify-full\"\nroots = \"{}\"\nserver_name = \"db.example\"\n[database.credentials]\nmode = \"command\"\n\
             [database.credentials.plugin]\nrun = [\"{}\"]\nreads = [\"{}\"]\n{lines}\n",
            keys.path("root.pem"),
            path("plugin"),
            path("answer"),
        );
        let stage = Stage::before(&lines, POLICY, || strict(&keys))?;
        stage.database.sql("postgres", "GRANT ALL ON ALL TABLES IN SCHEMA public TO writer").expect("granted");
        Some(Plugged { stage, keys, folder })
    }

    fn says(&self, text: &str) {
        std::fs::write(self.folder.path().join("answer"), text).expect("written");
    }

    fn ask(&self, sql: &str) -> Answer {
        psql(&self.stage, "host=127.0.0.1 user=app password=placeholder", sql)
    }

    fn told(&self, change: &str) -> Vec<String> {
        let change = format!("\"change\":\"{change}\"");
        let is_it = |line: &String| line.contains("\"type\":\"credential\"") && line.contains(&change);
        self.stage.record().into_iter().filter(is_it).collect()
    }

    #[track_caller]
    fn keeps_the_secret(&self) {
        let (record, log) = (self.stage.record().join("\n"), self.stage.service.log());
        assert!(!record.contains(SECRET) && !log.contains(SECRET), "the record or the log shows it");
    }
}

/// With an end so many seconds from now.
fn answer(password: &str, left_s: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let at = format!("@{}", i64::try_from(now).unwrap_or(i64::MAX) + left_s);
    let date =
        succeed(std::process::Command::new("date").args(["-u", "-d", &at, "+%Y-%m-%dT%H:%M:%SZ"])).expect("date");
    let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    format!("{{\"version\":1,\"user\":\"writer\",\"password\":\"{password}\",\"expires_at\":\"{date}\"}}")
}

#[test]
fn what_a_plugin_prints_serves_many_sessions() {
    let Some(here) = Plugged::set("", "") else { return };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                here.ask("SELECT session_user, count(*) FROM payments GROUP BY 1").says("writer|5");
            });
        }
    });
    here.ask("SELECT session_user").says("writer");
    let issued = here.told("issued");
    assert_eq!(issued.len(), 1, "one run for all: {issued:?}");
    assert!(issued[0].contains("\"database_user\":\"writer\"") && issued[0].contains("\"until\":"), "{}", issued[0]);
    here.keeps_the_secret();
    let status = succeed(here.stage.service.verb("status").arg("--metrics")).expect("status");
    let metrics = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(metrics.lines().any(|line| line.contains("plugin_logins") && line.ends_with(" 1")), "{metrics}");
    let check = succeed(&mut here.stage.service.verb("check")).expect("check");
    assert!(String::from_utf8_lossy(&check.stdout).contains("LOGIN OF OURS for any user: what "));
}

#[test]
fn a_plugin_that_gives_none_refuses_sessions_and_tells_no_secret() {
    let Some(here) = Plugged::set(&format!("echo lease lost, it was {} >&2", "hvs.0123456789abcdefghij"), "") else {
        return;
    };
    here.says("kept by us");
    here.ask("SELECT 1").refused("the interceptor has no login for this session: what the plugin printed is not");
    let refused = here.told("refused");
    assert!(refused.len() == 1 && refused[0].contains("lease lost, it was (withheld)"), "{refused:?}");
    assert!(here.stage.service.log().contains("ALERT: the plugin of [database.credentials] gave no login"));
    here.keeps_the_secret();
}

#[test]
fn a_login_that_is_over_is_none() {
    let Some(here) = Plugged::set("", "") else { return };
    here.says(&answer(SECRET, -60));
    here.ask("SELECT 1").refused("which is over");
    here.keeps_the_secret();
}

#[test]
fn a_plugin_sees_the_system_and_no_folder_of_the_services() {
    // Everybody may read it, and the record is in it on a host; on a stand the record is below /tmp, where a plugin may write.
    let Some(here) = Plugged::set("ls /var >&2 || exit 1", "") else { return };
    here.ask("SELECT 1").refused("ended with exit status 1");
    let refused = here.told("refused");
    assert!(refused.len() == 1 && refused[0].contains("Permission denied"), "{refused:?}");
}

#[test]
fn a_plugin_that_hangs_is_ended() {
    let Some(here) = Plugged::set("sleep 600", "timeout_seconds = 1") else { return };
    here.ask("SELECT 1").refused("was not done within 1 s");
}

#[test]
fn a_token_is_said_as_it_is_only_where_that_was_asked_for() {
    for (lines, expected) in [("cleartext = true", "writer"), ("", "")] {
        let Some(here) = Plugged::set("", lines) else { return };
        std::fs::write(here.keys.path("hba.conf"), "local all all trust\nhost all all all password\n")
            .expect("written");
        here.stage.database.control("restart").expect("it has read them");
        let said = here.ask("SELECT session_user");
        if expected.is_empty() {
            said.refused("another login than SCRAM-SHA-256");
        } else {
            said.says(expected);
        }
        here.keeps_the_secret();
    }
}
