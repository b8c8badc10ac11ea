//! [`Port`]: a pair of queues of a card, by which frames go and come (virtio 1.3 5.1.2): those of
//! programs that have opened it, and its answers. Pairs have nothing in common but the card.

use super::super::Broken;
use super::super::transport::{Doorbell, Transport};
use super::Card;
use super::features::TAKEN_OFFLOADS;
use super::receive::Receive;
use super::transmit::Transmit;
use super::window::Window;
use crate::drivers::net::NetDevice;
use crate::drivers::net::batch::{Incoming, Outgoing};
use crate::drivers::net::card::patience;
use crate::drivers::poll_until;
use crate::mm::shared::Lent;
use crate::sched::{self, WaitQueue};
use crate::sync::{Mutex, Once};
use abi::net_window::{MOST_RECEIVED, MOST_SENT, OPEN_CHECKSUM, WHOLE_TCP4};
use abi::syscall::{Errno, IoMode};

/// Queues of a pair, the first of which has an even number.
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
pub(super) const QUEUES: u16 = 2;

/// A pair.
pub(super) struct Pair {
    /// Locked before all others.
    receive: Mutex<Receive>,
    transmit: Mutex<Transmit>,
    /// Of either queue.
    doorbells: [Doorbell; QUEUES as usize],
    waiters: [WaitQueue; QUEUES as usize],
    /// Made when a program first wants it.
    window: Once<(Window, [Lent; 2])>,
}

impl Pair {
    /// Pair `index` of the card behind `transport`, which has not started.
    pub(super) fn set_up(transport: &Transport, index: u16, features: u64) -> Result<Self, Broken> {
        let failed = |Broken| transport.fail();
        let queue = QUEUES * index;
        let size = transport.select_queue(queue + RECEIVE);
        let receive = Receive::new(size, features).map_err(failed)?;
        let to_receive = transport.set_rings(queue + RECEIVE, &receive.ring.rings())?;
        let size = transport.select_queue(queue + TRANSMIT);
        let transmit = Transmit::new(size, features).map_err(failed)?;
        let to_transmit = transport.set_rings(queue + TRANSMIT, &transmit.ring.rings())?;
        Ok(Self {
            receive: Mutex::new(receive),
            transmit: Mutex::new(transmit),
            doorbells: [to_receive, to_transmit],
            waiters: [const { WaitQueue::new() }; QUEUES as usize],
            window: Once::new(),
        })
    }

    fn doorbell(&self, queue: u16) -> Doorbell {
        self.doorbells[usize::from(queue)]
    }

    fn waiters(&self, queue: u16) -> &WaitQueue {
        &self.waiters[usize::from(queue)]
    }

    /// Wakes those who wait for a queue.
    pub(super) fn wake(&self, queue: usize) {
        self.waiters
            .get(queue)
            .into_iter()
            .for_each(WaitQueue::wake_all);
    }

    /// Wakes those who wait for either.
    pub(super) fn wake_all(&self) {
        self.waiters.iter().for_each(WaitQueue::wake_all);
    }
}

/// A pair of a card, for programs.
pub(super) struct Port {
    pub(super) card: &'static Card,
    pub(super) pair: &'static Pair,
}

impl Port {
    /// The card has started: it gets its buffers.
    pub(super) fn begin(&self) {
        self.publish_buffers(&mut self.pair.receive.lock());
    }

    /// Waits until `done` or the device is broken; false if neither is so in time.
    fn wait(&self, queue: u16, mode: IoMode, done: impl Fn() -> bool) -> bool {
        let deadline_ns = patience();
        let over = || done() || self.card.is_broken();
        match mode {
            IoMode::Interrupt => self
                .pair
                .waiters(queue)
                .wait_until_deadline(over, deadline_ns),
            IoMode::Poll => poll_until(over, deadline_ns),
        }
    }

    /// Shows the device what is in the queue.
    fn publish_frames(&self, transmit: &mut Transmit) {
        if transmit.ring.publish() {
            self.card.transport.notify(self.pair.doorbell(TRANSMIT));
        }
    }

    /// Waits until the device has sent all that it was shown, and frees the places. Also by a
    /// thread that is to end: frames are the device's until then.
    fn await_sent(&self, transmit: &mut Transmit, mode: IoMode) -> Result<(), Errno> {
        if mode == IoMode::Interrupt {
            transmit.want_interrupt();
        }
        let in_time = self.wait(TRANSMIT, mode, || transmit.is_done());
        transmit.ring.want_no_interrupt();
        if !in_time {
            return Err(self.card.break_down());
        }
        self.card.check()?;
        transmit.collect().map_err(|Broken| self.card.break_down())
    }

    /// Frees the places; waits for the device if it has not sent all yet.
    fn finish(&self, transmit: &mut Transmit, mode: IoMode) -> Result<(), Errno> {
        if !transmit.is_done() {
            return self.await_sent(transmit, mode);
        }
        transmit.collect().map_err(|Broken| self.card.break_down())
    }

    /// Puts frames into the queue; when it is full, has them sent first.
    fn add(
        &self,
        transmit: &mut Transmit,
        frames: &mut Outgoing<'_>,
        mode: IoMode,
    ) -> Result<(), Errno> {
        transmit
            .collect()
            .map_err(|Broken| self.card.break_down())?;
        for frame in frames {
            if transmit.is_full() {
                self.publish_frames(transmit);
                self.await_sent(transmit, mode)?;
            }
            transmit.add(frame.segments())?;
        }
        Ok(())
    }

    fn publish_buffers(&self, receive: &mut Receive) {
        if receive.ring.publish() {
            self.card.transport.notify(self.pair.doorbell(RECEIVE));
        }
    }

    fn await_frame(&self, receive: &mut Receive, mode: IoMode) -> Result<(), Errno> {
        if receive.is_low() {
            self.publish_buffers(receive);
        }
        if mode == IoMode::Interrupt {
            receive.want_interrupt();
        }
        let done = || receive.ring.used() > 0 || sched::is_ending();
        let in_time = self.wait(RECEIVE, mode, done);
        receive.ring.want_no_interrupt();
        self.card.check()?;
        match receive.ring.used() {
            0 if in_time => Err(Errno::Io),
            0 => Err(Errno::TimedOut),
            _ => Ok(()),
        }
    }

    /// Puts what the window lists into the queue, once all before it has been sent.
    fn add_listed(
        &self,
        transmit: &mut Transmit,
        window: &Window,
        count: usize,
        mode: IoMode,
    ) -> Result<(), Errno> {
        self.finish(transmit, mode)?;
        for index in 0..count {
            if transmit.is_full() {
                self.publish_frames(transmit);
                self.finish(transmit, mode)?;
            }
            transmit.add_whole(&window.to_send(index)?);
        }
        Ok(())
    }

    fn receive_listed(&self, window: &Window, most: usize, mode: IoMode) -> Result<usize, Errno> {
        let mut receive = self.pair.receive.lock();
        self.card.check()?;
        receive.take_back();
        if receive.is_low() {
            self.publish_buffers(&mut receive);
        }
        if receive.has_none() {
            self.await_frame(&mut receive, mode)?;
        }
        let each = |index, offset, bytes| window.set_received(index, offset, bytes);
        let given = receive.give(most, each);
        given.map_err(|Broken| self.card.break_down())
    }
}

impl NetDevice for Port {
    fn mac(&self) -> [u8; 6] {
        self.card.mac
    }

    fn send(&self, frames: &mut Outgoing<'_>, mode: IoMode) -> Result<(), Errno> {
        let mut transmit = self.pair.transmit.lock();
        self.card.check()?;
        let added = self.add(&mut transmit, frames, mode);
        self.publish_frames(&mut transmit);
        if transmit.is_lent() {
            self.await_sent(&mut transmit, mode)?;
        }
        added
    }

    fn receive(&self, frames: &mut Incoming<'_>, mode: IoMode) -> Result<(), Errno> {
        let mut receive = self.pair.receive.lock();
        self.card.check()?;
        receive.take_back();
        while frames.is_empty() {
            self.card.set_taken(0)?;
            if receive.has_none() {
                self.await_frame(&mut receive, mode)?;
            }
            let taken = receive.take(frames);
            if receive.is_low() {
                self.publish_buffers(&mut receive);
            }
            taken.map_err(|Broken| self.card.break_down())?;
            // What came was of no use here.
            if frames.is_empty() && sched::is_ending() {
                return Err(Errno::Io);
            }
        }
        Ok(())
    }

    fn window(&self) -> Result<[Lent; 2], Errno> {
        // Held meanwhile, so that there is one.
        let receive = self.pair.receive.lock();
        if self.pair.window.get().is_none() {
            self.pair
                .window
                .set(Window::lend(&receive.buffers, self.card.features)?);
        }
        let window = self.pair.window.get().ok_or(Errno::NoMem)?;
        Ok(window.1)
    }

    fn take_offloads(&self, offloads: u64) -> Result<(), Errno> {
        let possible = self.card.features & TAKEN_OFFLOADS;
        let cut_needs_sum = offloads & (OPEN_CHECKSUM | WHOLE_TCP4) != WHOLE_TCP4;
        if offloads & !possible != 0 || !cut_needs_sum {
            return Err(Errno::Inval);
        }
        self.card.set_taken(offloads)
    }

    fn exchange(&self, sent: usize, most: usize, mode: IoMode) -> Result<usize, Errno> {
        let (window, _) = self.pair.window.get().ok_or(Errno::Inval)?;
        if sent > MOST_SENT || most > MOST_RECEIVED {
            return Err(Errno::Inval);
        }
        if sent > 0 {
            let mut transmit = self.pair.transmit.lock();
            self.card.check()?;
            let added = self.add_listed(&mut transmit, window, sent, mode);
            self.publish_frames(&mut transmit);
            added?;
        }
        match most {
            0 => Ok(0),
            _ => self.receive_listed(window, most, mode),
        }
    }
}
