//! Query and form parameters.

use crate::http1::{Http1, Params, ParamsError, Step};
use crate::limits::PARAMS_COUNT_MAX;
use proptest::prelude::*;

fn pairs(query: &str, form: &str) -> Vec<(String, String)> {
    let params = Params::parse(query, Some(form.as_bytes())).unwrap();
    params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn params_of_query_and_form_are_merged_query_first() {
    let params = Params::parse("a=1&b=2", Some(b"a=3&c=4")).unwrap();
    assert_eq!(
        (params.get("a"), params.get("b"), params.get("c"), params.get("d")),
        (Some("1"), Some("2"), Some("4"), None)
    );
    assert_eq!((params.len(), params.is_empty()), (4, false));
    assert!(Params::parse("", None).unwrap().is_empty());
}

#[test]
fn params_are_decoded() {
    let decoded = pairs("&&a=b=c&d&=e&f=%41%2b+%E4%BD%a0", "x+y=%25&");
    let expected = [("a", "b=c"), ("d", ""), ("", "e"), ("f", "A+ 你"), ("x y", "%")];
    assert_eq!(decoded, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn params_that_cannot_be_decoded_are_errors() {
    for text in ["a=%", "a=%4", "a=%4g", "%zz=1"] {
        assert_eq!(Params::parse(text, None).unwrap_err(), ParamsError::Escape, "{text}");
    }
    assert_eq!(Params::parse("a=%ff", None).unwrap_err(), ParamsError::Utf8);
    assert_eq!(Params::parse("", Some(b"a=\xff")).unwrap_err(), ParamsError::Utf8);
    let many = "a&".repeat(PARAMS_COUNT_MAX);
    assert_eq!(Params::parse(&many, None).unwrap().len(), PARAMS_COUNT_MAX);
    assert_eq!(Params::parse(&many, Some(b"a")).unwrap_err(), ParamsError::Count);
}

#[test]
fn params_of_a_request_read_its_body_only_if_it_is_a_form() {
    let cases = [
        ("application/x-www-form-urlencoded", Some("2")),
        ("APPLICATION/X-WWW-FORM-URLENCODED ;charset=GBK", Some("2")),
        ("application/json", None),
    ];
    for (content_type, b) in cases {
        let mut connection = Http1::new();
        let input =
            format!("POST /?a=1 HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\nContent-Length: 3\r\n\r\nb=2");
        connection.feed(input.as_bytes());
        assert_eq!(connection.poll(&mut Vec::new()), Step::Ready);
        let request = connection.request();
        let params = request.params().unwrap();
        assert_eq!(
            (params.get("a"), params.get("b"), request.is_form()),
            (Some("1"), b, b.is_some()),
            "{content_type}"
        );
    }
}

proptest! {
    #[test]
    fn params_encoded_are_read_back(values in prop::collection::vec((".{0,20}", ".{0,20}"), 0..8)) {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let text: Vec<String> = values.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        prop_assert_eq!(pairs("", &text.join("&")), values);
    }

    #[test]
    fn params_of_random_bytes_never_panic(query in ".{0,60}", form in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Params::parse(&query, Some(&form));
    }
}
