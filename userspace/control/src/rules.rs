//! The policy in force, for people: its rules, and how often each decided.

use serde::Serialize;

/// The policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleBook {
    /// Its version.
    pub version: String,
    /// For so long it is in force.
    pub in_force_s: u64,
    /// Its rules, in the order of their names, and then each `[[reveal]]`.
    pub rules: Vec<RuleUse>,
}

/// One rule, and its use since the policy is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleUse {
    /// Its name.
    pub name: String,
    /// `allow`, `hold` or `block`.
    pub action: &'static str,
    /// How many decisions name it. Of several rules that match one does.
    pub hits: u64,
    /// Whom it asks, of a hold.
    pub asks: Option<String>,
    /// Its own words.
    pub message: Option<String>,
}
