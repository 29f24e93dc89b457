//! Where a provider's claims say who somebody is. What is kept of it, `FederatedIdentity::checked` decides.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The names of claims. One that begins with `/` is a JSON pointer (RFC 6901), as for Keycloak's
/// `/realm_access/roles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimNames {
    pub user_name: String,
    pub display_name: String,
    pub groups: String,
}

/// The groups are neither a list of texts nor a text. Rights hang on them, so that guessing is out of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the groups are neither a list of texts nor a text")]
pub struct UnreadableGroups;

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            user_name: "preferred_username".to_owned(),
            display_name: "name".to_owned(),
            groups: "groups".to_owned(),
        }
    }
}

impl ClaimNames {
    /// Whether the claims leave nothing to ask for elsewhere.
    pub fn are_all_in(&self, claims: &Map<String, Value>) -> bool {
        [&self.user_name, &self.display_name, &self.groups].iter().all(|name| claim(claims, name).is_some())
    }

    /// Empty when it is not there or no text.
    pub fn user_name(&self, claims: &Map<String, Value>) -> String {
        text(claims, &self.user_name).unwrap_or_default()
    }

    pub fn display_name(&self, claims: &Map<String, Value>) -> Option<String> {
        text(claims, &self.display_name)
    }

    /// None at all when the claim is not there. A single group may come without a list around it.
    pub fn groups(&self, claims: &Map<String, Value>) -> Result<Vec<String>, UnreadableGroups> {
        let group = |value: &Value| value.as_str().map(str::to_owned).ok_or(UnreadableGroups);
        match claim(claims, &self.groups) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(group).collect(),
            Some(value) => group(value).map(|group| vec![group]),
        }
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claim(claims, name)?.as_str().map(str::to_owned)
}

/// The value of a claim; none for null.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let value = match name.strip_prefix('/') {
        None => claims.get(name)?,
        Some(path) => {
            let mut parts = path.split('/').map(|part| part.replace("~1", "/").replace("~0", "~"));
            let first = claims.get(&parts.next()?)?;
            parts.try_fold(first, |value, part| value.get(part))?
        }
    };
    (!value.is_null()).then_some(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn groups(claims: Value) -> Result<Vec<String>, UnreadableGroups> {
        ClaimNames::default().groups(claims.as_object().unwrap())
    }

    #[test]
    fn groups_come_as_a_list_or_alone() {
        assert_eq!(groups(json!({"groups": ["b", "a"]})).unwrap(), ["b", "a"]);
        assert_eq!(groups(json!({"groups": "a"})).unwrap(), ["a"]);
        assert_eq!(groups(json!({"groups": null})).unwrap(), Vec::<String>::new());
        assert_eq!(groups(json!({})).unwrap(), Vec::<String>::new());
        for unreadable in [json!(7), json!({"a": 1}), json!(["a", 7]), json!([["a"]]), json!(true)] {
            assert_eq!(groups(json!({"groups": unreadable})), Err(UnreadableGroups), "{unreadable}");
        }
    }

    #[test]
    fn a_name_with_a_slash_in_front_is_a_path() {
        let claims = json!({"realm_access": {"roles": ["admin"]}, "https://example.org/groups": ["x"], "a/b": ["y"]});
        for (name, expected) in
            [("/realm_access/roles", "admin"), ("https://example.org/groups", "x"), ("/a~1b", "y"), ("a/b", "y")]
        {
            let names = ClaimNames { groups: name.to_owned(), ..ClaimNames::default() };
            assert_eq!(names.groups(claims.as_object().unwrap()).unwrap(), [expected], "{name}");
        }
    }

    #[test]
    fn names_that_are_no_text_are_not_there() {
        let claims = json!({"preferred_username": 7, "name": ["Ada"]});
        let (names, claims) = (ClaimNames::default(), claims.as_object().unwrap());
        assert_eq!((names.user_name(claims), names.display_name(claims)), (String::new(), None));
        assert!(!names.are_all_in(claims));
    }
}
