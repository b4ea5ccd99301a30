//! TLS on both legs: the unchanged psql, a PostgreSQL with ssl = on, and what must not pass between them.

use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use crate::health::Health;
use crate::raw::{Agent, Message, Wire, query, usual_startup};
use crate::stage::{Answer, POLICY, Stage, postgres_bin};
use crate::stand::{Folder, Postgres, succeed};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const LOGIN: &str = "CREATE ROLE scram LOGIN PASSWORD 'open sesame'; GRANT ALL ON ALL TABLES IN SCHEMA public TO scram";

/// Certificates of a database, and who signed them.
pub(crate) struct Keys {
    folder: Folder,
}

impl Keys {
    /// For this name; readable by PostgreSQL alone, as it wants it.
    pub(crate) fn new(name: &str) -> Keys {
        let folder = Folder::new("keys").expect("a folder");
        let mut root = CertificateParams::new(Vec::<String>::new()).expect("no names");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate().expect("a key");
        let signed = root.self_signed(&root_key).expect("signed");
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).expect("signed");
        for (name, text) in [("root.pem", signed.pem()), ("db.pem", leaf.pem()), ("db.key", key.serialize_pem())] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            let owner = succeed(Command::new("id").args(["-u", "postgres"])).expect("known").stdout;
            let owner: u32 = String::from_utf8_lossy(&owner).trim().parse().expect("a number");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
            chown(&path, Some(owner), None).expect("given");
        }
        let rules = "local all all trust\nhost all app all trust\nhost all postgres all trust\nhost all all all scram-sha-256\n";
        let path = folder.path().join("hba.conf");
        std::fs::write(&path, rules).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
        Keys { folder }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A PostgreSQL with TLS by these.
    pub(crate) fn database(&self) -> std::io::Result<Postgres> {
        let settings = format!(
            "ssl = on\nmax_connections = 300\nssl_cert_file = '{}'\nssl_key_file = '{}'\nhba_file = '{}'\n",
            self.path("db.pem"),
            self.path("db.key"),
            self.path("hba.conf")
        );
        let database = Postgres::start(&postgres_bin(), &settings)?;
        database.sql("postgres", LOGIN.split(';').next().unwrap_or_default())?;
        Ok(database)
    }
}

/// The certificate that agents trust, where the agent's account can read it.
pub(crate) struct Trusted(Folder);

impl Trusted {
    pub(crate) fn of(stage: &Stage) -> Trusted {
        let folder = Folder::new("trusted").expect("a folder");
        let output = succeed(&mut stage.service.verb("ca")).expect("interceptor ca");
        assert!(String::from_utf8_lossy(&output.stderr).contains("sslrootcert="), "says how");
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, output.stdout).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
        Trusted(folder)
    }

    pub(crate) fn path(&self) -> String {
        self.0.path().join("ca.pem").display().to_string()
    }
}

/// psql by a connection string.
pub(crate) fn psql(stage: &Stage, words: &str, sql: &str) -> Answer {
    let conninfo = format!("port={} dbname=postgres {words}", stage.database.port);
    let args = ["-X", "-At", "-v", "VERBOSITY=verbose", "-d", &conninfo, "-c", sql];
    let mut command = stage.service.exec("reconciler", "psql", &args);
    command.env("HOME", "/nonexistent");
    Answer::of(command.output().expect("psql starts"))
}

/// Both legs under TLS, each verified by name.
fn both(keys: &Keys) -> Option<Stage> {
    let lines = format!(
        "agent_tls = \"allow\"\nnames = [\"localhost\"]\ntls = \"verify-full\"\nroots = \"{}\"\nserver_name = \"db.example\"",
        keys.path("root.pem")
    );
    Stage::before(&lines, POLICY, || keys.database())
}

/// What we say ourselves goes by the sessions' way: our own login, which is bound to its channel, and the cancel of `rows_over`.
#[test]
fn our_own_login_and_our_cancels_are_under_tls() {
    const POLICY: &str = "[[rule]]\nname = \"few\"\naction = \"allow\"\nrows_over = 100\n\n[[rule]]\nname = \"large\"\nstatements = [\"select\"]\n\
estimated_rows_over = 10_000\naction = \"block\"\n";
    let keys = Keys::new("db.example");
    let hba = keys.path("hba.conf");
    let rules = std::fs::read_to_string(&hba).expect("written");
    std::fs::write(&hba, format!("hostnossl all interceptor_ro all reject\n{rules}")).expect("written");
    let folder = Folder::new("login").expect("a folder");
    let passfile = folder.path().join("payments");
    std::fs::write(&passfile, "open sesame\n").expect("written");
    std::fs::set_permissions(&passfile, std::fs::Permissions::from_mode(0o600)).expect("ours alone");
    let lines = format!(
        "tls = \"verify-full\"\nroots = \"{}\"\nserver_name = \"db.example\"\n[database.login]\nuser = \"interceptor_ro\"\npassfile = \"{}\"\n",
        keys.path("root.pem"),
        passfile.display()
    );
    let set = Stage::before(&lines, POLICY, || {
        let database = keys.database()?;
        database.sql("postgres", "CREATE ROLE interceptor_ro LOGIN PASSWORD 'open sesame'")?;
        database.sql("postgres", "ALTER SYSTEM SET log_min_messages = debug2")?;
        database.sql("postgres", "SELECT pg_reload_conf()")?;
        while database.sql("postgres", "SHOW log_min_messages")?.trim() != "debug2" {}
        Ok(database)
    });
    let Some(stage) = set else { return };
    // A number that is not known counts as too many: this one is known.
    stage.ask("SELECT count(*) FROM generate_series(1, 30)").says("30");
    stage.ask("SELECT n, pg_sleep(0.0001) FROM generate_series(1, 9000) n").refused("54000");
    let log = stage.database.log();
    let of = |words: &str| -> Vec<&str> {
        let lines = log.lines().filter(|line| line.contains(words));
        lines.filter_map(|line| line.split_once('[')?.1.split_once(']').map(|(pid, _)| pid)).collect()
    };
    let (cancels, secure) = (of("processing cancel request"), of("SSL connection from"));
    assert!(!cancels.is_empty() && cancels.iter().all(|pid| secure.contains(pid)), "{cancels:?} of {secure:?}");
}

pub(crate) const CARD: &str = "SELECT pan FROM payments WHERE id = 1";
pub(crate) const MASKED: &str = "411111******1111";

#[test]
fn every_sslmode_of_an_unchanged_psql_works_and_cards_are_masked() {
    let keys = Keys::new("db.example");
    let Some(stage) = both(&keys) else { return };
    let trusted = Trusted::of(&stage);
    let root = trusted.path();
    for mode in ["disable", "allow", "prefer", "require"] {
        psql(&stage, &format!("host=127.0.0.1 user=app sslmode={mode}"), CARD).says(MASKED);
    }
    for host in ["host=127.0.0.1", "host=localhost hostaddr=127.0.0.1"] {
        for mode in ["verify-ca", "verify-full"] {
            psql(&stage, &format!("{host} user=app sslmode={mode} sslrootcert={root}"), CARD).says(MASKED);
        }
    }
    for version in ["TLSv1.2", "TLSv1.3"] {
        let words = format!(
            "host=127.0.0.1 user=app sslmode=require ssl_min_protocol_version={version} ssl_max_protocol_version={version}"
        );
        psql(&stage, &words, CARD).says(MASKED);
    }
    // Another name than the configuration's, and another authority than ours.
    let other = format!("host=other.example hostaddr=127.0.0.1 user=app sslmode=verify-full sslrootcert={root}");
    assert!(!psql(&stage, &other, "SELECT 1").ok);
    let foreign = format!("{}/foreign.pem", trusted.0.path().display());
    std::fs::copy(keys.path("root.pem"), &foreign).expect("copied");
    std::fs::set_permissions(&foreign, std::fs::Permissions::from_mode(0o644)).expect("mode");
    assert!(!psql(&stage, &format!("host=127.0.0.1 user=app sslmode=verify-ca sslrootcert={foreign}"), "SELECT 1").ok);

    let record = stage.record();
    let logins: Vec<&String> = record.iter().filter(|line| line.contains("\"login\"")).collect();
    assert!(logins.iter().any(|line| line.contains("\"agent_tls\":\"TLSv1.2 ")), "{logins:?}");
    assert!(logins.iter().any(|line| line.contains("\"agent_tls\":\"TLSv1.3 ")));
    assert!(logins.iter().any(|line| !line.contains("agent_tls")), "sslmode=disable");
    for login in logins {
        assert!(login.contains("\"database_tls\":\"TLSv1.3 ") && login.contains("\"database_peer\":\"db.example\""));
    }
}

#[test]
fn an_agent_that_must_speak_tls_is_refused_without_it() {
    let Some(stage) = Stage::set("agent_tls = \"require\"", POLICY) else { return };
    psql(&stage, "host=127.0.0.1 user=app sslmode=disable", "SELECT 1").refused("sslmode=require");
    psql(&stage, "host=127.0.0.1 user=app sslmode=require", CARD).says(MASKED);
}

#[test]
fn no_agent_leg_is_encrypted_that_the_configuration_leaves_plain() {
    let Some(stage) = Stage::usual() else { return };
    psql(&stage, "host=127.0.0.1 user=app sslmode=prefer", CARD).says(MASKED);
    let refused = psql(&stage, "host=127.0.0.1 user=app sslmode=require", "SELECT 1");
    assert!(!refused.ok && refused.err.contains("does not support SSL"), "{}", refused.err);
}

#[test]
fn a_database_that_is_not_whom_it_should_be_is_never_spoken_to() {
    let keys = Keys::new("db.example");
    for (lines, says) in [("server_name = \"other.example\"", "for another name"), ("", "for another name")] {
        let lines = format!("tls = \"verify-full\"\nroots = \"{}\"\n{lines}", keys.path("root.pem"));
        let Some(stage) = Stage::before(&lines, POLICY, || keys.database()) else { return };
        psql(&stage, "host=127.0.0.1 user=app", "SELECT 1").refused(says);
    }
    let foreign = Keys::new("db.example");
    let lines =
        format!("tls = \"verify-full\"\nroots = \"{}\"\nserver_name = \"db.example\"", foreign.path("root.pem"));
    let Some(stage) = Stage::before(&lines, POLICY, || keys.database()) else { return };
    psql(&stage, "host=127.0.0.1 user=app", "SELECT 1").refused("not by one of the configured roots");
}

#[test]
fn a_database_without_tls_is_no_way_down() {
    let Some(stage) = Stage::set("tls = \"require\"", POLICY) else { return };
    psql(&stage, "host=127.0.0.1 user=app", "SELECT 1").refused("does not speak TLS");
}

#[test]
fn require_encrypts_whoever_answers() {
    let keys = Keys::new("db.example");
    let Some(stage) = Stage::before("tls = \"require\"", POLICY, || keys.database()) else { return };
    psql(&stage, "host=127.0.0.1 user=app", CARD).says(MASKED);
    let seen = stage.database.sql("postgres", "SELECT 1").expect("it runs");
    assert_eq!(seen.trim(), "1");
    assert!(stage.record().iter().any(|line| line.contains("\"database_tls\":\"TLSv1.3 ")));
}

#[test]
fn bytes_stuffed_behind_the_request_are_refused_unread() {
    let Some(stage) = Stage::set("agent_tls = \"allow\"", POLICY) else { return };
    let agent = Agent::start(&stage);
    let mut wire = agent.dial().expect("dialled");
    wire.send(&[SSL_REQUEST.as_slice(), &usual_startup()].concat()).expect("sent");
    let message = wire.message().expect("answered");
    assert_eq!((message.tag, message.code().as_str()), (b'E', "08P01"));
    // Plain bytes where TLS should begin.
    let mut wire = agent.dial().expect("dialled");
    wire.send(&SSL_REQUEST).expect("sent");
    let mut consent = [0];
    wire.socket.read_exact(&mut consent).expect("answered");
    assert_eq!(consent, *b"S");
    wire.send(&usual_startup()).expect("sent");
    let mut rest = Vec::new();
    let _ = wire.socket.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"R") && !rest.starts_with(b"E"), "nothing is answered in the clear");
    stage.ask("SELECT 1").says("1");
}

/// A client that begins with TLS at once.
struct AtOnce {
    tls: ClientConnection,
    wire: Wire,
}

impl AtOnce {
    fn dial(agent: &Agent, config: &Arc<ClientConfig>) -> std::io::Result<AtOnce> {
        let name = ServerName::try_from("127.0.0.1").map_err(std::io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
        Ok(AtOnce { tls, wire: agent.dial()? })
    }

    /// Sends, and reads until the server was ready so many times.
    fn ask(&mut self, bytes: &[u8], mut ready: usize) -> std::io::Result<Vec<Message>> {
        let mut stream = Stream::new(&mut self.tls, &mut self.wire.socket);
        stream.write_all(bytes)?;
        let mut messages = Vec::new();
        while ready > 0 {
            let mut head = [0; 5];
            stream.read_exact(&mut head)?;
            let len = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let mut body = vec![0; len.saturating_sub(4)];
            stream.read_exact(&mut body)?;
            ready -= usize::from(head[0] == b'Z');
            messages.push(Message { tag: head[0], body });
        }
        Ok(messages)
    }
}

/// What such a client trusts, and which protocols it names.
fn client(root: &str, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(root).expect("read");
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.expect("PEM")).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// Sessions that are logged in and idle, both legs under TLS: what each costs the service.
#[test]
fn an_idle_session_under_tls_stays_small() {
    const SESSIONS: u64 = 160;
    let keys = Keys::new("db.example");
    let Some(stage) = both(&keys) else { return };
    let (agent, trusted) = (Agent::start(&stage), Trusted::of(&stage));
    let config = client(&trusted.path(), &[b"postgresql"]);
    let health = Health::of(&stage);
    let open = |count: u64| -> Vec<AtOnce> {
        let one = |_| {
            let mut client = AtOnce::dial(&agent, &config).expect("dialled");
            client.ask(&[usual_startup(), query(CARD)].concat(), 2).expect("served");
            client
        };
        (0..count).map(one).collect()
    };
    // The first ones pay for what all share.
    let warm = open(32);
    let before = health.memory();
    let idle = open(SESSIONS);
    let each = health.memory().saturating_sub(before) / SESSIONS;
    println!("{each} bytes for each of {SESSIONS} idle sessions under TLS on both legs");
    assert!(each <= 24 << 10, "{each} bytes for an idle session");
    drop((warm, idle));
    health.holds(&stage);
}

/// An authority of agents and a certificate by it, where the agent's account can read them.
fn agents_keys(name: &str) -> Keys {
    let keys = Keys::new(name);
    for file in ["db.pem", "db.key"] {
        let path = keys.path(file);
        chown(&path, Some(65534), None).expect("given");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
    }
    keys
}

#[test]
fn an_agents_certificate_is_recorded_and_required() {
    let (agents, foreign) = (agents_keys("the-agent"), agents_keys("the-agent"));
    let ca = format!("agent_tls = \"require\"\nagent_client_ca = \"{}\"\n", agents.path("root.pem"));
    let shows = |keys: &Keys| format!("sslcert={} sslkey={}", keys.path("db.pem"), keys.path("db.key"));
    for required in [true, false] {
        let Some(stage) = Stage::set(&format!("{ca}agent_client_required = {required}"), POLICY) else { return };
        let login = |words: &str| psql(&stage, &format!("host=127.0.0.1 user=app sslmode=require {words}"), CARD);
        login(&shows(&agents)).says(MASKED);
        let untrusted = login(&shows(&foreign));
        assert!(!untrusted.ok && untrusted.err.contains("alert"), "{}", untrusted.err);
        let without = login("");
        if required {
            without.refused("connection requires a valid client certificate");
        } else {
            without.says(MASKED);
        }
        let record = stage.record();
        let decided = record.iter().find(|line| line.contains("\"decision\"")).expect("a decision");
        assert!(decided.contains("\"certificate\":\"CN=rcgen self signed cert\""), "{decided}");
        let login = record.iter().find(|line| line.contains("\"login\"")).expect("a login");
        assert!(login.contains("\"certificate_sha256\":\"") && login.contains("\"certificate_serial\":\""), "{login}");
        assert!(record.iter().any(|line| line.contains("the agent's certificate is not by one of agent_client_ca")));
    }
}

#[test]
fn direct_tls_is_served_by_its_protocols_name_alone() {
    let Some(stage) = Stage::set("agent_tls = \"require\"", POLICY) else { return };
    let (agent, trusted) = (Agent::start(&stage), Trusted::of(&stage));
    let hello = [usual_startup(), query(CARD)].concat();
    let ask = |alpn: &[&[u8]]| AtOnce::dial(&agent, &client(&trusted.path(), alpn))?.ask(&hello, 2);
    let messages = ask(&[b"postgresql"]).expect("served");
    let row = messages.iter().find(|message| message.tag == b'D').expect("a row");
    assert!(row.body.ends_with(MASKED.as_bytes()), "the card is masked");
    for alpn in [[].as_slice(), &[b"http/1.1".as_slice()]] {
        assert!(ask(alpn).is_err(), "{alpn:?}");
    }
}

#[test]
fn scram_passes_one_tls_leg_and_says_the_way_round_of_two() {
    let keys = Keys::new("db.example");
    let Some(stage) = both(&keys) else { return };
    let grant = "GRANT ALL ON ALL TABLES IN SCHEMA public TO scram";
    stage.database.sql("postgres", grant).expect("granted");
    let login = |words: &str| psql(&stage, &format!("host=127.0.0.1 user=scram password='open sesame' {words}"), CARD);
    login("sslmode=disable").says(MASKED);
    login("sslmode=require channel_binding=disable").says(MASKED);
    login("sslmode=require").refused("channel_binding=disable");
    assert!(!login("sslmode=require channel_binding=require").ok);
    assert!(!psql(&stage, "host=127.0.0.1 user=scram password=wrong sslmode=disable", CARD).ok);
}

#[test]
fn a_cancel_reaches_the_database_under_tls() {
    let keys = Keys::new("db.example");
    let Some(stage) = both(&keys) else { return };
    let conninfo = format!("host=127.0.0.1 port={} dbname=postgres user=app sslmode=require", stage.database.port);
    let args = [
        "-c",
        &format!(
            "timeout -s INT 1.5 psql -X -At -d '{conninfo}' -c 'SELECT count(*) FROM generate_series(1, 3000000000)' 2>&1"
        ),
    ];
    let output = stage.service.exec("reconciler", "sh", &args).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("canceling statement due to user request"), "{said}");
}

/// As libpq 17 does it: the request is encrypted like the session that it is for.
#[test]
fn a_cancel_inside_tls_reaches_the_database() {
    const LONG: &str = "SELECT count(*) FROM generate_series(1, 3000000000)";
    let keys = Keys::new("db.example");
    let Some(stage) = both(&keys) else { return };
    let (agent, trusted) = (Agent::start(&stage), Trusted::of(&stage));
    let config = client(&trusted.path(), &[b"postgresql"]);
    let dial = || AtOnce::dial(&agent, &config).expect("dialled");
    let mut session = dial();
    let told = session.ask(&usual_startup(), 1).expect("served");
    let key = told.into_iter().find(|message| message.tag == b'K').expect("a key").body;
    session.ask(&query(LONG), 0).expect("sent");
    let runs = format!("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '{LONG}'");
    let until = Instant::now() + Duration::from_secs(60);
    while stage.database.sql("postgres", &runs).expect("asked").trim() != "1" {
        assert!(Instant::now() < until, "the statement does not run");
    }
    let request = [16_u32.to_be_bytes().as_slice(), &80_877_102_u32.to_be_bytes(), &key].concat();
    let mut cancel = dial();
    cancel.ask(&request, 0).expect("sent");
    assert!(cancel.ask(&[], 1).is_err(), "a cancel request has no answer but the end, which its sender waits for");
    let said = session.ask(&[], 1).expect("answered");
    let error = said.iter().find(|message| message.tag == b'E').expect("an error");
    assert_eq!(error.code(), "57014");
}

#[test]
fn much_data_passes_both_legs_unchanged() {
    let keys = Keys::new("db.example");
    let Some(stage) = both(&keys) else { return };
    let lines = 1_000_000;
    let fill = format!("INSERT INTO plain SELECT i, repeat('x', 90) FROM generate_series(1, {lines}) i");
    stage.database.sql("postgres", &fill).expect("filled");
    let make = format!(
        "psql -X -q -At -d 'host=127.0.0.1 port={0} dbname=postgres user=app sslmode=require' -c 'COPY plain TO STDOUT' | md5sum",
        stage.database.port
    );
    let through = stage.service.exec("reconciler", "sh", &["-c", &make]).output().expect("it runs");
    let direct = stage.database.psql("postgres").args(["-c", "COPY plain TO STDOUT"]).output().expect("it runs");
    let mut md5sum = Command::new("md5sum");
    let mut md5sum = md5sum.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("md5sum");
    md5sum.stdin.take().expect("piped").write_all(&direct.stdout).expect("written");
    let sum = md5sum.wait_with_output().expect("summed").stdout;
    assert!(direct.stdout.len() > 90_000_000);
    assert_eq!(through.stdout, sum, "{}", String::from_utf8_lossy(&through.stderr));
    stage.database.sql("postgres", "TRUNCATE plain").expect("emptied");
    // And in: as many bytes as there were.
    let fill = format!(
        "seq 1 {lines} | awk '{{print $1 \"\\t\" \"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"}}' | psql -X -At -d 'host=127.0.0.1 port={0} dbname=postgres user=app sslmode=require' -c '\\copy plain from stdin'",
        stage.database.port
    );
    let copied = stage.service.exec("reconciler", "sh", &["-c", &fill]).output().expect("it runs");
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let count =
        stage.database.sql("postgres", "SELECT count(*), sum(id), sum(length(note)) FROM plain").expect("counted");
    assert_eq!(count.trim(), "1000000|500000500000|90000000");
}
