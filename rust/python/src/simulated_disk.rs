//! The simulated disk for Python: a simulation owns one a node, and crashes it.

use std::sync::Arc;

use nacos_core::log::{self, Disk, Faults};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;

/// A disk in memory that does what real ones do at their worst, replayable from a seed.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct SimulatedDisk {
    disk: log::SimulatedDisk,
}

impl SimulatedDisk {
    pub fn attach(&self) -> Arc<dyn Disk> {
        self.disk.attach()
    }
}

#[pymethods]
impl SimulatedDisk {
    #[new]
    fn new(seed: u64) -> Self {
        Self { disk: log::SimulatedDisk::new(seed) }
    }

    /// Says what is to go wrong from now on; counting starts anew.
    #[pyo3(signature = (*, stop_at_operation = None, fail_sync = None, capacity_bytes = None))]
    fn set_faults(&self, stop_at_operation: Option<u64>, fail_sync: Option<u64>, capacity_bytes: Option<u64>) {
        self.disk.set_faults(Faults { stop_at_operation, fail_sync, capacity_bytes });
    }

    /// How many operations there were since `set_faults`.
    #[getter]
    fn operations(&self) -> u64 {
        self.disk.operations()
    }

    /// Cuts the power: what was not synced is there or not, sector by sector. A log that was open is dead.
    fn cut_power(&self) {
        self.disk.cut_power();
    }

    /// Kills the process that uses the disk: what it wrote stays, synced or not. A log that was open is dead.
    fn kill_process(&self) {
        self.disk.kill_process();
    }

    /// Name and length of each file, by name.
    fn files(&self) -> Vec<(String, usize)> {
        self.disk.files()
    }

    /// Flips one bit of a file, on the disk and in the page cache.
    fn flip_bit(&self, name: &str, byte: usize, bit: u8) -> PyResult<()> {
        let Some((_, length)) = self.disk.files().into_iter().find(|(other, _)| other == name) else {
            return Err(PyValueError::new_err(format!("there is no file {name}")));
        };
        if byte >= length || bit >= 8 {
            return Err(PyIndexError::new_err(format!("bit {bit} of byte {byte} is not one of {length} bytes")));
        }
        self.disk.flip_bit(name, byte, bit);
        Ok(())
    }
}
