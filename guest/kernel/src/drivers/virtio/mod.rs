//! Virtio devices (virtio 1.3) behind virtio-mmio: finding them, and requests to them.
//!
//! ```text
//!  blk, console, rng --Request--> Device --> Channel: Queue + sleepers --> Transport --> device
//!                                   ^                                                     |
//!                                   +------------------ interrupt ------------------------+
//! ```
//!
//! The words `virtio_mmio.device=` are read at boot, but no register is touched before the first
//! use of a device: each costs an exit. A device that answers nonsense, or not in time, is reset
//! and never used again; requests to it fail with [`Errno::Io`].

pub(super) mod blk;
pub(super) mod console;
mod cut;
mod mmio;
mod queue;
pub(super) mod rng;

use crate::cmdline::Cmdline;
use crate::mm::PhysAddr;
use crate::sched::WaitQueue;
use crate::drivers::lazy::Lazy;
use crate::sync::{Once, SpinLock};
use crate::{arch, irq, time};
use abi::image::param;
use abi::syscall::{Errno, IoMode};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use mmio::Transport;
use queue::{Answer, FEATURE_EVENT_INDEX, FEATURE_INDIRECT, Queue, Request, Token};

pub(super) use mmio::notifications;

/// The device does not keep to the specification, or has what the driver needs not.
#[derive(Debug)]
struct Broken;

impl From<Broken> for Errno {
    fn from(_: Broken) -> Self {
        Self::Io
    }
}

/// `VIRTIO_F_VERSION_1` (virtio 1.3 6).
const FEATURE_VERSION_1: u64 = 1 << 32;
/// A device that does not answer for so long is given up.
const ANSWER_TIMEOUT_NS: u64 = 10_000_000_000;
/// Between two looks at the clock while polling.
const POLLS_PER_LOOK: u32 = 256;
/// More devices than that on the command line are not looked at.
const MAX_DEVICES: usize = 32;

/// Device types (virtio 1.3 5).
#[derive(Clone, Copy, PartialEq, Eq)]
enum DeviceType {
    Block = 2,
    Console = 3,
    Rng = 4,
}

/// Where the command line says that a device may be.
#[derive(Clone, Copy)]
struct Place {
    address: u64,
    gsi: u32,
}

impl Place {
    /// `SIZE@ADDRESS:GSI`, and an identifier after another colon that is not needed.
    fn parse(word: &str) -> Option<Self> {
        let (_size, rest) = word.split_once('@')?;
        let mut rest = rest.split(':');
        let address = parse_number(rest.next()?)?;
        let gsi = u32::try_from(parse_number(rest.next()?)?).ok()?;
        Some(Self { address, gsi })
    }
}

fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A device that was found.
struct Found {
    device_type: u32,
    gsi: u32,
    transport: Transport,
    started: Once<Device>,
}

static PLACES: Once<Vec<Place>> = Once::new();
static FOUND: Lazy<Vec<Found>> = Lazy::new();

/// Remembers where devices may be.
pub(super) fn init(cmdline: &Cmdline) {
    let words = cmdline.all(param::VIRTIO_MMIO);
    PLACES.set(words.filter_map(Place::parse).take(MAX_DEVICES).collect());
}

fn probe(place: Place) -> Option<Found> {
    let (transport, device_type) = Transport::probe(PhysAddr::new(place.address))?;
    Some(Found { device_type, gsi: place.gsi, transport, started: Once::new() })
}

fn found() -> &'static [Found] {
    FOUND.get_or_make(|| {
        let places = PLACES.get().map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| probe(*place)).collect()
    })
}

/// Number `nth` of the devices of a type, in the order of the command line.
fn find(device_type: DeviceType, nth: usize) -> Option<Handle> {
    let of_type = |(_, found): &(usize, &Found)| found.device_type == device_type as u32;
    let (index, _) = found().iter().enumerate().filter(of_type).nth(nth)?;
    Some(Handle { index })
}

/// A device that was found and not yet started.
#[derive(Clone, Copy)]
struct Handle {
    index: usize,
}

impl Handle {
    /// Starts the device with its first `queues` queues and those of `features` that it has.
    fn start<const QUEUES: usize>(self, features: u64) -> Result<&'static Device, Broken> {
        let found = found().get(self.index).ok_or(Broken)?;
        let device = Device::start::<QUEUES>(&found.transport, features)?;
        let device = found.started.set(device);
        irq::register(found.gsi, interrupted, self.index);
        found.transport.start();
        Ok(device)
    }
}

/// Interrupt of the device with this index.
fn interrupted(index: usize) {
    let device = FOUND.get().and_then(|found| found.get(index)?.started.get());
    if let Some(device) = device {
        device.interrupted();
    }
}

/// A queue and those who wait for it.
struct Channel {
    index: u16,
    queue: SpinLock<Queue>,
    waiters: WaitQueue,
    /// Somebody waits for a slot.
    starved: AtomicBool,
}

/// A started device.
struct Device {
    transport: &'static Transport,
    features: u64,
    channels: Vec<Channel>,
    broken: AtomicBool,
}

impl Device {
    fn start<const QUEUES: usize>(
        transport: &'static Transport,
        features: u64,
    ) -> Result<Self, Broken> {
        let wanted = features | FEATURE_VERSION_1 | FEATURE_INDIRECT | FEATURE_EVENT_INDEX;
        let features = transport.negotiate(wanted, FEATURE_VERSION_1)?;
        let mut channels = Vec::with_capacity(QUEUES);
        for index in (0..).take(QUEUES) {
            let max_size = transport.select_queue(index);
            let queue = Queue::new(max_size, features).map_err(|_| transport.fail())?;
            transport.set_rings(&queue.rings());
            channels.push(Channel {
                index,
                queue: SpinLock::new(queue),
                waiters: WaitQueue::new(),
                starved: AtomicBool::new(false),
            });
        }
        let broken = AtomicBool::new(false);
        Ok(Self { transport, features, channels, broken })
    }

    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Gives the device up: it stops touching memory, and all who wait for it wake.
    fn break_down(&self) -> Errno {
        if !self.broken.swap(true, Ordering::AcqRel) {
            self.transport.reset();
        }
        for channel in &self.channels {
            channel.waiters.wake_all();
        }
        Errno::Io
    }

    fn interrupted(&self) {
        self.transport.acknowledge();
        for channel in &self.channels {
            let collected = channel.queue.lock().collect();
            match collected {
                Ok(true) => channel.waiters.wake_all(),
                Ok(false) => {}
                // Nobody to tell here; those who wait find out.
                Err(Broken) => drop(self.break_down()),
            }
        }
    }

    /// One request, from submission to answer.
    fn request(&self, channel: &Channel, request: &Request<'_>) -> Result<Answer, Errno> {
        let token = self.submit(channel, request)?;
        self.wait(channel, token, request.mode)
    }

    /// Hands a request to the device; sleeps while no slot is free.
    fn submit(&self, channel: &Channel, request: &Request<'_>) -> Result<Token, Errno> {
        loop {
            if let Some(token) = self.try_submit(channel, request)? {
                return Ok(token);
            }
            channel.starved.store(true, Ordering::SeqCst);
            let has_room = || self.is_broken() || channel.queue.lock().has_room();
            if !channel.waiters.wait_until_deadline(has_room, deadline_ns()) {
                return Err(self.break_down());
            }
        }
    }

    fn try_submit(
        &self,
        channel: &Channel,
        request: &Request<'_>,
    ) -> Result<Option<Token>, Errno> {
        if self.is_broken() {
            return Err(Errno::Io);
        }
        let mut queue = channel.queue.lock();
        let token = queue.submit(request);
        if token.is_some() && queue.publish() {
            self.transport.notify(channel.index);
        }
        Ok(token)
    }

    /// Waits for the answer to a request in the way that it was submitted for.
    fn wait(&self, channel: &Channel, token: Token, mode: IoMode) -> Result<Answer, Errno> {
        let deadline_ns = deadline_ns();
        let done = || self.is_done(channel, token);
        let in_time = match mode {
            IoMode::Interrupt => channel.waiters.wait_until_deadline(done, deadline_ns),
            IoMode::Poll => poll_until(done, deadline_ns),
        };
        if !in_time {
            return Err(self.break_down());
        }
        let answer = channel.queue.lock().take(token);
        if channel.starved.swap(false, Ordering::SeqCst) {
            channel.waiters.wake_all();
        }
        answer.ok_or(Errno::Io)
    }

    /// Whether waiting for this request is over, for good or bad.
    fn is_done(&self, channel: &Channel, token: Token) -> bool {
        let mut queue = channel.queue.lock();
        if queue.is_done(token) {
            return true;
        }
        let collected = queue.collect();
        let done = queue.is_done(token);
        drop(queue);
        match collected {
            Ok(true) => channel.waiters.wake_all(),
            Ok(false) => {}
            Err(Broken) => drop(self.break_down()),
        }
        done || self.is_broken()
    }
}

fn deadline_ns() -> u64 {
    time::now_ns().saturating_add(ANSWER_TIMEOUT_NS)
}

/// Looks until `done`; false if that is not before the deadline.
fn poll_until(mut done: impl FnMut() -> bool, deadline_ns: u64) -> bool {
    loop {
        for _ in 0..POLLS_PER_LOOK {
            if done() {
                return true;
            }
            arch::relax();
        }
        if time::now_ns() >= deadline_ns {
            return false;
        }
    }
}
