//! Programs: from an ELF file to an address space, and copies of a running one.

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use abi::clock::ADDRESS;
use abi::syscall::{Errno, ForkKind, Protection};

use super::vfork::{give_back, vfork};
use super::{FIRST_PID, Process};
use crate::arch::clock;
use crate::arch::context::use_page_table;
use crate::arch::trap::TrapFrame;
use crate::elf::Program;
use crate::initrd::{self, Member};
use crate::mm::PAGE_BYTES;
use crate::mm::area::{Area, Backing};
use crate::mm::space::VmSpace;
use crate::sched::{self, Thread};

/// Where the first thread's stack ends, below the room for `mmap`.
const STACK_TOP: u64 = 0x1000_0000;
/// Its size; the pages below belong to nothing.
const STACK_BYTES: u64 = 64 * 1024;
/// Most bytes of arguments, path included: what fits in the stack's last page with the table.
const MAX_ARGUMENT_BYTES: usize = 2048;
/// Most arguments.
const MAX_ARGUMENTS: usize = 64;
/// Most threads of a process.
const MAX_THREADS: usize = 256;

/// Makes the first process, which runs the initrd's program `path`.
pub(crate) fn start_first(path: &str) -> Result<(), Errno> {
    let process = Process::create(None).ok_or(Errno::NoMem)?;
    debug_assert!(
        process.pid() == FIRST_PID,
        "the first process is made first"
    );
    process.files.lock().open_console();
    let (space, registers) = load(process, path.as_bytes(), b"")?;
    process.shared.root.store(space.root().0, Ordering::Relaxed);
    *process.space.lock() = Some(space);
    *process.name.lock() = String::from(path);
    start_thread(process, registers, None).map(drop)
}

/// Replaces the running process's program by the initrd's `path`, with `arguments` joined by
/// NULs; gives the registers to enter it with.
pub(crate) fn exec(path: &[u8], arguments: &[u8]) -> Result<TrapFrame, Errno> {
    let process = super::current();
    if !process.is_alone() {
        return Err(Errno::Again);
    }
    let resident = process
        .shared
        .counters
        .resident_pages
        .load(Ordering::Relaxed);
    let (space, registers) = load(process, path, arguments)?;
    let root = space.root();
    let mut current = process.space.lock();
    let old = current.replace(space);
    process.shared.root.store(root.0, Ordering::Relaxed);
    use_page_table(root);
    drop(current);
    give_back(process, old, resident);
    *process.name.lock() = String::from_utf8_lossy(path).into_owned();
    process.signals.reset();
    sched::current().fpu.reset_current();
    Ok(registers)
}

/// A copy of the running process, whose only thread goes on with `registers`; its number.
pub(crate) fn fork(registers: TrapFrame, kind: ForkKind) -> Result<u64, Errno> {
    if kind == ForkKind::Lend {
        return vfork(registers);
    }
    let parent = super::current();
    let child = Process::create(Some(parent)).ok_or(Errno::NoMem)?;
    let copy = parent.with_space(|space| space.fork(&child.shared, kind))?;
    child.shared.root.store(copy.root().0, Ordering::Relaxed);
    *child.space.lock() = Some(copy);
    child.be_like(parent);
    parent.children.lock().push(child);
    let pid = child.pid();
    start_thread(child, registers, Some(sched::current())).map(|_| pid)
}

impl Process {
    /// Has the files, the name and the signal handlers of `parent`.
    pub(super) fn be_like(&self, parent: &Self) {
        let files = parent.files.lock().clone();
        *self.files.lock() = files;
        let name = parent.name.lock().clone();
        *self.name.lock() = name;
        self.signals.inherit(&parent.signals);
    }
}

/// A thread of the running process at `entry`, with `argument`; its number.
pub(crate) fn spawn_thread(registers: TrapFrame) -> Result<u64, Errno> {
    start_thread(super::current(), registers, Some(sched::current()))
}

pub(super) fn start_thread(
    process: &'static Process,
    registers: TrapFrame,
    parent: Option<&Thread>,
) -> Result<u64, Errno> {
    let mut threads = process.threads.lock();
    if threads.len() >= MAX_THREADS {
        return Err(Errno::Again);
    }
    let tid = process.last_tid.fetch_add(1, Ordering::Relaxed) + 1;
    let thread = Thread::create(process, tid, registers, parent).ok_or(Errno::NoMem)?;
    if let Some(parent) = parent.filter(|parent| {
        parent
            .process()
            .is_none_or(|other| !core::ptr::eq(other, process))
    }) {
        thread.fpu.copy_from(&parent.fpu);
    }
    threads.push(thread);
    drop(threads);
    sched::start(thread);
    Ok(tid)
}

/// Makes an address space for `process` that runs the initrd's program `path`.
fn load(
    process: &'static Process,
    path: &[u8],
    arguments: &[u8],
) -> Result<(VmSpace, TrapFrame), Errno> {
    let member = initrd::find(path).ok_or(Errno::NoEnt)?;
    let program = Program::parse(member.data).ok_or(Errno::NoExec)?;
    let mut space = VmSpace::new(&process.shared).ok_or(Errno::NoMem)?;
    for segment in program.segments() {
        let segment = segment.ok_or(Errno::NoExec)?;
        let backing = Backing::File {
            member,
            offset: segment.offset,
            end: segment.file_end,
        };
        let area = Area {
            start: segment.start,
            end: segment.end,
            protection: segment.protection,
            backing,
        };
        space.add(area).map_err(|_| Errno::NoExec)?;
    }
    let stack = Area {
        start: STACK_TOP - STACK_BYTES,
        end: STACK_TOP,
        protection: Protection::ReadWrite,
        backing: Backing::Zero,
    };
    space.add(stack).map_err(|_| Errno::NoExec)?;
    let clock = Area {
        start: ADDRESS,
        end: ADDRESS + PAGE_BYTES,
        protection: Protection::Read,
        backing: Backing::Frame(clock::page()),
    };
    space.add(clock).map_err(|_| Errno::NoExec)?;
    let (rsp, arguments) = push_arguments(&mut space, member, arguments)?;
    Ok((space, TrapFrame::user(program.entry, rsp, arguments)))
}

/// Puts path and arguments at the top of the stack, and below them the table of (address,
/// length) pairs; gives rsp, and count and address of the table.
fn push_arguments(
    space: &mut VmSpace,
    program: &Member,
    arguments: &[u8],
) -> Result<(u64, [u64; 2]), Errno> {
    let path = program.name.as_bytes();
    if path.len() + arguments.len() > MAX_ARGUMENT_BYTES {
        return Err(Errno::Inval);
    }
    let mut texts = Vec::from([path]);
    if !arguments.is_empty() {
        texts.extend(arguments.split(|byte| *byte == 0).take(MAX_ARGUMENTS));
    }
    let (mut at, mut table) = (STACK_TOP, Vec::new());
    let mut page = Vec::new();
    for text in &texts {
        at -= text.len() as u64;
        table.extend([at, text.len() as u64]);
    }
    let table_at = (at - table.len() as u64 * 8) & !15;
    page.extend(table.iter().flat_map(|word| word.to_le_bytes()));
    page.resize((at - table_at) as usize, 0);
    texts
        .iter()
        .rev()
        .for_each(|text| page.extend_from_slice(text));
    debug_assert!(
        (page.len() as u64) <= PAGE_BYTES,
        "path, arguments and table fit in a page"
    );
    space.copy_out(table_at, &page)?;
    // As after a call: 8 below a multiple of 16.
    Ok((table_at - 8, [texts.len() as u64, table_at]))
}
