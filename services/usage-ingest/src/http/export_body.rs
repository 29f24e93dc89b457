//! The body of a file: written page by page, while the client takes it.
//!
//! Guarantee: a file that is complete to look at is complete. JSON ends with its totals and closing brackets; CSV and
//! NDJSON end with the last chunk of the answer. After a failure neither is sent: the connection is closed in the middle.

use actix_web::{HttpResponse, http::header};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use maas_store::StoreError;
use maas_types::Currency;
use maas_web::Problem;
use serde_json::Value as Json;

use super::{figures::totals_to_api, store_problem};
use crate::{
    domain::{
        analytics::figures::Figures,
        csv::{self, Cell, decimal, in_seconds},
    },
    service::export::{ExportRow, Rows, Slot},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Csv,
    Json,
    Ndjson,
}

/// What a file says besides its rows.
#[derive(Debug)]
pub struct File {
    pub format: FileFormat,
    /// Without its ending.
    pub name: String,
    /// Said at the beginning of JSON, and in headers of any format.
    pub facts: Vec<(&'static str, Json)>,
    pub currency: Currency,
}

impl FileFormat {
    pub const ALL: [(&'static str, Self); 3] = [("csv", Self::Csv), ("json", Self::Json), ("ndjson", Self::Ndjson)];

    const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// The answer with the file. The first page is read before, so that what fails at once is a proper error.
pub async fn respond(file: File, mut rows: Rows, slot: Slot) -> Result<HttpResponse, Problem> {
    let first = rows.next().await.map_err(store_problem)?;
    let mut response = HttpResponse::Ok();
    response.content_type(file.format.media_type());
    let disposition = format!("attachment; filename=\"{}.{}\"", file.name, file.format.ending());
    response.insert_header((header::CONTENT_DISPOSITION, disposition));
    for (name, value) in &file.facts {
        if let Json::String(text) = value {
            response.insert_header((format!("x-maas-{}", name.replace('_', "-")), text.as_str()));
        }
    }
    Ok(response.streaming(chunks(Writer::new(file, &rows), rows, first, slot)))
}

/// What comes next.
enum Step {
    Head(Vec<ExportRow>),
    Rows(Vec<ExportRow>),
    Tail,
    Done,
}

fn chunks(
    writer: Writer,
    rows: Rows,
    first: Vec<ExportRow>,
    slot: Slot,
) -> impl Stream<Item = Result<Bytes, StoreError>> {
    // The slot is held for as long as the body lives.
    stream::try_unfold((writer, rows, Step::Head(first), slot), |(mut writer, mut rows, step, slot)| async move {
        let (chunk, next) = match step {
            Step::Head(first) => (writer.head(), Step::Rows(first)),
            Step::Rows(page) if page.is_empty() => (String::new(), Step::Tail),
            Step::Rows(page) => {
                let chunk = writer.rows(page);
                let page = rows.next().await.inspect_err(|error| {
                    tracing::error!(error.message = %error, "an export was broken off");
                })?;
                (chunk, if page.is_empty() { Step::Tail } else { Step::Rows(page) })
            }
            Step::Tail => (writer.tail(), Step::Done),
            Step::Done => return Ok(None),
        };
        Ok(Some((Bytes::from(chunk), (writer, rows, next, slot))))
    })
}

struct Writer {
    file: File,
    columns: Vec<&'static str>,
    totals: Figures,
    is_first: bool,
}

impl Writer {
    fn new(file: File, rows: &Rows) -> Self {
        Self { file, columns: rows.columns(), totals: Figures::default(), is_first: true }
    }

    fn head(&self) -> String {
        let mut out = String::new();
        match self.file.format {
            FileFormat::Csv => csv::write_header(&mut out, &self.columns),
            FileFormat::Ndjson => {}
            FileFormat::Json => {
                out.push('{');
                for (name, value) in &self.file.facts {
                    out.push_str(&format!("\"{name}\":{value},"));
                }
                out.push_str("\"rows\":[");
            }
        }
        out
    }

    fn rows(&mut self, page: Vec<ExportRow>) -> String {
        let mut out = String::new();
        for row in page {
            self.totals.add(&row.figures);
            match self.file.format {
                FileFormat::Csv => csv::write_row(&mut out, &row.cells),
                FileFormat::Ndjson => {
                    self.write_object(&mut out, &row.cells);
                    out.push('\n');
                }
                FileFormat::Json => {
                    out.push_str(if self.is_first { "\n" } else { ",\n" });
                    self.write_object(&mut out, &row.cells);
                }
            }
            self.is_first = false;
        }
        out
    }

    fn tail(&self) -> String {
        if self.file.format != FileFormat::Json {
            return String::new();
        }
        // Sums that no answer can show are left out of the totals; the rows have them.
        let totals = totals_to_api(&self.totals, self.file.currency).ok();
        let totals = totals.and_then(|totals| serde_json::to_string(&totals).ok()).unwrap_or_else(|| "null".to_owned());
        format!("\n],\"totals\":{totals}}}\n")
    }

    fn write_object(&self, out: &mut String, cells: &[Cell]) {
        for (place, (name, cell)) in self.columns.iter().zip(cells).enumerate() {
            out.push_str(if place == 0 { "{\"" } else { ",\"" });
            out.push_str(name);
            out.push_str("\":");
            write_json(out, cell);
        }
        out.push('}');
    }
}

fn write_json(out: &mut String, cell: &Cell) {
    match cell {
        Cell::Text(text) => out.push_str(&Json::from(text.as_str()).to_string()),
        Cell::Number(number) => out.push_str(&number.to_string()),
        Cell::Amount(nanos) => out.push_str(&format!("\"{}\"", decimal(*nanos))),
        Cell::Time(time) => out.push_str(&format!("\"{time}\"")),
        Cell::TimeOfSeconds(time) => out.push_str(&format!("\"{}\"", in_seconds(*time))),
        Cell::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Cell::Missing => out.push_str("null"),
    }
}
