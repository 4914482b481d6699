//! The directories in which a path can become another file.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Links that are followed; the kernel follows as many.
const MOST_LINKS: usize = 40;

/// The directory of a file, and those of each symbolic link on the way to it: so a directory of links that is swapped as a
/// whole, as Kubernetes does, is noticed. Where the way ends too early, the last directory there is.
pub(super) fn of(path: &Path) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::new();
    let mut at = PathBuf::from(if path.is_absolute() { "/" } else { "." });
    let mut way = names(path);
    let mut links = 0;
    while let Some(name) = way.pop_front() {
        let next = at.join(&name);
        match fs::read_link(&next) {
            Ok(leads_to) if links < MOST_LINKS => {
                links += 1;
                places.insert(at.clone());
                if leads_to.is_absolute() {
                    at = PathBuf::from("/");
                }
                let mut longer = names(&leads_to);
                longer.append(&mut way);
                way = longer;
            }
            _ if way.is_empty() || !next.is_dir() => {
                places.insert(at);
                return places;
            }
            _ => at = next,
        }
    }
    places
}

/// The parts of a path below its root.
fn names(path: &Path) -> VecDeque<OsString> {
    let named = |part: Component<'_>| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        _ => None,
    };
    path.components().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_directory_in_which_a_link_may_be_swapped_is_a_place() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        for name in ["etc", "secrets/..v1"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("secrets/..v1/psk"), "x").unwrap();
        symlink("..v1", root.join("secrets/..data")).unwrap();
        symlink("..data/psk", root.join("secrets/psk")).unwrap();
        symlink(root.join("secrets/psk"), root.join("etc/b.psk")).unwrap();
        let expected = ["etc", "secrets", "secrets/..v1"].map(|name| root.join(name));
        assert_eq!(of(&root.join("etc/b.psk")), BTreeSet::from(expected));
    }

    #[test]
    fn what_is_not_there_is_waited_for_where_it_would_appear() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        assert_eq!(of(&root.join("a/b/c")), BTreeSet::from([root.clone()]));
        fs::create_dir_all(root.join("a/b")).unwrap();
        assert_eq!(of(&root.join("a/b/c")), BTreeSet::from([root.join("a/b")]));
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(of(&root.join("loop")), BTreeSet::from([root]));
        assert_eq!(of(Path::new("none.key")), BTreeSet::from([PathBuf::from(".")]));
    }
}
