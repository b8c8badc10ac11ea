//! [`Backend`]: a network on the host's side, with a [`Port`] for each queue pair. Two do it
//! here, [`super::tap`] and [`super::stream`]; who measures cards brings another.
//!
//! A port never blocks. What it cannot take now it refuses, and the worker waits until its
//! descriptor is writable; what the guest has no room for stays in it.

use crate::virtio::net::Header;
use crate::virtio::ring::Buffer;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
use vm_memory::{Bytes, GuestMemoryMmap};

/// A network on the host's side.
pub trait Backend: Send + Sync {
    /// What messages call it, such as `tap=tap0`.
    fn name(&self) -> &str;
    /// Offloads that it can do, as feature bits (virtio 1.3 5.1.3); none by itself.
    fn offloads(&self) -> u64 {
        0
    }
    /// One for each queue pair.
    fn ports(&self) -> &[SharedPort];
    /// The driver takes frames with these offloads, of which all were among
    /// [`Self::offloads`], from now on.
    fn set_guest_offloads(&self, _offloads: u64) -> io::Result<()> {
        Ok(())
    }
    /// Only the first `pairs` ports are in use from now on.
    fn set_active_pairs(&self, _pairs: u16) -> io::Result<()> {
        Ok(())
    }
}

/// A port, of which one worker has the use while it runs.
pub type SharedPort = Arc<Mutex<dyn Port>>;

/// Where frames come and go for one queue pair.
pub trait Port: Send {
    /// Readable when there is a frame, writable when one can be sent.
    fn fd(&self) -> RawFd;
    /// Takes a frame: its start into `space`, what does not fit there to the start of `overflow`,
    /// which holds the longest frame.
    fn receive(&mut self, space: Scattered, overflow: &mut [u8]) -> Result<Received, PortError>;
    /// Sends a frame.
    fn transmit(&mut self, header: Header, frame: Scattered) -> Result<Transmitted, PortError>;
    /// Sends on what was accepted and kept; false when there is more of it.
    fn flush(&mut self) -> Result<bool, PortError>;
}

/// Pieces of guest memory that were checked to be in memory.
#[derive(Clone, Copy)]
pub struct Scattered<'a> {
    /// The memory.
    pub memory: &'a Arc<GuestMemoryMmap>,
    /// The pieces in their order.
    pub buffers: &'a [Buffer],
}

impl Scattered<'_> {
    /// Copies a frame to the pieces, and to `overflow` its end, for which they have no room.
    pub fn deliver(self, frame: &[u8], overflow: &mut [u8]) -> io::Result<()> {
        let mut left = frame;
        for buffer in self.buffers {
            let (part, rest) = left.split_at(left.len().min(buffer.len as usize));
            let written = self.memory.write_slice(part, buffer.gpa);
            written.map_err(io::Error::other)?;
            left = rest;
            if left.is_empty() {
                break;
            }
        }
        overflow[..left.len()].copy_from_slice(left);
        Ok(())
    }
}

/// What [`Port::receive`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It has brought a frame.
    Frame {
        /// Its offloads.
        header: Header,
        /// Its length.
        bytes: usize,
    },
    /// It has thrown away one that is no Ethernet frame.
    Dropped,
    /// There is none now; the descriptor says when.
    Nothing,
}

/// What [`Port::transmit`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmitted {
    /// The frame is on its way, or lost as frames may be.
    Done,
    /// There is no room now: the frame is to be given again.
    Full,
}

/// Why a port is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The other end has closed between frames.
    #[error("the other end has closed the connection")]
    Closed,
    /// The other end has closed within a frame.
    #[error("the other end has closed the connection in mid-frame")]
    MidFrame,
    /// The other end has announced a frame that no network has.
    #[error("the other end announces a frame of {0} bytes")]
    TooLong(u32),
    /// The host fails.
    #[error("the host has failed: {0}")]
    Io(#[from] io::Error),
}
