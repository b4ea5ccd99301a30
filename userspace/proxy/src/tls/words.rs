//! rustls' errors in words of our own: what a peer sent is never in them.

use rustls::{CertificateError, Error, InvalidMessage};

/// Why TLS with this peer did not come about, or broke.
pub(crate) fn agent(error: &Error) -> &'static str {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    match error {
        Error::InvalidCertificate(Expired | ExpiredContext { .. }) => "the agent's certificate has expired",
        Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => {
            "the agent's certificate is not valid yet"
        }
        Error::InvalidCertificate(_) => "the agent's certificate is not by one of agent_client_ca, or not for clients",
        Error::NoApplicationProtocol => "the agent's TLS names another protocol than postgresql (ALPN)",
        Error::AlertReceived(_) => {
            "the agent's TLS refused us: it may not trust the certificate that `interceptor ca` prints"
        }
        Error::PeerIncompatible(_) => "the agent's TLS has no version or suite that is served",
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            "the agent sent bytes that are no TLS"
        }
        _ => "TLS with the agent broke",
    }
}

/// The same of the database.
pub(crate) fn database(error: &Error) -> &'static str {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    match error {
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "the database's certificate is for another name"
        }
        Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
            "the database's certificate is not by one of the configured roots"
        }
        Error::InvalidCertificate(Expired | ExpiredContext { .. }) => "the database's certificate has expired",
        Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => {
            "the database's certificate is not valid yet"
        }
        Error::InvalidCertificate(_) => "the database's certificate cannot be verified",
        Error::AlertReceived(_) => "the database's TLS refused us",
        Error::PeerIncompatible(_) => "the database's TLS has no version or suite that we speak",
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            "the database sent bytes that are no TLS"
        }
        _ => "TLS with the database broke",
    }
}
