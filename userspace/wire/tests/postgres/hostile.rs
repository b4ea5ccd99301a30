//! Whatever bytes come: no parser panics, and what it accepts it can write again unchanged, so nothing went unread.

use wire::postgres::frontend::authentication::{Password, SaslInitialResponse};
use wire::postgres::limits::HEADER;
use wire::postgres::{BackendTag, FrontendTag, Header, Tag, backend, encode, frontend, header, startup};

use super::random::Random;
use super::samples;

const FRAMES: u64 = 10_000;

/// Whether the body was accepted.
fn frontend_holds(tag: FrontendTag, body: &[u8]) -> bool {
    let Ok(message) = frontend::Message::parse(tag, body) else { return false };
    let mut again = Vec::new();
    encode::frontend_message(&mut again, message).unwrap();
    assert!(again[HEADER..] == *body && again[0] == tag.byte(), "{tag:?}: written again, {} bytes differ", body.len());
    assert_eq!(header(&again), Header::Frame { tag, body_len: body.len() });
    true
}

/// Whether the body was accepted.
fn backend_holds(tag: BackendTag, body: &[u8]) -> bool {
    let Ok(message) = backend::Message::parse(tag, body) else { return false };
    let mut again = Vec::new();
    encode::backend_message(&mut again, message).unwrap();
    assert!(again[HEADER..] == *body && again[0] == tag.byte(), "{tag:?}: written again, {} bytes differ", body.len());
    assert_eq!(header(&again), Header::Frame { tag, body_len: body.len() });
    true
}

#[test]
fn every_sample_is_read_and_written_again() {
    for frame in samples::frontend() {
        assert!(frontend_holds(FrontendTag::of_byte(frame[0]).unwrap(), &frame[HEADER..]));
    }
    for frame in samples::backend() {
        assert!(backend_holds(BackendTag::of_byte(frame[0]).unwrap(), &frame[HEADER..]));
    }
}

#[test]
fn the_samples_name_every_type() {
    for tag in FrontendTag::ALL {
        assert!(samples::frontend().iter().any(|frame| frame[0] == tag.byte()), "{tag:?}");
    }
    for tag in BackendTag::ALL {
        assert!(samples::backend().iter().any(|frame| frame[0] == tag.byte()), "{tag:?}");
    }
}

/// Bodies that may end anywhere, because they are any bytes or end with any bytes.
fn frontend_may_end_anywhere(tag: FrontendTag) -> bool {
    matches!(tag, FrontendTag::CopyData | FrontendTag::Authentication)
}

fn backend_may_end_anywhere(tag: BackendTag, body: &[u8]) -> bool {
    matches!(tag, BackendTag::CopyData | BackendTag::BackendKeyData)
        || tag == BackendTag::Authentication && matches!(body[3], 8 | 11 | 12)
}

#[test]
fn every_body_of_the_client_cut_at_every_byte_or_one_byte_longer_is_refused() {
    for frame in samples::frontend() {
        let (tag, body) = (FrontendTag::of_byte(frame[0]).unwrap(), &frame[HEADER..]);
        for cut in 0..body.len() {
            assert_eq!(frontend_holds(tag, &body[..cut]), frontend_may_end_anywhere(tag), "{tag:?} at {cut}");
        }
        for more in [0, 1, b'Q'] {
            let longer = [body, &[more]].concat();
            assert_eq!(frontend_holds(tag, &longer), frontend_may_end_anywhere(tag), "{tag:?} and {more}");
        }
    }
}

#[test]
fn every_body_of_the_server_cut_at_every_byte_or_one_byte_longer_is_refused() {
    for frame in samples::backend() {
        let (tag, body) = (BackendTag::of_byte(frame[0]).unwrap(), &frame[HEADER..]);
        for cut in 0..body.len() {
            let holds = backend_holds(tag, &body[..cut]);
            assert!(
                !holds || cut >= 4 && backend_may_end_anywhere(tag, body) || tag == BackendTag::CopyData,
                "{tag:?} at {cut}"
            );
        }
        for more in [0, 1, b'Z'] {
            let longer = [body, &[more]].concat();
            let may = backend_may_end_anywhere(tag, body) && !(tag == BackendTag::BackendKeyData && body.len() == 260);
            assert_eq!(backend_holds(tag, &longer), may, "{tag:?} and {more}");
        }
    }
}

#[test]
fn random_bodies_of_the_client() {
    for &tag in FrontendTag::ALL {
        for seed in 0..FRAMES {
            let body = Random::seeded(seed).bytes(64);
            frontend_holds(tag, &body);
        }
    }
}

#[test]
fn random_bodies_of_the_server() {
    for &tag in BackendTag::ALL {
        for seed in 0..FRAMES {
            let body = Random::seeded(seed).bytes(64);
            backend_holds(tag, &body);
        }
    }
}

/// A few bytes changed, put in or taken out.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        match random.below(3) {
            0 => bytes.insert(at, random.byte()),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.byte();
                }
            }
        }
    }
}

#[test]
fn mutated_samples_of_the_client() {
    let samples = samples::frontend();
    for seed in 0..FRAMES * 4 {
        let mut random = Random::seeded(seed);
        let frame = &samples[random.below(samples.len())];
        let mut body = frame[HEADER..].to_vec();
        mutate(&mut body, &mut random);
        frontend_holds(FrontendTag::of_byte(frame[0]).unwrap(), &body);
    }
}

#[test]
fn mutated_samples_of_the_server() {
    let samples = samples::backend();
    for seed in 0..FRAMES * 4 {
        let mut random = Random::seeded(seed);
        let frame = &samples[random.below(samples.len())];
        let mut body = frame[HEADER..].to_vec();
        mutate(&mut body, &mut random);
        backend_holds(BackendTag::of_byte(frame[0]).unwrap(), &body);
    }
}

#[test]
fn random_streams_are_hopped_without_reading_past_a_frame() {
    for seed in 0..FRAMES {
        let mut random = Random::seeded(seed);
        let samples = samples::frontend();
        let mut stream = samples[random.below(samples.len())].clone();
        stream.extend_from_slice(&samples[random.below(samples.len())]);
        mutate(&mut stream, &mut random);
        let mut at = 0;
        while let Header::Frame { tag, body_len } = header::<FrontendTag>(&stream[at..]) {
            assert!(body_len >= tag.body_min() && body_len <= tag.body_max());
            let Some(body) = stream.get(at + HEADER..at + HEADER + body_len) else { break };
            frontend_holds(tag, body);
            at += HEADER + body_len;
        }
        assert!(at <= stream.len());
    }
}

#[test]
fn random_answers_to_authentication() {
    for seed in 0..FRAMES {
        let body = Random::seeded(seed).bytes(40);
        if let Ok(password) = Password::parse(&body) {
            let mut again = Vec::new();
            encode::password(&mut again, password.password).unwrap();
            assert!(again[HEADER..] == *body);
        }
        if let Ok(initial) = SaslInitialResponse::parse(&body) {
            let mut again = Vec::new();
            encode::sasl_initial_response(&mut again, initial.mechanism, initial.response).unwrap();
            assert!(again[HEADER..] == *body);
        }
    }
}

#[test]
fn random_first_packets() {
    for seed in 0..FRAMES {
        let mut random = Random::seeded(seed);
        let mut packet = Vec::new();
        match random.below(3) {
            0 => encode::startup_message(&mut packet, 0, [(b"user".as_slice(), b"app".as_slice())]).unwrap(),
            1 => encode::cancel_request(&mut packet, 1, b"four").unwrap(),
            _ => packet = random.bytes(80),
        }
        mutate(&mut packet, &mut random);
        if let startup::First::Packet { packet: read, len } = startup::first(&packet) {
            let mut again = Vec::new();
            match read {
                startup::Packet::SslRequest => encode::ssl_request(&mut again),
                startup::Packet::GssEncRequest => encode::gssenc_request(&mut again),
                startup::Packet::Cancel(cancel) => encode::cancel_request(&mut again, cancel.pid, cancel.key).unwrap(),
                startup::Packet::Startup(startup) => {
                    encode::startup_message(&mut again, startup.minor, startup.parameters.iter()).unwrap();
                }
            }
            assert!(again == packet[..len], "seed {seed}");
        }
    }
}
