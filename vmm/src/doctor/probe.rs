//! Measurements in a throw-away VM: what an instruction and an exit cost here.
//!
//! Each experiment is a few bytes of 32-bit code without paging, run for a known number of
//! instructions or exits. Of a loop the shortest try counts, of exits the median round.

use crate::kvm::{Chips, CpuMode, CpuStart, Kvm, Vcpu, VcpuError, Vm, VmError, VmExit};
use crate::memory::{self, MIN, MemoryError};
use std::io;
use std::time::Instant;
use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::eventfd::EventFd;

/// What executes the guest's ring 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KvmKind {
    /// The processor.
    Hardware,
    /// KVM's instruction emulator.
    Software,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sources say it")]
pub enum ProbeError {
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Vm(#[from] VmError),
    #[error(transparent)]
    Vcpu(#[from] VcpuError),
    #[error("the probe's guest did something else than asked: {0}")]
    Guest(String),
    #[error("an event for the probe")]
    Event(#[from] io::Error),
}

/// What was measured.
pub struct Probe {
    kind: KvmKind,
    /// Time of a ring-0 instruction.
    pub ring0_instruction_ns: f64,
    /// Time from one exit of a kind to the next, userspace doing nothing.
    pub exit_costs_ns: Vec<(&'static str, u64)>,
}

/// Slower than this, an instruction is interpreted. Emulated hardware needs about 10 ns.
const INTERPRETED_NS: f64 = 100.0;
/// KVM's own count of instructions that it has interpreted.
const INTERPRETED: &str = "insn_emulation";

/// Where the code goes.
const CODE: u64 = 0x10_0000;
/// Iterations of the loop that is timed to tell the kind: 2 instructions each.
const LOOPS: u32 = 1000;
/// A processor runs so many more in that time.
const NATIVE_FACTOR: u32 = 100;
const SHORT_LOOPS: u32 = 100;
/// Times that a loop is timed, of which the shortest counts.
const TRIES: usize = 3;
/// Exits of one round.
const EXITS: u32 = 200;
/// Rounds, of which the median counts.
const ROUNDS: usize = 5;
/// A port that exits.
const PORT: u8 = 0x10;
/// A port that is connected to an event in the kernel.
const EVENT_PORT: u8 = 0x11;

impl Probe {
    /// Finds out the kind only: a few milliseconds on software KVM.
    pub fn kind_only(kvm: &Kvm) -> Result<Self, ProbeError> {
        let mut bench = Bench::new(kvm)?;
        let before = bench.interpreted();
        let ring0_instruction_ns = bench.ring0_instruction_ns()?;
        let interprets = match before.zip(bench.interpreted()) {
            // More than the few exits of it all.
            Some((before, after)) => after.wrapping_sub(before) >= LOOPS.into(),
            None => ring0_instruction_ns > INTERPRETED_NS,
        };
        Ok(Self {
            kind: match interprets {
                true => KvmKind::Software,
                false => KvmKind::Hardware,
            },
            ring0_instruction_ns,
            exit_costs_ns: Vec::new(),
        })
    }

    /// Measures everything.
    pub fn measure(kvm: &Kvm) -> Result<Self, ProbeError> {
        let mut this = Self::kind_only(kvm)?;
        for (name, code) in EXIT_CODES {
            let mut bench = Bench::new(kvm)?;
            this.exit_costs_ns.push((name, bench.exit_ns(code)?));
        }
        this.exit_costs_ns
            .push(("ioeventfd, in the kernel", Bench::new(kvm)?.ioeventfd_ns()?));
        Ok(this)
    }

    /// What executes ring 0: by KVM's count where it has one, or else by the time that it takes,
    /// which is longer, too, on a host that is busy.
    pub fn kind(&self) -> KvmKind {
        self.kind
    }
}

/// Code that exits for ever, one way each; `jmp` closes the loop.
const EXIT_CODES: [(&str, &[u8]); 5] = [
    // out 0x10, al
    ("port write", &[0xe6, PORT, 0xeb, 0xfc]),
    // in al, 0x10
    ("port read", &[0xe4, PORT, 0xeb, 0xfc]),
    // mov [0xd0000000], eax
    ("memory write", &[0xa3, 0, 0, 0, 0xd0, 0xeb, 0xf9]),
    // mov eax, [0xd0000000]
    ("memory read", &[0xa1, 0, 0, 0, 0xd0, 0xeb, 0xf9]),
    // hlt
    ("halt, no LAPIC", &[0xf4, 0xeb, 0xfd]),
];

/// A VM with one vCPU and no chips.
struct Bench {
    vcpu: Vcpu,
    vm: Vm,
}

impl Bench {
    fn new(kvm: &Kvm) -> Result<Self, ProbeError> {
        let vm = Vm::new(kvm, memory::create(MIN)?, Chips::None)?;
        let vcpu = vm.create_vcpu(0, 1)?;
        vcpu.set_up(None)?;
        Ok(Self { vcpu, vm })
    }

    /// Instructions that KVM has interpreted so far, if it counts them.
    fn interpreted(&self) -> Option<u64> {
        let counters = self.vcpu.kernel_counters().ok()?;
        let mut counts = counters.read();
        counts.find_map(|(name, count)| (name == INTERPRETED).then_some(count))
    }

    fn load(&self, code: &[u8]) -> Result<(), ProbeError> {
        let write = self.vm.memory().write_slice(code, GuestAddress(CODE));
        write.expect("the least memory reaches beyond 1 MiB");
        let mode = CpuMode::Pvh { start_info: 0 };
        Ok(self.vcpu.start_at(CpuStart { mode, entry: CODE })?)
    }

    /// Runs to the next exit, which is to be none of those that end a VM.
    fn next_exit(&mut self) -> Result<(), ProbeError> {
        loop {
            match self.vcpu.run(|_, _| ())? {
                VmExit::Interrupted => {}
                VmExit::PioWrite { .. }
                | VmExit::PioRead { .. }
                | VmExit::MmioWrite { .. }
                | VmExit::MmioRead { .. }
                | VmExit::Halted => return Ok(()),
                other => return Err(ProbeError::Guest(format!("{other:?}"))),
            }
        }
    }

    /// A loop that is long enough for interpreted code, and if that turns out not to be
    /// interpreted, one that is long enough for a processor.
    fn ring0_instruction_ns(&mut self) -> Result<f64, ProbeError> {
        let interpreted = self.slope_ns(LOOPS)?;
        if interpreted > INTERPRETED_NS {
            return Ok(interpreted);
        }
        self.slope_ns(LOOPS * NATIVE_FACTOR)
    }

    /// The difference of a long loop and a short one, so that the exits at their ends drop out.
    fn slope_ns(&mut self, loops: u32) -> Result<f64, ProbeError> {
        let (long, short) = (
            self.loop_ns(SHORT_LOOPS + loops)?,
            self.loop_ns(SHORT_LOOPS)?,
        );
        Ok(((long - short) / f64::from(2 * loops)).max(0.0))
    }

    /// Time of a loop. A processor that was busy elsewhere looks slow, never fast.
    fn loop_ns(&mut self, loops: u32) -> Result<f64, ProbeError> {
        let [a, b, c, d] = loops.to_le_bytes();
        // out; mov ecx, loops; dec ecx; jnz; out; jmp back
        let code = [
            0xe6, PORT, 0xb9, a, b, c, d, 0x49, 0x75, 0xfd, 0xe6, PORT, 0xeb, 0xf2,
        ];
        self.load(&code)?;
        let mut shortest = f64::INFINITY;
        for _ in 0..TRIES {
            self.next_exit()?;
            let start = Instant::now();
            self.next_exit()?;
            shortest = shortest.min(start.elapsed().as_nanos() as f64);
        }
        Ok(shortest)
    }

    fn exit_ns(&mut self, code: &[u8]) -> Result<u64, ProbeError> {
        self.load(code)?;
        self.next_exit()?;
        self.rounds(|bench| (0..EXITS).try_for_each(|_| bench.next_exit()))
    }

    fn ioeventfd_ns(&mut self) -> Result<u64, ProbeError> {
        let evt = EventFd::new(libc::EFD_NONBLOCK)?;
        self.vm.connect_port(&evt, EVENT_PORT.into())?;
        let [a, b, c, d] = EXITS.to_le_bytes();
        // out PORT; mov ecx, EXITS; out EVENT_PORT; dec ecx; jnz; jmp back
        let code = [
            0xe6, PORT, 0xb9, a, b, c, d, 0xe6, EVENT_PORT, 0x49, 0x75, 0xfb, 0xeb, 0xf2,
        ];
        self.load(&code)?;
        self.next_exit()?;
        self.rounds(Self::next_exit)
    }

    /// Median time of an exit over rounds of `EXITS`.
    fn rounds(
        &mut self,
        mut round: impl FnMut(&mut Self) -> Result<(), ProbeError>,
    ) -> Result<u64, ProbeError> {
        let mut times = [0; ROUNDS];
        for time in &mut times {
            let start = Instant::now();
            round(self)?;
            *time = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        }
        times.sort_unstable();
        Ok(times[ROUNDS / 2] / u64::from(EXITS))
    }
}
