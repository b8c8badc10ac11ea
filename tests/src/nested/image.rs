//! [`Image`]: the root disk of a nested host, an ext4 file system made without being mounted.

use super::cargo::{self, Profile};
use super::needs::{Kernel, Needs};
use crate::Scratch;
use crate::linux::{files, vmlinux};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const INIT: &str = include_str!("init.sh");
/// Modules of the nested host and of the Linux guests inside it; ext4 and NVMe are built in.
const MODULES: &[&str] = &[
    "kvm_amd",
    "tun",
    "virtio_mmio",
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_balloon",
    "virtio_rng",
    "vmw_vsock_virtio_transport",
    "null_blk",
];
/// Modules of Linux guests that have a PC's devices instead of virtio's.
const FULL_MODULES: &[&str] = &["ata_piix", "sd_mod", "e1000", "ne2k_pci"];
/// Free room beside the files, for logs and the like.
const ROOM_MIB: u64 = 64;
const MIB: u64 = 1 << 20;
/// Folder inside of what Linux guests are made of; init.sh names it to the tests.
const GUEST: &str = "guest";
const GUEST_INIT: &str = include_str!("guest_init.sh");
const GUEST_ROOM_MIB: u64 = 16;

/// A root disk in the making, then made. Its files go when it is dropped.
pub struct Image {
    scratch: Scratch,
    needs: Needs,
}

impl Image {
    /// A system with busybox, modules and `hostel` in it.
    pub fn new(profile: Profile) -> Result<Self> {
        let image = Self {
            needs: Needs::find()?,
            scratch: Scratch::new()?,
        };
        for folder in [
            "proc",
            "sys",
            "dev",
            "tmp",
            "root",
            "results",
            "jobs",
            "tests",
            "bin/links",
        ] {
            fs::create_dir_all(image.root().join(folder))?;
        }
        image.busybox()?;
        image.modules(&image.needs.cloud, MODULES, "lib/modules")?;
        fs::write(image.root().join("init"), INIT)?;
        executable(&image.root().join("init"))?;
        image.program(&cargo::hostel(profile)?, "bin/hostel")?;
        image.guest()?;
        Ok(image)
    }

    /// What it is made of.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Puts a file at a path inside.
    pub fn file(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.root().join(to);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        let failed = || format!("{} cannot go into the image", from.display());
        let from = from.canonicalize().with_context(failed)?;
        // Hundreds of megabytes are not copied when they need not be.
        fs::hard_link(&from, &to)
            .or_else(|_| fs::copy(&from, &to).map(|_| ()))
            .with_context(failed)
    }

    /// Puts a program at a path inside, and the libraries that it needs.
    pub fn program(&self, from: &Path, to: &str) -> Result<()> {
        self.file(from, to)?;
        for library in libraries(from)? {
            let inside = library.strip_prefix("/").unwrap_or(&library).to_owned();
            if !self.root().join(&inside).exists() {
                let inside = inside.to_str().context("the library's path is no text")?;
                self.file(&library, inside)?;
            }
        }
        Ok(())
    }

    /// Adds a job: a shell script, run by [`super::Boot::run`] under that name.
    pub fn job(&self, name: &str, script: &str) -> Result<()> {
        fs::write(self.root().join("jobs").join(name), script)?;
        Ok(())
    }

    /// Makes the disk.
    pub fn disk(&self) -> Result<PathBuf> {
        let disk = self.scratch.path("root.ext4");
        file_system(&self.needs.mke2fs, &self.root(), &disk, ROOM_MIB)?;
        Ok(disk)
    }

    fn root(&self) -> PathBuf {
        self.scratch.path("root")
    }

    fn busybox(&self) -> Result<()> {
        let busybox = &self.needs.busybox;
        ensure!(
            libraries(busybox)?.is_empty(),
            "{} needs shared libraries: install busybox-static",
            busybox.display()
        );
        self.file(busybox, "bin/busybox")?;
        let output = Command::new(busybox).arg("--list").output()?;
        for name in String::from_utf8_lossy(&output.stdout).lines() {
            let link = self.root().join("bin").join(name);
            if !link.exists() {
                symlink("/bin/busybox", link)?;
            }
            // The same once more, as a folder that goes into a guest's initramfs.
            symlink("busybox", self.root().join("bin/links").join(name))?;
        }
        fs::remove_file(self.root().join("bin/links/busybox"))?;
        Ok(())
    }

    /// What the Linux guests inside are made of.
    fn guest(&self) -> Result<()> {
        let folder = Path::new(GUEST);
        fs::create_dir_all(self.root().join(folder))?;
        let put = |name: &str, path: &Path| self.file(path, &format!("{GUEST}/{name}"));
        put(files::BZIMAGE, &self.needs.cloud.image)?;
        put(files::FULL, &self.needs.full.image)?;
        put(files::AGENT, &cargo::agent()?)?;
        let full_modules = format!("{GUEST}/{}", files::FULL_MODULES);
        self.modules(&self.needs.full, FULL_MODULES, &full_modules)?;
        let vmlinux = vmlinux::extract(&fs::read(&self.needs.cloud.image)?)?;
        fs::write(self.root().join(folder).join(files::VMLINUX), vmlinux)?;
        let disk = self.root().join(folder).join(files::ROOT);
        file_system(
            &self.needs.mke2fs,
            &self.guest_root()?,
            &disk,
            GUEST_ROOM_MIB,
        )
    }

    /// Folder that becomes the root disk of a Linux guest.
    fn guest_root(&self) -> Result<PathBuf> {
        let root = self.scratch.path("guest");
        for folder in ["bin", "sbin", "proc", "sys", "dev"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::copy(&self.needs.busybox, root.join("bin/busybox"))?;
        fs::write(root.join("sbin/init"), GUEST_INIT)?;
        executable(&root.join("sbin/init"))?;
        Ok(root)
    }

    /// Puts modules of a kernel, and what modprobe has to know of them, into a folder inside.
    fn modules(&self, kernel: &Kernel, names: &[&str], folder: &str) -> Result<()> {
        let inside = Path::new(folder).join(kernel.version());
        let mut files = kernel.module_files(names)?;
        files.push("modules.dep".into());
        for file in files {
            let to = inside.join(&file);
            let to = to.to_str().context("no text")?;
            self.file(&kernel.modules.join(&file), to)?;
        }
        Ok(())
    }
}

fn executable(path: &Path) -> Result<()> {
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o755),
    )?)
}

/// Makes an ext4 file system of a folder, with so much free room.
fn file_system(mke2fs: &Path, folder: &Path, disk: &Path, room_mib: u64) -> Result<()> {
    let size_mib = size(folder)? / MIB * 5 / 4 + room_mib;
    let mut command = Command::new(mke2fs);
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-E"]);
    command.args(["root_owner=0:0,lazy_itable_init=1", "-d"]);
    command.arg(folder).arg(disk).arg(format!("{size_mib}M"));
    let output = command.output().context("mke2fs cannot be started")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {errors}");
    Ok(())
}

/// Shared libraries and the loader of a program; none when it is linked statically.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.context("ldd cannot be started")?;
    // `name => /path (address)`, or `/loader (address)`.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(!text.contains("not found"), "{}: {text}", program.display());
    let words = text.lines().flat_map(str::split_whitespace);
    let paths = words.filter(|word| word.starts_with('/') && !word.ends_with(':'));
    Ok(paths.map(PathBuf::from).collect())
}

/// Bytes of all files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            size(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}
