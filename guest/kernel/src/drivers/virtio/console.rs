//! virtio-console (virtio 1.3 5.3), its first port: a stream of bytes each way.
//!
//! What a program writes goes out as one request a call, straight from its pages, so that the
//! device keeps it together. The kernel's own text is copied to a staging page first.

use super::queue::{Direction, Request};
use super::{Channel, Device, DeviceType, find, poll_until};
use crate::drivers::lazy::Lazy;
use crate::drivers::{CharDevice, Segment};
use crate::mm::{DmaBuffer, PAGE_BYTES};
use crate::sync::SpinLock;
use crate::{arch, time};
use abi::syscall::{Errno, IoMode};

/// Queues of the first port (virtio 1.3 5.3.2).
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const QUEUES: usize = 2;
/// Tries of the kernel's own text to get a lock.
const MAX_TRIES: u32 = 1 << 14;
const WRITE_NOW_TIMEOUT_NS: u64 = 100_000_000;

static CONSOLE: Lazy<Option<Console>> = Lazy::new();

/// The console, started at its first use.
pub(crate) fn device() -> Option<&'static dyn CharDevice> {
    let console = CONSOLE.get_or_make(|| Console::start().ok());
    console.as_ref().map(|console| console as &dyn CharDevice)
}

struct Console {
    device: &'static Device,
    receive: &'static Channel,
    transmit: &'static Channel,
    max_segments: usize,
    staging: SpinLock<DmaBuffer>,
}

impl Console {
    fn start() -> Result<Self, Errno> {
        let device = find(DeviceType::Console, 0).ok_or(Errno::NoEnt)?.start::<QUEUES>(0)?;
        let channel = |index: usize| device.channels.get(index).ok_or(Errno::Io);
        let (receive, transmit) = (channel(RECEIVE)?, channel(TRANSMIT)?);
        let max_segments = transmit.queue.lock().max_segments();
        let staging = DmaBuffer::new(PAGE_BYTES).ok_or(Errno::NoMem)?;
        let staging = SpinLock::new(staging);
        Ok(Self { device, receive, transmit, max_segments, staging })
    }

    /// Sends what is in the staging page and waits until the device has read it.
    fn send_staged(&self, staged: &DmaBuffer, len: usize) -> Result<(), Errno> {
        let len = u32::try_from(len).map_err(|_| Errno::Inval)?;
        let segments = &[Segment { phys: staged.phys(), len }];
        let mode = IoMode::Poll;
        let request = Request { header: None, segments, direction: Direction::ToDevice, mode };
        let deadline_ns = time::now_ns().saturating_add(WRITE_NOW_TIMEOUT_NS);
        let mut token = None;
        poll_until(|| { token = self.device.try_submit(self.transmit, &request).ok().flatten(); token.is_some() }, deadline_ns);
        todo!()
    }
}
