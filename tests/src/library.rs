//! A [`Machine`] in this process, for what a command line cannot ask: pause, resume, exits so far.

use crate::kernel::Kernel;
use anyhow::Result;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;
use vmm::boot::AcpiTables;
use vmm::device_manager::Backends;
use vmm::device_manager::TransportKind;
use vmm::machine::{Config, Image, Machine, Timeline};
use vmm::memory::MemorySize;

/// A machine of 128 MiB that has not started, whose output goes nowhere.
pub fn machine(
    kernel: &Kernel,
    cpus: u8,
    on_mark: impl FnMut(u8) + Send + 'static,
) -> Result<Machine> {
    let config = Config {
        cpus,
        memory: MemorySize(128 << 20),
        kernel: Image::Bytes(kernel.image().into()),
        initrd: None,
        cmdline: String::new(),
        transport: TransportKind::Pci,
        acpi: AcpiTables::Present,
    };
    let backends = Backends {
        serial: Box::new(Nowhere),
        console: Box::new(Nowhere),
        on_mark: Box::new(on_mark),
        disks: Vec::new(),
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
