//! Names of a file sink's files: a function of the query, the batch and the file's number within it.
//!
//! `part-00000007-00000-5c1f…e2.snappy.parquet` has the first rows of batch 7 in its directory. The last part stands for
//! the query, so that two queries, or two runs without a checkpoint, never write over each other's files. While a file
//! is written its name begins with a dot, which readers pass over.

use xxhash_rust::xxh64::xxh64;

/// How the files of one query are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// 16 hexadecimal digits.
    query: String,
    /// Such as `csv.gz`.
    extension: String,
}

impl Names {
    /// For a query by its id, the same in every run over one checkpoint.
    pub(super) fn new(query: &str, extension: &str) -> Names {
        Names { query: format!("{:016x}", xxh64(query.as_bytes(), 0)), extension: extension.to_string() }
    }

    /// The file's name.
    pub(super) fn file(&self, batch: u64, number: usize) -> String {
        format!("part-{batch:08}-{number:05}-{}.{}", self.query, self.extension)
    }

    /// What it is called while it is written.
    pub(super) fn temporary(file: &str) -> String {
        format!(".{file}.tmp")
    }

    /// The batch of a file of this query, whatever format it was in; `None` for any other file.
    pub(super) fn batch_of(&self, name: &str) -> Option<u64> {
        let (batch, rest) = name.strip_prefix("part-")?.split_once('-')?;
        let (number, rest) = rest.split_once('-')?;
        let ours = rest.strip_prefix(&self.query).is_some_and(|end| end.starts_with('.'));
        (ours && number.parse::<usize>().is_ok()).then(|| batch.parse().ok()).flatten()
    }

    /// Whether the file is one of this query that was never finished.
    pub(super) fn is_unfinished(&self, name: &str) -> bool {
        name.strip_prefix('.').and_then(|n| n.strip_suffix(".tmp")).is_some_and(|file| self.batch_of(file).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_batch_to_their_own_query_only() {
        let names = Names::new("q", "csv.gz");
        let file = names.file(7, 3);
        assert!(file.starts_with("part-00000007-00003-") && file.ends_with(".csv.gz"), "{file}");
        assert_eq!(Names::new("q", "parquet").batch_of(&file), Some(7));
        assert_eq!(Names::new("other", "csv.gz").batch_of(&file), None);
        assert_eq!(names.batch_of("part-00000-5f-c000.csv"), None);
        let temporary = Names::temporary(&file);
        assert!(temporary.starts_with('.') && names.is_unfinished(&temporary) && !names.is_unfinished(&file));
        assert_eq!(names.batch_of(&names.file(u64::MAX, 123_456)), Some(u64::MAX));
    }
}
