//! Laboratory: signals.
//!
//! `scene=order|threads|sleepers|defaults|registers|hostile|latency`, the last with `times=N`. Two
//! processors.
#![no_std]
#![no_main]

use user::alloc::format;
use user::check::{Check, Failure, Verdict};
use user::lab::signals;

user::check!(run);

/// A scene: its name, and what does it.
type Scene = (&'static str, fn(&mut Check) -> Verdict);

const SCENES: [Scene; 7] = [
    ("order", signals::order),
    ("threads", signals::threads),
    ("sleepers", signals::sleepers),
    ("defaults", signals::defaults),
    ("registers", signals::registers),
    ("hostile", signals::hostile),
    ("latency", signals::latency),
];

fn run(check: &mut Check) -> Verdict {
    let name = check.text("scene")?;
    let names = SCENES.map(|scene| scene.0);
    let unknown = || Failure(format!("scene={name} is none of {names:?}"));
    let scene = SCENES.iter().find(|scene| scene.0 == name);
    scene.ok_or_else(unknown)?.1(check)
}
