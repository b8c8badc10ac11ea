//! Communication between processes, beside reading and writing files.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::syscall::{Errno, Protection};

use super::Outcome;
use super::io::{add_two, file, read_pipe, write_pipe};
use super::process::text;
use crate::ipc::{Listener, MAX_NAME, Message, Named, Names, Queue, Socket};
use crate::mm::object::SharedMemory;
use crate::process::{Kind, OpenFile, current};
use crate::time::deadline;

static QUEUES: Names<Queue> = Names::new();
static LISTENERS: Names<Listener> = Names::new();
static MEMORIES: Names<SharedMemory> = Names::new();

/// The name that a program gives by address and length; empty for none.
fn name((address, len): (u64, u64)) -> Result<Vec<u8>, Errno> {
    if len > MAX_NAME {
        return Err(Errno::Inval);
    }
    text((address, len))
}

fn open(kind: Kind) -> Outcome {
    let file = OpenFile::new(kind);
    let added = current().files.lock().add(file.clone());
    // Dropped without the table's lock, if there was no room: closing wakes those who wait.
    drop(file);
    added
}

/// What has that name, or `make`s it; without `make`, only what there is.
fn find_or_make<T>(
    names: &Names<T>,
    name: Vec<u8>,
    make: Option<impl FnOnce() -> Result<Arc<T>, Errno>>,
) -> Result<Named<T>, Errno> {
    match (names.find(&name), make) {
        (Some(found), _) => Ok(Named::Found(found)),
        (None, None) => Err(Errno::NoEnt),
        (None, Some(make)) if name.is_empty() => make().map(Named::Made),
        (None, Some(make)) => names.find_or_add(name, make()?),
    }
}

pub(super) fn sys_queue_open(at: (u64, u64), messages: u64, message_bytes: u64) -> Outcome {
    let make = (messages != 0).then_some(|| Queue::new(messages, message_bytes));
    let queue = find_or_make(&QUEUES, name(at)?, make)?;
    open(Kind::Queue(queue.take()))
}

pub(super) fn sys_send(
    number: u64,
    (buffer, len): (u64, u64),
    priority: u64,
    timeout_ns: u64,
) -> Outcome {
    let file = file(number)?;
    let end = deadline(timeout_ns);
    match &file.kind {
        Kind::Queue(queue) => send_message(queue, (buffer, len), priority, end),
        _ if priority != 0 => Err(Errno::Inval),
        Kind::PipeWriter(pipe) => write_pipe(pipe, (buffer, len), end),
        Kind::Socket(socket) => write_pipe(&socket.outgoing, (buffer, len), end),
        _ => Err(Errno::BadF),
    }
}

fn send_message(queue: &Queue, (buffer, len): (u64, u64), priority: u64, end: u64) -> Outcome {
    queue.check(len, priority)?;
    let process = current();
    let bytes = process.with_space(|space| space.take_bytes(buffer, len as usize))?;
    process.transfers.copied(len);
    let priority = priority as u32;
    queue.send(Message { priority, bytes }, end).map(|()| len)
}

pub(super) fn sys_receive(
    number: u64,
    (buffer, len): (u64, u64),
    priority: u64,
    timeout_ns: u64,
) -> Outcome {
    let file = file(number)?;
    let end = deadline(timeout_ns);
    match &file.kind {
        Kind::Queue(queue) => receive_message(queue, (buffer, len), priority, end),
        Kind::PipeReader(pipe) => receive_bytes(|| read_pipe(pipe, (buffer, len), end), priority),
        Kind::Socket(socket) => {
            receive_bytes(|| read_pipe(&socket.incoming, (buffer, len), end), priority)
        }
        _ => Err(Errno::BadF),
    }
}

/// Bytes that have no priority, which is said where one is asked for, before any are lost.
fn receive_bytes(read: impl FnOnce() -> Outcome, priority: u64) -> Outcome {
    if priority != 0 {
        current().with_space(|space| space.write(priority, &0_u32))?;
    }
    read()
}

fn receive_message(queue: &Queue, (buffer, len): (u64, u64), priority: u64, end: u64) -> Outcome {
    let process = current();
    let most = usize::try_from(len).map_err(|_| Errno::Inval)?;
    let message = queue.receive(most, end)?;
    let bytes = message.bytes.len() as u64;
    let given = process.with_space(|space| {
        if priority != 0 {
            space.write(priority, &message.priority)?;
        }
        space.copy_out(buffer, &message.bytes)
    });
    if let Err(error) = given {
        queue.put_back(message);
        return Err(error);
    }
    process.transfers.copied(bytes);
    Ok(bytes)
}

pub(super) fn sys_socket_pair(address: u64) -> Outcome {
    let [first, second] =
        Socket::pair().map(|socket| OpenFile::new(Kind::Socket(Arc::new(socket))));
    add_two(first, second, address)
}

pub(super) fn sys_socket_listen(at: (u64, u64), backlog: u64) -> Outcome {
    let name = name(at)?;
    if name.is_empty() {
        return Err(Errno::Inval);
    }
    match LISTENERS.find_or_add(name, Listener::new(backlog)?)? {
        Named::Found(_) => Err(Errno::AddrInUse),
        Named::Made(listener) => open(Kind::Listener(listener)),
    }
}

pub(super) fn sys_socket_connect(at: (u64, u64), timeout_ns: u64) -> Outcome {
    let listener = LISTENERS.find(&name(at)?).ok_or(Errno::ConnRefused)?;
    let socket = listener.connect(deadline(timeout_ns))?;
    open(Kind::Socket(Arc::new(socket)))
}

pub(super) fn sys_socket_accept(number: u64, timeout_ns: u64) -> Outcome {
    let file = file(number)?;
    let Kind::Listener(listener) = &file.kind else {
        return Err(Errno::BadF);
    };
    let socket = listener.accept(deadline(timeout_ns))?;
    open(Kind::Socket(Arc::new(socket)))
}

pub(super) fn sys_shm_open(at: (u64, u64), bytes: u64) -> Outcome {
    let make = (bytes != 0).then_some(|| SharedMemory::new(bytes));
    let memory = find_or_make(&MEMORIES, name(at)?, make)?.take();
    if bytes != 0 && SharedMemory::rounded(bytes) != memory.bytes() {
        return Err(Errno::Inval);
    }
    open(Kind::Memory(memory))
}

pub(super) fn sys_shm_map(number: u64, protection: u64) -> Outcome {
    let file = file(number)?;
    let Kind::Memory(memory) = &file.kind else {
        return Err(Errno::BadF);
    };
    let protection = Protection::from_number(protection)
        .filter(|protection| matches!(protection, Protection::Read | Protection::ReadWrite))
        .ok_or(Errno::Inval)?;
    current().with_space(|space| space.map_memory(memory, protection))
}

pub(super) fn sys_get_transfers(address: u64) -> Outcome {
    let process = current();
    let transfers = process.transfers.tell();
    process.with_space(|space| space.write(address, &transfers).map(|()| 0))
}
