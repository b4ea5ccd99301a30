//! What the record says of what was done, held against the server's own log.

use std::process::Command;

use crate::stage::Stage;
use crate::stand::{Folder, succeed};

#[test]
fn every_statement_of_the_servers_log_has_one_decision() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("SELECT 17 AS first_marker");
    stage.ask("DROP TABLE payments");
    stage.script("BEGIN;\nSELECT 18 AS second_marker;\nCOMMIT;\n");
    let decisions: Vec<String> = stage.record().into_iter().filter(|l| l.contains("\"decision\"")).collect();
    for marker in ["first_marker", "second_marker"] {
        let executed = stage.database.log().lines().filter(|l| l.contains("statement: ") && l.contains(marker)).count();
        let recorded = decisions.iter().filter(|l| l.contains(marker)).count();
        assert_eq!((executed, recorded), (1, 1), "{marker}");
    }
    assert!(
        decisions.iter().any(|l| l.contains("drop-table") && l.contains("block")),
        "the refusal is not in the record"
    );
}

#[test]
fn the_record_holds_no_card_and_says_who() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("SELECT customer FROM payments WHERE pan = '4111111111111111'");
    let record = stage.record().join("\n");
    for card in crate::stage::CARDS {
        assert!(!record.contains(card), "a card is in the record");
    }
    assert!(record.contains("reconciler") && record.contains("psql"), "agent and executable are missing");
}

#[test]
fn verify_passes_and_names_the_first_bad_record_of_a_changed_copy() {
    let Some(mut stage) = Stage::usual() else { return };
    stage.ask("SELECT customer FROM payments");
    stage.service.stop("TERM").expect("stopped");
    succeed(&mut stage.service.verb("audit verify")).expect("whole");

    let copy = Folder::new("copy").expect("a folder");
    succeed(Command::new("cp").arg("-r").arg(stage.service.state()).arg(copy.path())).expect("copied");
    let state = copy.path().join("state");
    let changed = change_one_byte(&state);
    let verdict = stage.service.verb("audit verify").arg(&state).output().expect("runs");
    let said = String::from_utf8_lossy(&verdict.stdout).into_owned() + &String::from_utf8_lossy(&verdict.stderr);
    assert_eq!(verdict.status.code(), Some(1), "{said}");
    assert!(changed && said.contains("record"), "{said}");
    stage.service.run().expect("started again");
}

fn change_one_byte(state: &std::path::Path) -> bool {
    let mut folders = vec![state.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = std::fs::read(&path).expect("readable");
            if let Some(at) = bytes.windows(8).position(|w| w == b"customer") {
                bytes[at] = b'C';
                std::fs::write(&path, bytes).expect("written");
                return true;
            }
        }
    }
    false
}
