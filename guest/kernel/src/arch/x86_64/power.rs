//! Ways to end the machine.

use abi::port::DEBUG_EXIT;

use core::arch::asm;
use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

use super::port::outb;

/// Command register of the keyboard controller.
const I8042_COMMAND: u16 = 0x64;
/// Pulses the reset line.
const I8042_RESET: u8 = 0xfe;

/// Ends the machine with `code`: through Hostel's port, where there is none by the keyboard
/// controller's reset, and where there is neither by a triple fault, which resets any PC.
pub fn end(code: u8) -> ! {
    outb(DEBUG_EXIT, code);
    outb(I8042_COMMAND, I8042_RESET);
    let nothing = DescriptorTablePointer {
        limit: 0,
        base: VirtAddr::zero(),
    };
    // SAFETY: no exception is to be handled any more.
    unsafe {
        lidt(&nothing);
        asm!("ud2", options(noreturn));
    }
}
