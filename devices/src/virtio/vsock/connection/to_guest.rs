//! Packets of a [`Connection`] to the guest, the most urgent first: that it begins, data, that a
//! direction has ended, how much room there is.

use super::{Connection, Phase};
use crate::virtio::vsock::packet::{Op, SHUTDOWN_BOTH, SHUTDOWN_RECEIVE, SHUTDOWN_SEND};
use crate::virtio::vsock::transfer::Room;
use std::io::ErrorKind;

/// Most data in a packet: what Linux accepts.
const MAX_PAYLOAD_BYTES: u32 = 64 << 10;

/// A packet to the driver, but for what its connection knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::virtio::vsock) struct Content {
    pub(in crate::virtio::vsock) op: Op,
    pub(in crate::virtio::vsock) flags: u32,
    pub(in crate::virtio::vsock) len: u32,
}

impl Content {
    fn of(op: Op) -> Self {
        let (flags, len) = (0, 0);
        Self { op, flags, len }
    }
}

impl Connection {
    /// Next packet to the driver, whose data, if any, are read into `room`.
    pub(in crate::virtio::vsock) fn produce(&mut self, room: &Room<'_>) -> Option<Content> {
        if let Some(op) = self.opening.take() {
            return Some(Content::of(op));
        }
        if !matches!(self.phase, Phase::Established) {
            return None;
        }
        if let Some(content) = self.read(room) {
            return Some(content);
        }
        if std::mem::take(&mut self.shutdown_due) {
            let flags = self.host_done;
            let content = Content::of(Op::Shutdown);
            return Some(Content { flags, ..content });
        }
        let due = self.credit.update_due();
        due.then(|| Content::of(Op::CreditUpdate))
    }

    /// Data of the program, or the question for room for them.
    fn read(&mut self, room: &Room<'_>) -> Option<Content> {
        let wanted = (self.host_done & SHUTDOWN_SEND) | (self.guest_done & SHUTDOWN_RECEIVE) == 0;
        if !self.readable || !wanted {
            return None;
        }
        let most = self.credit.free().min(MAX_PAYLOAD_BYTES);
        if most == 0 {
            return self.credit.ask().then(|| Content::of(Op::CreditRequest));
        }
        match room.read_from(&self.stream, most) {
            Ok(0) => {
                self.announce(SHUTDOWN_SEND);
                self.note_end();
                None
            }
            Ok(len) => {
                self.credit.note_sent(len);
                let content = Content::of(Op::Rw);
                Some(Content { len, ..content })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                None
            }
            // The program has closed without reading everything.
            Err(_) => {
                self.stop_sending();
                self.announce(SHUTDOWN_BOTH);
                None
            }
        }
    }
}
