//! [`Kicker`]: brings a vCPU thread out of KVM_RUN.
//!
//! Setting `immediate_exit` makes the next KVM_RUN return at once; the signal ends one that is
//! under way (KVM api.rst 5, `immediate_exit`). Both together leave no window in between.

use kvm_bindings::kvm_run;
use std::sync::{Arc, Mutex, Once, PoisonError};
use vmm_sys_util::signal::{SIGRTMIN, register_signal_handler};

/// Shared by a vCPU thread and whoever wants something of it.
#[derive(Clone)]
pub struct Kicker {
    target: Arc<Mutex<Option<Target>>>,
}

struct Target {
    run: *mut kvm_run,
    thread: libc::pthread_t,
}

// SAFETY: the page behind `run` is used under the mutex only and while the vCPU lives, which
// `detach` ends; a pthread_t is a number.
unsafe impl Send for Target {}

impl Kicker {
    /// A kicker that is attached to no thread yet.
    pub fn new() -> Self {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(|| {
            register_signal_handler(SIGRTMIN(), ignore).expect("SIGRTMIN can be handled");
        });
        Self { target: Arc::new(Mutex::new(None)) }
    }

    /// The calling thread runs the vCPU of `run` from now on.
    pub(super) fn attach(&self, run: &mut kvm_run) {
        // SAFETY: pthread_self has no precondition.
        let thread = unsafe { libc::pthread_self() };
        *self.lock() = Some(Target { run, thread });
    }

    /// The vCPU is about to go. Afterwards `kick` does nothing.
    pub(super) fn detach(&self) {
        *self.lock() = None;
    }

    /// Makes the vCPU return from KVM_RUN now, or at its next entry.
    pub fn kick(&self) {
        if let Some(target) = self.lock().as_ref() {
            set_immediate_exit(target.run, 1);
            // SAFETY: the thread has not ended, or it would have detached under this mutex.
            unsafe { libc::pthread_kill(target.thread, SIGRTMIN()) };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Target>> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Kicker {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the field that KVM reads on entry.
pub(super) fn set_immediate_exit(run: *mut kvm_run, value: u8) {
    // SAFETY: `run` is a mapped kvm_run page; the kernel only reads this byte.
    unsafe { (&raw mut (*run).immediate_exit).write_volatile(value) };
}

extern "C" fn ignore(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
