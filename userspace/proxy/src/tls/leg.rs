//! One connection's TLS: ciphertext in, plaintext out, and back. No socket, no clock of ours, no buffer beside an unfinished record.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus};
use rustls::{CommonState, Error};
use session::Secured;

use super::keys::{AgentTls, DatabaseTls, Shown};
use super::{binding, certificate};

/// What a record of TLS adds to its bytes at most: header, explicit nonce, content type, tag.
const RECORD_EXTRA: usize = 5 + 8 + 1 + 16;
/// The most bytes that one record carries.
const RECORD_MAX: usize = 16 << 10;
/// Room for an alert, or a key update before one.
const ALERT_ROOM: usize = 256;

/// See the module's documentation.
pub(crate) struct Leg {
    end: End,
    /// An unfinished record, or a handshake message that more records belong to. Empty, and without memory, between records.
    unread: Vec<u8>,
    /// Whom the peer's certificate is verified for.
    peer: String,
    /// The certificate that we show.
    shown: Option<Arc<Shown>>,
    /// The handshake's end was told.
    told: bool,
    /// The peer says that no more comes.
    pub(crate) peer_closed: bool,
    /// We said so, or nothing can be said any more.
    pub(crate) closed: bool,
}

enum End {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

impl Leg {
    pub(crate) fn of_agent(tls: &AgentTls) -> Result<Leg, Error> {
        let shown = tls.shown();
        let server = UnbufferedServerConnection::new(Arc::clone(&shown.config))?;
        let mut leg = Leg::new(End::Server(Box::new(server)), String::new());
        leg.shown = Some(shown);
        Ok(leg)
    }

    pub(crate) fn of_database(tls: &DatabaseTls, address: IpAddr) -> Result<Leg, Error> {
        let name = tls.name(address);
        let peer = match &name {
            _ if !tls.verifies() => String::new(),
            ServerName::DnsName(name) => name.as_ref().to_owned(),
            _ => address.to_string(),
        };
        let client = UnbufferedClientConnection::new(Arc::clone(tls.config()), name)?;
        Ok(Leg::new(End::Client(Box::new(client)), peer))
    }

    fn new(end: End, peer: String) -> Leg {
        Leg { end, unread: Vec::new(), peer, shown: None, told: false, peer_closed: false, closed: false }
    }

    fn state(&self) -> &CommonState {
        match &self.end {
            End::Server(server) => server,
            End::Client(client) => client,
        }
    }

    #[cfg(test)]
    pub(super) fn kind(&self) -> Option<rustls::HandshakeKind> {
        self.state().handshake_kind()
    }

    /// Whether what the session says can be sent.
    pub(crate) fn speaks(&self) -> bool {
        self.told && !self.closed
    }

    /// Once, when the handshake is over: what came of it.
    pub(crate) fn newly_secured(&mut self) -> Option<Secured> {
        if self.told || self.state().is_handshaking() {
            return None;
        }
        self.told = true;
        let theirs = self.state().peer_certificates().and_then(<[_]>::first);
        let (binding, certificate) = match (&self.shown, theirs) {
            (Some(ours), theirs) => (ours.binding.clone(), theirs.map(|theirs| Box::new(certificate::of(theirs)))),
            (None, Some(theirs)) => (binding::of(theirs), None),
            (None, None) => (Vec::new(), None),
        };
        self.shown = None;
        let state = self.state();
        Some(Secured {
            version: state.protocol_version().and_then(|version| version.as_str()).map_or("TLS", version_name),
            suite: state.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown"),
            alpn: state.alpn_protocol().is_some(),
            peer: self.peer.clone(),
            binding,
            certificate,
        })
    }

    /// Takes what arrived: appends what it decrypts to `plain`, and what TLS itself answers to `reply`. After an error only
    /// `reply`, an alert, may be sent.
    pub(crate) fn receive(
        &mut self,
        mut incoming: &mut [u8],
        plain: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<(), Error> {
        while !incoming.is_empty() {
            if self.unread.is_empty() {
                // From the buffer that it arrived in.
                let read = self.work(incoming, plain, reply)?;
                self.unread.extend_from_slice(&incoming[read..]);
                return Ok(());
            }
            let take = self.missing().min(incoming.len());
            let (head, tail) = incoming.split_at_mut(take);
            self.unread.extend_from_slice(head);
            incoming = tail;
            self.work_unread(plain, reply)?;
        }
        Ok(())
    }

    /// Begins the handshake, where it is ours to begin.
    pub(crate) fn begin(&mut self, reply: &mut Vec<u8>) -> Result<(), Error> {
        self.work(&mut [], &mut Vec::new(), reply).map(|_| ())
    }

    /// Bytes that the record at the front of `unread` lacks. All that comes, where it is whole and TLS waits for the next one.
    fn missing(&self) -> usize {
        match self.unread.get(3..5) {
            Some(&[high, low]) => {
                let whole = 5 + usize::from(u16::from_be_bytes([high, low]));
                whole.checked_sub(self.unread.len()).filter(|missing| *missing > 0).unwrap_or(usize::MAX)
            }
            _ => 5 - self.unread.len(),
        }
    }

    fn work_unread(&mut self, plain: &mut Vec<u8>, reply: &mut Vec<u8>) -> Result<(), Error> {
        let mut unread = std::mem::take(&mut self.unread);
        let read = self.work(&mut unread, plain, reply)?;
        if read < unread.len() {
            unread.drain(..read);
            self.unread = unread;
        }
        Ok(())
    }

    fn work(&mut self, incoming: &mut [u8], plain: &mut Vec<u8>, reply: &mut Vec<u8>) -> Result<usize, Error> {
        let worked = match &mut self.end {
            End::Server(server) => work(&mut **server, incoming, plain, reply),
            End::Client(client) => work(&mut **client, incoming, plain, reply),
        };
        let (read, peer_closed) = worked.inspect_err(|_| self.closed = true)?;
        self.peer_closed |= peer_closed;
        Ok(read)
    }

    /// Appends `plain`, encrypted, to `into`.
    pub(crate) fn encrypt(&mut self, plain: &[u8], into: &mut Vec<u8>) -> Result<(), Error> {
        self.write(Words::Data(plain), into).inspect_err(|_| self.closed = true)
    }

    /// Appends the words that say that no more comes; nothing where they were said, or cannot be.
    pub(crate) fn close(&mut self, into: &mut Vec<u8>) {
        let speaks = self.speaks();
        self.closed = true;
        if speaks {
            // Without them the peer sees the connection's end all the same.
            let _ = self.write(Words::Goodbye, into);
        }
    }

    /// The unfinished record goes in too: rustls keeps positions in it.
    fn write(&mut self, words: Words<'_>, into: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.end {
            End::Server(server) => write(&mut **server, &mut self.unread, words, into),
            End::Client(client) => write(&mut **client, &mut self.unread, words, into),
        }
    }
}

/// The one function of rustls that both ends have, each for itself.
trait Records {
    type Data;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Records for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, ServerConnectionData> {
        self.process_tls_records(incoming)
    }
}

impl Records for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, ClientConnectionData> {
        self.process_tls_records(incoming)
    }
}

/// What is to be sent.
#[derive(Clone, Copy)]
enum Words<'a> {
    Data(&'a [u8]),
    Goodbye,
}

/// Works records off until more are needed: how many bytes were read, and whether the peer said that no more comes.
fn work<R: Records>(
    records: &mut R,
    incoming: &mut [u8],
    plain: &mut Vec<u8>,
    reply: &mut Vec<u8>,
) -> Result<(usize, bool), Error> {
    let (mut read, mut peer_closed) = (0, false);
    loop {
        let UnbufferedStatus { discard, state } = records.process(&mut incoming[read..]);
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                alert(records, &mut incoming[read + discard..], reply);
                return Err(error);
            }
        };
        let mut more = 0;
        let blocked = match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    plain.extend_from_slice(record.payload);
                    more += record.discard;
                }
                false
            }
            ConnectionState::EncodeTlsData(mut data) => {
                append(reply, ALERT_ROOM, |out| data.encode(out).map_err(size_of_encode))?;
                false
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                false
            }
            ConnectionState::PeerClosed => {
                peer_closed = true;
                false
            }
            ConnectionState::Closed | ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => true,
            // Early data is not offered: a replayed statement would run twice.
            _ => return Err(Error::General("a state of TLS that is not served".into())),
        };
        read += discard + more;
        if blocked {
            return Ok((read, peer_closed));
        }
    }
}

/// After an error: what TLS has to say about it. Asked once, and with the bytes that the error left: rustls keeps positions in them,
/// and panics where they are gone.
fn alert<R: Records>(records: &mut R, left: &mut [u8], reply: &mut Vec<u8>) {
    if let Ok(ConnectionState::EncodeTlsData(mut data)) = records.process(left).state {
        let _ = append(reply, ALERT_ROOM, |out| data.encode(out).map_err(size_of_encode));
    }
}

fn write<R: Records>(records: &mut R, unread: &mut [u8], words: Words<'_>, into: &mut Vec<u8>) -> Result<(), Error> {
    loop {
        match records.process(unread).state? {
            ConnectionState::WriteTraffic(mut traffic) => {
                return match words {
                    Words::Data(plain) => {
                        let room = plain.len() + (plain.len() / RECORD_MAX + 1) * RECORD_EXTRA;
                        append(into, room, |out| traffic.encrypt(plain, out).map_err(size_of_encrypt))
                    }
                    Words::Goodbye => {
                        append(into, ALERT_ROOM, |out| traffic.queue_close_notify(out).map_err(size_of_encrypt))
                    }
                };
            }
            ConnectionState::EncodeTlsData(mut data) => {
                append(into, ALERT_ROOM, |out| data.encode(out).map_err(size_of_encode))?;
            }
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => {}
            // Whole records were worked off when they came, so nothing else is possible here.
            _ => return Err(Error::HandshakeNotComplete),
        }
    }
}

/// Lets `encode` write behind `into`, with more room where it asks for it.
fn append(
    into: &mut Vec<u8>,
    room: usize,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Error> {
    let start = into.len();
    into.resize(start + room, 0);
    let mut written = encode(&mut into[start..]);
    if let Err(Some(required)) = written {
        into.resize(start + required, 0);
        written = encode(&mut into[start..]);
    }
    into.truncate(start + written.unwrap_or(0));
    written.map(|_| ()).map_err(|_| Error::EncryptError)
}

/// How much room it needs, where that is what it lacks.
fn size_of_encode(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => Some(required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

fn size_of_encrypt(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => Some(required_size),
        EncryptError::EncryptExhausted => None,
    }
}

fn version_name(version: &'static str) -> &'static str {
    match version {
        "TLSv1_2" => "TLSv1.2",
        "TLSv1_3" => "TLSv1.3",
        other => other,
    }
}
