//! [`Table`]: the connections of a device: a bounded number, found by [`Id`] or by [`Ports`], and
//! in turn when they may have something for the guest.

use super::connection::Connection;
use super::packet::Ports;
use std::collections::{HashMap, VecDeque};

/// Connections at a time, those among them that only wait for a host program to read the rest.
/// Less in tests, whose process has both ends of each.
pub(super) const MAX_CONNECTIONS: usize = if cfg!(test) { 32 } else { 512 };
/// Ports that the host's ends of its own connections have: from here on.
const FIRST_HOST_PORT: u32 = 1 << 30;
const LAST_HOST_PORT: u32 = (1 << 31) - 1;

/// Names a connection for as long as the device works: no two have the same.
pub(super) type Id = u64;

#[derive(Debug)]
pub(super) struct Table {
    connections: HashMap<Id, Connection>,
    by_ports: HashMap<Ports, Id>,
    next_id: Id,
    next_host_port: u32,
    /// Connections that may have something for the guest, each once.
    ready: VecDeque<Id>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            connections: HashMap::new(),
            by_ports: HashMap::new(),
            next_id: 0,
            next_host_port: FIRST_HOST_PORT,
            ready: VecDeque::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.connections.len() >= MAX_CONNECTIONS
    }

    /// Adds a connection, which has no ports yet for the guest. The caller has looked for room.
    pub(super) fn add(&mut self, connection: Connection) -> Id {
        let id = self.next_id;
        self.next_id += 1;
        self.connections.insert(id, connection);
        id
    }

    pub(super) fn get(&mut self, id: Id) -> Option<&mut Connection> {
        self.connections.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &Connection)> {
        self.connections
            .iter()
            .map(|(id, connection)| (*id, connection))
    }

    /// From now on, those ports are that connection's.
    pub(super) fn give_ports(&mut self, ports: Ports, id: Id) {
        self.by_ports.insert(ports, id);
    }

    /// The ports are free again, if they are that connection's.
    pub(super) fn take_ports(&mut self, ports: Ports, id: Id) {
        if self.find(ports) == Some(id) {
            self.by_ports.remove(&ports);
        }
    }

    pub(super) fn find(&self, ports: Ports) -> Option<Id> {
        self.by_ports.get(&ports).copied()
    }

    /// Ports for a connection of the host to `guest`, in use by none.
    pub(super) fn free_ports(&mut self, guest: u32) -> Ports {
        loop {
            let host = self.next_host_port;
            self.next_host_port = match host {
                LAST_HOST_PORT => FIRST_HOST_PORT,
                _ => host + 1,
            };
            // Ends: there are more ports than connections.
            if self.find(Ports { guest, host }).is_none() {
                return Ports { guest, host };
            }
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        self.take_ports(connection.ports, id);
        self.ready.retain(|ready| *ready != id);
        Some(connection)
    }

    /// The connection may have something for the guest.
    pub(super) fn wake(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if !std::mem::replace(&mut connection.is_ready, true) {
            self.ready.push_back(id);
        }
    }

    pub(super) fn any_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next connection that may have something for the guest; it has had its turn.
    pub(super) fn next_ready(&mut self) -> Option<(Id, &mut Connection)> {
        let id = self.ready.pop_front()?;
        let connection = self.connections.get_mut(&id)?;
        connection.is_ready = false;
        Some((id, connection))
    }
}
