//! What the command line of `bench load` asks for. `cargo xtask bench` writes the first part of it.

use crate::cpu;
use crate::load::cases::Group;
use crate::load::foreign::{self, Url};

/// A path through a service: who pays, and what is put before a worker's command line.
#[derive(Debug)]
pub(crate) struct Through {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) words: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) groups: Vec<Group>,
    /// Only cases whose name begins like one of these; none: all.
    pub(crate) cases: Vec<String>,
    pub(crate) postgres: u16,
    /// Where the two stubs are to listen.
    pub(crate) near: u16,
    pub(crate) far: u16,
    pub(crate) through: Vec<Through>,
    /// Where the stub under TLS is to listen, and the folder of its certificate.
    pub(crate) sealed: u16,
    pub(crate) keys: String,
    pub(crate) rounds: u32,
    pub(crate) millis: u32,
    pub(crate) quick: bool,
    pub(crate) idle: u32,
    pub(crate) json: Option<String>,
    pub(crate) report: bool,
    /// A user's own database in place of all others, and a table of it that may be read.
    pub(crate) url: Option<Url>,
    pub(crate) table: Option<String>,
    /// Minutes of mixed load through us in place of a measurement.
    pub(crate) soak: Option<u32>,
    /// Status 1 where a goal of what was measured is not met.
    pub(crate) check: bool,
    /// The first CPU and the last.
    pub(crate) cpus: (u32, u32),
}

impl Options {
    pub(crate) fn of(args: &[String]) -> Result<Options, String> {
        let cpus = uring::allowed_cpus().map_err(|error| format!("which CPUs: {error}"))?;
        let (Some(first), Some(last)) = (cpus.first(), cpus.last()) else { return Err("no CPU".into()) };
        let mut options = Options {
            groups: Vec::new(),
            cases: Vec::new(),
            postgres: 0,
            near: 0,
            far: 0,
            through: Vec::new(),
            sealed: 0,
            keys: String::new(),
            rounds: 0,
            millis: 0,
            quick: args.iter().any(|arg| arg == "--quick"),
            idle: 0,
            json: None,
            report: false,
            url: None,
            table: None,
            soak: None,
            check: false,
            cpus: (*first, *last),
        };
        options.read(args)?;
        let (rounds, millis) = if options.quick { (3, 40) } else { (9, 100) };
        let default = |value: &mut u32, or: u32| *value = if *value == 0 { or } else { *value };
        default(&mut options.rounds, rounds);
        default(&mut options.millis, millis);
        default(&mut options.idle, if options.quick { 200 } else { 10_000 });
        let most = cpu::sessions_max();
        if options.idle > most {
            println!(
                "  {most} idle sessions, not {}: the limit of descriptors (`ulimit -Hn`) has no room for more",
                options.idle
            );
            options.idle = most;
        }
        if options.groups.is_empty() {
            options.groups = Group::ALL.to_vec();
        }
        if options.report && !options.cases.is_empty() {
            return Err("--report publishes a whole kind of load: leave out --case".into());
        }
        if options.table.is_some() && options.url.is_none() {
            return Err("--table goes with --url".into());
        }
        match (options.postgres, options.near, options.far) {
            _ if options.url.is_some() => Ok(options),
            (1.., 1.., 1..) => Ok(options),
            _ => Err("--postgres, --near and --far are missing; `cargo xtask bench` gives them".into()),
        }
    }

    pub(crate) fn wants(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|name| case.starts_with(name.as_str()))
    }

    fn read(&mut self, args: &[String]) -> Result<(), String> {
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "all" => self.groups = Group::ALL.to_vec(),
                "--quick" => {}
                "--check" => self.check = true,
                "--report" => self.report = true,
                "--case" => self.cases.push(value()?),
                "--json" => self.json = Some(value()?),
                "--postgres" => self.postgres = number(&value()?)?,
                "--near" => self.near = number(&value()?)?,
                "--far" => self.far = number(&value()?)?,
                "--sealed" => self.sealed = number(&value()?)?,
                "--keys" => self.keys = value()?,
                "--url" => self.url = Some(Url::parse(&value()?)?.or_password(std::env::var("PGPASSWORD").ok())),
                "--table" => self.table = Some(foreign::table(&value()?)?),
                "--soak" => self.soak = Some(number(&value()?)?),
                "--rounds" => self.rounds = number(&value()?)?,
                "--slice-ms" => self.millis = number(&value()?)?,
                "--idle" => self.idle = number(&value()?)?,
                "--through" => self.through.push(through(&value()?)?),
                word => self.groups.push(Group::of(word).ok_or_else(|| format!("`{word}` is not known"))?),
            }
        }
        Ok(())
    }
}

pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number that fits here"))
}

/// A file of words, one a line: a name, a process, and the prefix.
pub(crate) fn through(path: &str) -> Result<Through, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut lines = text.lines().map(str::to_owned);
    let (name, pid) = (lines.next(), lines.next().and_then(|pid| pid.parse().ok()));
    match (name, pid) {
        (Some(name), Some(pid)) => Ok(Through { name, pid, words: lines.collect() }),
        _ => Err(format!("{path}: a name and a process are missing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let of = |words: &str| Options::of(&words.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let ports = "--postgres 1 --near 2 --far 3";
        assert!(of(ports).is_ok() && of(&format!("churn {ports}")).is_ok());
        assert_eq!(of(&format!("--slice-ms 7 {ports}")).unwrap().millis, 7);
        assert!(of("--near 2 --far 3").is_err());
        assert!(of(&format!("--report --case stub {ports}")).is_err());
        assert!(of(&format!("fast {ports}")).is_err() && of(&format!("{ports} --rounds")).is_err());
    }
}
