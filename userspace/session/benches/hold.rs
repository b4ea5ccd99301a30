//! What held statements cost, without sockets: a round trip under a policy with rules that hold and do not match, over one under a policy
//! without them, in interleaved rounds; and the time from the deciding word to the first byte for the database.
//!
//! `cargo bench -p session --bench hold` prints both; it fails where the ratio's interval does not contain 1.00 or is wider than 2 % either way.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../tests/world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use session::{Asking, Input, Mode, RecordId, Shared, Vote};
use world::{POLICY, World, open, query};

const ROUNDS: usize = 400;
const TRIPS: usize = 500;
const HOLDS: usize = 3000;

/// Of another table, kind, agent's condition: each is looked at when a text is judged, and none holds it.
fn with_holds() -> String {
    let mut text = POLICY.to_owned();
    for number in 0..20 {
        text.push_str(&format!(
            "\n[[rule]]\nname = \"held {number}\"\nstatements = [\"select\", \"delete\"]\ntables = [\"public.held_{number}\"]\naction = \"hold\"\n\
             approvers = [\"group:leads\"]\ncovers = \"15m\"\ngrant = \"1h\"\n"
        ));
    }
    text
}

struct Bench {
    world: World,
    seq: u64,
}

impl Bench {
    fn new(policy: &str) -> Bench {
        let mut world = World::with(open("reconciler", Mode::Enforce, true), policy).login();
        world.ask(&query("SELECT 1"));
        Bench { world, seq: 1_000_000 }
    }

    fn hand(&mut self, input: Input<'_>) {
        let world = &mut self.world;
        world.out.clear();
        let mut shared = Shared {
            policy: &world.policy,
            statements: &mut world.cache,
            catalogs: &mut world.catalogs,
            cancels: &world.keys,
            next_record: RecordId { shard: 3, seq: self.seq },
            next_ask: None,
            room: 1 << 30,
            limits: &world.limits,
        };
        world.session.handle(input, world.now, &mut shared, &mut world.out);
        self.seq += world.out.records.len() as u64;
    }

    fn trips(&mut self, sent: &[u8], answer: &[u8]) -> Duration {
        let (mut to, mut back) = (sent.to_vec(), answer.to_vec());
        let start = Instant::now();
        for _ in 0..TRIPS {
            to.copy_from_slice(sent);
            self.hand(Input::FromAgent(&mut to));
            back.copy_from_slice(answer);
            self.hand(Input::FromDatabase(&mut back));
        }
        start.elapsed()
    }
}

/// The median of the ratios, and the interval of 1000 resamples of them.
fn spread(ratios: &[f64]) -> (f64, f64, f64) {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut seed = world::Seed(0x9e37_79b9);
    let resample = |seed: &mut world::Seed| (0..ratios.len()).map(|_| ratios[seed.next(ratios.len())]).collect();
    let mut medians: Vec<f64> = (0..1000).map(|_| median(resample(&mut seed))).collect();
    medians.sort_by(f64::total_cmp);
    (median(ratios.to_vec()), medians[25], medians[974])
}

fn not_matching() -> bool {
    let sent = query("SELECT one FROM plain");
    let mut plain = Bench::new(POLICY);
    let answer = {
        let mut server = World::with(open("reconciler", Mode::Enforce, true), POLICY).login().server;
        server.feed(&sent);
        server.take()
    };
    let mut held = Bench::new(&with_holds());
    let mut ratios = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let (with, without) = if round % 2 == 0 {
            let with = held.trips(&sent, &answer);
            (with, plain.trips(&sent, &answer))
        } else {
            let without = plain.trips(&sent, &answer);
            (held.trips(&sent, &answer), without)
        };
        ratios.push(with.as_secs_f64() / without.as_secs_f64());
    }
    let (median, low, high) = spread(&ratios);
    println!(
        "rules that hold and do not match, over none: {median:.4} [{low:.4}, {high:.4}], {ROUNDS} rounds of {TRIPS}"
    );
    low <= 1.0 && 1.0 <= high && high - low <= 0.04
}

/// From the vote that decides to bytes for the database, the records encoded. The disk, the mailbox and the socket are the shard's.
fn decided() -> bool {
    let mut bench = Bench::new(POLICY);
    let mut took: Vec<Duration> = Vec::with_capacity(HOLDS);
    for number in 0..HOLDS {
        bench.world.asking.clear();
        bench.world.ask(&query(&format!("UPDATE payments SET id = {number}")));
        let ask = bench.world.asking.iter().find_map(|asking| match asking {
            Asking::Ask(ask) => Some(ask.id),
            _ => None,
        });
        let vote = Box::new(Vote {
            ask: ask.expect("it is held"),
            approve: true,
            reviewer: "ann".into(),
            groups: vec!["leads".into()],
            login: "unix socket, uid 1001".into(),
            reason: "ticket 7".into(),
            standing: None,
        });
        let start = Instant::now();
        bench.world.input(Input::Vote(vote));
        took.push(start.elapsed());
        bench.world.answer();
        bench.world.heard();
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("from the word to the first byte, in the session: p50 {:?}, p99 {:?}, of {HOLDS}", at(0.5), at(0.99));
    at(0.99) < Duration::from_millis(1)
}

fn main() {
    let fits = [not_matching(), decided()];
    if !fits.iter().all(|fits| *fits) {
        std::process::exit(1);
    }
}
