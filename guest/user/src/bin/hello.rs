//! The smallest program: says hello, from which processor, and ends.
#![no_std]
#![no_main]

use user::println;
use user::start::Args;
use user::sys;

user::program!(main);

fn main(args: Args) -> i32 {
    let name = args.get(1).unwrap_or("world");
    match sys::get_cpu() {
        Ok(cpu) => println!("hello, {name}, from processor {cpu}"),
        Err(errno) => println!("hello, {name}, from nowhere: {errno:?}"),
    }
    0
}
