//! What every structure has to find.

use super::{ALL, PAGES};

const FRAMES: usize = 300;

/// Dense at the ends, sparse between.
fn page(frame: u64) -> u64 {
    match frame {
        0..100 => frame,
        100..200 => PAGES - frame,
        _ => frame * 0x0135_79bd,
    }
}

#[test]
fn a_page_is_found_where_it_was_put_and_no_other_is() {
    for (name, make) in ALL {
        let mut table = make(FRAMES);
        for frame in 0..FRAMES as u32 {
            assert_eq!(table.find(page(frame.into())).frame, None, "{name}");
            assert!(table.insert(page(frame.into()), frame), "{name}: {frame}");
        }
        for frame in 0..FRAMES as u32 {
            let look = table.find(page(frame.into()));
            assert_eq!(look.frame, Some(frame), "{name}");
            assert!((1..=FRAMES as u32).contains(&look.accesses), "{name}");
        }
        for absent in [100, PAGES / 2, PAGES - 1 - 200, PAGES, u64::MAX - 1] {
            assert_eq!(table.find(absent).frame, None, "{name}: {absent:#x}");
        }
    }
}

#[test]
fn a_page_whose_number_is_too_high_is_refused() {
    for (name, make) in ALL {
        assert!(!make(FRAMES).insert(PAGES, 0), "{name}");
    }
}

#[test]
fn an_inverted_table_has_no_more_frames_than_there_are() {
    for name in ["inverted", "searched"] {
        let mut table = super::named(name, FRAMES).unwrap();
        let bytes = table.bytes();
        assert!(!table.insert(1, FRAMES as u32), "{name}");
        assert!(table.insert(1, 0) && !table.insert(2, 0), "{name}");
        assert_eq!(table.bytes(), bytes, "{name}");
    }
}

#[test]
fn looks_take_as_many_uses_as_the_structure_says() {
    let accesses = |name, of| {
        let mut table = super::named(name, FRAMES).unwrap();
        (0..FRAMES as u32).for_each(|frame| assert!(table.insert(page(frame.into()), frame)));
        table.find(page(of)).accesses
    };
    assert_eq!(accesses("radix", 250), 4);
    assert_eq!(accesses("searched", 250), 251);
    assert!((2..8).contains(&accesses("hashed", 250)));
    assert_eq!(accesses("hashed", 250), accesses("inverted", 250));
}
