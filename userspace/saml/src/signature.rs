//! The signatures, by xmlsec through samael. The key is the configured one: xmlsec is handed it and never looks at what a document says of keys.

use std::fmt;

use openssl::x509::X509;
use samael::crypto::{AllowedSignatureAlgorithm, CertificateDer, Crypto, CryptoProvider as _, ReduceMode};

use crate::Refused;
use crate::screen::Screened;

/// What may sign. The names that go with them are in `screen`, which refuses all others before xmlsec runs.
const ALGORITHMS: &[AllowedSignatureAlgorithm] = &[
    AllowedSignatureAlgorithm::RsaSha256,
    AllowedSignatureAlgorithm::RsaSha384,
    AllowedSignatureAlgorithm::RsaSha512,
    AllowedSignatureAlgorithm::EcdsaSha256,
    AllowedSignatureAlgorithm::EcdsaSha384,
    AllowedSignatureAlgorithm::EcdsaSha512,
];
/// An RSA key is at least so long, in bits.
const RSA_BITS_MIN: u32 = 2048;
/// An elliptic curve's.
const EC_BITS_MIN: u32 = 256;
/// Certificates at a time: the one in force and those that are to follow.
const KEYS_MAX: usize = 8;

/// The keys that the provider may sign with, of its certificates. These only carry them: whether one has expired or who made it counts for nothing.
#[derive(Clone)]
pub struct Keys(Vec<CertificateDer>);

/// Why certificates are of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// There is none in the file, or it is no PEM.
    None,
    /// There are too many.
    TooMany,
    /// A key is neither RSA of 2048 bits or more nor ECDSA of 256 or more.
    Key,
    /// xmlsec does not start, or cannot use one.
    Library,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::None => f.write_str("there is no certificate in PEM (-----BEGIN CERTIFICATE-----)"),
            Unfit::TooMany => write!(f, "there are more than {KEYS_MAX} certificates"),
            Unfit::Key => write!(
                f,
                "a key is neither RSA of {RSA_BITS_MIN} bits or more nor of an elliptic curve of {EC_BITS_MIN} or more"
            ),
            Unfit::Library => f.write_str("xmlsec cannot use one of the certificates, or does not start"),
        }
    }
}

impl std::error::Error for Unfit {}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Of certificates in PEM. xmlsec and OpenSSL read what they want of the host here, so this belongs before a service confines itself.
    pub fn parse(pem: &[u8]) -> Result<Keys, Unfit> {
        let certificates = X509::stack_from_pem(pem).map_err(|_| Unfit::None)?;
        match certificates.len() {
            0 => return Err(Unfit::None),
            1..=KEYS_MAX => {}
            _ => return Err(Unfit::TooMany),
        }
        let of = |certificate: &X509| {
            let key = certificate.public_key().map_err(|_| Unfit::Key)?;
            let is_fit =
                key.rsa().is_ok() && key.bits() >= RSA_BITS_MIN || key.ec_key().is_ok() && key.bits() >= EC_BITS_MIN;
            let der = certificate.to_der().map_err(|_| Unfit::Key)?;
            let key = CertificateDer::from(der);
            if !is_fit {
                return Err(Unfit::Key);
            }
            if is_usable(&key) { Ok(key) } else { Err(Unfit::Library) }
        };
        Ok(Keys(certificates.iter().map(of).collect::<Result<_, _>>()?))
    }
}

/// Whether xmlsec takes the key: asked by a signature of nothing, which fails one step later if so.
fn is_usable(key: &CertificateDer) -> bool {
    const NOTHING: &str = r#"<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>"#;
    let outcome = Crypto::reduce_xml_to_signed(NOTHING, std::slice::from_ref(key), ReduceMode::PreDigest);
    // samael names no kinds outside of itself; this is `XmlSecError::VerifyError`.
    matches!(outcome, Err(samael::crypto::CryptoError::CryptoProviderError(why)) if why.to_string() == "Verification failed")
}

/// The assertion, as the bytes that were digested for its own signature.
pub(crate) fn signed(screened: &Screened<'_>, keys: &Keys) -> Result<String, Refused> {
    let with = |text: &str, key: &CertificateDer| {
        let mode = ReduceMode::PreDigest;
        Crypto::reduce_xml_to_signed_with_allowed_algorithms(text, std::slice::from_ref(key), mode, Some(ALGORITHMS))
            .ok()
    };
    let with_key = |key: &CertificateDer| {
        let whole = with(screened.text(), key)?;
        // Where the response is signed too, what comes of the whole is the response. Its signature holds; without it the assertion's is left.
        screened.without_outer().map_or(Some(whole), |inner| with(&inner, key))
    };
    keys.0.iter().find_map(with_key).ok_or(Refused::Signature)
}
