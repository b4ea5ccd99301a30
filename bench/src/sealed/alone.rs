//! rustls with nothing around it: the same bytes are decrypted where they lie, and each record's plaintext is encrypted again.

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};

use super::keys;
use crate::answers::Flow;
use crate::cpu;

/// Bytes of one measurement: long for a clock that the scheduler winds.
const BYTES: usize = 192 << 20;
/// A record and what TLS adds to it.
const SEALED: usize = (16 << 10) + 256;

/// CPU nanoseconds for a byte: the client's part of the database's leg, the server's part of the agent's.
pub(crate) fn nanos_per_byte(folder: &str) -> Result<f64, String> {
    of(folder, BYTES)
}

fn of(folder: &str, most: usize) -> Result<f64, String> {
    let (mut reader, mut from) = pair(folder)?;
    let (_, mut writer) = pair(folder)?;
    let chunk = Flow::Rows.chunk();
    let times = most / chunk.len();
    let sealed = chunk.len() + (chunk.len() / (16 << 10) + 1) * 256;
    let mut wire = vec![0; sealed * times];
    let mut end = 0;
    for _ in 0..times {
        end += encrypt(&mut from, &chunk, &mut wire[end..])?;
    }
    let mut out = vec![0; SEALED];
    let (before, mut at, mut bytes) = (cpu::own_nanos(), 0, 0);
    while at < end {
        let UnbufferedStatus { mut discard, state } = reader.process_tls_records(&mut wire[at..end]);
        match state.map_err(|error| error.to_string())? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(|error| error.to_string())?;
                    bytes += record.payload.len();
                    encrypt(&mut writer, record.payload, &mut out)?;
                    discard += record.discard;
                }
            }
            ConnectionState::WriteTraffic(_) if discard == 0 => return Err("a record that has no end".into()),
            _ => {}
        }
        at += discard;
    }
    let nanos = cpu::own_nanos() - before;
    if bytes != chunk.len() * times {
        return Err("rustls alone lost bytes".into());
    }
    Ok(nanos as f64 / bytes as f64)
}

fn encrypt(server: &mut UnbufferedServerConnection, plain: &[u8], into: &mut [u8]) -> Result<usize, String> {
    match server.process_tls_records(&mut []).state.map_err(|error| error.to_string())? {
        ConnectionState::WriteTraffic(mut traffic) => {
            traffic.encrypt(plain, into).map_err(|error| format!("{error:?}"))
        }
        _ => Err("a handshake that is not over".into()),
    }
}

/// One end works off what came, and says what it has to say.
macro_rules! step {
    ($end:expr, $incoming:expr, $outgoing:expr) => {
        loop {
            let UnbufferedStatus { discard, state } = $end.process_tls_records(&mut $incoming[..]);
            let blocked = match state.map_err(|error| error.to_string())? {
                ConnectionState::EncodeTlsData(mut data) => {
                    let mut bytes = vec![0; SEALED];
                    let length = data.encode(&mut bytes).map_err(|error| format!("{error:?}"))?;
                    $outgoing.extend_from_slice(&bytes[..length]);
                    false
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    false
                }
                _ => true,
            };
            $incoming.drain(..discard);
            if blocked {
                break;
            }
        }
    };
}

/// Two ends that have shaken hands.
fn pair(folder: &str) -> Result<(UnbufferedClientConnection, UnbufferedServerConnection), String> {
    let wrong = |error: rustls::Error| error.to_string();
    let name = ServerName::try_from("db.bench").map_err(|error| error.to_string())?;
    let config = super::client().map_err(|error| error.to_string())?;
    let mut client = UnbufferedClientConnection::new(config, name).map_err(wrong)?;
    let mut server = UnbufferedServerConnection::new(keys::server(folder)?).map_err(wrong)?;
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        step!(client, to_client, to_server);
        step!(server, to_server, to_client);
    }
    Ok((client, server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustls_alone_costs_something_and_loses_nothing() {
        let folder = std::env::temp_dir().join(format!("interceptor-alone-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let shown = folder.display().to_string();
        keys::run(std::slice::from_ref(&shown)).unwrap();
        let cost = of(&shown, 8 << 20);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(cost.unwrap() >= 0.0);
    }
}
