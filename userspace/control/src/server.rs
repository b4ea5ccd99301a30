//! The server's end: a socket file, a thread, a few routes.
use std::fmt;
use std::fs::Permissions;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::api::{self, Links, Peer};
use crate::approvals::{Approvals, Login, Rejected, Reviewer, Standing, Vote};
use crate::columns::Columns;
use crate::grants::{self, Wanted};
use crate::metrics;
use crate::oidc::{self, Oidc};
use crate::rules::RuleBook;
use crate::saml::{self, Saml};
use crate::samples::{self, Samples};
use crate::status::{LiveSession, Status};
use crate::timeline::Timeline;
use crate::tokens::{TOKEN_KEY_BYTES, Tokens};
use crate::web::sessions::Sessions;
use crate::web::{self, Limited, Way};
use crate::webhooks::{Hook, Webhook};
use crate::workload::routes as identities;
use crate::workload::{Caller, IsThere, Process, SvidAsk, TokenNews, Workloads};

/// Where to serve.
#[derive(Debug)]
pub struct Settings {
    /// The socket's file, `run_dir/admin.sock`. Who may write to it (root, the service's account and its group) may use it.
    pub socket: PathBuf,
    /// The page, if there is one.
    pub page: Option<Page>,
    /// Who is told of what waits for a person.
    pub webhooks: Vec<Webhook>,
    /// Tokens of agents' jobs, if the configuration has issuers.
    pub workloads: Option<Arc<Workloads>>,
}

/// The identity provider of the people.
#[derive(Debug)]
pub enum Provider {
    /// By OpenID Connect.
    Oidc(oidc::Settings),
    /// By SAML 2.0.
    Saml(saml::Settings),
}

/// The web page.
pub struct Page {
    /// Where it listens.
    pub listener: TcpListener,
    /// Where people find it, such as `https://reviews.example`; `None`: where it listens.
    pub url: Option<String>,
    /// Where people log in besides.
    pub provider: Option<Provider>,
    /// Signs the API's tokens: another one ends them all.
    pub token_key: [u8; TOKEN_KEY_BYTES],
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("url", &self.url).field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// What the program knows. Called on the control thread, which may wait; nothing of the data path waits for it.
pub trait Source: Send + Sync + 'static {
    /// The service as it is now.
    fn status(&self) -> Status;
    /// What was seen in the columns of tables.
    fn columns(&self) -> Columns;
    /// Held statements.
    fn approvals(&self) -> &Approvals;
    /// Hands a person's word to the session that waits for it. False: its shard does not listen.
    fn vote(&self, vote: &Vote) -> bool;
    /// The open sessions, as far as the shards tell.
    fn sessions(&self) -> Vec<LiveSession>;
    /// The rules in force, and how often each decided.
    fn rules(&self) -> RuleBook;
    /// What this session did. That this person reads it is recorded first, or nothing is shown.
    fn timeline(&self, _id: &str, _reviewer: &Reviewer, _login: &Login) -> Result<Timeline, Rejected> {
        Err(Rejected::NoSession)
    }
    /// Ends this session, whatever runs; its agent is told why. False: there is none of this name, or its shard does not listen.
    fn end_session(&self, id: &str, why: &str) -> bool;
    /// A webhook's message was not taken, and why; `None`: one was again.
    fn webhook(&self, name: &str, failed: Option<&str>);
    /// A person approves in advance; recorded before it counts.
    fn grant(&self, _wanted: &Wanted, _reviewer: &Reviewer, _login: &Login) -> Result<Standing, Rejected> {
        Err(Rejected::Nothing("rule that holds"))
    }
    /// A person takes back what stands under this id, or ends what is shown under it.
    fn take_back(&self, _id: &str, _reviewer: &Reviewer, _login: &Login, _reason: &str) -> Result<(), Rejected> {
        Err(Rejected::NothingStands)
    }
    /// Which job the process at the other end of this socket is of, as the kernel says; or why that cannot be told.
    fn caller(&self, _end: &std::os::fd::OwnedFd) -> Result<Caller, String> {
        Err("this program does not know".to_owned())
    }
    /// Holds on to this process, so that its number cannot come to be another's unseen; an error: it is not there, or not of this job.
    fn hold(&self, _process: &Caller) -> Result<IsThere, String> {
        Err("this program does not know".to_owned())
    }
    /// The processes that have sessions, of the job of this cgroup.
    fn processes(&self, _cgroup: u64) -> Vec<Process> {
        Vec::new()
    }
    /// The token that this session waits for is bound, or why there is none.
    fn token_is(&self, _ask: &SvidAsk, _outcome: Result<(), &str>) {}
    /// Records what became of a token, and tells its sessions. False: it could not be recorded, and counts for nothing.
    fn token(&self, _news: &TokenNews<'_>) -> bool {
        false
    }
    /// Reads the policy again: the version now in force, or why the old one stays.
    fn reload(&self, by: Option<u32>) -> Result<String, String>;
}

/// Why the socket cannot be served.
#[derive(Debug)]
pub enum ServeError {
    /// Another service answers on it.
    Taken(PathBuf),
    /// The file cannot be made.
    Socket(PathBuf, io::Error),
    /// No thread or no runtime.
    Thread(io::Error),
    /// The identity provider cannot be used as it is configured.
    Provider(io::Error),
    /// The webhook of this name cannot.
    Webhook(String, io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Taken(path) => write!(f, "{}: another service answers here", path.display()),
            ServeError::Socket(path, error) => write!(f, "{}: {error}", path.display()),
            ServeError::Thread(error) => write!(f, "the control thread cannot start: {error}"),
            ServeError::Provider(error) => write!(f, "[admin.oidc]: {error}"),
            ServeError::Webhook(name, error) => write!(f, "[[webhook]] {name}: {error}"),
        }
    }
}

impl std::error::Error for ServeError {}

/// The running server; dropped, it stops and removes its socket.
#[derive(Debug)]
pub struct Handle {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    socket: PathBuf,
}

impl Handle {
    /// Whether the server's thread still runs.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Gone already, or removed by somebody: either way it is no longer there.
        let _ = std::fs::remove_file(&self.socket);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Begins to answer; when this returns, a client can connect.
pub fn serve(settings: Settings, source: Arc<dyn Source>) -> Result<Handle, ServeError> {
    let listener = listen(&settings.socket, 0o660)?;
    // A job is nobody's that could be named in advance: everybody may come.
    let workloads = settings.workloads;
    let posts = workloads.as_ref().map(|all| listen(all.socket(), 0o666)).transpose()?;
    let sessions = Arc::new(Sessions::default());
    let web = settings.page.map(|page| prepare(page, &source, &sessions)).transpose()?;
    let page = web.as_ref().map(|web| (web.url.clone(), Arc::clone(&web.tokens)));
    let links = Links { sessions, page };
    let url = web.as_ref().map(|web| web.url.clone());
    let hooks = settings.webhooks.into_iter().map(|hook| {
        let name = hook.name.clone();
        Hook::new(hook, url.clone()).map(Arc::new).map_err(|error| ServeError::Webhook(name, error))
    });
    let hooks: Arc<[Arc<Hook>]> = hooks.collect::<Result<Vec<_>, _>>()?.into();
    // They hear from here on, not from when their thread comes to it.
    let lines: Vec<_> = hooks.iter().map(|_| source.approvals().news()).collect();
    // With its timer: axum sleeps for a second where accept() fails for want of descriptors.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Thread)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = Builder::new().name("control".to_owned()).spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
            for (hook, line) in hooks.iter().zip(lines) {
                tokio::spawn(Arc::clone(hook).run(line, Arc::clone(&source)));
            }
            if let Some((posts, workloads)) = posts.zip(workloads.clone()) {
                let Ok(posts) = tokio::net::UnixListener::from_std(posts) else { return };
                tokio::spawn(workloads.serve(posts, Arc::clone(&source)));
            }
            let service =
                router(Arc::clone(&source), links, hooks, workloads).into_make_service_with_connect_info::<Peer>();
            tokio::select! {
                _ = stopped => {}
                _ = axum::serve(listener, service) => {}
                _ = serve_page(web, source) => {}
            }
        });
    });
    let thread = Some(thread.map_err(ServeError::Thread)?);
    Ok(Handle { stop: Some(stop), thread, socket: settings.socket })
}

/// Makes the socket under another name and moves it into place when its mode is right, so that nobody ever sees it otherwise.
/// One that a dead service left is replaced.
fn listen(path: &Path, mode: u32) -> Result<UnixListener, ServeError> {
    if UnixStream::connect(path).is_ok() {
        return Err(ServeError::Taken(path.to_path_buf()));
    }
    let fresh = path.with_extension("sock.new");
    let make = || {
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&fresh)?;
        std::fs::set_permissions(&fresh, Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        std::fs::rename(&fresh, path)?;
        Ok(listener)
    };
    make().map_err(|error| ServeError::Socket(path.to_path_buf(), error))
}

/// The page, ready to be served.
struct Ready {
    listener: TcpListener,
    routes: axum::Router,
    url: String,
    tokens: Arc<Tokens>,
    samples: Arc<Samples>,
}

fn prepare(page: Page, source: &Arc<dyn Source>, sessions: &Arc<Sessions>) -> Result<Ready, ServeError> {
    let Page { listener, url, provider, token_key } = page;
    listener.set_nonblocking(true).map_err(ServeError::Thread)?;
    let address = listener.local_addr().map_err(ServeError::Thread)?;
    let found = url.clone().unwrap_or_else(|| format!("http://{address}"));
    let way = match provider {
        None => None,
        Some(Provider::Oidc(settings)) => {
            Some(Way::Oidc(Box::new(Oidc::new(settings, &found).map_err(ServeError::Provider)?)))
        }
        Some(Provider::Saml(settings)) => Some(Way::Saml(Box::new(Saml::new(settings)))),
    };
    let (source, sessions) = (Arc::clone(source), Arc::clone(sessions));
    let tokens = Arc::new(Tokens::new(&token_key, &found));
    let ways_in = (way.map(Arc::new), Arc::clone(&tokens));
    let samples = Arc::new(Samples::default());
    let routes = web::routes((source, sessions, Arc::clone(&samples)), ways_in, (address, url.as_deref()));
    Ok(Ready { listener, routes, url: found, tokens, samples })
}

/// The page, for ever; without one it only never ends.
async fn serve_page(web: Option<Ready>, source: Arc<dyn Source>) {
    if let Some(Ready { listener, routes, samples, .. }) = web
        && let Ok(listener) = tokio::net::TcpListener::from_std(listener)
    {
        tokio::spawn(samples::take(samples, source));
        let _ = axum::serve(Limited::new(listener), routes).await;
    }
    std::future::pending::<()>().await;
}

fn router(
    source: Arc<dyn Source>,
    links: Links,
    hooks: Arc<[Arc<Hook>]>,
    workloads: identities::Place,
) -> axum::Router {
    axum::Router::new()
        .route("/status", get(status))
        .route("/columns", get(columns))
        .route("/metrics", get(page))
        .route("/reload", post(reload))
        .merge(api::routes())
        .merge(grants::routes())
        .merge(identities::routes())
        .route("/login", post(api::login))
        .route("/token", post(api::token))
        .layer(Extension(links))
        .layer(Extension(workloads))
        .layer(Extension(hooks))
        .with_state(source)
}

/// The status and what must not be overlooked in it.
#[derive(Serialize)]
struct Answer {
    warnings: Vec<String>,
    #[serde(flatten)]
    status: Status,
    /// Bound tokens and issuers; absent: no issuer is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    identities: Option<identities::Summary>,
}

async fn status(State(source): State<Arc<dyn Source>>, place: Extension<identities::Place>) -> Response {
    let status = source.status();
    let mut warnings = status.warnings();
    warnings.extend(source.approvals().all_revealed(api::now_s()).iter().map(|shown| {
        let columns = shown.columns.join(", ");
        format!("{}: agent {} is shown CLEAR VALUES of {columns} on {}", shown.id, shown.agent, shown.database)
    }));
    let identities = place.as_ref().map(|workloads| identities::Summary::of(workloads));
    warnings.extend(identities.iter().flat_map(identities::Summary::warnings));
    Json(Answer { warnings, status, identities }).into_response()
}

async fn columns(State(source): State<Arc<dyn Source>>) -> Response {
    Json(source.columns()).into_response()
}

async fn page(State(source): State<Arc<dyn Source>>, hooks: Extension<Arc<[Arc<Hook>]>>) -> Response {
    let mut status = source.status();
    status.figures.extend(hooks.iter().flat_map(|hook| hook.figures()));
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::page(&status)).into_response()
}

async fn reload(State(source): State<Arc<dyn Source>>, peer: ConnectInfo<Peer>) -> Response {
    match source.reload(peer.0.0) {
        Ok(version) => version.into_response(),
        Err(why) => (StatusCode::CONFLICT, why).into_response(),
    }
}
