//! The hashes under which records are found and compared.

use super::super::digest::{Digest, Digester};
use super::record::Stamp;

/// Who published, for the key of a record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who<'a> {
    /// A connection, with the hash of the run of a node that it was made to.
    Connection(Digest, u64),
    Address(&'a str, u16),
}

impl Digester {
    /// The hash of one run of a node.
    pub(super) fn holder(&mut self, node_id: &str, boot: u64) -> Digest {
        self.written(|out| {
            out.extend_from_slice(&boot.to_le_bytes());
            out.extend_from_slice(node_id.as_bytes());
        })
    }

    /// The hash of what names a record: its service and its publisher.
    pub(super) fn record_key(&mut self, service: Digest, who: Who<'_>) -> Digest {
        self.written(|out| {
            out.extend_from_slice(&service.to_u128().to_le_bytes());
            match who {
                Who::Connection(holder, number) => {
                    out.push(0);
                    out.extend_from_slice(&holder.to_u128().to_le_bytes());
                    out.extend_from_slice(&number.to_le_bytes());
                }
                Who::Address(ip, port) => {
                    out.push(1);
                    out.extend_from_slice(&port.to_le_bytes());
                    out.extend_from_slice(ip.as_bytes());
                }
            }
        })
    }

    /// The hash of a record: key, version, and what it publishes.
    pub(super) fn record(&self, key: Digest, holder: Digest, stamp: &Stamp, published: Digest) -> Digest {
        let mut bytes = [0; 68];
        for (place, digest) in [key, holder, published].into_iter().enumerate() {
            bytes[16 * place..][..16].copy_from_slice(&digest.to_u128().to_le_bytes());
        }
        bytes[48..56].copy_from_slice(&stamp.revision.to_le_bytes());
        bytes[56..64].copy_from_slice(&stamp.published_ms.to_le_bytes());
        bytes[64..].copy_from_slice(&stamp.epoch.to_le_bytes());
        self.bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_gives_another_hash() {
        let mut digester = Digester::new(&[7; 16]);
        let holders = [("a", 1), ("a", 2), ("b", 1)].map(|(node_id, boot)| digester.holder(node_id, boot));
        let [a, a2, b] = holders;
        let service = digester.service(("public", "g", "s"));
        let who = [
            Who::Connection(a, 1),
            Who::Connection(a, 2),
            Who::Connection(a2, 1),
            Who::Connection(b, 1),
            Who::Address("10.0.0.1", 80),
            Who::Address("10.0.0.1", 81),
            Who::Address("10.0.0.2", 80),
        ];
        let mut seen: Vec<_> = who.into_iter().map(|who| digester.record_key(service, who)).collect();
        let stamp = Stamp { revision: 1, published_ms: 1, epoch: 1, ..Stamp::default() };
        let stamps =
            [stamp, Stamp { revision: 2, ..stamp }, Stamp { published_ms: 2, ..stamp }, Stamp { epoch: 2, ..stamp }];
        seen.extend(stamps.iter().map(|stamp| digester.record(service, a, stamp, service)));
        seen.extend([b, a2].map(|holder| digester.record(service, holder, &stamp, service)));
        seen.extend([digester.record(a, a, &stamp, service), digester.record(service, a, &stamp, a)]);
        seen.extend(holders);
        let different: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(different.len(), seen.len());
    }
}
