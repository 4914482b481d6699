//! The text of a key file: comments, blank lines and one key.

use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::StoreError;
use crate::KeyTextError;

/// The longest key file that is read, in bytes: room for a page of comments.
pub const MAX_FILE_LEN: usize = 16 * 1024;

/// Reads everything and takes the one key out of it.
pub(super) fn read_key<K>(from: impl Read, path: &Path) -> Result<K, StoreError>
where
    K: FromStr<Err = KeyTextError>,
{
    let bytes = read_all(from, path)?;
    let (line, text) = only_key(&bytes, path)?;
    text.parse().map_err(|source| StoreError::KeyText {
        path: path.to_owned(),
        line,
        source,
    })
}

/// Reads everything there is into a buffer that never grows, so that no copy of a secret stays behind.
pub(super) fn read_all(from: impl Read, path: &Path) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    read_up_to(MAX_FILE_LEN, from, path)
}

/// The same for files that may be longer.
pub(super) fn read_up_to(
    longest: usize,
    mut from: impl Read,
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut bytes = Zeroizing::new(vec![0; longest + 1]);
    let mut len = 0;
    while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(StoreError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
    if len > longest {
        return Err(StoreError::TooLong {
            path: path.to_owned(),
            longest,
        });
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// The only line that is neither blank nor a comment, with its number.
pub(super) fn only_key<'a>(bytes: &'a [u8], path: &Path) -> Result<(usize, &'a str), StoreError> {
    let text = std::str::from_utf8(bytes).map_err(|_| StoreError::NotText {
        path: path.to_owned(),
    })?;
    let mut keys = (1..)
        .zip(text.lines().map(str::trim))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let key = keys.next().ok_or_else(|| StoreError::NoKey {
        path: path.to_owned(),
    })?;
    match keys.next() {
        Some((line, _)) => Err(StoreError::SeveralKeys {
            path: path.to_owned(),
            line,
        }),
        None => Ok(key),
    }
}

/// A key file's text: a comment line and the key line.
pub(super) fn compose(comment: &str, key: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(comment.len() + key.len() + 2));
    for line in [comment, key] {
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Result<(usize, &str), StoreError> {
        only_key(bytes, Path::new("f"))
    }

    #[test]
    fn comments_blank_lines_and_dos_line_ends_are_passed_over() {
        assert_eq!(found(b"# one\r\n\r\n  word \r\n# end").unwrap(), (3, "word"));
    }

    #[test]
    fn a_file_without_a_key_says_so() {
        assert!(matches!(found(b""), Err(StoreError::NoKey { .. })));
        assert!(matches!(found(b"# only\n\n"), Err(StoreError::NoKey { .. })));
    }

    #[test]
    fn a_second_key_is_refused_with_its_line() {
        assert!(matches!(
            found(b"a\n#\nb\n"),
            Err(StoreError::SeveralKeys { line: 3, .. })
        ));
    }

    #[test]
    fn binary_is_refused() {
        assert!(matches!(found(b"\xff\xfe"), Err(StoreError::NotText { .. })));
    }

    #[test]
    fn the_longest_file_is_read_and_one_byte_more_is_not() {
        let fits = read_all(&*vec![b'#'; MAX_FILE_LEN], Path::new("f")).unwrap();
        let over = read_all(&*vec![b'#'; MAX_FILE_LEN + 1], Path::new("f"));

        assert_eq!(fits.len(), MAX_FILE_LEN);
        assert!(matches!(over, Err(StoreError::TooLong { .. })));
    }

    #[test]
    fn an_endless_source_is_not_read_to_its_end() {
        let endless = read_all(std::io::repeat(b'a'), Path::new("f"));

        assert!(matches!(endless, Err(StoreError::TooLong { .. })));
    }
}
