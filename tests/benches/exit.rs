//! A port write that exits to userspace: the whole run loop, accounting on, beside a bare loop
//! around KVM_RUN on the same guest code. Rounds of both alternate.

use anyhow::{Context, Result, bail};
use kvm_bindings::{kvm_segment, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tests::bench::{Samples, is_short, print, print_head};
use tests::{Kernel, host, library, machine_code};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

machine_code!(
    /// For ever: a byte to the mark port, then 2000 bytes to the port in esi.
    fn exits_at_serial {
        ".code32"
        "mov $0x3ff, %esi"
        "1: mov $0x504, %edx"
        "out %al, %dx"
        "mov %esi, %edx"
        "mov $2000, %ecx"
        "2: out %al, %dx"
        "dec %ecx"
        "jnz 2b"
        "jmp 1b"
    }
);

machine_code!(
    /// The same at a port without a device.
    fn exits_at_nothing {
        ".code32"
        "mov $0x1000, %esi"
        "1: mov $0x504, %edx"
        "out %al, %dx"
        "mov %esi, %edx"
        "mov $2000, %ecx"
        "2: out %al, %dx"
        "dec %ecx"
        "jnz 2b"
        "jmp 1b"
    }
);

const EXITS: f64 = 2000.0;
const MARK: u16 = 0x504;
const CODE: u64 = 0x10_0000;
/// Marks of one round: the time between two is a sample.
const MARKS: usize = 8;
/// Target of the project.
const OF_BARE: f64 = 1.03;

/// ns an exit, of each pass between two marks.
fn samples(marks: &[Instant]) -> Vec<f64> {
    let passes = marks.windows(2).map(|pair| pair[1] - pair[0]);
    passes.map(|pass| pass.as_nanos() as f64 / EXITS).collect()
}

/// A round of Hostel's run loop.
fn hostel(code: &[u8]) -> Result<Vec<f64>> {
    let (sender, receiver) = mpsc::channel();
    let mut machine = library::machine(&Kernel::pvh(code), 1, move |_| {
        // The receiver goes when it has enough.
        let _ = sender.send(Instant::now());
    })?;
    machine.start();
    let marks: Result<Vec<Instant>, _> = (0..MARKS)
        .map(|_| receiver.recv_timeout(Duration::from_secs(10)))
        .collect();
    machine.stop();
    Ok(samples(&marks.context("the guest stands still")?))
}

/// A VM with nothing but what the code needs.
struct Bare {
    vcpu: VcpuFd,
    // The slot points into the memory; dropped after the VM.
    _vm: VmFd,
    _memory: GuestMemoryMmap,
}

impl Bare {
    #[expect(unsafe_code, reason = "a memory slot")]
    fn new(code: &[u8]) -> Result<Self> {
        let size = 128 << 20;
        let memory: GuestMemoryMmap = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), size)])?;
        memory.write_slice(code, GuestAddress(CODE))?;
        let vm = Kvm::new()?.create_vm()?;
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: size as u64,
            userspace_addr: memory.get_host_address(GuestAddress(0))? as u64,
        };
        // SAFETY: the region is mapped as long as the VM lives.
        unsafe { vm.set_user_memory_region(region)? };
        vm.create_irq_chip()?;
        let vcpu = vm.create_vcpu(0)?;
        start_in_protected_mode(&vcpu)?;
        Ok(Self {
            vcpu,
            _vm: vm,
            _memory: memory,
        })
    }

    /// A round.
    fn run(mut self) -> Result<Vec<f64>> {
        let mut marks = Vec::with_capacity(MARKS);
        while marks.len() < MARKS {
            match self.vcpu.run()? {
                VcpuExit::IoOut(MARK, _) => marks.push(Instant::now()),
                VcpuExit::IoOut(..) => {}
                other => bail!("the guest did something else: {other:?}"),
            }
        }
        Ok(samples(&marks))
    }
}

fn start_in_protected_mode(vcpu: &VcpuFd) -> Result<()> {
    let mut sregs = vcpu.get_sregs()?;
    let data = kvm_segment {
        limit: u32::MAX,
        selector: 0x18,
        type_: 3,
        present: 1,
        db: 1,
        s: 1,
        g: 1,
        ..Default::default()
    };
    let (selector, type_) = (0x10, 0xb);
    sregs.cs = kvm_segment {
        selector,
        type_,
        ..data
    };
    (sregs.ds, sregs.es, sregs.ss) = (data, data, data);
    sregs.cr0 |= 1;
    vcpu.set_sregs(&sregs)?;
    let mut regs = vcpu.get_regs()?;
    (regs.rip, regs.rflags) = (CODE, 2);
    Ok(vcpu.set_regs(&regs)?)
}

fn compare(name: &str, code: &'static [u8]) -> Result<()> {
    let (mut whole, mut bare, mut ratios) =
        (Samples::default(), Samples::default(), Samples::default());
    for round in 0..if is_short() { 2 } else { 30 } {
        // The one that goes first changes: neither always has the warmer caches.
        let (ours, theirs) = if round % 2 == 0 {
            let ours = hostel(code)?;
            (ours, Bare::new(code)?.run()?)
        } else {
            let theirs = Bare::new(code)?.run()?;
            (hostel(code)?, theirs)
        };
        let pair = (Samples(ours), Samples(theirs));
        ratios.0.push(pair.0.median() / pair.1.median());
        whole.0.extend(pair.0.0);
        bare.0.extend(pair.1.0);
    }
    print(
        &format!("{name}: run loop with accounting"),
        &whole,
        "ns",
        None,
    );
    print(&format!("{name}: bare KVM_RUN loop"), &bare, "ns", None);
    print(&format!("{name}: ratio"), &ratios, "of bare", Some(OF_BARE));
    Ok(())
}

fn main() -> Result<()> {
    if !host::has_kvm() {
        return Ok(());
    }
    print_head("exit");
    compare("write to the serial port", exits_at_serial())?;
    compare("write to no device", exits_at_nothing())
}
