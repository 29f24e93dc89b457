//! The first start: nobody is there to let anybody in.

use maas_store::StoreError;
use maas_types::{Role, UserId};
use secrecy::SecretString;

use super::{
    Core,
    initiator::Initiator,
    users::{CreateUserInput, UserError, WithOneTimePassword},
};
use crate::store;

/// The name of the first admin.
const USER_NAME: &str = "admin";

#[derive(Debug, thiserror::Error)]
pub enum FirstAdminError {
    /// There are users, but none of them can manage anything.
    #[error("there is no active admin")]
    NoActiveAdmin,
    #[error("the first admin cannot be created")]
    Create(#[source] UserError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who can manage the platform from the start.
#[derive(Debug)]
pub struct FirstAdmin {
    pub user_id: UserId,
    pub user_name: String,
    /// Only when the admin was created right now.
    pub one_time_password: Option<SecretString>,
}

impl Core {
    /// Creates the first admin when there is no user at all, else finds the oldest active one. Several processes may
    /// ask at once: the unique name lets one of them create.
    pub async fn ensure_first_admin(&self) -> Result<FirstAdmin, FirstAdminError> {
        if !store::user::exists_any(self.database.reader()).await? {
            let input = CreateUserInput { user_name: USER_NAME.to_owned(), display_name: None, role: Role::Admin };
            match self.create_user(input, &Initiator::system()).await {
                Ok(WithOneTimePassword { user, one_time_password }) => {
                    return Ok(FirstAdmin {
                        user_id: user.id,
                        user_name: user.user_name,
                        one_time_password: Some(one_time_password),
                    });
                }
                Err(UserError::NameTaken) => {}
                Err(error) => return Err(FirstAdminError::Create(error)),
            }
        }
        let admin = store::user::oldest_active_admin(self.database.reader()).await?;
        let admin = admin.ok_or(FirstAdminError::NoActiveAdmin)?;
        Ok(FirstAdmin { user_id: admin.id, user_name: admin.user_name, one_time_password: None })
    }
}
