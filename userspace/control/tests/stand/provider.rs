//! An identity provider that signs whatever it is told with a real key, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use control::oidc;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

#[derive(Default)]
struct Told {
    /// What the next exchange of a code gives.
    token: String,
    /// What is said of a person beside the token.
    person: Value,
    /// The last exchange: its head and its form.
    asked: (String, String),
    exchanges: usize,
}

pub struct Provider {
    pub issuer: String,
    key: Ed25519KeyPair,
    told: Arc<Mutex<Told>>,
}

fn key() -> Ed25519KeyPair {
    let document = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).expect("randomness");
    Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key")
}

impl Provider {
    pub fn start() -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("known"));
        let (key, told) = (key(), Arc::new(Mutex::new(Told::default())));
        let keys = json!({ "keys": [
            { "kty": "oct", "kid": "k1", "alg": "HS256", "k": B64.encode(key.public_key()) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "x": B64.encode(key.public_key()) },
        ] });
        let (shown, heard) = (issuer.clone(), Arc::clone(&told));
        // Ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &shown, &keys, &heard);
            }
        });
        Provider { issuer, key, told }
    }

    pub fn settings(&self) -> oidc::Settings {
        oidc::Settings {
            issuer: self.issuer.clone(),
            client_id: "interceptor".into(),
            client_secret: Some("s3cret:+&".into()),
            scopes: vec!["profile".into()],
            groups_claim: "groups".into(),
            groups: vec!["leads".into(), "oncall".into()],
            roots: Vec::new(),
        }
    }

    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// Of a login with this nonce.
    pub fn claims(&self, nonce: &str) -> Value {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        json!({
            "iss": self.issuer, "sub": "u-17", "aud": "interceptor", "exp": now + 300, "iat": now, "auth_time": now,
            "nonce": nonce, "email": "ann@example.com", "groups": ["leads", "staff"],
        })
    }

    pub fn signed(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let signature = B64.encode(self.key.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }

    pub fn good(&self, nonce: &str) -> String {
        self.signed(&json!({ "alg": "EdDSA", "kid": "k1" }), &self.claims(nonce))
    }

    pub fn gives(&self, token: String) {
        self.told.lock().expect("whole").token = token;
    }

    pub fn says(&self, person: Value) {
        self.told.lock().expect("whole").person = person;
    }

    pub fn asked(&self) -> (String, String) {
        self.told.lock().expect("whole").asked.clone()
    }

    pub fn exchanges(&self) -> usize {
        self.told.lock().expect("whole").exchanges
    }
}

fn answer(mut stream: TcpStream, issuer: &str, keys: &Value, told: &Mutex<Told>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut told = told.lock().expect("whole");
    let said = match head.split(' ').nth(1).unwrap_or_default() {
        "/.well-known/openid-configuration" => json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"), "userinfo_endpoint": format!("{issuer}/person"), "end_session_endpoint": format!("{issuer}/leave"),
        }),
        "/keys" => keys.clone(),
        "/token" => {
            told.asked = (head, String::from_utf8_lossy(&body).into_owned());
            told.exchanges += 1;
            json!({ "id_token": told.token, "access_token": "access", "token_type": "Bearer" })
        }
        "/person" => told.person.clone(),
        _ => Value::Null,
    }
    .to_string();
    let length = said.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{said}")
}
