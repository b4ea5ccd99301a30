//! Large statements are judged aside while the shard serves others; the deepest that is judged at all fits the stack of those who judge.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test

mod stand;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policy::{Names, Policy, Subject};
use session::{Asker, StatementCache, Survey};
use stand::{Stand, agent, ask, query, serve};

/// One shard, two agents: what the second says is answered while the first's million bytes are judged.
#[test]
fn a_shard_serves_others_while_a_large_statement_is_judged() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let database = std::thread::spawn(move || {
        let sessions: Vec<_> = (0..2)
            .map(|_| listener.accept().unwrap().0)
            .map(|one| std::thread::spawn(move || serve(one, &[])))
            .collect();
        sessions.into_iter().for_each(|session| session.join().unwrap());
    });
    let stand = Stand::start("large", address, 8);
    let (mut first, mut second) = (agent(stand.port()), agent(stand.port()));
    let items = "7,".repeat(480_000);
    let large = query(&format!("SELECT id FROM payments WHERE id IN ({items}7)"));
    let answered = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&answered);
    let waiting = std::thread::spawn(move || {
        let bytes = ask(&mut first, &large);
        told.store(true, Ordering::SeqCst);
        bytes
    });
    let mail = || stand.handle().snapshots().iter().map(|shard| shard.mail).sum::<u64>();
    let before = mail();
    let mut served = 0;
    while !answered.load(Ordering::SeqCst) {
        assert!(ask(&mut second, &query("SELECT id FROM payments")) > 20);
        served += 1;
    }
    assert!(waiting.join().unwrap() > 20);
    assert!(served >= 10, "{served} statements were served meanwhile");
    assert_eq!(mail() - before, 1, "the verdict came by the mailbox");
    drop(second);
    drop(stand);
    database.join().unwrap();
}

fn nested(levels: usize, before: &str, inner: &str, after: &str) -> String {
    format!("{}{inner}{}", before.repeat(levels), after.repeat(levels))
}

/// Whatever the nesting is made of: it is judged or refused as too deep, on the stack that a shard has, in a debug build too.
#[test]
fn the_deepest_statement_fits_the_stack_of_a_shard() {
    let thread = std::thread::Builder::new().stack_size(proxy::STACK_BYTES);
    thread.spawn(deepest).unwrap().join().unwrap();
}

fn deepest() {
    let policy = "[[sensitive]]\ncolumns = [\"public.payments.pan\"]\nkind = \"pan\"\n[[rule]]\nname = \"any\"\naction = \"allow\"\n";
    let mut survey = Survey::new(&Arc::new(Policy::parse(policy, &Names::default()).unwrap()), "payments");
    let mut row = |result, values: &[&str]| {
        survey.row(&(result, values.iter().map(|value| Some((*value).to_owned())).collect())).unwrap();
    };
    row(5, &["16385", "public", "payments", "1", "pan", "25"]);
    row(7, &["16385", "public", "payments", "r", "", "f", "", ""]);
    row(8, &["16385", "1", "pan", "25"]);
    let surveyed = survey.finish("payments", &Arc::default());
    let subject = Subject { agent: "tester".to_owned(), groups: Vec::new(), signed: None };
    let asker = Asker::new(subject, &["public".to_owned()], 0);
    let mut cache = StatementCache::new();
    let mut passed = 0;
    for levels in (1..40).chain((40..700).step_by(7)).chain([2_000, 10_000]) {
        for text in [
            format!("SELECT {} FROM payments", nested(levels, "(", "pan", ")")),
            format!("SELECT {} FROM payments", nested(levels, "lower(", "pan", ")")),
            format!("SELECT {} FROM payments", nested(levels, "1 + ", "2", "")),
            format!("SELECT {} FROM payments", nested(levels, "- ", "2", "")),
            format!("SELECT {} FROM payments", nested(levels, "CASE WHEN true THEN ", "pan", " END")),
            format!("SELECT {} FROM payments", nested(levels, "ARRAY[", "pan", "]")),
            format!("SELECT pan FROM {}", nested(levels, "(SELECT pan FROM ", "payments a", ") a")),
            format!("SELECT {}", nested(levels, "(SELECT ", "1", ")")),
            format!("SELECT 1 WHERE {}", nested(levels, "EXISTS (SELECT 1 WHERE ", "true", ")")),
            format!("SELECT 1 WHERE {}", nested(levels, "NOT ", "true", "")),
            nested(levels, "SELECT pan FROM payments UNION ALL ", "SELECT pan FROM payments", ""),
            nested(levels, "", "SELECT pan FROM payments", " UNION SELECT pan FROM payments"),
            nested(levels, "WITH a AS (", "SELECT pan FROM payments", ") SELECT pan FROM a"),
            format!("SELECT 1 FROM {}", nested(levels, "(payments a JOIN ", "payments b", " ON true)")),
            format!("SELECT pan{} FROM payments", "::text".repeat(levels)),
        ] {
            passed += usize::from(surveyed.passes(&mut cache, &asker, &text));
        }
    }
    assert!(passed > 300, "{passed}");
}
