//! virtio-net (virtio 1.3 5.1): frames go out from where they lie, and come into buffers of the
//! kernel, from which they are copied once; or both in memory that programs share.
//!
//! ```text
//!  send:     a batch, one doorbell, and one interrupt for the last -+- Transmit --- queue 1
//!  exchange: of what lies in the Window ----------------------------+
//!  receive:  a batch, no interrupt while there are frames ----------+- Receive ---- queue 0
//!                                                                  Pair, others behind it
//!  how frames may come, and how many pairs there are -------------- Control ---- the last queue
//! ```
//! A card with several pairs has one for each processor ([`port`]), which is interrupted for it: what
//! programs do by one does not wait for what others do by another. Answers come by the pair of the
//! question, or what else the card makes of it (5.1.6.5.5).
//!
//! Frames may come in the window as the other end's program made them, uncut and not summed up, if a
//! program says that it takes them so; whoever reads frames has them as on the wire.
//!
//! A device that answers nonsense, or does not send in time, is reset and never used again.

mod control;
mod features;
mod pair;
mod receive;
mod transmit;
mod window;

use super::transport::{Doorbell, Transport};
use super::{Broken, DeviceType, FEATURE_VERSION_1, Interrupted, find};
use crate::drivers::lazy::Lazy;
use crate::drivers::net::NetDevice;
use crate::drivers::net::card::patience;
use crate::drivers::poll_until;
use crate::sync::Mutex;
use crate::{machine, sched};
use abi::syscall::Errno;
use alloc::vec::Vec;
use control::{Command, Control};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use features::{FEATURE_ADDRESS, FEATURE_CONTROL, FEATURE_PAIRS, TAKEN_OFFLOADS};
use pair::{Pair, Port, QUEUES};

/// Address and number of pairs, in the device configuration (5.1.4).
const CONFIG_ADDRESS: u64 = 0;
const CONFIG_PAIRS: u64 = 8;
/// A locally administered one, for a device that has none.
const OWN_ADDRESS: [u8; 6] = *b"\x02GUEST";
/// Most pairs that are used, as each takes two interrupts.
const MAX_PAIRS: u16 = 4;
/// Most that a card may have (5.1.4.1).
const MAX_OFFERED: u16 = 0x8000;

/// Bytes before each frame (5.1.6): all zero, as no offload is used but by programs in the window, but
/// for the number of buffers of a frame that has come.
const HEADER_BYTES: u64 = 12;
const HEADER_BUFFERS: u64 = 10;

static PORTS: Lazy<Vec<Port>> = Lazy::new();

/// Pair `index` of the card, which is started at its first use.
pub(crate) fn port(index: usize) -> Option<&'static dyn NetDevice> {
    let ports = PORTS.get_or_make(|| Card::start().unwrap_or_default());
    ports.get(index).map(|port| port as &dyn NetDevice)
}

struct Card {
    transport: Transport,
    mac: [u8; 6],
    features: u64,
    pairs: Vec<Pair>,
    /// Of a card that takes commands. Locked after those of a pair.
    control: Option<(Mutex<Control>, Doorbell)>,
    /// How frames that come may be left; changed by whoever has locked that.
    taken: AtomicU64,
    broken: AtomicBool,
}

/// Pairs of a card that says it has so many, for so many processors.
fn pairs_of(offered: u16, cpus: u32) -> Result<u16, Broken> {
    if !(1..=MAX_OFFERED).contains(&offered) {
        return Err(Broken);
    }
    let cpus = u16::try_from(cpus).unwrap_or(u16::MAX).max(1);
    Ok(offered.min(cpus).min(MAX_PAIRS))
}

impl Card {
    fn start() -> Result<Vec<Port>, Errno> {
        let handle = find(DeviceType::Net, 0).ok_or(Errno::NoEnt)?;
        let transport = handle.transport()?;
        let failed = |Broken| transport.fail();
        let features = transport.negotiate_with(features::choose, FEATURE_VERSION_1)?;
        let mac = match features & FEATURE_ADDRESS {
            0 => OWN_ADDRESS,
            _ => transport.config_bytes(CONFIG_ADDRESS)?,
        };
        let offered = match features & FEATURE_PAIRS {
            0 => 1,
            _ => u16::from_le_bytes(transport.config_bytes(CONFIG_PAIRS)?),
        };
        let count = pairs_of(offered, machine::get().cpus).map_err(failed)?;
        let cpus = (0..u32::from(count)).flat_map(|cpu| match sched::is_online(cpu) {
            true => [cpu; QUEUES as usize],
            // It may be on its way, and would lose its interrupts.
            false => [0; QUEUES as usize],
        });
        transport.connect_to(handle, &cpus.collect::<Vec<_>>())?;
        let pairs = (0..count).map(|index| Pair::set_up(&transport, index, features));
        let pairs = pairs.collect::<Result<_, Broken>>()?;
        let control = match features & FEATURE_CONTROL {
            0 => None,
            _ => {
                // Behind all that the card has (5.1.2).
                let queue = offered.checked_mul(QUEUES).ok_or(Broken).map_err(failed)?;
                let control = Control::new(transport.select_queue(queue), features);
                let control = control.map_err(failed)?;
                let doorbell = transport.set_rings(queue, &control.ring.rings())?;
                Some((Mutex::new(control), doorbell))
            }
        };
        let card = handle.keep(Self {
            transport,
            mac,
            features,
            pairs,
            control,
            // All, to begin with (5.1.6.5.6).
            taken: AtomicU64::new(features & TAKEN_OFFLOADS),
            broken: AtomicBool::new(false),
        })?;
        card.transport.start();
        card.set_taken(0)?;
        if count > 1 {
            card.command(Command::Pairs(count))?;
        }
        let ports = card.pairs.iter().map(|pair| Port { card, pair });
        let ports: Vec<Port> = ports.collect();
        ports.iter().for_each(Port::begin);
        Ok(ports)
    }

    /// Has the device carry out a command, which is rare: it is waited for here.
    fn command(&self, command: Command) -> Result<(), Errno> {
        let (control, doorbell) = self.control.as_ref().ok_or(Errno::Inval)?;
        self.carry_out(&mut control.lock(), *doorbell, command)
    }

    fn carry_out(
        &self,
        control: &mut Control,
        doorbell: Doorbell,
        command: Command,
    ) -> Result<(), Errno> {
        self.check()?;
        control.add(command);
        if control.ring.publish() {
            self.transport.notify(doorbell);
        }
        let in_time = poll_until(|| control.is_done() || self.is_broken(), patience());
        self.check()?;
        if !in_time {
            return Err(self.break_down());
        }
        control.finish().map_err(|Broken| self.break_down())
    }

    /// Has frames come as those offloads may leave them, from now on.
    fn set_taken(&self, offloads: u64) -> Result<(), Errno> {
        if self.taken.load(Ordering::Acquire) == offloads {
            return self.check();
        }
        let (control, doorbell) = self.control.as_ref().ok_or(Errno::Inval)?;
        let mut control = control.lock();
        self.carry_out(&mut control, *doorbell, Command::GuestOffloads(offloads))?;
        self.taken.store(offloads, Ordering::Release);
        Ok(())
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
        self.pairs.iter().for_each(Pair::wake_all);
        Errno::Io
    }
}

impl Interrupted for Card {
    fn interrupted(&self) {
        self.transport.acknowledge();
        self.pairs.iter().for_each(Pair::wake_all);
    }

    fn queue_interrupted(&self, queue: usize) {
        let (pair, queue) = (queue / usize::from(QUEUES), queue % usize::from(QUEUES));
        if let Some(pair) = self.pairs.get(pair) {
            pair.wake(queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_has_a_pair_for_each_processor_as_far_as_it_offers_them() {
        for (offered, cpus, pairs) in [
            (1, 4, Some(1)),
            (8, 1, Some(1)),
            (8, 2, Some(2)),
            (3, 16, Some(3)),
            (8, 16, Some(4)),
            (0x8000, 2, Some(2)),
            (8, 0, Some(1)),
            (0, 2, None),
            (0x8001, 2, None),
            (40_000, 2, None),
        ] {
            assert_eq!(pairs_of(offered, cpus).ok(), pairs, "{offered} {cpus}");
        }
    }
}
