//! The body of a file: written page by page, while the client takes it.
//!
//! Guarantee: a file that is complete to look at is complete. JSON ends with its totals and closing brackets; CSV and
//! NDJSON end with the last chunk of the answer. After a failure neither is sent: the connection is closed in the middle.

use actix_web::{HttpResponse, http::header};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use maas_types::{
    Currency,
    csv::{self, Cell, decimal, in_seconds},
};
use maas_web::{Problem, export::FileFormat};
use serde_json::Value as Json;

use super::{broken_off_problem, figures::totals_to_api};
use crate::{
    domain::analytics::figures::Figures,
    service::export::{BrokenOff, ExportRow, ExportSnapshot, Pages, Rows},
};

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

/// The answer with the file. The first page is read before, so that what fails at once is a proper error.
pub async fn respond(file: File, rows: Rows, snapshot: ExportSnapshot) -> Result<HttpResponse, Problem> {
    let columns = rows.columns();
    let mut pages = snapshot.read(rows);
    let first = pages.next().await.map_err(broken_off_problem)?;
    let mut response = HttpResponse::Ok();
    response.content_type(file.format.media_type());
    let disposition = format!("attachment; filename=\"{}.{}\"", file.name, file.format.ending());
    response.insert_header((header::CONTENT_DISPOSITION, disposition));
    for (name, value) in &file.facts {
        if let Json::String(text) = value {
            response.insert_header((format!("x-maas-{}", name.replace('_', "-")), text.as_str()));
        }
    }
    Ok(response.streaming(chunks(Writer::new(file, columns), pages, first)))
}

/// What comes next.
enum Step {
    Head(Vec<ExportRow>),
    Rows(Vec<ExportRow>),
    Tail,
    Done,
}

fn chunks(writer: Writer, pages: Pages, first: Vec<ExportRow>) -> impl Stream<Item = Result<Bytes, BrokenOff>> {
    stream::try_unfold((writer, pages, Step::Head(first)), |(mut writer, mut pages, step)| async move {
        let (chunk, next) = match step {
            Step::Head(first) => (writer.head(), Step::Rows(first)),
            Step::Rows(page) if page.is_empty() => (String::new(), Step::Tail),
            Step::Rows(page) => {
                let chunk = writer.rows(page);
                let page = pages.next().await.inspect_err(note_broken_off)?;
                (chunk, if page.is_empty() { Step::Tail } else { Step::Rows(page) })
            }
            Step::Tail => (writer.tail(), Step::Done),
            Step::Done => return Ok(None),
        };
        Ok(Some((Bytes::from(chunk), (writer, pages, next))))
    })
}

fn note_broken_off(error: &BrokenOff) {
    match error {
        BrokenOff::NotTaken => tracing::info!("an export was broken off: its client did not take it in time"),
        BrokenOff::Store(cause) => tracing::error!(error.message = %cause, "an export was broken off"),
    }
}

struct Writer {
    file: File,
    columns: Vec<&'static str>,
    totals: Figures,
    is_first: bool,
}

impl Writer {
    fn new(file: File, columns: Vec<&'static str>) -> Self {
        Self { file, columns, totals: Figures::default(), is_first: true }
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
