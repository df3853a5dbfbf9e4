//! A log whose groups are written when the caller says so: a simulation has no threads, and syncs take simulated time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::Disk;
use super::error::LogError;
use super::recover::Options;
use super::shared::{SharedLog, Writing};
use super::state::{Log, Work};
use super::writer::Writer;

/// The writer, and the group that was begun.
#[derive(Debug)]
pub(super) struct ByHand {
    writer: Writer,
    in_flight: Option<Work>,
}

impl SharedLog {
    /// Opens or creates the log of any disk; nothing is written unless `begin_sync` and `complete_sync` (or `sync`,
    /// `close`, or a snapshot) are called. A log that is only dropped leaves the disk as it is, as a crash does.
    pub fn by_hand(disk: Arc<dyn Disk>, options: Options) -> Result<Self, LogError> {
        let (log, writer) = Log::open(disk, options)?;
        Ok(Self::new(log, Writing::ByHand(Mutex::new(ByHand { writer, in_flight: None }))))
    }

    /// Takes what has gathered as the group that is under way; false when there is nothing, or one is under way already.
    pub fn begin_sync(&self) -> Result<bool, LogError> {
        let mut by_hand = self.writer_by_hand()?;
        if by_hand.in_flight.is_none() {
            by_hand.in_flight = self.with(|log| log.check().map(|()| log.begin_sync()))??;
            return Ok(by_hand.in_flight.is_some());
        }
        Ok(false)
    }

    /// Writes and syncs the group that is under way. Nothing happens when there is none.
    pub fn complete_sync(&self) -> Result<(), LogError> {
        let ByHand { writer, in_flight } = &mut *self.writer_by_hand()?;
        let Some(work) = in_flight.take() else { return Ok(()) };
        let result = writer.perform(&work);
        self.with(|log| {
            log.complete_sync(result);
            log.check()
        })?
    }

    /// Whether something waits for `begin_sync`, which would take it now.
    pub fn has_work(&self) -> Result<bool, LogError> {
        self.with(|log| log.has_work())
    }

    /// Writes and syncs everything, now.
    pub(super) fn sync_by_hand(&self) -> Result<(), LogError> {
        self.with(|log| log.check())??;
        self.complete_sync()?;
        while self.begin_sync()? {
            self.complete_sync()?;
        }
        Ok(())
    }

    fn writer_by_hand(&self) -> Result<MutexGuard<'_, ByHand>, LogError> {
        match &self.writing {
            Writing::ByHand(by_hand) => Ok(by_hand.lock().unwrap_or_else(PoisonError::into_inner)),
            Writing::Nothing | Writing::InThread(_) => Err(LogError::NotByHand),
        }
    }
}
