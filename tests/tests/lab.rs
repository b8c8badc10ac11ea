//! `hostel lab`: experiments come out, and what is wrong with one is said.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tests::{Scratch, binary, host, require_kvm};

/// An experiment of a user's, with a check as its program: so long as `wanted` is little.
fn mine(wanted: u64) -> String {
    format!(
        r#"title = "Sleeping"
about = "A program sleeps."
family = "scheduling"
timeout_s = 5

[set]
word = "x"

[[run]]
name = "sleeping-{{n}}"
each = {{ n = [1, 2] }}
program = "sleep"
args = "{{word}}={{n}}"

[table]
columns = ["exits", "took_ns"]

[[chart]]
kind = "bars"
y = "took_ns"

[verdict]
expect = ["sleeping-1.took_ns > {wanted}", "sleeping-2.took_ns > sleeping-2.exits"]
sentence = "It slept for {{sleeping-1.took_ns}}."
"#
    )
}

fn lab(args: &[&str]) -> Command {
    let mut command = Command::new(binary::hostel());
    command.arg("lab").args(args).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// That status, and those words on the terminal.
fn expect(output: &Output, status: i32, words: &[&str]) -> Result<()> {
    let all = text(&output.stdout) + &text(&output.stderr);
    ensure!(
        output.status.code() == Some(status),
        "{:?}: {all}",
        output.status
    );
    let said = all.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        ensure!(said.contains(word), "no {word:?} in:\n{all}");
    }
    let mut lines = all.lines().filter(|line| !line.starts_with("hostel: "));
    ensure!(lines.all(|line| line.chars().count() <= 80), "{all}");
    Ok(())
}

fn written(scratch: &Scratch, name: &str, text: &str) -> Result<String> {
    let path: PathBuf = scratch.write(name, text.as_bytes())?;
    Ok(path.to_str().context("a path that is text")?.to_owned())
}

/// Tries of an experiment: its file allows some, for one VM on a host; here are several.
const TRIES: usize = 3;

/// Experiments are not done beside each other, as some measure times.
fn quiet() -> MutexGuard<'static, ()> {
    static QUIET: Mutex<()> = Mutex::new(());
    QUIET.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does a family in its short form; what has not come out is done again.
fn comes_out(family: &str) -> Result<()> {
    let _quiet = quiet();
    let scratch = Scratch::new()?;
    let report = scratch.path("report");
    let report = report.to_str().context("a path that is text")?;
    let mut left = vec![family.to_owned()];
    for _ in 0..TRIES {
        let names: Vec<&str> = left.iter().map(String::as_str).collect();
        let options = ["--short", "-j", "1", "--report", report];
        let output = lab(&[&names[..], &options].concat()).output()?;
        let (shown, errors) = (text(&output.stdout), text(&output.stderr));
        if output.status.success() {
            ensure!(shown.contains("expectations hold"), "nothing was done");
            return Ok(());
        }
        ensure!(output.status.code() == Some(1), "{shown}{errors}");
        eprintln!("{shown}{errors}");
        let report: Value = serde_json::from_slice(&fs::read(report)?)?;
        let experiments = report["experiments"].as_array().into_iter().flatten();
        let failed = experiments.filter(|one| one["came_out"] == false);
        left = failed
            .filter_map(|one| one["name"].as_str().map(str::to_owned))
            .collect();
        ensure!(!left.is_empty(), "status 1 for nothing: {shown}{errors}");
    }
    bail!("{} not as expected, {TRIES} times", left.join(", "))
}

#[test]
fn scheduling_comes_out() -> Result<()> {
    require_kvm!();
    comes_out("scheduling")
}

#[test]
fn synchronisation_comes_out() -> Result<()> {
    require_kvm!();
    comes_out("synchronisation")
}

#[test]
fn communication_comes_out() -> Result<()> {
    require_kvm!();
    comes_out("communication")
}

#[test]
fn memory_comes_out() -> Result<()> {
    require_kvm!();
    comes_out("memory")
}

#[test]
fn a_file_of_the_users_is_done_and_written_in_all_forms() -> Result<()> {
    require_kvm!();
    let _quiet = quiet();
    let scratch = Scratch::new()?;
    let (one, two) = (
        written(&scratch, "one.toml", &mine(1))?,
        written(&scratch, "two.toml", &mine(1))?,
    );
    let out = scratch.path("out");
    let folder = out.to_str().context("a path that is text")?;
    let args = [
        &one, &two, "-j", "2", "--out", folder, "--set", "word=n", "--cpus", "2",
    ];
    let output = lab(&args).output()?;
    expect(
        &output,
        0,
        &["one: Sleeping", "2 of 2 expectations hold", "It slept for"],
    )?;
    let shown = text(&output.stdout);
    ensure!(
        shown.find("one: ") < shown.find("two: "),
        "in their order: {shown}"
    );

    let json: Value = serde_json::from_slice(&fs::read(out.join("results.json"))?)?;
    let first = &json["experiments"][0];
    ensure!(
        first["cpus"] == 2 && first["settings"]["word"] == "n",
        "{first}"
    );
    ensure!(
        first["runs"][1]["values"]["n"] == 2 && first["came_out"] == true,
        "{first}"
    );
    let took = first["runs"][0]["figures"]["took_ns"]
        .as_f64()
        .context("a figure")?;
    let csv = fs::read_to_string(out.join("results.csv"))?;
    ensure!(
        csv.contains(&format!(
            "one,scheduling,sleeping-1,figures,took_ns,{took}\r\n"
        )),
        "{csv}"
    );
    let svg = fs::read_to_string(out.join("two-1.svg"))?;
    ensure!(svg.contains("sleeping-2"), "{svg}");
    let page = fs::read_to_string(out.join("index.html"))?;
    ensure!(
        page.contains("id=\"two\"") && page.contains("It slept for"),
        "{page}"
    );
    Ok(())
}

#[test]
fn what_is_not_as_expected_is_told_and_the_rest_is_done() -> Result<()> {
    require_kvm!();
    let _quiet = quiet();
    let scratch = Scratch::new()?;
    let wrong = written(&scratch, "wrong.toml", &mine(u64::MAX))?;
    let right = written(&scratch, "right.toml", &mine(1))?;
    let output = lab(&[&wrong, &right]).output()?;
    let words = [
        "NOT AS EXPECTED sleeping-1.took_ns > 18446744073709551615",
        "1 of 2 expectations hold",
        "2 of 2 expectations hold",
        "hostel: not as expected: wrong;",
    ];
    expect(&output, 1, &words)
}

#[test]
fn a_run_that_does_not_end_is_ended_by_its_limit_and_the_next_is_done() -> Result<()> {
    require_kvm!();
    let _quiet = quiet();
    let scratch = Scratch::new()?;
    let spins = mine(1).replacen("program = \"sleep\"", "program = \"spin\"", 1);
    let spins = spins.replace("timeout_s = 5", "timeout_s = 1");
    let other = "\n[[run]]\nname = \"after\"\nprogram = \"sleep\"\nargs = \"\"\n[table]";
    let path = written(&scratch, "spins.toml", &spins.replace("\n[table]", other))?;
    let output = lab(&[&path]).output()?;
    let words = [
        "sleeping-1 FAILED: not done after 1000 ms",
        "sleeping-2 FAILED: not done after 1000 ms",
        "found: sleeping-1 has failed",
    ];
    expect(&output, 1, &words)?;
    let shown = text(&output.stdout);
    let after = shown
        .lines()
        .find(|line| line.trim_start().starts_with("after "));
    ensure!(after.is_some_and(|line| line.contains("ms")), "{shown}");
    Ok(())
}

#[test]
fn a_second_vm_whose_program_fails_is_told() -> Result<()> {
    require_kvm!();
    let _quiet = quiet();
    let scratch = Scratch::new()?;
    let peer = "[peer]\nprogram = \"lab_rpc_peer\"\nargs = \"lost=1001\"\n\n[table]";
    // Long enough for the second VM to start, whichever is first.
    let text = mine(1).replacen("[table]", peer, 1);
    let text = text.replace("program = \"sleep\"", "program = \"spin\"");
    let text = text.replace("timeout_s = 5", "timeout_s = 2");
    let path = written(&scratch, "peer.toml", &text)?;
    let output = lab(&[&path]).output()?;
    let words = ["the second VM's program failed: lost=1001 is more than 900"];
    expect(&output, 1, &words)
}

#[test]
fn a_file_that_makes_no_sense_is_refused_before_anything_is_done() -> Result<()> {
    require_kvm!();
    let _quiet = quiet();
    let scratch = Scratch::new()?;
    let right = written(&scratch, "right.toml", &mine(1))?;
    for (from, to, place, says) in [
        ("title", "titel", "1:1", "unknown field `titel`"),
        (
            "\"scheduling\"",
            "\"\"",
            "3:10",
            "expected one of `scheduling`",
        ),
        (
            "\"sleep\"",
            "\"slep\"",
            "12:11",
            "there is no program \"slep\"",
        ),
        ("{n}", "{m}", "10:19", "there is no \"m\""),
        (
            "> sleeping-2.exits",
            "> ",
            "23:59",
            "expected a number or a figure",
        ),
    ] {
        let wrong = written(&scratch, "wrong.toml", &mine(1).replacen(from, to, 1))?;
        let output = lab(&[&right, &wrong]).output()?;
        let place = format!("wrong.toml:{place}: ");
        expect(&output, 2, &[&place, says])?;
        ensure!(output.stdout.is_empty(), "{}", text(&output.stdout));
        let errors = text(&output.stderr);
        ensure!(
            errors.lines().count() == 1 && errors.starts_with("hostel: "),
            "{errors}"
        );
    }
    for (args, says) in [
        (
            &["no-such-thing"][..],
            "there is no experiment \"no-such-thing\"",
        ),
        (&["/nowhere/mine.toml"], "/nowhere/mine.toml"),
        (
            &[&right, "--set", "speed=2"],
            "none of these experiments has a setting \"speed\"",
        ),
        (&[&right, "--set", "speed"], "a setting is NAME=VALUE"),
        (&[&right, "-j", "0"], "a number of VMs is 1 to 64"),
        (&[&right, "--report", "/nowhere/report"], "/nowhere/report"),
        (&[&right, "--out", "/proc/nowhere"], "/proc/nowhere"),
    ] {
        let output = lab(args).output()?;
        expect(&output, 2, &[says])?;
        ensure!(output.stdout.is_empty(), "{}", text(&output.stdout));
    }
    Ok(())
}

#[test]
fn a_signal_ends_all_vms() -> Result<()> {
    require_kvm!();
    let _quiet = quiet();
    let scratch = Scratch::new()?;
    let spins = mine(1).replace("program = \"sleep\"", "program = \"spin\"");
    let spins = spins.replace("timeout_s = 5", "timeout_s = 3000");
    let paths = ["one.toml", "two.toml"].map(|name| written(&scratch, name, &spins));
    let [one, two] = paths;
    let (one, two) = (one?, two?);
    let mut child = lab(&["-j", "2", &one, &two]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    // It need not have begun: a signal that comes early is heeded, too.
    thread::sleep(Duration::from_millis(500));
    let kill = format!("kill -TERM {}", child.id());
    ensure!(Command::new("sh").args(["-c", &kill]).status()?.success());
    let deadline = Instant::now() + host::patience(Duration::from_secs(60));
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        if Instant::now() > deadline {
            child.kill()?;
            bail!("it goes on");
        }
        thread::sleep(Duration::from_millis(10));
    };
    ensure!(ended.code() == Some(128 + 15), "{ended}");
    Ok(())
}

#[test]
fn the_list_has_every_family() -> Result<()> {
    let output = lab(&["--list"]).output()?;
    expect(
        &output,
        0,
        &["scheduling", "synchronisation", "communication", "memory"],
    )
}
