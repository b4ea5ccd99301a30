//! How often an agent may ask about the values of sensitive columns, and fail over them, in an hour.

use std::sync::Arc;

use super::Cx;
use crate::budgets::Spent;

/// The agent's account; it is shared by all its sessions.
#[derive(Debug, Default)]
pub(super) struct Budget {
    spent: Option<Arc<Spent>>,
}

impl Budget {
    /// At the login.
    pub(super) fn open(agent: &str, cx: &Cx<'_, '_>) -> Budget {
        Budget { spent: Some(cx.shared.catalogs.budgets.of(agent)) }
    }

    pub(super) fn may_probe(&self, cx: &Cx<'_, '_>) -> bool {
        let spent = self.spent.as_ref().map_or(u32::MAX, |spent| spent.probes(hour(cx)));
        spent < cx.shared.limits.probes_per_hour
    }

    pub(super) fn may_err(&self, cx: &Cx<'_, '_>) -> bool {
        let spent = self.spent.as_ref().map_or(u32::MAX, |spent| spent.errors(hour(cx)));
        spent < cx.shared.limits.value_errors_per_hour
    }

    /// A statement that asks goes on.
    pub(super) fn probes(&self, cx: &Cx<'_, '_>) {
        self.spent.iter().for_each(|spent| spent.add_probe(hour(cx)));
    }

    /// One has failed over a value.
    pub(super) fn errs(&self, cx: &Cx<'_, '_>) {
        self.spent.iter().for_each(|spent| spent.add_error(hour(cx)));
    }
}

fn hour(cx: &Cx<'_, '_>) -> u32 {
    (cx.now.wall_ns / 3_600_000_000_000) as u32
}
