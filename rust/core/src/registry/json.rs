//! Writing JSON straight into a buffer.

/// Appends `text` as a JSON string with its quotes (RFC 8259 section 7).
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Appends `text` as the inside of a JSON string.
pub fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !needs_escape(*byte) {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        write_escape(out, *byte);
        written = at + 1;
    }
    out.extend_from_slice(&bytes[written..]);
}

fn needs_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends a whole number.
pub fn write_integer(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `true` or `false`.
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a number that reads as floating point (`1.0`), which is what clients expect of a weight. What JSON cannot
/// say (infinities, no number) becomes `0.0`.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    const EXACT_MAX: f64 = 1e15;
    if value.fract() == 0.0 && (0.0..EXACT_MAX).contains(&value) {
        // Exact: a whole number below 2^53.
        write_integer(out, value as u64);
        out.extend_from_slice(b".0");
    } else {
        let value = if value.is_finite() { value } else { 0.0 };
        out.extend_from_slice(format!("{value:?}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        write_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_keep_their_point() {
        for (value, text) in [(1.0, "1.0"), (0.0, "0.0"), (0.5, "0.5"), (10000.0, "10000.0"), (-1.0, "-1.0")] {
            assert_eq!(float(value), text);
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(float(value), "0.0");
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text);
        }

        #[test]
        fn any_finite_float_reads_back_exactly(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL) {
            let text = float(value);
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap().is_f64());
        }

        #[test]
        fn whole_weights_too(value in 0..=10_000u16) {
            prop_assert_eq!(float(value.into()), format!("{value}.0"));
        }
    }
}
