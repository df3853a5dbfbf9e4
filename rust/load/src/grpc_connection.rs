//! One gRPC connection as a Nacos client holds it: unary calls beside one long stream for pushes and their
//! acknowledgements (protocol: ServerCheck, stream, ConnectionSetup; then any request).

use crate::connection::{Answer, Connection, ConnectionError, SCRATCH_BYTES, read_in, write_out};
use crate::expect::{Expect, shown, succeeded};
use crate::http_connection::Requests;
use crate::http2::{Event, Http2};
use crate::payload::{Payload, grpc_message};
use crate::template::Template;
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer outside the load may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client waits after its setup message before it trusts that the server has read it (all SDKs do so).
const SETUP_PAUSE: Duration = Duration::from_millis(100);
/// Bytes before each gRPC message: compression flag and length.
const PREFIX_BYTES: usize = 5;

/// A push that the server sent.
#[derive(Debug)]
pub struct Push {
    /// Class name of the request.
    pub kind: String,
    /// Its JSON.
    pub body: Vec<u8>,
}

/// A connection of the gRPC load.
#[derive(Debug)]
pub struct GrpcConnection {
    socket: TcpStream,
    http2: Http2,
    calls: Calls,
    requests: Option<(Template, u64, u64)>,
    sent_count: u64,
    in_flight_max: usize,
}

/// A call that waits for its answer.
#[derive(Debug, Default)]
struct Call {
    started_ns: u64,
    buffer: Vec<u8>,
    /// Set when the message has come: what is wrong with it, if anything.
    judged: Option<Option<String>>,
}

/// The calls under way and the rules for their answers.
#[derive(Debug)]
struct Calls {
    /// Stream of each place in `calls`; 0 is a free place.
    streams: Vec<u32>,
    calls: Vec<Call>,
    in_flight: usize,
    expect: Expect,
    checked_first: bool,
    check_all: bool,
    /// The stream whose answer is wanted as it is, and that answer.
    captured_stream: u32,
    captured: Option<Vec<u8>>,
    long_stream: u32,
    long_buffer: Vec<u8>,
    acknowledgements: Vec<Template>,
    keep_pushes: bool,
    pushes: Vec<Push>,
    broken: Option<ConnectionError>,
}

/// Opens connections and sets each up as a client of the server.
pub fn open_all(address: SocketAddr, count: usize) -> Result<Vec<GrpcConnection>, ConnectionError> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = GrpcConnection::open(address)?;
        connection.call("ServerCheckRequest", &Template::new("{}"))?;
        connection.set_up()?;
        connections.push(connection);
    }
    std::thread::sleep(SETUP_PAUSE);
    for connection in &mut connections {
        connection.call("HealthCheckRequest", &Template::new("{}"))?;
    }
    Ok(connections)
}

impl GrpcConnection {
    fn open(address: SocketAddr) -> Result<Self, ConnectionError> {
        let socket = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let http2 = Http2::new(&address.to_string());
        let mut connection =
            Self { socket, http2, calls: Calls::new(), requests: None, sent_count: 0, in_flight_max: 1 };
        connection.flush()?;
        connection.wait_until(|connection| connection.http2.settled)?;
        Ok(connection)
    }

    fn set_up(&mut self) -> Result<(), ConnectionError> {
        self.calls.long_stream = self.http2.open_long_stream();
        let setup = Template::new(concat!(
            r#"{"clientVersion":"Nacos-Java-Client:v2.4.3","tenant":"","labels":{"source":"sdk","module":"naming","#,
            r#""AppName":"unknown"},"headers":{},"module":"internal"}"#
        ));
        self.http2.send_long(&grpc_message("ConnectionSetupRequest", &setup))?;
        self.flush()
    }

    /// What the connection sends from now on, with at most `in_flight_max` requests waiting for their answers.
    pub fn prepare(&mut self, requests: Requests, in_flight_max: usize) -> Result<(), ConnectionError> {
        let allowed = self.http2.streams_count_max().saturating_sub(1) as usize; // one is the long stream
        if in_flight_max > allowed {
            let message = format!("the server allows {allowed} calls at once, {in_flight_max} were asked for");
            return Err(ConnectionError::Refused(message));
        }
        self.in_flight_max = in_flight_max;
        self.calls.expect = requests.expect;
        self.calls.checked_first = false;
        self.calls.check_all = false;
        self.requests = Some((requests.template, requests.serial, requests.serial_step));
        self.sent_count = 0;
        Ok(())
    }

    /// Sends one request and waits for its answer's JSON; an answer that says no is an error.
    pub fn call(&mut self, kind: &str, json: &Template) -> Result<Value, ConnectionError> {
        let stream = self.http2.unary(&grpc_message(kind, json), 0, 0)?;
        self.calls.begin(stream, 0);
        self.calls.captured_stream = stream;
        self.flush()?;
        self.wait_until(|connection| connection.calls.captured.is_some() && connection.calls.in_flight == 0)?;
        let body = self.calls.captured.take().unwrap_or_default();
        if !succeeded(&body) {
            return Err(ConnectionError::Refused(format!("{kind} was refused: {}", shown(&body))));
        }
        serde_json::from_slice(&body).map_err(|error| ConnectionError::Refused(format!("{kind}: {error}")))
    }

    /// Keeps pushes for [`GrpcConnection::take_pushes`]; all are acknowledged in any case.
    pub fn keep_pushes(&mut self) {
        self.calls.keep_pushes = true;
    }

    /// The pushes since the last call.
    pub fn take_pushes(&mut self) -> Vec<Push> {
        std::mem::take(&mut self.calls.pushes)
    }

    fn wait_until(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), ConnectionError> {
        self.socket.set_nonblocking(false)?;
        let mut scratch = vec![0; SCRATCH_BYTES];
        let begin = Instant::now();
        while !done(self) {
            if begin.elapsed() > ANSWER_TIMEOUT {
                return Err(ConnectionError::Silent(ANSWER_TIMEOUT.as_secs()));
            }
            self.receive(&mut scratch, &mut Vec::new())?;
        }
        Ok(())
    }
}

impl Connection for GrpcConnection {
    fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn room(&self) -> usize {
        match &self.requests {
            Some((template, ..)) if self.http2.may_send(template.len()) => self.in_flight_max - self.calls.in_flight,
            _ => 0,
        }
    }

    fn in_flight(&self) -> usize {
        self.calls.in_flight
    }

    fn start(&mut self, started_ns: u64) -> Result<(), ConnectionError> {
        if let Some((template, serial, serial_step)) = &self.requests {
            let stream = self.http2.unary(template, self.sent_count, serial + self.sent_count * serial_step)?;
            self.calls.begin(stream, started_ns);
            self.sent_count += 1;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ConnectionError> {
        write_out(&self.socket, &mut self.http2.out)
    }

    fn receive(&mut self, scratch: &mut [u8], answers: &mut Vec<Answer>) -> Result<(), ConnectionError> {
        let Self { socket, http2, calls, .. } = self;
        read_in(socket, scratch, |bytes| {
            http2.feed(bytes, &mut |event| calls.on_event(&event, answers))?;
            calls.broken.take().map_or(Ok(()), Err)
        })?;
        while let Some(acknowledgement) = self.calls.acknowledgements.last() {
            if !self.http2.send_long(acknowledgement)? {
                break;
            }
            self.calls.acknowledgements.pop();
        }
        self.flush()
    }

    fn check_all(&mut self) {
        self.calls.check_all = true;
    }
}

impl Calls {
    fn new() -> Self {
        Self {
            streams: Vec::new(),
            calls: Vec::new(),
            in_flight: 0,
            expect: Expect::Success,
            checked_first: false,
            check_all: false,
            captured_stream: 0,
            captured: None,
            long_stream: 0,
            long_buffer: Vec::new(),
            acknowledgements: Vec::new(),
            keep_pushes: false,
            pushes: Vec::new(),
            broken: None,
        }
    }

    fn begin(&mut self, stream: u32, started_ns: u64) {
        let place = self.place(0).unwrap_or_else(|| {
            self.streams.push(0);
            self.calls.push(Call::default());
            self.calls.len() - 1
        });
        self.streams[place] = stream;
        self.calls[place].started_ns = started_ns;
        self.in_flight += 1;
    }

    /// Where a stream's call is. There are few, and comparing some words is cheaper than hashing.
    fn place(&self, stream: u32) -> Option<usize> {
        self.streams.iter().position(|&candidate| candidate == stream)
    }

    fn on_event(&mut self, event: &Event<'_>, answers: &mut Vec<Answer>) {
        let (stream, end) = match *event {
            Event::Data { stream, end, .. } | Event::Head { stream, end } => (stream, end),
            Event::Reset { stream, .. } => (stream, true),
        };
        if stream == self.long_stream && stream != 0 {
            return self.on_long_event(event, end);
        }
        let Some(place) = self.place(stream).filter(|_| stream != 0) else {
            self.broken = Some(ConnectionError::Unasked(format!("{event:?}")));
            return;
        };
        match event {
            Event::Data { bytes, .. } => self.on_data(place, bytes),
            Event::Reset { code, .. } => {
                self.calls[place].judged = Some(Some(format!("the call was reset with error code {code}")));
            }
            Event::Head { .. } => {}
        }
        if end {
            self.end(place, answers);
        }
    }

    fn on_data(&mut self, place: usize, bytes: &[u8]) {
        if self.calls[place].buffer.is_empty() && message_length(bytes) == Some(bytes.len()) {
            self.calls[place].judged = Some(self.judge(place, &bytes[PREFIX_BYTES..]));
            return;
        }
        let mut buffer = std::mem::take(&mut self.calls[place].buffer);
        buffer.extend_from_slice(bytes);
        if message_length(&buffer) == Some(buffer.len()) {
            self.calls[place].judged = Some(self.judge(place, &buffer[PREFIX_BYTES..]));
            buffer.clear();
        }
        self.calls[place].buffer = buffer;
    }

    /// What is wrong with an answer, if anything.
    fn judge(&mut self, place: usize, message: &[u8]) -> Option<String> {
        let captured = self.streams[place] == self.captured_stream;
        let check = self.check_all || !self.checked_first;
        if !captured && !check && succeeded_quickly(message) {
            return None;
        }
        let payload = match Payload::decode(message) {
            Ok(payload) => payload,
            Err(error) => return Some(error.to_string()),
        };
        if captured {
            self.captured = Some(payload.body.to_vec());
            return None;
        }
        if !succeeded(payload.body) || payload.kind == "ErrorResponse" {
            return Some(format!("{}: {}", payload.kind, shown(payload.body)));
        }
        self.checked_first = true;
        if check { self.expect.check(payload.body).err() } else { None }
    }

    fn end(&mut self, place: usize, answers: &mut Vec<Answer>) {
        let call = &mut self.calls[place];
        call.buffer.clear();
        let failure = call.judged.take().unwrap_or_else(|| Some("the call ended without a whole message".to_owned()));
        answers.push(Answer { started_ns: call.started_ns, failure });
        if self.streams[place] == self.captured_stream {
            self.captured_stream = 0;
            self.captured.get_or_insert_default();
        }
        self.streams[place] = 0;
        self.in_flight -= 1;
    }

    fn on_long_event(&mut self, event: &Event<'_>, end: bool) {
        if end {
            self.broken = Some(ConnectionError::Refused("the server ended the push stream".to_owned()));
        }
        let Event::Data { bytes, .. } = event else { return };
        let mut buffer = std::mem::take(&mut self.long_buffer);
        buffer.extend_from_slice(bytes);
        let mut rest = buffer.as_slice();
        while let Some((message, after)) = message_length(rest).and_then(|length| rest.split_at_checked(length)) {
            rest = after;
            if let Err(error) = self.on_push(&message[PREFIX_BYTES..]) {
                self.broken = Some(error);
            }
        }
        let used = buffer.len() - rest.len();
        buffer.drain(..used);
        self.long_buffer = buffer;
    }

    fn on_push(&mut self, message: &[u8]) -> Result<(), ConnectionError> {
        let payload = Payload::decode(message)?;
        match payload.kind.strip_suffix("Request") {
            Some("SetupAck") => return Ok(()),
            Some("ConnectReset") | None => {
                return Err(ConnectionError::Unasked(format!("{} {}", payload.kind, shown(payload.body))));
            }
            Some(name) => {
                let json: Value = serde_json::from_slice(payload.body)
                    .map_err(|error| ConnectionError::Refused(format!("a push that is no JSON: {error}")))?;
                let acknowledgement = Template::new(&format!(
                    r#"{{"resultCode":200,"errorCode":0,"success":true,"requestId":{}}}"#,
                    json["requestId"]
                ));
                self.acknowledgements.push(grpc_message(&format!("{name}Response"), &acknowledgement));
            }
        }
        if self.keep_pushes {
            self.pushes.push(Push { kind: payload.kind.to_owned(), body: payload.body.to_vec() });
        }
        Ok(())
    }
}

/// Whether a message is surely a success, without decoding it.
fn succeeded_quickly(message: &[u8]) -> bool {
    memchr::memmem::find(message, b"\"resultCode\":200").is_some()
}

/// Length of the gRPC message at the start of `bytes` with its prefix, if that much is known.
fn message_length(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.get(..PREFIX_BYTES)?;
    Some(PREFIX_BYTES + u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize)
}

#[cfg(test)]
#[path = "grpc_connection_tests.rs"]
mod tests;
