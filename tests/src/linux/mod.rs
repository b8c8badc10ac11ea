//! Debian's kernel as a guest, with busybox and a script of the test's own.
//!
//! - [`LinuxGuest`] is the kernel, in one of three files, and an initramfs made for one test.
//! - [`dmesg`] reads what that kernel complains about, and knows what is allowed.
//! - [`network`] is the host's end of such a guest's network.
//! - [`vmlinux`] takes the ELF file out of a bzImage; [`archive`] makes an initramfs.
//!
//! What these guests are made of is in the image of a nested host ([`crate::nested::Image`]),
//! which names the folder in the environment. Elsewhere their tests are skipped: software KVM is
//! too slow for them.

pub mod archive;
pub mod dmesg;
pub mod network;
pub mod vmlinux;

use crate::{Builder, TestVm, host};
use anyhow::{Context, Result, bail};
use archive::Archive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names the folder with the files of [`files`].
pub const FOLDER: &str = "HOSTEL_LINUX";
/// The first process of every guest; it runs `/script`.
const INIT: &str = include_str!("init.sh");
/// Longest wait for anything that such a guest does, on a host of common speed.
const DEADLINE: Duration = Duration::from_secs(90);

/// Kernel parameters for all guests: a processor that others have for a while is not stuck.
const PATIENT: &str = "watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300";

/// Names of files in that folder.
pub mod files {
    /// Debian's kernel as installed.
    pub const BZIMAGE: &str = "vmlinuz";
    /// The ELF file in it.
    pub const VMLINUX: &str = "vmlinux";
    /// Debian's kernel for PCs as installed.
    pub const FULL: &str = "full/vmlinuz";
    /// Its modules, as `/lib/modules` has them.
    pub const FULL_MODULES: &str = "full/modules";
    /// The program `agent`, linked statically.
    pub const AGENT: &str = "agent";
    /// An ext4 file system with busybox, whose `/sbin/init` runs `/script`.
    pub const ROOT: &str = "root.ext4";
}

/// Returns from the test when Linux guests are not for this host, having said so in one line.
#[macro_export]
macro_rules! require_linux {
    () => {
        $crate::require_kvm!();
        if !$crate::linux::is_possible() {
            return Ok(());
        }
    };
}

/// Whether Linux guests can be tried here; if not, says why.
pub fn is_possible() -> bool {
    let possible = folder().is_some();
    if !possible {
        host::skip(&format!(
            "{FOLDER} names no folder with a kernel: see `cargo nested`"
        ));
    }
    possible
}

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// A file of that folder.
pub fn file(name: &str) -> Result<PathBuf> {
    Ok(folder()
        .with_context(|| format!("{FOLDER} is not set"))?
        .join(name))
}

/// By which file, and so by which protocol, the kernel is booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelFile {
    /// Linux's 64-bit protocol.
    BzImage,
    /// PVH.
    Vmlinux,
    /// Linux's 64-bit protocol, and the kernel that has drivers for a PC's devices.
    Full,
}

impl KernelFile {
    fn name(self) -> &'static str {
        match self {
            Self::BzImage => files::BZIMAGE,
            Self::Vmlinux => files::VMLINUX,
            Self::Full => files::FULL,
        }
    }

    /// Folder of the modules that go into the guest.
    fn modules(self) -> Result<PathBuf> {
        match self {
            Self::BzImage | Self::Vmlinux => Ok("/lib/modules".into()),
            Self::Full => file(files::FULL_MODULES),
        }
    }

    /// Modules that the first process loads.
    fn drivers(self) -> &'static str {
        match self {
            Self::BzImage | Self::Vmlinux => {
                "virtio_pci virtio_mmio virtio_blk virtio_console virtio_rng virtio_net \
                 virtio_balloon vmw_vsock_virtio_transport"
            }
            Self::Full => "ata_piix sd_mod e1000 ne2k-pci",
        }
    }
}

/// A guest in the making.
pub struct LinuxGuest {
    kernel: KernelFile,
    script: String,
    parameters: String,
    transport: &'static str,
}

impl LinuxGuest {
    /// A guest that runs a busybox shell script, with all drivers of its devices there, and powers
    /// off.
    pub fn new(kernel: KernelFile, script: &str) -> Self {
        Self {
            kernel,
            script: script.to_owned(),
            parameters: "console=ttyS0 quiet".to_owned(),
            transport: "pci",
        }
    }

    /// Kernel parameters instead of `console=ttyS0 quiet`.
    pub fn parameters(self, parameters: &str) -> Self {
        Self {
            parameters: parameters.to_owned(),
            ..self
        }
    }

    /// Reaches its virtio devices over `pci` or `mmio`; over `pci` without this.
    pub fn transport(self, transport: &'static str) -> Self {
        Self { transport, ..self }
    }

    /// The command line that boots it.
    pub fn vm(self) -> Result<Builder> {
        let vm = TestVm::builder()
            .kernel_file(&file(self.kernel.name())?)
            .initrd(&initramfs(&self.script, self.kernel)?)
            .transport(self.transport)
            .append(&format!("{} {PATIENT}", self.parameters));
        Ok(vm.deadline(DEADLINE))
    }
}

/// An initramfs with this machine's busybox, `agent`, a kernel's modules and a script.
pub fn initramfs(script: &str, kernel: KernelFile) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in ["proc", "sys", "dev", "tmp", "new", "lib"] {
        archive.folder(folder);
    }
    archive.tree(Path::new("/bin/links"), "bin")?;
    archive.program("bin/busybox", &std::fs::read("/bin/busybox")?);
    archive.program("bin/agent", &std::fs::read(file(files::AGENT)?)?);
    archive.tree(&kernel.modules()?, "lib/modules")?;
    archive.file("drivers", kernel.drivers().as_bytes());
    archive.program("init", INIT.as_bytes());
    archive.program("script", script.as_bytes());
    Ok(archive.finish())
}

/// What stands after a word at the start of a line of the guest's output.
pub fn said<'a>(output: &'a str, word: &str) -> Result<&'a str> {
    let mut lines = output.lines().map(str::trim_end);
    match lines.find_map(|line| line.strip_prefix(word)) {
        Some(rest) => Ok(rest.trim()),
        None => bail!("the guest said no {word:?}:\n{output}"),
    }
}
