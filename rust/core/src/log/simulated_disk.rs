//! A disk in memory that does what real ones do at their worst, replayable from a seed.
//!
//! - What was written is in the page cache; a power cut keeps any subset of the sectors that were not synced, and any of
//!   the lengths and names. Now and then a sector reaches the disk early, in any order.
//! - A failed sync leaves its pages marked clean: they can still be read, a later sync does not write them, and a power
//!   cut loses them ("fsyncgate", Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
//! - A killed process leaves the page cache as it is.
//! - Writes fail when the disk is full, after writing what fits.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile};
use super::record::SECTOR_BYTES;

/// What is to go wrong, by the number of the operation (any call counts one) or of the sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// From this operation on everything fails, as if the machine had stopped; a write gets half through.
    pub stop_at_operation: Option<u64>,
    /// This sync of a file fails.
    pub fail_sync: Option<u64>,
    /// Bytes that all files together may have.
    pub capacity_bytes: Option<u64>,
}

/// A simulated disk. Clones share it.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    chance: Chance,
    faults: Faults,
    operations: u64,
    syncs: u64,
    /// Rises with each crash, so that handles from before are dead.
    generation: u64,
    locked: bool,
    names: BTreeMap<String, usize>,
    names_on_disk: BTreeMap<String, usize>,
    /// Changes of names since the last sync of the directory.
    renames: Vec<NameChange>,
    contents: Vec<Content>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Debug, Default)]
struct Content {
    cached: Vec<u8>,
    on_disk: Vec<u8>,
    /// Sectors of `cached` that no sync has taken yet.
    dirty: BTreeSet<usize>,
    length_is_dirty: bool,
}

/// SplitMix64: a few lines, and the same numbers everywhere.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next() % count == 0
    }
}

impl SimulatedDisk {
    /// An empty disk whose misfortunes come from the seed.
    pub fn new(seed: u64) -> Self {
        let state = State {
            chance: Chance(seed),
            faults: Faults::default(),
            operations: 0,
            syncs: 0,
            generation: 0,
            locked: false,
            names: BTreeMap::new(),
            names_on_disk: BTreeMap::new(),
            renames: Vec::new(),
            contents: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Says what is to go wrong from now on; counting starts anew.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.lock_state();
        state.faults = faults;
        state.operations = 0;
        state.syncs = 0;
    }

    /// How many operations there were since `set_faults`.
    pub fn operations(&self) -> u64 {
        self.lock_state().operations
    }

    /// Cuts the power: what was not synced may be there or not, piece by piece. Whoever had files open is gone.
    pub fn cut_power(&self) {
        let mut state = self.lock_state();
        state.restart();
        let State { chance, contents, .. } = &mut *state;
        for content in contents.iter_mut() {
            content.lose_power(chance);
        }
        let mut names = std::mem::take(&mut state.names_on_disk);
        for change in std::mem::take(&mut state.renames) {
            if state.chance.one_in(2) {
                change.apply(&mut names);
            }
        }
        state.names = names.clone();
        state.names_on_disk = names;
    }

    /// Kills the process that uses the disk: the page cache lives on.
    pub fn kill_process(&self) {
        self.lock_state().restart();
    }

    /// The names and lengths of all files.
    pub fn files(&self) -> Vec<(String, usize)> {
        let state = self.lock_state();
        state.names.iter().map(|(name, id)| (name.clone(), state.contents[*id].cached.len())).collect()
    }

    /// Flips one bit of a file, where no write or sync has any part in it.
    pub fn flip_bit(&self, name: &str, byte: usize, bit: u8) {
        let mut state = self.lock_state();
        let Some(id) = state.names.get(name).copied() else { return };
        let Content { cached, on_disk, .. } = &mut state.contents[id];
        for bytes in [cached, on_disk] {
            if let Some(byte) = bytes.get_mut(byte) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, id: usize, generation: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { disk: self.clone(), id, generation })
    }
}

impl State {
    fn restart(&mut self) {
        self.generation += 1;
        self.locked = false;
        self.faults = Faults::default();
    }

    /// Counts an operation; false when the machine has stopped.
    fn step(&mut self) -> io::Result<()> {
        let stopped = self.faults.stop_at_operation.is_some_and(|at| self.operations >= at);
        self.operations += 1;
        if stopped { Err(io::Error::other("the machine has stopped")) } else { Ok(()) }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.renames.push(change);
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|id| self.contents[*id].cached.len() as u64).sum()
    }

    /// How many of `length` bytes at `offset` may be written: half if the machine stops now, what fits if it is full.
    fn writable(&mut self, id: usize, offset: u64, length: usize) -> (usize, io::Result<()>) {
        if let Err(error) = self.step() {
            let stops_now = self.faults.stop_at_operation.is_some_and(|at| at + 1 == self.operations);
            return (if stops_now { length / 2 } else { 0 }, Err(error));
        }
        let Some(capacity) = self.faults.capacity_bytes else { return (length, Ok(())) };
        let cached = self.contents[id].cached.len() as u64;
        let free = capacity.saturating_sub(self.used_bytes());
        let fits = (cached + free).saturating_sub(offset).min(length as u64) as usize;
        match fits == length {
            true => (length, Ok(())),
            false => (fits, Err(io::ErrorKind::StorageFull.into())),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Create(name, id) => {
                names.insert(name.clone(), *id);
            }
            NameChange::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Content {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        self.resize(self.cached.len().max(end));
        self.cached[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    fn resize(&mut self, length: usize) {
        let before = self.cached.len();
        if length != before {
            self.cached.resize(length, 0);
            let (low, high) = (before.min(length), before.max(length));
            self.dirty.extend(low / SECTOR_BYTES..high.div_ceil(SECTOR_BYTES));
            self.length_is_dirty = true;
        }
    }

    /// Brings one sector to the disk, as far as the file reaches there.
    fn write_back(&mut self, sector: usize) {
        let start = sector * SECTOR_BYTES;
        let end = (start + SECTOR_BYTES).min(self.cached.len());
        if start < end {
            if self.on_disk.len() < end {
                self.on_disk.resize(end, 0);
            }
            self.on_disk[start..end].copy_from_slice(&self.cached[start..end]);
        }
    }

    fn write_some_back(&mut self, chance: &mut Chance) {
        let early: Vec<usize> = self.dirty.iter().copied().filter(|_| chance.one_in(8)).collect();
        for sector in early {
            self.write_back(sector);
        }
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.write_back(sector);
        }
        if std::mem::take(&mut self.length_is_dirty) {
            self.on_disk.resize(self.cached.len(), 0);
        }
    }

    fn lose_power(&mut self, chance: &mut Chance) {
        let length = self.cached.len();
        for sector in std::mem::take(&mut self.dirty) {
            if chance.one_in(2) {
                self.write_back(sector);
            }
        }
        if std::mem::take(&mut self.length_is_dirty) && chance.one_in(2) {
            self.on_disk.resize(length, 0);
        }
        self.cached = self.on_disk.clone();
    }
}

impl Disk for SimulatedDisk {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut state = self.lock_state();
        state.step()?;
        if state.locked {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another user of the simulated disk"));
        }
        state.locked = true;
        Ok(Box::new(Lock { disk: self.clone(), generation: state.generation }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.lock_state();
        state.step()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock_state();
        state.step()?;
        let id = match state.names.get(name) {
            Some(id) => *id,
            None if create => {
                let id = state.contents.len();
                state.contents.push(Content::default());
                state.change_name(NameChange::Create(name.to_owned(), id));
                id
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(self.file(id, state.generation))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        state.step()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        state.step()?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.lock_state();
        state.step()?;
        state.names_on_disk = state.names.clone();
        state.renames.clear();
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        format!("simulated/{name}")
    }
}

#[derive(Debug)]
struct Lock {
    disk: SimulatedDisk,
    generation: u64,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.disk.lock_state();
        if state.generation == self.generation {
            state.locked = false;
        }
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: usize,
    generation: u64,
}

impl SimulatedFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock_state();
        match state.generation == self.generation {
            true => Ok(state),
            false => Err(io::Error::other("the process that opened the file is gone")),
        }
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.state()?;
        state.step()?;
        Ok(state.contents[self.id].cached.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.step()?;
        let start = offset as usize;
        let bytes = state.contents[self.id].cached.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let (count, result) = state.writable(self.id, offset, bytes.len());
        let State { chance, contents, .. } = &mut *state;
        contents[self.id].write(&bytes[..count], offset as usize);
        contents[self.id].write_some_back(chance);
        result
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.step()?;
        state.contents[self.id].resize(length as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        state.step()?;
        state.syncs += 1;
        let fails = state.faults.fail_sync == Some(state.syncs);
        let State { chance, contents, .. } = &mut *state;
        let content = &mut contents[self.id];
        if !fails {
            content.sync();
            return Ok(());
        }
        content.write_some_back(chance);
        content.dirty.clear();
        content.length_is_dirty = false;
        Err(io::Error::other("the disk has failed to write"))
    }
}
