//! Ways to end the machine.

use abi::port::DEBUG_EXIT;

use super::cpu;
use super::port::outb;

/// Command register of the keyboard controller.
const I8042_COMMAND: u16 = 0x64;
/// Pulses the reset line.
const I8042_RESET: u8 = 0xfe;

/// Ends the machine with `code`: through Hostel's port, where there is none by a reset, and
/// where there is neither by halting.
pub fn end(code: u8) -> ! {
    outb(DEBUG_EXIT, code);
    outb(I8042_COMMAND, I8042_RESET);
    cpu::stop()
}
