//! The Nacos envelope.

use crate::grpc::payload::{Payload, PayloadError, encode, encode_parts};
use proptest::prelude::*;

/// Field `number` of wire type 2.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = content.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(content);
    out
}

#[test]
fn payload_of_a_client_is_read_whole() {
    let header = |name: &[u8], value: &[u8]| field(7, &[field(1, name), field(2, value)].concat());
    let metadata = [
        field(3, b"InstanceRequest"),
        header(b"accessToken", b"secret"),
        header(b"app", b""),
        field(8, b"10.0.0.1"),
        // Unknown: a string, a varint, 8 and 4 fixed bytes.
        field(15, b"later"),
        vec![0x08, 0xff, 0x01],
        vec![0x09, 1, 2, 3, 4, 5, 6, 7, 8],
        vec![0x0d, 1, 2, 3, 4],
    ]
    .concat();
    let any = [field(1, b"type.googleapis.com/InstanceRequest"), field(2, b"{\"a\":1}")].concat();
    let bytes = [field(2, &metadata), field(3, &any)].concat();
    let payload = Payload::decode(&bytes).unwrap();
    assert_eq!((payload.kind, payload.client_ip, payload.body), ("InstanceRequest", "10.0.0.1", &b"{\"a\":1}"[..]));
    assert_eq!(payload.headers, [("accessToken", "secret"), ("app", "")]);
    assert_eq!((payload.header("ACCESStoken"), payload.header("none")), (Some("secret"), None));
}

#[test]
fn payload_empty_has_empty_parts() {
    assert_eq!(Payload::decode(b"").unwrap(), Payload::default());
}

#[test]
fn payload_written_is_byte_for_byte_what_protobuf_writes() {
    let expected = [field(2, &field(3, b"Kind")), field(3, &field(2, &[b'x'; 300]))].concat();
    assert_eq!(encode("Kind", &[b'x'; 300]), expected);
    assert_eq!(encode_parts("Kind", &[&[b'x'; 100], b"", &[b'x'; 200]]), expected);
}

#[test]
fn payload_damaged_is_refused() {
    let cases: [(&[u8], PayloadError); 8] = [
        (&[0x12], PayloadError::Truncated),
        (&[0x12, 5, 1], PayloadError::Truncated),
        (&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], PayloadError::Truncated),
        (&[0xff; 11], PayloadError::Malformed),
        (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], PayloadError::Malformed),
        (&[0x02, 0], PayloadError::Malformed),
        (&[0x0b], PayloadError::Malformed),
        (&[0x12, 3, 0x1a, 1, 0xff], PayloadError::Utf8),
    ];
    for (bytes, error) in cases {
        assert_eq!(Payload::decode(bytes), Err(error), "{bytes:x?}");
    }
}

proptest! {
    #[test]
    fn payload_written_is_read_back(kind in "[A-Za-z]{0,200}", body in prop::collection::vec(any::<u8>(), 0..70_000)) {
        let bytes = encode(&kind, &body);
        let payload = Payload::decode(&bytes).unwrap();
        prop_assert_eq!((payload.kind, payload.body), (kind.as_str(), body.as_slice()));
    }

    #[test]
    fn payload_of_random_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Payload::decode(&bytes);
    }
}
