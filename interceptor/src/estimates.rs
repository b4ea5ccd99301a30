//! Our own logins: for each database that has one a thread that asks its planner. What fails here is no agent's trouble: there is no
//! estimate then, and a rule that asks for one counts it as too many.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ring::rand::{SecureRandom, SystemRandom};
use session::planner::{Credentials, Heard, Over, Planner};
use session::{Estimate, EstimateAsk};

use crate::config::Config;
use crate::service::Service;
use crate::tls::Legs;
use crate::verifiers::password;

mod plan;

/// Statements that may wait for one database's planner.
const WAITING_MAX: usize = 64;
/// Connections of one login: one for each of the databases behind an endpoint, the last that were asked.
const CONNECTIONS_MAX: usize = 4;
/// A login that failed is not tried again before.
const PAUSE: Duration = Duration::from_secs(5);
/// How long the catalog's question may take.
const SURVEY: Duration = Duration::from_secs(10);

/// The roles and passwords of all databases that have a login, by the databases' names.
pub type Logins = HashMap<String, Credentials>;

/// Reads the passwords. No byte of one is in an error.
pub fn logins(config: &Config) -> Result<Logins> {
    let mut logins = Logins::new();
    for database in &config.databases {
        let Some(login) = &database.login else { continue };
        let password = password(&login.passfile)
            .with_context(|| format!("[[database]] {}: [database.login] passfile", database.name))?;
        logins.insert(database.name.clone(), Credentials { user: login.user.clone(), password });
    }
    Ok(logins)
}

/// The lines to the threads, by the databases' names.
#[derive(Default)]
pub struct Estimates(HashMap<String, SyncSender<Box<EstimateAsk>>>);

impl Estimates {
    /// Starts a thread for each login. They end with the service.
    pub fn start(service: &Arc<Service>, logins: Logins, tls: &Legs) -> Result<Estimates> {
        let mut lines = HashMap::new();
        for (database, credentials) in logins {
            let (line, asks) = sync_channel(WAITING_MAX);
            let asker = Asker {
                database: database.clone(),
                credentials,
                tls: tls.of(&database).database.clone(),
                connections: Vec::new(),
                not_before: None,
                failing: None,
            };
            let service = Arc::downgrade(service);
            Builder::new()
                .name("estimates".to_owned())
                .spawn(move || serve(&service, asker, &asks))
                .context("a thread for estimates")?;
            lines.insert(database, line);
        }
        Ok(Estimates(lines))
    }

    /// Hands the question on; `false`: there is no room, or no login.
    pub fn ask(&self, ask: Box<EstimateAsk>) -> bool {
        self.0.get(&ask.database).is_some_and(|line| line.try_send(ask).is_ok())
    }
}

fn serve(service: &Weak<Service>, mut asker: Asker, asks: &Receiver<Box<EstimateAsk>>) {
    while let Ok(ask) = asks.recv() {
        let estimate = asker.estimate(&ask);
        let Some(service) = service.upgrade() else { return };
        service.estimated(ask.session, ask.number, estimate);
    }
}

/// One database's login.
struct Asker {
    database: String,
    credentials: Credentials,
    tls: Option<proxy::DatabaseTls>,
    /// The last one that was asked stands last.
    connections: Vec<Connection>,
    not_before: Option<Instant>,
    /// What it fails over, told once.
    failing: Option<String>,
}

/// A login at a database, and the socket below it.
pub(crate) struct Connection {
    origin: SocketAddr,
    dbname: String,
    planner: Planner,
    /// The same socket, for its time limits.
    socket: TcpStream,
    channel: Box<dyn Channel>,
}

trait Channel: Read + Write + Send {}

impl<T: Read + Write + Send> Channel for T {}

impl Asker {
    fn estimate(&mut self, ask: &EstimateAsk) -> Option<Estimate> {
        let until = Instant::now() + left(ask.until_ns)?;
        let mut connection = match self.known(ask) {
            Some(known) => known,
            None => self.connect(ask, until)?,
        };
        match connection.plan(ask, until) {
            Ok(heard) => {
                self.connections.push(connection);
                match heard {
                    Heard::Plan(json) => plan::estimate(&json),
                    Heard::None(why) => {
                        tracing::debug!(database = %self.database, ?why, "no estimate of a statement");
                        None
                    }
                    Heard::More | Heard::Ready | Heard::Rows(_) => None,
                }
            }
            // A connection in the middle of an answer is of no more use; the next statement gets another.
            Err(why) => {
                tracing::debug!(database = %self.database, %why, "a connection of [database.login] ended");
                None
            }
        }
    }

    fn known(&mut self, ask: &EstimateAsk) -> Option<Connection> {
        let is_it = |one: &Connection| one.origin == ask.origin && one.dbname == ask.dbname;
        let at = self.connections.iter().position(is_it)?;
        Some(self.connections.remove(at))
    }

    fn connect(&mut self, ask: &EstimateAsk, until: Instant) -> Option<Connection> {
        if self.not_before.is_some_and(|at| Instant::now() < at) {
            return None;
        }
        if self.connections.len() >= CONNECTIONS_MAX {
            self.connections.remove(0);
        }
        let place = (ask.origin, ask.dbname.as_str());
        match login(&self.credentials, self.tls.as_ref(), place, until, Planner::start) {
            Ok(connection) => {
                if self.failing.take().is_some() {
                    tracing::info!(database = %self.database, "[database.login] is let in again");
                }
                self.not_before = None;
                Some(connection)
            }
            Err(why) => {
                let why = why.to_string();
                if self.failing.as_ref() != Some(&why) {
                    tracing::warn!(database = %self.database, %why, "[database.login] has no connection: no statement has an estimate, and rules that ask for one count it as too many");
                    self.failing = Some(why);
                }
                self.not_before = Some(Instant::now() + PAUSE);
                None
            }
        }
    }
}

/// How a login begins.
type Start = fn(Credentials, &str, [u8; session::NONCE_LEN], Vec<u8>, &mut Vec<u8>) -> Result<Planner, Over>;

/// Logs in.
pub(crate) fn login(
    credentials: &Credentials,
    tls: Option<&proxy::DatabaseTls>,
    (origin, dbname): (SocketAddr, &str),
    until: Instant,
    start: Start,
) -> Result<Connection, Failed> {
    let socket = TcpStream::connect_timeout(&origin, rest(until)?)?;
    limit(&socket, until)?;
    socket.set_nodelay(true)?;
    let (mut channel, binding): (Box<dyn Channel>, Vec<u8>) = match tls {
        None => (Box::new(socket.try_clone()?), Vec::new()),
        Some(tls) => {
            let (stream, binding) = tls.over(socket.try_clone()?, origin.ip())?;
            (Box::new(stream), binding)
        }
    };
    let mut nonce = [0; session::NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).map_err(|_| io::Error::other("the host has no randomness"))?;
    let credentials = Credentials { user: credentials.user.clone(), password: credentials.password.clone() };
    let mut out = Vec::new();
    let mut planner = start(credentials, dbname, nonce, binding, &mut out)?;
    match converse(&mut planner, &socket, &mut *channel, out, until)? {
        Heard::Ready => Ok(Connection { origin, dbname: dbname.to_owned(), planner, socket, channel }),
        _ => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
    }
}

impl Connection {
    /// Says it as it is; its rows, or the database's refusal.
    pub(crate) fn say(&mut self, text: &str, until: Instant) -> Result<Heard, Failed> {
        let mut out = Vec::new();
        match self.planner.survey(text, &mut out) {
            Ok(()) => converse(&mut self.planner, &self.socket, &mut *self.channel, out, until),
            Err(why) => Ok(Heard::None(why)),
        }
    }

    fn plan(&mut self, ask: &EstimateAsk, until: Instant) -> Result<Heard, Failed> {
        let mut out = Vec::new();
        match self.planner.explain(ask, &mut out) {
            Ok(()) => converse(&mut self.planner, &self.socket, &mut *self.channel, out, until),
            Err(why) => Ok(Heard::None(why)),
        }
    }
}

/// What a database holds, asked on our own login once.
pub fn survey(
    credentials: &Credentials,
    tls: Option<&proxy::DatabaseTls>,
    (origin, dbname): (SocketAddr, &str),
    question: &str,
) -> Result<Vec<session::Row>> {
    let until = Instant::now() + SURVEY;
    let failed = |why: Failed| anyhow::anyhow!("{why}");
    let mut connection = login(credentials, tls, (origin, dbname), until, Planner::start).map_err(failed)?;
    match connection.say(question, until).map_err(failed)? {
        Heard::Rows(rows) => Ok(rows),
        Heard::None(session::planner::Why::Refused(code)) => {
            bail!("the database refuses it ({})", String::from_utf8_lossy(&code))
        }
        _ => bail!("the database's answer cannot be read"),
    }
}

/// Says it, and hears the database out.
fn converse(
    planner: &mut Planner,
    socket: &TcpStream,
    channel: &mut dyn Channel,
    mut out: Vec<u8>,
    until: Instant,
) -> Result<Heard, Failed> {
    let mut chunk = vec![0; 16 << 10];
    loop {
        if !out.is_empty() {
            limit(socket, until)?;
            channel.write_all(&out)?;
            channel.flush()?;
            out.clear();
        }
        limit(socket, until)?;
        let count = match channel.read(&mut chunk) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        match planner.hear(chunk.get(..count).unwrap_or_default(), &mut out)? {
            Heard::More => {}
            heard => return Ok(heard),
        }
    }
}

/// Why a login, or a connection, has failed.
#[derive(Debug)]
pub(crate) enum Failed {
    Io(io::Error),
    Over(Over),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Io(error)
    }
}

impl From<Over> for Failed {
    fn from(over: Over) -> Failed {
        Failed::Over(over)
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failed::Io(error) if is_late(error) => f.write_str("the database did not answer in time"),
            Failed::Io(error) => write!(f, "{error}"),
            Failed::Over(over) => over.fmt(f),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// How long whoever asks still waits.
pub(crate) fn left(until_ns: u64) -> Option<Duration> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from).ok()?;
    Duration::from_nanos(until_ns).checked_sub(now)
}

pub(crate) fn rest(until: Instant) -> io::Result<Duration> {
    let rest = until.saturating_duration_since(Instant::now());
    if rest.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(rest) }
}

pub(crate) fn limit(socket: &TcpStream, until: Instant) -> io::Result<()> {
    let rest = Some(rest(until)?);
    socket.set_read_timeout(rest)?;
    socket.set_write_timeout(rest)
}
