//! Cancels of our own (`rows_over`, and what a session runs that a person ends): a thread that says CancelRequest to a database on a connection of its own, and waits until the server
//! has closed it: then the signal has been sent, and hits no later statement.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::Instant;

use anyhow::{Context, Result};
use session::CancelAsk;

use crate::estimates::{left, limit, rest};
use crate::service::Service;

/// Cancels that may wait.
const WAITING_MAX: usize = 256;
/// CancelRequest's code, in place of a version.
const CANCEL_REQUEST: [u8; 4] = [4, 210, 22, 46];

/// The line to the thread.
pub struct Cancels(SyncSender<Box<CancelAsk>>);

impl Cancels {
    /// Starts it. It ends with the service.
    pub fn start(service: &Arc<Service>) -> Result<Cancels> {
        let (line, asks) = sync_channel(WAITING_MAX);
        let service = Arc::downgrade(service);
        Builder::new()
            .name("cancels".to_owned())
            .spawn(move || serve(&service, &asks))
            .context("a thread for cancels")?;
        Ok(Cancels(line))
    }

    /// Hands it on; `false`: there is no room.
    pub fn ask(&self, ask: Box<CancelAsk>) -> bool {
        self.0.try_send(ask).is_ok()
    }
}

fn serve(service: &Weak<Service>, asks: &Receiver<Box<CancelAsk>>) {
    while let Ok(ask) = asks.recv() {
        let Some(service) = service.upgrade() else { return };
        let tls = service.tls().of(&ask.database).database.clone();
        if let Err(why) = cancel(&ask, tls.as_ref()) {
            tracing::warn!(database = %ask.database, session = ask.session, why = format!("{why:#}"), "a statement could not be cancelled: it runs until it is done, and what it sends is dropped");
        }
        service.cancel_is_over(ask.session, ask.number);
    }
}

fn cancel(ask: &CancelAsk, tls: Option<&proxy::DatabaseTls>) -> Result<()> {
    let until = Instant::now() + left(ask.until_ns).context("it came too late")?;
    let socket = TcpStream::connect_timeout(&ask.origin, rest(until)?).context("connect")?;
    limit(&socket, until)?;
    let mut request = Vec::new();
    let length = u32::try_from(12 + ask.key.secret().len()).context("the key is too long")?;
    request.extend_from_slice(&length.to_be_bytes());
    request.extend_from_slice(&CANCEL_REQUEST);
    request.extend_from_slice(&ask.key.pid.to_be_bytes());
    request.extend_from_slice(ask.key.secret());
    match tls {
        Some(tls) => say(tls.over(socket, ask.origin.ip()).context("TLS")?.0, &request),
        None => say(socket, &request),
    }
}

/// Says it, and waits for the server's end.
fn say(mut channel: impl Read + Write, request: &[u8]) -> Result<()> {
    channel.write_all(request).context("write")?;
    channel.flush().context("write")?;
    match channel.read(&mut [0; 1]) {
        Ok(_) => Ok(()),
        // TLS that is closed without a goodbye, or a reset: closed all the same.
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset) =>
        {
            Ok(())
        }
        Err(error) => Err(error).context("wait for the server"),
    }
}
