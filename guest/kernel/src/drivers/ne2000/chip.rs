//! [`Chip`]: the card's registers, and what takes several accesses to them.

use super::registers::{
    COMMAND, DATA, INTERRUPT_STATUS, PROM_BYTES, PROM_WORD_WIDE, RECEIVE_BROADCAST,
    RECEIVE_MONITOR, RESET, TRANSMIT_LOOPBACK, TRANSMIT_NORMAL, WORDS, command, interrupt, page0,
    page1,
};
use super::ring::{self, Ring};
use crate::arch::port::{inb, outb, rep_insw};
use crate::drivers::net::card::{Broken, is_station};
use crate::drivers::poll_for;
use crate::sync::SpinLock;

/// What takes the card microseconds has failed after so long.
const STEP_TIMEOUT_NS: u64 = 100_000_000;
/// The longest that a packet under way keeps the card from stopping (DP8390D, "Buffer Ring
/// Overflow").
const STOP_NS: u64 = 1_600_000;

/// The card's ports.
pub(super) struct Chip {
    base: u16,
    /// Causes that interrupt. Locked while page 1 is selected, where the mask is another register.
    mask: SpinLock<u8>,
}

/// The receiver is stopped, as its ring has had no room.
pub(super) struct Overrun {
    /// A transmission has been given up with it.
    resend: bool,
}

impl Chip {
    pub(super) fn new(base: u16) -> Self {
        Self {
            base,
            mask: SpinLock::new(0),
        }
    }

    /// Port of the data of remote DMA.
    pub(super) fn data(&self) -> u16 {
        self.base + DATA
    }

    fn read(&self, register: u16) -> u8 {
        inb(self.base + register)
    }

    pub(super) fn write(&self, register: u16, value: u8) {
        outb(self.base + register, value);
    }

    /// Writes the low and the high byte of a word.
    fn write_word(&self, register: u16, value: u16) {
        let [low, high] = value.to_le_bytes();
        self.write(register, low);
        self.write(register + 1, high);
    }

    /// Writes the command register of a card that runs.
    pub(super) fn command(&self, bits: u8) {
        self.write(COMMAND, command::START | bits);
    }

    /// Interrupt status of a card that is there.
    pub(super) fn status(&self) -> Result<u8, Broken> {
        match self.read(INTERRUPT_STATUS) {
            interrupt::ABSENT => Err(Broken),
            status => Ok(status),
        }
    }

    /// Forgets those causes of interrupts.
    pub(super) fn acknowledge(&self, causes: u8) {
        self.write(INTERRUPT_STATUS, causes);
    }

    /// Lets those causes interrupt, too.
    pub(super) fn unmask(&self, causes: u8) {
        let mut mask = self.mask.lock();
        *mask |= causes;
        self.write(page0::INTERRUPT_MASK, *mask);
    }

    /// Lets nothing interrupt; whether anything could.
    pub(super) fn mask(&self) -> bool {
        let mut mask = self.mask.lock();
        let was = *mask != 0;
        if was {
            *mask = 0;
            self.write(page0::INTERRUPT_MASK, 0);
        }
        was
    }

    /// The page to which the next packet goes.
    pub(super) fn current_page(&self) -> u8 {
        let _page = self.mask.lock();
        self.command(command::REMOTE_ABORT | command::PAGE_1);
        let current = self.read(page1::CURRENT);
        self.command(command::REMOTE_ABORT);
        current
    }

    /// Begins to move words from or to the card's memory.
    pub(super) fn begin_remote(&self, command: u8, address: u16, bytes: u16) {
        self.write_word(page0::REMOTE_ADDRESS, address);
        self.write_word(page0::REMOTE_BYTES, bytes);
        self.command(command);
    }

    /// Waits until the words that were written are in the card's memory; its interrupt status.
    pub(super) fn finish_remote_write(&self) -> Result<u8, Broken> {
        let mut status = Ok(0);
        let done = || {
            status = self.status();
            status.is_ok_and(|status| status & interrupt::REMOTE_DONE != 0)
        };
        match poll_for(STEP_TIMEOUT_NS, done) {
            true => status,
            false => Err(Broken),
        }
    }

    /// Transmits the frame at that page.
    pub(super) fn transmit(&self, page: u8, bytes: u16) {
        self.acknowledge(interrupt::TRANSMITTED | interrupt::TRANSMIT_ERROR);
        self.write(page0::TRANSMIT_PAGE, page);
        self.write_word(page0::TRANSMIT_BYTES, bytes);
        self.command(command::REMOTE_ABORT | command::TRANSMIT);
    }

    /// Resets the card and starts it with an empty ring, without interrupts; its address.
    pub(super) fn start(&self) -> Result<[u8; 6], Broken> {
        self.reset()?;
        let address = self.read_address()?;
        self.write(page0::START, ring::FIRST);
        self.write(page0::STOP, ring::END);
        self.write(page0::BOUNDARY, Ring::new().boundary());
        self.acknowledge(0xff);
        self.write(
            COMMAND,
            command::STOP | command::REMOTE_ABORT | command::PAGE_1,
        );
        for (register, byte) in (page1::ADDRESS..).zip(address) {
            self.write(register, byte);
        }
        for register in (page1::MULTICAST..).take(8) {
            self.write(register, 0);
        }
        self.write(page1::CURRENT, Ring::new().next());
        self.command(command::REMOTE_ABORT);
        self.write(page0::TRANSMIT_CONFIG, TRANSMIT_NORMAL);
        self.write(page0::RECEIVE_CONFIG, RECEIVE_BROADCAST);
        Ok(address)
    }

    /// Ends what the card does; it is stopped then, and page 0 selected.
    pub(super) fn reset(&self) -> Result<(), Broken> {
        let value = self.read(RESET);
        self.write(RESET, value);
        let is_reset = self.wait_until_stopped(STEP_TIMEOUT_NS);
        self.write(COMMAND, command::STOP | command::REMOTE_ABORT);
        self.write(page0::INTERRUPT_MASK, 0);
        match is_reset && self.read(COMMAND) == command::STOP | command::REMOTE_ABORT {
            true => Ok(()),
            false => Err(Broken),
        }
    }

    fn wait_until_stopped(&self, timeout_ns: u64) -> bool {
        let is_stopped = || self.read(INTERRUPT_STATUS) & interrupt::RESET != 0;
        poll_for(timeout_ns, is_stopped)
    }

    /// Reads the PROM, with nothing from the wire in between.
    fn read_address(&self) -> Result<[u8; 6], Broken> {
        self.write(page0::DATA_CONFIG, WORDS);
        self.write_word(page0::REMOTE_BYTES, 0);
        self.write(page0::RECEIVE_CONFIG, RECEIVE_MONITOR);
        self.write(page0::TRANSMIT_CONFIG, TRANSMIT_LOOPBACK);
        self.begin_remote(command::REMOTE_READ, 0, PROM_BYTES as u16);
        let mut prom = [0; PROM_BYTES];
        rep_insw(self.data(), &mut prom);
        self.write(COMMAND, command::STOP | command::REMOTE_ABORT);
        address(&prom).ok_or(Broken)
    }

    /// Stops the receiver for an overrun, as long as it takes (DP8390D, "Buffer Ring Overflow").
    pub(super) fn begin_overrun(&self) -> Overrun {
        let transmits = self.read(COMMAND) & command::TRANSMIT != 0;
        self.write(COMMAND, command::STOP | command::REMOTE_ABORT);
        // A card that transmits may not say that it has stopped.
        self.wait_until_stopped(STOP_NS);
        self.write_word(page0::REMOTE_BYTES, 0);
        let ended = interrupt::TRANSMITTED | interrupt::TRANSMIT_ERROR;
        let has_ended = self.read(INTERRUPT_STATUS) & ended != 0;
        self.write(page0::TRANSMIT_CONFIG, TRANSMIT_LOOPBACK);
        self.command(command::REMOTE_ABORT);
        Overrun {
            resend: transmits && !has_ended,
        }
    }

    /// Receives again, now that the ring has room.
    pub(super) fn end_overrun(&self, overrun: &Overrun) {
        self.acknowledge(interrupt::OVERWRITE);
        self.write(page0::TRANSMIT_CONFIG, TRANSMIT_NORMAL);
        if overrun.resend {
            self.command(command::REMOTE_ABORT | command::TRANSMIT);
        }
    }
}

/// The station's address in a PROM of a card that is read by words.
fn address(prom: &[u8; PROM_BYTES]) -> Option<[u8; 6]> {
    let byte = |at: usize| prom[2 * at];
    let is_word_wide = [14, 15].iter().all(|at| byte(*at) == PROM_WORD_WIDE);
    let address = core::array::from_fn(byte);
    (is_word_wide && is_station(address)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

    fn prom(address: [u8; 6], kind: u8) -> [u8; PROM_BYTES] {
        let mut prom = [0; PROM_BYTES];
        for (pair, byte) in prom.chunks_exact_mut(2).zip(address) {
            pair.fill(byte);
        }
        prom[28..].fill(kind);
        prom
    }

    #[test]
    fn the_prom_has_each_byte_twice() {
        assert_eq!(address(&prom(ADDRESS, PROM_WORD_WIDE)), Some(ADDRESS));
    }

    #[test]
    fn a_prom_that_says_nonsense_has_no_address() {
        assert_eq!(address(&prom(ADDRESS, 0x42)), None, "read by bytes");
        assert_eq!(address(&[0xff; PROM_BYTES]), None, "nobody there");
        assert_eq!(address(&prom([0; 6], PROM_WORD_WIDE)), None);
    }
}
