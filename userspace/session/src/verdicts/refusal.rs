//! Why a statement does not go on, as its agent is told.

use std::sync::Arc;

use pan::Masked;

use crate::approval::{AskEnd, AskId};

/// Why a statement is refused, in words for the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: [u8; 5],
    pub(crate) message: Masked,
    /// Which part of the statement is the reason, without any value.
    pub(crate) detail: Option<Masked>,
    pub(crate) hint: &'static str,
    pub(crate) why: Why,
    /// How the ask about it ended.
    pub(crate) answer: Option<Arc<Answer>>,
}

/// What an agent is told of a held statement that does not go on, beside its refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) end: AskEnd,
    pub(crate) ask: AskId,
    /// The person, and the reason.
    pub(crate) by: Option<(Masked, Masked)>,
}

/// Which kind of refusal it is; `observe` forwards all of them but records them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A rule, or no rule, blocks it.
    Blocked,
    /// A rule holds it for a person.
    Held,
    /// It was held, and no person let it go on.
    Denied,
    /// It could not be judged.
    Unjudged,
    /// What the session needs for it is missing or out of bounds; `observe` does not lift it.
    Firm,
    /// Its records have no room: nothing is written of it, and nothing goes on.
    Unrecorded,
}

impl Why {
    /// A person can lift a hold and nothing else; what is forbidden says more than what is not known.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Why::Held => 0,
            Why::Unjudged => 1,
            Why::Blocked | Why::Denied | Why::Firm | Why::Unrecorded => 2,
        }
    }
}

const PRIVILEGE: [u8; 5] = *b"42501";
/// `disk_full`.
pub(crate) const DISK_FULL: &[u8; 5] = b"53100";
/// What helps when the record is full.
pub(crate) const MAKE_ROOM: &str = "an operator makes room on the disk of the interceptor's state_dir (`interceptor status` names the \
shard); then try again";

impl Refusal {
    pub(crate) fn new(why: Why, message: &str, hint: &'static str) -> Refusal {
        Refusal { code: PRIVILEGE, message: Masked::of(message), detail: None, hint, why, answer: None }
    }

    /// For what the record has no room for.
    pub(crate) fn unrecorded() -> Refusal {
        Refusal::new(Why::Unrecorded, "the interceptor has no room to record this; nothing was forwarded", MAKE_ROOM)
            .with_code(*DISK_FULL)
    }

    /// Of two that hold for one statement the one that says more; of equals the first.
    pub(crate) fn stronger(one: Option<Refusal>, other: Option<Refusal>) -> Option<Refusal> {
        match (one, other) {
            (Some(one), Some(other)) if other.why.rank() > one.why.rank() => Some(other),
            (one, other) => one.or(other),
        }
    }

    pub(crate) fn with_code(mut self, code: [u8; 5]) -> Refusal {
        self.code = code;
        self
    }
}
