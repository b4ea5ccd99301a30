//! What is counted of logins of ours.

use std::sync::atomic::{AtomicU64, Ordering};

/// Since the service's start; all databases together.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    given: AtomicU64,
    failed: AtomicU64,
    /// Roles.
    created: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    live: AtomicU64,
    overdue: AtomicU64,
}

fn add(figure: &AtomicU64) {
    figure.fetch_add(1, Ordering::Relaxed);
}

impl Figures {
    /// A plugin was run.
    pub(crate) fn plugin(&self, gave: bool) {
        add(if gave { &self.given } else { &self.failed });
    }

    /// A role was made, dropped or could not be made.
    pub(crate) fn role(&self, change: &str) {
        match change {
            "created" => add(&self.created),
            "dropped" => add(&self.dropped),
            "refused" => add(&self.refused),
            _ => {}
        }
    }

    /// How many there are, and of how many of them the job is over.
    pub(crate) fn roles(&self, live: usize, overdue: usize) {
        self.live.store(live as u64, Ordering::Relaxed);
        self.overdue.store(overdue as u64, Ordering::Relaxed);
    }

    /// Each by its name, with what it is.
    pub(crate) fn each(&self) -> [(&'static str, &'static str, u64); 7] {
        let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        [
            ("plugin_logins", "Logins that plugins gave.", of(&self.given)),
            ("plugin_failures", "Runs of plugins that gave none.", of(&self.failed)),
            ("roles_created", "Roles that were made for jobs.", of(&self.created)),
            ("roles_dropped", "Roles of jobs that were dropped.", of(&self.dropped)),
            ("roles_refused", "Roles that could not be made.", of(&self.refused)),
            ("roles_live", "Roles of jobs that there are.", of(&self.live)),
            ("roles_overdue", "Of them, those whose job is over and that could not be dropped yet.", of(&self.overdue)),
        ]
    }
}
