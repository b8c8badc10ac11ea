//! The service: a [`Manager`] in a monitor, whose callers sleep while they have to wait.

use alloc::format;

use ::sync::deadlock::{Answer, Broken, Manager, Policy, Table, Units, Why};

use crate::check::Failure;
use crate::sync::Monitor;

/// The monitor's condition: something has changed.
const CHANGED: usize = 0;

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// The task has it.
    All,
    /// It is refused for good.
    Refused(Why),
    /// The task was a victim, and has nothing any more.
    Lost,
}

/// Resources that tasks wait for.
pub struct Service {
    manager: Monitor<Manager, 1>,
}

impl Service {
    /// For the tasks and resources of `table`.
    pub fn new(table: Table) -> Self {
        Self {
            manager: Monitor::new(Manager::new(table), 0),
        }
    }

    /// `task` asks for `request`, and waits while it has to.
    pub fn acquire(
        &self,
        policy: &dyn Policy,
        task: usize,
        request: &Units,
    ) -> Result<Got, Failure> {
        self.manager.enter(|inside| {
            loop {
                if inside.value.take_loss(task) {
                    return Ok(Got::Lost);
                }
                let losses = inside.value.deadlocks;
                let answer = inside.value.ask(policy, task, request).map_err(broken)?;
                // Somebody may wait for a loss, or for others to be made to wait.
                if inside.value.deadlocks != losses || answer == Answer::Wait(Why::Unsafe) {
                    inside.broadcast(CHANGED);
                }
                match answer {
                    Answer::Grant => return Ok(Got::All),
                    Answer::Refuse(why) => return Ok(Got::Refused(why)),
                    Answer::Victim(_) => {}
                    Answer::Wait(_) => inside.wait(CHANGED),
                }
            }
        })
    }

    /// `task` gives `units` back.
    pub fn release(&self, task: usize, units: &Units) -> Result<(), Failure> {
        self.manager.enter(|inside| {
            inside.value.release(task, units).map_err(broken)?;
            inside.broadcast(CHANGED);
            Ok(())
        })
    }

    /// Waits until `holds` says so.
    pub fn wait_until(&self, holds: impl FnMut(&Manager) -> bool) {
        self.manager
            .enter(|inside| inside.wait_until(CHANGED, holds));
    }

    /// What `look` sees.
    pub fn look<R>(&self, look: impl FnOnce(&Manager) -> R) -> R {
        self.manager.enter(|inside| look(&inside.value))
    }
}

fn broken(broken: Broken) -> Failure {
    Failure(match broken {
        Broken::NotThere => format!("a task asks for or gives back what it cannot: {broken:?}"),
        _ => format!("the policy's answer cannot be: {broken:?}"),
    })
}
