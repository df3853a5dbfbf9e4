//! Every framing rule, limit and refusal; then any bytes in any pieces.

mod params;
mod random;

use super::*;
use crate::limits::{CHUNK_LINE_BYTES_MAX, HEADERS_COUNT_MAX, HEADERS_IDLE_COUNT_MAX};

/// Feeds the pieces, answers each request with its own body, and tells what was seen.
fn serve<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Vec<u8>, Http1) {
    let mut connection = Http1::new();
    let (mut seen, mut out) = (Vec::new(), Vec::new());
    for piece in pieces {
        connection.feed(piece);
        loop {
            match connection.poll(&mut out) {
                Step::NeedMore => break,
                Step::Ready => {
                    seen.push(describe(&connection.request()));
                    let body = connection.request().body.to_vec();
                    connection.respond(&mut out, 200, &[], &body);
                }
                Step::Refused(refusal) => {
                    seen.push(format!("refused {}", refusal.status));
                    break;
                }
            }
        }
    }
    (seen, out, connection)
}

fn describe(request: &Request<'_>) -> String {
    let headers: Vec<_> = request.headers().map(|(name, value)| format!("{name}={}", value.escape_ascii())).collect();
    let body = request.body.escape_ascii();
    format!("{} {} ?{} [{}] {body}", request.method, request.path, request.query, headers.join(","))
}

fn seen(input: &[u8]) -> Vec<String> {
    serve([input]).0
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A request head with the given lines behind `Host`, and what follows it.
fn request(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /p HTTP/1.1\r\nHost: h\r\n{lines}\r\n{body}").into_bytes()
}

#[test]
fn request_plain_is_seen_and_answered() {
    let (seen, out, connection) = serve([&b"GET /a/b?x=1&y HTTP/1.1\r\nHost: h\r\nX-A:  v w \t\r\nX-B:\r\n\r\n"[..]]);
    assert_eq!(seen, ["GET /a/b ?x=1&y [Host=h,X-A=v w,X-B=] "]);
    assert_eq!(text(&out), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(!connection.wants_close());
}

#[test]
fn request_headers_are_found_without_case_and_first_of_all() {
    let mut connection = Http1::new();
    connection.feed(b"GET / HTTP/1.1\r\nHost: h\r\nTag: one\r\ntag: two\r\nLatin: \xe9\r\n\r\n");
    assert_eq!(connection.poll(&mut Vec::new()), Step::Ready);
    let request = connection.request();
    assert_eq!((request.header("TAG"), request.header("none"), request.header("latin")), (Some("one"), None, None));
    assert_eq!(request.headers().last(), Some(("Latin", &b"\xe9"[..])));
}

#[test]
fn request_with_length_keeps_the_next_one_apart() {
    let input = [request("Content-Length: 3\r\n", "abc"), b"GET /q HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()].concat();
    assert_eq!(seen(&input), ["POST /p ? [Host=h,Content-Length=3] abc", "GET /q ? [Host=h] "]);
}

#[test]
fn request_pipelined_waits_for_the_answer_before() {
    let mut connection = Http1::new();
    let mut out = Vec::new();
    connection.feed(&b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"[..]);
    assert_eq!(connection.poll(&mut out), Step::Ready);
    assert_eq!(connection.poll(&mut out), Step::Ready);
    assert_eq!(connection.request().path, "/1");
    connection.respond(&mut out, 200, &[], b"");
    assert_eq!(connection.request().path, "");
    assert_eq!(connection.poll(&mut out), Step::Ready);
    assert_eq!(connection.request().path, "/2");
    connection.respond(&mut out, 200, &[], b"");
    assert_eq!((connection.poll(&mut out), connection.buffered()), (Step::NeedMore, 0));
}

#[test]
fn a_connection_to_be_closed_waits_for_the_body_and_the_answer() {
    let head = b"POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\n";
    let mut connection = Http1::new();
    connection.feed(head);
    assert_eq!(connection.poll(&mut Vec::new()), Step::NeedMore);
    assert!(!connection.wants_close());
    connection.feed(b"abc");
    assert_eq!(connection.poll(&mut Vec::new()), Step::Ready);
    assert!(!connection.wants_close());
    connection.respond(&mut Vec::new(), 200, &[], b"");
    assert!(connection.wants_close());
}

#[test]
fn request_chunked_is_joined_and_trailers_dropped() {
    let body = "3;a=b\r\nabc\r\n00A\r\n0123456789\r\n1 ;x\r\nz\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let input = request("Transfer-Encoding: Chunked\r\n", body);
    let expected = ["POST /p ? [Host=h,Transfer-Encoding=Chunked] abc0123456789z", "GET / ? [Host=h] "];
    assert_eq!(seen(&input), expected);
    assert_eq!(serve(input.chunks(1)).0, expected);
}

#[test]
fn request_chunked_in_single_bytes_takes_no_more_memory_than_its_body() {
    let mut connection = Http1::new();
    connection.feed(&request("Transfer-Encoding: chunked\r\n", ""));
    for _ in 0..10_000 {
        assert_eq!(connection.poll(&mut Vec::new()), Step::NeedMore);
        connection.feed(b"1\r\nx\r\n");
    }
    assert_eq!(connection.poll(&mut Vec::new()), Step::NeedMore);
    assert!(connection.buffered() < 10_000 + 100, "{}", connection.buffered());
}

#[test]
fn request_targets_are_split_and_their_authority_dropped() {
    let cases = [
        ("/", "/ ?"),
        ("/?", "/ ?"),
        ("/a?b?c", "/a ?b?c"),
        ("*", "* ?"),
        ("http://h:1/a?b", "/a ?b"),
        ("HTTPS://h?b", "/ ?b"),
        ("http://h", "/ ?"),
        ("/\u{e4}?\u{e4}", "/\u{e4} ?\u{e4}"),
    ];
    for (target, split) in cases {
        let input = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(seen(input.as_bytes()), [format!("GET {split} [Host=h] ")], "{target}");
    }
}

#[test]
fn request_after_empty_lines_is_seen() {
    assert_eq!(seen(b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), ["GET / ? [Host=h] "]);
}

#[test]
fn connection_stays_or_closes_as_asked() {
    let cases = [
        ("1.1", "", "", false),
        ("1.1", "Connection: Keep-Alive\r\n", "", false),
        ("1.1", "Connection: x, Close\r\n", "Connection: close\r\n", true),
        ("1.0", "", "Connection: close\r\n", true),
        ("1.0", "Connection: keep-alive\r\n", "Connection: keep-alive\r\n", false),
    ];
    for (version, line, answered, closes) in cases {
        let input = format!("GET / HTTP/{version}\r\nHost: h\r\n{line}\r\n");
        let (_, out, mut connection) = serve([input.as_bytes()]);
        assert_eq!(text(&out), format!("HTTP/1.1 200 OK\r\n{answered}Content-Length: 0\r\n\r\n"));
        assert_eq!(connection.wants_close(), closes);
        connection.feed(b"more");
        assert_eq!(connection.buffered() == 0, closes);
    }
}

#[test]
fn expectation_is_answered_once_and_only_while_the_body_is_awaited() {
    let head = request("Content-Length: 2\r\nExpect: 100-Continue\r\n", "");
    let (seen, out, _) = serve([&head[..], b"o", b"k"]);
    assert_eq!(seen.len(), 1);
    assert_eq!(text(&out), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let (_, out, _) = serve([&[&head[..], b"ok"].concat()[..]]);
    assert!(text(&out).starts_with("HTTP/1.1 200"), "{}", text(&out));
    let (_, out, _) = serve([&request("Expect: 100-continue\r\n", "")[..]]);
    assert!(text(&out).starts_with("HTTP/1.1 200"), "{}", text(&out));
}

#[test]
fn answers_without_a_body_have_none() {
    let answer = |method: &str, status| {
        let mut connection = Http1::new();
        let mut out = Vec::new();
        connection.feed(format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!(connection.poll(&mut out), Step::Ready);
        connection.respond(&mut out, status, &[("A", "b")], b"body");
        String::from_utf8(out).unwrap()
    };
    assert_eq!(answer("GET", 404), "HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(answer("HEAD", 200), "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(answer("GET", 204), "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n");
    assert_eq!(answer("GET", 304), "HTTP/1.1 304 Not Modified\r\nA: b\r\n\r\n");
}

#[test]
fn answer_prepared_is_written_in_pieces() {
    let mut connection = Http1::new();
    let mut out = Vec::new();
    for (head, written) in
        [("HTTP/1.1 200 OK\r\nA: b\r\n", "Content-Length: 4\r\n\r\nbody"), ("HTTP/1.1 304 -\r\n", "\r\n")]
    {
        out.clear();
        connection.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(connection.poll(&mut out), Step::Ready);
        connection.respond_raw(&mut out, head.as_bytes(), &[b"bo", b"", b"dy"]);
        assert_eq!(text(&out), format!("{head}{written}"));
    }
}

#[test]
fn answer_header_cannot_begin_another_one() {
    let mut connection = Http1::new();
    let mut out = Vec::new();
    connection.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(connection.poll(&mut out), Step::Ready);
    connection.respond(&mut out, 200, &[("A", "b\r\nSet-Cookie: c\0\u{e4}")], b"");
    assert_eq!(text(&out), "HTTP/1.1 200 OK\r\nA: b  Set-Cookie: c \u{e4}\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn requests_against_the_rules_are_refused_and_the_connection_closes() {
    let line = |line: &str| request(line, "");
    let chunked = |body: &str| request("Transfer-Encoding: chunked\r\n", body);
    let cases = [
        (b"GET / HTTP/1.1\nHost: h\n\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: h\n".to_vec(), 400),
        (b"\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400),
        (b"GET  / HTTP/1.1\r\n".to_vec(), 400),
        (b"GET /\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1 \r\n".to_vec(), 400),
        (b"GET / http/1.1\r\n".to_vec(), 400),
        (b"G(T / HTTP/1.1\r\n".to_vec(), 400),
        (b"GET a HTTP/1.1\r\n".to_vec(), 400),
        (b"GET ftp://h/ HTTP/1.1\r\n".to_vec(), 400),
        (b"GET /\x7f HTTP/1.1\r\n".to_vec(), 400),
        (b"GET /\xff HTTP/1.1\r\n".to_vec(), 400),
        (b"GET / HTTP/2.0\r\n".to_vec(), 505),
        (b"GET / HTTP/0.9\r\n".to_vec(), 505),
        (line("Host: again\r\n"), 400),
        (line("No colon\r\n"), 400),
        (line(": no name\r\n"), 400),
        (line("Space : x\r\n"), 400),
        (line(" folded\r\n"), 400),
        (line("A: b\r\n\tfolded\r\n"), 400),
        (line("A: b\rc\r\n"), 400),
        (line("A: b\0\r\n"), 400),
        (line("Content-Length: \r\n"), 400),
        (line("Content-Length: +1\r\n"), 400),
        (line("Content-Length: 1, 1\r\n"), 400),
        (line("Content-Length: 1\r\nContent-Length: 2\r\n"), 400),
        (line("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400),
        (line("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), 400),
        (line("Transfer-Encoding: gzip, chunked\r\n"), 501),
        (line("Expect: tea\r\n"), 417),
        (line(&format!("Content-Length: {}\r\n", BODY_BYTES_MAX + 1)), 413),
        (line("Content-Length: 99999999999999999999999999\r\n"), 413),
        (chunked("x\r\n"), 400),
        (chunked("\r\n"), 400),
        (chunked("-1\r\n"), 400),
        (chunked("1\n"), 400),
        (chunked("1 x\r\n"), 400),
        (chunked("1;\0\r\n"), 400),
        (chunked("1\r\nabc"), 400),
        (chunked("1\r\na\rc"), 400),
        (chunked("0\r\nbad trailer\r\n"), 400),
        (chunked("0\r\nA: \0\r\n"), 400),
        (chunked(&format!("{:x}\r\n", BODY_BYTES_MAX + 1)), 413),
        (chunked("fffffffffffffffff\r\n"), 413),
        (chunked(&format!("1;{}", "x".repeat(CHUNK_LINE_BYTES_MAX))), 431),
        (chunked(&format!("0\r\n{}", "A: b\r\n".repeat(HEAD_BYTES_MAX / 4))), 431),
        (vec![b'x'; HEAD_BYTES_MAX + 1], 414),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(HEAD_BYTES_MAX)).into_bytes(), 414),
        (line(&format!("A: {}", "x".repeat(HEAD_BYTES_MAX))), 431),
        (line(&"A: b\r\n".repeat(HEADERS_COUNT_MAX)), 431),
    ];
    for (input, status) in cases {
        let shown = String::from_utf8_lossy(&input[..input.len().min(100)]).into_owned();
        let (seen, out, mut connection) = serve([&input[..]]);
        assert_eq!(seen, [format!("refused {status}")], "{shown:?}");
        let answer = text(&out);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains("\r\nConnection: close\r\n"));
        assert!(connection.wants_close() && connection.buffered() == 0);
        connection.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(connection.poll(&mut Vec::new()), Step::NeedMore, "{shown:?}");
    }
}

#[test]
fn requests_at_the_limits_are_taken() {
    let long = format!("A: {}\r\n", "x".repeat(HEAD_BYTES_MAX - 100));
    for input in [
        request(&"A: b\r\n".repeat(HEADERS_COUNT_MAX - 1), ""),
        request(&long, ""),
        request("Content-Length: 2\r\nContent-Length: 2\r\n", "ok"),
        request(&format!("Content-Length: {BODY_BYTES_MAX}\r\n"), &"x".repeat(BODY_BYTES_MAX)),
        request(
            "Transfer-Encoding: chunked\r\n",
            &format!("1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(CHUNK_LINE_BYTES_MAX - 2)),
        ),
    ] {
        let (seen, _, connection) = serve(input.chunks(65_536));
        assert!(seen.len() == 1 && !seen[0].starts_with("refused") && !connection.wants_close());
    }
}

#[test]
fn body_chunked_beyond_the_limit_is_refused_by_its_sum() {
    let mut connection = Http1::new();
    connection.feed(&request("Transfer-Encoding: chunked\r\n", ""));
    let chunk = [b"100000\r\n", &[b'x'; 1 << 20][..], b"\r\n"].concat();
    for _ in 0..BODY_BYTES_MAX >> 20 {
        connection.feed(&chunk);
        assert_eq!(connection.poll(&mut Vec::new()), Step::NeedMore);
    }
    connection.feed(b"1\r\n");
    assert!(matches!(connection.poll(&mut Vec::new()), Step::Refused(Refusal { status: 413, .. })));
}

#[test]
fn input_without_end_behind_an_unanswered_request_is_dropped() {
    let mut connection = Http1::new();
    let mut out = Vec::new();
    connection.feed(&request("", ""));
    assert_eq!(connection.poll(&mut out), Step::Ready);
    let most = HEAD_BYTES_MAX + BODY_BYTES_MAX + READ_AHEAD_BYTES_MAX;
    for _ in 0..most / (1 << 20) + 2 {
        connection.feed(&[b'x'; 1 << 20]);
        assert!(connection.buffered() <= most);
    }
    connection.respond(&mut out, 200, &[], b"");
    assert!(text(&out).contains("Connection: close") && connection.wants_close());
    assert_eq!(connection.buffered(), 0);
}

#[test]
fn connection_idle_keeps_little_memory() {
    let many = "A: b\r\n".repeat(HEADERS_COUNT_MAX - 2);
    let large = request(&format!("{many}Content-Length: 1000000\r\n"), &"x".repeat(1_000_000));
    let small = request("", "").repeat(1000);
    for input in [large, small] {
        let (_, _, connection) = serve([&input[..]]);
        assert_eq!(connection.buffered(), 0);
        assert!(connection.input.capacity() <= INPUT_IDLE_BYTES_MAX, "{}", connection.input.capacity());
        assert!(connection.head.headers.capacity() <= HEADERS_IDLE_COUNT_MAX);
    }
}

#[test]
fn request_that_takes_its_time_is_known_as_partial_and_can_be_refused() {
    let mut connection = Http1::new();
    let mut out = Vec::new();
    assert!(!connection.is_partial());
    for piece in [&b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"[..], b"\r\n", b"a"] {
        connection.feed(piece);
        assert_eq!(connection.poll(&mut out), Step::NeedMore);
        assert!(connection.is_partial() && !connection.is_ready());
    }
    connection.refuse(&mut out, Refusal { status: 408, message: "too slow" });
    assert_eq!(
        text(&out),
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain;charset=UTF-8\r\nConnection: close\r\n\
         Content-Length: 8\r\n\r\ntoo slow"
    );
    assert!(connection.wants_close() && !connection.is_partial());
}
