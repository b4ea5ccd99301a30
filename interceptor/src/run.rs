//! `run`: the service, from the configuration to the last drained session. Reads top to bottom.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use audit::token::CardKey;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use proxy::{Durability, Handle, RecordSettings, Settings, ShardLimits};

use crate::checkpoints::Checkpoints;
use crate::config::{self, Config};
use crate::estimates::{self, Estimates};
use crate::load::{self, locals::Watch};
use crate::logins::Makers;
use crate::origin::{Canary, KernelOrigins};
use crate::origins::{Known, Origins};
use crate::service::Service;
use crate::tls::Legs;
use crate::{admin, approvals, ca, check, identities, logins, plan, privileges, root_key};

/// How often the loop looks around when nothing happens.
const TICK: Duration = Duration::from_secs(1);
/// How often redirection is proven.
const CANARY_EVERY: Duration = Duration::from_secs(10);
/// How long a canary may take.
const CANARY_PATIENCE: Duration = Duration::from_secs(2);
/// At the start a shard makes its record's first segment before it accepts, on a disk that may be slow.
const CANARY_PATIENCE_AT_START: Duration = Duration::from_secs(15);

/// Runs until SIGTERM or SIGINT, or until every shard has stopped.
pub fn run(path: &Path) -> Result<()> {
    let (config, policy) = check::load(path)?;
    config.masking.install()?;
    let instance = plan::instance(&config.service);
    let account = privileges::account(&config.service.user)?;
    attach_where_nobody_did(&config)?;
    own_folders(&config, account)?;
    if nix::unistd::Uid::effective().is_root() {
        root_key::certify_for(&config.service.state_dir, Some(account))?;
    }
    if ca::is_needed(&config) && ca::ensure(&config, account)? {
        tracing::info!("made this host's certificate authority; `interceptor ca` says how agents trust it");
    }

    let held = approvals::table(&config)?;
    let own = estimates::logins(&config)?;
    let (page, webhooks) = (admin::page(&config)?, admin::webhooks(&config)?);
    let canary = Arc::new(Canary::default());
    let known = Arc::new(Known::new(&config, Legs::new(&config)?));
    let owners = logins::owners(&config, known.tls())?;
    let workloads = identities::workloads(&config, known.signed())?;
    let shards = shards(&config);
    let origins = (0..shards)
        .map(|_| KernelOrigins::open(&instance, Arc::clone(&canary)))
        .map(|kernel| kernel.map(|k| Box::new(Origins::new(k, Arc::clone(&known))) as Box<dyn proxy::Origins>))
        .collect::<Result<Vec<_>, _>>()?;
    let counters = crate::origin::Counters::open(&instance)?;
    let watch = Watch::new(&instance)?;
    watch.refresh()?;

    // Blocked before any thread exists, so that no thread gets them.
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().context("cannot block signals")?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).context("signalfd")?;

    privileges::drop_to(account)?;
    proxy::take_in_all(&config.service.state_dir)?;
    let left = approvals::left(&config.service.state_dir);
    let standing = approvals::standing(&config.service.state_dir, approvals::now_s());
    let mut checkpoints = Checkpoints::open(&config.service.state_dir)?;
    let secret = Checkpoints::secret(&config.service.state_dir)?;
    let key = approvals::BindingKey::derived(&secret)?;
    let card_key = CardKey::derived(&secret).context("the key of card tokens cannot be derived")?;
    drop(secret);
    let parts = logins::Parts::new(path, &config, owners)?;
    let makes = config.clone();
    confine(path, &config, &instance, known.tls())?;
    let mut handle = proxy::start(&settings(&config, shards, card_key), Arc::new(policy.clone()), origins)?;
    checkpoints.of(handle.heads());
    let asks = handle.take_asks();
    let state_dir = config.service.state_dir.clone();
    let service =
        Arc::new(Service::new(path, config, handle, Arc::new(policy.clone()), counters, held, Arc::clone(&known)));
    service.fetches_by(&workloads);
    for one in standing {
        service.held().stand(one, approvals::now_s());
    }
    if let Some(asks) = asks {
        let makers = Makers::start(&service, &makes, parts)?;
        approvals::start(&service, asks, (Estimates::start(&service, own, known.tls())?, makers), key)?;
    }
    service.record_start();
    left.iter().for_each(|left| service.record_left(left));
    prove(&canary, &service, CANARY_PATIENCE_AT_START)
        .context("redirection does not work, so the service does not start")?;
    let page = page.map(|page| page.keyed(&state_dir)).transpose()?;
    let control = service.serve_control(page, webhooks, workloads)?;
    privileges::seal()?;
    tracing::info!(shards, policy = policy.version(), "ready");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    let watched = Watched { signals: &signals, watch: &watch, canary: &canary, tls: known.tls() };
    let outcome = watch_over(&service, &watched, &mut checkpoints);
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    service.record_stop();
    let drained = service.drain();
    drop(control);
    let signed = checkpoints.last(&service.policy());
    outcome.and(drained).and(signed)
}

/// Root without an attached kernel half attaches it first; anyone else is told who must.
fn attach_where_nobody_did(config: &Config) -> Result<()> {
    match load::verify(&plan::instance(&config.service)) {
        Ok(()) => Ok(()),
        Err(_) if nix::unistd::Uid::effective().is_root() => {
            let report = crate::verbs::attach_recorded(config)?;
            tracing::info!(folder = %report.folder.display(), "attached");
            Ok(())
        }
        // Without root the links cannot be looked at; the canary proves what they do.
        Err(load::Error::NotAttached(path)) => {
            bail!("nothing is attached at {}: run `interceptor attach` as root", path.display())
        }
        Err(_) => Ok(()),
    }
}

/// The folders of the record and of the socket; only root can make and give them away.
fn own_folders(config: &Config, account: privileges::Account) -> Result<()> {
    for folder in [&config.service.state_dir, &config.service.run_dir] {
        if !folder.exists() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        if nix::unistd::Uid::effective().is_root() {
            std::os::unix::fs::chown(folder, Some(account.uid), Some(account.gid))
                .with_context(|| format!("cannot give {} to the service's account", folder.display()))?;
        }
    }
    Ok(())
}

/// What is read again later (policy, configuration, verifiers), and what is written.
fn confine(path: &Path, config: &Config, instance: &Path, tls: &Legs) -> Result<()> {
    let parent = |p: &Path| p.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    let (config_folder, policy_folder) = (parent(path), parent(&config.service.policy));
    let verifiers = tls.verifiers().folders();
    let mut readable =
        vec![config_folder.as_path(), &policy_folder, Path::new("/proc/self"), Path::new("/sys/devices/system/cpu")];
    readable.extend(verifiers.iter().map(std::path::PathBuf::as_path));
    let resolver = admin::resolver(config);
    readable.extend(resolver.iter().map(std::path::PathBuf::as_path));
    let mut tokens = identities::folders(config);
    tokens.extend(logins::folders(config));
    readable.extend(tokens.iter().map(std::path::PathBuf::as_path));
    let writable = [config.service.state_dir.as_path(), &config.service.run_dir, instance];
    if privileges::confine(&readable, &writable)? == privileges::Confined::Less {
        tracing::warn!("this kernel enforces Landlock in part only: the file system is protected by the unit alone");
    }
    Ok(())
}

fn shards(config: &Config) -> u16 {
    match config.service.shards {
        0 => std::thread::available_parallelism().map_or(1, |n| u16::try_from(n.get()).unwrap_or(u16::MAX)),
        count => count,
    }
}

fn settings(config: &Config, shards: u16, card_key: CardKey) -> Settings {
    let service = &config.service;
    let mut record = RecordSettings::new(service.state_dir.clone());
    record.boot_id = root_key::boot(&service.state_dir);
    record.segment_bytes = usize::try_from(service.segment_bytes).unwrap_or(usize::MAX);
    record.durability = match service.durability {
        config::Durability::Standard => Durability::Standard,
        config::Durability::Strict => Durability::Strict,
    };
    let slow = (service.slow_ms > 0).then(|| Duration::from_millis(service.slow_ms.into()));
    let shard = shard_limits(service.connections_per_shard_max, service.connections_per_agent_max, slow);
    let limits = session::Limits {
        statement: service.statement_bytes_max as usize,
        probes_per_hour: config.budgets.probes_per_hour,
        value_errors_per_hour: config.budgets.value_errors_per_hour,
        ..session::Limits::default()
    };
    Settings { port: service.port, shards, shard, limits, record, card_key: Arc::new(card_key) }
}

/// What a shard holds: two buffers for each session, so that slow readers never starve another, and not fewer than usual.
fn shard_limits(sessions: u32, of_one_agent: u32, slow: Option<Duration>) -> ShardLimits {
    let usual = ShardLimits::default();
    let sessions_per_agent = if of_one_agent == 0 { sessions.div_ceil(2) } else { of_one_agent };
    let buffers = usual.buffers.max(u16::try_from(2 * sessions).unwrap_or(u16::MAX));
    ShardLimits { sessions, sessions_per_agent, buffers, slow, ..usual }
}

/// What the loop looks at.
struct Watched<'a> {
    signals: &'a SignalFd,
    watch: &'a Watch,
    canary: &'a Canary,
    tls: &'a Legs,
}

/// Until a signal ends it: reload, watchdog, canary, the host's addresses, checkpoints.
fn watch_over(service: &Arc<Service>, watched: &Watched<'_>, checkpoints: &mut Checkpoints) -> Result<()> {
    let Watched { signals, watch, canary, tls } = *watched;
    let mut proven = Instant::now();
    let (mut full, mut unsigned) = (false, false);
    loop {
        let mut files =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut files, PollTimeout::try_from(TICK).unwrap_or(PollTimeout::MAX));
        while let Ok(Some(signal)) = signals.read_signal() {
            if signal.ssi_signo != Signal::SIGHUP as u32 {
                tracing::info!("stopping");
                return Ok(());
            }
            match service.reload(None) {
                Ok(version) => {
                    tracing::info!(policy = %version, "policy reloaded");
                    if let Some(what) = service.wants_restart() {
                        tracing::warn!("{what}");
                    }
                }
                Err(why) => tracing::error!(%why, "the policy was not reloaded; the old one stays in force"),
            }
            match tls.verifiers().reload() {
                Ok(0) => {}
                Ok(roles) => tracing::info!(roles, "verifiers of roles reloaded"),
                Err(why) => {
                    tracing::error!(why = format!("{why:#}"), "a file of verifiers was not reloaded; the old ones hold")
                }
            }
        }
        match watch.poll() {
            Ok(true) => tracing::info!("the host's addresses changed"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the host's addresses cannot be written to the kernel half"),
        }
        if proven.elapsed() >= CANARY_EVERY {
            proven = Instant::now();
            if let Err(error) = prove(canary, service, CANARY_PATIENCE) {
                tracing::error!(%error, "redirection is broken: agents may reach databases directly; run `interceptor attach`");
            }
        }
        service.tell_again();
        if let Err(error) = tls.renew() {
            tracing::error!(%error, "agents' certificates were not renewed; the old ones are valid for days yet");
        }
        match checkpoints.turn(&service.policy(), Instant::now()) {
            Err(error) if !unsigned => {
                unsigned = true;
                tracing::error!(error = format!("{error:#}"), "the record is written on and not signed");
            }
            Ok(true) if unsigned => {
                unsigned = false;
                tracing::info!("the record is signed again");
            }
            _ => {}
        }
        for slow in service.slow() {
            log_slow(&slow);
        }
        for column in service.new_findings() {
            tracing::warn!(%column, "FINDING: a column holds card numbers plainly and no rule names it (PCI DSS 12.10.7); they are masked by content");
        }
        if full != service.record_is_full() {
            full = !full;
            if full {
                tracing::error!(
                    "a shard refuses connections and statements (53100): its record has no room for a next segment; is the disk full?"
                );
            } else {
                tracing::info!("the record has room again, and every shard serves");
            }
            // What `systemctl status` shows of the unit.
            let state = if full { "DEGRADED: the record has no room; is the disk full?" } else { "serving" };
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Status(state)]);
        }
        if let Some(why) = service.all_stopped() {
            bail!("every shard has stopped: {why}");
        }
        if service.ticked(Duration::from_secs(3)) {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }
}

/// No word of the statement: `interceptor audit export` shows the record.
fn log_slow(slow: &proxy::Slow) {
    let micros = |ns: u64| ns / 1000;
    tracing::warn!(
        record = %slow.decision,
        session = slow.session,
        took_ms = slow.duration_ns / 1_000_000,
        judge_us = micros(slow.spent.judged_ns),
        mask_us = micros(slow.spent.masked_ns),
        record_wait_us = micros(slow.spent.record_ns),
        "SLOW: a statement took longer than slow_ms; what is not judge, mask or record_wait was the database, the network or the agent"
    );
}

fn prove(canary: &Canary, service: &Service, patience: Duration) -> Result<()> {
    let proof = canary.probe(patience);
    service.canary(proof.as_ref().err().map(ToString::to_string));
    Ok(proof?)
}

/// All of a service's shards by one handle.
pub(crate) fn drain(handle: Handle, patience: Duration) -> Result<()> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from).context("no clock")?;
    let until = u64::try_from((now + patience).as_nanos()).unwrap_or(u64::MAX);
    // A shard that is gone or deaf ends with the process.
    let _ = handle.drain(until);
    for fate in handle.join().into_iter().flatten() {
        if fate != proxy::Stopped::Drained {
            bail!("a shard stopped before it was told to: {fate}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_can_hold_two_buffers() {
        let limits = |sessions, of_one_agent| shard_limits(sessions, of_one_agent, None);
        assert_eq!((limits(4096, 0).sessions_per_agent, limits(4096, 0).buffers), (2048, 8192));
        assert_eq!((limits(16_384, 12_000).sessions_per_agent, limits(16_384, 12_000).buffers), (12_000, 32_768));
        assert_eq!((limits(1, 0).sessions_per_agent, limits(1, 0).buffers), (1, 8192));
    }
}
