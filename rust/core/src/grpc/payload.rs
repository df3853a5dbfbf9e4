//! The Nacos `Payload` message, read without copying and written in one allocation.
//!
//! `Payload { Metadata metadata = 2; Any body = 3 }`, `Metadata { string type = 3; map<string,string> headers = 7;
//! string clientIp = 8 }`, `Any { string type_url = 1; bytes value = 2 }` (protocol/grpc.md section 1.1). The body is
//! JSON text, not an encoded protobuf.

use bytes::{BufMut, Bytes, BytesMut};

/// Why bytes are no `Payload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A length or number runs over the end of what holds it.
    #[error("the payload is cut short")]
    Truncated,
    /// A field number or wire type that protobuf does not have, or a number of more than 64 bits.
    #[error("the payload is not valid protobuf")]
    Malformed,
    /// A text field that is not UTF-8.
    #[error("a text field of the payload is not valid UTF-8")]
    Utf8,
}

/// One decoded message; everything borrows from its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload<'a> {
    /// `metadata.type`: the simple class name that says what the body is.
    pub kind: &'a str,
    /// `metadata.clientIp` as the client states it.
    pub client_ip: &'a str,
    /// `metadata.headers` in the order sent.
    pub headers: Vec<(&'a str, &'a str)>,
    /// `body.value`: JSON text.
    pub body: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Reads a message. Unknown fields are skipped; of a repeated field the last one counts, as protobuf wants it.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let mut payload = Self::default();
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (2, Value::Bytes(metadata)) => payload.read_metadata(metadata)?,
                (3, Value::Bytes(any)) => payload.read_any(any)?,
                _ => {}
            }
        }
        Ok(payload)
    }

    fn read_metadata(&mut self, bytes: &'a [u8]) -> Result<(), PayloadError> {
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (3, Value::Bytes(kind)) => self.kind = text(kind)?,
                (7, Value::Bytes(entry)) => self.headers.push(map_entry(entry)?),
                (8, Value::Bytes(client_ip)) => self.client_ip = text(client_ip)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_any(&mut self, bytes: &'a [u8]) -> Result<(), PayloadError> {
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            if let (2, Value::Bytes(value)) = field {
                self.body = value;
            }
        }
        Ok(())
    }

    /// The header of that name, compared without case; the last one if it was sent twice, as in a map.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

fn map_entry(bytes: &[u8]) -> Result<(&str, &str), PayloadError> {
    let mut entry = ("", "");
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(key)) => entry.0 = text(key)?,
            (2, Value::Bytes(value)) => entry.1 = text(value)?,
            _ => {}
        }
    }
    Ok(entry)
}

fn text(bytes: &[u8]) -> Result<&str, PayloadError> {
    std::str::from_utf8(bytes).map_err(|_| PayloadError::Utf8)
}

enum Value<'a> {
    Bytes(&'a [u8]),
    /// A number; no field of ours is one.
    Other,
}

/// The fields of one protobuf message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, PayloadError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or(PayloadError::Malformed)?;
        let value = match key & 7 {
            0 => {
                self.varint()?;
                Value::Other
            }
            1 => {
                self.take(8)?;
                Value::Other
            }
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.take(usize::try_from(len).map_err(|_| PayloadError::Truncated)?)?)
            }
            5 => {
                self.take(4)?;
                Value::Other
            }
            // Groups (3, 4) went out of use before this protocol existed.
            _ => return Err(PayloadError::Malformed),
        };
        Ok(Some((number, value)))
    }

    fn varint(&mut self) -> Result<u64, PayloadError> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(PayloadError::Truncated)?;
            self.0 = rest;
            if shift == 63 && byte > 1 {
                return Err(PayloadError::Malformed);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(PayloadError::Malformed)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], PayloadError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(PayloadError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Encodes a message with only a type and a body, as the existing server answers.
pub fn encode(kind: &str, body: &[u8]) -> Bytes {
    encode_parts(kind, &[body])
}

/// [`encode`] with the body in pieces: one allocation for the whole message.
pub fn encode_parts(kind: &str, body: &[&[u8]]) -> Bytes {
    let shape = Shape::of(kind, body);
    let mut out = BytesMut::with_capacity(shape.len());
    shape.write(kind, body, &mut out);
    out.freeze()
}

/// Encodes a request: a message with headers, which a client may send.
pub fn encode_request<'a>(kind: &str, headers: impl IntoIterator<Item = (&'a str, &'a str)>, body: &[u8]) -> Bytes {
    let mut metadata = Vec::with_capacity(field_len(kind.len()));
    put_field(&mut metadata, 3, kind.as_bytes());
    for (name, value) in headers {
        let mut entry = Vec::with_capacity(field_len(name.len()) + field_len(value.len()));
        put_field(&mut entry, 1, name.as_bytes());
        put_field(&mut entry, 2, value.as_bytes());
        put_field(&mut metadata, 7, &entry);
    }
    let any_len = field_len(body.len());
    let mut out = BytesMut::with_capacity(field_len(metadata.len()) + field_len(any_len));
    put_field(&mut out, 2, &metadata);
    put_key(&mut out, 3, any_len);
    put_field(&mut out, 2, body);
    out.freeze()
}

/// The nested lengths of a message, worked out before it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    body_len: usize,
    any_len: usize,
    metadata_len: usize,
}

impl Shape {
    pub(super) fn of(kind: &str, body: &[&[u8]]) -> Self {
        let body_len = body.iter().map(|piece| piece.len()).sum();
        Self { body_len, any_len: field_len(body_len), metadata_len: field_len(kind.len()) }
    }

    /// Length of the encoded message.
    pub(super) fn len(&self) -> usize {
        field_len(self.metadata_len) + field_len(self.any_len)
    }

    pub(super) fn write(&self, kind: &str, body: &[&[u8]], out: &mut impl BufMut) {
        put_key(out, 2, self.metadata_len);
        put_key(out, 3, kind.len());
        out.put_slice(kind.as_bytes());
        put_key(out, 3, self.any_len);
        put_key(out, 2, self.body_len);
        body.iter().for_each(|piece| out.put_slice(piece));
    }
}

/// Length of a length-delimited field: key of one byte, length, content.
fn field_len(len: usize) -> usize {
    1 + varint_len(len) + len
}

fn varint_len(value: usize) -> usize {
    (usize::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

fn put_field(out: &mut impl BufMut, number: u8, content: &[u8]) {
    put_key(out, number, content.len());
    out.put_slice(content);
}

fn put_key(out: &mut impl BufMut, number: u8, len: usize) {
    out.put_u8(number << 3 | 2);
    let mut rest = len;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}
