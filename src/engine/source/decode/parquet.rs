//! Parquet files → columns. Only the columns in use are read.

use super::spark_schema;
use crate::engine::EngineError;
use crate::engine::columns::{list_series, null_series, one_chunk, physical, physical_entry, struct_series};
use crate::types::{DataType, Field};
use polars::prelude as pl;
use polars::prelude::{ChunkApply, IntoSeries, ParquetReader, SerReader, Series};
use polars_arrow::array::ListArray;
use std::io::Cursor;

/// The columns of `fields` and the number of rows. Names compare without regard to case; a column that the file does not
/// have is all NULL.
///
/// # Errors
/// Bytes that are no Parquet, a column of another type.
pub(super) fn decode(bytes: Vec<u8>, fields: &[Field]) -> Result<(Vec<Series>, usize), EngineError> {
    // From memory, never from the file: that would be mapped, and a file that shrinks would end the process.
    let mut reader = ParquetReader::new(Cursor::new(bytes));
    let schema = reader.schema().map_err(|e| unreadable(&e))?;
    let named = |field: &Field| {
        let exact = schema.iter_names().find(|n| n.as_str() == field.name);
        exact.or_else(|| schema.iter_names().find(|n| n.eq_ignore_ascii_case(&field.name))).map(|n| n.to_string())
    };
    let names: Vec<Option<String>> = fields.iter().map(named).collect();
    let mut wanted: Vec<String> = names.iter().flatten().cloned().collect();
    wanted.sort();
    wanted.dedup();
    let rows = reader.num_rows().map_err(|e| unreadable(&e))?;
    if wanted.is_empty() {
        return Ok((fields.iter().map(|f| null_series(&f.data_type, rows)).collect(), rows));
    }
    let frame = reader.with_columns(Some(wanted)).finish().map_err(|e| unreadable(&e))?;
    let column = |(field, name): (&Field, &Option<String>)| match name {
        Some(name) => {
            let column = frame.column(name).map_err(|e| unreadable(&e))?.as_materialized_series().rechunk();
            to_physical(&column, &field.data_type).map(one_chunk).ok_or_else(|| mismatch(field, column.dtype()))
        }
        None => Ok(null_series(&field.data_type, rows)),
    };
    Ok((fields.iter().zip(&names).map(column).collect::<Result<_, _>>()?, rows))
}

/// The columns that a file declares: as Spark's footer has them where Spark, or eddy, wrote the file, because Parquet has
/// no INTERVAL of Spark's; else what Parquet's own types mean.
pub(crate) fn schema(bytes: Vec<u8>) -> Result<Vec<Field>, EngineError> {
    let mut reader = ParquetReader::new(Cursor::new(bytes));
    let schema = reader.schema().map_err(|e| unreadable(&e))?;
    let field = |f: &polars_arrow::datatypes::Field| {
        let data_type = pl::DataType::from_arrow_field(f);
        spark_type(&data_type, f.dtype())
            .map(|t| Field::new(f.name.to_string(), t))
            .ok_or_else(|| EngineError::user(format!("the Parquet column {} has a type that Spark SQL lacks: {data_type}", f.name)))
    };
    let mut fields = schema.iter_values().map(field).collect::<Result<Vec<_>, _>>()?;
    let footer = reader.get_metadata().map_err(|e| unreadable(&e))?.key_value_metadata().as_ref();
    let spark = footer.and_then(|pairs| pairs.iter().find(|p| p.key == spark_schema::KEY)?.value.as_deref());
    for told in spark.and_then(spark_schema::columns).unwrap_or_default() {
        if let Some(found) = fields.iter_mut().find(|f| f.name == told.name)
            && physical(&found.data_type) == physical(&told.data_type)
        {
            *found = told;
        }
    }
    Ok(fields)
}

fn unreadable(error: &pl::PolarsError) -> EngineError {
    EngineError::external(format!("this is no readable Parquet file: {error}")).condition("FAILED_READ_FILE.NO_HINT")
}

fn mismatch(field: &Field, found: &pl::DataType) -> EngineError {
    EngineError::data(
        "FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH",
        format!("the Parquet column {} is {found} and not {}", field.name, field.data_type.sql()),
    )
}

fn spark_type(found: &pl::DataType, arrow: &polars_arrow::datatypes::ArrowDataType) -> Option<DataType> {
    use polars_arrow::datatypes::ArrowDataType;
    Some(match found {
        pl::DataType::Null => DataType::Void,
        pl::DataType::Boolean => DataType::Boolean,
        pl::DataType::Int8 => DataType::TinyInt,
        pl::DataType::Int16 | pl::DataType::UInt8 => DataType::SmallInt,
        pl::DataType::Int32 | pl::DataType::UInt16 => DataType::Int,
        pl::DataType::Int64 | pl::DataType::UInt32 => DataType::BigInt,
        pl::DataType::UInt64 => DataType::Decimal(20, 0),
        pl::DataType::Float32 => DataType::Float,
        pl::DataType::Float64 => DataType::Double,
        pl::DataType::String => DataType::String,
        pl::DataType::Binary => DataType::Binary,
        pl::DataType::Date => DataType::Date,
        // INT96 has no zone in its type, and always means an instant.
        pl::DataType::Datetime(pl::TimeUnit::Nanoseconds, _) => DataType::Timestamp,
        pl::DataType::Datetime(..) => match arrow {
            ArrowDataType::Timestamp(_, None) => DataType::TimestampNtz,
            _ => DataType::Timestamp,
        },
        pl::DataType::Decimal(p, s) => DataType::Decimal(*p as u8, *s as u8),
        pl::DataType::List(inner) => match (arrow, &**inner) {
            // A MAP arrives as a list; only the name of its repeated group tells.
            (ArrowDataType::LargeList(item) | ArrowDataType::Map(item, _), pl::DataType::Struct(members))
                if members.len() == 2 && matches!(item.name.as_str(), "key_value" | "entries" | "map") =>
            {
                let ArrowDataType::Struct(parts) = item.dtype() else { return None };
                let of = |i: usize| spark_type(members[i].dtype(), parts[i].dtype());
                DataType::map(of(0)?, of(1)?)
            }
            (ArrowDataType::List(item) | ArrowDataType::LargeList(item), _) => DataType::array(spark_type(inner, item.dtype())?),
            _ => DataType::array(spark_type(inner, arrow)?),
        },
        pl::DataType::Struct(members) => {
            let ArrowDataType::Struct(parts) = arrow else { return None };
            let field = |(m, p): (&pl::Field, &polars_arrow::datatypes::Field)| {
                spark_type(m.dtype(), p.dtype()).map(|t| Field::new(m.name().to_string(), t))
            };
            DataType::Struct(members.iter().zip(parts).map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The column in the physical form of `to`; `None` when its type does not fit.
fn to_physical(column: &Series, to: &DataType) -> Option<Series> {
    use pl::DataType as P;
    let target = physical(to);
    match (column.dtype(), to) {
        (P::Null, _) => Some(null_series(to, column.len())),
        (P::Datetime(unit, _), DataType::Timestamp | DataType::TimestampNtz) => {
            let instants = column.to_physical_repr().into_owned();
            let instants = instants.i64().ok()?;
            Some(match unit {
                pl::TimeUnit::Nanoseconds => instants.apply_values(|v| v.div_euclid(1000)).into_series(),
                pl::TimeUnit::Microseconds => instants.clone().into_series(),
                pl::TimeUnit::Milliseconds => instants.apply_values(|v| v.saturating_mul(1000)).into_series(),
            })
        }
        (P::Date, DataType::Date) => Some(column.to_physical_repr().into_owned()),
        (P::Decimal(_, found), DataType::Decimal(_, wanted)) if *found == usize::from(*wanted) => {
            Some(column.to_physical_repr().into_owned())
        }
        (P::List(_), DataType::Array(element)) => list(column, |inner| to_physical(inner, element), &physical(element)),
        (P::List(_), DataType::Map(key, value)) => list(
            column,
            |entries| {
                let parts = entries.struct_().ok()?.fields_as_series();
                let [k, v] = parts.as_slice() else { return None };
                struct_series(vec![to_physical(k, key)?, to_physical(v, value)?], None, None).ok()
            },
            &physical_entry(key, value),
        ),
        (P::Struct(_), DataType::Struct(fields)) => {
            let parts = column.struct_().ok()?;
            let members = fields.iter().map(|f| match parts.field_by_name(&f.name) {
                Ok(part) => to_physical(&part, &f.data_type),
                Err(_) => Some(null_series(&f.data_type, column.len())),
            });
            struct_series(members.collect::<Option<_>>()?, Some(column.len()), column.chunks()[0].validity().cloned()).ok()
        }
        (P::Binary, DataType::String) => column.strict_cast(&target).ok(),
        (found, DataType::Int | DataType::BigInt | DataType::SmallInt | DataType::TinyInt) if found.is_integer() => {
            column.strict_cast(&target).ok()
        }
        (P::Int8 | P::Int16 | P::Int32 | P::Float32, DataType::Double) => column.strict_cast(&target).ok(),
        (P::UInt64, DataType::Decimal(20, 0)) => column.strict_cast(&target).ok(),
        (found, _)
            if *found == target && !matches!(to, DataType::Date | DataType::Timestamp | DataType::TimestampNtz | DataType::Decimal(..)) =>
        {
            Some(column.clone())
        }
        _ => None,
    }
}

fn list(column: &Series, convert: impl Fn(&Series) -> Option<Series>, element: &pl::DataType) -> Option<Series> {
    let column = column.rechunk();
    let lists = column.list().ok()?;
    let array = column.chunks()[0].as_any().downcast_ref::<ListArray<i64>>()?;
    let inner = convert(&lists.get_inner())?;
    list_series(array.offsets().as_slice().to_vec(), inner, polars_arrow::array::Array::validity(array).cloned(), element).ok()
}
