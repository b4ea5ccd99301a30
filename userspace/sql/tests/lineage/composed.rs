//! Statements that are composed at random over a column, in pairs: over one that matters, which is seen each time, and over one that does
//! not, where nothing is.

use crate::database;
use crate::words::lineage;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap_or(0)
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

/// `@` is the expression inside.
const EXPRESSIONS: &[&str] = &[
    "reverse(@::text)",
    "@::text || 'x'",
    "'<' || @::text",
    "substr(@::text, 3, 4)",
    "CASE WHEN id > 1 THEN @::text ELSE 'n' END",
    "CASE WHEN @::text LIKE '4%' THEN 1 ELSE 2 END",
    "coalesce(@::text, 'none')",
    "nullif(@::text, 'x')",
    "greatest(@::text, 'y')",
    "md5(@::text)",
    "length(@::text)",
    "to_jsonb(@) ",
    "(jsonb_build_object('k', @) -> 'k')",
    "(ARRAY[@::text, 'z'])[1]",
    "string_to_array(@::text, NULL)",
    "(SELECT @)",
    "(SELECT max(x) FROM (SELECT @ AS x) q)",
    "(SELECT string_agg(c, '-') FROM string_to_table(@::text, NULL) c)",
    "ROW(@, 1)::text",
    "encode(convert_to(@::text, 'UTF8'), 'hex')",
    "(@::text)::varchar(4)",
    "@::text IN ('a', 'b')",
    "@::text = id::text",
    "(@::text ~ '^4')::int",
    "translate(@::text, '0123456789', 'abcdefghij')",
    "overlay(@::text placing '' from 2 for 1)",
    "format('%s', @)",
    "concat(@, 'x')",
    "xmlelement(name e, @::text)::text",
    "tail_of(@::text)",
    "twice(@::text)",
    "lag(@) OVER (ORDER BY id)",
    "first_value(@) OVER (PARTITION BY id)",
];

/// `@` is an expression over the columns of the table `#`; each is a whole statement.
const STATEMENTS: &[&str] = &[
    "SELECT @ FROM #",
    "SELECT id FROM # WHERE (@)::text < 'm'",
    "SELECT id FROM # ORDER BY @",
    "SELECT v FROM (SELECT @ AS v FROM #) s",
    "SELECT * FROM (SELECT id, @ FROM #) s",
    "WITH a AS (SELECT @ AS v FROM #), b AS (SELECT v AS w FROM a) SELECT w FROM b",
    "WITH RECURSIVE r(n, v) AS (SELECT 1, (@)::text FROM # UNION ALL SELECT n + 1, v FROM r WHERE n < 3) SELECT v FROM r",
    "SELECT f.v FROM #, LATERAL (SELECT @ AS v) f",
    "SELECT ref FROM orders UNION ALL SELECT (@)::text FROM #",
    "SELECT array_agg(@) FROM #",
    "SELECT DISTINCT @ FROM #",
    "SELECT count(*) FROM # WHERE (@) IS DISTINCT FROM NULL",
    "SELECT t.id FROM orders t JOIN # ON (@)::text = t.ref",
    "SELECT (SELECT @ FROM # LIMIT 1) FROM orders",
    "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM # WHERE (@)::text <> orders.ref)",
    "UPDATE # SET id = id RETURNING @",
    "DELETE FROM # WHERE (@)::text > 'a'",
    "INSERT INTO orders(ref) SELECT (@)::text FROM #",
    "CREATE TABLE made AS SELECT @ AS v FROM #",
    "COPY (SELECT @ FROM #) TO STDOUT",
    "DECLARE c CURSOR FOR SELECT @ FROM #",
    "VALUES ((SELECT @ FROM # LIMIT 1))",
    "SELECT row_to_json(s) FROM (SELECT @ AS v FROM #) s",
    "EXPLAIN ANALYZE SELECT id FROM # GROUP BY id, @",
];

/// Where the column stands: the table, the column that matters and its twin.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("payments", "pan", "customer"),
    ("payments", "pan_int", "amount"),
    ("v_payments", "reference", "customer"),
    ("v_nested", "ref", "id"),
    ("charges_2026", "card", "day"),
    ("base", "secret", "id"),
    ("payments", "(payments).pan", "(payments).exp"),
    ("payments", "payments.meta", "payments.exp"),
];

#[test]
fn what_matters_is_seen_and_its_twin_is_clean() {
    let schema = database::schema();
    let rounds: u64 = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    for seed in 1..=rounds {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (table, sensitive, twin) = COLUMNS[random.below(COLUMNS.len())];
        let mut expression = "@".to_owned();
        for _ in 0..=random.below(3) {
            expression = random.one(EXPRESSIONS).replace('@', &format!("({expression})"));
        }
        let statement = random.one(STATEMENTS).replace('#', table).replace('@', &expression);
        let text = |column: &str| statement.replace('@', column);
        let told = lineage(&schema, &text(sensitive));
        let is_seen =
            [" <- ", "where ", "match ", "join ", "order ", "group ", "case ", "other ", " gets ", "unknown "];
        assert!(is_seen.iter().any(|word| told.contains(word)), "seed {seed}: {}\n{told}", text(sensitive));
        let told = lineage(&schema, &text(twin));
        // A row that an UPDATE makes may fail a check, and is quoted whole.
        let is_clean = told == "clean" || told == "quotes" && text(twin).starts_with("UPDATE");
        assert!(is_clean, "seed {seed}: {}\n{told}", text(twin));
    }
}
