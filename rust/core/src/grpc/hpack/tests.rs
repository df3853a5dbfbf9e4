//! The examples of RFC 7541 appendix C, and the refusals. That the table evicts as a real encoder expects is tested
//! with the `h2` crate's client beside the engine.

use super::*;

fn decode(blocks: &[&[u8]]) -> Result<(RequestHead, Decoder), HpackError> {
    let mut decoder = Decoder::new();
    let mut head = RequestHead::default();
    for block in blocks {
        head = decoder.decode(block)?;
    }
    Ok((head, decoder))
}

#[test]
fn huffman_examples_of_the_rfc_are_decoded() {
    let cases: [(&[u8], &[u8]); 3] = [
        (&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff], b"www.example.com"),
        (&[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf], b"custom-value"),
        (&[], b""),
    ];
    for (coded, text) in cases {
        let mut out = [0; 64];
        let len = huffman::decode(coded, &mut out).unwrap();
        assert_eq!(&out[..len], text);
    }
}

#[test]
fn huffman_text_longer_than_the_room_is_counted() {
    let mut out = [0; 3];
    // Five zeros are the symbol "0", eight of them in five bytes.
    assert_eq!(huffman::decode(&[0; 5], &mut out), Ok(8));
    assert_eq!(out, *b"000");
}

#[test]
fn huffman_text_with_wrong_padding_or_end_is_refused() {
    // A padding of zeros; a whole byte of padding; the end-of-string symbol.
    for coded in [&[0x07, 0xfe][..], &[0x25, 0xff, 0xff], &[0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(huffman::decode(coded, &mut [0; 64]), Err(HpackError), "{coded:x?}");
    }
}

#[test]
fn request_examples_of_the_rfc_fill_the_table() {
    // RFC 7541 C.4: with Huffman coding, three requests on one connection.
    let blocks: [&[u8]; 3] = [
        &[0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
        &[0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf],
        &[
            0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89, 0x25, 0xa8, 0x49,
            0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf,
        ],
    ];
    for (count, bytes) in [(1, 57), (2, 110), (3, 164)] {
        let (head, decoder) = decode(&blocks[..count]).unwrap();
        assert!(head.is_request() && !head.is_post && head.method.is_none());
        assert_eq!((decoder.entries.len(), decoder.table_bytes()), (count, bytes));
    }
}

#[test]
fn literal_named_by_the_table_is_understood() {
    // ":path: /" of the static table named, then the same name from the dynamic table.
    let first = [&b"\x83\x86\x44\x10"[..], b"/Request/request", b"\x5f\x10application/grpc"].concat();
    let second = [&b"\x83\x86\x7f\x00\x01/\x5f\x10application/json"[..]].concat();
    let third = [&b"\x83\x86\x7f\x02\x20/BiRequestStream/requestBiStream"[..]].concat();
    let (head, mut decoder) = decode(&[&first]).unwrap();
    assert_eq!((head.method, head.is_grpc, head.is_request()), (Some(Method::Request), true, true));
    let head = decoder.decode(&second).unwrap();
    assert_eq!((head.method, head.is_grpc, head.is_request()), (None, false, true));
    let head = decoder.decode(&third).unwrap();
    assert_eq!((head.method, head.is_request()), (Some(Method::BiRequestStream), true));
}

#[test]
fn table_resized_by_the_client_evicts_and_grows_again() {
    let entry = b"\x40\x01a\x01b";
    let (_, mut decoder) = decode(&[&entry.repeat(10)]).unwrap();
    assert_eq!(decoder.table_bytes(), 340);
    decoder.decode(&[0x3f, 100 - 31]).unwrap();
    assert_eq!(decoder.table_bytes(), 68);
    decoder.decode(&[&[0x20, 0x3f, 0xe1, 0x1f][..], entry].concat()).unwrap();
    assert_eq!(decoder.table_bytes(), 34);
    // One larger than the table empties it.
    let value = vec![b'x'; 4096];
    decoder.decode(&[&b"\x40\x01a\x7f\x81\x1f"[..], &value].concat()).unwrap();
    assert_eq!(decoder.table_bytes(), 0);
}

#[test]
fn table_evicts_the_oldest() {
    let entries: Vec<u8> = (0..200u8).flat_map(|n| [0x40, 1, b'a', 1, n]).collect();
    let (_, decoder) = decode(&[&entries]).unwrap();
    assert_eq!((decoder.entries.len(), decoder.table_bytes()), (4096 / 34, 4096 / 34 * 34));
}

#[test]
fn blocks_against_the_rules_are_refused() {
    let cases: [&[u8]; 9] = [
        &[0x80],                                     // index 0
        &[0xbe],                                     // an index beyond the tables
        &[0x7f, 0],                                  // a name beyond the tables
        &[0x40, 5, b'a'],                            // a text cut short
        &[0x40],                                     // a literal without a text
        &[0x3f, 0xe2, 0x1f],                         // a table larger than granted
        &[0x83, 0x20],                               // a resize behind a field
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // an integer without end
        &[0x40, 0x81, 0x00, 0],                      // Huffman padding of zeros
    ];
    for block in cases {
        assert!(decode(&[block]).is_err(), "{block:x?}");
    }
}
