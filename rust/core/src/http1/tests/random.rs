//! Any bytes in any pieces: the same requests for the same bytes, no panic, no buffer beyond its limit.

use super::serve;
use proptest::prelude::*;

/// A request as clients make them, with a body of either framing.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..300);
    ("[A-Z]{1,7}", "/[a-z%?=&]{0,40}", "[ -~]{0,30}", body, 0usize..4).prop_map(
        |(method, target, value, body, framing)| {
            let mut out = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nX-Value: {value}\r\n").into_bytes();
            match framing {
                0 => out.extend_from_slice(b"\r\n"),
                1 => {
                    out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                    out.extend_from_slice(&body);
                }
                pieces => {
                    out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                    for piece in body.chunks(body.len() / pieces + 1) {
                        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                        out.extend_from_slice(piece);
                        out.extend_from_slice(b"\r\n");
                    }
                    out.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
                }
            }
            out
        },
    )
}

fn split<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn requests_in_any_pieces_are_the_same(
        requests in prop::collection::vec(any_request(), 1..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let input = requests.concat();
        let (seen, out, _) = serve([&input[..]]);
        prop_assert_eq!(seen.len(), requests.len());
        let pieces = serve(split(&input, &cuts));
        prop_assert_eq!((&pieces.0, &pieces.1), (&seen, &out));
        prop_assert_eq!(serve(input.chunks(1)).0, seen);
    }

    #[test]
    fn requests_damaged_never_panic_and_are_the_same_in_pieces(
        requests in prop::collection::vec(any_request(), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"\r\n :;,0\0\xff"[..])), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        len in any::<prop::sample::Index>(),
    ) {
        let mut input = requests.concat();
        for (at, byte) in changes {
            let at = at.index(input.len());
            input[at] = byte;
        }
        input.truncate(len.index(input.len() + 1));
        let whole = serve([&input[..]]);
        let pieces = serve(split(&input, &cuts));
        prop_assert_eq!((pieces.0, pieces.1), (whole.0, whole.1));
        prop_assert!(whole.2.buffered() <= input.len());
    }

    #[test]
    fn random_bytes_never_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        serve(pieces.iter().map(Vec::as_slice));
    }
}
