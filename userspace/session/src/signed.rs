//! What an issuer has signed of the agent's job, as the control plane hands it over.

use std::fmt;

use pan::Masked;

use crate::Now;

/// A token that is bound to the agent's cgroup, or to the agent as a whole. Immutable: a fresh token is another one.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// Which binding: a later one has a larger number.
    pub number: u64,
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// Its name for the job.
    pub subject: String,
    /// What makes the job one: it never becomes another's.
    pub principal: String,
    /// SHA-256 of the token's `jti`, or of what was signed.
    pub token: [u8; 32],
    /// It is bound to the job's cgroup; else to the agent as a whole, for jobs that have none of their own.
    pub of_job: bool,
    /// What rules ask.
    pub says: policy::Signed,
    /// It counts until then, seconds since 1970.
    pub expires_s: u64,
    /// And until then, monotonic nanoseconds: a clock that is set back makes it no younger.
    pub until_ns: u64,
    /// It was revoked: by whom, and why. It stays bound, so that nothing of the job goes on without it.
    pub revoked: Option<Masked>,
}

impl Signed {
    /// Whether it counts no more, by either clock.
    pub(crate) fn is_over(&self, now: Now) -> bool {
        now.mono_ns >= self.until_ns || now.wall_ns / 1_000_000_000 >= self.expires_s
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signed { number, issuer, expires_s, .. } = self;
        f.debug_struct("Signed")
            .field("number", number)
            .field("issuer", issuer)
            .field("expires_s", expires_s)
            .finish_non_exhaustive()
    }
}

/// What an agent's tokens must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenTerms {
    /// Without one nothing of it goes on.
    pub required: bool,
    /// A session of a job that has none asks for it ([`crate::TokenAsk`]) before it goes on.
    pub fetched: bool,
    /// When it expires its sessions end; else their statements are refused until there is a fresh one.
    pub ends: bool,
    /// Of these issuers alone; none: of any.
    pub issuers: Vec<String>,
    /// With these claims, a star matches inside a value: what the kernel calls this agent, its token must say too.
    pub claims: Vec<(String, String)>,
}

impl TokenTerms {
    /// In what the token is not this agent's: the name of a claim, or `issuer`.
    pub(crate) fn disagrees<'a>(&'a self, signed: &Signed) -> Option<&'a str> {
        if !self.issuers.is_empty() && !self.issuers.contains(&signed.issuer) {
            return Some("issuer");
        }
        let says = |(name, pattern): &(String, String)| {
            signed.says.claims().iter().any(|(claim, value)| claim == name && sql::matches(pattern, value))
        };
        self.claims.iter().find(|claim| !says(claim)).map(|(name, _)| name.as_str())
    }
}
