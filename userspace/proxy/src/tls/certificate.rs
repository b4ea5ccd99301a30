//! What a verified certificate of an agent says of it: subject (RFC 4514), serial number, and its own SHA-256.

use session::ClientCertificate;
use sha2::{Digest, Sha256};
use yasna::models::TaggedDerValue;
use yasna::{ASN1Result, BERReader, Tag};

use super::binding::rest;

/// Names longer than this are no names.
const VALUE_MAX: usize = 256;

/// Of a certificate (DER) that was verified already.
pub(super) fn of(certificate: &[u8]) -> ClientCertificate {
    let told = yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|parts| {
            let told = parts.next().read_sequence(|signed| {
                signed.read_optional(|part| part.read_tagged(Tag::context(0), |version| version.read_der()))?;
                let serial = signed.next().read_tagged_der()?;
                // Signature, issuer, validity.
                for _ in 0..3 {
                    signed.next().read_der()?;
                }
                let subject = signed.next().collect_sequence_of(|names| names.collect_set_of(attribute))?;
                rest(signed)?;
                Ok((serial.value().to_vec(), subject))
            })?;
            rest(parts)?;
            Ok(told)
        })
    });
    let (serial, subject) = told.unwrap_or_default();
    ClientCertificate { subject: shown(&subject), serial: hex(&serial), sha256: Sha256::digest(certificate).into() }
}

type Attribute = (Vec<u64>, TaggedDerValue);

fn attribute(reader: BERReader<'_, '_>) -> ASN1Result<Attribute> {
    reader.read_sequence(|parts| {
        let name = parts.next().read_oid()?;
        Ok((name.components().clone(), parts.next().read_tagged_der()?))
    })
}

/// The last name first, as RFC 4514 wants it.
fn shown(subject: &[Vec<Attribute>]) -> String {
    let one = |(name, value): &Attribute| format!("{}={}", key(name), text(value));
    let names = subject.iter().rev().map(|names| names.iter().map(one).collect::<Vec<_>>().join("+"));
    names.collect::<Vec<_>>().join(",")
}

fn key(name: &[u64]) -> String {
    let known = match name {
        [2, 5, 4, 3] => "CN",
        [2, 5, 4, 5] => "serialNumber",
        [2, 5, 4, 6] => "C",
        [2, 5, 4, 7] => "L",
        [2, 5, 4, 8] => "ST",
        [2, 5, 4, 9] => "STREET",
        [2, 5, 4, 10] => "O",
        [2, 5, 4, 11] => "OU",
        [0, 9, 2342, 19_200_300, 100, 1, 1] => "UID",
        [0, 9, 2342, 19_200_300, 100, 1, 25] => "DC",
        [1, 2, 840, 113_549, 1, 9, 1] => "emailAddress",
        _ => return name.iter().map(u64::to_string).collect::<Vec<_>>().join("."),
    };
    known.to_owned()
}

fn text(value: &TaggedDerValue) -> String {
    let bytes = value.value().get(..VALUE_MAX).unwrap_or(value.value());
    match value.tag().tag_number {
        // UTF8String, PrintableString, TeletexString, IA5String.
        12 | 19 | 20 | 22 => escaped(&String::from_utf8_lossy(bytes)),
        // BMPString.
        30 => {
            let letters = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            escaped(&char::decode_utf16(letters).map(|letter| letter.unwrap_or('\u{fffd}')).collect::<String>())
        }
        _ => format!("#{}", hex(bytes)),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    let last = text.chars().count().saturating_sub(1);
    for (at, letter) in text.chars().enumerate() {
        match letter {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => out.extend(['\\', letter]),
            '#' if at == 0 => out.push_str("\\#"),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            control if control.is_control() => {
                let mut bytes = [0; 4];
                control.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("\\{byte:02X}")));
            }
            other => out.push(other),
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SerialNumber};

    use super::*;

    fn certificate(names: &[(DnType, DnValue)]) -> ClientCertificate {
        let mut params = CertificateParams::new(vec!["db.example".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        names.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), value.clone()));
        params.serial_number = Some(SerialNumber::from_slice(&[0x12, 0xab, 0]));
        of(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn subject_serial_and_fingerprint() {
        let text = |text: &str| DnValue::Utf8String(text.to_owned());
        let told = certificate(&[
            (DnType::CountryName, DnValue::PrintableString("DE".try_into().unwrap())),
            (DnType::OrganizationName, text("Example, Inc.")),
            (DnType::CommonName, text("reconciler")),
        ]);
        assert_eq!((told.subject.as_str(), told.serial.as_str()), ("CN=reconciler,O=Example\\, Inc.,C=DE", "12ab00"));
        assert_ne!(told.sha256, [0; 32]);
        assert_eq!(certificate(&[]).subject, "");
        let odd = [
            ("#a", "CN=\\#a"),
            (" a b ", "CN=\\ a b\\ "),
            ("a=\"b\"+c<d>;\\", "CN=a\\=\\\"b\\\"\\+c\\<d\\>\\;\\\\"),
            ("a\nb\0", "CN=a\\0Ab\\00"),
            ("Zo\u{eb}", "CN=Zo\u{eb}"),
        ];
        for (value, subject) in odd {
            assert_eq!(certificate(&[(DnType::CommonName, text(value))]).subject, subject);
        }
        assert_eq!(certificate(&[(DnType::CustomDnType(vec![1, 2, 3]), text("x"))]).subject, "1.2.3=x");
    }

    #[test]
    fn what_is_no_certificate_has_a_fingerprint_alone() {
        for bytes in [[].as_slice(), &[0x30], &[0x30, 0x80, 0, 0], &[0x30, 3, 0x30, 1, 0]] {
            let told = of(bytes);
            assert!(told.subject.is_empty() && told.serial.is_empty());
        }
    }
}
