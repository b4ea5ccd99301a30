//! The channel binding `tls-server-end-point` (RFC 5929, section 4): the hash of the certificate that the server shows, by the hash of its
//! signature, or by SHA-256 where that is MD5 or SHA-1.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use yasna::{BERReader, BERReaderSeq, Tag};

/// Of a certificate (DER). Empty: its signature has no hash of its own (Ed25519), or none that is known, and no binding is defined.
pub(super) fn of(certificate: &[u8]) -> Vec<u8> {
    match hash_of(certificate) {
        Some(Hash::Sha224) => Sha224::digest(certificate).to_vec(),
        Some(Hash::Sha256) => Sha256::digest(certificate).to_vec(),
        Some(Hash::Sha384) => Sha384::digest(certificate).to_vec(),
        Some(Hash::Sha512) => Sha512::digest(certificate).to_vec(),
        None => Vec::new(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// An algorithm, and its parameters (DER).
type Algorithm = (Vec<u64>, Option<Vec<u8>>);

fn hash_of(certificate: &[u8]) -> Option<Hash> {
    let signature = yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|parts| {
            parts.next().read_der()?;
            let algorithm = algorithm(parts.next())?;
            parts.next().read_der()?;
            Ok(algorithm)
        })
    });
    let (signature, parameters) = signature.ok()?;
    match signature.as_slice() {
        // With RSA: MD5, SHA-1, SHA-256, …
        [1, 2, 840, 113_549, 1, 1, hash] => match hash {
            4 | 5 | 11 => Some(Hash::Sha256),
            12 => Some(Hash::Sha384),
            13 => Some(Hash::Sha512),
            14 => Some(Hash::Sha224),
            // RSASSA-PSS names its hash in its parameters (RFC 4055).
            10 => hash_of_pss(&parameters?),
            _ => None,
        },
        // ECDSA with SHA-1, and with SHA-2.
        [1, 2, 840, 10_045, 4, 1] => Some(Hash::Sha256),
        [1, 2, 840, 10_045, 4, 3, hash] => match hash {
            1 => Some(Hash::Sha224),
            2 => Some(Hash::Sha256),
            3 => Some(Hash::Sha384),
            4 => Some(Hash::Sha512),
            _ => None,
        },
        _ => None,
    }
}

fn hash_of_pss(parameters: &[u8]) -> Option<Hash> {
    let hash = yasna::parse_der(parameters, |reader| {
        reader.read_sequence(|parts| {
            let hash = parts.read_optional(|part| part.read_tagged(Tag::context(0), algorithm))?;
            rest(parts)?;
            Ok(hash)
        })
    });
    match hash.ok()? {
        // SHA-1.
        None => Some(Hash::Sha256),
        Some((name, _)) => match name.as_slice() {
            [1, 3, 14, 3, 2, 26] | [2, 16, 840, 1, 101, 3, 4, 2, 1] => Some(Hash::Sha256),
            [2, 16, 840, 1, 101, 3, 4, 2, 2] => Some(Hash::Sha384),
            [2, 16, 840, 1, 101, 3, 4, 2, 3] => Some(Hash::Sha512),
            [2, 16, 840, 1, 101, 3, 4, 2, 4] => Some(Hash::Sha224),
            _ => None,
        },
    }
}

fn algorithm(reader: BERReader<'_, '_>) -> yasna::ASN1Result<Algorithm> {
    reader.read_sequence(|parts| {
        let name = parts.next().read_oid()?;
        let parameters = parts.read_optional(|part| part.read_der())?;
        Ok((name.components().clone(), parameters))
    })
}

/// Reads over what is left.
pub(super) fn rest(parts: &mut BERReaderSeq<'_, '_>) -> yasna::ASN1Result<()> {
    while parts.read_optional(|part| part.read_der())?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (algorithm, hash) in [
            (&PKCS_ECDSA_P256_SHA256, Some(Hash::Sha256)),
            (&PKCS_ECDSA_P384_SHA384, Some(Hash::Sha384)),
            (&PKCS_ED25519, None),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let signed = CertificateParams::new(vec!["db.example".to_owned()]).unwrap().self_signed(&key).unwrap();
            assert_eq!(hash_of(signed.der()), hash);
        }
    }

    /// A certificate of which only the signature's algorithm is one.
    fn signed_by(name: &[u64], parameters: &[u8]) -> Vec<u8> {
        yasna::construct_der(|writer| {
            writer.write_sequence(|parts| {
                parts.next().write_sequence(|_| {});
                parts.next().write_sequence(|parts| {
                    parts.next().write_oid(&yasna::models::ObjectIdentifier::from_slice(name));
                    if !parameters.is_empty() {
                        parts.next().write_der(parameters);
                    }
                });
                parts.next().write_bitvec_bytes(&[0; 8], 64);
            });
        })
    }

    #[test]
    fn every_name_of_a_signature() {
        const RSA: [u64; 6] = [1, 2, 840, 113_549, 1, 1];
        for (last, hash) in [
            (4, Some(Hash::Sha256)),
            (5, Some(Hash::Sha256)),
            (11, Some(Hash::Sha256)),
            (12, Some(Hash::Sha384)),
            (13, Some(Hash::Sha512)),
            (14, Some(Hash::Sha224)),
            (1, None),
        ] {
            let name = [RSA.as_slice(), &[last]].concat();
            assert_eq!(hash_of(&signed_by(&name, &[5, 0])), hash, "{last}");
        }
        let pss = [RSA.as_slice(), &[10]].concat();
        let named = |last: u8| {
            let mut name =
                vec![0x30, 0x0f, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
            name.push(last);
            name
        };
        for (parameters, hash) in [
            (vec![0x30, 0], Some(Hash::Sha256)),
            (named(1), Some(Hash::Sha256)),
            (named(2), Some(Hash::Sha384)),
            (named(3), Some(Hash::Sha512)),
            (named(9), None),
            (vec![], None),
        ] {
            assert_eq!(hash_of(&signed_by(&pss, &parameters)), hash, "{parameters:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_none() {
        let whole = signed_by(&[1, 2, 840, 10_045, 4, 3, 2], &[]);
        assert!(!of(&whole).is_empty());
        for cut in 0..whole.len() {
            assert!(of(&whole[..cut]).is_empty());
        }
    }
}
