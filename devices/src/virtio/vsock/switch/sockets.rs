//! The host's side of the [`Switch`]: programs that connect, and sockets that are ready.

use super::{LISTENER, Switch};
use crate::virtio::vsock::connection::Connection;
use crate::virtio::vsock::greeting::Said;
use crate::virtio::vsock::table::Id;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use vmm_sys_util::epoll::{ControlOperation, EpollEvent, EventSet};

/// Ready sockets taken from the kernel at once.
const READY_SOCKETS: usize = 32;

impl Switch {
    pub(super) fn add(
        &mut self,
        stream: UnixStream,
        connection: impl FnOnce(UnixStream) -> Connection,
    ) -> io::Result<Id> {
        let id = self.table.add(connection(stream));
        let interest =
            EventSet::IN | EventSet::OUT | EventSet::READ_HANG_UP | EventSet::EDGE_TRIGGERED;
        if let Some(connection) = self.table.get(id) {
            let fd = connection.stream().as_raw_fd();
            let added = self
                .sockets
                .ctl(ControlOperation::Add, fd, EpollEvent::new(interest, id));
            if let Err(error) = added {
                self.table.remove(id);
                return Err(error);
            }
        }
        Ok(id)
    }

    /// Sockets are ready, perhaps more than are served now.
    pub(in crate::virtio::vsock) fn on_sockets(&mut self) {
        let mut events = [EpollEvent::default(); READY_SOCKETS];
        let count = match self.sockets.wait(0, &mut events) {
            Ok(count) => count,
            Err(error) => {
                log::debug!("vsock sockets: {error}");
                0
            }
        };
        for event in &events[..count] {
            match event.data() {
                LISTENER => self.accept(),
                id => self.on_socket(id, event.event_set()),
            }
        }
    }

    fn on_socket(&mut self, id: Id, events: EventSet) {
        let Some(connection) = self.table.get(id) else {
            return;
        };
        let said = connection.greeting();
        let goes_on = connection.on_socket(events) && said != Said::Nonsense;
        self.deadlines |= connection.deadline.is_some();
        if !goes_on {
            return self.abort(id);
        }
        if let Said::Port(guest) = said {
            let ports = self.table.free_ports(guest);
            if let Some(connection) = self.table.get(id) {
                connection.request(ports);
            }
            self.table.give_ports(ports, id);
        }
        self.table.wake(id);
    }

    /// Accepts programs while there is room for them.
    pub(super) fn accept(&mut self) {
        self.accept_due = true;
        while !self.table.is_full() {
            let accepted = match self.endpoint.listener().accept() {
                Ok((stream, _)) => stream
                    .set_nonblocking(true)
                    .and_then(|()| self.add(stream, Connection::accepted)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_due = false;
                    return;
                }
                Err(error) => Err(error),
            };
            if let Err(error) = accepted {
                log::debug!("vsock: a host program could not connect: {error}");
                return;
            }
            self.deadlines = true;
        }
    }
}
