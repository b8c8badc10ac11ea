//! Several processors: they start by INIT and SIPI, know who they are, and stand still when told.

use anyhow::{Context, Result, ensure};
use std::thread;
use std::time::{Duration, Instant};
use tests::{Kernel, TestVm, host, library, machine_code, require_kvm};
use vm_memory::{Bytes, GuestAddress};
use vmm::machine::Machine;

/// Where the first processor copies [`start_up`] to; its page is the vector of the SIPI.
const START_UP: u64 = 0x8000;
const START_UP_SOURCE: u64 = 0x12_0000;
const START_UP_BYTES: usize = 0x100;
/// Number of processors, which the first one waits for.
const EXPECTED: u64 = 0x12_1000;
/// What each processor says of itself: a record each, by its APIC id.
const RECORD_BYTES: usize = 16;
const MOST_CPUS: usize = 16;

machine_code!(
    /// The first processor: starts the others, waits for them, prints all records, and ends.
    fn count_processors {
        ".code32"
        // Copy start_up, clear the counter and the records.
        "cld"
        "mov $0x120000, %esi"
        "mov $0x8000, %edi"
        "mov $0x40, %ecx"
        "rep movsl"
        "mov $0x9000, %edi"
        "mov $0x50, %ecx"
        "xor %eax, %eax"
        "rep stosl"
        // All others: INIT, then twice SIPI with vector 8 (Intel SDM 3A 10.6.1).
        "movl $0xc4500, 0xfee00300"
        "movl $0xc4608, 0xfee00300"
        "movl $0xc4608, 0xfee00300"
        // Its own record.
        "mov $1, %eax"
        "cpuid"
        "mov %ebx, 0x9100"
        "mov $0xb, %eax"
        "mov $1, %ecx"
        "cpuid"
        "mov %ebx, 0x9104"
        "mov %edx, 0x9108"
        "movl $1, 0x910c"
        "lock incl 0x9000"
        "mov 0x121000, %eax"
        "1: cmp %eax, 0x9000"
        "jne 1b"
        "mov $0x9100, %esi"
        "mov $0x100, %ecx"
        "mov $0x3f8, %edx"
        "rep outsb"
        "mov $0x501, %edx"
        "xor %eax, %eax"
        "out %al, %dx"
        "2: hlt"
        "jmp 2b"
    }
);

machine_code!(
    /// Any other processor, in real mode at 0x8000: writes its record, counts itself, halts.
    fn start_up {
        ".code16"
        "cli"
        "xor %ax, %ax"
        "mov %ax, %ds"
        "mov $1, %eax"
        "cpuid"
        "mov %ebx, %edi"
        "shr $24, %edi"
        "shl $4, %edi"
        "mov %ebx, 0x9100(%edi)"
        "mov $0xb, %eax"
        "mov $1, %ecx"
        "cpuid"
        "mov %ebx, 0x9104(%edi)"
        "mov %edx, 0x9108(%edi)"
        "movl $1, 0x910c(%edi)"
        "lock incl 0x9000"
        "1: hlt"
        "jmp 1b"
    }
);

fn counting_kernel(cpus: u8) -> Kernel {
    let mut code = start_up().to_vec();
    assert!(START_UP.is_multiple_of(0x1000) && code.len() <= START_UP_BYTES);
    code.resize(START_UP_BYTES, 0);
    Kernel::pvh(count_processors())
        .data(START_UP_SOURCE, &code)
        .data(EXPECTED, &u32::from(cpus).to_le_bytes())
}

#[test]
fn every_processor_starts_and_knows_its_number_and_its_siblings() -> Result<()> {
    require_kvm!();
    for cpus in [1, 2, 4, 16_u8] {
        let kernel = counting_kernel(cpus);
        let output = TestVm::builder()
            .kernel(&kernel)
            .cpus(cpus)
            .run()?
            .expect(0)?
            .stdout;
        ensure!(
            output.len() == MOST_CPUS * RECORD_BYTES,
            "{} bytes",
            output.len()
        );
        for (id, record) in (0_u32..).zip(output.chunks(RECORD_BYTES)) {
            let field = |i: usize| u32::from_le_bytes([0, 1, 2, 3].map(|b| record[i * 4 + b]));
            let started = id < u32::from(cpus);
            ensure!(
                field(3) == u32::from(started),
                "{cpus} processors: {id} started"
            );
            if started {
                ensure!(field(0) >> 24 == id, "leaf 1 of {id}: {:#x}", field(0));
                ensure!((field(0) >> 16) & 0xff == u32::from(cpus), "leaf 1 of {id}");
                let xtopology = (field(1) & 0xffff, field(2));
                ensure!(
                    xtopology == (cpus.into(), id),
                    "leaf 0xb of {id}: {xtopology:?}"
                );
            }
        }
    }
    Ok(())
}

const COUNTER: u64 = 0x12_0000;

machine_code!(
    /// Counts for ever.
    fn count {
        ".code32"
        "1: incl 0x120000"
        "jmp 1b"
    }
);

fn counter(machine: &Machine) -> Result<u32> {
    Ok(machine.memory().read_obj(GuestAddress(COUNTER))?)
}

/// Waits until the counter is beyond `value`.
fn counts_on(machine: &Machine, value: u32) -> Result<()> {
    let deadline = Instant::now() + host::patience(Duration::from_secs(60));
    while counter(machine)? == value {
        ensure!(
            Instant::now() < deadline,
            "the guest stands still at {value}"
        );
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[test]
fn a_paused_machine_stands_still_and_goes_on_when_resumed() -> Result<()> {
    require_kvm!();
    let kernel = Kernel::pvh(count()).data(COUNTER, &[0; 4]);
    let mut machine = library::machine(&kernel, 2, |_| ())?;
    machine.start();
    counts_on(&machine, 0)?;
    for _ in 0..20 {
        machine.pause();
        let paused = counter(&machine)?;
        thread::sleep(Duration::from_millis(5));
        ensure!(counter(&machine)? == paused, "the guest runs while paused");
        machine.resume();
        counts_on(&machine, paused)?;
    }
    machine.stop();
    let stopped = counter(&machine).context("memory outlives the vCPUs")?;
    thread::sleep(Duration::from_millis(5));
    ensure!(
        counter(&machine)? == stopped,
        "the guest runs after its end"
    );
    Ok(())
}

#[test]
fn a_machine_can_be_stopped_while_paused_or_before_it_starts() -> Result<()> {
    require_kvm!();
    let kernel = Kernel::pvh(count()).data(COUNTER, &[0; 4]);
    let mut machine = library::machine(&kernel, 1, |_| ())?;
    machine.start();
    machine.pause();
    machine.stop();
    drop(library::machine(&kernel, 4, |_| ())?);
    library::machine(&kernel, 4, |_| ())?.stop();
    Ok(())
}
