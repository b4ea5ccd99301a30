//! The table of held statements. Behind a lock that is held for a look-up; nothing of the data path takes it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};

use crate::webhooks::{self, News};

use super::standing::{self, Standing, Words};
use super::{
    Answer, Approval, Ask, Limits, Listing, Login, Rejected, Revealing, Reviewer, Rule, State, Vote, Word, reason,
};

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

impl Waiting {
    fn is_approved_with(&self, reviewer: &Reviewer, answer: Answer) -> bool {
        let words = self.approval.words.iter().filter(|word| word.approve && word.under.is_none());
        let said = words.map(|word| (word.reviewer.as_str(), word.groups.as_slice(), word.break_glass));
        let says = (reviewer.name.as_str(), reviewer.groups.as_slice(), answer == Answer::BreakGlass);
        let all: Vec<(&str, &[String], bool)> =
            said.filter(|(name, ..)| *name != reviewer.name).chain(std::iter::once(says)).collect();
        let people: Vec<policy::Person<'_>> = all.iter().map(|(name, groups, _)| (*name, *groups)).collect();
        self.approval.ask.rules.iter().all(|rule| {
            let breaks =
                |(name, groups, breaks): &(&str, &[String], bool)| *breaks && rule.terms.lets_break_glass(name, groups);
            rule.terms.is_satisfied_by(&people) || all.iter().any(breaks)
        })
    }
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

    /// The person whom the identity provider calls so and who is in these groups there. Who has no `[[reviewer]]` is named by the provider
    /// alone, with a colon, which no configured name has.
    pub fn person(&self, subject: &str, groups: &[String]) -> Reviewer {
        let known = self.reviewers.iter().find(|reviewer| reviewer.subject.as_deref() == Some(subject));
        let mut person = known.cloned().unwrap_or_else(|| Reviewer {
            name: format!("oidc:{subject}"),
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

    /// The session has counted so many approvals, and wants more.
    pub fn counted(&self, id: &str, count: u32) {
        if let Some(waiting) = self.table().pending.get_mut(id) {
            waiting.counted = count;
        }
        self.has_changed();
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

    /// A person's word. What is to be sent to the session; it counts from then on.
    pub fn decide(
        &self,
        id: &str,
        reviewer: &Reviewer,
        login: &Login,
        answer: Answer,
        why: &str,
        now_s: u64,
    ) -> Result<Vote, Rejected> {
        let why = reason(why)?;
        let mut table = self.table();
        if let Some(over) = table.over.iter().find(|approval| approval.ask.id == id) {
            let why = over.why.clone().unwrap_or_default();
            return Err(Rejected::Over { state: over.state, why });
        }
        let waiting = table.pending.get_mut(id).ok_or(Rejected::Unknown)?;
        if let Some(who) = &waiting.decided_by {
            return Err(Rejected::Decided(who.clone()));
        }
        let ask = &waiting.approval.ask;
        if ask.expires_s <= now_s {
            return Err(Rejected::Over { state: State::Expired, why: "nobody decided in time".to_owned() });
        }
        if reviewer.uid == Some(ask.uid) {
            return Err(Rejected::Own);
        }
        let breaks_glass = answer == Answer::BreakGlass;
        let takes = |rule: &&Rule| match breaks_glass {
            true => rule.terms.lets_break_glass(&reviewer.name, &reviewer.groups),
            false => rule.terms.admits(&reviewer.name, &reviewer.groups),
        };
        let mut asked = ask.rules.iter().filter(takes).peekable();
        if asked.peek().is_none() {
            return Err(if breaks_glass { Rejected::NoBreakGlass } else { Rejected::NoApprover });
        }
        let max_age_s = asked.filter_map(|rule| rule.terms.max_age_s).min();
        if let Some(max_age_s) = max_age_s.filter(|age| login.proved_s.saturating_add(u64::from(*age)) < now_s) {
            return Err(Rejected::Stale(max_age_s));
        }
        let approve = answer.approves();
        let said = |word: &Word| {
            word.reviewer == reviewer.name && word.approve && word.under.is_none() && word.break_glass == breaks_glass
        };
        if approve && waiting.approval.words.iter().any(said) {
            return Err(Rejected::Again);
        }
        if !approve || waiting.is_approved_with(reviewer, answer) {
            waiting.decided_by = Some(reviewer.name.clone());
        }
        let session = ask.session;
        waiting.approval.words.push(Word {
            approve,
            reviewer: reviewer.name.clone(),
            groups: reviewer.groups.clone(),
            login: login.words.clone(),
            reason: why.clone(),
            at_s: now_s,
            break_glass: breaks_glass,
            under: None,
        });
        Ok(Vote {
            id: id.to_owned(),
            session,
            approve,
            reviewer: reviewer.name.clone(),
            groups: reviewer.groups.clone(),
            login: login.words.clone(),
            reason: why,
            standing: None,
            break_glass: breaks_glass,
        })
    }

    /// The word did not reach the session: it is as if it had not been said.
    pub fn take_back(&self, vote: &Vote) {
        if let Some(waiting) = self.table().pending.get_mut(&vote.id) {
            waiting.decided_by = None;
            let words = &mut waiting.approval.words;
            if let Some(at) =
                words.iter().rposition(|word| word.reviewer == vote.reviewer && word.approve == vote.approve)
            {
                words.remove(at);
            }
        }
        self.has_changed();
    }

    /// What the session made of a word: it is over, or counted and others must approve too. `None`: no answer yet.
    pub fn heard(&self, id: &str) -> Option<Approval> {
        let table = self.table();
        match table.pending.get(id) {
            Some(waiting) => {
                let said = waiting.approval.words.iter().filter(|word| word.approve && word.under.is_none());
                let counted = waiting.decided_by.is_none() && waiting.counted as usize >= said.count();
                counted.then(|| waiting.approval.clone())
            }
            None => table.over.iter().find(|approval| approval.ask.id == id).cloned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, approvers: &[&str], approvals: u32) -> Rule {
        let approvers: Vec<String> = approvers.iter().map(|word| (*word).to_owned()).collect();
        let terms = policy::Terms {
            rule: name.to_owned(),
            approvers: approvers.clone(),
            approvals,
            expires_s: 600,
            ..policy::Terms::default()
        };
        let terms = Arc::new(terms);
        Rule {
            name: name.to_owned(),
            approvers,
            approvals,
            all_groups: false,
            break_glass: vec![],
            message: None,
            terms,
        }
    }

    fn ask(id: &str, agent: &str, rules: Vec<Rule>) -> Ask {
        Ask {
            id: id.to_owned(),
            session: 7,
            agent: agent.to_owned(),
            groups: vec![],
            uid: 1000,
            pid: 1,
            executable: "psql".into(),
            cgroup: 1,
            agent_address: "127.0.0.1:4".into(),
            database: "payments".into(),
            dbname: "app".into(),
            database_user: "app".into(),
            application: "psql".into(),
            request: "query",
            text: "DELETE FROM t".into(),
            redacted: false,
            kinds: vec!["delete"],
            tables: vec!["public.t".into()],
            parameters: vec![],
            rules,
            policy: "ab".into(),
            record: "0-1".into(),
            asked_s: 100,
            expires_s: 700,
            ..Ask::default()
        }
    }

    fn reviewer(name: &str, uid: u32, groups: &[&str]) -> Reviewer {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Reviewer { name: name.to_owned(), uid: Some(uid), subject: (name == "ann").then(|| "a1".into()), groups }
    }

    fn people() -> Vec<Reviewer> {
        vec![
            reviewer("ann", 1, &["leads"]),
            reviewer("bob", 2, &["leads"]),
            reviewer("eve", 3, &[]),
            reviewer("own", 1000, &["leads"]),
        ]
    }

    fn table(approvals: u32) -> Approvals {
        let table = Approvals::new(Limits::default(), people());
        assert!(table.asked(ask("A", "reconciler", vec![rule("r", &["group:leads"], approvals)])));
        table
    }

    fn at(proved_s: u64) -> Login {
        Login { words: "unix socket".into(), proved_s }
    }

    fn say(table: &Approvals, id: &str, uid: u32, approve: bool) -> Result<Vote, Rejected> {
        let reviewer = table.reviewer(uid)?;
        let answer = if approve { Answer::Approve } else { Answer::Deny };
        table.decide(id, reviewer, &at(200), answer, "ticket 7", 200)
    }

    #[test]
    fn the_first_word_wins_and_the_second_is_told() {
        let table = table(1);
        let vote = say(&table, "A", 1, true).expect("it counts");
        assert_eq!((vote.session, vote.reviewer.as_str()), (7, "ann"));
        assert_eq!(say(&table, "A", 2, false), Err(Rejected::Decided("ann".into())));
        assert!(table.heard("A").is_none(), "the session has not answered");
        table.over("A", State::Approved, "approved", 201);
        let heard = table.heard("A").expect("it is over");
        assert_eq!((heard.state, heard.why.as_deref()), (State::Approved, Some("by ann: ticket 7")));
        let over = Rejected::Over { state: State::Approved, why: "by ann: ticket 7".into() };
        assert_eq!(say(&table, "A", 2, false), Err(over));
    }

    #[test]
    fn who_may_not_is_told_why() {
        let table = table(1);
        for (id, uid, expected) in [
            ("B", 1, Rejected::Unknown),
            ("A", 3, Rejected::NoApprover),
            ("A", 1000, Rejected::Own),
            ("A", 99, Rejected::NoReviewer(99)),
        ] {
            assert_eq!(say(&table, id, uid, true), Err(expected.clone()), "{expected}");
        }
        let ann = reviewer("ann", 1, &["leads"]);
        for why in ["", " \n ", &"x".repeat(1025)] {
            assert_eq!(table.decide("A", &ann, &at(200), Answer::Approve, why, 200), Err(Rejected::Reason));
        }
        let late = table.decide("A", &ann, &at(200), Answer::Approve, "fine", 700);
        assert!(matches!(late, Err(Rejected::Over { state: State::Expired, .. })));
    }

    #[test]
    fn two_must_approve() {
        let table = table(2);
        say(&table, "A", 1, true).expect("it counts");
        assert_eq!(say(&table, "A", 1, true), Err(Rejected::Again));
        assert!(table.heard("A").is_none());
        table.counted("A", 1);
        assert_eq!(table.heard("A").expect("counted").state, State::Pending);
        say(&table, "A", 2, true).expect("it counts");
        assert_eq!(say(&table, "A", 1, false), Err(Rejected::Decided("bob".into())));
    }

    #[test]
    fn one_may_deny_what_two_must_approve() {
        let table = table(2);
        say(&table, "A", 1, true).expect("it counts");
        say(&table, "A", 1, false).expect("on second thought");
        assert_eq!(say(&table, "A", 2, true), Err(Rejected::Decided("ann".into())));
    }

    #[test]
    fn every_rule_wants_its_own_people() {
        let table = Approvals::new(Limits::default(), people());
        table.asked(ask("A", "reconciler", vec![rule("r", &["group:leads"], 1), rule("s", &["eve"], 1)]));
        say(&table, "A", 1, true).expect("one of two");
        assert!(table.table().pending["A"].decided_by.is_none());
        say(&table, "A", 3, true).expect("the other");
        assert_eq!(table.table().pending["A"].decided_by.as_deref(), Some("eve"));
    }

    #[test]
    fn every_group_must_have_spoken() {
        let mut both = rule("r", &["group:leads", "group:security"], 2);
        Arc::make_mut(&mut both.terms).all_groups = true;
        let table = Approvals::new(Limits::default(), vec![]);
        table.asked(ask("A", "reconciler", vec![both]));
        let say = |name: &str, groups: &[&str]| {
            table
                .decide("A", &reviewer(name, 9, groups), &at(200), Answer::Approve, "ticket 7", 200)
                .expect("it counts");
            table.table().pending["A"].decided_by.clone()
        };
        assert_eq!((say("ann", &["leads", "security"]), say("bob", &["leads"])), (None, Some("bob".into())));
    }

    #[test]
    fn whoever_may_break_glass_decides_alone_and_nobody_about_their_own() {
        let held = || {
            let mut held = rule("r", &["group:leads"], 2);
            Arc::make_mut(&mut held.terms).break_glass = vec!["group:oncall".into()];
            Arc::make_mut(&mut held.terms).max_age_s = Some(60);
            let table = Approvals::new(Limits::default(), vec![]);
            table.asked(ask("A", "reconciler", vec![held]));
            table
        };
        let say = |table: &Approvals, uid, groups: &[&str], proved_s, answer| {
            table.decide("A", &reviewer("eve", uid, groups), &at(proved_s), answer, "the house burns", 200)
        };
        for (uid, groups, proved_s, answer, expected) in [
            (9, &["oncall"], 200, Answer::BreakGlass, None),
            (9, &["leads"], 200, Answer::BreakGlass, Some(Rejected::NoBreakGlass)),
            (9, &["oncall"], 200, Answer::Approve, Some(Rejected::NoApprover)),
            (9, &["oncall"], 139, Answer::BreakGlass, Some(Rejected::Stale(60))),
            (1000, &["oncall"], 200, Answer::BreakGlass, Some(Rejected::Own)),
        ] {
            assert_eq!(say(&held(), uid, groups, proved_s, answer).err(), expected, "{groups:?}");
        }
        let table = held();
        let vote = say(&table, 9, &["oncall"], 200, Answer::BreakGlass).expect("it counts");
        assert!(vote.approve && vote.break_glass);
        assert_eq!(table.table().pending["A"].decided_by.as_deref(), Some("eve"));
        assert!(table.get("A").is_some_and(|one| one.words[0].break_glass));
        let table = held();
        say(&table, 9, &["leads", "oncall"], 200, Answer::Approve).expect("the first of two");
        say(&table, 9, &["leads", "oncall"], 200, Answer::BreakGlass).expect("nobody else is awake");
        assert_eq!(table.table().pending["A"].decided_by.as_deref(), Some("eve"));
    }

    #[test]
    fn people_of_the_provider_are_told_apart_by_their_subject() {
        let table = table(2);
        let staff = |subject: &str| table.person(subject, &["leads".to_owned()]);
        assert_eq!((staff("a1").name.as_str(), staff("a1").uid), ("ann", Some(1)), "a configured person");
        assert_eq!((staff("ann").name.as_str(), staff("ann").uid), ("oidc:ann", None), "a subject takes no name");
        let say = |person: &Reviewer| table.decide("A", person, &at(200), Answer::Approve, "fine", 200);
        assert!(say(&staff("a1")).is_ok());
        assert_eq!(say(table.reviewer(1).expect("ann")), Err(Rejected::Again), "the same person by another way");
        assert_eq!(say(&table.person("z9", &[])), Err(Rejected::NoApprover));
        let vote = say(&staff("z9")).expect("it counts");
        assert_eq!((vote.reviewer.as_str(), vote.groups.as_slice()), ("oidc:z9", &["leads".to_owned()][..]));
        assert_eq!(table.table().pending["A"].decided_by.as_deref(), Some("oidc:z9"), "two have approved");
    }

    #[test]
    fn a_login_that_is_too_old_does_not_count() {
        let fresh = |max_age_s| {
            let mut rule = rule("r", &["group:leads"], 1);
            rule.terms = Arc::new(policy::Terms { max_age_s: Some(max_age_s), ..(*rule.terms).clone() });
            rule
        };
        let held = || {
            let table = Approvals::new(Limits::default(), people());
            table.asked(ask("A", "reconciler", vec![fresh(600), fresh(60), rule("s", &["eve"], 1)]));
            table
        };
        for (uid, proved_s, expected) in
            [(1, 139, Some(Rejected::Stale(60))), (1, 0, Some(Rejected::Stale(60))), (1, 140, None), (3, 0, None)]
        {
            let table = held();
            let said =
                table.decide("A", table.reviewer(uid).expect("known"), &at(proved_s), Answer::Approve, "fine", 200);
            assert_eq!(said.err(), expected, "{uid} {proved_s}");
        }
    }

    #[test]
    fn a_word_that_did_not_arrive_was_not_said() {
        let table = table(1);
        let vote = say(&table, "A", 1, true).expect("it counts");
        table.take_back(&vote);
        assert!(table.get("A").expect("it waits").words.is_empty());
        assert!(say(&table, "A", 2, false).is_ok());
    }

    fn covering(covers_s: u32) -> Approvals {
        let mut rule = rule("r", &["group:leads"], 1);
        Arc::make_mut(&mut rule.terms).covers_s = Some(covers_s);
        let table = Approvals::new(Limits::default(), people());
        assert!(table.asked(ask("A", "reconciler", vec![rule.clone()])));
        assert_eq!(table.standing("A", 200), [], "nobody has spoken");
        say(&table, "A", 1, true).expect("it counts");
        table.over("A", State::Approved, "approved", 201);
        for one in table.covers("A", 201) {
            assert!(table.stand(one, 201));
        }
        table
    }

    #[test]
    fn an_approval_covers_the_same_statement_for_its_window_and_never_another() {
        let rules = |covers_s| {
            let mut rule = rule("r", &["group:leads"], 1);
            Arc::make_mut(&mut rule.terms).covers_s = covers_s;
            vec![rule]
        };
        let usual = || ask("B", "reconciler", rules(Some(900)));
        for (asked, now_s, expected) in [
            (usual(), 1099, true),
            (usual(), 1100, false),
            (Ask { binding: [1; 32], ..usual() }, 300, false),
            (Ask { agent: "loader".into(), ..usual() }, 300, false),
            (Ask { database: "ledger".into(), ..usual() }, 300, false),
            (Ask { policy: "cd".into(), ..usual() }, 300, false),
            (Ask { uid: 1, ..usual() }, 300, false),
            (ask("B", "reconciler", rules(None)), 300, false),
        ] {
            let table = covering(900);
            assert!(table.asked(asked));
            let votes = table.standing("B", now_s);
            assert_eq!(votes.len(), usize::from(expected), "{now_s}");
            let Some(vote) = votes.first() else { continue };
            let given = super::super::Given { approval: "A".into(), at_s: 200, rule: None };
            assert_eq!((vote.reviewer.as_str(), vote.standing.as_ref()), ("ann", Some(&given)));
            table.over("B", State::Approved, "approved", now_s);
            assert!(table.covers("B", now_s).is_empty(), "what is covered covers nothing itself");
            // Nor does an emergency.
            let mut broken = table.get("A").expect("remembered");
            broken.words[0].break_glass = true;
            assert!(standing::covered(&broken, now_s).is_empty());
        }
        let table = covering(900);
        assert_eq!(table.list(300).standing.len(), 1);
        assert!(table.take_back_standing("A").is_some() && table.list(300).standing.is_empty());
    }

    #[test]
    fn what_a_person_grants_is_of_one_rule_and_counts_for_it() {
        let mut held = rule("r", &["group:leads"], 1);
        Arc::make_mut(&mut held.terms).grant_s = Some(3600);
        let granting = |for_s| super::super::Granting {
            id: "G".into(),
            terms: Arc::clone(&held.terms),
            agent: "reconciler".into(),
            database: "payments".into(),
            policy: "ab".into(),
            for_s,
        };
        let table = Approvals::new(Limits::default(), people());
        let by = |uid, for_s| granting(for_s).by(table.reviewer(uid).expect("one"), &at(100), "the night job", 100);
        assert_eq!(by(1, 3601), Err(Rejected::TooLong(3600)));
        assert_eq!(by(1, 0), Err(Rejected::TooLong(3600)));
        assert_eq!(by(3, 60), Err(Rejected::NoApprover));
        assert!(table.stand(by(1, 600).expect("it counts"), 100));
        for (asked, now_s, expected) in [
            (ask("A", "reconciler", vec![held.clone()]), 699, true),
            (ask("B", "reconciler", vec![held.clone()]), 200, true),
            (ask("C", "loader", vec![held.clone()]), 200, false),
            (ask("D", "reconciler", vec![rule("s", &[], 1)]), 200, false),
            (ask("E", "reconciler", vec![held.clone()]), 700, false),
        ] {
            let id = asked.id.clone();
            assert!(table.asked(asked));
            let votes = table.standing(&id, now_s);
            assert_eq!(votes.len(), usize::from(expected), "{id}");
            assert!(
                votes.iter().all(|vote| vote.standing.as_ref().is_some_and(|given| given.rule.as_deref() == Some("r")))
            );
        }
    }

    #[test]
    fn what_may_wait_is_bounded() {
        let limits = Limits { pending: 4, per_agent: 2, per_database: 3, bytes: 60, history: 2 };
        let table = Approvals::new(limits, people());
        let asked = |id: &str, agent: &str| table.asked(ask(id, agent, vec![rule("r", &[], 1)]));
        assert!(asked("A", "a") && asked("B", "a") && !asked("C", "a"), "two of one agent");
        assert!(!asked("A", "b"), "an id twice");
        assert!(asked("C", "b") && !asked("D", "b"), "three of one database");
        for id in ["A", "B", "C"] {
            table.over(id, State::Cancelled, "the agent left", 300);
        }
        assert_eq!((table.pending(), table.list(300).over.len()), (0, 2));
        assert!(asked("E", "a"));
        let mut long = ask("F", "b", vec![rule("r", &[], 1)]);
        long.text = "x".repeat(48);
        assert!(!table.asked(long), "too many bytes");
        assert_eq!(table.list(1000).over[0].state, State::Expired, "its end was not told");
    }

    #[test]
    fn a_reason_is_one_masked_line() {
        let table = table(1);
        let ann = reviewer("ann", 1, &["leads"]);
        let vote = table
            .decide("A", &ann, &at(200), Answer::Approve, " refund\n4111111111111111\x1b[2J ", 200)
            .expect("it counts");
        assert!(vote.reason == "refund 411111******1111 [2J");
    }

    #[test]
    fn ten_thousand_are_asked_about() {
        let limits = Limits { pending: 10_000, per_agent: 10_000, per_database: 10_000, ..Limits::default() };
        let table = Approvals::new(limits, people());
        for number in 0..10_001 {
            let taken = table.asked(ask(&number.to_string(), "a", vec![rule("r", &[], 1)]));
            assert_eq!(taken, number < 10_000);
        }
        assert_eq!(table.list(200).pending.len(), 10_000);
    }
}
