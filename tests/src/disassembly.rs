//! Looks for instructions that the guest kernel's image must not have.
//!
//! On software KVM ring 0 is interpreted by an emulator that knows most instructions but not all
//! (KVM-HOSTS.md). [`violations`] reads what objdump prints and names those that it does not know,
//! and any access below the stack pointer, where an interrupt would write over it.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// Instructions by name. SSE, AVX and BMI are found by their registers and encoding.
const UNKNOWN: &[&str] = &[
    "popcnt",
    "cmpxchg16b",
    "crc32",
    "movbe",
    "rdtscp",
    "rdpmc",
    "monitor",
    "mwait",
    "ldmxcsr",
    "stmxcsr",
    "int3",
    "int",
    "int1",
    "into",
    "mulx",
    "shlx",
    "shrx",
    "sarx",
    "andn",
    "bzhi",
    "pdep",
    "pext",
    "rorx",
    "bextr",
    "blsr",
    "blsi",
    "blsmsk",
    "adcx",
    "adox",
    "emms",
];
/// Groups by the start of their name.
const UNKNOWN_GROUPS: &[&str] = &["xsave", "xrstor", "sysret"];
/// The moves of SSE registers that the emulator does know.
const KNOWN_SSE: &[&str] = &["movaps", "movups", "movdqa", "movdqu", "movntps"];
/// Words that objdump puts before an instruction.
const PREFIXES: &[&str] = &[
    "lock", "rep", "repz", "repnz", "data16", "addr32", "cs", "ds", "es", "fs", "gs", "ss", "bnd",
    "notrack", "rex", "rex.W",
];

/// Whether objdump is there.
pub fn has_objdump() -> bool {
    Command::new("objdump").arg("--version").output().is_ok()
}

/// The executable sections of an ELF file, as objdump prints them.
pub fn of_image(path: &Path) -> Result<String> {
    objdump(path, &["-d"])
}

/// Bytes of 64-bit code, as objdump prints them.
pub fn of_bytes(path: &Path) -> Result<String> {
    objdump(path, &["-D", "-b", "binary", "-m", "i386:x86-64"])
}

fn objdump(path: &Path, options: &[&str]) -> Result<String> {
    let mut command = Command::new("objdump");
    command
        .args(options)
        .args(["--no-show-raw-insn", "--wide"])
        .arg(path);
    let output = command.output().context("objdump cannot be started")?;
    ensure!(
        output.status.success(),
        "objdump: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An instruction of a listing.
pub struct Instruction<'a> {
    /// The symbol it belongs to.
    pub symbol: &'a str,
    /// `address: text`
    pub line: &'a str,
    /// Name without prefixes.
    name: &'a str,
    operands: &'a str,
}

/// The instructions of a listing, without the linker's padding between functions.
pub fn instructions(listing: &str) -> Vec<Instruction<'_>> {
    let mut found: Vec<Instruction<'_>> = Vec::new();
    let mut symbol = "";
    for line in listing.lines() {
        if let Some((_, name)) = line
            .strip_suffix(">:")
            .and_then(|line| line.split_once('<'))
        {
            drop_padding(&mut found);
            symbol = name;
        } else if let Some((_, text)) = line.split_once(":\t") {
            let (name, operands) = split(text);
            found.push(Instruction {
                symbol,
                line: line.trim(),
                name,
                operands,
            });
        }
    }
    drop_padding(&mut found);
    found
}

/// The linker fills what is left between two functions with int3.
fn drop_padding(found: &mut Vec<Instruction<'_>>) {
    while found.last().is_some_and(|last| last.name == "int3") {
        found.pop();
    }
}

/// Name and operands; comments and prefixes left out.
fn split(text: &str) -> (&str, &str) {
    let mut rest = text.split(['#', '<']).next().unwrap_or("").trim();
    loop {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if after.is_empty() || !PREFIXES.contains(&word) {
            return (word, after.trim());
        }
        rest = after.trim();
    }
}

/// The instructions that must not be there.
pub fn violations(listing: &str) -> Vec<String> {
    let all = instructions(listing);
    let wrong = all
        .iter()
        .filter(|one| is_unknown(one) || is_below_stack(one));
    wrong
        .map(|one| format!("{}: {}", one.symbol, one.line))
        .collect()
}

fn is_unknown(instruction: &Instruction<'_>) -> bool {
    let Instruction { name, operands, .. } = instruction;
    let vector = ["%xmm", "%ymm", "%zmm", "%mm"]
        .iter()
        .any(|register| operands.contains(register));
    UNKNOWN.contains(name)
        || UNKNOWN_GROUPS.iter().any(|group| name.starts_with(group))
        || (vector && !KNOWN_SSE.contains(name))
}

/// Whether it reads or writes at a negative distance from rsp; `lea` does neither.
fn is_below_stack(instruction: &Instruction<'_>) -> bool {
    let mut operands = instruction.operands.split("(%rsp");
    let before = operands.next().unwrap_or("");
    let is_access =
        before.len() < instruction.operands.len() && !instruction.name.starts_with("lea");
    let displacement = before.rsplit([',', ' ', ':']).next().unwrap_or("");
    is_access && displacement.starts_with('-')
}
