//! A statement that a person must allow: what is asked, what a person answers, and how an ask ends.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use pan::Masked;
use policy::Terms;

use crate::{CancelAsk, Estimate, EstimateAsk, LoginAsk, RecordId, Subject, TokenAsk};

/// The name of an ask, as a person types it: ten letters and digits from 50 random bits, `K7Q2M-9XDRT`. Nobody can guess one, and none
/// comes twice, also not after a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId([u8; 11]);

/// Crockford's base 32: no I, L, O, U.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DASH: usize = 5;

impl AskId {
    /// From random bits; the lower 50 count.
    pub fn of(random: u64) -> AskId {
        let mut letters = [b'-'; 11];
        let places = (0..letters.len()).filter(|place| *place != DASH);
        for (place, shift) in places.zip((0..10).rev()) {
            letters[place] = LETTERS[(random >> (5 * shift)) as usize % 32];
        }
        AskId(letters)
    }

    /// As it is shown.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for AskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no id of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedAskId;

impl FromStr for AskId {
    type Err = MalformedAskId;

    /// As people type it: in any case, with or without the dash, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<AskId, MalformedAskId> {
        let mut bits = 0u64;
        let mut count = 0;
        for letter in text.trim().bytes().filter(|letter| *letter != b'-') {
            let letter = match letter.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = LETTERS.iter().position(|known| *known == letter).ok_or(MalformedAskId)?;
            count += 1;
            if count > 10 {
                return Err(MalformedAskId);
            }
            bits = bits << 5 | value as u64;
        }
        if count == 10 { Ok(AskId::of(bits)) } else { Err(MalformedAskId) }
    }
}

/// All that a reviewer is shown of a held statement. Every text has been masked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What a person types.
    pub id: AskId,
    /// The session that waits.
    pub session: u64,
    /// Who asks.
    pub subject: Arc<Subject>,
    /// The agent's end of its socket.
    pub agent_address: SocketAddr,
    /// The configured name of the database's endpoint.
    pub database: String,
    /// The database named at startup.
    pub dbname: Masked,
    /// The database's role.
    pub database_user: Masked,
    /// `application_name`, as the agent claims it.
    pub application: Masked,
    /// How it came: `query`, `bind`, `execute`.
    pub request: &'static str,
    /// The statement.
    pub text: Masked,
    /// Literals and parameters are not shown: it touches a column whose values nobody may see.
    pub redacted: bool,
    /// Its kinds.
    pub kinds: Vec<&'static str>,
    /// Tables and functions that it names.
    pub tables: Vec<Masked>,
    /// Sensitive columns that it names, or that its tables may have: as the policy writes them, each with its kind.
    pub sensitive: Vec<Masked>,
    /// The values of its parameters.
    pub parameters: Vec<Masked>,
    /// It would run in a transaction that is open.
    pub in_transaction: bool,
    /// Since when that one has been open, and its locks held; seconds since 1970.
    pub transaction_since_s: Option<u64>,
    /// So many rows of it may leave if it is approved.
    pub rows_bound: Option<u64>,
    /// What an approval that covers further runs is bound to: equal ones are of the same statement with the same parameters, of the same agent
    /// and account on the same database, under the same policy, names resolved alike.
    pub binding: [u8; 32],
    /// What each rule that holds it asks for.
    pub terms: Vec<Arc<Terms>>,
    /// The policy's version.
    pub policy: String,
    /// The record that asks.
    pub record: RecordId,
    /// What the database's planner expects of it, where that was asked and said.
    pub estimate: Option<Estimate>,
    /// Seconds since 1970.
    pub asked_s: u64,
    /// Denied from then on, seconds since 1970.
    pub expires_s: u64,
}

/// What a person says about a held statement. Who may is for the control plane to know; whose word a rule takes is checked here too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// About which.
    pub ask: AskId,
    /// Yes or no.
    pub approve: bool,
    /// The person.
    pub reviewer: String,
    /// Groups that the person is in.
    pub groups: Vec<String>,
    /// How that is known.
    pub login: String,
    /// Why.
    pub reason: String,
    /// It was said before, and stands.
    pub standing: Option<Standing>,
    /// An emergency: the person lets it go on alone, where the rule names the person for that.
    pub break_glass: bool,
}

/// A word that was said before this statement was held. How long it counts is the rule's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The approval that it was given to, or the grant.
    pub approval: AskId,
    /// When, seconds since 1970.
    pub given_s: u64,
    /// A grant of this rule; `None`: an approval of a run with the same binding.
    pub rule: Option<String>,
}

/// How an ask ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskEnd {
    /// The statement goes on.
    Approved,
    /// A person denied it.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// The agent cancelled the statement.
    Cancelled,
    /// Its connection ended.
    Closed,
    /// The policy says otherwise by now; what it says holds.
    PolicyChanged,
    /// The service stops.
    Stopping,
    /// Nobody can be asked: too much waits already, or the control plane does not listen.
    Unheard,
    /// The record has no room for it.
    Unrecorded,
    /// There is no such statement (any more).
    Gone,
}

impl AskEnd {
    /// In a sentence's end.
    pub fn as_str(self) -> &'static str {
        match self {
            AskEnd::Approved => "approved",
            AskEnd::Denied => "denied",
            AskEnd::Expired => "nobody decided in time",
            AskEnd::Cancelled => "the agent cancelled the statement",
            AskEnd::Closed => "the connection ended",
            AskEnd::PolicyChanged => "the policy has changed while it was held",
            AskEnd::Stopping => "the interceptor is being stopped",
            AskEnd::Unheard => "nobody can be asked now",
            AskEnd::Unrecorded => "the record has no room",
            AskEnd::Gone => "the statement waits no more",
        }
    }
}

/// What a session tells the control plane.
#[derive(Clone, Debug)]
pub enum Asking {
    /// A statement is held.
    Ask(Box<Ask>),
    /// A statement waits for the planner's estimate.
    Estimate(Box<EstimateAsk>),
    /// A session waits for its login.
    Login(Box<LoginAsk>),
    /// Who the agent's job is, where its tokens are fetched.
    Token(Box<TokenAsk>),
    /// A statement is to be cancelled.
    Cancel(Box<CancelAsk>),
    /// So many people have approved, and more must.
    Counted(AskId, u32),
    /// It waits no more.
    Over(AskId, AskEnd),
    /// Clear values are shown from now on.
    Revealing(Box<Revealing>),
    /// They are shown no more: why.
    RevealOver(AskId, &'static str),
}

/// What an agent is shown clear, for a while.
#[derive(Clone, Debug)]
pub struct Revealing {
    /// The approval.
    pub id: AskId,
    /// The session.
    pub session: u64,
    /// The agent's configured name.
    pub agent: String,
    /// The database's.
    pub database: String,
    /// `reveal NAME`.
    pub rule: String,
    /// The agent's own.
    pub reason: Masked,
    /// Whose values.
    pub columns: Vec<Masked>,
    /// Over then at the latest, seconds since 1970.
    pub until_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_people_type_them() {
        let id = AskId::of(0x0003_1234_5678_9abc);
        let shown = id.to_string();
        assert_eq!((shown.len(), shown.as_bytes()[5]), (11, b'-'));
        for text in [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), format!(" {shown} ")] {
            assert_eq!(text.parse(), Ok(id), "{text}");
        }
        assert_eq!("OIL00-00000".parse::<AskId>(), "01100-00000".parse());
        for text in ["", "K7Q2M", "K7Q2M-9XDRTT", "K7Q2M-9XDRU", "K7Q2M 9XDRT", "K7Q2M-9XDRé"] {
            assert_eq!(text.parse::<AskId>(), Err(MalformedAskId), "{text}");
        }
        assert_eq!(AskId::of(u64::MAX).to_string(), "ZZZZZ-ZZZZZ");
        assert_ne!(AskId::of(1), AskId::of(2));
    }
}
