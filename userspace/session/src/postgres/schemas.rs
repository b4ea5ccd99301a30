//! Which schemas an unqualified name may mean. Between our own catalog queries it is a set of possibilities that only grows.

use std::sync::Arc;

use sql::{Scope, SettingValue};

use super::settings::{self, Rule};
use crate::Catalogs;
use crate::verdicts::Judged;

/// The session's view of `search_path`.
#[derive(Debug)]
pub(super) struct Schemas {
    current: Arc<[String]>,
    /// What they were at the session's start: what RESET goes back to.
    initial: Option<Arc<[String]>>,
    /// Every name in the setting, also of schemas that did not exist when it was read.
    path: Vec<String>,
    /// Nothing has changed since they were asked for.
    sure: bool,
    /// Counts the changes: a verdict of another epoch is taken anew.
    epoch: u64,
    /// The open transaction may have changed the catalog; others see it when it ends.
    changed: bool,
}

impl Default for Schemas {
    fn default() -> Schemas {
        Schemas {
            current: Arc::from(["public".to_owned()]),
            initial: None,
            path: Vec::new(),
            sure: false,
            epoch: 0,
            changed: false,
        }
    }
}

impl Schemas {
    pub(super) fn current(&self) -> &Arc<[String]> {
        &self.current
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn is_sure(&self) -> bool {
        self.sure
    }

    /// What they are cannot be told until they are asked for again.
    pub(super) fn doubt(&mut self) {
        self.sure = false;
        self.epoch += 1;
    }

    /// What our own query said.
    pub(super) fn set(&mut self, names: Vec<String>, path: Vec<String>) {
        if *self.current != *names {
            self.current = names.into();
            self.epoch += 1;
        }
        if self.initial.is_none() {
            self.initial = Some(Arc::clone(&self.current));
        }
        self.path = path;
        self.sure = true;
    }

    fn widen(&mut self, names: &[String]) {
        let new = names.iter().filter(|name| !name.is_empty() && !self.current.contains(name));
        let new: Vec<String> = new.cloned().collect();
        if !new.is_empty() {
            self.current = self.current.iter().cloned().chain(new).collect();
        }
    }

    /// The statement goes on: what it may change holds for everything after it.
    pub(super) fn may_change(&mut self, judged: &Judged, user: &str) {
        for setting in judged.statements.iter().flat_map(|statement| &statement.settings) {
            if setting.scope == Scope::Stored {
                continue;
            }
            let rule = settings::rule(&setting.name);
            let all = setting.name == "*";
            match (&setting.value, rule) {
                (SettingValue::Known(words), Rule::Schemas) => {
                    let mut names: Vec<String> = words
                        .iter()
                        .flat_map(|word| settings::schema_names(word))
                        .chain(words.iter().cloned())
                        .collect();
                    names.iter_mut().filter(|name| *name == "$user").for_each(|name| user.clone_into(name));
                    self.widen(&names);
                    self.doubt();
                }
                (SettingValue::Known(words), Rule::Role) => {
                    self.widen(words);
                    self.doubt();
                }
                (_, Rule::Schemas | Rule::Role) => self.back_to_start(),
                _ if all => self.back_to_start(),
                _ => {}
            }
        }
        if judged.changes_catalog {
            let path = std::mem::take(&mut self.path);
            self.widen(&path);
            self.path = path;
            self.changed = true;
            self.doubt();
        }
    }

    fn back_to_start(&mut self) {
        if let Some(initial) = self.initial.clone() {
            self.widen(&initial);
        }
        self.doubt();
    }

    /// What an ended transaction changed is now seen by all; what it set locally is no more.
    pub(super) fn transaction_ended(&mut self, catalogs: &mut Catalogs) {
        if std::mem::take(&mut self.changed) {
            catalogs.changed();
        }
    }
}
