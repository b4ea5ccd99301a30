//! The stub under TLS: a thread for each connection and rustls' own buffers. What it costs is nobody's: the process in between is measured.

use std::io::{Error, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::keys;
use crate::answers;
use crate::stub::{Reply, read};

/// `bench tls-stub --port PORT --keys FOLDER`: never returns but with an error.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let [_, port, _, folder] = args else { return Err("--port PORT --keys FOLDER".into()) };
    let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port"))?;
    let config = keys::server(folder)?;
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| format!("port {port}: {error}"))?;
    for socket in listener.incoming() {
        let (socket, config) = (socket.map_err(|error| error.to_string())?, Arc::clone(&config));
        // Thousands of them are idle.
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        // One that ends does so because its peer has.
        thread.spawn(move || drop(serve(socket, config))).map_err(|error| format!("a thread: {error}"))?;
    }
    Ok(())
}

fn serve(mut socket: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut request = [0; 8];
    socket.read_exact(&mut request)?;
    socket.write_all(b"S")?;
    let mut stream = StreamOwned::new(ServerConnection::new(config).map_err(Error::other)?, socket);
    let (mut bytes, mut started, mut buffer) = (Vec::new(), false, [0; 4096]);
    loop {
        let mut reply = Reply::default();
        let used = read(&bytes, &mut started, &mut reply);
        bytes.drain(..used);
        stream.write_all(&reply.bytes)?;
        if let Some(flow) = reply.flow {
            let chunk = flow.chunk();
            for _ in 0..flow.times(chunk.len()) {
                stream.write_all(&chunk)?;
            }
            let mut end = Vec::new();
            answers::complete(&mut end, "SELECT 1");
            answers::ready(&mut end);
            stream.write_all(&end)?;
            continue;
        }
        if reply.close {
            return Ok(());
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
