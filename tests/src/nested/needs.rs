//! [`Needs`]: the programs and kernels that a nested host is made of.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Debian's programs are; mke2fs is in a folder that not every user's PATH has.
const FOLDERS: &[&str] = &["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];
/// Program and the package that it is in.
const PROGRAMS: [(&str, &str); 4] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("taskset", "util-linux"),
    ("busybox", "busybox-static"),
    ("mke2fs", "e2fsprogs"),
];
/// Debian's flavours of its kernel: that of virtual machines, and that of PCs.
const CLOUD: &str = "cloud-amd64";
const FULL: &str = "amd64";

/// What there is.
#[derive(Clone, Debug)]
pub struct Needs {
    /// `qemu-system-x86_64`.
    pub qemu: PathBuf,
    /// `taskset`.
    pub taskset: PathBuf,
    /// A statically linked busybox.
    pub busybox: PathBuf,
    /// `mke2fs`.
    pub mke2fs: PathBuf,
    /// Debian's cloud kernel: the nested host's, and that of most guests in it.
    pub cloud: Kernel,
    /// Debian's kernel for PCs, which has the drivers of their devices.
    pub full: Kernel,
}

/// An installed kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    /// The kernel, a bzImage.
    pub image: PathBuf,
    /// Its `/lib/modules/VERSION`.
    pub modules: PathBuf,
}

impl Needs {
    /// Finds all of it, or says what to install.
    pub fn find() -> Result<Self> {
        let found = PROGRAMS.map(|(name, _)| program(name));
        let kernels = [CLOUD, FULL].map(kernel);
        let programs = PROGRAMS.iter().zip(&found);
        let programs = programs.filter(|(_, path)| path.is_none());
        let mut missing: Vec<String> = programs
            .map(|((_, package), _)| (*package).to_owned())
            .collect();
        let flavours = [CLOUD, FULL].into_iter().zip(&kernels);
        let absent = flavours.filter(|(_, kernel)| kernel.is_none());
        missing.extend(absent.map(|(flavour, _)| format!("linux-image-{flavour}")));
        ensure!(
            missing.is_empty(),
            "the nested host is made of Debian packages, of which some are not here: \
             apt-get install --no-install-recommends {}",
            missing.join(" ")
        );
        let all = "none is missing";
        let [qemu, taskset, busybox, mke2fs] = found.map(|path| path.expect(all));
        let [cloud, full] = kernels.map(|kernel| kernel.expect(all));
        Ok(Self {
            qemu,
            taskset,
            busybox,
            mke2fs,
            cloud,
            full,
        })
    }
}

impl Kernel {
    /// The kernel's version, as `uname -r` says it.
    pub fn version(&self) -> &str {
        let name = self.modules.file_name().and_then(|name| name.to_str());
        name.expect("it was found by a name that is text")
    }

    /// Files of modules and of all that they need, relative to [`Kernel::modules`].
    pub fn module_files(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let path = self.modules.join("modules.dep");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let closures = closures(&text);
        let mut files = Vec::new();
        for name in names {
            let closure = closures.get(*name);
            let closure = closure.with_context(|| {
                format!("{} names no module {name}: is it built in?", path.display())
            })?;
            files.extend(closure.iter().map(PathBuf::from));
        }
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// Of each module by name, its own file and those it needs: a line of modules.dep (depmod(8)).
fn closures(modules_dep: &str) -> BTreeMap<String, Vec<&str>> {
    let lines = modules_dep.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(file, needed)| {
            let name = file.rsplit('/').next().unwrap_or(file);
            let name = name.split('.').next().unwrap_or(name).replace('-', "_");
            let files = std::iter::once(file).chain(needed.split_whitespace());
            (name, files.collect())
        })
        .collect()
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The newest kernel of a flavour that has its modules.
fn kernel(flavour: &str) -> Option<Kernel> {
    let entries = fs::read_dir("/boot").ok()?.flatten();
    let kernels = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name.strip_prefix("vmlinuz-")?;
        let numbers = version.strip_suffix(flavour)?.strip_suffix('-')?;
        // The full kernel's flavour is the end of the others' names, too: `-cloud`, `-rt`.
        let last = numbers.rsplit('-').next()?;
        let modules = Path::new("/lib/modules").join(version);
        let both = last.starts_with(|first: char| first.is_ascii_digit())
            && modules.join("modules.dep").is_file();
        both.then(|| Kernel {
            image: entry.path(),
            modules,
        })
    });
    kernels.max()
}
