//! People whom a provider introduces: what is believed of it, and within which bounds.

use maas_runtime::config::{Faults, Validate};
use serde::{Deserialize, Serialize};

use super::user::User;

/// Groups that are kept of one person. What a provider says beyond is left out: that can take rights, never give them.
pub const MAX_GROUPS: usize = 500;
pub const MAX_GROUP_CHARACTERS: usize = 255;
/// All names of one person's groups together: audit entries and state values hold them.
pub const MAX_GROUPS_BYTES: usize = 64 * 1024;
const MAX_IDENTIFIER_BYTES: usize = 255;
const MAX_NAME_CHARACTERS: usize = 200;

/// A person as a provider introduces them; its signature, issuer and audience have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederatedIdentity {
    pub provider_id: String,
    /// With the subject, who this is. Names are for reading only.
    pub issuer: String,
    pub subject: String,
    pub user_name: String,
    pub display_name: Option<String>,
    pub groups: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the provider's `{0}` is empty, too long or holds control characters")]
pub struct MalformedIdentity(pub &'static str);

impl FederatedIdentity {
    /// The same with names made fit to read and groups in order, each once. What says who it is must be good as it is:
    /// two people must not become one by a repair.
    pub fn checked(&self) -> Result<Self, MalformedIdentity> {
        for (field, text) in [("issuer", &self.issuer), ("subject", &self.subject)] {
            if text.is_empty() || text.len() > MAX_IDENTIFIER_BYTES || text.chars().any(char::is_control) {
                return Err(MalformedIdentity(field));
            }
        }
        let user_name = readable(&self.user_name);
        let user_name = if user_name.is_empty() { readable(&self.subject) } else { user_name };
        if user_name.is_empty() {
            return Err(MalformedIdentity("user_name"));
        }
        Ok(Self {
            user_name,
            display_name: self.display_name.as_deref().map(readable).filter(|name| !name.is_empty()),
            groups: kept_groups(&self.groups),
            ..self.clone()
        })
    }

    /// Whether somebody with these groups may come in; an empty list lets everybody in.
    pub fn is_allowed(&self, allowed_groups: &[String]) -> bool {
        allowed_groups.is_empty() || self.groups.iter().any(|group| allowed_groups.contains(group))
    }

    /// Names on the platform to try, best first.
    pub fn name_candidates(&self) -> Vec<String> {
        name_candidates(&self.user_name, &self.provider_id)
    }
}

/// The provider's own name for somebody, then the same marked as this provider's: names are unique on the platform, and
/// people are never merged by name.
pub fn name_candidates(name: &str, provider_id: &str) -> Vec<String> {
    let numbered = (2..=20).map(|number| format!("{name} ({provider_id} {number})"));
    [name.to_owned(), format!("{name} ({provider_id})")].into_iter().chain(numbered).collect()
}

fn readable(name: &str) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARACTERS).collect();
    clean.trim().to_owned()
}

fn kept_groups(groups: &[String]) -> Vec<String> {
    let fits = |group: &&String| {
        !group.is_empty() && group.chars().count() <= MAX_GROUP_CHARACTERS && !group.chars().any(char::is_control)
    };
    let mut kept: Vec<String> = groups.iter().filter(fits).cloned().collect();
    kept.sort_unstable();
    kept.dedup();
    kept.truncate(MAX_GROUPS);
    let mut bytes = 0;
    kept.retain(|group| {
        bytes += group.len();
        bytes <= MAX_GROUPS_BYTES
    });
    kept
}

/// One who is admin from their first sign-in on, for as long as the setting says so: named by issuer and subject, by
/// issuer and user name, or by a group. With an issuer, only that issuer's people are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapAdmin {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl BootstrapAdmin {
    /// All that is named must fit; nothing named fits nobody.
    pub fn is(&self, user: &User, groups: &[String]) -> bool {
        let named = self.subject.is_some() || self.user_name.is_some() || self.group.is_some();
        named
            && self.issuer.as_ref().is_none_or(|issuer| *issuer == user.issuer)
            && self.subject.as_ref().is_none_or(|subject| *subject == user.subject)
            && self.user_name.as_ref().is_none_or(|name| user.provider_name.as_ref() == Some(name))
            && self.group.as_ref().is_none_or(|group| groups.contains(group))
    }
}

impl Validate for BootstrapAdmin {
    fn validate(&self, faults: &mut Faults) {
        if self.subject.is_none() && self.user_name.is_none() && self.group.is_none() {
            faults.add("subject", "name a subject (with issuer), a user_name or a group");
        }
        // Subjects and names are unique only at their issuer.
        if (self.subject.is_some() || self.user_name.is_some()) && self.issuer.is_none() {
            faults.add("issuer", "is required with subject and with user_name");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use maas_types::Timestamp;

    use super::*;

    fn identity(groups: Vec<String>) -> FederatedIdentity {
        FederatedIdentity {
            provider_id: "corp".to_owned(),
            issuer: "https://idp.example".to_owned(),
            subject: "4711".to_owned(),
            user_name: "ada".to_owned(),
            display_name: Some("Ada\u{7} Lovelace ".to_owned()),
            groups,
        }
    }

    #[test]
    fn names_are_made_readable_and_identifiers_are_not_touched() {
        let checked = identity(vec![]).checked().unwrap();
        assert_eq!(checked.display_name.as_deref(), Some("Ada Lovelace"));
        let nameless = FederatedIdentity { user_name: "\n".to_owned(), ..identity(vec![]) };
        assert_eq!(nameless.checked().unwrap().user_name, "4711");
        for subject in ["", "a\0b", &"x".repeat(256)] {
            let bad = FederatedIdentity { subject: subject.to_owned(), ..identity(vec![]) };
            assert_eq!(bad.checked(), Err(MalformedIdentity("subject")));
        }
    }

    #[test]
    fn groups_are_kept_once_and_within_bounds() {
        let sent = vec!["b".to_owned(), "a".to_owned(), "b".to_owned(), String::new(), "x".repeat(256)];
        assert_eq!(identity(sent).checked().unwrap().groups, ["a", "b"]);
        let many: Vec<String> = (0..600).map(|n| format!("group {n:03}")).collect();
        assert_eq!(identity(many).checked().unwrap().groups.len(), MAX_GROUPS);
        let large: Vec<String> = (0..500).map(|n| format!("{n:03}{}", "ä".repeat(200))).collect();
        let bytes: usize = identity(large).checked().unwrap().groups.iter().map(String::len).sum();
        assert!(bytes > MAX_GROUPS_BYTES / 2 && bytes <= MAX_GROUPS_BYTES, "{bytes}");
    }

    #[test]
    fn first_admins_are_named_by_all_that_the_setting_says() {
        let ada = User::new_federated(&identity(vec![]), "ada".to_owned(), Timestamp::EPOCH);
        let named = |issuer: Option<&str>, subject: Option<&str>, group: Option<&str>| BootstrapAdmin {
            issuer: issuer.map(str::to_owned),
            subject: subject.map(str::to_owned),
            user_name: None,
            group: group.map(str::to_owned),
        };
        assert!(named(Some("https://idp.example"), Some("4711"), None).is(&ada, &[]));
        assert!(!named(Some("https://other.example"), Some("4711"), None).is(&ada, &[]));
        assert!(named(None, None, Some("ops")).is(&ada, &["ops".to_owned()]));
        assert!(!named(Some("https://idp.example"), None, None).is(&ada, &["ops".to_owned()]));
    }
}
