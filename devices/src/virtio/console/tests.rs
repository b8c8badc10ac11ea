//! The console as its driver sees it, its worker running.

use super::*;
use crate::virtio::testing::{BUFFERS, Guest, MEMORY_BYTES, Piece, QUEUE_SIZE, wait_for};
use crate::work::Working;
use std::io::ErrorKind;
use virtio_bindings::virtio_ring::VRING_DESC_F_NEXT;

const RX: usize = RECEIVE as usize;
const TX: usize = TRANSMIT as usize;

/// Keeps what it is sent; takes at most `step` bytes at once, and nothing every other time.
#[derive(Clone)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    step: usize,
    full: bool,
}

impl Output {
    fn new(step: usize) -> Self {
        let bytes = Arc::default();
        let full = false;
        Self { bytes, step, full }
    }
    fn len(&self) -> usize {
        self.bytes.lock().unwrap().len()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.full = !self.full && self.step < bytes.len();
        if self.full {
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = bytes.len().min(self.step);
        self.bytes
            .lock()
            .unwrap()
            .extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn guest_with(output: &Output) -> (Guest, ConsoleInput) {
    let size = TerminalSize {
        columns: 80,
        rows: 25,
    };
    let console = Console::new(Box::new(output.clone()), Some(size)).unwrap();
    let input = console.input();
    let mut guest = Guest::new(Box::new(console));
    guest.start_simply();
    (guest, input)
}

fn guest() -> (Guest, ConsoleInput, Output) {
    let output = Output::new(usize::MAX);
    let (guest, input) = guest_with(&output);
    (guest, input, output)
}

#[test]
fn the_size_of_the_terminal_is_in_the_configuration() {
    let (guest, ..) = guest();
    assert_eq!(guest.config(0), [80_u8, 0, 25, 0]);
    let unknown = Console::new(Box::new(io::sink()), None).unwrap();
    assert_eq!(unknown.avail_features() & F_SIZE, 0);
}

#[test]
fn output_reaches_the_sink_in_order() {
    let (mut guest, _, output) = guest();
    guest.poke(BUFFERS, b"hello, world");
    let pieces = [
        Piece::readable(BUFFERS, 5),
        Piece::readable(BUFFERS, 0),
        Piece::readable(BUFFERS + 5, 7),
    ];
    assert_eq!(guest.exchange(TX, &pieces), 0);
    assert_eq!(*output.bytes.lock().unwrap(), b"hello, world");
}

#[test]
fn a_mebibyte_passes_a_slow_sink_intact() {
    const CHUNK: u32 = 48 << 10;
    let output = Output::new(20_000);
    let (mut guest, _) = guest_with(&output);
    let mut expected = Vec::new();
    while expected.len() < 1 << 20 {
        let seed = expected.len();
        let chunk: Vec<u8> = (0..CHUNK as usize)
            .map(|at| (((seed + at) * 31) >> 3) as u8)
            .collect();
        guest.poke(BUFFERS, &chunk);
        guest.exchange(TX, &[Piece::readable(BUFFERS, CHUNK)]);
        expected.extend(chunk);
    }
    wait_for("all output", || output.len() >= expected.len());
    assert!(*output.bytes.lock().unwrap() == expected);
}

#[test]
fn input_waits_for_buffers_and_none_is_lost() {
    let (mut guest, input, _) = guest();
    let sent: Vec<u8> = (0..10_000_u32).map(|at| (at * 7) as u8).collect();
    let mut fed = input.enqueue(&sent);
    assert!(fed < sent.len(), "the buffer is bounded");
    assert_eq!((input.room(), input.enqueue(&sent[fed..])), (0, 0));
    assert!(input.room_evt().read().is_err(), "no room yet");
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let len = guest.exchange(
            RX,
            &[
                Piece::writable(BUFFERS, 100),
                Piece::writable(BUFFERS + 100, 900),
            ],
        );
        received.extend(guest.peek(BUFFERS, len as usize));
        if fed < sent.len() && input.room_evt().read().is_ok() {
            fed += input.enqueue(&sent[fed..]);
        }
    }
    assert!(received == sent);
}

#[test]
fn buffers_wait_for_input() {
    let (mut guest, input, _) = guest();
    guest.offer(RX, &[Piece::writable(BUFFERS, 16)]);
    guest.notify(RX);
    assert_eq!(input.enqueue(b"abc"), 3);
    assert_eq!(guest.wait_used(RX), (0, 3));
    assert_eq!(guest.peek(BUFFERS, 3), b"abc");
}

#[test]
fn input_survives_a_reset() {
    let (mut guest, input, _) = guest();
    input.enqueue(b"early");
    guest.write(crate::virtio::mmio::spec::Register::Status, 0);
    guest.start_simply();
    assert_eq!(guest.exchange(RX, &[Piece::writable(BUFFERS, 16)]), 5);
}

#[test]
fn malformed_chains_come_back_empty_and_work_goes_on() {
    let (mut guest, input, output) = guest();
    input.enqueue(b"ok");
    let outside = Piece::readable(MEMORY_BYTES - 4, 8);
    assert_eq!(guest.exchange(TX, &[outside]), 0);
    assert_eq!(guest.exchange(RX, &[Piece::writable(MEMORY_BYTES, 8)]), 0);
    assert_eq!(guest.exchange(RX, &[Piece::readable(BUFFERS, 8)]), 0);
    let mut endless = Piece::readable(BUFFERS, 1);
    endless.flags = VRING_DESC_F_NEXT as u16;
    for queue in [TX, RX] {
        for at in 0..QUEUE_SIZE {
            guest.write_descriptor(queue, at, endless, at);
        }
        guest.make_available(queue, 3);
        guest.notify(queue);
        assert_eq!(guest.wait_used(queue), (3, 0));
    }
    guest.exchange(TX, &[Piece::readable(BUFFERS, 3)]);
    assert_eq!(output.len(), 3);
    assert_eq!(guest.exchange(RX, &[Piece::writable(BUFFERS, 8)]), 2);
}

#[test]
fn what_was_offered_before_the_end_is_sent_though_nobody_was_told() {
    let (mut guest, _input, output) = guest();
    guest.poke(BUFFERS, b"last words");
    guest.offer(TX, &[Piece::readable(BUFFERS, 10)]);
    guest.transport.lock().unwrap().finish();
    assert_eq!(*output.bytes.lock().unwrap(), b"last words");
}
