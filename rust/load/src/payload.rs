//! The message that every Nacos gRPC call carries: `Payload { metadata = 2 { type = 3 }, body = 3 { value = 2 } }`.

use crate::template::Template;

/// Why bytes are no Payload.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PayloadError {
    /// A length or a number runs past the end of the message.
    #[error("a protobuf message is cut off")]
    CutOff,
    /// A wire type that protobuf 3 does not have.
    #[error("protobuf wire type {0} is not known")]
    WireType(u8),
    /// The type name is not UTF-8.
    #[error("the message type is not UTF-8")]
    TypeName,
}

/// A decoded message; it borrows from the bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Class name of the request or response, for instance `ServerCheckResponse`.
    pub kind: &'a str,
    /// Its JSON.
    pub body: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Reads a message; fields that this client does not need are skipped.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let mut payload = Payload::default();
        let mut outer = Fields { bytes };
        while let Some((number, value)) = outer.next()? {
            let mut inner = Fields { bytes: value };
            match number {
                2 => {
                    while let Some((number, value)) = inner.next()? {
                        if number == 3 {
                            payload.kind = std::str::from_utf8(value).map_err(|_| PayloadError::TypeName)?;
                        }
                    }
                }
                3 => {
                    while let Some((number, value)) = inner.next()? {
                        if number == 2 {
                            payload.body = value;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(payload)
    }
}

/// The fields of one protobuf message, in their order; numbers come as empty values.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, &'a [u8])>, PayloadError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let value = match (tag & 7) as u8 {
            0 => {
                self.number()?;
                &[]
            }
            1 => self.take(8)?,
            2 => {
                let length = self.number()?;
                self.take(usize::try_from(length).map_err(|_| PayloadError::CutOff)?)?
            }
            5 => self.take(4)?,
            other => return Err(PayloadError::WireType(other)),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn number(&mut self) -> Result<u64, PayloadError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.bytes.split_first().ok_or(PayloadError::CutOff)?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(PayloadError::CutOff)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PayloadError> {
        let (value, rest) = self.bytes.split_at_checked(length).ok_or(PayloadError::CutOff)?;
        self.bytes = rest;
        Ok(value)
    }
}

/// The message of a request with this JSON, with the five bytes that gRPC puts before it.
pub fn grpc_message(kind: &str, json: &Template) -> Template {
    let mut metadata = Vec::new();
    field(3, kind.as_bytes(), &mut metadata);
    field(8, b"127.0.0.1", &mut metadata);
    let mut any_head = Vec::new();
    tag(2, json.len(), &mut any_head);

    let mut head = Vec::new();
    field(2, &metadata, &mut head);
    tag(3, any_head.len() + json.len(), &mut head);
    head.extend_from_slice(&any_head);

    let length = (head.len() + json.len()) as u32;
    let mut prefix = vec![0];
    prefix.extend_from_slice(&length.to_be_bytes());
    prefix.extend_from_slice(&head);
    json.after(&prefix)
}

fn field(number: u64, value: &[u8], out: &mut Vec<u8>) {
    tag(number, value.len(), out);
    out.extend_from_slice(value);
}

/// The start of a length-delimited field.
fn tag(number: u64, length: usize, out: &mut Vec<u8>) {
    varint(number << 3 | 2, out);
    varint(length as u64, out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Cycle;
    use proptest::prelude::*;

    fn message(kind: &str, json: &Template) -> Vec<u8> {
        let mut out = Vec::new();
        grpc_message(kind, json).write(3, 0, &mut out);
        out
    }

    #[test]
    fn a_request_reads_back() {
        let json =
            Template::new(&format!("{{\"pad\":\"{}\",\"n\":", "x".repeat(300))).cycle(4, Cycle::new(0, 9)).text("}");
        let bytes = message("ConfigQueryRequest", &json);
        assert_eq!(bytes[0], 0);
        assert_eq!(u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize, bytes.len() - 5);
        let payload = Payload::decode(&bytes[5..]).expect("valid");
        assert_eq!(payload.kind, "ConfigQueryRequest");
        assert!(payload.body.ends_with(b"\"n\":0003}"));
    }

    #[test]
    fn the_bytes_are_those_of_protobuf() {
        let bytes = message("A", &Template::new("{}"));
        let expected = [b"\0\0\0\0\x16\x12\x0e\x1a\x01A\x42\x09127.0.0.1\x1a\x04\x12\x02{}".as_slice()].concat();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn unknown_fields_are_skipped_and_a_cut_is_an_error() {
        let mut bytes = vec![0x48, 0x96, 0x01, 0x0d, 1, 2, 3, 4]; // 9: varint 150, 1: fixed32
        bytes.extend_from_slice(&message("B", &Template::new("{}"))[5..]);
        assert_eq!(Payload::decode(&bytes), Ok(Payload { kind: "B", body: b"{}" }));
        bytes.pop();
        assert_eq!(Payload::decode(&bytes), Err(PayloadError::CutOff));
        assert_eq!(Payload::decode(&[0x0b]), Err(PayloadError::WireType(3)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Payload::decode(&bytes);
        }
    }
}
