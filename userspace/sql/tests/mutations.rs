//! Statements with random damage: whatever comes, an answer, and one that keeps its promises.

use sql::{Limits, Refusal, analyze, redact};

const SEEDS: &[&str] = &[
    include_str!("../../policy/testdata/psql.sql"),
    include_str!("../../policy/testdata/pg_dump.sql"),
    "WITH RECURSIVE d AS (DELETE FROM a USING b RETURNING *) INSERT INTO c SELECT * FROM d ON CONFLICT (x) DO UPDATE SET y = 1
-- @
MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1) RETURNING *
-- @
COPY (SELECT * FROM t FOR UPDATE OF t) TO STDOUT (FORMAT csv, NULL '', FORCE_QUOTE *)
-- @
SELECT E'\\x41', U&'\\0041' UESCAPE '!', $tag$ x $tag$, B'01', X'ff', 1e10, .5, 0x1F, 1_000, $1, \"q\"\"q\", a.b[1:2].c::d.e /* /* */ */
-- @
CREATE FUNCTION f(a int DEFAULT g()) RETURNS TABLE (b int) LANGUAGE sql SET search_path = a, b AS 'x'; ALTER ROLE r SET a.b = 1
-- @
EXPLAIN (ANALYZE, BUFFERS) EXECUTE p(1, 'x'); SELECT set_config(name, 'x', true) FROM pg_settings WHERE name = 'y'
-- @
GRANT SELECT (a), UPDATE ON t, s.u TO x WITH GRANT OPTION; DROP FUNCTION f(int), g; CREATE TABLE t (LIKE o, CHECK (a > 0)) PARTITION BY LIST (a)",
];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap_or(0)
    }
}

/// Cuts, doubles, swaps and replaces pieces at token-like borders and anywhere else.
fn damage(random: &mut Random, text: &str, other: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let other: Vec<char> = other.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(chars.len());
        let end = (at + random.below(12)).min(chars.len());
        match random.below(5) {
            0 => drop(chars.drain(at..end)),
            1 => {
                let piece: Vec<char> = chars[at..end].to_vec();
                chars.splice(at..at, piece);
            }
            2 => {
                let from = random.below(other.len());
                let to = (from + random.below(40)).min(other.len());
                chars.splice(at..end, other[from..to].iter().copied());
            }
            3 => chars.truncate(at.max(1)),
            _ => {
                let signs: Vec<char> = "'\"$();,.*-/\\ \n:[]{}é\u{1}E&?0".chars().collect();
                chars.splice(at..at, [signs[random.below(signs.len())]]);
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn damaged_statements_get_an_answer() {
    let texts: Vec<&str> = SEEDS.iter().flat_map(|seeds| seeds.split("-- @\n")).collect();
    let rounds: u64 = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_500);
    let mut accepted = 0;
    for seed in 1..=rounds {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let text = texts[random.below(texts.len())];
        let text = damage(&mut random, text, texts[seed as usize % texts.len()]);
        match analyze(&text, &Limits::default()) {
            Ok(analysis) => {
                accepted += 1;
                let mut end = 0;
                for statement in &analysis.statements {
                    assert!(statement.span.start >= end && text.get(statement.span.clone()).is_some(), "seed {seed}");
                    assert!(!statement.pairs.is_empty() && !statement.kinds.is_empty(), "seed {seed}");
                    end = statement.span.end;
                }
            }
            Err(refusal) => assert_ne!(refusal, Refusal::Unreadable, "seed {seed}"),
        }
        let redacted = redact(&text);
        assert!(redacted.as_str().len() <= text.len() + 40, "seed {seed}");
    }
    assert!(accepted > rounds / 20, "{accepted} of {rounds} were accepted: the damage is too great to test anything");
}
