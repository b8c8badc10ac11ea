//! The controller and its keyboard through their ports, as drivers use them.

use super::*;
use crate::bus::{BusRange, DeviceId, PioBus};
use std::sync::{Arc, Mutex};

struct Guest {
    bus: PioBus,
    device: Arc<Mutex<I8042>>,
    line: IrqLine,
    power: PowerSwitch,
}

const DATA: u16 = 0x60;
const COMMAND: u16 = 0x64;

impl Guest {
    fn new() -> Self {
        let power = PowerSwitch::new().unwrap();
        let line = IrqLine::new().unwrap();
        let device = I8042::new(line.clone(), power.clone()).unwrap();
        let device = Arc::new(Mutex::new(device));
        let ranges = [0x60, 0x64].map(|base| BusRange { base, len: 1 });
        let mut bus = PioBus::default();
        bus.insert_ranges(&ranges, DeviceId(1), "i8042", device.clone())
            .unwrap();
        Self {
            bus,
            device,
            line,
            power,
        }
    }

    fn inb(&self, port: u16) -> u8 {
        let mut data = [0];
        self.bus.read(port, &mut data);
        data[0]
    }

    fn outb(&self, port: u16, value: u8) {
        self.bus.write(port, &[value]);
    }

    fn full(&self) -> bool {
        self.inb(COMMAND) & 1 != 0
    }

    /// A command to the controller with one answer.
    fn ask(&self, command: u8) -> u8 {
        self.outb(COMMAND, command);
        assert_eq!(self.inb(COMMAND) & 0b11, 1, "an answer, and room for more");
        self.inb(DATA)
    }

    fn configure(&self, configuration: u8) {
        self.outb(COMMAND, 0x60);
        self.outb(DATA, configuration);
    }

    /// A byte to the keyboard, and all that it answers.
    fn tell(&self, byte: u8) -> Vec<u8> {
        self.outb(DATA, byte);
        self.all()
    }

    fn device(&self) -> std::sync::MutexGuard<'_, I8042> {
        self.device.lock().unwrap()
    }

    fn wire(&self) {
        if self.device().on_the_wire {
            self.device().timer_expired();
        }
    }

    /// All bytes that come, with the time that they take.
    fn all(&self) -> Vec<u8> {
        let next = || {
            self.wire();
            self.full().then(|| self.inb(DATA))
        };
        std::iter::from_fn(next).collect()
    }

    fn typed(&self, bytes: &[u8]) -> Vec<u8> {
        assert_eq!(self.device().enqueue(bytes), bytes.len());
        self.all()
    }

    fn interrupts(&self) -> u64 {
        self.line.evt().read().unwrap_or(0)
    }
}

#[test]
fn reset_comes_by_pulse_and_by_output_port() {
    let guest = Guest::new();
    guest.outb(COMMAND, 0xff);
    assert_eq!(guest.power.pressed(), None, "a pulse of no line");
    guest.outb(COMMAND, 0xfe);
    assert_eq!(guest.power.pressed(), Some(PowerEvent::Reset));
    let guest = Guest::new();
    guest.outb(COMMAND, 0xd1);
    guest.outb(DATA, 0xdf);
    assert_eq!(guest.power.pressed(), None, "opening A20");
    guest.outb(COMMAND, 0xd1);
    guest.outb(DATA, 0xfe);
    assert_eq!(guest.power.pressed(), Some(PowerEvent::Reset));
}

#[test]
fn a_probe_finds_one_port_and_no_mouse() {
    let guest = Guest::new();
    assert_eq!(guest.ask(0xaa), 0x55, "self-test");
    assert_eq!(guest.ask(0xab), 0, "keyboard line");
    assert_ne!(guest.ask(0xa9), 0, "no mouse");
    guest.outb(COMMAND, 0xd3);
    guest.outb(DATA, 0x5a);
    assert_eq!(guest.inb(COMMAND) & 0x21, 1, "not from a mouse");
    assert_eq!(guest.inb(DATA), 0x5a);
    guest.outb(COMMAND, 0xa8);
    assert_eq!(guest.ask(0x20) & 0x20, 0x20, "no second port");
    assert!(!guest.full() && guest.power.pressed().is_none());
}

#[test]
fn the_configuration_is_what_firmware_leaves_and_can_be_changed() {
    let guest = Guest::new();
    assert_eq!(guest.ask(0x20), 0x65);
    guest.outb(COMMAND, 0x60);
    guest.configure(0x24);
    assert_eq!(guest.ask(0x20), 0x24);
    guest.outb(COMMAND, 0xad);
    assert_eq!(guest.ask(0x20), 0x34, "keyboard off");
    guest.outb(COMMAND, 0xae);
    assert_eq!(guest.ask(0x20), 0x24, "and on");
}

/// What Linux's i8042 and atkbd send, in their order.
#[test]
fn linux_finds_a_keyboard_that_it_likes() {
    let guest = Guest::new();
    guest.configure(0x74);
    assert_eq!(guest.tell(0xf2), [0xfa, 0xab, 0x41], "translated identity");
    assert_eq!(guest.tell(0xf5), [0xfa]);
    for parameter in [0xed, 0, 0xf3, 0] {
        assert_eq!(guest.tell(parameter), [0xfa], "{parameter:#x}");
    }
    assert_eq!(guest.tell(0xf4), [0xfa]);
    assert_eq!(guest.interrupts(), 0, "not yet asked for");
    guest.configure(0x65);
    assert_eq!(guest.typed(b"a"), [0x1e, 0x9e]);
    assert_eq!(guest.interrupts(), 2);
}

#[test]
fn the_keyboard_answers_its_commands() {
    let guest = Guest::new();
    guest.configure(0x25);
    assert_eq!(guest.tell(0xff), [0xfa, 0xaa], "reset and test");
    assert_eq!(guest.tell(0xee), [0xee], "echo");
    assert_eq!(guest.tell(0xf2), [0xfa, 0xab, 0x83], "identity");
    assert_eq!(guest.tell(0xf6), [0xfa], "defaults");
    assert_eq!(guest.tell(0xf3), [0xfa], "rate");
    assert_eq!(guest.tell(0x20), [0xfa]);
    assert_eq!(guest.tell(0xf0), [0xfa], "which set");
    assert_eq!(guest.tell(0), [0xfa, 2]);
    assert_eq!(guest.tell(0xfe), [2], "once more");
    assert_eq!(guest.tell(0xf0), [0xfa]);
    assert_eq!(guest.tell(3), [0xfe], "no set 3");
    assert_eq!(guest.tell(0xed), [0xfa]);
    assert_eq!(
        guest.tell(0xf4),
        [0xfa],
        "a command in place of a parameter"
    );
    assert_eq!(guest.tell(0x12), [0xfe], "no command");
    guest.configure(0x65);
    assert_eq!(guest.tell(0xf0), [0xfa]);
    assert_eq!(guest.tell(0), [0xfa, 0x41], "set 2, translated");
}

#[test]
fn scancodes_come_in_the_set_that_was_asked_for() {
    let guest = Guest::new();
    guest.configure(0x25);
    assert_eq!(
        guest.typed(b"a\x1b[A"),
        [0x1c, 0xf0, 0x1c, 0xe0, 0x75, 0xe0, 0xf0, 0x75]
    );
    guest.tell(0xf0);
    guest.tell(1);
    assert_eq!(
        guest.typed(b"a\x1b[A"),
        [0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8]
    );
}

#[test]
fn each_character_is_a_key_of_a_us_keyboard() {
    let guest = Guest::new();
    let strike = |code: u8| vec![code, code | 0x80];
    let with = |modifier: u8, code: u8| vec![modifier, code, code | 0x80, modifier | 0x80];
    for (bytes, expected) in [
        (&b"1"[..], strike(0x02)),
        (b"=", strike(0x0d)),
        (b"q", strike(0x10)),
        (b"]", strike(0x1b)),
        (b"`", strike(0x29)),
        (b"\\", strike(0x2b)),
        (b"/", strike(0x35)),
        (b" ", strike(0x39)),
        (b"\r", strike(0x1c)),
        (b"\n", strike(0x1c)),
        (b"\t", strike(0x0f)),
        (b"\x7f", strike(0x0e)),
        (b"\x1b", strike(0x01)),
        (b"A", with(0x2a, 0x1e)),
        (b"!", with(0x2a, 0x02)),
        (b"~", with(0x2a, 0x29)),
        (b"?", with(0x2a, 0x35)),
        (b"\x03", with(0x1d, 0x2e)),
        (b"\x00", with(0x1d, 0x39)),
        (b"\x1c", with(0x1d, 0x2b)),
        (b"\x1bOP", strike(0x3b)),
        (b"\x1b[[B", strike(0x3c)),
        (b"\x1b[15~", strike(0x3f)),
        (b"\x1b[18~", strike(0x41)),
        (b"\x1b[24~", strike(0x58)),
        (b"\x1b[Z", with(0x2a, 0x0f)),
    ] {
        assert_eq!(guest.typed(bytes), expected, "{bytes:x?}");
    }
    let printable = (b' '..=b'~').filter(|c| !guest.typed(&[*c]).is_empty());
    assert_eq!(printable.count(), 95);
}

#[test]
fn keys_of_the_grey_block_have_their_prefix() {
    let guest = Guest::new();
    for (bytes, code) in [
        (&b"\x1b[A"[..], 0x48),
        (b"\x1bOB", 0x50),
        (b"\x1b[C", 0x4d),
        (b"\x1b[D", 0x4b),
        (b"\x1b[H", 0x47),
        (b"\x1b[4~", 0x4f),
        (b"\x1b[2~", 0x52),
        (b"\x1b[3~", 0x53),
        (b"\x1b[5~", 0x49),
        (b"\x1b[6~", 0x51),
    ] {
        let expected = [0xe0, code, 0xe0, code | 0x80];
        assert_eq!(guest.typed(bytes), expected, "{bytes:x?}");
    }
    let control_right = guest.typed(b"\x1b[1;5C");
    assert_eq!(control_right, [0x1d, 0xe0, 0x4d, 0xe0, 0xcd, 0x9d]);
}

#[test]
fn sequences_may_come_in_pieces_and_strange_ones_are_dropped() {
    let guest = Guest::new();
    assert!(guest.typed(b"\x1b[").is_empty());
    assert_eq!(guest.typed(b"A"), [0xe0, 0x48, 0xe0, 0xc8]);
    assert_eq!(guest.typed(b"\x1bx"), [1, 0x81, 0x2d, 0xad]);
    assert_eq!(guest.typed(b"\x1b\x1b"), [1, 0x81, 1, 0x81]);
    let strange = "\u{e4}\u{20ac}\x1b[?25;1;2;3;4h\x1b[99999999999~\x1b[q\x1bOz\x1b[[Z";
    assert!(guest.typed(strange.as_bytes()).is_empty());
    assert_eq!(guest.typed(b"a"), [0x1e, 0x9e]);
}

#[test]
fn keys_wait_for_a_keyboard_that_is_off() {
    let guest = Guest::new();
    guest.outb(COMMAND, 0xad);
    assert!(guest.typed(b"a").is_empty());
    guest.outb(COMMAND, 0xae);
    assert_eq!(guest.all(), [0x1e, 0x9e]);
    assert_eq!(guest.tell(0xf5), [0xfa]);
    assert!(guest.typed(b"b").is_empty());
    assert_eq!(guest.tell(0xf4), [0xfa, 0x30, 0xb0]);
    assert_eq!(guest.typed(b"c"), [0x2e, 0xae]);
    assert_eq!(guest.tell(0xff), [0xfa, 0xaa]);
}

#[test]
fn a_driver_that_empties_the_buffer_comes_to_an_end() {
    let guest = Guest::new();
    guest
        .device()
        .enqueue(b"many keys that were struck before there was a driver");
    assert_eq!((guest.full(), guest.inb(DATA)), (true, 0x32));
    assert!(!guest.full(), "the next byte is on its way");
    guest.device().timer.wait().unwrap();
    guest.device().timer_expired();
    assert_eq!((guest.full(), guest.inb(DATA)), (true, 0xb2));
    guest.outb(DATA, 0xee);
    assert!(guest.full(), "replies do not wait");
}

#[test]
fn the_controllers_answer_goes_before_a_key_which_is_not_lost() {
    let guest = Guest::new();
    guest.device().enqueue(b"a");
    assert_eq!(guest.ask(0x20), 0x65);
    assert_eq!(guest.all(), [0x1e, 0x9e]);
}

#[test]
fn interrupts_come_one_a_byte_and_when_they_are_enabled() {
    let guest = Guest::new();
    guest.configure(0x64);
    guest.device().enqueue(b"a");
    assert_eq!(guest.interrupts(), 0);
    guest.configure(0x65);
    assert_eq!(guest.interrupts(), 1, "for what is there");
    guest.inb(DATA);
    guest.wire();
    assert_eq!(guest.interrupts(), 1, "for the next");
}

#[test]
fn input_is_refused_when_full_and_asked_for_again_when_read() {
    let guest = Guest::new();
    let input = [b'x'; 10_000];
    let taken = guest.device().enqueue(&input);
    assert!((2000..2100).contains(&taken), "{taken}");
    assert_eq!(guest.device().enqueue(&input), 0);
    assert!(guest.device().room_evt().read().is_err(), "no room yet");
    assert_eq!(guest.all().len(), taken * 2);
    assert!(guest.device().room_evt().read().is_ok(), "room again");
    assert_eq!(guest.device().enqueue(&input), taken);
}

#[test]
fn replies_that_nobody_reads_do_not_pile_up() {
    let guest = Guest::new();
    for _ in 0..1000 {
        guest.outb(DATA, 0xf2);
    }
    assert!(guest.all().len() <= 18);
}

#[test]
fn state_survives_save_and_restore() {
    let guest = Guest::new();
    guest.device().enqueue(b"A");
    guest.ask(0xaa);
    guest.outb(COMMAND, 0xaa);
    let state = guest.device().save();
    let other = Guest::new();
    other.device().restore(&state);
    assert_eq!(other.device().save(), state);
    assert_eq!(other.all(), [0x55, 0x2a, 0x1e, 0x9e, 0xaa]);
}

#[test]
fn the_translation_has_all_keys_of_set_1() {
    for code in 1..=0x58 {
        assert_eq!(keys::translate(keys::set2(code)), code, "{code:#x}");
    }
}
