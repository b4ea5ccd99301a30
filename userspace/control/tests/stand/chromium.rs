//! Chromium through its driver (W3C WebDriver): a page as a person sees it. `cargo xtask setup` installs both; where they are missing that is said
//! loudly, and fails where CI=true.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::expect_used, clippy::print_stdout)] // each test file uses a part

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a busy machine may take for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A browser and its driver; both end with it.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// `None`, said loudly, where there is none.
    pub fn open(scripts: bool) -> Option<Browser> {
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
        let logs = json!({ "browser": "ALL", "performance": "ALL" });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options, "goog:loggingPrefs": logs } } });
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

    pub fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}/{path}", self.session), body)
    }

    pub fn go(&self, url: &str) {
        self.command("POST", "url", &json!({ "url": url }));
    }

    /// The element that this selects, once it is there.
    pub fn find(&self, css: &str) -> String {
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

    pub fn click(&self, css: &str) {
        let element = self.find(css);
        let done = self.command("POST", &format!("element/{element}/click"), &json!({}));
        assert!(done.is_null(), "{css}: {done}");
    }

    pub fn write(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.command("POST", &format!("element/{element}/value"), &json!({ "text": text }));
    }

    pub fn press(&self, key: &str) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] });
        self.command("POST", "actions", &actions);
    }

    /// Two keys at a time.
    pub fn chord(&self, held: &str, key: &str) {
        let keys = json!([
            { "type": "keyDown", "value": held }, { "type": "keyDown", "value": key },
            { "type": "keyUp", "value": key }, { "type": "keyUp", "value": held },
        ]);
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] });
        self.command("POST", "actions", &actions);
    }

    pub fn text(&self) -> String {
        self.command("GET", "source", &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says so.
    pub fn says(&self, words: &str) {
        let start = Instant::now();
        while !self.text().contains(words) {
            assert!(start.elapsed() < PATIENCE, "`{words}` is not on the page: {}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What a script on the page says.
    pub fn run(&self, script: &str) -> Value {
        self.command("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The colours that the person wants, and how wide the screen is.
    pub fn screen(&self, scheme: &str, width: u32) {
        let tell = |what: &str, how: Value| {
            let told = self.command("POST", "goog/cdp/execute", &json!({ "cmd": what, "params": how }));
            assert!(told.get("error").is_none(), "{what}: {told}");
        };
        let wanted = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        tell("Emulation.setEmulatedMedia", wanted);
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        tell("Emulation.setDeviceMetricsOverride", size);
    }

    /// What was written to its console: errors, refused resources.
    pub fn console(&self) -> Vec<String> {
        let lines = self.command("POST", "se/log", &json!({ "type": "browser" }));
        let lines = lines.as_array().expect("the driver keeps the console");
        lines.iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The addresses that its pages asked for.
    pub fn requests(&self) -> Vec<String> {
        let lines = self.command("POST", "se/log", &json!({ "type": "performance" }));
        let events = lines.as_array().expect("the driver keeps what is asked for").iter().filter_map(|line| {
            let event: Value = serde_json::from_str(line["message"].as_str()?).ok()?;
            let sent = event["message"]["method"] == "Network.requestWillBeSent";
            sent.then(|| event["message"]["params"]["request"]["url"].as_str().map(str::to_owned)).flatten()
        });
        events.collect()
    }

    pub fn picture(&self, name: &str) {
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
