//! Reads lines from the console and writes them back, until one says `exit`. Try the console by
//! `hostel run --suite none --append init=bin/echo`.
#![no_std]
#![no_main]

use user::abi::syscall::Errno;
use user::alloc::vec::Vec;
use user::file::{STDIN, STDOUT};
use user::println;
use user::start::Args;

user::program!(main);

/// Bytes of a line that are kept.
const MOST: usize = 1024;
const BACKSPACE: [u8; 2] = [0x08, 0x7f];
const END_OF_INPUT: u8 = 0x04;

/// What a key does to the line.
enum Key {
    Typed,
    LineEnd,
    InputEnd,
}

/// Takes a byte into the line, and shows it, as the terminal does not.
fn take(byte: u8, line: &mut Vec<u8>) -> Result<Key, Errno> {
    match byte {
        b'\r' | b'\n' => return Ok(Key::LineEnd),
        END_OF_INPUT if line.is_empty() => return Ok(Key::InputEnd),
        _ if BACKSPACE.contains(&byte) => {
            if line.pop().is_some() {
                STDOUT.write_all(b"\x08 \x08")?;
            }
        }
        _ if byte < b' ' || line.len() == MOST => {}
        _ => {
            line.push(byte);
            STDOUT.write_all(&[byte])?;
        }
    }
    Ok(Key::Typed)
}

/// The next line; none at the end of the input.
fn read_line() -> Result<Option<Vec<u8>>, Errno> {
    let mut line = Vec::new();
    STDOUT.write_all(b"> ")?;
    loop {
        let mut byte = [0];
        if STDIN.read(&mut byte)? == 0 {
            return Ok(None);
        }
        match take(byte[0], &mut line)? {
            Key::Typed => {}
            Key::LineEnd => {
                STDOUT.write_all(b"\n")?;
                return Ok(Some(line));
            }
            Key::InputEnd => return Ok(None),
        }
    }
}

fn echo() -> Result<(), Errno> {
    while let Some(mut line) = read_line()?.filter(|line| line != b"exit") {
        line.push(b'\n');
        STDOUT.write_all(&line)?;
    }
    Ok(())
}

fn main(_args: Args) -> i32 {
    println!("Every line comes back; exit ends this.");
    match echo() {
        Ok(()) => 0,
        Err(errno) => {
            println!("echo: {errno:?}");
            1
        }
    }
}
