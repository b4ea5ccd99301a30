//! Two legs against each other, over a wire that cuts where it likes.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{Error, HandshakeKind};
use session::ClientCertificate;

use super::leg::Leg;
use super::{AgentTls, DatabaseTls, words};

struct Keys {
    root: String,
    leaf: String,
    key: String,
}

fn keys(names: &[&str]) -> Keys {
    let mut root = CertificateParams::new(Vec::<String>::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &Issuer::new(root, root_key)).unwrap();
    Keys { root: root_pem, leaf: leaf.pem(), key: key.serialize_pem() }
}

/// A wire's two ends. `cut` says how many bytes arrive at a time.
struct Pair {
    legs: [Leg; 2],
    wires: [Vec<u8>; 2],
    got: [Vec<u8>; 2],
    secured: usize,
    /// What a login binds to, by each end.
    bindings: [Vec<u8>; 2],
    /// What the client showed.
    certificate: Option<ClientCertificate>,
}

impl Pair {
    fn new(agent: &AgentTls, database: &DatabaseTls) -> Pair {
        let address = "127.0.0.1".parse().unwrap();
        let mut legs = [Leg::of_agent(agent).unwrap(), Leg::of_database(database, address).unwrap()];
        let mut wires = [Vec::new(), Vec::new()];
        let [server, client] = &mut legs;
        server.begin(&mut wires[1]).unwrap();
        client.begin(&mut wires[0]).unwrap();
        Pair { legs, wires, got: [Vec::new(), Vec::new()], secured: 0, bindings: Default::default(), certificate: None }
    }

    /// Until nothing is on the wires.
    fn run(&mut self, mut cut: impl FnMut() -> usize) -> Result<(), (usize, Error)> {
        while self.wires.iter().any(|wire| !wire.is_empty()) {
            for end in 0..2 {
                let count = cut().clamp(1, 1 << 20).min(self.wires[end].len());
                let mut arrived: Vec<u8> = self.wires[end].drain(..count).collect();
                let mut reply = Vec::new();
                let received = self.legs[end].receive(&mut arrived, &mut self.got[end], &mut reply);
                self.wires[1 - end].extend(reply);
                received.map_err(|error| (end, error))?;
                if let Some(secured) = self.legs[end].newly_secured() {
                    self.secured += 1;
                    self.bindings[end] = secured.binding;
                    self.certificate = secured.certificate.map(|shown| *shown).or(self.certificate.take());
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, end: usize, bytes: &[u8]) {
        let mut cipher = Vec::new();
        self.legs[end].encrypt(bytes, &mut cipher).unwrap();
        self.wires[1 - end].extend(cipher);
    }
}

fn numbers(mut seed: u64) -> impl FnMut() -> usize {
    move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        if seed.is_multiple_of(3) { 1 + seed as usize % 7 } else { seed as usize % 40_000 }
    }
}

fn both(keys: &Keys, name: Option<&str>) -> (AgentTls, DatabaseTls) {
    (AgentTls::new(&keys.leaf, &keys.key, None).unwrap(), DatabaseTls::verified(&keys.root, name, None).unwrap())
}

#[test]
fn bytes_arrive_as_they_were_said_wherever_the_wire_cuts() {
    let keys = keys(&["db.example", "127.0.0.1"]);
    let (agent, database) = both(&keys, Some("db.example"));
    for seed in 1..=40 {
        let mut cut = numbers(seed);
        let mut pair = Pair::new(&agent, &database);
        pair.run(&mut cut).unwrap();
        assert_eq!(pair.secured, 2);
        let mut said = [Vec::new(), Vec::new()];
        for round in 0..12 {
            let end = cut() % 2;
            let bytes: Vec<u8> = (0..cut() * (1 + round % 3)).map(|at| (at * 31 + round) as u8).collect();
            pair.say(end, &bytes);
            said[1 - end].extend(bytes);
            if cut().is_multiple_of(2) {
                pair.run(&mut cut).unwrap();
            }
        }
        pair.run(&mut cut).unwrap();
        assert!(pair.got == said, "seed {seed}");
        for end in 0..2 {
            let mut goodbye = Vec::new();
            pair.legs[end].close(&mut goodbye);
            pair.wires[1 - end].extend(goodbye);
        }
        pair.run(&mut cut).unwrap();
        assert!(pair.legs.iter().all(|leg| leg.peer_closed && !leg.speaks()), "both said goodbye");
    }
}

#[test]
fn the_second_connection_resumes_the_first() {
    let (agent, database) = both(&keys(&["127.0.0.1"]), None);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut pair = Pair::new(&agent, &database);
        pair.run(|| 1 << 16).unwrap();
        kinds.push(pair.legs[0].kind());
        assert!(pair.bindings[0] == pair.bindings[1] && pair.bindings[0].len() == 32, "both bind to one certificate");
    }
    assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
}

#[test]
fn a_peer_that_is_not_whom_it_should_be_is_refused() {
    let keys = keys(&["db.example"]);
    let (agent, right) = both(&keys, Some("db.example"));
    let other = self::keys(&["db.example"]);
    let refused = |database: &DatabaseTls| match Pair::new(&agent, database).run(|| 1 << 16) {
        Err((1, error)) => words::database(&error),
        Err((_, error)) => panic!("the wrong end refused: {error}"),
        Ok(()) => "",
    };
    assert_eq!(refused(&right), "");
    let named = DatabaseTls::verified(&keys.root, Some("other.example"), None).unwrap();
    assert_eq!(refused(&named), "the database's certificate is for another name");
    let by_address = DatabaseTls::verified(&keys.root, None, None).unwrap();
    assert_eq!(refused(&by_address), "the database's certificate is for another name");
    let rooted = DatabaseTls::verified(&other.root, Some("db.example"), None).unwrap();
    assert_eq!(refused(&rooted), "the database's certificate is not by one of the configured roots");
    assert_eq!(refused(&DatabaseTls::unverified(None).unwrap()), "", "require takes any");
}

#[test]
fn plain_bytes_in_place_of_tls_are_refused_before_and_after_the_handshake() {
    let (agent, database) = both(&keys(&["127.0.0.1"]), None);
    for before in [true, false] {
        for end in 0..2 {
            let mut pair = Pair::new(&agent, &database);
            if !before {
                pair.run(|| 1 << 16).unwrap();
            }
            let mut plain = *b"Z\0\0\0\x05I";
            let (mut got, mut reply) = (Vec::new(), Vec::new());
            assert!(pair.legs[end].receive(&mut plain, &mut got, &mut reply).is_err(), "end {end}");
            assert!(got.is_empty() && !pair.legs[end].speaks());
        }
    }
}

#[test]
fn a_renewed_certificate_is_shown_from_the_next_handshake_on() {
    let (old, new) = (keys(&["old.example"]), keys(&["new.example"]));
    let agent = AgentTls::new(&old.leaf, &old.key, None).unwrap();
    agent.renew(&new.leaf, &new.key).unwrap();
    let database = DatabaseTls::verified(&new.root, Some("new.example"), None).unwrap();
    Pair::new(&agent, &database).run(|| 1 << 16).unwrap();
    assert!(agent.renew(&new.leaf, &old.key).is_err(), "another's key");
    Pair::new(&agent, &database).run(|| 1 << 16).unwrap();
}

#[test]
fn no_ticket_outlives_the_certificate_that_it_was_given_under() {
    let (old, new) = (keys(&["127.0.0.1"]), keys(&["127.0.0.1"]));
    let agent = AgentTls::new(&old.leaf, &old.key, None).unwrap();
    let database = DatabaseTls::unverified(None).unwrap();
    let mut seen = Vec::new();
    for renewed in [false, false, true, true] {
        if renewed && seen.len() == 2 {
            agent.renew(&new.leaf, &new.key).unwrap();
        }
        let mut pair = Pair::new(&agent, &database);
        pair.run(|| 1 << 16).unwrap();
        assert_eq!(pair.bindings[0], pair.bindings[1], "both bind to the certificate that the client has seen");
        seen.push((pair.legs[0].kind().unwrap(), pair.bindings[0].clone()));
    }
    let kinds: Vec<HandshakeKind> = seen.iter().map(|(kind, _)| *kind).collect();
    use HandshakeKind::{Full, Resumed};
    assert_eq!(kinds, [Full, Resumed, Full, Resumed]);
    assert!(seen[0].1 == seen[1].1 && seen[1].1 != seen[2].1 && seen[2].1 == seen[3].1);
}

#[test]
fn no_byte_of_a_peer_makes_more_than_an_error() {
    let (agent, database) = both(&keys(&["127.0.0.1"]), None);
    let mut broken = 0;
    for seed in 1..=600 {
        let mut random = numbers(seed * 7919);
        let mut pair = Pair::new(&agent, &database);
        let mut ended = false;
        for _ in 0..40 {
            let end = random() % 2;
            match random() % 6 {
                0 if !pair.wires[end].is_empty() => {
                    let at = random() % pair.wires[end].len();
                    pair.wires[end][at] ^= 1 << (random() % 8);
                }
                1 => {
                    let at = random() % (pair.wires[end].len() + 1);
                    let stuffed = pair.wires[1 - end].clone();
                    pair.wires[end].splice(at..at, stuffed);
                }
                2 if pair.legs[end].speaks() => pair.say(end, &vec![7; random()]),
                _ => {}
            }
            if !ended && pair.run(&mut random).is_err() {
                ended = true;
                broken += 1;
            }
            if ended {
                break;
            }
        }
    }
    assert!(broken > 100, "{broken} were broken");
}

#[test]
fn an_agents_certificate_is_told_or_refused_and_outlives_a_resumption() {
    let (ours, agents, foreign) = (keys(&["127.0.0.1"]), keys(&["agent"]), keys(&["agent"]));
    let server = AgentTls::new(&ours.leaf, &ours.key, Some(&agents.root)).unwrap();
    let client = |shown: Option<&Keys>| {
        DatabaseTls::unverified(shown.map(|keys| (keys.leaf.as_str(), keys.key.as_str()))).unwrap()
    };
    let trusted = client(Some(&agents));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut pair = Pair::new(&server, &trusted);
        pair.run(|| 1 << 16).unwrap();
        assert_eq!(pair.legs[0].kind(), Some(kind));
        let shown = pair.certificate.unwrap();
        assert!(shown.subject.starts_with("CN=") && !shown.serial.is_empty() && shown.sha256 != [0; 32]);
    }
    let mut pair = Pair::new(&server, &client(None));
    pair.run(|| 1 << 16).unwrap();
    assert_eq!(pair.certificate, None, "whether that will do is the session's to say");
    let (end, error) = Pair::new(&server, &client(Some(&foreign))).run(|| 1 << 16).unwrap_err();
    assert_eq!(
        (end, words::agent(&error)),
        (0, "the agent's certificate is not by one of agent_client_ca, or not for clients")
    );
    // Nobody is asked: nothing is shown.
    let mut pair = Pair::new(&AgentTls::new(&ours.leaf, &ours.key, None).unwrap(), &trusted);
    pair.run(|| 1 << 16).unwrap();
    assert_eq!(pair.certificate, None);
}
