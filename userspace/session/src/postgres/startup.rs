//! The first packet: encryption is declined, a cancel request is passed on, a startup packet is read, checked and kept until the
//! database is connected. (The manual, "Start-up" and "Message Formats".)

use std::sync::Arc;

use pan::Masked;
use wire::postgres::encode;
use wire::postgres::startup::{MINOR_NEWEST, Packet, StartupMessage, options};

use super::placeholder::Proof;
use super::{Connection, Cx, Fatal, Phase, Step, settings};
use crate::{AgentTls, Asking, Finish, Injected, LoginAsk, Mode, Signed, TokenAsk};

/// What the agent asked for.
#[derive(Debug, Default)]
pub(super) struct Startup {
    ssl_asked: bool,
    gss_asked: bool,
    /// The minor version that the agent spoke.
    pub(super) asked: u16,
    /// The minor version that we speak to the database: at most [`MINOR_NEWEST`].
    pub(super) minor: u16,
    pub(super) user: Box<str>,
    pub(super) dbname: Box<str>,
    pub(super) application: Box<str>,
    /// The login of ours that takes the place of the agent's.
    pub(super) injected: Option<Arc<Injected>>,
    /// Until the login is over.
    pub(super) opening: Option<Box<Opening>>,
}

/// What only the way to the login needs.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// `_pq_.` options, which we know none of; the agent is told.
    pub(super) unknown: Vec<Vec<u8>>,
    /// Of the placeholder, where one is asked for.
    pub(super) proof: Proof,
    /// What the agent sent, admitted; while the login is asked for.
    waiting: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// The same, while the job's token is asked for.
    unsigned: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// The packet for the database.
    packet: Vec<u8>,
    /// A cancel request's packet for the database.
    pub(super) cancel: Vec<u8>,
}

impl Startup {
    pub(super) fn opening(&mut self) -> &mut Opening {
        self.opening.get_or_insert_default()
    }

    /// Encryption was asked for, whatever came of it.
    pub(super) fn negotiated(&self) -> bool {
        self.ssl_asked || self.gss_asked
    }
}

impl Connection {
    /// One whole packet. `alone`: nothing of the agent's is behind it.
    pub(super) fn startup_packet(&mut self, packet: Packet<'_>, alone: bool, cx: &mut Cx<'_, '_>) -> Step {
        match packet {
            Packet::SslRequest if !self.startup.ssl_asked => {
                self.startup.ssl_asked = true;
                if self.open.database.agent_tls == AgentTls::Disable {
                    decline(alone, cx)
                } else {
                    self.grant_tls(alone, cx)
                }
            }
            Packet::GssEncRequest if !self.startup.gss_asked && !self.tls.agent_began() => {
                self.startup.gss_asked = true;
                decline(alone, cx)
            }
            Packet::SslRequest | Packet::GssEncRequest => {
                Err(Fatal::new(b"0A000", "unsupported frontend protocol: encryption was negotiated already"))
            }
            Packet::Cancel(request) => self.cancel_request(request, cx),
            Packet::Startup(message) => self.startup_message(message, cx),
        }
    }

    fn startup_message(&mut self, message: StartupMessage<'_>, cx: &mut Cx<'_, '_>) -> Step {
        if self.turned_away {
            return Err(Fatal::unrecorded());
        }
        self.admits_identity()?;
        self.admits_leg()?;
        if message.parameters.duplicate().is_some() {
            return Err(Fatal::agent("a startup key is given twice"));
        }
        let mut kept: Vec<(&[u8], &[u8])> = Vec::new();
        let mut options = Vec::new();
        for (name, value) in message.parameters.iter() {
            if name.starts_with(b"_pq_.") {
                self.startup.opening().unknown.push(name.to_vec());
                continue;
            }
            let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Fatal::agent("a startup key is not UTF-8"));
            if name == b"options" {
                read_options(value, &mut options)?;
                continue;
            }
            self.startup_key(text(name)?, text(value)?)?;
            kept.push((name, value));
        }
        if !options.is_empty() {
            kept.push((b"options", &options));
        }
        if self.startup.user.is_empty() {
            return Err(Fatal::new(b"28000", "no PostgreSQL user name specified in startup packet"));
        }
        if self.startup.dbname.is_empty() {
            self.startup.dbname.clone_from(&self.startup.user);
        }
        let admitted = &self.open.database.dbnames;
        if !admitted.is_empty() && !admitted.iter().any(|name| **name == *self.startup.dbname) {
            return Err(Fatal::new(b"42501", "this database is not one that agents may connect to"));
        }
        self.startup.asked = message.minor;
        self.startup.minor = message.minor.min(MINOR_NEWEST);
        if self.open.subject.token.fetched && !self.has_token(cx) {
            return self.asks_token(kept, cx);
        }
        self.logs_in(kept, cx)
    }

    /// With a login of ours, where the database has some.
    fn logs_in(&mut self, kept: Vec<(&[u8], &[u8])>, cx: &mut Cx<'_, '_>) -> Step {
        if self.open.database.asks_login {
            return self.asks_login(kept, cx);
        }
        self.takes_login()?;
        self.connects(kept, cx)
    }

    /// Who the agent's job is has to be found out first.
    fn asks_token(&mut self, kept: Vec<(&[u8], &[u8])>, cx: &mut Cx<'_, '_>) -> Step {
        self.phase = Phase::Connecting;
        self.startup.opening().unsigned = Some(owned(kept));
        let (session, subject) = (self.open.id, Arc::clone(&self.open.subject));
        cx.out.asking.push(Asking::Token(Box::new(TokenAsk { session, subject })));
        Ok(())
    }

    /// The token that was asked for. Where refusals are only recorded the session goes on without one.
    pub(super) fn is_identified(&mut self, token: Result<Arc<Signed>, Box<Masked>>, cx: &mut Cx<'_, '_>) -> Step {
        let waiting = self.startup.opening.as_mut().and_then(|opening| opening.unsigned.take());
        let Some(kept) = waiting.filter(|_| self.phase == Phase::Connecting) else { return Ok(()) };
        match token {
            Ok(signed) => {
                self.is_signed(signed, cx)?;
                self.admits_identity()?;
            }
            Err(_) if self.open.database.mode == Mode::Observe => {}
            Err(why) => {
                let words = format!("who this job is cannot be found out: {}", why.as_str());
                return Err(Fatal::said(b"28000", &words)
                    .hint("see `spiffe` of the [[agent]] in the interceptor's configuration, and its log"));
            }
        }
        self.logs_in(borrowed(&kept), cx)
    }

    /// Everything is known that the database is told: it is dialled.
    fn connects(&mut self, kept: Vec<(&[u8], &[u8])>, cx: &mut Cx<'_, '_>) -> Step {
        self.name_actor();
        let (minor, own) = (self.startup.minor, self.own_keys());
        let mut kept: Vec<(&[u8], &[u8])> = kept;
        // What is ours stands in place of what the agent wrote.
        kept.retain(|(name, _)| !own.iter().any(|(ours, _)| ours.as_bytes() == *name));
        kept.extend(own.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        encode::startup_message(&mut self.startup.opening().packet, minor, kept)?;
        if self.asks_placeholder(cx)? {
            return Ok(());
        }
        self.phase = Phase::Connecting;
        cx.out.connect = true;
        Ok(())
    }

    /// Nobody is given a login whose statements would be refused.
    fn asks_login(&mut self, kept: Vec<(&[u8], &[u8])>, cx: &mut Cx<'_, '_>) -> Step {
        self.phase = Phase::Connecting;
        if let Some(refusal) = self.token_refusal(cx) {
            return Err(Fatal { code: b"28000", message: refusal.message, hint: refusal.hint });
        }
        self.startup.opening().waiting = Some(owned(kept));
        cx.out.asking.push(Asking::Login(Box::new(LoginAsk {
            session: self.open.id,
            database: self.open.database.name.clone(),
            origin: self.open.origin,
            user: self.startup.user.clone(),
            subject: Arc::clone(&self.open.subject),
            signed: self.signed().filter(|(_, agrees)| *agrees).map(|(signed, _)| Arc::clone(signed)),
        })));
        Ok(())
    }

    /// The login that was asked for.
    pub(super) fn is_given(&mut self, login: Result<Arc<Injected>, Box<Masked>>, cx: &mut Cx<'_, '_>) -> Step {
        let waiting = self.startup.opening.as_mut().and_then(|opening| opening.waiting.take());
        let Some(kept) = waiting.filter(|_| self.phase == Phase::Connecting) else { return Ok(()) };
        let login = login.map_err(|why| {
            Fatal::said(b"28000", &format!("the interceptor has no login for this session: {}", why.as_str()))
                .hint("see [database.credentials] of the interceptor's configuration, and its log")
        })?;
        self.startup.user = login.user().into();
        self.startup.injected = Some(login);
        self.connects(borrowed(&kept), cx)
    }

    /// The login that the agent is given in place of its own, by the user that it wrote.
    fn takes_login(&mut self) -> Step {
        let Some(logins) = &self.open.database.logins else { return Ok(()) };
        let login = logins.of(&self.startup.user).ok_or_else(|| {
            Fatal::new(b"28000", "the interceptor has no login for this user of the connection string")
                .hint("see `for` of [[database.credentials.login]] in the interceptor's configuration")
        })?;
        self.startup.user = login.user().into();
        self.startup.injected = Some(Arc::clone(login));
        Ok(())
    }

    /// What the startup packet says in our words.
    fn own_keys(&self) -> Vec<(&'static str, String)> {
        let mut own = Vec::new();
        if self.startup.injected.is_some() {
            own.push(("user", self.startup.user.to_string()));
            own.push(("database", self.startup.dbname.to_string()));
        }
        if self.open.database.tell_agent {
            let agent = &self.open.subject.policy.agent;
            own.push(("interceptor.agent", agent.clone()));
            own.push(("interceptor.principal", self.principal().to_owned()));
            if self.startup.application.is_empty() {
                own.push(("application_name", agent.clone()));
            }
        }
        own
    }

    /// The server looks the protocol's own keys up by letter case, settings without (`ProcessStartupPacket`).
    fn startup_key(&mut self, name: &str, value: &str) -> Step {
        match name {
            "user" => self.startup.user = value.into(),
            "database" => self.startup.dbname = value.into(),
            // A false value asks for nothing (`parse_bool`).
            "replication" if ["false", "off", "no", "0"].contains(&value) => {}
            "replication" => return Err(Fatal::new(b"42501", "replication connections are not served")),
            name => {
                admit(name, value)?;
                if name.eq_ignore_ascii_case("application_name") {
                    self.startup.application = value.into();
                }
            }
        }
        Ok(())
    }

    /// The connection stands: TLS where it shall be, then the startup packet, or the cancel request.
    pub(super) fn connected(&mut self, cx: &mut Cx<'_, '_>) -> Step {
        if self.asks_for_tls(cx) {
            return Ok(());
        }
        let mark = cx.out.mark();
        match self.phase {
            Phase::Connecting => {
                cx.out.own.append(&mut std::mem::take(&mut self.startup.opening().packet));
                self.phase = Phase::Login;
            }
            Phase::Cancelling => cx.out.own.append(&mut self.startup.opening().cancel),
            Phase::Startup | Phase::Checking | Phase::Login | Phase::Ready | Phase::Closed => {
                cx.out.finish = Finish::Abort;
                return Ok(());
            }
        }
        cx.out.database_own(mark);
        Ok(())
    }
}

fn owned(kept: Vec<(&[u8], &[u8])>) -> Vec<(Vec<u8>, Vec<u8>)> {
    kept.into_iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn borrowed(kept: &[(Vec<u8>, Vec<u8>)]) -> Vec<(&[u8], &[u8])> {
    kept.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
}

/// The settings in `options`, admitted one by one, written anew as they were read.
fn read_options(value: &[u8], into: &mut Vec<u8>) -> Step {
    for setting in options::parse(value) {
        let setting = setting.map_err(|why| Fatal::new(b"42601", why.as_str()))?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| Fatal::agent("options are not UTF-8"));
        let (name, value) = (text(setting.name().collect())?, text(setting.value().collect())?);
        admit(&name, &value)?;
        encode::option(into, name.as_bytes(), value.as_bytes())?;
    }
    Ok(())
}

fn admit(name: &str, value: &str) -> Step {
    if settings::admits_at_startup(name, value) {
        return Ok(());
    }
    Err(Fatal::said(b"42501", &format!("startup setting \"{name}\" is not admitted, or not with this value"))
        .hint("what a session may begin with is listed in the interceptor's settings.txt"))
}

fn decline(alone: bool, cx: &mut Cx<'_, '_>) -> Step {
    answer_encryption(b'N', alone, cx)
}

/// One byte. What was sent behind the request was not encrypted and must not be read as if it were (CVE-2021-23214).
pub(super) fn answer_encryption(answer: u8, alone: bool, cx: &mut Cx<'_, '_>) -> Step {
    if !alone {
        return Err(Fatal::agent("received unencrypted data after encryption request"));
    }
    let mark = cx.out.mark();
    cx.out.own.push(answer);
    cx.out.agent_own(mark);
    Ok(())
}
