//! The issuers of agents' tokens and their keys: pinned in a file, or fetched and fetched again in the background. Only the control thread
//! waits for one; a token is verified by the keys that are here.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use identity::jws::KeySet;
use identity::{Identity, KEYS_BYTES_MAX, Keys, Known, Life, Refused};
use serde::{Deserialize, Serialize};

use crate::fetch::{Address, Fetch};
use crate::small_file;
use crate::spiffe::{SpiffeAgent, Svids};

/// How often it is looked whether keys are due.
const LOOK: Duration = Duration::from_secs(1);

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file with its set of keys, read again like all the others: for hosts without a way out.
    File(PathBuf),
    /// Its set of keys at this address.
    Url(String),
    /// At the address that its discovery document names.
    Discovery,
    /// The trust bundle that the SPIFFE agent of this host shows.
    Spiffe(SpiffeAgent),
}

/// One issuer, ready to be asked.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// What its tokens must be.
    pub rules: identity::Issuer,
    /// Where its keys come from.
    pub source: KeySource,
    /// How long they live.
    pub life: Life,
    /// The certificate authorities that are trusted to name its host, PEM.
    pub roots: Vec<u8>,
}

/// What is told of an issuer: its name, and why its keys cannot be had; `None`: they can again.
pub type Told = Box<dyn Fn(&str, Option<&str>) + Send + Sync>;

/// How one stands.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct IssuerState {
    /// Its name in the configuration.
    pub name: String,
    /// How many keys of it count now.
    pub keys: usize,
    /// So many seconds ago they were shown; `None`: never.
    pub shown_s: Option<u64>,
    /// It has not answered for so many seconds; `None`: it answers.
    pub silent_s: Option<u64>,
}

struct One {
    settings: IssuerSettings,
    fetch: Fetch,
    keys: Mutex<Keys>,
    /// Of keys that took the place of others: what was not told yet.
    rotated: Mutex<Option<String>>,
    /// Held by who asks: the others wait for what it hears.
    asking: tokio::sync::Mutex<()>,
}

/// All of them.
pub struct Issuers {
    all: Vec<One>,
    began: Instant,
    told: Told,
}

impl Issuers {
    /// None of them is asked yet.
    pub fn new(settings: Vec<IssuerSettings>, told: Told) -> io::Result<Issuers> {
        let one = |settings: IssuerSettings| -> io::Result<One> {
            let keys = Mutex::new(Keys::new(settings.life));
            let fetch = Fetch::new(&settings.roots)?;
            Ok(One { fetch, keys, rotated: Mutex::default(), asking: tokio::sync::Mutex::default(), settings })
        };
        let all = settings.into_iter().map(one).collect::<io::Result<_>>()?;
        Ok(Issuers { all, began: Instant::now(), told })
    }

    /// None is configured.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Fetches what is due, for ever, and tells of keys that took the place of others.
    pub(crate) async fn refresh(self: Arc<Issuers>, rotated: impl Fn(&str)) {
        loop {
            for one in &self.all {
                if one.keys().due_s() <= self.now_s() {
                    self.ask(one).await;
                }
                one.take_rotated().iter().for_each(|words| rotated(words));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Who the token says that it is, by the keys that are here; where they do not know its key they are asked for once more.
    pub(crate) async fn verify(&self, token: &[u8], now_s: u64) -> Result<Identity, Refused> {
        let one = self.issuer_of(token)?;
        match self.by_keys(one, token, now_s) {
            Err(why) if why.may_be_rotation() => {}
            verified => return verified,
        }
        let _turn = one.asking.lock().await;
        match self.by_keys(one, token, now_s) {
            Err(why) if why.may_be_rotation() && one.keys().may_ask_again(self.now_s()) => {
                self.ask(one).await;
                self.by_keys(one, token, now_s)
            }
            verified => verified,
        }
    }

    /// Where SVIDs of jobs come from that are of the issuer of this name, and the audience that they are for.
    pub(crate) fn spiffe(&self, name: &str) -> Option<(&dyn Svids, &str)> {
        let IssuerSettings { rules, source, .. } =
            &self.all.iter().find(|one| one.settings.rules.name == name)?.settings;
        match source {
            KeySource::Spiffe(agent) if agent.delegated.is_some() => Some((agent, rules.audience.first()?)),
            _ => None,
        }
    }

    fn issuer_of(&self, token: &[u8]) -> Result<&One, Refused> {
        let at = identity::issuer_of(token, self.all.iter().map(|one| &one.settings.rules))?;
        self.all.get(at).ok_or(Refused::NoToken)
    }

    fn by_keys(&self, one: &One, token: &[u8], now_s: u64) -> Result<Identity, Refused> {
        let keys = one.keys().usable(self.now_s());
        identity::verify(token, Known { issuer: &one.settings.rules, keys: keys.as_deref() }, now_s)
    }

    async fn ask(&self, one: &One) {
        let name = &one.settings.rules.name;
        match one.fetched().await {
            Ok(keys) => {
                let was_silent = one.keys().silent_since_s().is_some();
                one.shown(keys, self.now_s());
                if was_silent {
                    (self.told)(name, None);
                }
            }
            Err(why) => {
                if one.keys().silent(self.now_s()) {
                    (self.told)(name, Some(&why));
                }
            }
        }
    }

    /// How all of them stand.
    pub fn states(&self) -> Vec<IssuerState> {
        let now_s = self.now_s();
        let since = |at_s: Option<u64>| at_s.map(|at_s| now_s.saturating_sub(at_s));
        let state = |one: &One| {
            let keys = one.keys();
            IssuerState {
                name: one.settings.rules.name.clone(),
                keys: keys.usable(now_s).map_or(0, |keys| keys.len()),
                shown_s: since(keys.shown_s()),
                silent_s: since(keys.silent_since_s()),
            }
        };
        self.all.iter().map(state).collect()
    }

    fn now_s(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
}

impl One {
    fn keys(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self, keys: KeySet, now_s: u64) {
        let named = keys.named();
        if let Some(before) = self.keys().shown(keys, now_s) {
            let name = &self.settings.rules.name;
            let words = format!("issuer {name} shows other keys: {named}; before: {}", before.named());
            *self.rotated.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
        }
    }

    fn take_rotated(&self) -> Option<String> {
        self.rotated.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Its keys, now; or why not, for a person.
    async fn fetched(&self) -> Result<KeySet, String> {
        let url = match &self.settings.source {
            KeySource::File(path) => return read(path),
            KeySource::Url(url) => url.clone(),
            KeySource::Discovery => self.discovered().await?,
            KeySource::Spiffe(agent) => {
                let bundle = agent.bundle(&self.settings.rules.url).await.map_err(|why| why.to_string())?;
                return parse(&bundle);
            }
        };
        let body = self.get("its keys", &url).await?;
        parse(&body)
    }

    async fn discovered(&self) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }
        let issuer = &self.settings.rules.url;
        let what = "what it says of itself";
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let body = self.get(what, &url).await?;
        let document: Document = serde_json::from_slice(&body).map_err(|_| format!("{what} cannot be read"))?;
        if document.issuer != *issuer {
            return Err(format!("{what} is of another issuer"));
        }
        Ok(document.jwks_uri)
    }

    async fn get(&self, what: &str, url: &str) -> Result<Bytes, String> {
        let failed = |why: &dyn std::fmt::Display| format!("asked for {what}: {why}");
        let address = Address::parse(url).map_err(|why| failed(&why))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.fetch.send(Method::GET, &address, headers, Bytes::new()).await.map_err(|why| failed(&why))?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            // Where it leads is not looked at: who answers there is not who was asked.
            status if status.is_redirection() => {
                Err(failed(&format!("it answered {}, and no redirect is followed", status.as_u16())))
            }
            status => Err(failed(&format!("it answered {}", status.as_u16()))),
        }
    }
}

fn read(path: &std::path::Path) -> Result<KeySet, String> {
    let body = small_file::read(path, KEYS_BYTES_MAX + 1);
    parse(&body.map_err(|why| format!("cannot read {}: {why}", path.display()))?)
}

fn parse(body: &[u8]) -> Result<KeySet, String> {
    match KeySet::parse(body) {
        None => Err(format!("what it shows is no set of keys, or longer than {KEYS_BYTES_MAX} bytes")),
        Some(keys) if keys.is_empty() => Err("it shows no key that can be used (RSA, P-256, Ed25519)".to_owned()),
        Some(keys) => Ok(keys),
    }
}

/// The keys of one issuer, now, for a program without a runtime.
pub fn keys_now(settings: &IssuerSettings) -> Result<KeySet, String> {
    if let KeySource::File(path) = &settings.source {
        return read(path);
    }
    let fetch = Fetch::new(&settings.roots).map_err(|why| why.to_string())?;
    let keys = Mutex::new(Keys::new(settings.life));
    let one = One {
        settings: settings.clone(),
        fetch,
        keys,
        rotated: Mutex::default(),
        asking: tokio::sync::Mutex::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|why| why.to_string())?.block_on(one.fetched())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    const KEYS: &str =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    /// Answers each connection with the next of these, the last again and again; an empty one says nothing and stays.
    fn serve(answers: Vec<Vec<u8>>) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("known"));
        let (count, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let told = Arc::clone(&counted);
        // Ends with the process.
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for mut stream in listener.incoming().flatten() {
                let at = count.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
                told.fetch_add(1, Ordering::Relaxed);
                let _ = io::Read::read(&mut stream, &mut [0; 4096]);
                if answers[at].is_empty() {
                    silent.push(stream);
                } else {
                    let _ = stream.write_all(&answers[at]);
                }
            }
        });
        (url, counted)
    }

    fn ok(body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn settings(url: &str, source: KeySource) -> IssuerSettings {
        let mut rules = identity::Issuer::new("ci", identity::Preset::Any, url);
        rules.audience = vec!["interceptor".into()];
        IssuerSettings { rules, source, life: Life::default(), roots: Vec::new() }
    }

    fn of_url(answers: Vec<Vec<u8>>) -> Result<usize, String> {
        let (url, _) = serve(answers);
        keys_now(&settings(&url, KeySource::Url(url.clone()))).map(|keys| keys.len())
    }

    #[test]
    fn what_an_issuer_may_answer() {
        assert_eq!(of_url(vec![ok(KEYS)]), Ok(1));
        let refused = |answers: Vec<Vec<u8>>, says: &str| {
            let why = of_url(answers).expect_err("is refused");
            assert!(why.contains(says), "{why}");
        };
        refused(vec![ok("{}")], "no set of keys");
        refused(vec![ok(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#)], "no key that can be used");
        refused(vec![b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_vec()], "answered 503");
        let redirect = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        refused(vec![redirect.to_vec()], "no redirect is followed");
        let endless =
            [b"HTTP/1.1 200 OK\r\ncontent-length: 52428800\r\n\r\n".as_slice(), &vec![b' '; 50 << 20]].concat();
        refused(vec![endless], "cannot be read");
        let (dead, _) = serve(vec![ok(KEYS)]);
        let dead = dead.rsplit_once(':').map(|(host, _)| format!("{host}:1")).expect("a port");
        let why = keys_now(&settings(&dead, KeySource::Url(dead.clone()))).expect_err("nobody is there");
        assert!(why.contains("cannot be reached"), "{why}");
        let plain = settings("https://x", KeySource::Url("http://keys.example/".into()));
        assert!(keys_now(&plain).expect_err("plain").contains("no https address"));
    }

    #[test]
    fn discovery_is_of_the_issuer_that_was_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("known"));
        let shown = url.clone();
        std::thread::spawn(move || {
            let bodies = [
                format!(r#"{{"issuer":"{shown}","jwks_uri":"{shown}/keys"}}"#),
                KEYS.to_owned(),
                format!(r#"{{"issuer":"{shown}/","jwks_uri":"{shown}/keys"}}"#),
                format!(r#"{{"issuer":"{shown}","jwks_uri":"http://169.254.169.254/keys"}}"#),
            ];
            for (mut stream, body) in listener.incoming().flatten().zip(bodies) {
                let _ = io::Read::read(&mut stream, &mut [0; 4096]);
                let _ = stream.write_all(&ok(&body));
            }
        });
        let settings = settings(&url, KeySource::Discovery);
        assert_eq!(keys_now(&settings).expect("keys").len(), 1);
        assert!(keys_now(&settings).expect_err("another").contains("of another issuer"));
        assert!(keys_now(&settings).expect_err("elsewhere").contains("no https address"));
    }

    #[test]
    fn a_silent_issuer_is_told_once_and_its_return_too() {
        let no = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec();
        let (url, _) = serve(vec![no.clone(), no, ok(KEYS)]);
        let news = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&news);
        let told: Told =
            Box::new(move |name, why| heard.lock().expect("one at a time").push(format!("{name} {}", why.is_some())));
        let issuers = Issuers::new(vec![settings(&url, KeySource::Url(url.clone()))], told).expect("fits");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for (keys, silent) in [(0, true), (0, true), (1, false), (1, false)] {
            runtime.block_on(issuers.ask(&issuers.all[0]));
            let state = &issuers.states()[0];
            assert_eq!((state.keys, state.silent_s.is_some()), (keys, silent));
        }
        assert_eq!(*news.lock().expect("over"), ["ci true", "ci false"]);
    }

    /// A key, and what an issuer shows of it.
    fn key() -> (Ed25519KeyPair, Vec<u8>) {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness");
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
        let x = BASE64_URL_SAFE_NO_PAD.encode(key.public_key());
        let shown = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
        (key, ok(&shown))
    }

    fn token(key: &Ed25519KeyPair, url: &str) -> Vec<u8> {
        let claims = format!(r#"{{"iss":"{url}","aud":"interceptor","sub":"job","exp":1000}}"#);
        let signed = [r#"{"alg":"EdDSA"}"#, &claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}").into_bytes()
    }

    #[test]
    fn many_tokens_at_a_time_make_one_question_and_a_slow_issuer_holds_nobody_else_up() {
        let (key, shown) = key();
        let ((url, asked), (slow, _)) = (serve(vec![shown]), serve(vec![Vec::new()]));
        let of = |url: &str| settings(url, KeySource::Url(url.to_owned()));
        let mut issuers = Issuers::new(vec![of(&url), of(&slow)], Box::new(|_, _| ())).expect("fits");
        issuers.all[1].fetch.patience = Duration::from_millis(50);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (good, late) = (token(&key, &url), token(&key, &slow));
        let all = || async {
            tokio::join!(issuers.verify(&good, 500), issuers.verify(&good, 500), issuers.verify(&late, 500))
        };
        let (one, two, three) = runtime.block_on(all());
        assert!(one.is_ok() && two.is_ok());
        assert_eq!((three, asked.load(Ordering::Relaxed)), (Err(Refused::NoKeys), 1));
        let states = issuers.states();
        assert_eq!((states[0].silent_s, states[1].silent_s.is_some()), (None, true));
    }

    #[test]
    fn a_rotated_key_is_asked_for_when_a_token_is_by_it_and_not_again_at_once() {
        let ((old, first), (new, second)) = (key(), key());
        let (url, asked) = serve(vec![first, second]);
        let settings = settings(&url, KeySource::Url(url.clone()));
        let mut issuers = Issuers::new(vec![settings], Box::new(|_, _| ())).expect("fits");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let outcome = |issuers: &Issuers, key: &Ed25519KeyPair| {
            runtime.block_on(issuers.verify(&token(key, &url), 500)).map(|identity| identity.subject)
        };
        let count = || asked.load(Ordering::Relaxed);
        assert_eq!((outcome(&issuers, &old), count()), (Ok("job".to_owned()), 1), "asked for at the first token");
        for _ in 0..100 {
            assert_eq!((outcome(&issuers, &new), count()), (Err(Refused::Signature), 1), "strangers make nobody ask");
        }
        issuers.began -= Duration::from_secs(60);
        assert_eq!(issuers.all[0].take_rotated(), None, "the first keys take nobody's place");
        assert_eq!((outcome(&issuers, &new), count()), (Ok("job".to_owned()), 2));
        let told = issuers.all[0].take_rotated().expect("told");
        assert!(
            told.starts_with("issuer ") && told.contains("shows other keys: ") && told.contains("; before: "),
            "{told}"
        );
        assert_eq!((outcome(&issuers, &old), count()), (Err(Refused::Signature), 2), "what it shows no more is gone");
    }
}
