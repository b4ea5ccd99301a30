//! The page, and a client that sends exactly what it is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use control::approvals::State;
use control::{Handle, Page as Web, Provider, Settings, Source, Webhook, client, oidc, serve};

use super::{Folder, Service, ask, own_uid, well};

pub struct Page {
    pub service: Arc<Service>,
    pub address: SocketAddr,
    pub folder: Folder,
    _handle: Handle,
}

pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or_default()
    }

    /// What stands behind `before`, up to the next quote.
    pub fn between(&self, before: &str) -> String {
        let (_, rest) = self.body.split_once(before).expect("it is on the page");
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

impl Page {
    pub fn open() -> Page {
        Page::with(None, |_| None)
    }

    /// That tells these.
    pub fn telling(webhooks: Vec<Webhook>) -> Page {
        Page::made(None, |_| None, webhooks)
    }

    /// With a provider that is told where the page is, found at `url` too.
    pub fn with(url: Option<&str>, oidc: impl FnOnce(SocketAddr) -> Option<oidc::Settings>) -> Page {
        Page::led(url, |address| oidc(address).map(Provider::Oidc))
    }

    /// The same with a provider of any kind.
    pub fn led(url: Option<&str>, provider: impl FnOnce(SocketAddr) -> Option<Provider>) -> Page {
        Page::made(url, provider, vec![])
    }

    fn made(url: Option<&str>, provider: impl FnOnce(SocketAddr) -> Option<Provider>, webhooks: Vec<Webhook>) -> Page {
        let folder = Folder::new();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("known");
        let service = Arc::new(well());
        let web = Web { listener, url: url.map(str::to_owned), provider: provider(address), token_key: [7; 32] };
        let settings = Settings { socket: folder.socket(), page: Some(web), webhooks, workloads: None };
        let handle = serve(settings, Arc::clone(&service) as Arc<dyn Source>).expect("serves");
        Page { service, address, folder, _handle: handle }
    }

    pub fn send(&self, request: &str) -> Answer {
        send(self.address, request)
    }

    pub fn get(&self, path: &str, cookie: &str) -> Answer {
        let host = self.address;
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: a=b; {cookie}\r\nConnection: close\r\n\r\n"))
    }

    pub fn post(&self, path: &str, more: &str, body: &str) -> Answer {
        let (host, length) = (self.address, body.len());
        let form = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{more}Content-Type: {form}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    /// The token of a fresh login link.
    pub fn link(&self) -> String {
        let (code, link) = client::post(&self.folder.socket(), "/login", "").expect("an answer");
        assert_eq!(code, 200, "{link}");
        link.split_once("token=").expect("a token").1.to_owned()
    }

    pub fn enter(&self, token: &str) -> Answer {
        self.post("/login", "", &format!("token={token}"))
    }

    /// A logged-in browser's cookie.
    pub fn login(&self) -> String {
        let answer = self.enter(&self.link());
        assert_eq!((answer.code, answer.header("location")), (303, "/"));
        answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }

    pub fn holds(&self, id: &str) {
        assert!(self.service.approvals().asked(ask(id, own_uid() + 1)));
    }

    pub fn state(&self, id: &str) -> Option<State> {
        self.service.approvals().get(id).map(|approval| approval.state)
    }
}

/// One request that asks for the connection's end.
pub fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Answer { code, head: head.to_owned(), body: body.to_owned() }
}
