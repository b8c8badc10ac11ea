//! The virtio devices behind their registers, with their workers running.

use super::Input;
use crate::disk::DiskFile;
use crate::net::mac::MacAddress;
use crate::net::stream::Stream;
use crate::virtio::VirtioDevice;
use crate::virtio::balloon::{Balloon, Discard, PAGE_BYTES};
use crate::virtio::blk::Blk;
use crate::virtio::blk::engine::EngineChoice;
use crate::virtio::console::Console;
use crate::virtio::mmio::spec::Register;
use crate::virtio::net::Net;
use crate::virtio::rng::Rng;
use crate::virtio::testing::{BASE, BUFFERS, Guest, MEMORY_BYTES, Piece};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use vm_memory::GuestAddress;

const MOST_PIECES: u8 = 20;
/// Time that the worker gets to do what it was told, where it can be seen to be done.
const SETTLE: Duration = Duration::from_micros(500);
const STEP: Duration = Duration::from_micros(20);

/// virtio-blk and the transport.
pub fn virtio_blk(data: &[u8]) {
    let disk = DiskFile::temporary(64 << 10).expect("a temporary file");
    let choice = match data.first() {
        Some(first) if first & 0x80 != 0 => EngineChoice::Sync,
        _ => EngineChoice::Auto,
    };
    drive(Box::new(Blk::new(disk, choice, 2)), 2, data, &mut |_, _| {});
}

/// virtio-console and the transport.
pub fn virtio_console(data: &[u8]) {
    let console = Console::new(Box::new(io::sink()), None).expect("events");
    let input = console.input();
    drive(Box::new(console), 2, data, &mut |_, bytes| {
        input.enqueue(&bytes.bytes::<64>());
    });
}

/// virtio-rng and the transport.
pub fn virtio_rng(data: &[u8]) {
    let rng = Rng::new().expect("/dev/urandom");
    drive(Box::new(rng), 1, data, &mut |_, _| {});
}

/// virtio-net on a stream whose other end sends anything, and the transport.
pub fn virtio_net(data: &[u8]) {
    let (ours, theirs) = UnixStream::pair().expect("sockets");
    theirs.set_nonblocking(true).expect("a socket");
    let stream = Stream::new("fuzz".to_owned(), ours).expect("a socket");
    let net = Net::new(Box::new(stream), MacAddress::local(0)).expect("events");
    let mut theirs = theirs;
    drive(Box::new(net), 3, data, &mut |_, input| {
        feed(&mut theirs, input);
    });
}

/// What the other end of a network's socket does.
fn feed(socket: &mut UnixStream, input: &mut Input) {
    // What the guest has sent, a socket that is full, one that is closed: as it is.
    let _ = socket.read(&mut [0; 0x1_0000]);
    match input.byte() {
        0 => {
            let _ = socket.write(&input.bytes::<16>());
        }
        1 => {
            let _ = socket.shutdown(Shutdown::Both);
        }
        length => {
            let length = 16 * u32::from(length) + u32::from(input.byte());
            let start = [length.to_be_bytes(), input.bytes::<4>()].concat();
            let rest = vec![input.byte(); (length as usize).saturating_sub(4)];
            let _ = socket.write(&[start, rest].concat());
        }
    }
}

/// Gives back nothing.
struct Keep;

impl Discard for Keep {
    fn discard(&self, gpa: GuestAddress, len: u64) -> io::Result<()> {
        let (end, overflows) = gpa.0.overflowing_add(len);
        assert!(!overflows && end <= MEMORY_BYTES && len > 0);
        assert!(gpa.0.is_multiple_of(PAGE_BYTES) && len.is_multiple_of(PAGE_BYTES));
        Ok(())
    }
}

/// virtio-balloon and the transport.
pub fn virtio_balloon(data: &[u8]) {
    let balloon = Balloon::new(512 << 10, Arc::new(Keep));
    let handle = balloon.handle();
    drive(Box::new(balloon), 5, data, &mut |guest, input| {
        // Page numbers, most of them of memory; a new target; or what has come of it.
        match input.byte() {
            what @ 0..0xe0 => {
                let page = |byte: u8| (u32::from(byte) << (byte & 8)).to_le_bytes();
                guest.poke(BUFFERS, input.bytes::<64>().map(page).as_flattened());
                guest.offer((what & 1).into(), &[Piece::readable(BUFFERS, 256)]);
                guest.notify((what & 1).into());
            }
            0xe0..0xf0 => handle.set_target(input.dword().into()),
            _ => drop(handle.status()),
        }
    });
}

/// Drives a device by actions, one of which, `special`, is its own.
pub(super) fn drive(
    device: Box<dyn VirtioDevice>,
    queues: u8,
    data: &[u8],
    special: &mut dyn FnMut(&mut Guest, &mut Input),
) {
    let mut guest = Guest::new(device);
    let mut input = Input(data);
    while !input.is_empty() {
        let action = input.byte();
        let queue = usize::from(input.byte() % queues);
        match action & 0xf {
            0 => access(&guest, &mut input),
            1 => {
                let at = u64::from(input.word());
                guest.poke(at, &input.bytes::<16>());
            }
            2 => {
                guest.write(Register::Status, 0);
                guest.start(input.dword().into());
            }
            3 => offer(&mut guest, queue, &mut input),
            4 => request(&mut guest, queue, &mut input),
            5 => guest.make_available(queue, input.word()),
            6 => settle(&guest, queue),
            7 => {
                let register = Register::ALL[usize::from(input.byte()) % Register::ALL.len()];
                guest.write(register, input.dword());
            }
            8 => {
                // May fail when the rings have been spoilt meanwhile.
                let _ = guest.transport.lock().expect("no panic").save();
            }
            9 => special(&mut guest, &mut input),
            10 => packet(&mut guest, queue, &mut input),
            _ => guest.notify(queue),
        }
    }
}

/// Any access to the registers.
fn access(guest: &Guest, input: &mut Input) {
    let address = BASE + u64::from(input.word() & 0x1ff);
    let what = input.byte();
    let mut data = input.bytes::<8>();
    let data = &mut data[..1 << (what & 3)];
    if what & 4 == 0 {
        guest.bus().read(address, data);
    } else {
        guest.bus().write(address, data);
    }
}

/// Most pieces are in memory, some are not.
fn piece(input: &mut Input) -> Piece {
    let (place, flags) = (input.byte(), input.byte());
    let offset = u64::from(input.word());
    let gpa = match place & 7 {
        0 => MEMORY_BYTES - 0x100 + offset,
        1 => u64::MAX - offset,
        2 => offset,
        _ => BUFFERS + offset,
    };
    let len = match place >> 6 {
        0 => input.word().into(),
        1 => 512 * u32::from(input.byte() & 0xf),
        2 => 16 * u32::from(input.byte()),
        _ => input.dword(),
    };
    // Writable every other time, indirect sometimes.
    let flags = u16::from(flags & 0b10 | if flags & 0xe0 == 0xe0 { 0b100 } else { 0 });
    Piece { gpa, len, flags }
}

/// A chain of anything.
fn offer(guest: &mut Guest, queue: usize, input: &mut Input) {
    let count = 1 + input.byte() % MOST_PIECES;
    let pieces: Vec<_> = (0..count).map(|_| piece(input)).collect();
    guest.offer(queue, &pieces);
}

/// A chain of the form of a disk's request, with anything for data.
fn request(guest: &mut Guest, queue: usize, input: &mut Input) {
    let (header, status) = (BUFFERS, BUFFERS + 0x100);
    guest.poke(header, &[input.byte() & 0xf, 0, 0, 0]);
    guest.poke(
        header + 8,
        &[input.byte(), 0, 0, 0, 0, 0, 0, input.byte() & 0x80],
    );
    let data = piece(input);
    let pieces = [
        Piece::readable(header, 16),
        data,
        Piece::writable(status, 1),
    ];
    guest.offer(queue, &pieces);
    guest.notify(queue);
}

/// A chain of the form of a packet, or of a command for a network card.
fn packet(guest: &mut Guest, queue: usize, input: &mut Input) {
    let (start, ack) = (BUFFERS, BUFFERS + 0x8000);
    guest.poke(start, &input.bytes::<12>());
    let frame = Piece::readable(start + 12, 8 * u32::from(input.byte()));
    let space = Piece::writable(ack, 8 * u32::from(input.byte()));
    match input.byte() & 3 {
        0 => guest.offer(queue, &[Piece::readable(start, 12), frame]),
        1 => guest.offer(queue, &[space]),
        _ => guest.offer(
            queue,
            &[Piece::readable(start, 12), Piece::writable(ack, 1)],
        ),
    };
    guest.notify(queue);
}

/// Waits a little for the queue's chains to be used.
fn settle(guest: &Guest, queue: usize) {
    let [_, avail, _] = Guest::areas(queue);
    let start = Instant::now();
    while guest.peek(avail + 2, 2) != guest.used_index(queue).to_le_bytes()
        && start.elapsed() < SETTLE
    {
        thread::sleep(STEP);
    }
}
