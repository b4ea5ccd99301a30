//! What an agent sends: the first packet, `options`, the stream of messages. Input: one byte for which, then the bytes.
//! Whatever is accepted is written again unchanged, and nothing is read past a frame.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::postgres::frontend::Message;
use wire::postgres::frontend::authentication::{Password, SaslInitialResponse};
use wire::postgres::limits::HEADER;
use wire::postgres::startup::{First, Packet, first, options};
use wire::postgres::{FrontendTag, Header, encode, header};

fuzz_target!(|input: &[u8]| {
    let [which, bytes @ ..] = input else { return };
    match which % 4 {
        0 => stream(bytes),
        1 => first_packet(bytes),
        2 => settings(bytes),
        _ => authentication(bytes),
    }
});

fn stream(mut bytes: &[u8]) {
    while let Header::Frame { tag, body_len } = header::<FrontendTag>(bytes) {
        let Some(frame) = bytes.get(..HEADER + body_len) else { return };
        if let Ok(message) = Message::parse(tag, &frame[HEADER..]) {
            let mut again = Vec::new();
            assert!(encode::frontend_message(&mut again, message).is_ok());
            assert!(again == frame);
        }
        bytes = &bytes[frame.len()..];
    }
}

fn first_packet(bytes: &[u8]) {
    match first(bytes) {
        First::Incomplete(more) => assert!(more > 0 && bytes.len() + more <= 10_004),
        First::Tls | First::Malformed(_) => {}
        First::Packet { packet, len } => {
            let mut again = Vec::new();
            let written = match packet {
                Packet::SslRequest => Ok(encode::ssl_request(&mut again)),
                Packet::GssEncRequest => Ok(encode::gssenc_request(&mut again)),
                Packet::Cancel(cancel) => encode::cancel_request(&mut again, cancel.pid, cancel.key),
                Packet::Startup(startup) => {
                    let _ = startup.parameters.duplicate();
                    encode::startup_message(&mut again, startup.minor, startup.parameters.iter())
                }
            };
            assert!(written.is_ok() && again == bytes[..len]);
        }
    }
}

/// What is read, written in our own spelling, is read the same.
fn settings(bytes: &[u8]) {
    let mut read = Vec::new();
    for setting in options::parse(bytes) {
        let Ok(setting) = setting else { return };
        read.push((setting.name().collect::<Vec<u8>>(), setting.value().collect::<Vec<u8>>()));
    }
    let mut spelt = Vec::new();
    for (name, value) in &read {
        if encode::option(&mut spelt, name, value).is_err() {
            return;
        }
    }
    let again = options::parse(&spelt).map(|setting| setting.map(|s| (s.name().collect(), s.value().collect())));
    assert!(again.collect::<Result<Vec<_>, _>>() == Ok(read));
}

fn authentication(bytes: &[u8]) {
    let mut again = Vec::new();
    if let Ok(password) = Password::parse(bytes) {
        assert!(encode::password(&mut again, password.password).is_err() || again[HEADER..] == *bytes);
    }
    again.clear();
    if let Ok(initial) = SaslInitialResponse::parse(bytes) {
        let written = encode::sasl_initial_response(&mut again, initial.mechanism, initial.response);
        assert!(written.is_err() || again[HEADER..] == *bytes);
    }
}
