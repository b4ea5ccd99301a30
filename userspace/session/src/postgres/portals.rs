//! Portals: what each would run and what its rows look like. Every Bind gets a slot of its own, so a pipelined Bind of the same
//! name never changes how the rows of the one before it are masked. Slots are reused with their memory.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use audit::ParametersPart;
use policy::Policy;

use super::rewrite::Columns;
use crate::AskId;
use crate::verdicts::{Inner, Judged};

/// What is known of a portal's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rows {
    /// Nobody has asked.
    #[default]
    Unasked,
    /// A Describe is on its way.
    Asked,
    /// The columns are known.
    Known,
    /// It returns none.
    None,
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    refs: u32,
    /// What it runs; `None`: opened inside the server.
    pub(super) judged: Option<Arc<Judged>>,
    /// What an EXECUTE in it runs.
    pub(super) inner: Inner,
    /// A person let it go on.
    pub(super) approval: Option<AskId>,
    /// So many rows may leave under it.
    pub(super) rows_bound: Option<NonZeroU64>,
    /// It was bound while clear values were shown, and they still are.
    pub(super) is_shown: bool,
    /// What the record says of its values.
    pub(super) bound: Option<Arc<ParametersPart>>,
    /// What the verdict was taken under.
    pub(super) stamp: Stamp,
    pub(super) rows: Rows,
    pub(super) columns: Columns,
    /// Rows of it that have left.
    pub(super) sent: u32,
    /// The request that made it.
    seq: u64,
    /// Made by DECLARE: may outlive its transaction.
    declared: bool,
}

impl Slot {
    /// By DECLARE: what it reads is in `inner`.
    pub(super) fn is_declared(&self) -> bool {
        self.declared
    }
}

/// What a verdict depends on beside the text. Equal stamps: the verdict still holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamp {
    pub(super) policy: Option<Arc<Policy>>,
    pub(super) epoch: u32,
    /// Of the catalog.
    pub(super) version: u32,
    /// Of what a token says of the agent.
    pub(super) who: u32,
}

impl Stamp {
    pub(super) fn is(&self, policy: &Arc<Policy>, epoch: u32, version: u32, who: u32) -> bool {
        self.epoch == epoch
            && self.version == version
            && self.who == who
            && self.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy))
    }
}

#[derive(Debug, Default)]
pub(super) struct Portals {
    slots: Vec<Slot>,
    free: Vec<u32>,
    named: HashMap<Box<[u8]>, u32>,
    unnamed: Option<u32>,
}

impl Portals {
    /// Portals that have a name to be reached by.
    pub(super) fn len(&self) -> usize {
        self.named.len() + usize::from(self.unnamed.is_some())
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        if name.is_empty() { self.unnamed } else { self.named.get(name).copied() }
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)
    }

    /// A fresh slot under this name.
    pub(super) fn open(
        &mut self,
        name: &[u8],
        seq: u64,
        declared: bool,
        judged: Option<Arc<Judged>>,
        inner: Inner,
    ) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot::default());
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(fresh) = self.get_mut(slot) {
            fresh.refs = 1;
            fresh.judged = judged;
            fresh.inner = inner;
            fresh.approval = None;
            fresh.rows_bound = None;
            fresh.is_shown = false;
            fresh.bound = None;
            fresh.stamp = Stamp::default();
            fresh.rows = Rows::Unasked;
            fresh.columns.clear();
            fresh.sent = 0;
            fresh.seq = seq;
            fresh.declared = declared;
        }
        let old = if name.is_empty() {
            self.unnamed.replace(slot)
        } else if let Some(known) = self.named.get_mut(name) {
            Some(std::mem::replace(known, slot))
        } else {
            self.named.insert(name.into(), slot)
        };
        if let Some(old) = old {
            self.release(old);
        }
        slot
    }

    /// What the slot runs was held, and may go on.
    pub(super) fn approved(&mut self, slot: u32, approval: Option<AskId>, rows_bound: Option<NonZeroU64>) {
        if let Some(slot) = self.get_mut(slot) {
            (slot.approval, slot.rows_bound) = (approval, rows_bound);
        }
    }

    /// Nothing is shown clear any more.
    pub(super) fn hide(&mut self) {
        for slot in &mut self.slots {
            slot.is_shown = false;
            slot.columns.hide();
        }
    }

    /// A request in the queue uses the slot.
    pub(super) fn retain(&mut self, slot: u32) {
        if let Some(slot) = self.get_mut(slot) {
            slot.refs += 1;
        }
    }

    /// The request is answered, or the name gone.
    pub(super) fn release(&mut self, at: u32) {
        let Some(slot) = self.get_mut(at) else { return };
        slot.refs = slot.refs.saturating_sub(1);
        if slot.refs == 0 {
            (slot.judged, slot.bound) = (None, None);
            self.free.push(at);
        }
    }

    /// The name is gone.
    pub(super) fn close(&mut self, name: &[u8]) {
        let old = if name.is_empty() { self.unnamed.take() } else { self.named.remove(name) };
        if let Some(old) = old {
            self.release(old);
        }
    }

    /// The Bind of this slot failed.
    pub(super) fn undo(&mut self, slot: u32) {
        if self.unnamed == Some(slot) {
            self.close(b"");
            return;
        }
        let name = self.named.iter().find(|(_, known)| **known == slot).map(|(name, _)| name.clone());
        if let Some(name) = name {
            self.close(&name);
        }
    }

    /// CLOSE ALL or DISCARD ALL.
    pub(super) fn close_all(&mut self, seq: u64) {
        self.close_where(seq, true);
    }

    /// The transaction ended: what was opened before request `seq` is gone, save declared cursors that may be WITH HOLD.
    pub(super) fn end_transaction(&mut self, seq: u64) {
        self.close_where(seq, false);
    }

    fn close_where(&mut self, seq: u64, declared: bool) {
        let Portals { slots, free, named, unnamed } = self;
        let mut gone = |at: u32| {
            let Some(slot) = slots.get_mut(at as usize) else { return true };
            if slot.seq >= seq || (slot.declared && !declared) {
                return false;
            }
            slot.refs = slot.refs.saturating_sub(1);
            if slot.refs == 0 {
                (slot.judged, slot.bound) = (None, None);
                free.push(at);
            }
            true
        };
        if unnamed.is_some_and(&mut gone) {
            *unnamed = None;
        }
        if !named.is_empty() {
            named.retain(|_, slot| !gone(*slot));
        }
    }
}
