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
use super::simulated_file::{Chance, Content};

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

    /// The disk as a process has it that starts now. After a power cut or a kill it refuses everything, so that what the
    /// dead process left behind touches the disk no more.
    pub fn attach(&self) -> Arc<dyn Disk> {
        Arc::new(Attached { disk: self.clone(), generation: self.lock_state().generation })
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
        state.forget_nameless();
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
        state.contents[id].flip_bit(byte, bit);
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Forgets the contents of files that no name leads to any more and that nobody has open; all names are synced.
    fn forget_nameless(&mut self) {
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        for (id, content) in self.contents.iter_mut().enumerate() {
            if !named.contains(&id) && content.is_closed() {
                *content = Content::default();
            }
        }
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

/// A disk and the process that uses it.
#[derive(Clone, Debug)]
struct Attached {
    disk: SimulatedDisk,
    generation: u64,
}

impl Attached {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock_state();
        match state.generation == self.generation {
            true => Ok(state),
            false => Err(io::Error::other("the process that used the disk is gone")),
        }
    }

    /// The state, with one operation counted.
    fn step(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state()?;
        state.step()?;
        Ok(state)
    }
}

impl Disk for Attached {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut state = self.step()?;
        if state.locked {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another user of the simulated disk"));
        }
        state.locked = true;
        Ok(Box::new(Lock(self.clone())))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.step()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.step()?;
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
        let handle = Arc::clone(&state.contents[id].handle);
        Ok(Arc::new(SimulatedFile { process: self.clone(), id, _handle: handle }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.step()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.step()?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.step()?;
        if !state.renames.is_empty() {
            state.names_on_disk = state.names.clone();
            let changes = std::mem::take(&mut state.renames);
            if changes.iter().any(|change| !matches!(change, NameChange::Create(..))) {
                state.forget_nameless();
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        format!("simulated/{name}")
    }
}

#[derive(Debug)]
struct Lock(Attached);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.state() {
            state.locked = false;
        }
    }
}

#[derive(Debug)]
struct SimulatedFile {
    process: Attached,
    id: usize,
    /// Says that the file is open.
    _handle: Arc<()>,
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        let state = self.process.step()?;
        Ok(state.contents[self.id].cached.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.process.step()?;
        let start = offset as usize;
        let bytes = state.contents[self.id].cached.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.process.state()?;
        let (count, result) = state.writable(self.id, offset, bytes.len());
        let State { chance, contents, .. } = &mut *state;
        contents[self.id].write(&bytes[..count], offset as usize);
        contents[self.id].write_some_back(chance);
        result
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.process.step()?;
        state.contents[self.id].resize(length as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.process.step()?;
        state.syncs += 1;
        let fails = state.faults.fail_sync == Some(state.syncs);
        let State { chance, contents, .. } = &mut *state;
        let content = &mut contents[self.id];
        if !fails {
            content.sync();
            return Ok(());
        }
        content.fail_to_sync(chance);
        Err(io::Error::other("the disk has failed to write"))
    }
}
