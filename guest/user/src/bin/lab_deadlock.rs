//! Laboratory: deadlock prevented, avoided, detected and ended.
//!
//! `scene=philosophers|book|transfers policy=NAME workers=threads|processes rounds=N victims=end|retry`
#![no_std]
#![no_main]

use user::alloc::format;
use user::check::{Check, Failure, Verdict};
use user::lab::deadlock::{Job, book, philosophers, transfers};

user::check!(run);

/// A scene: its name, and what does it.
type Scene = (&'static str, fn(&mut Check, &Job) -> Verdict);

const SCENES: [Scene; 3] = [
    ("philosophers", philosophers::run),
    ("book", book::run),
    ("transfers", transfers::run),
];

fn run(check: &mut Check) -> Verdict {
    let job = Job::of(check)?;
    let name = check.text("scene")?;
    let names = SCENES.map(|scene| scene.0);
    let unknown = || Failure(format!("scene={name} is none of {names:?}"));
    let scene = SCENES.iter().find(|scene| scene.0 == name);
    scene.ok_or_else(unknown)?.1(check, &job)
}
