//! [`Switch`]: what happens on a packet of the guest, and on its other side, the sockets of host
//! programs ([`sockets`]). It knows no queues: the worker asks it for packets when the guest has
//! buffers.

mod sockets;

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::packet::{HOST_CID, Header, Op, Ports, TYPE_STREAM};
use super::table::{Id, Table};
use super::transfer::Room;
use crate::virtio::ring::Buffer;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Instant;
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

/// Refusals that wait for buffers of the guest before no more of its packets are taken.
const MAX_REFUSALS: usize = 256;
/// Names the listener among the sockets.
const LISTENER: Id = Id::MAX;

pub(super) struct Switch {
    guest_cid: u64,
    endpoint: Arc<Endpoint>,
    sockets: Epoll,
    table: Table,
    /// RST packets for what is not in the table.
    refusals: VecDeque<Header>,
    /// Programs may wait that could not be accepted.
    accept_due: bool,
    /// Connections may have deadlines.
    deadlines: bool,
}

impl Switch {
    pub(super) fn new(guest_cid: u64, endpoint: Arc<Endpoint>) -> io::Result<Self> {
        let sockets = Epoll::new()?;
        let listening = EpollEvent::new(EventSet::IN | EventSet::EDGE_TRIGGERED, LISTENER);
        let listener = endpoint.listener().as_raw_fd();
        sockets.ctl(ControlOperation::Add, listener, listening)?;
        Ok(Self {
            guest_cid,
            endpoint,
            sockets,
            table: Table::new(),
            refusals: VecDeque::new(),
            accept_due: false,
            deadlines: false,
        })
    }

    /// Readable when a socket is ready: [`Self::on_sockets`].
    pub(super) fn sockets_fd(&self) -> RawFd {
        self.sockets.as_raw_fd()
    }

    /// Whether the guest must take packets before it may send more.
    pub(super) fn is_congested(&self) -> bool {
        self.refusals.len() >= MAX_REFUSALS
    }

    /// Whether [`Self::produce`] may have a packet.
    pub(super) fn any_ready(&self) -> bool {
        !self.refusals.is_empty() || self.table.any_ready()
    }

    /// Whether [`Self::expire`] should be called before long.
    pub(super) fn has_deadlines(&self) -> bool {
        self.deadlines || self.accept_due
    }

    /// Whether the guest knows of connections.
    pub(super) fn has_connections(&self) -> bool {
        self.table.iter().any(|(_, each)| each.is_known_to_guest())
    }

    /// A packet of the guest; false when no driver would send it.
    pub(super) fn on_packet(
        &mut self,
        header: &Header,
        data: &[Buffer],
        memory: &GuestMemoryMmap,
    ) -> bool {
        if header.src_cid != self.guest_cid {
            return false;
        }
        let op = Op::from_number(header.op);
        if header.dst_cid != HOST_CID || header.kind != TYPE_STREAM {
            self.refuse(header);
            return true;
        }
        let ports = header.guest_ports();
        let Some(id) = self.table.find(ports) else {
            match op {
                Some(Op::Request) => self.open(header),
                _ => self.refuse(header),
            }
            return op.is_some();
        };
        let sensible = op.is_some_and(|op| self.on_connected(id, op, header, data, memory));
        if !sensible {
            self.table.remove(id);
            self.refuse(header);
        }
        self.table.wake(id);
        sensible
    }

    /// A packet of a connection; false when it makes no sense there.
    fn on_connected(
        &mut self,
        id: Id,
        op: Op,
        header: &Header,
        data: &[Buffer],
        memory: &GuestMemoryMmap,
    ) -> bool {
        let Some(connection) = self.table.get(id) else {
            return false;
        };
        connection.credit.hear(header);
        match op {
            Op::Request => return false,
            Op::Response => return connection.on_response(),
            Op::Rw => return connection.on_data(memory, data),
            Op::CreditUpdate => {}
            Op::CreditRequest => connection.credit.ask_update(),
            Op::Rst => self.leave(id),
            Op::Shutdown => match connection.on_shutdown(header.flags) {
                None => return false,
                Some(false) => {}
                Some(true) => {
                    self.leave(id);
                    self.refuse(header);
                }
            },
        }
        true
    }

    /// The guest wants to connect to a port of the host.
    fn open(&mut self, header: &Header) {
        let ports = header.guest_ports();
        if self.table.is_full() {
            return self.refuse(header);
        }
        let added = self
            .endpoint
            .connect(ports.host)
            .and_then(|stream| self.add(stream, |stream| Connection::connected(stream, ports)));
        match added {
            Ok(id) => {
                self.table.give_ports(ports, id);
                if let Some(connection) = self.table.get(id) {
                    connection.credit.hear(header);
                }
                self.table.wake(id);
            }
            Err(error) => {
                log::debug!("vsock: host port {}: {error}", ports.host);
                self.refuse(header);
            }
        }
    }

    /// Answers that there is no such connection. A refusal is not refused.
    fn refuse(&mut self, header: &Header) {
        if header.op != Op::Rst as u16 {
            self.refusals.push_back(header.refusal());
        }
    }

    /// The guest has done with a connection; what it sent still reaches the host program.
    fn leave(&mut self, id: Id) {
        let Some(connection) = self.table.get(id) else {
            return;
        };
        let (complete, ports) = (connection.leave(), connection.ports);
        self.table.take_ports(ports, id);
        self.deadlines = true;
        if complete {
            self.table.remove(id);
        }
    }

    /// Ends a connection that the guest may know of.
    fn abort(&mut self, id: Id) {
        if let Some(connection) = self.table.remove(id)
            && connection.is_known_to_guest()
        {
            let header = self.header(connection.ports, Op::Rst);
            self.refusals.push_back(header);
        }
    }

    fn header(&self, ports: Ports, op: Op) -> Header {
        Header {
            src_cid: HOST_CID,
            dst_cid: self.guest_cid,
            src_port: ports.host,
            dst_port: ports.guest,
            len: 0,
            kind: TYPE_STREAM,
            op: op as u16,
            flags: 0,
            buf_alloc: 0,
            fwd_cnt: 0,
        }
    }

    /// Gives up connections whose time is over, and accepts those that could not be before.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        let deadlines = self
            .table
            .iter()
            .filter_map(|(id, each)| Some((id, each.deadline?)));
        let (over, left): (Vec<_>, Vec<_>) = deadlines.partition(|(_, deadline)| *deadline <= now);
        self.deadlines = !left.is_empty();
        over.into_iter().for_each(|(id, _)| self.abort(id));
        if self.accept_due {
            self.accept();
        }
    }

    /// The next packet to the guest, its data read into `room` already.
    pub(super) fn produce(&mut self, room: &Room<'_>) -> Option<Header> {
        if let Some(refusal) = self.refusals.pop_front() {
            return Some(refusal);
        }
        while let Some((id, connection)) = self.table.next_ready() {
            let content = connection.produce(room);
            self.deadlines |= connection.deadline.is_some();
            let Some(content) = content else { continue };
            let (ports, (buf_alloc, fwd_cnt)) = (connection.ports, connection.credit.tell());
            self.table.wake(id);
            return Some(Header {
                len: content.len,
                flags: content.flags,
                buf_alloc,
                fwd_cnt,
                ..self.header(ports, content.op)
            });
        }
        None
    }
}
