//! Any text: an answer, spans inside the text and in order, no statement without an effect, nothing of ours unreadable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sql::{Limits, Refusal, analyze, redact};

fuzz_target!(|text: &str| {
    match analyze(text, &Limits::default()) {
        Ok(analysis) => {
            let mut end = 0;
            for statement in &analysis.statements {
                assert!(statement.span.start >= end && text.get(statement.span.clone()).is_some());
                assert!(!statement.pairs.is_empty());
                end = statement.span.end;
            }
        }
        Err(refusal) => assert_ne!(refusal, Refusal::Unreadable),
    }
    let _ = redact(text);
});
