//! `ship`: the record, off this host as it grows, and alerts from what it says.
//!
//! A process of its own, by its own unit (docs/decisions/0055): it only reads the record, so that no sink, however dead or slow,
//! can keep the data path waiting, and the service needs no way to the receivers. Each sink has its own durable position and
//! gets every record at least once. Alerts are records of root's series and lines of the journal, so they are shipped like all else.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use audit::RecordId;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use self::alerts::Watch;
use self::follow::Follower;
use self::position::Position;
use self::sink::{POLL, Seen, Source};
use crate::config::{Anchor, Config, Sink};
use crate::host_record::{self, Deed, HostRecord, Stage};
use crate::record::{self, now_ns, reading};

mod alerts;
pub(crate) mod anchor;
pub(crate) mod archive;
mod file;
pub(crate) mod follow;
mod http;
mod position;
mod sink;
mod syslog;
#[cfg(test)]
mod tests;
mod tls;

pub use anchor::AnchorHealth;
pub use sink::Health;

/// How the sinks are, in root's folder.
const STATUS: &str = "ship.json";
/// So begins the message of an alert that says that an earlier one, of the same object, is over.
pub(crate) const OVER: &str = "over: ";
/// A status that is older is of a shipper that does not run.
const STALE_NS: u64 = 10_000_000_000;
/// The first reading of a long record raises no alerts of what is older.
const NEWS_NS: u64 = 3_600_000_000_000;

/// What `ship` says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shipping {
    pid: u32,
    at_ns: u64,
    sinks: Vec<Health>,
    /// The anchor, where there is one.
    #[serde(default)]
    anchor: Option<AnchorHealth>,
}

/// Ships until it is ended, or with `once` until all is shipped: exit 1 where a sink refused.
pub fn ship(path: &Path, once: bool) -> Result<u8> {
    let config = Config::load(path)?;
    config.masking.install()?;
    let state = &config.service.state_dir;
    let record = HostRecord::new(state);
    reading::begins(path, None, "ship")?;
    let positions = host_record::folder(state);
    let _one = lock(&positions)?;
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let source = Source { folders: record::folders(&config), positions, host, once };
    let mut shipper = Shipper::new(&config, &source, record)?;
    // Alerts of what is there first, so that they are shipped with it.
    while once && shipper.alerts()? {}
    let sinks = config.sinks.iter().map(|sink| start(sink, &source)).collect::<Result<Vec<_>>>()?;
    let anchor = config.anchor.as_ref().map(|anchor| start_anchor(anchor, &source, state)).transpose()?;
    let over =
        || sinks.iter().all(|sink| sink.thread.is_finished()) && anchor.as_ref().is_none_or(|a| a.thread.is_finished());
    if !once {
        tracing::info!(sinks = sinks.len(), "shipping the record");
    }
    loop {
        let is_over = once && over();
        shipper.watch(&sinks, anchor.as_ref());
        if is_over {
            break;
        }
        match if once { Ok(false) } else { shipper.alerts() } {
            Ok(true) => continue,
            Ok(false) => {}
            Err(why) => shipper.failed(&why),
        }
        std::thread::sleep(POLL);
    }
    let mut refused = false;
    if let Some(anchor) = anchor
        && let Ok(Err(why)) = anchor.thread.join()
    {
        eprintln!("interceptor: the anchor: {why:#}");
        refused = true;
    }
    for sink in sinks {
        if let Ok(Err(why)) = sink.thread.join() {
            eprintln!("interceptor: sink {}: {why:#}", sink.name);
            refused = true;
        }
    }
    Ok(u8::from(refused))
}

/// Of each series, the first segment that some sink has not taken whole; without a sink all is taken.
pub(crate) fn taken(config: &Config) -> Result<impl Fn(u16) -> u64> {
    let folder = host_record::folder(&config.service.state_dir);
    let places =
        config.sinks.iter().map(|sink| Position::of(&folder, &sink.name).read()).collect::<Result<Vec<_>>>()?;
    Ok(move |shard: u16| {
        let taken = places.iter().map(|places| places.get(&shard).map_or(0, |place| place.segment));
        taken.min().unwrap_or(u64::MAX)
    })
}

/// One at a time: two would ship everything twice.
fn lock(folder: &Path) -> Result<Flock<File>> {
    let file = File::create(folder.join("ship.lock")).context("cannot lock the positions of the sinks")?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err(_) => bail!("another `interceptor ship` runs: `systemctl status interceptor-ship` shows it"),
    }
}

/// A sink's thread.
struct Started {
    name: String,
    lag_max: Duration,
    seen: Seen,
    thread: JoinHandle<Result<()>>,
}

fn start(sink: &Sink, source: &Source) -> Result<Started> {
    let seen = Seen::of(sink);
    let (its, of, seen_by) = (sink.clone(), source.clone(), seen.clone());
    let thread = std::thread::Builder::new()
        .name(format!("sink {}", sink.name))
        .spawn(move || sink::run(&its, &of, &seen_by))
        .context("cannot start a sink's thread")?;
    Ok(Started { name: sink.name.clone(), lag_max: sink.lag_max, seen, thread })
}

/// The anchor's thread.
struct StartedAnchor {
    lag_max: Duration,
    seen: anchor::Seen,
    thread: JoinHandle<Result<()>>,
}

fn start_anchor(anchor: &Anchor, source: &Source, state: &Path) -> Result<StartedAnchor> {
    let seen = anchor::Seen::of(anchor);
    let (its, of, state, seen_by) = (anchor.clone(), source.clone(), state.to_owned(), seen.clone());
    let thread = std::thread::Builder::new()
        .name("anchor".to_owned())
        .spawn(move || anchor::run(&its, &of, &state, &seen_by))
        .context("cannot start the anchor's thread")?;
    Ok(StartedAnchor { lag_max: anchor.lag_max, seen, thread })
}

/// What watches the record and the sinks.
struct Shipper {
    record: HostRecord,
    position: Position,
    follower: Follower,
    watch: Watch,
    folder: PathBuf,
    /// Sinks whose lag was told.
    late: Vec<String>,
    told: Option<String>,
}

impl Shipper {
    fn new(config: &Config, source: &Source, record: HostRecord) -> Result<Shipper> {
        let position = Position::of(&source.positions, "alerts.watch");
        let follower = Follower::new(source.folders.clone(), position.read()?);
        let watch = Watch::new(config.alerts.denials_per_minute);
        let folder = source.positions.clone();
        Ok(Shipper { record, position, follower, watch, folder, late: Vec::new(), told: None })
    }

    /// Raises what the next records give rise to; whether there were any.
    fn alerts(&mut self) -> Result<bool> {
        let batch = self.follower.next()?;
        for note in std::mem::take(&mut self.follower.notes) {
            self.raise("record", None, &note);
        }
        if batch.is_empty() {
            return Ok(false);
        }
        let since = now_ns().saturating_sub(NEWS_NS);
        for record in &batch {
            let found = self.watch.see(record);
            if record.frame().is_some_and(|frame| frame.stamp.wall_ns >= since) {
                found.iter().for_each(|alert| self.raise(&alert.object, alert.about, &alert.message));
            }
        }
        self.position.save(self.follower.places())?;
        Ok(true)
    }

    /// To the journal and to the record, from which it is shipped.
    fn raise(&self, object: &str, about: Option<RecordId>, message: &str) {
        let message = pan::Masked::of(message);
        let message = message.as_str();
        let begins = about.map(|id| id.to_string()).unwrap_or_default();
        match message.starts_with(OVER) {
            true => tracing::info!(alert = object, "{message}"),
            false => tracing::error!(alert = object, record = begins, "ALERT: {message}"),
        }
        if let Err(why) = self.record.write(&Deed::Alert { object, about }, Stage::Failed(message)) {
            tracing::error!(%why, "the alert is not in the record");
        }
    }

    fn failed(&mut self, why: &anyhow::Error) {
        let why = format!("{why:#}");
        if self.told.as_ref() != Some(&why) {
            tracing::error!(%why, "the record is not watched for alerts");
            self.told = Some(why);
        }
    }

    /// What the anchor has to say, and how long it has said nothing.
    fn watch_anchor(&mut self, anchor: &StartedAnchor) {
        const NAME: &str = "anchor";
        anchor.seen.notes().iter().for_each(|note| self.raise(NAME, None, note));
        let health = anchor.seen.health();
        let age = Duration::from_nanos(now_ns().saturating_sub(health.since_ns));
        let was_late = self.late.iter().any(|name| name == NAME);
        if age > anchor.lag_max && !was_late {
            let why = health.error.map(|why| format!(": {why}")).unwrap_or_default();
            let message = format!("{} has cosigned nothing for {} s{why}", health.witness, age.as_secs());
            self.raise(NAME, None, &message);
            self.late.push(NAME.to_owned());
        } else if age <= anchor.lag_max && was_late {
            self.raise(NAME, None, &format!("{OVER}{} cosigns again", health.witness));
            self.late.retain(|name| name != NAME);
        }
    }

    /// Lags and notes of the sinks and the anchor, and their status.
    fn watch(&mut self, sinks: &[Started], anchor: Option<&StartedAnchor>) {
        if let Some(anchor) = anchor {
            self.watch_anchor(anchor);
        }
        for sink in sinks {
            for note in sink.seen.notes() {
                self.raise(&format!("sink {}", sink.name), None, &note);
            }
            let health = sink.seen.health();
            let is_late = lag(&health, now_ns()) > sink.lag_max;
            let was_late = self.late.contains(&sink.name);
            if is_late && !was_late {
                let seconds = lag(&health, now_ns()).as_secs();
                let why = health.error.map(|why| format!(": {why}")).unwrap_or_default();
                let message = format!("it lacks records that are {seconds} s old{why}; nothing is lost, they wait");
                self.raise(&format!("sink {}", sink.name), None, &message);
                self.late.push(sink.name.clone());
            } else if !is_late && was_late {
                self.raise(&format!("sink {}", sink.name), None, &format!("{OVER}it has caught up"));
                self.late.retain(|name| *name != sink.name);
            }
        }
        let sinks = sinks.iter().map(|sink| sink.seen.health()).collect();
        let anchor = anchor.map(|anchor| anchor.seen.health());
        let shipping = Shipping { pid: std::process::id(), at_ns: now_ns(), sinks, anchor };
        let written = serde_json::to_string(&shipping)
            .map_err(anyhow::Error::from)
            .and_then(|text| position::replace(&self.folder, STATUS, &text, false));
        if let Err(why) = written {
            self.failed(&why);
        }
    }
}

fn lag(health: &Health, now_ns: u64) -> Duration {
    health.oldest_ns.map_or(Duration::ZERO, |oldest| Duration::from_nanos(now_ns.saturating_sub(oldest)))
}

/// How the sinks and the anchor of this configuration are; `None`: it has none.
pub fn shipping(config: &Config) -> Option<Result<Shipping>> {
    if config.sinks.is_empty() && config.anchor.is_none() {
        return None;
    }
    let path = host_record::folder(&config.service.state_dir).join(STATUS);
    let read = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "cannot read {}: has `interceptor ship` run (`systemctl status interceptor-ship`), and are you root?",
            path.display()
        )
    });
    Some(read.and_then(|text| serde_json::from_str(&text).context("the shipper's status is no JSON")))
}

impl Shipping {
    /// A line per sink, and whether all is well.
    pub fn words(&self) -> (String, bool) {
        let now = now_ns();
        let runs = now.saturating_sub(self.at_ns) < STALE_NS;
        let mut out = String::new();
        let mut well = runs;
        for sink in &self.sinks {
            let lag = lag(sink, now).as_secs();
            let late = lag > sink.lag_seconds_max;
            well &= !late && sink.error.is_none();
            let state = match (&sink.error, runs) {
                (_, false) => "NOT SHIPPING: `interceptor ship` does not run".to_owned(),
                (Some(why), _) => format!("REFUSES ({}), {lag} s behind", control::plain(why)),
                (None, _) if late => format!("LATE, {lag} s behind"),
                (None, _) => format!("{lag} s behind"),
            };
            out += &format!("sink      {:<20} {state}, {} taken\n", sink.name, sink.shipped);
        }
        if let Some(anchor) = &self.anchor {
            let age = now.saturating_sub(anchor.since_ns) / 1_000_000_000;
            let late = age > anchor.lag_seconds_max;
            well &= !late && anchor.error.is_none();
            let state = match (&anchor.error, runs) {
                (_, false) => "NOT ASKED: `interceptor ship` does not run".to_owned(),
                (Some(why), _) => format!("REFUSES ({}), {age} s without a cosignature", control::plain(why)),
                (None, _) if late => format!("LATE, {age} s without a cosignature"),
                (None, _) => format!("cosigned {age} s ago"),
            };
            out += &format!("anchor    {:<20} {state}, up to record {} of the node\n", anchor.witness, anchor.size);
        }
        (out, well)
    }

    /// The same for Prometheus.
    pub fn metrics(&self) -> String {
        let now = now_ns();
        let mut out = String::new();
        let mut family = |name: &str, help: &str, kind: &str, value: &dyn Fn(&Health) -> u64| {
            out += &format!("# HELP interceptor_{name} {help}\n# TYPE interceptor_{name} {kind}\n");
            for sink in &self.sinks {
                out += &format!("interceptor_{name}{{sink=\"{}\"}} {}\n", sink.name, value(sink));
            }
        };
        family("sink_lag_seconds", "Age of the oldest record that the sink lacks.", "gauge", &|s| {
            lag(s, now).as_secs()
        });
        family("sink_shipped_total", "Records that the sink took.", "counter", &|s| s.shipped);
        family("sink_refuses", "1 while the sink takes nothing.", "gauge", &|s| u64::from(s.error.is_some()));
        if let Some(anchor) = &self.anchor {
            let lag = now.saturating_sub(anchor.since_ns) / 1_000_000_000;
            for (name, help, value) in [
                ("anchor_lag_seconds", "Age of the newest state that the witness has cosigned.", lag),
                ("anchor_size", "Records of the node's log that it cosigned.", anchor.size),
                ("anchor_refuses", "1 while it cosigns nothing.", u64::from(anchor.error.is_some())),
            ] {
                out += &format!(
                    "# HELP interceptor_{name} {help}\n# TYPE interceptor_{name} gauge\ninterceptor_{name} {value}\n"
                );
            }
        }
        out += &format!(
            "# HELP interceptor_ship_age_seconds Age of these figures: they stand still where the shipper does not run.\n# TYPE interceptor_ship_age_seconds gauge\ninterceptor_ship_age_seconds {}\n",
            now.saturating_sub(self.at_ns) / 1_000_000_000
        );
        out
    }
}

/// `ship --status`: exit 0 where every sink is well, 1 where one is not, 3 where nothing was ever shipped.
pub fn status(path: &Path, as_json: bool) -> Result<u8> {
    let config = Config::load(path)?;
    let shipping = match shipping(&config) {
        None => {
            println!("{}", config.only_here().unwrap_or_default());
            return Ok(1);
        }
        Some(Err(why)) => {
            eprintln!("interceptor: {why:#}");
            return Ok(3);
        }
        Some(Ok(shipping)) => shipping,
    };
    let (words, well) = shipping.words();
    let words = config.only_here().map(|why| format!("WARNING   {why}\n")).unwrap_or_default() + &words;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&shipping)?);
    } else {
        print!("{words}");
    }
    Ok(u8::from(!well))
}
