//! Which schemas an unqualified name may mean. Between our own catalog queries it is a set of possibilities that only grows.

use std::sync::Arc;

use sql::{Kind, Object, Scope, SettingValue, Statement};

use super::settings::{self, Rule};
use crate::derived::{defines, reads};
use crate::taints::{Changes, Changing};
use crate::verdicts::Judged;

/// The session's view of `search_path`.
#[derive(Debug)]
pub(super) struct Schemas {
    current: Arc<[String]>,
    /// What they were at the session's start: what RESET goes back to.
    initial: Option<Arc<[String]>>,
    /// Every name in the setting, also of schemas that did not exist when it was read.
    path: Arc<[String]>,
    /// Nothing has changed since they were asked for.
    sure: bool,
    /// Counts the changes: a verdict of another epoch is taken anew.
    epoch: u32,
    /// Where among them the session's temporary schema is searched.
    temporary_at: u16,
    /// The open transaction may have changed the catalog; others see it when it ends.
    changing: Option<Box<Changing>>,
    /// What it changed.
    doubts: Option<Box<Doubts>>,
}

/// Objects of which it cannot be told what they are, until the catalog can be asked.
#[derive(Debug, Default)]
struct Doubts {
    /// Code that cannot be seen into ran, or too much was changed.
    all: bool,
    /// Bare names.
    names: Vec<String>,
}

/// More names than a transaction of people's changes; beyond them all are in doubt.
const DOUBTS_MAX: usize = 1024;

impl Doubts {
    fn add(&mut self, statement: &Statement) {
        for pair in &statement.pairs {
            match &pair.object {
                Object::Table(name) | Object::Function(name) if defines(pair.kind) => {
                    if self.names.len() >= DOUBTS_MAX {
                        self.all = true;
                    } else if !self.names.iter().any(|known| name.name == *known) {
                        self.names.push(name.name.to_string());
                    }
                }
                _ => self.all |= is_unseen(pair.kind),
            }
        }
    }
}

/// Changes objects that its text does not name.
fn is_unseen(kind: Kind) -> bool {
    const UNSEEN: [&str; 11] = [
        "discard",
        "do",
        "unknown",
        "create-extension",
        "alter-extension",
        "alter-schema",
        "drop-schema",
        "create-operator",
        "create-cast",
        "alter-owned",
        "drop-owned",
    ];
    UNSEEN.contains(&kind.as_str())
}

impl Default for Schemas {
    fn default() -> Schemas {
        Schemas {
            current: Arc::from(["public".to_owned()]),
            initial: None,
            path: Arc::default(),
            sure: false,
            epoch: 0,
            temporary_at: 0,
            changing: None,
            doubts: None,
        }
    }
}

impl Schemas {
    pub(super) fn current(&self) -> &Arc<[String]> {
        &self.current
    }

    /// Where among them the session's temporary schema is searched.
    pub(super) fn temporary_at(&self) -> usize {
        self.temporary_at.into()
    }

    /// Why it cannot be told what a statement uses: the open transaction has changed it.
    pub(super) fn doubts(&self, judged: &Judged) -> Option<String> {
        let doubts = self.doubts.as_ref()?;
        let uses = |statement: &Statement| {
            statement.pairs.iter().any(|pair| pair.object != Object::None && !defines(pair.kind))
        };
        if doubts.all && judged.statements.iter().any(uses) {
            return Some("what code in the open transaction has changed".to_owned());
        }
        let read = |name: &&String| judged.statements.iter().any(|statement| reads(statement, name));
        let name = doubts.names.iter().find(read)?;
        Some(format!("what {name} is, which the open transaction has changed"))
    }

    pub(super) fn epoch(&self) -> u32 {
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
    pub(super) fn set(&mut self, names: Arc<[String]>, path: Arc<[String]>, temporary_at: usize) {
        self.epoch += u32::from(*self.current != *names);
        self.current = names;
        self.epoch += u32::from(!self.sure);
        self.temporary_at = u16::try_from(temporary_at).unwrap_or(u16::MAX);
        self.doubts = None;
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
    pub(super) fn may_change(&mut self, judged: &Judged, user: &str, changes: impl FnOnce() -> Arc<Changes>) {
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
            let path = Arc::clone(&self.path);
            self.widen(&path);
            let doubts = self.doubts.get_or_insert_default();
            judged.statements.iter().filter(|statement| statement.changes_catalog).for_each(|s| doubts.add(s));
            doubts.all |= judged.statements.is_empty();
            let changing = self.changing.get_or_insert_with(|| Box::new(Changing::new(changes())));
            changing.add((!doubts.all).then_some(doubts.names.as_slice()));
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
    pub(super) fn transaction_ended(&mut self) {
        self.changing = None;
    }
}
