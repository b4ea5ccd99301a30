//! Where a message ends and the next begins.

use wire::postgres::limits::{FRONTEND_LARGE_BODY_MAX, HEADER};
use wire::postgres::{BackendTag, FrontendTag, Header, Malformed, Tag, header};

use super::samples;

fn with_length(tag: impl Tag, length: i32) -> [u8; HEADER] {
    let [a, b, c, d] = length.to_be_bytes();
    [tag.byte(), a, b, c, d]
}

#[test]
fn every_byte_is_a_type_of_its_side_or_refused_at_once() {
    for byte in 0..=u8::MAX {
        match FrontendTag::of_byte(byte) {
            Some(tag) => assert_eq!(tag.byte(), byte),
            None => assert_eq!(header::<FrontendTag>(&[byte]), Header::Malformed(Malformed::UnknownType)),
        }
        match BackendTag::of_byte(byte) {
            Some(tag) => assert_eq!(tag.byte(), byte),
            None => assert_eq!(header::<BackendTag>(&[byte]), Header::Malformed(Malformed::UnknownType)),
        }
    }
    assert_eq!((FrontendTag::ALL.len(), BackendTag::ALL.len()), (14, 24));
}

#[test]
fn every_cut_of_every_header_asks_for_the_rest_of_it() {
    for frame in samples::frontend() {
        for cut in 0..HEADER {
            assert_eq!(header::<FrontendTag>(&frame[..cut]), Header::Incomplete(HEADER - cut));
        }
    }
    for frame in samples::backend() {
        for cut in 0..HEADER {
            assert_eq!(header::<BackendTag>(&frame[..cut]), Header::Incomplete(HEADER - cut));
        }
    }
}

#[test]
fn a_header_names_the_body_whether_or_not_it_is_there() {
    for frame in samples::backend() {
        let expected = Header::Frame { tag: BackendTag::of_byte(frame[0]).unwrap(), body_len: frame.len() - HEADER };
        for cut in HEADER..=frame.len() {
            assert_eq!(header(&frame[..cut]), expected);
        }
    }
}

fn lengths_outside_the_bounds_are_refused<T: Tag>() {
    for &tag in T::ALL {
        for length in [i32::MIN, -1, 0, 1, 2, 3] {
            assert_eq!(
                header::<T>(&with_length(tag, length)),
                Header::Malformed(Malformed::LengthWord),
                "{tag:?} {length}"
            );
        }
        assert_eq!(header::<T>(&with_length(tag, i32::MAX)), Header::Malformed(Malformed::TooLong), "{tag:?}");
        let [min, max] = [tag.body_min(), tag.body_max()];
        let word = |body_len: usize| i32::try_from(body_len + 4).unwrap();
        assert_eq!(header::<T>(&with_length(tag, word(min))), Header::Frame { tag, body_len: min });
        assert_eq!(header::<T>(&with_length(tag, word(max))), Header::Frame { tag, body_len: max });
        assert_eq!(header::<T>(&with_length(tag, word(max + 1))), Header::Malformed(Malformed::TooLong), "{tag:?}");
        if min > 0 {
            assert_eq!(
                header::<T>(&with_length(tag, word(min - 1))),
                Header::Malformed(Malformed::TooShort),
                "{tag:?}"
            );
        }
    }
}

#[test]
fn lengths_of_the_client_outside_the_bounds_are_refused() {
    lengths_outside_the_bounds_are_refused::<FrontendTag>();
}

#[test]
fn lengths_of_the_server_outside_the_bounds_are_refused() {
    lengths_outside_the_bounds_are_refused::<BackendTag>();
}

#[test]
fn messages_without_a_body_have_no_other_length() {
    use FrontendTag::{CopyDone, Flush, Sync, Terminate};
    for tag in [CopyDone, Flush, Sync, Terminate] {
        assert_eq!(header(&with_length(tag, 4)), Header::Frame { tag, body_len: 0 });
        assert_eq!(header::<FrontendTag>(&with_length(tag, 5)), Header::Malformed(Malformed::TooLong));
    }
}

#[test]
fn the_server_s_limits_are_ours() {
    // PQ_SMALL_MESSAGE_LIMIT and PQ_LARGE_MESSAGE_LIMIT count the length word.
    assert_eq!(FrontendTag::Describe.body_max() + 4, 10_000);
    assert_eq!(FrontendTag::Query.body_max() + 4, 0x3fff_fffe);
    assert_eq!(FrontendTag::CopyData.body_max(), FRONTEND_LARGE_BODY_MAX);
}

#[test]
fn the_least_body_of_each_type_is_what_its_parser_needs() {
    for frame in samples::frontend() {
        let tag = FrontendTag::of_byte(frame[0]).unwrap();
        assert!(frame.len() - HEADER >= tag.body_min(), "{tag:?}");
    }
    for frame in samples::backend() {
        let tag = BackendTag::of_byte(frame[0]).unwrap();
        assert!(frame.len() - HEADER >= tag.body_min(), "{tag:?}");
    }
}
