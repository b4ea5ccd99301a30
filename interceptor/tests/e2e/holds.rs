//! Statements that wait for a person, with real drivers: approved, denied, expired, cancelled, in transactions, in pipelines.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clients::{installed_python, with_timeout};
use crate::stage::{Answer, POLICY, Stage};
use crate::stand::{Folder, Service, free_port};
use crate::terminal::Terminal;

#[path = "../clients/holds_with_tokio_postgres.rs"]
mod holds_with_tokio_postgres;

pub(crate) const HOLD: &str = r#"
[[rule]]
name = "series"
statements = ["function-call"]
functions = ["pg_catalog.*"]
action = "allow"

[[rule]]
name = "deletes wait"
statements = ["delete"]
tables = ["public.plain"]
action = "hold"
approvers = ["group:leads"]
expires = "3s"
message = "a lead agrees to every delete"
"#;

/// The tests run as root, and that is who decides in them.
const REVIEWER: &str = "[[reviewer]]\nname = \"ann\"\nuser = \"root\"\ngroups = [\"leads\"]\n";

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn stage(expires: &str) -> Option<Stage> {
    Stage::set_beside("", REVIEWER, &(POLICY.to_owned() + &HOLD.replace("3s", expires)))
}

fn pending(service: &Service) -> Vec<Value> {
    let output = service.verb("approvals list").arg("--json").output().expect("the verb starts");
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    listing["pending"].as_array().cloned().unwrap_or_default()
}

/// Waits until a statement that says `word` is held; its id.
pub(crate) fn held(service: &Service, word: &str) -> String {
    let start = Instant::now();
    loop {
        let found =
            pending(service).into_iter().find(|one| one["text"].as_str().is_some_and(|text| text.contains(word)));
        if let Some(id) = found.and_then(|one| one["id"].as_str().map(str::to_owned)) {
            return id;
        }
        assert!(start.elapsed() < PATIENCE, "`{word}` is never held:\n{}", service.log());
    }
}

fn decide(service: &Service, verb: &str, id: &str, reason: &str) -> Answer {
    let mut command = service.verb(&format!("approvals {verb}"));
    Answer::of(command.args([id, "--reason", reason]).output().expect("the verb starts"))
}

/// Approves what says `approve`, denies what says `deny`, and lets the rest wait, until it is dropped.
struct Decider<'a> {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _stage: &'a Stage,
}

impl<'a> Decider<'a> {
    fn start(stage: &'a Stage) -> Decider<'a> {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, socket) = (Arc::clone(&stop), stage.service.run_dir().join("admin.sock"));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                decide_all(&socket);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Decider { stop, thread: Some(thread), _stage: stage }
    }
}

impl Drop for Decider<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn decide_all(socket: &Path) {
    let listing = control::client::get(socket, "/approvals").unwrap_or_default();
    let listing: Value = serde_json::from_str(&listing).unwrap_or_default();
    for one in listing["pending"].as_array().into_iter().flatten() {
        let text = one["text"].as_str().unwrap_or_default();
        let verb = if text.contains("approve") {
            "approve"
        } else if text.contains("deny") {
            "deny"
        } else {
            continue;
        };
        let path = format!("/approvals/{}/{verb}", one["id"].as_str().unwrap_or_default());
        let _ = control::client::post(socket, &path, "{\"reason\": \"not \u{e0} friday\"}");
    }
}

/// psql with a script, which goes on while the test decides.
pub(crate) fn psql(stage: &Stage, script: &str) -> Child {
    let mut psql = stage.agent(&["-v", "VERBOSITY=verbose", "-f", "-"]);
    psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = psql.spawn().expect("psql starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), script.as_bytes()).expect("psql reads");
    child
}

pub(crate) fn end(child: Child) -> Answer {
    Answer::of(child.wait_with_output().expect("psql ends"))
}

#[test]
fn psql_waits_and_is_told() {
    let Some(stage) = stage("10m") else { return };
    let service = &stage.service;
    stage.ask("INSERT INTO plain VALUES (1, 'a'), (2, 'b'), (3, 'c')").says("INSERT 0 3");
    let script = "SELECT pg_backend_pid() AS before \\gset\nDELETE FROM plain WHERE id = 1 /* first */;\nBEGIN;\n\
                  DELETE FROM plain WHERE id = 2 /* second */;\nSELECT 2;\nROLLBACK;\nSELECT pg_backend_pid() = :before;\n";
    let child = psql(&stage, script);
    let id = held(service, "first");
    let shown = Answer::of(service.verb("approvals show").arg(&id).output().expect("starts"));
    for word in ["DELETE FROM plain WHERE id = 1", "reconciler", "deletes wait", "group:leads", "pending"] {
        assert!(shown.out.contains(word), "{word} is missing: {}", shown.out);
    }
    stage.database_has("SELECT count(*) FROM plain", "3");
    let answer = decide(service, "approve", &id.to_lowercase(), "ticket 7");
    assert!(answer.ok && answer.out.contains("the statement goes on"), "{}{}", answer.out, answer.err);
    let again = decide(service, "deny", &id, "too late");
    assert!(!again.ok && again.err.contains("it is over: approved: by ann: ticket 7"), "{}", again.err);
    let id = held(service, "second");
    assert!(decide(service, "deny", &id, "not today").ok);
    let psql = end(child);
    assert_eq!(psql.out.trim_end(), "DELETE 1\nBEGIN\nROLLBACK\nt", "{}", psql.err);
    for word in ["held for approval", "\"interceptor\":\"pending\"", "42501", "not today", "25P02"] {
        assert!(psql.err.contains(word), "{word} is missing: {}", psql.err);
    }
    let unknown = decide(service, "approve", "00000-00000", "x");
    assert!(!unknown.ok && unknown.err.contains("no held statement"), "{}", unknown.err);
    let record = stage.record();
    let of = |kind: &str| -> Vec<Value> {
        let lines = record.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.filter(|one| one["type"] == kind).collect()
    };
    let approvals = of("approval");
    assert_eq!((of("ask").len(), approvals.len()), (2, 2));
    let points = &approvals[0]["pci_8_6_1"];
    assert_eq!(points["exceptional_need"], "a lead agrees to every delete");
    assert_eq!((&points["approval"], &points["justification"]), (&true.into(), &"ticket 7".into()));
    assert_eq!(
        (&points["identity_confirmed"], &points["attributable"]["reviewer"]),
        (&"admin socket, uid 0".into(), &"ann".into())
    );
    let approved =
        of("decision").into_iter().find(|one| one["approval"] == approvals[0]["approval"] && one["verdict"] == "allow");
    assert!(approved.is_some(), "the decision names its approval");
}

#[test]
fn psql_waits_with_what_is_behind_and_not_for_ever() {
    let Some(stage) = stage("3s") else { return };
    stage.ask("INSERT INTO plain VALUES (1, 'a')").says("INSERT 0 1");
    let script = "SELECT pg_backend_pid() AS before \\gset\nDELETE FROM plain WHERE id = 1 /* approve */ \\; SELECT 7;\n\
                  DELETE FROM plain /* wait */;\nSELECT pg_backend_pid() = :before;\n";
    let decider = Decider::start(&stage);
    let psql = end(psql(&stage, script));
    drop(decider);
    assert_eq!(psql.out.trim_end(), "DELETE 1\n7\nt", "{}", psql.err);
    assert!(psql.err.contains("42501") && psql.err.contains("\"interceptor\":\"expired\""), "{}", psql.err);
}

/// Ctrl-C withdraws what waits, and the session goes on. Away from a terminal psql itself ends there.
#[test]
fn psql_at_a_terminal_withdraws_what_waits() {
    let Some(stage) = stage("10m") else { return };
    let port = stage.database.port.to_string();
    let mut psql = stage.service.exec("reconciler", "timeout", &["60", "setsid", "--ctty", "--wait", "psql"]);
    psql.args(["-X", "-At", "-P", "pager=off", "-v", "VERBOSITY=verbose", "-h", "127.0.0.1", "-p", &port]);
    psql.args(["-U", "app", "-d", "postgres"]).env("HOME", "/nonexistent").env("TERM", "dumb");
    let mut terminal = Terminal::of(psql);
    terminal.says("postgres=> ");
    terminal.types(b"SELECT pg_backend_pid() AS before \\gset\nDELETE FROM plain /* typed */;\n");
    held(&stage.service, "typed");
    terminal.types(b"\x03");
    terminal.says("57014");
    terminal.says("postgres=> ");
    terminal.types(b"SELECT pg_backend_pid() = :before;\n");
    terminal.says("\nt\r\n");
    terminal.says("postgres=> ");
    terminal.types(b"\\q\n");
    assert!(terminal.end().success());
}

#[test]
fn a_hold_ends_with_its_agent_its_database_or_the_service() {
    let Some(mut stage) = stage("10m") else { return };
    let gone = |service: &Service| {
        let start = Instant::now();
        while !pending(service).is_empty() {
            assert!(start.elapsed() < PATIENCE, "it waits for nobody");
        }
    };
    let mut child = psql(&stage, "DELETE FROM plain /* leaves */;\n");
    held(&stage.service, "leaves");
    // `exec` passes it on to psql.
    Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().expect("kill starts");
    child.wait().expect("gone");
    gone(&stage.service);
    let child =
        psql(&stage, "SET idle_in_transaction_session_timeout = 5000;\nBEGIN;\nDELETE FROM plain /* idle */;\n");
    held(&stage.service, "idle");
    let answer = end(child);
    assert!(answer.err.contains("25P03"), "{}", answer.err);
    gone(&stage.service);
    let child = psql(&stage, "DELETE FROM plain /* stop */;\n");
    held(&stage.service, "stop");
    stage.service.stop("TERM").expect("stopped");
    let answer = end(child);
    assert!(answer.err.contains("42501") && answer.err.contains("being stopped"), "{}", answer.err);
    stage.service.run().expect("started again");
    stage.ask("SELECT 1").says("1");
    stage.database_has("SELECT count(*) FROM plain", "0");
    let record = stage.record();
    let ends = record.iter().filter(|line| line.contains("\"type\":\"ask-over\"")).count();
    assert_eq!((record.iter().filter(|line| line.contains("\"type\":\"ask\"")).count(), ends), (3, 3));
}

#[test]
fn a_killed_service_leaves_no_ask_without_an_end() {
    let Some(mut stage) = stage("10m") else { return };
    let child = psql(&stage, "DELETE FROM plain /* killed */;\n");
    let id = held(&stage.service, "killed");
    let second = psql(&stage, "DELETE FROM plain /* decided */;\n");
    let decided = held(&stage.service, "decided");
    assert!(decide(&stage.service, "deny", &decided, "no").ok);
    end(second);
    stage.service.stop("KILL").expect("killed");
    assert!(!end(child).ok, "its connection broke");
    for _ in 0..2 {
        stage.service.run().expect("started again");
        stage.ask("SELECT 1").says("1");
        stage.service.stop("KILL").expect("killed");
    }
    let record = stage.record();
    let lines = record.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let over: Vec<Value> = lines.filter(|one| one["type"] == "ask-over").collect();
    assert_eq!(over.len(), 1, "{over:?}");
    assert_eq!((over[0]["approval"].as_str(), &over[0]["agent"]), (Some(id.as_str()), &"reconciler".into()));
    stage.service.run().expect("started again");
}

#[test]
fn the_servers_own_timeout_ends_a_hold_in_a_transaction() {
    let Some(stage) = stage("10m") else { return };
    let service = &stage.service;
    let script = "SET idle_in_transaction_session_timeout = '5s';\nBEGIN;\nSELECT 1;\nDELETE FROM plain /* late */;\n";
    let child = psql(&stage, script);
    let id = held(service, "late");
    let shown = Answer::of(service.verb("approvals show").arg(&id).output().expect("starts"));
    assert!(shown.out.contains("transaction  open for "), "{}", shown.out);
    let psql = end(child);
    assert!(psql.err.contains("25P03") && psql.err.contains("idle-in-transaction timeout"), "{}", psql.err);
    let again = decide(service, "approve", &id, "too late");
    assert!(!again.ok && again.err.contains("it is over: cancelled"), "{}", again.err);
    let over = records(&stage, "ask-over");
    assert_eq!((over.len(), &over[0]["approval"], &over[0]["cause"]), (1, &id.into(), &"the connection ended".into()));
    assert!(records(&stage, "ask")[0]["transaction_ns"].as_u64().is_some_and(|ns| ns > 0));
}

#[test]
fn an_approval_covers_what_it_says_and_a_grant_too_and_both_outlive_a_restart() {
    let keys = "action = \"hold\"\ncovers = \"15m\"\ngrant = \"1h\"";
    let policy = POLICY.to_owned() + &HOLD.replace("3s", "10m").replace("action = \"hold\"", keys);
    let Some(mut stage) = Stage::set_beside("", REVIEWER, &policy) else { return };
    let child = psql(&stage, "DELETE FROM plain WHERE id = 1 /* twice */;\n");
    let id = held(&stage.service, "twice");
    assert!(decide(&stage.service, "approve", &id, "ticket 7").ok);
    assert_eq!(end(child).out.trim_end(), "DELETE 0");
    let child = psql(&stage, "DELETE FROM plain WHERE id = 1 /* twice */;\n");
    assert_eq!(end(child).out.trim_end(), "DELETE 0", "covered: nobody was asked anew");
    let child = psql(&stage, "DELETE FROM plain WHERE id = 2 /* other */;\n");
    let other = held(&stage.service, "other");
    assert!(decide(&stage.service, "deny", &other, "no").ok);
    assert!(end(child).err.contains("42501"));
    let grant = |service: &Service, agent: &str, lasts: &str| {
        let mut verb = service.verb("approvals grant");
        verb.args(["deletes wait", "--agent", agent, "--database", "payments", "--for", lasts, "--reason", "the job"]);
        Answer::of(verb.output().expect("starts"))
    };
    assert!(grant(&stage.service, "nobody", "10m").err.contains("no such agent"));
    assert!(grant(&stage.service, "reconciler", "2h").err.contains("lasts 1 to 3600 seconds"));
    let granted = grant(&stage.service, "reconciler", "10m");
    assert!(granted.ok, "{}", granted.err);
    let grant_id = granted.out.split(':').next().unwrap_or_default().to_owned();
    // Without its semicolon it is another text.
    stage.ask("DELETE FROM plain WHERE id = 1 /* twice */").says("DELETE 0");
    let listed = Answer::of(stage.service.verb("approvals list").output().expect("starts"));
    assert!(listed.out.contains(&grant_id) && listed.out.contains("stands, by ann: the job"), "{}", listed.out);
    stage.service.stop("KILL").expect("killed");
    stage.service.run().expect("it starts again");
    let child = psql(&stage, "DELETE FROM plain WHERE id = 3 /* after */;\n");
    assert_eq!(end(child).out.trim_end(), "DELETE 0", "the grant stands after a restart");
    let revoke = |id: &str| decide(&stage.service, "revoke", id, "done");
    assert!(revoke(&grant_id).ok && !revoke(&grant_id).ok);
    let child = psql(&stage, "DELETE FROM plain WHERE id = 1 /* twice */;\n");
    assert_eq!(end(child).out.trim_end(), "DELETE 0", "what an approval covers stands after a restart");
    assert!(revoke(&id).ok);
    let child = psql(&stage, "DELETE FROM plain WHERE id = 1 /* twice */;\n");
    let last = held(&stage.service, "twice");
    assert!(decide(&stage.service, "deny", &last, "no").ok);
    assert!(end(child).err.contains("42501"));
    let under = |id: &str| records(&stage, "approval").iter().filter(|one| one["under"] == id).count();
    assert_eq!((under(&id), under(&grant_id)), (2, 2));
    assert_eq!((records(&stage, "grant").len(), records(&stage, "grant-over").len()), (2, 2));
}

#[test]
fn clear_values_are_shown_for_a_while_and_never_kept() {
    let reveal = "\n[[reveal]]\nname = \"disputes\"\ncolumns = [\"public.payments.pan\"]\napprovers = [\"group:leads\"]\n\
                  approvals = 1\nlasts = \"10m\"\n";
    let Some(stage) = Stage::set_beside("", REVIEWER, &(POLICY.to_owned() + reveal)) else { return };
    let service = &stage.service;
    let script = "SELECT pan FROM payments WHERE id = 1;\nSET interceptor.reveal = 'ticket 7';\n\
                  SELECT id, pan, cvv FROM payments ORDER BY id LIMIT 2;\nSELECT pan AS p, note FROM payments, tickets WHERE payments.id = 1 AND tickets.id = 1;\n\
                  COPY (SELECT pan FROM payments WHERE id = 1) TO STDOUT;\nSELECT lower(pan) FROM payments WHERE id = 1;\n\
                  RESET interceptor.reveal;\nSELECT pan FROM payments WHERE id = 1;\n";
    let child = psql(&stage, script);
    let id = held(service, "interceptor.reveal");
    let shown = Answer::of(service.verb("approvals show").arg(&id).output().expect("starts"));
    assert!(shown.out.contains("would show clear values of public.payments.pan"), "{}", shown.out);
    assert!(decide(service, "approve", &id, "the dispute is real").ok);
    let psql = end(child);
    let lines: Vec<&str> = psql.out.lines().collect();
    let expected = [
        "411111******1111",
        "SET",
        "1|4111111111111111|***",
        "2|5555555555554444|***",
        "4111111111111111|paid with 4111 11** **** 1111, please refund",
        "411111******1111",
        // What is made of a card is masked whole, as it is without.
        "****************",
        "RESET",
        "411111******1111",
    ];
    assert!(lines == expected, "{} lines of {}: {}", lines.len(), expected.len(), psql.err);
    let shown: Vec<Value> = records(&stage, "revealed").iter().map(|one| one["revealed"].clone()).collect();
    assert_eq!(shown, [serde_json::json!(["public.payments.pan=2"]), serde_json::json!(["public.payments.pan=1"])]);
    assert_eq!((records(&stage, "reveal").len(), records(&stage, "reveal-over").len()), (1, 1));
}

/// The records of this type.
fn records(stage: &Stage, wanted: &str) -> Vec<Value> {
    let lines = stage.record().into_iter().map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    lines.filter(|one| one["type"] == wanted).collect()
}

#[test]
fn a_control_plane_that_hangs_stops_nothing_that_needs_no_person() {
    let Some(stage) = stage("3s") else { return };
    let service = &stage.service;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/freeze.py");
    let pid = service.pid().expect("it runs").to_string();
    let mut freeze = Command::new("python3");
    freeze.arg(script).args([pid.as_str(), "control", "approvals"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut frozen = freeze.spawn().expect("python3 starts");
    let mut said = [0; 7];
    std::io::Read::read_exact(frozen.stdout.as_mut().expect("piped"), &mut said).expect("it says so");
    assert_eq!(&said, b"frozen\n");
    let start = Instant::now();
    let load: String = (0..2000).map(|number| format!("SELECT {number};\n")).collect();
    let answers = end(psql(&stage, &load)).out;
    assert!(answers.lines().map(str::to_owned).eq((0..2000).map(|number| number.to_string())), "{answers}");
    let held = end(psql(&stage, "DELETE FROM plain /* nobody hears */;\nSELECT 1;\n"));
    assert!(held.err.contains("42501") && held.err.contains("\"interceptor\":\"expired\""), "{}", held.err);
    assert_eq!(held.out.trim(), "1", "the connection goes on");
    assert!(start.elapsed() < PATIENCE);
    drop(frozen.stdin.take());
    assert!(frozen.wait().expect("it ends").success());
    assert_eq!(service.verb("status").status().expect("the verb starts").code(), Some(0), "it goes on where it was");
}

#[test]
fn one_person_breaks_glass_and_the_record_says_so() {
    let keys = "action = \"hold\"\napprovals = 2\nbreak_glass = [\"ann\"]";
    let policy = POLICY.to_owned() + &HOLD.replace("3s", "10m").replace("action = \"hold\"", keys);
    let Some(stage) = Stage::set_beside("", REVIEWER, &policy) else { return };
    let child = psql(&stage, "DELETE FROM plain /* burns */;\n");
    let id = held(&stage.service, "burns");
    let shown = Answer::of(stage.service.verb("approvals show").arg(&id).output().expect("starts"));
    assert!(shown.out.contains("2 of group:leads (ann may break glass)"), "{}", shown.out);
    assert!(decide(&stage.service, "approve", &id, "the first of two").out.contains("waits for the others"));
    let alone = decide(&stage.service, "approve --break-glass", &id, "the house burns");
    assert!(alone.ok && alone.out.contains("the statement goes on"), "{}{}", alone.out, alone.err);
    assert_eq!(end(child).out.trim_end(), "DELETE 0");
    let said = records(&stage, "approval");
    assert_eq!((said.len(), &said[0]["break_glass"], &said[1]["break_glass"]), (2, &Value::Null, &true.into()));
    assert!(stage.service.log().contains("BREAK GLASS"), "{}", stage.service.log());
}

#[test]
fn what_is_too_much_is_denied() {
    let limits = format!("{REVIEWER}\n[approvals]\npending_per_agent_max = 1\n");
    let Some(stage) = Stage::set_beside("", &limits, &(POLICY.to_owned() + &HOLD.replace("3s", "10m"))) else { return };
    let child = psql(&stage, "DELETE FROM plain /* one */;\n");
    let id = held(&stage.service, "one");
    let second = stage.ask("DELETE FROM plain /* two */");
    assert!(second.err.contains("42501") && second.err.contains("\"interceptor\":\"unavailable\""), "{}", second.err);
    assert!(decide(&stage.service, "approve", &id, "fine").ok);
    assert_eq!(end(child).out.trim_end(), "DELETE 0");
}

/// What a browser gets for a request over plain HTTP.
pub(crate) fn browse(address: &str, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).expect("the page listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).expect("an answer");
    answer
}

#[test]
fn on_the_page_too() {
    let address = format!("127.0.0.1:{}", free_port().expect("a port"));
    let tables = format!("{REVIEWER}\n[admin]\nlisten = \"{address}\"\n");
    let Some(stage) = Stage::set_beside("", &tables, &(POLICY.to_owned() + &HOLD.replace("3s", "10m"))) else { return };
    let child = psql(&stage, "DELETE FROM plain /* page */;\n");
    let id = held(&stage.service, "page");
    let link = Answer::of(stage.service.verb("approvals login").output().expect("starts"));
    let (_, token) = link.out.trim().split_once("token=").expect("a link");
    let post = |path: &str, cookie: &str, body: &str| {
        let length = body.len();
        browse(
            &address,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ),
        )
    };
    let entered = post("/login", "", &format!("token={token}"));
    let (_, cookie) = entered.split_once("set-cookie: ").expect("a cookie");
    let cookie = cookie.split(';').next().unwrap_or_default();
    let one = browse(
        &address,
        &format!("GET /approvals/{id} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"),
    );
    assert!(one.contains("DELETE FROM plain /* page */"), "{one}");
    let (_, csrf) = one.rsplit_once("name=\"csrf\" value=\"").expect("a token");
    let csrf = csrf.split('"').next().unwrap_or_default();
    let sent = post(&format!("/approvals/{id}"), cookie, &format!("csrf={csrf}&reason=seen&decision=approve"));
    assert!(sent.starts_with("HTTP/1.1 303"), "{sent}");
    assert_eq!(end(child).out.trim_end(), "DELETE 0");
    assert!(stage.record().iter().any(|line| line.contains("web page, login link of uid 0")));
}

#[test]
fn psycopg() {
    python("holds_with_psycopg.py", "python/psycopg");
}

#[test]
fn asyncpg() {
    python("holds_with_asyncpg.py", "python/asyncpg");
}

fn python(script: &'static str, needs: &'static str) {
    let Some(modules) = installed_python(script, needs) else { return };
    let Some(stage) = stage("3s") else { return };
    let scripts = Folder::new("clients").expect("a folder");
    for name in [script, "check.py"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name);
        std::fs::copy(from, scripts.path().join(name)).expect("copied");
    }
    let script = scripts.path().join(script).display().to_string();
    let port = stage.database.port.to_string();
    let line = with_timeout(&["/usr/bin/python3", "-B", &script, "agent", "127.0.0.1", &port]);
    let words: Vec<&str> = line.iter().skip(1).map(String::as_str).collect();
    let mut command = stage.service.exec("reconciler", line.first().map_or("", String::as_str), &words);
    command.env("HOME", "/nonexistent").env("PYTHONPATH", modules);
    passes(&stage, command);
}

fn passes(stage: &Stage, mut command: Command) {
    let decider = Decider::start(stage);
    let answer = Answer::of(command.output().expect("starts"));
    drop(decider);
    assert!(answer.ok, "{}{}\nthe service says:\n{}", answer.out, answer.err, stage.service.log());
    assert!(answer.out.lines().any(|line| line == "ok exactly once"), "{}", answer.out);
}

/// This very program, copied to where the agent's account may read it, is the agent.
#[test]
fn tokio_postgres() {
    let Some(stage) = stage("3s") else { return };
    let folder = Folder::new("clients").expect("a folder");
    let own = folder.path().join("agent");
    std::fs::copy(std::env::current_exe().expect("known"), &own).expect("copied");
    let own = own.display().to_string();
    let line = with_timeout(&[&own, "--exact", "holds::tokio_postgres_inner", "--ignored", "--nocapture", "--quiet"]);
    let words: Vec<&str> = line.iter().skip(1).map(String::as_str).collect();
    let mut command = stage.service.exec("reconciler", line.first().map_or("", String::as_str), &words);
    command.env(INNER, format!("127.0.0.1 {}", stage.database.port));
    passes(&stage, command);
}

/// The variable that says what the inner test is to do.
const INNER: &str = "INTERCEPTOR_TEST_HOLDS";

#[test]
#[ignore = "started by `tokio_postgres` as an agent"]
fn tokio_postgres_inner() {
    let Ok(order) = std::env::var(INNER) else { return };
    let Some((host, port)) = order.split_once(' ') else { panic!("{INNER} is HOST PORT") };
    println!();
    match holds_with_tokio_postgres::run(host, port.parse().expect("a port")) {
        Ok(()) => println!("ok exactly once"),
        Err(why) => {
            println!("FAILED: {why}");
            std::process::exit(1);
        }
    }
}
