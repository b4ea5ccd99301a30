//! What agents may learn of sensitive values, and the login of ours that is asked for plans.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Error, meaning};

/// `[budgets]`: what each agent may learn of sensitive values in an hour, over all its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// Statements that ask about a sensitive value, beside those that policy lets it ask by `match`.
    pub probes_per_hour: u32,
    /// Statements that may fail with an error that a sensitive value decides.
    pub value_errors_per_hour: u32,
}

impl Default for Budgets {
    fn default() -> Budgets {
        let session::Limits { probes_per_hour, value_errors_per_hour, .. } = session::Limits::default();
        Budgets { probes_per_hour, value_errors_per_hour }
    }
}

impl Budgets {
    /// An account counts no further.
    const MAX: u32 = 65_535;

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.probes_per_hour > Budgets::MAX || self.value_errors_per_hour > Budgets::MAX {
            return Err(meaning(
                "[budgets]",
                format!("probes_per_hour and value_errors_per_hour are at most {}", Budgets::MAX),
            ));
        }
        Ok(())
    }
}

/// `[database.login]`: a role of our own, which is asked for plans and for nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The role.
    pub user: String,
    /// The file of its password, one line; below `${CREDENTIALS_DIRECTORY}/` a credential of the unit.
    pub passfile: PathBuf,
}
