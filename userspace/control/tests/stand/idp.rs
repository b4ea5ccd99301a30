//! A real SAML identity provider (Auth0's `samlp`), and a person in front of its own pages. Used by the tests of the page and end to end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub struct Idp {
    child: Child,
    pub issuer: String,
    pub certificate: String,
}

impl Drop for Idp {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Idp {
    /// With the script at this place. `None`, said loudly, where its packages are not installed.
    pub fn start(script: &Path) -> Option<Idp> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("clients");
        let folders =
            [target, PathBuf::from("/var/tmp/interceptor-clients")].map(|folder| folder.join("saml_provider"));
        let Some(packages) = folders.into_iter().find(|folder| folder.join("stamp").exists()) else {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the provider is missing, and CI needs it");
            println!("SKIPPED: `samlp` is not installed (`cargo xtask test` does), so nobody logged in at a real one");
            return None;
        };
        let mut node = Command::new("node");
        node.arg(script).arg(packages).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = node.spawn().expect("node starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its address");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let text = |name: &str| said[name].as_str().expect("a text").to_owned();
        Some(Idp { child, issuer: text("issuer"), certificate: text("certificate") })
    }

    /// The person says who it is there; its page then holds what the browser is to post, `SAMLResponse` and `RelayState`.
    pub fn log_in(&self, location: &str, name: &str) -> (String, String) {
        let path = location.strip_prefix(&self.issuer).expect("it leads to the provider");
        let host = self.issuer.trim_start_matches("http://");
        let form = format!("login={name}");
        let length = form.len();
        let mut stream = TcpStream::connect(host).expect("it listens");
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{form}"
        )
        .expect("sent");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("an answer");
        let value = |name: &str| {
            let (_, rest) = page.split_once(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
            rest.split('"').nth(1).expect("a value").to_owned()
        };
        (value("SAMLResponse"), value("RelayState"))
    }
}
