//! HTTP/2 frames (RFC 9113 sections 4 and 6): their heads, their numbers, and the few that are written here.

/// What a client sends before its first frame (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const HEAD_BYTES: usize = 9;
/// The largest payload both sides may send unasked; nobody is asked for more.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16 * 1024;
/// No window may grow beyond this (RFC 9113 section 6.9.1).
pub(super) const WINDOW_MAX: i64 = 0x7fff_ffff;
/// Windows begin with this size (RFC 9113 section 6.9.2).
pub(super) const WINDOW_INITIAL: u32 = 65_535;

/// Frame types.
pub(super) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Frame flags; ACK and END_STREAM share a bit.
pub(super) mod flag {
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// Numbers of settings.
pub(super) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// Error codes (RFC 9113 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Code {
    No = 0,
    Protocol = 1,
    FlowControl = 3,
    StreamClosed = 5,
    FrameSize = 6,
    RefusedStream = 7,
    Cancel = 8,
    Compression = 9,
    EnhanceYourCalm = 11,
}

/// What ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionError {
    pub(super) code: Code,
    pub(super) reason: &'static str,
}

impl ConnectionError {
    pub(super) const fn new(code: Code, reason: &'static str) -> Self {
        Self { code, reason }
    }

    pub(super) const fn protocol(reason: &'static str) -> Self {
        Self::new(Code::Protocol, reason)
    }
}

/// The nine bytes before each payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameHead {
    pub(super) len: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHead {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = *bytes.first_chunk::<HEAD_BYTES>()?;
        // The highest bit is reserved and ignored.
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        Some(Self { len: u32::from_be_bytes([0, a, b, c]) as usize, kind, flags, stream })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The payload of DATA or HEADERS without its padding.
pub(super) fn unpadded<'a>(head: &FrameHead, payload: &'a [u8]) -> Result<&'a [u8], ConnectionError> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let (&padding, rest) = payload.split_first().ok_or(ConnectionError::protocol("a padded frame is empty"))?;
    let len = rest.len().checked_sub(padding.into());
    Ok(&rest[..len.ok_or(ConnectionError::protocol("more padding than payload"))?])
}

/// The one 32-bit number of RST_STREAM and WINDOW_UPDATE.
pub(super) fn number(payload: &[u8]) -> Result<u32, ConnectionError> {
    let bytes = payload.try_into().map_err(|_| ConnectionError::new(Code::FrameSize, "a frame is not 4 bytes long"))?;
    Ok(u32::from_be_bytes(bytes))
}

pub(super) fn write_head(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream: u32) {
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, d, e, f, g]);
}

pub(super) fn write_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    write_head(out, settings.len() * 6, kind::SETTINGS, 0, 0);
    for (number, value) in settings {
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(super) fn write_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    write_head(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&increment.to_be_bytes());
}

pub(super) fn write_reset(out: &mut Vec<u8>, stream: u32, code: Code) {
    write_head(out, 4, kind::RST_STREAM, 0, stream);
    out.extend_from_slice(&(code as u32).to_be_bytes());
}

pub(super) fn write_go_away(out: &mut Vec<u8>, last_stream: u32, error: ConnectionError) {
    write_head(out, 8 + error.reason.len(), kind::GOAWAY, 0, 0);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&(error.code as u32).to_be_bytes());
    out.extend_from_slice(error.reason.as_bytes());
}

/// Answers a PING of the peer.
pub(super) fn answer_ping(out: &mut Vec<u8>, head: &FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
    if head.stream != 0 || payload.len() != 8 {
        return Err(ConnectionError::new(Code::FrameSize, "malformed PING"));
    }
    if !head.has(flag::ACK) {
        write_head(out, payload.len(), kind::PING, flag::ACK, 0);
        out.extend_from_slice(payload);
    }
    Ok(())
}

/// The numbers and values of a SETTINGS frame; none if it only confirms ours.
pub(super) fn settings(
    head: &FrameHead,
    payload: &[u8],
) -> Result<Option<impl Iterator<Item = (u16, u32)>>, ConnectionError> {
    let is_acknowledged = head.has(flag::ACK);
    if head.stream != 0 || payload.len() % 6 != 0 || (is_acknowledged && !payload.is_empty()) {
        return Err(ConnectionError::new(Code::FrameSize, "malformed SETTINGS"));
    }
    let pairs = payload.chunks_exact(6).map(|pair| {
        let [a, b, value @ ..] = *pair.first_chunk::<6>().expect("chunks of 6");
        (u16::from_be_bytes([a, b]), u32::from_be_bytes(value))
    });
    Ok((!is_acknowledged).then_some(pairs))
}

/// By how much a WINDOW_UPDATE opens a window.
pub(super) fn increment(payload: &[u8]) -> Result<i64, ConnectionError> {
    match number(payload)? & 0x7fff_ffff {
        0 => Err(ConnectionError::protocol("a window update of nothing")),
        increment => Ok(increment.into()),
    }
}
