//! One server-side connection on the `h2` crate, polled by hand: no runtime, no task, no socket.

use super::message::{MessageReader, PREFIX_BYTES, prefix};
use super::payload::Shape;
use super::pipe::SharedPipe;
use super::{CallId, GrpcEvent, Method, Status};
use crate::limits::{
    GRPC_CONNECTION_WINDOW_BYTES, GRPC_HEADERS_BYTES_MAX, GRPC_RESET_STREAMS_COUNT_MAX, GRPC_STREAM_WINDOW_BYTES,
    GRPC_STREAMS_COUNT_MAX, OUTPUT_HIGH_WATER_BYTES,
};
use bytes::{BufMut, Bytes, BytesMut};
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{RecvStream, SendStream};
use hashbrown::HashMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// The calls that `h2` has news for.
#[derive(Debug, Default)]
struct Woken(Mutex<Vec<CallId>>);

#[derive(Debug)]
struct CallWaker {
    call: CallId,
    woken: Arc<Woken>,
}

impl Wake for CallWaker {
    fn wake(self: Arc<Self>) {
        self.woken.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(self.call);
    }
}

enum Stage {
    Handshake(Box<Handshake<SharedPipe, Bytes>>),
    Open(Box<Connection<SharedPipe, Bytes>>),
    Closed,
}

enum Sender {
    /// No response headers are sent yet.
    Fresh(SendResponse<Bytes>),
    Started(SendStream<Bytes>),
    /// The trailers are sent, or the stream is gone.
    Done,
}

struct Call {
    method: Method,
    waker: Waker,
    receive: Option<RecvStream>,
    reader: MessageReader,
    has_message: bool,
    sender: Sender,
    /// Messages with their prefix that wait for flow control.
    queue: VecDeque<Bytes>,
    /// Sent as trailers once the queue is empty.
    status: Option<Status>,
}

/// One gRPC connection, seen from the server.
pub struct Grpc {
    pipe: SharedPipe,
    stage: Stage,
    calls: HashMap<CallId, Call, foldhash::fast::FixedState>,
    woken: Arc<Woken>,
    output: Vec<u8>,
    queued_bytes: usize,
}

impl std::fmt::Debug for Grpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grpc").field("calls", &self.calls.len()).field("queued_bytes", &self.queued_bytes).finish()
    }
}

impl Default for Grpc {
    fn default() -> Self {
        Self::new()
    }
}

impl Grpc {
    /// A connection that has received nothing yet, not even the HTTP/2 preface.
    pub fn new() -> Self {
        let pipe = SharedPipe::default();
        let handshake = Builder::new()
            .initial_window_size(GRPC_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(GRPC_CONNECTION_WINDOW_BYTES)
            .max_concurrent_streams(GRPC_STREAMS_COUNT_MAX)
            .max_header_list_size(GRPC_HEADERS_BYTES_MAX)
            .max_concurrent_reset_streams(GRPC_RESET_STREAMS_COUNT_MAX)
            .max_pending_accept_reset_streams(GRPC_RESET_STREAMS_COUNT_MAX)
            .max_send_buffer_size(OUTPUT_HIGH_WATER_BYTES)
            .handshake(pipe.clone());
        Self {
            pipe,
            stage: Stage::Handshake(Box::new(handshake)),
            calls: HashMap::default(),
            woken: Arc::default(),
            output: Vec::new(),
            queued_bytes: 0,
        }
    }

    /// Takes received bytes. Call [`poll`](Self::poll) afterwards.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.is_closed() {
            self.pipe.lock().input.extend_from_slice(bytes);
        }
    }

    /// The peer will send no more. Call [`poll`](Self::poll) afterwards.
    pub fn closed_by_peer(&mut self) {
        self.pipe.lock().is_at_end = true;
    }

    /// Does all that can be done with what was received and what is to be sent; appends what happened.
    pub fn poll(&mut self, events: &mut Vec<GrpcEvent>) {
        let mut context = Context::from_waker(Waker::noop());
        if let Stage::Handshake(handshake) = &mut self.stage {
            match Pin::new(&mut **handshake).poll(&mut context) {
                Poll::Pending => {}
                Poll::Ready(Ok(connection)) => self.stage = Stage::Open(Box::new(connection)),
                Poll::Ready(Err(error)) => self.close(Some(error.to_string()), events),
            }
        }
        loop {
            let is_open = self.accept(&mut context, events);
            let woken = std::mem::take(&mut *self.woken.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
            if !is_open || woken.is_empty() {
                break;
            }
            for call in woken {
                self.receive(call, events);
                self.pump(call);
            }
        }
        let produced = &mut self.pipe.lock().output;
        if self.output.is_empty() {
            std::mem::swap(&mut self.output, produced);
        } else {
            self.output.append(produced);
        }
    }

    /// Drives the connection and takes new calls; false when it is not open.
    fn accept(&mut self, context: &mut Context<'_>, events: &mut Vec<GrpcEvent>) -> bool {
        loop {
            let Stage::Open(connection) = &mut self.stage else { return false };
            match connection.poll_accept(context) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond, events),
                Poll::Ready(Some(Err(error))) => self.close(Some(error.to_string()), events),
                Poll::Ready(None) => self.close(None, events),
            }
        }
    }

    fn close(&mut self, reason: Option<String>, events: &mut Vec<GrpcEvent>) {
        self.stage = Stage::Closed;
        self.calls = HashMap::default();
        self.queued_bytes = 0;
        events.push(GrpcEvent::Closed { reason });
    }

    fn begin(
        &mut self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        events: &mut Vec<GrpcEvent>,
    ) {
        let Some(method) = Method::of_path(request.uri().path()) else {
            refuse(&mut respond, &Status::new(Status::UNIMPLEMENTED, "unknown method"));
            return;
        };
        let encoding = request.headers().get("grpc-encoding");
        if encoding.is_some_and(|encoding| encoding != "identity") {
            refuse(&mut respond, &Status::new(Status::UNIMPLEMENTED, "compressed messages are not accepted"));
            return;
        }
        let id = respond.stream_id().as_u32();
        let waker = Waker::from(Arc::new(CallWaker { call: id, woken: self.woken.clone() }));
        let call = Call {
            method,
            waker,
            receive: Some(request.into_body()),
            reader: MessageReader::default(),
            has_message: false,
            sender: Sender::Fresh(respond),
            queue: VecDeque::new(),
            status: None,
        };
        self.calls.insert(id, call);
        self.receive(id, events);
    }

    /// Reads what has arrived for a call.
    fn receive(&mut self, id: CallId, events: &mut Vec<GrpcEvent>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(mut stream) = call.receive.take() else { return };
        let waker = call.waker.clone();
        let mut context = Context::from_waker(&waker);
        let broken = loop {
            match stream.poll_data(&mut context) {
                Poll::Pending => {
                    call.receive = Some(stream);
                    return;
                }
                Poll::Ready(Some(Ok(mut data))) => {
                    // Released at once: what is handed up is bounded by the caller, who stops feeding.
                    let _ = stream.flow_control().release_capacity(data.len());
                    if let Err(status) = call.take_messages(id, &mut data, events) {
                        break Some(status);
                    }
                }
                Poll::Ready(Some(Err(_))) => {
                    self.drop_call(id);
                    events.push(GrpcEvent::Gone { call: id });
                    return;
                }
                Poll::Ready(None) => break call.check_end(),
            }
        };
        let method = call.method;
        if let Some(status) = broken {
            events.push(GrpcEvent::Gone { call: id });
            self.finish(id, status);
        } else if method == Method::BiRequestStream {
            events.push(GrpcEvent::HalfClosed { call: id });
        }
    }

    /// Answers a [`Method::Request`] call: headers, one message, status OK.
    pub fn reply(&mut self, call: CallId, message: Bytes) {
        self.send(call, message);
        self.finish(call, Status::OK);
    }

    /// [`reply`](Self::reply) with a Nacos payload built in place, its body given in pieces.
    pub fn reply_payload(&mut self, call: CallId, kind: &str, body: &[&[u8]]) {
        self.send_payload(call, kind, body);
        self.finish(call, Status::OK);
    }

    /// [`send`](Self::send) with a Nacos payload built in place, its body given in pieces.
    pub fn send_payload(&mut self, call: CallId, kind: &str, body: &[&[u8]]) {
        let shape = Shape::of(kind, body);
        let mut framed = BytesMut::with_capacity(PREFIX_BYTES + shape.len());
        framed.put_slice(&prefix(shape.len()));
        shape.write(kind, body, &mut framed);
        self.queue(call, framed.freeze());
    }

    /// Sends one more message. Dropped when the call is gone.
    pub fn send(&mut self, call: CallId, message: Bytes) {
        let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
        framed.put_slice(&prefix(message.len()));
        framed.put_slice(&message);
        self.queue(call, framed.freeze());
    }

    fn queue(&mut self, id: CallId, framed: Bytes) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.status.is_some() {
            return;
        }
        self.queued_bytes += framed.len();
        call.queue.push_back(framed);
        self.pump(id);
    }

    /// Ends a call with a status, after everything sent to it before.
    pub fn finish(&mut self, call: CallId, status: Status) {
        let Some(found) = self.calls.get_mut(&call) else { return };
        found.status.get_or_insert(status);
        self.pump(call);
    }

    /// Hands `h2` what flow control allows. `h2` itself would buffer without bound.
    fn pump(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let sent = call.pump();
        self.queued_bytes -= sent.unwrap_or_default();
        if sent.is_none() || matches!(call.sender, Sender::Done) {
            self.drop_call(id);
        }
    }

    fn drop_call(&mut self, id: CallId) {
        if let Some(call) = self.calls.remove(&id) {
            self.queued_bytes -= call.queue.iter().map(Bytes::len).sum::<usize>();
        }
    }

    /// Tells the client to open no more calls here; those that are open go on. `Closed` follows when the last ended.
    pub fn go_away(&mut self) {
        match &mut self.stage {
            Stage::Open(connection) => connection.graceful_shutdown(),
            _ => self.stage = Stage::Closed,
        }
    }

    /// Bytes to write to the peer; the caller takes what it has written off the front.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether the connection has ended: nothing more will come of it but what is in the output.
    pub fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }

    /// Bytes accepted from the caller that wait for the peer's flow control and are not in the output yet.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }
}

impl Call {
    fn take_messages(&mut self, call: CallId, data: &mut Bytes, events: &mut Vec<GrpcEvent>) -> Result<(), Status> {
        while let Some(message) = self.reader.next(data)? {
            if self.has_message && self.method == Method::Request {
                return Err(Status::new(Status::INTERNAL, "a second message on a unary call"));
            }
            self.has_message = true;
            events.push(GrpcEvent::Message { call, method: self.method, message });
        }
        Ok(())
    }

    /// What is wrong with the stream ending here.
    fn check_end(&self) -> Option<Status> {
        let is_missing = self.method == Method::Request && !self.has_message;
        (is_missing || self.reader.is_partial())
            .then(|| Status::new(Status::INTERNAL, "the call ended before its message"))
    }

    /// Bytes handed over; none when the stream is gone.
    fn pump(&mut self) -> Option<usize> {
        if let Sender::Fresh(respond) = &mut self.sender {
            if self.queue.is_empty() {
                let Some(status) = self.status.take() else { return Some(0) };
                refuse(respond, &status);
                self.sender = Sender::Done;
                return Some(0);
            }
            self.sender = Sender::Started(respond.send_response(response_head(), false).ok()?);
        }
        let Sender::Started(stream) = &mut self.sender else { return Some(0) };
        let mut context = Context::from_waker(&self.waker);
        let mut sent = 0;
        while let Some(mut message) = self.queue.pop_front() {
            stream.reserve_capacity(message.len());
            let mut capacity = stream.capacity();
            if capacity < message.len() {
                match stream.poll_capacity(&mut context) {
                    Poll::Ready(Some(Ok(granted))) => capacity = granted,
                    Poll::Ready(_) => return None,
                    Poll::Pending => capacity = 0,
                }
            }
            let part = message.split_to(capacity.min(message.len()));
            sent += part.len();
            if !part.is_empty() {
                stream.send_data(part, false).ok()?;
            }
            if !message.is_empty() {
                self.queue.push_front(message);
                if capacity == 0 {
                    return Some(sent);
                }
            }
        }
        if let Some(status) = &self.status {
            stream.send_trailers(trailers(status)).ok()?;
            self.sender = Sender::Done;
        }
        Some(sent)
    }
}

fn response_head() -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    write_status(status, &mut trailers);
    trailers
}

fn write_status(status: &Status, headers: &mut HeaderMap) {
    let code = if status.code == 0 { HeaderValue::from_static("0") } else { HeaderValue::from(u16::from(status.code)) };
    headers.insert("grpc-status", code);
    if let (false, Ok(message)) = (status.message.is_empty(), HeaderValue::from_str(&status.encoded_message())) {
        headers.insert("grpc-message", message);
    }
}

/// Headers and trailers in one: the call fails without a message.
fn refuse(respond: &mut SendResponse<Bytes>, status: &Status) {
    let mut response = response_head();
    *response.status_mut() = StatusCode::OK;
    write_status(status, response.headers_mut());
    if status.code == Status::UNIMPLEMENTED {
        response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static("identity"));
    }
    // An error here means that the client has reset the stream already.
    let _ = respond.send_response(response, true);
}
