//! Policy and statement -> verdict.

use policy::{Action, Names, Policy, Question, Subject, Terms, holds, judge};

fn names() -> Names {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Names {
        agents: owned(&["reconciler", "reporter", "loader"]),
        groups: owned(&["payments-agents", "readers"]),
        databases: owned(&["payments", "ledger"]),
        signed_groups: owned(&["main-branch"]),
        claims: owned(&["ref", "environment"]),
    }
}

fn load(text: &str) -> Policy {
    match Policy::parse(text, &names()) {
        Ok(policy) => policy,
        Err(error) => panic!("{error}\n{text}"),
    }
}

struct Asker {
    subject: Subject,
    database: &'static str,
    schemas: Vec<String>,
    wall_s: i64,
}

fn asker(schemas: &[&str]) -> Asker {
    Asker {
        subject: Subject { agent: "reconciler".to_owned(), groups: vec!["payments-agents".to_owned()], signed: None },
        database: "payments",
        schemas: schemas.iter().map(|schema| (*schema).to_owned()).collect(),
        wall_s: 1_767_225_600, // 2026-01-01, a Thursday
    }
}

/// The verdict in words: `allow RULE`, `hold RULE`, `block RULE`, `block -` with the deciding pair.
fn says(policy: &Policy, asker: &Asker, text: &str) -> String {
    let Ok(analysis) = sql::analyze(text, &sql::Limits::default()) else { panic!("{text}: refused") };
    let [statement] = analysis.statements.as_slice() else { panic!("{text}: not one statement") };
    let verdict = judge(
        policy,
        Question {
            subject: &asker.subject,
            database: asker.database,
            statement,
            schemas: &asker.schemas,
            schema: None,
            estimated_rows: None,
            wall_s: asker.wall_s,
        },
    );
    let action = match verdict.action {
        Action::Allow => "allow",
        Action::Hold => "hold",
        Action::Block => "block",
    };
    let pair = verdict.pair.map(|pair| format!(": {pair}")).unwrap_or_default();
    format!("{action} {}{pair}", verdict.rule.unwrap_or("-"))
}

fn rule(name: &str, action: &str, rest: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\naction = \"{action}\"\n{rest}\n")
}

#[test]
fn pairs_are_covered_one_by_one() {
    let policy = load(
        &[
            rule(
                "read",
                "allow",
                r#"statements = ["select"]
tables = ["public.a", "public.b", "@catalog"]"#,
            ),
            rule(
                "write",
                "allow",
                r#"statements = ["write"]
tables = ["public.b"]"#,
            ),
            rule(
                "calls",
                "allow",
                r#"statements = ["function-call"]
functions = ["public.f", "*.nextval"]"#,
            ),
            rule("sets", "allow", r#"statements = ["set"]"#),
        ]
        .concat(),
    );
    let asker = asker(&["public"]);
    for (text, expected) in [
        ("SELECT * FROM a", "allow read"),
        ("SELECT * FROM public.a, b", "allow read"),
        ("SELECT * FROM a, c", "block -: select on c"),
        ("SELECT * FROM other.a", "block -: select on other.a"),
        ("SELECT 1", "allow read"),
        ("SHOW a", "block -: show"),
        ("SET a.b = 1", "allow sets"),
        ("RESET a.b", "block -: reset"),
        ("INSERT INTO b SELECT * FROM a", "allow read"),
        ("INSERT INTO a SELECT * FROM b", "block -: insert on a"),
        ("DELETE FROM b USING c", "block -: select on c"),
        ("WITH d AS (DELETE FROM b RETURNING *) SELECT * FROM d", "allow read"),
        ("SELECT f(x) FROM a", "allow read"),
        ("SELECT public.f(x), nextval('s') FROM a", "allow read"),
        ("SELECT g(x) FROM a", "block -: function-call of g"),
        ("SELECT other.f(x) FROM a", "block -: function-call of other.f"),
        ("SELECT * FROM pg_class", "allow read"),
        ("SELECT * FROM pg_authid", "block -: select on pg_authid"),
        ("SELECT * FROM public.pg_class", "block -: select on public.pg_class"),
        ("COPY a TO STDOUT", "block -: copy-out on a"),
        ("TRUNCATE b", "block -: truncate on b"),
    ] {
        assert_eq!(says(&policy, &asker, text), expected, "{text}");
    }
}

#[test]
fn the_strictest_wins_whatever_the_order() {
    let rules = [
        rule("z allow", "allow", ""),
        rule(
            "hold",
            "hold",
            r#"statements = ["copy-out"]
approvers = ["group:leads"]
message = "bulk export is held""#,
        ),
        rule("block", "block", r#"tables = ["public.keys"]"#),
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let text: Vec<&str> = order.iter().map(|at| rules[*at].as_str()).collect();
        let policy = load(&text.concat());
        let asker = asker(&["public"]);
        for (text, expected) in [
            ("SELECT 1", "allow z allow"),
            ("DROP TABLE x", "allow z allow"),
            ("COPY x TO STDOUT", "hold hold: copy-out on x"),
            ("COPY keys TO STDOUT", "block block: select on keys"),
            ("SELECT * FROM x, public.keys", "block block: select on public.keys"),
        ] {
            assert_eq!(says(&policy, &asker, text), expected, "{text}");
        }
        let terms: Vec<_> = policy.holds().collect();
        assert_eq!(
            (terms.len(), terms[0].rule.as_str(), terms[0].approvers.as_slice()),
            (1, "hold", &["group:leads".to_owned()][..])
        );
    }
}

/// The names of all rules that hold a text.
fn held_by(policy: &Policy, text: &str) -> Vec<String> {
    let asker = asker(&["public"]);
    let Ok(analysis) = sql::analyze(text, &sql::Limits::default()) else { panic!("{text}: refused") };
    let statement = &analysis.statements[0];
    let question = Question {
        subject: &asker.subject,
        database: asker.database,
        statement,
        schemas: &asker.schemas,
        schema: None,
        estimated_rows: None,
        wall_s: asker.wall_s,
    };
    holds(policy, question).iter().map(|terms| terms.rule.clone()).collect()
}

#[test]
fn every_rule_that_holds_a_statement_must_be_satisfied() {
    let policy = load(
        &[
            rule("a writes", "hold", "statements = [\"write\"]\ntables = [\"public.a\"]"),
            rule("b writes", "hold", "statements = [\"write\"]\ntables = [\"public.b\"]\napprovals = 2"),
            rule("calls", "hold", "statements = [\"function-call\"]\nagents = [\"loader\"]"),
            rule("read", "allow", "statements = [\"select\"]"),
        ]
        .concat(),
    );
    for (text, expected) in [
        ("SELECT 1", vec![]),
        ("DELETE FROM a", vec!["a writes"]),
        ("WITH x AS (DELETE FROM a RETURNING *) UPDATE b SET y = 1", vec!["a writes", "b writes"]),
        ("SELECT f()", vec![]),
    ] {
        assert_eq!(held_by(&policy, text), expected, "{text}");
    }
}

#[test]
fn an_approver_is_a_name_or_a_group() {
    let terms = |approvers: &[&str]| Terms {
        rule: "r".to_owned(),
        approvers: approvers.iter().map(|word| (*word).to_owned()).collect(),
        approvals: 1,
        ..Terms::default()
    };
    let groups = ["leads".to_owned()];
    for (approvers, reviewer, expected) in [
        (&[][..], "ann", true),
        (&["ann"], "ann", true),
        (&["bob"], "ann", false),
        (&["group:leads"], "bob", true),
        (&["leads"], "bob", false),
        (&["group:ann"], "ann", false),
        (&["group:others", "ann"], "ann", true),
    ] {
        assert_eq!(terms(approvers).admits(reviewer, &groups), expected, "{approvers:?} {reviewer}");
    }
}

#[test]
fn a_hold_stands_for_a_pair_that_no_rule_allows() {
    let policy = load(
        &[
            rule(
                "read",
                "allow",
                r#"statements = ["select"]
tables = ["public.a"]"#,
            ),
            rule("export", "hold", r#"statements = ["copy-out"]"#),
        ]
        .concat(),
    );
    let asker = asker(&["public"]);
    assert_eq!(says(&policy, &asker, "COPY a TO STDOUT"), "hold export: copy-out on a");
    assert_eq!(says(&policy, &asker, "COPY b TO STDOUT"), "block -: select on b");
}

#[test]
fn unqualified_names_are_every_candidate() {
    let policy = load(
        &[
            rule("read", "allow", r#"tables = ["app.t", "public.t", "app.only", "@catalog"]"#),
            rule("never", "block", r#"tables = ["secret.*"]"#),
        ]
        .concat(),
    );
    for (schemas, text, expected) in [
        (&["app", "public"][..], "SELECT * FROM t", "allow read"),
        (&["app"], "SELECT * FROM only_", "block -: select on only_"),
        (&["app", "public"], "SELECT * FROM \"only\"", "block -: select on only"),
        (&["app"], "SELECT * FROM \"only\"", "allow read"),
        (&["app", "secret"], "SELECT * FROM t", "block never: select on t"),
        (&[], "SELECT * FROM t", "block -: select on t"),
        (&["app", "public"], "SELECT * FROM pg_class", "allow read"),
        (&["pg_catalog", "app"], "SELECT * FROM pg_class", "allow read"),
        // Named after another schema, pg_catalog is searched after it.
        (&["app", "pg_catalog"], "SELECT * FROM pg_class", "block -: select on pg_class"),
        (&["pg_catalog", "app"], "SELECT * FROM t", "allow read"),
        (&["app"], "SELECT * FROM pg_stat_new_view", "block -: select on pg_stat_new_view"),
    ] {
        assert_eq!(says(&policy, &asker(schemas), text), expected, "{schemas:?} {text}");
    }
}

#[test]
fn temporary_tables_are_in_pg_temp() {
    let read = rule(
        "read",
        "allow",
        r#"statements = ["select", "function-call"]
tables = ["public.t", "@catalog"]
functions = ["public.f"]"#,
    );
    let temporary = rule("temporary", "allow", r#"tables = ["pg_temp.*"]"#);
    let (without, with) = (load(&read), load(&(read.clone() + &temporary)));
    let schemas = ["pg_temp_7", "pg_catalog", "public"];
    for (policy, text, expected) in [
        (&without, "SELECT f(a) FROM public.t", "allow read"),
        (&without, "SELECT * FROM t", "block -: select on t"),
        (&without, "SELECT * FROM pg_class", "block -: select on pg_class"),
        (&without, "CREATE TEMP TABLE x ()", "block -: create-table on pg_temp.x"),
        (&with, "SELECT * FROM t", "allow temporary"),
        (&with, "SELECT * FROM pg_class", "allow temporary"),
        (&with, "SELECT * FROM pg_temp.x", "allow temporary"),
        (&with, "SELECT * FROM x", "block -: select on x"),
        (&with, "CREATE TEMP TABLE x ()", "allow temporary"),
        (&with, "SELECT f(a) FROM pg_temp.x", "allow temporary"),
    ] {
        assert_eq!(says(policy, &asker(&schemas), text), expected, "{text}");
    }
}

#[test]
fn lists_exclude() {
    let policy = load(
        &[
            rule(
                "all",
                "allow",
                r#"agents = ["!loader"]
statements = ["schema", "read", "!drop-*", "!truncate"]
tables = ["public.*", "!public.pay*"]"#,
            ),
            rule(
                "group",
                "allow",
                r#"agents = ["group:payments-agents", "!reporter"]
statements = ["truncate"]"#,
            ),
            rule(
                "ledger",
                "allow",
                r#"databases = ["!payments"]
statements = ["grant"]"#,
            ),
        ]
        .concat(),
    );
    let mut who = asker(&["public"]);
    for (text, expected) in [
        ("SELECT * FROM a", "allow all"),
        ("SELECT * FROM payments", "block -: select on payments"),
        ("CREATE TABLE a ()", "allow all"),
        ("DROP TABLE a", "block -: drop-table on a"),
        ("CREATE ROLE x", "block -: create-role"),
        ("TRUNCATE a", "allow group"),
        ("GRANT SELECT ON a TO x", "block -: grant on a"),
    ] {
        assert_eq!(says(&policy, &who, text), expected, "{text}");
    }
    who.database = "ledger";
    assert_eq!(says(&policy, &who, "GRANT SELECT ON a TO x"), "allow ledger");
    who.subject.agent = "reporter".to_owned();
    assert_eq!(says(&policy, &who, "TRUNCATE a"), "block -: truncate on a");
    who.subject = Subject { agent: "loader".to_owned(), groups: Vec::new(), signed: None };
    assert_eq!(says(&policy, &who, "SELECT * FROM a"), "block -: select on a");
}

#[test]
fn windows_open_and_close() {
    let policy = load(
        &[
            rule(
                "january",
                "allow",
                r#"statements = ["select"]
valid = "2026-01-01/2026-02-01""#,
            ),
            rule(
                "nights",
                "block",
                r#"statements = ["select"]
hours = "18:00-08:00""#,
            ),
        ]
        .concat(),
    );
    let question = "SELECT 1";
    let mut who = asker(&["public"]);
    for (wall_s, expected) in [
        (1_767_225_600 + 9 * 3600, "allow january"),
        (1_767_225_600 + 19 * 3600, "block nights: select"),
        (1_767_225_600 - 1, "block nights: select"),
        (1_769_904_000 + 9 * 3600, "block -: select"),
    ] {
        who.wall_s = wall_s;
        assert_eq!(says(&policy, &who, question), expected, "{wall_s}");
    }
    let statement = sql::analyze(question, &sql::Limits::default()).unwrap().statements.remove(0);
    let until = |wall_s| {
        judge(
            &policy,
            Question {
                subject: &who.subject,
                database: "payments",
                statement: &statement,
                schemas: &[],
                schema: None,
                estimated_rows: None,
                wall_s,
            },
        )
        .valid_until
    };
    assert_eq!(until(1_767_225_600 + 9 * 3600), Some(1_767_225_600 + 18 * 3600));
    assert_eq!(until(1_767_225_600 - 10), Some(1_767_225_600));
}

#[test]
fn words_for_people() {
    let policy = load(
        &[
            rule("reads", "allow", r#"statements = ["select"]"#),
            rule("no keys", "block", r#"tables = ["public.keys"]"#),
            rule(
                "told",
                "block",
                r#"tables = ["public.told"]
message = "ask the vault instead""#,
            ),
        ]
        .concat(),
    );
    let who = asker(&["public"]);
    for (text, expected) in [
        ("SELECT 1", "rule `reads` allows it for agent reconciler"),
        ("DELETE FROM payments", "no rule allows `delete` on public.payments for agent reconciler"),
        ("SELECT * FROM keys", "rule `no keys` blocks `select` on public.keys for agent reconciler"),
        ("SELECT dblink('x')", "no rule allows `function-call` of public.dblink for agent reconciler"),
        ("SET ROLE x", "no rule allows `set-role` for agent reconciler"),
        ("SELECT * FROM told", "ask the vault instead"),
    ] {
        let statement = sql::analyze(text, &sql::Limits::default()).unwrap().statements.remove(0);
        let question = Question {
            subject: &who.subject,
            database: "payments",
            statement: &statement,
            schemas: &who.schemas,
            schema: None,
            estimated_rows: None,
            wall_s: 0,
        };
        assert_eq!(judge(&policy, question).sentence(&question), expected, "{text}");
    }
}

/// A small generator of its own: no dependency, and the seed is in the message.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

fn random_rule(random: &mut Random, name: usize, action: &str) -> String {
    let mut text = format!("[[rule]]\nname = \"{name}\"\naction = \"{action}\"\n");
    let kinds = ["read", "write", "session", "select", "delete", "*", "!delete", "copy-out", "function-call"];
    let tables = ["public.a", "public.*", "*.b", "@catalog", "!public.a", "app.a"];
    for (key, values) in [
        ("statements", &kinds[..]),
        ("agents", &["reconciler", "reporter", "!loader"]),
        ("databases", &["payments", "!ledger"]),
    ] {
        if random.below(2) == 0 {
            text += &format!("{key} = [\"{}\"]\n", random.pick(values));
        }
    }
    if random.below(2) == 0 && !text.contains("session") && !text.contains("function-call") {
        text += &format!("tables = [\"{}\"]\n", random.pick(&tables));
    }
    if random.below(4) == 0 {
        text += "hours = \"08:00-18:00\"\n";
    }
    text
}

/// Order never matters; a block never loosens; a hold lets nothing pass unasked that did not pass before.
#[test]
fn adding_a_block_or_a_hold_never_loosens() {
    let texts = [
        "SELECT 1",
        "SELECT * FROM a",
        "SELECT * FROM public.a, app.b",
        "DELETE FROM a USING b",
        "COPY a TO STDOUT",
        "SELECT f(x) FROM b",
        "SET a.b = 1",
        "SELECT * FROM pg_class",
        "CREATE TABLE a ()",
        "DO 'x'",
    ];
    let statements: Vec<sql::Statement> =
        texts.iter().map(|text| sql::analyze(text, &sql::Limits::default()).unwrap().statements.remove(0)).collect();
    let schemas = [vec![], vec!["public".to_owned()], vec!["app".to_owned(), "public".to_owned()]];
    let who = asker(&[]);
    for seed in 1..400_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let count = 1 + random.below(5);
        let rules: Vec<String> = (0..count)
            .map(|name| {
                let action = random.pick(&["allow", "allow", "hold", "block"]);
                random_rule(&mut random, name, action)
            })
            .collect();
        let reversed: Vec<String> = rules.iter().rev().cloned().collect();
        let plain = load(&rules.concat());
        let other_order = load(&reversed.concat());
        let with_block = load(&(rules.concat() + &random_rule(&mut random, 100, "block")));
        let with_hold = load(&(rules.concat() + &random_rule(&mut random, 100, "hold")));
        for statement in &statements {
            for schemas in &schemas {
                let question = Question {
                    subject: &who.subject,
                    database: "payments",
                    statement,
                    schemas,
                    schema: None,
                    estimated_rows: None,
                    wall_s: i64::try_from(random.below(1_000_000)).unwrap(),
                };
                let before = judge(&plain, question);
                assert_eq!(before, judge(&other_order, question), "seed {seed}");
                assert!(judge(&with_block, question).action >= before.action, "seed {seed}");
                let held = judge(&with_hold, question).action;
                assert!(held >= before.action || held == Action::Hold, "seed {seed}");
            }
        }
    }
}

#[test]
fn clear_values_are_asked_for_by_a_plain_set() {
    let reveal = |name: &str, rest: &str| {
        format!(
            "[[reveal]]\nname = \"{name}\"\ncolumns = [\"public.payments.pan\"]\napprovers = [\"group:leads\"]\n{rest}\n"
        )
    };
    let session = rule("session", "allow", "statements = [\"session\", \"select\", \"function-call\"]");
    let one = load(&(session.clone() + &reveal("disputes", "")));
    let two = load(&(session.clone() + &reveal("disputes", "") + &reveal("refunds", "")));
    let others = load(&(session.clone() + &reveal("disputes", "agents = [\"loader\"]")));
    let later = load(&(session.clone() + &reveal("disputes", "valid = \"2026-02-01/2026-03-01\"")));
    let asker = asker(&["public"]);
    for (policy, text, expected) in [
        (&one, "SET interceptor.reveal = 'ticket 7'", "hold reveal disputes: set"),
        (&one, "SET SESSION \"Interceptor\".Reveal TO 'disputes: ticket 7'", "hold reveal disputes: set"),
        (&one, "RESET interceptor.reveal", "allow session"),
        (&one, "SET interceptor.reveal TO DEFAULT", "allow session"),
        (&one, "SET interceptor.reveal = ''", "block -: set"),
        (&one, "SET interceptor.reveal = 'disputes: '", "block -: set"),
        (&one, "SET LOCAL interceptor.reveal = 'ticket 7'", "block -: set"),
        (&one, "SELECT set_config('interceptor.reveal', 'ticket 7', false)", "block -: select"),
        (&two, "SET interceptor.reveal = 'ticket 7'", "block -: set"),
        (&two, "SET interceptor.reveal = 'refunds: ticket 7'", "hold reveal refunds: set"),
        (&others, "SET interceptor.reveal = 'ticket 7'", "block -: set"),
        (&later, "SET interceptor.reveal = 'ticket 7'", "block -: set"),
    ] {
        assert_eq!(says(policy, &asker, text), expected, "{text}");
    }
    assert_eq!(held_by(&one, "SET interceptor.reveal = 'ticket 7'"), ["reveal disputes"]);
    let blocked = load(&(rule("no", "block", "statements = [\"set\"]") + &reveal("disputes", "")));
    assert_eq!(says(&blocked, &asker, "SET interceptor.reveal = 'ticket 7'"), "block no: set");
    let unnamed = load(&reveal("disputes", ""));
    assert_eq!(says(&unnamed, &asker, "SET interceptor.reveal = 'ticket 7'"), "block -: set", "a SET needs its allow");
}

/// The agent, with a token that says this.
fn signed(groups: &[&str], claims: &[(&str, &str)]) -> Asker {
    let mut asker = asker(&["public"]);
    asker.subject.signed = Some(policy::Signed::new(
        groups.iter().map(|group| (*group).to_owned()).collect(),
        claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    ));
    asker
}

#[test]
fn a_token_opens_what_its_claims_and_groups_allow() {
    let main = signed(&["main-branch"], &[("ref", "refs/heads/main")]);
    let tag = signed(&[], &[("ref", "refs/tags/v1")]);
    let none = asker(&["public"]);
    let read = "statements = [\"select\"]\n";
    for (lines, expected) in [
        ("claims = { ref = \"refs/heads/main\" }", ["allow r", "block -", "block -"]),
        ("claims = { ref = \"refs/*\" }", ["allow r", "allow r", "block -"]),
        ("claims = { ref = \"refs/heads/main\", environment = \"*\" }", ["block -", "block -", "block -"]),
        ("agents = [\"group:main-branch\"]", ["allow r", "block -", "block -"]),
        // Who is not known not to be in it is as if it were.
        ("agents = [\"!group:main-branch\"]", ["block -", "allow r", "block -"]),
    ] {
        let policy = load(&rule("r", "allow", &format!("{read}{lines}")));
        for (asker, expected) in [&main, &tag, &none].into_iter().zip(expected) {
            let said = says(&policy, asker, "SELECT 1 FROM t");
            assert!(said.starts_with(expected), "{lines}: {said}, not {expected}");
        }
    }
}

#[test]
fn no_token_is_no_way_around_a_block() {
    let main = signed(&["main-branch"], &[("ref", "refs/heads/main")]);
    let tag = signed(&[], &[("ref", "refs/tags/v1")]);
    let none = asker(&["public"]);
    for (lines, expected) in [
        ("claims = { ref = \"refs/tags/*\" }", ["allow a", "block r", "block r"]),
        // A token that does not have it says nothing of it.
        ("claims = { environment = \"test\" }", ["block r", "block r", "block r"]),
        ("agents = [\"group:main-branch\"]", ["block r", "allow a", "block r"]),
        ("agents = [\"!group:main-branch\"]", ["allow a", "block r", "block r"]),
    ] {
        let policy = load(&(rule("a", "allow", "") + &rule("r", "block", lines)));
        for (asker, expected) in [&main, &tag, &none].into_iter().zip(expected) {
            let said = says(&policy, asker, "SELECT 1 FROM t");
            assert!(said.starts_with(expected), "{lines}: {said}, not {expected}");
        }
    }
}
