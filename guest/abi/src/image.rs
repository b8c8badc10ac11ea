//! Names inside the built-in guest's image: initrd members and kernel parameters.
//!
//! The initrd is a cpio archive (newc). Programs are its members `bin/NAME`, the suite to run is
//! [`SUITE`]. Kernel parameters are words of the command line, `name=value`; an unknown word is
//! ignored, as QEMU and firmware add words of their own.

/// The initrd member that holds the suite: a line a check,
/// `ID SUBSYSTEM TIMEOUT_MS PROGRAM [ARGUMENT]...`; `#` starts a comment.
pub const SUITE: &str = "suite";

/// The first program.
pub const INIT: &str = "bin/init";

/// Kernel parameters.
pub mod param {
    /// Where the console stream goes: `ttyS0` (16550) or `hvc0` (virtio-console).
    pub const CONSOLE: &str = "console";
    /// Bytes that the 16550's transmitter takes at once, default 16: more for a virtual one that
    /// is known never to be full.
    pub const UART_FIFO: &str = "uart_fifo";
    /// Scheduling policy: `round-robin` (default), or another of the kernel's `sched::policy`.
    pub const SCHED: &str = "sched";
    /// Length of a time slice in microseconds, default 10000.
    pub const SLICE_US: &str = "slice_us";
    /// Page replacement policy: `clock` (default) or `fifo`.
    pub const REPLACEMENT: &str = "replacement";
    /// The swap area: `vda:FIRST+COUNT` in sectors of 512 bytes.
    pub const SWAP: &str = "swap";
    /// Program to start instead of [`super::INIT`].
    pub const INIT: &str = "init";
    /// Lets the kernel fail, to see how that looks: `fault` reads an address in ring 0 where nothing is;
    /// `lock-twice` halts with a lock that the timer's handler takes, `lock-interrupts` lets interrupts
    /// come while it has a lock, `lock-order` takes two locks in both orders, on two processors. A program for [`INIT`] that does not exist is a panic.
    pub const CRASH: &str = "crash";
    /// A virtio-mmio device, as Linux takes it: `SIZE@ADDRESS:GSI`; may stand several times.
    pub const VIRTIO_MMIO: &str = "virtio_mmio.device";
    /// Port of ACPI's timer.
    pub const ACPI_TIMER: &str = "acpi.timer";
    /// Address of the configuration space of PCI's bus 0 in memory (ECAM).
    pub const PCI_ECAM: &str = "pci.ecam";
    /// [`super::HYPERCALLS_KVM`]: KVM's own hypercalls can be made, as on hardware KVM.
    pub const HYPERCALLS: &str = "hypercalls";
}

/// Value of [`param::HYPERCALLS`].
pub const HYPERCALLS_KVM: &str = "kvm";

/// First sector of the scratch disk's part that checks write to; 8 MiB.
pub const SCRATCH_FIRST_SECTOR: u64 = 0;
/// Length of that part in sectors.
pub const SCRATCH_SECTORS: u64 = 16384;
/// First sector of the scratch disk's swap area.
pub const SWAP_FIRST_SECTOR: u64 = SCRATCH_SECTORS;
/// Length of the swap area in sectors: 512 KiB, which a check can fill within half a second.
pub const SWAP_SECTORS: u64 = 1024;
/// Size in bytes of the temporary disk that the built-in suite runs on.
pub const SCRATCH_DISK_BYTES: u64 = (SCRATCH_SECTORS + SWAP_SECTORS) * 512;
/// Bytes of a disk that programs of `hostel compare` read and write, from its start on.
pub const WORK_BYTES: u64 = 8 << 20;

/// What the first eight bytes of such a disk's 4 KiB page hold, little-endian.
pub const fn page_mark(page: u64) -> u64 {
    0x6c65_7473_6f68_0000_u64.wrapping_add(page)
}
