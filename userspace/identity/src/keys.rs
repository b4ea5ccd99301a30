//! How long an issuer's keys live: fetched again and again, kept while the issuer is silent, and not for ever.

use std::sync::Arc;

use crate::jws::KeySet;

/// A key that is not known makes us ask again, but not sooner than that after the last time, in seconds.
const AGAIN_S: u64 = 30;

/// Bounds of the keys' life, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Asked again after so long.
    pub refresh_s: u64,
    /// Kept for so long after the issuer has shown them last.
    pub hold_s: u64,
}

impl Default for Life {
    fn default() -> Life {
        Life { refresh_s: 600, hold_s: 86_400 }
    }
}

/// The keys of one issuer. Times are of one clock that never goes back, in seconds.
#[derive(Clone, Debug)]
pub struct Keys {
    life: Life,
    shown: Option<(Arc<KeySet>, u64)>,
    asked_s: Option<u64>,
    /// Since when it does not answer.
    silent_s: Option<u64>,
}

impl Keys {
    /// None yet.
    pub fn new(life: Life) -> Keys {
        Keys { life, shown: None, asked_s: None, silent_s: None }
    }

    /// The issuer shows these: what it showed before counts no more, and is the answer where it was something else.
    pub fn shown(&mut self, keys: KeySet, now_s: u64) -> Option<Arc<KeySet>> {
        let before = self.shown.take().map(|(before, _)| before).filter(|before| **before != keys);
        self.shown = Some((Arc::new(keys), now_s));
        self.asked_s = Some(now_s);
        self.silent_s = None;
        before
    }

    /// It was asked and did not answer. Whether that is news.
    pub fn silent(&mut self, now_s: u64) -> bool {
        self.asked_s = Some(now_s);
        let news = self.silent_s.is_none();
        self.silent_s.get_or_insert(now_s);
        news
    }

    /// Those that count now.
    pub fn usable(&self, now_s: u64) -> Option<Arc<KeySet>> {
        let (keys, shown_s) = self.shown.as_ref()?;
        (now_s.saturating_sub(*shown_s) < self.life.hold_s).then(|| Arc::clone(keys))
    }

    /// Since when the issuer does not answer.
    pub fn silent_since_s(&self) -> Option<u64> {
        self.silent_s
    }

    /// When the keys were shown last.
    pub fn shown_s(&self) -> Option<u64> {
        self.shown.as_ref().map(|(_, shown_s)| *shown_s)
    }

    /// When it is asked next.
    pub fn due_s(&self) -> u64 {
        let pause = if self.silent_s.is_some() { AGAIN_S.min(self.life.refresh_s) } else { self.life.refresh_s };
        self.asked_s.map_or(0, |asked_s| asked_s.saturating_add(pause))
    }

    /// Whether it may be asked now because a token names a key that is not known.
    pub fn may_ask_again(&self, now_s: u64) -> bool {
        self.asked_s.is_none_or(|asked_s| asked_s.saturating_add(AGAIN_S) <= now_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_issuer_keeps_its_keys_until_they_are_too_old() {
        let mut keys = Keys::new(Life { refresh_s: 600, hold_s: 3600 });
        assert!(keys.usable(0).is_none() && keys.due_s() == 0 && keys.may_ask_again(0));
        assert!(keys.silent(0), "the first silence is news");
        assert_eq!((keys.due_s(), keys.may_ask_again(29), keys.may_ask_again(30)), (30, false, true));
        keys.shown(KeySet::default(), 30);
        assert_eq!((keys.due_s(), keys.silent_since_s()), (630, None));
        assert!(keys.silent(630) && !keys.silent(660));
        assert_eq!((keys.due_s(), keys.silent_since_s()), (690, Some(630)));
        assert!(keys.usable(3629).is_some());
        assert!(keys.usable(3630).is_none());
        keys.shown(KeySet::default(), 4000);
        assert!(keys.usable(4000).is_some());
    }
}
