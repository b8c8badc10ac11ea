//! Open files: devices, initrd members, what carries messages, by number in a table a process.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::syscall::{Errno, IoMode};

use crate::drivers::{self, BlockDevice, CharDevice, NetDevice};
use crate::initrd::{self, Member};
use crate::ipc::{Listener, Pipe, Queue, Socket};
use crate::mm::object::SharedMemory;

/// Most files that a process has open.
const MOST: usize = 64;
/// Numbers that are the console at the start of the first program.
const CONSOLE_FILES: usize = 3;

/// What a file is.
#[derive(Clone)]
pub enum Kind {
    /// A device of bytes.
    Char(&'static dyn CharDevice),
    /// A device of blocks.
    Block(&'static dyn BlockDevice),
    /// A network card.
    Net(&'static dyn NetDevice),
    /// A file of the initrd.
    Member(&'static Member),
    /// The end of a pipe that is read from.
    PipeReader(Arc<Pipe>),
    /// The end of a pipe that is written to.
    PipeWriter(Arc<Pipe>),
    /// A message queue.
    Queue(Arc<Queue>),
    /// An end of a stream between processes.
    Socket(Arc<Socket>),
    /// What such a stream begins at.
    Listener(Arc<Listener>),
    /// Memory for several programs.
    Memory(Arc<SharedMemory>),
}

/// An open file; shared by the numbers and processes that have it from one another.
pub struct OpenFile {
    /// What it is.
    pub kind: Kind,
    /// Where it is read or written next, in bytes.
    pub position: AtomicU64,
    mode: AtomicU64,
}

impl OpenFile {
    /// A file at its beginning.
    pub fn new(kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            kind,
            position: AtomicU64::new(0),
            mode: AtomicU64::new(IoMode::Interrupt as u64),
        })
    }

    /// What `path` names: a device, else a member of the initrd.
    pub fn open(path: &[u8]) -> Result<Arc<Self>, Errno> {
        let kind = match path.strip_prefix(b"/dev/") {
            Some(name) => device(core::str::from_utf8(name).map_err(|_| Errno::NoEnt)?),
            None => initrd::find(path).map(Kind::Member),
        };
        kind.map(Self::new).ok_or(Errno::NoEnt)
    }

    /// How its device's completions are awaited.
    pub fn mode(&self) -> IoMode {
        IoMode::from_number(self.mode.load(Ordering::Relaxed)).unwrap_or(IoMode::Interrupt)
    }

    /// Sets [`Self::mode`].
    pub fn set_mode(&self, mode: IoMode) {
        self.mode.store(mode as u64, Ordering::Relaxed);
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        match &self.kind {
            Kind::PipeReader(pipe) => pipe.close_reader(),
            Kind::PipeWriter(pipe) => pipe.close_writer(),
            Kind::Listener(listener) => listener.close(),
            Kind::Char(_) | Kind::Block(_) | Kind::Net(_) | Kind::Member(_) => {}
            // They know themselves when the last file that is one has gone.
            Kind::Queue(_) | Kind::Socket(_) | Kind::Memory(_) => {}
        }
    }
}

fn device(name: &str) -> Option<Kind> {
    drivers::net::device(name)
        .map(Kind::Net)
        .or_else(|| drivers::block_device(name).map(Kind::Block))
        .or_else(|| drivers::char_device(name).map(Kind::Char))
}

/// A process's table of open files.
#[derive(Clone, Default)]
pub struct Files {
    slots: Vec<Option<Arc<OpenFile>>>,
}

impl Files {
    /// Opens the console as input, output and error output.
    pub fn open_console(&mut self) {
        let console = OpenFile::new(Kind::Char(drivers::console()));
        self.slots.resize(CONSOLE_FILES, Some(console));
    }

    /// The file of that number.
    pub fn get(&self, number: u64) -> Result<Arc<OpenFile>, Errno> {
        let index = usize::try_from(number).map_err(|_| Errno::BadF)?;
        self.slots
            .get(index)
            .and_then(Clone::clone)
            .ok_or(Errno::BadF)
    }

    /// Gives a file the lowest number that is free.
    pub fn add(&mut self, file: Arc<OpenFile>) -> Result<u64, Errno> {
        let index = self
            .slots
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.slots.len());
        self.set(index as u64, file).map(|_| index as u64)
    }

    /// Gives a file the number `number`; what had it before.
    pub fn set(
        &mut self,
        number: u64,
        file: Arc<OpenFile>,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        let index = usize::try_from(number)
            .ok()
            .filter(|index| *index < MOST)
            .ok_or(Errno::MFile)?;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, None);
        }
        Ok(self.slots[index].replace(file))
    }

    /// Takes the file of that number out, for the caller to drop without the table's lock.
    pub fn remove(&mut self, number: u64) -> Result<Arc<OpenFile>, Errno> {
        let index = usize::try_from(number).map_err(|_| Errno::BadF)?;
        self.slots
            .get_mut(index)
            .and_then(Option::take)
            .ok_or(Errno::BadF)
    }
}
