//! The table of held statements. Behind a lock that is held for a look-up; nothing of the data path takes it.

mod words;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};

use crate::webhooks::{self, News};

use super::standing::{self, Standing, Words};
use super::{Approval, Ask, Limits, Listing, Rejected, Revealing, Reviewer, State, Vote, Word};

/// Of a statement that is over so much is remembered.
pub(super) const KEPT_TEXT: usize = 16 << 10;
/// A statement whose end was not told counts as expired so long after its time.
const GRACE_S: u64 = 30;

/// See the module's documentation.
#[derive(Debug)]
pub struct Approvals {
    limits: Limits,
    reviewers: Vec<Reviewer>,
    table: Mutex<Table>,
    /// Counts the changes.
    changed: watch::Sender<u64>,
    /// Tells of what waits and what is over.
    news: broadcast::Sender<News>,
}

#[derive(Debug, Default)]
struct Table {
    pending: HashMap<String, Waiting>,
    bytes: usize,
    /// How many of them each agent and each database has.
    agents: HashMap<String, usize>,
    databases: HashMap<String, usize>,
    over: VecDeque<Approval>,
    standing: Words,
    reveals: Vec<Revealing>,
}

#[derive(Debug)]
struct Waiting {
    approval: Approval,
    /// Who has decided it; the session was told, and has not answered.
    decided_by: Option<String>,
    /// Approvals that the session has counted.
    counted: u32,
}

impl Approvals {
    /// Nothing waits yet.
    pub fn new(limits: Limits, reviewers: Vec<Reviewer>) -> Approvals {
        Approvals { limits, reviewers, table: Mutex::default(), changed: watch::channel(0).0, news: webhooks::line() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing that holds it can panic half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_changed(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Hears of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Hears of every statement that waits, and of its end. Who is slow loses the oldest, and is told how many.
    pub(crate) fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Where nobody listens nothing is made for it.
    fn tell(&self, approval: &Approval, news: impl FnOnce(Arc<Approval>) -> News) {
        if self.news.receiver_count() > 0 {
            // The last listener may just have left.
            let _ = self.news.send(news(Arc::new(approval.clone())));
        }
    }

    /// The reviewer whose account it is.
    pub fn reviewer(&self, uid: u32) -> Result<&Reviewer, Rejected> {
        self.reviewers.iter().find(|reviewer| reviewer.uid == Some(uid)).ok_or(Rejected::NoReviewer(uid))
    }

    /// The person whom the identity provider calls so and who is in these groups there, by this protocol. Who has no `[[reviewer]]` is named by the provider
    /// alone, with a colon, which no configured name has.
    pub fn person(&self, protocol: &str, subject: &str, groups: &[String]) -> Reviewer {
        let known = self.reviewers.iter().find(|reviewer| reviewer.subject.as_deref() == Some(subject));
        let mut person = known.cloned().unwrap_or_else(|| Reviewer {
            name: format!("{protocol}:{subject}"),
            uid: None,
            subject: Some(subject.to_owned()),
            groups: Vec::new(),
        });
        person.groups.extend_from_slice(groups);
        person
    }

    /// A statement is held. False: too much waits already; it must be denied.
    pub fn asked(&self, ask: Ask) -> bool {
        let mut table = self.table();
        let Limits { pending, per_agent, per_database, bytes, .. } = self.limits;
        let count = |of: &HashMap<String, usize>, name: &str| of.get(name).copied().unwrap_or(0);
        let full = table.pending.len() >= pending
            || table.bytes.saturating_add(ask.text.len()) > bytes
            || count(&table.agents, &ask.agent) >= per_agent
            || count(&table.databases, &ask.database) >= per_database;
        if full || table.pending.contains_key(&ask.id) {
            return false;
        }
        table.bytes += ask.text.len();
        *table.agents.entry(ask.agent.clone()).or_default() += 1;
        *table.databases.entry(ask.database.clone()).or_default() += 1;
        let (id, approval) =
            (ask.id.clone(), Approval { ask, state: State::Pending, why: None, words: Vec::new(), ended_s: None });
        self.tell(&approval, News::Held);
        table.pending.insert(id, Waiting { approval, decided_by: None, counted: 0 });
        drop(table);
        self.has_changed();
        true
    }

    /// Words that stand and are about what has just been asked: they are to be taken to its session.
    pub fn standing(&self, id: &str, now_s: u64) -> Vec<Vote> {
        let mut table = self.table();
        let Table { pending, standing, .. } = &mut *table;
        let Some(waiting) = pending.get_mut(id) else { return Vec::new() };
        let (words, votes): (Vec<Word>, Vec<Vote>) =
            standing.for_ask(&waiting.approval.ask, &self.reviewers, now_s).into_iter().unzip();
        waiting.approval.words.extend(words);
        drop(table);
        self.has_changed();
        votes
    }

    /// A word stands from now on; it is recorded. False: too many do.
    pub fn stand(&self, one: Standing, now_s: u64) -> bool {
        let fits = self.table().standing.add(one, now_s);
        self.has_changed();
        fits
    }

    /// What the approval of this id covers from now on, once it is recorded.
    pub fn covers(&self, id: &str, now_s: u64) -> Vec<Standing> {
        let approval = self.get(id).filter(|approval| approval.state == State::Approved);
        approval.map(|approval| standing::covered(&approval, now_s)).unwrap_or_default()
    }

    /// A person takes back what stands under this id.
    pub fn take_back_standing(&self, id: &str) -> Option<Standing> {
        let gone = self.table().standing.remove(id);
        self.has_changed();
        gone.into_iter().next()
    }

    /// Clear values are shown from now on.
    pub fn reveals(&self, one: Revealing) {
        self.table().reveals.push(one);
        self.has_changed();
    }

    /// They are shown no more.
    pub fn reveal_over(&self, id: &str) {
        self.table().reveals.retain(|one| one.id != id);
        self.has_changed();
    }

    /// What is shown under this approval.
    pub fn revealed(&self, id: &str) -> Option<Revealing> {
        self.table().reveals.iter().find(|one| one.id == id).cloned()
    }

    /// What is shown now.
    pub fn all_revealed(&self, now_s: u64) -> Vec<Revealing> {
        let mut table = self.table();
        // Ends that were not told, because the way here was full.
        table.reveals.retain(|one| now_s <= one.until_s.saturating_add(GRACE_S));
        table.reveals.clone()
    }

    /// The session says how it ended.
    pub fn over(&self, id: &str, state: State, why: &str, now_s: u64) {
        let mut table = self.table();
        let Some(Waiting { mut approval, .. }) = table.pending.remove(id) else { return };
        table.bytes = table.bytes.saturating_sub(approval.ask.text.len());
        one_less(&mut table.agents, &approval.ask.agent);
        one_less(&mut table.databases, &approval.ask.database);
        (approval.state, approval.ended_s) = (state, Some(now_s));
        approval.why = Some(match (state, approval.words.last()) {
            (State::Approved | State::Denied, Some(word)) => {
                let how = if word.break_glass { ", who broke glass" } else { "" };
                format!("by {}{how}: {}", word.reviewer, word.reason)
            }
            _ => why.to_owned(),
        });
        let text = &mut approval.ask.text;
        text.truncate(text.floor_char_boundary(KEPT_TEXT));
        self.tell(&approval, News::Over);
        table.over.push_front(approval);
        table.over.truncate(self.limits.history);
        drop(table);
        self.has_changed();
    }

    /// Everything that waits, and what is remembered.
    pub fn list(&self, now_s: u64) -> Listing {
        self.expire(now_s);
        let reveals = self.all_revealed(now_s);
        let mut table = self.table();
        table.standing.end_those_over(now_s);
        let mut pending: Vec<Approval> = table.pending.values().map(|waiting| waiting.approval.clone()).collect();
        pending.sort_by(|one, other| (one.ask.asked_s, &one.ask.id).cmp(&(other.ask.asked_s, &other.ask.id)));
        Listing {
            pending,
            over: table.over.iter().cloned().collect(),
            standing: table.standing.all().to_vec(),
            reveals,
        }
    }

    /// How many wait.
    pub fn pending(&self) -> usize {
        self.table().pending.len()
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<Approval> {
        let table = self.table();
        let waiting = table.pending.get(id).map(|waiting| &waiting.approval);
        waiting.or_else(|| table.over.iter().find(|approval| approval.ask.id == id)).cloned()
    }

    /// Ends that were not told, because the way here was full.
    fn expire(&self, now_s: u64) {
        let late = |waiting: &&Waiting| waiting.approval.ask.expires_s.saturating_add(GRACE_S) < now_s;
        let ids: Vec<String> =
            self.table().pending.values().filter(late).map(|waiting| waiting.approval.ask.id.clone()).collect();
        for id in ids {
            self.over(&id, State::Expired, "nobody decided in time", now_s);
        }
    }
}

fn one_less(counts: &mut HashMap<String, usize>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(name);
        }
    }
}
