//! What a record looks like, and that bytes which are none are refused by name.

use berth_codec::{
    DecodeError, EncodeError, Kind, Record, RecordCheck, decode, decode_body, encode,
};
use serde::{Deserialize, Serialize};

/// A record in its second version; the first had no number.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
    number: u64,
}

impl Record for Note {
    const KIND: Kind = Kind::Vote;
    const VERSION: u8 = 2;
    const LIMIT: usize = 32;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        match version {
            1 => Ok(Self { text: decode_body(Self::KIND, body)?, number: 0 }),
            found => Err(DecodeError::UnknownVersion { kind: Self::KIND, found }),
        }
    }
}

/// A record that never had another version.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct First(Vec<u128>);

impl Record for First {
    const KIND: Kind = Kind::Batch;
    const VERSION: u8 = 1;
    const LIMIT: usize = 4 << 20;
}

fn note(text: &str) -> Note {
    Note { text: text.into(), number: 300 }
}

/// Header, body and the checksum that belongs to them.
fn sealed(kind: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, version];
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

#[test]
fn a_record_is_kind_version_body_and_checksum() {
    let bytes = encode(&note("hi")).unwrap();
    // A length and two letters; an integer of two bytes behind its mark.
    assert_eq!(bytes, sealed(4, 2, &[2, b'h', b'i', 251, 0x2c, 0x01]));
    assert_eq!(decode::<Note>(&bytes).unwrap(), note("hi"));
}

#[test]
fn an_older_version_is_upgraded_and_an_unknown_one_refused() {
    let old = sealed(4, 1, &[2, b'h', b'i']);
    assert_eq!(decode::<Note>(&old).unwrap(), Note { text: "hi".into(), number: 0 });
    for (unknown, kind) in [(sealed(4, 0, &[0]), Kind::Vote), (sealed(1, 0, &[0]), Kind::Batch)] {
        let refused = match kind {
            Kind::Vote => decode::<Note>(&unknown).unwrap_err(),
            _ => decode::<First>(&unknown).unwrap_err(),
        };
        let DecodeError::UnknownVersion { kind: told, found: 0 } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(told, kind);
    }
}

#[test]
fn a_newer_version_is_refused_with_advice() {
    let refused = decode::<Note>(&sealed(4, 3, &[2, b'h', b'i', 1, 1])).unwrap_err();
    assert!(matches!(refused, DecodeError::Newer { kind: Kind::Vote, found: 3, known: 2 }));
    assert!(refused.to_string().ends_with("written by a newer Berth, start that one"));
}

#[test]
fn another_kind_is_refused() {
    let refused = decode::<Note>(&encode(&First(vec![])).unwrap()).unwrap_err();
    assert!(matches!(refused, DecodeError::WrongKind { kind: Kind::Vote, found: 1 }));
}

#[test]
fn a_record_that_was_cut_off_is_refused() {
    let bytes = encode(&note("hi")).unwrap();
    for length in 0..6 {
        let refused = decode::<Note>(&bytes[..length]).unwrap_err();
        assert!(matches!(refused, DecodeError::Truncated { length: told, .. } if told == length));
    }
    for length in 6..bytes.len() {
        let refused = decode::<Note>(&bytes[..length]).unwrap_err();
        assert!(matches!(refused, DecodeError::Checksum { .. }), "{refused:?}");
    }
    // A body that ends early under a checksum of its own.
    let refused = decode::<Note>(&sealed(4, 2, &[2, b'h'])).unwrap_err();
    assert!(matches!(refused, DecodeError::Format { kind: Kind::Vote, .. }), "{refused:?}");
}

#[test]
fn each_damaged_bit_is_noticed() {
    let bytes = encode(&note("hi")).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let refused = decode::<Note>(&damaged).unwrap_err();
        assert!(matches!(refused, DecodeError::Checksum { kind: Kind::Vote, .. }), "{refused:?}");
    }
}

#[test]
fn bytes_after_the_value_are_refused() {
    let refused = decode::<Note>(&sealed(4, 2, &[0, 1, 7, 7])).unwrap_err();
    assert!(matches!(refused, DecodeError::Trailing { kind: Kind::Vote, extra: 2 }));
    let refused = decode::<Note>(&sealed(4, 1, &[0, 7])).unwrap_err();
    assert!(matches!(refused, DecodeError::Trailing { kind: Kind::Vote, extra: 1 }));
}

#[test]
fn a_record_has_its_limit_in_both_directions() {
    let around = Note::LIMIT - encode(&note("")).unwrap().len();
    let longest = encode(&note(&"t".repeat(around))).unwrap();
    assert_eq!(longest.len(), Note::LIMIT);
    decode::<Note>(&longest).unwrap();
    let refused = encode(&note(&"t".repeat(around + 1))).unwrap_err();
    assert!(matches!(refused, EncodeError::TooLong { length: 33, limit: 32, .. }), "{refused:?}");
    // The length alone decides: nothing of it is looked at.
    let refused = decode::<Note>(&[0; Note::LIMIT + 1]).unwrap_err();
    assert!(matches!(refused, DecodeError::TooLong { length: 33, limit: 32, .. }), "{refused:?}");
}

#[test]
fn a_length_that_a_short_body_cannot_have_is_refused_before_memory_is_claimed() {
    for length in [17_u64 << 20, 1 << 31, u64::MAX] {
        let mut body = vec![253];
        body.extend_from_slice(&length.to_le_bytes());
        let refused = decode::<Note>(&sealed(4, 2, &body)).unwrap_err();
        let DecodeError::Format { source, .. } = refused else { panic!("{refused:?}") };
        assert!(format!("{source:?}").contains("LimitExceeded"), "{source:?}");
    }
}

#[test]
fn the_widest_integers_in_the_fewest_bytes_are_read_at_every_length() {
    // Each counts as 16 bytes in decoding, and takes one.
    for count in [1_000, (1 << 20) - 16, 1 << 20, 3 << 20] {
        let value = First(vec![1; count]);
        assert_eq!(decode::<First>(&encode(&value).unwrap()).unwrap(), value);
    }
}

#[test]
fn equal_values_have_equal_fingerprints_everywhere() {
    let of = |text: &str| berth_codec::fingerprint(&note(text)).unwrap();
    assert_eq!(of("hi"), of("hi"));
    assert_ne!(of("hi"), of("ho"));
    // Held fixed: snapshots carry it from one machine and version to the next.
    assert_eq!(of("hi"), 13_126_086_370_724_635_161);
}

#[test]
fn what_is_written_piece_by_piece_is_the_same_record() {
    for count in [0, 1, 70_000] {
        let value = First(vec![u128::MAX; count]);
        let bytes = encode(&value).unwrap();
        let mut written = Vec::new();
        berth_codec::write(&value, &mut written).unwrap();
        assert_eq!(written, bytes);
        let measured = berth_codec::measure(&value).unwrap();
        let fingerprint = berth_codec::fingerprint(&value).unwrap();
        assert_eq!((measured.length, measured.fingerprint), (bytes.len(), fingerprint));
    }
    let longer = note(&"t".repeat(Note::LIMIT));
    assert!(matches!(berth_codec::measure(&longer), Err(EncodeError::TooLong { .. })));
    let refused = berth_codec::write(&longer, &mut Vec::new());
    assert!(matches!(refused, Err(EncodeError::TooLong { .. })));
}

fn check(bytes: &[u8], piece: usize) -> Result<(), DecodeError> {
    let mut check = RecordCheck::<Note>::new(bytes.len() as u64)?;
    bytes.chunks(piece).try_for_each(|piece| check.feed(piece))?;
    assert_eq!(check.missing(), 0);
    check.finish()
}

#[test]
fn a_record_is_checked_as_it_comes() {
    let bytes = encode(&note("hello")).unwrap();
    for piece in 1..=bytes.len() {
        check(&bytes, piece).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            check(&flipped, piece).unwrap_err();
        }
    }
    let newer = check(&sealed(4, 3, &[2, b'h', b'i']), 1);
    assert!(matches!(newer, Err(DecodeError::Newer { found: 3, known: 2, .. })), "{newer:?}");
    let other = check(&sealed(1, 1, &[0]), 1);
    assert!(matches!(other, Err(DecodeError::WrongKind { found: 1, .. })), "{other:?}");
    assert!(matches!(RecordCheck::<Note>::new(5), Err(DecodeError::Truncated { .. })));
    assert!(matches!(RecordCheck::<Note>::new(33), Err(DecodeError::TooLong { .. })));
    let mut cut = RecordCheck::<Note>::new(bytes.len() as u64).unwrap();
    cut.feed(&bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(cut.finish(), Err(DecodeError::Truncated { .. })));
}
