//! Formulas on a few figures, and formulas that are none.

use super::*;

struct Runs;

impl Values for Runs {
    fn figure(&self, run: Option<&str>, name: &str) -> Result<f64, String> {
        match (run, name) {
            (Some("fcfs"), "wait") => Ok(4.1),
            (Some("round-robin"), "wait_ns") => Ok(2000.0),
            (None, "faults") => Ok(9.0),
            (run, name) => Err(format!("{} has no figure {name}", run.unwrap_or("it"))),
        }
    }

    fn says(&self, run: Option<&str>, text: &str) -> Result<bool, String> {
        Ok(run == Some("banker") && "safe: P1, P3".contains(text))
    }
}

fn value(text: &str) -> Result<f64, String> {
    let expression = Expression::parse(text).map_err(|error| error.what)?;
    expression.value(&Runs)
}

fn check(text: &str) -> Checked {
    Condition::parse(text).unwrap().check(&Runs)
}

#[test]
fn products_come_before_sums_and_both_from_the_left() {
    assert_eq!(value("2 + 3 * 4 - 6 / 3 / 2"), Ok(13.0));
    assert_eq!(value("-(2 - 5) * 1e2"), Ok(300.0));
    assert_eq!(
        value("max(1, faults, 3) + min(2, 1) + sum(1, 2) + abs(-4)"),
        Ok(17.0)
    );
}

#[test]
fn a_minus_within_a_name_is_its_own() {
    assert_eq!(value("round-robin.wait_ns - 1000"), Ok(1000.0));
    assert_eq!(value("faults -1"), Ok(8.0));
}

#[test]
fn what_cannot_be_computed_is_said() {
    assert_eq!(value("sjf.wait"), Err("sjf has no figure wait".to_owned()));
    assert_eq!(
        value("1 / (faults - 9)"),
        Err("it is divided by zero".to_owned())
    );
}

#[test]
fn conditions_hold_or_tell_both_sides() {
    assert!(check("fcfs.wait = 4 within 5%").holds);
    assert!(check("faults = 9").holds && check("faults >= 9").holds && !check("faults > 9").holds);
    assert!(check("banker says 'P1, P3'").holds && !check("says 'P1'").holds);
    let off = check("fcfs.wait = 4 within 1%");
    assert_eq!((off.holds, off.found.as_str()), (false, "4.10 is not 4"));
    let more = check("faults < 2 + 3");
    assert_eq!((more.holds, more.found.as_str()), (false, "9 is not < 5"));
    let absent = check("nobody.wait = 1");
    assert_eq!(
        (absent.holds, absent.found.as_str()),
        (false, "nobody has no figure wait")
    );
}

#[test]
fn a_condition_may_need_something_of_the_host() {
    let need = |text: &str| Condition::parse(text).unwrap().need;
    assert_eq!(need("faults = 9 if parallel"), Some(Need::Parallel));
    assert_eq!(need("faults = 9 within 5% if native"), Some(Need::Native));
    assert_eq!(need("banker says 'P1' if native"), Some(Need::Native));
    assert_eq!(need("faults = 9"), None);
    let error = Condition::parse("faults = 9 if quiet").err().unwrap();
    let what = "found \"quiet\", expected parallel or native";
    assert_eq!((error.at, error.what.as_str()), (14, what));
}

#[test]
fn a_sentence_has_its_values_with_their_units() {
    let said = |text: &str| Sentence::parse(text).unwrap().said(&Runs);
    assert_eq!(
        said("waits {round-robin.wait_ns}, {fcfs.wait / 2} or {fcfs.wait * 10:percent} of {x.y}"),
        "waits 2.00 us, 2.05 or 41 % of ?"
    );
}

#[test]
fn faults_have_their_places() {
    let at = |text: &str| {
        let error = Condition::parse(text).err().unwrap();
        (error.at, error.what)
    };
    let found = |at, what: &str| (at, what.to_owned());
    assert_eq!(
        at("a = "),
        found(4, "found the end, expected a number or a figure")
    );
    assert_eq!(
        at("a ! 3"),
        found(2, "found '!', expected a number, a name or a sign")
    );
    assert_eq!(
        at("a.b"),
        found(3, "found the end, expected =, <, >, <= or >=")
    );
    assert_eq!(at("a. = 2").0, 3);
    assert_eq!(at("(a = 2").0, 3);
    assert_eq!(at("a = 2 within b").0, 13);
    assert_eq!(at("a = 2 within 5").1, "found the end, expected %");
    assert_eq!(at("a = 2x").1, "found \"2x\", expected a number");
    assert_eq!(at("x says P").0, 7);
    assert_eq!(at("x says 'P").1, "the text has no end: expected '");
    assert_eq!(
        at("f(1) = 2").1,
        "there is no function \"f\": expected min, max, sum or abs"
    );
    assert!(
        at(&format!("{}1 = 1", "(".repeat(100)))
            .1
            .contains("fewer parentheses")
    );
    let error = Sentence::parse("it is {a.b +} so").err().unwrap();
    assert_eq!(error.at, 12);
    assert_eq!(Sentence::parse("{a:km}").err().unwrap().at, 3);
    assert_eq!(Sentence::parse("an {open").err().unwrap().at, 3);
}
