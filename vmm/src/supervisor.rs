//! The main thread's event loop while a guest runs: input, deadline, signals, the guest's end.

use crate::halt::HaltReason;
use crate::machine::Machine;
use crate::signals::{self, Signals};
use crate::terminal::{self, Escape, EscapeCommand};
use devices::legacy::serial::SerialPort;
use devices::virtio::console::ConsoleInput;
use event_manager::{EventManager, EventOps, EventSet, Events, MutEventSubscriber, SubscriberOps};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::timerfd::TimerFd;

/// The device that gets what the user types.
pub enum InputPort {
    /// The serial port.
    Serial(Arc<Mutex<SerialPort>>),
    /// The virtio console.
    Virtio(ConsoleInput),
}

impl InputPort {
    /// Gives bytes to the guest; returns how many it took.
    fn offer(&self, bytes: &[u8]) -> usize {
        match self {
            Self::Serial(port) => lock(port).enqueue(bytes),
            Self::Virtio(input) => input.enqueue(bytes),
        }
    }

    /// Becomes readable when there is room again.
    fn room_evt(&self) -> io::Result<EventFd> {
        match self {
            Self::Serial(port) => lock(port).room_evt().try_clone(),
            Self::Virtio(input) => input.room_evt().try_clone(),
        }
    }
}

fn lock(port: &Mutex<SerialPort>) -> std::sync::MutexGuard<'_, SerialPort> {
    port.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the user types, on its way to the guest. Bytes that the guest has no room for wait in
/// `pending`, and nothing more is read until they are gone.
struct Typing {
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

/// What to watch for, beside the guest's end.
pub struct Watch {
    /// Standard input or the like, and where it goes.
    pub input: Option<(File, InputPort)>,
    /// Whether `Ctrl-A` is Hostel's.
    pub escape: bool,
    /// Ends the guest after this time.
    pub timeout: Option<Duration>,
    /// Readable when a signal came; see [`crate::signals`].
    pub signals: Option<Signals>,
}

/// Runs until the guest ends or is to be ended; the machine's vCPUs are still there afterwards.
pub fn supervise(machine: &Machine, watch: Watch) -> io::Result<HaltReason> {
    let mut timer = TimerFd::new()?;
    if let Some(timeout) = watch.timeout {
        timer.reset(timeout, None)?;
    }
    let typing = match watch.input {
        Some((source, port)) => Some(Typing {
            source,
            room: port.room_evt()?,
            port,
            escape: watch.escape.then(Escape::default),
            pending: Vec::new(),
            state: Source::Polled,
        }),
        None => None,
    };
    let desk = Arc::new(Mutex::new(Desk {
        halt_evt: machine.shared().halt_evt.try_clone()?,
        timer,
        signals: watch.signals,
        typing,
        halt: None,
    }));
    let failed = |error| io::Error::other(format!("event loop: {error}"));
    let mut events = EventManager::new().map_err(failed)?;
    events.add_subscriber(desk.clone());
    loop {
        match events.run() {
            Ok(_) => {}
            Err(event_manager::Error::Epoll(error)) if error.errno() == libc::EINTR => {}
            Err(error) => return Err(failed(error)),
        }
        let ended = desk
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .halt
            .take();
        match ended {
            None => {}
            Some(Ended::Watched(reason)) => return Ok(reason),
            Some(Ended::ByGuest) => {
                let reason = machine.shared().halt.get().cloned();
                return Ok(reason.expect("the event follows the reason"));
            }
        }
    }
}

/// How it ended, as far as the event loop knows.
enum Ended {
    ByGuest,
    Watched(HaltReason),
}

/// The subscriber that watches all of it.
struct Desk {
    halt_evt: EventFd,
    timer: TimerFd,
    signals: Option<Signals>,
    typing: Option<Typing>,
    halt: Option<Ended>,
}

const HALT: u32 = 0;
const TIMER: u32 = 1;
const SIGNAL: u32 = 2;
const SOURCE: u32 = 3;
const ROOM: u32 = 4;

impl MutEventSubscriber for Desk {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        let halt = Events::with_data(&self.halt_evt, HALT, EventSet::IN);
        let timer = Events::with_data(&self.timer, TIMER, EventSet::IN);
        let signals = self
            .signals
            .as_ref()
            .map(|s| Events::with_data(s, SIGNAL, EventSet::IN));
        for event in [Some(halt), Some(timer), signals].into_iter().flatten() {
            ops.add(event).expect("a fresh event can be watched");
        }
        if let Some(typing) = &mut self.typing {
            ops.add(Events::with_data(&typing.room, ROOM, EventSet::IN))
                .expect("a fresh event can be watched");
            if ops.add(typing.source_events()).is_err() {
                typing.state = Source::File;
                self.halt = typing.move_on(ops).map(Ended::Watched);
            }
        }
    }

    fn process(&mut self, events: Events, ops: &mut EventOps<'_>) {
        let halt = match events.data() {
            HALT => Some(Ended::ByGuest),
            TIMER => Some(Ended::Watched(HaltReason::Timeout)),
            SIGNAL => {
                let number = self.signals.as_mut().and_then(Signals::read);
                number.map(|number| Ended::Watched(HaltReason::Signal(number)))
            }
            _ => self
                .typing
                .as_mut()
                .and_then(|t| t.event(events.data(), ops))
                .map(Ended::Watched),
        };
        // The guest's own end comes before any other.
        if halt.is_some() && !matches!(self.halt, Some(Ended::ByGuest)) {
            self.halt = halt;
        }
    }
}

impl Typing {
    fn source_events(&self) -> Events {
        Events::with_data(&self.source, SOURCE, EventSet::IN)
    }

    fn event(&mut self, data: u32, ops: &mut EventOps<'_>) -> Option<HaltReason> {
        if data == ROOM {
            let _ = self.room.read();
        }
        self.move_on(ops)
    }

    /// Moves as much as can be moved now.
    fn move_on(&mut self, ops: &mut EventOps<'_>) -> Option<HaltReason> {
        loop {
            let taken = self.port.offer(&self.pending);
            self.pending.drain(..taken);
            let room = self.pending.is_empty();
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
            if let Some(reason) = self.read_some(ops) {
                return Some(reason);
            }
        }
    }

    fn read_some(&mut self, ops: &mut EventOps<'_>) -> Option<HaltReason> {
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
        match escape.feed(&typed[..count], &mut self.pending) {
            Some(EscapeCommand::Quit) => Some(HaltReason::Quit),
            Some(EscapeCommand::Help) => {
                let _ = io::stderr().write_all(terminal::HELP.as_bytes());
                None
            }
            None => None,
        }
    }
}

/// Whether a read would not block.
fn readable(source: &File) -> bool {
    signals::readable(source.as_raw_fd())
}
