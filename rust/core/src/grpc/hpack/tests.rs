//! The examples of RFC 7541 appendix C, and the refusals.

use super::*;

#[test]
fn huffman_example_of_the_rfc_is_decoded() {
    // RFC 7541 C.4.1: "www.example.com".
    let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
    let mut out = [0; 64];
    let len = huffman::decode(&coded, &mut out).unwrap();
    assert_eq!(&out[..len], b"www.example.com");
}
