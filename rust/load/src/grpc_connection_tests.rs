use super::*;

fn message(kind: &str, json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    grpc_message(kind, &Template::new(json)).write(0, 0, &mut out);
    out
}

fn calls(expect: Expect) -> Calls {
    let mut calls = Calls { expect, long_stream: 3, ..Calls::new() };
    calls.begin(5, 50);
    calls.begin(7, 70);
    calls
}

fn data(calls: &mut Calls, stream: u32, bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    calls.on_event(&Event::Data { stream, bytes, end: false }, &mut answers);
    answers
}

fn trailers(calls: &mut Calls, stream: u32) -> Vec<Answer> {
    let mut answers = Vec::new();
    calls.on_event(&Event::Head { stream, end: true }, &mut answers);
    answers
}

const GOOD: &str = r#"{"resultCode":200,"errorCode":0,"success":true}"#;
const BAD: &str = r#"{"resultCode":500,"errorCode":301}"#;

#[test]
fn answers_belong_to_their_calls() {
    let mut calls = calls(Expect::Success);
    assert_eq!(data(&mut calls, 7, &message("R", GOOD)), []);
    assert_eq!(trailers(&mut calls, 7), [Answer { started_ns: 70, failure: None }]);
    assert_eq!(calls.in_flight, 1);
    calls.begin(9, 90);
    assert_eq!(calls.streams, [5, 9]);
    data(&mut calls, 9, &message("R", GOOD));
    assert_eq!(trailers(&mut calls, 9), [Answer { started_ns: 90, failure: None }]);
}

#[test]
fn a_message_may_come_in_pieces() {
    let bytes = message("R", GOOD);
    for cut in 1..bytes.len() {
        let mut calls = calls(Expect::Success);
        data(&mut calls, 5, &bytes[..cut]);
        data(&mut calls, 5, &bytes[cut..]);
        assert_eq!(trailers(&mut calls, 5), [Answer { started_ns: 50, failure: None }], "cut at {cut}");
    }
    let mut calls = calls(Expect::Success);
    data(&mut calls, 5, &bytes[..bytes.len() - 1]);
    assert!(trailers(&mut calls, 5)[0].failure.is_some());
}

#[test]
fn every_answer_must_say_success() {
    let mut calls = calls(Expect::Success);
    calls.checked_first = true;
    data(&mut calls, 5, &message("ErrorResponse", BAD));
    let failure = trailers(&mut calls, 5).remove(0).failure.expect("an error");
    assert!(failure.starts_with("ErrorResponse: "), "{failure}");
    let failure = trailers(&mut calls, 7).remove(0).failure;
    assert_eq!(failure.as_deref(), Some("the call ended without a whole message"));
}

#[test]
fn the_first_answer_and_those_at_the_end_are_checked() {
    let empty = r#"{"resultCode":200,"serviceInfo":{"hosts":[]}}"#;
    let mut calls = calls(Expect::Hosts(1));
    data(&mut calls, 5, &message("R", empty));
    assert!(trailers(&mut calls, 5)[0].failure.is_some());
    data(&mut calls, 7, &message("R", empty));
    assert!(trailers(&mut calls, 7)[0].failure.is_none());
    calls.begin(9, 0);
    calls.check_all = true;
    data(&mut calls, 9, &message("R", empty));
    assert!(trailers(&mut calls, 9)[0].failure.is_some());
}

#[test]
fn a_reset_is_a_failure_and_a_stranger_an_error() {
    let mut calls = calls(Expect::Success);
    let mut answers = Vec::new();
    calls.on_event(&Event::Reset { stream: 5, code: 7 }, &mut answers);
    assert_eq!(answers[0].failure.as_deref(), Some("the call was reset with error code 7"));
    data(&mut calls, 11, b"");
    assert!(matches!(calls.broken.take(), Some(ConnectionError::Unasked(_))));
}

#[test]
fn a_wanted_answer_is_kept_as_it_is() {
    let mut calls = calls(Expect::Hosts(1));
    calls.captured_stream = 7;
    data(&mut calls, 7, &message("ErrorResponse", BAD));
    trailers(&mut calls, 7);
    assert_eq!(calls.captured.as_deref(), Some(BAD.as_bytes()));
}

#[test]
fn pushes_are_acknowledged_with_their_number() {
    let mut calls = calls(Expect::Success);
    calls.keep_pushes = true;
    let pushes = [
        message("SetupAckRequest", r#"{"requestId":"1"}"#),
        message("NotifySubscriberRequest", r#"{"requestId":"12","serviceInfo":{}}"#),
    ]
    .concat();
    for piece in pushes.chunks(7) {
        data(&mut calls, 3, piece);
    }
    assert_eq!(calls.acknowledgements.len(), 1);
    let mut bytes = Vec::new();
    calls.acknowledgements[0].write(0, 0, &mut bytes);
    let payload = Payload::decode(&bytes[PREFIX_BYTES..]).expect("valid");
    assert_eq!(payload.kind, "NotifySubscriberResponse");
    let json: Value = serde_json::from_slice(payload.body).expect("JSON");
    assert_eq!((&json["requestId"], &json["resultCode"]), (&Value::from("12"), &Value::from(200)));
    assert_eq!(calls.pushes.len(), 1);
    assert!(calls.broken.is_none());
}

#[test]
fn a_server_that_sends_the_client_away_is_an_error() {
    let mut calls = calls(Expect::Success);
    data(&mut calls, 3, &message("ConnectResetRequest", r#"{"requestId":"1"}"#));
    assert!(matches!(calls.broken.take(), Some(ConnectionError::Unasked(_))));
    trailers(&mut calls, 3);
    assert!(matches!(calls.broken, Some(ConnectionError::Refused(_))));
}
