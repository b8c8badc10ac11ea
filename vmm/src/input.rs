//! What the user types, on its way to the guest's console.
//!
//! [`Typing`] belongs to the supervisor's event loop. Bytes that the guest has no room for wait,
//! and nothing more is read until they are gone: nothing is lost, and nothing piles up. Only from a
//! terminal some more is read, so that commands to Hostel are found when the guest does not listen.

use crate::signals;
use crate::terminal::{Escape, EscapeCommand};
use devices::legacy::i8042::I8042;
use devices::legacy::serial::SerialPort;
use devices::virtio::console::ConsoleInput;
use event_manager::{EventOps, EventSet, Events};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use vmm_sys_util::eventfd::EventFd;

/// The device that gets what the user types.
pub enum InputPort {
    /// The serial port.
    Serial(Arc<Mutex<SerialPort>>),
    /// The virtio console.
    Virtio(ConsoleInput),
    /// The keyboard.
    Keyboard(Arc<Mutex<I8042>>),
}

impl InputPort {
    /// Gives bytes to the guest; returns how many it took.
    fn offer(&self, bytes: &[u8]) -> usize {
        match self {
            Self::Serial(port) => lock(port).enqueue(bytes),
            Self::Virtio(input) => input.enqueue(bytes),
            Self::Keyboard(keyboard) => lock(keyboard).enqueue(bytes),
        }
    }

    /// Becomes readable when there is room again.
    fn room_evt(&self) -> io::Result<EventFd> {
        match self {
            Self::Serial(port) => lock(port).room_evt().try_clone(),
            Self::Virtio(input) => input.room_evt().try_clone(),
            Self::Keyboard(keyboard) => lock(keyboard).room_evt().try_clone(),
        }
    }
}

fn lock<D>(device: &Mutex<D>) -> std::sync::MutexGuard<'_, D> {
    device.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the user types.
pub(crate) struct Typing {
    source: File,
    port: InputPort,
    room: EventFd,
    escape: Option<Escape>,
    pending: Vec<u8>,
    state: Source,
}

/// How the source is to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// When epoll says so.
    Polled,
    /// Not now: the guest has no room.
    Held,
    /// At any time: epoll does not take files.
    File,
    /// Never again.
    Ended,
}

/// More than anybody types at a guest that does not listen.
const TYPED_AHEAD: usize = 64 << 10;

/// Events of [`Typing`] carry these numbers and the next.
pub(crate) const FIRST_DATA: u32 = 16;
const SOURCE: u32 = FIRST_DATA;
const ROOM: u32 = FIRST_DATA + 1;

impl Typing {
    /// Input from `source` to `port`; with `escape`, `Ctrl-A` is Hostel's.
    pub(crate) fn new(source: File, port: InputPort, escape: bool) -> io::Result<Self> {
        Ok(Self {
            source,
            room: port.room_evt()?,
            port,
            escape: escape.then(Escape::default),
            pending: Vec::new(),
            state: Source::Polled,
        })
    }

    /// Joins an event loop.
    pub(crate) fn init(&mut self, ops: &mut EventOps<'_>) -> Option<EscapeCommand> {
        let room = Events::with_data(&self.room, ROOM, EventSet::IN);
        ops.add(room).expect("a fresh event can be watched");
        if ops.add(self.source_events()).is_ok() {
            return None;
        }
        self.state = Source::File;
        self.move_on(ops)
    }

    fn source_events(&self) -> Events {
        Events::with_data(&self.source, SOURCE, EventSet::IN)
    }

    /// One of the events has happened.
    pub(crate) fn event(&mut self, data: u32, ops: &mut EventOps<'_>) -> Option<EscapeCommand> {
        if data == ROOM {
            let _ = self.room.read();
        }
        self.move_on(ops)
    }

    /// Moves as much as can be moved now.
    fn move_on(&mut self, ops: &mut EventOps<'_>) -> Option<EscapeCommand> {
        loop {
            let taken = self.port.offer(&self.pending);
            self.pending.drain(..taken);
            let room = self.pending.len() <= self.most_pending();
            match self.state {
                Source::Polled if !room => {
                    let _ = ops.remove(self.source_events());
                    self.state = Source::Held;
                    return None;
                }
                Source::Held if room => {
                    let _ = ops.add(self.source_events());
                    self.state = Source::Polled;
                    return None;
                }
                Source::Polled if !readable(&self.source) => return None,
                Source::Held | Source::Ended => return None,
                Source::File if !room => return None,
                Source::Polled | Source::File => {}
            }
            if let Some(command) = self.read_some(ops) {
                return Some(command);
            }
        }
    }

    /// Bytes that may wait while more is read.
    fn most_pending(&self) -> usize {
        match self.escape {
            Some(_) => TYPED_AHEAD,
            None => 0,
        }
    }

    fn read_some(&mut self, ops: &mut EventOps<'_>) -> Option<EscapeCommand> {
        let mut typed = [0; 4096];
        let count = match self.source.read(&mut typed) {
            Ok(0) => {
                let _ = ops.remove(self.source_events());
                self.state = Source::Ended;
                return None;
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => {
                log::warn!("reading input: {error}; the guest gets no more");
                let _ = ops.remove(self.source_events());
                self.state = Source::Ended;
                return None;
            }
        };
        let Some(escape) = &mut self.escape else {
            self.pending.extend(&typed[..count]);
            return None;
        };
        escape.feed(&typed[..count], &mut self.pending)
    }
}

/// Whether a read would not block.
fn readable(source: &File) -> bool {
    signals::readable(source.as_raw_fd())
}
