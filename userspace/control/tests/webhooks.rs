//! Webhooks, against a server that answers what it is told.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod stand;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use control::approvals::State;
use control::{Source, Webhook, WebhookKind, client};
use serde_json::Value;
use stand::web::Page;
use stand::{ask, own_uid};

const ID: &str = "AAAAA-AAAAA";
const CARD: &str = "4111111111111111";

/// A request: its head and its body.
type Heard = (String, String);

/// Answers each request with the next of these, then with 200; ends with the process.
fn server(statuses: Vec<u16>) -> (SocketAddr, Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("known");
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.into_iter();
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).expect("a line") > 0 {}
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).expect("a body");
            let status = statuses.next().unwrap_or(200);
            let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\n\r\n");
            let _ = tell.send((head, String::from_utf8(body).expect("text")));
        }
    });
    (address, heard)
}

fn hook(address: SocketAddr, kind: WebhookKind) -> Webhook {
    Webhook {
        name: "chat".into(),
        url: format!("http://{address}/hook?key=s3cret"),
        secret: Some(b"shared".to_vec()),
        kind,
        statement: true,
        roots: Vec::new(),
        pause: Duration::from_millis(1),
    }
}

fn next(heard: &Receiver<Heard>) -> Heard {
    heard.recv_timeout(Duration::from_secs(20)).expect("a message")
}

/// Waits until a figure of the hook says so.
fn until(page: &Page, line: &str) {
    let start = std::time::Instant::now();
    loop {
        let metrics = client::get(&page.folder.socket(), "/metrics").expect("metrics");
        if metrics.lines().any(|known| known == line) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{line} is not in {metrics}");
        std::thread::yield_now();
    }
}

#[test]
fn a_program_is_told_what_waits_and_what_became_of_it() {
    let (address, heard) = server(vec![]);
    let page = Page::telling(vec![hook(address, WebhookKind::Generic)]);
    let mut held = ask(ID, own_uid() + 1);
    // As if it had not been masked before.
    held.text = format!("SELECT '{CARD}'");
    held.agent = CARD.into();
    for texts in [&mut held.groups, &mut held.tables, &mut held.sensitive] {
        texts.push(CARD.into());
    }
    (held.agent_by, held.host, held.executable) = (CARD.into(), CARD.into(), CARD.into());
    assert!(page.service.approvals().asked(held));
    let (head, body) = next(&heard);
    assert!(head.starts_with("POST /hook?key=s3cret HTTP/1.1\r\n"), "{head}");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).expect("there").trim().to_owned();
    assert_eq!(header("x-interceptor-delivery:"), format!("held/{ID}"));
    let signature = header("x-interceptor-signature:");
    let (at, tag) = signature.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).expect("both");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"shared");
    let expected = ring::hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let expected: String = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(tag, expected);
    let said: Value = serde_json::from_str(&body).expect("JSON");
    assert!(!body.contains(CARD), "a card number");
    assert_eq!((&said["event"], &said["statement"]), (&"held".into(), &"SELECT '411111******1111'".into()));
    assert_eq!(said["link"], format!("http://{}/approvals/{ID}", page.address));
    page.service.approvals().over(ID, State::Denied, "no", 5);
    let said: Value = serde_json::from_str(&next(&heard).1).expect("JSON");
    assert_eq!((&said["event"], &said["state"], &said["why"]), (&"over".into(), &"denied".into(), &"no".into()));
    until(&page, "interceptor_webhook_sent_total{webhook=\"chat\"} 2");
}

#[test]
fn a_chat_is_told_a_line_in_which_nothing_acts() {
    let (address, heard) = server(vec![]);
    let page = Page::telling(vec![hook(address, WebhookKind::Slack)]);
    let mut held = ask(ID, own_uid() + 1);
    held.tables = vec!["public.<!here>".into()];
    held.sensitive = vec!["public.payments.pan (pan)".into()];
    held.estimate = Some(control::approvals::Estimate { rows: 18_200, cost: 2_411 });
    held.text = "SELECT '<!channel> @here <https://evil.example|approve> `x` & \u{202e}\u{1b}[2J'\n-- next".into();
    assert!(page.service.approvals().asked(held));
    let said: Value = serde_json::from_str(&next(&heard).1).expect("JSON");
    let text = said["text"].as_str().expect("text");
    let expected = format!(
        "{ID} waits for a person: reconciler (psql) of pay-1 on payments (writes): delete public.&lt;!here&gt;; at most 18200 rows, cost 2411; sensitive: public.payments.pan (pan)\nhttp://{}/approvals/{ID}\n> SELECT '&lt;!channel&gt; @\u{2060}here &lt;https://evil.example|approve&gt; 'x' &amp; \\u{{202e}}\\u{{1b}}[2J' -- next",
        page.address
    );
    assert_eq!(text, expected);
}

#[test]
fn the_statement_is_told_only_where_it_is_wanted() {
    let (address, heard) = server(vec![]);
    let page = Page::telling(vec![Webhook { statement: false, ..hook(address, WebhookKind::Generic) }]);
    page.holds(ID);
    let (_, body) = next(&heard);
    assert!(!body.contains("DELETE") && body.contains("\"statement\":null"), "{body}");
}

#[test]
fn what_is_not_taken_is_said_again() {
    let (address, heard) = server(vec![500, 429, 503]);
    let page = Page::telling(vec![hook(address, WebhookKind::Generic)]);
    page.holds(ID);
    let bodies: Vec<String> = (0..4).map(|_| next(&heard).1).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    until(&page, "interceptor_webhook_sent_total{webhook=\"chat\"} 1");
    until(&page, "interceptor_webhook_dead{webhook=\"chat\"} 0");
    assert_eq!(*page.service.hooks.lock().expect("whole"), ["chat: it answered 500", "chat: well"], "told once");
}

#[test]
fn a_no_is_a_no_and_a_redirect_leads_nowhere() {
    for status in [400, 404, 302] {
        let (address, heard) = server(vec![status]);
        let page = Page::telling(vec![hook(address, WebhookKind::Generic)]);
        page.holds(ID);
        next(&heard);
        until(&page, "interceptor_webhook_failed_total{webhook=\"chat\"} 1");
        assert!(heard.try_recv().is_err(), "{status}: said once");
    }
}

#[test]
fn a_dead_hook_is_given_up_and_nobody_waits_for_it() {
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let (address, heard) = server(vec![]);
    let well = Webhook { name: "well".into(), ..hook(address, WebhookKind::Generic) };
    let page = Page::telling(vec![hook(dead, WebhookKind::Slack), well]);
    page.holds(ID);
    next(&heard);
    until(&page, "interceptor_webhook_failed_total{webhook=\"chat\"} 1");
    until(&page, "interceptor_webhook_dead{webhook=\"chat\"} 1");
    let said = page.service.hooks.lock().expect("whole").join("\n");
    assert!(said.starts_with("chat: it cannot be reached") && !said.contains("s3cret"), "{said}");
}
