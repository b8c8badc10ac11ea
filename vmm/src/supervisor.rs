//! The main thread's event loop while a guest runs: input, deadline, signals, the guest's end.

use crate::halt::HaltReason;
use crate::input::{InputPort, Typing};
use crate::machine::Machine;
use crate::memory;
use crate::signals::Signals;
use crate::terminal::{self, EscapeCommand};
use event_manager::{EventManager, EventOps, EventSet, Events, MutEventSubscriber, SubscriberOps};
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::timerfd::TimerFd;

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

/// A guest that has kept quiet for so long is past its start.
const STARTED_MS: i32 = 200;
const FOREVER_MS: i32 = -1;

/// Runs until the guest ends or is to be ended; the machine's vCPUs are still there afterwards.
pub fn supervise(machine: &Machine, watch: Watch) -> io::Result<HaltReason> {
    let mut timer = TimerFd::new()?;
    if let Some(timeout) = watch.timeout {
        timer.reset(timeout, None)?;
    }
    let typing = match watch.input {
        Some((source, port)) => Some(Typing::new(source, port, watch.escape)?),
        None => None,
    };
    let desk = Arc::new(Mutex::new(Desk {
        halt_evt: machine.shared().halt_evt.try_clone()?,
        timer,
        signals: watch.signals,
        typing,
        noticed: None,
    }));
    let mut paused = false;
    let failed = |error| io::Error::other(format!("event loop: {error}"));
    let mut events = EventManager::new().map_err(failed)?;
    events.add_subscriber(desk.clone());
    let mut patience = STARTED_MS;
    loop {
        match events.run_with_timeout(patience) {
            Ok(0) => {
                memory::release_startup_pages();
                patience = FOREVER_MS;
            }
            Ok(_) => {}
            Err(event_manager::Error::Epoll(error)) if error.errno() == libc::EINTR => {}
            Err(error) => return Err(failed(error)),
        }
        let noticed = desk
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .noticed
            .take();
        match noticed {
            None => {}
            Some(Noticed::Ended(reason)) => return Ok(reason),
            Some(Noticed::EndedByGuest) => {
                let reason = machine.shared().halt.get().cloned();
                return Ok(reason.expect("the event follows the reason"));
            }
            Some(Noticed::Command(command)) => match command {
                EscapeCommand::Quit => return Ok(HaltReason::Quit),
                EscapeCommand::Help => say(terminal::HELP),
                EscapeCommand::Pause if paused => {
                    machine.resume();
                    paused = false;
                    say("\n[goes on]\n");
                }
                EscapeCommand::Pause => {
                    machine.pause();
                    paused = true;
                    say("\n[paused: Ctrl-A p lets it go on]\n");
                }
            },
        }
    }
}

/// Tells the user something that is not the guest's.
fn say(text: &str) {
    // Nobody is there to be told that nobody is there.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// What the event loop has to act on.
enum Noticed {
    EndedByGuest,
    Ended(HaltReason),
    Command(EscapeCommand),
}

/// The subscriber that watches all of it.
struct Desk {
    halt_evt: EventFd,
    timer: TimerFd,
    signals: Option<Signals>,
    typing: Option<Typing>,
    noticed: Option<Noticed>,
}

const HALT: u32 = 0;
const TIMER: u32 = 1;
const SIGNAL: u32 = 2;

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
            self.noticed = typing.init(ops).map(Noticed::Command);
        }
    }

    fn process(&mut self, events: Events, ops: &mut EventOps<'_>) {
        let noticed = match events.data() {
            HALT => Some(Noticed::EndedByGuest),
            TIMER => Some(Noticed::Ended(HaltReason::Timeout)),
            SIGNAL => {
                let number = self.signals.as_mut().and_then(Signals::read);
                number.map(|number| Noticed::Ended(HaltReason::Signal(number)))
            }
            data => {
                let command = self
                    .typing
                    .as_mut()
                    .and_then(|typing| typing.event(data, ops));
                command.map(Noticed::Command)
            }
        };
        // The guest's own end comes before any other.
        if noticed.is_some() && !matches!(self.noticed, Some(Noticed::EndedByGuest)) {
            self.noticed = noticed;
        }
    }
}
