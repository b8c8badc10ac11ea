//! [`Header`]: the header of each packet in a vsock queue (virtio 1.3 5.10.6).

/// Bytes of a header in memory.
pub(super) const HEADER_BYTES: usize = 44;
/// Address of the host (5.10.4).
pub(super) const HOST_CID: u64 = 2;
/// The type of sockets that there are: streams (5.10.6).
pub(super) const TYPE_STREAM: u16 = 1;
/// Flag of a shutdown: its sender will receive no more (5.10.6.5).
pub(super) const SHUTDOWN_RECEIVE: u32 = 1;
/// Flag of a shutdown: its sender will send no more.
pub(super) const SHUTDOWN_SEND: u32 = 2;
/// Both flags.
pub(super) const SHUTDOWN_BOTH: u32 = SHUTDOWN_RECEIVE | SHUTDOWN_SEND;

/// What a packet is for (5.10.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Op {
    /// Asks for a connection.
    Request = 1,
    /// Accepts it.
    Response = 2,
    /// Refuses it, or ends it at once.
    Rst = 3,
    /// Ends a direction, or both.
    Shutdown = 4,
    /// Carries data.
    Rw = 5,
    /// Says how much room there is.
    CreditUpdate = 6,
    /// Asks for that.
    CreditRequest = 7,
}

impl Op {
    /// The operation of that number, if there is one.
    pub(super) fn from_number(number: u16) -> Option<Self> {
        const ALL: [Op; 7] = [
            Op::Request,
            Op::Response,
            Op::Rst,
            Op::Shutdown,
            Op::Rw,
            Op::CreditUpdate,
            Op::CreditRequest,
        ];
        ALL.into_iter().find(|op| *op as u16 == number)
    }
}

/// The two ends of a connection, which name it. The driver has one address, so that ports do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ports {
    /// Of the guest.
    pub(super) guest: u32,
    /// Of the host.
    pub(super) host: u32,
}

/// A header, its fields in their order in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) src_cid: u64,
    pub(super) dst_cid: u64,
    pub(super) src_port: u32,
    pub(super) dst_port: u32,
    /// Bytes of data after the header.
    pub(super) len: u32,
    /// Type of socket.
    pub(super) kind: u16,
    /// [`Op`].
    pub(super) op: u16,
    pub(super) flags: u32,
    /// Bytes that the sender of the packet has room for in all.
    pub(super) buf_alloc: u32,
    /// Bytes that it has passed on so far, wrapping.
    pub(super) fwd_cnt: u32,
}

impl Header {
    /// Reads one, which may be anything.
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Self {
        let quad = |at: usize| u64::from_le_bytes(field(bytes, at));
        let dword = |at: usize| u32::from_le_bytes(field(bytes, at));
        let word = |at: usize| u16::from_le_bytes(field(bytes, at));
        Self {
            src_cid: quad(0),
            dst_cid: quad(8),
            src_port: dword(16),
            dst_port: dword(20),
            len: dword(24),
            kind: word(28),
            op: word(30),
            flags: dword(32),
            buf_alloc: dword(36),
            fwd_cnt: dword(40),
        }
    }

    /// As it is in memory.
    pub(super) fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields: [(usize, &[u8]); 10] = [
            (0, &self.src_cid.to_le_bytes()),
            (8, &self.dst_cid.to_le_bytes()),
            (16, &self.src_port.to_le_bytes()),
            (20, &self.dst_port.to_le_bytes()),
            (24, &self.len.to_le_bytes()),
            (28, &self.kind.to_le_bytes()),
            (30, &self.op.to_le_bytes()),
            (32, &self.flags.to_le_bytes()),
            (36, &self.buf_alloc.to_le_bytes()),
            (40, &self.fwd_cnt.to_le_bytes()),
        ];
        for (at, field) in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
        }
        bytes
    }

    /// The connection that a packet of the guest belongs to.
    pub(super) fn guest_ports(&self) -> Ports {
        Ports {
            guest: self.src_port,
            host: self.dst_port,
        }
    }

    /// The answer that there is no such connection (any more): of the type, from the address and
    /// to the address of this packet.
    pub(super) fn refusal(&self) -> Self {
        Self {
            src_cid: self.dst_cid,
            dst_cid: self.src_cid,
            src_port: self.dst_port,
            dst_port: self.src_port,
            len: 0,
            kind: self.kind,
            op: Op::Rst as u16,
            flags: 0,
            buf_alloc: 0,
            fwd_cnt: 0,
        }
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_keeps_its_fields_at_their_offsets() {
        let bytes: [u8; HEADER_BYTES] = std::array::from_fn(|at| at as u8);
        let header = Header::parse(&bytes);
        assert_eq!(header.src_cid, 0x0706_0504_0302_0100);
        assert_eq!(header.dst_cid, 0x0f0e_0d0c_0b0a_0908);
        assert_eq!(
            (header.src_port, header.dst_port),
            (0x1312_1110, 0x1716_1514)
        );
        assert_eq!((header.len, header.kind), (0x1b1a_1918, 0x1d1c));
        assert_eq!((header.op, header.flags), (0x1f1e, 0x2322_2120));
        assert_eq!(
            (header.buf_alloc, header.fwd_cnt),
            (0x2726_2524, 0x2b2a_2928)
        );
        assert_eq!(header.bytes(), bytes);
    }

    #[test]
    fn only_seven_operations_exist() {
        let known = (0..=u16::MAX).filter(|number| Op::from_number(*number).is_some());
        assert_eq!(known.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    }
}
