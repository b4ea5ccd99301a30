//! `[[sink]]`: where `interceptor ship` sends the record, off this host.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{Error, check_name, meaning};

/// One `[[sink]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    /// Its name in status, metrics and alerts; its position is kept under it.
    pub name: String,
    /// Where it leads.
    pub to: To,
    /// Alerts and findings alone.
    pub only_alerts: bool,
    /// How old the oldest record that is not there yet may become before it is an alert.
    pub lag_max: Duration,
}

/// `[alerts]`: what is one.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// So many denials of one agent within a minute.
    pub denials_per_minute: u32,
}

impl Default for Alerts {
    fn default() -> Alerts {
        Alerts { denials_per_minute: 10 }
    }
}

/// Where a sink leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// OCSF JSON lines at the end of a file.
    File(PathBuf),
    /// OCSF events by HTTP POST.
    Http(Http),
    /// CEF in RFC 5424 messages over TLS (RFC 5425).
    Syslog(Syslog),
    /// Whole sealed segments.
    Segments(Archive),
}

/// Where whole sealed segments are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Archive {
    /// In a folder, such as a mounted archive.
    Folder(PathBuf),
    /// Behind an HTTP server that takes each by PUT, under the path of its URL.
    Http(Http),
}

/// An HTTP receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// TLS: everywhere but on loopback.
    pub tls: bool,
    /// Of the URL.
    pub host: String,
    /// Of the URL.
    pub port: u16,
    /// Of the URL, with its query.
    pub path: String,
    /// A file with the token; read for each request, so that it can be changed.
    pub token_file: Option<PathBuf>,
    /// What a batch looks like.
    pub form: HttpForm,
    /// The authorities that may have signed its certificate (PEM).
    pub roots: PathBuf,
}

/// The body of a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpForm {
    /// Splunk's HTTP Event Collector: `{"time":…,"event":…}`, one behind the other.
    #[default]
    Hec,
    /// One event a line.
    Lines,
}

/// A syslog receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// Host and port.
    pub address: String,
    /// The name that its certificate must have.
    pub server_name: String,
    /// The authorities that may have signed it (PEM).
    pub roots: PathBuf,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    File,
    Http,
    Syslog,
    Segments,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Only {
    #[default]
    All,
    Alerts,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedSink {
    name: String,
    kind: Kind,
    path: Option<PathBuf>,
    url: Option<String>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    form: HttpForm,
    address: Option<String>,
    server_name: Option<String>,
    roots: Option<PathBuf>,
    folder: Option<PathBuf>,
    #[serde(default)]
    only: Only,
    #[serde(default = "a_minute")]
    lag_seconds_max: u32,
}

fn a_minute() -> u32 {
    60
}

/// Where Debian and most others keep the authorities of the web.
pub(super) const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

impl TypedSink {
    pub(super) fn resolve(self) -> Result<Sink, Error> {
        let place = format!("[[sink]] {}", self.name);
        check_name(&place, &self.name)?;
        let missing = |key: &str| meaning(place.clone(), format!("`{key}` is missing"));
        let roots = self.roots.unwrap_or_else(|| SYSTEM_ROOTS.into());
        let to = match self.kind {
            Kind::File => To::File(self.path.ok_or_else(|| missing("path"))?),
            Kind::Segments => To::Segments(match (self.folder, self.url) {
                (Some(folder), None) => Archive::Folder(folder),
                (None, Some(url)) => {
                    let mut http = http(&url, self.token_file, HttpForm::Lines, roots)
                        .map_err(|why| meaning(place.clone(), why))?;
                    if http.path.contains(['?', '#']) {
                        return Err(meaning(
                            place,
                            "url: a segment's name comes behind it, so it has no `?` and no `#`",
                        ));
                    }
                    http.path.truncate(http.path.trim_end_matches('/').len());
                    Archive::Http(http)
                }
                _ => return Err(meaning(place, "whole segments go to a `folder` or to a `url`: one of the two")),
            }),
            Kind::Http => {
                let url = self.url.ok_or_else(|| missing("url"))?;
                To::Http(http(&url, self.token_file, self.form, roots).map_err(|why| meaning(place.clone(), why))?)
            }
            Kind::Syslog => {
                let address = self.address.ok_or_else(|| missing("address"))?;
                let Some((host, _)) = address.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) else {
                    return Err(meaning(place, "address wants a host and a port, such as siem.example:6514"));
                };
                let server_name = self.server_name.unwrap_or_else(|| host.trim_matches(['[', ']']).to_owned());
                To::Syslog(Syslog { address, server_name, roots })
            }
        };
        let only_alerts = self.only == Only::Alerts;
        if only_alerts && matches!(to, To::Segments(_)) {
            return Err(meaning(place, "only = \"alerts\" does not go with whole segments"));
        }
        if self.name.contains(['/', '.']) {
            return Err(meaning(place, "the name goes into a file's: no `/` and no `.`"));
        }
        Ok(Sink { name: self.name, to, only_alerts, lag_max: Duration::from_secs(self.lag_seconds_max.into()) })
    }
}

/// TLS, host, port and path of a URL.
pub(super) fn parts(url: &str) -> Result<(bool, String, u16, String), String> {
    let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err(format!("url `{url}` does not begin with https://")),
    };
    let (authority, path) = rest.split_once('/').map_or((rest, "/".to_owned()), |(a, p)| (a, format!("/{p}")));
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, port.parse().map_err(|_| format!("url: `{port}` is no port"))?),
        None => (authority, if tls { 443 } else { 80 }),
    };
    let host = host.trim_matches(['[', ']']).to_owned();
    let clean = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    if !clean(&host) || !clean(&path) || host.contains('@') {
        return Err(format!("url `{url}` has no plain host and path"));
    }
    if !tls && !is_loopback(&host) {
        return Err("url: records leave this host over https:// alone; http:// is for loopback".into());
    }
    Ok((tls, host, port, path))
}

fn http(url: &str, token_file: Option<PathBuf>, form: HttpForm, roots: PathBuf) -> Result<Http, String> {
    let (tls, host, port, path) = parts(url)?;
    Ok(Http { tls, host, port, path, token_file, form, roots })
}

/// This host, by its own name or an address of its own loopback.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(lines: &str) -> Result<Sink, String> {
        let typed: TypedSink = toml::from_str(&format!("name = \"siem\"\n{lines}")).map_err(|e| e.to_string())?;
        typed.resolve().map_err(|e| e.to_string())
    }

    #[test]
    fn each_kind_wants_its_own() {
        for (lines, says) in [
            ("kind = \"file\"", "`path` is missing"),
            ("kind = \"segments\"", "to a `folder` or to a `url`"),
            ("kind = \"segments\"\nfolder = \"/a\"\nurl = \"https://a/b\"", "one of the two"),
            ("kind = \"segments\"\nurl = \"http://archive.example/x\"", "https:// alone"),
            ("kind = \"segments\"\nurl = \"https://archive.example/x?sig=y\"", "no `?`"),
            ("kind = \"http\"", "`url` is missing"),
            ("kind = \"http\"\nurl = \"http://siem.example/x\"", "https:// alone"),
            ("kind = \"http\"\nurl = \"https://\"", "no plain host"),
            ("kind = \"syslog\"\naddress = \"siem.example\"", "a host and a port"),
            ("kind = \"segments\"\nfolder = \"/a\"\nonly = \"alerts\"", "whole segments"),
            ("kind = \"http\"\nurl = \"https://a/b\"\ntoken = \"x\"", "unknown field"),
        ] {
            let why = sink(lines).expect_err(lines);
            assert!(why.contains(says), "{lines}: {why}");
        }
    }

    #[test]
    fn a_url_has_parts() {
        for (url, expected) in [
            (
                "https://siem.example/services/collector/event?a=b",
                (true, "siem.example", 443, "/services/collector/event?a=b"),
            ),
            ("https://[2001:db8::1]:8088", (true, "2001:db8::1", 8088, "/")),
            ("http://127.0.0.1:9/x", (false, "127.0.0.1", 9, "/x")),
        ] {
            let (tls, host, port, path) = parts(url).unwrap();
            assert_eq!((tls, host.as_str(), port, path.as_str()), expected);
        }
    }

    #[test]
    fn the_name_of_a_receiver_is_its_addresses_unless_it_is_said() {
        let To::Syslog(syslog) = sink("kind = \"syslog\"\naddress = \"[::1]:6514\"").unwrap().to else { panic!() };
        assert_eq!(syslog.server_name, "::1");
    }
}
