//! `suites`: foreign test suites, direct and through the interceptor, and the *sets* of test ids compared.
//!
//! PostgreSQL's own regression, isolation and libpq_pipeline tests come from the distribution's source package of the very
//! version that is installed (or of the nearest that can be had: see [`source`]), asyncpg's from its own. They run in `observe` without masking: being there must change nothing;
//! and masked. What carries the most protocol runs once more with every byte sent by itself on both sides of us.

mod asyncpg;
mod coverage;
mod postgres;
pub(crate) mod shredder;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use coverage::Coverage;
use shredder::Program;
use source::Built;

use crate::stand::{Postgres, Service, succeed};
use crate::{setup, shell};

/// Observes everything, masks nothing: the transparency bar.
const OBSERVE: &str = "mode = \"observe\"\nmask = false";
/// Observes everything, masks.
const OBSERVE_MASKED: &str = "mode = \"observe\"";

const POLICY: &str = "[[rule]]\nname = \"nothing is allowed, everything is seen\"\nstatements = [\"copy-program\"]\naction = \"block\"\n";

/// Everything is allowed, and a column of a table that no suite has is sensitive: what would be refused is refused falsely, by what cannot be
/// told of where values come from.
const POLICY_LINEAGE: &str = "[[sensitive]]\ncolumns = [\"nobody.has_this.card\"]\nkind = \"pan\"\n\n[[rule]]\nname = \"anything\"\naction = \"allow\"\n";

/// How a test ended; the later ones say more about a test that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Passed,
    Skipped,
    Failed,
    Error,
}

impl Outcome {
    fn of(passed: bool) -> Outcome {
        if passed { Outcome::Passed } else { Outcome::Failed }
    }
}

/// Outcome by test id.
type Outcomes = BTreeMap<String, Outcome>;

struct Suite {
    name: &'static str,
    run: fn(&Built, u16, &mut Launcher<'_>) -> Result<Outcomes>,
    /// Both sides of us write a byte at a time.
    shredded: bool,
    /// Tests that may end otherwise than directly.
    known: &'static [Known],
    /// Where, as seen from the source, it leaves what was not as expected; empty: nowhere.
    leaves: &'static str,
    /// Tests whose result depends on the moment: a comparison in which nothing else differs is made again.
    races: &'static [&'static str],
}

/// A test that may end otherwise than directly: in which ways, and why.
struct Known {
    id: &'static str,
    when: fn(&Way) -> bool,
    why: &'static str,
}

const CARDS: &str = "prints card numbers";
/// `pg_get_viewdef` locks what a view is over, in ACCESS SHARE mode, until our question ends; the test wants ACCESS EXCLUSIVE, at once.
const LOCKS: &str = "NOWAIT meets the catalog question of another session";

/// It makes 1,000 tables of 50 columns and wants the answer to the next statement within 250 ms.
const LARGE: &str = "the catalog of 50,000 columns is asked for again behind each CREATE TABLE";

/// How often one comparison is made before a race counts as a difference.
const ATTEMPTS: u32 = 3;

const PLAIN: Suite = Suite {
    name: "pg_regress",
    run: postgres::regress,
    shredded: false,
    known: &[
        Known { id: "int8", when: |way| way.masks, why: CARDS },
        Known { id: "numeric", when: |way| way.masks, why: CARDS },
        Known { id: "lock", when: |way| way.lineage, why: LOCKS },
    ],
    leaves: "src/test/regress/regression.diffs",
    races: &[],
};

const SUITES: &[Suite] = &[
    PLAIN,
    Suite {
        name: "isolation",
        run: postgres::isolation,
        known: &[],
        leaves: "src/test/isolation/regression.diffs",
        ..PLAIN
    },
    Suite { name: "libpq_pipeline", run: postgres::pipeline, known: &[], leaves: "", ..PLAIN },
    Suite { name: "1-byte-writes", run: postgres::protocol_heavy, shredded: true, known: &[], ..PLAIN },
    Suite {
        name: "asyncpg",
        run: asyncpg::asyncpg,
        known: &[Known {
            id: "tests.test_introspection.TestIntrospection::test_introspection_on_large_db",
            when: |way| way.lineage,
            why: LARGE,
        }],
        leaves: asyncpg::REPORT,
        races: &[STOPS_EARLY, RECONNECTS],
        ..PLAIN
    },
];

/// It writes 4 MiB and wants to have seen the server's error before the last of it is in a socket's buffer: how much the buffers on
/// the way take decides, and there are more of them with us.
const STOPS_EARLY: &str = "tests.test_execute.TestExecuteMany::test_executemany_server_failure_during_writes";

/// A hundred connections, ten at a time, each dialled anew when it was used: it fails now and then on a busy machine, directly too.
const RECONNECTS: &str = "tests.test_pool.TestPool::test_pool_config_persistence";

/// Starts a program as the account `postgres`, directly or as an agent.
type Launcher<'a> = dyn FnMut(&Path, &[String], &Path) -> Result<Command> + 'a;

/// One way of being in the middle, that a suite is compared with.
struct Way {
    name: &'static str,
    mode: &'static str,
    policy: &'static str,
    /// Card numbers that a test prints are masked.
    masks: bool,
    /// Anything is allowed and nothing that a suite has is sensitive: every refusal is false.
    lineage: bool,
}

const WAYS: &[Way] = &[
    Way { name: "plain", mode: OBSERVE, policy: POLICY, masks: false, lineage: false },
    Way { name: "masked", mode: OBSERVE_MASKED, policy: POLICY, masks: true, lineage: false },
    Way { name: "lineage", mode: OBSERVE_MASKED, policy: POLICY_LINEAGE, masks: true, lineage: true },
];

/// What of it all is to run.
#[derive(Default)]
struct Chosen<'a> {
    suites: Vec<&'a Suite>,
    ways: Vec<&'a Way>,
    /// Of pg_regress: these files, behind those that all build on; of asyncpg: tests whose name has one of these. Empty: all.
    tests: Vec<&'a str>,
}

impl<'a> Chosen<'a> {
    fn of(args: &'a [String]) -> Result<Chosen<'a>> {
        let mut chosen = Chosen::default();
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            match arg {
                "--way" => {
                    let name = args.next().unwrap_or_default();
                    let names: Vec<&str> = WAYS.iter().map(|way| way.name).collect();
                    let found = WAYS.iter().find(|way| way.name == name);
                    chosen.ways.push(found.with_context(|| format!("--way takes one of {}", names.join(", ")))?);
                }
                "--tests" => chosen.tests.extend(args.next().unwrap_or_default().split(',')),
                name => match SUITES.iter().find(|suite| suite.name == name) {
                    Some(suite) => chosen.suites.push(suite),
                    None => {
                        let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
                        bail!("`{name}` is no suite; there are {}", names.join(", "));
                    }
                },
            }
        }
        if chosen.suites.is_empty() {
            chosen.suites.extend(SUITES);
        }
        if chosen.ways.is_empty() {
            chosen.ways.extend(WAYS);
        }
        Ok(chosen)
    }
}

/// `cargo xtask suites [NAME…] [--way WAY]… [--tests FILE,…]`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let chosen = Chosen::of(args)?;
    setup::ensure()?;
    shell::step("build");
    shell::run(shell::cargo(&["build", "--release", "--package", "interceptor"]))?;
    if !shell::is_root() {
        let own = std::env::current_exe().context("where is xtask?")?;
        let args: Vec<&str> = std::iter::once("suites").chain(args.iter().map(String::as_str)).collect();
        return shell::run(shell::as_root(&own.to_string_lossy(), &args)?);
    }
    let mut built = source::build()?;
    built.tests = chosen.tests.iter().map(ToString::to_string).collect();
    let mismatch = || built.mismatch.iter().for_each(|versions| println!("\n  NOTE: {versions}"));
    mismatch();
    let mut differing = 0;
    for suite in &chosen.suites {
        differing += compare(&built, suite, &chosen.ways)?;
    }
    mismatch();
    if differing > 0 { bail!("{differing} comparison(s) differ, see above") } else { Ok(()) }
}

/// One suite direct and in each way; the number of comparisons that differ beyond what is expected.
fn compare(built: &Built, suite: &Suite, ways: &[&Way]) -> Result<u32> {
    shell::step(suite.name);
    let mut direct = directly(built, suite)?;
    let mut differing = 0;
    for way in ways {
        let known: Vec<&Known> = suite.known.iter().filter(|known| (known.when)(way)).collect();
        let mut same = false;
        for attempt in 1..=ATTEMPTS {
            let database = Postgres::start(&built.bin, SETTINGS)?;
            let (outcomes, coverage) = through(built, suite, &database, way)?;
            println!("  {:<29} {}", format!("observe, {}:", way.name), count(&outcomes));
            coverage.print(way.lineage);
            let unexpected = unexpected(&direct, &outcomes, &known);
            same = unexpected.is_empty() && coverage.holds();
            let raced = coverage.holds() && unexpected.iter().all(|id| suite.races.contains(id));
            if same || !raced || attempt == ATTEMPTS {
                break;
            }
            println!("    only a race differs: once more, directly as well");
            direct = directly(built, suite)?;
        }
        if !same {
            println!("    this comparison FAILS");
            if let Some(kept) = keep(built, suite, way)? {
                println!("    what was not as expected: {}", kept.display());
            }
            differing += 1;
        }
    }
    Ok(differing)
}

/// Without us.
fn directly(built: &Built, suite: &Suite) -> Result<Outcomes> {
    let database = Postgres::start(&built.bin, SETTINGS)?;
    let mut launch = |program: &Path, args: &[String], folder: &Path| Ok(as_postgres(program, args, folder));
    let outcomes = (suite.run)(built, database.port, &mut launch)?;
    println!("  direct:                       {}", count(&outcomes));
    Ok(outcomes)
}

/// What a failed comparison has left to look at, where the next run does not write over it.
fn keep(built: &Built, suite: &Suite, way: &Way) -> Result<Option<PathBuf>> {
    let left = built.source.join(suite.leaves);
    if suite.leaves.is_empty() || !left.exists() {
        return Ok(None);
    }
    let folder = shell::target().join("suites");
    std::fs::create_dir_all(&folder)?;
    let kept = folder.join(format!("{}-{}.diffs", suite.name, way.name));
    std::fs::copy(left, &kept)?;
    Ok(Some(kept))
}

/// The tests that ended otherwise, or on one side alone, and are not expected to.
fn unexpected<'a>(direct: &'a Outcomes, outcomes: &'a Outcomes, known: &[&Known]) -> BTreeSet<&'a str> {
    let (expected, unexpected): (BTreeSet<&str>, BTreeSet<&str>) = direct
        .keys()
        .chain(outcomes.keys())
        .filter(|id| direct.get(*id) != outcomes.get(*id))
        .map(String::as_str)
        .partition(|id| known.iter().any(|known| known.id == *id));
    let fails = |id: &&str| direct.get(*id) == outcomes.get(*id) && direct.get(*id) > Some(&Outcome::Skipped);
    let both: BTreeSet<&str> = direct.keys().map(String::as_str).filter(fails).collect();
    for known in known.iter().filter(|known| expected.contains(known.id)) {
        println!("    differs, as is known: {} ({})", known.id, known.why);
    }
    for (why, ids) in [("fail direct too", &both), ("differ", &unexpected)] {
        if !ids.is_empty() {
            println!("    {why}: {}", ids.iter().copied().collect::<Vec<_>>().join(" "));
        }
    }
    unexpected
}

/// Few worker processes: two cores.
const SETTINGS: &str = "max_connections = 100\nautovacuum = off\n";

fn through(
    built: &Built,
    suite: &Suite,
    database: &Postgres,
    &Way { mode, policy, .. }: &Way,
) -> Result<(Outcomes, Coverage)> {
    let shredder = if suite.shredded { Some(Program::new()?) } else { None };
    let directly = |program: &Path, args: &[String]| Ok(as_postgres(program, args, Path::new("/")));
    let behind = shredder.as_ref().map(|shredder| shredder.start(database.port, directly)).transpose()?;
    let protected = behind.as_ref().map_or(database.port, |relay| relay.port);
    let config = format!(
        "[[database]]\nname = \"suite\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:{protected}\"]\n{mode}\n\n[[agent]]\nname = \"suite\"\n"
    );
    let mut service =
        Service::start(&shell::target().join("release/interceptor"), "segment_bytes = 67108864", &config, policy)?;
    let before = database.log().len();
    let as_agent = |program: &Path, args: &[String]| {
        let mut command = service.verb("exec");
        command.args(["--agent", "suite", "--user", "postgres", "--"]).arg(program).args(args);
        Ok(command)
    };
    let outcomes = match &shredder {
        // The relay is the agent; the suite, outside, dials the relay.
        Some(shredder) => {
            let front = shredder.start(protected, as_agent)?;
            (suite.run)(built, front.port, &mut |program, args, folder| Ok(as_postgres(program, args, folder)))?
        }
        None => (suite.run)(built, protected, &mut |program, args, folder| {
            let mut command = as_agent(program, args)?;
            command.current_dir(folder);
            Ok(command)
        })?,
    };
    // What the agents' last connections left behind is written when the service ends.
    service.stop("TERM")?;
    let export = succeed(service.verb("audit export").arg("--json"))?;
    let log = database.log();
    let coverage = Coverage::of(log.get(before..).unwrap_or_default(), &String::from_utf8_lossy(&export.stdout))?;
    Ok((outcomes, coverage))
}

fn count(outcomes: &Outcomes) -> String {
    let of = |wanted: Outcome| outcomes.iter().filter(move |(_, one)| **one == wanted).map(|(id, _)| id.as_str());
    let mut line = format!("{}/{}", of(Outcome::Passed).count(), outcomes.len());
    let skipped = of(Outcome::Skipped).count();
    if skipped > 0 {
        line += &format!("; skipped: {skipped}");
    }
    for (word, outcome) in [("failed", Outcome::Failed), ("errors", Outcome::Error)] {
        let ids: Vec<&str> = of(outcome).collect();
        if !ids.is_empty() {
            line += &format!("; {word}: {} ({})", ids.len(), ids.join(" "));
        }
    }
    line
}

fn as_postgres(program: &Path, args: &[String], folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"])
        .arg(program)
        .args(args)
        .current_dir(folder);
    command
}
