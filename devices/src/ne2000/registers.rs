//! [`Registers`]: the register file of the DP8390, as pages that are read and written (data sheet,
//! "Internal Registers"). What the command register starts is [`super::chip`]'s.

use super::crc;
use super::spec::{
    self, CR_PAGE_SHIFT, CR_RD, CR_STA, CR_STP, CR_TXP, DCR_LAS, FIFO_BYTES, IDS, ISR_CNT, ISR_OVW,
    ISR_PRX, ISR_RST, PAGE3, RD_ABORT, TALLY_INTERRUPT, TALLY_MAX, TCR_LB, page1, read0, write0,
};

/// All registers; the names are the data sheet's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Command.
    pub cr: u8,
    /// First page of the receive ring.
    pub pstart: u8,
    /// Page after its last.
    pub pstop: u8,
    /// Boundary pointer, a page.
    pub bnry: u8,
    /// Page to which the next packet goes.
    pub curr: u8,
    /// First page of the packet to transmit.
    pub tpsr: u8,
    /// Its length in bytes.
    pub tbcr: u16,
    /// Interrupt status.
    pub isr: u8,
    /// Interrupt mask.
    pub imr: u8,
    /// Current remote DMA address.
    pub crda: u16,
    /// Bytes that remote DMA has left to do.
    pub rbcr: u16,
    /// Receive configuration.
    pub rcr: u8,
    /// Transmit configuration.
    pub tcr: u8,
    /// Data configuration.
    pub dcr: u8,
    /// Receive status.
    pub rsr: u8,
    /// Transmit status.
    pub tsr: u8,
    /// Tally counter of missed packets.
    pub cntr2: u8,
    /// The station's address.
    pub par: [u8; 6],
    /// Multicast filter.
    pub mar: [u8; 8],
    /// The last bytes that were looped back.
    pub fifo: [u8; FIFO_BYTES],
    /// Which of them is read next; in range after a remainder.
    pub fifo_next: u8,
    /// Whether the driver knows of what has come.
    pub arrival: Arrival,
}

/// What the driver knows of received packets. A driver may look where the ring ends and acknowledge
/// afterwards, as Linux's does: on the wire that the card was built for nothing comes in between.
/// Here it does, and must interrupt again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It has not looked since it was told of packets.
    Told,
    /// It has looked where they end.
    Seen,
    /// Another has come after that.
    Late,
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            cr: CR_STP | RD_ABORT,
            pstart: 0,
            pstop: 0,
            bnry: 0,
            curr: 0,
            tpsr: 0,
            tbcr: 0,
            isr: ISR_RST,
            imr: 0,
            crda: 0,
            rbcr: 0,
            rcr: 0,
            tcr: 0,
            dcr: DCR_LAS,
            rsr: 0,
            tsr: 0,
            cntr2: 0,
            par: [0; 6],
            mar: [0; 8],
            fifo: [0; FIFO_BYTES],
            fifo_next: 0,
            arrival: Arrival::Told,
        }
    }
}

impl Registers {
    /// The reset pin (data sheet, "Reset"): registers that it does not name stay.
    pub(super) fn reset(&mut self) {
        self.cr = CR_STP | RD_ABORT;
        self.isr |= ISR_RST;
        self.imr = 0;
        self.dcr &= !DCR_LAS;
        self.tcr &= !TCR_LB;
    }

    /// Whether the card is started, not reset.
    pub(super) fn is_started(&self) -> bool {
        self.cr & (CR_STP | CR_STA) == CR_STA
    }

    /// Whether the card asks for an interrupt.
    pub(super) fn interrupts(&self) -> bool {
        self.isr & self.imr & !ISR_RST != 0
    }

    /// Which packet filter bit is set.
    pub(super) fn filters(&self, address: [u8; 6]) -> bool {
        let bit = crc::filter_bit(address);
        self.mar[usize::from(bit >> 3)] >> (bit & 7) & 1 != 0
    }

    /// Tells the driver of a packet in the ring.
    pub(super) fn note_arrival(&mut self) {
        self.arrival = match self.arrival {
            _ if self.isr & ISR_PRX == 0 => Arrival::Told,
            Arrival::Told => Arrival::Told,
            Arrival::Seen | Arrival::Late => Arrival::Late,
        };
        self.isr |= ISR_PRX;
    }

    /// Counts a missed packet.
    pub(super) fn count_missed(&mut self) {
        if self.cntr2 < TALLY_MAX {
            self.cntr2 += 1;
        }
        if self.cntr2 >= TALLY_INTERRUPT {
            self.isr |= ISR_CNT;
        }
    }

    /// A read; `number` is below 16.
    pub(super) fn read(&mut self, number: u16) -> u8 {
        match (self.cr >> CR_PAGE_SHIFT, number) {
            (_, spec::CR) => self.cr,
            (0, _) => self.read0(number),
            (1, _) => self.read1(number),
            (2, _) => self.read2(number),
            _ => {
                let mut found = PAGE3.iter().filter(|(at, _)| *at == number);
                found.next().map_or(0xff, |(_, value)| *value)
            }
        }
    }

    fn read0(&mut self, number: u16) -> u8 {
        match number {
            // Local DMA is done before anybody looks.
            read0::CLDA0 => 0,
            read0::CLDA1 => self.curr,
            read0::BNRY => self.bnry,
            read0::TSR => self.tsr,
            // There are no collisions, nor errors on the wire.
            read0::NCR | read0::CNTR0 | read0::CNTR1 => 0,
            read0::FIFO => {
                let at = usize::from(self.fifo_next) % FIFO_BYTES;
                self.fifo_next = self.fifo_next.wrapping_add(1);
                self.fifo[at]
            }
            read0::ISR => self.isr,
            read0::CRDA0 => self.crda.to_le_bytes()[0],
            read0::CRDA1 => self.crda.to_le_bytes()[1],
            read0::ID0 => IDS[0],
            read0::ID1 => IDS[1],
            read0::RSR => self.rsr,
            read0::CNTR2 => std::mem::take(&mut self.cntr2),
            _ => 0xff,
        }
    }

    fn read1(&mut self, number: u16) -> u8 {
        match number {
            page1::PAR0..=page1::PAR5 => self.par[usize::from(number - page1::PAR0)],
            page1::CURR => {
                self.arrival = Arrival::Seen;
                self.curr
            }
            page1::MAR0..=page1::MAR7 => self.mar[usize::from(number - page1::MAR0)],
            _ => 0xff,
        }
    }

    fn read2(&self, number: u16) -> u8 {
        match number {
            write0::PSTART => self.pstart,
            write0::PSTOP => self.pstop,
            write0::TPSR => self.tpsr,
            // Those bits always read as ones.
            write0::RCR => self.rcr | 0xc0,
            write0::TCR => self.tcr | 0xe0,
            write0::DCR => self.dcr | 0x80,
            write0::IMR => self.imr | ISR_RST,
            _ => 0xff,
        }
    }

    /// A write to another register than the command's; `number` is below 16.
    pub(super) fn write(&mut self, number: u16, value: u8) {
        match self.cr >> CR_PAGE_SHIFT {
            0 => self.write0(number, value),
            1 => self.write1(number, value),
            // Page 2 is for the maker's tests, and page 3 for the EEPROM.
            _ => {}
        }
    }

    fn write0(&mut self, number: u16, value: u8) {
        match number {
            write0::PSTART => self.pstart = value,
            write0::PSTOP => self.pstop = value,
            write0::BNRY => {
                self.bnry = value;
                // Set by an overflow, until packets are taken out of the ring.
                if self.is_started() {
                    self.isr &= !ISR_RST;
                }
            }
            write0::TPSR => self.tpsr = value,
            write0::TBCR0 => set_low(&mut self.tbcr, value),
            write0::TBCR1 => set_high(&mut self.tbcr, value),
            write0::ISR => self.acknowledge(value),
            write0::RSAR0 => set_low(&mut self.crda, value),
            write0::RSAR1 => set_high(&mut self.crda, value),
            write0::RBCR0 => set_low(&mut self.rbcr, value),
            write0::RBCR1 => set_high(&mut self.rbcr, value),
            write0::RCR => self.rcr = value & 0x3f,
            write0::TCR => self.tcr = value & 0x1f,
            write0::DCR => self.dcr = value & 0x7f,
            write0::IMR => self.imr = value & !ISR_RST,
            _ => {}
        }
    }

    fn write1(&mut self, number: u16, value: u8) {
        match number {
            page1::PAR0..=page1::PAR5 => self.par[usize::from(number - page1::PAR0)] = value,
            page1::CURR => self.curr = value,
            page1::MAR0..=page1::MAR7 => self.mar[usize::from(number - page1::MAR0)] = value,
            _ => {}
        }
    }

    fn acknowledge(&mut self, bits: u8) {
        let mut cleared = bits & !ISR_RST;
        if cleared & ISR_PRX != 0 && self.arrival == Arrival::Late {
            self.arrival = Arrival::Told;
            cleared &= !ISR_PRX;
        }
        self.isr &= !cleared;
    }

    /// The new command register's page, remote DMA and start or stop, of which neither means as it
    /// was; a transmission under way goes on (data sheet, "Command Register").
    pub(super) fn set_command(&mut self, value: u8) {
        let run = match value & (CR_STP | CR_STA) {
            0 => self.cr & (CR_STP | CR_STA),
            run => run,
        };
        self.cr = value & !(CR_STP | CR_STA | CR_TXP) | run | self.cr & CR_TXP;
        if self.is_started() {
            // An overflow's stays until packets are taken out of the ring.
            if self.isr & ISR_OVW == 0 {
                self.isr &= !ISR_RST;
            }
        } else {
            self.isr |= ISR_RST;
        }
    }

    /// The remote DMA command.
    pub(super) fn remote_command(&self) -> u8 {
        self.cr & CR_RD
    }
}

fn set_low(word: &mut u16, value: u8) {
    *word = *word & 0xff00 | u16::from(value);
}

fn set_high(word: &mut u16, value: u8) {
    *word = *word & 0x00ff | u16::from(value) << 8;
}
