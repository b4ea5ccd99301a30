//! What an idle session costs: many of them, and /proc.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test
#![allow(clippy::print_stdout)] // how the two processes talk

mod stand;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use stand::{Server, Stand, agent, ask, message, query};

/// As many as this, or as the limit of descriptors allows: each takes two of ours.
const WANTED: usize = 10_000;
const BYTES_MAX: usize = 4096;
const SPARE: usize = 200;
const SHARED: usize = 64;
/// So many of them have had a result of more than one buffer.
const BULK: usize = 1000;
const SMALL: &str = "SELECT pan FROM payments";
const LARGE: &str = "SELECT id FROM payments";

fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}

/// Resident memory that is this process's alone: the record's segment, which is a file, is not in it.
fn anonymous_bytes() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// A connection after its login and one statement; a statement of `LARGE` is answered by a row of more than one buffer.
fn answered(mut stream: TcpStream) -> TcpStream {
    let mut server = Server::new();
    let mut buffer = [0_u8; 8192];
    while server.log.is_empty() {
        let count = stream.read(&mut buffer).unwrap();
        server.feed(&buffer[..count]);
        let mut answer = server.take();
        if server.log.last().is_some_and(|text| text == LARGE) {
            answer = enlarged(&answer);
        }
        stream.write_all(&answer).unwrap();
    }
    stream
}

/// The same messages, each DataRow with one long value instead of its own.
fn enlarged(answer: &[u8]) -> Vec<u8> {
    let value = vec![b'x'; 150_000];
    let row = [&[0, 1][..], &(value.len() as u32).to_be_bytes(), &value].concat();
    let (mut rest, mut large) = (answer, Vec::new());
    while let [tag, a, b, c, d, ..] = *rest {
        let (one, others) = rest.split_at(1 + u32::from_be_bytes([a, b, c, d]) as usize);
        large.extend(if tag == b'D' { message(b'D', &row) } else { one.to_vec() });
        rest = others;
    }
    large
}

/// The other process: the database, and the agents.
fn peers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("database {}", listener.local_addr().unwrap());
    // One after the other: an agent comes when the one before it has had its answer.
    let accept =
        std::thread::spawn(move || listener.incoming().map(|stream| answered(stream.unwrap())).collect::<Vec<_>>());
    let mut agents = Vec::new();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let [port, count, text] = words[..] else { panic!("`port count text` is wanted") };
        for _ in 0..count.parse().unwrap() {
            let mut agent = agent(port.parse().unwrap());
            ask(&mut agent, &query(text));
            agents.push(agent);
        }
        println!("open {}", agents.len());
    }
    drop((agents, accept));
}

#[test]
fn an_idle_session_costs_at_most_four_kib() {
    if std::env::var_os("IDLE_PEERS").is_some() {
        return peers();
    }
    let count = WANTED.min((descriptors() - SPARE) / 2);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "an_idle_session_costs_at_most_four_kib", "--nocapture"])
        .env("IDLE_PEERS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = child.stdin.take().unwrap();
    let mut wait_for = |word: &str| loop {
        let line = said.next().unwrap().unwrap();
        if let Some(at) = line.find(word) {
            return line[at + word.len()..].trim().to_owned();
        }
    };
    let database = wait_for("database ").parse().unwrap();
    let stand = Stand::start("idle", database, 20_000);
    let port = stand.port();
    let mut open = |count: usize, text: &str| {
        let before = anonymous_bytes();
        writeln!(told, "{port} {count} {text}").unwrap();
        wait_for("open ");
        (anonymous_bytes() - before) / count
    };
    // What the first sessions touch (buffers, caches, the policy) is not theirs alone.
    open(SHARED, LARGE);
    let after_bulk = open(BULK, LARGE);
    let each = open(count - SHARED - BULK, SMALL);
    println!("{count} idle sessions: {each} bytes each, and {after_bulk} of {BULK} of them, after a large result");
    assert_eq!(stand.handle().snapshots()[0].sessions as usize, count);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(each <= BYTES_MAX && after_bulk <= BYTES_MAX, "{each} and {after_bulk} bytes for an idle session");
}
