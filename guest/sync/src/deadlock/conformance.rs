//! What every policy has to do, on the host, and what each is for.

use super::*;

const FORKS: usize = 5;

/// Philosophers who have claimed both their forks.
fn table() -> Table {
    let mut total = [0; MOST];
    total[..FORKS].fill(1);
    let mut table = Table::new(FORKS, total);
    for task in 0..FORKS {
        table.claim(task, both(task));
    }
    table
}

fn both(task: usize) -> Units {
    let mut units = one(task);
    units[(task + 1) % FORKS] = 1;
    units
}

/// Philosophers in turn, each of whom wants its forks in the order given and eats when it has both, as if
/// all ran at once. How many meals each had when `steps` were done.
fn dine(name: &str, order: fn(usize) -> [usize; 2], steps: usize) -> (Manager, [u32; FORKS]) {
    let policy = by_name(name).unwrap();
    let mut manager = Manager::new(table());
    let (mut has, mut meals) = ([0; FORKS], [0; FORKS]);
    for step in 0..steps {
        let task = step % FORKS;
        if manager.take_loss(task) {
            has[task] = 0;
        }
        if has[task] == 2 {
            manager.release(task, &both(task)).unwrap();
            has[task] = 0;
            meals[task] += 1;
            continue;
        }
        let fork = order(task)[has[task]];
        if manager.ask(policy, task, &one(fork)).unwrap() == Answer::Grant {
            has[task] += 1;
        }
    }
    (manager, meals)
}

fn left_first(task: usize) -> [usize; 2] {
    [task, (task + 1) % FORKS]
}

fn upwards(task: usize) -> [usize; 2] {
    let [one, other] = left_first(task);
    [one.min(other), one.max(other)]
}

#[test]
fn under_every_policy_all_eat() {
    for name in NAMES {
        let order = if name == "order" { upwards } else { left_first };
        let (manager, meals) = dine(name, order, 1000);
        // Whoever is always the victim starves: that is what taking turns is for.
        let least = if name == "detection-fixed" { 0 } else { 20 };
        assert!(
            meals.iter().all(|meals| *meals >= least),
            "{name} {meals:?}"
        );
        assert!(meals.iter().sum::<u32>() >= 100, "{name} {meals:?}");
        let is_detection = name.starts_with("detection");
        assert_eq!(manager.deadlocks > 0, is_detection, "{name}");
    }
}

#[test]
fn what_is_taken_is_granted_to_nobody_else() {
    for name in NAMES {
        let mut manager = Manager::new(table());
        let policy = by_name(name).unwrap();
        assert_eq!(manager.ask(policy, 0, &one(1)), Ok(Answer::Grant), "{name}");
        let answer = manager.ask(policy, 1, &one(1));
        assert_eq!(answer, Ok(Answer::Wait(Why::Taken)), "{name}");
        assert_eq!(manager.release(1, &one(1)), Err(Broken::NotThere));
        assert_eq!(manager.release(0, &one(1)), Ok(()));
        assert_eq!(manager.ask(policy, 1, &one(1)), Ok(Answer::Grant), "{name}");
        assert_eq!(manager.ask(policy, 1, &[9; MOST]), Err(Broken::NotThere));
        assert_eq!(manager.ask(policy, MOST, &one(1)), Err(Broken::NotThere));
    }
}

#[test]
fn the_wrong_order_is_refused_and_names_what_is_held() {
    let mut manager = Manager::new(table());
    assert_eq!(manager.ask(&Order, 4, &one(4)), Ok(Answer::Grant));
    let refused = Answer::Refuse(Why::Order { held: 4 });
    assert_eq!(manager.ask(&Order, 4, &one(0)), Ok(refused));
    assert_eq!(manager.refusals, 1);
}

#[test]
fn a_cycle_is_told_by_name_and_victims_take_turns() {
    let mut manager = Manager::new(table());
    let policy = Detection { in_turn: true };
    for round in 0..3 {
        for task in 0..FORKS {
            assert_eq!(manager.ask(&policy, task, &one(task)), Ok(Answer::Grant));
        }
        for task in 0..FORKS - 1 {
            let waits = Answer::Wait(Why::Taken);
            assert_eq!(manager.ask(&policy, task, &one(task + 1)), Ok(waits));
        }
        let answer = manager.ask(&policy, FORKS - 1, &one(0));
        let expected = [Answer::Grant, Answer::Wait(Why::Taken)][round.min(1)];
        assert_eq!(answer, Ok(expected), "fork 1 is free if A has lost it");
        let lost = (0..FORKS).filter(|task| manager.take_loss(*task));
        assert!(lost.eq([round]), "in turn");
        for task in 0..FORKS {
            let held = *manager.table.held(task);
            manager.release(task, &held).unwrap();
            manager.table.want(task, &[0; MOST]);
        }
    }
    let names = Names {
        tasks: &["A", "B", "C", "D", "E"],
        resources: &["fork 1", "fork 2", "fork 3", "fork 4", "fork 5"],
    };
    let cycle = manager.cycle.unwrap();
    let told = cycle.told(names).to_string();
    let expected = "E waits for fork 1 held by A, A waits for fork 2 held by B, ";
    assert!(told.starts_with(expected), "{told}");
    assert_eq!(told.matches("waits for").count(), FORKS);
}

#[test]
fn the_last_fork_is_kept_back_though_it_is_free() {
    for name in ["claim-graph", "banker"] {
        let mut manager = Manager::new(table());
        let policy = by_name(name).unwrap();
        for task in 0..FORKS - 1 {
            let answer = manager.ask(policy, task, &one(task));
            assert_eq!(answer, Ok(Answer::Grant), "{name}");
        }
        for _ in 0..2 {
            let last = manager.ask(policy, FORKS - 1, &one(FORKS - 1));
            assert_eq!(last, Ok(Answer::Wait(Why::Unsafe)), "{name}");
        }
        assert_eq!(manager.unsafe_waits, 1, "{name}");
        let unclaimed = manager.ask(policy, 0, &one(3));
        assert_eq!(unclaimed, Ok(Answer::Refuse(Why::Claim)), "{name}");
    }
}

/// The example of Silberschatz, Galvin and Gagne, Operating System Concepts, 8.6.3.
#[test]
fn the_banker_finds_the_safe_sequence_of_the_book() {
    let units = |a, b, c| [a, b, c, 0, 0, 0, 0, 0];
    let mut table = Table::new(5, units(10, 5, 7));
    let book = [
        ((0, 1, 0), (7, 5, 3)),
        ((2, 0, 0), (3, 2, 2)),
        ((3, 0, 2), (9, 0, 2)),
        ((2, 1, 1), (2, 2, 2)),
        ((0, 0, 2), (4, 3, 3)),
    ];
    for (task, (has, most)) in book.into_iter().enumerate() {
        table.claim(task, units(most.0, most.1, most.2));
        table.grant(task, &units(has.0, has.1, has.2));
    }
    let mut manager = Manager::new(table);
    assert_eq!(manager.ask(&Banker, 1, &units(1, 0, 2)), Ok(Answer::Grant));
    let safety = Safety::of(&manager.table).unwrap();
    assert_eq!(safety.order(), [1, 3, 4, 0, 2]);
    let unsafe_wait = Answer::Wait(Why::Unsafe);
    assert_eq!(manager.ask(&Banker, 0, &units(0, 2, 0)), Ok(unsafe_wait));
    let taken = Answer::Wait(Why::Taken);
    assert_eq!(manager.ask(&Banker, 4, &units(3, 3, 0)), Ok(taken));
}

/// A policy that says what it was told to.
struct Says(Answer);

impl Policy for Says {
    fn answer(&self, _: &Table, _: usize, _: &Units) -> Answer {
        self.0
    }
}

#[test]
fn a_wrong_policy_is_caught() {
    let mut manager = Manager::new(table());
    let mut ask = |answer, task| manager.ask(&Says(answer), task, &one(0));
    assert_eq!(ask(Answer::Wait(Why::Taken), 0), Err(Broken::Idle));
    assert_eq!(ask(Answer::Victim(0), 0), Err(Broken::NoVictim));
    assert_eq!(ask(Answer::Grant, 0), Ok(Answer::Grant));
    assert_eq!(ask(Answer::Grant, 1), Err(Broken::NotFree));
    assert_eq!(ask(Answer::Victim(77), 1), Err(Broken::NoVictim));
}
