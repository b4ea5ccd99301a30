//! Bad input and faults: whatever an agent, a database or the disk does, the service lives on, and nothing passes that it did
//! not judge and record.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags};

use crate::dice::Dice;
use crate::health::{Health, status};
use crate::raw::{self, Agent, End, PATIENCE, frame, parse, query, startup, sync, usual_startup};
use crate::stage::{POLICY, Stage, binary};
use crate::stand::{Service, free_port, succeed};

/// Every message that an agent may send once it is logged in.
fn every_message() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("Query", query("SELECT 1")),
        ("Parse", parse("s", "SELECT 1")),
        ("Bind", raw::bind("p", "s")),
        ("Describe", raw::describe_portal("p")),
        ("Execute", raw::execute("p")),
        ("Close", frame(b'C', b"Ss\0")),
        ("Flush", frame(b'H', &[])),
        ("Sync", sync()),
        ("FunctionCall", frame(b'F', &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0])),
        ("CopyData", frame(b'd', b"1\tone\n")),
        ("CopyDone", frame(b'c', &[])),
        ("CopyFail", frame(b'f', b"no\0")),
        ("PasswordMessage", frame(b'p', b"secret\0")),
        ("Terminate", frame(b'X', &[])),
    ]
}

/// What comes instead of, or before, a login.
fn every_packet() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("StartupMessage", usual_startup()),
        ("SSLRequest", [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat()),
        ("GSSENCRequest", [8_u32.to_be_bytes(), 80_877_104_u32.to_be_bytes()].concat()),
        (
            "CancelRequest",
            [16_u32.to_be_bytes(), 80_877_102_u32.to_be_bytes(), 7_u32.to_be_bytes(), 7_u32.to_be_bytes()].concat(),
        ),
    ]
}

#[test]
fn every_message_cut_at_every_byte() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    for (name, packet) in every_packet() {
        for cut in 0..=packet.len() {
            let mut wire = agent.dial().unwrap_or_else(|why| panic!("{name} at {cut}: {why}"));
            wire.send(&packet[..cut]).expect("sent");
        }
    }
    for (name, message) in every_message() {
        for cut in 0..message.len() {
            let mut wire = agent.login().unwrap_or_else(|why| panic!("{name} at {cut}: {why}"));
            if name.starts_with("Copy") {
                wire.send(&query("COPY plain FROM STDIN")).expect("sent");
                assert_eq!(wire.message().expect("answered").tag, b'G', "{name} at {cut}");
            }
            wire.send(&message[..cut]).expect("sent");
        }
    }
    health.holds(&stage);
}

#[test]
fn lengths_that_cannot_be() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let lengths = [u32::MAX, 0, 3, 0x7fff_ffff];
    for len in lengths {
        let mut wire = agent.dial().expect("dialled");
        wire.send(&[len.to_be_bytes(), 196_608_u32.to_be_bytes()].concat()).expect("sent");
        assert_eq!(wire.until_end(), (Some("08P01".into()), End::Closed), "a startup packet of {len}");
    }
    for (name, message) in every_message() {
        for len in lengths {
            let mut wire = agent.login().expect("logged in");
            wire.send(&[&message[..1], &len.to_be_bytes(), &[0; 64]].concat()).expect("sent");
            wire.half_close();
            let (code, end) = wire.until_end();
            assert_eq!(end, End::Closed, "{name} of {len}");
            let too_long = len == 0x7fff_ffff && code.as_deref() != Some("08P01");
            if too_long {
                // Terminate of any length ends; COPY data outside of a COPY is read over, as the server does.
                let expected = match name {
                    "CopyData" => None,
                    _ => Some("54000".to_owned()),
                };
                assert_eq!(code, expected, "{name} of {len}");
            } else {
                assert_eq!(code.as_deref(), Some("08P01"), "{name} of {len}");
            }
        }
    }
    health.holds(&stage);
}

#[test]
fn a_startup_packet_of_one_gibibyte() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let before = health.memory();
    for _ in 0..16 {
        let mut wire = agent.dial().expect("dialled");
        wire.send(&[(1_u32 << 30).to_be_bytes(), 196_608_u32.to_be_bytes()].concat()).expect("sent");
        // The refusal may come before all of it is taken.
        let _ = wire.send(&vec![b'a'; 1 << 20]);
        assert_eq!(wire.until_end().1, End::Closed);
    }
    let grown = health.memory().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes were kept of it");
    health.holds(&stage);
}

/// A frame, from well formed to noise.
fn random_frame(dice: &mut Dice, messages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut known = messages[dice.below(messages.len())].1.clone();
    match dice.below(16) {
        0..7 => known,
        7..11 => {
            let len = dice.below(48);
            frame(known[0], &dice.bytes(len))
        }
        11..14 => {
            // Only bodies: with a wrong length everything behind it is noise.
            for _ in 0..=dice.below(3) {
                let at = dice.below(known.len());
                if at >= 5 {
                    known[at] = dice.byte();
                }
            }
            known
        }
        14 => {
            let at = dice.below(known.len());
            known[at] = dice.byte();
            known
        }
        _ => {
            let (tag, len) = (dice.byte(), dice.below(48));
            frame(tag, &dice.bytes(len))
        }
    }
}

#[test]
fn ten_thousand_random_frames() {
    let Some(stage) = Stage::usual() else { return };
    // The same frames for every change; others by night.
    let seed = std::env::var("INTERCEPTOR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_126);
    // Shown when the test fails.
    eprintln!("INTERCEPTOR_SEED={seed} repeats it");
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let mut dice = Dice::new(seed, 0);
    let mut messages = every_message();
    messages.extend([
        ("Query", query("COPY plain FROM STDIN")),
        ("Query", query("SELECT pan FROM payments; DROP TABLE payments")),
        ("Query", query("BEGIN")),
        ("Parse", parse("", "SELECT customer, pan FROM payments")),
        ("Bind", raw::bind("", "")),
        ("Execute", raw::execute("")),
        ("Sync", sync()),
    ]);
    for connection in 0..400 {
        let mut wire = agent.login().unwrap_or_else(|why| panic!("connection {connection}: {why}"));
        let frames: Vec<u8> = (0..25).flat_map(|_| random_frame(&mut dice, &messages)).collect();
        // A refused connection may be closed before all of it is taken.
        let _ = wire.send(&frames);
        wire.half_close();
        assert_eq!(wire.until_end().1, End::Closed, "connection {connection}");
    }
    health.holds(&stage);
    let log = stage.database.log();
    assert!(
        !log.contains("statement: DROP") && !log.contains("DROP TABLE payments"),
        "a refused statement was executed"
    );
    // Frames that we let pass and the server cannot read would be ours: it says so with this.
    let unread = ["invalid message format", "invalid frontend message type", "insufficient data left in message"];
    for line in log.lines() {
        assert!(!unread.iter().any(|said| line.contains(said)), "the server was sent what it cannot read: {line}");
    }
}

#[test]
fn who_never_speaks_is_let_go_and_a_database_that_never_answers_too() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    stage.database.control("stop").expect("stopped");
    let silent = TcpListener::bind(("127.0.0.1", stage.database.port)).expect("in the database's place");
    let start = Instant::now();
    let mut mute = agent.dial().expect("dialled");
    let mut half = agent.dial().expect("dialled");
    half.send(&usual_startup()[..5]).expect("sent");
    let mut waiting = agent.dial().expect("dialled");
    waiting.send(&usual_startup()).expect("sent");
    let (accepted, _) = silent.accept().expect("the service dials the database");
    // The login's 10 s begin with the connection.
    assert_eq!(mute.until_end(), (Some("08P01".into()), End::Closed));
    assert_eq!(half.until_end(), (Some("08P01".into()), End::Closed));
    assert_eq!(waiting.until_end(), (Some("57P03".into()), End::Closed));
    assert!(start.elapsed() < PATIENCE, "it took {:?}", start.elapsed());
    drop((silent, accepted, mute, half, waiting));
    stage.database.control("start").expect("started");
    health.holds(&stage);
}

#[test]
fn an_agent_that_resets_in_each_phase() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let login = |bytes: &[u8]| {
        let mut wire = agent.login().expect("logged in");
        wire.send(bytes).expect("sent");
        wire
    };
    for _ in 0..5 {
        agent.dial().expect("dialled").reset();
        for cut in [4, usual_startup().len()] {
            let mut wire = agent.dial().expect("dialled");
            wire.send(&usual_startup()[..cut]).expect("sent");
            wire.reset();
        }
        let mut wire = agent.dial().expect("dialled");
        wire.send(&usual_startup()).expect("sent");
        wire.message().expect("authentication begins");
        wire.reset();
        login(&[]).reset();
        login(&query("SELECT 1")[..7]).reset();
        login(&query("SELECT 1")).reset();
        login(&query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)")).reset();
        let mut wire = login(&query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)"));
        wire.message().expect("rows begin");
        wire.reset();
        login(&query("COPY payments TO STDOUT")).reset();
        let mut wire = login(&query("COPY plain FROM STDIN"));
        wire.message().expect("COPY begins");
        wire.send(&frame(b'd', b"1\tone\n")).expect("sent");
        wire.reset();
        login(&[parse("", "SELECT 1"), raw::bind("", ""), raw::execute("")].concat()).reset();
        login(&query("BEGIN")).reset();
        login(&frame(b'X', &[])).reset();
    }
    health.holds(&stage);
    assert_eq!(stage.database.sql("postgres", "SELECT count(*) FROM plain").expect("asked").trim(), "0");
}

/// In the database's place: passes bytes on, and breaks the server's off at a given place.
struct Relay {
    port: u16,
    /// After so many bytes of the server.
    cut: AtomicUsize,
    /// By a reset, or in order.
    resets: AtomicUsize,
}

impl Relay {
    fn start(listener: TcpListener, port: u16) -> Arc<Relay> {
        let relay = Arc::new(Relay { port, cut: AtomicUsize::new(usize::MAX), resets: AtomicUsize::new(0) });
        let own = Arc::clone(&relay);
        std::thread::spawn(move || {
            for accepted in listener.incoming().flatten() {
                let own = Arc::clone(&own);
                std::thread::spawn(move || own.serve(accepted));
            }
        });
        relay
    }

    fn serve(&self, near: TcpStream) -> std::io::Result<()> {
        let far = TcpStream::connect(("127.0.0.1", self.port))?;
        let (mut from_agent, mut to_server) = (near.try_clone()?, far.try_clone()?);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from_agent, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Write);
        });
        let cut = self.cut.load(Ordering::SeqCst);
        let resets = self.resets.load(Ordering::SeqCst) > 0;
        let limit = u64::try_from(cut).unwrap_or(u64::MAX);
        let _ = std::io::copy(&mut Read::by_ref(&mut &far).take(limit), &mut &near);
        let _ = far.shutdown(Shutdown::Both);
        if resets {
            raw::reset(near.try_clone()?);
        }
        let _ = near.shutdown(Shutdown::Both);
        Ok(())
    }
}

#[test]
fn a_database_that_breaks_off_at_every_byte() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let moved = free_port().expect("a port");
    stage.database.sql("postgres", &format!("ALTER SYSTEM SET port = {moved}")).expect("set");
    stage.database.control("stop").expect("stopped");
    let listener = TcpListener::bind(("127.0.0.1", stage.database.port)).expect("in the database's place");
    stage.database.control("start").expect("started");
    let relay = Relay::start(listener, moved);

    let ask = || -> std::io::Result<Vec<raw::Message>> {
        let mut wire = agent.dial()?;
        wire.send(&usual_startup())?;
        let mut all = wire.until_ready()?;
        if all.last().is_some_and(|message| message.tag == b'Z') {
            all.extend(wire.ask("SELECT customer, pan FROM payments")?);
        }
        Ok(all)
    };
    let whole = ask().expect("answered");
    assert_eq!(whole.iter().filter(|message| message.tag == b'D').count(), 5);
    // As many bytes as the server sends for it at most: our own question's answer is in them.
    let bytes: usize = whole.iter().map(|message| message.body.len() + 5).sum();
    let (mut broken, mut last) = (0, 0);
    for cut in 0..bytes + 600 {
        relay.cut.store(cut, Ordering::SeqCst);
        relay.resets.store(cut % 2, Ordering::SeqCst);
        match ask() {
            // An error, or an end: whatever it is, no card in it, and no wait.
            Ok(messages) if messages.last().is_some_and(|message| message.tag == b'Z') => last = cut,
            Ok(messages) => {
                broken += 1;
                assert!(messages.iter().all(|message| !holds_card(&message.body)), "a card, with the cut at {cut}");
            }
            Err(why) => {
                broken += 1;
                let silent = matches!(why.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                assert!(!silent, "the agent waits for ever with the cut at {cut}");
            }
        }
    }
    assert!(broken > bytes / 2 && last > 0, "{broken} of {bytes} were broken, the last whole one at {last}");
    relay.cut.store(usize::MAX, Ordering::SeqCst);
    health.holds(&stage);
}

fn holds_card(bytes: &[u8]) -> bool {
    crate::stage::CARDS.iter().any(|card| bytes.windows(card.len()).any(|window| window == card.as_bytes()))
}

/// What a verb said, and its exit status.
pub fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

/// A configuration with these addresses, and its files; nothing is started.
fn prepared(addresses: &str, policy: &str) -> Service {
    let config = format!(
        "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [{addresses}]\n\n[[agent]]\nname = \"reconciler\"\ngroups = [\"payments-agents\"]\n"
    );
    Service::prepare(binary(), "shards = 1", &config, policy).expect("the files")
}

#[test]
fn a_policy_with_a_typo_is_refused_with_its_line_and_the_nearest_key() {
    let typo = POLICY.replacen("tables = [", "tabels = [", 1);
    let line = typo.lines().position(|line| line.starts_with("tabels")).expect("it is there") + 1;
    let service = prepared("\"127.0.0.1:5432\"", &typo);
    for verb in ["check", "run"] {
        let (status, text) = said(&mut service.verb(verb));
        assert_eq!(status, Some(1), "{verb}: {text}");
        assert!(text.contains(&format!("line {line}")) || text.contains(&format!(":{line}")), "{verb}: {text}");
        assert!(text.contains("tabels") && text.contains("`tables`"), "{verb}: {text}");
    }
}

#[test]
fn an_address_that_resolves_nowhere_is_refused_by_name() {
    let service = prepared("\"127.0.0.1:5432\", \"database.invalid:5432\"", POLICY);
    for verb in ["check", "run"] {
        let (status, text) = said(&mut service.verb(verb));
        assert_eq!(status, Some(1), "{verb}: {text}");
        assert!(text.contains("database.invalid"), "{verb}: {text}");
    }
}

#[test]
fn a_reload_that_fails_keeps_the_old_policy_and_says_so() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let before = status(&stage)["policy"]["version"].clone();
    stage.service.write_policy(&POLICY.replacen("action = \"allow\"", "action = \"alow\"", 1)).expect("written");
    reload(&stage);
    let refused = await_status(&stage, |status| status["policy"]["refused"].is_string());
    assert_eq!(refused["policy"]["version"], before);
    let why = refused["policy"]["refused"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains("alow") && why.contains("allow"), "{why}");
    let (_, text) = said(&mut stage.service.verb("status"));
    assert!(text.contains("WARNING") && text.contains("alow"), "{text}");
    stage.ask("SELECT count(*) FROM payments").says("5");
    stage.ask("DROP TABLE payments").refused("42501");

    stage.service.write_policy(&POLICY.replacen("public.tickets", "public.nothing", 1)).expect("written");
    reload(&stage);
    let accepted = await_status(&stage, |status| status["policy"]["refused"].is_null());
    assert_ne!(accepted["policy"]["version"], before);
    stage.ask("SELECT count(*) FROM tickets").refused("42501");
    health.holds(&stage);
}

fn reload(stage: &Stage) {
    let pid = stage.service.pid().expect("it runs").to_string();
    succeed(Command::new("kill").args(["-s", "HUP", &pid])).expect("told");
}

#[track_caller]
fn await_status(stage: &Stage, is_there: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let start = Instant::now();
    loop {
        let status = status(stage);
        if is_there(&status) {
            return status;
        }
        assert!(start.elapsed() < PATIENCE, "it did not come: {status:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
pub fn await_log(stage: &Stage, words: &str) {
    let start = Instant::now();
    while !stage.service.log().contains(words) {
        assert!(start.elapsed() < PATIENCE, "the log does not say `{words}`: {}", stage.service.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A small file system over a folder; gone on drop, whatever still uses it.
struct Small(PathBuf);

impl Small {
    fn over(folder: PathBuf, bytes: usize, uid: u32) -> Small {
        let options = format!("size={bytes},mode=0700,uid={uid},gid={uid}\0");
        let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).expect("ends with 0");
        rustix::mount::mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), options).expect("a tmpfs");
        Small(folder)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).expect("made");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// The SQLSTATE of an answer's error, where there is one.
fn refusal(answer: &[raw::Message]) -> Option<String> {
    answer.iter().find(|message| message.tag == b'E').map(raw::Message::code)
}

/// Asks until the record has no room; says which code came then, and whether the connection goes on.
fn ask_until_full(wire: &mut raw::Wire, asked: &mut u32, long: usize) -> (String, bool) {
    loop {
        *asked += 1;
        assert!(*asked < 20_000, "the record does not fill up");
        let answer = wire.ask(&format!("SELECT {asked} AS marked_{asked} /* {} */", "long ".repeat(long)));
        let answer = answer.expect("the connection lives");
        if let Some(code) = refusal(&answer) {
            return (code, answer.last().map(|message| message.tag) == Some(b'Z'));
        }
    }
}

#[test]
fn a_full_disk_under_the_record_refuses_statements_and_connections_with_53100() {
    let Some(mut stage) = Stage::usual() else { return };
    stage.service.stop("TERM").expect("stopped");
    let disk = Small::over(stage.service.state(), 12 << 20, stage.service.uid());
    // Segments that a test can fill; of each shard one is written and one is ready, and its tail is three long.
    let config = stage.service.config_path();
    let text = std::fs::read_to_string(&config).expect("readable");
    std::fs::write(&config, text.replace("segment_bytes = 8388608", "segment_bytes = 1048576")).expect("written");
    stage.service.run().expect("started");
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    stage.ask("SELECT 1").says("1");
    // On every shard, before the disk is full.
    let mut wires: Vec<raw::Wire> = (0..8).map(|_| agent.login().expect("logged in")).collect();
    disk.fill();

    let mut asked = 0;
    for long in [400, 0] {
        for wire in &mut wires {
            assert_eq!(ask_until_full(wire, &mut asked, long), ("53100".to_owned(), true));
        }
    }
    for wire in &mut wires {
        let again = wire.ask("SELECT 1 AS marked_again").expect("the connection lives on");
        assert_eq!(refusal(&again).as_deref(), Some("53100"), "it is refused each time");
        let hint = again.iter().find_map(|message| message.field(b'H')).unwrap_or_default();
        assert!(hint.contains("state_dir") && hint.contains("interceptor status"), "{hint}");
    }
    for _ in 0..8 {
        let mut new = agent.dial().expect("dialled");
        new.send(&usual_startup()).expect("sent");
        assert_eq!(new.until_end(), (Some("53100".into()), End::Closed), "a new connection");
    }
    let answer = stage.ask("SELECT 1");
    assert!(!answer.ok && answer.err.contains("FATAL:  the interceptor has no room to record"), "{}", answer.err);
    check_recorded(&stage);
    full_is_loud(&stage);

    // With room again it serves again, by itself, on the same connections too.
    std::fs::remove_file(disk.filler()).expect("removed");
    rustix::mount::mount_remount(&disk.0, MountFlags::empty(), "size=25165824").expect("larger");
    await_status(&stage, |status| {
        status["shards"].as_array().is_some_and(|shards| shards.iter().all(|s| s["state"]["is"] == "serving"))
    });
    for wire in &mut wires {
        let answer = wire.ask("SELECT 7 AS marked_later").expect("the connection lived through it");
        assert_eq!(refusal(&answer), None);
    }
    check_recorded(&stage);
    drop(wires);
    health.holds(&stage);
    drop(agent);
    stage.service.stop("TERM").expect("stopped");
    let (status, text) = said(&mut stage.service.verb("audit verify"));
    assert_eq!(status, Some(0), "{text}");
}

/// Nothing was executed that is not in the record.
#[track_caller]
fn check_recorded(stage: &Stage) {
    let record = stage.record();
    let decisions = record.iter().filter(|line| line.contains("\"decision\""));
    let decided: BTreeSet<String> =
        decisions.flat_map(|line| marks(&format!("statement: {line}"), "marked_")).collect();
    let ran = marks(&stage.database.log(), "marked_");
    assert!(!ran.is_empty() && !ran.contains("marked_again"), "what was refused was executed");
    for name in ran {
        assert!(decided.contains(&name), "{name} was executed and is not in the record");
    }
}

/// Status, metrics and log say that the record is full.
#[track_caller]
fn full_is_loud(stage: &Stage) {
    let told = status(stage);
    let full = told["shards"].as_array().is_some_and(|shards| shards.iter().all(|s| s["state"]["is"] == "record-full"));
    assert!(full && told["warnings"].to_string().contains("is the disk full?"), "{told:#}");
    let (code, text) = said(&mut stage.service.verb("status"));
    assert!(code == Some(1) && text.contains("WARNING") && text.contains("53100"), "{code:?} {text}");
    let (_, metrics) = said(stage.service.verb("status").arg("--metrics"));
    let value = |name: &str| -> u64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    assert_eq!((value("interceptor_record_full"), value("interceptor_shard_serving")), (2, 0));
    assert!(value("interceptor_refused_statements") >= 16 && value("interceptor_refused_record") >= 9, "{metrics}");
    await_log(stage, "is the disk full?");
}

/// The marks (a prefix and digits, or more of a name) of statements that the server logged.
pub fn marks(log: &str, prefix: &str) -> BTreeSet<String> {
    let statements = log.lines().filter(|line| line.contains("statement: ") || line.contains("execute "));
    statements
        .filter_map(|line| {
            let name = &line[line.find(prefix)?..];
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            Some(name[..end].to_owned())
        })
        .collect()
}

#[test]
fn while_the_service_stands_still_agents_wait_and_are_never_direct() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let mut before = agent.login().expect("logged in");
    let pid = stage.service.pid().expect("it runs").to_string();
    succeed(Command::new("kill").args(["-s", "STOP", &pid])).expect("stopped");
    let mut new = agent.dial().expect("the kernel's backlog takes it");
    new.send(&[usual_startup(), query("SELECT 2 AS still_two")].concat()).expect("sent");
    before.send(&query("SELECT 1 AS still_one")).expect("sent");
    for wire in [&mut before, &mut new] {
        wire.socket.set_read_timeout(Some(Duration::from_millis(700))).expect("a timeout");
        let kind = wire.message().map(|message| message.tag).map_err(|why| why.kind());
        assert!(matches!(kind, Err(std::io::ErrorKind::WouldBlock)), "somebody answered: {kind:?}");
        wire.socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    }
    assert!(!stage.database.log().contains("still_"), "a statement got past the service");
    succeed(Command::new("kill").args(["-s", "CONT", &pid])).expect("continued");
    assert_eq!(before.until_ready().expect("answered").last().map(|m| m.tag), Some(b'Z'));
    new.until_ready().expect("logged in");
    new.until_ready().expect("answered");
    drop((before, new));
    health.holds(&stage);
}

#[test]
fn a_version_that_nobody_speaks_and_keys_that_mean_two_things() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let packets = [
        (startup(0x0002_0000, &[("user", "app")]), "0A000"),
        (startup(0x0004_0000, &[("user", "app")]), "0A000"),
        (startup(196_608, &[("user", "app"), ("user", "postgres")]), "08P01"),
        (startup(196_608, &[("user", "app"), ("replication", "true")]), "42501"),
        (startup(196_608, &[("user", "app"), ("standard_conforming_strings", "off")]), "42501"),
        (startup(196_608, &[("database", "postgres")]), "28000"),
    ];
    for (packet, code) in packets {
        let mut wire = agent.dial().expect("dialled");
        wire.send(&packet).expect("sent");
        assert_eq!(wire.until_end(), (Some(code.to_owned()), End::Closed));
    }
    health.holds(&stage);
}
