//! `sequence`: arrays of numbers, dates or timestamps at equal steps.

use super::access::{Cells, array_series, number_series};
use super::array::{element_type, integers};
use super::date::session;
use super::interval::timestamp_plus;
use super::zone::Zone;
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;
use polars_arrow::bitmap::BitmapBuilder;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[KernelEntry { name: "sequence", fallible: true, kernel: sequence }];

const DAY: i64 = 86_400_000_000;
/// Elements that one row's array may have.
const LONGEST: usize = 10_000_000;

/// From one element to the next.
#[derive(Clone, Copy)]
enum Step {
    Number(i64),
    Calendar { months: i32, days: i32, micros: i64 },
}

impl Step {
    /// Up, down or nowhere.
    fn direction(self) -> i64 {
        match self {
            Step::Number(n) => n.signum(),
            Step::Calendar { months, days, micros } => {
                let whole = i128::from(months) * 28 * i128::from(DAY) + i128::from(days) * i128::from(DAY) + i128::from(micros);
                whole.signum() as i64
            }
        }
    }

    /// The element `count` steps after `start`; `None` outside the range of the type.
    fn after(self, start: i64, count: usize, zone: Option<&Zone>) -> Option<i64> {
        let count = i64::try_from(count).ok()?;
        match self {
            Step::Number(n) => start.checked_add(n.checked_mul(count)?),
            Step::Calendar { months, days, micros } => {
                let months = i32::try_from(i64::from(months) * count).ok()?;
                timestamp_plus(start, months, i64::from(days) * count, micros.checked_mul(count)?, zone).ok()
            }
        }
    }
}

fn sequence(call: &KernelCall<'_>) -> Result {
    let element = element_type(call.returns);
    let (starts, stops) = (values(call, 0)?, values(call, 1)?);
    let steps = if call.args.len() > 2 { Some(steps(call, 2)?) } else { None };
    let is_time = matches!(element, DataType::Date | DataType::Timestamp | DataType::TimestampNtz);
    let zone = (*element == DataType::Timestamp).then(|| session(call));
    let n = call.length();
    let (mut all, mut offsets, mut valid) = (Vec::new(), vec![0i64], BitmapBuilder::with_capacity(n));
    for row in 0..n {
        let at = |cells: &[Option<i64>]| cells[if cells.len() == 1 { 0 } else { row }];
        let step = |start: i64, stop: i64| match &steps {
            Some(steps) => steps[if steps.len() == 1 { 0 } else { row }],
            None if is_time => Some(Step::Calendar { months: 0, days: if stop < start { -1 } else { 1 }, micros: 0 }),
            None => Some(Step::Number(if stop < start { -1 } else { 1 })),
        };
        let cell = match (at(&starts), at(&stops)) {
            (Some(start), Some(stop)) => step(start, stop).map(|step| (start, stop, step)),
            _ => None,
        };
        valid.push(cell.is_some());
        if let Some((start, stop, step)) = cell {
            fill(&mut all, start, stop, step, zone.as_ref()).map_err(|e| e.at_row(row))?;
        }
        offsets.push(all.len() as i64);
    }
    array_series(offsets, column(all, element), valid.into_opt_validity(), element)
}

fn fill(all: &mut Vec<i64>, start: i64, stop: i64, step: Step, zone: Option<&Zone>) -> Result<()> {
    let direction = step.direction();
    if start == stop {
        all.push(start);
        return Ok(());
    }
    if direction == 0 || (stop > start) != (direction > 0) {
        return Err(EngineError::user(format!("illegal sequence boundaries: {start} to {stop} by a step in the other direction")));
    }
    for count in 0.. {
        match step.after(start, count, zone) {
            Some(value) if (direction > 0 && value <= stop) || (direction < 0 && value >= stop) => all.push(value),
            _ => return Ok(()),
        }
        if count >= LONGEST {
            let message = format!("a sequence of more than {LONGEST} elements");
            return Err(EngineError::data("COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", message));
        }
    }
    Ok(())
}

fn wrong_types(call: &KernelCall<'_>) -> EngineError {
    let types: Vec<String> = call.args.iter().map(|a| a.data_type.sql()).collect();
    let message = format!("`sequence` takes whole numbers, or dates and timestamps with an interval, not {}", types.join(", "));
    EngineError::data("DATATYPE_MISMATCH.SEQUENCE_WRONG_INPUT_TYPES", message)
}

/// Numbers as they are, days and times in microseconds.
fn values(call: &KernelCall<'_>, index: usize) -> Result<Vec<Option<i64>>> {
    Ok(match call.data_type(index) {
        t if t.is_integral() => integers(call, index)?,
        DataType::Date => {
            let days = call.numbers::<i32>(index)?;
            (0..days.len()).map(|row| days.at(row).map(|d| i64::from(d) * DAY)).collect()
        }
        DataType::Timestamp | DataType::TimestampNtz => {
            let times = call.numbers::<i64>(index)?;
            (0..times.len()).map(|row| times.at(row)).collect()
        }
        _ => return Err(wrong_types(call)),
    })
}

fn steps(call: &KernelCall<'_>, index: usize) -> Result<Vec<Option<Step>>> {
    let time = |months, days, micros| Step::Calendar { months, days, micros };
    Ok(match call.data_type(index) {
        t if t.is_integral() && call.data_type(0).is_integral() => {
            integers(call, index)?.into_iter().map(|n| n.map(Step::Number)).collect()
        }
        _ if call.data_type(0).is_integral() => return Err(wrong_types(call)),
        DataType::YearMonthInterval(..) => {
            let months = call.numbers::<i32>(index)?;
            (0..months.len()).map(|row| months.at(row).map(|m| time(m, 0, 0))).collect()
        }
        DataType::DayTimeInterval(..) => {
            let dates = *element_type(call.returns) == DataType::Date;
            let micros = call.numbers::<i64>(index)?;
            if dates && (0..micros.len()).any(|row| micros.at(row).is_some_and(|us| us % DAY != 0)) {
                return Err(EngineError::user("a sequence of dates must have a step of whole days"));
            }
            (0..micros.len()).map(|row| micros.at(row).map(|us| time(0, (us / DAY) as i32, us % DAY))).collect()
        }
        DataType::CalendarInterval => {
            let members = super::access::members(call.column(index))?;
            let (months, days) = (super::access::numbers::<i32>(&members[0])?, super::access::numbers::<i32>(&members[1])?);
            let micros = super::access::numbers::<i64>(&members[2])?;
            (0..micros.len()).map(|row| Some(time(months.at(row)?, days.at(row)?, micros.at(row)?))).collect()
        }
        _ => return Err(wrong_types(call)),
    })
}

fn column(values: Vec<i64>, element: &DataType) -> Series {
    match element {
        DataType::TinyInt => number_series(values.into_iter().map(|v| v as i8).collect(), None),
        DataType::SmallInt => number_series(values.into_iter().map(|v| v as i16).collect(), None),
        DataType::Int => number_series(values.into_iter().map(|v| v as i32).collect(), None),
        DataType::Date => number_series(values.into_iter().map(|v| v.div_euclid(DAY) as i32).collect(), None),
        _ => number_series(values, None),
    }
}
