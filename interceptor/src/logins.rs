//! Logins that sessions ask for at their start, by the databases' names: what a plugin prints, or a role for the job. Each database has a
//! thread of its own that makes them; a session waits, its shard does not.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::Builder;

use anyhow::{Context, Result};
use pan::Masked;
use session::LoginAsk;

use crate::config::Config;
use crate::plugin::{self, Runner};
use crate::service::Service;
use crate::tls::Legs;

mod figures;
mod plugged;
mod roles;

pub(crate) use figures::Figures;

/// Sessions that may wait for one database's login.
const WAITING_MAX: usize = 256;

/// What must be there before the service gives up the right to make it.
pub(crate) struct Parts {
    runners: Vec<(String, Runner)>,
    roles: Vec<roles::Parts>,
}

impl Parts {
    /// Starts what runs plugins, as the service's account and before it is confined.
    pub(crate) fn new(path: &Path, config: &Config, Owners(roles): Owners) -> Result<Parts> {
        let plugged =
            config.databases.iter().filter_map(|database| Some((database, database.credentials.plugin.as_ref()?)));
        let runners = plugged.map(|(database, plugin)| {
            let place = || format!("[[database]] {}: [database.credentials.plugin]", database.name);
            plugin::examine(plugin).with_context(place)?;
            Ok((database.name.clone(), Runner::start(path, &database.name, plugin).with_context(place)?))
        });
        let roles = roles.into_iter().map(|roles| roles.marked(&config.service.state_dir));
        Ok(Parts { runners: runners.collect::<Result<_>>()?, roles: roles.collect::<Result<_>>()? })
    }
}

/// Who makes roles.
pub(crate) struct Owners(Vec<roles::Parts>);

/// Reads what makes roles, before the service is its own account: passwords may be root's to read.
pub(crate) fn owners(config: &Config, tls: &Legs) -> Result<Owners> {
    let all = config.databases.iter().map(|database| {
        let upstream = tls.of(&database.name).database.clone();
        roles::Parts::read(database, upstream)
    });
    Ok(Owners(all.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()))
}

/// Folders that are read again later.
pub(crate) fn folders(config: &Config) -> Vec<std::path::PathBuf> {
    let makes = config.databases.iter().any(|database| database.credentials.roles.is_some());
    roles::folder().into_iter().filter(|_| makes).collect()
}

/// The lines to the threads.
#[derive(Default)]
pub(crate) struct Makers {
    lines: HashMap<String, SyncSender<Box<LoginAsk>>>,
}

impl Makers {
    /// Starts a thread for each database whose sessions ask. They end with the service.
    pub(crate) fn start(service: &Arc<Service>, config: &Config, parts: Parts) -> Result<Makers> {
        let mut lines = HashMap::new();
        for (database, runner) in parts.runners {
            let (line, asks) = sync_channel(WAITING_MAX);
            let clear = config
                .database(&database)
                .and_then(|(_, found)| found.credentials.plugin.as_ref())
                .is_some_and(|plugin| plugin.cleartext);
            let plugged = plugged::Plugged::new(database.clone(), runner, clear);
            let service = Arc::downgrade(service);
            Builder::new()
                .name("plugin".to_owned())
                .spawn(move || plugged.serve(&service, &asks))
                .context("a thread for a plugin")?;
            lines.insert(database, line);
        }
        let table = roles::Shared::default();
        for parts in parts.roles {
            let (line, asks) = sync_channel(WAITING_MAX);
            lines.insert(parts.database.clone(), line);
            let (maker, janitor) = roles::Maker::new(parts, &table);
            let (making, dropping) = (Arc::downgrade(service), Arc::downgrade(service));
            let thread = || Builder::new().name("roles".to_owned());
            thread().spawn(move || maker.serve(&making, &asks)).context("a thread for roles")?;
            thread().spawn(move || janitor.serve(&dropping)).context("a thread for roles")?;
        }
        Ok(Makers { lines })
    }

    /// Hands it on. Who finds no room is told at once.
    pub(crate) fn ask(&self, service: &Service, ask: Box<LoginAsk>) {
        let session = ask.session;
        let line = self.lines.get(&ask.database);
        if line.is_none_or(|line| line.try_send(ask).is_err()) {
            service.given(session, Err(Masked::literal("too many sessions wait for one")));
        }
    }
}
