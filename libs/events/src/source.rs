//! The identity of a producer of usage events: instance / boot / worker.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// One worker thread of one boot of one proxy instance. Each source numbers its events densely from 1.
///
/// The instance id lives in the journal folder; the boot id is random for each start, since a counter on disk can
/// roll back with its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId {
    pub instance: Uuid,
    pub boot: Uuid,
    pub worker: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a usage source: expected <instance>/<boot>/<worker>, got `{0}`")]
pub struct SourceError(String);

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.instance.simple(), self.boot.simple(), self.worker)
    }
}

impl FromStr for SourceId {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let refused = || SourceError(text.chars().take(120).collect());
        let mut parts = text.split('/');
        let (Some(instance), Some(boot), Some(worker), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused());
        };
        let source = Self {
            instance: Uuid::try_parse(instance).map_err(|_| refused())?,
            boot: Uuid::try_parse(boot).map_err(|_| refused())?,
            worker: worker.parse().map_err(|_| refused())?,
        };
        // One text per source: it is a database key.
        if source.to_string() == text { Ok(source) } else { Err(refused()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_exactly_one_text() {
        let source = SourceId { instance: Uuid::from_u128(1), boot: Uuid::from_u128(2), worker: 3 };
        assert_eq!(source.to_string().parse(), Ok(source));
        let padded = source.to_string().replace("/3", "/03");
        assert!(padded.parse::<SourceId>().is_err());
        assert!("a/b/c".parse::<SourceId>().is_err());
    }
}
