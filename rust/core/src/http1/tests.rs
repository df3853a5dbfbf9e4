//! Every framing rule, limit and refusal; then any bytes in any pieces.

use super::*;

use proptest::prelude::*;

/// Feeds everything at once, answers each request with its own body, and tells what was seen.
fn serve(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>, bool) {
    let mut connection = Http1::new();
    let mut seen = Vec::new();
    let mut out = Vec::new();
    for piece in pieces {
        connection.feed(piece);
        loop {
            match connection.poll(&mut out) {
                Step::NeedMore => break,
                Step::Ready => {
                    let request = connection.request();
                    let headers: Vec<_> =
                        request.headers().map(|(name, value)| format!("{name}={}", value.escape_ascii())).collect();
                    seen.push(format!(
                        "{} {} ?{} [{}] {}",
                        request.method,
                        request.path,
                        request.query,
                        headers.join(","),
                        request.body.escape_ascii()
                    ));
                    let body = request.body.to_vec();
                    connection.respond(&mut out, 200, &[], &body);
                }
                Step::Refused(refusal) => {
                    seen.push(format!("refused {}", refusal.status));
                    break;
                }
            }
        }
    }
    (seen, out, connection.wants_close())
}

fn seen(input: &[u8]) -> Vec<String> {
    serve(&[input]).0
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn request_plain_is_seen_and_answered() {
    let (seen, out, close) = serve(&[b"GET /a/b?x=1&y HTTP/1.1\r\nHost: h\r\nX-A:  v w \t\r\n\r\n"]);
    assert_eq!(seen, ["GET /a/b ?x=1&y [Host=h,X-A=v w] "]);
    assert_eq!(text(&out), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(!close);
}

#[test]
fn request_with_length_keeps_the_next_one_apart() {
    let input = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /q HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(seen(input), ["POST /p ? [Host=h,Content-Length=3] abc", "GET /q ? [Host=h] "]);
}

#[test]
fn request_chunked_is_joined_and_trailers_dropped() {
    let input = b"PUT /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(seen(input), ["PUT /p ? [Host=h,Transfer-Encoding=Chunked] abc0123456789", "GET / ? [Host=h] "]);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        serve(&pieces);
    }
}
