//! The engine against the `h2` crate's own client, in memory.

use super::payload::{Payload, encode};

#[test]
fn payload_encoded_is_decoded() {
    let bytes = encode("HealthCheckResponse", b"{}");
    let payload = Payload::decode(&bytes).unwrap();
    assert_eq!((payload.kind, payload.body), ("HealthCheckResponse", &b"{}"[..]));
}
