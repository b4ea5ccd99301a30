//! Policies that are refused, with their line; and what is read of those that are not.

use policy::{Names, Policy, SensitiveKind};

fn names() -> Names {
    Names {
        agents: vec!["reconciler".to_owned()],
        groups: vec!["payments-agents".to_owned()],
        databases: vec!["payments".to_owned()],
        signed_groups: vec!["main-branch".to_owned()],
        claims: vec!["ref".to_owned()],
    }
}

fn refused(text: &str) -> String {
    match Policy::parse(text, &names()) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A rule whose last line, the fourth, is `line`.
fn with(line: &str) -> String {
    refused(&format!("[[rule]]\nname = \"r\"\naction = \"hold\"\n{line}\n"))
}

#[test]
fn doubts_are_errors_with_their_line() {
    for (line, expected) in [
        ("tabels = [\"a.b\"]", "line 4: unknown key `tabels`; did you mean `tables`?"),
        ("zzz = 1", "line 4: unknown key `zzz`"),
        ("agents = [\"reconciller\"]", "line 4: unknown agent `reconciller`; did you mean `reconciler`?"),
        ("agents = [\"!reconciller\"]", "line 4: unknown agent `reconciller`; did you mean `reconciler`?"),
        (
            "agents = [\"group:payment-agents\"]",
            "line 4: unknown group `payment-agents`; did you mean `payments-agents`?",
        ),
        ("agents = []", "line 4: `agents` is empty: leave it out to mean any"),
        ("agents = \"reconciler\"", "line 4: `agents` is a list of strings"),
        ("agents = [1]", "line 4: `agents` takes strings"),
        ("agents = [\"\"]", "line 4: `agents` is empty"),
        ("agents = [\"x*\"]", "line 4: unknown agent `x*`"),
        ("databases = [\"payment\"]", "line 4: unknown database `payment`; did you mean `payments`?"),
        ("statements = [\"selct\"]", "line 4: unknown kind of statement `selct`; did you mean `select`?"),
        ("statements = [\"reads\"]", "line 4: unknown kind of statement `reads`; did you mean `read`?"),
        ("statements = [\n\"select\",\n\"nope-*\"]", "line 6: unknown kind of statement `nope-*`"),
        ("statements = [\"select\", \"!read\"]", "line 4: `statements` excludes all that it names"),
        ("tables = [\"payments\"]", "line 4: `payments` is not `schema.name`; `*` stands for any: `*.payments`"),
        ("tables = [\"a.b.c\"]", "line 4: `a.b.c` is not `schema.name`; `*` stands for any: `*.a.b.c`"),
        ("tables = [\"@catalogue\"]", "line 4: unknown built-in set `@catalogue`; did you mean `@catalog`?"),
        ("tables = [\"a.b\", \"!a.b\"]", "line 4: `tables` excludes what it names"),
        ("functions = [\"@catalog\"]", "line 4: unknown built-in set `@catalog`"),
        (
            "statements = [\"set\"]\ntables = [\"a.b\"]",
            "line 5: none of the rule's statements has tables, so it would never match",
        ),
        (
            "statements = [\"select\"]\nfunctions = [\"a.b\"]",
            "line 5: none of the rule's statements has functions, so it would never match",
        ),
        ("approvers = [\"group:\"]", "line 4: `group:` is not a name or `group:NAME`"),
        ("message = \" \"", "line 4: `message` is empty"),
        ("message = \"a\\nb\"", "line 4: `message` has a control character"),
        (
            "valid = \"2026-02-01/2026-01-01\"",
            "line 4: `valid` is written as \"2026-01-01/2026-02-01\": from, and until before",
        ),
        (
            "hours = \"mon-fry 08:00-18:00\"",
            "line 4: `hours` is written as \"mon-fri 08:00-18:00\", an offset like +01:00 after it",
        ),
        ("name = \"twice\"", "line 4: not TOML: duplicate key"),
    ] {
        assert_eq!(with(line), expected, "{line}");
    }
}

#[test]
fn shapes_are_checked() {
    for (text, expected) in [
        ("rules = 1", "line 1: unknown key `rules`; did you mean `rule`?"),
        ("\nrule = 1", "line 2: `rule` is written as `[[rule]]`"),
        ("[rule]\nname = \"a\"", "line 1: `rule` is written as `[[rule]]`"),
        ("[[rule]]\naction = \"allow\"", "line 1: `name` is missing"),
        ("[[rule]]\nname = \"a\"", "line 1: `action` is missing"),
        ("[[rule]]\nname = \"a\"\naction = \"alow\"", "line 3: unknown action `alow`; did you mean `allow`?"),
        (
            "[[rule]]\nname = \"a\"\naction = \"allow\"\napprovers = [\"x\"]",
            "line 4: `approvers` is for rules whose action is `hold`",
        ),
        (
            "[[rule]]\nname = \"a\"\naction = \"allow\"\n[[rule]]\nname = \"a\"\naction = \"block\"",
            "line 4: the name `a` is taken by another rule",
        ),
        ("[[sensitive]]\nkind = \"pan\"", "line 1: `columns` is missing"),
        ("[[sensitive]]\ncolumns = [\"*.a\"]", "line 1: `kind` is missing"),
        (
            "[[sensitive]]\ncolumns = [\"*.a\"]\nkind = \"pann\"",
            "line 3: unknown kind of sensitive column `pann`; did you mean `pan`?",
        ),
        (
            "[[sensitive]]\ncolumns = [\"t.a\"]\nkind = \"pan\"",
            "line 2: `t.a` is not `schema.table.column` or `*.column`",
        ),
        ("[[sensitive]]\ncolumns = [\"*.a\", \"*.a\"]\nkind = \"pan\"", "line 2: `*.a` is named sensitive twice"),
        (
            "[[sensitive]]\ndatabase = \"payment\"\ncolumns = [\"*.a\"]\nkind = \"pan\"",
            "line 2: unknown database `payment`; did you mean `payments`?",
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn a_hold_says_how_long_and_how_many() {
    let hold = |lines: &str| format!("[[rule]]\nname = \"a\"\naction = \"hold\"\n{lines}");
    for (lines, expires_s, approvals) in [
        ("", 600, 1),
        ("expires = \"90s\"\napprovals = 2", 90, 2),
        ("expires = \"10m\"", 600, 1),
        ("expires = \"24h\"\napprovals = 8", 86_400, 8),
    ] {
        let policy = Policy::parse(&hold(lines), &names()).expect("it is fit");
        let terms: Vec<_> = policy.holds().map(|terms| (terms.expires_s, terms.approvals)).collect();
        assert_eq!(terms, [(expires_s, approvals)], "{lines}");
    }
    let policy = Policy::parse(&hold("max_age = \"5m\""), &names()).expect("it is fit");
    assert_eq!(policy.holds().map(|terms| terms.max_age_s).collect::<Vec<_>>(), [Some(300)]);
    let keys =
        "approvers = [\"group:a\", \"group:b\"]\napprovals = \"all-groups\"\nbreak_glass = [\"group:oncall\", \"ann\"]";
    let policy = Policy::parse(&hold(keys), &names()).expect("it is fit");
    let terms = policy.holds().next().expect("one");
    assert_eq!((terms.approvals, terms.all_groups, terms.break_glass.len()), (2, true, 2));
    let expires = "line 4: `expires` is written as \"90s\", \"10m\" or \"2h\": at least 1s, at most 24h";
    let approvals = "line 4: `approvals` is a number from 1 to 8, or \"all-groups\"";
    let groups = "line 4: `all-groups` wants `approvers` that are groups (`group:NAME`), at most 8";
    for (line, expected) in [
        ("approvals = \"all-groups\"", groups),
        ("approvals = \"all-groups\"\napprovers = [\"group:a\", \"ann\"]", groups),
        ("break_glass = [\"!ann\"]", "line 4: `!ann` is not a name or `group:NAME`"),
        ("approvals = 0", approvals),
        ("approvals = 9", approvals),
        ("approvals = \"2\"", approvals),
        ("expires = \"0s\"", expires),
        ("max_age = \"0s\"", "line 4: `max_age` is written as \"90s\", \"10m\" or \"2h\": at least 1s, at most 24h"),
        ("expires = \"25h\"", expires),
        ("expires = \"10\"", expires),
        ("expires = \"m\"", expires),
        ("expires = \"-1m\"", expires),
        ("expires = \"99999999h\"", expires),
        ("expires = \"10é\"", expires),
        ("covers = \"25h\"", "line 4: `covers` is written as \"90s\", \"10m\" or \"2h\": at least 1s, at most 24h"),
        ("grant = \"0m\"", "line 4: `grant` is written as \"90s\", \"10m\" or \"2h\": at least 1s, at most 24h"),
        ("rows = 1000", "line 4: `rows` is true or false"),
    ] {
        assert_eq!(refused(&hold(line)), expected, "{line}");
    }
    assert_eq!(
        refused("[[rule]]\nname = \"a\"\naction = \"block\"\nexpires = \"1m\""),
        "line 4: `expires` is for rules whose action is `hold`"
    );
    let policy = Policy::parse(&hold("covers = \"15m\"\ngrant = \"8h\"\nrows = true"), &names()).expect("it is fit");
    let terms: Vec<_> = policy.holds().map(|terms| (terms.covers_s, terms.grant_s, terms.rows)).collect();
    assert_eq!(terms, [(Some(900), Some(28_800), true)]);
}

#[test]
fn a_reveal_says_what_is_shown_and_who_agrees() {
    let text = "[[sensitive]]\ncolumns = [\"*.cvv\"]\nkind = \"cvv\"\n[[reveal]]\nname = \"disputes\"\n";
    for (lines, expected) in [
        ("", "line 4: `columns` is missing"),
        ("columns = [\"public.payments\"]", "line 6: `public.payments` is not `schema.table.column` or `*.column`"),
        (
            "columns = [\"public.payments.cvv\"]",
            "line 6: `public.payments.cvv` may be of kind cvv, which is shown to nobody",
        ),
        (
            "columns = [\"public.payments.c*\"]",
            "line 6: `public.payments.c*` may be of kind cvv, which is shown to nobody",
        ),
        ("columns = [\"*.pan\"]\ncovers = \"1m\"", "line 7: unknown key `covers`; did you mean `hours`?"),
        (
            "columns = [\"*.pan\"]\nagents = [\"reconciller\"]",
            "line 7: unknown agent `reconciller`; did you mean `reconciler`?",
        ),
    ] {
        assert_eq!(refused(&format!("{text}{lines}\n")), expected, "{lines}");
    }
    let fit = format!("{text}columns = [\"public.payments.pan\"]\napprovers = [\"group:leads\"]\n");
    let policy = Policy::parse(&fit, &names()).expect("it is fit");
    let read: Vec<_> =
        policy.reveals("payments").map(|one| (one.name.as_str(), one.lasts_s, one.terms.approvals)).collect();
    assert_eq!(read, [("disputes", 900, 2)], "four eyes and a quarter of an hour where it does not say");
    assert!(
        policy
            .reveals("payments")
            .all(|one| one.shows("public", "payments", "pan") && !one.shows("public", "payments", "id"))
    );
}

#[test]
fn what_the_design_shows_is_read() {
    let text = r#"
[[sensitive]]
database = "payments"
columns  = ["public.payments.pan", "*.cvv"]
kind     = "pan"

[[rule]]
name       = "agents read"
agents     = ["reconciler", "group:payments-agents"]
databases  = ["payments"]
statements = ["select"]
tables     = ["public.payments", "public.customers", "@catalog"]
action     = "allow"

[[rule]]
name       = "bulk export needs a person"
statements = ["copy-out"]
action     = "hold"
approvers  = ["group:payments-leads"]
message    = "bulk export of payments is held for approval"
"#;
    let policy = Policy::parse(text, &names()).unwrap();
    assert_eq!((policy.rules(), policy.version().len()), (2, 16));
    let columns: Vec<String> =
        policy.sensitive("payments").map(|s| format!("{}.{}.{} {}", s.schema, s.table, s.column, s.kind)).collect();
    assert_eq!(columns, ["public.payments.pan pan", "*.*.cvv pan"]);
    assert!(policy.sensitive("payments").all(|s| s.kind == SensitiveKind::Pan));
    assert_eq!(policy.sensitive("ledger").count(), 0);
    let other = Policy::parse(&format!("{text}\n"), &names()).unwrap();
    assert_ne!(policy.version(), other.version());
    assert_eq!(Policy::parse("", &names()).unwrap().rules(), 0);
}

#[test]
fn what_is_searched_is_checked() {
    for (text, expected) in [
        ("[[scan]]\ncolumns = [\"a.b.c\"]\nmode = \"stict\"", "line 3: unknown mode `stict`; did you mean `strict`?"),
        (
            "[[scan]]\ncolumns = [\"a.b\"]\nmode = \"strict\"",
            "line 2: `a.b` is not `schema.table.column` or `*.column`",
        ),
        ("[[scan]]\ncolumns = [\"*.b\", \"*.b\"]\nmode = \"strict\"", "line 2: `*.b` is given a mode twice"),
        ("[[scan]]\ndatabase = \"payment\"\n", "line 2: unknown database `payment`; did you mean `payments`?"),
        (
            "[[scan]]\nmode = \"strict\"",
            "line 1: `columns` is missing; a whole database has `masking` in the configuration",
        ),
        (
            "[[pattern]]\nname = \"p\"\nregex = 'a*'",
            "line 3: `regex` can match nothing at all, so it would match everywhere",
        ),
        ("[[pattern]]\nname = \"p\"\nregx = 'a'", "line 3: unknown key `regx`; did you mean `regex`?"),
        ("[[pattern]]\nname = \"p\"\nregex = '(a'", "line 3: `regex` cannot be read: unclosed group"),
        (
            "[[pattern]]\nname = \"p\"\nregex = 'a'\n[[pattern]]\nname = \"p\"\nregex = 'b'",
            "line 4: the name `p` is taken by another pattern",
        ),
        ("[[pattern]]\nname = \"p\"\nregex = 'a'\ndatabases = [\"x\"]", "line 4: unknown database `x`"),
        (
            "[[pattern]]\nname = \"p\"\nregex = 'a'\ncolumns = [\"x\"]",
            "line 4: `x` is not `schema.table.column` or `*.column`",
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
    let many: String = (0..17).map(|n| format!("[[pattern]]\nname = \"p{n}\"\nregex = 'a{n}'\n")).collect();
    assert_eq!(refused(&many), "line 49: database `payments` has more than 16 patterns");
}

#[test]
fn what_is_searched_is_read() {
    let text = "[[scan]]\ncolumns = [\"public.t.Note\", \"*.memo\"]\nmode = \"strict\"\n[[pattern]]\nname = \"staff\"\nregex = 'EMP-\\d{6}'\ncolumns = [\"*.note\"]\n";
    let policy = Policy::parse(text, &names()).unwrap();
    let scans: Vec<String> = policy
        .scans("payments")
        .map(|s| format!("{}.{}.{} {:?}", s.column.schema, s.column.table, s.column.column, s.mode))
        .collect();
    assert_eq!(scans, ["public.t.note Strict", "*.*.memo Strict"]);
    let pattern = policy.patterns("payments").next().unwrap();
    assert_eq!((pattern.name.as_str(), pattern.longest(), pattern.columns.len()), ("staff", 10, 1));
}

#[test]
fn claims_are_those_that_an_issuer_keeps() {
    let with = |claims: &str| format!("[[rule]]\nname = \"r\"\naction = \"allow\"\nclaims = {claims}\n");
    assert!(Policy::parse(&with("{ ref = \"refs/heads/main\" }"), &names()).is_ok());
    assert!(refused(&with("{ reff = \"x\" }")).contains("did you mean `ref`"));
    assert!(refused(&with("{}")).contains("leave it out"));
    assert!(refused(&with("{ ref = 7 }")).contains("takes strings"));
    assert!(refused(&with("\"x\"")).contains("expected a table"));
    let group = "[[rule]]\nname = \"r\"\naction = \"allow\"\nagents = [\"group:main-branch\"]\n";
    assert!(Policy::parse(group, &names()).is_ok());
    assert!(refused(&group.replace("main-branch", "main-brunch")).contains("did you mean `main-branch`"));
}

#[test]
fn who_approved_a_policy_is_read_whole_or_not_at_all() {
    let approved = |text: &str| Policy::parse(text, &names()).expect("a policy").approved().cloned();
    let signed = approved("[approved]\nby = [\"ann\", \"bob\"]\nreason = \"CHG-7\"\n").expect("it says who");
    assert_eq!((signed.by, signed.reason.as_str()), (vec!["ann".to_owned(), "bob".to_owned()], "CHG-7"));
    assert_eq!(approved(""), None);
    for (text, expected) in [
        ("[approved]\nby = [\"ann\"]\n", "line 1: `reason` is missing"),
        ("[approved]\nreason = \"CHG-7\"\n", "line 1: `by` is missing"),
        ("[approved]\nby = []\nreason = \"x\"\n", "line 2: `by` is empty"),
        ("[approved]\nby = \"ann\"\nreason = \"x\"\n", "line 2: `by` is a list of strings"),
        ("[approved]\nby = [\"ann\"]\nreasons = \"x\"\n", "line 3: unknown key `reasons`; did you mean `reason`?"),
        ("approved = \"ann\"\n", "line 1: expected a table"),
    ] {
        let told = refused(text);
        assert!(told.starts_with(expected), "{text}: {told}");
    }
    let version = |text: &str| Policy::parse(text, &names()).expect("a policy").version().to_owned();
    assert_ne!(
        version("[approved]\nby = [\"ann\"]\nreason = \"x\"\n"),
        version("[approved]\nby = [\"bob\"]\nreason = \"x\"\n")
    );
}
