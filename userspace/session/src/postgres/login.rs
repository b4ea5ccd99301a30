//! From the startup packet to the first ReadyForQuery: authentication passes unchanged but strictly read, the cancel secret is
//! replaced, what the server reports of itself is watched.

use pan::Masked;

use super::messages::{self, Body};
use super::settings::{self, Encoding};
use super::{Connection, Cx, Fatal, Phase, Step, key};
use crate::{CancelTarget, Key, SECRET_MAX};

/// What the login brought.
#[derive(Debug)]
pub(super) struct Login {
    /// The newest version that the database speaks with us, once it said so.
    negotiated: Option<u32>,
    /// The agent knows which version and options it got.
    told: bool,
    authenticated: bool,
    /// The database waits for the agent's next authentication message.
    pub(super) asks_agent: bool,
    /// The secret that the agent holds.
    pub(super) issued: Option<Key>,
    /// A cancel request's packet for the database.
    pub(super) cancel: Vec<u8>,
    /// The server reports its user; until then what the agent asked for stands in the record.
    pub(super) database_user: Option<Masked>,
    pub(super) encoding: Encoding,
    server_is_utf8: bool,
}

impl Default for Login {
    fn default() -> Login {
        Login {
            negotiated: None,
            told: false,
            authenticated: false,
            asks_agent: false,
            issued: None,
            cancel: Vec::new(),
            database_user: None,
            encoding: Encoding::Utf8,
            server_is_utf8: false,
        }
    }
}

impl Connection {
    /// NegotiateProtocolVersion of the database. We sent no option, so it may refuse none.
    pub(super) fn negotiate(&mut self, body: &[u8]) -> Step {
        let malformed = || Fatal::database("malformed NegotiateProtocolVersion");
        let mut body = Body::new(body);
        let newest = body.u32().ok_or_else(malformed)?;
        let options = body.i32().ok_or_else(malformed)?;
        body.end().ok_or_else(malformed)?;
        // Servers send the whole version number, whatever the manual says (ProcessStartupPacket).
        let newest = if newest >> 16 == 0 { (3 << 16) | newest } else { newest };
        let fits = options == 0 && newest >> 16 == 3 && newest < self.startup.version;
        if !fits || self.login.negotiated.is_some() || self.login.told {
            return Err(malformed());
        }
        self.login.negotiated = Some(newest);
        Ok(())
    }

    /// Before the database's first other message the agent hears which version and options it got, if not those it asked for.
    pub(super) fn tell_version(&mut self, cx: &mut Cx<'_, '_>) {
        if self.login.told {
            return;
        }
        self.login.told = true;
        let version = self.login.negotiated.unwrap_or(self.startup.version);
        if version >= self.startup.asked && self.startup.unknown.is_empty() {
            return;
        }
        let mark = cx.out.mark();
        let unknown = &self.startup.unknown;
        messages::message(&mut cx.out.own, b'v', |out| {
            out.extend_from_slice(&version.to_be_bytes());
            out.extend_from_slice(&(unknown.len() as u32).to_be_bytes());
            unknown.iter().for_each(|name| messages::write_string(out, name));
        });
        cx.out.agent_own(mark);
    }

    /// An authentication request; the caller relays it.
    pub(super) fn authentication(&mut self, body: &[u8]) -> Step {
        let malformed = || Fatal::database("malformed authentication request");
        let mut body = Body::new(body);
        let code = body.u32().ok_or_else(malformed)?;
        if self.login.authenticated {
            return Err(malformed());
        }
        match code {
            0 => {
                body.end().ok_or_else(malformed)?;
                self.login.authenticated = true;
                self.login.asks_agent = false;
            }
            // Cleartext; GSSAPI; SSPI.
            3 | 7 | 9 => {
                body.end().ok_or_else(malformed)?;
                self.login.asks_agent = true;
            }
            // MD5 with its salt.
            5 => {
                body.bytes(4).ok_or_else(malformed)?;
                body.end().ok_or_else(malformed)?;
                self.login.asks_agent = true;
            }
            // The SASL mechanisms: strings, then an empty one.
            10 => {
                while !body.string().ok_or_else(malformed)?.is_empty() {}
                body.end().ok_or_else(malformed)?;
                self.login.asks_agent = true;
            }
            // GSSAPI or SASL goes on.
            8 | 11 => self.login.asks_agent = true,
            // SASL's last word; AuthenticationOk follows.
            12 => self.login.asks_agent = false,
            _ => return Err(malformed()),
        }
        Ok(())
    }

    /// BackendKeyData: the server's process id, a secret of ours.
    pub(super) fn backend_key(&mut self, body: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let malformed = || Fatal::database("malformed BackendKeyData");
        let mut body = Body::new(body);
        let pid = body.i32().ok_or_else(malformed)?;
        let long = self.login.negotiated.unwrap_or(self.startup.version) & 0xffff >= 2;
        let secret = body.rest();
        let fits = if long { (4..=SECRET_MAX).contains(&secret.len()) } else { secret.len() == 4 };
        let real = key(pid, secret).filter(|_| fits).ok_or_else(malformed)?;
        let cut = self.open.secret.get(..if long { 32 } else { 4 }).unwrap_or_default();
        let issued = key(pid, cut).ok_or_else(malformed)?;
        if self.login.issued.is_some() {
            return Err(malformed());
        }
        let target = CancelTarget {
            origin: self.open.origin,
            key: real,
            subject: self.open.subject.clone(),
            session: self.open.id,
        };
        cx.shared.cancels.register(issued.clone(), target);
        let mark = cx.out.mark();
        messages::message(&mut cx.out.own, b'K', |out| {
            out.extend_from_slice(&pid.to_be_bytes());
            out.extend_from_slice(cut);
        });
        cx.out.agent_own(mark);
        self.login.issued = Some(issued);
        Ok(())
    }

    /// ParameterStatus, in any phase; the caller relays it, masked.
    pub(super) fn watch(&mut self, body: &[u8]) -> Step {
        let (name, value) = messages::parameter_status(body).ok_or(Fatal::database("malformed ParameterStatus"))?;
        match name {
            b"standard_conforming_strings" if value != b"on" => {
                return Err(Fatal::new(b"42501", "standard_conforming_strings is not on")
                    .hint("the interceptor reads statements as the server does only while this setting is on"));
            }
            b"client_encoding" => match settings::encoding(value) {
                Some(encoding) => self.login.encoding = encoding,
                None => return Err(unreadable_encoding()),
            },
            b"server_encoding" => self.login.server_is_utf8 = settings::encoding(value) == Some(Encoding::Utf8),
            b"session_authorization" => {
                let user = Masked::of_bytes(value);
                if self.login.database_user.as_ref().is_some_and(|known| *known != user) {
                    self.schemas.doubt();
                }
                self.login.database_user = Some(user);
            }
            _ => {}
        }
        // The server reports its encoding before the first ReadyForQuery; the order of the two is not promised.
        if self.phase == Phase::Ready { self.check_encoding() } else { Ok(()) }
    }

    fn check_encoding(&self) -> Step {
        let raw = self.login.encoding == Encoding::SqlAscii && !self.login.server_is_utf8;
        if raw { Err(unreadable_encoding()) } else { Ok(()) }
    }

    /// The first ReadyForQuery.
    pub(super) fn logged_in(&mut self, status: u8, cx: &mut Cx<'_, '_>) -> Step {
        if !self.login.authenticated || status != b'I' {
            return Err(Fatal::database("ReadyForQuery before authentication"));
        }
        self.check_encoding()?;
        self.phase = Phase::Ready;
        self.status = status;
        // Statements of the startup's login only: what they need is released.
        self.startup.unknown = Vec::new();
        if self.asks_catalog() {
            self.ask_catalog(true, cx);
        } else {
            self.send_ready(status, cx);
        }
        Ok(())
    }

    pub(super) fn send_ready(&mut self, status: u8, cx: &mut Cx<'_, '_>) {
        let mark = cx.out.mark();
        messages::write_ready(&mut cx.out.own, status);
        cx.out.agent_own(mark);
    }
}

fn unreadable_encoding() -> Fatal {
    Fatal::new(b"42501", "this client_encoding is not admitted")
        .hint("use UTF8 or LATIN1; SQL_ASCII only on a UTF8 database")
}
