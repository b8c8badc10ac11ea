//! The end of a kernel that cannot go on: a record with registers and a backtrace, the other
//! processors stopped, the machine ended.

use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::port::Exit;
use abi::record::{Metric, Record};

use crate::arch::trap::TrapFrame;
use crate::arch::{apic, backtrace, cpu, cpu_id, power};
use crate::console;
use crate::sync::SpinLock;

/// Most return addresses that are looked for.
const MOST_FRAMES: usize = 24;

/// 0, or the number plus one of the processor that panics.
static UNDER_WAY: AtomicU32 = AtomicU32::new(0);

/// Whether some processor panics, so that the others have to stop.
pub fn is_under_way() -> bool {
    UNDER_WAY.load(Ordering::Relaxed) != 0
}

/// Ends the machine if this processor panics: one that it has stopped has what it waits for.
pub fn end_if_under_way() {
    if UNDER_WAY.load(Ordering::Relaxed) == cpu_id() + 1 {
        power::end(Exit::Panic as u8);
    }
}

/// A panic of Rust code.
pub fn rust_panic(info: &PanicInfo<'_>) -> ! {
    let here = backtrace::frame_pointer();
    end(
        &message(format_args!("{info}")),
        &[("rbp", here)],
        None,
        here,
    )
}

/// A fault in ring 0; `fault_address` counts for a page fault only.
pub fn kernel_fault(frame: &TrapFrame, fault_address: u64) -> ! {
    let TrapFrame {
        rax,
        rbx,
        rcx,
        rdx,
        rsi,
        rdi,
        rbp,
        rsp,
        ..
    } = *frame;
    let TrapFrame {
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        ..
    } = *frame;
    let registers = [
        ("rip", frame.rip),
        ("rsp", rsp),
        ("rflags", frame.rflags),
        ("error", frame.error),
        ("cr2", fault_address),
        ("rax", rax),
        ("rbx", rbx),
        ("rcx", rcx),
        ("rdx", rdx),
        ("rsi", rsi),
        ("rdi", rdi),
        ("rbp", rbp),
        ("r8", r8),
        ("r9", r9),
        ("r10", r10),
        ("r11", r11),
        ("r12", r12),
        ("r13", r13),
        ("r14", r14),
        ("r15", r15),
    ];
    end(
        &message(format_args!("exception {} in the kernel", frame.vector)),
        &registers,
        Some(frame.rip),
        rbp,
    )
}

/// Tells `message` and `registers`; the backtrace is `innermost`, then what is found from
/// `frame_pointer` up.
fn end(
    message: &Message,
    registers: &[Metric<'_>],
    innermost: Option<u64>,
    frame_pointer: u64,
) -> ! {
    let me = cpu_id() + 1;
    match UNDER_WAY.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => {}
        // A panic within the panic: no more can be told.
        Err(panicking) if panicking == me => power::end(Exit::Panic as u8),
        // Another processor tells.
        Err(_) => cpu::stop(),
    }
    apic::send_nmi_to_others();
    let mut addresses = [0; MOST_FRAMES];
    let known = innermost.iter().len();
    addresses[0] = innermost.unwrap_or_default();
    let found = backtrace::walk(frame_pointer, &mut addresses[known..]);
    let cpu = u64::from(cpu_id());
    let record = Record::Panic {
        message: message.as_str(),
        cpu,
        registers,
        backtrace: &addresses[..known + found],
    };
    // The lock is free: this is the only processor that comes here, and it comes once.
    if let Some(mut text) = RECORD.try_lock() {
        let _ = write!(text, "{record}");
        console::write_at_once(text.as_bytes());
    }
    power::end(Exit::Panic as u8)
}

/// Room for a record with all registers and as many return addresses as are looked for.
const RECORD_BYTES: usize = 4096;

/// The record is put together here and not on the stack, of which little may be left.
static RECORD: SpinLock<Text<RECORD_BYTES>> = SpinLock::new(Text::new());

/// What has happened, in words.
type Message = Text<256>;

fn message(words: core::fmt::Arguments<'_>) -> Message {
    let mut text = Text::new();
    // What does not fit is left out.
    let _ = text.write_fmt(words);
    text
}

/// Text of limited length.
struct Text<const BYTES: usize> {
    bytes: [u8; BYTES],
    len: usize,
}

impl<const BYTES: usize> Text<BYTES> {
    const fn new() -> Self {
        Self {
            bytes: [0; BYTES],
            len: 0,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("a message that is not text")
    }
}

impl<const BYTES: usize> Write for Text<BYTES> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for character in text.chars() {
            let end = self.len + character.len_utf8();
            let space = self.bytes.get_mut(self.len..end).ok_or(core::fmt::Error)?;
            character.encode_utf8(space);
            self.len = end;
        }
        Ok(())
    }
}
