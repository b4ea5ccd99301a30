//! Ordinary applications: what benchmarks and schema readers say, directly and as an agent. Nothing is refused, and every byte is the same.

use std::collections::BTreeMap;
use std::process::Command;

use crate::client::{Client, Kind, Talk, Way};
use crate::field;
use crate::ground::Ground;
use crate::raw::Message;
use crate::stand::AGENT_USER;

/// One application: the tables that it wants and what it says.
struct Application {
    name: &'static str,
    /// Each has a setup of its own; where it has none, that of `applications.sql`.
    text: &'static str,
}

const SHARED: &str = include_str!("alarms/applications.sql");
const POLICY: &str = include_str!("alarms/policy.toml");
const COMMANDS: &str = include_str!("alarms/psql.commands");
const APPLICATIONS: &[Application] = &[
    Application { name: "TPC-C", text: include_str!("alarms/tpcc.sql") },
    Application { name: "TPC-H", text: include_str!("alarms/tpch.sql") },
    Application { name: "pgbench", text: include_str!("alarms/pgbench.sql") },
    Application { name: "Django", text: include_str!("alarms/django.sql") },
    Application { name: "SQLAlchemy", text: include_str!("alarms/sqlalchemy.sql") },
    Application { name: "Prisma", text: include_str!("alarms/prisma.sql") },
    Application { name: "Active Record", text: include_str!("alarms/activerecord.sql") },
];

/// A text, and the parameters with which it is bound (`None`: a simple query).
struct Statement {
    text: String,
    parameters: Option<Vec<String>>,
}

/// A data file: `--@ setup` and `--@ run` begin its parts, `--@ bind a|b` says the parameters of the next statement.
fn parse(text: &str) -> (String, Vec<Statement>) {
    let (before, run) = text.split_once("--@ run\n").expect("a part to run");
    let setup = before.split_once("--@ setup\n").map(|(_, setup)| setup.to_owned()).unwrap_or_default();
    let (mut statements, mut lines, mut parameters) = (Vec::new(), Vec::new(), None);
    for line in run.lines() {
        if let Some(words) = line.strip_prefix("--@ bind ") {
            parameters = Some(words.split('|').map(str::to_owned).collect());
            continue;
        }
        lines.push(line);
        if let Some(last) = line.strip_suffix(';') {
            lines.pop();
            lines.push(last);
            statements.push(Statement { text: lines.join("\n"), parameters: parameters.take() });
            lines.clear();
        }
    }
    assert!(lines.is_empty(), "a statement without its end");
    (setup, statements)
}

/// What differed: the application, the statement's place in its file, and how.
pub struct Alarm {
    pub application: &'static str,
    pub place: usize,
    pub how: String,
}

/// Counts of statements by application, and every alarm.
pub fn run(ground: &Ground) -> (BTreeMap<&'static str, usize>, Vec<Alarm>) {
    let (mut counts, mut alarms) = (BTreeMap::new(), Vec::new());
    for application in APPLICATIONS {
        // A session that says all by Query, and one that says all by Parse and Execute.
        for extended in [false, true] {
            *counts.entry(application.name).or_default() += compare(ground, application, extended, &mut alarms);
        }
    }
    counts.insert("psql", psql(ground, &mut alarms));
    (counts, alarms)
}

fn compare(ground: &Ground, application: &Application, extended: bool, alarms: &mut Vec<Alarm>) -> usize {
    let (setup, statements) = parse(application.text);
    // Both runs start from one database, so that OIDs are the same.
    let template = if setup.is_empty() {
        ground.prepare("evasion", &parse(SHARED).0)
    } else {
        ground.prepare("template1", &setup)
    };
    let said = |way: Way<'_>| {
        let name = ground.create_as(format!("{template}_run"), &template);
        let talk = Talk::new(way, &name, "", Default::default());
        say(ground, &talk, &statements, extended);
        let turns: Vec<_> = talk.finish().turns.into_iter().filter(|turn| turn.kind == Kind::Case).collect();
        ground.drop(&name);
        turns
    };
    let (direct, through) = (said(Way::Direct(ground.port())), said(Way::Agent(&ground.agent)));
    ground.drop(&template);
    for (place, (one, other)) in direct.iter().zip(&through).enumerate() {
        if let Some(how) = difference(&one.heard, &other.heard) {
            let how = if extended { format!("extended: {how}") } else { how };
            alarms.push(Alarm { application: application.name, place: place + 1, how });
        }
    }
    if direct.len() != through.len() {
        alarms.push(Alarm { application: application.name, place: through.len(), how: "the session ended".to_owned() });
    }
    statements.len()
}

fn say(ground: &Ground, talk: &Talk<'_>, statements: &[Statement], extended: bool) {
    let mut session = talk.agent();
    for statement in statements {
        let text = ground.with_oids(&talk.database, &statement.text);
        match &statement.parameters {
            Some(parameters) => bound(&mut session, &text, parameters),
            None if extended => bound(&mut session, &text, &[]),
            None => session.q(&text),
        }
        if !session.is_open() {
            return;
        }
    }
}

fn bound(session: &mut Client<'_>, text: &str, parameters: &[String]) {
    let parameters: Vec<&[u8]> = parameters.iter().map(String::as_bytes).collect();
    session.extended(text, &parameters, &[], true);
}

/// In words without values. A statement that fails directly would show nothing.
fn difference(direct: &[Message], through: &[Message]) -> Option<String> {
    let error = |messages: &[Message]| {
        let error = messages.iter().find(|message| message.tag == b'E')?;
        Some(format!("{} {}", error.code(), error.field(b'M').unwrap_or_default()))
    };
    if let Some(error) = error(direct) {
        return Some(format!("the server itself says {error}"));
    }
    let same = direct.len() == through.len()
        && direct
            .iter()
            .zip(through)
            .all(|(one, other)| one.tag == other.tag && field::stable(one) == field::stable(other));
    if same {
        return None;
    }
    Some(match error(through) {
        Some(refused) => format!("refused: {refused}"),
        None => "other bytes".to_owned(),
    })
}
/// The real psql, with every command that asks for a schema: the same output, and the same errors.
fn psql(ground: &Ground, alarms: &mut Vec<Alarm>) -> usize {
    let name = ground.prepare("evasion", &parse(SHARED).0);
    let (port, service) = (ground.port().to_string(), &ground.stage.service);
    for (place, command) in COMMANDS.lines().enumerate() {
        let words = ["-X", "-h", "127.0.0.1", "-p", &port, "-U", "agent", "-d", &name, "-c", command];
        let mut outside = Command::new("setpriv");
        outside.args(["--reuid", AGENT_USER, "--regid", "65534", "--clear-groups", "--", "psql"]).args(words);
        let [direct, through] = [outside, service.exec("reconciler", "psql", &words)].map(|mut psql| {
            let output = psql.env("HOME", "/nonexistent").current_dir("/").output().expect("psql starts");
            (output.stdout, output.stderr)
        });
        if direct != through {
            let how = String::from_utf8_lossy(&through.1).lines().next().unwrap_or("other output").to_owned();
            alarms.push(Alarm { application: "psql", place: place + 1, how });
        }
    }
    ground.drop(&name);
    COMMANDS.lines().count()
}

/// Statements that are known to be refused or changed, `APPLICATION PLACE` a line: the list only shrinks.
const KNOWN: &str = include_str!("known-alarms.txt");

#[test]
fn ordinary_applications_are_not_disturbed() {
    let Some(ground) = Ground::under(POLICY) else { return };
    let (counts, alarms) = run(&ground);
    println!("{counts:?}");
    for alarm in &alarms {
        println!("  {} {}: {}", alarm.application, alarm.place, alarm.how);
    }
    let known = crate::report::names(KNOWN);
    let found: Vec<String> = alarms.iter().map(|alarm| format!("{} {}", alarm.application, alarm.place)).collect();
    let found = found.iter().map(String::as_str).collect();
    assert_eq!(known, found, "known-alarms.txt, and what was refused or changed");
}

#[test]
fn data_files_are_read() {
    let (setup, statements) =
        parse("-- source: x\n--@ setup\nCREATE TABLE t();\n--@ run\nSELECT 1;\n--@ bind a|b\nSELECT $1,\n $2;\n");
    assert_eq!(setup, "CREATE TABLE t();\n");
    assert_eq!(statements.len(), 2);
    assert_eq!(statements[1].text, "SELECT $1,\n $2");
    assert_eq!(statements[1].parameters.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
    for application in APPLICATIONS {
        assert!(application.text.starts_with("-- source: "), "{}", application.name);
        assert!(parse(application.text).1.len() >= 10, "{}", application.name);
    }
}
