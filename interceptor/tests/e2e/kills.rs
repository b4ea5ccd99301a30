//! `kill -9` of the service under load, again and again: every statement that the database executed has its decision in the record, every one
//! whose answer an agent heard has its outcome too, no connection was direct, and nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::faults::marks;
use crate::raw::Agent;
use crate::stage::Stage;

/// Agents' connections that are busy all the time.
const CONNECTIONS: usize = 4;
/// Statements that have to be answered between two kills.
const BETWEEN: u32 = 40;
/// After so many kills it is asked what is in the tails: a record of a thousand kills takes long to verify.
const TOLD: u32 = 20;
/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn killed_under_load_it_loses_no_record_and_lets_nobody_through() {
    let Some(mut stage) = Stage::usual() else { return };
    let seed: u32 = std::env::var("INTERCEPTOR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let kills = std::env::var("INTERCEPTOR_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let agent = Agent::start(&stage);
    let load = Load::default();
    let (port, uid) = (stage.database.port, stage.service.uid());
    std::thread::scope(|scope| {
        let _ends = Ends(&load.over);
        for number in 0..CONNECTIONS {
            let (load, agent) = (&load, &agent);
            scope.spawn(move || load.run(agent, number));
        }
        let watch = scope.spawn(|| load.watch(port, uid));
        let mut in_tails = 0;
        for kill in 0..kills {
            load.answers(BETWEEN, kill);
            // Each time in another moment of the load, and in each run in others.
            std::thread::sleep(moment(seed, kill));
            stage.service.stop("KILL").expect("killed");
            assert_eq!(refused(&agent), Ok(()), "kill {kill}");
            in_tails += if kill < TOLD { told_in_tails(&stage) } else { 0 };
            stage.service.run().unwrap_or_else(|why| panic!("kill {kill}: it does not start again: {why}"));
        }
        assert!(in_tails > 0, "no kill left a record that was not written");
        load.answers(BETWEEN, kills);
        load.over.store(true, Ordering::SeqCst);
        assert_eq!(
            watch.join().expect("watched"),
            BTreeMap::new(),
            "connections to the database that are not the service's"
        );
    });
    drop(agent);

    // Sessions that a kill cut off may still be running their last statement.
    stage.service.stop("TERM").expect("stopped");
    stage.database.control("stop").expect("stopped");
    let executed = marks(&stage.database.log(), "mark_");
    let (decided, ended) = decided(&stage.record());
    let missing: Vec<&String> = executed.iter().filter(|mark| !decided.contains_key(*mark)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} executed statements have no record: {missing:?}",
        missing.len(),
        executed.len()
    );
    let twice: Vec<_> = decided.iter().filter(|(_, records)| records.len() != 1).collect();
    assert!(twice.is_empty(), "statements with more than one decision: {twice:?}");
    assert!(executed.len() >= (kills * BETWEEN) as usize, "only {} statements ran", executed.len());
    let heard = load.heard.into_inner().expect("whole");
    let is_told = |mark: &u32| decided.get(&format!("mark_{mark}")).is_some_and(|records| ended.contains(&records[0]));
    let lost: Vec<&u32> = heard.iter().filter(|mark| !is_told(mark)).collect();
    assert!(lost.is_empty(), "{} of {} answers that were heard have no outcome: {lost:?}", lost.len(), heard.len());
    println!(
        "{kills} kills: of {} statements executed 0 without a decision, of {} answers heard 0 without an outcome",
        executed.len(),
        heard.len()
    );

    let verdict = stage.service.verb("audit verify").output().expect("it runs");
    let said = String::from_utf8_lossy(&verdict.stdout).into_owned() + &String::from_utf8_lossy(&verdict.stderr);
    assert_eq!(told_in_tails(&stage), 0);
    assert!(matches!(verdict.status.code(), Some(0 | 4)), "{said}");

    let left = Left::of(&stage);
    drop(stage);
    left.nothing();
}

/// Records that the killed service stored last and did not write, as `audit verify` tells them to tools and to people.
fn told_in_tails(stage: &Stage) -> u64 {
    let verify = |args: &[&str]| stage.service.verb("audit verify").args(args).output().expect("it runs").stdout;
    let says: serde_json::Value = serde_json::from_slice(&verify(&["--json"])).expect("it says JSON");
    let count = says["records_in_tails"].as_u64().expect("a number");
    let words = String::from_utf8_lossy(&verify(&[])).into_owned();
    let line = format!("{count} records are in a tail (*.tail) and in no segment yet");
    assert_eq!(words.contains(&line), count > 0, "{words}");
    count
}

/// Up to seven milliseconds, in microseconds that look random.
fn moment(seed: u32, kill: u32) -> Duration {
    let mixed = (u64::from(seed) << 32 | u64::from(kill)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Duration::from_micros((mixed >> 40) % 7000)
}

/// The decisions of each marked statement, and those that have an outcome.
fn decided(record: &[String]) -> (BTreeMap<String, Vec<String>>, BTreeSet<String>) {
    let (mut decided, mut ended) = (BTreeMap::<String, Vec<String>>::new(), BTreeSet::new());
    for line in record {
        let says: serde_json::Value = serde_json::from_str(line).expect("a record is JSON");
        let word = |key: &str| says[key].as_str().unwrap_or_default().to_owned();
        match says["type"].as_str() {
            Some("decision") => {
                for mark in marks(&format!("statement: {line}"), "mark_") {
                    decided.entry(mark).or_default().push(word("record"));
                }
            }
            Some("outcome") => _ = ended.insert(word("decision")),
            _ => {}
        }
    }
    (decided, ended)
}

/// With nobody there the kernel refuses; while it still takes a killed service's listeners down, it may also accept and reset.
fn refused(agent: &Agent) -> Result<(), String> {
    match agent.login() {
        Err(why) if matches!(why.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => Ok(()),
        Err(why) if matches!(why.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => Ok(()),
        Err(why) => Err(format!("neither served nor refused: {why}")),
        Ok(_) => Err("somebody served it".into()),
    }
}

/// Ends the load also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Load {
    over: AtomicBool,
    next: AtomicU32,
    answered: AtomicU32,
    /// The marks of all that was answered.
    heard: Mutex<Vec<u32>>,
}

impl Load {
    /// Statements, each with a mark of its own: reads, and every fourth one a write, which waits for the disk.
    fn run(&self, agent: &Agent, number: usize) {
        while !self.over.load(Ordering::SeqCst) {
            let Ok(mut wire) = agent.login() else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            while !self.over.load(Ordering::SeqCst) {
                let mark = self.next.fetch_add(1, Ordering::SeqCst);
                let sql = match mark % 4 {
                    0 => format!("INSERT INTO plain SELECT {number} AS mark_{mark}"),
                    _ => format!("SELECT customer AS mark_{mark} FROM payments"),
                };
                match wire.ask(&sql) {
                    Ok(answer) if answer.iter().all(|message| message.tag != b'E') => {
                        self.heard.lock().expect("nobody panics with it").push(mark);
                        self.answered.fetch_add(1, Ordering::SeqCst);
                    }
                    _ => break,
                }
            }
        }
    }

    /// Waits until so many more are answered.
    fn answers(&self, more: u32, kill: u32) {
        let goal = self.answered.load(Ordering::SeqCst) + more;
        let start = Instant::now();
        while self.answered.load(Ordering::SeqCst) < goal {
            assert!(start.elapsed() < PATIENCE, "after kill {kill} the agents are not served");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Connections to the database's port that are of another account than the service's, by account, as the kernel lists them.
    fn watch(&self, port: u16, own: u32) -> BTreeMap<u32, u32> {
        let mut strangers = BTreeMap::new();
        while !self.over.load(Ordering::SeqCst) {
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
            for uid in table.lines().filter_map(|line| dialler(line, port)).filter(|uid| *uid != own) {
                *strangers.entry(uid).or_default() += 1;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        strangers
    }
}

/// The account of a socket that is connected, or being connected, to this port. One that nobody holds any more has none.
fn dialler(line: &str, port: u16) -> Option<u32> {
    let mut words = line.split_whitespace();
    let (remote, state) = (words.nth(2)?, words.next()?);
    let (_, remote_port) = remote.split_once(':')?;
    let uid = words.nth(3)?.parse().ok()?;
    let inode: u64 = words.nth(1)?.parse().ok()?;
    let held = matches!(state, "01" | "02") && inode != 0;
    (u16::from_str_radix(remote_port, 16).ok()? == port && held).then_some(uid)
}

/// Where something could be left.
struct Left {
    folders: Vec<PathBuf>,
    config: PathBuf,
}

impl Left {
    fn of(stage: &Stage) -> Left {
        let config = stage.service.config_path();
        let text = std::fs::read_to_string(&config).expect("readable");
        let port = text.lines().find_map(|line| line.strip_prefix("port = ")).expect("the stand writes it");
        let pins = PathBuf::from(format!("/sys/fs/bpf/interceptor-{}", port.trim()));
        assert!(pins.is_dir(), "{} is not where the pins are", pins.display());
        let state = stage.service.state();
        let cgroups = PathBuf::from("/sys/fs/cgroup/interceptor-exec");
        Left { folders: vec![pins, state, cgroups.join(format!("reconciler-{}", std::process::id()))], config }
    }

    /// Fails if a pin, a file, a cgroup or a process is.
    fn nothing(&self) {
        for folder in &self.folders {
            assert!(!folder.exists(), "{} is left", folder.display());
        }
        let named = self.config.display().to_string();
        let left: Vec<String> = processes().filter(|line| line.contains(&named)).collect();
        assert!(left.is_empty(), "processes are left: {left:?}");
        let links = Command::new("ls").arg("/sys/fs/bpf").output().expect("it runs");
        assert!(!String::from_utf8_lossy(&links.stdout).lines().any(|name| self.folders[0].ends_with(Path::new(name))));
    }
}

fn processes() -> impl Iterator<Item = String> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
}

#[test]
fn what_a_killed_stand_left_attached_goes_with_the_next() {
    let Some(mut stage) = Stage::usual() else { return };
    stage.service.stop("TERM").expect("stopped");
    let (pins, folder) = (stage.service.pins(), stage.service.run_dir());
    // As a killed test: nobody detaches, and the claim is given back by the kernel.
    stage.service.keep();
    drop(stage);
    assert!(pins.is_dir(), "{} is not where the pins are", pins.display());

    let next = Stage::usual().expect("the first one stood");
    assert!(!pins.exists(), "{} is left", pins.display());
    assert!(next.ask("SELECT 1").ok);
    std::fs::remove_dir_all(folder.parent().expect("it is in the stand's folder")).expect("removed");
}
