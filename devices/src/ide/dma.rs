//! [`DmaWork`]: the thread that moves data between disks and memory while the guest runs on.
//!
//! The channel leaves a [`Job`] in [`Dma`] and rings. The thread does it in pieces, each with the
//! gate held, and tells the channel its [`DmaEnd`]. Who cancels a job waits at the gate for the
//! piece that is under way: afterwards nothing touches memory or disk any more for it.

use super::ata::drive::BadSector;
use super::ata::spec::Direction;
use super::channel::Channel;
use super::prd::{PrdError, PrdList};
use crate::disk::{DiskFile, DiskOperation, SECTOR_BYTES};
use crate::virtio::blk::engine::sync::SyncEngine;
use crate::virtio::blk::engine::{Durability, Engine, Transfer};
use crate::virtio::io_buffers::IoBuffers;
use crate::virtio::worker::Work;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::EventFd;

/// Sectors of a piece.
const PIECE: u32 = 512;

/// A transfer to do.
pub(super) struct Job {
    /// The disk.
    pub disk: Arc<DiskFile>,
    /// Which way.
    pub direction: Direction,
    /// First sector.
    pub sector: u64,
    /// Sectors, which the disk has.
    pub count: u32,
    /// When a write is done.
    pub durability: Durability,
    /// Where in memory.
    pub list: u32,
}

/// How a job has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DmaEnd {
    /// All is moved, and regions are left over or not.
    Done {
        /// Whether the list is used up.
        list_is_empty: bool,
    },
    /// The list was too short.
    Short,
    /// The list has no end, or names what is no memory.
    List(PrdError),
    /// The disk broke.
    Disk(BadSector),
}

/// What channel and thread share.
pub(super) struct Dma {
    doorbell: EventFd,
    waiting: Mutex<Option<(u64, Job)>>,
    /// Number of the job that may run; 0 if none may.
    allowed: AtomicU64,
    /// Held while a piece moves.
    gate: Mutex<()>,
}

impl Dma {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            doorbell: EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?,
            waiting: Mutex::new(None),
            allowed: AtomicU64::new(0),
            gate: Mutex::new(()),
        })
    }

    /// Has a job done, under a number that no other has had.
    pub(super) fn start(&self, number: u64, job: Job) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = Some((number, job));
        self.allowed.store(number, Ordering::SeqCst);
        if let Err(error) = self.doorbell.write(1) {
            log::error!("IDE: waking the DMA thread: {error}");
        }
    }

    /// Ends the job, if one runs, and waits until it has ended.
    pub(super) fn cancel(&self) {
        self.allowed.store(0, Ordering::SeqCst);
        drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the thread does.
pub(super) struct DmaWork {
    pub(super) dma: Arc<Dma>,
    pub(super) channel: Arc<Mutex<Channel>>,
    pub(super) memory: Arc<GuestMemoryMmap>,
}

impl DmaWork {
    /// Does a job; none if it was cancelled.
    fn run(&self, number: u64, job: &Job) -> Option<DmaEnd> {
        let mut engine = match job.disk.file().try_clone() {
            Ok(file) => SyncEngine::new(file),
            Err(error) => {
                log::error!("IDE: {error}");
                return Some(DmaEnd::Disk(BadSector(job.sector)));
            }
        };
        let mut list = PrdList::new(job.list);
        let (mut sector, mut left, mut step) = (job.sector, job.count, PIECE);
        while left > 0 {
            let _piece = self.dma.gate.lock().unwrap_or_else(PoisonError::into_inner);
            if self.dma.allowed.load(Ordering::SeqCst) != number {
                return None;
            }
            let count = step.min(left);
            let before = list.clone();
            let moved = match self.piece(&mut engine, job, &mut list, (sector, count)) {
                // Again, one by one, to know which.
                Err(DmaEnd::Disk(_)) if step > 1 => {
                    (list, step) = (before, 1);
                    continue;
                }
                Err(end) => return Some(end),
                Ok(moved) => moved,
            };
            sector += u64::from(moved);
            left -= moved;
            if moved < count {
                return Some(DmaEnd::Short);
            }
        }
        Some(DmaEnd::Done {
            list_is_empty: list.is_empty(),
        })
    }

    /// Moves as many of the sectors as there are regions for.
    fn piece(
        &self,
        engine: &mut SyncEngine,
        job: &Job,
        list: &mut PrdList,
        (sector, count): (u64, u32),
    ) -> Result<u32, DmaEnd> {
        const BYTES: u32 = SECTOR_BYTES as u32;
        let before = list.clone();
        let regions = list.take(&self.memory, count * BYTES);
        let mut regions = regions.map_err(DmaEnd::List)?;
        let bytes: u32 = regions.iter().map(|region| region.len).sum();
        if !bytes.is_multiple_of(BYTES) {
            // A part of a sector stays where it is.
            let whole = before.clone().take(&self.memory, bytes / BYTES * BYTES);
            regions = whole.map_err(DmaEnd::List)?;
        }
        let moved = bytes / BYTES;
        let buffers = IoBuffers::new(&self.memory, &regions);
        let buffers = buffers.ok_or(DmaEnd::List(PrdError::OutsideMemory))?;
        let offset = sector * SECTOR_BYTES;
        let (operation, transfer) = match job.direction {
            Direction::Read => (DiskOperation::Read, Transfer::Read { offset, buffers }),
            Direction::Write => {
                let durability = job.durability;
                let transfer = Transfer::Write {
                    offset,
                    buffers,
                    durability,
                };
                (DiskOperation::Write, transfer)
            }
        };
        let there = match operation {
            DiskOperation::Write => job.disk.reaches(offset + u64::from(moved * BYTES)),
            _ => Ok(()),
        };
        let done = there.and_then(|()| {
            engine.start(0, transfer);
            engine.completed().map_or(Ok(()), |done| done.result)
        });
        match done {
            Ok(()) => Ok(moved),
            Err(error) => {
                // One of many is tried again, to know which.
                if count == 1 {
                    job.disk.failed(operation, &error);
                }
                Err(DmaEnd::Disk(BadSector(sector)))
            }
        }
    }
}

impl Work for DmaWork {
    fn sources(&self) -> Vec<(RawFd, u32)> {
        vec![(self.dma.doorbell.as_raw_fd(), 0)]
    }

    fn on_ready(&mut self, _token: u32) {
        // Level-triggered: read first, so that a ring during the work wakes again.
        let _ = self.dma.doorbell.read();
        let waiting = &self.dma.waiting;
        let job = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((number, job)) = job else { return };
        if let Some(end) = self.run(number, &job) {
            let channel = self.channel.lock();
            let mut channel = channel.unwrap_or_else(PoisonError::into_inner);
            channel.dma_has_ended(number, end);
        }
    }
}
