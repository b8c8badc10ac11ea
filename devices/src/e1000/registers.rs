//! [`Registers`]: what the driver reads and writes (SDM 13), and what that means for the worker.
//!
//! Most registers keep what is written ([`KEPT`]); the others are acted on in
//! [`Registers::write`]. Those that are not there read as zero.

use super::eeprom::Eeprom;
use super::filter::Filter;
use super::interrupt::Interrupts;
use super::phy::{Link, Phy};
use super::ring::{Direction, Ring};
use super::spec::*;
use super::statistics::{self, Statistics};
use super::{CardState, spec};

/// Words from the start that registers can be in, but for statistics.
pub(super) const WORDS: usize = 0x6000 / 4;

/// First register, how many, and the bits that keep what is written.
const KEPT: [(u32, u32, u32); 27] = [
    (CTRL, 1, !(CTRL_RST | CTRL_PHY_RST)),
    (CTRL_EXT, 1, u32::MAX),
    (FCAL, 2, u32::MAX),
    // FCT, VET.
    (0x0030, 1, 0xffff),
    (VET, 1, 0xffff),
    (RCTL, 1, 0x06df_ffff),
    // FCTTV, TXCW.
    (0x0170, 1, 0xffff),
    (0x0178, 1, u32::MAX),
    (TCTL, 1, 0x07ff_ffff),
    // TIPG, AIFS, LEDCTL, PBA, FCRTL, FCRTH.
    (0x0410, 1, 0x3fff_ffff),
    (0x0458, 1, 0xffff),
    (0x0e00, 1, u32::MAX),
    (0x1000, 1, 0xffff),
    (0x2160, 1, 0x8000_fff8),
    (0x2168, 1, 0x0000_fff8),
    (RDTR, 1, 0xffff),
    // RXDCTL, TXDCTL.
    (0x2828, 1, u32::MAX),
    (0x3828, 1, u32::MAX),
    (RADV, 1, 0xffff),
    (RSRPD, 1, 0x0fff),
    (TIDV, 1, 0xffff),
    (TADV, 1, 0xffff),
    (RXCSUM, 1, 0x7ff),
    (MTA, 128, u32::MAX),
    (RAL, 2 * RECEIVE_ADDRESSES, u32::MAX),
    (VFTA, 128, u32::MAX),
    // WUC to MANC and the addresses for waking up, of which nothing comes.
    (0x5800, 64, u32::MAX),
];
/// The same of a ring, from its first register.
const KEPT_OF_RINGS: [(u32, u32); 5] = [
    (0, !0xf),
    (RING_HIGH, u32::MAX),
    (RING_LENGTH, 0x000f_ff80),
    (RING_HEAD, 0xffff),
    (RING_TAIL, 0xffff),
];

/// What they are after reset where that is not zero.
const RESET: [(u32, u32); 5] = [
    (CTRL, CTRL_FD),
    (VET, 0x8100),
    (0x1000, 0x0010_0030),
    (TCTL, 0),
    (RCTL, 0),
];

/// What is to be done after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// The worker has something to do.
    Wake,
}

pub(super) struct Registers {
    words: Box<[u32; WORDS]>,
    /// Bits of them that keep what is written.
    kept: Box<[u32; WORDS]>,
    pub(super) statistics: Statistics,
    eeprom: Eeprom,
    phy: Phy,
    pub(super) interrupts: Interrupts,
    /// Of the network.
    pub(super) link: Link,
    /// The function may access memory.
    pub(super) bus_master: bool,
    /// The worker looks for descriptors of that ring by itself.
    pub(super) transmits: bool,
    /// The same.
    pub(super) receives: bool,
}

fn word(register: u32) -> usize {
    (register / 4) as usize
}

impl Registers {
    pub(super) fn new(eeprom: Eeprom, interrupts: Interrupts) -> Self {
        let mut kept = Box::new([0; WORDS]);
        for (first, count, mask) in KEPT {
            kept[word(first)..][..count as usize].fill(mask);
        }
        for (offset, mask) in KEPT_OF_RINGS {
            kept[word(RDBAL + offset)] = mask;
            kept[word(TDBAL + offset)] = mask;
        }
        let mut this = Self {
            words: Box::new([0; WORDS]),
            kept,
            statistics: Statistics::new(),
            eeprom,
            phy: Phy::new(),
            interrupts,
            link: Link::Up,
            bus_master: false,
            transmits: false,
            receives: false,
        };
        this.reset();
        this
    }

    /// As after power-on, but for PHY and EEPROM (SDM 14.5.1).
    pub(super) fn reset(&mut self) {
        self.words.fill(0);
        for (register, value) in RESET {
            self.words[word(register)] = value;
        }
        let [a, b, c, d, e, f] = self.eeprom.address();
        self.words[word(RAL)] = u32::from_le_bytes([a, b, c, d]);
        self.words[word(RAL) + 1] = u32::from_le_bytes([e, f, 0, 0]) | RAH_AV;
        self.statistics = Statistics::new();
        self.interrupts.reset();
    }

    /// A register as it is.
    pub(super) fn get(&self, register: u32) -> u32 {
        self.words[word(register)]
    }

    pub(super) fn is_set(&self, register: u32, bit: u32) -> bool {
        self.get(register) & bit != 0
    }

    /// The driver reads; `offset` is a multiple of 4.
    pub(super) fn read(&mut self, offset: u32) -> u32 {
        match offset {
            STATUS => self.status(),
            EECD => self.eeprom.read_wires(),
            ICR => self.interrupts.take(),
            ICS | IMC => 0,
            IMS => self.interrupts.mask(),
            statistics::FIRST..statistics::END => self.statistics.read(offset),
            _ => self.words.get(word(offset)).copied().unwrap_or(0),
        }
    }

    fn status(&self) -> u32 {
        let link = match self.link {
            Link::Up => STATUS_LU,
            Link::Down => 0,
        };
        STATUS_FD | STATUS_SPEED_1000 | link
    }

    /// The driver writes; `offset` is a multiple of 4.
    pub(super) fn write(&mut self, offset: u32, value: u32) -> Effect {
        let before = self.keep(offset, value);
        match offset {
            CTRL => self.write_control(value),
            EECD => self.eeprom.write_wires(value),
            EERD => self.words[word(EERD)] = self.eeprom.read_word(value),
            MDIC => self.write_mdic(value),
            ICR => self.interrupts.clear(value),
            ITR => {
                self.words[word(ITR)] = value & 0xffff;
                self.interrupts.set_interval(value);
            }
            ICS => self.interrupts.set(value),
            IMS => self.interrupts.set_mask(self.interrupts.mask() | value),
            IMC => self.interrupts.set_mask(self.interrupts.mask() & !value),
            RDTR if value & RDTR_FPD != 0 => self.interrupts.flush_received(),
            RCTL | TCTL if before != value => return Effect::Wake,
            // A ring may become one that is right.
            _ if [RDBAL, TDBAL].contains(&(offset & !0x1f)) && offset & 0x1f < RING_TAIL => {
                return Effect::Wake;
            }
            _ if offset == TDBAL + RING_TAIL && !self.transmits => {
                self.transmits = true;
                return Effect::Wake;
            }
            _ if offset == RDBAL + RING_TAIL && !self.receives => {
                self.receives = true;
                return Effect::Wake;
            }
            _ => {}
        }
        Effect::None
    }

    /// Keeps the bits that are kept; returns what was there.
    fn keep(&mut self, offset: u32, value: u32) -> u32 {
        let (Some(place), Some(mask)) = (
            self.words.get_mut(word(offset)),
            self.kept.get(word(offset)),
        ) else {
            return 0;
        };
        let before = *place;
        *place = before & !mask | value & mask;
        before
    }

    fn write_control(&mut self, value: u32) {
        if value & CTRL_RST != 0 {
            self.reset();
        }
        if value & (CTRL_RST | CTRL_PHY_RST) == CTRL_PHY_RST {
            self.phy = Phy::new();
            self.interrupts.set(CAUSE_LSC);
        }
    }

    fn write_mdic(&mut self, value: u32) {
        let done = self.phy.access(value, self.link);
        self.words[word(MDIC)] = done.mdic;
        let mut causes = 0;
        if done.interrupt {
            causes |= CAUSE_MDAC;
        }
        if done.link_changed {
            causes |= CAUSE_LSC;
        }
        self.interrupts.set(causes);
    }

    /// The ring, if the device may use it now.
    pub(super) fn ring(&self, direction: Direction) -> Option<Ring> {
        let (first, control, enabled) = direction.registers();
        let at = |offset| self.get(first + offset);
        let base = u64::from(at(RING_HIGH)) << 32 | u64::from(at(0));
        let ring = Ring::new(base, at(RING_LENGTH), at(RING_HEAD), at(RING_TAIL));
        ring.filter(|_| self.bus_master && self.is_set(control, enabled))
    }

    /// The device is done with so many descriptors of a ring that was `ring`.
    pub(super) fn advance(&mut self, direction: Direction, ring: &Ring, by: u32) {
        let (first, ..) = direction.registers();
        let head = &mut self.words[word(first + RING_HEAD)];
        // The driver may have moved it meanwhile, against the manual.
        if *head == ring.head {
            *head = (ring.head + by) % ring.count;
        }
    }

    /// What is received.
    pub(super) fn filter(&self) -> Filter<'_> {
        let words = |first, count: u32| &self.words[word(first)..][..count as usize];
        Filter {
            control: self.get(RCTL),
            tag_type: self.get(VET) as u16,
            addresses: words(RAL, 2 * RECEIVE_ADDRESSES),
            multicast: words(MTA, 128),
            vlans: words(VFTA, 128),
        }
    }

    /// EtherType of VLAN tags, if the device is to take them off and put them on.
    pub(super) fn tag_type(&self) -> Option<u16> {
        let enabled = self.is_set(CTRL, CTRL_VME);
        enabled.then(|| self.get(VET) as u16)
    }

    /// All of it, and what the parts around it have.
    pub(super) fn save(&self) -> CardState {
        let (causes, mask) = self.interrupts.save();
        CardState {
            words: self.words.to_vec(),
            statistics: self.statistics.0.to_vec(),
            causes,
            mask,
            phy: self.phy.save(),
            wires: self.eeprom.save(),
        }
    }

    /// Takes over a saved state, as far as it can be written.
    pub(super) fn restore(&mut self, state: &CardState) {
        self.reset();
        for ((place, mask), saved) in self.words.iter_mut().zip(&*self.kept).zip(&state.words) {
            *place = *place & !mask | saved & mask;
        }
        for register in [EERD, MDIC, ITR] {
            self.words[word(register)] = state.words.get(word(register)).copied().unwrap_or(0);
        }
        for (place, saved) in self.statistics.0.iter_mut().zip(&state.statistics) {
            *place = *saved;
        }
        self.phy.restore(&state.phy);
        self.eeprom.restore(state.wires);
        self.interrupts.set_interval(self.get(ITR));
        self.interrupts.restore(state.causes, state.mask);
        (self.transmits, self.receives) = (false, false);
    }
}

impl Direction {
    /// First register, and the register and bit that turn it on.
    fn registers(self) -> (u32, u32, u32) {
        match self {
            Self::Receive => (spec::RDBAL, RCTL, RCTL_EN),
            Self::Transmit => (spec::TDBAL, TCTL, TCTL_EN),
        }
    }
}
