//! Authentication: every step of it has the type byte `R` and a number that says which.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// A step of authentication (numbers: `AUTH_REQ_*`, src/include/libpq/protocol.h). 1 and 4 died with PostgreSQL 9.3 and 8.4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// 0: done.
    Ok,
    /// 2: Kerberos V5, sent by no server since 9.4.
    KerberosV5,
    /// 3: a password as it is.
    CleartextPassword,
    /// 5: a password hashed with this salt.
    Md5Password([u8; 4]),
    /// 6: credentials over a Unix socket, sent by no server since 9.1.
    ScmCredential,
    /// 7: GSSAPI begins.
    Gss,
    /// 8: data of GSSAPI or SSPI.
    GssContinue(&'a [u8]),
    /// 9: SSPI begins.
    Sspi,
    /// 10: SASL begins; the mechanisms offered, the preferred first.
    Sasl(Mechanisms<'a>),
    /// 11: a challenge of the mechanism.
    SaslContinue(&'a [u8]),
    /// 12: the mechanism's last words.
    SaslFinal(&'a [u8]),
}

opaque_debug!(Authentication);

impl<'a> Authentication<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<Authentication<'a>, Malformed> {
        let mut reader = Reader::new(body);
        let step = match reader.u32()? {
            0 => Authentication::Ok,
            2 => Authentication::KerberosV5,
            3 => Authentication::CleartextPassword,
            5 => Authentication::Md5Password(reader.u32()?.to_be_bytes()),
            6 => Authentication::ScmCredential,
            7 => Authentication::Gss,
            8 => Authentication::GssContinue(reader.rest()),
            9 => Authentication::Sspi,
            10 => Authentication::Sasl(Mechanisms::read(&mut reader)?),
            11 => Authentication::SaslContinue(reader.rest()),
            12 => Authentication::SaslFinal(reader.rest()),
            _ => return Err(Malformed::AuthenticationKind),
        };
        reader.end()?;
        Ok(step)
    }
}

/// Names of SASL mechanisms: at least one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mechanisms<'a>(&'a [u8]);

opaque_debug!(Mechanisms);

impl<'a> Mechanisms<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Mechanisms<'a>, Malformed> {
        let names = *reader;
        while !reader.string()?.is_empty() {}
        let mut names = names;
        let length = names.left() - reader.left();
        let list = Mechanisms(names.bytes(length)?);
        if list.iter().next().is_none() { Err(Malformed::Empty) } else { Ok(list) }
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || reader.string().ok().filter(|name| !name.is_empty()))
    }
}
