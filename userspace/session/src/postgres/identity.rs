//! Who the agent is by a token, beside what the kernel says: raised when one is bound, never lowered, and refused when it is over.
//!
//! A session's principal never changes: a fresh token of the same one carries on, another's ends the session.

use std::sync::Arc;

use audit::Event;
use pan::Masked;

use super::room::Room;
use super::{Connection, Cx, Fatal, Phase, Step};
use crate::signed::Signed;
use crate::verdicts::{Refusal, Why};

/// What is known of the agent beside the kernel's word.
#[derive(Debug)]
pub(super) struct Who {
    signed: Option<Arc<Signed>>,
    /// The subject that rules are asked about: of the token it has the claims that they ask for.
    subject: Arc<policy::Subject>,
    /// Which those are; another policy may ask for others.
    asked: Arc<[String]>,
    /// Another one for each change of the subject: what was judged under an older one is judged again.
    pub(super) epoch: u32,
    /// The token that is bound is not one that this agent may have.
    disagrees: bool,
}

impl Who {
    pub(super) fn of_kernel(subject: &Arc<policy::Subject>) -> Who {
        Who { signed: None, subject: Arc::clone(subject), asked: Arc::default(), epoch: 0, disagrees: false }
    }

    pub(super) fn subject(&self) -> &Arc<policy::Subject> {
        &self.subject
    }

    /// The token, and whether it agrees with what the kernel says.
    pub(super) fn shown(&self) -> Option<(&Arc<Signed>, bool)> {
        Some((self.signed.as_ref()?, !self.disagrees))
    }

    /// What the records say; not one that this agent may not have.
    pub(super) fn signed(&self) -> Option<&Arc<Signed>> {
        self.signed.as_ref().filter(|_| !self.disagrees)
    }
}

impl Connection {
    /// A token is bound to the agent's job.
    pub(super) fn is_signed(&mut self, signed: Arc<Signed>, cx: &mut Cx<'_, '_>) -> Step {
        let known = self.who.signed.as_ref();
        // Told twice, or out of order; or of the agent as a whole, where the job has a token of its own.
        if known.is_some_and(|known| known.number >= signed.number || known.of_job && !signed.of_job) {
            return Ok(());
        }
        let disagrees = self.open.subject.token.disagrees(&signed).map(str::to_owned);
        let change = match (known, &disagrees) {
            (_, Some(_)) => "disagrees",
            (Some(known), None) if known.principal != signed.principal && !self.who.disagrees => {
                return Err(Fatal::new(b"57P01", "terminating connection: the job's token is another principal's now")
                    .hint("connect again: the new session is the new principal's"));
            }
            (_, None) if signed.revoked.is_some() => "revoked",
            (Some(_), None) => "refreshed",
            (None, None) => "bound",
        };
        if !self.identity_has_room(&signed, cx) {
            return Err(Fatal::unrecorded());
        }
        self.who.disagrees = disagrees.is_some();
        self.who.signed = Some(signed);
        self.becomes_subject(cx);
        self.name_actor();
        self.record_identity(change, disagrees.as_deref(), cx);
        match self.who.signed().and_then(|signed| signed.revoked.as_ref()) {
            Some(why) if self.phase != Phase::Startup => Err(revoked(why)),
            _ => Ok(()),
        }
    }

    /// Rules are asked about what this policy asks of the token: after a reload, or a fresh token, that may be something else.
    pub(super) fn rules_ask(&mut self, cx: &Cx<'_, '_>) {
        if self.who.signed.is_some() && !Arc::ptr_eq(&self.who.asked, cx.shared.policy.claims()) {
            self.becomes_subject(cx);
        }
    }

    /// The subject of the token that is bound. One that disagrees opens nothing, nor does any more what the one before it opened.
    fn becomes_subject(&mut self, cx: &Cx<'_, '_>) {
        self.who.asked = Arc::clone(cx.shared.policy.claims());
        let says = self.who.signed().map(|signed| signed.says.of_claims(&self.who.asked));
        if self.who.subject.signed != says {
            let kernel = policy::Subject::clone(&self.open.subject.policy);
            self.who.subject = Arc::new(policy::Subject { signed: says, ..kernel });
            self.who.epoch += 1;
        }
    }

    /// The job's principal, where its token counts now; else nothing.
    pub(super) fn principal(&self) -> &str {
        self.who.signed().map_or("", |signed| &signed.principal)
    }

    /// Both identities, with all that is kept of the signed one.
    fn record_identity(&mut self, change: &'static str, disagrees: Option<&str>, cx: &mut Cx<'_, '_>) {
        let Some(signed) = self.who.signed.clone() else { return };
        let mask = |text: &String| Masked::of(text);
        let (issuer, subject, principal) = (mask(&signed.issuer), mask(&signed.subject), mask(&signed.principal));
        let groups: Vec<Masked> = signed.says.groups().iter().map(mask).collect();
        let claims: Vec<Masked> =
            signed.says.claims().iter().map(|(name, value)| Masked::of(&format!("{name}={value}"))).collect();
        let cause = disagrees.map(|claim| Masked::of(&format!("the token's {claim} is not what this agent's must be")));
        let cause = cause.as_ref().or(signed.revoked.as_ref());
        let number = self.number();
        cx.record(&Event::Identity(audit::Identified {
            actor: self.journal.actor(),
            change,
            refused: disagrees.map(|_| audit::Principal {
                issuer: (&issuer).into(),
                subject: (&subject).into(),
                principal: (&principal).into(),
                token: signed.token,
            }),
            groups: &groups,
            claims: &claims,
            expires_s: signed.expires_s,
            cause: cause.map(Into::into),
            number,
        }));
    }

    fn identity_has_room(&self, signed: &Signed, cx: &mut Cx<'_, '_>) -> bool {
        let lists = signed.says.groups().len() + signed.says.claims().len();
        self.identity_room(lists, cx) == Room::Here
    }

    /// A job whose identity was revoked does not come back by another connection.
    pub(super) fn admits_identity(&self) -> Step {
        let why = self.who.signed().and_then(|signed| signed.revoked.as_ref());
        why.map_or(Ok(()), |why| Err(Fatal { code: b"28000", ..revoked(why) }))
    }

    /// Why no statement goes on now; the usual session has no reason.
    pub(super) fn token_refusal(&self, cx: &Cx<'_, '_>) -> Option<Refusal> {
        let (message, hint) = match &self.who.signed {
            None if !self.open.subject.token.required => return None,
            None => ("no token is bound to this job, and its agent needs one", BIND),
            Some(_) if self.who.disagrees && self.open.subject.token.required => {
                ("the token of this job is not one that its agent may have", "the record says in what they disagree")
            }
            Some(_) if self.who.disagrees => return None,
            Some(signed) if signed.revoked.is_some() => {
                ("the identity of this job was revoked", "an operator did so: ask them")
            }
            Some(signed) if signed.is_over(cx.now) => ("the token of this job has expired", BIND),
            Some(_) => return None,
        };
        Some(Refusal::new(Why::Blocked, message, hint).with_code(*b"28000"))
    }

    /// A token is bound to the job, and is not over.
    pub(super) fn has_token(&self, cx: &Cx<'_, '_>) -> bool {
        self.who.signed.as_ref().is_some_and(|signed| signed.revoked.is_some() || !signed.is_over(cx.now))
    }

    /// When the session ends with its token, monotonic nanoseconds.
    pub(super) fn identity_due_ns(&self, cx: &Cx<'_, '_>) -> Option<u64> {
        let signed = self.who.signed().filter(|_| self.open.subject.token.ends && self.phase == Phase::Ready)?;
        let wall_ns = signed.expires_s.saturating_mul(1_000_000_000).saturating_sub(cx.now.wall_ns);
        Some(signed.until_ns.min(cx.now.mono_ns.saturating_add(wall_ns)))
    }

    /// With `on_expiry = "end"` it ends with its token, whatever runs.
    pub(super) fn identity_is_due(&self, cx: &Cx<'_, '_>) -> Step {
        if self.identity_due_ns(cx).is_none_or(|due_ns| due_ns > cx.now.mono_ns) {
            return Ok(());
        }
        Err(Fatal::new(b"57P01", "terminating connection: the token of this job has expired").hint(BIND))
    }
}

fn revoked(why: &Masked) -> Fatal {
    Fatal::said(b"57P01", &format!("terminating connection: the identity of this job was revoked {}", why.as_str()))
}

/// What helps.
const BIND: &str = "bind a fresh token to the job: it carries on from there";
