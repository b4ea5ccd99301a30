//! Where the time goes, and who is told of slow statements.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test

mod stand;

use proxy::Stage;
use stand::{Stand, agent, ask, database, query};

#[test]
fn each_stage_is_measured_and_a_slow_statement_is_told_once() {
    let (address, thread) = database(Vec::new());
    let stand = Stand::start("latency", address, 8);
    let mut agent = agent(stand.port());
    let count = |stage| stand.handle().spread(stage).count();
    assert_eq!((count(Stage::FirstByte), count(Stage::Statement)), (1, 0));
    // The first statement may come while our own question is asked: then it is the answer's call that sends it.
    ask(&mut agent, &query("SELECT pan FROM payments"));
    assert_eq!(stand.handle().slow().len(), 1);
    let (judged, sent) = (count(Stage::Judge), count(Stage::ToDatabase));
    ask(&mut agent, &query("SELECT pan FROM payments"));
    assert_eq!((count(Stage::FirstByte), count(Stage::Statement)), (1, 2));
    assert_eq!((count(Stage::Judge), count(Stage::ToDatabase)), (judged + 1, sent + 1));
    // A read waits for no disk.
    assert_eq!(count(Stage::RecordWait), 0);
    assert!(count(Stage::ToAgent) > 0 && count(Stage::Mask) >= count(Stage::ToAgent));

    let told = stand.handle().slow();
    let [slow] = told[..] else { panic!("{} slow statements", told.len()) };
    assert!(slow.duration_ns <= stand.handle().spread(Stage::Statement).max_ns);
    let spent = slow.spent;
    assert!(spent.judged_ns > 0 && spent.masked_ns > 0 && spent.record_ns == 0);
    assert!(slow.decision.seq > 0 && slow.session > 0);
    assert_eq!(stand.handle().slow(), []);
    drop((agent, stand));
    thread.join().unwrap();
}
