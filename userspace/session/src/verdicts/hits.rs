//! How often each rule decided, per shard: a number for each, told to whoever asks.

use std::sync::Arc;

use policy::Policy;

/// Of one policy, since the shard judges by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleHits {
    /// The policy's version.
    pub policy: String,
    /// By the places of [`Policy::place`].
    pub counts: Vec<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Hits {
    policy: Option<Arc<Policy>>,
    counts: Vec<u64>,
}

impl Hits {
    /// A decision was taken by the rule at this place.
    pub(super) fn add(&mut self, policy: &Arc<Policy>, place: u16) {
        if !self.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy)) {
            *self = Hits { policy: Some(Arc::clone(policy)), counts: vec![0; policy.overview().count()] };
        }
        if let Some(count) = self.counts.get_mut(usize::from(place)) {
            *count += 1;
        }
    }

    pub(super) fn told(&self) -> RuleHits {
        let policy = self.policy.as_ref().map(|policy| policy.version().to_owned()).unwrap_or_default();
        RuleHits { policy, counts: self.counts.clone() }
    }
}
