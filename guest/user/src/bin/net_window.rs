//! Drives the window of a virtio network card against its rules, then says a word on the network and
//! sends back all that comes, up to a frame that is marked as the last; what goes wrong is said. For
//! the tests: `--suite none --append init=bin/net_window`.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "drives the window with nothing of it in use")]

use core::ptr;
use user::abi::net_header::NetHeader;
use user::abi::net_window::{
    CHECKSUM, HEADER_BYTES, MOST_RECEIVED, MOST_SENT, OPEN_CHECKSUM, Piece, RECEIVE_AREA,
    SEND_AREA, SEND_LIST, WHOLE_TCP4,
};
use user::abi::syscall::{EndCause, Errno, IoMode, Protection, Replacement};
use user::check::{Context as _, Failure, Verdict};
use user::ensure;
use user::mapping::PAGE;
use user::net::{Card, Frames, Window};
use user::println;
use user::process::{Child, cause, exit_code};
use user::start::Args;
use user::sys::{self, FOREVER};

user::program!(main);

const PATH: &str = "/dev/eth-virtio";
/// Byte 14 of the last frame.
const LAST: u8 = 0xff;
const WORD_BYTES: usize = 60;
/// Frames that are taken at once.
const BATCH: usize = 32;
/// Frames of a budget.
const BUDGET: u64 = 16;

fn open() -> Result<Window, Failure> {
    let card = Card::open(PATH, IoMode::Interrupt).context(PATH)?;
    Window::open(card).context("its window")
}

/// Reads a word of a window, or ends the program.
fn read(address: usize) -> u64 {
    // SAFETY: reads only, and no Rust object is there.
    unsafe { ptr::with_exposed_provenance::<u64>(address).read_volatile() }
}

/// Writes one, or ends the program.
fn write(address: usize, value: u64) {
    // SAFETY: no Rust object is there.
    unsafe { ptr::with_exposed_provenance_mut::<u64>(address).write_volatile(value) };
}

fn exchange(window: &Window, sent: usize, most: usize) -> Result<usize, Errno> {
    // SAFETY: no slice of the window is alive.
    unsafe { sys::net_exchange(window.card().file().fd(), sent, most) }
}

/// What the kernel refuses, of which the card sees nothing.
fn refuses_nonsense(window: &Window) -> Verdict {
    for (sent, most) in [
        (MOST_SENT + 1, 0),
        (0, MOST_RECEIVED + 1),
        (usize::MAX, 0),
        (0, usize::MAX),
    ] {
        let outcome = exchange(window, sent, most);
        ensure!(outcome == Err(Errno::Inval), "{sent}, {most}: {outcome:?}");
    }
    for (offset, bytes) in [
        (0, 72),
        (SEND_AREA - 1, 72),
        (RECEIVE_AREA - 71, 72),
        (RECEIVE_AREA, 72),
        (SEND_AREA, RECEIVE_AREA),
        (SEND_AREA, 12),
        (SEND_AREA, u32::MAX as usize),
        (u32::MAX as usize, 72),
    ] {
        let piece = Piece {
            offset: offset as u32,
            bytes: bytes as u32,
        };
        write(window.address() + SEND_LIST, piece.to_bits());
        let outcome = exchange(window, 1, 0);
        ensure!(outcome == Err(Errno::Inval), "{piece:?}: {outcome:?}");
    }
    for file in ["/dev/console", "/dev/eth-e1000"] {
        let Ok(file) = sys::open(file) else { continue };
        let outcome = sys::net_map(file);
        ensure!(outcome == Err(Errno::Inval), "{file:?}: {outcome:?}");
        sys::close(file).context("close")?;
    }
    Ok(())
}

/// The address that a child dies of when it does `crime`.
fn dies(crime: impl FnOnce()) -> Result<Option<u64>, Failure> {
    let child = Child::fork(|| {
        crime();
        0
    });
    let status = child.context("fork")?.wait(FOREVER).context("wait")?;
    Ok((cause(status) == Some(EndCause::PageFault)).then_some(status.detail))
}

/// The window is nobody else's, and stays what it is.
fn stays_shared(window: &Window) -> Verdict {
    let (send, received) = (
        window.address() + SEND_AREA,
        window.address() + RECEIVE_AREA,
    );
    write(send, 77);
    let end = dies(|| _ = read(send))?;
    ensure!(end == Some(send as u64), "a child has the window: {end:?}");
    ensure!(read(send) == 77, "a fork took the window away");
    // In a child with a window of its own, so that it is the child that dies.
    let end = dies(|| {
        if let Ok(own) = open() {
            write(own.address() + RECEIVE_AREA, 1);
        }
    })?;
    ensure!(end.is_some(), "the card's buffers can be written to");
    for at in [send, received] {
        // SAFETY: nothing there is a Rust object.
        let outcome = unsafe { sys::mprotect(at, PAGE, Protection::ReadWrite) };
        ensure!(outcome == Err(Errno::Inval), "mprotect: {outcome:?}");
    }
    Ok(())
}

/// A second window shows the same memory, and leaves it when it is unmapped.
fn is_the_same_for_all(window: &Window) -> Verdict {
    let second = open()?;
    let (one, other) = (window.address() + SEND_AREA, second.address() + SEND_AREA);
    write(one, 78);
    ensure!(read(other) == 78, "two windows of one card differ");
    // SAFETY: nothing of it is in use, nor will be.
    unsafe { sys::munmap(other, PAGE) }.context("munmap of a page")?;
    ensure!(
        read(other + PAGE) == 0,
        "a page moved when the one before it went"
    );
    drop(second);
    ensure!(read(one) == 78, "another's unmapping took a page");
    Ok(())
}

/// Pages of a window are not evicted: a program has one or a budget of frames.
fn knows_no_budget() -> Verdict {
    let budget = sys::set_frame_budget(BUDGET, Replacement::Fifo);
    ensure!(budget == Err(Errno::Inval), "a budget: {budget:?}");
    let child = Child::fork(|| {
        let budget = sys::set_frame_budget(BUDGET, Replacement::Fifo);
        let window = Card::open(PATH, IoMode::Interrupt).and_then(Window::open);
        match (budget, window.map(drop)) {
            (Ok(()), Err(Errno::Inval)) => 0,
            other => {
                println!("a window of a child with a budget: {other:?}");
                1
            }
        }
    });
    let status = child.context("fork")?.wait(FOREVER).context("wait")?;
    ensure!(exit_code(status) == Some(0), "{status:?}");
    Ok(())
}

/// A header that lies is between the program and the card, which drops the frame.
fn lies(window: &mut Window) -> Verdict {
    let wild = NetHeader::from_bytes(&[0xff; HEADER_BYTES]);
    for header in [wild, NetHeader::tcp4(54, 1460, 34, 16)] {
        let frame = window.add_with(WORD_BYTES, header);
        frame.ok_or("no room for a lie")?.fill(0xff);
        window.send().context("a lie")?;
    }
    Ok(())
}

/// Sends back what comes, more than once around all rings.
fn send_back(window: &mut Window) -> Verdict {
    let word = window.add(WORD_BYTES).ok_or("no room for a word")?;
    word.fill(0xff);
    let mut is_over = false;
    let mut frames = user::alloc::vec::Vec::new();
    while !is_over {
        window.exchange(BATCH).context("waiting for frames")?;
        window.for_each(|_, frame| {
            is_over |= frame.get(14) == Some(&LAST);
            frames.push(frame.to_vec());
            Ok::<(), Failure>(())
        })?;
        for frame in frames.drain(..) {
            let copy = window.add(frame.len()).ok_or("no room for a batch")?;
            copy.copy_from_slice(&frame);
        }
    }
    window.send().context("the last")?;
    // Returns when what was sent before is gone.
    let word = window.add(WORD_BYTES).ok_or("no room for a last word")?;
    word.fill(0xfe);
    window.send().context("the last word")
}

fn run() -> Verdict {
    let mut window = open()?;
    refuses_nonsense(&window)?;
    stays_shared(&window)?;
    is_the_same_for_all(&window)?;
    knows_no_budget()?;
    // On a network without offloads.
    ensure!(!window.segments_tcp(), "a stream cuts TCP");
    let uncut = window.take(Frames::AsSent);
    ensure!(
        uncut == Err(Errno::Inval),
        "a stream leaves TCP uncut: {uncut:?}"
    );
    for offloads in [OPEN_CHECKSUM, WHOLE_TCP4, CHECKSUM, u64::MAX] {
        let taken = sys::net_offload(window.card().file().fd(), offloads);
        ensure!(taken == Err(Errno::Inval), "{offloads:#x}: {taken:?}");
    }
    window
        .take(Frames::AsOnWire)
        .context("frames as they are")?;
    lies(&mut window)?;
    send_back(&mut window)
}

fn main(_args: Args) -> i32 {
    match run() {
        Ok(()) => 0,
        Err(Failure(why)) => {
            println!("{why}");
            1
        }
    }
}
