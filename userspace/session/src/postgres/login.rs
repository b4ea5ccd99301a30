//! From the startup packet to the first ReadyForQuery: authentication passes unchanged but strictly read, the cancel secret is
//! replaced, what the server reports of itself is watched.

use pan::Masked;
use wire::postgres::backend::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, TransactionStatus,
};
use wire::postgres::encode;
use wire::postgres::frontend::authentication::{Password, SaslInitialResponse};

use super::budget::Budget;
use super::inject::Inject;
use super::scram::Scram;
use super::settings::{self, Encoding};
use super::{Connection, Cx, Fatal, Phase, Step};
use crate::{CancelTarget, Key};

/// What the login brought.
#[derive(Debug)]
pub(super) struct Login {
    /// The newest minor version that the database speaks with us, once it said so.
    negotiated: Option<u16>,
    /// The agent knows which version and options it got.
    told: bool,
    authenticated: bool,
    /// The database offered channel binding; the agent was not told.
    pub(super) bound: bool,
    pub(super) scram: Scram,
    pub(super) inject: Inject,
    /// How the login is made, for the record; empty: the database has not said.
    pub(super) way: &'static str,
    /// The authentication message that the database waits for.
    pub(super) asked: Option<Asked>,
    /// The secret that the agent holds.
    pub(super) issued: Option<Key>,
    /// The server reports its user; until then what the agent asked for stands in the record.
    pub(super) database_user: Option<Masked>,
    pub(super) encoding: Encoding,
    /// A statement that may change `encoding` was sent, and its transaction has not ended.
    pub(super) unsettled: bool,
    /// `observe`: standard_conforming_strings is off, so statements mean to the server what they do not mean to us.
    pub(super) misreads: bool,
    server_is_utf8: bool,
}

/// What kind of authentication message is due from the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Password,
    SaslInitial,
    /// Any bytes.
    SaslOrGss,
}

impl Default for Login {
    fn default() -> Login {
        Login {
            negotiated: None,
            told: false,
            authenticated: false,
            bound: false,
            scram: Scram::default(),
            inject: Inject::default(),
            way: "",
            asked: None,
            issued: None,
            database_user: None,
            encoding: Encoding::Utf8,
            unsettled: false,
            misreads: false,
            server_is_utf8: false,
        }
    }
}

impl Login {
    /// Whether bytes in this encoding can be read. SQL_ASCII is whatever the server keeps.
    pub(super) fn reads(&self, encoding: Encoding) -> bool {
        encoding != Encoding::SqlAscii || self.server_is_utf8
    }
}

impl Connection {
    /// NegotiateProtocolVersion of the database. We sent no option, so it may refuse none.
    pub(super) fn negotiate(&mut self, body: &[u8]) -> Step {
        let newest = NegotiateProtocolVersion::parse(body).map_err(Fatal::of_database)?;
        let fits = newest.is_empty() && newest.minor < self.startup.minor;
        if !fits || self.login.negotiated.is_some() || self.login.told {
            return Err(Fatal::database("the database negotiates a protocol that was not asked for"));
        }
        self.login.negotiated = Some(newest.minor);
        Ok(())
    }

    fn minor(&self) -> u16 {
        self.login.negotiated.unwrap_or(self.startup.minor)
    }

    /// Before the database's first other message the agent hears which version and options it got, if not those it asked for.
    pub(super) fn tell_version(&mut self, cx: &mut Cx<'_, '_>) -> Step {
        if self.login.told {
            return Ok(());
        }
        self.login.told = true;
        if self.minor() >= self.startup.asked && self.startup.opening().unknown.is_empty() {
            return Ok(());
        }
        let (mark, minor) = (cx.out.mark(), self.minor());
        let unknown = &self.startup.opening().unknown;
        encode::negotiate_protocol_version(&mut cx.out.own, minor, unknown.iter().map(Vec::as_slice))?;
        cx.out.agent_own(mark);
        Ok(())
    }

    /// An authentication request; the caller relays it.
    pub(super) fn authentication(&mut self, step: Authentication<'_>) -> Step {
        if self.login.authenticated {
            return Err(Fatal::database("authentication goes on after its end"));
        }
        if self.login.way.is_empty() {
            self.login.way = way(&step);
        }
        self.login.asked = match step {
            Authentication::Ok => {
                self.login.authenticated = true;
                None
            }
            // AuthenticationOk follows by itself.
            Authentication::SaslFinal(_) => None,
            Authentication::CleartextPassword | Authentication::Md5Password(_) => Some(Asked::Password),
            Authentication::Sasl(_) => Some(Asked::SaslInitial),
            Authentication::Gss
            | Authentication::GssContinue(_)
            | Authentication::Sspi
            | Authentication::SaslContinue(_) => Some(Asked::SaslOrGss),
            Authentication::KerberosV5 | Authentication::ScmCredential => {
                return Err(Fatal::database("an authentication method that no supported server has"));
            }
        };
        Ok(())
    }

    /// The agent's answer. True: the caller relays it.
    pub(super) fn authentication_answer(&mut self, body: &[u8], cx: &mut Cx<'_, '_>) -> Result<bool, Fatal> {
        match self.login.asked.take() {
            Some(Asked::Password) => Password::parse(body).map(|_| true).map_err(Fatal::of_agent),
            Some(Asked::SaslInitial) => {
                let chosen = SaslInitialResponse::parse(body).map_err(Fatal::of_agent)?;
                Ok(!self.begins_scram(&chosen, cx)? && self.sasl_chosen(&chosen).map(|()| true)?)
            }
            Some(Asked::SaslOrGss) => Ok(!self.proves_scram(body, cx)?),
            None => Err(Fatal::agent("an authentication message that was not asked for")),
        }
    }

    /// Texts beyond ASCII cannot be read: the encoding may have been changed since the server last reported it.
    pub(super) fn encoding_is_unsure(&self) -> bool {
        self.login.unsettled && !self.queue.is_between_transactions()
    }

    /// BackendKeyData: the server's process id, a secret of ours.
    pub(super) fn backend_key(&mut self, body: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let misfit = || Fatal::database("a cancel key that does not fit the protocol's version");
        let data = BackendKeyData::parse(body).map_err(Fatal::of_database)?;
        let long = self.minor() >= 2;
        let fits = (long || data.key.len() == 4) && self.login.issued.is_none();
        let real = Key::new(data.pid, data.key).filter(|_| fits).ok_or_else(misfit)?;
        let cut = self.open.secret.get(..if long { 32 } else { 4 }).unwrap_or_default();
        let issued = Key::new(data.pid, cut).ok_or_else(misfit)?;
        let target = CancelTarget {
            origin: self.open.origin,
            key: real,
            subject: self.open.subject.clone(),
            session: self.open.id,
            held: self.held.clone(),
        };
        cx.shared.cancels.register(issued.clone(), target);
        let mark = cx.out.mark();
        encode::backend_key_data(&mut cx.out.own, data.pid, cut)?;
        cx.out.agent_own(mark);
        self.login.issued = Some(issued);
        Ok(())
    }

    /// ParameterStatus, in any phase; the caller relays it, masked.
    pub(super) fn watch(&mut self, body: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let ParameterStatus { name, value, .. } = ParameterStatus::parse(body).map_err(Fatal::of_database)?;
        match name {
            // Forwarded all the same while observing: from now on no statement can be judged.
            b"standard_conforming_strings" if self.observes() => self.login.misreads = value != b"on",
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
                let changes = self.login.database_user.as_ref().is_some_and(|known| *known != user);
                self.login.database_user = Some(user);
                if changes {
                    self.schemas.doubt();
                    self.is_another_user(cx)?;
                }
            }
            _ => {}
        }
        // The server reports its encoding before the first ReadyForQuery; the order of the two is not promised.
        if self.phase == Phase::Ready { self.check_encoding() } else { Ok(()) }
    }

    /// What the server calls the session's user is what its records say from here on; where they have no room for it there are none.
    fn is_another_user(&mut self, cx: &mut Cx<'_, '_>) -> Step {
        if self.phase != Phase::Ready {
            return Ok(()); // the login's record names it
        }
        let before = self.owes();
        self.name_actor();
        let grown = self.owes().saturating_sub(before);
        if self.grows_in_room(grown, cx) { Ok(()) } else { Err(Fatal::unrecorded()) }
    }

    fn check_encoding(&self) -> Step {
        if self.login.reads(self.login.encoding) { Ok(()) } else { Err(unreadable_encoding()) }
    }

    /// The first ReadyForQuery.
    pub(super) fn logged_in(&mut self, status: TransactionStatus, cx: &mut Cx<'_, '_>) -> Step {
        if !self.login.authenticated || status != TransactionStatus::Idle {
            return Err(Fatal::database("ReadyForQuery before authentication"));
        }
        self.check_encoding()?;
        self.record_login(None, None, cx);
        self.phase = Phase::Ready;
        self.budget = Budget::open(&self.open.subject.policy.agent, cx);
        self.place = cx.shared.catalogs.seen.place(&self.open.database.name, &self.startup.dbname);
        self.status = status;
        self.startup.opening = None;
        if self.asks_catalog() {
            self.ask_at_once(true, cx)?;
        }
        // The agent may begin: what it sends waits for the answer, which is on its way by then.
        let mark = cx.out.mark();
        encode::ready_for_query(&mut cx.out.own, status);
        cx.out.agent_own(mark);
        Ok(())
    }
}

/// What the database asked for first.
fn way(step: &Authentication<'_>) -> &'static str {
    match step {
        Authentication::Ok => "none",
        Authentication::CleartextPassword => "password",
        Authentication::Md5Password(_) => "md5",
        Authentication::Gss => "gss",
        Authentication::Sspi => "sspi",
        Authentication::Sasl(_) => "sasl",
        _ => "unknown",
    }
}

fn unreadable_encoding() -> Fatal {
    Fatal::new(b"42501", "this client_encoding is not admitted")
        .hint("use UTF8 or LATIN1; SQL_ASCII only on a UTF8 database")
}
