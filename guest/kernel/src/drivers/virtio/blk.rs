//! virtio-blk (virtio 1.3 5.2): reads, writes and flushes, several under way at once.
//!
//! Payload goes from and to the caller's own pages. A transfer with more segments than one
//! request takes is cut ([`Cutter`]) in several, which the device gets without a wait between.
//!
//! A device with several queues gets the requests of each processor on one of its own, and
//! interrupts that processor for them: so processors do not wait for each other.

use super::chain::{Direction, Request};
use super::cut::{Cutter, SECTOR_BYTES};
use super::device::{Channel, Device};
use super::layout::MAX_SLOTS;
use super::queue::Token;
use super::transport::Transport;
use super::{Broken, DeviceType, find};
use crate::arch::cpu_id;
use crate::drivers::lazy::Lazy;
use crate::drivers::{BlockDevice, Segment, check_range};
use crate::{machine, sched};
use abi::syscall::{Errno, IoMode};
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

/// `VIRTIO_BLK_F_RO`, `VIRTIO_BLK_F_FLUSH`, `VIRTIO_BLK_F_MQ` (virtio 1.3 5.2.3).
const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_FLUSH: u64 = 1 << 9;
const FEATURE_QUEUES: u64 = 1 << 12;
/// Capacity in sectors and number of queues, in the device configuration (5.2.4).
const CONFIG_CAPACITY: u64 = 0;
const CONFIG_QUEUES: u64 = 34;
/// Most queues that are used, as each takes an interrupt.
const MAX_QUEUES: u32 = 4;
const STATUS_OK: u8 = 0;

/// Requests of one transfer that are under way at once.
const MAX_IN_FLIGHT: usize = 4;
const MAX_DISKS: usize = 4;

/// Request types (virtio 1.3 5.2.6).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read = 0,
    Write = 1,
    Flush = 4,
}

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static DISKS: [Lazy<Option<Disk>>; MAX_DISKS] = [const { Lazy::new() }; MAX_DISKS];

/// Requests completed since boot, all disks.
pub(crate) fn requests() -> u64 {
    REQUESTS.load(Ordering::Relaxed)
}

/// Disk number `index`, started at its first use.
pub(crate) fn disk(index: usize) -> Option<&'static dyn BlockDevice> {
    let disk = DISKS.get(index)?.get_or_make(|| Disk::start(index).ok());
    disk.as_ref().map(|disk| disk as &dyn BlockDevice)
}

/// The processors that a disk's queues are for.
fn queue_cpus(transport: &Transport, features: u64) -> Result<Vec<u32>, Broken> {
    if features & FEATURE_QUEUES == 0 {
        return Ok(vec![0]);
    }
    let queues = transport
        .config_bytes(CONFIG_QUEUES)
        .map(u16::from_le_bytes);
    let queues = queues.map_err(|_| transport.fail())?;
    let used = machine::get().cpus.min(queues.into()).min(MAX_QUEUES);
    let cpus = (0..used.max(1)).map(|cpu| match sched::is_online(cpu) {
        true => cpu,
        // It may be on its way, and would lose its interrupts.
        false => 0,
    });
    Ok(cpus.collect())
}

struct Disk {
    device: &'static Device,
    sectors: u64,
    max_segments: usize,
}

impl Disk {
    fn start(index: usize) -> Result<Self, Errno> {
        let handle = find(DeviceType::Block, index).ok_or(Errno::NoEnt)?;
        let features = FEATURE_READ_ONLY | FEATURE_FLUSH | FEATURE_QUEUES;
        let device = handle.start_with(features, MAX_SLOTS, queue_cpus)?;
        let sectors = device.transport.config_u64(CONFIG_CAPACITY)?;
        let segments = |channel: &Channel| channel.queue.lock().max_segments();
        let max_segments = device.channels.iter().map(segments).min();
        Ok(Self {
            device,
            sectors,
            max_segments: max_segments.ok_or(Errno::Io)?,
        })
    }

    /// The queue of the processor that this is.
    fn channel(&self) -> &'static Channel {
        let channels = &self.device.channels;
        &channels[cpu_id() as usize % channels.len()]
    }

    fn submit(
        &self,
        channel: &Channel,
        operation: Operation,
        sector: u64,
        piece: &[Segment],
        mode: IoMode,
    ) -> Result<Token, Errno> {
        let direction = match operation {
            Operation::Read => Direction::FromDevice,
            Operation::Write | Operation::Flush => Direction::ToDevice,
        };
        let header = Some([operation as u64, sector]);
        self.device.submit(
            channel,
            &Request {
                header,
                segments: piece,
                direction,
                mode,
            },
        )
    }

    fn finish(&self, channel: &Channel, token: Token, mode: IoMode) -> Result<(), Errno> {
        let answer = self.device.wait(channel, token, mode)?;
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        if answer.status == STATUS_OK {
            Ok(())
        } else {
            Err(Errno::Io)
        }
    }

    fn transfer(
        &self,
        operation: Operation,
        sector: u64,
        segments: &[Segment],
        mode: IoMode,
    ) -> Result<(), Errno> {
        let bytes = check_range(self.sectors, sector, segments)?;
        if segments.len() <= self.max_segments {
            let channel = self.channel();
            let token = self.submit(channel, operation, sector, segments, mode)?;
            return self.finish(channel, token, mode);
        }
        self.transfer_in_pieces(operation, sector, segments, mode, bytes)
    }

    fn transfer_in_pieces(
        &self,
        operation: Operation,
        mut sector: u64,
        segments: &[Segment],
        mode: IoMode,
        bytes: u64,
    ) -> Result<(), Errno> {
        let end = sector + bytes / u64::from(SECTOR_BYTES);
        let channel = self.channel();
        let mut under_way = [None; MAX_IN_FLIGHT];
        let mut result = Ok(());
        for (i, piece) in Cutter::new(segments, self.max_segments).enumerate() {
            let place = &mut under_way[i % MAX_IN_FLIGHT];
            if let Some(oldest) = place.take() {
                result = self.finish(channel, oldest, mode);
            }
            let submitted = result
                .and_then(|()| self.submit(channel, operation, sector, piece.segments(), mode));
            match submitted {
                Ok(token) => *place = Some(token),
                Err(errno) => {
                    result = Err(errno);
                    break;
                }
            }
            sector += piece.bytes() / u64::from(SECTOR_BYTES);
        }
        // The memory is the device's until it has answered: every request is waited for, also
        // after one has failed.
        for token in under_way.into_iter().flatten() {
            result = result.and(self.finish(channel, token, mode));
        }
        result?;
        if sector == end {
            Ok(())
        } else {
            Err(Errno::Inval)
        }
    }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&self, sector: u64, to: &[Segment], mode: IoMode) -> Result<(), Errno> {
        self.transfer(Operation::Read, sector, to, mode)
    }

    fn write(&self, sector: u64, from: &[Segment], mode: IoMode) -> Result<(), Errno> {
        if self.device.has(FEATURE_READ_ONLY) {
            return Err(Errno::Perm);
        }
        self.transfer(Operation::Write, sector, from, mode)
    }

    fn flush(&self, mode: IoMode) -> Result<(), Errno> {
        if !self.device.has(FEATURE_FLUSH) {
            // Without it a completed write is on stable storage (virtio 1.3 5.2.6.2).
            return Ok(());
        }
        let channel = self.channel();
        let token = self.submit(channel, Operation::Flush, 0, &[], mode)?;
        self.finish(channel, token, mode)
    }
}
