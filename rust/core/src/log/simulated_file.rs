//! What a simulated file holds: as the page cache has it, and as the disk has it.

use std::ops::Range;
use std::sync::Arc;

use super::record::SECTOR_BYTES;

/// SplitMix64: a few lines, and the same numbers everywhere.
#[derive(Debug)]
pub(super) struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.next() % count == 0
    }
}

/// Numbers of sectors: ranges in order, with gaps between them, so that a write costs little however long it is.
#[derive(Debug, Default)]
struct Sectors(Vec<Range<usize>>);

impl Sectors {
    fn insert(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        // Almost always the last one, or behind it.
        let first = self.0.iter().rposition(|other| other.end < range.start).map_or(0, |before| before + 1);
        let behind = first + self.0[first..].partition_point(|other| other.start <= range.end);
        let touched = &self.0[first..behind];
        let start = touched.first().map_or(range.start, |other| other.start.min(range.start));
        let end = touched.last().map_or(range.end, |other| other.end.max(range.end));
        self.0.splice(first..behind, std::iter::once(start..end));
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().cloned().flatten()
    }
}

/// One file of a simulated disk.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub cached: Vec<u8>,
    on_disk: Vec<u8>,
    /// Sectors of `cached` that no sync has taken yet.
    dirty: Sectors,
    /// Sectors that a failed sync left marked clean.
    lost: Sectors,
    length_is_dirty: bool,
    /// Shared with every open file.
    pub handle: Arc<()>,
}

impl Content {
    /// Whether nobody has the file open.
    pub fn is_closed(&self) -> bool {
        Arc::strong_count(&self.handle) == 1
    }

    pub fn write(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        self.resize(self.cached.len().max(end));
        self.cached[offset..end].copy_from_slice(bytes);
        self.dirty.insert(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    pub fn resize(&mut self, length: usize) {
        let before = self.cached.len();
        if length != before {
            self.cached.resize(length, 0);
            let (low, high) = (before.min(length), before.max(length));
            self.dirty.insert(low / SECTOR_BYTES..high.div_ceil(SECTOR_BYTES));
            self.length_is_dirty = true;
        }
    }

    /// Now and then a sector reaches the disk before anybody asks for it.
    pub fn write_some_back(&mut self, chance: &mut Chance) {
        for sector in self.dirty.iter().filter(|_| chance.one_in(8)) {
            write_back(&self.cached, &mut self.on_disk, sector..sector + 1);
        }
    }

    pub fn sync(&mut self) {
        for sectors in self.dirty.0.drain(..) {
            write_back(&self.cached, &mut self.on_disk, sectors);
        }
        if std::mem::take(&mut self.length_is_dirty) {
            self.on_disk.resize(self.cached.len(), 0);
        }
    }

    /// A sync that fails: some of it is on the disk, and all of it counts as clean.
    pub fn fail_to_sync(&mut self, chance: &mut Chance) {
        self.write_some_back(chance);
        for sectors in self.dirty.0.drain(..) {
            self.lost.insert(sectors);
        }
        self.length_is_dirty = false;
    }

    /// What was not synced is on the disk or not, sector by sector; the page cache is gone. Only what may differ is
    /// looked at.
    pub fn lose_power(&mut self, chance: &mut Chance) {
        for sector in self.dirty.iter().filter(|_| chance.one_in(2)) {
            write_back(&self.cached, &mut self.on_disk, sector..sector + 1);
        }
        if std::mem::take(&mut self.length_is_dirty) && chance.one_in(2) {
            self.on_disk.resize(self.cached.len(), 0);
        }
        self.cached.truncate(self.on_disk.len());
        self.cached.extend_from_slice(&self.on_disk[self.cached.len()..]);
        for sectors in self.dirty.0.drain(..).chain(self.lost.0.drain(..)) {
            write_back(&self.on_disk, &mut self.cached, sectors);
        }
        debug_assert!(self.cached == self.on_disk, "what may differ is known");
    }

    /// Flips a bit wherever it is stored.
    pub fn flip_bit(&mut self, byte: usize, bit: u8) {
        for bytes in [&mut self.cached, &mut self.on_disk] {
            if let Some(byte) = bytes.get_mut(byte) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }
}

/// Copies sectors, as far as the file reaches there.
fn write_back(from: &[u8], to: &mut Vec<u8>, sectors: Range<usize>) {
    let (start, end) = (sectors.start * SECTOR_BYTES, (sectors.end * SECTOR_BYTES).min(from.len()));
    if start < end {
        to.resize(to.len().max(end), 0);
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sectors_are_a_set_in_order(ranges in prop::collection::vec((0..60usize, 0..9usize), 0..30)) {
            let (mut sectors, mut expected) = (Sectors::default(), BTreeSet::new());
            for (start, length) in ranges {
                sectors.insert(start..start + length);
                expected.extend(start..start + length);
                prop_assert_eq!(sectors.iter().collect::<Vec<_>>(), expected.iter().copied().collect::<Vec<_>>());
                prop_assert!(sectors.0.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", sectors);
            }
        }

        /// That the page cache is then as the disk is, `lose_power` checks itself.
        #[test]
        fn what_was_synced_last_survives_a_power_cut(
            seed in any::<u64>(),
            steps in prop::collection::vec((0..6u8, 0..4000usize, 1..2000usize), 1..30),
        ) {
            let (mut content, mut chance, mut has_failed) = (Content::default(), Chance(seed), false);
            for (at, (step, offset, length)) in steps.into_iter().enumerate() {
                has_failed |= step == 5;
                match step {
                    0..=2 => content.write(&vec![at as u8 + 1; length], offset),
                    3 => content.resize(offset),
                    4 => content.sync(),
                    _ => content.fail_to_sync(&mut chance),
                }
            }
            if !has_failed {
                content.sync();
            }
            let synced = content.cached.clone();
            content.lose_power(&mut chance);
            prop_assert!(has_failed || content.cached == synced);
        }
    }
}
