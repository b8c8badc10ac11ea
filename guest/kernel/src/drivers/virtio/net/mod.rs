//! virtio-net (virtio 1.3 5.1): frames go out from where they lie, and come into buffers of the
//! kernel, from which they are copied once; or both in memory that programs share.
//!
//! ```text
//!  send:     a batch, one doorbell, and one interrupt for the last -+- Transmit --- queue 1
//!  exchange: of what lies in the Window ----------------------------+
//!  receive:  a batch, no interrupt while there are frames ----------+- Receive ---- queue 0
//!  take_offloads: how frames may come ------------------------------+- Control ---- queue 2
//! ```
//! Frames may come in the window as the other end's program made them, uncut and not summed up, if a
//! program says that it takes them so; whoever reads frames has them as on the wire.
//!
//! A device that answers nonsense, or does not send in time, is reset and never used again.

mod control;
mod features;
mod receive;
mod transmit;
mod window;

use super::transport::{Doorbell, Transport};
use super::{Broken, DeviceType, FEATURE_VERSION_1, Interrupted, find};
use crate::drivers::lazy::Lazy;
use crate::drivers::net::NetDevice;
use crate::drivers::net::batch::{Incoming, Outgoing};
use crate::drivers::net::card::patience;
use crate::drivers::poll_until;
use crate::mm::shared::Lent;
use crate::sched::{self, WaitQueue};
use crate::sync::{Mutex, Once};
use abi::net_window::{MOST_RECEIVED, MOST_SENT, OPEN_CHECKSUM, WHOLE_TCP4};
use abi::syscall::{Errno, IoMode};
use control::{Command, Control};
use core::sync::atomic::{AtomicBool, Ordering};
use features::{FEATURE_ADDRESS, FEATURE_CONTROL, TAKEN_OFFLOADS};
use receive::Receive;
use transmit::Transmit;
use window::Window;

/// The address, in the device configuration (5.1.4).
const CONFIG_ADDRESS: u64 = 0;
/// A locally administered one, for a device that has none.
const OWN_ADDRESS: [u8; 6] = *b"\x02GUEST";

/// Queues (5.1.2).
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
const CONTROL: u16 = 2;
/// Those that interrupt.
const QUEUES: u16 = 2;

/// Bytes before each frame (5.1.6): all zero, as no offload is used but by programs in the window, but
/// for the number of buffers of a frame that has come.
const HEADER_BYTES: u64 = 12;
const HEADER_BUFFERS: u64 = 10;

static CARD: Lazy<Option<&'static Card>> = Lazy::new();

/// The card, started at its first use.
pub(crate) fn device() -> Option<&'static dyn NetDevice> {
    let card = CARD.get_or_make(|| Card::start().ok());
    card.map(|card| card as &dyn NetDevice)
}

struct Card {
    transport: Transport,
    mac: [u8; 6],
    features: u64,
    /// Locked before the others.
    receive: Mutex<Receive>,
    transmit: Mutex<Transmit>,
    /// Of a card that takes commands.
    control: Option<(Mutex<Control>, Doorbell)>,
    /// Of either queue.
    doorbells: [Doorbell; QUEUES as usize],
    waiters: [WaitQueue; QUEUES as usize],
    broken: AtomicBool,
    /// Made when a program first wants it.
    window: Once<(Window, [Lent; 2])>,
}

impl Card {
    fn start() -> Result<&'static Self, Errno> {
        let handle = find(DeviceType::Net, 0).ok_or(Errno::NoEnt)?;
        let transport = handle.transport()?;
        let features = transport.negotiate_with(features::choose, FEATURE_VERSION_1)?;
        let mac = match features & FEATURE_ADDRESS {
            0 => OWN_ADDRESS,
            _ => transport.config_bytes(CONFIG_ADDRESS)?,
        };
        transport.connect(handle, QUEUES)?;
        let failed = |Broken| transport.fail();
        let size = transport.select_queue(RECEIVE);
        let receive = Receive::new(size, features).map_err(failed)?;
        let to_receive = transport.set_rings(RECEIVE, &receive.ring.rings())?;
        let size = transport.select_queue(TRANSMIT);
        let transmit = Transmit::new(size, features).map_err(failed)?;
        let to_transmit = transport.set_rings(TRANSMIT, &transmit.ring.rings())?;
        let control = match features & FEATURE_CONTROL {
            0 => None,
            _ => {
                let control = Control::new(transport.select_queue(CONTROL), features);
                let control = control.map_err(failed)?;
                let doorbell = transport.set_rings(CONTROL, &control.ring.rings())?;
                Some((Mutex::new(control), doorbell))
            }
        };
        let card = handle.keep(Self {
            transport,
            mac,
            features,
            receive: Mutex::new(receive),
            transmit: Mutex::new(transmit),
            control,
            doorbells: [to_receive, to_transmit],
            waiters: [const { WaitQueue::new() }; QUEUES as usize],
            broken: AtomicBool::new(false),
            window: Once::new(),
        })?;
        card.transport.start();
        let mut receive = card.receive.lock();
        card.set_taken(&mut receive, 0)?;
        card.publish_buffers(&mut receive);
        drop(receive);
        Ok(card)
    }

    /// Has the device carry out a command.
    fn command(&self, command: Command) -> Result<(), Errno> {
        let (control, doorbell) = self.control.as_ref().ok_or(Errno::Inval)?;
        let mut control = control.lock();
        self.check()?;
        control.add(command);
        if control.ring.publish() {
            self.transport.notify(*doorbell);
        }
        let in_time = poll_until(|| control.is_done() || self.is_broken(), patience());
        self.check()?;
        if !in_time {
            return Err(self.break_down());
        }
        control.finish().map_err(|Broken| self.break_down())
    }

    /// Has frames come as those offloads may leave them, from now on.
    fn set_taken(&self, receive: &mut Receive, offloads: u64) -> Result<(), Errno> {
        if receive.taken != offloads {
            self.command(Command::GuestOffloads(offloads))?;
            receive.taken = offloads;
        }
        Ok(())
    }

    fn doorbell(&self, queue: u16) -> Doorbell {
        self.doorbells[usize::from(queue)]
    }

    fn waiters(&self, queue: u16) -> &WaitQueue {
        &self.waiters[usize::from(queue)]
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    fn check(&self) -> Result<(), Errno> {
        if self.is_broken() {
            Err(Errno::Io)
        } else {
            Ok(())
        }
    }

    /// Gives the device up: it stops touching memory, and all who wait for it wake.
    fn break_down(&self) -> Errno {
        if !self.broken.swap(true, Ordering::AcqRel) {
            self.transport.reset();
        }
        self.waiters.iter().for_each(WaitQueue::wake_all);
        Errno::Io
    }

    /// Waits until `done` or the device is broken; false if neither is so in time.
    fn wait(&self, queue: u16, mode: IoMode, done: impl Fn() -> bool) -> bool {
        let deadline_ns = patience();
        let over = || done() || self.is_broken();
        match mode {
            IoMode::Interrupt => self.waiters(queue).wait_until_deadline(over, deadline_ns),
            IoMode::Poll => poll_until(over, deadline_ns),
        }
    }

    /// Shows the device what is in the queue.
    fn publish_frames(&self, transmit: &mut Transmit) {
        if transmit.ring.publish() {
            self.transport.notify(self.doorbell(TRANSMIT));
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
            return Err(self.break_down());
        }
        self.check()?;
        transmit.collect().map_err(|Broken| self.break_down())
    }

    /// Frees the places; waits for the device if it has not sent all yet.
    fn finish(&self, transmit: &mut Transmit, mode: IoMode) -> Result<(), Errno> {
        if !transmit.is_done() {
            return self.await_sent(transmit, mode);
        }
        transmit.collect().map_err(|Broken| self.break_down())
    }

    /// Puts frames into the queue; when it is full, has them sent first.
    fn add(
        &self,
        transmit: &mut Transmit,
        frames: &mut Outgoing<'_>,
        mode: IoMode,
    ) -> Result<(), Errno> {
        transmit.collect().map_err(|Broken| self.break_down())?;
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
            self.transport.notify(self.doorbell(RECEIVE));
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
        self.check()?;
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
        let mut receive = self.receive.lock();
        self.check()?;
        receive.take_back();
        if receive.is_low() {
            self.publish_buffers(&mut receive);
        }
        if receive.has_none() {
            self.await_frame(&mut receive, mode)?;
        }
        let each = |index, offset, bytes| window.set_received(index, offset, bytes);
        let given = receive.give(most, each);
        given.map_err(|Broken| self.break_down())
    }
}

impl Interrupted for Card {
    fn interrupted(&self) {
        self.transport.acknowledge();
        self.waiters.iter().for_each(WaitQueue::wake_all);
    }

    fn queue_interrupted(&self, queue: usize) {
        if let Some(waiters) = self.waiters.get(queue) {
            waiters.wake_all();
        }
    }
}

impl NetDevice for Card {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn send(&self, frames: &mut Outgoing<'_>, mode: IoMode) -> Result<(), Errno> {
        let mut transmit = self.transmit.lock();
        self.check()?;
        let added = self.add(&mut transmit, frames, mode);
        self.publish_frames(&mut transmit);
        if transmit.is_lent() {
            self.await_sent(&mut transmit, mode)?;
        }
        added
    }

    fn receive(&self, frames: &mut Incoming<'_>, mode: IoMode) -> Result<(), Errno> {
        let mut receive = self.receive.lock();
        self.check()?;
        receive.take_back();
        self.set_taken(&mut receive, 0)?;
        while frames.is_empty() {
            if receive.has_none() {
                self.await_frame(&mut receive, mode)?;
            }
            let taken = receive.take(frames);
            if receive.is_low() {
                self.publish_buffers(&mut receive);
            }
            taken.map_err(|Broken| self.break_down())?;
            // What came was of no use here.
            if frames.is_empty() && sched::is_ending() {
                return Err(Errno::Io);
            }
        }
        Ok(())
    }

    fn window(&self) -> Result<[Lent; 2], Errno> {
        // Held meanwhile, so that there is one.
        let receive = self.receive.lock();
        if self.window.get().is_none() {
            self.window
                .set(Window::lend(&receive.buffers, self.features)?);
        }
        let window = self.window.get().ok_or(Errno::NoMem)?;
        Ok(window.1)
    }

    fn take_offloads(&self, offloads: u64) -> Result<(), Errno> {
        let possible = self.features & TAKEN_OFFLOADS;
        let cut_needs_sum = offloads & (OPEN_CHECKSUM | WHOLE_TCP4) != WHOLE_TCP4;
        if offloads & !possible != 0 || !cut_needs_sum {
            return Err(Errno::Inval);
        }
        let mut receive = self.receive.lock();
        self.check()?;
        self.set_taken(&mut receive, offloads)
    }

    fn exchange(&self, sent: usize, most: usize, mode: IoMode) -> Result<usize, Errno> {
        let (window, _) = self.window.get().ok_or(Errno::Inval)?;
        if sent > MOST_SENT || most > MOST_RECEIVED {
            return Err(Errno::Inval);
        }
        if sent > 0 {
            let mut transmit = self.transmit.lock();
            self.check()?;
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
