//! Audit entries as a file: written page by page, while the client takes it, with the memory of one page.
//!
//! Guarantee: a file that is complete to look at is complete. JSON ends with its bracket, CSV and NDJSON with the last
//! chunk of the answer; after a failure neither is sent. Entries that arrive while it is written may be missing, and so may
//! a day whose retention ends meanwhile.

use actix_web::{HttpResponse, http::header};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use maas_store::StoreError;
use maas_types::{
    PageLimit, UserId,
    csv::{self, Cell},
};
use maas_web::{
    Problem,
    export::{FileFormat, Slot},
};
use serde_json::Value;

use super::{
    audit_view::{AuditEntryView, view},
    store_problem,
};
use crate::{
    app::AuthState,
    domain::audit::{AuditEntry, AuditFilter},
    store::audit::AuditPosition,
};

const COLUMNS: [&str; 14] = [
    "id",
    "time",
    "service",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "resource_kind",
    "resource_id",
    "outcome",
    "before",
    "after",
    "request_id",
    "address",
];
/// Rows that are read at once.
const PAGE: PageLimit = match PageLimit::new(PageLimit::MAX) {
    Some(limit) => limit,
    None => PageLimit::DEFAULT,
};

#[derive(Debug, Clone)]
pub struct AuditFile {
    pub format: FileFormat,
    /// In the name of the file.
    pub day: String,
}

/// The answer with the file. The first page is read before, so that what fails at once is a proper error.
pub async fn respond(
    file: AuditFile,
    state: AuthState,
    filter: AuditFilter,
    slot: Slot,
) -> Result<HttpResponse, Problem> {
    let mut rows = Rows { state, filter, after: None, is_complete: false };
    let first = rows.next().await.map_err(store_problem)?;
    let mut response = HttpResponse::Ok();
    response.content_type(file.format.media_type());
    let disposition = format!("attachment; filename=\"audit-{}.{}\"", file.day, file.format.ending());
    response.insert_header((header::CONTENT_DISPOSITION, disposition));
    Ok(response.streaming(chunks(file.format, rows, first, slot)))
}

/// The pages of an export, one after the other, each in a statement of its own: a client who takes an hour holds no
/// connection.
struct Rows {
    state: AuthState,
    filter: AuditFilter,
    after: Option<AuditPosition>,
    is_complete: bool,
}

impl Rows {
    /// None left: empty.
    async fn next(&mut self) -> Result<Vec<AuditEntry>, StoreError> {
        if self.is_complete {
            return Ok(Vec::new());
        }
        let mut page = self.state.core().audit_entries(&self.filter, PAGE, self.after).await?;
        self.is_complete = page.len() <= PAGE.get() as usize;
        page.truncate(PAGE.get() as usize);
        self.after = page.last().map(AuditPosition::of);
        Ok(page)
    }
}

/// What comes next.
enum Step {
    Head(Vec<AuditEntry>),
    Page { page: Vec<AuditEntry>, is_first: bool },
    Tail,
    Done,
}

fn chunks(
    format: FileFormat,
    rows: Rows,
    first: Vec<AuditEntry>,
    slot: Slot,
) -> impl Stream<Item = Result<Bytes, StoreError>> {
    // The slot is held for as long as the body lives.
    stream::try_unfold((rows, Step::Head(first), slot), move |(mut rows, step, slot)| async move {
        let (chunk, next) = match step {
            Step::Head(page) => (head(format), Step::Page { page, is_first: true }),
            Step::Page { page, .. } if page.is_empty() => (String::new(), Step::Tail),
            Step::Page { page, is_first } => {
                let chunk = lines(format, page, is_first);
                let page = rows.next().await.inspect_err(|error| {
                    tracing::error!(error.message = %error, "an export of the audit book was broken off");
                })?;
                (chunk, Step::Page { page, is_first: false })
            }
            Step::Tail => (tail(format), Step::Done),
            Step::Done => return Ok(None),
        };
        Ok(Some((Bytes::from(chunk), (rows, next, slot))))
    })
}

fn head(format: FileFormat) -> String {
    let mut out = String::new();
    match format {
        FileFormat::Csv => csv::write_header(&mut out, &COLUMNS),
        FileFormat::Json => out.push('['),
        FileFormat::Ndjson => {}
    }
    out
}

fn tail(format: FileFormat) -> String {
    if format == FileFormat::Json { "\n]\n".to_owned() } else { String::new() }
}

fn lines(format: FileFormat, page: Vec<AuditEntry>, is_first: bool) -> String {
    let mut out = String::new();
    for (place, entry) in page.into_iter().enumerate() {
        match format {
            FileFormat::Csv => csv::write_row(&mut out, &cells(entry)),
            FileFormat::Json => {
                out.push_str(if is_first && place == 0 { "\n" } else { ",\n" });
                out.push_str(&object(&view(entry)));
            }
            FileFormat::Ndjson => {
                out.push_str(&object(&view(entry)));
                out.push('\n');
            }
        }
    }
    out
}

/// Structs of texts and values always have a JSON form.
fn object(entry: &AuditEntryView) -> String {
    serde_json::to_string(entry).unwrap_or_else(|_| "null".to_owned())
}

fn cells(entry: AuditEntry) -> [Cell; COLUMNS.len()] {
    let json = |value: Option<Value>| value.map_or(Cell::Missing, |value| Cell::Text(value.to_string()));
    [
        Cell::Text(entry.id.to_string()),
        Cell::Time(entry.time),
        Cell::Text(entry.service),
        Cell::Text(entry.actor_kind.as_str().to_owned()),
        entry.actor_id.map_or(Cell::Missing, |id| Cell::Text(UserId::from_uuid(id).to_string())),
        Cell::Text(entry.actor_name),
        Cell::Text(entry.action),
        Cell::Text(entry.resource_kind),
        Cell::Text(entry.resource_id),
        Cell::Text(entry.outcome.as_str().to_owned()),
        json(entry.before),
        json(entry.after),
        Cell::Text(entry.request_id),
        Cell::Text(entry.address),
    ]
}
