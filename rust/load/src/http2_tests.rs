use super::*;
use proptest::prelude::*;

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame_head(content.len(), kind, flags, stream, &mut out);
    out.extend_from_slice(content);
    out
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    [id.to_be_bytes().as_slice(), &value.to_be_bytes()].concat()
}

/// Owned events, to compare.
fn fed(http2: &mut Http2, pieces: &[&[u8]]) -> Result<Vec<String>, Http2Error> {
    let mut events = Vec::new();
    for piece in pieces {
        http2.feed(piece, &mut |event| events.push(format!("{event:?}")))?;
    }
    Ok(events)
}

fn connected() -> Http2 {
    let mut http2 = Http2::new("127.0.0.1:9848");
    http2.out.clear();
    http2
}

fn answer() -> Vec<u8> {
    let mut padded = vec![2];
    padded.extend_from_slice(b"hello\0\0");
    [
        frame(SETTINGS, 0, 0, &setting(3, 100)),
        frame(HEADERS, END_HEADERS, 5, b"\x88"),
        frame(DATA, PADDED, 5, &padded),
        frame(PING, 0, 0, b"12345678"),
        frame(0x77, 0, 0, b"unknown"),
        frame(HEADERS, END_HEADERS | END_STREAM, 5, b"\x88"),
        frame(RST_STREAM, 0, 7, &8u32.to_be_bytes()),
    ]
    .concat()
}

#[test]
fn the_preface_opens_the_windows() {
    let http2 = Http2::new("a:1");
    assert!(
        http2
            .out
            .starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x0c\x04\0\0\0\0\0\0\x02\0\0\0\0\0\x04\x7f\xff\xff\xff")
    );
    assert!(http2.out.ends_with(b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0"));
}

#[test]
fn frames_become_events_and_the_rest_is_answered() {
    let mut http2 = connected();
    let events = fed(&mut http2, &[&answer()]).expect("valid");
    let data = Event::Data { stream: 5, bytes: b"hello", end: false };
    let expected = [
        Event::Head { stream: 5, end: false },
        data,
        Event::Head { stream: 5, end: true },
        Event::Reset { stream: 7, code: 8 },
    ];
    assert_eq!(events, expected.map(|event| format!("{event:?}")));
    assert_eq!(http2.out, [frame(SETTINGS, ACK, 0, b""), frame(PING, ACK, 0, b"12345678")].concat());
    assert!(http2.settled);
    assert_eq!(http2.streams_count_max(), 100);
}

#[test]
fn answers_to_our_own_ping_and_settings_get_no_answer() {
    let mut http2 = connected();
    let bytes = [frame(SETTINGS, ACK, 0, b""), frame(PING, ACK, 0, b"12345678")].concat();
    assert_eq!(fed(&mut http2, &[&bytes]), Ok(vec![]));
    assert!(http2.out.is_empty());
    assert!(!http2.settled);
}

#[test]
fn the_server_ends_or_breaks_the_connection() {
    let goaway = frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11]);
    assert_eq!(fed(&mut connected(), &[&goaway]), Err(Http2Error::GoAway(11)));
    assert_eq!(fed(&mut connected(), &[&[0, 0x40, 1, 0, 0, 0, 0, 0, 1]]), Err(Http2Error::FrameTooLong(16_385)));
    assert_eq!(fed(&mut connected(), &[&frame(WINDOW_UPDATE, 0, 0, b"abc")]), Err(Http2Error::Broken(WINDOW_UPDATE)));
    assert_eq!(fed(&mut connected(), &[&frame(DATA, PADDED, 1, &[9, 1])]), Err(Http2Error::Broken(DATA)));
    assert_eq!(fed(&mut connected(), &[&frame(SETTINGS, 0, 0, b"12345")]), Err(Http2Error::Broken(SETTINGS)));
}

#[test]
fn a_call_is_two_frames_and_later_ones_use_the_header_table() {
    let mut http2 = connected();
    let message = Template::new("message");
    assert_eq!(http2.unary(&message, 0, 0), Ok(1));
    let first = std::mem::take(&mut http2.out);
    assert_eq!(http2.unary(&message, 1, 0), Ok(3));
    let second = [
        frame(HEADERS, END_HEADERS, 3, &[0x83, 0x86, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe]),
        frame(DATA, END_STREAM, 3, b"message"),
    ]
    .concat();
    assert_eq!(http2.out, second);
    assert!(first.len() > second.len() + 50);
}

#[test]
fn a_server_without_header_table_gets_literals() {
    let mut http2 = connected();
    fed(&mut http2, &[&frame(SETTINGS, 0, 0, &setting(1, 0))]).expect("valid");
    http2.out.clear();
    http2.unary(&Template::new("m"), 0, 0).expect("short");
    assert_eq!(http2.out[FRAME_HEAD_BYTES], 0x20);
    http2.out.clear();
    http2.unary(&Template::new("m"), 0, 0).expect("short");
    let head = &http2.out[FRAME_HEAD_BYTES..];
    assert!(head.starts_with(b"\x83\x86\x04\x10/Request/request\x01\x0e127.0.0.1:9848\x0f\x10\x10application/grpc"));
}

#[test]
fn flow_control_holds_messages_back() {
    let mut http2 = connected();
    let message = Template::new(&"x".repeat(16_000));
    for _ in 0..4 {
        assert!(http2.may_send(message.len()));
        http2.unary(&message, 0, 0).expect("fits a frame");
    }
    assert!(!http2.may_send(message.len()));
    fed(&mut http2, &[&frame(WINDOW_UPDATE, 0, 0, &16_000u32.to_be_bytes())]).expect("valid");
    assert!(http2.may_send(message.len()));
    assert_eq!(http2.unary(&Template::new(&"x".repeat(16_385)), 0, 0), Err(Http2Error::MessageTooLong(16_385)));
}

#[test]
fn the_long_stream_has_its_own_window() {
    let mut http2 = connected();
    fed(&mut http2, &[&frame(SETTINGS, 0, 0, &setting(4, 10))]).expect("valid");
    let stream = http2.open_long_stream();
    let message = Template::new("sixbyt");
    assert_eq!(http2.send_long(&message), Ok(true));
    assert_eq!(http2.send_long(&message), Ok(false));
    fed(&mut http2, &[&frame(WINDOW_UPDATE, 0, stream, &2u32.to_be_bytes())]).expect("valid");
    assert_eq!(http2.send_long(&message), Ok(true));
}

#[test]
fn a_used_window_is_renewed() {
    let mut http2 = connected();
    let data = frame(DATA, 0, 1, &vec![0; FRAME_BYTES_MAX]);
    for _ in 0..WINDOW_RENEWAL_BYTES as usize / FRAME_BYTES_MAX {
        fed(&mut http2, &[&data]).expect("valid");
    }
    assert!(http2.out.is_empty());
    fed(&mut http2, &[&data]).expect("valid");
    let renewed = WINDOW_RENEWAL_BYTES + FRAME_BYTES_MAX as u32;
    assert_eq!(http2.out, frame(WINDOW_UPDATE, 0, 0, &renewed.to_be_bytes()));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(cuts in proptest::collection::vec(0usize..110, 0..6)) {
        let bytes = answer();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts {
            pieces.push(&bytes[start..cut]);
            start = cut;
        }
        pieces.push(&bytes[start..]);
        prop_assert_eq!(fed(&mut connected(), &pieces), fed(&mut connected(), &[&bytes]));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = fed(&mut connected(), &[&bytes]);
    }
}
