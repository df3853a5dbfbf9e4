//! The headers of a call, spelled out without any table (RFC 7541, sending side).

use crate::grpc::Method;

/// "Dynamic table size is 0 from here on" (RFC 7541 section 6.3).
const NO_TABLE: u8 = 0x20;
/// `:method POST` and `:scheme http` of the static table.
const METHOD_AND_SCHEME: [u8; 2] = [0x83, 0x86];
/// Literals without indexing, their names in the static table: 1 and 4, and with a second byte 31 and 58.
const AUTHORITY: &[u8] = &[1];
const PATH: &[u8] = &[4];
const CONTENT_TYPE: &[u8] = &[0x0f, 31 - 15];
const USER_AGENT: &[u8] = &[0x0f, 58 - 15];
/// A literal without indexing whose name is spelled out.
const TE: &[u8] = b"\x00\x02te";

/// The header block of a call. The first one of a connection says that no table is used.
pub(super) fn block(method: Method, authority: &str, is_first: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 + authority.len());
    if is_first {
        out.push(NO_TABLE);
    }
    out.extend_from_slice(&METHOD_AND_SCHEME);
    for (name, value) in [
        (PATH, method.path()),
        (AUTHORITY, authority),
        (CONTENT_TYPE, "application/grpc"),
        (TE, "trailers"),
        (USER_AGENT, concat!("nacos-core/", env!("CARGO_PKG_VERSION"))),
    ] {
        out.extend_from_slice(name);
        string(value, &mut out);
    }
    out
}

/// A text without Huffman coding: its length with a 7-bit prefix (RFC 7541 sections 5.1 and 5.2), and itself.
fn string(text: &str, out: &mut Vec<u8>) {
    match text.len().checked_sub(0x7f) {
        None => out.push(text.len() as u8),
        Some(mut rest) => {
            out.push(0x7f);
            while rest >= 0x80 {
                out.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            out.push(rest as u8);
        }
    }
    out.extend_from_slice(text.as_bytes());
}
