//! The page as a browser, and as somebody who means ill, sees it.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod stand;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use control::approvals::State;
use control::{Source, client};
use stand::web::{Answer, Page};
use stand::{Folder, ask, live, own_uid, reveals, stands, well};

const ID: &str = "AAAAA-AAAAA";

#[test]
fn a_person_logs_in_looks_and_decides() {
    let page = Page::open();
    page.holds(ID);
    let token = page.link();
    assert_eq!(page.get(&format!("/login?token={token}"), "").code, 200, "a look does not use it up");
    let answer = page.enter(&token);
    for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(answer.header("set-cookie").contains(word), "{word}");
    }
    let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let list = page.get("/", &cookie);
    assert!(list.code == 200 && list.body.contains("Waiting (1)") && list.body.contains(ID), "{}", list.body);
    let one = page.get(&format!("/approvals/{ID}"), &cookie);
    assert!(one.body.contains("DELETE FROM t"), "{}", one.body);
    let csrf = one.between("name=\"csrf\" value=\"");
    let sent = page.post(
        &format!("/approvals/{ID}"),
        &format!("Cookie: {cookie}\r\nOrigin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", page.address),
        &format!("csrf={csrf}&reason=ticket+7&decision=approve"),
    );
    assert_eq!((sent.code, sent.header("location")), (303, "/approvals/AAAAA-AAAAA"), "{}", sent.body);
    let one = page.get(&format!("/approvals/{ID}"), &cookie);
    assert!(one.body.contains("by me: ticket 7") && !one.body.contains("<textarea"), "{}", one.body);
    let words = page.service.approvals().get(ID).expect("known").words;
    assert_eq!(words[0].login, format!("web page, login link of uid {}", own_uid()));
    let again = page.post(
        &format!("/approvals/{ID}"),
        &format!("Cookie: {cookie}\r\n"),
        &format!("csrf={csrf}&reason=x&decision=deny"),
    );
    assert!(again.code == 409 && again.body.contains("it is over"), "{}", again.body);
    page.post("/logout", &format!("Cookie: {cookie}\r\n"), &format!("csrf={csrf}"));
    assert_eq!(page.get("/", &cookie).code, 401);
}

#[test]
fn a_foreign_page_can_do_nothing() {
    let page = Page::open();
    page.holds(ID);
    let cookie = page.login();
    let csrf = page.get(&format!("/approvals/{ID}"), &cookie).between("name=\"csrf\" value=\"");
    let own = format!("Cookie: {cookie}\r\n");
    let form = format!("csrf={csrf}&reason=x&decision=approve");
    for (what, more, body) in [
        ("no token", own.clone(), "csrf=&reason=x&decision=approve".to_owned()),
        ("a wrong token", own.clone(), format!("csrf={}&reason=x&decision=approve", "0".repeat(64))),
        ("another origin", format!("{own}Origin: http://evil.example\r\n"), form.clone()),
        ("no origin at all", format!("{own}Origin: null\r\n"), form.clone()),
        ("another site", format!("{own}Sec-Fetch-Site: cross-site\r\n"), form.clone()),
    ] {
        assert_eq!(page.post(&format!("/approvals/{ID}"), &more, &body).code, 403, "{what}");
        assert_eq!(page.state(ID), Some(State::Pending), "{what}");
    }
    let rebound = format!("GET / HTTP/1.1\r\nHost: evil.example\r\n{own}Connection: close\r\n\r\n");
    assert_eq!(page.send(&rebound).code, 403, "a foreign name that leads here");
    assert_eq!(page.post(&format!("/api/v1/approvals/{ID}/approve"), &own, "{\"reason\": \"x\"}").code, 403);
    let get = page.get(&format!("/approvals/{ID}?csrf={csrf}&reason=x&decision=approve"), &cookie);
    assert_eq!((get.code, page.state(ID)), (200, Some(State::Pending)), "a link decides nothing");
    assert_eq!(page.post(&format!("/approvals/{ID}"), &own, &form).code, 303, "the page itself may");
}

#[test]
fn a_login_link_is_good_once_and_a_cookie_cannot_be_made_up() {
    let page = Page::open();
    page.holds(ID);
    let token = page.link();
    assert_eq!(page.enter(&token).code, 303);
    let replayed = page.enter(&token);
    assert!(replayed.code == 403 && replayed.header("set-cookie").is_empty());
    assert_eq!(page.enter(&"0".repeat(64)).code, 403);
    let cookie = page.login();
    let (_, name) = cookie.split_once('=').expect("a value");
    let mut forged = name.to_owned();
    forged.replace_range(..1, if name.starts_with('0') { "1" } else { "0" });
    for cookie in [
        "",
        "interceptor=",
        &format!("interceptor={forged}"),
        &format!("interceptor={name}0"),
        &format!("other={name}"),
    ] {
        for path in [
            "/",
            "/approvals/AAAAA-AAAAA",
            "/events",
            "/api/v1/approvals",
            "/api/v1/approvals/AAAAA-AAAAA",
            "/api/v1/me",
        ] {
            let answer = page.get(path, cookie);
            assert!(answer.code == 401 && !answer.body.contains("DELETE"), "{path}");
        }
        let sent =
            page.post(&format!("/approvals/{ID}"), &format!("Cookie: {cookie}\r\n"), "csrf=&reason=x&decision=approve");
        assert_eq!((sent.code, page.state(ID)), (401, Some(State::Pending)));
    }
}

#[test]
fn a_login_link_may_lead_to_one_approval_and_nowhere_else() {
    let page = Page::open();
    for (approval, place) in [(ID, "/approvals/AAAAA-AAAAA"), ("%2F%2Fevil.example", "/"), ("..%2Flogout", "/")] {
        let (code, link) =
            client::post(&page.folder.socket(), &format!("/login?approval={approval}"), "").expect("one");
        assert_eq!((code, link.ends_with(&format!("&approval={ID}"))), (200, approval == ID), "{link}");
        let token = link.split_once("token=").expect("a token").1.split('&').next().unwrap_or_default();
        let look = page.get(&format!("/login?token={token}&approval={approval}"), "");
        assert_eq!(look.body.contains("name=\"approval\""), approval == ID, "{}", look.body);
        let entered = page.post("/login", "", &format!("token={token}&approval={approval}"));
        assert_eq!((entered.code, entered.header("location")), (303, place), "{approval}");
    }
}

#[test]
fn nothing_that_an_agent_writes_is_html() {
    let page = Page::open();
    let cookie = page.login();
    let evil = "<script>alert(1)</script>\" onmouseover='x' &amp; \u{202e}\u{1b}[2J";
    let mut held = ask(ID, own_uid() + 1);
    for text in [
        &mut held.text,
        &mut held.agent,
        &mut held.application,
        &mut held.dbname,
        &mut held.database_user,
        &mut held.executable,
    ] {
        *text = evil.to_owned();
    }
    held.parameters = vec![evil.to_owned()];
    held.tables = vec![evil.to_owned()];
    held.sensitive = vec![evil.to_owned()];
    (held.host, held.agent_by) = (evil.to_owned(), evil.to_owned());
    held.groups = vec![evil.to_owned()];
    assert!(page.service.approvals().asked(held));
    for path in ["/", "/approvals/AAAAA-AAAAA"] {
        let body = page.get(path, &cookie).body;
        assert!(
            !body.contains("<script>alert") && !body.contains("' onmouseover") && !body.contains("\" onmouseover"),
            "{path}"
        );
        assert!(!body.contains(['\u{202e}', '\u{1b}']), "{path}");
        assert!(
            body.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onmouseover='x' &amp;amp; \\u{202e}\\u{1b}[2J"),
            "{path}"
        );
    }
    let lost = page.get("/approvals/%3Cscript%3E", &cookie);
    assert!(lost.code == 404 && !lost.body.contains("<script>"), "{}", lost.body);
    let link = page.get("/login?token=%22%3E%3Cscript%3E", "").body;
    assert!(!link.contains("<script>"), "{link}");
}

#[test]
fn one_in_full_says_who_what_why_and_what_it_would_do() {
    let page = Page::open();
    let now_s = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let mut held = ask(ID, own_uid() + 1);
    (held.groups, held.tables) = (vec!["payments-agents".into()], vec!["public.payments".into()]);
    held.sensitive = vec!["public.payments.pan (pan)".into()];
    held.estimate = Some(control::approvals::Estimate { rows: 18_200, cost: 2_411 });
    held.rules[0].message = Some("a lead agrees to every delete".into());
    (held.in_transaction, held.transaction_since_s, held.rows_bound) = (true, Some(now_s - 3600), Some(36_400));
    assert!(page.service.approvals().asked(held));
    let shown = page.get(&format!("/approvals/{ID}"), &page.login()).body;
    for words in [
        "reconciler (payments-agents), unit reconciler.service, pid 1, uid ",
        "psql, on pay-1 from 127.0.0.1:4",
        "payments, app as app, application psql",
        "writes: a lead agrees to every delete (",
        "delete; public.payments",
        "public.payments.pan (pan)",
        "at most 18200 rows in a step, cost 2411",
        "at most 36400 may leave",
        "open for 60 min: locks",
        "DELETE FROM t",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

const PLACES: [(&str, &str); 9] = [
    ("/history", "Over (1)"),
    ("/sessions", "Open sessions (1)"),
    ("/sessions/0.7", "Session 0.7"),
    ("/sessions/0.7/kill", "End session 0.7"),
    ("/standing", "Approvals that stand (1)"),
    ("/standing/CCCCC-CCCCC/revoke", "End CCCCC-CCCCC"),
    ("/policy", "Rules that never did (1)"),
    ("/overview", "<svg"),
    ("/findings", "Findings"),
];

#[test]
fn a_session_is_ended_by_a_reviewer_and_by_no_foreign_page() {
    let page = Page::open();
    page.service.live.lock().expect("whole").extend([live("0.7", "reconciler"), live("1.2", "reporter")]);
    let cookie = page.login();
    let list = page.get("/sessions", &cookie);
    assert!(list.body.contains("Open sessions (2)") && list.body.contains("/sessions/0.7/kill"), "{}", list.body);
    let asked = page.get("/sessions/0.7/kill", &cookie);
    let csrf = asked.between("name=\"csrf\" value=\"");
    assert_eq!(page.service.live.lock().expect("whole").len(), 2, "a look ends nothing");
    let own = format!("Cookie: {cookie}\r\n");
    let form = format!("csrf={csrf}&reason=it+leaks");
    for (more, body, code) in [
        (own.clone(), "csrf=&reason=x".to_owned(), 403),
        (format!("{own}Origin: http://evil.example\r\n"), form.clone(), 403),
        (String::new(), form.clone(), 401),
        (own.clone(), format!("csrf={csrf}&reason=+"), 400),
        (own.clone(), form.clone(), 303),
        (own.clone(), form.clone(), 404),
    ] {
        assert_eq!(page.post("/sessions/0.7/kill", &more, &body).code, code, "{body}");
    }
    let told = page.service.hooks.lock().expect("whole").clone();
    assert_eq!(told[0], "0.7 ended by me: it leaks");
    assert_eq!(page.service.live.lock().expect("whole").len(), 1);
    let socket = page.folder.socket();
    let open = client::get(&socket, "/sessions").expect("a list");
    assert!(open.contains("\"id\":\"1.2\"") && open.contains("\"agent\":\"reporter\""), "{open}");
    let (code, _) = client::post(&socket, "/sessions/1.2/kill", "{\"reason\": \"it leaks\"}").expect("an answer");
    assert_eq!((code, page.service.live.lock().expect("whole").len()), (200, 0));
}

#[test]
fn every_page_shows_its_own_and_nothing_acts_in_it() {
    let page = Page::open();
    let evil = "<script>alert(1)</script>\u{1b}[2J\u{202e}";
    page.service.live.lock().expect("whole").push(live("0.7", evil));
    let mut held = ask(ID, own_uid() + 1);
    held.text = evil.into();
    assert!(page.service.approvals().asked(held));
    page.service.approvals().over(ID, State::Cancelled, evil, 5);
    let now_s = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    assert!(page.service.approvals().stand(stands("CCCCC-CCCCC", now_s, evil), now_s));
    for (path, _) in PLACES {
        assert_eq!(page.get(path, "").code, 401, "{path}: to nobody");
    }
    let cookie = page.login();
    for (path, words) in PLACES {
        let answer = page.get(path, &cookie);
        assert!(answer.code == 200 && answer.body.contains(words), "{path}: {}", answer.body);
        assert!(!answer.body.contains("<script>alert") && !answer.body.contains(['\u{1b}', '\u{202e}']), "{path}");
        assert!(!answer.body.contains(" style=") && answer.body.matches("<script").count() == 1, "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none';"), "{path}");
    }
    let overview = page.get("/overview", &cookie).body;
    for words in ["fsync failed", "holds CARD NUMBERS", "parsing and the verdict", "2500.0 \u{b5}s"] {
        assert!(overview.contains(words), "{words}: {overview}");
    }
    assert!(page.get("/findings", &cookie).body.contains("public.t.c"));
    let policy = page.get("/policy", &cookie).body;
    let used = policy.split("Rules that never did").next().unwrap_or_default();
    assert!(used.contains("Rules that decided (2)") && used.contains("<td>41</td>") && !used.contains("no schema"));
    assert!(policy.contains("deletes &lt;b&gt;wait&lt;/b&gt;"), "{policy}");
    let timeline = page.get("/sessions/0.7", &cookie).body;
    for words in ["2 earlier records are left off", "1.5 ms", "61.0 s", "DROP TABLE payments", "End this session"] {
        assert!(timeline.contains(words), "{words}: {timeline}");
    }
    for words in [
        "<th scope=\"col\">id</th>",
        "<tr><td>7</td><td>411111******1111</td></tr>",
        "<td class=\"null\">null</td>",
        "SELECT 2",
    ] {
        assert!(timeline.contains(words), "{words}: {timeline}");
    }
    assert!(timeline.contains("4096 bytes more") && timeline.contains("interceptor sessions show 0-7"), "{timeline}");
    assert!(!page.get("/sessions/0.8", &cookie).body.contains("End this session"), "it is over");
    assert_eq!(page.get("/sessions/0.9", &cookie).code, 404);
    assert!(page.service.hooks.lock().expect("whole").contains(&"0.7 read by me".to_owned()));
}

#[test]
fn both_identities_are_shown_and_where_they_disagree_it_is_a_finding() {
    let page = Page::open();
    let signed = |id: &str, agent: &str, disagrees| {
        let principal = Some("ci:74/1/2 <b>".to_owned());
        control::LiveSession { principal, disagrees, ..live(id, agent) }
    };
    *page.service.live.lock().expect("whole") =
        vec![signed("0.1", "reconciler", false), signed("0.2", "stranger", true)];
    let cookie = page.login();
    let sessions = page.get("/sessions", &cookie).body;
    assert!(sessions.contains("reconciler as ci:74/1/2 &lt;b&gt;"), "{sessions}");
    assert!(sessions.contains("stranger <strong>disagrees with its token ci:74/1/2 &lt;b&gt;</strong>"), "{sessions}");
    let findings = page.get("/findings", &cookie).body;
    assert!(
        findings.contains("stranger, psql (pid 42, uid 1000)") && findings.contains("ci:74/1/2 &lt;b&gt;"),
        "{findings}"
    );
    assert!(!findings.contains("reconciler"), "{findings}");
    page.service.live.lock().expect("whole").truncate(1);
    assert!(page.get("/findings", &cookie).body.contains("None is open."));
}

#[test]
fn what_stands_is_ended_by_a_reviewer_and_by_no_foreign_page() {
    let page = Page::open();
    let now_s = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    assert!(page.service.approvals().stand(stands("CCCCC-CCCCC", now_s, ""), now_s));
    page.service.approvals().reveals(reveals("DDDDD-DDDDD", now_s));
    let cookie = page.login();
    let list = page.get("/standing", &cookie).body;
    for words in ["Clear values that are shown (1)", "public.payments.pan", "whatever the rule holds", "the night job"]
    {
        assert!(list.contains(words), "{words}: {list}");
    }
    let own = format!("Cookie: {cookie}\r\n");
    for (id, words) in
        [("CCCCC-CCCCC", "what writes holds of agent reconciler"), ("DDDDD-DDDDD", "is shown clear values")]
    {
        let path = format!("/standing/{id}/revoke");
        let asked = page.get(&path, &cookie);
        assert!(asked.body.contains(words), "{}", asked.body);
        let form = format!("csrf={}&reason=done", asked.between("name=\"csrf\" value=\""));
        for (more, body, code) in [
            (own.clone(), "csrf=&reason=x".to_owned(), 403),
            (format!("{own}Origin: http://evil.example\r\n"), form.clone(), 403),
            (String::new(), form.clone(), 401),
            (own.clone(), form.replace("done", "+"), 400),
            (own.clone(), form.clone(), 303),
            (own.clone(), form.clone(), 404),
        ] {
            assert_eq!(page.post(&path, &more, &body).code, code, "{id} {body}");
        }
    }
    let list = page.service.approvals().list(now_s);
    assert!(list.standing.is_empty() && list.reveals.is_empty());
    let told = page.service.hooks.lock().expect("whole").clone();
    assert_eq!(told, ["CCCCC-CCCCC revoked by me: done", "DDDDD-DDDDD revoked by me: done"]);
}

#[test]
fn of_two_who_decide_at_once_one_wins_and_the_other_is_told() {
    let page = Page::open();
    let cookies = [page.login(), page.login()];
    for number in 0..20 {
        let id = format!("AAAAA-AAA{number:02}");
        page.holds(&id);
        let path = format!("/approvals/{id}");
        let both = std::sync::Barrier::new(2);
        let decide = |cookie: &str, decision: &str| {
            let csrf = page.get(&path, cookie).between("name=\"csrf\" value=\"");
            both.wait();
            let form = format!("csrf={csrf}&reason=as+I+said&decision={decision}");
            page.post(&path, &format!("Cookie: {cookie}\r\n"), &form)
        };
        let answers = std::thread::scope(|scope| {
            let other = scope.spawn(|| decide(&cookies[1], "deny"));
            [decide(&cookies[0], "approve"), other.join().expect("it ends")]
        });
        let won: Vec<State> = answers
            .iter()
            .zip([State::Approved, State::Denied])
            .filter(|(answer, _)| answer.code == 303)
            .map(|(_, state)| state)
            .collect();
        assert_eq!((won.len(), page.state(&id)), (1, won.first().copied()), "{id}");
        let told = answers.iter().find(|answer| answer.code == 409).expect("the other is told");
        assert!(told.body.contains("it is over") || told.body.contains("has decided"), "{}", told.body);
    }
}

#[test]
fn ten_thousand_wait_and_the_page_has_them_all() {
    let page = Page::open();
    for number in 0..10_000 {
        page.holds(&format!("{:05}-{:05}", number / 100, number % 100));
    }
    let list = page.get("/", &page.login());
    assert!(list.code == 200 && list.body.contains("Waiting (10000)"));
    assert_eq!(list.body.matches("data-asks").count(), 10_000);
    let api = client::get(&page.folder.socket(), "/approvals").expect("a list");
    assert_eq!(api.matches("\"state\":\"pending\"").count(), 10_000);
}

#[test]
fn only_who_may_break_glass_is_shown_how() {
    let page = Page::open();
    let cookie = page.login();
    for (id, named) in [("AAAAA-AAAAA", "me"), ("BBBBB-BBBBB", "group:others")] {
        let mut held = ask(id, own_uid() + 1);
        let terms = policy::Terms { approvals: 2, break_glass: vec![named.into()], ..(*held.rules[0].terms).clone() };
        held.rules[0].terms = std::sync::Arc::new(terms);
        assert!(page.service.approvals().asked(held));
    }
    let path = |id: &str| format!("/approvals/{id}");
    let other = page.get(&path("BBBBB-BBBBB"), &cookie);
    assert!(other.body.contains("group:others may BREAK GLASS") && !other.body.contains("value=\"break-glass\""));
    let own = page.get(&path(ID), &cookie);
    assert!(own.body.contains("value=\"break-glass\""), "{}", own.body);
    let form = format!("csrf={}&reason=it+burns&decision=break-glass", own.between("name=\"csrf\" value=\""));
    let more = format!("Cookie: {cookie}\r\n");
    assert_eq!(page.post(&path("BBBBB-BBBBB"), &more, &form).code, 403);
    assert_eq!(page.post(&path(ID), &more, &form).code, 303);
    assert!(page.get(&path(ID), &cookie).body.contains("BROKE GLASS: it burns"));
    assert_eq!((page.state(ID), page.state("BBBBB-BBBBB")), (Some(State::Approved), Some(State::Pending)));
}

#[test]
fn every_answer_says_what_a_browser_may_do() {
    let page = Page::open();
    let cookie = page.login();
    for path in ["/", "/nowhere", "/style.css", "/live.js", "/login?token=x", "/login", "/api/v1/approvals"] {
        let answer = page.get(path, &cookie);
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")]
        {
            assert_eq!(answer.header(name), value, "{path}");
        }
    }
    let body = page.get("/", &cookie).body;
    assert!(
        !body.contains("<style") && !body.contains(" style=") && !body.contains(" onclick="),
        "no inline style or script"
    );
    assert_eq!(body.matches("<script").count(), 1);
    assert!(body.contains("lang=\"en\"") && body.contains("name=\"viewport\""));
}

#[test]
fn the_api_is_json() {
    let page = Page::open();
    page.holds(ID);
    let cookie = page.login();
    let json = |answer: &Answer| -> serde_json::Value { serde_json::from_str(&answer.body).expect("JSON") };
    let me = json(&page.get("/api/v1/me", &cookie));
    assert_eq!(me["reviewer"], "me");
    let list = json(&page.get("/api/v1/approvals", &cookie));
    assert_eq!(list["pending"][0]["id"], ID);
    let more = format!("Cookie: {cookie}\r\nX-CSRF-Token: {}\r\n", me["csrf"].as_str().unwrap_or_default());
    let denied = page.post(&format!("/api/v1/approvals/{ID}/deny"), &more, "{\"reason\": \"no\"}");
    assert_eq!((denied.code, &json(&denied)["state"]), (200, &"denied".into()));
    assert_eq!(page.post(&format!("/api/v1/approvals/{ID}/deny"), &more, "{\"reason\": \"no\"}").code, 409);
    assert_eq!(page.post(&format!("/api/v1/approvals/{ID}/erase"), &more, "{\"reason\": \"no\"}").code, 404);
}

#[test]
fn a_change_is_told_at_once() {
    let page = Page::open();
    let cookie = page.login();
    let mut stream = TcpStream::connect(page.address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", page.address);
    stream.write_all(request.as_bytes()).expect("sent");
    let mut got = String::new();
    let mut read = |until: &str, got: &mut String| {
        let mut bytes = [0; 4096];
        while !got.contains(until) {
            let count = stream.read(&mut bytes).expect("bytes");
            assert!(count > 0, "the stream ended");
            got.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    read("text/event-stream", &mut got);
    page.holds(ID);
    read("event: changed", &mut got);
}

#[test]
fn without_a_page_there_is_no_link() {
    let folder = Folder::new();
    let _handle = folder.serve(well());
    let (code, words) = client::post(&folder.socket(), "/login", "").expect("an answer");
    assert!(code == 404 && words.contains("[admin] listen"), "{words}");
}

#[test]
fn connections_are_few_and_the_next_waits() {
    let page = Page::open();
    let mut idle: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(page.address).expect("connects")).collect();
    let mut next = TcpStream::connect(page.address).expect("in the backlog");
    next.set_read_timeout(Some(Duration::from_millis(300))).expect("set");
    next.write_all(format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", page.address).as_bytes())
        .expect("sent");
    let mut byte = [0; 1];
    assert!(next.read(&mut byte).is_err(), "it waits");
    idle.clear();
    next.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    assert_eq!(next.read(&mut byte).expect("served"), 1);
}

mod tokens {
    use super::*;

    fn token(page: &Page, scopes: &str) -> String {
        let wanted = format!("{{\"scopes\": [{scopes}], \"purpose\": \"chat\", \"seconds\": 60}}");
        let (code, token) = client::post(&page.folder.socket(), "/token", &wanted).expect("an answer");
        assert_eq!(code, 200, "{token}");
        token
    }

    fn get(page: &Page, path: &str, authorization: &str) -> Answer {
        let host = page.address;
        page.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n"
        ))
    }

    fn deny(page: &Page, more: &str) -> Answer {
        page.post(&format!("/api/v1/approvals/{ID}/deny"), more, "{\"reason\": \"not today\"}")
    }

    #[test]
    fn reads_or_decides_as_its_scopes_say() {
        let page = Page::open();
        page.holds(ID);
        let reader = format!("Bearer {}", token(&page, "\"read\""));
        for path in ["me", "status", "approvals", "approvals/AAAAA-AAAAA"] {
            assert_eq!(get(&page, &format!("/api/v1/{path}"), &reader).code, 200, "{path}");
        }
        assert_eq!(get(&page, "/", &reader).code, 401, "a token is not the page's");
        assert_eq!(deny(&page, &format!("Authorization: {reader}\r\n")).code, 403);
        let decider = token(&page, "\"decide\"");
        assert_eq!(get(&page, "/api/v1/approvals", &format!("Bearer {decider}")).code, 403);
        let cookie = page.login();
        let both = format!("Cookie: {cookie}\r\nAuthorization: Bearer {}\r\n", token(&page, "\"read\""));
        assert_eq!((deny(&page, &both).code, page.state(ID)), (403, Some(State::Pending)), "a cookie adds nothing");
        let origin = format!("Authorization: Bearer {decider}\r\nOrigin: http://evil.example\r\n");
        assert_eq!((deny(&page, &origin).code, page.state(ID)), (403, Some(State::Pending)));
        assert_eq!(deny(&page, &format!("Authorization: Bearer {decider}\r\n")).code, 200);
        let word = page.service.approvals().get(ID).expect("known").words[0].clone();
        assert_eq!((word.reviewer.as_str(), word.approve), ("me", false));
        let (start, end) = ("API token ", format!(" for chat of uid {}", own_uid()));
        assert!(word.login.starts_with(start) && word.login.ends_with(&end), "{}", word.login);
    }

    #[test]
    fn that_is_made_up_is_none() {
        let page = Page::open();
        page.holds(ID);
        let good = token(&page, "\"read\", \"decide\"");
        let none = "eyJhbGciOiJub25lIn0";
        let payload = good.split('.').nth(1).expect("a payload");
        let (elsewhere, mine) = (Page::open(), &good);
        for authorization in [
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            "Basic bWU6bWU=".to_owned(),
            format!("Bearer {none}.{payload}."),
            format!("Bearer {}x", mine),
            // The same key, another service.
            format!("Bearer {}", token(&elsewhere, "\"read\", \"decide\"")),
        ] {
            for path in ["me", "status", "approvals", "approvals/AAAAA-AAAAA"] {
                let answer = get(&page, &format!("/api/v1/{path}"), &authorization);
                assert!(answer.code == 401 && !answer.body.contains("DELETE"), "{authorization} {path}");
                assert_eq!(answer.header("www-authenticate"), "Bearer");
            }
            let answer = deny(&page, &format!("Authorization: {authorization}\r\n"));
            assert_eq!((answer.code, page.state(ID)), (401, Some(State::Pending)), "{authorization}");
        }
        let wanted = r#"{"scopes": ["read", "all"], "purpose": "x", "seconds": 60}"#;
        let (code, _) = client::post(&page.folder.socket(), "/token", wanted).expect("an answer");
        assert_eq!(code, 422);
        let wanted = r#"{"scopes": ["read"], "purpose": "x", "seconds": 99999999}"#;
        let (code, words) = client::post(&page.folder.socket(), "/token", wanted).expect("an answer");
        assert!(code == 400 && words.contains("90 days"), "{words}");
    }
}
