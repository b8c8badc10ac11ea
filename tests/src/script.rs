//! [`Script`]: a guest that does a list of accesses, written in Rust.
//!
//! The guest is an interpreter in 64-bit mode with all of 8 GiB mapped to itself. Each step is
//! three words: which, and two operands. What a step reads is kept until the next read, and
//! [`Script::send`] writes it to the serial port. Memory from [`BUFFER`] on is the script's own.
//!
//! ```text
//!  0x100000 entry, by protocol   0x102000 GDT            0x10e000 entry register, CPUID result, stack
//!  0x101000 interpreter          0x110000 page tables    0x200000 steps    0x400000 BUFFER
//! ```

use crate::kernel::Kernel;
use crate::machine_code;

/// Memory that the script may use; `outs` and `ins` do.
pub const BUFFER: u64 = 0x40_0000;
/// Where the register that the boot protocol fills is kept: start info or zero page.
pub const ENTRY_REGISTER: u64 = 0x10_e000;
/// Where [`Script::cpuid`] leaves eax, ebx, ecx and edx.
pub const CPUID_RESULT: u64 = 0x10_e020;

const INTERPRETER: u64 = 0x10_1000;
const GDT: u64 = 0x10_2000;
const PAGE_TABLES: u64 = 0x11_0000;
const STEPS: u64 = 0x20_0000;
const STEP_BYTES: u64 = 24;

const SERIAL: u16 = 0x3f8;

machine_code!(
    fn enter_pvh {
        ".code32"
        "mov %ebx, 0x10e000"
        "mov $0x110000, %eax"
        "mov %eax, %cr3"
        "mov $0x20, %eax"
        "mov %eax, %cr4"
        "mov $0xc0000080, %ecx"
        "rdmsr"
        "or $0x100, %eax"
        "wrmsr"
        "lgdt 0x102018"
        "mov %cr0, %eax"
        "or $0x80000000, %eax"
        "mov %eax, %cr0"
        "ljmp $8, $0x101000"
    }
);

machine_code!(
    fn enter_linux64 {
        "mov %rsi, 0x10e000"
        "mov $0x110000, %eax"
        "mov %rax, %cr3"
        "mov $0x101000, %eax"
        "jmp *%rax"
    }
);

/// Numbers of the steps: each handler of [`interpreter`] has 64 bytes, in this order.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Op {
    End,
    Out8,
    Out16,
    Out32,
    In8,
    In16,
    In32,
    Read8,
    Read16,
    Read32,
    Read64,
    Write8,
    Write16,
    Write32,
    Write64,
    Send,
    Print,
    Repeat,
    Wait16,
    In8Until,
    ReadUntil,
    Cpuid,
    Outs,
    Ins,
    InvalidOpcode,
    Popcnt,
    Halt,
    Spin,
    Call,
}

machine_code!(
    fn interpreter {
        "mov $0x10f000, %esp"
        "mov $0x200000, %edi"
        "1: mov (%rdi), %rax"
        "mov 8(%rdi), %rsi"
        "mov 16(%rdi), %rbx"
        "add $24, %rdi"
        "shl $6, %eax"
        "add $0x101040, %eax"
        "jmp *%rax"
        // End
        ".balign 64"
        "mov %esi, %eax"
        "mov $0x501, %edx"
        "out %al, %dx"
        "2: cli"
        "hlt"
        "jmp 2b"
        // Out8, Out16, Out32
        ".balign 64"
        "mov %ebx, %eax"
        "mov %esi, %edx"
        "out %al, %dx"
        "jmp 1b"
        ".balign 64"
        "mov %ebx, %eax"
        "mov %esi, %edx"
        "out %ax, %dx"
        "jmp 1b"
        ".balign 64"
        "mov %ebx, %eax"
        "mov %esi, %edx"
        "out %eax, %dx"
        "jmp 1b"
        // In8, In16, In32
        ".balign 64"
        "mov %esi, %edx"
        "in %dx, %al"
        "movzbl %al, %r15d"
        "jmp 1b"
        ".balign 64"
        "mov %esi, %edx"
        "in %dx, %ax"
        "movzwl %ax, %r15d"
        "jmp 1b"
        ".balign 64"
        "mov %esi, %edx"
        "in %dx, %eax"
        "mov %eax, %r15d"
        "jmp 1b"
        // Read8, Read16, Read32, Read64
        ".balign 64"
        "movzbl (%rsi), %r15d"
        "jmp 1b"
        ".balign 64"
        "movzwl (%rsi), %r15d"
        "jmp 1b"
        ".balign 64"
        "mov (%rsi), %r15d"
        "jmp 1b"
        ".balign 64"
        "mov (%rsi), %r15"
        "jmp 1b"
        // Write8, Write16, Write32, Write64
        ".balign 64"
        "mov %bl, (%rsi)"
        "jmp 1b"
        ".balign 64"
        "mov %bx, (%rsi)"
        "jmp 1b"
        ".balign 64"
        "mov %ebx, (%rsi)"
        "jmp 1b"
        ".balign 64"
        "mov %rbx, (%rsi)"
        "jmp 1b"
        // Send
        ".balign 64"
        "mov $0x3f8, %edx"
        "mov %r15, %rax"
        "2: out %al, %dx"
        "shr $8, %rax"
        "dec %esi"
        "jnz 2b"
        "jmp 1b"
        // Print
        ".balign 64"
        "mov $0x3f8, %edx"
        "mov %ebx, %ecx"
        "cld"
        "rep outsb"
        "jmp 1b"
        // Repeat: the first operand counts down
        ".balign 64"
        "decq -16(%rdi)"
        "jz 1b"
        "sub %rbx, %rdi"
        "jmp 1b"
        // Wait16
        ".balign 64"
        "2: cmp %bx, (%rsi)"
        "jne 2b"
        "jmp 1b"
        // In8Until, ReadUntil
        ".balign 64"
        "mov %esi, %edx"
        "2: in %dx, %al"
        "movzbl %al, %r15d"
        "test %bl, %al"
        "jz 2b"
        "jmp 1b"
        ".balign 64"
        "2: mov (%rsi), %r15d"
        "test %ebx, %r15d"
        "jz 2b"
        "jmp 1b"
        // Cpuid
        ".balign 64"
        "mov %esi, %eax"
        "mov %ebx, %ecx"
        "cpuid"
        "mov %eax, 0x10e020"
        "mov %ebx, 0x10e024"
        "mov %ecx, 0x10e028"
        "mov %edx, 0x10e02c"
        "jmp 1b"
        // Outs, Ins
        ".balign 64"
        "mov %esi, %edx"
        "mov %ebx, %ecx"
        "mov $0x400000, %esi"
        "rep outsb"
        "jmp 1b"
        ".balign 64"
        "mov %esi, %edx"
        "mov %ebx, %ecx"
        "mov %rdi, %r14"
        "mov $0x400000, %edi"
        "rep insb"
        "mov %r14, %rdi"
        "jmp 1b"
        // InvalidOpcode, without an IDT
        ".balign 64"
        "ud2"
        // Popcnt
        ".balign 64"
        "popcnt %rax, %rax"
        "jmp 1b"
        // Halt
        ".balign 64"
        "2: cli"
        "hlt"
        "jmp 2b"
        // Spin
        ".balign 64"
        "2: jmp 2b"
        // Call
        ".balign 64"
        "call *%rsi"
        "jmp 1b"
    }
);

/// A list of steps. It ends by itself with a power-off.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Vec<[u64; 3]>,
    memory: Vec<(u64, Vec<u8>)>,
}

impl Script {
    /// No steps yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps there are: what [`Script::repeat`] goes back by.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    fn step(mut self, op: Op, a: u64, b: u64) -> Self {
        self.steps.push([op as u64, a, b]);
        self
    }

    /// `out` of a byte.
    pub fn out8(self, port: u16, value: u8) -> Self {
        self.step(Op::Out8, port.into(), value.into())
    }

    /// `out` of a word.
    pub fn out16(self, port: u16, value: u16) -> Self {
        self.step(Op::Out16, port.into(), value.into())
    }

    /// `out` of a dword.
    pub fn out32(self, port: u16, value: u32) -> Self {
        self.step(Op::Out32, port.into(), value.into())
    }

    /// `in` of a byte.
    pub fn in8(self, port: u16) -> Self {
        self.step(Op::In8, port.into(), 0)
    }

    /// `in` of a word.
    pub fn in16(self, port: u16) -> Self {
        self.step(Op::In16, port.into(), 0)
    }

    /// `in` of a dword.
    pub fn in32(self, port: u16) -> Self {
        self.step(Op::In32, port.into(), 0)
    }

    /// A load of `width` bytes: 1, 2, 4 or 8.
    pub fn read(self, width: usize, address: u64) -> Self {
        let op = [Op::Read8, Op::Read16, Op::Read32, Op::Read64];
        self.step(op[width.ilog2() as usize], address, 0)
    }

    /// A store of `width` bytes: 1, 2, 4 or 8.
    pub fn write(self, width: usize, address: u64, value: u64) -> Self {
        let op = [Op::Write8, Op::Write16, Op::Write32, Op::Write64];
        self.step(op[width.ilog2() as usize], address, value)
    }

    /// Writes the low bytes of what was read last to the serial port.
    pub fn send(self, bytes: u64) -> Self {
        self.step(Op::Send, bytes, 0)
    }

    /// Writes memory to the serial port.
    pub fn print(self, address: u64, bytes: u64) -> Self {
        self.step(Op::Print, address, bytes)
    }

    /// Writes a text to the serial port, a port write a byte.
    pub fn say(self, text: &str) -> Self {
        text.bytes()
            .fold(self, |script, byte| script.out8(SERIAL, byte))
    }

    /// Does the last `steps` steps `times` times in all.
    pub fn repeat(self, steps: usize, times: u64) -> Self {
        // The step itself counts, too.
        let back = (steps as u64 + 1) * STEP_BYTES;
        self.step(Op::Repeat, times, back)
    }

    /// Waits until the word at an address has that value.
    pub fn wait16(self, address: u64, value: u16) -> Self {
        self.step(Op::Wait16, address, value.into())
    }

    /// `in` of a byte, again and again until one of these bits is set.
    pub fn in8_until(self, port: u16, bits: u8) -> Self {
        self.step(Op::In8Until, port.into(), bits.into())
    }

    /// A load of a dword, again and again until one of these bits is set.
    pub fn read_until(self, address: u64, bits: u32) -> Self {
        self.step(Op::ReadUntil, address, bits.into())
    }

    /// CPUID, its result at [`CPUID_RESULT`].
    pub fn cpuid(self, leaf: u32, subleaf: u32) -> Self {
        self.step(Op::Cpuid, leaf.into(), subleaf.into())
    }

    /// `rep outsb` of so many bytes from [`BUFFER`].
    pub fn outs(self, port: u16, bytes: u32) -> Self {
        self.step(Op::Outs, port.into(), bytes.into())
    }

    /// `rep insb` of so many bytes to [`BUFFER`].
    pub fn ins(self, port: u16, bytes: u32) -> Self {
        self.step(Op::Ins, port.into(), bytes.into())
    }

    /// Crashes: an exception that nothing handles.
    pub fn invalid_opcode(self) -> Self {
        self.step(Op::InvalidOpcode, 0, 0)
    }

    /// `popcnt`, which software KVM does not emulate.
    pub fn popcnt(self) -> Self {
        self.step(Op::Popcnt, 0, 0)
    }

    /// Halts for ever.
    pub fn halt(self) -> Self {
        self.step(Op::Halt, 0, 0)
    }

    /// Spins for ever.
    pub fn spin(self) -> Self {
        self.step(Op::Spin, 0, 0)
    }

    /// Calls machine code at `address`, which keeps rdi as it is and returns.
    pub fn call(self, address: u64, code: &[u8]) -> Self {
        self.memory(address, code).step(Op::Call, address, 0)
    }

    /// Ends with a byte to the debug-exit port.
    pub fn end(self, code: u8) -> Self {
        self.step(Op::End, code.into(), 0)
    }

    /// Bytes that are in memory from the start.
    pub fn memory(mut self, address: u64, bytes: &[u8]) -> Self {
        self.memory.push((address, bytes.to_vec()));
        self
    }

    /// The kernel, to start by PVH.
    pub fn pvh(&self) -> Kernel {
        self.kernel(Kernel::pvh(enter_pvh()))
    }

    /// The kernel, to start by Linux's 64-bit protocol.
    pub fn linux64(&self) -> Kernel {
        self.kernel(Kernel::linux64(enter_linux64()))
    }

    fn kernel(&self, kernel: Kernel) -> Kernel {
        let end = [[Op::End as u64, 0, 0]];
        let steps = self.steps.iter().chain(&end).flatten();
        let steps: Vec<u8> = steps.flat_map(|word| word.to_le_bytes()).collect();
        let kernel = kernel
            .data(INTERPRETER, interpreter())
            .data(GDT, &gdt())
            .data(PAGE_TABLES, &page_tables())
            .data(ENTRY_REGISTER, &[0; 64])
            .data(STEPS, &steps);
        let memory = self.memory.iter();
        memory.fold(kernel, |kernel, (at, bytes)| kernel.data(*at, bytes))
    }
}

/// Null, 64-bit code, data; then the operand of `lgdt`.
fn gdt() -> Vec<u8> {
    let entries = [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff];
    let limit = 3 * 8 - 1_u16;
    let operand = [&limit.to_le_bytes()[..], &GDT.to_le_bytes()].concat();
    [entries.map(u64::to_le_bytes).concat(), operand].concat()
}

/// 8 GiB mapped to themselves by pages of 2 MiB.
fn page_tables() -> Vec<u8> {
    const GIGABYTES: u64 = 8;
    const PRESENT_WRITABLE: u64 = 3;
    const LARGE: u64 = 0x80;
    let table = |first: u64, step: u64, count: u64| {
        let used = (0..count).map(move |i| first + i * step);
        used.chain(std::iter::repeat(0)).take(512)
    };
    let pml4 = table(PAGE_TABLES + 0x1000 + PRESENT_WRITABLE, 0, 1);
    let pdpt = table(PAGE_TABLES + 0x2000 + PRESENT_WRITABLE, 0x1000, GIGABYTES);
    let pages = (0..GIGABYTES * 512).map(|i| (i << 21) + LARGE + PRESENT_WRITABLE);
    let entries = pml4.chain(pdpt).chain(pages);
    entries.flat_map(u64::to_le_bytes).collect()
}
