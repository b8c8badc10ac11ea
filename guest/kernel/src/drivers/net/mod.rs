//! Network cards, as the rest of the kernel sees them; what a program moves at once is a
//! [`batch`].

pub mod batch;
pub(super) mod card;

use super::{Segment, e1000, ne2000, virtio};
use abi::syscall::{Errno, IoMode};

/// A network card. Frames are as on the wire, from the destination's address on, without their
/// check sequence.
pub trait NetDevice: Sync {
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

/// A card by its name, started at its first use.
type Card = (&'static str, fn() -> Option<&'static dyn NetDevice>);

const CARDS: [Card; 3] = [
    ("eth-virtio", virtio::net::device),
    ("eth-e1000", e1000::device),
    ("eth-ne2000", ne2000::device),
];

/// The card of this name.
pub fn device(name: &str) -> Option<&'static dyn NetDevice> {
    let (_, device) = CARDS.iter().find(|(card, _)| *card == name)?;
    device()
}
