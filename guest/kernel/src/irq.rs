//! Interrupts of devices: from a line of the IOAPIC, or a message, to a driver's handler.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::arch::ioapic::Trigger;
use crate::arch::{apic, ioapic};
use crate::sync::{Once, SpinLock};

/// Lines that can have a handler.
const LINES: usize = 24;
/// Functions of PCI that can share one.
const SHARERS: usize = 4;
/// Messages that can have one.
pub const MESSAGES: usize = 32;

/// A write by which a device interrupts a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub address: u64,
    /// What is written.
    pub data: u32,
}

struct Handler {
    function: fn(usize),
    argument: usize,
}

static HANDLERS: [Once<Handler>; LINES] = [const { Once::new() }; LINES];
static SHARED_HANDLERS: [[Once<Handler>; SHARERS]; LINES] =
    [const { [const { Once::new() }; SHARERS] }; LINES];
static MESSAGE_HANDLERS: [Once<Handler>; MESSAGES] = [const { Once::new() }; MESSAGES];

/// Device interrupts since boot.
pub static COUNT: AtomicU64 = AtomicU64::new(0);

/// Calls `function(argument)` at each interrupt of line `gsi`, edge-triggered and active high,
/// from now on; false if there is no such line or it is taken. The handler runs with interrupts
/// off and must not sleep.
pub fn register(gsi: u32, function: fn(usize), argument: usize) -> bool {
    let Some(handler) = HANDLERS.get(gsi as usize) else {
        return false;
    };
    if handler.get().is_some() {
        return false;
    }
    handler.set(Handler { function, argument });
    ioapic::route(gsi, Trigger::Edge)
}

/// The same for a line of PCI, level-triggered, which functions share: each handler makes its own
/// function let go of the line, if that is what holds it. False if there is no such line, or no
/// place on it.
pub fn register_shared(gsi: u32, function: fn(usize), argument: usize) -> bool {
    static REGISTERING: SpinLock<()> = SpinLock::new(());
    let _registering = REGISTERING.lock();
    let (Some(line), Some(handlers)) = (
        HANDLERS.get(gsi as usize),
        SHARED_HANDLERS.get(gsi as usize),
    ) else {
        return false;
    };
    let Some(place) = handlers.iter().position(|handler| handler.get().is_none()) else {
        return false;
    };
    if place > 0 {
        handlers[place].set(Handler { function, argument });
        return true;
    }
    if line.get().is_some() {
        return false;
    }
    handlers[place].set(Handler { function, argument });
    line.set(Handler {
        function: dispatch_shared,
        argument: gsi as usize,
    });
    ioapic::route(gsi, Trigger::Level)
}

fn dispatch_shared(line: usize) {
    let handlers = SHARED_HANDLERS.get(line).into_iter().flatten();
    for handler in handlers.map_while(Once::get) {
        (handler.function)(handler.argument);
    }
}

/// Calls `function(argument)`, as for a line, at each message that is given back, which goes to the
/// first processor; `None` when there are no more.
pub fn register_message(function: fn(usize), argument: usize) -> Option<Message> {
    register_message_to(0, function, argument)
}

/// The same for a message that goes to processor `cpu`.
pub fn register_message_to(cpu: u32, function: fn(usize), argument: usize) -> Option<Message> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Relaxed);
    MESSAGE_HANDLERS
        .get(number)?
        .set(Handler { function, argument });
    Some(apic::message(cpu, number as u64))
}

/// Calls the handler of `line`.
pub fn dispatch(line: usize) {
    call(HANDLERS.get(line));
}

/// Calls the handler of message `number`.
pub fn dispatch_message(number: usize) {
    call(MESSAGE_HANDLERS.get(number));
}

fn call(handler: Option<&Once<Handler>>) {
    COUNT.fetch_add(1, Relaxed);
    if let Some(handler) = handler.and_then(Once::get) {
        (handler.function)(handler.argument);
    }
}
