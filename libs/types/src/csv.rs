//! Cells of an export, and rows of them as CSV (RFC 4180).
//!
//! Guarantee: no text of a file is read as a formula by a spreadsheet. A text that begins like one gets a `'` in front.
//! Numbers are never changed: what stands in a column of numbers was made here, so a negative one is what it says.

use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(String),
    Number(i128),
    /// Nano-units, shown as a decimal number.
    Amount(i128),
    /// RFC 3339 in UTC.
    Time(Timestamp),
    /// In whole seconds.
    TimeOfSeconds(Timestamp),
    Flag(bool),
    /// Nothing is known or there is nothing to know.
    Missing,
}

/// What spreadsheets take for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
const PER_UNIT: u128 = 1_000_000_000;

/// Adds one row, with its end of line.
pub fn write_row<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a Cell>) {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_cell(out, cell);
    }
    out.push_str("\r\n");
}

pub fn write_header(out: &mut String, columns: &[&str]) {
    out.push_str(&columns.join(","));
    out.push_str("\r\n");
}

fn write_cell(out: &mut String, cell: &Cell) {
    match cell {
        Cell::Text(text) => write_text(out, text),
        Cell::Number(number) => out.push_str(&number.to_string()),
        Cell::Amount(nanos) => out.push_str(&decimal(*nanos)),
        Cell::Time(time) => out.push_str(&time.to_string()),
        Cell::TimeOfSeconds(time) => out.push_str(&in_seconds(*time)),
        Cell::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Cell::Missing => {}
    }
}

fn write_text(out: &mut String, text: &str) {
    let neutral = if text.starts_with(FORMULA) { "'" } else { "" };
    if !text.contains(['"', ',', '\r', '\n']) {
        out.push_str(neutral);
        out.push_str(text);
        return;
    }
    out.push('"');
    out.push_str(neutral);
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

/// Nano-units as a decimal number with nine places, of any size.
pub fn decimal(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    format!("{sign}{}.{:09}", magnitude / PER_UNIT, magnitude % PER_UNIT)
}

/// RFC 3339 without a fraction.
pub fn in_seconds(time: Timestamp) -> String {
    time.to_string().replace(".000Z", "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[Cell]) -> String {
        let mut out = String::new();
        write_row(&mut out, cells);
        out
    }

    fn text(text: &str) -> String {
        row(&[Cell::Text(text.to_owned())])
    }

    #[test]
    fn texts_that_look_like_formulas_are_neutralised() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"] {
            assert_eq!(text(formula), format!("'{formula}\r\n"));
        }
        assert_eq!(text("=HYPERLINK(\"http://x\",1)"), "\"'=HYPERLINK(\"\"http://x\"\",1)\"\r\n");
        assert_eq!(text("\rx"), "\"'\rx\"\r\n");
        assert_eq!(text("a=b"), "a=b\r\n");
    }

    #[test]
    fn numbers_stay_numbers() {
        let cells = [Cell::Number(-3), Cell::Amount(-1_500_000_000), Cell::Amount(7), Cell::Missing, Cell::Flag(true)];
        assert_eq!(row(&cells), "-3,-1.500000000,0.000000007,,true\r\n");
        assert_eq!(decimal(i128::from(i64::MAX) * 1_000), "9223372036854.775807000");
    }

    #[test]
    fn separators_inside_texts_are_quoted() {
        assert_eq!(text("a,b"), "\"a,b\"\r\n");
        assert_eq!(text("a\nb"), "\"a\nb\"\r\n");
        assert_eq!(text("say \"hi\""), "\"say \"\"hi\"\"\"\r\n");
    }
}
