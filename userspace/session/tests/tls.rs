//! When TLS begins on either leg, what is refused around it, and what of SCRAM cannot pass.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use audit::RecordType;
use session::{AgentTls, ClientCertificate, Database, Finish, Input, Mode, Secure, Secured};
use wire::postgres::encode;
use world::{World, open, query, startup, tls};

fn world(agent_tls: AgentTls, database_tls: bool) -> World {
    let mut open = open("reconciler", Mode::Enforce, true);
    open.database = Arc::new(Database { agent_tls, database_tls, ..(*open.database).clone() });
    World::with(open, world::POLICY)
}

fn ssl_request() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::ssl_request(&mut bytes);
    bytes
}

fn hello() -> Vec<u8> {
    startup(0, &[("user", "app"), ("database", "payments")])
}

/// Ended with this error, and the database was never told who came.
#[track_caller]
fn refused(world: &mut World, code: &str) {
    let heard = world.heard().join("|");
    assert_eq!(world.finished, Finish::Close, "{heard}");
    assert!(heard.starts_with(&format!("E FATAL {code}")), "{heard}");
    assert!(world.server.startup.is_empty(), "nothing was forwarded");
}

#[test]
fn an_agent_gets_tls_once_and_is_served_inside_it() {
    let mut world = world(AgentTls::Allow, false);
    world.send(&ssl_request());
    assert_eq!((world.agent.as_slice(), world.secured), (b"S".as_slice(), Some(Secure::Agent)));
    world.agent.clear();
    world.input(Input::AgentSecured(tls("", false)));
    let mut world = world.login();
    assert!(world.ask(&query("SELECT 1")).last().unwrap().starts_with('Z'));
}

#[test]
fn inside_tls_no_other_encryption_is_negotiated() {
    for gss in [false, true] {
        let mut world = world(AgentTls::Allow, false);
        world.send(&ssl_request());
        world.agent.clear();
        world.input(Input::AgentSecured(tls("", false)));
        let mut again = ssl_request();
        if gss {
            again.clear();
            encode::gssenc_request(&mut again);
        }
        world.send(&again);
        refused(&mut world, "0A000");
    }
}

#[test]
fn bytes_stuffed_behind_the_request_are_refused_and_no_tls_begins() {
    // In pieces of seven the request ends within one.
    for cut in [usize::MAX, 7] {
        let mut world = world(AgentTls::Allow, false);
        world.cut = cut;
        let mut bytes = ssl_request();
        bytes.extend(hello());
        world.send(&bytes);
        assert_eq!(world.secured, None, "{cut}");
        refused(&mut world, "08P01");
    }
}

#[test]
fn plain_sessions_pass_or_not_as_configured() {
    world(AgentTls::Allow, false).login();
    let mut world = world(AgentTls::Require, false);
    world.send(&hello());
    refused(&mut world, "28000");
}

#[test]
fn a_certificate_of_the_agent_is_part_of_every_record_and_may_be_required() {
    let shown = ClientCertificate { subject: "CN=the agent".into(), serial: "12ab".into(), sha256: [0xC5; 32] };
    for (required, shows) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut world = world(AgentTls::Require, false);
        let mut open = world.session.open().clone();
        open.database = Arc::new(Database { agent_certificate: required, ..(*open.database).clone() });
        world = World::with(open, world::POLICY);
        world.send(&ssl_request());
        world.agent.clear();
        let certificate = shows.then(|| Box::new(shown.clone()));
        world.input(Input::AgentSecured(Secured { certificate, ..tls("", false) }));
        if required && !shows {
            world.send(&hello());
            assert!(String::from_utf8_lossy(&world.agent).contains("connection requires a valid client certificate"));
            refused(&mut world, "28000");
            continue;
        }
        let mut world = world.login();
        world.ask(&query("SELECT 1"));
        let has = |payload: &[u8], word: &[u8]| payload.windows(word.len()).any(|bytes| bytes == word);
        for (kind, payload) in &world.records {
            // A session begins before anything is shown.
            let late = *kind != RecordType::SessionStart.code();
            assert_eq!(has(payload, b"CN=the agent"), shows && late, "record {kind}");
            let login = *kind == RecordType::Login.code();
            assert_eq!(has(payload, &[0xC5; 32]) && has(payload, b"12ab"), shows && login, "record {kind}");
        }
    }
}

#[test]
fn direct_tls_needs_the_protocols_name() {
    let first = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0];
    let mut world = world(AgentTls::Require, false);
    world.send(&first);
    assert_eq!((world.secured, world.agent.len()), (Some(Secure::AgentAtOnce), 0));
    world.input(Input::AgentSecured(tls("", true)));
    world.login();

    let mut nameless = self::world(AgentTls::Require, false);
    nameless.send(&first);
    nameless.input(Input::AgentSecured(tls("", false)));
    refused(&mut nameless, "08P01");

    let mut disabled = self::world(AgentTls::Disable, false);
    disabled.send(&first);
    assert_eq!(disabled.secured, None);
    refused(&mut disabled, "08P01");

    // Behind a negotiation it is no first byte.
    let mut late = self::world(AgentTls::Allow, false);
    let mut gss = Vec::new();
    encode::gssenc_request(&mut gss);
    late.send(&gss);
    late.agent.clear();
    late.send(&first);
    assert_eq!(late.secured, None);
    refused(&mut late, "08P01");
}

#[test]
fn the_database_is_asked_for_tls_before_anything_else() {
    let mut world = world(AgentTls::Disable, true);
    world.server.tls = b"S";
    let world = world.login();
    assert!(world.sent.starts_with(&ssl_request()));
    let login = world.records.iter().find(|(kind, _)| *kind == RecordType::Login.code()).unwrap();
    for word in ["TLSv1.3 TLS13_AES_256_GCM_SHA384", "db.example"] {
        assert!(login.1.windows(word.len()).any(|bytes| bytes == word.as_bytes()), "the record lacks {word}");
    }
}

#[test]
fn a_database_without_tls_and_bytes_before_it_are_refused() {
    for answer in [b"N".as_slice(), b"SR\0\0\0\x08\0\0\0\0", b"E\0\0\0\x05\0", b"R\0\0\0\x08\0\0\0\0"] {
        let mut world = world(AgentTls::Disable, true);
        world.server.tls = answer;
        world.send(&hello());
        assert_eq!(world.secured, None, "no TLS behind {answer:?}");
        refused(&mut world, "08001");
    }
}

#[test]
fn a_cancel_goes_on_under_tls_though_its_agent_has_left() {
    let mut world = world(AgentTls::Disable, true);
    world.server.tls = b"S";
    let mut other = World::new();
    other.send(&hello());
    world.keys = std::mem::take(&mut other.keys);
    let mut request = Vec::new();
    encode::cancel_request(&mut request, 4711, b"ours").unwrap();
    world.input(Input::FromAgent(&mut request));
    // The database has not answered the SSLRequest yet.
    world.input(Input::AgentClosed);
    assert_eq!(world.finished, Finish::No, "nothing was sent yet");
    world.answer();
    assert_eq!(world.server.cancelled, Some((4711, b"real".to_vec())));
    assert_eq!(world.finished, Finish::ShutdownDatabase);
}

#[test]
fn channel_binding_is_never_offered_and_a_login_that_missed_it_says_the_way_round() {
    let choice = |first: &[u8]| {
        let mut world = world(AgentTls::Disable, true);
        world.server.tls = b"S";
        world.server.offers = &[b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"];
        world.send(&hello());
        let offered = world.agent.clone();
        assert!(offered.ends_with(b"\0\0\0\x0aSCRAM-SHA-256\0\0") && offered.len() == 24);
        world.agent.clear();
        let mut bytes = vec![b'p'];
        let body = [b"SCRAM-SHA-256\0".as_slice(), &(first.len() as u32).to_be_bytes(), first].concat();
        bytes.extend((body.len() as u32 + 4).to_be_bytes());
        bytes.extend(body);
        world.ask(&bytes).join("|")
    };
    assert!(choice(b"n,,n=,r=x").ends_with("Z I"));
    assert!(choice(b"y,,n=,r=x").starts_with("E FATAL 28000"));
}
