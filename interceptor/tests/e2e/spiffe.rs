//! Jobs whose SVIDs the service fetches: unchanged psql, and a SPIFFE agent of another make (`@grpc/grpc-js`).

#[path = "../../../userspace/control/tests/stand/agent.rs"]
mod agent;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::identities::Unit;
use crate::stage::{Answer, POLICY, Stage, binary};
use crate::stand::Folder;
use agent::Agent;

const PATIENCE: Duration = Duration::from_secs(60);
const COUNT: &str = "SELECT count(*) FROM payments";

struct Scene {
    stage: Stage,
    agent: Agent,
    unit: Unit,
    _folder: Folder,
}

impl Scene {
    fn set() -> Option<Scene> {
        if !nix::unistd::Uid::effective().is_root() {
            // Says so loudly.
            return Stage::usual().and(None);
        }
        let folder = Folder::new("spiffe").expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace/control/tests/spiffe_agent/agent.mjs");
        let agent = Agent::start(&script, folder.path())?;
        let unit = Unit::new();
        let issuer = format!(
            "[[issuer]]\nname = \"spire\"\npreset = \"spiffe\"\ntrust_domain = \"pay.example\"\naudience = [\"interceptor\"]\n\
             workload_api = \"unix://{}\"\ndelegated_api = \"unix://{}\"\n",
            agent.workload.display(),
            agent.delegated.display()
        );
        let tables = format!("{}spiffe = {{ issuer = \"spire\" }}\n{issuer}", unit.agent());
        let stage = Stage::set_beside("", &tables, POLICY)?;
        Some(Scene { stage, agent, unit, _folder: folder })
    }

    fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=app dbname=postgres", self.stage.database.port)
    }

    fn psql(&self, job: &str, sql: &str) -> Answer {
        let script = format!("exec psql -X -At -v VERBOSITY=verbose '{}' -c \"{sql}\"", self.url());
        Answer::of(self.unit.shell(job, &script).output().expect("psql starts"))
    }

    fn records(&self, kind: &str) -> Vec<Value> {
        let all = self.stage.record().into_iter().map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
        all.filter(|one| one["type"] == kind).collect()
    }
}

#[test]
fn jobs_are_who_the_spiffe_agent_says() {
    let Some(mut scene) = Scene::set() else { return };
    scene.psql("one", COUNT).says("5");
    scene.psql("two", COUNT).says("5");
    scene.psql("one", COUNT).says("5");
    assert_eq!(scene.agent.becomes(&json!({})), 2, "once for each job");
    let allowed = scene
        .records("decision")
        .into_iter()
        .filter(|one| one["verdict"] == "allow" && one["text"].as_str().is_some_and(|text| text.contains("payments")));
    let who: Vec<(String, String)> = allowed
        .map(|one| {
            (
                format!("spire:spiffe://pay.example/job-{}", one["pid"]),
                one["principal"].as_str().expect("signed").to_owned(),
            )
        })
        .collect();
    assert_eq!(who.len(), 3);
    // Whoever asked first is who the SPIFFE agent was asked about; its job keeps that name.
    assert_eq!((&who[0].0, &who[1].0, &who[0].1), (&who[0].1, &who[1].1, &who[2].1));
    assert_ne!(who[0].1, who[1].1);
    let bound: Vec<Value> = scene.records("token").into_iter().filter(|one| one["change"] == "bound").collect();
    assert_eq!((bound.len(), bound[0]["operator"].as_str()), (2, Some("spiffe")), "{bound:?}");
    // Refused, and by a reason that says what to do; what is bound goes on.
    scene.agent.becomes(&json!({ "mode": "deny" }));
    let refused = scene.psql("three", COUNT);
    let says = ["who this job is cannot be found out", "registration entry"];
    assert!(!refused.ok && says.iter().all(|words| refused.err.contains(words)), "{}", refused.err);
    scene.psql("one", COUNT).says("5");
    scene.agent.becomes(&json!({ "mode": "" }));
    scene.psql("three", COUNT).says("5");
    let verified = Answer::of(scene.stage.service.verb("audit verify").output().expect("the verb starts"));
    assert!(verified.ok, "{}{}", verified.out, verified.err);
}

#[test]
fn a_session_goes_on_under_a_fresh_svid() {
    let Some(mut scene) = Scene::set() else { return };
    scene.agent.becomes(&json!({ "ttl": 12 }));
    let script = format!("exec psql -X -At -v VERBOSITY=verbose '{}' -f -", scene.url());
    let mut shell = scene.unit.shell("one", &script);
    let mut psql = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql starts");
    let (mut to, mut from) = (psql.stdin.take().expect("piped"), BufReader::new(psql.stdout.take().expect("piped")));
    let mut counts = || {
        writeln!(to, "{COUNT};").expect("it listens");
        let mut line = String::new();
        from.read_line(&mut line).expect("it answers");
        assert_eq!(line.trim(), "5");
    };
    counts();
    let token = |scene: &Scene, key: &str| scene.records("token")[0][key].clone();
    assert_eq!(token(&scene, "change"), "bound");
    let first_s = token(&scene, "token_expires").as_u64().expect("seconds");
    let start = Instant::now();
    let now_s = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    // Every statement of the same session goes on when its first one is over.
    while now_s() < first_s + 2 {
        assert!(start.elapsed() < PATIENCE, "{}", scene.stage.service.log());
        counts();
    }
    let refreshed = scene.records("token").iter().filter(|one| one["change"] == "refreshed").count();
    assert!(refreshed > 0, "{}", scene.stage.service.log());
    drop(to);
    psql.wait().expect("psql ends");
}

#[test]
fn a_job_without_delegation_fetches_its_own() {
    let Some(mut scene) = Scene::set() else { return };
    let socket = scene.stage.service.run_dir().join("identity.sock");
    let fetch = |scene: &Scene, job: &str| {
        let script =
            format!("exec {} identity fetch --audience interceptor --post {}", binary().display(), socket.display());
        let mut shell = scene.unit.shell(job, &script);
        shell.env("SPIFFE_ENDPOINT_SOCKET", format!("unix://{}", scene.agent.workload.display()));
        Answer::of(shell.output().expect("it starts"))
    };
    let bound = fetch(&scene, "one");
    assert!(bound.ok && bound.out.contains("spire:spiffe://pay.example/own"), "{}{}", bound.out, bound.err);
    scene.agent.becomes(&json!({ "mode": "deny" }));
    scene.psql("one", COUNT).says("5");
    let refused = fetch(&scene, "two");
    assert!(!refused.ok && refused.err.contains("no identity issued"), "{}{}", refused.out, refused.err);
}
