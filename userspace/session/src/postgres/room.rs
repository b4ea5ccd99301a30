//! The record's room. A statement goes on only where its decision and, later, its outcome can be written down; where they cannot it
//! is refused with 53100 and the connection lives, so that statements work again once there is room.
//!
//! Room is taken before the record is encoded, by bounds: what is left over serves the next call.

use audit::NAME_MAX;

use super::judge::Verdict;
use super::received::SHORT_ROOM;
use super::{Connection, Cx, Fatal, Phase};
use crate::verdicts::{DISK_FULL, MAKE_ROOM, Refusal};

/// What a record takes beside its payload.
const FRAME: usize = audit::segment::FRAME_LEN + 7;
/// The longest actor: eleven names, numbers, two addresses and a hash.
const ACTOR_MAX: usize = 3104;
/// A decision beside actor and statement: rule, reason, policy.
const DECISION: usize = 1024 + FRAME;
/// An outcome beside its actor.
const OUTCOME: usize = 192 + FRAME;
/// What is shown clear: its beginning, what a statement was shown, its end; each with its columns.
const REVEAL: usize = 3 * (ACTOR_MAX + PLAIN + policy::REVEAL_COLUMNS_MAX * (NAME_MAX + 3)) + audit::JUSTIFICATION_MAX;
/// A start, a login, an end or a cancel request beside its actor: a cause, TLS of both legs, a certificate, numbers.
const PLAIN: usize = 1536 + FRAME;
const _: () =
    assert!(11 * (NAME_MAX + 3) + 5 * 10 + 2 * 20 + 34 <= ACTOR_MAX && 3 * (NAME_MAX + 3) + 64 <= DECISION - FRAME);
const _: () = assert!(5 * (NAME_MAX + 3) + 34 + 192 <= PLAIN - FRAME); // the way of a login is a few words of ours

/// Where a record finds room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// In this call.
    Here,
    /// Not in this call, which has written much already; perhaps in the next.
    Later,
    /// Nowhere, until an operator makes some.
    Nowhere,
}

impl Connection {
    /// See [`crate::Session::owes`].
    pub(crate) fn owes(&self) -> usize {
        if self.began.is_none() || self.turned_away || self.ended.told {
            return 0;
        }
        if !self.journal.login_told {
            // User, database and application are not named yet.
            return 2 * (ACTOR_MAX + PLAIN);
        }
        let actor = self.journal.actor_len();
        let held = usize::from(self.hold.is_some()) * (actor + PLAIN);
        let results = self.kept_runs() * (actor + SHORT_ROOM);
        actor + PLAIN + held + self.queue.runs() * (actor + OUTCOME) + results + self.owed_for_reveal(actor, PLAIN)
    }

    /// At the session's start: whether its start, login and end can be recorded. If not it is told so, and let go.
    pub(super) fn enters(&mut self, cx: &mut Cx<'_, '_>) {
        let need = self.journal.actor_len() + PLAIN + 2 * (ACTOR_MAX + PLAIN);
        self.turned_away = take(need, cx) != Room::Here;
    }

    /// What a token says.
    pub(super) fn identity_room(&self, lists: usize, cx: &mut Cx<'_, '_>) -> Room {
        take(ACTOR_MAX + PLAIN + lists * (NAME_MAX + 3), cx)
    }

    /// The records that are owed have become longer by so much.
    pub(super) fn grows_in_room(&self, by: usize, cx: &mut Cx<'_, '_>) -> bool {
        take(by, cx) == Room::Here
    }

    /// A cancel request.
    pub(super) fn cancel_has_room(&self, cx: &mut Cx<'_, '_>) -> bool {
        !self.turned_away && take(self.journal.actor_len() + PLAIN, cx) == Room::Here
    }

    /// A finding: a column that is plainly cards.
    pub(super) fn finding_has_room(&self, cx: &mut Cx<'_, '_>) -> bool {
        take(self.journal.actor_len() + PLAIN, cx) == Room::Here
    }

    /// A question of the session's own.
    pub(super) fn own_room(&mut self, text: &str, cx: &mut Cx<'_, '_>) -> Room {
        let need = self.journal.actor_len() + text.len() + PLAIN;
        self.room(need, cx)
    }

    /// Room to ask about a held statement, and to say how that ended.
    pub(super) fn ask_room(&mut self, part: usize, lists: usize, cx: &mut Cx<'_, '_>) -> Room {
        let actor = self.journal.actor_len();
        const ESTIMATE: usize = 4 * 10; // with the bound of rows and the age of the transaction
        self.room(actor + part + lists + DECISION + ESTIMATE + PLAIN + actor + PLAIN, cx)
    }

    /// Room for a person's word.
    pub(super) fn vote_has_room(&self, cx: &mut Cx<'_, '_>) -> bool {
        take(self.journal.actor_len() + audit::JUSTIFICATION_MAX + PLAIN, cx) == Room::Here
    }

    /// Room for the decision on a statement, and for its outcome if it runs. Without it the verdict is a refusal. False: not in
    /// this call, the agent's frame waits for the next.
    pub(super) fn finds_room(&mut self, verdict: &mut Verdict, runs: bool, cx: &mut Cx<'_, '_>) -> bool {
        let goes_on = runs && !verdict.refuses();
        let keeps = goes_on && self.keeps(Some(&verdict.judged), &verdict.inner);
        let part = verdict.judged.part.len() + verdict.bound.as_ref().map_or(0, |bound| bound.len());
        match self.statement_room(part, (goes_on, keeps), verdict.approval.is_some(), cx) {
            Room::Here => {}
            Room::Later => return false,
            Room::Nowhere => {
                self.count_unrecorded(cx);
                verdict.refusal = Some(Refusal::unrecorded());
                verdict.forwarded = false;
            }
        }
        true
    }

    /// The same for a statement of which `part` bytes are known.
    /// `agreed`: people have agreed to it, and perhaps to clear values.
    /// `keeps`: what it sends is kept.
    pub(super) fn statement_room(
        &mut self,
        part: usize,
        (runs, keeps): (bool, bool),
        agreed: bool,
        cx: &mut Cx<'_, '_>,
    ) -> Room {
        let actor = self.journal.actor_len();
        let result = if keeps { actor + SHORT_ROOM } else { 0 };
        let outcome = if runs { actor + OUTCOME + result } else { 0 };
        // What it may begin to show, and will have been shown.
        let reveal = if runs && (agreed || self.reveal.is_some()) { REVEAL } else { 0 };
        self.room(actor + part + DECISION + outcome + reveal, cx)
    }

    fn room(&mut self, need: usize, cx: &mut Cx<'_, '_>) -> Room {
        let room = take(need, cx);
        if room == Room::Later {
            self.agent.waiting = true;
            self.agent.short_of_room = true;
        }
        room
    }

    /// A statement was refused that no record tells of: the session's end does, by its sums.
    pub(super) fn count_unrecorded(&mut self, cx: &mut Cx<'_, '_>) {
        cx.out.unrecorded += 1;
        self.journal.count_refused();
    }
}

fn take(need: usize, cx: &mut Cx<'_, '_>) -> Room {
    match cx.shared.room.checked_sub(need) {
        Some(left) => {
            cx.shared.room = left;
            Room::Here
        }
        None if cx.out.records.is_empty() => Room::Nowhere,
        None => Room::Later,
    }
}

impl Fatal {
    /// Neither the session nor what it asks can be recorded.
    pub(super) fn unrecorded() -> Fatal {
        Fatal::new(DISK_FULL, "the interceptor has no room to record this session; nothing was forwarded")
            .hint(MAKE_ROOM)
    }
}

/// Agent frames that wait for room are worked off in a call of their own, at once.
impl Connection {
    pub(super) fn wakes_for_room(&self) -> bool {
        self.phase == Phase::Ready && self.agent.short_of_room
    }
}
