//! [`Card`]: a network card, [`Outbox`] and [`Inbox`]: frames for it and from it, many a system
//! call (`abi::net`); [`Window`]: frames that are shared with the driver; [`Link`]:
//! either; [`report`]: what the peer of `hostel compare` says has come.

mod link;
mod report;
mod window;

pub use link::Link;
pub use report::{MESSAGE_BYTES, report};
pub use window::{Frames, Window};

use crate::file::File;
use crate::sys;
use abi::net::{BATCH_BYTES, FRAME_BYTES, LENGTH_BYTES, batch_bytes};
use abi::syscall::{Errno, IoMode};
use alloc::vec;
use alloc::vec::Vec;

/// A network card.
pub struct Card {
    file: File,
    address: [u8; 6],
}

impl Card {
    /// Opens it.
    pub fn open(path: &str, mode: IoMode) -> Result<Self, Errno> {
        let file = File::open(path)?;
        file.set_io_mode(mode)?;
        let address = sys::net_address(file.fd())?;
        Ok(Self { file, address })
    }

    /// It as a file, for batches of one's own.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its address.
    pub fn address(&self) -> [u8; 6] {
        self.address
    }

    /// Sends all that is in the outbox, which is empty afterwards.
    pub fn send(&self, frames: &mut Outbox) -> Result<(), Errno> {
        let sent = self.file.write_all(&frames.bytes[..frames.len]);
        frames.len = 0;
        sent
    }

    /// Waits for a frame, and takes others that have come.
    pub fn receive(&self, frames: &mut Inbox) -> Result<(), Errno> {
        frames.len = 0;
        frames.len = self.file.read(&mut frames.bytes)?;
        Ok(())
    }
}

/// Frames to be sent.
pub struct Outbox {
    /// Has pages of its own, so that it is aligned.
    bytes: Vec<u8>,
    len: usize,
}

impl Outbox {
    /// Room for a batch.
    pub fn new() -> Self {
        Self {
            bytes: vec![0; BATCH_BYTES],
            len: 0,
        }
    }

    /// Whether nothing is to be sent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Room for another frame of so many bytes, which are what they were; none if it is full.
    pub fn add(&mut self, frame_bytes: usize) -> Option<&mut [u8]> {
        let end = self.len + batch_bytes(frame_bytes);
        let length = u32::try_from(frame_bytes).ok()?;
        let place = self.bytes.get_mut(self.len..end)?;
        self.len = end;
        let (before, frame) = place.split_at_mut(LENGTH_BYTES);
        before.copy_from_slice(&length.to_le_bytes());
        frame.get_mut(..frame_bytes)
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Frames that have come.
pub struct Inbox {
    bytes: Vec<u8>,
    len: usize,
}

impl Inbox {
    /// Room for so many frames.
    pub fn new(frames: usize) -> Self {
        let bytes = frames * batch_bytes(*FRAME_BYTES.end());
        Self {
            bytes: vec![0; bytes.clamp(batch_bytes(*FRAME_BYTES.end()), BATCH_BYTES)],
            len: 0,
        }
    }

    /// The frames.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..self.len];
        core::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk::<LENGTH_BYTES>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let frame = behind.get(..length)?;
            rest = rest.get(batch_bytes(length)..).unwrap_or_default();
            Some(frame)
        })
    }
}
