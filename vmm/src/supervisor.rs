//! The main thread's event loop while a guest runs: input, deadline, signals, the guest's end.

use crate::halt::HaltReason;
use crate::input::{InputPort, Typing};
use crate::machine::Machine;
use crate::memory;
use crate::screen::{self, Show};
use crate::signals::Signals;
use crate::terminal::{self, EscapeCommand};
use devices::timer::TimedDevice;
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
    /// Shows the guest's screen.
    pub screen: Option<Show>,
    /// Ends the guest after this time.
    pub timeout: Option<Duration>,
    /// Readable when a signal came; see [`crate::signals`].
    pub signals: Option<Signals>,
    /// Timers beside those of the machine's devices.
    pub timers: Vec<Arc<Mutex<dyn TimedDevice>>>,
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
    let frames = match &watch.screen {
        Some(_) => Some(frame_timer()?),
        None => None,
    };
    let desk = Arc::new(Mutex::new(Desk {
        screen: watch.screen,
        frames,
        timers: [&machine.pc.timers[..], &watch.timers].concat(),
        halt_evt: machine.shared().halt_evt.try_clone()?,
        timer,
        signals: watch.signals,
        typing,
        paused: false,
        noticed: None,
    }));
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
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = match desk.noticed.take() {
            None => continue,
            Some(Noticed::Ended(reason)) => Some(reason),
            Some(Noticed::EndedByGuest) => {
                let reason = machine.shared().halt.get().cloned();
                Some(reason.expect("the event follows the reason"))
            }
            Some(Noticed::Command(command)) => desk.obey(command, machine),
        };
        if let Some(reason) = reason {
            if let Some(screen) = desk.screen.take() {
                screen.finish();
            }
            return Ok(reason);
        }
    }
}

/// Expires frame by frame.
fn frame_timer() -> io::Result<TimerFd> {
    let mut timer = TimerFd::new()?;
    timer.reset(screen::FRAME, Some(screen::FRAME))?;
    Ok(timer)
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
    screen: Option<Show>,
    frames: Option<TimerFd>,
    timers: Vec<Arc<Mutex<dyn TimedDevice>>>,
    paused: bool,
    noticed: Option<Noticed>,
}

const HALT: u32 = 0;
const TIMER: u32 = 1;
const SIGNAL: u32 = 2;
const FRAME: u32 = 3;
/// The first device's timer; those of the others follow.
const DEVICE: u32 = 32;

impl Desk {
    /// Does what the user asked for; that may end the guest.
    fn obey(&mut self, command: EscapeCommand, machine: &Machine) -> Option<HaltReason> {
        match command {
            EscapeCommand::Quit => return Some(HaltReason::Quit),
            EscapeCommand::Help => self.say(terminal::HELP),
            EscapeCommand::PowerButton => {
                machine.press_power_button();
                self.say("\n[power button pressed]\n");
            }
            EscapeCommand::Pause if self.paused => {
                machine.resume();
                self.paused = false;
                self.say("\n[goes on]\n");
            }
            EscapeCommand::Pause => {
                machine.pause();
                self.paused = true;
                self.say("\n[paused: Ctrl-A p lets it go on]\n");
            }
        }
        None
    }

    /// Tells the user something that is not the guest's.
    fn say(&mut self, text: &str) {
        match &mut self.screen {
            Some(screen) => screen.say(text),
            // Nobody is there to be told that nobody is there.
            None => drop(io::stderr().write_all(text.as_bytes())),
        }
    }

    /// While the guest is paused its screen stays, with what was said about that.
    fn show_frame(&mut self) {
        if let Some(frames) = &mut self.frames {
            let _ = frames.wait();
        }
        if let Some(screen) = self.screen.as_mut().filter(|_| !self.paused) {
            screen.refresh();
        }
    }

    /// The timer of a device has expired.
    fn call_device(&self, data: u32) {
        let index = data
            .checked_sub(DEVICE)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(device) = index.and_then(|at| self.timers.get(at)) {
            let mut device = device.lock().unwrap_or_else(PoisonError::into_inner);
            device.timer_expired();
        }
    }
}

impl MutEventSubscriber for Desk {
    fn init(&mut self, ops: &mut EventOps<'_>) {
        let halt = Events::with_data(&self.halt_evt, HALT, EventSet::IN);
        let timer = Events::with_data(&self.timer, TIMER, EventSet::IN);
        let signals = self
            .signals
            .as_ref()
            .map(|s| Events::with_data(s, SIGNAL, EventSet::IN));
        let frames = self.frames.as_ref();
        let frames = frames.map(|timer| Events::with_data(timer, FRAME, EventSet::IN));
        let devices = (DEVICE..).zip(&self.timers).map(|(data, device)| {
            let device = device.lock().unwrap_or_else(PoisonError::into_inner);
            Events::with_data_raw(device.timer_fd(), data, EventSet::IN)
        });
        let own = [Some(halt), Some(timer), frames, signals];
        for event in own.into_iter().flatten().chain(devices) {
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
            FRAME => {
                self.show_frame();
                None
            }
            data @ DEVICE.. => {
                self.call_device(data);
                None
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
