//! The hypercall page of Hostel (`abi::hypercall`): requests by the page, one exit for all of it.
//!
//! | device | a read or write is |
//! |---|---|
//! | `hypercall-time-1`, `hypercall-time-32` | readings of the host's time in nanoseconds, so many an exit |
//! | `hypercall-rng` | random bytes |
//! | `hypercall-out` | output to a console of the host |
//!
//! Each has a page of its own, whose requests keep their operation from one time to the next.

use super::lazy::Lazy;
use super::pinned::fill;
use super::{CharDevice, Segment};
use crate::arch::port::{inl, outl};
use crate::mm::{DmaBuffer, PAGE_BYTES};
use crate::sync::Mutex;
use abi::hypercall::{
    self, ADDRESS, COUNT, DONE, LEN, MOST_REQUESTS, OPERATION, Operation, PORT, REQUEST_BYTES,
    REQUESTS, VERSION,
};
use abi::syscall::{Errno, IoMode};

/// Values read by one call.
const VALUES: usize = 64;
const VALUE_BYTES: usize = size_of::<u64>();

static DEVICES: [Hypercall; 4] = [
    Hypercall::new("hypercall-time-1", Operation::Time, 1),
    Hypercall::new("hypercall-time-32", Operation::Time, 32),
    Hypercall::new("hypercall-rng", Operation::Random, MOST_REQUESTS),
    Hypercall::new("hypercall-out", Operation::Write, MOST_REQUESTS),
];

/// The device of that name, if the machine has the page.
pub(super) fn device(name: &str) -> Option<&'static dyn CharDevice> {
    let device = DEVICES.iter().find(|device| device.name == name)?;
    device.page().map(|_| device as &dyn CharDevice)
}

/// An operation, and its page.
struct Hypercall {
    name: &'static str,
    operation: Operation,
    /// Most requests that go with one exit.
    batch: u32,
    page: Lazy<Option<Mutex<Page>>>,
}

struct Page(DmaBuffer);

/// Where field `field` of request `nth` is.
fn field(nth: usize, field: usize) -> u64 {
    (REQUESTS + nth * REQUEST_BYTES + field) as u64
}

impl Page {
    /// A page of `requests` for `operation`.
    fn new(operation: Operation, requests: u32) -> Option<Self> {
        if inl(PORT) != VERSION {
            return None;
        }
        let memory = DmaBuffer::new(PAGE_BYTES)?;
        for nth in 0..requests as usize {
            memory.write32(field(nth, OPERATION), operation as u32);
        }
        Some(Self(memory))
    }

    fn point(&self, nth: usize, segment: &Segment) {
        self.0.write64(field(nth, ADDRESS), segment.phys.0);
        self.0.write32(field(nth, LEN), segment.len);
    }

    /// Has the first `count` requests served.
    fn ring(&self, count: u32) -> Result<(), Errno> {
        self.0.write32(COUNT as u64, count);
        outl(PORT, (self.0.phys().0 / PAGE_BYTES) as u32);
        match self.0.read32(DONE as u64) {
            done if done == count => Ok(()),
            _ => Err(Errno::Io),
        }
    }
}

impl Hypercall {
    const fn new(name: &'static str, operation: Operation, batch: u32) -> Self {
        Self {
            name,
            operation,
            batch,
            page: Lazy::new(),
        }
    }

    fn page(&self) -> Option<&Mutex<Page>> {
        let make = || Page::new(self.operation, self.batch).map(Mutex::new);
        self.page.get_or_make(make).as_ref()
    }

    /// Passes `segments`, as many as fit a page; their bytes.
    fn pass(&self, segments: &[Segment]) -> Result<usize, Errno> {
        let page = self.page().ok_or(Errno::Io)?.lock();
        let segments = &segments[..segments.len().min(self.batch as usize)];
        for (nth, segment) in segments.iter().enumerate() {
            page.point(nth, segment);
        }
        page.ring(segments.len() as u32)?;
        Ok(segments.iter().map(Segment::len).sum())
    }

    /// As many values as `to` holds, up to [`VALUES`]; their bytes.
    fn values(&self, to: &[Segment]) -> Result<usize, Errno> {
        let page = self.page().ok_or(Errno::Io)?.lock();
        let room: usize = to.iter().map(Segment::len).sum();
        let mut bytes = [0; VALUES * VALUE_BYTES];
        let count = (room / VALUE_BYTES).min(VALUES) * VALUE_BYTES;
        for batch in bytes[..count].chunks_mut(self.batch as usize * VALUE_BYTES) {
            page.ring((batch.len() / VALUE_BYTES) as u32)?;
            page.0.read_bytes(hypercall::VALUES as u64, batch);
        }
        Ok(fill(to, &bytes[..count]))
    }
}

impl CharDevice for Hypercall {
    fn write(&self, from: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        match self.operation {
            Operation::Write => self.pass(from),
            Operation::Nop | Operation::Time | Operation::Random => Err(Errno::BadF),
        }
    }

    fn read(&self, to: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        match self.operation {
            Operation::Time => self.values(to),
            Operation::Random => self.pass(to),
            Operation::Nop | Operation::Write => Err(Errno::BadF),
        }
    }
}
