//! What a person with psql sees.

use crate::stage::{Answer, POLICY, Stage};

#[test]
fn rows_are_masked_and_lengths_stay() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("SELECT customer, pan FROM payments WHERE id = 1").says("Ada Alder|411111******1111");
    stage
        .ask("SELECT note FROM tickets ORDER BY id")
        .says("paid with 4111 11** **** 1111, please refund\norder 4111111111111112, no card");
    stage.ask("SELECT pan AS harmless, cvv FROM payments WHERE id = 4").says("378282*****0005|***");
    stage.ask("SELECT pan_int, pan_num, meta, raw FROM payments").holds_no_card();
    stage.ask("SELECT * FROM payments").holds_no_card();
    stage.ask("TABLE payments").holds_no_card();
}

#[test]
fn a_refusal_leaves_the_connection_and_its_transaction_as_the_server_has_them() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("DROP TABLE payments").refused("42501").holds_no_card();
    let script = "SELECT pg_backend_pid() AS before \\gset\nBEGIN;\nSELECT 1;\nDROP TABLE payments;\nSELECT 2;\nROLLBACK;\nSELECT pg_backend_pid() = :before;\nSELECT count(*) FROM payments;\n";
    let answer = stage.script(script);
    answer.refused("42501").refused("25P02");
    assert!(answer.out.trim_end().ends_with("t\n5"), "{}", answer.out);
    assert!(!stage.database.log().contains("statement: DROP TABLE"), "the server executed what was refused");
}

#[test]
fn one_refusal_in_a_text_refuses_all_of_it() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("INSERT INTO plain VALUES (1, 'x'); DROP TABLE plain").refused("42501");
    stage.ask("SELECT count(*) FROM plain").says("0");
    stage.ask("WITH gone AS (DELETE FROM payments RETURNING id) SELECT * FROM gone").refused("42501");
    stage.ask("EXPLAIN ANALYZE DELETE FROM payments").refused("42501");
    stage.ask("SELECT FROM WHERE").refused("42501");
    stage.ask("SELECT count(*) FROM payments").says("5");
}

#[test]
fn errors_and_notices_are_masked() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("SELECT ('x' || pan)::int FROM payments").holds_no_card();
    stage.ask("SELECT pan::date FROM payments").holds_no_card();
    stage.ask("SELECT customer FROM payments WHERE note = 1 OR pan = 7").holds_no_card();
}

#[test]
fn copy_out_in_both_directions_of_psql() {
    let Some(stage) = Stage::usual() else { return };
    let answer = stage.script("\\copy payments (id, customer, pan, cvv) to stdout\n\\copy tickets to stdout csv\n");
    answer.holds_no_card();
    assert!(answer.out.contains("1\tAda Alder\t411111******1111\t***"), "{}{}", answer.out, answer.err);
    stage.script("\\copy plain from stdin\n7\tseven\n\\.\nSELECT note FROM plain;\n").says("COPY 1\nseven");
}

#[test]
fn the_catalog_commands_work() {
    let Some(stage) = Stage::usual() else { return };
    for command in ["\\d", "\\d payments", "\\d+ payments", "\\dt", "\\dn", "\\du", "\\df", "\\l", "\\dT", "\\di"] {
        let answer = stage.script(&format!("{command}\n"));
        assert!(answer.ok && !answer.err.contains("ERROR"), "{command}: {}", answer.err);
    }
}

#[test]
fn settings_that_blind_us_are_refused() {
    let Some(stage) = Stage::usual() else { return };
    stage.ask("SET standard_conforming_strings = off").refused("42501");
    stage.ask("SET client_encoding = 'SJIS'").refused("42501");
    stage.ask("SELECT set_config('standard_conforming_strings', 'off', false)").refused("42501");
    stage.ask("SET client_encoding = 'UTF8'").says("SET");
    stage.ask("SET application_name = 'x'").says("SET");
}

#[test]
fn latin1_names_and_separators_are_those_of_the_server() {
    let policy =
        POLICY.to_owned() + "\n[[sensitive]]\ncolumns = [\"public.tickets.gr\u{f6}\u{df}e\"]\nkind = \"secret\"\n";
    let Some(stage) = Stage::set("", &policy) else { return };
    let made = "ALTER TABLE tickets ADD COLUMN \"gr\u{f6}\u{df}e\" text DEFAULT 'forty two'; \
                UPDATE tickets SET note = replace(note, ' ', chr(160)) WHERE id = 1";
    stage.database.sql("postgres", made).expect("made");
    // The first connection's question is asked in LATIN1.
    for encoding in ["LATIN1", "UTF8"] {
        let ask = |sql: &str| {
            let mut psql = stage.agent(&["-v", "VERBOSITY=verbose", "-c", sql]);
            Answer::of(psql.env("PGCLIENTENCODING", encoding).output().expect("psql starts"))
        };
        ask("SHOW client_encoding").says(encoding);
        ask("SELECT U&\"gr\\00f6\\00dfe\" FROM tickets WHERE id = 1").says("*********");
        ask("SELECT note FROM tickets WHERE id = 1").holds_no_card();
        let note = ask("SELECT note FROM tickets WHERE id = 1").out;
        assert!(note.contains("****") && note.matches("1111").count() == 1, "{encoding}: the groups are not masked");
    }
}

#[test]
fn with_the_service_dead_an_agent_is_refused_and_never_direct() {
    let Some(mut stage) = Stage::usual() else { return };
    stage.service.stop("KILL").expect("stopped");
    let answer = stage.ask("SELECT 1");
    assert!(!answer.ok && answer.err.contains("refused"), "{}", answer.err);
    stage.service.run().expect("started again");
    stage.ask("SELECT 1").says("1");
}

#[test]
fn with_the_database_down_the_error_is_of_its_kind() {
    let Some(stage) = Stage::usual() else { return };
    stage.database.control("stop").expect("stopped");
    let answer = stage.ask("SELECT 1");
    assert!(!answer.ok && answer.err.contains("FATAL"), "{}", answer.err);
}
