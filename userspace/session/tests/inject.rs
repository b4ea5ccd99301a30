//! A login of ours in place of the agent's: a server written from the RFC on one side, an agent that knows no password on the other.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use audit::RecordType;
use session::{AgentTls, Database, Finish, Injected, Logins, Mode, Placeholder, Secret, Secured};
use wire::postgres::encode;
use world::scram::{Lie, Role};
use world::{World, open, query, startup};

const PASSWORD: &str = "open sesame";
const BOTH: &[&[u8]] = &[b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"];
const UNPROVEN: &str = "E FATAL 28000 the database did not prove";

struct Word(&'static str);

impl Secret for Word {
    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn role() -> Role {
    Role::new(PASSWORD, b"salt of a role..", 64)
}

fn login(names: &[&str], user: &str, password: &'static str) -> (Vec<String>, Arc<Injected>) {
    (
        names.iter().map(|name| (*name).to_owned()).collect(),
        Arc::new(Injected::new(user.into(), Box::new(Word(password)))),
    )
}

fn world_of(logins: Vec<(Vec<String>, Arc<Injected>)>, tls: bool, tell_agent: bool) -> World {
    let mut open = open("reconciler", Mode::Enforce, true);
    let logins = Arc::new(Logins(logins));
    open.database =
        Arc::new(Database { database_tls: tls, logins: Some(logins), tell_agent, ..(*open.database).clone() });
    let mut world = World::with(open, world::POLICY);
    world.server.offers = &[b"SCRAM-SHA-256"];
    if tls {
        (world.server.tls, world.server.offers) = (b"S", BOTH);
        world.binding = vec![8; 32];
    }
    world.knows(role());
    world.role.lock().unwrap().binds = tls;
    world
}

fn world(tls: bool) -> World {
    world_of(vec![login(&[], "real", PASSWORD)], tls, false)
}

fn begin(world: &mut World) -> String {
    world.send(&startup(0, &[("user", "app"), ("database", "payments")]));
    world.heard().join("|")
}

fn sent(world: &World, words: &[u8]) -> bool {
    world.sent.windows(words.len()).any(|bytes| bytes == words)
}

fn recorded(world: &World, word: &str) -> bool {
    let login = world.records.iter().find(|(kind, _)| *kind == RecordType::Login.code());
    login.is_some_and(|(_, payload)| payload.windows(word.len()).any(|bytes| bytes == word.as_bytes()))
}

#[test]
fn the_agent_is_asked_for_nothing_and_let_in() {
    for (tls, header, way) in [
        (true, "p=tls-server-end-point,,", "scram injected, bound to the database's leg"),
        (false, "y,,", "scram injected"),
    ] {
        for cut in [1, 7, usize::MAX] {
            let mut world = world(tls);
            world.cut = cut;
            let heard = begin(&mut world);
            assert!(heard.starts_with("R|") && heard.ends_with("Z I"), "cut {cut}: {heard}");
            assert_eq!(heard.matches('R').count(), 1, "AuthenticationOk and nothing before it: {heard}");
            assert_eq!(world.role.lock().unwrap().seen, header);
            assert!(recorded(&world, way));
            assert!(sent(&world, b"user\0real\0") && sent(&world, b"database\0payments\0"));
            assert!(!sent(&world, b"app\0") && !sent(&world, PASSWORD.as_bytes()));
            assert!(world.ask(&query("SELECT 1")).last().unwrap().starts_with('Z'));
        }
    }
}

#[test]
fn the_database_is_the_one_that_the_agent_meant() {
    let mut world = world(false);
    world.send(&startup(0, &[("user", "ledger")]));
    assert!(
        sent(&world, b"user\0real\0") && sent(&world, b"database\0ledger\0"),
        "its default is what it wrote as user"
    );
}

#[test]
fn the_user_that_the_agent_writes_names_the_login() {
    let logins = || vec![login(&["report*"], "reader", PASSWORD), login(&["app", "loader"], "writer", PASSWORD)];
    for (user, expected) in [("report", "reader"), ("reporting", "reader"), ("app", "writer"), ("loader", "writer")] {
        let mut world = world_of(logins(), false, false);
        world.send(&startup(0, &[("user", user), ("database", "payments")]));
        assert!(sent(&world, format!("user\0{expected}\0").as_bytes()), "{user}");
    }
    for user in ["APP", "app2", "postgres", "reader", "writer"] {
        let mut world = world_of(logins(), false, false);
        world.send(&startup(0, &[("user", user), ("database", "payments")]));
        let heard = world.heard().join("|");
        assert!(heard.starts_with("E FATAL 28000 the interceptor has no login for this user"), "{user}: {heard}");
        assert!(world.sent.is_empty(), "the database never hears of it");
    }
}

#[test]
fn a_password_of_the_agents_is_not_asked_for() {
    let mut world = world(false);
    let mut bytes = startup(0, &[("user", "app"), ("database", "payments")]);
    encode::authentication_response(&mut bytes, b"guess").unwrap();
    world.send(&bytes);
    assert!(world.heard().join("|").contains("E FATAL 08P01"), "{:?}", world.finished);
    assert!(!sent(&world, b"guess"));
}

#[test]
fn who_does_not_know_the_password_is_not_the_database() {
    for lie in [Lie::Signature, Lie::Silent] {
        let mut world = world(true);
        world.role.lock().unwrap().lie = lie;
        let heard = begin(&mut world);
        assert!(heard.starts_with(UNPROVEN), "{lie:?}: {heard}");
        assert_eq!(world.finished, Finish::Close);
    }
    let mut other = world_of(vec![login(&[], "real", "an old one")], true, false);
    let heard = begin(&mut other);
    assert!(heard.starts_with("E FATAL 28P01"), "the database's own words: {heard}");
    let mut lets_in = world_of(vec![login(&[], "real", "an old one")], true, false);
    lets_in.role.lock().unwrap().lie = Lie::LetsIn;
    assert!(begin(&mut lets_in).starts_with(UNPROVEN));
    let mut nonce = world(true);
    nonce.role.lock().unwrap().lie = Lie::Nonce;
    assert!(begin(&mut nonce).contains("nonce does not begin with ours"));
}

#[test]
fn no_other_login_than_scram_is_made() {
    // Lets in without a word, asks for the password in clear or hashed by MD5: no byte of it leaves.
    for step in [0_u32, 3, 5, 7, 10] {
        let mut world = world(false);
        world.server.mute = true;
        world.send(&startup(0, &[("user", "app"), ("database", "payments")]));
        let before = world.sent.len();
        let mut body = step.to_be_bytes().to_vec();
        match step {
            5 => body.extend(b"salt"),
            10 => body.extend(b"SCRAM-SHA-1\0\0"),
            _ => {}
        }
        let mut frame = vec![b'R'];
        frame.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        frame.extend(&body);
        world.input(session::Input::FromDatabase(&mut frame));
        let heard = world.heard().join("|");
        assert!(heard.starts_with("E FATAL 28000 the database "), "{step}: {heard}");
        assert_eq!((world.sent.len(), world.finished), (before, Finish::Close), "{step}");
    }
    let asks = |password: bool| {
        let mut world = world(false);
        (world.server.scram, world.server.offers, world.server.asks_password) = (None, &[], password);
        begin(&mut world)
    };
    assert!(asks(true).starts_with("E FATAL 28000 the database asks for another login"));
    assert!(asks(false).starts_with(UNPROVEN), "trust in pg_hba.conf proves nothing");
}

#[test]
fn the_database_hears_who_the_agent_is_and_nobody_says_otherwise() {
    let mut world = world_of(vec![login(&[], "real", PASSWORD)], false, true);
    let heard = begin(&mut world);
    assert!(heard.ends_with("Z I"), "{heard}");
    assert!(sent(&world, b"interceptor.agent\0reconciler\0") && sent(&world, b"application_name\0reconciler\0"));
    for text in [
        "SET interceptor.agent = 'other'",
        "SET LOCAL INTERCEPTOR.AGENT TO 'other'",
        "SELECT set_config('interceptor.agent', 'other', false)",
        "SET \"interceptor.principal\" = 'other'",
    ] {
        let heard = world.ask(&query(text)).join("|");
        assert!(heard.starts_with("E ERROR 42501"), "{text}: {heard}");
    }
    for (name, value) in [("interceptor.agent", "other"), ("options", "-c interceptor.agent=other")] {
        let mut world = world_of(vec![login(&[], "real", PASSWORD)], false, true);
        world.send(&startup(0, &[("user", "app"), (name, value)]));
        assert!(world.heard().join("|").starts_with("E FATAL 42501 startup setting"), "{name}");
    }
    let mut named = world_of(vec![login(&[], "real", PASSWORD)], false, true);
    named.send(&startup(0, &[("user", "app"), ("database", "payments"), ("application_name", "its own")]));
    assert!(sent(&named, b"application_name\0its own\0") && !sent(&named, b"application_name\0reconciler\0"));
}

/// What an agent that was given this placeholder says: the client's part, by the tests' own reading of RFC 5802.
struct Agent {
    placeholder: Role,
    bare: Vec<u8>,
    binding: Option<Vec<u8>>,
}

impl Agent {
    fn new(placeholder: &str, binding: Option<Vec<u8>>) -> Agent {
        Agent { placeholder: Role::new(placeholder, SALT, 64), bare: b"n=,r=of.the.agent".to_vec(), binding }
    }

    fn header(&self) -> &'static [u8] {
        if self.binding.is_some() { b"p=tls-server-end-point,," } else { b"n,," }
    }

    fn first(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let name: &[u8] = if self.binding.is_some() { b"SCRAM-SHA-256-PLUS" } else { b"SCRAM-SHA-256" };
        encode::sasl_initial_response(&mut out, name, Some(&[self.header(), &self.bare].concat())).unwrap();
        out
    }

    /// Its last message, and the signature that it must hear.
    fn last(&self, challenge: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (message, signature) =
            self.placeholder.proves((self.header(), &self.bare), challenge, self.binding.as_deref());
        let mut out = Vec::new();
        encode::authentication_response(&mut out, &message).unwrap();
        (out, signature)
    }
}

const NONCE: [u8; 18] = *b"towards the agent.";
const PLACEHOLDER: &str = "look elsewhere";
const SALT: &[u8] = b"salt of another.";

/// A login of ours for agents that know this placeholder, which it has asked for.
fn behind(agent_tls: bool, nonce: [u8; 18]) -> World {
    let verifier = Role::new(PLACEHOLDER, SALT, 64).verifier();
    let login = Injected::new("real".into(), Box::new(Word(PASSWORD))).behind(Placeholder::parse(&verifier));
    let mut open = open("reconciler", Mode::Enforce, true);
    open.nonces = Some(Box::new([nonce, *b"towards the server"]));
    let logins = Some(Arc::new(Logins(vec![(Vec::new(), Arc::new(login))])));
    let database = Database { agent_tls: AgentTls::Allow, logins, ..(*open.database).clone() };
    open.database = Arc::new(database);
    let mut world = World::with(open, world::POLICY);
    world.server.offers = &[b"SCRAM-SHA-256"];
    world.knows(role());
    world.role.lock().unwrap().binds = false;
    if agent_tls {
        world.send(&[0, 0, 0, 8, 4, 210, 22, 47]);
        world.agent.clear();
        world.input(session::Input::AgentSecured(Secured { binding: vec![9; 32], ..world::tls("", false) }));
    }
    world.send(&startup(0, &[("user", "app"), ("database", "payments")]));
    world
}

/// The bytes of the last message of the agent's inbox, and its kind of authentication.
fn asked(world: &mut World) -> (u32, Vec<u8>) {
    let bytes = std::mem::take(&mut world.agent);
    let kind = u32::from_be_bytes(bytes[5..9].try_into().unwrap());
    (kind, bytes[9..].to_vec())
}

#[test]
fn who_knows_the_placeholder_is_let_in_and_the_database_is_dialled_only_then() {
    for (tls, offers) in
        [(false, b"SCRAM-SHA-256\0\0".to_vec()), (true, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0".to_vec())]
    {
        let mut world = behind(tls, NONCE);
        assert_eq!(asked(&mut world), (10, offers));
        let agent = Agent::new(PLACEHOLDER, tls.then(|| vec![9; 32]));
        world.send(&agent.first());
        let (kind, challenge) = asked(&mut world);
        assert_eq!(kind, 11);
        assert!(world.sent.is_empty() && !world.out.connect, "the database hears of it too early");
        let (last, signature) = agent.last(&challenge);
        world.send(&last);
        let proven = world.agent.windows(signature.len()).any(|bytes| bytes == signature);
        assert!(proven, "we show that we know it too");
        let heard = world.heard();
        assert_eq!(
            (heard[0].as_str(), heard[1].as_str(), heard.last().unwrap().as_str()),
            ("R", "R", "Z I"),
            "{heard:?}"
        );
        assert!(recorded(&world, "scram injected, placeholder checked"));
        assert!(sent(&world, b"user\0real\0"));
        assert!(world.ask(&query("SELECT 1")).last().unwrap().starts_with('Z'));
    }
}

#[test]
fn a_wrong_placeholder_is_refused_recorded_and_counted() {
    for cut in [1, usize::MAX] {
        let mut world = behind(false, NONCE);
        world.cut = cut;
        world.agent.clear();
        let agent = Agent::new("PASSWORD", None);
        world.send(&agent.first());
        let (_, challenge) = asked(&mut world);
        world.send(&agent.last(&challenge).0);
        let heard = world.heard().join("|");
        assert!(heard.starts_with("E FATAL 28P01 password authentication failed"), "{heard}");
        assert_eq!((world.finished, world.wrong_placeholders), (Finish::Close, 1));
        assert!(world.sent.is_empty(), "the database never hears of it");
        assert!(recorded(&world, "placeholder refused") && recorded(&world, "28P01"));
    }
}

#[test]
fn what_is_no_proof_of_a_placeholder_ends_the_session() {
    let last = |agent: &Agent, world: &mut World| {
        world.agent.clear();
        world.send(&agent.first());
        let (_, challenge) = asked(world);
        agent.last(&challenge).0
    };
    let agent = Agent::new(PLACEHOLDER, None);
    let mut plain = Vec::new();
    encode::authentication_response(&mut plain, b"look elsewhere\0").unwrap();
    for bytes in [plain, query("SELECT 1"), agent.last(b"r=x,s=AAAA,i=1").0] {
        let mut world = behind(false, NONCE);
        world.agent.clear();
        world.send(&bytes);
        assert!(world.heard().join("|").contains("E FATAL 08P01"), "{:?}", world.finished);
        assert!(world.sent.is_empty());
    }
    // Said twice, or on another connection: each challenge has a nonce of its own.
    let mut world = behind(false, NONCE);
    let replayed = last(&agent, &mut world);
    let mut other = behind(false, *b"of another session");
    last(&agent, &mut other);
    other.send(&replayed);
    assert!(other.heard().join("|").contains("nonce does not match"));
    // It leaves: nothing was dialled, nothing is left.
    for bytes in [b"X\0\0\0\x04".to_vec(), vec![]] {
        let mut world = behind(false, NONCE);
        if bytes.is_empty() {
            world.input(session::Input::AgentClosed)
        } else {
            world.send(&bytes)
        }
        assert_eq!((world.finished, world.sent.len()), (Finish::Close, 0));
    }
}

#[test]
fn nothing_shows_the_password() {
    let shown = format!("{:?}", login(&[], "real", PASSWORD));
    assert!(shown.contains("real") && !shown.contains(PASSWORD), "{shown}");
}
