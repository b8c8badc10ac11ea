//! [`I8042`]: the keyboard controller, with a keyboard behind it and no mouse.
//!
//! ```text
//!  terminal --> typist --> keyboard --> translation --> output buffer --> port 0x60, IRQ 1
//!               bytes to    scancodes,   set 2 to 1      one byte
//!               keys        replies
//! ```
//! A key's byte comes [`WIRE_TIME`] after the one before it was read, as if it came over a wire: a
//! driver that empties the buffer before it starts does so in the end. Replies come at once.
//! Keys that the guest does not take wait; nothing that is typed is lost.
//!
//! The controller has two ports with others' between them: give the bus the ranges
//! [`DATA_OFFSET`] and [`COMMAND_OFFSET`] of one device (`PioBus::insert_ranges`).

mod keyboard;
mod keys;
mod spec;
mod typist;

pub use keyboard::KeyboardState;
pub use keys::KeyEvent;
pub use spec::{I8042State, Origin, OutputByte};

use crate::bus::{PioDevice, Width};
use crate::irq::IrqLine;
use crate::power::{PowerEvent, PowerSwitch};
use crate::timer::TimedDevice;
use keyboard::{BREAK, Keyboard};
use spec::{
    AUX_LINE_BAD, CONFIG_DEFAULT, CONFIG_INTERRUPT, CONFIG_KEYBOARD_OFF, CONFIG_MOUSE_OFF,
    CONFIG_TRANSLATE, INPUT_PORT, KEYBOARD_LINE_OK, NOT_IN_RESET, OUTPUT_PORT, RESEND,
    SELF_TEST_OK, STATUS_LAST_WAS_COMMAND, STATUS_NOT_LOCKED, STATUS_OUTPUT_FULL,
    STATUS_SELF_TEST_PASSED,
};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;
use typist::Typist;
use vm_superio::Trigger;
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::timerfd::TimerFd;

/// Offset of the data port from the controller's first port (0x60).
pub const DATA_OFFSET: u16 = 0;
/// Offset of the status and command port.
pub const COMMAND_OFFSET: u16 = 4;

/// From the guest's read of a key's byte to the next; a real keyboard takes a millisecond.
pub const WIRE_TIME: Duration = Duration::from_micros(250);

/// The controller.
pub struct I8042 {
    // Wiring.
    power: PowerSwitch,
    line: IrqLine,
    timer: TimerFd,
    room_evt: EventFd,
    // Book-keeping.
    typist: Typist,
    refused: bool,
    /// A key's byte is on the wire until the timer expires.
    on_the_wire: bool,
    // State.
    configuration: u8,
    pending: Option<u8>,
    output: Option<OutputByte>,
    held: Option<OutputByte>,
    last_was_command: bool,
    keyboard: Keyboard,
}

impl I8042 {
    /// A controller after its self-test; the keyboard interrupts by `line`, reset presses `power`.
    pub fn new(line: IrqLine, power: PowerSwitch) -> io::Result<Self> {
        Ok(Self {
            power,
            line,
            timer: TimerFd::new()?,
            room_evt: EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?,
            typist: Typist::default(),
            refused: false,
            on_the_wire: false,
            configuration: CONFIG_DEFAULT,
            pending: None,
            output: None,
            held: None,
            last_was_command: false,
            keyboard: Keyboard::default(),
        })
    }

    /// Types what a terminal sends; returns how many of `bytes` were taken. Those after are the
    /// caller's to give again when [`Self::room_evt`] is readable.
    pub fn enqueue(&mut self, bytes: &[u8]) -> usize {
        let taken = self.typist.type_in(bytes, &mut self.keyboard);
        self.refused = taken < bytes.len();
        self.fill_output();
        taken
    }

    /// Becomes readable when there is room again after input was refused.
    pub fn room_evt(&self) -> &EventFd {
        &self.room_evt
    }

    /// The registers.
    pub fn save(&self) -> I8042State {
        I8042State {
            configuration: self.configuration,
            pending: self.pending,
            output: self.output,
            held: self.held,
            last_was_command: self.last_was_command,
            keyboard: self.keyboard.save(),
        }
    }

    /// Takes over saved registers.
    pub fn restore(&mut self, state: &I8042State) {
        self.configuration = state.configuration | CONFIG_MOUSE_OFF;
        self.pending = state.pending;
        self.output = state.output;
        self.held = state.held;
        self.last_was_command = state.last_was_command;
        self.keyboard.restore(&state.keyboard);
        self.fill_output();
    }

    fn status(&self) -> u8 {
        let mut status = STATUS_SELF_TEST_PASSED | STATUS_NOT_LOCKED;
        if self.output.is_some() {
            status |= STATUS_OUTPUT_FULL;
        }
        if self.last_was_command {
            status |= STATUS_LAST_WAS_COMMAND;
        }
        status
    }

    fn command(&mut self, command: u8) {
        self.last_was_command = true;
        self.pending = None;
        match command {
            0x20 => self.reply(self.configuration),
            // Those with a parameter: write configuration, output port, keyboard's and mouse's
            // output buffer, and send to the mouse.
            0x60 | 0xd1..=0xd4 => self.pending = Some(command),
            0xa9 => self.reply(AUX_LINE_BAD),
            0xaa => self.reply(SELF_TEST_OK),
            0xab => self.reply(KEYBOARD_LINE_OK),
            0xad => self.configure(self.configuration | CONFIG_KEYBOARD_OFF),
            0xae => self.configure(self.configuration & !CONFIG_KEYBOARD_OFF),
            0xc0 => self.reply(INPUT_PORT),
            0xd0 => self.reply(OUTPUT_PORT),
            // Pulse those output lines whose bit is clear; line 0 is reset.
            0xf0..=0xff if command & NOT_IN_RESET == 0 => self.power.press(PowerEvent::Reset),
            _ => {}
        }
    }

    fn data(&mut self, byte: u8) {
        self.last_was_command = false;
        match self.pending.take() {
            Some(0x60) => self.configure(byte),
            Some(0xd1) if byte & NOT_IN_RESET == 0 => self.power.press(PowerEvent::Reset),
            Some(0xd1) => {}
            Some(0xd2 | 0xd3) => self.reply(byte),
            // To a mouse that is not there.
            Some(_) => self.reply(RESEND),
            None => {
                // What is sent to the keyboard opens the way to it.
                self.configuration &= !CONFIG_KEYBOARD_OFF;
                self.keyboard.command(byte);
                self.fill_output();
            }
        }
    }

    fn configure(&mut self, configuration: u8) {
        let before = self.configuration;
        self.configuration = configuration | CONFIG_MOUSE_OFF;
        let enabled = configuration & !before & CONFIG_INTERRUPT != 0;
        if enabled && self.output.is_some() {
            self.interrupt();
        }
        self.fill_output();
    }

    /// The controller's own answer goes before what the keyboard has sent.
    fn reply(&mut self, byte: u8) {
        let origin = Origin::Controller;
        let before = self.output.replace(OutputByte { byte, origin });
        self.held = before
            .filter(|before| before.origin != Origin::Controller)
            .or(self.held);
        self.interrupt();
    }

    fn read_data(&mut self) -> u8 {
        let Some(output) = self.output.take() else {
            return 0;
        };
        if output.origin == Origin::Key && self.keyboard.has_keys() {
            self.wait_for_the_wire();
        }
        self.fill_output();
        output.byte
    }

    /// Fills an empty output buffer with what there is.
    fn fill_output(&mut self) {
        if self.output.is_some() || self.configuration & CONFIG_KEYBOARD_OFF != 0 {
            return;
        }
        self.output = self.held.take().or_else(|| self.keyboards_byte());
        if self.output.is_some() {
            self.interrupt();
        }
        if self.refused && self.keyboard.has_room() {
            self.refused = false;
            signal(&self.room_evt);
        }
    }

    fn keyboards_byte(&mut self) -> Option<OutputByte> {
        let translate = self.configuration & CONFIG_TRANSLATE != 0;
        if let Some(reply) = self.keyboard.next_reply() {
            let byte = if translate {
                keys::translate(reply)
            } else {
                reply
            };
            let origin = Origin::Reply;
            return Some(OutputByte { byte, origin });
        }
        if self.on_the_wire {
            return None;
        }
        let byte = match self.keyboard.next_key_byte()? {
            BREAK if translate => {
                let code = self.keyboard.next_key_byte()?;
                keys::translate(code) | keys::RELEASED
            }
            byte if translate => keys::translate(byte),
            byte => byte,
        };
        let origin = Origin::Key;
        Some(OutputByte { byte, origin })
    }

    fn wait_for_the_wire(&mut self) {
        match self.timer.reset(WIRE_TIME, None) {
            Ok(()) => self.on_the_wire = true,
            Err(error) => log::error!("keyboard timer: {error}"),
        }
    }

    fn interrupt(&self) {
        if self.configuration & CONFIG_INTERRUPT != 0
            && let Err(error) = self.line.trigger()
        {
            log::error!("keyboard interrupt: {error}");
        }
    }
}

fn signal(evt: &EventFd) {
    if let Err(error) = evt.write(1) {
        log::error!("keyboard room event: {error}");
    }
}

impl TimedDevice for I8042 {
    fn timer_fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    fn timer_expired(&mut self) {
        // Disarmed, it is no longer expired.
        if let Err(error) = self.timer.clear() {
            log::error!("keyboard timer: {error}");
        }
        self.on_the_wire = false;
        self.fill_output();
    }
}

impl PioDevice for I8042 {
    fn pio_read(&mut self, offset: u16, _width: Width) -> u32 {
        match offset {
            DATA_OFFSET => self.read_data().into(),
            COMMAND_OFFSET => self.status().into(),
            _ => 0xff,
        }
    }

    fn pio_write(&mut self, offset: u16, _width: Width, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        match offset {
            DATA_OFFSET => self.data(byte),
            COMMAND_OFFSET => self.command(byte),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
