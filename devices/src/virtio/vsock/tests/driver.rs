//! [`Driver`]: the guest's side of the device, with buffers for packets, and the host's folder.

use super::*;
use crate::virtio::testing::{BUFFERS, Guest, Piece, QUEUE_SIZE};
use crate::virtio::vsock::packet::{HEADER_BYTES, HOST_CID, Header, TYPE_STREAM};
use crate::work::Working;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;
use vmm_sys_util::tempdir::TempDir;

pub(super) const CID: u32 = 42;
const RX: usize = RECEIVE as usize;
const TX: usize = TRANSMIT as usize;
/// Bytes of a receive buffer, in two pieces that do not end with the header.
const SPACE: u32 = 4096;
const FIRST_PIECE: u32 = 20;
/// Where packets to send are made; the receive buffers are below.
pub(super) const PACKET: u64 = BUFFERS + 0x2_0000;
pub(super) const EVENT_BUFFER: u64 = BUFFERS + 0x1_8000;

pub(super) struct Driver {
    pub(super) guest: Guest,
    folder: TempDir,
    /// What packets say of the room for data.
    pub(super) buf_alloc: u32,
    fwd_cnt: u32,
}

pub(super) fn endpoint() -> (TempDir, Endpoint) {
    let folder = TempDir::new_with_prefix("/tmp/hostel-vsock-").unwrap();
    let endpoint = Endpoint::bind(&folder.as_path().join("vm")).unwrap();
    (folder, endpoint)
}

impl Driver {
    pub(super) fn without_buffers() -> Self {
        let (folder, endpoint) = endpoint();
        let mut guest = Guest::new(Box::new(Vsock::new(CID, endpoint)));
        guest.start_simply();
        Self {
            guest,
            folder,
            buf_alloc: 256 << 10,
            fwd_cnt: 0,
        }
    }

    pub(super) fn new() -> Self {
        let mut driver = Self::without_buffers();
        driver.offer_buffers();
        driver
    }

    /// Fills the receive queue.
    pub(super) fn offer_buffers(&mut self) {
        for slot in 0..QUEUE_SIZE / 2 {
            self.offer_buffer(slot);
        }
    }

    fn offer_buffer(&mut self, slot: u16) {
        let gpa = BUFFERS + u64::from(SPACE) * u64::from(slot);
        let pieces = [
            Piece::writable(gpa, FIRST_PIECE),
            Piece::writable(gpa + u64::from(FIRST_PIECE), SPACE - FIRST_PIECE),
        ];
        assert_eq!(self.guest.offer(RX, &pieces), 2 * slot);
        self.guest.notify(RX);
    }

    pub(super) fn offer_event(&mut self) {
        self.guest
            .offer(EVENT.into(), &[Piece::writable(EVENT_BUFFER, 8)]);
    }

    pub(super) fn event(&self) -> Vec<u8> {
        self.guest.peek(EVENT_BUFFER, 4)
    }

    pub(super) fn refused(&self) -> u64 {
        self.guest.transport.lock().unwrap().refused()
    }

    pub(super) fn header(&self, ports: Ports, content: Content) -> Header {
        Header {
            src_cid: CID.into(),
            dst_cid: HOST_CID,
            src_port: ports.guest,
            dst_port: ports.host,
            len: content.len,
            kind: TYPE_STREAM,
            op: content.op as u16,
            flags: content.flags,
            buf_alloc: self.buf_alloc,
            fwd_cnt: self.fwd_cnt,
        }
    }

    /// Sends a packet with any header; waits until the device has taken it.
    pub(super) fn send_raw(&mut self, header: &Header, data: &[u8]) {
        self.guest.poke(PACKET, &header.bytes());
        self.guest.poke(PACKET + HEADER_BYTES as u64, data);
        // Cut otherwise than the packet is.
        let total = HEADER_BYTES as u32 + data.len() as u32;
        let pieces = [
            Piece::readable(PACKET, 30),
            Piece::readable(PACKET + 30, total - 30),
        ];
        self.guest.exchange(TX, &pieces);
    }

    pub(super) fn send(&mut self, ports: Ports, content: Content, data: &[u8]) {
        let len = data.len() as u32;
        let header = self.header(ports, Content { len, ..content });
        self.send_raw(&header, data);
    }

    pub(super) fn send_data(&mut self, ports: Ports, data: &[u8]) {
        self.send(ports, content(Op::Rw), data);
    }

    /// The next packet to the guest, whose buffer is offered again.
    pub(super) fn next(&mut self) -> (Header, Vec<u8>) {
        let (head, len) = self.guest.wait_used(RX);
        let gpa = BUFFERS + u64::from(SPACE) * u64::from(head / 2);
        let packet = self.guest.peek(gpa, len as usize);
        let (header, data) = packet.split_first_chunk().unwrap();
        let header = Header::parse(header);
        assert_eq!(header.len as usize, data.len());
        assert_eq!(header.dst_cid, u64::from(CID));
        self.offer_buffer((head / 2) as u16);
        (header, data.to_vec())
    }

    /// The next packet but for updates of the room, which come at any time; it is of that
    /// connection and for that.
    pub(super) fn receive(&mut self, ports: Ports, op: Op) -> Header {
        let (header, _) = self.next_of(op);
        assert_eq!(
            (header.dst_port, header.src_port),
            (ports.guest, ports.host)
        );
        header
    }

    fn next_of(&mut self, op: Op) -> (Header, Vec<u8>) {
        loop {
            let (header, data) = self.next();
            if header.op != Op::CreditUpdate as u16 || op == Op::CreditUpdate {
                assert_eq!(header.op, op as u16, "{header:?}");
                return (header, data);
            }
        }
    }

    pub(super) fn expect(&mut self, ports: Ports, content: Content) {
        let header = self.receive(ports, content.op);
        assert_eq!((header.flags, header.len), (content.flags, content.len));
    }

    /// The program has closed: both directions end, one perhaps before the other.
    pub(super) fn expect_closed(&mut self, ports: Ports) {
        let mut ended = 0;
        while ended != SHUTDOWN_BOTH {
            ended = self.receive(ports, Op::Shutdown).flags;
            assert_ne!(ended & SHUTDOWN_SEND, 0);
        }
    }

    /// Receives so many bytes, which are passed on at once, but without saying so.
    pub(super) fn receive_data(&mut self, ports: Ports, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut told = 0;
        while all.len() < len {
            let (header, data) = self.next_of(Op::Rw);
            assert_eq!(
                (header.dst_port, header.src_port),
                (ports.guest, ports.host)
            );
            self.fwd_cnt += header.len;
            all.extend(data);
            if all.len() - told > 64 << 10 {
                told = all.len();
                self.send(ports, content(Op::CreditUpdate), &[]);
            }
        }
        assert_eq!(all.len(), len);
        all
    }

    /// A host program's server for a port.
    pub(super) fn listen(&self, port: u32) -> UnixListener {
        UnixListener::bind(self.folder.as_path().join(format!("vm_{port}"))).unwrap()
    }

    /// The guest connects; returns the program's end.
    pub(super) fn connect_out(&mut self, ports: Ports) -> UnixStream {
        let server = self.listen(ports.host);
        self.connect_to(&server, ports)
    }

    /// [`Self::connect_out`] once more.
    pub(super) fn reconnect(&mut self, ports: Ports) -> UnixStream {
        let socket = self.folder.as_path().join(format!("vm_{}", ports.host));
        std::fs::remove_file(socket).unwrap();
        self.fwd_cnt = 0;
        self.connect_out(ports)
    }

    fn connect_to(&mut self, server: &UnixListener, ports: Ports) -> UnixStream {
        self.send(ports, content(Op::Request), &[]);
        let header = self.receive(ports, Op::Response);
        assert_eq!((header.buf_alloc, header.fwd_cnt), (BUF_ALLOC, 0));
        let (program, _) = server.accept().unwrap();
        patient(program)
    }

    /// A host program that has connected and said nothing yet.
    pub(super) fn program(&self) -> UnixStream {
        patient(UnixStream::connect(self.folder.as_path().join("vm")).unwrap())
    }

    pub(super) fn expect_request(&mut self, guest_port: u32) -> Ports {
        let (header, _) = self.next_of(Op::Request);
        assert_eq!(header.dst_port, guest_port);
        Ports {
            guest: header.dst_port,
            host: header.src_port,
        }
    }

    /// A host program connects to the guest, and sends more along with its line.
    pub(super) fn connect_in(&mut self, guest_port: u32, more: &[u8]) -> (UnixStream, Ports) {
        let mut program = self.program();
        let line = format!("CONNECT {guest_port}\n");
        program
            .write_all(&[line.as_bytes(), more].concat())
            .unwrap();
        let ports = self.expect_request(guest_port);
        self.send(ports, content(Op::Response), &[]);
        (program, ports)
    }

    /// What the device has passed on of the guest's data.
    pub(super) fn ask_fwd_cnt(&mut self, ports: Ports) -> usize {
        self.send(ports, content(Op::CreditRequest), &[]);
        self.receive(ports, Op::CreditUpdate).fwd_cnt as usize
    }

    /// Sends a pattern, within the credit; returns how much once there is none left.
    pub(super) fn send_until_full(&mut self, ports: Ports) -> usize {
        let mut sent = 0;
        loop {
            let passed_on = self.drain_updates(ports);
            let free = BUF_ALLOC as usize - (sent - passed_on);
            if free == 0 {
                return sent;
            }
            let data = pattern(sent + free.min(16 << 10));
            self.send_data(ports, &data[sent..]);
            sent = data.len();
        }
    }

    /// Asks for the credit; the answer comes after all updates before it.
    fn drain_updates(&mut self, ports: Ports) -> usize {
        let mut passed_on = self.ask_fwd_cnt(ports);
        while self.guest.used_index(RX) != self.guest.seen(RX) {
            passed_on = self.receive(ports, Op::CreditUpdate).fwd_cnt as usize;
        }
        passed_on
    }

    /// Sends everything, as credit comes.
    pub(super) fn send_all(&mut self, ports: Ports, data: &[u8]) {
        let mut sent = 0;
        while sent < data.len() {
            let free = BUF_ALLOC as usize - (sent - self.drain_updates(ports));
            let part = (data.len() - sent).min(free).min(40_000);
            if part > 0 {
                self.send_data(ports, &data[sent..sent + part]);
            }
            sent += part;
        }
    }
}

fn patient(program: UnixStream) -> UnixStream {
    let deadline = Some(Duration::from_secs(60));
    program.set_read_timeout(deadline).unwrap();
    program
}

/// Bytes that differ from their neighbours and from those a page on.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| ((at * 31) >> 3 ^ at >> 11) as u8)
        .collect()
}

pub(super) fn read_exactly(program: &mut UnixStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    program.read_exact(&mut bytes).unwrap();
    bytes
}

pub(super) fn line(program: &mut UnixStream) -> String {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line.push(read_exactly(program, 1)[0].into());
    }
    line
}
