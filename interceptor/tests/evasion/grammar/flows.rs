//! Values that go a way round: through objects with rules of their own, through the session's state, through what a cache may still know.

use super::Grammar;

impl Grammar {
    /// Several statements; all of it is undone or ends with the session.
    pub(super) fn flow(&mut self) -> Vec<String> {
        let inner = match self.dice.below(26) {
            0 => self.generated(),
            1 => vec![
                format!("CREATE TEMP TABLE fz(a text CHECK (a NOT LIKE '{}%'))", self.start()),
                self.filled("fz(a)"),
                "SELECT count(*) FROM fz".into(),
            ],
            2 => vec![
                "CREATE TEMP TABLE fz(a text) PARTITION BY RANGE (a)".into(),
                format!("CREATE TEMP TABLE fz1 PARTITION OF fz FOR VALUES FROM (MINVALUE) TO ('{}')", self.start()),
                "CREATE TEMP TABLE fz2 PARTITION OF fz DEFAULT".into(),
                self.filled("fz"),
                format!("SELECT {} FROM fz1", self.one(&["count(*)", "1", "tableoid::regclass"])),
            ],
            3 => vec![
                format!(
                    "CREATE TEMP TABLE fz(a text); CREATE UNIQUE INDEX fzi ON fz (substr(a, {}, 1)); INSERT INTO fz VALUES ('0123456789')",
                    self.n(7, 11)
                ),
                format!(
                    "INSERT INTO fz SELECT p.pan FROM payments p WHERE p.id = {} ON CONFLICT DO NOTHING",
                    self.n(1, 12)
                ),
            ],
            4 => vec![
                "CREATE TEMP TABLE fz(d text PRIMARY KEY); INSERT INTO fz VALUES ('1'), ('3'), ('5'), ('7'), ('9')"
                    .into(),
                "CREATE TEMP TABLE fy(a text REFERENCES fz)".into(),
                format!(
                    "INSERT INTO fy SELECT substr(p.pan, {}, 1) FROM payments p WHERE p.id = {}",
                    self.n(7, 11),
                    self.n(1, 12)
                ),
            ],
            5 => vec![
                format!(
                    "SELECT count(*) FROM (SELECT setseed({} % 1000 / 1000.0) FROM payments p WHERE p.id = {}) s",
                    self.int(0),
                    self.n(1, 12)
                ),
                "SELECT random()".into(),
            ],
            6 => vec![
                format!("CREATE DOMAIN pg_temp.fz AS text CHECK (VALUE < '{}')", self.start()),
                format!("SELECT count({}::pg_temp.fz) FROM payments p", self.text(1)),
            ],
            7 => vec![
                "SELECT note FROM tickets ORDER BY 1".into(),
                format!("CREATE TEMP VIEW tickets AS SELECT p.id, {} AS note FROM public.payments p", self.text(1)),
                "SELECT note FROM tickets ORDER BY 1".into(),
            ],
            8 => vec![
                "CREATE TEMP VIEW fz AS SELECT customer AS v FROM payments".into(),
                "PREPARE fzp AS SELECT v FROM fz".into(),
                format!("CREATE OR REPLACE TEMP VIEW fz AS SELECT {} AS v FROM payments p", self.text(1)),
                "EXECUTE fzp".into(),
                "DEALLOCATE fzp".into(),
            ],
            9 => vec![
                "SAVEPOINT s".into(),
                "CREATE TEMP TABLE fz AS SELECT customer AS v FROM payments".into(),
                "SELECT v FROM fz".into(),
                "ROLLBACK TO s".into(),
                format!("CREATE TEMP TABLE fz AS SELECT {} AS v FROM payments p", self.text(1)),
                "SELECT v FROM fz".into(),
            ],
            10 => vec![
                "CREATE TEMP TABLE fz (LIKE payments)".into(),
                "INSERT INTO fz SELECT * FROM payments".into(),
                format!("SELECT {} FROM fz p ORDER BY p.id", self.text(1)),
            ],
            11 => vec![
                "CREATE TEMP TABLE fz() INHERITS (payments)".into(),
                "INSERT INTO fz SELECT * FROM payments".into(),
                format!("SELECT {} FROM fz p ORDER BY p.id", self.text(1)),
            ],
            12 => vec![
                "CREATE TEMP TABLE fz(a text DEFAULT 'x', b text)".into(),
                self.filled("fz(b)"),
                "UPDATE fz SET a = b".into(),
                "SELECT a FROM fz".into(),
            ],
            13 => vec![
                "CREATE TEMP TABLE fz(a payments)".into(),
                "INSERT INTO fz SELECT p FROM payments p".into(),
                self.one(&[
                    "SELECT (a).pan FROM fz",
                    "SELECT a FROM fz",
                    "SELECT reverse((a).pan) FROM fz",
                    "SELECT (a).* FROM fz",
                ])
                .into(),
            ],
            14 => vec![
                "CREATE TEMP TABLE fz(a text[])".into(),
                format!("INSERT INTO fz SELECT {} FROM payments p", self.array(1)),
                self.one(&["SELECT a[2] FROM fz", "SELECT unnest(a) FROM fz", "SELECT a FROM fz"]).into(),
            ],
            15 => vec![format!(
                "WITH w AS (INSERT INTO tickets SELECT 900 + p.id, {} FROM payments p RETURNING *) SELECT note FROM w",
                self.text(1)
            )],
            16 => vec![format!(
                "WITH w AS (UPDATE payments p SET exp = exp WHERE {} RETURNING p.id) SELECT count(*) FROM w",
                self.truth(1)
            )],
            17 => vec![
                "CREATE TEMP SEQUENCE fz".into(),
                format!("SELECT count(setval('fz', 1 + {} % 1000)) FROM payments p WHERE p.id = 1", self.int(0)),
                "SELECT nextval('fz')".into(),
            ],
            18 => vec![
                format!("DECLARE fz CURSOR FOR SELECT p.id FROM payments p WHERE {}", self.truth(1)),
                "MOVE ALL fz".into(),
            ],
            19 => vec![
                format!("CREATE TEMP TABLE fz AS SELECT 1 AS x FROM payments p WHERE {}", self.truth(1)),
                "SELECT pg_relation_size('fz'), (SELECT count(*) FROM fz)".into(),
            ],
            20 => vec![
                format!("INSERT INTO tickets SELECT 900, 'x' FROM payments p WHERE {} LIMIT 1", self.truth(1)),
                "SELECT count(*) FROM tickets".into(),
            ],
            21 => vec![
                format!("INSERT INTO card_events(n, pan) SELECT 900 + p.id, {} FROM payments p", self.text(1)),
                format!(
                    "SELECT {} FROM card_events e WHERE e.n > 900",
                    self.one(&["pan", "what", "e", "count(*)", "reverse(pan)"])
                ),
            ],
            22 => vec![
                format!("UPDATE payments p SET customer = {}", self.text(1)),
                "SELECT customer FROM payments ORDER BY id".into(),
            ],
            23 => vec![
                format!("UPDATE payments p SET (customer, exp) = (SELECT {}, 'x')", self.inner(1)),
                "SELECT customer, exp FROM payments ORDER BY id".into(),
            ],
            24 => vec![format!(
                "MERGE INTO tickets t USING (SELECT p.id, {} AS v FROM payments p) s ON s.id = t.id WHEN MATCHED AND s.v < '{}' THEN DELETE WHEN MATCHED THEN DO NOTHING",
                self.text(1),
                self.start()
            )],
            _ => vec![format!(
                "INSERT INTO tickets(id, note) VALUES ((SELECT {} % 1000 FROM payments p WHERE p.id = 1), 'x') RETURNING id",
                self.int(0)
            )],
        };
        let inner: Vec<String> =
            inner.into_iter().flat_map(|text| text.split("; ").map(str::to_owned).collect::<Vec<_>>()).collect();
        // What is of the session alone ends with it; and an object that a transaction made is known when that has ended.
        let own = inner.iter().any(|step| step.contains(" TEMP "))
            && !inner.iter().any(|step| step.starts_with("SAVEPOINT") || step.starts_with("DECLARE"));
        if own && self.dice.percent(80) {
            return inner;
        }
        [vec!["BEGIN".to_owned()], inner, vec!["ROLLBACK".to_owned()]].concat()
    }

    /// A constant picked out by a digit: none of the values that leave is one of the card's.
    pub(super) fn picked(&mut self) -> String {
        let digit = match self.dice.below(5) {
            0 => format!("substr(p.pan, {}, 1)::int", self.n(7, 11)),
            1 => "(p.pan_int / 100000 % 10)::int".into(),
            2 => format!("(get_byte(p.raw, {}) - 48)", self.n(6, 10)),
            3 => "mod(trunc(p.pan_num / 1000000), 10)::int".into(),
            _ => format!("(ascii(substr({}, 9, 1)) % 10)", self.text_leaf()),
        };
        match self.dice.below(16) {
            0 => format!("(ARRAY['a','b','c','d','e','f','g','h','i','j'])[{digit} + 1]"),
            1 => format!("substr('abcdefghij', {digit} + 1, 1)"),
            2 => format!("repeat('x', {digit})"),
            3 => format!("split_part('a,b,c,d,e,f,g,h,i,j', ',', {digit} + 1)"),
            4 => format!("('[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\"]'::jsonb -> {digit})"),
            5 => format!("(date '2000-01-01' + {digit})"),
            6 => format!("make_interval(days => {digit})"),
            7 => format!("lpad('', {digit}, 'x')"),
            8 => format!("lag(p.id, {digit}) OVER (ORDER BY p.id)"),
            9 => format!("(SELECT t.id FROM tickets t ORDER BY t.id OFFSET {digit} % 3 LIMIT 1)"),
            10 => format!("(SELECT max(g) FROM generate_series(1, {digit}) g)"),
            11 => format!("format('%*s', {digit}, 'x')"),
            12 => format!("CASE {digit} WHEN 0 THEN 'a' WHEN 1 THEN 'b' WHEN 5 THEN 'f' ELSE 'z' END"),
            13 => format!("overlay('abcdefghij' placing '' from {digit} + 1 for 1)"),
            14 => format!("pg_typeof(CASE WHEN {digit} > 4 THEN 1 END)"),
            _ => format!("to_char(1234.5678, rpad('FM9999.', 7 + {digit} % 5, '0'))"),
        }
    }

    fn generated(&mut self) -> Vec<String> {
        let made = self.one(&["reverse(a)", "substr(a, 7, 6)", "md5(a)", "a", "length(a)::text", "a || 'x'"]);
        vec![
            format!("CREATE TEMP TABLE fz(a text, b text GENERATED ALWAYS AS ({made}) STORED)"),
            self.filled("fz(a)"),
            "SELECT b FROM fz".into(),
        ]
    }

    fn filled(&mut self, into: &str) -> String {
        let value = self.one(&["p.pan", "p.pan", "(p.meta->'card'->>'pan')", "p.pan_int::text", "p.pan || ''"]);
        format!("INSERT INTO {into} SELECT {value} FROM payments p WHERE p.id IN (1, {})", self.n(2, 12))
    }

    /// What cards of one issuer are told apart by.
    fn start(&mut self) -> String {
        format!("{}{}", self.one(&["411111", "555555", "222300"]), self.n(1, 9))
    }
}
