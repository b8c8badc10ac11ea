//! Everything that can be found wrong before the guest starts, is found here.

use super::SharedLog;
use super::disk::{DiskInterface, DiskWish};
use super::network::OpenNetwork;
use super::wishes::{ConsoleDevice, Kernel, RunError, Wishes};
use crate::device_manager::{TransportKind, VirtioDisk};
use crate::guest::{self, PlannedCheck};
use crate::images::{Image, ModuleImage};
use crate::progress::Screen;
use crate::suite::{ExitCounters, SuiteLog};
use devices::disk::DiskFile;
use devices::ide::channel::MAX_DRIVES;
use devices::virtio::vsock::Endpoint;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Bytes that a suite which works on the balloon may give away.
const SUITE_BALLOON: u64 = 4 << 20;

/// Everything that was found good before the guest starts.
pub(super) struct Prepared {
    pub(super) boot: BootImages,
    pub(super) disks: Vec<VirtioDisk>,
    pub(super) ide_disks: Vec<DiskFile>,
    pub(super) networks: Vec<OpenNetwork>,
    pub(super) vsock: Option<(u32, Endpoint)>,
    pub(super) balloon: Option<u64>,
    pub(super) report: Option<File>,
    pub(super) com2: Option<File>,
    pub(super) log: SharedLog,
    pub(super) counters: ExitCounters,
}

/// What boots.
pub(super) struct BootImages {
    pub(super) kernel: Image,
    pub(super) name: String,
    pub(super) flat: Option<u64>,
    pub(super) initrd: Option<ModuleImage>,
    pub(super) modules: Vec<ModuleImage>,
    pub(super) cmdline: String,
}

/// Opens the files and networks, and makes the disks.
pub(super) fn prepare(wishes: &Wishes) -> Result<Prepared, RunError> {
    if wishes.console == ConsoleDevice::Vga && matches!(wishes.kernel, Kernel::BuiltIn { .. }) {
        return Err(RunError::NoScreen);
    }
    let report = create("the report cannot be written to", wishes.report.as_deref())?;
    let com2 = create(
        "the output of COM2 cannot be written to",
        wishes.com2.as_deref(),
    )?;
    check_ide(wishes)?;
    let (mut disks, mut ide_disks) = (Vec::new(), Vec::new());
    let (mut boot, plan) = match &wishes.kernel {
        Kernel::File {
            kernel,
            flat,
            initrd,
            modules,
        } => {
            let initrd = initrd.as_ref().map(|path| {
                let words = path.display().to_string();
                open_module("initrd", path, &words)
            });
            let modules = modules.iter();
            let modules = modules.map(|(path, words)| open_module("module", path, words));
            let boot = BootImages {
                kernel: Image::File(open("kernel", kernel)?),
                name: kernel.display().to_string(),
                flat: *flat,
                initrd: initrd.transpose()?,
                modules: modules.collect::<Result<_, _>>()?,
                cmdline: String::new(),
            };
            (boot, Vec::new())
        }
        Kernel::BuiltIn { suite } => {
            let scratch = || DiskFile::temporary(abi::image::SCRATCH_DISK_BYTES);
            disks.push(VirtioDisk::new(scratch()?));
            if suite_works_on(wishes, guest::works_on_ide) {
                ide_disks.push(scratch()?);
            }
            built_in(wishes, suite.as_deref())?
        }
    };
    for DiskWish {
        path,
        access,
        interface,
    } in &wishes.disks
    {
        let file = DiskFile::open(path, *access)?;
        match *interface {
            DiskInterface::Virtio { queues } => disks.push(VirtioDisk { file, queues }),
            DiskInterface::Ide => ide_disks.push(file),
        }
    }
    let networks = (0..).zip(&wishes.networks);
    let networks = networks.map(|(position, network)| network.open(position, wishes.transport));
    let networks = networks.collect::<Result<_, _>>()?;
    if let Some(balloon) = wishes.balloon.filter(|balloon| *balloon >= wishes.memory) {
        let memory = wishes.memory;
        return Err(RunError::Balloon { balloon, memory });
    }
    let vsock = match &wishes.vsock {
        Some((cid, path)) => Some((*cid, Endpoint::bind(path)?)),
        None => None,
    };
    if !wishes.append.is_empty() {
        let words = [boot.cmdline.as_str(), wishes.append.as_str()];
        boot.cmdline = words.join(" ").trim().to_owned();
    }
    let counters = ExitCounters::default();
    let screen = Box::new(Screen::new(plan.len() as u64));
    let log = Arc::new(Mutex::new(SuiteLog::new(plan, counters.clone(), screen)));
    Ok(Prepared {
        boot,
        disks,
        ide_disks,
        networks,
        vsock,
        balloon: balloon(wishes),
        report,
        com2,
        log,
        counters,
    })
}

/// Bytes that the guest is asked to give back, if there is a balloon: what the user wants, else what
/// the suite works with.
fn balloon(wishes: &Wishes) -> Option<u64> {
    let of_suite = suite_works_on(wishes, guest::works_on_balloon).then_some(SUITE_BALLOON);
    wishes.balloon.map(|size| size.0).or(of_suite)
}

/// Whether the suite works on a device that is there for it alone.
fn suite_works_on(wishes: &Wishes, works_on: fn(&[u8]) -> bool) -> bool {
    match &wishes.kernel {
        Kernel::BuiltIn { suite: Some(name) } => guest::suite_text(name).is_some_and(works_on),
        Kernel::BuiltIn { suite: None } | Kernel::File { .. } => false,
    }
}

/// The disks on IDE fit on its cable, and there is what its controller sits on.
fn check_ide(wishes: &Wishes) -> Result<(), RunError> {
    let is_ide = |disk: &&DiskWish| disk.interface == DiskInterface::Ide;
    let own = usize::from(suite_works_on(wishes, guest::works_on_ide));
    match wishes.disks.iter().filter(is_ide).count() + own {
        0 => Ok(()),
        _ if wishes.transport == TransportKind::Mmio => Err(RunError::IdeWithoutPci),
        count if count > MAX_DRIVES => Err(RunError::TooManyIde(count)),
        _ => Ok(()),
    }
}

/// The built-in guest with the checks of its suite.
fn built_in(
    wishes: &Wishes,
    suite: Option<&str>,
) -> Result<(BootImages, Vec<PlannedCheck>), RunError> {
    let text = match suite {
        Some(name) => guest::suite_text(name).map(Some).ok_or_else(|| {
            let name = name.to_owned();
            RunError::NoSuite { name }
        })?,
        None => None,
    };
    let initrd = ModuleImage {
        image: Image::Bytes(guest::initrd(text).into()),
        words: String::new(),
    };
    let boot = BootImages {
        kernel: Image::Bytes(guest::kernel().into()),
        name: String::new(),
        flat: None,
        initrd: Some(initrd),
        modules: Vec::new(),
        cmdline: guest::hostel_parameters(wishes.console.guest_name(), suite),
    };
    Ok((boot, text.map_or(Vec::new(), guest::planned_checks)))
}

fn open_module(what: &'static str, path: &Path, words: &str) -> Result<ModuleImage, RunError> {
    Ok(ModuleImage {
        image: Image::File(open(what, path)?),
        words: words.to_owned(),
    })
}

fn open_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.display().to_string();
    move |source| RunError::Open { what, path, source }
}

/// Makes a file that the user may have asked for.
fn create(what: &'static str, path: Option<&Path>) -> Result<Option<File>, RunError> {
    match path {
        Some(path) => Ok(Some(File::create(path).map_err(open_error(what, path))?)),
        None => Ok(None),
    }
}

fn open(what: &'static str, path: &Path) -> Result<File, RunError> {
    let file = File::open(path).map_err(open_error(what, path))?;
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let path = path.display().to_string();
    if is_file {
        Ok(file)
    } else {
        Err(RunError::NotAFile { what, path })
    }
}
