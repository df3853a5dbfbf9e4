//! What an answer must say. The status is looked at on every answer, the meaning on the first and last of a connection.

use memchr::memmem;
use serde_json::Value;

/// The meaning that an operation's answers must have.
#[derive(Debug, Clone)]
pub enum Expect {
    /// The body is this text.
    Text(String),
    /// The body contains this text.
    Mention(String),
    /// A beat of an instance that the server knows.
    KnownBeat,
    /// A JSON service with this many hosts; over gRPC inside `serviceInfo`.
    Hosts(usize),
    /// A successful gRPC answer, whatever else it says.
    Success,
    /// A config over gRPC with this content.
    Content(String),
    /// A config listener that is told of no change.
    NoChange,
}

impl Expect {
    /// Checks an HTTP body, or the JSON of a gRPC answer; the text of the error says what is wrong.
    pub fn check(&self, body: &[u8]) -> Result<(), String> {
        let good = match self {
            Expect::Text(text) => body == text.as_bytes(),
            Expect::Mention(text) => memmem::find(body, text.as_bytes()).is_some(),
            Expect::KnownBeat => json(body)?["code"] == 10200,
            Expect::Hosts(count) => hosts(&json(body)?) == Some(*count),
            Expect::Success => true,
            Expect::Content(content) => json(body)?["content"] == content.as_str(),
            Expect::NoChange => json(body)?["changedConfigs"].as_array().is_none_or(Vec::is_empty),
        };
        if good { Ok(()) } else { Err(format!("expected {}, got {}", self.wanted(), shown(body))) }
    }

    fn wanted(&self) -> String {
        match self {
            Expect::Text(text) if text.len() > 40 => format!("a text of {} bytes", text.len()),
            Expect::Content(content) => format!("a config of {} bytes", content.len()),
            other => format!("{other:?}"),
        }
    }
}

fn hosts(json: &Value) -> Option<usize> {
    let service = json.get("serviceInfo").unwrap_or(json);
    Some(service["hosts"].as_array()?.len())
}

fn json(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| format!("{error} in {}", shown(body)))
}

/// The start of a body for an error message.
pub fn shown(body: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 160;
    let start = &body[..body.len().min(SHOWN_BYTES_MAX)];
    format!("{} bytes `{}`", body.len(), String::from_utf8_lossy(start).escape_debug())
}

/// Whether the JSON of a gRPC answer says that the request succeeded. Servers write the code without spaces, so nearly
/// always a search is enough; otherwise the JSON is read.
pub fn succeeded(body: &[u8]) -> bool {
    if memmem::find(body, b"\"resultCode\":200").is_some() {
        return true;
    }
    serde_json::from_slice::<Value>(body).is_ok_and(|json| json["resultCode"] == 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared() {
        assert_eq!(Expect::Text("ok".into()).check(b"ok"), Ok(()));
        assert!(Expect::Text("ok".into()).check(b"ok ").is_err());
        assert_eq!(Expect::Mention("key".into()).check(b"a key b"), Ok(()));
        let error = Expect::Mention("key".into()).check(b"\x01no").expect_err("not mentioned");
        assert_eq!(error, "expected Mention(\"key\"), got 3 bytes `\\u{1}no`");
    }

    #[test]
    fn json_answers_are_understood() {
        assert_eq!(Expect::KnownBeat.check(br#"{"code":10200}"#), Ok(()));
        assert!(Expect::KnownBeat.check(br#"{"code":20404}"#).is_err());
        assert_eq!(Expect::Hosts(1).check(br#"{"hosts":[{}]}"#), Ok(()));
        assert_eq!(Expect::Hosts(2).check(br#"{"serviceInfo":{"hosts":[{},{}]}}"#), Ok(()));
        assert!(Expect::Hosts(1).check(br#"{"hosts":[]}"#).is_err());
        assert!(Expect::Hosts(1).check(b"{}").is_err());
        assert!(Expect::Hosts(1).check(b"<html>").is_err());
        assert_eq!(Expect::Content("a\nb".into()).check(br#"{"content":"a\nb"}"#), Ok(()));
        assert!(Expect::Content("a".into()).check(br#"{"content":"b"}"#).is_err());
        assert_eq!(Expect::NoChange.check(br#"{"changedConfigs":[]}"#), Ok(()));
        assert!(Expect::NoChange.check(br#"{"changedConfigs":[{"dataId":"a"}]}"#).is_err());
    }

    #[test]
    fn success_is_seen_in_any_spelling() {
        assert!(succeeded(br#"{"a":1,"resultCode":200}"#));
        assert!(succeeded(br#"{ "resultCode" : 200 }"#));
        assert!(!succeeded(br#"{"resultCode":500}"#));
        assert!(!succeeded(b"resultCode 200"));
    }
}
