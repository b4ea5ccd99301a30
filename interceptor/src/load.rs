//! The loader: puts the kernel half in place, keeps it in place, and takes it away.
//!
//! `attach` alone touches programs and links. It may run again at any time, under load: maps are brought to the new plan
//! entry by entry, additions first, and each program takes its predecessor's place in one step (BPF_LINK_UPDATE). Links
//! are pinned, so they outlive us and the service: with the service dead an agent is refused, never direct.

mod btf;
pub mod cgroups;
mod error;
mod fill;
mod hooks;
pub mod locals;
pub mod maps;
mod netlink;
mod pins;
mod plan;
mod sockets;
pub mod sys;

use std::{
    fs::File,
    net::UdpSocket,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use aya::{Ebpf, EbpfLoader};
use interceptor_abi::Settings;

pub use btf::{Error as BtfError, exe_offsets};
pub use error::Error;
pub(crate) use fill::checked_id;
pub use hooks::{Attached, HOOKS};
pub use maps::Pins;
pub use plan::{AgentPlan, DatabasePlan, Destination, FLOWS_MAX, INSTANCE, Plan, Who};
pub(crate) use sockets::{Owners, can_destroy, close_older};

/// The kernel half, as `build.rs` built it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/interceptor-ebpf"));

/// The kernel half's bytes, as this program loads them.
pub fn object() -> &'static [u8] {
    OBJECT
}

/// What `attach` did.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where the pins are.
    pub folder: PathBuf,
    /// Each program, in the order of attachment.
    pub programs: Vec<Attached>,
    /// Connections of agents that were older than this and were closed.
    pub closed: usize,
    /// What else was changed on the host.
    pub notes: Vec<String>,
}

/// Loads, fills, attaches, pins, and verifies that every program runs. Where nothing was attached before, a failure
/// leaves nothing behind; where something was, it stays as it is or becomes the new.
pub fn attach(plan: &Plan) -> Result<Report, Error> {
    if !nix::unistd::Uid::effective().is_root() {
        return Err(Error::NotRoot);
    }
    let mut notes: Vec<String> = pins::mount_bpffs(&plan.instance)?.into_iter().collect();
    let _lock = pins::lock(&plan.instance)?;
    let fresh = pins::versions(&plan.instance).is_empty();
    match attach_locked(plan) {
        Ok(mut report) => {
            notes.append(&mut report.notes);
            Ok(Report { notes, ..report })
        }
        Err(why) => {
            if fresh {
                pins::remove_instance(&plan.instance)?;
            }
            Err(why)
        }
    }
}

fn attach_locked(plan: &Plan) -> Result<Report, Error> {
    let pins = Pins::current(&plan.instance);
    let root = cgroups::root().map_err(Error::Cgroups)?;
    let cgroup = File::open(&root).map_err(Error::Cgroups)?;
    let older = pins::versions(&plan.instance).into_iter().find(|folder| folder != pins.folder());

    pins::make_folders(&plan.instance, &pins)?;
    let mut object = load(plan, &pins)?;
    if let Some(older) = &older {
        carry_agents(older, &pins)?;
    }
    fill::fill(plan, &root, &pins)?;
    pins::hand_over(&pins, plan.service_uid, plan.service_gid)?;

    let mut programs = Vec::new();
    for hook in &HOOKS {
        let before = older.as_ref().map(|folder| folder.join("links").join(hook.name));
        let program = hook.load(&mut object)?;
        programs.push(hook.attach(program, &cgroup, &pins, before.as_deref())?);
    }
    verify_at(&cgroup, &pins)?;
    for folder in pins::versions(&plan.instance).iter().filter(|folder| *folder != pins.folder()) {
        pins::remove_version(folder)?;
    }
    let closed = close_older(&sockets::owners(plan, &root), &pins, plan.port)?;
    Ok(Report { folder: pins.folder().into(), programs, closed, notes: Vec::new() })
}

/// Maps first (those that are pinned are used again), then the constants.
fn load(plan: &Plan, pins: &Pins) -> Result<Ebpf, Error> {
    let settings = Settings {
        netns: own_netns()?,
        port: u32::from(plan.port),
        service_uid: plan.service_uid,
        exe: exe_offsets().map_err(Error::Btf)?,
    }
    .to_bytes();
    let mut loader = EbpfLoader::new();
    loader.override_global("SETTINGS", settings.as_slice(), true);
    loader.map_max_entries(interceptor_abi::maps::FLOWS, plan.flows_max);
    for name in interceptor_abi::maps::ALL {
        loader.map_pin_path(name, pins.map(name));
    }
    loader.load(OBJECT).map_err(|why| Error::Object(Box::new(why)))
}

/// The network namespace that is protected: ours.
fn own_netns() -> Result<u64, Error> {
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(Error::Locals)?;
    sys::netns_cookie(socket.as_fd()).map_err(Error::Locals)
}

/// Agents admitted under another layout stay admitted, if that map's own layout is the same.
fn carry_agents(older: &Path, pins: &Pins) -> Result<(), Error> {
    use interceptor_abi::maps::AGENTS;
    let failed = |why| Error::Map(AGENTS, why);
    let before =
        sys::Map::<u64, interceptor_abi::Agent>::open(&older.join("maps").join(AGENTS), true).map_err(failed)?;
    let now = pins.agents()?;
    for (id, agent) in before.entries().map_err(failed)? {
        now.set(&id, &agent).map_err(failed)?;
    }
    Ok(())
}

/// Are all programs attached, and does the kernel run them?
pub fn verify(instance: &Path) -> Result<(), Error> {
    let pins = Pins::current(instance);
    if !pins.maps().is_dir() {
        return Err(Error::NotAttached(instance.into()));
    }
    let root = cgroups::root().map_err(Error::Cgroups)?;
    verify_at(&File::open(root).map_err(Error::Cgroups)?, &pins)
}

fn verify_at(cgroup: &File, pins: &Pins) -> Result<(), Error> {
    HOOKS.iter().try_for_each(|hook| hook.verify(cgroup, pins))
}

/// Takes everything away, of whatever version; true when there was something.
pub fn detach(instance: &Path) -> Result<bool, Error> {
    if !nix::unistd::Uid::effective().is_root() {
        return Err(Error::NotRoot);
    }
    if !instance.exists() {
        return Ok(false);
    }
    let _lock = pins::lock(instance)?;
    pins::remove_instance(instance)
}

/// Holds the instance's lock: no attach, detach or admission happens meanwhile.
pub(crate) fn lock(instance: &Path) -> Result<impl Sized, Error> {
    pins::lock(instance)
}
