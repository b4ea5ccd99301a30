//! A login that is asked for at the session's start: nothing is dialled before it is there, and without it there is no session.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use session::{Asking, Database, Finish, Injected, Input, LoginAsk, Masked, Mode, Secret};
use wire::postgres::encode;
use world::scram::Role;
use world::{World, open, query, startup};

const PASSWORD: &str = "open sesame";

struct Word(&'static str);

impl Secret for Word {
    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn world_with(change: impl FnOnce(&mut session::Open)) -> World {
    let mut open = open("reconciler", Mode::Enforce, true);
    open.database = Arc::new(Database { asks_login: true, ..(*open.database).clone() });
    change(&mut open);
    let mut world = World::with(open, world::POLICY);
    world.server.offers = &[b"SCRAM-SHA-256"];
    knows(&mut world, Role::new(PASSWORD, b"salt of a role..", 64));
    world
}

/// A server on a plain leg, which binds nothing.
fn knows(world: &mut World, role: Role) {
    world.knows(role);
    world.role.lock().unwrap().binds = false;
}

fn world() -> World {
    world_with(|_| {})
}

fn asked(world: &World) -> Vec<LoginAsk> {
    let ask = |asking: &Asking| match asking {
        Asking::Login(ask) => Some(LoginAsk::clone(ask)),
        _ => None,
    };
    world.asking.iter().filter_map(ask).collect()
}

fn login(user: &str) -> Arc<Injected> {
    Arc::new(Injected::new(user.into(), Box::new(Word(PASSWORD))))
}

fn begin(world: &mut World) -> String {
    world.send(&startup(0, &[("user", "app"), ("database", "payments"), ("application_name", "its own")]));
    world.heard().join("|")
}

/// The login comes, and the server answers all that it is asked.
fn give(world: &mut World, login: Arc<Injected>) {
    world.input(Input::Given(Ok(login)));
    world.answer();
}

fn sent(world: &World, words: &[u8]) -> bool {
    world.sent.windows(words.len()).any(|bytes| bytes == words)
}

#[test]
fn the_database_hears_nothing_before_the_login_is_there() {
    let mut world = world();
    assert_eq!(begin(&mut world), "");
    let asks = asked(&world);
    assert_eq!(asks.len(), 1);
    assert_eq!((&*asks[0].user, asks[0].database.as_str(), asks[0].signed.is_none()), ("app", "payments", true));
    assert_eq!(asks[0].subject.policy.agent, "reconciler");
    assert!(world.sent.is_empty(), "nothing is dialled");
    give(&mut world, login("icpt_1"));
    let heard = world.heard().join("|");
    assert!(heard.starts_with("R|") && heard.ends_with("Z I"), "{heard}");
    assert!(sent(&world, b"user\0icpt_1\0") && sent(&world, b"database\0payments\0"));
    assert!(sent(&world, b"application_name\0its own\0") && !sent(&world, b"app\0"));
    assert!(world.ask(&query("SELECT 1")).last().unwrap().starts_with('Z'));
}

#[test]
fn without_a_login_there_is_no_session_and_the_reason_is_said() {
    let mut world = world();
    begin(&mut world);
    world.input(Input::Given(Err(Box::new(Masked::of("the vault is sealed")))));
    let heard = world.heard().join("|");
    assert!(
        heard.starts_with("E FATAL 28000 the interceptor has no login for this session: the vault is sealed"),
        "{heard}"
    );
    assert!(world.sent.is_empty() && world.finished == Finish::Close);
    give(&mut world, login("icpt_1"));
    assert!(world.sent.is_empty(), "what comes later opens nothing");
}

#[test]
fn what_was_not_asked_for_is_not_taken() {
    let mut early = world();
    give(&mut early, login("icpt_1"));
    assert!(early.sent.is_empty() && asked(&early).is_empty());
    let mut twice = world();
    begin(&mut twice);
    give(&mut twice, login("icpt_1"));
    let before = twice.sent.len();
    give(&mut twice, login("icpt_2"));
    assert!(twice.sent.len() == before && !sent(&twice, b"icpt_2"));
}

#[test]
fn an_agent_that_leaves_or_sends_more_meanwhile_changes_nothing() {
    let mut left = world();
    begin(&mut left);
    left.input(Input::AgentClosed);
    give(&mut left, login("icpt_1"));
    assert!(left.sent.is_empty() && left.finished == Finish::Close);
    let mut more = world();
    let mut bytes = startup(0, &[("user", "app"), ("database", "payments")]);
    encode::authentication_response(&mut bytes, b"guess").unwrap();
    more.send(&bytes);
    give(&mut more, login("icpt_1"));
    assert!(!sent(&more, b"guess"), "a password was not asked for");
}

#[test]
fn no_login_is_made_for_a_job_without_the_token_that_it_needs() {
    let mut world = world_with(|open| {
        let token = Arc::new(session::TokenTerms { required: true, ..Default::default() });
        open.subject = Arc::new(session::Subject { token, ..(*open.subject).clone() });
    });
    let heard = begin(&mut world);
    assert!(heard.starts_with("E FATAL 28000 no token is bound to this job"), "{heard}");
    assert!(asked(&world).is_empty());
}

#[test]
fn a_role_whose_password_nobody_keeps_logs_in_by_what_was_made_of_it() {
    let salt = b"salt of a job's.".to_vec();
    let (sealed, verifier) = Injected::sealed("icpt_1".into(), b"drawn and gone", salt.clone()).unwrap();
    assert!(verifier.starts_with("SCRAM-SHA-256$4096:") && verifier.contains('$') && !verifier.contains("drawn"));
    let sealed = Arc::new(sealed);
    let mut world = world();
    knows(&mut world, Role::new("drawn and gone", b"salt of a job's.", 4096));
    begin(&mut world);
    give(&mut world, Arc::clone(&sealed));
    assert!(world.heard().join("|").ends_with("Z I"));
    // A server that asks with another salt is not the one that was given the verifier.
    let mut other = self::world();
    knows(&mut other, Role::new("drawn and gone", b"another salt....", 4096));
    begin(&mut other);
    give(&mut other, sealed);
    let heard = other.heard().join("|");
    assert!(heard.starts_with("E FATAL 28000 the database did not prove"), "{heard}");
}

#[test]
fn a_password_is_said_as_it_is_only_under_tls_and_only_where_that_was_asked_for() {
    for (tls, clear, says) in [(true, true, "Z I"), (false, true, "another login"), (true, false, "another login")] {
        let mut world = world_with(|open| {
            open.database = Arc::new(Database { database_tls: tls, ..(*open.database).clone() });
        });
        if tls {
            (world.server.tls, world.binding) = (b"S", vec![8; 32]);
        }
        (world.server.scram, world.server.offers, world.server.asks_password) = (None, &[], true);
        begin(&mut world);
        let login = Injected::new("token".into(), Box::new(Word(PASSWORD)));
        give(&mut world, Arc::new(if clear { login.in_clear() } else { login }));
        let heard = world.heard().join("|");
        assert!(heard.contains(says), "{tls} {clear}: {heard}");
        assert_eq!(sent(&world, PASSWORD.as_bytes()), tls && clear, "{tls} {clear}");
    }
}
