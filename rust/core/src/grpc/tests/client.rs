//! A client of the `h2` crate, polled by hand over memory.

use crate::grpc::{Grpc, GrpcEvent};
use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::Request;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Debug, Default)]
struct Wires {
    to_client: VecDeque<u8>,
    to_server: Vec<u8>,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Wires>>);

impl AsyncRead for Memory {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let waiting = &mut self.0.lock().unwrap().to_client;
        if waiting.is_empty() {
            return Poll::Pending;
        }
        let (front, _) = waiting.as_slices();
        let len = front.len().min(buffer.remaining());
        buffer.put_slice(&front[..len]);
        waiting.drain(..len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().to_server.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// How a call ended, as the client saw it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) http_status: u16,
    pub(super) grpc_status: Option<u8>,
    pub(super) grpc_message: Option<String>,
    /// All messages without their prefixes, one after another.
    pub(super) messages: Vec<u8>,
}

struct Exchange {
    send: SendStream<Bytes>,
    /// Bytes that wait for window, and whether they end the client's side.
    unsent: (Bytes, bool),
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    raw: Vec<u8>,
    outcome: Outcome,
    is_done: bool,
}

/// The client and the server that it talks to.
pub(super) struct Client {
    pub(super) server: Grpc,
    memory: Memory,
    connection: Connection<Memory, Bytes>,
    requests: SendRequest<Bytes>,
    exchanges: Vec<Exchange>,
    /// The largest piece that the server is fed at once.
    pub(super) piece_bytes: usize,
    /// Everything that the server was fed.
    pub(super) recorded: Vec<u8>,
}

fn now<T>(poll: Poll<T>) -> T {
    match poll {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("pending"),
    }
}

fn message_of(text: &[u8]) -> Bytes {
    let mut framed = vec![0];
    framed.extend_from_slice(&(text.len() as u32).to_be_bytes());
    framed.extend_from_slice(text);
    Bytes::from(framed)
}

impl Client {
    pub(super) fn new() -> Self {
        Self::with(h2::client::Builder::new())
    }

    pub(super) fn with(mut builder: h2::client::Builder) -> Self {
        let memory = Memory::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut handshake = Box::pin(builder.initial_max_send_streams(10_000).handshake(memory.clone()));
        let (requests, connection) = now(handshake.as_mut().poll(&mut context)).unwrap();
        Self {
            server: Grpc::new(),
            memory,
            connection,
            requests,
            exchanges: Vec::new(),
            piece_bytes: 1 << 20,
            recorded: Vec::new(),
        }
    }

    pub(super) fn request(&mut self, method: &str, path: &str, content_type: &str) -> usize {
        self.request_with(method, path, content_type, &[])
    }

    pub(super) fn request_with(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        headers: &[(String, String)],
    ) -> usize {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:9848{path}"))
            .header("content-type", content_type)
            .header("te", "trailers")
            .header("user-agent", "grpc-test/1.0 (a name that the table keeps)");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let (response, send) = self.requests.send_request(request.body(()).unwrap(), false).unwrap();
        self.exchanges.push(Exchange {
            send,
            unsent: (Bytes::new(), false),
            response: Some(response),
            body: None,
            raw: Vec::new(),
            outcome: Outcome::default(),
            is_done: false,
        });
        self.exchanges.len() - 1
    }

    pub(super) fn open(&mut self, path: &str) -> usize {
        self.request("POST", path, "application/grpc")
    }

    /// A whole unary call.
    pub(super) fn call(&mut self, path: &str, message: &[u8]) -> usize {
        let call = self.open(path);
        self.send(call, message, true);
        call
    }

    pub(super) fn send(&mut self, call: usize, message: &[u8], is_last: bool) {
        self.send_raw(call, &message_of(message), is_last);
    }

    pub(super) fn send_raw(&mut self, call: usize, bytes: &[u8], is_last: bool) {
        let exchange = &mut self.exchanges[call];
        exchange.unsent = ([&exchange.unsent.0, bytes].concat().into(), is_last);
        exchange.send.reserve_capacity(exchange.unsent.0.len());
        exchange.pump();
    }

    pub(super) fn reset(&mut self, call: usize) {
        self.exchanges[call].send.send_reset(Reason::CANCEL);
    }

    /// Moves bytes both ways until neither side has any left.
    pub(super) fn run(&mut self, mut on_event: impl FnMut(&mut Grpc, &GrpcEvent)) {
        let mut context = Context::from_waker(Waker::noop());
        let mut events = Vec::new();
        loop {
            let _ = Pin::new(&mut self.connection).poll(&mut context);
            self.exchanges.iter_mut().for_each(Exchange::progress);
            let _ = Pin::new(&mut self.connection).poll(&mut context);
            let sent = std::mem::take(&mut self.memory.0.lock().unwrap().to_server);
            self.recorded.extend_from_slice(&sent);
            for piece in sent.chunks(self.piece_bytes) {
                self.server.feed(piece);
                self.server.poll(&mut events);
                for event in events.drain(..) {
                    on_event(&mut self.server, &event);
                }
            }
            self.server.poll(&mut events);
            for event in events.drain(..) {
                on_event(&mut self.server, &event);
            }
            let written = self.server.output().len();
            self.memory.0.lock().unwrap().to_client.extend(self.server.output().iter());
            self.server.wrote(written);
            if sent.is_empty() && written == 0 {
                return;
            }
        }
    }

    /// What has arrived on a stream so far.
    pub(super) fn received(&self, call: usize) -> Vec<u8> {
        unframed(&self.exchanges[call].raw)
    }

    /// 0 until the headers of the answer are there.
    pub(super) fn http_status(&self, call: usize) -> u16 {
        self.exchanges[call].outcome.http_status
    }

    pub(super) fn outcome(&mut self, call: usize) -> Outcome {
        let exchange = &mut self.exchanges[call];
        assert!(exchange.is_done, "call {call} has not ended");
        let messages = unframed(&exchange.raw);
        Outcome { messages, ..std::mem::take(&mut exchange.outcome) }
    }
}

fn unframed(mut raw: &[u8]) -> Vec<u8> {
    let mut messages = Vec::new();
    while let [0, a, b, c, d, rest @ ..] = raw {
        let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        messages.extend_from_slice(&rest[..len]);
        raw = &rest[len..];
    }
    assert!(raw.is_empty());
    messages
}

impl Exchange {
    fn pump(&mut self) {
        let (bytes, is_last) = &mut self.unsent;
        let part = bytes.split_to(bytes.len().min(self.send.capacity()));
        if !part.is_empty() || (bytes.is_empty() && *is_last) {
            let ends = bytes.is_empty() && std::mem::take(is_last);
            let _ = self.send.send_data(part, ends);
            self.send.reserve_capacity(bytes.len());
        }
    }

    fn progress(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        if !self.unsent.0.is_empty() {
            self.pump();
        }
        if let Some(response) = &mut self.response {
            match Pin::new(response).poll(&mut context) {
                Poll::Pending => return,
                Poll::Ready(Err(_)) => self.is_done = true,
                Poll::Ready(Ok(response)) => {
                    self.outcome.http_status = response.status().as_u16();
                    self.status(response.headers());
                    self.body = Some(response.into_body());
                }
            }
            self.response = None;
        }
        let Some(mut body) = self.body.take() else { return };
        loop {
            match body.poll_data(&mut context) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(data))) => {
                    self.raw.extend_from_slice(&data);
                    body.flow_control().release_capacity(data.len()).unwrap();
                }
                Poll::Ready(Some(Err(_))) => {
                    self.is_done = true;
                    return;
                }
                Poll::Ready(None) => {
                    if let Poll::Ready(Ok(Some(trailers))) = body.poll_trailers(&mut context) {
                        self.status(&trailers);
                    }
                    self.is_done = true;
                    return;
                }
            }
        }
        self.body = Some(body);
    }

    fn status(&mut self, headers: &http::HeaderMap) {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        if let Some(status) = text("grpc-status") {
            self.outcome.grpc_status = Some(status.parse().unwrap());
            self.outcome.grpc_message = text("grpc-message");
        }
    }
}
