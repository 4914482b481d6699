//! The word somebody probably meant.

/// Longest word worth comparing, in characters; keys and names are shorter.
const LONGEST: usize = 64;

/// The known word nearest to `found`, if it is near enough to be a slip of the pen.
pub(crate) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = plain(found)?;
    // Three letters may hide one slip, nine letters three.
    let limit = (found.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter_map(|word| Some((distance(&found, &plain(word)?), word)))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Case, dashes and underlines do not make another word.
fn plain(word: &str) -> Option<Vec<char>> {
    let plain: Vec<char> = word
        .chars()
        .take(LONGEST + 1)
        .map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() })
        .collect();
    (plain.len() <= LONGEST).then_some(plain)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (optimal
/// string alignment).
fn distance(from: &[char], to: &[char]) -> usize {
    let mut older: Vec<usize> = Vec::new();
    let mut old: Vec<usize> = (0..=to.len()).collect();
    let mut left_char = None;
    for (row, &a) in from.iter().enumerate() {
        let mut new = Vec::with_capacity(to.len() + 1);
        let mut left = row + 1;
        new.push(left);
        let mut above_char = None;
        for (column, &b) in to.iter().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&old, column) + usize::from(a != b);
            let mut best = replaced.min(at(&old, column + 1) + 1).min(left + 1);
            if column > 0 && above_char == Some(a) && left_char == Some(b) {
                best = best.min(at(&older, column - 1) + 1);
            }
            new.push(best);
            left = best;
            above_char = Some(b);
        }
        older = std::mem::replace(&mut old, new);
        left_char = Some(a);
    }
    old.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["name", "listen", "key", "exports", "rekey_after", "keepalive"];
        for (found, meant) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("lsiten", Some("listen")),
            ("rekey-after", Some("rekey_after")),
            ("export", Some("exports")),
            ("kye", Some("key")),
            ("colour", None),
            ("", None),
            ("k", None),
        ] {
            assert_eq!(nearest(found, known), meant, "{found}");
        }
    }

    #[test]
    fn distances_are_those_of_the_definition() {
        for (from, to, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
        ] {
            let chars = |word: &str| word.chars().collect::<Vec<_>>();
            assert_eq!(distance(&chars(from), &chars(to)), expected, "{from} {to}");
        }
    }

    #[test]
    fn a_word_of_a_megabyte_costs_nothing() {
        assert_eq!(nearest(&"x".repeat(1 << 20), ["name"]), None);
    }
}
