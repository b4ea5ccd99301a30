//! JWT-SVIDs and trust bundles of a SPIFFE agent on this host, over its unix sockets (decisions/0182).
//!
//! The agent attests whoever connects. On the Workload API that is this service itself: it is asked for bundles there, and never for a
//! job's identity. A job's SVID comes by SPIRE's Delegated Identity API, which takes the number of a process.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use identity::svid::{self, Garbled, Svid};

mod grpc;

use grpc::Way;

/// An answer that is waited for, on the control thread.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unsourced>> + Send + 'a>>;

/// Where SVIDs and bundles come from.
pub(crate) trait Svids: Send + Sync {
    /// The SVIDs, for this audience, of the process of this number. The caller sees to it that the number stays its own until the answer.
    fn of_process<'a>(&'a self, audience: &'a str, pid: u32) -> Answer<'a, Vec<Svid>>;
    /// The SVIDs, for this audience, of this process itself.
    fn own<'a>(&'a self, audience: &'a str, spiffe_id: Option<&'a str>) -> Answer<'a, Vec<Svid>>;
    /// The keys of this trust domain, as a set of JSON web keys.
    fn bundle<'a>(&'a self, trust_domain: &'a str) -> Answer<'a, Vec<u8>>;
}

/// A SPIFFE agent's sockets; at least one of them is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpiffeAgent {
    /// Of the Workload API.
    pub workload: Option<PathBuf>,
    /// Of the Delegated Identity API: SPIRE's admin socket.
    pub delegated: Option<PathBuf>,
}

/// Why there is no SVID, or no bundle. Each says who must act.
#[derive(Debug)]
pub enum Unsourced {
    /// Nobody listens there, or this account may not connect.
    Unreachable(PathBuf, io::Error),
    /// It did not answer in time.
    Late(PathBuf),
    /// It knows the caller or the job, and gives it nothing; its words.
    Denied(String),
    /// It answered another status of gRPC; its words.
    Failed(u32, String),
    /// What answers is no gRPC, or speaks another version of it.
    NoGrpc(String),
    /// Its message cannot be read.
    Garbled,
    /// Its answer is longer than any may be.
    TooLong,
    /// The configuration names no socket for that.
    NoSocket(&'static str),
    /// It shows no bundle of this trust domain, but of these.
    NoBundle(String, String),
}

impl fmt::Display for Unsourced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsourced::Unreachable(path, why) => write!(
                f,
                "the SPIFFE agent cannot be reached at {}: {why}; does it run, and may this account connect?",
                path.display()
            ),
            Unsourced::Late(path) => {
                write!(f, "the SPIFFE agent at {} did not answer within {} s", path.display(), grpc::PATIENCE.as_secs())
            }
            Unsourced::Denied(words) => write!(
                f,
                "the SPIFFE agent refuses (PERMISSION_DENIED: {words}); it needs a registration entry for the job, one for this service, and \
                 the service's SPIFFE ID in its `authorized_delegates`"
            ),
            Unsourced::Failed(code, words) => {
                write!(f, "the SPIFFE agent failed (gRPC status {code}: {words}); see its log")
            }
            Unsourced::NoGrpc(why) => write!(f, "what answers there is no SPIFFE agent: {why}"),
            Unsourced::Garbled => f.write_str("the SPIFFE agent's message cannot be read"),
            Unsourced::TooLong => {
                write!(f, "the SPIFFE agent's answer is longer than {} bytes", svid::MESSAGE_BYTES_MAX)
            }
            Unsourced::NoSocket(key) => write!(f, "the configuration names no `{key}` for that"),
            Unsourced::NoBundle(wanted, shown) => {
                write!(f, "the SPIFFE agent shows no bundle of {wanted}, but of: {shown}; is `trust_domain` right?")
            }
        }
    }
}

impl std::error::Error for Unsourced {}

impl From<Garbled> for Unsourced {
    fn from(_: Garbled) -> Unsourced {
        Unsourced::Garbled
    }
}

const DELEGATED: &str = "/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/";

impl Svids for SpiffeAgent {
    fn of_process<'a>(&'a self, audience: &'a str, pid: u32) -> Answer<'a, Vec<Svid>> {
        Box::pin(async move {
            let socket = self.delegated.as_deref().ok_or(Unsourced::NoSocket("delegated_api"))?;
            let way = Way { socket, method: &format!("{DELEGATED}FetchJWTSVIDs"), stream: false };
            Ok(svid::delegated_svids(&way.call(svid::delegated_request(audience, pid)).await?)?)
        })
    }

    fn own<'a>(&'a self, audience: &'a str, spiffe_id: Option<&'a str>) -> Answer<'a, Vec<Svid>> {
        Box::pin(async move {
            let socket = self.workload.as_deref().ok_or(Unsourced::NoSocket("workload_api"))?;
            let way = Way { socket, method: "/SpiffeWorkloadAPI/FetchJWTSVID", stream: false };
            Ok(svid::svids(&way.call(svid::svid_request(audience, spiffe_id)).await?)?)
        })
    }

    fn bundle<'a>(&'a self, trust_domain: &'a str) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            let delegated = format!("{DELEGATED}SubscribeToJWTBundles");
            let way = match (self.workload.as_deref(), self.delegated.as_deref()) {
                (Some(socket), _) => Way { socket, method: "/SpiffeWorkloadAPI/FetchJWTBundles", stream: true },
                (None, Some(socket)) => Way { socket, method: &delegated, stream: true },
                (None, None) => return Err(Unsourced::NoSocket("workload_api")),
            };
            let bundles = svid::bundles(&way.call(Vec::new()).await?)?;
            let wanted = format!("spiffe://{trust_domain}");
            let shown: Vec<&str> = bundles.iter().take(8).map(|(domain, _)| domain.as_str()).collect();
            let shown = shown.join(", ");
            let found = bundles.into_iter().find(|(domain, _)| *domain == wanted);
            found.map(|(_, keys)| keys).ok_or(Unsourced::NoBundle(wanted, shown))
        })
    }
}

/// Of several SVIDs the one that is meant: of this id, or the only one.
pub(crate) fn chosen(svids: Vec<Svid>, wanted: Option<&str>) -> Result<Svid, String> {
    let shown = svids.iter().take(8).map(|one| one.spiffe_id.as_str()).collect::<Vec<_>>().join(", ");
    let count = svids.len();
    let mut fitting = svids.into_iter().filter(|one| wanted.is_none_or(|id| one.spiffe_id == id));
    match (fitting.next(), fitting.next(), wanted) {
        (Some(one), None, _) => Ok(one),
        (None, _, None) => {
            Err("the SPIFFE agent has no identity for this job: it needs a registration entry".to_owned())
        }
        (None, _, Some(id)) => Err(format!(
            "the SPIFFE agent has {count} identities for this job ({shown}), and none is {id} (`spiffe_id`)"
        )),
        (Some(_), Some(_), _) => Err(format!(
            "the SPIFFE agent has {count} identities for this job: {shown}; name the one that is meant (`spiffe_id` of the [[agent]])"
        )),
    }
}

/// The token that the SPIFFE agent at this socket gives this process itself, for a program without a runtime; or why not, for a person.
pub fn own_svid(workload: &Path, audience: &str, spiffe_id: Option<&str>) -> Result<String, String> {
    let agent = SpiffeAgent { workload: Some(workload.to_path_buf()), delegated: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|why| why.to_string())?;
    let given = runtime.block_on(agent.own(audience, spiffe_id)).map_err(|why| why.to_string())?;
    Ok(chosen(given, spiffe_id)?.token)
}

/// The socket of an address such as `unix:///run/spire/agent.sock` (SPIFFE Workload Endpoint, 4). Over TCP nobody is attested by a process.
pub fn socket_of(address: &str) -> Option<PathBuf> {
    let path = address.strip_prefix("unix:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (path.starts_with('/') && !path.contains(['?', '#', '\0'])).then(|| Path::new(path).to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_unix_socket() {
        for (address, expected) in [
            ("unix:///run/spire/agent.sock", Some("/run/spire/agent.sock")),
            ("unix:/run/spire/agent.sock", Some("/run/spire/agent.sock")),
            ("unix://run/agent.sock", None),
            ("unix:agent.sock", None),
            ("unix:///a?b", None),
            ("tcp://127.0.0.1:8081", None),
            ("/run/spire/agent.sock", None),
            ("", None),
        ] {
            assert_eq!(socket_of(address), expected.map(PathBuf::from), "{address}");
        }
    }

    #[test]
    fn which_of_several_is_meant_is_never_guessed() {
        let svids = |ids: &[&str]| {
            ids.iter().map(|id| Svid { spiffe_id: (*id).to_owned(), token: "t".into() }).collect::<Vec<_>>()
        };
        let chose = |ids: &[&str], wanted| chosen(svids(ids), wanted).map(|one| one.spiffe_id);
        assert_eq!(chose(&["spiffe://d/a"], None), Ok("spiffe://d/a".into()));
        assert_eq!(chose(&["spiffe://d/a", "spiffe://d/b"], Some("spiffe://d/b")), Ok("spiffe://d/b".into()));
        for (ids, wanted, says) in [
            (&[][..], None, "no identity"),
            (&["spiffe://d/a", "spiffe://d/b"][..], None, "name the one that is meant"),
            (&["spiffe://d/a"][..], Some("spiffe://d/b"), "none is spiffe://d/b"),
            (&["spiffe://d/a", "spiffe://d/a"][..], Some("spiffe://d/a"), "name the one"),
        ] {
            let why = chose(ids, wanted).expect_err("is refused");
            assert!(why.contains(says), "{why}");
        }
    }
}
