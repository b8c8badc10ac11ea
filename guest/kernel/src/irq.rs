//! Interrupts of devices: from a line of the IOAPIC to a driver's handler.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::arch::ioapic;
use crate::sync::Once;

/// Lines that can have a handler.
const LINES: usize = 24;

struct Handler {
    function: fn(usize),
    argument: usize,
}

static HANDLERS: [Once<Handler>; LINES] = [const { Once::new() }; LINES];

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
    ioapic::route(gsi)
}

/// Calls the handler of `line`.
pub fn dispatch(line: usize) {
    COUNT.fetch_add(1, Relaxed);
    if let Some(handler) = HANDLERS.get(line).and_then(Once::get) {
        (handler.function)(handler.argument);
    }
}
