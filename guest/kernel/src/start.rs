//! From the entry code to the first program.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use abi::image::{self, param};
use abi::port::{MARK, Mark};
use abi::record::Record;

use crate::arch::{apic, clock, cpu, pic, port, smp};
use crate::boot::{BootInfo, Protocol};
use crate::cmdline::Cmdline;
use crate::machine::{self, Machine};
use crate::mm::kernel_map::{self, ImageLayout};
use crate::mm::swap::{self, SwapArea};
use crate::mm::{addr, frame, replacement};
use crate::sched::{self, Settings, policy};
use crate::{console, crash, drivers, initrd, process};

/// Length of a time slice where the command line names none.
const DEFAULT_SLICE_US: u64 = 10_000;
/// Bounds of what it may name.
const SLICES_US: core::ops::RangeInclusive<u64> = 100..=sched::LONGEST_SLICE_NS / 1000;

/// Starts the kernel on the first processor, on its idle stack. `boot_address` is of the
/// structure that the loader has left.
pub fn start(layout: ImageLayout, protocol: Protocol, boot_address: u64) -> ! {
    port::outb(MARK, Mark::Kernel as u8);
    let layout = kernel_map::init(layout);
    // Without the identity map, before its pages could be remembered as global ones.
    cpu::set_page_table(kernel_map::root());
    cpu::init(0);

    let boot = BootInfo::read(protocol, boot_address, &addr::loader_bytes);
    let boot = boot.expect("the loader has left its structure");
    let kernel_end = kernel_map::image_phys(layout.end);
    let has_memory = frame::init(&boot.memory, kernel_end, boot.initrd, boot.cmdline);
    assert!(has_memory, "memory is too small for the kernel");
    let cmdline = read_cmdline(&boot);

    let cpus = init_machine(&boot, &cmdline);
    drivers::init(&cmdline);
    if let Some(name) = cmdline.get(param::CRASH) {
        crash::provoke(name, cpus, || smp::start(cpus, start_other));
    }
    start_first(&cmdline);
    if cpus > 1 {
        smp::start(cpus, start_other);
    }
    announce_if_up();
    port::outb(MARK, Mark::User as u8);
    sched::idle()
}

fn read_cmdline(boot: &BootInfo) -> Cmdline {
    let text = addr::loader_bytes(boot.cmdline.start, boot.cmdline.end - boot.cmdline.start);
    Cmdline::parse(text.unwrap_or_default())
}

/// Interrupt controllers, clock, scheduler; the number of processors.
fn init_machine(boot: &BootInfo, cmdline: &Cmdline) -> u32 {
    pic::mask();
    apic::detect();
    apic::init();
    let cpus = cpu::count();
    clock::init(cpus);
    apic::init_timer();

    let slice_us = cmdline
        .get(param::SLICE_US)
        .and_then(|value| value.parse().ok());
    let slice_us = slice_us
        .filter(|slice| SLICES_US.contains(slice))
        .unwrap_or(DEFAULT_SLICE_US);
    let policy = cmdline
        .get(param::SCHED)
        .and_then(policy::Policy::from_name);
    let replacement = cmdline
        .get(param::REPLACEMENT)
        .and_then(replacement::for_programs);
    machine::set(Machine {
        cpus,
        memory_bytes: boot.memory.bytes(),
        replacement: replacement.unwrap_or(replacement::CLOCK),
    });
    sched::init(
        Settings {
            policy: policy.unwrap_or(policy::Policy::ALL[0]),
            slice_ns: slice_us * 1000,
        },
        cpus,
    );
    sched::join();
    UP.fetch_add(1, Ordering::SeqCst);
    if let Some(area) = cmdline.get(param::SWAP).and_then(SwapArea::parse) {
        swap::init(area);
    }
    cpus
}

fn start_first(cmdline: &Cmdline) {
    initrd::init(frame::initrd());
    let path = cmdline.get(param::INIT).unwrap_or(image::INIT);
    if let Err(error) = process::start_first(path) {
        panic!("cannot start {path}: {error:?}");
    }
}

/// Processors that are up.
static UP: AtomicU32 = AtomicU32::new(0);

/// Where every other processor comes to.
extern "C" fn start_other() -> ! {
    smp::init();
    apic::init();
    apic::init_timer();
    sched::join();
    UP.fetch_add(1, Ordering::SeqCst);
    announce_if_up();
    crash::other_processor();
    sched::idle()
}

/// Writes the boot record when the last processor has come up.
fn announce_if_up() {
    if UP.load(Ordering::SeqCst) == machine::get().cpus {
        announce();
    }
}

/// Time since the clock was started by which processors have to be up to be in the boot record.
const ANNOUNCE_NS: u64 = 1_000_000_000;

/// Writes the boot record if some processor has not come up in time.
pub(crate) fn announce_if_late(now_ns: u64) {
    if now_ns > ANNOUNCE_NS && !ANNOUNCED.load(Ordering::Relaxed) {
        announce();
    }
}

static ANNOUNCED: AtomicBool = AtomicBool::new(false);

fn announce() {
    if ANNOUNCED.swap(true, Ordering::SeqCst) {
        return;
    }
    let machine = machine::get();
    console::record(&Record::Boot {
        cpus: u64::from(UP.load(Ordering::SeqCst)),
        memory_bytes: machine.memory_bytes,
        clock: clock::rate().0.name(),
        sched: sched::settings().policy.name(),
        replacement: machine.replacement.name,
    });
}
