//! The page in a real Chromium, through its driver, with and without its script. Screenshots are kept in the target directory's `tmp`.
//!
//! `cargo xtask test` runs one of them, `cargo xtask nightly page` all: the others are marked as ignored. `cargo xtask setup` installs the
//! browser; where it is missing that is said loudly, and fails where CI=true.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

#[path = "stand/chromium.rs"]
mod chromium;
mod stand;

use std::sync::Arc;

use chromium::Browser;
use control::approvals::{Estimate, State};
use control::client;
use serde_json::json;
use stand::web::Page;
use stand::{ask, live, own_uid, reveals, stands};

/// Every page in both colours and on a phone: each has a name for every control, and no line is wider than the screen.
#[test]
#[ignore = "nightly"]
fn every_page_is_readable_and_has_names() {
    for (scheme, width) in [("light", 1200), ("dark", 1200), ("dark", 390)] {
        let Some(browser) = Browser::open(true) else { return };
        let page = Page::open();
        let other = own_uid() + 1;
        let now_s = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        for (number, text) in [
            (0, "DELETE FROM payments\nWHERE booked < now() - interval '90 days'\n  AND state = $1"),
            (1, "COPY customers TO STDOUT"),
        ] {
            let mut held = ask(&format!("AAAAA-AAAA{number}"), other);
            (held.asked_s, held.expires_s) = (now_s - 40, now_s + 560);
            (held.text, held.parameters) = (text.into(), vec!["settled".into()]);
            (held.groups, held.tables) = (vec!["payments-agents".into()], vec!["public.payments".into()]);
            held.estimate = Some(Estimate { rows: 18_200, cost: 2_411 });
            (held.sensitive, held.rows_bound) = (vec!["public.payments.pan (pan)".into()], Some(36_400));
            (held.in_transaction, held.transaction_since_s) = (true, Some(now_s - 65));
            held.rules[0].message = Some("a lead agrees to every delete".into());
            assert!(page.service.approvals.asked(held));
        }
        page.service.approvals.over("AAAAA-AAAA1", State::Denied, "by ann: not on a friday", now_s);
        page.service.live.lock().expect("whole").extend([live("0.7", "reconciler"), live("1.2", "reporter")]);
        assert!(page.service.approvals.stand(stands("CCCCC-CCCCC", now_s, "DELETE FROM payments"), now_s));
        page.service.approvals.reveals(reveals("DDDDD-DDDDD", now_s));
        browser.screen(scheme, width);
        let (_, link) = client::post(&page.folder.socket(), "/login", "").expect("a link");
        browser.go(&link);
        browser.click("main button");
        browser.says("Waiting (1)");
        for (name, path) in [
            ("approvals", "/"),
            ("approval", "/approvals/AAAAA-AAAA0"),
            ("history", "/history"),
            ("standing", "/standing"),
            ("revoke", "/standing/CCCCC-CCCCC/revoke"),
            ("policy", "/policy"),
            ("sessions", "/sessions"),
            ("session", "/sessions/0.7"),
            ("end", "/sessions/0.7/kill"),
            ("overview", "/overview"),
            ("findings", "/findings"),
        ] {
            browser.go(&format!("http://{}{path}", page.address));
            browser.find("main h2");
            browser.picture(&format!("{name}-{scheme}-{width}.png"));
            let wide = browser.run("return document.documentElement.scrollWidth - window.innerWidth");
            assert!(wide.as_i64().is_some_and(|over| over <= 0), "{name} is wider than {width}: {wide}");
            let nameless = browser.run(NAMELESS);
            assert_eq!(nameless, json!([]), "{name}");
            let faint = browser.run(FAINT);
            assert_eq!(faint, json!([]), "{name} in {scheme}");
        }
    }
}

/// Controls that a screen reader has no word for.
const NAMELESS: &str =
    "return [...document.querySelectorAll('a, button, textarea, input:not([type=hidden]), svg[role=img], nav, table')]
    .filter(one => one.tagName != 'TABLE' || !one.querySelector('th[scope]'))
    .filter(one => !(one.getAttribute('aria-label') || one.innerText || (one.labels && one.labels.length)))
    .map(one => one.outerHTML.slice(0, 80))";

/// Text whose contrast with what is behind it is below 4.5 to 1 (WCAG 2.2, 1.4.3).
const FAINT: &str = "const part = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const rgb = s => (s.match(/[\\d.]+/g) || []).map(Number);
    const light = c => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
    const behind = one => { for (; one; one = one.parentElement) { const c = rgb(getComputedStyle(one).backgroundColor); if (c.length && c[3] !== 0) return c; } return [255, 255, 255]; };
    return [...document.querySelectorAll('body *')].filter(one => [...one.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
    .filter(one => { const [a, b] = [light(rgb(getComputedStyle(one).color)), light(behind(one))]; return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; })
    .map(one => one.outerHTML.slice(0, 80))";

/// A person who is logged in.
fn logged_in(browser: &Browser, page: &Page) {
    let (_, link) = client::post(&page.folder.socket(), "/login", "").expect("a link");
    browser.go(&link);
    browser.click("main button");
    browser.says("Waiting (");
}

const ENTER: &str = "\u{e007}";
const CONTROL: &str = "\u{e009}";

#[test]
#[ignore = "nightly"]
fn a_person_ends_a_session_with_the_keyboard() {
    let Some(browser) = Browser::open(true) else { return };
    let page = Page::open();
    page.service.live.lock().expect("whole").extend([live("1.2", "reporter"), live("0.7", "reconciler")]);
    logged_in(&browser, &page);
    browser.go(&format!("http://{}/sessions", page.address));
    browser.says("Open sessions (2)");
    browser.press("j");
    browser.press("j");
    browser.find("tr.at");
    browser.press(ENTER);
    browser.says("Session 0.7");
    browser.says("DROP TABLE payments");
    browser.says("<td>411111******1111</td>");
    browser.click("main a.button");
    browser.says("End session 0.7");
    browser.write("textarea", "it leaks");
    browser.click("main button");
    browser.says("Open sessions (1)");
    let told = page.service.hooks.lock().expect("whole").clone();
    assert_eq!(told, ["0.7 read by me", "0.7 ended by me: it leaks"]);
}

#[test]
#[ignore = "nightly"]
fn a_person_decides_with_the_keyboard_alone() {
    let Some(browser) = Browser::open(true) else { return };
    let page = Page::open();
    for id in ["AAAAA-AAAAA", "BBBBB-BBBBB"] {
        page.service.approvals.asked(ask(id, own_uid() + 1));
    }
    logged_in(&browser, &page);
    let home = format!("http://{}/", page.address);
    for (keys, reason, state) in [(["j", "d"], "not today", State::Denied), (["j", "a"], "ticket 7", State::Approved)] {
        browser.go(&home);
        browser.find("tr[data-asks]");
        keys.iter().for_each(|key| browser.press(key));
        browser.find("button.at");
        browser.write("textarea:focus", reason);
        browser.chord(CONTROL, ENTER);
        browser.says(&format!("by me: {reason}"));
        let over = page.service.approvals.list(1).over;
        assert_eq!(over.first().map(|one| one.state), Some(state), "{reason}");
    }
    assert_eq!(page.service.approvals.pending(), 0);
}

#[test]
#[ignore = "nightly"]
fn a_person_takes_back_what_stands() {
    for scripts in [true, false] {
        let Some(browser) = Browser::open(scripts) else { return };
        let page = Page::open();
        let now_s = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        assert!(page.service.approvals.stand(stands("CCCCC-CCCCC", now_s, ""), now_s));
        logged_in(&browser, &page);
        browser.go(&format!("http://{}/standing", page.address));
        browser.says("Approvals that stand (1)");
        browser.click("td a");
        browser.says("by the word of me");
        browser.write("textarea", "the job is done");
        browser.click("main button");
        browser.says("Approvals that stand (0)");
        assert_eq!(*page.service.hooks.lock().expect("whole"), ["CCCCC-CCCCC revoked by me: the job is done"]);
    }
}

#[test]
#[ignore = "nightly"]
fn nothing_that_an_agent_writes_runs_in_a_browser() {
    let Some(browser) = Browser::open(true) else { return };
    let page = Page::open();
    let evil = "</pre><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\"> javascript:alert(1)";
    let now_s = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let mut held = ask("AAAAA-AAAAA", own_uid() + 1);
    for text in [&mut held.text, &mut held.agent, &mut held.application, &mut held.dbname, &mut held.executable] {
        *text = evil.to_owned();
    }
    held.parameters = vec![evil.to_owned()];
    assert!(page.service.approvals.asked(held));
    assert!(page.service.approvals.stand(stands("CCCCC-CCCCC", now_s, evil), now_s));
    page.service.live.lock().expect("whole").push(live("0.7", evil));
    logged_in(&browser, &page);
    for path in
        ["/", "/approvals/AAAAA-AAAAA", "/standing", "/sessions", "/sessions/0.7", "/sessions/0.7/kill", "/policy"]
    {
        browser.go(&format!("http://{}{path}", page.address));
        browser.find("main h2");
        assert_eq!(browser.run("return document.querySelectorAll('main script, main img').length"), json!(0), "{path}");
        let title = browser.run("return document.title");
        assert!(title.as_str().is_some_and(|title| title.contains("interceptor")), "{path}: {title}");
    }
}

/// The session is over while the page is open: the next click asks for a login, and decides nothing.
#[test]
#[ignore = "nightly"]
fn a_page_that_was_left_open_for_a_day_decides_nothing() {
    let Some(browser) = Browser::open(false) else { return };
    let page = Page::open();
    page.service.approvals.asked(ask("AAAAA-AAAAA", own_uid() + 1));
    logged_in(&browser, &page);
    browser.click("td a");
    browser.write("textarea", "ticket 7");
    // The cookie ends with the session: after eight hours the browser has forgotten it, too.
    browser.command("DELETE", "cookie", &json!({}));
    browser.click("button[value=approve]");
    browser.says("Not logged in");
    assert_eq!(page.service.approvals.get("AAAAA-AAAAA").map(|one| one.state), Some(State::Pending));
}

#[test]
fn a_person_decides_in_a_browser() {
    for scripts in [true, false] {
        let Some(browser) = Browser::open(scripts) else { return };
        let page = Page::open();
        let (address, other) = (page.address, own_uid() + 1);
        let approvals = || Arc::clone(&page.service);
        let mut first = ask("AAAAA-AAAAA", other);
        first.text = "DELETE FROM payments\nWHERE id = 7 -- <b>\"bold\"</b>".into();
        approvals().approvals.asked(first);

        browser.go(&format!("http://{address}/"));
        browser.says("Not logged in");
        let (_, link) = client::post(&page.folder.socket(), "/login", "").expect("a link");
        browser.go(&link);
        browser.click("main button");
        browser.says("Waiting (1)");
        browser.picture(if scripts { "approvals-list.png" } else { "approvals-list-without-script.png" });
        assert_eq!(browser.text().contains("data-live=\"yes\""), scripts, "whether the script runs");
        if scripts {
            // No reload: the server says that there is more.
            approvals().approvals.asked(ask("BBBBB-BBBBB", other));
            browser.says("Waiting (2)");
            browser.press("j");
            browser.find("tr.at");
            browser.press(ENTER);
        } else {
            browser.click("td a");
        }
        browser.says("Approval AAAAA-AAAAA");
        browser.says("&lt;b&gt;");
        browser.write("textarea", "ticket 7");
        browser.picture(if scripts { "approval.png" } else { "approval-without-script.png" });
        browser.click("button[value=approve]");
        browser.says("by me: ticket 7");
        assert_eq!(approvals().approvals.get("AAAAA-AAAAA").map(|one| one.state), Some(State::Approved));
        browser.click("header button");
        browser.says("Not logged in");
    }
}
