//! Kernel stacks, and the processor's number at the top of each.
//!
//! ```text
//!  +0x0000  guard page, not mapped
//!  +0x1000  stack, 12 KiB, grows down to the guard
//!  +0x3ff8  number of the processor that is on this stack
//!  +0x4000  end
//! ```
//! A stack is [`STACK_ALIGN`] bytes long and aligned to as much, so the stack pointer alone says
//! which processor this is; neither `swapgs` nor the GS base is needed, and ring 3 owns them.

/// Size and alignment in bytes of a stack with its guard page.
pub const STACK_ALIGN: u64 = 0x4000;
/// Size in bytes of the guard page.
pub const GUARD_BYTES: u64 = 0x1000;

/// A kernel stack, named by its first address (of the guard page).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack(u64);

impl Stack {
    /// The stack at `base`.
    ///
    /// # Safety
    /// `[base + GUARD_BYTES, base + STACK_ALIGN)` must be mapped, used as a stack only, and stay
    /// so for ever.
    ///
    /// # Panics
    /// If `base` is not aligned to [`STACK_ALIGN`].
    pub unsafe fn new(base: u64) -> Self {
        assert!(
            base.is_multiple_of(STACK_ALIGN),
            "a stack is aligned to its size"
        );
        Self(base)
    }

    /// Where its first word is pushed below; 16-byte aligned.
    pub fn top(self) -> u64 {
        self.0 + STACK_ALIGN - 16
    }

    /// Says which processor is on it from now on.
    pub fn set_cpu(self, cpu: u32) {
        // SAFETY: `new` asked for a mapped stack, whose last word nothing else uses.
        unsafe { ((self.0 + STACK_ALIGN - 8) as *mut u64).write(u64::from(cpu)) };
    }

    /// Whether `address` is in the part of a stack that is mapped.
    pub fn contains(self, address: u64) -> bool {
        (self.0 + GUARD_BYTES..self.0 + STACK_ALIGN).contains(&address)
    }

    /// The stack that this code runs on.
    pub fn current() -> Self {
        Self(stack_pointer() & !(STACK_ALIGN - 1))
    }
}

/// Number of the processor that this code runs on.
#[inline]
pub fn cpu_id() -> u32 {
    #[cfg(feature = "image")]
    {
        // SAFETY: every stack of the image is laid out as the module's head says.
        unsafe { (((stack_pointer() | (STACK_ALIGN - 1)) - 7) as *const u32).read_volatile() }
    }
    #[cfg(not(feature = "image"))]
    0
}

fn stack_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags))
    };
    pointer
}
