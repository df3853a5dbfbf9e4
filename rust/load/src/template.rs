//! Requests rendered once: the bytes stay, only fixed-width decimal numbers in them are rewritten for each request.

/// Digits of a [`Template::serial`] field.
pub const SERIAL_DIGITS: usize = 16;

/// A number that walks through a range as requests are sent: `first + ((number % count) * step + offset) / group`.
///
/// With the defaults it is `first + number % count`. `step` connections with `offset` 0.. share one numbering, and
/// `group` of its members get the same value, so that for instance ten connections publish in the same service.
#[derive(Debug, Clone, Copy)]
pub struct Cycle {
    /// Smallest value.
    pub first: u64,
    /// How many requests of one connection until the values repeat.
    pub count: u64,
    /// How many connections share the numbering.
    pub step: u64,
    /// Which of them this is.
    pub offset: u64,
    /// How many numbers share a value.
    pub group: u64,
}

impl Cycle {
    /// `first`, `first + 1`, .. `first + count - 1` and again.
    pub fn new(first: u64, count: u64) -> Self {
        Self { first, count: count.max(1), step: 1, offset: 0, group: 1 }
    }

    fn value(&self, number: u64) -> u64 {
        self.first + ((number % self.count) * self.step + self.offset) / self.group
    }
}

#[derive(Debug, Clone)]
enum Value {
    Cycle(Cycle),
    Serial,
}

#[derive(Debug, Clone)]
struct Field {
    at: usize,
    width: usize,
    value: Value,
}

/// A request (or a part of one) with holes for numbers. Its length never changes, so lengths around it can be fixed.
#[derive(Debug, Clone, Default)]
pub struct Template {
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

impl Template {
    /// Starts with fixed text.
    pub fn new(text: &str) -> Self {
        Self::default().text(text)
    }

    /// Appends fixed text.
    pub fn text(mut self, text: &str) -> Self {
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends a number that depends on how many requests the connection has sent.
    pub fn cycle(self, width: usize, cycle: Cycle) -> Self {
        self.field(width, Value::Cycle(cycle))
    }

    /// Appends a number that no other request of any run has.
    pub fn serial(self) -> Self {
        self.field(SERIAL_DIGITS, Value::Serial)
    }

    /// Appends another template.
    pub fn then(mut self, other: &Template) -> Self {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.fields.extend(other.fields.iter().map(|field| Field { at: field.at + base, ..field.clone() }));
        self
    }

    /// The same template after fixed bytes, for instance a header that holds its length.
    pub fn after(&self, prefix: &[u8]) -> Self {
        let head = Template { bytes: prefix.to_vec(), fields: Vec::new() };
        head.then(self)
    }

    fn field(mut self, width: usize, value: Value) -> Self {
        self.fields.push(Field { at: self.bytes.len(), width, value });
        self.bytes.resize(self.bytes.len() + width, b'0');
        self
    }

    /// Length of every rendering, in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the rendering for the connection's request `number` (counted from 0) to `out`.
    pub fn write(&self, number: u64, serial: u64, out: &mut Vec<u8>) {
        let base = out.len();
        out.extend_from_slice(&self.bytes);
        for field in &self.fields {
            let value = match &field.value {
                Value::Cycle(cycle) => cycle.value(number),
                Value::Serial => serial,
            };
            write_digits(value, &mut out[base + field.at..][..field.width]);
        }
    }
}

/// Fills `digits` with the last `digits.len()` decimal digits of `value`.
fn write_digits(mut value: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &Template, number: u64, serial: u64) -> String {
        let mut out = Vec::new();
        template.write(number, serial, &mut out);
        assert_eq!(out.len(), template.len());
        String::from_utf8(out).expect("digits and text")
    }

    #[test]
    fn numbers_are_written_into_their_places() {
        let template = Template::new("a").cycle(3, Cycle::new(7, 2)).text("b").serial();
        assert_eq!(rendered(&template, 0, 12), "a007b0000000000000012");
        assert_eq!(rendered(&template, 1, 12), "a008b0000000000000012");
        assert_eq!(rendered(&template, 2, 12), "a007b0000000000000012");
    }

    #[test]
    fn a_prefix_moves_the_numbers() {
        let template = Template::new("x").cycle(2, Cycle::new(5, 9)).after(b"\x00\x01");
        assert_eq!(rendered(&template, 3, 0), "\0\u{1}x08");
    }

    #[test]
    fn writing_appends() {
        let mut out = b"before ".to_vec();
        Template::new("").cycle(2, Cycle::new(0, 100)).write(42, 0, &mut out);
        assert_eq!(out, b"before 42");
    }

    #[test]
    fn connections_share_groups_of_ten() {
        let members = |service: u64| {
            (0..64u64)
                .filter(|&offset| {
                    let cycle = Cycle { step: 64, offset, group: 10, ..Cycle::new(0, 20) };
                    (0..20).any(|number| cycle.value(number) == service)
                })
                .count()
        };
        assert_eq!((0..64 * 20 / 10).map(members).collect::<Vec<_>>(), vec![10; 128]);
    }
}
