//! Much at once, much in one piece, and readers that do not read: memory stays flat, and nobody else waits.

use std::io::Read;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::health::{Health, status};
use crate::raw::{self, Agent, parse, query, sync};
use crate::stage::Stage;

/// What the service may keep of anything that only passes.
const FLAT: u64 = 100 << 20;

#[test]
fn a_reader_that_does_not_read_stops_its_own_session_alone() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let before = health.memory();
    let mut slow = agent.login().expect("logged in");
    slow.send(&query("SELECT repeat('x', 10000) FROM generate_series(1, 20000)")).expect("sent");
    slow.message().expect("it begins");
    let still = until_still(&stage);
    assert!(still < 100 << 20, "{still} bytes were taken from the database for one who reads nothing");
    stage.ask("SELECT count(*) FROM payments").says("5");
    let grown = health.memory().saturating_sub(before);
    assert!(grown < FLAT, "{grown} bytes more for a reader that reads nothing");
    let rest = slow.until_ready().expect("the rest comes when it reads");
    assert_eq!(rest.iter().filter(|message| message.tag == b'D').count(), 20_000);
    assert!(health.memory().saturating_sub(before) < FLAT);
    drop(slow);
    health.holds(&stage);
}

/// Bytes from databases, once no more of them come.
fn until_still(stage: &Stage) -> u64 {
    let taken = || {
        let status = status(stage);
        let figures = status["figures"].as_array().cloned().unwrap_or_default();
        figures.iter().filter(|f| f["name"] == "from_databases").filter_map(|f| f["value"].as_u64()).sum::<u64>()
    };
    let mut last = taken();
    let start = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = taken();
        if now == last {
            return now;
        }
        assert!(start.elapsed() < raw::PATIENCE, "it takes more and more for one who reads nothing");
        last = now;
    }
}

/// Bytes of the long field. PostgreSQL's own limit is 1 GiB less some; a build without optimisation masks some 100 MB/s.
const FIELD: usize = 1_000_000_000;

#[test]
fn a_field_of_a_thousand_million_bytes_streams_through() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let before = health.memory();
    let mut wire = agent.login().expect("logged in");
    wire.send(&query(&format!("SELECT repeat('x', {FIELD})"))).expect("sent");
    assert_eq!(wire.message().expect("answered").tag, b'T');
    let mut header = [0; 11];
    wire.socket.read_exact(&mut header).expect("a row");
    assert_eq!(header[0], b'D');
    let len = u32::from_be_bytes([header[7], header[8], header[9], header[10]]) as usize;
    assert_eq!(len, FIELD);
    let (mut left, mut most, mut chunk) = (len, 0, vec![0; 1 << 20]);
    let mut looked = left;
    while left > 0 {
        let part = left.min(chunk.len());
        let got = wire.socket.read(&mut chunk[..part]).expect("it goes on");
        assert!(got > 0, "it ended with {left} bytes to come");
        assert!(chunk[..got].iter().all(|byte| *byte == b'x'), "a byte changed, {left} before the end");
        left -= got;
        if looked - left > 32 << 20 {
            looked = left;
            most = most.max(health.memory().saturating_sub(before));
        }
    }
    assert!(most < FLAT, "{most} bytes more while it passed");
    assert_eq!(wire.until_ready().expect("it ends").last().map(|message| message.tag), Some(b'Z'));
    drop(wire);
    health.holds(&stage);
}

#[test]
fn a_statement_over_the_limit_is_refused_and_the_connection_lives() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let mut wire = agent.login().expect("logged in");
    let padded = |len: usize, sql: &str| format!("{sql}{}", " ".repeat(len - sql.len()));
    let limit = 1 << 20;
    let fits = wire.ask(&padded(limit, "SELECT 1 AS it_fits")).expect("answered");
    assert!(fits.iter().all(|message| message.tag != b'E') && fits.len() > 2, "{:?}", codes(&fits));
    for len in [limit + 1, 2 * limit, 5 * limit] {
        let answer = wire.ask(&padded(len, "SELECT 1 AS it_is_too_long")).expect("answered");
        assert_eq!(codes(&answer), ["54000"], "{len} bytes");
        assert_eq!(answer.last().map(|message| message.tag), Some(b'Z'), "{len} bytes");
        wire.send(&[parse("", &padded(len, "SELECT 1 AS it_is_too_long")), sync()].concat()).expect("sent");
        let answer = wire.until_ready().expect("answered");
        assert_eq!(codes(&answer), ["54000"], "{len} bytes in Parse");
    }
    let after = wire.ask("SELECT 1 AS after_it").expect("answered");
    assert!(codes(&after).is_empty());
    assert!(!stage.database.log().contains("it_is_too_long"));
    drop(wire);
    health.holds(&stage);
}

fn codes(messages: &[raw::Message]) -> Vec<String> {
    messages.iter().filter(|message| message.tag == b'E').map(raw::Message::code).collect()
}

#[test]
fn sixty_four_connections_at_once() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let together = Barrier::new(64);
    std::thread::scope(|scope| {
        for number in 0..64 {
            let (agent, together) = (&agent, &together);
            scope.spawn(move || {
                let wire = agent.login();
                together.wait();
                let mut wire = wire.expect("logged in");
                for turn in 0..20 {
                    let answer =
                        wire.ask(&format!("SELECT {number} * 1000 + {turn}, pan FROM payments")).expect("answered");
                    let rows: Vec<_> = answer.iter().filter(|message| message.tag == b'D').collect();
                    let own = (number * 1000 + turn).to_string();
                    assert_eq!(rows.len(), 5);
                    for row in rows {
                        assert!(row.body.windows(own.len()).any(|part| part == own.as_bytes()), "another's answer");
                        for card in crate::stage::CARDS {
                            assert!(!row.body.windows(card.len()).any(|part| part == card.as_bytes()), "a card");
                        }
                    }
                }
            });
        }
    });
    health.holds(&stage);
}

#[test]
fn who_has_said_all_still_hears_all() {
    let Some(stage) = Stage::usual() else { return };
    let health = Health::of(&stage);
    let agent = Agent::start(&stage);
    let mut wire = agent.login().expect("logged in");
    let asked =
        [query("SELECT repeat('x', 1000) FROM generate_series(1, 5000)"), query("SELECT customer FROM payments")];
    wire.send(&asked.concat()).expect("sent");
    wire.half_close();
    let first = wire.until_ready().expect("answered");
    assert_eq!(first.iter().filter(|message| message.tag == b'D').count(), 5000);
    let second = wire.until_ready().expect("answered");
    assert_eq!(second.iter().filter(|message| message.tag == b'D').count(), 5);
    assert_eq!(wire.until_end(), (None, raw::End::Closed));
    health.holds(&stage);
}
