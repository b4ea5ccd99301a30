//! Composes statements over the sensitive columns: expressions by type, and what SQL can put around them.
//!
//! Most of what comes out is valid; what is not costs a round trip and is not counted. No statement holds a digit of a card.

use crate::dice::Dice;

mod flows;

/// Statements that belong together, in a session.
pub struct Program {
    pub steps: Vec<String>,
    /// By Parse, Bind, Execute instead of Query.
    pub extended: bool,
    /// With results in binary.
    pub binary: bool,
}

/// One attempt at a program.
pub struct Grammar {
    dice: Dice,
    /// card_events is joined, as `e`.
    joined: bool,
}

/// A program by these dice.
pub fn program(mut dice: Dice) -> Program {
    let joined = dice.percent(15);
    let extended = dice.percent(40);
    let binary = extended && dice.percent(50);
    let mut grammar = Grammar { dice, joined };
    let steps = grammar.steps();
    // COPY and several texts at once are said by Query alone.
    Program { extended: extended && !steps.iter().any(|step| step.starts_with("COPY")), binary, steps }
}

impl Grammar {
    fn n(&mut self, low: usize, high: usize) -> usize {
        self.dice.between(low, high)
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        self.dice.pick::<&str>(of)
    }

    fn steps(&mut self) -> Vec<String> {
        if self.dice.percent(20) {
            self.joined = false;
            return self.flow();
        }
        let q = self.query();
        if self.dice.percent(8) {
            // Outside of a transaction, so that what was made is known.
            let kind = self.one(&["TEMP VIEW fz AS", "TEMP TABLE fz AS", "TEMP TABLE fz(x) AS"]);
            return vec![
                format!("CREATE {kind} {q}"),
                format!(
                    "SELECT {} FROM fz",
                    self.one(&["*", "fz", "x", "reverse(x::text)", "count(*)", "max(x::text)"])
                ),
            ];
        }
        match self.dice.below(30) {
            0 => vec!["BEGIN".into(), format!("CREATE VIEW fz AS {q}"), "SELECT * FROM fz".into(), "ROLLBACK".into()],
            1 => vec!["BEGIN".into(), format!("CREATE TEMP TABLE fz AS {q}"), "TABLE fz".into(), "ROLLBACK".into()],
            2 => vec![
                "BEGIN".into(),
                format!("CREATE TABLE fz AS {q}"),
                format!("SELECT {} FROM fz", self.one(&["*", "fz", "to_jsonb(fz)", "count(*)"])),
                "ROLLBACK".into(),
            ],
            3 => vec![
                "BEGIN".into(),
                format!("DECLARE fz CURSOR FOR {q}"),
                format!("FETCH {} fz", self.one(&["ALL", "3", "FIRST", "NEXT"])),
                "ROLLBACK".into(),
            ],
            4 => vec![format!(
                "COPY ({q}) TO STDOUT{}",
                self.one(&[
                    "",
                    " (FORMAT csv)",
                    " (FORMAT csv, FORCE_QUOTE *)",
                    " (FORMAT binary)",
                    " (NULL 'n')",
                    " (DELIMITER ';')"
                ])
            )],
            5 => vec![format!("PREPARE fz AS {q}"), "EXECUTE fz".into(), "DEALLOCATE fz".into()],
            6 => vec![
                "BEGIN".into(),
                format!("UPDATE payments p SET exp = exp WHERE {} RETURNING {}", self.filter(), self.any(2)),
                "ROLLBACK".into(),
            ],
            7 => vec![
                "BEGIN".into(),
                format!(
                    "INSERT INTO tickets SELECT 900 + p.id, {} FROM payments p WHERE {} RETURNING note",
                    self.text(2),
                    self.filter()
                ),
                "ROLLBACK".into(),
            ],
            8 => vec![
                "BEGIN".into(),
                format!("UPDATE tickets t SET note = {} FROM payments p WHERE p.id = t.id", self.text(2)),
                "SELECT note FROM tickets".into(),
                "ROLLBACK".into(),
            ],
            9 => vec![
                "BEGIN".into(),
                format!("CREATE MATERIALIZED VIEW fz AS {q}"),
                "SELECT * FROM fz".into(),
                "ROLLBACK".into(),
            ],
            // Costs depend on dead rows, which depend on what other sessions did.
            10 => vec![format!("EXPLAIN (VERBOSE, COSTS OFF) {q}")],
            11 => vec![
                "BEGIN".into(),
                format!("SELECT * INTO TEMP fz FROM ({q}) x"),
                "SELECT fz::text FROM fz".into(),
                "ROLLBACK".into(),
            ],
            12 => vec![
                "BEGIN".into(),
                "CREATE TEMP TABLE fz(a text, b jsonb)".into(),
                format!("INSERT INTO fz SELECT {}, {} FROM {}", self.text(2), self.json(1), self.source()),
                "SELECT a, b FROM fz".into(),
                "ROLLBACK".into(),
            ],
            13 => vec![
                "BEGIN".into(),
                format!(
                    "MERGE INTO tickets t USING payments p ON p.id = t.id WHEN MATCHED THEN UPDATE SET note = {}",
                    self.text(2)
                ),
                "TABLE tickets".into(),
                "ROLLBACK".into(),
            ],
            14 => vec![
                "BEGIN".into(),
                format!(
                    "INSERT INTO tickets VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = (SELECT {} FROM payments p WHERE p.id = 1) RETURNING note",
                    self.text(2)
                ),
                "ROLLBACK".into(),
            ],
            _ => vec![q],
        }
    }

    fn source(&mut self) -> String {
        if self.joined {
            return match self.dice.below(4) {
                0 => "payments p JOIN card_events e ON e.n = p.id".into(),
                1 => "payments p LEFT JOIN card_events e ON e.n = p.id + 1".into(),
                2 => "payments p, LATERAL (SELECT * FROM card_events c WHERE c.n <= p.id LIMIT 1) e".into(),
                _ => "payments p CROSS JOIN (SELECT * FROM card_events WHERE n = 1) e".into(),
            };
        }
        match self.dice.below(9) {
            0 => "(SELECT * FROM payments) p".into(),
            1 => "(TABLE payments) AS p".into(),
            2 => "ONLY payments p".into(),
            3 => "public.payments AS p".into(),
            4 => "(SELECT id, customer, pan, pan_int, pan_num, exp, amount, meta, raw FROM payments ORDER BY id) p"
                .into(),
            5 => "payments p TABLESAMPLE BERNOULLI (100)".into(),
            _ => "payments p".into(),
        }
    }

    /// On columns that are not sensitive, mostly.
    fn filter(&mut self) -> String {
        match self.dice.below(12) {
            0 | 1 => self.truth(2),
            2 => format!("p.id <= {}", self.n(1, 12)),
            3 => "p.id IN (1, 3, 10)".into(),
            4 => "p.amount > 20".into(),
            5 => "p.customer LIKE '%e%'".into(),
            _ => format!("p.id = {}", self.n(1, 12)),
        }
    }

    fn query(&mut self) -> String {
        let s = self.source();
        match self.dice.below(28) {
            0 => format!("SELECT {} AS x FROM {s} WHERE {}", self.any(3), self.filter()),
            1 => format!("SELECT {} AS x, {} AS y FROM {s} WHERE {}", self.any(2), self.any(2), self.filter()),
            2 => format!("SELECT {} AS x FROM {s}", self.aggregate()),
            3 => format!("SELECT {} AS x, count(*) AS n FROM {s} GROUP BY 1 ORDER BY 1", self.text(2)),
            4 => format!("SELECT {} AS x FROM {s} ORDER BY p.id", self.window()),
            5 => format!("SELECT p.id FROM {s} ORDER BY {}, p.id", self.any(2)),
            6 => format!("SELECT DISTINCT {} AS x FROM {s}", self.text(2)),
            7 => format!(
                "WITH c AS (SELECT p.id, {} AS v FROM {s}) SELECT v FROM c WHERE id = {}",
                self.any(2),
                self.n(1, 12)
            ),
            8 => format!(
                "WITH RECURSIVE r(i, s) AS (SELECT 1, {} FROM {s} WHERE p.id = 1 UNION ALL SELECT i + 1, substr(s, 2) FROM r WHERE i < 9) SELECT s FROM r",
                self.text(1)
            ),
            9 => format!("SELECT t.id, (SELECT {} FROM {s} WHERE p.id = t.id) AS x FROM tickets t", self.any(2)),
            10 => format!("SELECT l.v FROM {s}, LATERAL (SELECT {} AS v) l WHERE {}", self.any(2), self.filter()),
            11 => format!(
                "SELECT note FROM tickets WHERE id = 3 UNION ALL SELECT {} FROM {s} WHERE {}",
                self.text(2),
                self.filter()
            ),
            12 => format!("SELECT {} FROM {s} EXCEPT SELECT note FROM tickets", self.text(2)),
            13 => format!("VALUES ((SELECT {} FROM {s} WHERE p.id = {}))", self.any(2), self.n(1, 12)),
            14 => format!(
                "SELECT {} AS x FROM {s} GROUP BY p.id HAVING {} ORDER BY p.id",
                self.aggregate(),
                self.truth(1)
            ),
            15 => format!(
                "SELECT g, {} AS x FROM {s}, generate_series(1, 16) g WHERE p.id = {}",
                self.slice(),
                self.n(1, 12)
            ),
            16 => format!("SELECT {} AS x FROM {s} WHERE {}", self.set_returning(), self.filter()),
            17 => format!("SELECT f.* FROM {s}, {} WHERE {}", self.table_function(), self.filter()),
            18 => format!(
                "SELECT CASE WHEN {} THEN {} ELSE {} END AS x FROM {s} WHERE {}",
                self.truth(2),
                self.text(1),
                self.text(1),
                self.filter()
            ),
            19 => format!(
                "SELECT t.id FROM tickets t WHERE EXISTS (SELECT 1 FROM {s} WHERE p.id = t.id AND {})",
                self.truth(2)
            ),
            20 => format!(
                "SELECT {} FROM {s} WHERE {}",
                self.one(&["p", "p.*", "*", "(p)", "ROW(p.*)", "p IS NOT NULL", "(p).*"]),
                self.filter()
            ),
            21 => format!(
                "SELECT {} AS x, {} AS y FROM {s} GROUP BY ROLLUP (p.customer)",
                self.aggregate(),
                self.aggregate()
            ),
            22 => format!("SELECT a.x FROM (SELECT {} AS x, p.id FROM {s}) a JOIN tickets t USING (id)", self.any(2)),
            23 => format!(
                "SELECT {} FROM (SELECT {} AS x FROM {s}) q",
                self.one(&["max(x)", "count(x)", "array_agg(x)", "string_agg(x, '')", "reverse(min(x))", "x"]),
                self.text(2)
            ),
            24 => format!(
                "SELECT {} FROM v_payments v WHERE v.id = {}",
                self.one(&[
                    "reference",
                    "v",
                    "reverse(reference)",
                    "substr(v.reference, 3, 9)",
                    "to_json(v)",
                    "v.reference || 'x'"
                ]),
                self.n(1, 12)
            ),
            25 => format!(
                "SELECT q.* FROM {s} CROSS JOIN LATERAL (VALUES ({}), ({})) q(v) WHERE {}",
                self.text(1),
                self.text(2),
                self.filter()
            ),
            26 => format!(
                "SELECT coalesce(a.pan, b.pan) AS x FROM payments a FULL JOIN card_events b USING (pan) WHERE {} IS NOT NULL LIMIT 4",
                self.one(&["a.id", "b.n"])
            ),
            _ => format!("SELECT {} AS x FROM {s} WHERE p.id = {}", self.any(4), self.n(1, 12)),
        }
    }

    /// An output of any type.
    fn any(&mut self, depth: u32) -> String {
        match self.dice.below(26) {
            24 | 25 => self.picked(),
            0..=9 => self.text(depth),
            10..=12 => self.int(depth),
            13 => self.number(depth),
            14 => self.truth(depth),
            15 | 16 => self.bytes(depth),
            17 | 18 => self.json(depth),
            19 | 20 => self.array(depth),
            _ => self.dressed(depth.min(1)),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        let Some(d) = depth.checked_sub(1) else { return self.text_leaf() };
        match self.dice.below(44) {
            0 => format!("substr({}, {}, {})", self.text(d), self.n(1, 10), self.n(1, 9)),
            1 => format!("left({}, {})", self.text(d), self.one(&["6", "8", "12", "-1", "-4"])),
            2 => format!("right({}, {})", self.text(d), self.one(&["4", "8", "10", "-1", "-6"])),
            3 => format!("reverse({})", self.text(d)),
            4 => format!("upper({})", self.text(d)),
            5 => format!("lpad({}, {}, 'x')", self.text(d), self.n(8, 24)),
            6 => format!("rpad({}, {}, '0')", self.text(d), self.n(8, 24)),
            7 => format!("repeat({}, {})", self.text(d), self.n(1, 3)),
            8 => format!("replace({}, '{}', '{}')", self.text(d), self.n(0, 9), self.one(&["", "x", "-", "ab"])),
            9 => format!(
                "translate({}, '0123456789', '{}')",
                self.text(d),
                self.one(&["abcdefghij", "9876543210", "1234567890", "０１２３４５６７８９", "qwertyuiop"])
            ),
            10 => format!(
                "overlay({} placing '{}' from {} for {})",
                self.text(d),
                self.one(&["", "x", "ab"]),
                self.n(1, 12),
                self.n(0, 2)
            ),
            11 => format!("concat({}, {})", self.text(d), self.text(0)),
            12 => format!("({} || {})", self.text(d), self.one(&["'x'", "''", "'00'", "p.id", "p.customer"])),
            13 => format!("({} || {})", self.one(&["'x'", "''", "'card '", "'\\'"]), self.text(d)),
            14 => format!("btrim({}, '{}')", self.text(d), self.n(0, 9)),
            15 => format!("split_part({}, '{}', {})", self.text(d), self.n(0, 9), self.n(1, 3)),
            16 => format!("regexp_replace({}, '(.)', '\\1{}', 'g')", self.text(d), self.one(&["-", " ", "x", ""])),
            17 => format!("regexp_replace({}, '^(.*)(.)$', '\\2\\1')", self.text(d)),
            18 => format!("format('{}', {})", self.one(&["%s", "<%s>", "%L", "%I", "%20s"]), self.text(d)),
            19 => format!("quote_literal({})", self.text(d)),
            20 => format!("encode(convert_to({}, 'UTF8'), '{}')", self.text(d), self.one(&["hex", "base64", "escape"])),
            21 => format!("md5({})", self.text(d)),
            22 => format!("to_hex({})", self.int(d)),
            23 => format!(
                "to_char({}, '{}')",
                self.int(d),
                self.one(&[
                    "FM9999 9999 9999 9999 999",
                    "9G999G999G999G999G999G999",
                    "FM0000000000000000000",
                    "9.99EEEE",
                    "S9999999999999999999"
                ])
            ),
            24 => format!("({})::text", self.int(d)),
            25 => format!("({})::text", self.number(d)),
            26 => format!("({})::text", self.json(d)),
            27 => format!("({})::text", self.bytes(d)),
            28 => format!("array_to_string({}, '{}')", self.array(d), self.one(&["", ",", "-", "x"])),
            29 => format!("coalesce({}, 'none')", self.text(d)),
            30 => format!("nullif({}, 'none')", self.text(d)),
            31 => format!("CASE WHEN {} THEN {} ELSE {} END", self.truth(d), self.text(d), self.text(0)),
            32 => format!("greatest({}, {})", self.text(d), self.text(0)),
            33 => format!("chr(48 + length({}) % 10)", self.text(d)),
            34 => format!("(SELECT {} FROM payments p WHERE p.id = {})", self.inner(d), self.n(1, 12)),
            35 => format!("(ARRAY[{}, 'x'])[1]", self.text(d)),
            36 => {
                format!("substring({} from '{}')", self.text(d), self.one(&["....$", "^.{8}", ".{3}(.{6})", "[0-9]+"]))
            }
            37 => format!("initcap({})", self.text(d)),
            38 => format!("({})::varchar({})", self.text(d), self.n(4, 30)),
            39 => format!("string_agg({}, '') OVER (ORDER BY p.id)", self.text(0)),
            40 => format!("least({}, {})", self.text(d), self.text(0)),
            41 => format!("({})::name::text", self.text(d)),
            42 => format!("unistr({})", self.text(d)),
            _ => self.text_leaf(),
        }
    }

    /// An expression for a subquery that has `p` alone in it.
    fn inner(&mut self, depth: u32) -> String {
        let joined = std::mem::take(&mut self.joined);
        let text = self.text(depth);
        self.joined = joined;
        text
    }

    fn text_leaf(&mut self) -> String {
        if self.joined && self.dice.percent(40) {
            return self.one(&["e.pan", "e.pan", "(e).pan", "pan(e)"]).into();
        }
        self.one(&[
            "p.pan",
            "p.pan",
            "p.pan",
            "p.pan",
            "(p).pan",
            "pan(p)",
            "p.pan_int::text",
            "p.pan_num::text",
            "(p.meta->'card'->>'pan')",
            "(p.meta #>> '{card,pan}')",
            "convert_from(p.raw, 'UTF8')",
            "encode(p.raw, 'escape')",
            "p.meta::text",
            "p::text",
            "p.\"pan\"",
            "(to_jsonb(p)->>'pan')",
            "(p.pan COLLATE \"C\")",
            "p.customer",
        ])
        .into()
    }

    fn int(&mut self, depth: u32) -> String {
        let Some(d) = depth.checked_sub(1) else {
            return self
                .one(&[
                    "p.pan_int",
                    "p.pan_int",
                    "p.pan_int",
                    "(p.pan)::bigint",
                    "(p.pan_num)::bigint",
                    "(p).pan_int",
                    "pan_int(p)",
                    "p.id::bigint",
                    "(p.meta->'card'->>'pan')::bigint",
                ])
                .into();
        };
        match self.dice.below(20) {
            0 => format!("({} + {})", self.int(d), self.n(0, 99)),
            1 => format!("({} - {})", self.int(d), self.n(1, 99)),
            2 => format!("({} / {})", self.int(d), self.one(&["10", "100", "1000000", "100000000"])),
            3 => format!("({} % {})", self.int(d), self.one(&["10", "100", "1000000", "100000000", "97"])),
            4 => format!("({} # {})", self.int(d), self.one(&["255", "1234567890123"])),
            5 => format!("({} & {})", self.int(d), self.one(&["255", "1048575"])),
            6 => format!("({} >> {})", self.int(d), self.n(1, 20)),
            7 => format!("abs({})", self.int(d)),
            8 => format!("length({})", self.text(d)),
            9 => format!("ascii({})", self.text(d)),
            10 => format!("position('{}' in {})", self.n(0, 9), self.text(d)),
            11 => format!("strpos({}, '{}')", self.text(d), self.n(0, 9)),
            12 => format!("get_byte({}, {})", self.bytes(d), self.n(0, 12)),
            13 => format!("hashtext({})", self.text(d)),
            14 => format!("cardinality({})", self.array(d)),
            15 => format!("({})::int", self.truth(d)),
            16 => format!("mod({}, 1000)", self.int(d)),
            17 => format!("-({})", self.int(d)),
            18 => format!("CASE WHEN {} THEN {} ELSE 0 END", self.truth(d), self.int(d)),
            _ => format!("gcd({}, 5040)", self.int(d)),
        }
    }

    fn number(&mut self, depth: u32) -> String {
        let Some(d) = depth.checked_sub(1) else {
            return self.one(&["p.pan_num", "p.pan_num", "(p).pan_num", "p.pan_int::numeric", "p.pan::numeric"]).into();
        };
        match self.dice.below(12) {
            0 => format!("({} * {})", self.number(d), self.one(&["10", "0.01", "3", "1e-8"])),
            1 => format!("round({} / 1000, {})", self.number(d), self.n(0, 6)),
            2 => format!("sqrt(abs({}))", self.number(d)),
            3 => format!("ln(abs({}) + 1)", self.number(d)),
            4 => format!("({})::float8", self.number(d)),
            5 => format!("trunc({}, {})", self.number(d), self.one(&["-8", "-4", "0", "2"])),
            6 => format!("mod({}, 99991)", self.number(d)),
            7 => format!("({} - lag({}, 1, 0::numeric) OVER (ORDER BY p.id))", self.number(0), self.number(0)),
            8 => format!("scale({})", self.number(d)),
            9 => format!("log(2.0, abs({}) + 1)", self.number(d)),
            10 => format!("({})::numeric(30, 2)", self.number(d)),
            _ => format!("width_bucket({}, 0, 1e19, 1000)", self.number(d)),
        }
    }

    fn truth(&mut self, depth: u32) -> String {
        let d = depth.saturating_sub(1);
        match self.dice.below(16) {
            0 => format!("{} LIKE '{}%'", self.text(d), self.one(&["4", "41", "_2", "%5"])),
            1 => format!("{} = '{}'", self.text(d), self.n(0, 99)),
            2 => format!("{} > '{}'", self.text(d), self.one(&["4111115", "55555", "3"])),
            3 => format!("{} ~ '{}'", self.text(d), self.one(&["5{4}", "^.{6}[0-4]", "1.1", "00"])),
            4 => format!("{} % 2 = 0", self.int(d)),
            5 => format!("{} BETWEEN 1 AND 5000000000", self.int(d)),
            6 => format!("{} IS NULL", self.text(d)),
            7 => format!("starts_with({}, '4')", self.text(d)),
            8 => format!("'7' = ANY (string_to_array({}, NULL))", self.text(d)),
            9 => format!("{} ? 'card'", self.json(0)),
            10 => format!("{} IN (SELECT note FROM tickets)", self.text(d)),
            11 => format!("{} = {}", self.text(d), self.text(0)),
            12 => format!("{} IS DISTINCT FROM 'x'", self.text(d)),
            13 => format!("({}, 1) < ('5', 2)", self.text(d)),
            14 => format!("NOT ({})", if depth == 0 { "p.pan > '5'".into() } else { self.truth(d) }),
            _ => format!("substr({}, {}, 1) < '{}'", self.text(0), self.n(7, 12), self.n(1, 9)),
        }
    }

    fn bytes(&mut self, depth: u32) -> String {
        let Some(d) = depth.checked_sub(1) else {
            return self
                .one(&[
                    "p.raw",
                    "p.raw",
                    "(p).raw",
                    "convert_to(p.pan, 'UTF8')",
                    "p.pan::bytea",
                    "int8send(p.pan_int)",
                    "numeric_send(p.pan_num)",
                ])
                .into();
        };
        match self.dice.below(10) {
            0 => format!("substring({} from {} for {})", self.bytes(d), self.n(1, 8), self.n(1, 9)),
            1 => format!("({} || '\\x00'::bytea)", self.bytes(d)),
            2 => format!("set_byte({}, {}, 65)", self.bytes(d), self.n(0, 7)),
            3 => format!("sha256({})", self.bytes(d)),
            4 => format!("convert_to({}, 'UTF8')", self.text(d)),
            5 => format!("textsend({})", self.text(d)),
            6 => format!("overlay({} placing '\\xff'::bytea from {})", self.bytes(d), self.n(1, 8)),
            7 => format!("trim('\\x34'::bytea from {})", self.bytes(d)),
            8 => format!("decode(encode({}, 'hex'), 'hex')", self.bytes(d)),
            _ => format!("jsonb_send({})", self.json(d)),
        }
    }

    fn json(&mut self, depth: u32) -> String {
        let Some(d) = depth.checked_sub(1) else {
            return self
                .one(&["p.meta", "p.meta", "to_jsonb(p)", "to_jsonb(p.pan)", "(p.meta->'card')", "to_jsonb(p.pan_int)"])
                .into();
        };
        match self.dice.below(14) {
            0 => format!("jsonb_build_object('v', {})", self.any_plain(d)),
            1 => format!("jsonb_build_array({}, {})", self.any_plain(d), self.any_plain(0)),
            2 => format!("jsonb_set({}, '{{x}}', to_jsonb({}))", self.json(d), self.text(d)),
            3 => format!("jsonb_path_query_array({}, '$.**')", self.json(d)),
            4 => format!("({} || {})", self.json(d), self.json(0)),
            5 => format!("to_jsonb({})", self.array(d)),
            6 => format!("jsonb_strip_nulls({})", self.json(d)),
            7 => format!("({} - 'brand')", self.json(0)),
            8 => "row_to_json(p)::jsonb".into(),
            9 => format!("jsonb_object(ARRAY['k', {}])", self.text(d)),
            10 => format!("jsonb_object(ARRAY[{}, 'v'])", self.text(d)),
            11 => format!("to_jsonb(ROW({}, {}))", self.text(d), self.int(0)),
            12 => format!("jsonb_path_query_first({}, '$.card.pan')", self.json(0)),
            _ => format!("jsonb_insert('[]', '{{0}}', to_jsonb({}))", self.int(d)),
        }
    }

    fn any_plain(&mut self, depth: u32) -> String {
        match self.dice.below(5) {
            0 => self.int(depth),
            1 => self.number(depth.min(1)),
            2 => self.bytes(depth),
            _ => self.text(depth),
        }
    }

    fn array(&mut self, depth: u32) -> String {
        let d = depth.saturating_sub(1);
        match self.dice.below(8) {
            0 => format!("ARRAY[{}, {}]", self.text(d), self.text(0)),
            1 => format!("string_to_array({}, NULL)", self.text(d)),
            2 => format!("regexp_split_to_array({}, '{}')", self.text(d), self.one(&["", "1", "5"])),
            3 => format!("array_append('{{}}'::text[], {})", self.text(d)),
            4 => "ARRAY(SELECT q.pan FROM payments q ORDER BY q.id)".into(),
            5 => format!("array_fill({}, ARRAY[2])", self.text(d)),
            6 => format!("regexp_match({}, '(.)(.*)')", self.text(d)),
            _ => format!("array_remove(string_to_array({}, NULL), '{}')", self.text(d), self.n(0, 9)),
        }
    }

    /// Digits dressed as something else.
    fn dressed(&mut self, depth: u32) -> String {
        let d = depth.saturating_sub(1);
        match self.dice.below(18) {
            0 => format!("to_timestamp({} / 100000.0)", self.int(d)),
            1 => format!("make_interval(secs => ({} / 1000000))", self.int(d)),
            2 => format!("({} / 100)::money", self.number(d)),
            3 => format!("lpad({}, 32, '0')::uuid", self.text(0)),
            4 => "left(p.pan, 16)::macaddr8".into(),
            5 => format!("point({} / 100000000, {} % 100000000)", self.int(0), self.int(0)),
            6 => format!("int8range({}, NULL)", self.int(d)),
            7 => format!("to_tsvector('simple', {})", self.text(d)),
            8 => format!("ROW({}, {})", self.text(d), self.int(d)),
            9 => format!("xmlelement(name v, xmlattributes({} AS a), {})", self.text(d), self.text(d)),
            10 => format!("numrange({}, NULL)", self.number(d)),
            11 => format!("({})::bit(64)", self.int(d)),
            12 => format!("date '2000-01-01' + ({} % 100000)::int", self.int(d)),
            13 => format!("('10.0.0.0'::inet + {} % 16777216)", self.int(d)),
            14 => format!("({})::tid::text", "format('(%s,%s)', p.pan_int % 100000000, 1)"),
            15 => format!("({} % 4294967295)::oid", self.int(d)),
            16 => format!("('\"' || {} || '\"')::jsonb", self.text(0)),
            _ => format!("({})::\"char\"", self.text(d)),
        }
    }

    fn slice(&mut self) -> String {
        let t = self.text(1);
        match self.dice.below(4) {
            0 => format!("substr({t}, g, 1)"),
            1 => format!("ascii(substr({t}, g, 1))"),
            2 => format!("left({t}, g)"),
            _ => "p.pan_int / (10::numeric ^ g)::bigint % 10".into(),
        }
    }

    fn aggregate(&mut self) -> String {
        match self.dice.below(22) {
            0 => format!("string_agg({}, '{}' ORDER BY p.id)", self.text(2), self.one(&["", ",", "x"])),
            1 => format!("array_agg({} ORDER BY p.id)", self.any_plain(1)),
            2 => format!("json_agg({})", self.any_plain(1)),
            3 => "json_agg(p)".into(),
            4 => format!("jsonb_object_agg(p.id, {})", self.any_plain(1)),
            5 => format!("max({})", self.text(1)),
            6 => format!("min({})", self.int(1)),
            7 => format!("sum({}) FILTER (WHERE p.id = {})", self.int(1), self.n(1, 12)),
            8 => format!("avg({})", self.number(1)),
            9 => format!("count(DISTINCT {})", self.text(2)),
            10 => format!("count(*) FILTER (WHERE {})", self.truth(2)),
            11 => format!("bool_or({})", self.truth(2)),
            12 => format!("mode() WITHIN GROUP (ORDER BY {})", self.text(1)),
            13 => "percentile_disc(0.5) WITHIN GROUP (ORDER BY p.pan_int)".into(),
            14 => format!("stddev({})", self.number(1)),
            15 => format!("bit_xor({})", self.int(1)),
            16 => format!("xmlagg(xmlelement(name v, {}))", self.text(1)),
            17 => format!("(array_agg({} ORDER BY p.id DESC))[1]", self.text(1)),
            18 => format!("string_agg({}, '\\x00' ORDER BY p.id)", self.bytes(1)),
            19 => format!("regr_slope({}, p.id)", self.int(0)),
            20 => format!("rank('5') WITHIN GROUP (ORDER BY {})", self.text(1)),
            _ => format!("max({}) - min({})", self.int(0), self.int(0)),
        }
    }

    fn window(&mut self) -> String {
        match self.dice.below(8) {
            0 => format!("lag({}) OVER (ORDER BY p.id)", self.any_plain(1)),
            1 => format!("first_value({}) OVER (PARTITION BY p.exp ORDER BY p.id)", self.text(2)),
            2 => format!("rank() OVER (ORDER BY {})", self.text(1)),
            3 => format!("row_number() OVER (ORDER BY {})", self.int(1)),
            4 => format!("ntile(4) OVER (ORDER BY {})", self.number(0)),
            5 => format!(
                "nth_value({}, 2) OVER (ORDER BY p.id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
                self.text(1)
            ),
            6 => format!("count(*) OVER (PARTITION BY {})", self.slice_of()),
            _ => format!("cume_dist() OVER (ORDER BY {})", self.text(1)),
        }
    }

    fn slice_of(&mut self) -> String {
        format!("substr({}, {}, {})", self.text(0), self.n(1, 10), self.n(1, 4))
    }

    fn set_returning(&mut self) -> String {
        match self.dice.below(6) {
            0 => format!("string_to_table({}, NULL)", self.text(1)),
            1 => format!("unnest({})", self.array(1)),
            2 => format!("regexp_split_to_table({}, '{}')", self.text(1), self.one(&["", "1", "(?<=....)"])),
            3 => format!("jsonb_each_text({})", self.json(0)),
            4 => format!("regexp_matches({}, '..', 'g')", self.text(1)),
            _ => format!("generate_series(1, length({}))", self.text(1)),
        }
    }

    fn table_function(&mut self) -> String {
        match self.dice.below(6) {
            0 => format!("string_to_table({}, NULL) WITH ORDINALITY AS f(c, n)", self.text(1)),
            1 => "jsonb_to_record(p.meta->'card') AS f(pan text, exp text)".into(),
            2 => "jsonb_each_text(to_jsonb(p)) AS f(k, v)".into(),
            3 => format!("ROWS FROM (string_to_table({}, NULL), generate_series(1, 3)) AS f(b, c)", self.text(1)),
            4 => "jsonb_populate_record(NULL::payments, to_jsonb(p)) AS f".into(),
            _ => format!("unnest({}) AS f(x)", self.array(1)),
        }
    }
}
