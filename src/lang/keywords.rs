//! The one table of keywords: what they are called and where they may stand as names.
//!
//! Spark's default rule is kept: nearly every word may name a column. A word is held back only where
//! taking it as a name would change how ordinary queries read.

/// Where a keyword may still be a name. Backticks, a dot before it or `AS` lift every restriction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Never a name as it stands: `FROM`, `WHERE`, `AND`.
    Reserved,
    /// A name, but no alias without `AS`: `LEFT`, `OUTPUT`, `LIMIT`.
    NotBare,
    /// Any name; shown as a keyword all the same: `STREAM`, `MODE`.
    Free,
    /// Any name, and mostly used as one: `date`, `key`, `second`.
    Soft,
}

macro_rules! keywords {
    ($($name:ident $class:ident),* $(,)?) => {
        /// A word the grammar knows.
        #[expect(non_camel_case_types, reason = "spelt as people spell them in SQL")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Keyword {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)*
        }

        /// Every keyword in alphabetical order: spelling, value, where it may be a name.
        pub const KEYWORDS: &[(&str, Keyword, Use)] = &[$((stringify!($name), Keyword::$name, Use::$class),)*];
    };
}

keywords! {
    AFTER Free,
    AGGREGATE Free,
    ALL Free,
    ALTER Free,
    AND Reserved,
    ANTI NotBare,
    ANY Free,
    APPEND Free,
    ARRAY Soft,
    AS Reserved,
    ASC Free,
    AVAILABLE Free,
    AWAIT Free,
    BATCH Free,
    BETWEEN Reserved,
    BIGINT Soft,
    BINARY Soft,
    BOOLEAN Soft,
    BOTH Soft,
    BUCKET Soft,
    BY Reserved,
    BYTE Soft,
    CASE Reserved,
    CAST Free,
    CHAR Soft,
    CHARACTER Soft,
    CHECKPOINT NotBare,
    CLUSTER NotBare,
    COLLATE NotBare,
    COMMENT Soft,
    COMPLETE Free,
    CONTAINS Soft,
    CONTINUOUS Free,
    CRASH Free,
    CREATE Free,
    CROSS NotBare,
    CUBE Free,
    CURRENT Free,
    DATA Soft,
    DATE Soft,
    DATEADD Soft,
    DATEDIFF Soft,
    DATE_ADD Soft,
    DATE_DIFF Soft,
    DAY Soft,
    DAYOFYEAR Soft,
    DAYS Soft,
    DEC Soft,
    DECIMAL Soft,
    DEDUPLICATE Free,
    DEFAULT Soft,
    DELAY NotBare,
    DESC Free,
    DESCRIBE Free,
    DETERMINISTIC Soft,
    DISTINCT NotBare,
    DISTRIBUTE NotBare,
    DIV NotBare,
    DOUBLE Soft,
    DROP Free,
    ELSE NotBare,
    END Free,
    ESCAPE NotBare,
    EVERY Free,
    EXCEPT NotBare,
    EXCLUDE Free,
    EXISTS Free,
    EXPLAIN Free,
    EXPORT Free,
    EXTEND Free,
    EXTENDED Free,
    EXTRACT Free,
    FALSE Free,
    FILTER Free,
    FIRST Soft,
    FLOAT Soft,
    FOLLOWING Free,
    FOR NotBare,
    FROM Reserved,
    FULL NotBare,
    FUNCTION Free,
    FUNCTIONS Free,
    GROUP Reserved,
    GROUPING Free,
    HAVING Reserved,
    HOUR Soft,
    HOURS Soft,
    IF Free,
    IGNORE Free,
    ILIKE Reserved,
    IN Reserved,
    INCLUDE Free,
    INFER Free,
    INNER NotBare,
    INT Soft,
    INTEGER Soft,
    INTERSECT Reserved,
    INTERVAL Free,
    INTO Reserved,
    IS Reserved,
    JOIN Reserved,
    LANGUAGE Soft,
    LAST Soft,
    LATERAL NotBare,
    LEADING Soft,
    LEFT NotBare,
    LIKE Reserved,
    LIMIT NotBare,
    LONG Soft,
    MAP Soft,
    MICROSECOND Soft,
    MICROSECONDS Soft,
    MILLISECOND Soft,
    MILLISECONDS Soft,
    MINUS NotBare,
    MINUTE Soft,
    MINUTES Soft,
    MODE Free,
    MONTH Soft,
    MONTHS Soft,
    NATURAL NotBare,
    NOT Reserved,
    NOW Soft,
    NULL Free,
    NULLS Free,
    NUMERIC Soft,
    OF Soft,
    OFFSET NotBare,
    OFFSETS Free,
    ON Reserved,
    ONCE Free,
    OPTIONS Free,
    OR Reserved,
    ORDER Reserved,
    OUT Soft,
    OUTER Free,
    OUTPUT NotBare,
    OVER NotBare,
    OVERLAY Free,
    PARTITION Free,
    PARTITIONED Free,
    PAUSE Free,
    PERCENT Free,
    PIVOT NotBare,
    PLACING Soft,
    POSITION Free,
    PRECEDING Free,
    PROCESSING Free,
    QUALIFY Reserved,
    QUARTER Soft,
    QUERIES Free,
    QUERY Free,
    RANGE Free,
    READS Soft,
    REAL Soft,
    REGEXP Reserved,
    REPEATABLE Free,
    REPLACE Free,
    RESET Free,
    RESPECT Free,
    RESUME Free,
    RETURN Free,
    RETURNS Free,
    RIGHT NotBare,
    RLIKE Reserved,
    ROLLUP Free,
    ROW Soft,
    ROWS Free,
    SCHEMA Free,
    SECOND Soft,
    SECONDS Soft,
    SELECT Reserved,
    SEMI NotBare,
    SET NotBare,
    SETS Free,
    SHORT Soft,
    SHOW Free,
    SINK Free,
    SMALLINT Soft,
    SOME Free,
    SORT NotBare,
    SOURCE Free,
    SQL Soft,
    START Free,
    STATE Free,
    STATEFUL Free,
    STEP Free,
    STOP Free,
    STREAM Free,
    STREAMS Free,
    STRING Soft,
    STRUCT Soft,
    SUBMIT Free,
    SUBSTR Free,
    SUBSTRING Free,
    TABLE Free,
    TABLES Free,
    TABLESAMPLE NotBare,
    TEMP Free,
    TEMPORARY Free,
    THEN Reserved,
    TIME Soft,
    TIMEOUT Free,
    TIMESTAMP Soft,
    TIMESTAMPADD Soft,
    TIMESTAMPDIFF Soft,
    TIMESTAMP_LTZ Soft,
    TIMESTAMP_NTZ Soft,
    TINYINT Soft,
    TO Soft,
    TRAILING Soft,
    TRIGGER NotBare,
    TRIM Free,
    TRUE Free,
    TRY_CAST Free,
    UNBOUNDED Free,
    UNION Reserved,
    UNKNOWN Soft,
    UNPIVOT NotBare,
    UPDATE Free,
    USING Reserved,
    VALUES Reserved,
    VARCHAR Soft,
    VIEW Free,
    VIEWS Free,
    VOID Soft,
    WATERMARK NotBare,
    WEEK Soft,
    WEEKS Soft,
    WHEN Reserved,
    WHERE Reserved,
    WINDOW Soft,
    WITH NotBare,
    WITHIN Free,
    X Soft,
    YEAR Soft,
    YEARS Soft,
}

/// Longer words are never keywords.
const LONGEST: usize = 16;

impl Keyword {
    /// The keyword that `word` spells, whatever its case.
    pub fn of(word: &str) -> Option<Keyword> {
        if word.len() > LONGEST {
            return None;
        }
        let mut upper = [0u8; LONGEST];
        for (to, from) in upper.iter_mut().zip(word.bytes()) {
            *to = from.to_ascii_uppercase();
        }
        let upper = &upper[..word.len()];
        KEYWORDS.binary_search_by(|(text, _, _)| text.as_bytes().cmp(upper)).ok().map(|at| KEYWORDS[at].1)
    }

    /// Its spelling, in capitals.
    pub fn text(self) -> &'static str {
        KEYWORDS[self as usize].0
    }

    /// Where it may be a name.
    pub fn usage(self) -> Use {
        KEYWORDS[self as usize].2
    }
}

/// `name` as SQL text: in backticks where it is no plain word or would be read as a keyword.
pub fn quote_name(name: &str) -> String {
    let word =
        !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) && !name.starts_with(|c: char| c.is_numeric());
    let free = Keyword::of(name).is_none_or(|k| matches!(k.usage(), Use::Free | Use::Soft) && !READS_AS_SYNTAX.contains(&k));
    if word && free { name.to_string() } else { format!("`{}`", name.replace('`', "``")) }
}

/// Words that may be names but begin something else in a place where a name may stand too.
const READS_AS_SYNTAX: &[Keyword] = &[
    Keyword::NULL,
    Keyword::TRUE,
    Keyword::FALSE,
    Keyword::INTERVAL,
    Keyword::STREAM,
    Keyword::TABLE,
    Keyword::VIEW,
    Keyword::QUERY,
    Keyword::FUNCTION,
    Keyword::EXTENDED,
    Keyword::ALL,
    Keyword::IF,
    Keyword::UNBOUNDED,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_found_in_any_case() {
        for (at, (text, keyword, _)) in KEYWORDS.iter().enumerate() {
            assert!(text.len() <= LONGEST);
            assert_eq!(*keyword as usize, at);
            assert_eq!(Keyword::of(&text.to_lowercase()), Some(*keyword));
        }
        assert!(KEYWORDS.is_sorted_by_key(|k| k.0));
        assert_eq!(Keyword::of("selec"), None);
    }

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(quote_name("value"), "value");
        assert_eq!(quote_name("from"), "`from`");
        assert_eq!(quote_name("a`b"), "`a``b`");
        assert_eq!(quote_name("1a"), "`1a`");
        assert_eq!(quote_name(""), "``");
    }
}
