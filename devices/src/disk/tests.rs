//! What may be a disk, and what is said about the rest.

use super::*;
use vmm_sys_util::tempdir::TempDir;

fn directory() -> TempDir {
    TempDir::new_with_prefix(std::env::temp_dir().join("hostel-test-")).unwrap()
}

fn file(directory: &TempDir, bytes: u64) -> PathBuf {
    let path = directory.as_path().join("a-disk-with-a-long-name.img");
    File::create(&path).unwrap().set_len(bytes).unwrap();
    path
}

#[test]
fn a_file_of_whole_sectors_is_a_disk() {
    let directory = directory();
    let disk = DiskFile::open(&file(&directory, 1536), DiskAccess::ReadWrite).unwrap();
    assert_eq!(disk.sectors(), 3);
    assert_eq!(&disk.id(), b"with-a-long-name.img");
}

#[test]
fn other_sizes_are_refused_with_the_next_that_would_do() {
    let directory = directory();
    for (bytes, next) in [(0, "-s 512 "), (1, "-s 512 "), (513, "-s 1024 ")] {
        let path = file(&directory, bytes);
        let error = DiskFile::open(&path, DiskAccess::ReadOnly).unwrap_err();
        assert!(matches!(error, DiskError::Size { .. }));
        assert!(error.to_string().contains(next), "{error}");
    }
}

#[test]
fn what_is_no_disk_is_named() {
    let directory = directory();
    let missing = DiskFile::open(&directory.as_path().join("none"), DiskAccess::ReadOnly);
    assert!(matches!(missing, Err(DiskError::Missing(_))));
    let is_directory = DiskFile::open(directory.as_path(), DiskAccess::ReadWrite).unwrap_err();
    assert!(
        is_directory.to_string().contains("is a directory"),
        "{is_directory}"
    );
    let device = DiskFile::open(Path::new("/dev/null"), DiskAccess::ReadWrite).unwrap_err();
    assert!(device.to_string().contains("character device"), "{device}");
}

#[test]
fn writers_are_alone_and_readers_share() {
    let directory = directory();
    let path = file(&directory, 512);
    let writer = DiskFile::open(&path, DiskAccess::ReadWrite).unwrap();
    for access in [DiskAccess::ReadWrite, DiskAccess::ReadOnly] {
        assert!(matches!(
            DiskFile::open(&path, access),
            Err(DiskError::InUse(_))
        ));
    }
    drop(writer);
    let reader = DiskFile::open(&path, DiskAccess::ReadOnly).unwrap();
    DiskFile::open(&path, DiskAccess::ReadOnly).expect("readers share");
    let second = DiskFile::open(&path, DiskAccess::ReadWrite);
    assert!(matches!(second, Err(DiskError::InUse(_))));
    drop(reader);
}

#[test]
fn a_temporary_disk_leaves_no_file() {
    let disk = DiskFile::temporary(1 << 20).unwrap();
    assert_eq!(
        (disk.sectors(), disk.access()),
        (2048, DiskAccess::ReadWrite)
    );
    use std::os::unix::fs::MetadataExt;
    assert_eq!(disk.file().metadata().unwrap().nlink(), 0);
}
