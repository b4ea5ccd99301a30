//! SVIDs of jobs and the bundles that verify them, from a gRPC server of another make that speaks the SPIFFE Workload API and SPIRE's
//! Delegated Identity API.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod stand;

use std::collections::HashMap;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use control::{
    Caller, Handle, IssuerSettings, Issuers, KeySource, Process, Settings, SpiffeAgent, SvidAsk, SvidTerms, Table,
    Workloads, keys_now, own_svid, serve,
};
use identity::{Issuer, Life, Preset};
use serde_json::json;
use stand::agent::Agent;
use stand::{Folder, Service, well};

/// A key is not asked for twice within half a minute: so long a rotation may take to be seen.
const LIFE: Life = Life { refresh_s: 10, hold_s: 3600 };

fn issuer(agent: SpiffeAgent) -> IssuerSettings {
    let mut rules = Issuer::new("spire", Preset::Spiffe, "pay.example");
    rules.audience = vec!["interceptor".into()];
    IssuerSettings { rules, source: KeySource::Spiffe(agent), life: LIFE, roots: Vec::new() }
}

struct Scene {
    agent: Agent,
    service: Arc<Service>,
    workloads: Arc<Workloads>,
    _handle: Handle,
    _folder: Folder,
}

impl Scene {
    fn set() -> Option<Scene> {
        Scene::of(None)
    }

    fn of(spiffe_id: Option<&str>) -> Option<Scene> {
        let folder = Folder::new();
        let agent = agent(&folder.0)?;
        let sockets = SpiffeAgent { workload: Some(agent.workload.clone()), delegated: Some(agent.delegated.clone()) };
        let (service, workloads, handle) = start(&folder.0, sockets, spiffe_id);
        Some(Scene { agent, service, workloads, _handle: handle, _folder: folder })
    }

    /// What a session of this process hears.
    #[track_caller]
    fn asks(&self, session: u64, cgroup: u64, pid: u32) -> Result<(), String> {
        asks(&self.service, &self.workloads, session, (cgroup, pid))
    }

    #[track_caller]
    fn refused(&self, session: u64, says: &str) {
        let why = self.asks(session, 1, 11).expect_err("is refused");
        assert!(why.contains(says), "{why}");
        assert!(!self.bound().iter().any(|one| one.starts_with("cgroup 1 ")), "nothing is bound");
    }

    fn bound(&self) -> Vec<String> {
        let all = self.workloads.bindings();
        all.iter().map(|one| format!("{} {}", one.job, one.identity.principal)).collect()
    }
}

fn agent(folder: &Path) -> Option<Agent> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spiffe_agent/agent.mjs");
    Agent::start(&script, folder)
}

fn start(folder: &Path, sockets: SpiffeAgent, spiffe_id: Option<&str>) -> (Arc<Service>, Arc<Workloads>, Handle) {
    let issuers = Issuers::new(vec![issuer(sockets)], Box::new(|_, _| {})).expect("issuers");
    let terms = SvidTerms { issuer: "spire".into(), spiffe_id: spiffe_id.map(str::to_owned) };
    let save: control::Save = Box::new(|_, _, _| Ok(()));
    let workloads = Workloads::new(issuers, vec![], folder.join("identity.sock"), (Table::default(), save));
    let workloads = Arc::new(workloads.fetching(HashMap::from([("reconciler".to_owned(), terms)])));
    let service = Arc::new(well());
    let socket = folder.join("admin.sock");
    let settings = Settings { socket, page: None, webhooks: vec![], workloads: Some(Arc::clone(&workloads)) };
    let source: Arc<dyn control::Source> = Arc::<Service>::clone(&service);
    (service, workloads, serve(settings, source).expect("serves"))
}

fn process(cgroup: u64, pid: u32) -> Process {
    Process { agent: "reconciler".into(), caller: Caller { uid: 1000, pid, cgroup } }
}

#[track_caller]
fn asks(service: &Service, workloads: &Workloads, session: u64, (cgroup, pid): (u64, u32)) -> Result<(), String> {
    assert!(workloads.ask(SvidAsk { session, process: process(cgroup, pid) }));
    service.tokens.until(|heard| heard.answers.iter().find(|(of, _)| *of == session).map(|(_, told)| told.clone()))
}

#[test]
fn a_job_is_who_the_agent_says_and_two_are_two() {
    let Some(mut scene) = Scene::set() else { return };
    assert_eq!(scene.asks(1, 1, 11), Ok(()));
    assert_eq!(scene.asks(2, 2, 22), Ok(()));
    // One that is bound is not asked for again, whichever of its processes comes.
    assert_eq!(scene.asks(3, 1, 12), Ok(()));
    assert_eq!(scene.agent.becomes(&json!({ "all": ["/shared"] })), 2);
    // The agent has one SVID for all jobs of one name.
    assert_eq!((scene.asks(4, 3, 33), scene.asks(5, 4, 44)), (Ok(()), Ok(())));
    let expected = [
        "cgroup 1 spire:spiffe://pay.example/job-11",
        "cgroup 2 spire:spiffe://pay.example/job-22",
        "cgroup 3 spire:spiffe://pay.example/shared",
        "cgroup 4 spire:spiffe://pay.example/shared",
    ];
    assert_eq!(scene.bound(), expected);
    let first = "fetched cgroup 1: bound spire:spiffe://pay.example/job-11";
    assert_eq!(scene.service.tokens.heard.lock().expect("whole").changes[0], first);
}

#[test]
fn sessions_of_one_job_wait_for_one_answer() {
    let Some(mut scene) = Scene::set() else { return };
    for session in 0..50 {
        assert!(scene.workloads.ask(SvidAsk { session, process: process(1, 11) }));
    }
    scene.service.tokens.until(|heard| (heard.answers.len() == 50).then_some(()));
    assert!(scene.service.tokens.heard.lock().expect("whole").answers.iter().all(|(_, told)| told.is_ok()));
    assert_eq!((scene.agent.becomes(&json!({})), scene.bound().len()), (1, 1));
}

#[test]
fn of_several_identities_the_one_that_is_named() {
    let Some(mut scene) = Scene::of(Some("spiffe://pay.example/b")) else { return };
    scene.refused(1, "none is spiffe://pay.example/b");
    scene.agent.becomes(&json!({ "all": ["/a", "/b"] }));
    assert_eq!(scene.asks(2, 1, 11), Ok(()));
    assert_eq!(scene.bound(), ["cgroup 1 spire:spiffe://pay.example/b"]);
    let Some(mut scene) = Scene::set() else { return };
    scene.agent.becomes(&json!({ "all": ["/a", "/b"] }));
    scene.refused(1, "name the one that is meant");
}

#[test]
fn what_the_agent_may_not_answer() {
    let Some(mut scene) = Scene::set() else { return };
    assert_eq!(scene.asks(99, 9, 99), Ok(()), "its keys are here");
    for (session, (how, says)) in [
        (json!({ "mode": "deny" }), "PERMISSION_DENIED: no identity issued"),
        (json!({ "mode": "broken" }), "gRPC status 14: the serveris away"),
        (json!({ "mode": "", "delegates": false }), "caller not configured as an authorized delegate"),
        (json!({ "mode": "audience", "delegates": true }), "another audience"),
        (json!({ "mode": "domain" }), "no [[issuer]]"),
        (json!({ "mode": "huge" }), "longer than 1048576 bytes"),
        (json!({ "mode": "", "all": [] }), "it needs a registration entry"),
        (json!({ "all": null, "ttl": -1 }), "it has expired"),
        (json!({ "ttl": 90_000 }), "longer than 86400 s"),
    ]
    .into_iter()
    .enumerate()
    {
        scene.agent.becomes(&how);
        scene.refused(session as u64, says);
    }
    scene.agent.becomes(&json!({ "ttl": 600 }));
    scene.service.tokens.heard.lock().expect("whole").gone = true;
    scene.refused(100, "process 11 of this job is gone");
    scene.service.tokens.heard.lock().expect("whole").gone = false;
    assert_eq!(scene.asks(101, 1, 11), Ok(()), "and then it may");
}

/// Of a socket on which nobody listens, one that never answers, and one that is none of gRPC's.
#[test]
fn an_agent_that_is_not_there_is_said() {
    let folder = Folder::new();
    let at = |name: &str| folder.0.join(name);
    let keys = |path: PathBuf| {
        let agent = SpiffeAgent { workload: Some(path), delegated: None };
        keys_now(&issuer(agent)).expect_err("no keys")
    };
    assert!(keys(at("nothing")).contains("cannot be reached"));
    drop(UnixListener::bind(at("dead")).expect("bound"));
    assert!(keys(at("dead")).contains("does it run, and may this account connect?"));
    let silent = UnixListener::bind(at("silent")).expect("bound");
    assert!(keys(at("silent")).contains("did not answer within 5 s"));
    drop(silent);
    let other = UnixListener::bind(at("other")).expect("bound");
    std::thread::spawn(move || {
        let (mut stream, _) = other.accept().expect("a caller");
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    assert!(keys(at("other")).contains("no SPIFFE agent"));
    let (service, workloads, _handle) =
        start(&folder.0, SpiffeAgent { workload: None, delegated: Some(at("nothing")) }, None);
    let why = asks(&service, &workloads, 1, (1, 11)).expect_err("is refused");
    assert!(why.contains("cannot be reached"), "{why}");
}

#[test]
fn an_agent_that_hangs_is_given_up() {
    let Some(mut scene) = Scene::set() else { return };
    assert_eq!(scene.asks(1, 9, 99), Ok(()), "its keys are here");
    scene.agent.becomes(&json!({ "mode": "hang" }));
    let why = scene.asks(2, 1, 11).expect_err("is refused");
    assert!(why.contains("did not answer within 5 s"), "{why}");
    scene.agent.becomes(&json!({ "mode": "" }));
    assert_eq!(scene.asks(3, 1, 11), Ok(()));
}

/// Half of its time before it is over, while a process of the job has a session; by another key, too.
#[test]
fn it_is_fetched_again_before_it_expires() {
    let Some(mut scene) = Scene::set() else { return };
    scene.agent.becomes(&json!({ "ttl": 8 }));
    assert_eq!((scene.asks(1, 1, 11), scene.asks(2, 2, 22)), (Ok(()), Ok(())));
    let first = scene.workloads.bindings()[0].clone();
    scene.service.tokens.heard.lock().expect("whole").processes = vec![process(1, 11)];
    let fresh = "fetched cgroup 1: refreshed spire:spiffe://pay.example/job-11";
    scene.service.tokens.until(|heard| heard.changes.iter().any(|line| line == fresh).then_some(()));
    let now = scene.workloads.bindings();
    assert!(now[0].identity.expires_s > first.identity.expires_s && now[0].number > first.number);
    assert!(now[0].bound_s < first.identity.expires_s, "before it was over");
    let other =
        scene.service.tokens.heard.lock().expect("whole").changes.iter().any(|line| line.contains("cgroup 2: ref"));
    assert!(!other, "nobody of it has a session");
}

#[test]
fn another_bundle_is_taken_over() {
    let Some(mut scene) = Scene::set() else { return };
    let sockets = |scene: &Scene, workload: bool| SpiffeAgent {
        workload: workload.then(|| scene.agent.workload.clone()),
        delegated: Some(scene.agent.delegated.clone()),
    };
    // Both APIs show it.
    for workload in [true, false] {
        assert_eq!(keys_now(&issuer(sockets(&scene, workload))).expect("keys").named(), "k1");
    }
    assert_eq!(scene.asks(1, 1, 11), Ok(()));
    scene.agent.becomes(&json!({ "rotate": true }));
    // What the old key signed is bound, and stays; the background, or the first token by the new one, finds the new one.
    let rotated = "brought : keys issuer spire shows other keys: k2; before: k1";
    scene.service.tokens.until(|heard| heard.changes.iter().any(|line| line == rotated).then_some(()));
    assert_eq!(scene.asks(2, 2, 22), Ok(()));
    scene.agent.becomes(&json!({ "domain": "another.example" }));
    let why = keys_now(&issuer(sockets(&scene, true))).expect_err("none");
    assert!(why.contains("no bundle of spiffe://pay.example") && why.contains("spiffe://another.example"), "{why}");
    scene.agent.becomes(&json!({ "mode": "deny" }));
    for workload in [true, false] {
        assert!(keys_now(&issuer(sockets(&scene, workload))).expect_err("none").contains("PERMISSION_DENIED"));
    }
}

#[test]
fn a_process_fetches_its_own() {
    let folder = Folder::new();
    let Some(mut agent) = agent(&folder.0) else { return };
    let own = |agent: &Agent, id| own_svid(&agent.workload, "interceptor", id);
    let token = own(&agent, None).expect("a token");
    let sockets = SpiffeAgent { workload: Some(agent.workload.clone()), delegated: None };
    let issuer = issuer(sockets);
    let keys = keys_now(&issuer).expect("keys");
    let known = identity::Known { issuer: &issuer.rules, keys: Some(&keys) };
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    assert_eq!(
        identity::verify(token.as_bytes(), known, now_s).expect("it counts").subject,
        "spiffe://pay.example/own"
    );
    assert!(own(&agent, Some("spiffe://pay.example/x")).is_ok());
    agent.becomes(&json!({ "mode": "deny" }));
    assert!(own(&agent, None).expect_err("denied").contains("no identity issued"));
}
