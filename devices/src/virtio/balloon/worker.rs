//! The balloon's thread: pages come and go by its queues, and statistics are asked for.

use super::pages::{PageSet, Ranges, address};
use super::statistics::{MAX_BYTES, Statistics};
use super::{BalloonHandle, Discard, PAGE_BYTES};
use crate::virtio::Interrupt;
use crate::virtio::ring::{Chain, Ring, read_front, split_front, total_bytes};
use crate::virtio::worker::Work;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;
use vmm_sys_util::timerfd::TimerFd;

const INFLATE_READY: u32 = 0;
const DEFLATE_READY: u32 = 1;
const STATISTICS_READY: u32 = 2;
const REPORTING_READY: u32 = 3;
const CLOCK_TICK: u32 = 4;

/// How often the guest is asked for statistics.
pub(super) const PERIOD: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 2 });
/// Page numbers of a chain that are read, and given back, at once, in bytes.
const BATCH_BYTES: u64 = 4096;
/// Most memory reported by one chain: Linux's 32 pieces are of 4 MiB at most.
const REPORTED_BYTES_MAX: u64 = 1 << 30;

/// The queues; drivers may leave out the last two.
pub(super) struct Rings {
    pub(super) inflate: Ring,
    pub(super) deflate: Ring,
    pub(super) statistics: Option<Ring>,
    pub(super) reporting: Option<Ring>,
}

pub(super) struct BalloonWork {
    rings: Rings,
    interrupt: Interrupt,
    discard: Arc<dyn Discard>,
    handle: BalloonHandle,
    clock: TimerFd,
    in_balloon: PageSet,
    /// The chain by which the guest is asked for statistics: giving it back asks.
    question: Option<u16>,
}

impl BalloonWork {
    pub(super) fn new(
        mut rings: Rings,
        interrupt: Interrupt,
        discard: Arc<dyn Discard>,
        handle: BalloonHandle,
    ) -> io::Result<Self> {
        let mut clock = TimerFd::new()?;
        if rings.statistics.is_some() {
            clock.reset(PERIOD, Some(PERIOD))?;
        }
        let reporting = rings.reporting.take();
        rings.reporting = reporting.map(|ring| ring.with_longest_chain(REPORTED_BYTES_MAX));
        let in_balloon = PageSet::new(Arc::clone(rings.inflate.memory()));
        Ok(Self {
            rings,
            interrupt,
            discard,
            handle,
            clock,
            in_balloon,
            question: None,
        })
    }

    fn inflate(&mut self) {
        let Self {
            rings,
            interrupt,
            discard,
            handle,
            in_balloon,
            ..
        } = self;
        serve(&mut rings.inflate, |ring, chain| {
            each_batch(ring, chain, interrupt, |pages| {
                let mut ranges = Ranges::default();
                for page in pages {
                    if in_balloon.insert(page) {
                        ranges.add(address(page), PAGE_BYTES);
                    } else {
                        interrupt.count_defect();
                    }
                }
                give_back(ranges, &**discard, handle);
            });
        });
    }

    /// Pages that the guest uses again. They are zero then, and come back by being touched.
    fn deflate(&mut self) {
        let Self {
            rings,
            interrupt,
            in_balloon,
            ..
        } = self;
        serve(&mut rings.deflate, |ring, chain| {
            each_batch(ring, chain, interrupt, |pages| {
                for page in pages {
                    in_balloon.remove(page);
                    if !in_balloon.is_memory(page) {
                        interrupt.count_defect();
                    }
                }
            });
        });
    }

    /// Pages that are free just now.
    fn report(&mut self) {
        let Some(ring) = &mut self.rings.reporting else {
            return;
        };
        let (discard, handle) = (&*self.discard, &self.handle);
        serve(ring, |_, chain| {
            let mut ranges = Ranges::default();
            for buffer in &chain.writable {
                ranges.add(buffer.gpa, buffer.len.into());
            }
            give_back(ranges, discard, handle);
        });
    }

    /// The guest has answered; its buffer is kept until the next question.
    fn hear_statistics(&mut self) {
        let Some(ring) = &mut self.rings.statistics else {
            return;
        };
        ring.begin();
        for _ in 0..ring.size() {
            let Some(chain) = ring.pop() else { break };
            let known = total_bytes(&chain.readable).min(MAX_BYTES as u64);
            let mut bytes = [0; MAX_BYTES];
            let bytes = &mut bytes[..usize::try_from(known).unwrap_or(0)];
            if chain.defect.is_none() && read_front(ring.memory(), &chain.readable, bytes) {
                self.handle.set_statistics(Statistics::parse(bytes));
            }
            // There should be one only.
            if let Some(head) = self.question.replace(chain.head) {
                ring.push(head, 0);
            }
        }
        ring.signal();
        if ring.end() {
            ring.postpone();
        }
    }

    fn ask_statistics(&mut self) {
        if let Err(error) = self.clock.wait() {
            log::debug!("balloon clock: {error}");
        }
        if let (Some(ring), Some(head)) = (&mut self.rings.statistics, self.question.take()) {
            ring.push(head, 0);
            ring.signal();
        }
    }
}

/// Takes the chains of a queue, as many as it can have, and gives each back.
fn serve(ring: &mut Ring, mut take: impl FnMut(&Ring, Chain)) {
    ring.begin();
    for _ in 0..ring.size() {
        let Some(chain) = ring.pop() else { break };
        let head = chain.head;
        // Malformed ones have been counted.
        if chain.defect.is_none() {
            take(ring, chain);
        }
        ring.push(head, 0);
    }
    ring.signal();
    if ring.end() {
        ring.postpone();
    }
}

/// Calls `act` with the page numbers that a chain lists, some at a time.
fn each_batch(
    ring: &Ring,
    chain: Chain,
    interrupt: &Interrupt,
    mut act: impl FnMut(&mut dyn Iterator<Item = u32>),
) {
    let mut rest = chain.readable;
    let mut bytes = Vec::new();
    loop {
        let len = total_bytes(&rest).min(BATCH_BYTES);
        let Some(batch) = split_front(&mut rest, len).filter(|_| len > 0) else {
            return;
        };
        bytes.resize(usize::try_from(len).unwrap_or(0), 0);
        if !read_front(ring.memory(), &batch, &mut bytes) {
            return;
        }
        let (numbers, cut_short) = bytes.as_chunks();
        act(&mut numbers.iter().map(|number| u32::from_le_bytes(*number)));
        if !cut_short.is_empty() {
            interrupt.count_defect();
        }
    }
}

fn give_back(ranges: Ranges, discard: &dyn Discard, handle: &BalloonHandle) {
    for (gpa, len) in ranges.joined() {
        match discard.discard(gpa, len) {
            Ok(()) => handle.count_discarded(len),
            Err(error) => log::debug!("giving back {len} bytes at {:#x}: {error}", gpa.0),
        }
    }
}

impl Work for BalloonWork {
    fn sources(&self) -> Vec<(RawFd, u32)> {
        let optional = |ring: &Option<Ring>, token| {
            let ring = ring.as_ref();
            ring.map(|ring| (ring.doorbell_fd(), token))
        };
        [
            (self.rings.inflate.doorbell_fd(), INFLATE_READY),
            (self.rings.deflate.doorbell_fd(), DEFLATE_READY),
            (self.clock.as_raw_fd(), CLOCK_TICK),
        ]
        .into_iter()
        .chain(optional(&self.rings.statistics, STATISTICS_READY))
        .chain(optional(&self.rings.reporting, REPORTING_READY))
        .collect()
    }

    fn on_ready(&mut self, token: u32) {
        match token {
            INFLATE_READY => self.inflate(),
            DEFLATE_READY => self.deflate(),
            STATISTICS_READY => self.hear_statistics(),
            REPORTING_READY => self.report(),
            _ => self.ask_statistics(),
        }
    }
}
