//! Who people of an OpenShift cluster are, whether they come with a browser or with a token of the cluster.

/// The one person without a uid: the administrator of a cluster that has no identity provider yet. The name is reserved
/// for them, so that it can stand for one.
const KUBE_ADMIN: &str = "kube:admin";

/// What stands for the person for ever. None: there is no uid, and the name alone may be somebody else's tomorrow.
pub fn subject(uid: Option<String>, user_name: &str) -> Option<String> {
    uid.filter(|uid| !uid.is_empty()).or_else(|| (user_name == KUBE_ADMIN).then(|| KUBE_ADMIN.to_owned()))
}

/// Without the groups that the cluster makes up: a token review names others than `users/~`, so that counting them would
/// change a person's groups with the way they come.
pub fn real_groups(groups: Option<Vec<String>>) -> Vec<String> {
    groups.unwrap_or_default().into_iter().filter(|group| !group.starts_with("system:")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_nobody_but_the_first_administrator() {
        assert_eq!(subject(Some("c3f2".to_owned()), "ada").as_deref(), Some("c3f2"));
        assert_eq!(subject(None, "kube:admin").as_deref(), Some("kube:admin"));
        assert_eq!(subject(Some(String::new()), "ada"), None);
        assert_eq!(subject(None, "ada"), None);
    }

    #[test]
    fn groups_of_the_clusters_own_do_not_count() {
        let groups = ["developers", "system:authenticated"].map(str::to_owned).to_vec();
        assert_eq!(real_groups(Some(groups)), ["developers"]);
        assert_eq!(real_groups(None), Vec::<String>::new());
    }
}
