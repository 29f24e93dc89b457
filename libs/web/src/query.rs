//! Query strings: typed, unknown parameters refused, repeated ones for lists, pages with checked limits.

use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use maas_types::{Cursor, PageLimit};
use serde::{Deserialize, de::DeserializeOwned};
use serde_path_to_error::{Path, Segment};
use utoipa::IntoParams;

use crate::{
    gate::Gate,
    problem::{FieldFault, Problem, ProblemCode},
    query_values::QueryValues,
};

/// A checked query string. `T` is a struct, or a tuple of structs that share the parameters; what none of them has a
/// field for is refused. A field that is a list takes a parameter that is given several times; give it
/// `#[serde(default)]`.
#[derive(Debug)]
pub struct QueryParams<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for QueryParams<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parsed = parse(request.query_string()).map(Self);
        let gate = Gate::of(request);
        Box::pin(async move {
            Gate::passed(gate).await;
            parsed
        })
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let values = QueryValues::parse(query);
    let parsed = serde_path_to_error::deserialize(&values).map_err(|error| {
        let detail = error.inner().to_string();
        let name = parameter_of(error.path(), &detail);
        Problem::invalid(vec![FieldFault::new(format!("?{name}"), "invalid_value", detail)])
    });
    let (unknown, known) = values.unknown();
    if unknown.is_empty() {
        return parsed;
    }
    let detail = |name: &String| format!("unknown parameter `{name}`, expected one of {}", known.join(", "));
    let fault = |name: &String| FieldFault::new(format!("?{name}"), "unknown_parameter", detail(name));
    Err(Problem::invalid(unknown.iter().map(fault).collect()))
}

/// The parameter on the path, where serde knows it, else the name inside its message.
fn parameter_of(path: &Path, detail: &str) -> String {
    let mut names = path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(key.clone()),
        _ => None,
    });
    names.next().unwrap_or_else(|| detail.split('`').nth(1).unwrap_or("").to_owned())
}

/// The parameters of every list. Lists with filters repeat these two fields and build it with [`PageQuery::new`].
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    #[serde(default)]
    pub cursor: Option<String>,
}

impl PageQuery {
    pub fn new(limit: Option<u32>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    /// The checked limit and position.
    pub fn checked<P: DeserializeOwned>(&self) -> Result<(PageLimit, Option<P>), Problem> {
        let limit = match self.limit {
            None => PageLimit::DEFAULT,
            Some(limit) => PageLimit::new(limit).ok_or_else(|| {
                let detail = format!("must be {} to {}", PageLimit::MIN, PageLimit::MAX);
                Problem::invalid(vec![FieldFault::new("?limit", "out_of_range", detail)])
            })?,
        };
        let position = match &self.cursor {
            None => None,
            Some(text) => Some(Cursor::decode(text).map_err(|error| {
                Problem { detail: None, ..Problem::new(ProblemCode::InvalidInput) }.with_fault(FieldFault::new(
                    "?cursor",
                    "invalid_cursor",
                    error.to_string(),
                ))
            })?),
        };
        Ok((limit, position))
    }
}

/// One page of a list that is short enough to be in memory whole, such as the prices of a model. `key` names the place
/// of an item; items keep their order.
pub fn page_of<T>(
    items: Vec<T>,
    query: &PageQuery,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), Problem> {
    let (limit, after) = query.checked::<String>()?;
    let limit = limit.get() as usize;
    // An item that is gone meanwhile leaves nothing to go on from: the list starts again rather than end too soon.
    let start = after.and_then(|after| items.iter().position(|item| key(item) == after)).map_or(0, |at| at + 1);
    let mut page: Vec<T> = items.into_iter().skip(start).take(limit + 1).collect();
    let has_more = page.len() > limit;
    page.truncate(limit);
    let next_cursor = page.last().filter(|_| has_more).map(|last| Cursor::encode(&key(last)).into_string());
    Ok((page, next_cursor))
}

impl Problem {
    fn with_fault(mut self, fault: FieldFault) -> Self {
        self.faults.push(fault);
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_cursors_are_checked() {
        for query in ["limit=0", "limit=1001"] {
            let page: PageQuery = parse(query).unwrap();
            assert_eq!(page.checked::<u64>().unwrap_err().faults[0].pointer, "?limit", "{query}");
        }
        assert_eq!(parse::<PageQuery>("limit=ten").unwrap_err().faults[0].pointer, "?limit");
        assert_eq!(parse::<PageQuery>("size=3").unwrap_err().faults[0].code, "unknown_parameter");
        let all = || vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let (first, next) = page_of(all(), &PageQuery::new(Some(2), None), String::clone).unwrap();
        let (rest, end) = page_of(all(), &PageQuery::new(Some(2), next), String::clone).unwrap();
        assert_eq!((first, rest, end), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()], None));
        let page: PageQuery = parse("cursor=nonsense").unwrap();
        assert_eq!(page.checked::<u64>().unwrap_err().faults[0].code, "invalid_cursor");
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Filters {
        model: Vec<String>,
        key_id: Vec<maas_types::KeyId>,
        at: Option<maas_types::Timestamp>,
    }

    #[test]
    fn a_list_takes_every_repetition_and_a_single_value_only_one() {
        let filters: Filters = parse("model=b&at=2026-11-20T09:30:00Z&model=a%26c").unwrap();
        assert_eq!((filters.model, filters.at.is_some()), (vec!["b".to_owned(), "a&c".to_owned()], true));
        let problem = parse::<PageQuery>("limit=1&limit=2").unwrap_err();
        assert_eq!(
            (problem.faults[0].pointer.as_str(), problem.faults[0].detail.as_str()),
            ("?limit", "given more than once")
        );
        let problem = parse::<Filters>(&format!("key_id=key_{:032}&key_id=nonsense", 1)).unwrap_err();
        assert_eq!(problem.faults[0].pointer, "?key_id");
    }

    #[test]
    fn structs_of_a_tuple_share_the_parameters() {
        let (filters, page): (Filters, PageQuery) = parse("model=a&limit=7").unwrap();
        assert_eq!((filters.model, page.limit), (vec!["a".to_owned()], Some(7)));
        let problem = parse::<(Filters, PageQuery)>("model=a&colour=red&size=3").unwrap_err();
        let unknown: Vec<_> = problem.faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(unknown, ["?colour", "?size"]);
        let problem = parse::<(Filters, PageQuery)>("limit=ten").unwrap_err();
        assert_eq!((problem.faults[0].pointer.as_str(), problem.faults[0].code.as_str()), ("?limit", "invalid_value"));
    }
}
