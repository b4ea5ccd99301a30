//! A token that is asked for at the session's start: nothing is dialled before it is there, and without it there is no session.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use session::{Asking, Database, Finish, Input, Masked, Mode, Open, Signed, Subject, TokenAsk, TokenTerms};
use world::{POLICY, World, open, query, startup, subject};

fn signed(number: u64) -> Signed {
    Signed {
        number,
        issuer: "spire".into(),
        subject: "spiffe://pay.example/job".into(),
        principal: "spire:spiffe://pay.example/job".into(),
        token: [7; 32],
        of_job: true,
        says: policy::Signed::new(vec![], vec![]),
        expires_s: 1_790_000_600,
        until_ns: 1_000_000_000 + 600_000_000_000,
        revoked: None,
    }
}

fn world(mode: Mode, bound: Option<Signed>) -> World {
    let token = TokenTerms { required: true, fetched: true, ..TokenTerms::default() };
    let subject = Subject { token: Arc::new(token), ..Subject::clone(&subject("reconciler")) };
    let opened = Open { subject: Arc::new(subject), signed: bound.map(Arc::new), ..open("reconciler", mode, true) };
    World::with(opened, POLICY)
}

fn asked(world: &World) -> Vec<TokenAsk> {
    let ask = |asking: &Asking| match asking {
        Asking::Token(ask) => Some(TokenAsk::clone(ask)),
        _ => None,
    };
    world.asking.iter().filter_map(ask).collect()
}

fn begin(world: &mut World) -> String {
    world.send(&startup(0, &[("user", "app"), ("database", "payments")]));
    world.heard().join("|")
}

fn found(world: &mut World, token: Result<Signed, &'static str>) -> String {
    world.input(Input::Identified(token.map(Arc::new).map_err(|why| Box::new(Masked::literal(why)))));
    world.answer();
    world.heard().join("|")
}

#[test]
fn the_database_hears_nothing_before_the_token_is_there() {
    let mut world = world(Mode::Enforce, None);
    assert_eq!(begin(&mut world), "");
    let asks = asked(&world);
    assert_eq!((asks.len(), asks[0].subject.policy.agent.as_str()), (1, "reconciler"));
    assert!(world.sent.is_empty(), "nothing is dialled");
    found(&mut world, Ok(signed(1)));
    assert!(!world.sent.is_empty() && world.finished == Finish::No);
    assert_eq!(world.ask(&query("SELECT 1")).first().map(String::as_str), Some("T one"));
    // Told once more, nothing changes.
    assert_eq!(found(&mut world, Err("late")), "");
    assert_eq!(world.finished, Finish::No);
}

#[test]
fn without_one_there_is_no_session() {
    let mut world = world(Mode::Enforce, None);
    begin(&mut world);
    let heard = found(&mut world, Err("the SPIFFE agent refuses"));
    assert!(
        heard.starts_with("E FATAL 28000 who this job is cannot be found out: the SPIFFE agent refuses"),
        "{heard}"
    );
    assert!(world.sent.is_empty() && world.finished == Finish::Close);
}

#[test]
fn one_that_was_revoked_meanwhile_opens_nothing() {
    let mut world = world(Mode::Enforce, None);
    begin(&mut world);
    let revoked = Some(Masked::literal("by ann: lost"));
    let heard = found(&mut world, Ok(Signed { revoked, ..signed(1) }));
    assert!(heard.contains("revoked by ann: lost") && world.sent.is_empty(), "{heard}");
}

#[test]
fn who_has_one_asks_for_none_and_who_has_an_old_one_does() {
    let mut has = world(Mode::Enforce, Some(signed(1)));
    begin(&mut has);
    assert_eq!((asked(&has).len(), has.sent.is_empty()), (0, false));
    let mut old = world(Mode::Enforce, Some(Signed { until_ns: 0, ..signed(1) }));
    begin(&mut old);
    assert_eq!((asked(&old).len(), old.sent.is_empty()), (1, true));
    found(&mut old, Ok(signed(2)));
    assert_eq!(old.ask(&query("SELECT 1")).first().map(String::as_str), Some("T one"));
}

#[test]
fn where_refusals_are_only_recorded_the_session_goes_on() {
    let mut world = world(Mode::Observe, None);
    begin(&mut world);
    found(&mut world, Err("the SPIFFE agent refuses"));
    assert!(!world.sent.is_empty());
    assert_eq!(world.ask(&query("SELECT 1")).first().map(String::as_str), Some("T one"));
}

/// The login of ours is asked for under the principal that was found.
#[test]
fn the_login_is_asked_for_after_the_token() {
    let mut opened = open("reconciler", Mode::Enforce, true);
    opened.database = Arc::new(Database { asks_login: true, ..(*opened.database).clone() });
    let token = TokenTerms { required: true, fetched: true, ..TokenTerms::default() };
    opened.subject = Arc::new(Subject { token: Arc::new(token), ..(*opened.subject).clone() });
    let mut world = World::with(opened, POLICY);
    begin(&mut world);
    let logins = |world: &World| -> Vec<Option<String>> {
        let of = |asking: &Asking| match asking {
            Asking::Login(ask) => Some(ask.signed.as_ref().map(|signed| signed.principal.clone())),
            _ => None,
        };
        world.asking.iter().filter_map(of).collect()
    };
    assert_eq!((asked(&world).len(), logins(&world).len()), (1, 0));
    found(&mut world, Ok(signed(1)));
    assert_eq!(logins(&world), [Some("spire:spiffe://pay.example/job".to_owned())]);
    assert!(world.sent.is_empty());
}
