//! A token that is bound to the agent's job: what it opens, when it is over, and who ends it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::sync::Arc;

use audit::decode::Fields;
use audit::{RecordType, field};
use session::{Finish, Input, Masked, Mode, Open, Signed, Subject, TokenTerms};
use world::{POLICY, World, extended, open, query, subject};

/// Deletes are for jobs of the main branch.
const MAIN: &str = "
[[rule]]
name = \"main deletes\"
statements = [\"delete\"]
claims = { ref = \"refs/heads/main\" }
action = \"allow\"
";
const SELECT: &str = "SELECT 1";
const EXPIRED: &str = "E ERROR 28000 the token of this job has expired";
const NONE: &str = "E ERROR 28000 no token is bound to this job";

fn of(principal: &str, number: u64, reference: &str) -> Signed {
    Signed {
        number,
        issuer: "ci".into(),
        subject: "repo:o/r".into(),
        principal: principal.into(),
        token: [7; 32],
        of_job: true,
        says: policy::Signed::new(vec!["main-branch".into()], vec![("ref".into(), reference.into())]),
        expires_s: 1_790_000_600,
        until_ns: 1_000_000_000 + 600_000_000_000,
        revoked: None,
    }
}

fn main(number: u64) -> Signed {
    of("ci:1/2", number, "refs/heads/main")
}

fn opened(token: TokenTerms, signed: Option<Signed>) -> Open {
    let subject = Subject { token: Arc::new(token), ..Subject::clone(&subject("reconciler")) };
    let signed = signed.map(Arc::new);
    Open { subject: Arc::new(subject), signed, ..open("reconciler", Mode::Enforce, true) }
}

fn world(token: TokenTerms, signed: Option<Signed>) -> World {
    World::with(opened(token, signed), &format!("{POLICY}{MAIN}")).login()
}

fn required() -> TokenTerms {
    TokenTerms { required: true, ..TokenTerms::default() }
}

impl World {
    fn is_signed(&mut self, signed: Signed) {
        self.input(Input::Signed(Arc::new(signed)));
        self.answer();
    }

    fn first(&mut self, sql: &str) -> String {
        self.ask(&query(sql)).into_iter().next().unwrap_or_default()
    }

    /// The texts of this field in the records of this type.
    fn told(&self, kind: RecordType, wanted: u8) -> Vec<String> {
        let of_kind = self.records.iter().filter(|(known, _)| *known == kind.code());
        let values = of_kind.flat_map(|(_, payload)| {
            let fields = Fields::of(payload).flatten().filter(|(number, _)| *number == wanted);
            fields.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
        });
        values.collect()
    }

    fn passes_s(&mut self, mono_s: u64, wall_s: u64) {
        self.now.mono_ns += mono_s * 1_000_000_000;
        self.now.wall_ns += wall_s * 1_000_000_000;
    }
}

#[test]
fn both_identities_are_in_the_record_and_in_every_statement() {
    let mut world = world(TokenTerms::default(), Some(main(1)));
    assert_eq!(world.first(SELECT), "T one");
    assert_eq!(world.told(RecordType::Identity, field::CHANGE), ["bound"]);
    assert_eq!(world.told(RecordType::Identity, field::CLAIMS), ["ref=refs/heads/main"]);
    assert_eq!(world.told(RecordType::Identity, field::SIGNED_GROUPS), ["main-branch"]);
    for kind in [RecordType::Login, RecordType::Decision, RecordType::Outcome] {
        for (wanted, expected) in [
            (field::AGENT, "reconciler"),
            (field::ISSUER, "ci"),
            (field::SUBJECT, "repo:o/r"),
            (field::PRINCIPAL, "ci:1/2"),
        ] {
            assert_eq!(world.told(kind, wanted), [expected], "{kind:?}");
        }
        assert_eq!(world.told(kind, field::TOKEN_HASH).len(), 1);
    }
}

#[test]
fn rules_see_a_token_that_comes_later_also_by_what_was_prepared() {
    let mut world = world(TokenTerms::default(), None);
    let delete = "DELETE FROM payments";
    let refused = "E ERROR 42501 no rule of the policy allows delete on payments";
    assert!(world.first(delete).starts_with(refused));
    // Judged and kept while there was none.
    let select = ["P s SELECT 1", "B p s", "E p", "S"];
    assert!(world.ask(&extended(&select)).iter().any(|said| said.starts_with('D')));
    world.is_signed(main(1));
    assert!(!world.first(delete).starts_with("E "), "the kept refusal is another subject's");
    world.is_signed(of("ci:1/2", 2, "refs/heads/side"));
    assert!(world.first(delete).starts_with(refused), "and so is the kept allow");
    assert_eq!(world.told(RecordType::Identity, field::CHANGE), ["bound", "refreshed"]);
}

#[test]
fn jobs_that_rules_cannot_tell_apart_share_what_was_judged() {
    const RUN: &str = "
[[rule]]
name = \"not in run 2\"
statements = [\"delete\"]
claims = { run_id = \"2\" }
action = \"block\"
";
    let run = |number: &str| {
        let claims = vec![("ref".into(), "refs/heads/main".into()), ("run_id".into(), number.into())];
        Signed { says: policy::Signed::new(vec!["main-branch".into()], claims), ..main(1) }
    };
    let delete = "DELETE FROM payments";
    let mut first = world(TokenTerms::default(), Some(run("1")));
    assert!(!first.first(delete).starts_with("E "));
    let before = first.cache.lookups();
    let mut second = World::with(opened(TokenTerms::default(), Some(run("2"))), &format!("{POLICY}{MAIN}"));
    second.policy = Arc::clone(&first.policy);
    (second.cache, second.catalogs) = (std::mem::take(&mut first.cache), std::mem::take(&mut first.catalogs));
    let mut second = second.login();
    assert!(!second.first(delete).starts_with("E "));
    let after = second.cache.lookups();
    assert_eq!((after.judged, after.exact), (before.judged, before.exact + 1), "no rule asks for `run_id`");
    // A policy that asks for it, loaded while the session is open: the two are not alike any more, also not to what was prepared.
    let prepared = extended(&["P s DELETE FROM payments", "B p s", "E p", "S"]);
    assert!(!second.ask(&prepared).iter().any(|said| said.starts_with("E ")));
    second.policy = world::policy(&format!("{POLICY}{MAIN}{RUN}"));
    assert!(second.first(delete).starts_with("E ERROR 42501"));
    assert!(second.ask(&extended(&["B q s", "E q", "S"]))[0].starts_with("E ERROR 42501"));
    (first.cache, first.policy) = (std::mem::take(&mut second.cache), Arc::clone(&second.policy));
    assert!(!first.first(delete).starts_with("E "), "what was kept for the other is not this one's");
}

#[test]
fn without_one_nothing_goes_on_where_it_is_required() {
    let mut world = world(required(), None);
    assert!(world.first(SELECT).starts_with(NONE));
    assert!(world.ask(&extended(&["P s SELECT 1", "B p s", "E p", "S"]))[0].starts_with(NONE));
    world.is_signed(main(1));
    assert_eq!(world.first(SELECT), "T one");
}

#[test]
fn what_has_expired_is_refused_and_a_fresh_one_carries_on() {
    for required in [TokenTerms::default(), required()] {
        let mut world = world(required, Some(main(1)));
        assert!(world.ask(&extended(&["P s SELECT 1", "B p s", "H"])).iter().all(|said| !said.starts_with('E')));
        world.passes_s(600, 600);
        // Bound before, and to run only now.
        assert!(world.ask(&extended(&["E p", "S"]))[0].starts_with(EXPIRED));
        assert!(world.ask(&extended(&["B p s", "E p", "S"]))[0].starts_with(EXPIRED));
        assert!(world.first(SELECT).starts_with(EXPIRED));
        assert_eq!(world.finished, Finish::No, "the connection lives");
        world.is_signed(Signed { expires_s: 1_790_001_200, until_ns: 1_201_000_000_000, ..main(2) });
        assert_eq!(world.first(SELECT), "T one");
    }
}

#[test]
fn neither_clock_makes_it_younger() {
    for (mono_s, wall_s, over) in [(599, 599, false), (600, 0, true), (0, 600, true)] {
        let mut world = world(TokenTerms::default(), Some(main(1)));
        world.passes_s(mono_s, wall_s);
        assert_eq!(world.first(SELECT).starts_with(EXPIRED), over, "{mono_s} {wall_s}");
    }
}

#[test]
fn a_session_may_end_with_its_token() {
    let ends = TokenTerms { ends: true, ..TokenTerms::default() };
    let mut world = world(ends, Some(main(1)));
    assert_eq!(world.first(SELECT), "T one");
    assert_eq!(world.out.deadline, Some(601_000_000_000));
    world.passes_s(600, 600);
    world.input(Input::Deadline);
    assert_eq!(world.finished, Finish::Close);
    assert!(world.heard()[0].starts_with("E FATAL 57P01 terminating connection: the token of this job has expired"));
}

#[test]
fn a_revoked_one_ends_the_session_and_lets_no_other_begin() {
    let revoked = |number| Signed { revoked: Some(Masked::of("by ann: lost")), ..main(number) };
    let mut first = world(TokenTerms::default(), Some(main(1)));
    first.is_signed(revoked(2));
    assert_eq!(first.finished, Finish::Close);
    let says = "terminating connection: the identity of this job was revoked by ann: lost";
    assert!(first.heard()[0].starts_with(&format!("E FATAL 57P01 {says}")));
    first.close();
    assert_eq!(first.told(RecordType::Identity, field::CHANGE), ["bound", "revoked"]);
    assert!(first.told(RecordType::SessionEnd, field::CAUSE)[0].contains("by ann: lost"));
    let mut second = World::with(opened(TokenTerms::default(), Some(revoked(2))), POLICY);
    second.send(&world::startup(0, &[("user", "app"), ("database", "payments")]));
    assert!(second.heard()[0].starts_with(&format!("E FATAL 28000 {says}")));
    assert!(second.sent.is_empty(), "the database never hears of it");
}

#[test]
fn a_principal_never_becomes_another() {
    let mut world = world(TokenTerms::default(), Some(main(5)));
    // Older, told twice, or of the agent as a whole.
    for ignored in [of("ci:9/9", 5, "x"), of("ci:9/9", 4, "x"), Signed { of_job: false, ..of("ci:9/9", 6, "x") }] {
        world.is_signed(ignored);
        assert_eq!(world.first(SELECT), "T one");
    }
    world.is_signed(of("ci:9/9", 7, "refs/heads/main"));
    assert_eq!(world.finished, Finish::Close);
    assert!(world.heard()[0].contains("another principal"));
}

#[test]
fn what_an_earlier_token_opened_ends_with_one_that_the_agent_may_not_have() {
    let terms = TokenTerms { issuers: vec!["ci".into()], ..TokenTerms::default() };
    let mut world = world(terms, Some(main(1)));
    assert!(!world.first("DELETE FROM payments").starts_with("E "));
    world.is_signed(Signed { issuer: "other".into(), ..main(2) });
    assert!(world.first("DELETE FROM payments").starts_with("E ERROR 42501"), "the claims of the first count no more");
    world.is_signed(main(3));
    assert!(!world.first("DELETE FROM payments").starts_with("E "));
}

#[test]
fn one_that_disagrees_with_the_kernel_raises_nobody() {
    let expects =
        |required| TokenTerms { required, claims: vec![("ref".into(), "refs/tags/*".into())], ..TokenTerms::default() };
    let mut lenient = world(expects(false), Some(main(1)));
    assert_eq!(lenient.first(SELECT), "T one");
    assert!(lenient.first("DELETE FROM payments").starts_with("E ERROR 42501"), "its claims open nothing");
    assert_eq!(lenient.told(RecordType::Identity, field::CHANGE), ["disagrees"]);
    assert!(lenient.told(RecordType::Identity, field::CAUSE)[0].contains("ref"));
    assert_eq!(lenient.told(RecordType::Decision, field::PRINCIPAL), [""; 0]);
    let mut strict = world(expects(true), Some(main(1)));
    assert!(strict.first(SELECT).starts_with("E ERROR 28000 the token of this job is not one that its agent may have"));
    strict.is_signed(of("ci:1/2", 2, "refs/tags/v1"));
    assert_eq!(strict.first(SELECT), "T one");
    let other = TokenTerms { required: true, issuers: vec!["prod".into()], ..TokenTerms::default() };
    assert!(world(other, Some(main(1))).first(SELECT).starts_with("E ERROR 28000"));
}
