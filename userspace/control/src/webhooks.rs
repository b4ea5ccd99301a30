//! Webhooks: what waits for a person, and what became of it, told to a chat or a program. A link, and no button that decides.
//!
//! Each hook hears of everything by a bounded queue of its own; what finds no room is counted as lost, and nobody waits for a hook. A
//! message that is not taken is sent again, twice as late each time, until it is given up.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit::Masked;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use ring::hmac;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver};

use crate::api::now_s;
use crate::approvals::{Approval, Ask, State};
use crate::fetch::{Address, Fetch, Unfetched};
use crate::plain::plain;
use crate::server::Source;
use crate::status::{Figure, FigureKind, Label};

/// Messages that may wait for a hook.
pub(crate) const WAITING_MAX: usize = 1024;
/// A message is sent so many times at most.
const TRIES: u32 = 7;
/// No pause between two tries is longer.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Of a statement so many letters are told.
const TEXT_MAX: usize = 500;

/// How a hook wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookKind {
    /// `{"text": "…"}`, as Slack and those that understand it want it.
    Slack,
    /// Every fact by its name (docs/API.md).
    Generic,
}

/// One hook.
#[derive(Clone)]
pub struct Webhook {
    /// Its name, for people and figures.
    pub name: String,
    /// Where it is; may be a secret itself.
    pub url: String,
    /// Signs each message; `None`: the address is the secret.
    pub secret: Option<Vec<u8>>,
    /// How it wants to be told.
    pub kind: WebhookKind,
    /// Whether it is told the statement, masked as always.
    pub statement: bool,
    /// The certificate authorities that its certificate may be of, as PEM.
    pub roots: Vec<u8>,
    /// Before the second try; then twice as long each time.
    pub pause: Duration,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What is told.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// A statement waits.
    Held(Arc<Approval>),
    /// It waits no more.
    Over(Arc<Approval>),
}

impl News {
    fn approval(&self) -> &Approval {
        match self {
            News::Held(approval) | News::Over(approval) => approval,
        }
    }
}

/// A queue that every hook hears.
pub(crate) fn line() -> broadcast::Sender<News> {
    broadcast::channel(WAITING_MAX).0
}

/// What is counted of a hook.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    /// 1 while its last message was not taken.
    dead: AtomicU64,
}

/// A hook that is ready to be told.
pub(crate) struct Hook {
    settings: Webhook,
    address: Address,
    fetch: Fetch,
    /// The page's own address, if there is one.
    page: Option<String>,
    pub(crate) counts: Counts,
}

/// Why a message was not taken.
#[derive(Debug)]
enum Untaken {
    /// Nobody answered.
    Unfetched(Unfetched),
    /// It said no.
    Status(StatusCode),
}

impl fmt::Display for Untaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The address may be a secret.
            Untaken::Unfetched(Unfetched::Address(_)) => f.write_str("its address is none"),
            Untaken::Unfetched(why) => why.fmt(f),
            Untaken::Status(status) => write!(f, "it answered {}", status.as_u16()),
        }
    }
}

impl Untaken {
    /// Whether to say it again may help.
    fn may_pass(&self) -> bool {
        match self {
            Untaken::Unfetched(why) => !matches!(why, Unfetched::Address(_)),
            Untaken::Status(status) => {
                status.is_server_error()
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
        }
    }
}

impl Hook {
    pub(crate) fn new(settings: Webhook, page: Option<String>) -> Result<Hook, std::io::Error> {
        let invalid = |_| std::io::Error::new(std::io::ErrorKind::InvalidInput, "its address is no https address");
        let address = Address::parse(&settings.url).map_err(invalid)?;
        let fetch = Fetch::new(&settings.roots)?;
        Ok(Hook { settings, address, fetch, page, counts: Counts::default() })
    }

    /// For a metrics page.
    pub(crate) fn figures(&self) -> impl Iterator<Item = Figure> {
        let figure = |name, help, kind, count: &AtomicU64| Figure {
            name,
            help,
            kind,
            labels: vec![Label::Webhook(self.settings.name.clone())],
            value: count.load(Ordering::Relaxed),
        };
        [
            figure("webhook_sent_total", "messages that it took", FigureKind::Counter, &self.counts.sent),
            figure("webhook_failed_total", "messages that were given up", FigureKind::Counter, &self.counts.failed),
            figure("webhook_lost_total", "messages that found no room", FigureKind::Counter, &self.counts.lost),
            figure("webhook_dead", "1: its last message was not taken", FigureKind::Gauge, &self.counts.dead),
        ]
        .into_iter()
    }

    /// Tells it everything, until nothing more can come.
    pub(crate) async fn run(self: Arc<Hook>, mut news: Receiver<News>, source: Arc<dyn Source>) {
        loop {
            match news.recv().await {
                Ok(news) => self.tell(&news, &*source).await,
                Err(RecvError::Lagged(lost)) => _ = self.counts.lost.fetch_add(lost, Ordering::Relaxed),
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn tell(&self, news: &News, source: &dyn Source) {
        let body = self.message(news).to_string();
        let mut pause = self.settings.pause;
        for left in (0..TRIES).rev() {
            let why = match self.send(news, &body).await {
                Ok(()) => {
                    self.counts.sent.fetch_add(1, Ordering::Relaxed);
                    if self.counts.dead.swap(0, Ordering::Relaxed) == 1 {
                        source.webhook(&self.settings.name, None);
                    }
                    return;
                }
                Err(why) => why,
            };
            if self.counts.dead.swap(1, Ordering::Relaxed) == 0 {
                source.webhook(&self.settings.name, Some(&why.to_string()));
            }
            // What nobody can decide any more needs no person.
            let is_late = matches!(news, News::Held(held) if held.ask.expires_s <= now_s());
            if left == 0 || is_late || !why.may_pass() {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
    }

    async fn send(&self, news: &News, body: &str) -> Result<(), Untaken> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("interceptor"));
        let delivery = format!("{}/{}", word(news), news.approval().ask.id);
        for (name, value) in
            [("x-interceptor-delivery", Some(delivery)), ("x-interceptor-signature", self.signature(body))]
        {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let sent = self.fetch.send(Method::POST, &self.address, headers, body.to_owned()).await;
        match sent.map_err(Untaken::Unfetched)?.status {
            status if status.is_success() => Ok(()),
            status => Err(Untaken::Status(status)),
        }
    }

    /// `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`, so that an old message cannot be sent again as a new one.
    fn signature(&self, body: &str) -> Option<String> {
        let secret = self.settings.secret.as_deref()?;
        let at = now_s();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), format!("{at}.{body}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("t={at},v1={hex}"))
    }

    /// What is said. Every text of an agent's or a person's is masked once more here, whatever was done before.
    fn message(&self, news: &News) -> Value {
        let approval = news.approval();
        let ask = &approval.ask;
        let masked = |text: &str| Masked::of(text).as_str().to_owned();
        let list = |texts: &[String]| texts.iter().map(|text| masked(text)).collect::<Vec<String>>();
        let rules: Vec<String> = ask.rules.iter().map(|rule| masked(&rule.name)).collect();
        let text: Option<String> = self.settings.statement.then(|| masked(&ask.text).chars().take(TEXT_MAX).collect());
        let link = self.page.as_ref().map(|page| format!("{page}/approvals/{}", ask.id));
        match self.settings.kind {
            WebhookKind::Generic => json!({
                "event": word(news), "id": ask.id, "state": approval.state.as_str(), "why": approval.why.as_deref().map(masked),
                "agent": masked(&ask.agent), "agent_by": masked(&ask.agent_by), "groups": list(&ask.groups), "host": masked(&ask.host),
                "uid": ask.uid, "pid": ask.pid, "executable": masked(&ask.executable), "database": masked(&ask.database), "dbname": masked(&ask.dbname),
                "database_user": masked(&ask.database_user), "rules": rules, "kinds": ask.kinds, "tables": list(&ask.tables), "sensitive": list(&ask.sensitive),
                "estimate": ask.estimate, "statement": text,
                "record": ask.record, "asked_s": ask.asked_s, "expires_s": ask.expires_s, "link": link,
            }),
            WebhookKind::Slack => {
                let rules = rules.join(", ");
                let what = match news {
                    News::Held(_) => format!(
                        "waits for a person: {} ({}) of {} on {} ({rules}): {}",
                        masked(&ask.agent),
                        masked(&ask.executable),
                        masked(&ask.host),
                        masked(&ask.database),
                        would(ask, &list)
                    ),
                    News::Over(_) => {
                        let why = approval.why.as_deref().map(masked).unwrap_or_default();
                        format!("is over: {}: {why}", approval.state.as_str())
                    }
                };
                let place = link.unwrap_or_else(|| format!("`interceptor approvals show {}`", ask.id));
                let text =
                    text.filter(|_| approval.state == State::Pending).map(|text| format!("\n> {}", slack(&text)));
                json!({ "text": format!("{} {}\n{place}{}", ask.id, slack(&what), text.unwrap_or_default()) })
            }
        }
    }
}

/// What it would do, in a line.
fn would(ask: &Ask, list: &impl Fn(&[String]) -> Vec<String>) -> String {
    let mut words = vec![ask.kinds.join(", ") + " " + &list(&ask.tables).join(", ")];
    words.extend(ask.estimate.map(|estimate| format!("at most {} rows, cost {}", estimate.rows, estimate.cost)));
    words.extend((!ask.sensitive.is_empty()).then(|| format!("sensitive: {}", list(&ask.sensitive).join(", "))));
    words.join("; ").trim_end().to_owned()
}

fn word(news: &News) -> &'static str {
    match news {
        News::Held(_) => "held",
        News::Over(_) => "over",
    }
}

/// Text in which nothing acts in a chat: no mention, no link, no markup of its own.
fn slack(text: &str) -> String {
    plain(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('@', "@\u{2060}")
        .replace('`', "'")
}
