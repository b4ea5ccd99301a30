//! What is recorded of logins that the interceptor itself makes or asks for: plugins' and jobs' own roles.

use pan::Masked;

use super::{Operator, Text};

/// A login of ours was made, dropped, or could not be.
#[derive(Clone, Copy, Debug)]
pub struct CredentialSeen<'a> {
    /// The service.
    pub operator: Operator<'a>,
    /// `issued` (a plugin gave it), `created`, `dropped`, `kept` (it could not be dropped), `refused` (there is none).
    pub change: &'static str,
    /// The database's name in the configuration.
    pub database: Text<'a>,
    /// The role of the database.
    pub role: Option<Text<'a>>,
    /// Whose job it is for, where it is for one.
    pub agent: Option<Text<'a>>,
    /// The job's cgroup.
    pub cgroup: Option<u64>,
    /// Whose job it is, by its token.
    pub principal: Option<Text<'a>>,
    /// The roles whose rights it has.
    pub grants: &'a [Masked],
    /// It opens nothing from then on, seconds since 1970.
    pub until_s: Option<u64>,
    /// Why.
    pub cause: Option<Text<'a>>,
}
