//! What the real folder does in ways of its own: many parts in one call, and room asked for in advance.

use std::path::PathBuf;

use crate::log::{Disk, RealDisk};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nacos-core-{name}-{}", std::process::id()));
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn parts_are_written_one_behind_the_other_however_many_they_are() {
    let folder = Folder::new("parts");
    let disk = RealDisk::new(&folder.0, false).expect("a folder");
    let file = disk.open("file", true).expect("a file");
    // More than the system takes at once, empty ones at every place that matters.
    let parts: Vec<Vec<u8>> = (0..3_000_u32).map(|number| vec![number as u8; (number % 5) as usize]).collect();
    let borrowed: Vec<&[u8]> = parts.iter().map(|part| &part[..]).collect();
    file.write_parts_at(&borrowed, 7).expect("written");
    let expected = parts.concat();
    let mut found = vec![0; 7 + expected.len()];
    assert_eq!(file.length().expect("a length"), found.len() as u64);
    file.read_at(&mut found, 0).expect("read");
    assert_eq!(found[..7], [0; 7]);
    assert_eq!(found[7..], expected);
    file.write_parts_at(&[&[], &[]], 0).expect("nothing is nothing to complain of");
}

#[test]
fn room_that_is_reserved_changes_neither_length_nor_contents() {
    let folder = Folder::new("reserve");
    let disk = RealDisk::new(&folder.0, false).expect("a folder");
    let file = disk.open("file", true).expect("a file");
    file.write_at(b"before", 0).expect("written");
    file.reserve(3, 1 << 20);
    assert_eq!(file.length().expect("a length"), 6);
    let mut found = [0; 6];
    file.read_at(&mut found, 0).expect("read");
    assert_eq!(&found, b"before");
}
