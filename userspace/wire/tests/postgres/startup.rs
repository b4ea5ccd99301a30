//! The packet that opens a connection.

use wire::postgres::limits::{STARTUP_BODY_MAX, STARTUP_PARAMETERS_MAX};
use wire::postgres::startup::{First, MINOR_NEWEST, Packet, StartupMessage, first};
use wire::postgres::{Malformed, encode};

type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];

fn startup(minor: u16, pairs: Pairs<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode::startup_message(&mut out, minor, pairs.iter().copied()).unwrap();
    out
}

/// A packet with this code and this rest, whatever they are.
fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + rest.len()).unwrap();
    [&length.to_be_bytes(), code.to_be_bytes().as_slice(), rest].concat()
}

fn read(bytes: &[u8]) -> StartupMessage<'_> {
    match first(bytes) {
        First::Packet { packet: Packet::Startup(startup), len } if len == bytes.len() => startup,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_cut_of_every_packet_asks_for_more() {
    let mut cancel = Vec::new();
    encode::cancel_request(&mut cancel, 4711, &[3; 32]).unwrap();
    for bytes in [startup(0, &[(b"user", b"app")]), cancel, packet(80_877_103, b""), packet(80_877_104, b"")] {
        for cut in 0..bytes.len() {
            let First::Incomplete(more) = first(&bytes[..cut]) else { panic!("cut at {cut}") };
            assert!(more >= 1 && cut + more <= bytes.len());
        }
        assert!(matches!(first(&bytes), First::Packet { len, .. } if len == bytes.len()));
        let stuffed = [bytes.as_slice(), b"more"].concat();
        assert!(
            matches!(first(&stuffed), First::Packet { len, .. } if len == bytes.len()),
            "the rest is the caller's to see"
        );
    }
}

#[test]
fn parameters_come_in_order() {
    let bytes = startup(0, &[(b"user", b"app"), (b"database", b"payments"), (b"application_name", b"")]);
    let message = read(&bytes);
    assert_eq!(message.minor, 0);
    assert!(message.parameters.iter().map(|(name, _)| name).eq([b"user".as_slice(), b"database", b"application_name"]));
    assert!(message.parameters.value(b"database") == Some(b"payments"));
    assert!(
        message.parameters.value(b"application_name") == Some(b"") && message.parameters.value(b"options").is_none()
    );
    assert!(message.parameters.duplicate().is_none());
    assert_eq!(read(&startup(MINOR_NEWEST, &[])).minor, 2);
}

#[test]
fn a_name_twice_is_seen_in_any_letter_case() {
    assert!(read(&startup(0, &[(b"user", b"agent"), (b"user", b"dba")])).parameters.duplicate() == Some(b"user"));
    let mixed = startup(0, &[(b"user", b"a"), (b"DateStyle", b"ISO"), (b"datestyle", b"German")]);
    assert!(read(&mixed).parameters.duplicate() == Some(b"DateStyle"));
}

#[test]
fn lists_that_are_no_pairs_are_refused() {
    let version = 3 << 16;
    for rest in [
        b"".as_slice(),
        b"user\0app\0",
        b"user\0app",
        b"user\0\0",
        b"user\0app\0\0\0",
        b"user\0app\0\0database\0x\0\0",
        b"\0\0",
        b"\0value\0\0",
        b"user\0app\0\0x",
    ] {
        assert_eq!(first(&packet(version, rest)), First::Malformed(Malformed::Parameters), "{} bytes", rest.len());
    }
}

#[test]
fn the_number_of_parameters_is_bounded() {
    let pairs = |count| b"k\0v\0".repeat(count);
    let fits = packet(3 << 16, &[pairs(STARTUP_PARAMETERS_MAX).as_slice(), b"\0"].concat());
    assert_eq!(read(&fits).parameters.iter().count(), STARTUP_PARAMETERS_MAX);
    let over = packet(3 << 16, &[pairs(STARTUP_PARAMETERS_MAX + 1).as_slice(), b"\0"].concat());
    assert_eq!(first(&over), First::Malformed(Malformed::TooManyParameters));
}

#[test]
fn lengths_outside_the_server_s_bounds_are_refused_from_four_bytes() {
    let rows = [
        (-1_i32, Malformed::LengthWord),
        (i32::MIN, Malformed::LengthWord),
        (0, Malformed::LengthWord),
        (3, Malformed::LengthWord),
        (4, Malformed::TooShort),
        (7, Malformed::TooShort),
        (STARTUP_BODY_MAX as i32 + 5, Malformed::TooLong),
        (1 << 30, Malformed::TooLong),
        (i32::MAX, Malformed::TooLong),
    ];
    for (length, why) in rows {
        assert_eq!(first(&length.to_be_bytes()), First::Malformed(why), "{length}");
    }
    assert_eq!(first(&(STARTUP_BODY_MAX as i32 + 4).to_be_bytes()), First::Incomplete(STARTUP_BODY_MAX));
}

#[test]
fn other_protocols_are_known_from_their_first_byte() {
    assert_eq!(first(&[0x16]), First::Tls);
    assert_eq!(first(b"G"), First::Malformed(Malformed::TooLong));
    assert_eq!(first(b"\xff"), First::Malformed(Malformed::LengthWord));
    assert_eq!(first(b""), First::Incomplete(4));
}

#[test]
fn versions_that_are_not_three_are_named() {
    let rows = [(2, 0), (0, 0), (4, 0), (1234, 5681), (1234, 5677)];
    for (major, minor) in rows {
        let bytes = packet(u32::from(major) << 16 | u32::from(minor), b"user\0app\0\0");
        assert_eq!(first(&bytes), First::Malformed(Malformed::Version { major, minor }));
    }
    assert_eq!(read(&packet(3 << 16 | 9999, b"\0")).minor, 9999, "a newer minor version is the session's to negotiate");
}

#[test]
fn requests_without_a_body_have_none() {
    assert!(matches!(first(&packet(80_877_103, b"")), First::Packet { packet: Packet::SslRequest, len: 8 }));
    assert!(matches!(first(&packet(80_877_104, b"")), First::Packet { packet: Packet::GssEncRequest, len: 8 }));
    for code in [80_877_103, 80_877_104] {
        assert_eq!(first(&packet(code, b"x")), First::Malformed(Malformed::Trailing));
    }
}

#[test]
fn a_cancel_request_has_a_key_of_4_to_256_bytes() {
    for (key_len, whole) in [(0, false), (3, false), (4, true), (32, true), (256, true), (257, false)] {
        let body = [&7_i32.to_be_bytes(), vec![5; key_len].as_slice()].concat();
        match first(&packet(80_877_102, &body)) {
            First::Packet { packet: Packet::Cancel(cancel), .. } => {
                assert!(whole && cancel.pid == 7 && cancel.key.len() == key_len);
            }
            other => assert!(!whole && other == First::Malformed(Malformed::CancelKey), "{key_len}"),
        }
    }
    assert_eq!(first(&packet(80_877_102, b"\0\0")), First::Malformed(Malformed::Truncated));
}
