//! The client side of HTTP/2 (RFC 9113) as far as gRPC calls need it, sans-IO and cheap: a call costs two small frame
//! heads and a copy of its message. Response heads are not decoded: whether a call went well shows in its message.

use crate::template::Template;

/// Bytes of every frame's head.
const FRAME_HEAD_BYTES: usize = 9;
/// Largest frame that this client takes: the default, since it announces no other.
const FRAME_BYTES_MAX: usize = 16 * 1024;
/// The window that this client gives each stream and, renewed, the connection.
const WINDOW_BYTES: u32 = (1 << 31) - 1;
/// Received bytes after which the connection's window is renewed.
const WINDOW_RENEWAL_BYTES: u32 = 1 << 28;
/// The windows and header table that a peer has until it says otherwise (RFC 9113 6.5.2).
const DEFAULT_WINDOW_BYTES: i64 = 65_535;
const DEFAULT_HEADER_TABLE_BYTES: u32 = 4096;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// What makes a connection unusable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Http2Error {
    /// A frame longer than this client allowed.
    #[error("the server sent a frame of {0} bytes, more than the {FRAME_BYTES_MAX} it may")]
    FrameTooLong(usize),
    /// A frame whose content does not fit its type.
    #[error("the server sent a broken frame of type {0}")]
    Broken(u8),
    /// The server ends the connection.
    #[error("the server sent GOAWAY with error code {0}")]
    GoAway(u32),
    /// A message of ours that does not fit one frame.
    #[error("a request message of {0} bytes does not fit one frame")]
    MessageTooLong(usize),
}

/// What a frame means for the calls of the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A part of a response body.
    Data { stream: u32, bytes: &'a [u8], end: bool },
    /// A response's head or trailers.
    Head { stream: u32, end: bool },
    /// The server gave the call up.
    Reset { stream: u32, code: u32 },
}

/// The server's settings that bind this client.
#[derive(Debug, Clone, Copy)]
struct Peer {
    header_table_bytes: u32,
    streams_count_max: u32,
    window_bytes: i64,
    frame_bytes_max: usize,
}

/// One connection.
#[derive(Debug)]
pub struct Http2 {
    authority: String,
    partial: Vec<u8>,
    /// Bytes for the server; whoever writes them removes them.
    pub out: Vec<u8>,
    peer: Peer,
    /// Whether the server's settings have come; requests before that could break its limits.
    pub settled: bool,
    unary_head: Vec<u8>,
    next_stream: u32,
    long_stream: u32,
    long_stream_window: i64,
    send_window: i64,
    received_bytes: u32,
}

impl Http2 {
    /// A new connection to `authority` (host:port); its preface is in `out`.
    pub fn new(authority: &str) -> Self {
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        frame_head(12, SETTINGS, 0, 0, &mut out);
        for (setting, value) in [(2u16, 0), (4, WINDOW_BYTES)] {
            out.extend_from_slice(&setting.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
        frame_head(4, WINDOW_UPDATE, 0, 0, &mut out);
        out.extend_from_slice(&(WINDOW_BYTES - DEFAULT_WINDOW_BYTES as u32).to_be_bytes());
        Self {
            authority: authority.to_owned(),
            partial: Vec::new(),
            out,
            peer: Peer {
                header_table_bytes: DEFAULT_HEADER_TABLE_BYTES,
                streams_count_max: u32::MAX,
                window_bytes: DEFAULT_WINDOW_BYTES,
                frame_bytes_max: FRAME_BYTES_MAX,
            },
            settled: false,
            unary_head: Vec::new(),
            next_stream: 1,
            long_stream: 0,
            long_stream_window: 0,
            send_window: DEFAULT_WINDOW_BYTES,
            received_bytes: 0,
        }
    }

    /// How many calls the server lets a client have open at once.
    pub fn streams_count_max(&self) -> u32 {
        self.peer.streams_count_max
    }

    /// Whether the server's flow control lets a message of this length go out now.
    pub fn may_send(&self, length: usize) -> bool {
        let length = length as i64;
        length <= self.send_window && length <= self.peer.window_bytes
    }

    /// Starts a call with one message and nothing after it; returns its stream.
    pub fn unary(&mut self, message: &Template, number: u64, serial: u64) -> Result<u32, Http2Error> {
        self.check_length(message.len())?;
        let stream = self.take_stream();
        if self.unary_head.is_empty() {
            let head = first_head(&self.authority, self.peer.header_table_bytes);
            frame_head(head.len(), HEADERS, END_HEADERS, stream, &mut self.out);
            self.out.extend_from_slice(&head);
            self.unary_head = later_head("/Request/request", &self.authority, self.peer.header_table_bytes);
        } else {
            frame_head(self.unary_head.len(), HEADERS, END_HEADERS, stream, &mut self.out);
            self.out.extend_from_slice(&self.unary_head);
        }
        frame_head(message.len(), DATA, END_STREAM, stream, &mut self.out);
        message.write(number, serial, &mut self.out);
        self.send_window -= message.len() as i64;
        Ok(stream)
    }

    /// Opens the stream for pushes and acknowledgements. A unary call must have gone before.
    pub fn open_long_stream(&mut self) -> u32 {
        let stream = self.take_stream();
        let head = later_head("/BiRequestStream/requestBiStream", &self.authority, self.peer.header_table_bytes);
        frame_head(head.len(), HEADERS, END_HEADERS, stream, &mut self.out);
        self.out.extend_from_slice(&head);
        self.long_stream = stream;
        self.long_stream_window = self.peer.window_bytes;
        stream
    }

    /// Sends a message on the long stream, or returns false if flow control does not let it go now.
    pub fn send_long(&mut self, message: &Template) -> Result<bool, Http2Error> {
        self.check_length(message.len())?;
        let length = message.len() as i64;
        if length > self.send_window.min(self.long_stream_window) {
            return Ok(false);
        }
        frame_head(message.len(), DATA, 0, self.long_stream, &mut self.out);
        message.write(0, 0, &mut self.out);
        self.send_window -= length;
        self.long_stream_window -= length;
        Ok(true)
    }

    /// Takes bytes from the server and reports what they mean for calls. The rest is answered in `out`.
    pub fn feed(&mut self, bytes: &[u8], on_event: &mut impl FnMut(Event<'_>)) -> Result<(), Http2Error> {
        if self.partial.is_empty() {
            let used = self.frames(bytes, on_event)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut buffered = std::mem::take(&mut self.partial);
        buffered.extend_from_slice(bytes);
        let used = self.frames(&buffered, on_event)?;
        buffered.drain(..used);
        self.partial = buffered;
        Ok(())
    }

    fn frames(&mut self, bytes: &[u8], on_event: &mut impl FnMut(Event<'_>)) -> Result<usize, Http2Error> {
        let mut at = 0;
        while let Some(head) = bytes.get(at..at + FRAME_HEAD_BYTES) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            if length > FRAME_BYTES_MAX {
                return Err(Http2Error::FrameTooLong(length));
            }
            let Some(content) = bytes.get(at + FRAME_HEAD_BYTES..at + FRAME_HEAD_BYTES + length) else { break };
            let stream = u32_of(&head[5..]) & 0x7fff_ffff;
            self.frame(head[3], head[4], stream, content, on_event)?;
            at += FRAME_HEAD_BYTES + length;
        }
        Ok(at)
    }

    fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        content: &[u8],
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Http2Error> {
        let end = flags & END_STREAM != 0;
        match kind {
            DATA => {
                self.count_received(content.len() as u32);
                let bytes = if flags & PADDED != 0 { unpadded(content)? } else { content };
                on_event(Event::Data { stream, bytes, end });
            }
            HEADERS => on_event(Event::Head { stream, end }),
            RST_STREAM if content.len() == 4 => on_event(Event::Reset { stream, code: u32_of(content) }),
            SETTINGS if flags & ACK == 0 => self.settings(content)?,
            PING if content.len() == 8 && flags & ACK != 0 => {}
            PING if content.len() == 8 => {
                frame_head(8, PING, ACK, 0, &mut self.out);
                self.out.extend_from_slice(content);
            }
            GOAWAY if content.len() >= 8 => return Err(Http2Error::GoAway(u32_of(&content[4..]))),
            WINDOW_UPDATE if content.len() == 4 => self.window_update(stream, u32_of(content)),
            RST_STREAM | PING | GOAWAY | WINDOW_UPDATE => return Err(Http2Error::Broken(kind)),
            _ => {} // CONTINUATION carries more of a head that is not read; PRIORITY and unknown types are ignored.
        }
        Ok(())
    }

    fn settings(&mut self, content: &[u8]) -> Result<(), Http2Error> {
        if content.len() % 6 != 0 {
            return Err(Http2Error::Broken(SETTINGS));
        }
        for entry in content.chunks_exact(6) {
            let value = u32_of(&entry[2..]);
            match u16::from_be_bytes([entry[0], entry[1]]) {
                1 => self.peer.header_table_bytes = value,
                3 => self.peer.streams_count_max = value,
                4 => {
                    self.long_stream_window += i64::from(value) - self.peer.window_bytes;
                    self.peer.window_bytes = i64::from(value);
                }
                5 => self.peer.frame_bytes_max = value as usize,
                _ => {}
            }
        }
        self.settled = true;
        frame_head(0, SETTINGS, ACK, 0, &mut self.out);
        Ok(())
    }

    fn window_update(&mut self, stream: u32, bytes: u32) {
        if stream == 0 {
            self.send_window += i64::from(bytes);
        } else if stream == self.long_stream {
            self.long_stream_window += i64::from(bytes);
        }
    }

    fn count_received(&mut self, bytes: u32) {
        self.received_bytes += bytes;
        if self.received_bytes > WINDOW_RENEWAL_BYTES {
            frame_head(4, WINDOW_UPDATE, 0, 0, &mut self.out);
            self.out.extend_from_slice(&self.received_bytes.to_be_bytes());
            self.received_bytes = 0;
        }
    }

    fn check_length(&self, length: usize) -> Result<(), Http2Error> {
        if length > self.peer.frame_bytes_max { Err(Http2Error::MessageTooLong(length)) } else { Ok(()) }
    }

    fn take_stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }
}

fn frame_head(length: usize, kind: u8, flags: u8, stream: u32, out: &mut Vec<u8>) {
    let length = (length as u32).to_be_bytes();
    let stream = stream.to_be_bytes();
    out.extend_from_slice(&[length[1], length[2], length[3], kind, flags, stream[0], stream[1], stream[2], stream[3]]);
}

fn u32_of(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |value, &byte| value << 8 | u32::from(byte))
}

/// A padded frame's content without its padding (RFC 9113 6.1).
fn unpadded(content: &[u8]) -> Result<&[u8], Http2Error> {
    let (&padding, rest) = content.split_first().ok_or(Http2Error::Broken(DATA))?;
    let length = rest.len().checked_sub(usize::from(padding)).ok_or(Http2Error::Broken(DATA))?;
    Ok(&rest[..length])
}

const USER_AGENT: &str = "nacos-load";
const CONTENT_TYPE: &str = "application/grpc";
/// `:method POST` and `:scheme http` in the static table (RFC 7541 appendix A).
const METHOD_AND_SCHEME: [u8; 2] = [0x83, 0x86];
/// Where the static table has the names of the fields that are sent.
const AUTHORITY_NAME: u8 = 1;
const PATH_NAME: u8 = 4;
const CONTENT_TYPE_NAME: u8 = 31;
const USER_AGENT_NAME: u8 = 58;

/// The first request head of a connection. As gRPC clients do, it puts its fields into the header table, so that later
/// heads are a few bytes; a server whose table is smaller than the default gets plain literals, and is told so first.
fn first_head(authority: &str, table_bytes: u32) -> Vec<u8> {
    if table_bytes < DEFAULT_HEADER_TABLE_BYTES {
        let mut head = vec![0x20]; // dynamic table size update to 0 (RFC 7541 4.2)
        head.extend_from_slice(&later_head("/Request/request", authority, table_bytes));
        return head;
    }
    let mut head = METHOD_AND_SCHEME.to_vec();
    for (name, value) in
        [(PATH_NAME, "/Request/request"), (AUTHORITY_NAME, authority), (CONTENT_TYPE_NAME, CONTENT_TYPE)]
    {
        head.push(0x40 | name);
        string(value, &mut head);
    }
    head.push(0x40);
    string("te", &mut head);
    string("trailers", &mut head);
    head.push(0x40 | USER_AGENT_NAME);
    string(USER_AGENT, &mut head);
    head
}

/// A request head after the first.
fn later_head(path: &str, authority: &str, table_bytes: u32) -> Vec<u8> {
    let mut head = METHOD_AND_SCHEME.to_vec();
    if table_bytes >= DEFAULT_HEADER_TABLE_BYTES {
        // The newest entry is 62: user-agent, te, content-type, authority, path.
        if path == "/Request/request" {
            head.push(0x80 | 66);
        } else {
            head.push(PATH_NAME);
            string(path, &mut head);
        }
        head.extend_from_slice(&[0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62]);
        return head;
    }
    for (name, value) in [(PATH_NAME, path), (AUTHORITY_NAME, authority)] {
        head.push(name);
        string(value, &mut head);
    }
    for (name, value) in [(CONTENT_TYPE_NAME, CONTENT_TYPE), (USER_AGENT_NAME, USER_AGENT)] {
        head.extend_from_slice(&[0x0f, name - 15]); // a 4-bit prefix integer above 14
        string(value, &mut head);
    }
    head.push(0);
    string("te", &mut head);
    string("trailers", &mut head);
    head
}

/// A string literal without Huffman coding; all of ours are shorter than 127 bytes.
fn string(text: &str, out: &mut Vec<u8>) {
    debug_assert!(text.len() < 127);
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
#[path = "http2_tests.rs"]
mod tests;
