//! System calls: one short function each, one file a family. What each does and returns is said
//! at [`Sysno`].

mod confine;
mod io;
mod ipc;
mod memory;
mod net;
mod process;
mod schedule;
mod signal;
mod thread;
mod time;

use abi::syscall::{Errno, Sysno};

use crate::arch::trap::TrapFrame;

/// What a system call gives: a value, or why not.
type Outcome = Result<u64, Errno>;

/// Does what the registers in `frame` ask for; the value for rax.
pub(crate) fn dispatch(frame: &mut TrapFrame) -> i64 {
    let outcome = match Sysno::from_number(frame.rax) {
        Some(number) => call(number, frame),
        None => Err(Errno::NoSys),
    };
    match outcome {
        Ok(value) => value.cast_signed(),
        Err(error) => -(error as i64),
    }
}

fn call(number: Sysno, frame: &mut TrapFrame) -> Outcome {
    let TrapFrame {
        rdi,
        rsi,
        rdx,
        r10,
        r8,
        ..
    } = *frame;
    match number {
        Sysno::Exit => process::sys_exit(rdi),
        Sysno::Fork => process::sys_fork(frame),
        Sysno::Exec => process::sys_exec(frame, (rdi, rsi), (rdx, r10)),
        Sysno::Wait => process::sys_wait(rdi, rsi, rdx),
        Sysno::Kill => process::sys_kill(rdi),
        Sysno::GetPid => process::sys_get_pid(),
        Sysno::ThreadSpawn => thread::sys_thread_spawn(rdi, rsi, rdx),
        Sysno::ThreadExit => thread::sys_thread_exit(),
        Sysno::ThreadJoin => thread::sys_thread_join(rdi),
        Sysno::Yield => thread::sys_yield(),
        Sysno::Sleep => time::sys_sleep(rdi),
        Sysno::SetPriority => thread::sys_set_priority(rdi),
        Sysno::SetAffinity => thread::sys_set_affinity(rdi),
        Sysno::GetCpu => thread::sys_get_cpu(),
        Sysno::FutexWait => thread::sys_futex_wait(rdi, rsi, rdx),
        Sysno::FutexWake => thread::sys_futex_wake(rdi, rsi),
        Sysno::Mmap => memory::sys_mmap(rdi, rsi, rdx),
        Sysno::Munmap => memory::sys_munmap(rdi, rsi),
        Sysno::Mprotect => memory::sys_mprotect(rdi, rsi, rdx),
        Sysno::SetFrameBudget => memory::sys_set_frame_budget(rdi, rsi),
        Sysno::Open => io::sys_open(rdi, rsi),
        Sysno::Close => io::sys_close(rdi),
        Sysno::Read => io::sys_read(rdi, rsi, rdx),
        Sysno::Write => io::sys_write(rdi, rsi, rdx),
        Sysno::Seek => io::sys_seek(rdi, rsi),
        Sysno::Flush => io::sys_flush(rdi),
        Sysno::Pipe => io::sys_pipe(rdi),
        Sysno::Dup => io::sys_dup(rdi, rsi),
        Sysno::SetIoMode => io::sys_set_io_mode(rdi, rsi),
        Sysno::Size => io::sys_size(rdi),
        Sysno::ClockNs => time::sys_clock_ns(),
        Sysno::GetStats => process::sys_get_stats(rdi),
        Sysno::GetSysInfo => process::sys_get_sys_info(rdi),
        Sysno::Measure => time::sys_measure(rdi, rsi),
        Sysno::NetAddress => net::sys_net_address(rdi),
        Sysno::NetMap => net::sys_net_map(rdi),
        Sysno::NetExchange => net::sys_net_exchange(rdi, rsi, rdx),
        Sysno::NetOffload => net::sys_net_offload(rdi, rsi),
        Sysno::SetScheduler => schedule::sys_set_scheduler((rdi, rsi), rdx),
        Sysno::SetTask => schedule::sys_set_task(rdi, rsi),
        Sysno::ThreadTime => schedule::sys_thread_time(),
        Sysno::TraceTurns => schedule::sys_trace_turns(rdi),
        Sysno::ReadTurns => schedule::sys_read_turns(rdi, rsi, rdx),
        Sysno::SetStealing => schedule::sys_set_stealing(rdi),
        Sysno::TakeLock => schedule::sys_take_lock(rdi, rsi),
        Sysno::GiveLock => schedule::sys_give_lock(rdi),
        Sysno::SleepUntil => time::sys_sleep_until(rdi),
        Sysno::Confine => confine::sys_confine(rdi, rsi, rdx),
        Sysno::ConfinedCounts => confine::sys_confined_counts(rdi, rsi),
        Sysno::ConfinedTrace => confine::sys_confined_trace(rdi, rsi, rdx, r10),
        Sysno::PoolOpen => confine::sys_pool_open(rdi),
        Sysno::PoolClose => confine::sys_pool_close(rdi),
        Sysno::PoolCounts => confine::sys_pool_counts(rdi, rsi),
        Sysno::PoolServe => confine::sys_pool_serve(rdi),
        Sysno::SignalAction => signal::sys_signal_action(rdi, rsi, rdx, r10),
        Sysno::SignalMask => signal::sys_signal_mask(rdi, rsi),
        Sysno::SignalSend => signal::sys_signal_send(rdi, rsi, rdx, r10),
        Sysno::SignalReturn => signal::sys_signal_return(frame, rdi),
        Sysno::SignalPending => signal::sys_signal_pending(),
        Sysno::MmapShared => memory::sys_mmap_shared(rdi),
        Sysno::QueueOpen => ipc::sys_queue_open((rdi, rsi), rdx, r10),
        Sysno::Send => ipc::sys_send(rdi, (rsi, rdx), r10, r8),
        Sysno::Receive => ipc::sys_receive(rdi, (rsi, rdx), r10, r8),
        Sysno::SocketPair => ipc::sys_socket_pair(rdi),
        Sysno::SocketListen => ipc::sys_socket_listen((rdi, rsi), rdx),
        Sysno::SocketConnect => ipc::sys_socket_connect((rdi, rsi), rdx),
        Sysno::SocketAccept => ipc::sys_socket_accept(rdi, rsi),
        Sysno::ShmOpen => ipc::sys_shm_open((rdi, rsi), rdx),
        Sysno::ShmMap => ipc::sys_shm_map(rdi, rsi),
        Sysno::GetTransfers => ipc::sys_get_transfers(rdi),
        Sysno::Advise => memory::sys_advise((rdi, rsi), rdx, r10),
        Sysno::FillZeroes => memory::sys_fill_zeroes(rdi),
        Sysno::MapDisk => memory::sys_map_disk(rdi, (rsi, rdx), r10, r8),
        Sysno::PowerOff => process::sys_power_off(rdi),
    }
}
