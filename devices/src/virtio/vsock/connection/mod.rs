//! [`Connection`]: one stream between a socket of the guest and a host program.
//!
//! ```text
//!  host program connects --line--> Requested --RESPONSE--> Established --RST, SHUTDOWN--> Draining
//!      (Greeting)                                            ^                         (gone for the
//!  guest sends REQUEST --------------------------------------+                          guest)
//! ```
//! It never holds more of the guest's data than the guest has credit for, and takes from the
//! program only what the guest has room for. Each direction ends on its own. What the guest is to
//! hear of it, [`to_guest`] says.

pub(super) mod to_guest;

use super::credit::Credit;
use super::greeting::{Greeting, Said, confirm};
use super::packet::{Op, Ports, SHUTDOWN_BOTH, SHUTDOWN_RECEIVE, SHUTDOWN_SEND};
use super::transfer::{Outgoing, capacity};
use crate::virtio::ring::Buffer;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::epoll::EventSet;

/// Time to say which port, and then for the guest to answer.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Time for the guest to end a connection that its peer has ended (5.10.6.5).
const CLOSE_TIME: Duration = Duration::from_secs(8);
/// Time in which a host program must take something of what the guest left behind.
const LINGER_TIME: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Phase {
    Greeting(Greeting),
    Requested,
    Established,
    Draining,
}

#[derive(Debug)]
pub(super) struct Connection {
    /// Never blocks.
    stream: UnixStream,
    pub(super) ports: Ports,
    phase: Phase,
    pub(super) credit: Credit,
    outgoing: Outgoing,
    /// When it is given up.
    pub(super) deadline: Option<Instant>,
    /// It has a place in the table's queue.
    pub(super) is_ready: bool,

    /// The guest has not been sent this yet: REQUEST or RESPONSE.
    opening: Option<Op>,
    /// The socket may have data, or its end.
    readable: bool,
    /// The program has closed its socket.
    hung_up: bool,
    /// Directions that the guest has ended, as it sees them.
    guest_done: u32,
    /// Directions that the program has ended, as it sees them.
    host_done: u32,
    /// The guest has not been sent that yet.
    shutdown_due: bool,
}

impl Connection {
    fn new(stream: UnixStream, ports: Ports, phase: Phase) -> Self {
        Self {
            stream,
            ports,
            phase,
            credit: Credit::default(),
            outgoing: Outgoing::default(),
            deadline: None,
            is_ready: false,
            opening: None,
            readable: false,
            hung_up: false,
            guest_done: 0,
            host_done: 0,
            shutdown_due: false,
        }
    }

    /// A host program has connected and will say which port it wants.
    pub(super) fn accepted(stream: UnixStream) -> Self {
        let none = Ports { guest: 0, host: 0 };
        let mut this = Self::new(stream, none, Phase::Greeting(Greeting::default()));
        this.expire_in(HANDSHAKE_TIME);
        this
    }

    /// The guest is connected to a host program.
    pub(super) fn connected(stream: UnixStream, ports: Ports) -> Self {
        let mut this = Self::new(stream, ports, Phase::Established);
        this.opening = Some(Op::Response);
        this
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Whether the guest believes that there is this connection.
    pub(super) fn is_known_to_guest(&self) -> bool {
        match self.phase {
            Phase::Greeting(_) | Phase::Draining => false,
            Phase::Requested => self.opening.is_none(),
            Phase::Established => true,
        }
    }

    fn expire_in(&mut self, time: Duration) {
        self.deadline = Some(Instant::now() + time);
    }

    /// Reads the program's line, if that is what it is about to write.
    pub(super) fn greeting(&mut self) -> Said {
        match &mut self.phase {
            Phase::Greeting(greeting) => greeting.read(&self.stream),
            _ => Said::Nothing,
        }
    }

    /// The program wants that port of the guest.
    pub(super) fn request(&mut self, ports: Ports) {
        self.ports = ports;
        self.phase = Phase::Requested;
        self.opening = Some(Op::Request);
        self.expire_in(HANDSHAKE_TIME);
    }

    /// The guest accepts; false when that makes no sense.
    pub(super) fn on_response(&mut self) -> bool {
        if !matches!(self.phase, Phase::Requested) || self.opening.is_some() {
            return false;
        }
        self.phase = Phase::Established;
        self.deadline = None;
        self.readable = true;
        if confirm(&self.stream, self.ports.host).is_err() {
            self.stop_sending();
        }
        true
    }

    /// The socket is ready for something. False when there is nothing left to do for it.
    pub(super) fn on_socket(&mut self, events: EventSet) -> bool {
        self.readable |= events.intersects(EventSet::IN | EventSet::READ_HANG_UP);
        self.hung_up |= events.intersects(EventSet::HANG_UP | EventSet::ERROR);
        if events.contains(EventSet::OUT) || self.hung_up {
            self.flush();
        }
        self.note_end();
        match self.phase {
            Phase::Greeting(_) | Phase::Requested => !self.hung_up,
            Phase::Established => true,
            Phase::Draining => !self.outgoing.is_empty(),
        }
    }

    /// Data of the guest; false when it had no right to send it.
    pub(super) fn on_data(&mut self, memory: &GuestMemoryMmap, data: &[Buffer]) -> bool {
        let len = capacity(data);
        let expected = matches!(self.phase, Phase::Established);
        let ended = self.guest_done & SHUTDOWN_SEND != 0;
        if !expected || ended || !self.credit.receive(len) {
            return false;
        }
        if self.host_done & SHUTDOWN_RECEIVE != 0 {
            // It may not know yet that nobody reads.
            self.credit.forward(len as usize);
            return true;
        }
        match self.outgoing.send(memory, data, &self.stream) {
            Ok(sent) => self.credit.forward(sent),
            Err(_) => self.stop_sending(),
        }
        true
    }

    fn flush(&mut self) {
        match self.outgoing.flush(&self.stream) {
            Ok(0) => {}
            Ok(sent) => {
                self.credit.forward(sent);
                if matches!(self.phase, Phase::Draining) {
                    self.expire_in(LINGER_TIME);
                }
            }
            Err(_) => self.stop_sending(),
        }
        self.end_stream();
    }

    /// The program takes no more.
    fn stop_sending(&mut self) {
        self.outgoing.clear();
        self.credit.forward_all();
        self.announce(SHUTDOWN_RECEIVE);
    }

    /// Lets the program see the end of the guest's data, once it has all of them.
    fn end_stream(&self) {
        if self.guest_done & SHUTDOWN_SEND != 0 && self.outgoing.is_empty() {
            // Not connected any more: it sees the end anyway.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// The guest ends directions. `None` when that makes no sense, else whether both have ended.
    pub(super) fn on_shutdown(&mut self, flags: u32) -> Option<bool> {
        if !matches!(self.phase, Phase::Established) {
            return None;
        }
        self.guest_done |= flags & SHUTDOWN_BOTH;
        if self.guest_done & SHUTDOWN_RECEIVE != 0 {
            let _ = self.stream.shutdown(Shutdown::Read);
        }
        self.end_stream();
        self.note_end();
        Some(self.guest_done == SHUTDOWN_BOTH)
    }

    /// The guest has left; true when nothing it sent is left for the program.
    pub(super) fn leave(&mut self) -> bool {
        let complete = self.outgoing.is_empty();
        self.guest_done = SHUTDOWN_BOTH;
        self.phase = Phase::Draining;
        self.expire_in(LINGER_TIME);
        complete
    }

    /// The program will have nothing to do with the connection any more, if that is so.
    fn note_end(&mut self) {
        let read_all = (self.host_done & SHUTDOWN_SEND) | (self.guest_done & SHUTDOWN_RECEIVE);
        if self.hung_up && read_all != 0 {
            self.announce(SHUTDOWN_BOTH);
        }
    }

    /// The guest is to hear that the program has ended these directions.
    fn announce(&mut self, flags: u32) {
        let known = self.host_done;
        self.host_done |= flags;
        if self.host_done == known || !matches!(self.phase, Phase::Established) {
            return;
        }
        self.shutdown_due = true;
        if self.host_done == SHUTDOWN_BOTH {
            self.expire_in(CLOSE_TIME);
        }
    }
}
