//! Any bytes in any pieces: the same events for the same bytes, no panic, no buffer beyond its limit.

use super::client::Client;
use super::raw::{frame, opening};
use super::{STREAM, UNARY, echo};
use crate::grpc::frame::{HEAD_BYTES, PAYLOAD_BYTES_MAX};
use crate::grpc::{Grpc, GrpcEvent};
use proptest::prelude::*;
use std::sync::LazyLock;

/// What a real client sent in a conversation with streams, large and small messages, resets and pings.
static CONVERSATION: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut client = Client::new();
    let stream = client.open(STREAM);
    client.send(stream, b"set-up", false);
    for round in 0..4 {
        let calls: Vec<_> = (0..3).map(|n| client.call(UNARY, &vec![n; 1 << (round * 5)])).collect();
        client.send(stream, &[round; 300], false);
        client.call("/unknown", b"x");
        client.run(echo);
        client.reset(calls[0]);
    }
    client.send(stream, b"last", true);
    client.run(echo);
    client.recorded
});

/// Feeds the pieces, answers everything, and checks the engine's books after each.
fn serve<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<GrpcEvent> {
    let mut server = Grpc::new();
    let mut seen = Vec::new();
    for piece in pieces {
        server.feed(piece);
        let mut events = Vec::new();
        server.poll(&mut events);
        events.iter().for_each(|event| echo(&mut server, event));
        seen.append(&mut events);
        server.output().clear();
        assert!(server.input.len() < HEAD_BYTES + PAYLOAD_BYTES_MAX);
        assert_eq!(server.queued_bytes, server.calls.values().map(|call| call.queued_bytes()).sum::<usize>());
        assert_eq!(server.partial_bytes, server.calls.values().map(|call| call.reader.partial_bytes()).sum::<usize>());
        assert!(server.decoder.table_bytes() <= 4096);
    }
    seen
}

fn split<'a>(bytes: &'a [u8], cuts: &'a [prop::sample::Index]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    let pairs: Vec<_> = at.windows(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.into_iter().map(|(start, end)| &bytes[start..end])
}

#[test]
fn conversation_byte_by_byte_gives_the_same_events() {
    let whole = serve(std::iter::once(CONVERSATION.as_slice()));
    assert!(whole.len() >= 4 * 4 + 2, "{}", whole.len());
    assert_eq!(serve(CONVERSATION.chunks(1)), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn conversation_in_any_pieces_gives_the_same_events(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let whole = serve(std::iter::once(CONVERSATION.as_slice()));
        prop_assert_eq!(serve(split(&CONVERSATION, &cuts)), whole);
    }

    #[test]
    fn conversation_damaged_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        len in any::<prop::sample::Index>(),
    ) {
        let mut damaged = CONVERSATION.clone();
        // Most of the bytes are message bodies; the interesting ones are in front.
        for (at, byte) in changes {
            let at = at.index(damaged.len().min(2000)).max(24);
            damaged[at] = byte;
        }
        damaged.truncate(24 + len.index(damaged.len()));
        serve(split(&damaged, &cuts));
    }

    #[test]
    fn frames_of_random_content_never_panic(
        frames in prop::collection::vec(
            (0u8..11, any::<u8>(), 0u32..12, prop::collection::vec(any::<u8>(), 0..40)), 0..60),
    ) {
        let mut input = opening();
        for (kind, flags, stream, payload) in frames {
            input.extend(frame(kind, flags, stream, &payload));
        }
        serve(std::iter::once(input.as_slice()));
    }

    #[test]
    fn calls_with_random_frames_between_never_panic(
        frames in prop::collection::vec((any::<bool>(), 0usize..9, 0u32..9, 0u32..100_000), 0..80),
    ) {
        let mut input = opening();
        for (is_stream, choice, n, value) in frames {
            let id = n * 2 + 1;
            let payload = value.to_be_bytes();
            match choice {
                0 | 1 if is_stream => input.extend(super::raw::stream(id)),
                0 | 1 => input.extend(super::raw::unary(id)),
                2 => input.extend(frame(3, 0, id, &payload)),
                3 => input.extend(frame(8, 0, id, &payload)),
                4 => input.extend(frame(8, 0, 0, &payload)),
                5 => input.extend(super::raw::setting(4, value / 10_000)),
                6 => input.extend(super::raw::setting(1, value)),
                7 => input.extend(frame(0, u8::from(is_stream), id, b"\0\0\0\0\x02ab\0\0\0\0\x03")),
                _ => input.extend(frame(0, u8::from(is_stream), id, b"cde")),
            }
        }
        serve(input.chunks(100));
    }

    #[test]
    fn header_blocks_of_random_bytes_never_panic(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20),
    ) {
        let mut decoder = crate::grpc::hpack::Decoder::new();
        for block in blocks {
            let _ = decoder.decode(&block);
            prop_assert!(decoder.table_bytes() <= 4096);
        }
    }
}
