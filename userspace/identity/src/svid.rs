//! What a SPIFFE Workload API and SPIRE's Delegated Identity API say: the few messages of Protocol Buffers that carry JWT-SVIDs and the
//! bundles that they are verified by, written and read by hand (decisions/0182).
//!
//! Numbers of fields are those of `workload.proto` (SPIFFE Workload API, 6) and of `spire.api.agent.delegatedidentity.v1`. A field that is
//! not known is passed over, as the format wants it; what is known and has another form than its own is a refusal.

use std::fmt;

/// No message is longer, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// SVIDs in one answer, and bundles.
const PARTS_MAX: usize = 256;

/// The message is none that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbled;

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its message cannot be read")
    }
}

impl std::error::Error for Garbled {}

/// A JWT-SVID as it came: nothing of it is verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Svid {
    /// Whose it is, by the agent's word: `spiffe://DOMAIN/PATH`.
    pub spiffe_id: String,
    /// The token.
    pub token: String,
}

/// Whoever has the token is who it names: it is not shown.
impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid").field("spiffe_id", &self.spiffe_id).finish_non_exhaustive()
    }
}

/// `JWTSVIDRequest`: the SVIDs of whoever asks; of this id alone, where one is named.
pub fn svid_request(audience: &str, spiffe_id: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, audience.as_bytes());
    if let Some(id) = spiffe_id {
        put_bytes(&mut out, 2, id.as_bytes());
    }
    out
}

/// `FetchJWTSVIDsRequest`: the SVIDs of the process of this number.
pub fn delegated_request(audience: &str, pid: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, audience.as_bytes());
    put_varint(&mut out, 3 << 3);
    put_varint(&mut out, u64::from(pid));
    out
}

/// `JWTSVIDResponse`.
pub fn svids(message: &[u8]) -> Result<Vec<Svid>, Garbled> {
    parts(message, |part| {
        let (mut spiffe_id, mut token) = (None, None);
        for field in Fields(part) {
            match field? {
                (1, Value::Bytes(bytes)) => once(&mut spiffe_id, text(bytes)?)?,
                (2, Value::Bytes(bytes)) => once(&mut token, text(bytes)?)?,
                (1 | 2, _) => return Err(Garbled),
                _ => {}
            }
        }
        Ok(Svid { spiffe_id: spiffe_id.ok_or(Garbled)?, token: token.ok_or(Garbled)? })
    })
}

/// `FetchJWTSVIDsResponse`: the id is there in two parts.
pub fn delegated_svids(message: &[u8]) -> Result<Vec<Svid>, Garbled> {
    parts(message, |part| {
        let (mut id, mut token) = (None, None);
        for field in Fields(part) {
            match field? {
                (1, Value::Bytes(bytes)) => once(&mut token, text(bytes)?)?,
                (2, Value::Bytes(bytes)) => once(&mut id, spiffe_id(bytes)?)?,
                (1 | 2, _) => return Err(Garbled),
                _ => {}
            }
        }
        Ok(Svid { spiffe_id: id.ok_or(Garbled)?, token: token.ok_or(Garbled)? })
    })
}

/// `JWTBundlesResponse` and `SubscribeToJWTBundlesResponse`: of each trust domain (`spiffe://DOMAIN`) its set of keys, as it came.
pub fn bundles(message: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Garbled> {
    let all = parts(message, |part| {
        let (mut domain, mut keys) = (None, None);
        for field in Fields(part) {
            match field? {
                (1, Value::Bytes(bytes)) => once(&mut domain, text(bytes)?)?,
                (2, Value::Bytes(bytes)) => once(&mut keys, bytes.to_vec())?,
                (1 | 2, _) => return Err(Garbled),
                _ => {}
            }
        }
        Ok((domain.ok_or(Garbled)?, keys.ok_or(Garbled)?))
    })?;
    let mut names: Vec<&str> = all.iter().map(|(domain, _)| domain.as_str()).collect();
    names.sort_unstable();
    // The format lets the last one count; which keys count is not to be a question of order.
    if names.windows(2).any(|two| two.first() == two.last()) {
        return Err(Garbled);
    }
    Ok(all)
}

/// `spire.api.types.SPIFFEID`
fn spiffe_id(part: &[u8]) -> Result<String, Garbled> {
    let (mut domain, mut path) = (None, None);
    for field in Fields(part) {
        match field? {
            (1, Value::Bytes(bytes)) => once(&mut domain, text(bytes)?)?,
            (2, Value::Bytes(bytes)) => once(&mut path, text(bytes)?)?,
            (1 | 2, _) => return Err(Garbled),
            _ => {}
        }
    }
    Ok(format!("spiffe://{}{}", domain.ok_or(Garbled)?, path.unwrap_or_default()))
}

/// What is repeated as the message's field 1.
fn parts<T>(message: &[u8], read: impl Fn(&[u8]) -> Result<T, Garbled>) -> Result<Vec<T>, Garbled> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Garbled);
    }
    let mut all = Vec::new();
    for field in Fields(message) {
        match field? {
            (1, Value::Bytes(_)) if all.len() == PARTS_MAX => return Err(Garbled),
            (1, Value::Bytes(part)) => all.push(read(part)?),
            (1, _) => return Err(Garbled),
            _ => {}
        }
    }
    Ok(all)
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Garbled> {
    if place.replace(value).is_some() { Err(Garbled) } else { Ok(()) }
}

fn text(bytes: &[u8]) -> Result<String, Garbled> {
    let text = std::str::from_utf8(bytes).map_err(|_| Garbled)?;
    if text.chars().any(char::is_control) { Err(Garbled) } else { Ok(text.to_owned()) }
}

/// A field's value, as far as it is looked at.
enum Value<'a> {
    Bytes(&'a [u8]),
    Other,
}

/// The fields of a message, in their order; after an error there is no next one.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Value<'a>), Garbled> {
        let tag = self.varint()?;
        let (number, form) = (tag >> 3, tag & 7);
        // Numbers of fields have 29 bits.
        if number == 0 || number >= 1 << 29 {
            return Err(Garbled);
        }
        let value = match form {
            0 => self.varint().map(|_| Value::Other)?,
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Garbled)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            // Groups: proto3 has none.
            _ => return Err(Garbled),
        };
        Ok((number, value))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Garbled> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Garbled)?;
        self.0 = rest;
        Ok(taken)
    }

    /// At most ten bytes, and no bit beyond the 64th.
    fn varint(&mut self) -> Result<u64, Garbled> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first().ok_or(Garbled)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Garbled);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Garbled)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Garbled>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u64, fields: &[(u64, &[u8])]) -> Vec<u8> {
        let (mut inner, mut out) = (Vec::new(), Vec::new());
        fields.iter().for_each(|(number, bytes)| put_bytes(&mut inner, *number, bytes));
        put_bytes(&mut out, number, &inner);
        out
    }

    fn svid(id: &str, token: &str) -> Svid {
        Svid { spiffe_id: id.into(), token: token.into() }
    }

    #[test]
    fn requests_are_those_of_the_field_numbers() {
        assert_eq!(svid_request("ab", None), b"\x0a\x02ab");
        assert_eq!(svid_request("ab", Some("s")), b"\x0a\x02ab\x12\x01s");
        assert_eq!(delegated_request("ab", 300), b"\x0a\x02ab\x18\xac\x02");
    }

    #[test]
    fn answers_are_read() {
        let one = part(1, &[(1, b"spiffe://d/a"), (2, b"x.y.z"), (3, b"hint")]);
        let two = part(1, &[(2, b"u.v.w"), (1, b"spiffe://d/b")]);
        assert_eq!(
            svids(&[one.clone(), two].concat()),
            Ok(vec![svid("spiffe://d/a", "x.y.z"), svid("spiffe://d/b", "u.v.w")])
        );
        assert_eq!(svids(b""), Ok(vec![]));
        let id = part(2, &[(1, b"d"), (2, b"/a")]);
        let mut inner = Vec::new();
        put_bytes(&mut inner, 1, b"x.y.z");
        inner.extend(id);
        inner.extend(b"\x18\x80\x80\x04\x20\x01"); // its times
        let mut delegated = Vec::new();
        put_bytes(&mut delegated, 1, &inner);
        assert_eq!(delegated_svids(&delegated), Ok(vec![svid("spiffe://d/a", "x.y.z")]));
        // A field that nobody knows yet, in every form that there is.
        let unknown = b"\x50\x01\x59\0\0\0\0\0\0\0\0\x62\x01x\x6d\0\0\0\0";
        assert_eq!(svids(&[&one[..], unknown].concat()).map(|all| all.len()), Ok(1));
        let keys = [part(1, &[(1, b"spiffe://d"), (2, b"{}")]), part(1, &[(1, b"spiffe://e"), (2, b"[]")])].concat();
        let expected = [("spiffe://d", "{}"), ("spiffe://e", "[]")].map(|(d, k)| (d.to_owned(), k.as_bytes().to_vec()));
        assert_eq!(bundles(&keys), Ok(expected.to_vec()));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let many = part(1, &[(1, b"spiffe://d/a"), (2, b"x")]).repeat(PARTS_MAX + 1);
        let twice = part(1, &[(1, b"spiffe://d"), (2, b"{}")]).repeat(2);
        assert_eq!(bundles(&twice), Err(Garbled), "which of both counts?");
        for bytes in [
            &b"\x0b"[..],                                        // a group
            b"\x02\x00",                                         // field 0
            b"\x08\x01",                                         // field 1 as a number
            b"\x0a\x05abc",                                      // shorter than it says
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     // longer than anything
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",     // more than 64 bits
            b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", // more than ten bytes
            &part(1, &[(1, b"spiffe://d/a")]),                   // no token
            &part(1, &[(2, b"x")]),                              // nobody's
            &part(1, &[(1, b"a"), (2, b"x"), (2, b"y")]),        // two tokens
            &part(1, &[(1, b"\xff"), (2, b"x")]),                // no text
            &part(1, &[(1, b"a\n"), (2, b"x")]),                 // no line
            &part(1, &[(1, &vec![b'a'; MESSAGE_BYTES_MAX]), (2, b"x")]),
            &many,
        ] {
            let shown = &bytes[..bytes.len().min(20)];
            assert_eq!(svids(bytes), Err(Garbled), "{shown:?}");
            assert_eq!(delegated_svids(bytes), Err(Garbled), "{shown:?}");
        }
    }

    /// Between two parts a cut is the end of a shorter message; anywhere else it is none.
    #[test]
    fn cut_anywhere_it_is_refused_or_shorter() {
        let one = part(1, &[(1, b"spiffe://d/a"), (2, b"x.y.z")]);
        let whole = one.repeat(3);
        for at in 0..whole.len() {
            let read = svids(&whole[..at]).map(|all| all.len());
            let expected = if at % one.len() == 0 { Ok(at / one.len()) } else { Err(Garbled) };
            assert_eq!(read, expected, "cut at {at}");
        }
        let id = part(2, &[(1, b"d"), (2, b"/a")]);
        let inner = [&b"\x0a\x01x"[..], &id].concat();
        let mut delegated = Vec::new();
        put_bytes(&mut delegated, 1, &inner);
        let bundle = part(1, &[(1, b"spiffe://d"), (2, b"{}")]);
        for at in 1..delegated.len() {
            assert_eq!(delegated_svids(&delegated[..at]), Err(Garbled), "cut at {at}");
        }
        for at in 1..bundle.len() {
            assert_eq!(bundles(&bundle[..at]), Err(Garbled), "cut at {at}");
        }
        // Every byte changed to every other: never a panic, and never more than there is.
        for at in 0..delegated.len() {
            for byte in 0..=255 {
                let mut changed = delegated.clone();
                changed[at] = byte;
                for read in [svids(&changed), delegated_svids(&changed)].into_iter().flatten() {
                    assert!(read.len() <= 1);
                }
            }
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", svid("spiffe://d/a", "secret")).contains("secret"));
    }
}
