//! Entry point of a program, its arguments, and what happens when it panics.
#![expect(
    unsafe_code,
    reason = "the kernel enters here with raw registers; the entry symbol has a fixed name"
)]

use crate::file::{STDERR, TextBuffer};
use crate::sys;
use core::arch::naked_asm;
use core::fmt::Write as _;
use core::panic::PanicInfo;

/// Code that a program exits with when it has panicked.
pub const PANICKED: i32 = 101;

/// One argument as the kernel lays it out on the new stack.
#[repr(C)]
struct RawArg {
    ptr: *const u8,
    len: usize,
}

const _: () = assert!(size_of::<RawArg>() == 16);

/// The arguments of this program; number 0 is its path.
#[derive(Clone, Copy)]
pub struct Args {
    raw: &'static [RawArg],
}

impl Args {
    /// Argument `index`, if there is one and it is UTF-8.
    pub fn get(&self, index: usize) -> Option<&'static str> {
        let arg = self.raw.get(index)?;
        // SAFETY: the kernel has put `len` bytes at `ptr`, above the stack, where nothing ever
        // writes again; they live as long as the program.
        let bytes = unsafe { core::slice::from_raw_parts(arg.ptr, arg.len) };
        core::str::from_utf8(bytes).ok()
    }

    /// How many there are, the path included.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there is not even a path.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}

/// Declares `fn(Args) -> i32` as what the program runs; the result is its exit code.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        // SAFETY: the name belongs to the runtime, and a program has one `program!`.
        #[unsafe(no_mangle)]
        fn user_program_main(args: $crate::start::Args) -> i32 {
            $main(args)
        }
    };
}

// SAFETY: `program!` defines it with this very signature.
unsafe extern "Rust" {
    safe fn user_program_main(args: Args) -> i32;
}

/// Where the kernel enters a program: rdi holds the number of arguments, rsi points to them.
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    naked_asm!(
        "xor ebp, ebp", // ends a backtrace
        "and rsp, -16",
        "call {enter}",
        "ud2",
        enter = sym enter,
    )
}

extern "C" fn enter(count: usize, args: *const RawArg) -> ! {
    // SAFETY: by the ABI with the kernel `args` points to `count` entries, which stay.
    let raw = unsafe { core::slice::from_raw_parts(args, count) };
    sys::exit(user_program_main(Args { raw }))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut text = TextBuffer::<256>::new();
    // A message longer than the buffer is cut off, which is all that can fail.
    let cut = writeln!(text, "{info}").is_err();
    let _ = STDERR.write(text.as_bytes());
    if cut {
        let _ = STDERR.write(b"...\n");
    }
    sys::exit(PANICKED)
}
