//! virtio-rng (virtio 1.3 5.4): the device fills the caller's pages with random bytes.

use super::chain::{Direction, Request};
use super::device::{Channel, Device};
use super::layout::FEW_SLOTS;
use super::{DeviceType, find};
use crate::drivers::lazy::Lazy;
use crate::drivers::{CharDevice, Segment};
use abi::syscall::{Errno, IoMode};

static RNG: Lazy<Option<Rng>> = Lazy::new();

/// The random number generator, started at its first use.
pub(in crate::drivers) fn device(name: &str) -> Option<&'static dyn CharDevice> {
    if name != "rng" {
        return None;
    }
    let rng = RNG.get_or_make(|| Rng::start().ok());
    rng.as_ref().map(|rng| rng as &dyn CharDevice)
}

struct Rng {
    device: &'static Device,
    channel: &'static Channel,
}

impl Rng {
    fn start() -> Result<Self, Errno> {
        let device = find(DeviceType::Rng, 0)
            .ok_or(Errno::NoEnt)?
            .start::<1>(0, FEW_SLOTS)?;
        let channel = device.channels.first().ok_or(Errno::Io)?;
        Ok(Self { device, channel })
    }
}

impl CharDevice for Rng {
    fn read(&self, to: &[Segment], mode: IoMode) -> Result<usize, Errno> {
        let most = self.channel.queue.lock().max_segments();
        let segments = &to[..to.len().min(most)];
        if segments.is_empty() {
            return Ok(0);
        }
        let request = Request {
            header: None,
            segments,
            direction: Direction::FromDevice,
            mode,
        };
        match self.device.request(self.channel, &request)?.written {
            // It must give at least one byte (virtio 1.3 5.4.6.1).
            0 => Err(Errno::Io),
            written => usize::try_from(written).map_err(|_| Errno::Io),
        }
    }
}
