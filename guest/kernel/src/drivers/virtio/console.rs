//! virtio-consoles (virtio 1.3 5.3), the first port of each: a stream of bytes each way.
//!
//! What a program writes goes out in requests straight from its pages, one for a call of up to
//! 64 KiB, so that the device keeps it together. The kernel's own text is staged in a page first,
//! and so is input, as a program that waits for it may go away.

use super::chain::{Direction, Request};
use super::device::{Channel, Device};
use super::layout::FEW_SLOTS;
use super::queue::Token;
use super::{DeviceType, find};
use crate::drivers::lazy::Lazy;
use crate::drivers::pinned::fill;
use crate::drivers::{CharDevice, ConsoleDevice, Segment, poll_for};
use crate::mm::{DmaBuffer, PAGE_BYTES};
use crate::sched;
use crate::sync::{Mutex, SpinLock};
use abi::syscall::{Errno, IoMode};

/// Queues of the first port (virtio 1.3 5.3.2).
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const QUEUES: usize = 2;
/// Input that is taken at once.
const INPUT_BYTES: usize = 256;
/// Tries of the kernel's own text to get the staging page.
const MAX_TRIES: u32 = 1 << 14;
/// How long it waits for a free slot.
const TURN_TIMEOUT_NS: u64 = 100_000_000;

/// Name of the second.
const SECOND: &str = "hvc1";

static CONSOLES: [Lazy<Option<Console>>; 2] = [const { Lazy::new() }; 2];

/// The first, started at its first use.
pub(in crate::drivers) fn first() -> Option<&'static dyn ConsoleDevice> {
    started(0).map(|console| console as &dyn ConsoleDevice)
}

/// The device of that name: the second, if it is there; the first is the kernel's.
pub(in crate::drivers) fn device(name: &str) -> Option<&'static dyn CharDevice> {
    let console = (name == SECOND).then(|| started(1)).flatten();
    console.map(|console| console as &dyn CharDevice)
}

fn started(nth: usize) -> Option<&'static Console> {
    let console = CONSOLES.get(nth)?;
    console.get_or_make(|| Console::start(nth).ok()).as_ref()
}

struct Console {
    device: &'static Device,
    receive: &'static Channel,
    transmit: &'static Channel,
    max_segments: usize,
    staging: SpinLock<DmaBuffer>,
    input: Mutex<Input>,
}

/// Input that has come, or is asked for.
struct Input {
    memory: Option<DmaBuffer>,
    asked: Option<Token>,
    bytes: [u8; INPUT_BYTES],
    /// Those of `bytes` that nobody has read yet.
    unread: core::ops::Range<usize>,
}

impl Console {
    fn start(nth: usize) -> Result<Self, Errno> {
        let device = find(DeviceType::Console, nth)
            .ok_or(Errno::NoEnt)?
            .start::<QUEUES>(0, FEW_SLOTS)?;
        let channel = |index: usize| device.channels.get(index).ok_or(Errno::Io);
        let (receive, transmit) = (channel(RECEIVE)?, channel(TRANSMIT)?);
        let max_segments = transmit.queue.lock().max_segments();
        let staging = DmaBuffer::new(PAGE_BYTES).ok_or(Errno::NoMem)?;
        let input = Input {
            memory: None,
            asked: None,
            bytes: [0; INPUT_BYTES],
            unread: 0..0,
        };
        Ok(Self {
            device,
            receive,
            transmit,
            max_segments,
            staging: SpinLock::new(staging),
            input: Mutex::new(input),
        })
    }

    fn send(&self, segments: &[Segment], mode: IoMode) -> Result<(), Errno> {
        let request = Request {
            header: None,
            segments,
            direction: Direction::ToDevice,
            mode,
        };
        self.device.request(self.transmit, &request).map(drop)
    }

    /// Sends a staged piece without ever sleeping, also for a slot.
    fn send_now(&self, staged: &DmaBuffer, bytes: &[u8]) -> Result<(), Errno> {
        staged.write_bytes(0, bytes);
        let len = u32::try_from(bytes.len()).map_err(|_| Errno::Inval)?;
        let segments = &[Segment {
            phys: staged.phys(),
            len,
        }];
        let mode = IoMode::Poll;
        let request = Request {
            header: None,
            segments,
            direction: Direction::ToDevice,
            mode,
        };
        let mut submitted = Ok(None);
        let tried = || {
            // What the device has done is taken in here, but slots are their owners' to free.
            submitted = self.device.try_submit(self.transmit, &request);
            !matches!(submitted, Ok(None))
        };
        if !poll_for(TURN_TIMEOUT_NS, tried) {
            return Err(Errno::Io);
        }
        let token = submitted?.ok_or(Errno::Io)?;
        self.device.wait(self.transmit, token, mode).map(drop)
    }

    /// Has the device fill the input buffer, if it is not about to.
    fn ask(&self, input: &mut Input) -> Result<Token, Errno> {
        if let Some(token) = input.asked {
            return Ok(token);
        }
        let memory = match &input.memory {
            Some(memory) => memory,
            None => input
                .memory
                .insert(DmaBuffer::new(INPUT_BYTES as u64).ok_or(Errno::NoMem)?),
        };
        let segments = &[Segment {
            phys: memory.phys(),
            len: INPUT_BYTES as u32,
        }];
        let direction = Direction::FromDevice;
        let mode = IoMode::Interrupt;
        let request = Request {
            header: None,
            segments,
            direction,
            mode,
        };
        let token = self.device.submit(self.receive, &request)?;
        input.asked = Some(token);
        Ok(token)
    }

    /// Waits for input, for ever if `mode` is to sleep.
    fn await_input(&self, input: &mut Input, mode: IoMode) -> Result<(), Errno> {
        let token = self.ask(input)?;
        match mode {
            IoMode::Interrupt => {
                self.receive
                    .waiters(token)
                    .wait_until(|| self.device.is_done(self.receive, token) || sched::is_ending());
            }
            IoMode::Poll if self.device.is_done(self.receive, token) => {}
            IoMode::Poll => return Err(Errno::Again),
        }
        let answer = self.receive.queue.lock().take(token);
        // None if the reader has been killed: the next one waits for the same request.
        let answer = answer.ok_or(Errno::Io)?;
        input.asked = None;
        let count = usize::try_from(answer.written).map_or(0, |n| n.min(INPUT_BYTES));
        if let Some(memory) = &input.memory {
            memory.read_bytes(0, &mut input.bytes[..count]);
        }
        input.unread = 0..count;
        Ok(())
    }
}

impl CharDevice for Console {
    fn write(&self, from: &[Segment], mode: IoMode) -> Result<usize, Errno> {
        for segments in from.chunks(self.max_segments) {
            self.send(segments, mode)?;
        }
        Ok(from.iter().map(Segment::len).sum())
    }

    fn read(&self, to: &[Segment], mode: IoMode) -> Result<usize, Errno> {
        let mut input = self.input.lock();
        while input.unread.is_empty() {
            self.await_input(&mut input, mode)?;
        }
        let count = fill(to, &input.bytes[input.unread.clone()]);
        input.unread.start += count;
        Ok(count)
    }
}

impl ConsoleDevice for Console {
    fn write_now(&self, bytes: &[u8]) {
        let staging = (0..MAX_TRIES).find_map(|_| {
            crate::arch::relax();
            self.staging.try_lock()
        });
        let Some(staging) = staging else { return };
        for piece in bytes.chunks(PAGE_BYTES as usize) {
            // There is nowhere to say that it failed.
            let _ = self.send_now(&staging, piece);
        }
    }
}
