//! The experiments that there are, and those that the user names.

use super::experiment::{Changes, Experiment};
use super::file::{Family, FileError, Source};
use crate::guest;
use std::fs;
use std::io;

/// Why there is no such experiment.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No experiment and no family has that name.
    #[error(
        "there is no experiment {name:?}: `hostel lab --list` names those that there are; a file \
         of your own is named with its ending, .toml"
    )]
    Unknown {
        /// Asked for.
        name: String,
    },
    /// No experiment that was asked for has such a setting.
    #[error("none of these experiments has a setting {name:?}: they have {known}")]
    NoSetting {
        /// Asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A file cannot be read.
    #[error("the experiment cannot be read from {path}")]
    Unreadable {
        /// Where.
        path: String,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// A file makes no sense.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Ending of a file of the user's.
const ENDING: &str = ".toml";
/// A file of more bytes is no experiment.
const MOST_BYTES: u64 = 1 << 20;

/// The experiments of these names, each once; all without any.
pub(super) fn choose(names: &[String], changes: &Changes) -> Result<Vec<Experiment>, CatalogError> {
    let mut chosen = Vec::new();
    for name in names {
        let family = Family::ALL.iter().find(|family| family.name() == name);
        if let Some(family) = family {
            let all = built_in(changes, |_| true)?;
            chosen.extend(all.into_iter().filter(|one| one.family == *family));
        } else if name.ends_with(ENDING) {
            chosen.push(of_file(name, changes)?);
        } else {
            let found = built_in(changes, |known| known == name)?;
            if found.is_empty() {
                return Err(CatalogError::Unknown { name: name.clone() });
            }
            chosen.extend(found);
        }
    }
    if names.is_empty() {
        chosen = built_in(changes, |_| true)?;
        // As a course goes.
        chosen.sort_by_key(|one| Family::ALL.iter().position(|family| *family == one.family));
    }
    let mut once: Vec<Experiment> = Vec::new();
    for experiment in chosen {
        if !once.iter().any(|other| other.name == experiment.name) {
            once.push(experiment);
        }
    }
    check_settings(&once, changes)?;
    Ok(once)
}

/// Those built in whose name is wanted.
fn built_in(
    changes: &Changes,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Experiment>, CatalogError> {
    let wanted = guest::experiments().filter(|(name, _)| is_wanted(name));
    let experiments = wanted.map(|(name, text)| {
        let file = format!("resources/lab/{name}{ENDING}");
        read(name, &file, text, changes)
    });
    experiments.collect()
}

fn of_file(path: &str, changes: &Changes) -> Result<Experiment, CatalogError> {
    let unreadable = |source| CatalogError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        let says = "it is no regular file of at most 1 MiB";
        return Err(unreadable(io::Error::other(says)));
    }
    let text = fs::read(path).map_err(unreadable)?;
    let stem = path.rsplit('/').next().unwrap_or(path);
    read(stem.trim_end_matches(ENDING), path, &text, changes)
}

fn read(
    name: &str,
    file: &str,
    text: &[u8],
    changes: &Changes,
) -> Result<Experiment, CatalogError> {
    let text = std::str::from_utf8(text).map_err(|error| CatalogError::Unreadable {
        path: file.to_owned(),
        source: io::Error::other(error),
    })?;
    let source = Source { name: file, text };
    Ok(Experiment::read(name, &source, changes)?)
}

/// Refuses a setting that is nowhere.
fn check_settings(experiments: &[Experiment], changes: &Changes) -> Result<(), CatalogError> {
    let settings = experiments.iter().flat_map(|one| &one.settings);
    let mut known: Vec<&str> = settings.map(|(name, _)| name.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let mut asked = changes.set.iter().map(|(name, _)| name);
    match asked.find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(CatalogError::NoSetting {
            name: name.clone(),
            known: match known.join(", ") {
                none if none.is_empty() => "none".to_owned(),
                names => names,
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wanted: &[&str]) -> Result<Vec<String>, String> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let chosen = choose(&wanted, &Changes::default());
        let chosen = chosen.map_err(|error| error.to_string())?;
        Ok(chosen.into_iter().map(|one| one.name).collect())
    }

    #[test]
    fn all_experiments_of_the_house_make_sense_in_both_forms() {
        for short in [false, true] {
            let changes = Changes {
                short,
                ..Changes::default()
            };
            let all = choose(&[], &changes).map_err(|error| error.to_string());
            assert!(!all.unwrap().is_empty());
        }
    }

    #[test]
    fn a_family_is_its_experiments_and_nothing_is_there_twice() {
        let family = names(&["scheduling"]).unwrap();
        let first = family[0].clone();
        assert_eq!(names(&["scheduling", &first, "scheduling"]), Ok(family));
    }

    #[test]
    fn what_is_not_there_is_told_with_what_to_do() {
        let error = names(&["fcfs-of-nobody"]).unwrap_err();
        assert!(error.contains("--list"), "{error}");
        let error = names(&["/nowhere/mine.toml"]).unwrap_err();
        assert!(error.contains("/nowhere/mine.toml"), "{error}");
        let changes = Changes {
            set: vec![("speed".to_owned(), "3".to_owned())],
            ..Changes::default()
        };
        let error = choose(&[], &changes).err().unwrap().to_string();
        assert!(error.contains("\"speed\": they have "), "{error}");
    }
}
