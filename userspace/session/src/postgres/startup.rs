//! The first packet: encryption is declined, a cancel request is passed on, a startup packet is read, checked and kept until the
//! database is connected. (The manual, "Start-up" and "Message Formats".)

use super::messages::{self, Body};
use super::{Connection, Cx, Fatal, Phase, Step, settings};
use crate::Finish;

const CANCEL: u32 = (1234 << 16) | 5678;
const SSL: u32 = (1234 << 16) | 5679;
const GSS: u32 = (1234 << 16) | 5680;

/// The newest protocol that this crate understands.
const NEWEST: u32 = (3 << 16) | 2;

/// What the agent asked for.
#[derive(Debug, Default)]
pub(super) struct Startup {
    ssl_asked: bool,
    gss_asked: bool,
    /// The version that the agent spoke.
    pub(super) asked: u32,
    /// The version that we speak to the database: at most [`NEWEST`].
    pub(super) version: u32,
    pub(super) user: String,
    pub(super) dbname: String,
    pub(super) application: String,
    /// `_pq_.` options, which we know none of; the agent is told.
    pub(super) unknown: Vec<Vec<u8>>,
    /// The packet for the database.
    packet: Vec<u8>,
}

impl Connection {
    /// One whole packet (its length included). `alone`: nothing of the agent's is behind it.
    pub(super) fn startup_packet(&mut self, packet: &[u8], alone: bool, cx: &mut Cx<'_, '_>) -> Step {
        let mut body = Body::new(packet);
        let (Some(_), Some(code)) = (body.u32(), body.u32()) else {
            return Err(Fatal::agent("invalid length of startup packet"));
        };
        match code {
            SSL if !self.startup.ssl_asked => {
                self.startup.ssl_asked = true;
                decline(body, alone, cx)
            }
            GSS if !self.startup.gss_asked => {
                self.startup.gss_asked = true;
                decline(body, alone, cx)
            }
            SSL | GSS => Err(Fatal::new(b"0A000", "unsupported frontend protocol: encryption was declined already")),
            CANCEL => self.cancel_request(body.rest(), cx),
            version if version >> 16 == 3 => self.startup_message(version, body, cx),
            _ => Err(Fatal::new(b"0A000", "unsupported frontend protocol").hint("protocol 3.0 to 3.2 is served")),
        }
    }

    fn startup_message(&mut self, version: u32, mut body: Body<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let mut seen: Vec<String> = Vec::new();
        let mut kept: Vec<(&[u8], &[u8])> = Vec::new();
        loop {
            let name = body.string().ok_or(Fatal::agent("invalid startup packet layout"))?;
            if name.is_empty() {
                body.end().ok_or(Fatal::agent("invalid startup packet layout: expected terminator as last byte"))?;
                break;
            }
            let value = body.string().ok_or(Fatal::agent("invalid startup packet layout"))?;
            if name.starts_with(b"_pq_.") {
                self.startup.unknown.push(name.to_vec());
                continue;
            }
            let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Fatal::agent("a startup key is not UTF-8"));
            let lower = text(name)?.to_ascii_lowercase();
            if seen.contains(&lower) {
                return Err(Fatal::agent("a startup key is given twice"));
            }
            self.startup_key(&lower, text(value)?)?;
            seen.push(lower);
            kept.push((name, value));
        }
        if self.startup.user.is_empty() {
            return Err(Fatal::new(b"28000", "no PostgreSQL user name specified in startup packet"));
        }
        if self.startup.dbname.is_empty() {
            self.startup.dbname.clone_from(&self.startup.user);
        }
        let admitted = &self.open.database.dbnames;
        if !admitted.is_empty() && !admitted.contains(&self.startup.dbname) {
            return Err(Fatal::said(b"42501", "this database is not one that agents may connect to"));
        }
        self.startup.asked = version;
        self.startup.version = version.min(NEWEST);
        self.startup.packet = encode(self.startup.version, &kept);
        self.phase = Phase::Connecting;
        cx.out.connect = true;
        Ok(())
    }

    fn startup_key(&mut self, name: &str, value: &str) -> Step {
        match name {
            "user" => value.clone_into(&mut self.startup.user),
            "database" => value.clone_into(&mut self.startup.dbname),
            "replication" => {
                // libpq's own spelling of "no" is to leave the key out; a false value asks for nothing.
                if !matches!(value, "false" | "off" | "no" | "0") {
                    return Err(Fatal::new(b"42501", "replication connections are not served"));
                }
            }
            "options" => settings::options(value, settings::admits_at_startup).map_err(|name| refused_key(&name))?,
            "application_name" => value.clone_into(&mut self.startup.application),
            name if settings::admits_at_startup(name, value) => {}
            name => return Err(refused_key(name)),
        }
        Ok(())
    }

    /// The connection stands: the startup packet, or the cancel request, goes first.
    pub(super) fn connected(&mut self, cx: &mut Cx<'_, '_>) -> Step {
        let mark = cx.out.mark();
        match self.phase {
            Phase::Connecting => {
                cx.out.own.append(&mut self.startup.packet);
                self.phase = Phase::Login;
            }
            Phase::Cancelling => cx.out.own.append(&mut self.login.cancel),
            Phase::Startup | Phase::Login | Phase::Ready | Phase::Closed => {
                cx.out.finish = Finish::Abort;
                return Ok(());
            }
        }
        cx.out.database_own(mark);
        Ok(())
    }
}

fn refused_key(name: &str) -> Fatal {
    Fatal::said(b"42501", &format!("startup setting \"{name}\" is not admitted, or not with this value"))
        .hint("what a session may begin with is listed in the interceptor's settings.txt")
}

fn decline(body: Body<'_>, alone: bool, cx: &mut Cx<'_, '_>) -> Step {
    body.end().ok_or(Fatal::agent("invalid length of startup packet"))?;
    if !alone {
        return Err(Fatal::agent("received unencrypted data after encryption request"));
    }
    let mark = cx.out.mark();
    cx.out.own.push(b'N');
    cx.out.agent_own(mark);
    Ok(())
}

fn encode(version: u32, keys: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut packet = vec![0; 4];
    packet.extend_from_slice(&version.to_be_bytes());
    for (name, value) in keys {
        messages::write_string(&mut packet, name);
        messages::write_string(&mut packet, value);
    }
    packet.push(0);
    let len = (packet.len() as u32).to_be_bytes();
    if let Some(place) = packet.get_mut(..4) {
        place.copy_from_slice(&len);
    }
    packet
}
