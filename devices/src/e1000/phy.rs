//! [`Phy`]: a Marvell 88E1011 (SDM 13.4.7, 14), reached by MDIC. Its link is always at 1000 Mb/s,
//! as long as the network works.

const REGISTERS: usize = 32;
/// Where it answers on its bus.
const ADDRESS: u32 = 1;

/// MDIC: register, PHY, operation; done, interrupt wanted, error.
const REGISTER_SHIFT: u32 = 16;
const PHY_SHIFT: u32 = 21;
const OPERATION_SHIFT: u32 = 26;
const WRITE: u32 = 1;
const READ: u32 = 2;
const READY: u32 = 1 << 28;
const INTERRUPT: u32 = 1 << 29;
const ERROR: u32 = 1 << 30;

const CONTROL: usize = 0;
const STATUS: usize = 1;
const SPECIFIC_STATUS: usize = 17;
/// Control: reset, restart of negotiation; both clear themselves.
const CONTROL_RESET: u16 = 1 << 15;
const CONTROL_RESTART: u16 = 1 << 9;
const STATUS_LINK: u16 = 1 << 2;
const SPECIFIC_STATUS_LINK: u16 = 1 << 10;

/// Register, contents after reset, bits that can be written.
const TABLE: [(usize, u16, u16); 18] = [
    (CONTROL, 0x1140, 0x7dc0),
    // All speeds, negotiation done, link up.
    (STATUS, 0x796d, 0),
    (2, 0x0141, 0),
    (3, 0x0c20, 0),
    (4, 0x0de1, 0xffff),
    // The partner can do all speeds, and no flow control.
    (5, 0x41e1, 0),
    (6, 0x0001, 0),
    (7, 0x2001, 0xffff),
    (9, 0x0e00, 0xff00),
    (10, 0x3c00, 0),
    (15, 0x3000, 0),
    (16, 0x0360, 0xffff),
    // 1000 Mb/s, full duplex, resolved, link up.
    (SPECIFIC_STATUS, 0xac00, 0),
    (18, 0, 0xffff),
    (20, 0x0d60, 0xffff),
    (24, 0x4100, 0xffff),
    (29, 0, 0xffff),
    (30, 0, 0xffff),
];

/// What an access did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// MDIC from now on.
    pub(super) mdic: u32,
    /// An interrupt is wanted at the end of the access.
    pub(super) interrupt: bool,
    /// The link was negotiated anew.
    pub(super) link_changed: bool,
}

/// Whether the network works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It does.
    Up,
    /// It does not, and will not again.
    Down,
}

pub(super) struct Phy {
    registers: [u16; REGISTERS],
}

impl Phy {
    pub(super) fn new() -> Self {
        let mut registers = [0; REGISTERS];
        for (register, value, _) in TABLE {
            registers[register] = value;
        }
        Self { registers }
    }

    /// A write to MDIC.
    pub(super) fn access(&mut self, value: u32, link: Link) -> Done {
        let register = (value >> REGISTER_SHIFT & 0x1f) as usize;
        let mut done = Done {
            mdic: value & !(ERROR | INTERRUPT) | READY,
            interrupt: value & INTERRUPT != 0,
            link_changed: false,
        };
        match value >> OPERATION_SHIFT & 3 {
            _ if value >> PHY_SHIFT & 0x1f != ADDRESS => done.mdic |= ERROR,
            READ => done.mdic = done.mdic & !0xffff | u32::from(self.read(register, link)),
            WRITE => done.link_changed = self.write(register, value as u16),
            _ => done.mdic |= ERROR,
        }
        done
    }

    fn read(&self, register: usize, link: Link) -> u16 {
        let value = self.registers[register];
        match (register, link) {
            (STATUS, Link::Down) => value & !STATUS_LINK,
            (SPECIFIC_STATUS, Link::Down) => value & !SPECIFIC_STATUS_LINK,
            _ => value,
        }
    }

    /// Returns whether the link is negotiated anew.
    fn write(&mut self, register: usize, value: u16) -> bool {
        let commands = CONTROL_RESET | CONTROL_RESTART;
        if register == CONTROL && value & CONTROL_RESET != 0 {
            *self = Self::new();
        } else if let Some((_, _, writable)) = TABLE.iter().find(|row| row.0 == register) {
            let before = self.registers[register];
            self.registers[register] = before & !writable | value & writable;
        }
        register == CONTROL && value & commands != 0
    }

    pub(super) fn save(&self) -> [u16; REGISTERS] {
        self.registers
    }

    pub(super) fn restore(&mut self, registers: &[u16; REGISTERS]) {
        for (register, _, writable) in TABLE {
            let before = self.registers[register];
            self.registers[register] = before & !writable | registers[register] & writable;
        }
    }
}
