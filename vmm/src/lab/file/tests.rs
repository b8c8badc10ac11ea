//! Places in a text.

use super::*;

fn error(text: &str, at: usize) -> String {
    Source {
        name: "a.toml",
        text,
    }
    .error(at, "no")
    .to_string()
}

#[test]
fn places_are_counted_from_one_in_letters() {
    assert_eq!(error("ab\ncd", 0), "a.toml:1:1: no");
    assert_eq!(error("ab\ncd", 4), "a.toml:2:2: no");
    assert_eq!(error("é\nüx", 5), "a.toml:2:2: no");
    assert_eq!(error("ab", 99), "a.toml:1:3: no");
}

#[test]
fn tables_keep_the_order_of_their_lines() {
    let ordered: Ordered<Setting> = toml::from_str("z = 1\na = \"x\"\nm = -3\n").unwrap();
    let names: Vec<&str> = ordered
        .0
        .iter()
        .map(|(name, _)| name.get_ref().as_str())
        .collect();
    assert_eq!(names, ["z", "a", "m"]);
    assert_eq!(ordered.0[2].1, Setting::Number(-3));
    assert_eq!(ordered.0[1].0.span(), 6..7);
}
