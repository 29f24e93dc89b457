//! Which usage a question is about, and whose usage the caller may see.

use std::collections::BTreeMap;

use maas_types::{KeyId, OrganisationId, TeamId, UserId};
use uuid::Uuid;

use super::dimensions::Dimension;

/// One value of a dimension. A missing id is the nil UUID, as in the sums.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Id(Uuid),
    Text(String),
}

impl Value {
    /// As the outside writes it; None: an id that is missing.
    pub fn text(&self, dimension: Dimension) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Id(id) if id.is_nil() => None,
            Self::Id(id) => Some(match dimension {
                Dimension::Key => KeyId::from_uuid(*id).to_string(),
                Dimension::User => UserId::from_uuid(*id).to_string(),
                Dimension::Team => TeamId::from_uuid(*id).to_string(),
                Dimension::Organisation => OrganisationId::from_uuid(*id).to_string(),
                _ => id.to_string(),
            }),
        }
    }
}

/// Whose usage the caller may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    Everything,
    /// Their own, and that of the teams that they own.
    Of {
        user: UserId,
        teams: Vec<TeamId>,
    },
}

/// Which usage counts: of one dimension any of the values, of several dimensions all, and only what may be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageFilter {
    visible: Visibility,
    wanted: BTreeMap<Dimension, Vec<Value>>,
}

impl UsageFilter {
    /// Dimensions without a value are not restricted.
    pub fn new(visible: Visibility, wanted: impl IntoIterator<Item = (Dimension, Vec<Value>)>) -> Self {
        let wanted: BTreeMap<_, _> = wanted.into_iter().filter(|(_, values)| !values.is_empty()).collect();
        // Who asks for teams of their own only needs no further check, and then the sums without people can answer.
        let teams = wanted.get(&Dimension::Team).map(Vec::as_slice).unwrap_or_default();
        let visible = if !teams.is_empty() && teams.iter().all(|team| visible.owns(team)) {
            Visibility::Everything
        } else {
            visible
        };
        Self { visible, wanted }
    }

    pub fn everything() -> Self {
        Self::new(Visibility::Everything, [])
    }

    pub const fn visible(&self) -> &Visibility {
        &self.visible
    }

    pub fn wanted(&self) -> impl Iterator<Item = (Dimension, &[Value])> {
        self.wanted.iter().map(|(dimension, values)| (*dimension, values.as_slice()))
    }

    /// The same question about these values of a dimension only.
    pub fn with(&self, dimension: Dimension, values: Vec<Value>) -> Self {
        let mut narrowed = self.clone();
        narrowed.wanted.insert(dimension, values);
        narrowed
    }

    /// Whether rows must be told apart by key or user to answer.
    pub fn is_about_people(&self) -> bool {
        self.visible != Visibility::Everything || self.wanted.keys().any(|dimension| dimension.is_about_people())
    }

    /// The only value of a dimension that counts, if there is only one.
    pub fn only(&self, dimension: Dimension) -> Option<&Value> {
        match self.wanted.get(&dimension).map(Vec::as_slice) {
            Some([value]) => Some(value),
            _ => None,
        }
    }
}

impl Visibility {
    fn owns(&self, team: &Value) -> bool {
        match self {
            Self::Everything => true,
            Self::Of { teams, .. } => teams.iter().any(|owned| *team == Value::Id(owned.uuid())),
        }
    }
}

impl Dimension {
    /// Of which there are so many that only the larger tables of sums tell them apart.
    pub const fn is_about_people(self) -> bool {
        matches!(self, Self::Key | Self::User)
    }

    /// Whether its values are ids, else they are texts.
    pub const fn is_id(self) -> bool {
        matches!(self, Self::Key | Self::User | Self::Team | Self::Organisation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(number: u128) -> Value {
        Value::Id(Uuid::from_u128(number))
    }

    fn owner() -> Visibility {
        let teams = vec![TeamId::from_uuid(Uuid::from_u128(1)), TeamId::from_uuid(Uuid::from_u128(2))];
        Visibility::Of { user: UserId::from_uuid(Uuid::from_u128(9)), teams }
    }

    #[test]
    fn an_owner_who_asks_for_own_teams_needs_no_further_check() {
        let of_teams = |teams: Vec<Value>| UsageFilter::new(owner(), [(Dimension::Team, teams)]);
        assert!(!of_teams(vec![team(1), team(2)]).is_about_people());
        for restricted in [vec![], vec![team(3)], vec![team(1), team(3)]] {
            assert_eq!(*of_teams(restricted).visible(), owner());
        }
    }

    #[test]
    fn dimensions_without_a_value_are_not_restricted() {
        let filter = UsageFilter::new(Visibility::Everything, [(Dimension::User, vec![])]);
        assert_eq!((filter.wanted().count(), filter.is_about_people()), (0, false));
    }
}
