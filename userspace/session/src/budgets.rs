//! What each agent has spent of its questions about sensitive values in the hour at hand; one account for all shards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The accounts of all agents. As many as the configuration has agents; its lock is touched at a session's login alone.
#[derive(Debug, Default)]
pub struct Budgets {
    agents: Mutex<HashMap<String, Arc<Spent>>>,
}

impl Budgets {
    /// The account of an agent.
    pub(crate) fn of(&self, agent: &str) -> Arc<Spent> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(agents.entry(agent.to_owned()).or_default())
    }
}

/// One account: the hour, then errors, then probes, 32, 16 and 16 bits of one word, so that a new hour begins with both at none.
#[derive(Debug, Default)]
pub(crate) struct Spent(AtomicU64);

const FULL: u64 = 0xffff;

impl Spent {
    pub(crate) fn errors(&self, hour: u32) -> u32 {
        (self.in_hour(hour) >> 16 & FULL) as u32
    }

    pub(crate) fn probes(&self, hour: u32) -> u32 {
        (self.in_hour(hour) & FULL) as u32
    }

    pub(crate) fn add_error(&self, hour: u32) {
        self.add(hour, 1 << 16);
    }

    pub(crate) fn add_probe(&self, hour: u32) {
        self.add(hour, 1);
    }

    /// Of another hour: nothing.
    fn in_hour(&self, hour: u32) -> u64 {
        now(self.0.load(Relaxed), hour)
    }

    fn add(&self, hour: u32, one: u64) {
        let spend = |word| {
            let word = now(word, hour);
            let full = word & (FULL * one) == FULL * one;
            Some(if full { word } else { word + one })
        };
        // It always gives a word.
        let _ = self.0.fetch_update(Relaxed, Relaxed, spend);
    }
}

fn now(word: u64, hour: u32) -> u64 {
    if word >> 32 == u64::from(hour) { word } else { u64::from(hour) << 32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_begins_with_nothing_spent() {
        let spent = Budgets::default().of("reconciler");
        (0..3).for_each(|_| spent.add_error(7));
        spent.add_probe(7);
        assert_eq!((spent.errors(7), spent.probes(7)), (3, 1));
        assert_eq!((spent.errors(8), spent.probes(8)), (0, 0));
        spent.add_probe(8);
        assert_eq!((spent.errors(8), spent.probes(8)), (0, 1));
    }

    #[test]
    fn what_is_full_stays_full() {
        let spent = Spent::default();
        (0..70_000).for_each(|_| spent.add_probe(1));
        assert_eq!((spent.errors(1), spent.probes(1)), (0, 0xffff));
    }
}
