//! Network cards, as the rest of the kernel sees them; what a program moves at once is a
//! [`batch`].

pub mod batch;
pub(super) mod card;

use super::{Segment, e1000, ne2000, virtio};
use crate::mm::shared::Lent;
use abi::syscall::{Errno, IoMode};
use batch::{Incoming, Outgoing};

/// A network card. Frames are as on the wire, from the destination's address on, without their
/// check sequence.
pub trait NetDevice: Sync {
    /// Its address.
    fn mac(&self) -> [u8; 6];

    /// Sends all `frames`, and returns when the card has no more use for the program's memory; also
    /// after an error. [`Errno::Io`] when the card fails.
    fn send(&self, frames: &mut Outgoing<'_>, mode: IoMode) -> Result<(), Errno>;

    /// Waits for a frame, for ten seconds at most ([`Errno::TimedOut`]), and takes others that have
    /// come as long as there is room.
    fn receive(&self, frames: &mut Incoming<'_>, mode: IoMode) -> Result<(), Errno>;

    /// The parts of its window (`abi::net_window`), one behind the other. [`Errno::Inval`] for a card
    /// that has none.
    fn window(&self) -> Result<[Lent; 2], Errno> {
        Err(Errno::Inval)
    }

    /// Has frames come to the window as `offloads` leave them (`abi::net_window`), until somebody reads
    /// frames. [`Errno::Inval`] for what the card cannot do.
    fn take_offloads(&self, _offloads: u64) -> Result<(), Errno> {
        Err(Errno::Inval)
    }

    /// Sends the first `sent` pieces of the window's list, then waits as [`Self::receive`] does, unless
    /// `most` is 0, and lists at most so many pieces of what has come; their number.
    ///
    /// [`Errno::Inval`] without a window, for more than its lists have, or a piece that is not inside.
    fn exchange(&self, _sent: usize, _most: usize, _mode: IoMode) -> Result<usize, Errno> {
        Err(Errno::Inval)
    }
}

/// A network card that is driven frame by frame.
pub(super) trait FrameDevice: Sync {
    /// Its address.
    fn mac(&self) -> [u8; 6];

    /// Sends a frame of [`abi::net::FRAME_BYTES`]. Cards that move it themselves may do so until
    /// [`Self::finish`], and be told of it only then: `frame` stays where it is until that.
    ///
    /// [`Errno::Inval`] for a frame of another length, [`Errno::Io`] when the card fails.
    fn send(&self, frame: &[Segment], mode: IoMode) -> Result<(), Errno>;

    /// Returns when the card has no more use for any frame that was sent; also after an error.
    fn finish(&self, mode: IoMode) -> Result<(), Errno>;

    /// Takes the next frame that has come into `to` and cuts off what does not fit there; its
    /// length as it came. Without one, waits for it, for ten seconds at most
    /// ([`Errno::TimedOut`]), or says [`None`] if `wait` is not set.
    fn receive(&self, to: &[Segment], wait: bool, mode: IoMode) -> Result<Option<usize>, Errno>;
}

impl<D: FrameDevice> NetDevice for D {
    fn mac(&self) -> [u8; 6] {
        FrameDevice::mac(self)
    }

    fn send(&self, frames: &mut Outgoing<'_>, mode: IoMode) -> Result<(), Errno> {
        let sent = frames.try_for_each(|frame| FrameDevice::send(self, frame.segments(), mode));
        // Also after an error: what was sent is the card's until then.
        self.finish(mode).and(sent)
    }

    fn receive(&self, frames: &mut Incoming<'_>, mode: IoMode) -> Result<(), Errno> {
        while let Some(room) = frames.room()
            && let Some(bytes) =
                FrameDevice::receive(self, room.segments(), frames.is_empty(), mode)?
        {
            frames.add(bytes);
        }
        Ok(())
    }
}

/// A card by its name, started at its first use.
type Card = (&'static str, fn() -> Option<&'static dyn NetDevice>);

/// Each pair of virtio-net's queues is one.
const CARDS: [Card; 6] = [
    ("eth-virtio", || virtio::net::port(0)),
    ("eth-virtio-1", || virtio::net::port(1)),
    ("eth-virtio-2", || virtio::net::port(2)),
    ("eth-virtio-3", || virtio::net::port(3)),
    ("eth-e1000", e1000::device),
    ("eth-ne2000", ne2000::device),
];

/// The card of this name.
pub fn device(name: &str) -> Option<&'static dyn NetDevice> {
    let (_, device) = CARDS.iter().find(|(card, _)| *card == name)?;
    device()
}
