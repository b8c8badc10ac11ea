//! System calls: `syscall` with the number in rax, arguments in rdi, rsi, rdx, r10, r8, r9.
//!
//! The result is in rax: a value from 0 up, or an [`Errno`] negated. rcx and r11 are lost, every
//! other register is kept. Pointers are user addresses; the kernel checks the whole range and
//! answers [`Errno::Fault`] for one that the program could not touch itself.

numbered! {
    /// Number of a system call. Each says its arguments and what it returns.
    Sysno: u64 {
        /// `(code: i32) -> !`: ends the process, all its threads with it.
        Exit = 0,
        /// `(ForkKind) -> pid`: 0 in the child. The child shares no memory; pages are copied on write,
        /// or at once.
        Fork = 1,
        /// `(path, path_len, args, args_len) -> !`: runs an initrd program in place of this one.
        /// `args` is the arguments joined by NUL bytes, path not among them.
        Exec = 2,
        /// `(pid or 0 for any, status: *mut ExitStatus, timeout_ns) -> pid`: waits for a child;
        /// `timeout_ns` `u64::MAX` waits for ever, else `Errno::TimedOut`.
        Wait = 3,
        /// `(pid) -> 0`: kills a child with all its threads.
        Kill = 4,
        /// `() -> pid`.
        GetPid = 5,
        /// `(entry, stack_top, argument) -> tid`: a thread of this process starts at `entry`
        /// with `argument` in rdi and rsp at `stack_top`.
        ThreadSpawn = 6,
        /// `() -> !`: ends this thread; the last one ends the process with code 0.
        ThreadExit = 7,
        /// `(tid) -> 0`: waits for a thread of this process to end.
        ThreadJoin = 8,
        /// `() -> 0`: lets others run.
        Yield = 9,
        /// `(ns) -> 0`.
        Sleep = 10,
        /// `(level: 0 lowest to 7) -> old level`: priority of this thread; used by `sched=priority`.
        SetPriority = 11,
        /// `(mask) -> 0`: virtual processors that this thread may run on.
        SetAffinity = 12,
        /// `() -> index of the processor this thread is on`.
        GetCpu = 13,
        /// `(address: *const u32, expected: u32, timeout_ns) -> 0`: sleeps while `*address ==
        /// expected`; `Errno::Again` if it differs, `Errno::TimedOut`.
        FutexWait = 14,
        /// `(address: *const u32, count) -> number woken`.
        FutexWake = 15,
        /// `(bytes, Protection, PageSize) -> address`: zero pages, made at first touch.
        Mmap = 16,
        /// `(address, bytes) -> 0`; of large pages, whole ones.
        Munmap = 17,
        /// `(address, bytes, Protection) -> 0`; not for large pages.
        Mprotect = 18,
        /// `(pages: 0 for none, Replacement) -> 0`: budget of frames for this process; pages over
        /// it are evicted to the swap area by that policy. Not with a window of a network card, nor
        /// with memory in common with another process.
        SetFrameBudget = 19,
        /// `(path, path_len) -> fd`: an initrd member, or `/dev/vda`.., `/dev/hda`..
        /// (`-pio`, `-word`: how its data goes), `/dev/console`, `/dev/ttyS0`, `/dev/rng`,
        /// `/dev/clock-rtc`, `-acpi`, `-pit`, `-kvm`, `/dev/eth-virtio`
        /// (`-1`..`-3`: other pairs of queues), `-e1000`, `-ne2000`, those of [`crate::balloon`].
        Open = 20,
        /// `(fd) -> 0`.
        Close = 21,
        /// `(fd, buffer, len) -> bytes read`, 0 at the end.
        Read = 22,
        /// `(fd, buffer, len) -> bytes written`.
        Write = 23,
        /// `(fd, offset) -> 0`: sets the position of the next read or write of a block device or
        /// an initrd member. Block devices take multiples of 512.
        Seek = 24,
        /// `(fd) -> 0`: returns when all that was written is on stable storage.
        Flush = 25,
        /// `(fds: *mut [u32; 2]) -> 0`: a pipe, read end first.
        Pipe = 26,
        /// `(from, to) -> to`.
        Dup = 27,
        /// `(fd, IoMode) -> 0`: how this device's completions are awaited from now on.
        SetIoMode = 28,
        /// `() -> ns since boot`: what a program also has by the page of [`crate::clock`].
        ClockNs = 29,
        /// `(stats: *mut Stats) -> 0`.
        GetStats = 30,
        /// `(info: *mut SysInfo) -> 0`.
        GetSysInfo = 31,
        /// `(code) -> !`: ends the machine; only for the first process. Code 0 is power-off,
        /// any other [`crate::port::Exit::Failed`].
        PowerOff = 32,
        /// `(fd) -> bytes`: size of a block device or an initrd member.
        Size = 33,
        /// `(Phase, number) -> 0`: what is measured under that number, up to 2^24, begins or has
        /// ended, or the host is to look; it does so there and then.
        Measure = 34,
        /// `(fd) -> address`: that of a network card, its first byte lowest.
        NetAddress = 40,
        /// `(fd) -> address`: maps the window of a network card ([`crate::net_window`]), if it has
        /// one. A child has none of it, nor a program with a budget of frames.
        NetMap = 41,
        /// `(fd, sent, most) -> received`: sends the first `sent` pieces of the window's list, then
        /// waits, unless `most` is 0, until something has come, and lists at most so many pieces of
        /// that.
        NetExchange = 42,
        /// `(fd, offloads) -> 0`: frames that come to the window may be left from now on as these
        /// say, of those that the card has; until somebody reads frames, or says otherwise.
        NetOffload = 43,
        /// `(name, name_len, slice_ns) -> 0`: the scheduling policy of that name (those of the kernel
        /// parameter `sched`) has all threads that wait, from now on. Without a name it is the kernel
        /// parameter's choice, and so is a slice of 0; other slices have 250 us (before, a thread may
        /// not have come back to ring 3 yet) to 10 s.
        SetScheduler = 50,
        /// `(TaskAttribute, value) -> 0`: tells the scheduling policy something of this thread.
        SetTask = 51,
        /// `() -> ns`: processor time that this thread has had.
        ThreadTime = 52,
        /// `(capacity) -> 0`: forgets all turns and keeps the next, so many at most, up to 8192;
        /// 0 to keep none.
        TraceTurns = 53,
        /// `(turns: *mut Turn, first, count) -> number copied`: turns kept, from number `first` on.
        ReadTurns = 54,
        /// `(0 or 1) -> 0`: whether a processor without work takes threads that wait for another.
        SetStealing = 55,
        /// `(ns since boot) -> 0`: sleeps until then.
        SleepUntil = 56,
        /// `(number, Inheritance) -> 0`: takes that lock of this process, of which it has as many as
        /// are held; waits for it if another thread has it. `Errno::Inval` for one that it has itself.
        TakeLock = 57,
        /// `(number) -> 0`: gives it back; `Errno::Perm` if it is not this thread's.
        GiveLock = 58,
        /// `(address, bytes, how: *const Confine) -> 0`: these pages, all of one's own zeroes, have
        /// a budget of frames, a policy and counts of their own from now on ([`crate::confine`]);
        /// null for `how` ends that. A confined area is unmapped as a whole, and keeps its rights.
        Confine = 80,
        /// `(address, counts: *mut ConfinedCounts) -> 0`: what has happened in the confined area
        /// that `address` is in.
        ConfinedCounts = 81,
        /// `(address, from, uses: *mut u32, len) -> number`: the recorded uses of that area from
        /// number `from` on, at most `len`: pages by their number in the area.
        ConfinedTrace = 82,
        /// `(setup: *const PoolSetup) -> number`: a pool of frames that confined areas of any process
        /// can be members of ([`crate::confine`]); it is open as long as this process has its program.
        PoolOpen = 83,
        /// `(number) -> 0`: closes a pool of one's own; its members are without a limit then.
        PoolClose = 84,
        /// `(number, counts: *mut PoolCounts) -> 0`.
        PoolCounts = 85,
        /// `(number) -> 0`: keeps frames of the pool free until it is closed: whenever there are fewer
        /// than its low watermark, pages are evicted until there are as many as its high one.
        PoolServe = 86,
        /// `(address, bytes, Advice, number) -> pages made, dropped or written`.
        Advise = 87,
        /// `(frames) -> frames`: has the kernel's pool of cleared frames filled up to so many, at most
        /// 1024, or emptied down to them; how many it has.
        FillZeroes = 88,
        /// `(fd, offset, bytes, Protection, DiskWrites) -> address`: maps a part of a disk, from a
        /// whole sector on.
        MapDisk = 89,
        /// `(bytes) -> address`: zero pages, all made at once, that children made from then on have in
        /// common with this process: what one writes, all see, and [`Self::FutexWake`] reaches who sleeps
        /// there in another process. Rights to them do not change; not with a budget of frames.
        MmapShared = 60,
        /// `(number, handler, entry, mask) -> handler before`: what this process does with a signal of
        /// [`crate::signal`]. A handler's address, or `DEFAULT` or `IGNORE`; the signal and those of
        /// `mask` are held back while it runs. The thread goes on at `entry`, with rsp at a
        /// [`crate::signal::SignalFrame`], the number in rdi, the value in rsi, the handler in rdx. A
        /// program that is executed has none of it, a child has all.
        SignalAction = 61,
        /// `(MaskChange, set) -> set before`: what this thread holds back, and threads that it makes.
        SignalMask = 62,
        /// `(pid, tid or 0 for any thread, number, value) -> 1, or 0 if it was pending already`: to this
        /// process (0, too), its parent or a child. Sleeps and waits for words or children end with
        /// [`Errno::Intr`] for it.
        SignalSend = 63,
        /// `(frame: *const SignalFrame) -> !`: goes on where that says; returns only when it cannot.
        SignalReturn = 64,
        /// `() -> set`: what is pending for this thread.
        SignalPending = 65,
        /// `(name, name_len, messages, message_bytes) -> fd`: the message queue of that name (1 to
        /// 64 bytes), made for at most so many messages of at most so many bytes if there is none;
        /// `messages` 0 takes what there is, else `Errno::NoEnt`. Without a name, a new one that a
        /// child inherits. It goes with the last file that is it.
        QueueOpen = 70,
        /// `(fd, buffer, len, priority: 0 lowest to 31, timeout_ns) -> bytes`: puts a message into a
        /// queue, waiting for room at most `timeout_ns` (`u64::MAX`: for ever). Of a pipe or a
        /// socket, whose bytes have no priority but 0: writes, as [`Sysno::Write`] does; a part,
        /// if the time is over.
        Send = 71,
        /// `(fd, buffer, len, priority: *mut u32 or 0, timeout_ns) -> bytes`: takes the oldest
        /// message of the highest priority out of a queue, waiting for one; `Errno::MsgSize` leaves
        /// it there if it is longer than `len`. Of a pipe or a socket: reads, as [`Sysno::Read`]
        /// does; `priority` is 0 then.
        Receive = 72,
        /// `(fds: *mut [u32; 2]) -> 0`: two stream sockets that are each other's ends.
        SocketPair = 73,
        /// `(name, name_len, backlog: 1 to 64) -> fd`: a socket of that name (1 to 64 bytes) which
        /// others connect to; `Errno::AddrInUse` if there is one. So many may wait to be accepted.
        SocketListen = 74,
        /// `(name, name_len, timeout_ns) -> fd`: a stream socket whose other end the listener of
        /// that name will accept; `Errno::ConnRefused` if there is none.
        SocketConnect = 75,
        /// `(fd, timeout_ns) -> fd`: the other end of who has connected to a listener first.
        SocketAccept = 76,
        /// `(name, name_len, bytes) -> fd`: the shared memory of that name, made of so many bytes
        /// (at most 64 MiB) of zeroes, in whole pages, if there is none; `bytes` 0 takes what there
        /// is, else `Errno::NoEnt`, and other sizes than it has are `Errno::Inval`. Without a name,
        /// a new one. It goes when no file and no program's memory is it any more.
        ShmOpen = 77,
        /// `(fd, Protection: Read or ReadWrite) -> address`: maps all of it. A child has it, too.
        /// Its rights cannot be changed, and a program with a budget of frames has none of it.
        ShmMap = 78,
        /// `(transfers: *mut Transfers) -> 0`; of this process.
        GetTransfers = 79,
    }
}

numbered! {
    /// Why a system call failed; numbers are Linux's.
    Errno: i64 {
        /// Not permitted to this process.
        Perm = 1,
        /// No such file, device or program.
        NoEnt = 2,
        /// No such process or thread.
        Srch = 3,
        /// A signal has come.
        Intr = 4,
        /// The device failed.
        Io = 5,
        /// Not an executable.
        NoExec = 8,
        /// No such file descriptor, or not open for this.
        BadF = 9,
        /// No child to wait for.
        Child = 10,
        /// The value has changed; try again.
        Again = 11,
        /// Memory or swap space has run out.
        NoMem = 12,
        /// An address that the program may not touch.
        Fault = 14,
        /// An argument that means nothing here.
        Inval = 22,
        /// Too many open files.
        MFile = 24,
        /// Nothing more fits on the device.
        NoSpc = 28,
        /// The pipe has no reader.
        Pipe = 32,
        /// No such system call.
        NoSys = 38,
        /// The message is too long.
        MsgSize = 90,
        /// The name is taken.
        AddrInUse = 98,
        /// The time is over.
        TimedOut = 110,
        /// Nobody listens there.
        ConnRefused = 111,
    }
}

numbered! {
    /// What a program may do with its pages.
    Protection: u64 {
        /// Nothing.
        None = 0,
        /// Read.
        Read = 1,
        /// Read and write.
        ReadWrite = 2,
        /// Read and execute.
        ReadExecute = 3,
    }
}

numbered! {
    /// Size of the pages that memory is made of.
    PageSize: u64 {
        /// 4 KiB.
        Small = 0,
        /// 2 MiB. Such pages are the program's alone: system calls take no buffers in them, a
        /// child has none of them, and no budget of frames counts or evicts them.
        Large = 1,
        /// 1 GiB, all of it there at once, for reading and writing, and otherwise as [`Self::Large`]:
        /// `Errno::NoSys` where the processor has no such pages, `Errno::NoMem` unless a whole one of
        /// memory was never used. When it was, its frames serve smaller pages.
        Huge = 2,
    }
}

numbered! {
    /// How a child comes by its parent's pages.
    ForkKind: u64 {
        /// A page is copied when one of the two writes to it.
        OnWrite = 0,
        /// All are copied at once.
        Copy = 1,
        /// None is: it has the parent's address space, stack and all, until it runs a program or
        /// ends, and the parent, which may have no other thread, waits until then (`vfork`).
        Lend = 2,
    }
}

numbered! {
    /// What a program says of its pages, those of zeroes or of a disk.
    Advice: u64 {
        /// They will be used: they are made now, as far as there are frames for all.
        WillNeed = 0,
        /// They will not: they go, and are as at first at their next use.
        DontNeed = 1,
        /// They will be used in their order: a fault makes `number` of them, up to 64; 1 ends it.
        Sequential = 2,
        /// They are made and stay in memory, until [`Self::Unlock`] for the same range;
        /// [`Errno::NoMem`] if a budget has not one frame more.
        Lock = 3,
        /// They need not stay.
        Unlock = 4,
        /// What was written to them goes back to their disk now.
        Sync = 5,
    }
}

numbered! {
    /// What becomes of what is written to a page of a disk.
    DiskWrites: u64 {
        /// It stays the program's own.
        Private = 0,
        /// It goes back to the disk: at [`Advice::Sync`], and when the page is evicted or unmapped. A
        /// child has none of it.
        Back = 1,
    }
}

numbered! {
    /// Page replacement policy.
    Replacement: u64 {
        /// The kernel parameter's choice.
        Default = 0,
        /// First in, first out.
        Fifo = 1,
        /// Second chance by the accessed bit.
        Clock = 2,
    }
}

numbered! {
    /// How completions of a device are awaited.
    IoMode: u64 {
        /// The thread sleeps until the interrupt.
        Interrupt = 0,
        /// The thread looks at the used ring (or line status) until it is done.
        Poll = 1,
    }
}

numbered! {
    /// See [`Sysno::Measure`].
    Phase: u64 {
        /// It begins.
        Begin = 0,
        /// It has ended.
        End = 1,
        /// Before or after it: the host looks how much of its memory the guest has.
        Look = 2,
    }
}

numbered! {
    /// What a thread tells the scheduling policy; see [`Sysno::SetTask`].
    TaskAttribute: u64 {
        /// Processor time in ns that it needs from now on until it waits; 0 to say nothing.
        Length = 0,
        /// Its tickets, 1 to 10000; 100 if nobody says. A new thread has its maker's.
        Weight = 1,
        /// When it has to be done, in ns since boot; 0 for never.
        Deadline = 2,
    }
}

numbered! {
    /// What waiting for a lock does to who has it; see [`Sysno::TakeLock`].
    Inheritance: u64 {
        /// Nothing.
        None = 0,
        /// It has at least the priority of who waits, until it gives a lock back.
        Priority = 1,
    }
}

numbered! {
    /// Why a thread left its processor; see [`Turn`].
    Leave: u32 {
        /// It waits for something.
        Blocked = 0,
        /// It let others run.
        Yielded = 1,
        /// Its slice was over.
        SliceEnded = 2,
        /// Another had to run at once.
        Preempted = 3,
        /// It has ended.
        Ended = 4,
    }
}

numbered! {
    /// Why a process ended; see [`ExitStatus`].
    EndCause: u32 {
        /// It called [`Sysno::Exit`].
        Exited = 0,
        /// Another killed it.
        Killed = 1,
        /// Page fault that nothing could satisfy; `detail` is the address.
        PageFault = 2,
        /// Another processor exception; `detail` is its vector.
        Exception = 3,
        /// Memory or swap space had run out.
        OutOfMemory = 4,
        /// A signal that it has no handler for; `detail` is its number.
        Signal = 5,
    }
}

/// How a child ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitStatus {
    /// An [`EndCause`].
    pub cause: u32,
    /// The code it exited with, when `cause` is [`EndCause::Exited`].
    pub code: i32,
    /// See [`EndCause`].
    pub detail: u64,
}

/// Counts since boot; those marked "process" are the caller's own.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Page faults of ring 3 (process).
    pub page_faults: u64,
    /// Pages made zero on demand (process).
    pub zero_fills: u64,
    /// Pages copied after fork (process).
    pub cow_copies: u64,
    /// Shared pages taken over without a copy, being the last owner (process).
    pub cow_reuses: u64,
    /// Pages written to the swap area (process).
    pub evictions_written: u64,
    /// Pages dropped, their swap copy being current (process).
    pub evictions_clean: u64,
    /// Pages read back from the swap area (process).
    pub swap_ins: u64,
    /// Frames in use by the process.
    pub resident_pages: u64,
    /// Switches from one thread to another (all processors).
    pub context_switches: u64,
    /// Those of them forced by the timer (all processors).
    pub preemptions: u64,
    /// Time spent inside the switch: sum over all switches in ns (all processors).
    pub switch_ns: u64,
    /// Time that runnable threads waited for a processor: sum in ns (all processors).
    pub wait_ns: u64,
    /// Most that one waited in ns (all processors).
    pub max_wait_ns: u64,
    /// Timer interrupts (all processors).
    pub timer_interrupts: u64,
    /// Device interrupts (all processors).
    pub device_interrupts: u64,
    /// Times the FPU registers were loaded on first use (all processors).
    pub fpu_loads: u64,
    /// Requests completed by disks.
    pub block_requests: u64,
    /// Notifications (doorbells) sent to virtio devices.
    pub notifications: u64,
    /// Free frames of the machine.
    pub free_frames: u64,
    /// Those of them that nobody has written to since the machine was started.
    pub fresh_frames: u64,
}

/// What a process's communication has cost it since its start.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// System calls: from the program to the kernel and back. [`Sysno::GetTransfers`] is none.
    pub crossings: u64,
    /// Copies between the program and the kernel of what goes through pipes, sockets and queues.
    pub copies: u64,
    /// Bytes of those.
    pub copied_bytes: u64,
}

/// What the machine is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SysInfo {
    /// Processors running.
    pub cpus: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Time-stamp counter frequency.
    pub tsc_khz: u64,
    /// Nonzero if time comes from kvmclock.
    pub kvmclock: u64,
    /// Time slice in ns.
    pub slice_ns: u64,
    /// Nonzero if the scheduling policy is strict priority.
    pub sched_priority: u64,
}

/// A thread's time on a processor, from when it came to when it left, or might have left.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Process and thread; 0 for a processor that idled.
    pub pid: u32,
    /// The thread's number within the process.
    pub tid: u32,
    /// Processor.
    pub cpu: u32,
    /// A [`Leave`].
    pub leave: u32,
    /// When it came, in ns since boot.
    pub from_ns: u64,
    /// When it left.
    pub to_ns: u64,
}

const _: () = assert!(size_of::<Turn>() == 32);
const _: () = assert!(size_of::<ExitStatus>() == 16);
const _: () = assert!(size_of::<Stats>() == 20 * 8);
const _: () = assert!(size_of::<SysInfo>() == 6 * 8);
const _: () = assert!(size_of::<Transfers>() == 3 * 8);

/// A result register as the program sees it.
pub fn decode(result: i64) -> Result<u64, Errno> {
    if result >= 0 {
        return Ok(result.cast_unsigned());
    }
    Err(Errno::from_number(-result).unwrap_or(Errno::Io))
}
