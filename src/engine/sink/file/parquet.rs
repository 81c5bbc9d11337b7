//! Rows → Parquet, as Spark writes it: its types, its names of groups, its schema in the footer.
//!
//! polars' own writer knows no MAP and no way to say what a column means to Spark, so the schema is built here.
//! A row group is encoded column by column on the worker pool and written before the next one begins.

use super::compression::unknown_codec;
use crate::engine::eval::json_write::write_string;
use crate::engine::pool::Pool;
use crate::engine::source::declared::Declared;
use crate::engine::{EngineError, Frame};
use crate::plan::logical::Column;
use crate::types::{DataType, Field};
use polars_arrow::array::{Array, ListArray, NullArray, PrimitiveArray, StructArray};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field as ArrowField, TimeUnit};
use polars_parquet::parquet::error::ParquetError;
use polars_parquet::parquet::schema::Repetition;
use polars_parquet::parquet::schema::types::{GroupConvertedType, GroupLogicalType};
use polars_parquet::write::{
    CompressedPage, CompressionOptions, Compressor, DynIter, DynStreamingIterator, Encoding, FileWriter, KeyValue, ParquetType,
    SchemaDescriptor, StatisticsOptions, Version, WriteOptions, array_to_columns, fallible_streaming_iterator, get_dtype_encoding,
    to_parquet_type,
};
use std::io::{self, Write};

/// Rows of a row group: what readers and writers hold in memory at a time.
const ROW_GROUP: usize = 256 * 1024;

/// Options of the parquet sink.
pub(super) const OPTIONS: &[&str] = &["compression"];

/// What `compression` may be, with what stands in a file's name.
const CODECS: &[(&str, CompressionOptions, &str)] = &[
    ("snappy", CompressionOptions::Snappy, "snappy.parquet"),
    ("zstd", CompressionOptions::Zstd(None), "zstd.parquet"),
    ("gzip", CompressionOptions::Gzip(None), "gz.parquet"),
    ("lz4_raw", CompressionOptions::Lz4Raw, "lz4raw.parquet"),
    ("none", CompressionOptions::Uncompressed, "parquet"),
    ("uncompressed", CompressionOptions::Uncompressed, "parquet"),
];

/// How files are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParquetFiles {
    compression: CompressionOptions,
    /// What the names of files end in.
    pub(super) extension: &'static str,
}

impl ParquetFiles {
    /// From the options.
    ///
    /// # Errors
    /// A codec that is not there.
    pub(super) fn read(declared: &Declared<'_>) -> Result<ParquetFiles, EngineError> {
        let name = declared.text("compression").unwrap_or("snappy");
        match CODECS.iter().find(|(codec, ..)| codec.eq_ignore_ascii_case(name)) {
            Some((_, compression, extension)) => Ok(ParquetFiles { compression: *compression, extension }),
            None => Err(unknown_codec(name, CODECS.iter().map(|(codec, ..)| *codec))),
        }
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// Those of `out`; a defect of the encoder.
    pub(super) fn write(self, columns: &[Column], frame: &Frame, pool: &Pool, out: &mut dyn Write) -> io::Result<()> {
        let options = WriteOptions {
            statistics: StatisticsOptions::default(),
            version: Version::V1,
            compression: self.compression,
            data_page_size: None,
        };
        let fields: Vec<ArrowField> = columns.iter().map(|c| field(&c.name, &c.data_type, true)).collect();
        let types = |to| columns.iter().zip(&fields).map(|(c, f)| parquet_type(f, &c.data_type, to)).collect::<io::Result<Vec<_>>>();
        let schema = SchemaDescriptor::new("spark_schema".into(), types(Use::Schema)?);
        let types = types(Use::Encoder)?;
        // Arrow's schema would go to the footer; Spark's stands there instead.
        let mut writer = FileWriter::new_with_parquet_schema(out, ArrowSchema::default(), schema, options);
        let mut row = 0;
        while row < frame.rows() {
            let rows = ROW_GROUP.min(frame.rows() - row);
            let group = frame.slice(row, rows);
            let items: Vec<usize> = (0..columns.len()).collect();
            let encoded = pool.map(items, |at| {
                let array = &*group.columns()[at].chunks()[0];
                encode(array, &columns[at].data_type, types[at].clone(), &fields[at].dtype, options)
            });
            let pages = encoded.into_iter().collect::<io::Result<Vec<_>>>()?;
            let leaves = pages.iter().flatten().map(|leaf: &Vec<CompressedPage>| {
                Ok(DynStreamingIterator::new(fallible_streaming_iterator::convert(leaf.iter().map(Ok::<_, polars::error::PolarsError>))))
            });
            writer.write(rows as u64, DynIter::new(leaves)).map_err(io::Error::other)?;
            row += rows;
        }
        writer.end(Some(footer(columns))).map_err(io::Error::other)?;
        Ok(())
    }
}

/// What Parquet has no file for.
///
/// # Errors
/// A column of such a type.
pub(super) fn check(columns: &[Column]) -> Result<(), EngineError> {
    let Some(column) = columns.iter().find(|c| !is_writable(&c.data_type)) else { return Ok(()) };
    let message = format!("parquet has no column of type {}, as `{}` is", column.data_type.sql(), column.name);
    Err(EngineError::data("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", message).help("do: CAST(… AS STRING), or leave the column out"))
}

fn is_writable(data_type: &DataType) -> bool {
    match data_type {
        DataType::CalendarInterval => false,
        DataType::Array(element) => is_writable(element),
        DataType::Map(key, value) => is_writable(key) && is_writable(value),
        DataType::Struct(fields) => !fields.is_empty() && fields.iter().all(|f| is_writable(&f.data_type)),
        _ => true,
    }
}

/// One column of a row group: the pages of each of its leaves.
fn encode(
    array: &dyn Array,
    data_type: &DataType,
    parquet: ParquetType,
    arrow: &ArrowDataType,
    options: WriteOptions,
) -> io::Result<Vec<Vec<CompressedPage>>> {
    let array = logical(array, data_type)?;
    let encodings: Vec<Encoding> = get_dtype_encoding(arrow);
    let leaves = array_to_columns(array, parquet, options, &encodings).map_err(io::Error::other)?;
    let compress = |pages: DynIter<'static, polars::error::PolarsResult<_>>| {
        let pages = pages.map(|page| page.map_err(|e| ParquetError::InvalidParameter(e.to_string())));
        Compressor::new(pages, options.compression, Vec::new()).map(|page| page.map_err(io::Error::other)).collect()
    };
    leaves.into_iter().map(compress).collect()
}

/// The arrow field of a column: what its values mean is in its type.
fn field(name: &str, data_type: &DataType, nullable: bool) -> ArrowField {
    ArrowField::new(name.into(), arrow_type(data_type), nullable)
}

fn arrow_type(data_type: &DataType) -> ArrowDataType {
    match data_type {
        DataType::Void => ArrowDataType::Null,
        DataType::Date => ArrowDataType::Date32,
        DataType::Timestamp => ArrowDataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::TimestampNtz => ArrowDataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Decimal(precision, scale) => ArrowDataType::Decimal((*precision).into(), (*scale).into()),
        DataType::Array(element) => ArrowDataType::LargeList(Box::new(field("element", element, true))),
        DataType::Map(key, value) => {
            let entry = ArrowDataType::Struct(vec![field("key", key, false), field("value", value, true)]);
            ArrowDataType::LargeList(Box::new(ArrowField::new("key_value".into(), entry, false)))
        }
        DataType::Struct(fields) => ArrowDataType::Struct(fields.iter().map(|f| field(&f.name, &f.data_type, true)).collect()),
        plain => crate::engine::columns::arrow(plain),
    }
}

/// What a Parquet type is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// The footer.
    Schema,
    /// The encoder, which knows lists but no maps: there a map is a list of structs. The levels are the same.
    Encoder,
}

/// The Parquet type of a column.
fn parquet_type(arrow: &ArrowField, data_type: &DataType, to: Use) -> io::Result<ParquetType> {
    let repetition = if arrow.is_nullable { Repetition::Optional } else { Repetition::Required };
    let name = arrow.name.clone();
    let group = |converted, logical, fields| ParquetType::from_group(name.clone(), repetition, converted, logical, fields, None);
    let repeated = |name: &'static str, fields| ParquetType::from_group(name.into(), Repetition::Repeated, None, None, fields, None);
    Ok(match data_type {
        DataType::Array(element) => {
            let element = parquet_type(&field("element", element, true), element, to)?;
            group(Some(GroupConvertedType::List), Some(GroupLogicalType::List), vec![repeated("list", vec![element])])
        }
        DataType::Map(key, value) => {
            let entry = vec![parquet_type(&field("key", key, false), key, to)?, parquet_type(&field("value", value, true), value, to)?];
            let entries = match to {
                Use::Schema => repeated("key_value", entry),
                Use::Encoder => {
                    let element = ParquetType::from_group("entry".into(), Repetition::Required, None, None, entry, None);
                    repeated("key_value", vec![element])
                }
            };
            group(Some(GroupConvertedType::Map), Some(GroupLogicalType::Map), vec![entries])
        }
        DataType::Struct(fields) => {
            let members = fields.iter().map(|f| parquet_type(&field(&f.name, &f.data_type, true), &f.data_type, to));
            group(None, None, members.collect::<io::Result<_>>()?)
        }
        _ => to_parquet_type(arrow).map_err(io::Error::other)?,
    })
}

/// The physical column with the type that says what it means.
fn logical(array: &dyn Array, data_type: &DataType) -> io::Result<Box<dyn Array>> {
    let to = arrow_type(data_type);
    let any = array.as_any();
    let unfit = || io::Error::other(format!("a column of {} is not what its type says", data_type.sql()));
    Ok(match data_type {
        DataType::Void => Box::new(NullArray::new(ArrowDataType::Null, array.len())),
        DataType::Date => Box::new(any.downcast_ref::<PrimitiveArray<i32>>().ok_or_else(unfit)?.clone().to(to)),
        DataType::Timestamp | DataType::TimestampNtz => {
            Box::new(any.downcast_ref::<PrimitiveArray<i64>>().ok_or_else(unfit)?.clone().to(to))
        }
        DataType::Decimal(..) => Box::new(any.downcast_ref::<PrimitiveArray<i128>>().ok_or_else(unfit)?.clone().to(to)),
        DataType::Array(element) => {
            let list = any.downcast_ref::<ListArray<i64>>().ok_or_else(unfit)?;
            let values = logical(&**list.values(), element)?;
            Box::new(ListArray::<i64>::try_new(to, list.offsets().clone(), values, list.validity().cloned()).map_err(io::Error::other)?)
        }
        DataType::Map(key, value) => {
            let list = any.downcast_ref::<ListArray<i64>>().ok_or_else(unfit)?;
            let parts = list.values().as_any().downcast_ref::<StructArray>().ok_or_else(unfit)?.values();
            let ArrowDataType::LargeList(entry) = &to else { return Err(unfit()) };
            let parts = vec![logical(&*parts[0], key)?, logical(&*parts[1], value)?];
            let entries = StructArray::try_new(entry.dtype().clone(), list.values().len(), parts, None).map_err(io::Error::other)?;
            let (offsets, valid) = (list.offsets().clone(), list.validity().cloned());
            Box::new(ListArray::<i64>::try_new(to, offsets, Box::new(entries), valid).map_err(io::Error::other)?)
        }
        DataType::Struct(fields) => {
            let parts = any.downcast_ref::<StructArray>().ok_or_else(unfit)?;
            let members = parts.values().iter().zip(fields).map(|(part, f)| logical(&**part, &f.data_type)).collect::<io::Result<_>>()?;
            Box::new(StructArray::try_new(to, array.len(), members, array.validity().cloned()).map_err(io::Error::other)?)
        }
        _ => array.to_boxed(),
    })
}

/// What stands in the footer beside the schema: Spark's own schema, since Parquet has no intervals, and the version of
/// Spark whose calendar the dates are in (without it a reader may take old ones for Julian).
fn footer(columns: &[Column]) -> Vec<KeyValue> {
    let mut schema = String::new();
    struct_json(columns.iter().map(|c| (c.name.as_str(), &c.data_type)), &mut schema);
    vec![
        KeyValue { key: "org.apache.spark.version".to_string(), value: Some("4.3.0".to_string()) },
        KeyValue { key: "org.apache.spark.sql.parquet.row.metadata".to_string(), value: Some(schema) },
    ]
}

fn struct_json<'a>(fields: impl Iterator<Item = (&'a str, &'a DataType)>, out: &mut String) {
    out.push_str("{\"type\":\"struct\",\"fields\":[");
    for (at, (name, data_type)) in fields.enumerate() {
        out.push_str(if at > 0 { ",{\"name\":" } else { "{\"name\":" });
        write_string(out, name);
        out.push_str(",\"type\":");
        type_json(data_type, out);
        out.push_str(",\"nullable\":true,\"metadata\":{}}");
    }
    out.push_str("]}");
}

/// A type as Spark's JSON has it.
fn type_json(data_type: &DataType, out: &mut String) {
    let name = match data_type {
        DataType::TinyInt => "byte".to_string(),
        DataType::SmallInt => "short".to_string(),
        DataType::Int => "integer".to_string(),
        DataType::BigInt => "long".to_string(),
        DataType::Array(element) => {
            out.push_str("{\"type\":\"array\",\"elementType\":");
            type_json(element, out);
            return out.push_str(",\"containsNull\":true}");
        }
        DataType::Map(key, value) => {
            out.push_str("{\"type\":\"map\",\"keyType\":");
            type_json(key, out);
            out.push_str(",\"valueType\":");
            type_json(value, out);
            return out.push_str(",\"valueContainsNull\":true}");
        }
        DataType::Struct(fields) => {
            return struct_json(fields.iter().map(|f: &Field| (f.name.as_str(), &f.data_type)), out);
        }
        other => other.to_string(),
    };
    write_string(out, &name);
}
