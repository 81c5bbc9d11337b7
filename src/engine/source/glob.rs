//! File name patterns: `*`, `?`, `[a-z]`, `[^a]`, `{json,txt}`, as Hadoop's globs have them.

use std::path::{Path, PathBuf};

/// Whether a path has a pattern in it.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// Whether the whole of `name` fits the pattern.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    alternatives(pattern).iter().any(|p| fits(&p.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>()))
}

/// Whether a path fits a pattern, directory by directory.
pub(super) fn matches_path(pattern: &Path, path: &Path) -> bool {
    let parts = |p: &Path| p.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>();
    let fits = |pattern: &str| {
        let (wanted, is) = (parts(Path::new(pattern)), parts(path));
        wanted.len() == is.len() && wanted.iter().zip(&is).all(|(w, i)| w == i || matches(w, i))
    };
    alternatives(&pattern.to_string_lossy()).iter().any(|p| fits(p))
}

/// The paths that exist and fit, in order.
pub(super) fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = alternatives(pattern).iter().flat_map(|p| expand_one(p)).collect();
    found.sort();
    found.dedup();
    found
}

fn expand_one(pattern: &str) -> Vec<PathBuf> {
    let mut paths = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() }];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        paths = paths.iter().flat_map(|path| step(path, part)).collect();
    }
    paths
}

fn step(path: &Path, part: &str) -> Vec<PathBuf> {
    if !is_pattern(part) {
        let next = path.join(part);
        return if next.exists() { vec![next] } else { vec![] };
    }
    let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let Ok(entries) = std::fs::read_dir(here) else { return vec![] };
    let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
    names.filter(|n| !n.starts_with('.') && matches(part, n)).map(|n| path.join(n)).collect()
}

/// `a{b,c}d` → `abd`, `acd`.
fn alternatives(pattern: &str) -> Vec<String> {
    let Some(open) = pattern.find('{') else { return vec![pattern.to_string()] };
    let mut depth = 0;
    let mut parts = vec![open + 1];
    for (i, c) in pattern[open..].char_indices().map(|(i, c)| (i + open, c)) {
        match c {
            '{' => depth += 1,
            ',' if depth == 1 => parts.push(i + 1),
            '}' => {
                depth -= 1;
                if depth == 0 {
                    parts.push(i + 1);
                    let (head, tail) = (&pattern[..open], &pattern[i + 1..]);
                    let inner = parts.windows(2).map(|w| format!("{head}{}{tail}", &pattern[w[0]..w[1] - 1]));
                    return inner.flat_map(|p| alternatives(&p)).collect();
                }
            }
            _ => {}
        }
    }
    vec![pattern.to_string()]
}

fn fits(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => (0..=name.len()).any(|n| fits(rest, &name[n..])),
        ['?', rest @ ..] => !name.is_empty() && fits(rest, &name[1..]),
        ['[', rest @ ..] => match (rest.iter().skip(1).position(|c| *c == ']'), name) {
            (Some(at), [c, after @ ..]) => in_class(&rest[..=at], *c) && fits(&rest[at + 2..], after),
            _ => false,
        },
        ['\\', c, rest @ ..] | [c, rest @ ..] => name.first() == Some(c) && fits(rest, &name[1..]),
    }
}

fn in_class(class: &[char], c: char) -> bool {
    let (negated, mut class) = match class {
        ['^' | '!', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    while let [first, rest @ ..] = class {
        match rest {
            ['-', last, more @ ..] => {
                found |= (*first..=*last).contains(&c);
                class = more;
            }
            _ => {
                found |= *first == c;
                class = rest;
            }
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("*.json", "a.json", true),
            ("*.json", "a.csv", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("*.{json,txt}", "a.txt", true),
            ("{a,b{c,d}}", "bd", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
