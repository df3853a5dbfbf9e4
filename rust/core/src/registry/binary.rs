//! Length-prefixed little-endian binary, for snapshots and for what nodes send each other.

/// Writes one piece after another.
pub(crate) trait Write {
    fn put_u8(&mut self, value: u8);
    fn put_u16(&mut self, value: u16);
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    fn put_count(&mut self, count: usize);
    fn put_bytes(&mut self, bytes: &[u8]);
    fn put_optional(&mut self, text: Option<&str>);
}

impl Write for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_count(&mut self, count: usize) {
        self.put_u32(super::links::id(count));
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_count(bytes.len());
        self.extend_from_slice(bytes);
    }

    fn put_optional(&mut self, text: Option<&str>) {
        self.put_u8(text.is_some().into());
        if let Some(text) = text {
            self.put_bytes(text.as_bytes());
        }
    }
}

/// Why bytes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// They do not begin as they should, or are of a version that this program does not know.
    #[error("{expected} must begin with {:02x?}, this begins with {found:02x?}", expected.header())]
    Header {
        /// What they should be.
        expected: Content,
        /// The first of them.
        found: Vec<u8>,
    },
    /// They end within a value.
    #[error("it ends at byte {at} within a value that needs {needed} bytes more")]
    Truncated {
        /// Where the value begins.
        at: usize,
        /// How many bytes it lacks.
        needed: usize,
    },
    /// A value that makes no sense.
    #[error("it holds no valid {what} at byte {at}")]
    Invalid {
        /// What should be there.
        what: &'static str,
        /// Where.
        at: usize,
    },
}

/// What such bytes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Persistent instances.
    PersistentInstances,
    /// Configs with their history.
    Configs,
    /// Metadata of services, clusters and instances.
    Metadata,
    /// Publications of several nodes.
    Publications,
    /// The versions of publications.
    Versions,
    /// The keys of publications that are asked for.
    WantedPublications,
}

impl Content {
    /// Three letters and the version of the format.
    pub(crate) fn header(self) -> [u8; 4] {
        match self {
            Self::PersistentInstances => *b"NPI\x01",
            Self::Configs => *b"NCF\x03",
            Self::Metadata => *b"NMD\x01",
            Self::Publications => *b"NPB\x01",
            Self::Versions => *b"NPV\x01",
            Self::WantedPublications => *b"NPW\x01",
        }
    }
}

impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PersistentInstances => "a snapshot of persistent instances",
            Self::Configs => "a snapshot of configs",
            Self::Metadata => "a snapshot of naming metadata",
            Self::Publications => "a batch of publications",
            Self::Versions => "versions of publications",
            Self::WantedPublications => "keys of publications",
        })
    }
}

/// Reads what `Write` wrote. It never panics, and whatever it returns borrows from its input.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Checks the header.
    pub(crate) fn new(bytes: &'a [u8], expected: Content) -> Result<Self, SnapshotError> {
        let header = expected.header();
        if bytes.starts_with(&header) {
            return Ok(Self { bytes, at: header.len() });
        }
        Err(SnapshotError::Header { expected, found: bytes.iter().take(header.len()).copied().collect() })
    }

    pub(crate) fn u8(&mut self) -> Result<u8, SnapshotError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, SnapshotError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count of things of which each takes at least `bytes_each`: one that cannot be true is refused before anybody
    /// makes room for it.
    pub(crate) fn count(&mut self, bytes_each: usize) -> Result<usize, SnapshotError> {
        let count = self.u32()? as usize;
        let needed = count.saturating_mul(bytes_each).saturating_sub(self.bytes.len() - self.at);
        if needed > 0 { Err(SnapshotError::Truncated { at: self.at, needed }) } else { Ok(count) }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], SnapshotError> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, SnapshotError> {
        let at = self.at;
        std::str::from_utf8(self.bytes()?).map_err(|_| SnapshotError::Invalid { what, at })
    }

    pub(crate) fn optional(&mut self, what: &'static str) -> Result<Option<&'a str>, SnapshotError> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.text(what).map(Some),
            _ => Err(self.invalid(what)),
        }
    }

    /// Refuses what follows the end.
    pub(crate) fn finish(self) -> Result<(), SnapshotError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.invalid("end")) }
    }

    pub(crate) fn invalid(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Invalid { what, at: self.at }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().expect("take returns as many bytes as asked"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], SnapshotError> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..length) else {
            return Err(SnapshotError::Truncated { at: self.at, needed: length - rest.len() });
        };
        self.at += length;
        Ok(taken)
    }
}
