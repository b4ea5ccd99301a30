//! SCRAM that ends here: between two TLS legs neither a proof nor a channel's binding can pass, so the server's part is played to the agent
//! and the client's to the database, with the role's verifier.
//!
//! The database is asked before the agent is: its salt and iterations are what the agent hears, whoever the role is. So a role that is
//! unknown to us or to the database looks like any other, and a verifier that the database no longer has is found out. A login
//! that cannot be right is not refused here: the database is sent a proof of nothing and refuses it in its own words, counts it, logs it.

use std::sync::Arc;

use wire::postgres::BackendTag;
use wire::postgres::backend::{Authentication, Report, report};
use wire::postgres::encode;
use wire::postgres::frontend::authentication::SaslInitialResponse;

use super::backend::Frame;
use super::login::Asked;
use super::{Connection, Cx, Fatal, Step};
use crate::scram::{self, Client, Mechanism, Server, Verifier, Wrong};

/// Where it stands.
#[derive(Debug, Default)]
pub(super) enum Scram {
    /// Nothing of SCRAM was said, or it passes on.
    #[default]
    Passes,
    /// The agent was offered it. `bound`: the database offers channel binding.
    Offered { bound: bool },
    /// The agent's first message is here, the database's is due.
    Begun(Box<Exchange>),
    /// The agent's proof is due.
    Challenged(Box<Exchange>),
    /// The database's signature is due.
    Proven(Box<Exchange>),
    /// Both have shown what they know.
    Over,
}

/// Both exchanges.
#[derive(Debug)]
pub(super) struct Exchange {
    agent: Server,
    database: Client,
    verifier: Option<Arc<Verifier>>,
    /// For the agent, once the database has shown its own.
    signature: Vec<u8>,
    /// Why the login cannot be right.
    doomed: Option<&'static str>,
}

impl Scram {
    /// Why the login cannot be right, if that is so.
    pub(super) fn doomed(&self) -> Option<&'static str> {
        match self {
            Scram::Begun(exchange) | Scram::Challenged(exchange) | Scram::Proven(exchange) => exchange.doomed,
            Scram::Passes | Scram::Offered { .. } | Scram::Over => None,
        }
    }
}

const NO_VERIFIER: &str = "no verifier of this role is known to the interceptor";
const OLD_VERIFIER: &str = "the verifier of this role is not the one that the database has";
const WRONG_PROOF: &str = "the agent's proof does not fit the role's verifier";
/// Said of every login that cannot be right, whatever the reason: who probes learns nothing from it.
const HINT: &str = "if the password is right, the interceptor has no verifier of this role or an old one (scram_verifiers); \
without one, channel_binding=disable in the connection string passes the login on";

impl Connection {
    /// A step of the database's. True: it belongs to SCRAM that ends here, and was worked off.
    pub(super) fn ends_scram(&mut self, step: &Authentication<'_>, cx: &mut Cx<'_, '_>) -> Result<bool, Fatal> {
        match (std::mem::take(&mut self.login.scram), step) {
            (Scram::Passes, Authentication::Sasl(offered)) if self.login.way.is_empty() => {
                let offered: Vec<&[u8]> = offered.iter().collect();
                self.offers_scram(&offered, cx)
            }
            (Scram::Passes, _) => Ok(false),
            (Scram::Begun(exchange), Authentication::SaslContinue(message)) => {
                self.challenges(exchange, message, cx).map(|()| true)
            }
            (Scram::Proven(exchange), Authentication::SaslFinal(message)) => {
                self.is_proven(&exchange, message, cx).map(|()| true)
            }
            (Scram::Over, Authentication::Ok) => Ok(false),
            (_, Authentication::Ok) => Err(unsigned()),
            _ => Err(Fatal::database("an authentication step out of order")),
        }
    }

    /// The agent is offered what we can play, whoever the role is.
    fn offers_scram(&mut self, offered: &[&[u8]], cx: &mut Cx<'_, '_>) -> Result<bool, Fatal> {
        let may_end = self.open.database.verifiers.is_some() && self.open.nonces.is_some();
        let Some((agent, database)) = self.tls.bindings().filter(|_| may_end) else { return Ok(false) };
        let bound = offered.contains(&Mechanism::PLUS);
        if !bound && !offered.contains(&Mechanism::PLAIN) {
            return Ok(false);
        }
        if bound && database.is_empty() {
            return Err(unbindable());
        }
        let mut kept = vec![Mechanism::PLAIN];
        if !agent.is_empty() {
            kept.insert(0, Mechanism::PLUS);
        }
        let mark = cx.out.mark();
        encode::authentication_sasl(&mut cx.out.own, &kept)?;
        cx.out.agent_own(mark);
        self.login.asked = Some(Asked::SaslInitial);
        self.login.scram = Scram::Offered { bound };
        Ok(true)
    }

    /// The agent's choice. False: it passes on.
    pub(super) fn begins_scram(
        &mut self,
        chosen: &SaslInitialResponse<'_>,
        cx: &mut Cx<'_, '_>,
    ) -> Result<bool, Fatal> {
        let Scram::Offered { bound } = self.login.scram else { return Ok(false) };
        let Some((agent_binding, database_binding)) = self.tls.bindings() else { return Ok(false) };
        let offered = !agent_binding.is_empty();
        let mechanism = Mechanism::of(chosen.mechanism).filter(|mechanism| offered || *mechanism == Mechanism::Plain);
        let (Some(mechanism), Some(message)) = (mechanism, chosen.response) else {
            return Err(Fatal::agent("a SASL mechanism that was not offered, or nothing of it"));
        };
        let agent = Server::begin(message, mechanism, offered)?;
        let verifier = self.open.database.verifiers.as_ref().and_then(|known| known.of(&self.startup.user));
        if verifier.is_none() && mechanism == Mechanism::Plain {
            // An agent that wants no channel binding: its proof can pass.
            self.login.scram = Scram::Passes;
            self.login.way = PASSED_ON;
            return Ok(false);
        }
        self.login.way = way(mechanism == Mechanism::Plus, bound);
        let [_, nonce] = self.nonces()?;
        let database = Client::new(scram::nonce(nonce), bound.then_some(database_binding));
        let name = if bound { Mechanism::PLUS } else { Mechanism::PLAIN };
        let mark = cx.out.mark();
        encode::sasl_initial_response(&mut cx.out.own, name, Some(&database.first()))?;
        cx.out.database_own(mark);
        let doomed = verifier.is_none().then_some(NO_VERIFIER);
        let exchange = Exchange { agent, database, verifier, signature: Vec::new(), doomed };
        self.login.scram = Scram::Begun(Box::new(exchange));
        Ok(true)
    }

    /// The database's first message, and ours to the agent.
    fn challenges(&mut self, mut exchange: Box<Exchange>, message: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let challenge = exchange.database.challenged(message).map_err(of_database)?;
        if exchange.verifier.as_ref().is_some_and(|verifier| !challenge.is_of(verifier)) {
            exchange.doomed = Some(OLD_VERIFIER);
        }
        let [nonce, _] = self.nonces()?;
        let first = exchange.agent.challenge(&scram::nonce(nonce), challenge.salt, challenge.iterations);
        let mark = cx.out.mark();
        encode::authentication(&mut cx.out.own, Authentication::SaslContinue(first))?;
        cx.out.agent_own(mark);
        self.login.asked = Some(Asked::SaslOrGss);
        self.login.scram = Scram::Challenged(exchange);
        Ok(())
    }

    /// The agent's proof, and ours to the database. False: SCRAM does not end here.
    pub(super) fn proves_scram(&mut self, message: &[u8], cx: &mut Cx<'_, '_>) -> Result<bool, Fatal> {
        let mut exchange = match std::mem::take(&mut self.login.scram) {
            Scram::Challenged(exchange) => exchange,
            other => {
                self.login.scram = other;
                return Ok(false);
            }
        };
        let binding = self.tls.bindings().map_or([].as_slice(), |(agent, _)| agent);
        let proof = exchange.agent.answered(message, binding)?;
        let key = exchange.verifier.as_ref().and_then(|verifier| proof.client_key(verifier));
        let last = match (&exchange.verifier, key, exchange.doomed) {
            (Some(verifier), Some(key), None) => {
                exchange.signature = proof.signature(verifier).ok_or(unsigned())?;
                exchange.database.proven(verifier, &key).ok_or(unsigned())?
            }
            (_, _, doomed) => {
                exchange.doomed = doomed.or(Some(WRONG_PROOF));
                exchange.database.unproven()
            }
        };
        let mark = cx.out.mark();
        encode::authentication_response(&mut cx.out.own, &last)?;
        cx.out.database_own(mark);
        self.login.scram = Scram::Proven(exchange);
        Ok(true)
    }

    pub(super) fn nonces(&self) -> Result<&[[u8; scram::NONCE_LEN]; 2], Fatal> {
        self.open.nonces.as_deref().ok_or_else(unsigned)
    }

    /// The database's last message, and ours to the agent.
    fn is_proven(&mut self, exchange: &Exchange, message: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let verifier = exchange.verifier.as_ref().filter(|_| exchange.doomed.is_none());
        if !verifier.is_some_and(|verifier| exchange.database.is_signed(message, verifier)) {
            return Err(unsigned());
        }
        let mark = cx.out.mark();
        encode::authentication(&mut cx.out.own, Authentication::SaslFinal(&exchange.signature))?;
        cx.out.agent_own(mark);
        self.login.scram = Scram::Over;
        Ok(())
    }
}

/// The record's words of a login that passes on.
const PASSED_ON: &str = "scram passed on";

/// The record's words of one that ends here.
fn way(agent: bool, database: bool) -> &'static str {
    match (agent, database) {
        (true, true) => "scram ended, bound to both legs",
        (true, false) => "scram ended, bound to the agent's leg",
        (false, true) => "scram ended, bound to the database's leg",
        (false, false) => "scram ended, bound to no leg",
    }
}

/// An error of the database's after a proof of nothing, with what may be behind it.
pub(super) fn refused_with_hint(frame: &Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
    let said = Report::parse(frame.body()).map_err(Fatal::of_database)?;
    let fields = said.fields().filter(|field| field.code != report::HINT).map(|field| (field.code, field.text));
    let mark = cx.out.mark();
    let hint = std::iter::once((report::HINT, HINT.as_bytes()));
    encode::report_fields(&mut cx.out.own, BackendTag::ErrorResponse, fields.chain(hint))?;
    cx.out.agent_own(mark);
    Ok(())
}

/// RFC 5929 defines none for it.
pub(super) fn unbindable() -> Fatal {
    Fatal::new(b"28000", "the database's certificate has a signature that no channel binding is defined for")
        .hint("give the database a certificate that is signed with RSA or ECDSA and SHA-2")
}

/// Whoever answers does not know the role: it is not the database, or the verifier is of another one.
fn unsigned() -> Fatal {
    Fatal::new(b"28000", "the database did not prove that it knows the role's verifier")
        .hint("see `scram_verifiers` and `tls` of this database in the interceptor's configuration")
}

fn of_database(wrong: Wrong) -> Fatal {
    Fatal::database(wrong.message)
}

impl From<Wrong> for Fatal {
    /// The agent's messages: refused as the database would.
    fn from(wrong: Wrong) -> Fatal {
        Fatal::new(wrong.code, wrong.message)
    }
}
