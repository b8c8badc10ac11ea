//! The socket device's thread: takes the guest's packets, and fills its buffers with packets for
//! it while there are any. A guest without buffers loses nothing: connections keep what is due.

use super::packet::{HEADER_BYTES, Header};
use super::switch::Switch;
use super::transfer::Room;
use crate::virtio::Interrupt;
use crate::virtio::ring::{Buffer, Chain, Ring, read_front, split_front, total_bytes};
use crate::virtio::worker::Work;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vm_memory::{Bytes, GuestMemoryMmap};
use vmm_sys_util::timerfd::TimerFd;

const RECEIVE_READY: u32 = 0;
const TRANSMIT_READY: u32 = 1;
const EVENT_READY: u32 = 2;
const SOCKETS_READY: u32 = 3;
const CLOCK_TICK: u32 = 4;

/// How often deadlines are looked at, while there are any.
const TICK: Duration = Duration::from_millis(500);
/// Event: all connections are gone (virtio 1.3 5.10.6.7).
const TRANSPORT_RESET: [u8; 4] = [0; 4];

/// The queues, the last of which a driver may leave out.
pub(super) struct Rings {
    pub(super) receive: Ring,
    pub(super) transmit: Ring,
    pub(super) event: Option<Ring>,
}

pub(super) struct VsockWork {
    rings: Rings,
    interrupt: Interrupt,
    switch: Switch,
    clock: TimerFd,
    clock_runs: bool,
    /// A buffer of the guest's that there was no packet for.
    spare: Option<Space>,
    /// Packets of the guest wait until it takes some.
    stalled: bool,
    /// The guest is to hear that its connections are gone.
    reset_due: Arc<AtomicBool>,
}

/// Buffers for a packet to the guest.
struct Space {
    head: u16,
    header: Vec<Buffer>,
    data: Vec<Buffer>,
}

impl VsockWork {
    pub(super) fn new(
        rings: Rings,
        interrupt: Interrupt,
        switch: Switch,
        reset_due: Arc<AtomicBool>,
    ) -> std::io::Result<Self> {
        if let Some(event) = &rings.event {
            event.postpone();
        }
        Ok(Self {
            rings,
            interrupt,
            switch,
            clock: TimerFd::new()?,
            clock_runs: false,
            spare: None,
            stalled: false,
            reset_due,
        })
    }

    fn memory(&self) -> Arc<GuestMemoryMmap> {
        Arc::clone(self.rings.transmit.memory())
    }

    /// Packets of the guest.
    fn transmit(&mut self) {
        let memory = self.memory();
        self.rings.transmit.begin();
        for _ in 0..self.rings.transmit.size() {
            self.stalled = self.switch.is_congested();
            if self.stalled {
                break;
            }
            let Some(chain) = self.rings.transmit.pop() else {
                break;
            };
            let head = chain.head;
            // Malformed chains have been counted.
            if chain.defect.is_none() && !self.on_packet(chain, &memory) {
                self.interrupt.count_defect();
            }
            self.rings.transmit.push(head, 0);
        }
        self.rings.transmit.signal();
        if self.rings.transmit.end() && !self.stalled {
            self.rings.transmit.postpone();
        }
    }

    fn on_packet(&mut self, chain: Chain, memory: &GuestMemoryMmap) -> bool {
        let mut bytes = [0; HEADER_BYTES];
        let mut data = chain.readable;
        let Some(front) = split_front(&mut data, HEADER_BYTES as u64) else {
            return false;
        };
        if !read_front(memory, &front, &mut bytes) {
            return false;
        }
        let mut header = Header::parse(&bytes);
        let payload = split_front(&mut data, header.len.into());
        if payload.is_none() {
            // Less data than it says: an operation that no connection knows.
            header.op = 0;
        }
        self.switch
            .on_packet(&header, &payload.unwrap_or_default(), memory)
    }

    /// Packets to the guest, as far as it has buffers.
    fn receive(&mut self) {
        let memory = self.memory();
        self.rings.receive.begin();
        for _ in 0..self.rings.receive.size() {
            if !self.switch.any_ready() {
                break;
            }
            let Some(space) = self.spare.take().or_else(|| self.next_space()) else {
                break;
            };
            let room = Room {
                memory: &memory,
                buffers: &space.data,
            };
            match self.switch.produce(&room) {
                Some(header) => self.give(&space, &header, &memory),
                None => self.spare = Some(space),
            }
        }
        self.rings.receive.signal();
        let more = self.rings.receive.end() || self.spare.is_some();
        if more && self.switch.any_ready() {
            self.rings.receive.postpone();
        }
        if self.stalled && !self.switch.is_congested() {
            self.rings.transmit.postpone();
        }
    }

    /// Buffers that a header and data fit into; others are given back empty.
    fn next_space(&mut self) -> Option<Space> {
        for _ in 0..self.rings.receive.size() {
            let mut chain = self.rings.receive.pop()?;
            if chain.defect.is_none() {
                let header = split_front(&mut chain.writable, HEADER_BYTES as u64);
                if let Some(header) = header.filter(|_| total_bytes(&chain.writable) > 0) {
                    return Some(Space {
                        head: chain.head,
                        header,
                        data: chain.writable,
                    });
                }
                self.interrupt.count_defect();
            }
            self.rings.receive.push(chain.head, 0);
        }
        None
    }

    fn give(&mut self, space: &Space, header: &Header, memory: &GuestMemoryMmap) {
        let mut rest = &header.bytes()[..];
        for buffer in &space.header {
            let (part, after) = rest.split_at(rest.len().min(buffer.len as usize));
            if let Err(error) = memory.write_slice(part, buffer.gpa) {
                // It was in memory when it was taken.
                log::debug!("vsock header: {error}");
            }
            rest = after;
        }
        let written = HEADER_BYTES as u32 + header.len;
        self.rings.receive.push(space.head, written);
    }

    /// Events to the guest: there is one kind.
    fn event(&mut self) {
        let Some(ring) = &mut self.rings.event else {
            return;
        };
        ring.begin();
        while self.reset_due.load(Ordering::SeqCst) {
            let Some(chain) = ring.pop() else { break };
            let first = chain.writable.first();
            let first = first.filter(|first| chain.defect.is_none() && first.len >= 4);
            let written = first.map(|first| ring.memory().write_slice(&TRANSPORT_RESET, first.gpa));
            let done = matches!(written, Some(Ok(())));
            ring.push(chain.head, if done { 4 } else { 0 });
            self.reset_due.fetch_and(!done, Ordering::SeqCst);
        }
        ring.signal();
        if ring.end() && self.reset_due.load(Ordering::SeqCst) {
            ring.postpone();
        }
    }

    fn tick(&mut self) {
        if let Err(error) = self.clock.wait() {
            log::debug!("vsock clock: {error}");
        }
        self.clock_runs = false;
        self.switch.expire();
    }

    /// Sees to it that deadlines are looked at.
    fn wind_clock(&mut self) {
        if self.switch.has_deadlines() && !self.clock_runs {
            match self.clock.reset(TICK, None) {
                Ok(()) => self.clock_runs = true,
                Err(error) => log::debug!("vsock clock: {error}"),
            }
        }
    }
}

impl Work for VsockWork {
    fn sources(&self) -> Vec<(RawFd, u32)> {
        let event = self.rings.event.as_ref();
        let event = event.map(|ring| (ring.doorbell_fd(), EVENT_READY));
        [
            (self.rings.receive.doorbell_fd(), RECEIVE_READY),
            (self.rings.transmit.doorbell_fd(), TRANSMIT_READY),
            (self.switch.sockets_fd(), SOCKETS_READY),
            (self.clock.as_raw_fd(), CLOCK_TICK),
        ]
        .into_iter()
        .chain(event)
        .collect()
    }

    fn on_ready(&mut self, token: u32) {
        match token {
            TRANSMIT_READY => self.transmit(),
            EVENT_READY => self.event(),
            SOCKETS_READY => self.switch.on_sockets(),
            CLOCK_TICK => self.tick(),
            _ => {}
        }
        if token == RECEIVE_READY || self.switch.any_ready() {
            self.receive();
        }
        self.wind_clock();
    }

    fn on_stop(&mut self) {
        if self.switch.has_connections() {
            self.reset_due.store(true, Ordering::SeqCst);
        }
    }
}
