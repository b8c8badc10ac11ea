//! Everything that can be found wrong before the guest starts, is found here.

use super::SharedLog;
use super::wishes::{Kernel, RunError, Wishes};
use crate::guest;
use crate::machine::Image;
use crate::progress::Screen;
use crate::suite::{ExitCounters, SuiteLog};
use devices::virtio::blk::disk::DiskFile;
use devices::virtio::vsock::Endpoint;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Everything that was found good before the guest starts.
pub(super) struct Prepared {
    pub(super) kernel: Image,
    pub(super) initrd: Option<Image>,
    pub(super) cmdline: String,
    pub(super) disks: Vec<DiskFile>,
    pub(super) vsock: Option<(u32, Endpoint)>,
    pub(super) report: Option<File>,
    pub(super) log: SharedLog,
    pub(super) counters: ExitCounters,
}

/// Opens the files and makes the disks.
pub(super) fn prepare(wishes: &Wishes) -> Result<Prepared, RunError> {
    let report = match &wishes.report {
        Some(path) => {
            Some(File::create(path).map_err(open_error("the report cannot be written to", path))?)
        }
        None => None,
    };
    let mut disks = Vec::new();
    let (kernel, initrd, mut cmdline, plan) = match &wishes.kernel {
        Kernel::File { kernel, initrd } => {
            let initrd = match initrd {
                Some(path) => Some(Image::File(open("initrd", path)?)),
                None => None,
            };
            (
                Image::File(open("kernel", kernel)?),
                initrd,
                String::new(),
                Vec::new(),
            )
        }
        Kernel::BuiltIn { suite } => {
            let text = match suite {
                Some(name) => guest::suite_text(name).map(Some).ok_or_else(|| {
                    let name = name.clone();
                    RunError::NoSuite { name }
                })?,
                None => None,
            };
            disks.push(DiskFile::temporary(abi::image::SCRATCH_DISK_BYTES)?);
            let initrd = Image::Bytes(guest::initrd(text).into());
            let cmdline = guest::hostel_parameters(wishes.console.guest_name(), suite.as_deref());
            let plan = text.map_or(Vec::new(), guest::planned_checks);
            (
                Image::Bytes(guest::kernel().into()),
                Some(initrd),
                cmdline,
                plan,
            )
        }
    };
    for (path, access) in &wishes.disks {
        disks.push(DiskFile::open(path, *access)?);
    }
    if let Some(balloon) = wishes.balloon.filter(|balloon| *balloon >= wishes.memory) {
        let memory = wishes.memory;
        return Err(RunError::Balloon { balloon, memory });
    }
    let vsock = match &wishes.vsock {
        Some((cid, path)) => Some((*cid, Endpoint::bind(path)?)),
        None => None,
    };
    if !wishes.append.is_empty() {
        cmdline = [cmdline.as_str(), wishes.append.as_str()]
            .join(" ")
            .trim()
            .to_owned();
    }
    let counters = ExitCounters::default();
    let screen = Box::new(Screen::new(plan.len() as u64));
    let log = Arc::new(Mutex::new(SuiteLog::new(plan, counters.clone(), screen)));
    Ok(Prepared {
        kernel,
        initrd,
        cmdline,
        disks,
        vsock,
        report,
        log,
        counters,
    })
}

fn open_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.display().to_string();
    move |source| RunError::Open { what, path, source }
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
