//! The page in a real Chromium, through its driver, with and without its script. Screenshots are kept in the target directory's `tmp`.
//!
//! `cargo xtask test` runs one of them, `cargo xtask nightly page` all: the others are marked as ignored. `cargo xtask setup` installs the
//! browser; where it is missing that is said loudly, and fails where CI=true.
#![allow(clippy::expect_used, clippy::print_stdout)] // helpers of tests count as no tests

mod stand;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::approvals::{Estimate, State};
use control::client;
use serde_json::{Value, json};
use stand::web::Page;
use stand::{ask, live, own_uid, reveals, stands};

/// How long a busy machine may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser and its driver; both end with it.
struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// `None`, said loudly, where there is none.
    fn open(scripts: bool) -> Option<Browser> {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let mut driver = Command::new("chromedriver");
        driver
            .arg(format!("--port={}", address.port()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let Ok(driver) = driver.spawn() else {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "chromedriver is missing, and CI needs it");
            println!("SKIPPED: chromedriver is missing (Debian: chromium-driver), so the page was seen by no browser");
            return None;
        };
        let mut browser = Browser { driver, address, session: String::new() };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < PATIENCE, "chromedriver does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let javascript = if scripts { 1 } else { 2 };
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,900"],
            "prefs": { "profile.managed_default_content_settings.javascript": javascript },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let made = browser.ask("POST", "/session", &wanted);
        browser.session = made["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {made}")).to_owned();
        Some(browser)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(self.address).expect("the driver listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let (host, length) = (self.address, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .expect("sent");
        let mut answer: Value = serde_json::from_slice(&body_of(&mut stream)).expect("JSON");
        answer["value"].take()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}/{path}", self.session), body)
    }

    fn go(&self, url: &str) {
        self.command("POST", "url", &json!({ "url": url }));
    }

    /// The element that this selects, once it is there.
    fn find(&self, css: &str) -> String {
        let start = Instant::now();
        loop {
            let found = self.command("POST", "element", &json!({ "using": "css selector", "value": css }));
            let id = found.as_object().filter(|one| !one.contains_key("error")).and_then(|one| one.values().next());
            if let Some(id) = id.and_then(Value::as_str) {
                return id.to_owned();
            }
            assert!(start.elapsed() < PATIENCE, "{css} is not there: {}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn click(&self, css: &str) {
        let element = self.find(css);
        let done = self.command("POST", &format!("element/{element}/click"), &json!({}));
        assert!(done.is_null(), "{css}: {done}");
    }

    fn write(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.command("POST", &format!("element/{element}/value"), &json!({ "text": text }));
    }

    fn press(&self, key: &str) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] });
        self.command("POST", "actions", &actions);
    }

    /// Two keys at a time.
    fn chord(&self, held: &str, key: &str) {
        let keys = json!([
            { "type": "keyDown", "value": held }, { "type": "keyDown", "value": key },
            { "type": "keyUp", "value": key }, { "type": "keyUp", "value": held },
        ]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] });
        self.command("POST", "actions", &actions);
    }

    fn text(&self) -> String {
        self.command("GET", "source", &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says so.
    fn says(&self, words: &str) {
        let start = Instant::now();
        while !self.text().contains(words) {
            assert!(start.elapsed() < PATIENCE, "`{words}` is not on the page: {}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What a script on the page says.
    fn run(&self, script: &str) -> Value {
        self.command("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The colours that the person wants, and how wide the screen is.
    fn screen(&self, scheme: &str, width: u32) {
        let tell = |what: &str, how: Value| {
            let told = self.command("POST", "goog/cdp/execute", &json!({ "cmd": what, "params": how }));
            assert!(told.get("error").is_none(), "{what}: {told}");
        };
        let wanted = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        tell("Emulation.setEmulatedMedia", wanted);
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        tell("Emulation.setDeviceMetricsOverride", size);
    }

    fn picture(&self, name: &str) {
        let picture = self.command("GET", "screenshot", &Value::Null);
        let bytes = base64(picture.as_str().unwrap_or_default());
        assert!(bytes.starts_with(b"\x89PNG"), "{name} is no picture");
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), bytes).expect("written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, and not with its driver.
        if !self.session.is_empty() {
            self.ask("DELETE", &format!("/session/{}", self.session), &json!({}));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The driver keeps the connection open: its answer is as long as it says.
fn body_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut bytes = [0; 65_536];
    loop {
        let count = stream.read(&mut bytes).expect("an answer");
        answer.extend_from_slice(&bytes[..count]);
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = head else {
            assert!(count > 0, "the driver's answer is cut short");
            continue;
        };
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).expect("a length");
        if answer.len() >= end + 4 + length {
            return answer.split_off(end + 4);
        }
        assert!(count > 0, "the driver's answer is cut short");
    }
}

fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter_map(|letter| LETTERS.iter().position(|known| *known == letter)) {
        bits = bits << 6 | letter as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

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
