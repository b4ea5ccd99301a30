//! Jobs and their tokens: three jobs of one unit are three principals, and a token that is over, somebody else's or revoked opens nothing.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use interceptor::load::cgroups;
use serde_json::{Value, json};

use crate::clients::python;
use crate::stage::{Answer, POLICY, Stage};
use crate::stand::ci::Ci;

const PATIENCE: Duration = Duration::from_secs(60);
/// Who may read is said by the usual policy; these two are for some jobs alone.
const OF_SOME: &str = "
[[rule]]
name = \"the main branch deletes\"
statements = [\"delete\"]
tables = [\"public.tickets\"]
claims = { ref = \"refs/heads/main\" }
action = \"allow\"

[[rule]]
name = \"releases lock\"
agents = [\"group:releases\"]
statements = [\"lock\"]
tables = [\"public.plain\"]
action = \"allow\"

[[rule]]
name = \"forks read nothing\"
statements = [\"select\"]
claims = { ref = \"refs/pull/*\" }
action = \"block\"
";

/// A cgroup of a unit whose jobs have one each below it; gone with all that is in it.
pub struct Unit(PathBuf);

impl Unit {
    pub fn new() -> Unit {
        let path = cgroups::root().expect("cgroup v2").join(format!("interceptor-e2e-unit-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a cgroup");
        Unit(path)
    }

    pub fn agent(&self) -> String {
        let name = self.0.file_name().expect("it has one").to_string_lossy();
        format!("[[agent]]\nname = \"unit\"\ncgroup = \"/{name}\"\nrequire_token = true\n")
    }

    /// The job's cgroup.
    fn job(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        if !path.exists() {
            std::fs::create_dir(&path).expect("a cgroup");
        }
        path
    }

    /// A shell in the job, as nobody.
    pub fn shell(&self, job: &str, script: &str) -> Command {
        let mut shell = Command::new("sh");
        let enter = "echo $$ > \"$1\" && exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c \"$2\"";
        shell.args(["-c", enter, "sh"]).arg(self.job(job).join("cgroup.procs")).arg(script);
        shell.current_dir("/").stdin(Stdio::null()).env("HOME", "/nonexistent").env("PGPASSWORD", "placeholder");
        shell
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = std::fs::write(self.0.join("cgroup.kill"), "1");
        let jobs = std::fs::read_dir(&self.0).into_iter().flatten().flatten().filter(|job| job.path().is_dir());
        for folder in jobs.map(|job| job.path()).chain([self.0.clone()]) {
            let start = Instant::now();
            while std::fs::remove_dir(&folder).is_err() && start.elapsed() < Duration::from_secs(5) {}
        }
    }
}

/// Posts the token in the file, as any job may; prints the status and the words.
const POST: &str = "import socket, sys
token = open(sys.argv[2], 'rb').read()
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
try: s.sendall(b'POST /token HTTP/1.1\\r\\ncontent-length: %d\\r\\n\\r\\n' % len(token) + token)
except OSError: pass
answer = b''
while more := s.recv(65536): answer += more
head, words = answer.decode().split('\\r\\n\\r\\n', 1)
print(head.split()[1], words)";

/// One statement by the unchanged psycopg.
const PSYCOPG: &str = "import psycopg, sys
print(psycopg.connect(sys.argv[1]).execute('SELECT count(*) FROM payments').fetchone()[0])";

struct Scene {
    stage: Stage,
    ci: Ci,
    unit: Unit,
}

impl Scene {
    fn set() -> Option<Scene> {
        let (ci, unit) = (
            Ci::new().expect("an issuer"),
            if nix::unistd::Uid::effective().is_root() { Unit::new() } else { Unit(PathBuf::new()) },
        );
        let stage = Stage::set_beside("", &format!("{}{}", unit.agent(), ci.tables()), &format!("{POLICY}{OF_SOME}"))?;
        Some(Scene { stage, ci, unit })
    }

    fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=app dbname=postgres", self.stage.database.port)
    }

    fn psql(&self, job: &str, sql: &str) -> Answer {
        let script = format!("psql -X -At -v VERBOSITY=verbose '{}' -c \"{sql}\"", self.url());
        Answer::of(self.unit.shell(job, &script).output().expect("psql starts"))
    }

    fn post(&self, job: &str, token: &str) -> String {
        let file = self.ci.file(&format!("token-{job}"), token).expect("written");
        let socket = self.stage.service.run_dir().join("identity.sock");
        let script = format!("exec python3 -c \"$POST\" {} {}", socket.display(), file.display());
        let output = self.unit.shell(job, &script).env("POST", POST).output().expect("python starts");
        let answer = Answer::of(output);
        assert!(answer.ok, "{}\n{}", answer.err, self.stage.service.log());
        answer.out
    }

    #[track_caller]
    fn bound(&self, job: &str, token: &str) {
        let answer = self.post(job, token);
        assert!(answer.starts_with("200 "), "{job}: {answer}");
    }

    #[track_caller]
    fn counts(&self, job: &str) {
        self.psql(job, "SELECT count(*) FROM payments").says("5");
    }

    fn revoke(&self, name: &str) -> Answer {
        let mut verb = self.stage.service.verb("identity revoke");
        Answer::of(verb.args([name, "--reason", "it leaks"]).output().expect("the verb starts"))
    }

    fn records(&self, kind: &str) -> Vec<Value> {
        let all = self.stage.record().into_iter().map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
        all.filter(|one| one["type"] == kind).collect()
    }
}

#[test]
fn three_jobs_of_one_unit_are_three_principals() {
    let Some(scene) = Scene::set() else { return };
    for (job, run) in [("one", 1), ("two", 2), ("three", 3)] {
        scene.psql(job, "SELECT 1").refused("28000");
        scene.bound(job, &scene.ci.token(run, 600, json!({})));
    }
    scene.counts("one");
    scene.counts("two");
    match python() {
        Some(drivers) => {
            let script = format!("exec python3 -c \"$SCRIPT\" '{}'", scene.url());
            let mut shell = scene.unit.shell("three", &script);
            let output = shell.env("SCRIPT", PSYCOPG).env("PYTHONPATH", drivers.join("python")).output();
            let answer = Answer::of(output.expect("python starts"));
            assert_eq!(answer.out.trim(), "5", "{}", answer.err);
        }
        None => scene.counts("three"),
    }
    let allowed = scene
        .records("decision")
        .into_iter()
        .filter(|one| one["verdict"] == "allow" && one["text"].as_str().is_some_and(|text| text.contains("payments")));
    let who: Vec<(String, String, u64)> = allowed
        .map(|one| {
            let word = |key: &str| one[key].as_str().expect("a word").to_owned();
            assert_eq!(word("subject"), "repo:octo-org/octo-repo:ref:refs/heads/main");
            (word("agent"), word("principal"), one["cgroup"].as_u64().expect("a cgroup"))
        })
        .collect();
    let principals: Vec<&str> = who.iter().map(|(_, principal, _)| principal.as_str()).collect();
    assert_eq!(principals, ["ci:74/1/1", "ci:74/2/1", "ci:74/3/1"]);
    assert!(who.iter().all(|(agent, ..)| agent == "unit") && who[0].2 != who[1].2 && who[1].2 != who[2].2);
    assert_eq!(scene.records("token").iter().filter(|one| one["change"] == "bound").count(), 3);
    // A token is for one job, and one of its own does not help who has none.
    let again = scene.post("two", &std::fs::read_to_string(scene.ci.folder.path().join("token-one")).expect("kept"));
    assert!(again.starts_with("409 ") && again.contains("another job"), "{again}");
    // Removed and made again it is another job, without a token.
    std::fs::remove_dir(scene.unit.job("two")).expect("empty");
    scene.psql("two", "SELECT 1").refused("28000");
    scene.counts("one");
    let verified = Answer::of(scene.stage.service.verb("audit verify").output().expect("the verb starts"));
    assert!(verified.ok, "{}{}", verified.out, verified.err);
}

#[test]
fn rules_see_what_tokens_say() {
    let Some(scene) = Scene::set() else { return };
    for (run, job, reference) in
        [(1, "main", "refs/heads/main"), (2, "release", "refs/tags/v1"), (3, "fork", "refs/pull/7/merge")]
    {
        scene.bound(job, &scene.ci.token(run, 600, json!({ "ref": reference })));
    }
    let (delete, lock) = ("DELETE FROM tickets", "BEGIN; LOCK TABLE plain; COMMIT");
    scene.counts("main");
    scene.counts("release");
    scene.psql("fork", "SELECT count(*) FROM payments").refused("42501");
    for (job, sql, allowed) in [
        ("main", delete, true),
        ("release", delete, false),
        ("fork", delete, false),
        ("main", lock, false),
        ("release", lock, true),
        ("fork", lock, false),
    ] {
        let answer = scene.psql(job, sql);
        assert_eq!(answer.ok, allowed, "{job}: {sql}: {}", answer.err);
        assert!(allowed || answer.err.contains("42501"), "{job}: {sql}: {}", answer.err);
    }
}

#[test]
fn bad_tokens_open_nothing() {
    let Some(scene) = Scene::set() else { return };
    let stranger = Ci::new().expect("an issuer");
    let good = scene.ci.token(1, 600, json!({}));
    for (token, says) in [
        (stranger.token(1, 600, json!({})), "its signature is wrong"),
        (scene.ci.token(1, 0, json!({})), "it has expired"),
        (scene.ci.token(1, 600, json!({ "aud": "another" })), "another audience"),
        (scene.ci.token(1, 600, json!({ "repository_id": "75" })), "`repository_id` is not what `require`"),
        (scene.ci.token(1, 600, json!({ "iss": "https://other.example" })), "no [[issuer]]"),
        (good.replace('.', "-"), "no signed token"),
        ("x".repeat(1 << 20), "at most 16 KiB"),
    ] {
        let answer = scene.post("one", &token);
        assert!(!answer.starts_with("200 ") && answer.contains(says), "{says}: {answer}");
        scene.psql("one", "SELECT 1").refused("28000");
    }
    scene.bound("one", &good);
    scene.counts("one");
    let refused = scene.records("token").iter().filter(|one| one["change"] == "refused").count();
    assert_eq!(refused, 6, "all but the one that was never read");
}

#[test]
fn what_has_expired_is_refused_and_a_fresh_token_carries_on() {
    let Some(scene) = Scene::set() else { return };
    scene.bound("one", &scene.ci.token(1, 15, json!({})));
    scene.counts("one");
    let start = Instant::now();
    loop {
        let answer = scene.psql("one", "SELECT count(*) FROM payments");
        if answer.err.contains("28000") {
            assert!(answer.err.contains("the token of this job has expired"), "{}", answer.err);
            break;
        }
        assert!(start.elapsed() < PATIENCE, "it never expires: {}", answer.err);
    }
    scene.bound("one", &scene.ci.token(1, 600, json!({})));
    scene.counts("one");
}

#[test]
fn a_revoked_job_stops_while_rows_stream() {
    let Some(scene) = Scene::set() else { return };
    scene.bound("one", &scene.ci.token(1, 600, json!({})));
    scene.bound("two", &scene.ci.token(2, 600, json!({})));
    // In the list of outputs a series streams; in FROM the server would first write all of it to its disk.
    let endless = "COPY (SELECT id, generate_series(1, 2000000000) FROM tickets) TO STDOUT";
    let script = format!("exec psql -X -At -v VERBOSITY=verbose '{}' -c \"{endless}\"", scene.url());
    let mut psql =
        scene.unit.shell("one", &script).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("psql starts");
    let mut rows = psql.stdout.take().expect("piped");
    let mut block = vec![0; 1 << 16];
    let mut read = 0;
    while read < 8 << 20 {
        let some = rows.read(&mut block).expect("rows");
        assert!(some > 0, "it streams: {}", Answer::of(psql.wait_with_output().expect("it ended")).err);
        read += some;
    }
    let reader = std::thread::spawn(move || while rows.read(&mut block).is_ok_and(|some| some > 0) {});
    let revoked = scene.revoke("ci:74/1/1");
    assert!(revoked.ok, "{}", revoked.err);
    let told = Answer::of(psql.wait_with_output().expect("psql ends"));
    reader.join().expect("read to the end");
    assert!(!told.ok, "{}", told.err);
    // By the record's own clock: what psql takes to read the rest is no matter of ours.
    let times = [("token", "change", "revoked"), ("session-end", "principal", "ci:74/1/1")].map(|(kind, key, word)| {
        let of = scene.records(kind).into_iter().find(|one| one[key] == word);
        of.and_then(|one| one["time"].as_str().map(str::to_owned)).expect("recorded")
    });
    let within = format!("SELECT '{}'::timestamptz - '{}'::timestamptz < interval '1 s'", times[1], times[0]);
    scene.stage.database_has(&within, "t");
    // It does not come back, by another connection or with a fresh token; the others go on.
    let answer = scene.psql("one", "SELECT 1");
    assert!(!answer.ok && answer.err.contains("revoked by root: it leaks"), "{}", answer.err);
    let fresh = scene.post("one", &scene.ci.token(1, 700, json!({})));
    assert!(fresh.starts_with("409 ") && fresh.contains("revoked"), "{fresh}");
    scene.counts("two");
    assert!(!scene.revoke("ci:74/1/1").ok, "it is already");
    let listed = scene.stage.service.verb("identity list").arg("--json").output().expect("the verb starts");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let states: Vec<&str> =
        listed["identities"].as_array().expect("a list").iter().filter_map(|one| one["state"].as_str()).collect();
    assert_eq!(states, ["revoked", "bound"]);
}

#[test]
fn exec_binds_a_token_and_reads_it_again() {
    let Some(mut scene) = Scene::set() else { return };
    let file = scene.ci.file("exec", &scene.ci.token(7, 600, json!({}))).expect("written");
    let run = |scene: &Scene, file: &Path, script: &str| {
        let mut exec = scene.stage.service.verb("exec");
        exec.args(["--agent", "reconciler", "--user", "nobody", "--token-file"])
            .arg(file)
            .args(["--", "sh", "-c", script]);
        Answer::of(exec.current_dir("/").stdin(Stdio::null()).output().expect("exec starts"))
    };
    let psql = format!("psql -X -At '{}' -c 'SELECT count(*) FROM payments'", scene.url());
    run(&scene, &file, &psql).says("5");
    let seen = |scene: &Scene| scene.records("decision").iter().filter(|one| one["principal"] == "ci:74/7/1").count();
    assert!(seen(&scene) > 0, "the statement is the principal's");
    let bad = scene.ci.file("bad", "x.y.z").expect("written");
    let refused = run(&scene, &bad, &psql);
    assert!(!refused.ok && refused.err.contains("nothing was started"), "{}", refused.err);
    // While it runs the file gets a fresh token.
    let first = scene.ci.file("turn", &scene.ci.token(8, 600, json!({}))).expect("written");
    let next = scene.ci.token(8, 900, json!({}));
    let mut exec = scene.stage.service.verb("exec");
    exec.args(["--agent", "reconciler", "--user", "nobody", "--token-file"]).arg(&first).args(["--", "sleep", "60"]);
    let mut running = exec.current_dir("/").stdin(Stdio::null()).spawn().expect("exec starts");
    let changes = |scene: &Scene| -> Vec<String> {
        let of = scene.records("token").into_iter().filter(|one| one["principal"] == "ci:74/8/1");
        of.filter_map(|one| one["change"].as_str().map(str::to_owned)).collect()
    };
    let waits_for = |scene: &Scene, expected: &[&str]| {
        let start = Instant::now();
        while changes(scene) != expected {
            assert!(start.elapsed() < PATIENCE, "{:?}\n{}", changes(scene), scene.stage.service.log());
        }
    };
    waits_for(&scene, &["bound"]);
    scene.ci.file("turn", &next).expect("written");
    waits_for(&scene, &["bound", "refreshed"]);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(running.id() as i32), nix::sys::signal::Signal::SIGTERM)
        .expect("sent");
    running.wait().expect("it ends");
    // A restart forgets neither what is bound nor what was used.
    scene.bound("one", &scene.ci.token(9, 600, json!({})));
    scene.stage.service.stop("TERM").expect("stopped");
    scene.stage.service.run().expect("started again");
    scene.counts("one");
    let again = scene.post("two", &std::fs::read_to_string(scene.ci.folder.path().join("token-one")).expect("kept"));
    assert!(again.starts_with("409 "), "{again}");
}

#[test]
fn identity_test_says_what_a_token_would_become() {
    let ci = Ci::new().expect("an issuer");
    let config = ci.folder.path().join("interceptor.toml");
    let database = "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\n";
    std::fs::write(&config, format!("{database}{}", ci.tables())).expect("written");
    let test = |token: &str, more: &[&str]| {
        let file = ci.file("token", token).expect("written");
        let mut verb = Command::new(crate::stage::binary());
        Answer::of(
            verb.args(["identity", "test", "--config"]).arg(&config).args(more).arg(file).output().expect("it starts"),
        )
    };
    let good = test(&ci.token(5, 600, json!({})), &[]);
    assert!(
        good.ok && good.out.contains("ci:74/5/1") && good.out.contains("ref = refs/heads/main"),
        "{}{}",
        good.out,
        good.err
    );
    let json: Value = serde_json::from_str(&test(&ci.token(5, 600, json!({})), &["--json"]).out).expect("JSON");
    assert_eq!((&json["accepted"], &json["principal"]), (&true.into(), &"ci:74/5/1".into()));
    let bad = test(&ci.token(5, 600, json!({ "repository_id": "1" })), &["--issuer", "ci"]);
    assert!(!bad.ok && bad.out.contains("refused") && bad.out.contains("`repository_id`"), "{}{}", bad.out, bad.err);
    assert!(test("x", &["--issuer", "cy"]).err.contains("the configuration has: ci"));
}
