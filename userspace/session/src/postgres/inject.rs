//! A login of ours in place of the agent's: the client's part of SCRAM is played to the database, and the agent hears that it is let in. The
//! kernel's word on who connects, and the token where one is wanted, stand for the password that it is not asked for.
//!
//! By SCRAM-SHA-256 alone, bound to the channel where the database offers that, and only where the database shows that it knows the
//! password too: whoever else answers learns nothing that logs in anywhere.

use std::sync::Arc;

use wire::postgres::backend::Authentication;
use wire::postgres::encode;
use zeroize::Zeroizing;

use super::{Connection, Cx, Fatal, Step};
use crate::injected::{Derived, Injected};
use crate::scram::{self, Client, Mechanism};

/// More rounds of the password's hash than anybody sets: they are computed while a shard waits, once for each salt.
const ITERATIONS_MAX: u32 = 1_000_000;

/// Where it stands.
#[derive(Debug, Default)]
pub(super) enum Inject {
    /// The database's offer is due, or nothing is injected.
    #[default]
    Due,
    /// The challenge is due.
    Begun(Box<Client>),
    /// The database's signature is due.
    Proven(Box<(Client, Arc<Derived>)>),
    /// It has shown that it knows the password.
    Signed,
    /// The agent hears that it is in.
    Over,
}

impl Connection {
    /// Whose login this session is given. `None`: its agent's own.
    pub(super) fn injected(&self) -> Option<&Arc<Injected>> {
        self.startup.injected.as_ref()
    }

    /// A step of the database's. True: it is not the agent's to hear.
    pub(super) fn injects(&mut self, step: &Authentication<'_>, cx: &mut Cx<'_, '_>) -> Result<bool, Fatal> {
        let Some(injected) = self.injected().map(Arc::clone) else { return Ok(false) };
        self.login.inject = match (std::mem::take(&mut self.login.inject), step) {
            (Inject::Due, Authentication::Sasl(offered)) if self.login.way.is_empty() => {
                let offered: Vec<&[u8]> = offered.iter().collect();
                Inject::Begun(Box::new(self.begins_to_inject(&offered, cx)?))
            }
            (Inject::Begun(client), Authentication::SaslContinue(message)) => {
                answered(*client, message, &injected, cx)?
            }
            (Inject::Proven(exchange), Authentication::SaslFinal(message)) => {
                if !exchange.0.is_signed(message, &exchange.1.verifier) {
                    return Err(unproven());
                }
                Inject::Signed
            }
            (Inject::Due, Authentication::CleartextPassword) if self.login.way.is_empty() => {
                self.says_in_clear(&injected, cx)?;
                Inject::Signed
            }
            (Inject::Signed, Authentication::Ok) => {
                self.login.inject = Inject::Over;
                return Ok(false);
            }
            (_, Authentication::Ok) => return Err(unproven()),
            _ => {
                return Err(wants_scram());
            }
        };
        Ok(true)
    }

    /// Only where the configuration says so; and it says so only where TLS has verified the database, so nobody else hears it.
    fn says_in_clear(&mut self, injected: &Injected, cx: &mut Cx<'_, '_>) -> Step {
        let (Some(password), true) = (injected.clear(), self.tls.database_binding().is_some()) else {
            return Err(wants_scram());
        };
        self.login.way = "password injected, over the database's leg";
        let mark = cx.out.mark();
        let mut said = Zeroizing::new(password.to_vec());
        said.push(0);
        encode::authentication_response(&mut cx.out.own, &said)?;
        cx.out.database_own(mark);
        Ok(())
    }

    fn begins_to_inject(&mut self, offered: &[&[u8]], cx: &mut Cx<'_, '_>) -> Result<Client, Fatal> {
        let channel = self.tls.database_binding();
        let bound = channel.is_some() && offered.contains(&Mechanism::PLUS);
        if bound && channel.is_some_and(<[u8]>::is_empty) {
            return Err(super::scram::unbindable());
        }
        if !bound && !offered.contains(&Mechanism::PLAIN) {
            return Err(Fatal::new(b"28000", "the database offers no SCRAM-SHA-256 for the interceptor's login"));
        }
        let [_, nonce] = self.nonces()?;
        let client = Client::new(scram::nonce(nonce), channel.filter(|_| bound));
        let mechanism = if bound { Mechanism::PLUS } else { Mechanism::PLAIN };
        self.login.way = way(bound, self.placeholder().is_some());
        let mark = cx.out.mark();
        encode::sasl_initial_response(&mut cx.out.own, mechanism, Some(&client.first()))?;
        cx.out.database_own(mark);
        Ok(client)
    }
}

/// The record's words.
fn way(bound: bool, placeholder: bool) -> &'static str {
    match (bound, placeholder) {
        (false, false) => "scram injected",
        (true, false) => "scram injected, bound to the database's leg",
        (false, true) => "scram injected, placeholder checked",
        (true, true) => "scram injected, placeholder checked, bound to the database's leg",
    }
}

fn answered(mut client: Client, message: &[u8], injected: &Injected, cx: &mut Cx<'_, '_>) -> Result<Inject, Fatal> {
    let challenge = client.challenged(message).map_err(|wrong| Fatal::database(wrong.message))?;
    if challenge.iterations > ITERATIONS_MAX {
        return Err(Fatal::database("more rounds of the password's hash than anybody sets"));
    }
    let derived = injected.answer(&challenge).ok_or_else(unproven)?;
    let last = client.proven(&derived.verifier, &derived.key).ok_or_else(unproven)?;
    let mark = cx.out.mark();
    encode::authentication_response(&mut cx.out.own, &last)?;
    cx.out.database_own(mark);
    Ok(Inject::Proven(Box::new((client, derived))))
}

fn wants_scram() -> Fatal {
    Fatal::new(b"28000", "the database asks for another login than SCRAM-SHA-256, and gets none")
        .hint("[database.credentials] of the interceptor needs a line with scram-sha-256 for its role in pg_hba.conf")
}

/// Whoever answers does not know the password: it is not the database.
fn unproven() -> Fatal {
    Fatal::new(b"28000", "the database did not prove that it knows the password of the interceptor's login")
        .hint("see [database.credentials] and `tls` of this database in the interceptor's configuration; pg_hba.conf must ask for scram-sha-256")
}
