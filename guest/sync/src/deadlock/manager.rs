//! What asks the policy, and does what it says if that is possible.

use super::{Answer, Cycle, Detection, MOST, Policy, Table, Units, Why};

/// A policy has said what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It has granted what is not free.
    NotFree,
    /// It has let a task wait for what is free, without saying that it is unsafe.
    Idle,
    /// Its victim waits for nobody, or is no task.
    NoVictim,
    /// A task has given back what it has not, or has asked for what there is not.
    NotThere,
}

/// Resources, who has them, and what has become of requests.
#[derive(Clone, Debug)]
pub struct Manager {
    /// Who has what.
    pub table: Table,
    /// The cycle that was ended last.
    pub cycle: Option<Cycle>,
    /// Grants, and waits though it was free.
    pub grants: u64,
    /// See `grants`.
    pub unsafe_waits: u64,
    /// Requests that were refused.
    pub refusals: u64,
    /// Cycles that were ended.
    pub deadlocks: u64,
    has_lost: [bool; MOST],
}

impl Manager {
    /// Nothing was asked yet.
    pub fn new(table: Table) -> Self {
        Self {
            table,
            cycle: None,
            grants: 0,
            unsafe_waits: 0,
            refusals: 0,
            deadlocks: 0,
            has_lost: [false; MOST],
        }
    }

    /// `task` asks for `request`, again if it waits already. Victims lose what they have, see
    /// [`Self::take_loss`]; the answer is [`Answer::Victim`] only if the task is one itself.
    pub fn ask(
        &mut self,
        policy: &dyn Policy,
        task: usize,
        request: &Units,
    ) -> Result<Answer, Broken> {
        let there_is = super::table::covers(self.table.total(), request);
        if !there_is || !self.table.tasks().contains(&task) {
            return Err(Broken::NotThere);
        }
        let asked_before = self.table.wanted(task) == request;
        self.table.want(task, request);
        loop {
            let answer = policy.answer(&self.table, task, request);
            match answer {
                Answer::Grant => self.grant(task, request)?,
                Answer::Wait(why) => self.wait(request, why, asked_before)?,
                Answer::Refuse(_) => self.refuse(task),
                Answer::Victim(victim) => self.end(task, victim)?,
            }
            // With another's loss the request may be granted, before that one takes it all again.
            match answer {
                Answer::Victim(victim) if victim != task => {}
                answer => return Ok(answer),
            }
        }
    }

    fn refuse(&mut self, task: usize) {
        self.table.want(task, &[0; MOST]);
        self.refusals += 1;
    }

    fn grant(&mut self, task: usize, request: &Units) -> Result<(), Broken> {
        if !self.table.is_free(request) {
            return Err(Broken::NotFree);
        }
        self.table.grant(task, request);
        self.grants += 1;
        Ok(())
    }

    fn wait(&mut self, request: &Units, why: Why, asked_before: bool) -> Result<(), Broken> {
        let is_free = self.table.is_free(request);
        if is_free && why != Why::Unsafe {
            return Err(Broken::Idle);
        }
        self.unsafe_waits += u64::from(is_free && !asked_before);
        Ok(())
    }

    fn end(&mut self, task: usize, victim: usize) -> Result<(), Broken> {
        let cycle = Detection::cycle(&self.table, task);
        let is_in_it = |cycle: &Cycle| cycle.tasks().any(|task| task == victim);
        self.cycle = Some(cycle.filter(is_in_it).ok_or(Broken::NoVictim)?);
        self.table.lose(victim);
        self.has_lost[victim] = true;
        self.deadlocks += 1;
        Ok(())
    }

    /// Whether `task` has lost all that it had, since this was asked last.
    pub fn take_loss(&mut self, task: usize) -> bool {
        core::mem::take(&mut self.has_lost[task])
    }

    /// `task` gives `units` back.
    pub fn release(&mut self, task: usize, units: &Units) -> Result<(), Broken> {
        match self.table.release(task, units) {
            true => Ok(()),
            false => Err(Broken::NotThere),
        }
    }
}
