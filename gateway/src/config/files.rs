//! Reads configuration files without trusting them to be small, regular or text.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Largest configuration file read, in bytes.
pub(super) const LARGEST: u64 = 1 << 20;
/// Most files read from one directory.
pub(super) const MOST_FILES: usize = 4096;

/// Why a file gives no text.
#[derive(Debug)]
pub(super) enum ReadFault {
    /// The system refuses to open or read it.
    Io(io::Error),
    /// A directory, a FIFO, a device: anything one cannot just read to its end.
    NotAFile,
    /// More than [`LARGEST`] bytes.
    TooBig,
    /// Not UTF-8 from this byte on; the text has replacement characters from there.
    NotText { text: String, valid: usize },
}

/// Reads a whole file.
pub(super) fn read_text(path: &Path) -> Result<String, ReadFault> {
    // Opening a FIFO would wait for a writer, so it is looked at first.
    if !fs::metadata(path).map_err(ReadFault::Io)?.is_file() {
        return Err(ReadFault::NotAFile);
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(ReadFault::Io)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > LARGEST) {
        return Err(ReadFault::TooBig);
    }
    String::from_utf8(bytes).map_err(|error| ReadFault::NotText {
        valid: error.utf8_error().valid_up_to(),
        text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// The files of a directory, by name: what ends in `.toml` and does not begin with a dot, so that neither an editor's
/// backup (`backup.toml~`) nor its lock (`.#backup.toml`) is an export or a peer.
pub(super) fn toml_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(b".toml") && !bytes.starts_with(b".") {
            files.push(directory.join(name));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_export_files_are_taken_and_in_one_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "b.toml",
            "a.toml",
            "a.toml~",
            ".#a.toml",
            "#a.toml#",
            "README",
            "c.toml.bak",
            ".toml",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> = toml_files(dir.path()).unwrap();
        assert_eq!(names, [dir.path().join("a.toml"), dir.path().join("b.toml")]);
        assert!(toml_files(&dir.path().join("none")).is_err());
    }

    #[test]
    fn what_is_no_small_text_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read_text(dir.path()), Err(ReadFault::NotAFile)));
        assert!(matches!(
            read_text(Path::new("/dev/zero")),
            Err(ReadFault::NotAFile)
        ));

        let file = dir.path().join("f");
        fs::write(&file, b"a = 1\nb = \"\xff\"\n").unwrap();
        assert!(matches!(
            read_text(&file),
            Err(ReadFault::NotText { valid: 11, .. })
        ));

        let largest = usize::try_from(LARGEST).unwrap();
        fs::write(&file, vec![b' '; largest]).unwrap();
        assert_eq!(read_text(&file).unwrap().len(), largest);
        fs::write(&file, vec![b' '; largest + 1]).unwrap();
        assert!(matches!(read_text(&file), Err(ReadFault::TooBig)));
    }
}
