//! The pinned maps of one instance, by name and with their types.

use std::path::{Path, PathBuf};

use interceptor_abi::{Agent, AllowedKey, FlowKey, LAYOUT, NAME_LEN, Origin, Rule, RuleKey, Text, maps};

use super::{
    error::Error,
    sys::{Map, PerCpu, Plain, Prefix},
};

/// More entries than any of our maps has.
pub(crate) const ENTRIES_MAX: usize = 1 << 20;

/// Where the pins of one version lie: `<instance>/v<layout>/{maps,links}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    folder: PathBuf,
}

macro_rules! opens {
    ($($(#[$doc:meta])* $function:ident: $name:ident, $key:ty => $value:ty;)+) => {
        $(
            $(#[$doc])*
            pub fn $function(&self) -> Result<Map<$key, $value>, Error> {
                self.open(maps::$name, false)
            }
        )+
    };
}

impl Pins {
    /// The version that this build speaks.
    pub fn current(instance: &Path) -> Pins {
        Pins { folder: instance.join(format!("v{LAYOUT}")) }
    }

    /// The version's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the maps.
    pub fn maps(&self) -> PathBuf {
        self.folder.join("maps")
    }

    /// The folder of the links; root's alone.
    pub fn links(&self) -> PathBuf {
        self.folder.join("links")
    }

    /// A map's pin.
    pub fn map(&self, name: &str) -> PathBuf {
        self.maps().join(name)
    }

    fn open<K: Plain, V: Plain>(&self, name: &'static str, read_only: bool) -> Result<Map<K, V>, Error> {
        Map::open(&self.map(name), read_only).map_err(|why| Error::Map(name, why))
    }

    /// Protected destinations.
    pub fn rules(&self, read_only: bool) -> Result<Map<Prefix<RuleKey>, Rule>, Error> {
        self.open(maps::RULES, read_only)
    }

    /// Names of the databases; nobody but `attach` writes them.
    pub fn databases(&self, read_only: bool) -> Result<Map<u32, Text<NAME_LEN>>, Error> {
        self.open(maps::DATABASES, read_only)
    }

    opens! {
        /// What is local.
        locals: LOCALS, Prefix<[u8; 16]> => u32;
        /// The rules for every local address.
        local_ports: LOCAL_PORTS, u32 => Rule;
        /// Agents by cgroup.
        agents: AGENTS, u64 => Agent;
        /// Agents by uid.
        uids: UIDS, u32 => Agent;
        /// Who else may dial a closed database.
        allowed: ALLOWED, AllowedKey => u32;
        /// Connections on their way.
        flows: FLOWS, FlowKey => Origin;
    }

    /// The counters.
    pub fn counters(&self) -> Result<PerCpu, Error> {
        PerCpu::open(&self.map(maps::COUNTERS)).map_err(|why| Error::Map(maps::COUNTERS, why))
    }
}

impl<K: Plain, V: Plain> Map<K, V> {
    /// All keys with their values.
    pub fn entries(&self) -> std::io::Result<Vec<(K, V)>> {
        let keys = self.keys(ENTRIES_MAX)?;
        let mut out = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(value) = self.get(&key)? {
                out.push((key, value));
            }
        }
        Ok(out)
    }
}

/// Makes the map hold just these entries: first what is new, then what has to go, so that nothing that stays protected
/// is ever not.
pub(super) fn make<K: Plain + PartialEq, V: Plain>(
    name: &'static str,
    map: &Map<K, V>,
    wanted: &[(K, V)],
) -> Result<(), Error> {
    let failed = |why| Error::Map(name, why);
    for (key, value) in wanted {
        map.set(key, value).map_err(failed)?;
    }
    for key in map.keys(ENTRIES_MAX).map_err(failed)? {
        if !wanted.iter().any(|(known, _)| *known == key) {
            map.remove(&key).map_err(failed)?;
        }
    }
    Ok(())
}
