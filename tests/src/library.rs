//! A [`Machine`] in this process, for what a command line cannot ask: pause, resume, exits so far.

use crate::kernel::Kernel;
use anyhow::Result;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;
use vmm::boot::AcpiTables;
use vmm::boot::platform::Keyboard;
use vmm::device_manager::{Backends, PcBackends, TransportKind};
use vmm::images::Image;
use vmm::kvm::CpuModel;
use vmm::machine::{Config, Machine, Timeline};
use vmm::memory::MemorySize;
use vmm::msr::MsrPolicy;

/// A machine of 128 MiB that has not started, whose output goes nowhere.
pub fn machine(
    kernel: &Kernel,
    cpus: u8,
    on_mark: impl FnMut(u32) + Send + 'static,
) -> Result<Machine> {
    let config = Config {
        cpus,
        memory: MemorySize(128 << 20),
        cpu_model: CpuModel::Host,
        unknown_msrs: MsrPolicy::Gp,
        kernel: Image::Bytes(kernel.image().into()),
        name: "kernel".to_owned(),
        flat: None,
        initrd: None,
        modules: Vec::new(),
        cmdline: String::new(),
        transport: TransportKind::Pci,
        acpi: AcpiTables::Present,
        kernel_counters: false,
    };
    let backends = Backends {
        pc: PcBackends {
            serial: Box::new(Nowhere),
            com2: Box::new(Nowhere),
            hypercalls: Box::new(Nowhere),
            on_mark: Box::new(on_mark),
            keyboard: Keyboard::Absent,
            debug_exit: None,
            test_device: false,
        },
        console: Box::new(Nowhere),
        alarm: false,
        networks: Vec::new(),
        more_consoles: Vec::new(),
        disks: Vec::new(),
        ide_disks: Vec::new(),
        vsock: None,
        balloon: None,
    };
    let timeline = Arc::new(Timeline::new(Instant::now()));
    Ok(Machine::build(config, backends, timeline)?)
}

/// Takes output and forgets it.
struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
