//! SCRAM that ends here: somebody else's client on one side, a server written from the RFC on the other, bytes cut anywhere.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use audit::RecordType;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use session::{AgentTls, Database, Finish, Input, Mode, Secured, Verifiers};
use wire::postgres::{BackendTag, Header, Tag, encode, header};
use world::scram::{Lie, Role};
use world::{World, open, startup, tls};

const PLUS: &str = "SCRAM-SHA-256-PLUS";
const PLAIN: &str = "SCRAM-SHA-256";
const BOTH: &[&[u8]] = &[b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"];
/// Of the certificate that the agent was shown, and of the database's.
const OURS: [u8; 32] = [7; 32];
const THEIRS: [u8; 32] = [8; 32];

fn role() -> Role {
    Role::new("open sesame", b"salt of a role..", 64)
}

/// Both legs under TLS, a database that knows `app`, and a file of verifiers that holds these lines.
fn world(verifiers: &str) -> World {
    let mut open = open("reconciler", Mode::Enforce, true);
    let verifiers = Some(Arc::new(Verifiers::parse(verifiers).unwrap()));
    open.database =
        Arc::new(Database { agent_tls: AgentTls::Allow, database_tls: true, verifiers, ..(*open.database).clone() });
    let mut world = World::with(open, world::POLICY);
    world.server.tls = b"S";
    world.server.offers = BOTH;
    world.knows(role());
    world.binding = THEIRS.to_vec();
    world
}

fn known() -> String {
    format!("app {}\n", role().verifier())
}

/// Up to the offer of mechanisms.
fn offered(world: &mut World) -> Vec<String> {
    let mut ssl = Vec::new();
    encode::ssl_request(&mut ssl);
    world.send(&ssl);
    world.agent.clear();
    world.input(Input::AgentSecured(Secured { binding: OURS.to_vec(), ..tls("", false) }));
    world.send(&startup(0, &[("user", "app"), ("database", "payments")]));
    let body = authentication(world, 10);
    let names = body.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
}

/// The body of the next message to the agent, which is this step of authentication.
fn authentication(world: &mut World, step: u32) -> Vec<u8> {
    let bytes = std::mem::take(&mut world.agent);
    match header::<BackendTag>(&bytes) {
        Header::Frame { tag: BackendTag::Authentication, body_len } => {
            let body = &bytes[5..5 + body_len];
            assert_eq!(body[..4], step.to_be_bytes(), "step of authentication");
            world.agent = bytes[5 + body_len..].to_vec();
            body[4..].to_vec()
        }
        _ => {
            world.agent = bytes;
            panic!("{:?}", world.heard())
        }
    }
}

fn initial(mechanism: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::sasl_initial_response(&mut out, mechanism.as_bytes(), Some(message)).unwrap();
    out
}

fn response(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::authentication_response(&mut out, message).unwrap();
    out
}

/// A login by somebody else's client. What it heard at last.
fn login(world: &mut World, password: &str, mechanism: &str, binding: ChannelBinding) -> Result<Vec<String>, String> {
    let offers = offered(world);
    assert!(offers.iter().any(|name| name == mechanism), "{offers:?}");
    let mut client = ScramSha256::new(password.as_bytes(), binding);
    world.send(&initial(mechanism, client.message()));
    client.update(&authentication(world, 11)).map_err(|error| error.to_string())?;
    world.send(&response(client.message()));
    if world.agent.first() == Some(&BackendTag::ErrorResponse.byte()) {
        return Err(world.heard().join("|"));
    }
    client.finish(&authentication(world, 12)).map_err(|error| error.to_string())?;
    Ok(world.heard())
}

fn bound(to: [u8; 32]) -> ChannelBinding {
    ChannelBinding::tls_server_end_point(to.to_vec())
}

fn recorded(world: &World, word: &str) -> bool {
    let login = world.records.iter().find(|(kind, _)| *kind == RecordType::Login.code());
    login.is_some_and(|(_, payload)| payload.windows(word.len()).any(|bytes| bytes == word.as_bytes()))
}

#[test]
fn a_login_is_bound_on_both_legs_wherever_the_bytes_are_cut() {
    for cut in (1..120).chain([usize::MAX]) {
        let mut world = world(&known());
        world.cut = cut;
        let heard = login(&mut world, "open sesame", PLUS, bound(OURS)).unwrap();
        assert!(heard.first().unwrap() == "R" && heard.last().unwrap() == "Z I", "cut {cut}: {heard:?}");
        assert_eq!(world.role.lock().unwrap().seen, "p=tls-server-end-point,,");
        assert!(recorded(&world, "scram ended, bound to both legs"));
        assert!(world.ask(&world::query("SELECT 1")).last().unwrap().starts_with('Z'));
    }
}

#[test]
fn an_agent_without_channel_binding_is_bound_on_the_databases_leg() {
    let mut world = world(&known());
    login(&mut world, "open sesame", PLAIN, ChannelBinding::unsupported()).unwrap();
    assert_eq!(world.role.lock().unwrap().seen, "p=tls-server-end-point,,");
    assert!(recorded(&world, "scram ended, bound to the database's leg"));
}

#[test]
fn a_database_that_offers_no_binding_hears_that_we_would_have() {
    let mut world = world(&known());
    world.server.offers = &[b"SCRAM-SHA-256"];
    world.role.lock().unwrap().binds = false;
    login(&mut world, "open sesame", PLUS, bound(OURS)).unwrap();
    assert_eq!(world.role.lock().unwrap().seen, "y,,");
    assert!(recorded(&world, "scram ended, bound to the agent's leg"));
    // Somebody between took the offer away.
    let mut cheated = self::world(&known());
    cheated.server.offers = &[b"SCRAM-SHA-256"];
    let client = ScramSha256::new(b"open sesame", bound(OURS));
    offered(&mut cheated);
    cheated.send(&initial(PLUS, client.message()));
    assert!(cheated.heard().join("|").starts_with("E FATAL 28P01"));
}

#[test]
fn what_cannot_be_right_is_refused_by_the_database_and_looks_the_same() {
    let old = format!("app {}\n", Role::new("open sesame", b"another salt....", 64).verifier());
    let fewer = format!("app {}\n", Role::new("open sesame", b"salt of a role..", 63).verifier());
    let other = format!("app {}\n", Role::new("another", b"salt of a role..", 64).verifier());
    let mut said = Vec::new();
    for (verifiers, password, why) in [
        (known().as_str(), "wrong", "the agent's proof does not fit"),
        (known().as_str(), "", "the agent's proof does not fit"),
        ("", "open sesame", "no verifier of this role"),
        (&old, "open sesame", "is not the one that the database has"),
        (&fewer, "open sesame", "is not the one that the database has"),
        (&other, "open sesame", "the agent's proof does not fit"),
    ] {
        let mut world = world(verifiers);
        let refusal = login(&mut world, password, PLUS, bound(OURS)).unwrap_err();
        assert!(refusal.starts_with("E FATAL 28P01 password authentication failed for user \"app\""), "{refusal}");
        assert!(recorded(&world, why), "{why}");
        said.push(refusal);
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn the_hint_names_the_way_round() {
    let mut world = world("");
    offered(&mut world);
    let mut client = ScramSha256::new(b"open sesame", bound(OURS));
    world.send(&initial(PLUS, client.message()));
    client.update(&authentication(&mut world, 11)).unwrap();
    world.send(&response(client.message()));
    let said = String::from_utf8_lossy(&world.agent).into_owned();
    assert!(said.contains("channel_binding=disable") && said.contains("scram_verifiers"));
}

#[test]
fn without_a_verifier_a_login_without_binding_passes_on() {
    let mut world = world("");
    login(&mut world, "open sesame", PLAIN, ChannelBinding::unsupported()).unwrap();
    assert_eq!(world.role.lock().unwrap().seen, "n,,");
    assert!(recorded(&world, "scram passed on"));
}

#[test]
fn a_database_that_lies_is_found_out() {
    for lie in [Lie::Signature, Lie::Silent] {
        let mut world = world(&known());
        world.role.lock().unwrap().lie = lie;
        let said = login(&mut world, "open sesame", PLUS, bound(OURS)).unwrap_err();
        assert!(said.starts_with("E FATAL 28000 the database did not prove"), "{lie:?}: {said}");
        assert_eq!(world.finished, Finish::Close);
    }
    // Whoever lets in a proof of nothing is no database.
    for verifiers in ["", &known()] {
        let mut world = world(verifiers);
        world.role.lock().unwrap().lie = Lie::LetsIn;
        let said = login(&mut world, "wrong", PLUS, bound(OURS)).unwrap_err();
        assert!(said.starts_with("E FATAL 28000 the database did not prove"), "{said}");
    }
    let mut world = world(&known());
    world.role.lock().unwrap().lie = Lie::Nonce;
    offered(&mut world);
    world.send(&initial(PLUS, ScramSha256::new(b"open sesame", bound(OURS)).message()));
    assert!(world.heard().join("|").starts_with("E FATAL 08P01 the database's SCRAM nonce"));
}

#[test]
fn authentication_out_of_order_is_refused() {
    // The database says that it is done, or asks for a password, where a step of SCRAM is due.
    for stage in 0..3 {
        for step in [0_u32, 3, 10, 12] {
            let mut world = world(&known());
            offered(&mut world);
            let mut client = ScramSha256::new(b"open sesame", bound(OURS));
            if stage > 0 {
                world.server.scram = None;
                world.server.offers = &[];
                world.server.asks_password = true;
                world.server.mute = true;
                world.send(&initial(PLUS, client.message()));
            }
            if stage > 1 {
                let own = "dG93YXJkcyB0aGUgc2VydmVy";
                let first = format!("r={own}more,s=c2FsdCBvZiBhIHJvbGUuLg==,i=64");
                let mut out = Vec::new();
                encode::authentication(
                    &mut out,
                    wire::postgres::backend::Authentication::SaslContinue(first.as_bytes()),
                )
                .unwrap();
                world.input(Input::FromDatabase(&mut out));
                client.update(&authentication(&mut world, 11)).unwrap();
                world.send(&response(client.message()));
            }
            let mut frame = vec![BackendTag::Authentication.byte(), 0, 0, 0, 8];
            frame.extend(step.to_be_bytes());
            match step {
                10 => frame.extend(b"SCRAM-SHA-256\0\0"),
                12 => frame.extend(b"v=AAAA"),
                _ => {}
            }
            let length = (frame.len() - 1) as u32;
            frame[1..5].copy_from_slice(&length.to_be_bytes());
            world.input(Input::FromDatabase(&mut frame));
            let said = world.heard().join("|");
            assert!(said.starts_with("E FATAL"), "stage {stage}, step {step}: {said}");
            assert_eq!(world.finished, Finish::Close);
        }
    }
}

#[test]
fn an_agent_is_refused_as_postgresql_refuses_it() {
    for (mechanism, message, code) in [
        (PLAIN, "y,,n=,r=abc", "28000 SCRAM channel binding negotiation error"),
        (PLAIN, "p=tls-server-end-point,,n=,r=abc", "08P01 malformed"),
        (PLUS, "n,,n=,r=abc", "08P01 malformed"),
        (PLUS, "p=tls-unique,,n=,r=abc", "08P01 unsupported SCRAM channel-binding type"),
        (PLAIN, "n,a=dba,n=,r=abc", "0A000 client uses authorization identity"),
        ("SCRAM-SHA-1", "n,,n=,r=abc", "08P01 a SASL mechanism that was not offered"),
        ("OAUTHBEARER", "n,,\x01auth=", "08P01 a SASL mechanism that was not offered"),
    ] {
        let mut world = world(&known());
        offered(&mut world);
        let sent = world.sent.len();
        let said = world.ask(&initial(mechanism, message.as_bytes())).join("|");
        assert!(said.starts_with(&format!("E FATAL {code}")), "{message}: {said}");
        assert_eq!(world.sent.len(), sent, "nothing was forwarded");
    }
    // Nothing of the mechanism, as PostgreSQL allows and nobody does.
    let mut world = world(&known());
    offered(&mut world);
    let mut out = Vec::new();
    encode::sasl_initial_response(&mut out, PLAIN.as_bytes(), None).unwrap();
    assert!(world.ask(&out).join("|").starts_with("E FATAL 08P01"));
}

#[test]
fn an_agent_that_was_shown_another_certificate_is_refused() {
    let mut world = world(&known());
    let said = login(&mut world, "open sesame", PLUS, bound([9; 32])).unwrap_err();
    assert!(said.starts_with("E FATAL 28000 SCRAM channel binding check failed"), "{said}");
    assert!(recorded(&world, "SCRAM channel binding check failed"));
}

#[test]
fn what_has_no_binding_is_not_offered_one() {
    let mut world = world(&known());
    world.binding.clear();
    let mut ssl = Vec::new();
    encode::ssl_request(&mut ssl);
    world.send(&ssl);
    world.agent.clear();
    world.input(Input::AgentSecured(Secured { binding: OURS.to_vec(), ..tls("", false) }));
    world.send(&startup(0, &[("user", "app")]));
    assert!(world.heard().join("|").contains("no channel binding is defined for"));
}

#[test]
fn a_plain_leg_passes_scram_on_as_before() {
    let mut world = world(&known());
    world.send(&startup(0, &[("user", "app"), ("database", "payments")]));
    let offers = authentication(&mut world, 10);
    assert_eq!(offers, b"SCRAM-SHA-256\0\0");
    let client = ScramSha256::new(b"open sesame", ChannelBinding::unsupported());
    world.send(&initial(PLAIN, client.message()));
    assert!(world.sent.ends_with(client.message()), "as it is");
}
