//! Key files in real directories.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::{KEY_LEN, KeyKind};

#[test]
fn what_was_written_is_read_back() {
    let place = Place::new();
    let (secret, psk) = (SecretKey::generate().unwrap(), Psk::generate().unwrap());
    let [a, b, c] = ["a.key", "b.psk", "c.pub"].map(|name| place.path(name));

    write_secret(&a, &secret, Existing::Keep).unwrap();
    write_psk(&b, &psk, Existing::Keep).unwrap();
    write_public(&c, &secret.public(), Existing::Keep).unwrap();

    assert_eq!(read_secret(&a).unwrap().expose(), secret.expose());
    assert_eq!(read_psk(&b).unwrap().expose(), psk.expose());
    assert_eq!(read_public(&c).unwrap(), secret.public());
    assert_eq!(
        [a, b, c].map(|path| read_any(path).unwrap().kind()),
        [KeyKind::Secret, KeyKind::Psk, KeyKind::Public]
    );
}

#[test]
fn the_mode_follows_the_visibility_and_nothing_else_is_left_behind() {
    let place = Place::new();
    write_secret(place.path("a.key"), &key(1), Existing::Keep).unwrap();
    write_public(place.path("a.pub"), &key(1).public(), Existing::Keep).unwrap();

    assert_eq!(place.mode("a.key"), 0o600);
    assert_eq!(place.mode("a.pub"), 0o644);
    assert_eq!(place.names(), ["a.key", "a.pub"]);
}

#[test]
fn an_existing_file_is_kept_unless_it_is_to_be_replaced() {
    let place = Place::new();
    let path = place.path("a.key");
    write_secret(&path, &key(1), Existing::Keep).unwrap();

    let refused = write_secret(&path, &key(2), Existing::Keep).unwrap_err();
    assert!(matches!(refused, StoreError::Exists { .. }), "{refused}");
    assert_eq!(read_secret(&path).unwrap().expose(), key(1).expose());

    write_secret(&path, &key(2), Existing::Replace).unwrap();
    assert_eq!(read_secret(&path).unwrap().expose(), key(2).expose());
    assert_eq!(place.names(), ["a.key"]);
}

#[test]
fn a_replaced_file_is_a_new_one_with_a_new_mode() {
    let place = Place::new();
    let path = place.file("a.key", "old", 0o666);
    let mut old = File::open(&path).unwrap();

    write_secret(&path, &key(1), Existing::Replace).unwrap();

    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old", "the file somebody had open was written to");
    assert_eq!(place.mode("a.key"), 0o600);
}

#[test]
fn a_wide_mode_is_refused_with_the_command_that_mends_it() {
    let place = Place::new();
    let path = place.file("a key", &key(1).to_text(), 0o644);

    for refused in [
        read_secret(&path).unwrap_err(),
        read_any(&path).unwrap_err(),
        check_mode(&path).unwrap_err(),
    ] {
        let command = refused.mending_command().unwrap();
        assert_eq!(command, format!("chmod 600 '{}'", path.display()));
        assert!(
            refused
                .to_string()
                .contains(&format!("mode 0644, so others can get at it; run `{command}`"))
        );
    }

    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(read_secret(&path).unwrap().expose(), key(1).expose());
    check_mode(&path).unwrap();
}

#[test]
fn a_directory_open_to_others_is_refused_unless_it_is_sticky() {
    let place = Place::new();
    let path = place.file("a.key", &key(1).to_text(), 0o600);

    place.set_mode(0o777);
    let read = read_secret(&path).unwrap_err();
    let written = write_secret(place.path("b.key"), &key(2), Existing::Keep).unwrap_err();
    place.set_mode(0o1777);

    for refused in [read, written] {
        assert!(
            matches!(refused, StoreError::WideDirectory { mode: 0o777, .. }),
            "{refused}"
        );
        assert_eq!(
            refused.mending_command().unwrap(),
            format!("chmod go-w {}", place.0.path().display())
        );
    }
    read_secret(&path).unwrap();
    assert_eq!(place.names(), ["a.key"]);
}

#[test]
fn a_link_is_followed_when_reading_and_judged_at_both_ends() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let path = elsewhere.file("a.key", &key(1).to_text(), 0o600);
    let link = place.path("link.key");
    symlink(&path, &link).unwrap();

    assert_eq!(read_secret(&link).unwrap().expose(), key(1).expose());

    for wide in [&place, &elsewhere] {
        wide.set_mode(0o777);
        let refused = read_secret(&link).unwrap_err();
        wide.set_mode(0o700);
        assert!(matches!(refused, StoreError::WideDirectory { .. }), "{refused}");
    }

    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        read_secret(&link),
        Err(StoreError::WideMode { mode: 0o640, .. })
    ));
}

#[test]
fn a_link_is_never_written_through() {
    let place = Place::new();
    let link = place.path("link.key");
    symlink("nowhere", &link).unwrap();

    for existing in [Existing::Keep, Existing::Replace] {
        let refused = write_secret(&link, &key(1), existing).unwrap_err();
        assert!(matches!(refused, StoreError::SymbolicLink { .. }), "{refused}");
    }
    assert_eq!(place.names(), ["link.key"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn directories_pipes_and_devices_are_no_key_files() {
    let place = Place::new();
    let pipe = place.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();

    for (path, what) in [
        (pipe, "a pipe"),
        (place.0.path().to_owned(), "a directory"),
        ("/dev/zero".into(), "a device"),
    ] {
        let refused = read_secret(&path).unwrap_err();
        assert!(
            matches!(refused, StoreError::NotAFile { found, .. } if found == what),
            "{refused}"
        );
    }
    let refused = write_secret(place.0.path(), &key(1), Existing::Replace).unwrap_err();
    assert!(matches!(refused, StoreError::NotAFile { .. }), "{refused}");
}

#[test]
fn a_wrong_key_is_told_with_its_line_and_without_its_text() {
    let place = Place::new();
    let text = key(1).to_text();
    let path = place.file("a.key", &format!("# comment\n\n{}\n", *text), 0o600);

    let refused = read_public(&path).unwrap_err().to_string();

    assert_eq!(
        refused,
        format!(
            "{}, line 3: this is a secret key, expected a public key",
            path.display()
        )
    );
}

#[test]
fn a_missing_file_and_a_missing_directory_are_told_by_the_system() {
    let place = Place::new();
    let missing = place.path("none/a.key");

    assert!(matches!(read_secret(&missing), Err(StoreError::Open { .. })));
    assert!(matches!(check_mode(&missing), Err(StoreError::Open { .. })));
    assert!(matches!(
        write_secret(&missing, &key(1), Existing::Keep),
        Err(StoreError::Write { .. })
    ));
}

#[test]
fn an_inspection_reports_all_faults_at_once_and_changes_nothing() {
    let place = Place::new();
    let mut text = key(1).to_text().to_string();
    text.pop();
    let path = place.file("a.key", &text, 0o644);
    place.set_mode(0o777);

    let found = inspect(&path);
    place.set_mode(0o700);

    let [mode, directory, content] = found.faults.as_slice() else {
        panic!("{found:?}")
    };
    assert!(matches!(mode, StoreError::WideMode { .. }), "{mode}");
    assert!(
        matches!(directory, StoreError::WideDirectory { .. }),
        "{directory}"
    );
    assert!(
        matches!(content, StoreError::KeyText { line: 1, .. }),
        "{content}"
    );
    assert!(matches!(found.content, Content::Key(Some(KeyKind::Secret), None)));
    assert_eq!(found.mode, Some(0o644));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(place.mode("a.key"), 0o644);
}

#[test]
fn an_inspection_asks_less_of_a_public_key() {
    let place = Place::new();
    let text = key(1).public().to_string();

    assert!(inspect(place.file("a.pub", &text, 0o644)).faults.is_empty());
    let found = inspect(place.file("b.pub", &text, 0o666));
    assert_eq!(found.faults.len(), 1);
    assert_eq!(
        found.faults[0].mending_command().unwrap(),
        format!("chmod 644 {}", place.path("b.pub").display())
    );
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes([byte; KEY_LEN])
}

/// A directory of its own for each test.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(&self, mode: u32) {
        fs::set_permissions(self.0.path(), Permissions::from_mode(mode)).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}
