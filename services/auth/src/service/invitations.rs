//! Letting people in before they come.

use maas_store::StoreError;
use maas_types::Role;

use super::{Core, federation::ProviderError, initiator::Initiator, people, users::UserError};
use crate::domain::{
    federated::name_candidates,
    user::{Invitation, Invitee, User},
};

#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    #[error("there is no such provider")]
    UnknownProvider,
    /// The provider has to say who it is, and does not.
    #[error("the provider does not answer")]
    Provider(#[from] ProviderError),
    /// They have an account, or an invitation.
    #[error("the person has an account or is invited")]
    Known,
    #[error(transparent)]
    User(#[from] UserError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug)]
pub struct InviteUserInput {
    pub provider_id: String,
    pub who: Invitee,
    pub display_name: Option<String>,
    pub role: Role,
}

impl Core {
    /// The person has an account from their first sign-in on; until then nothing of it works.
    pub async fn invite_user(&self, input: InviteUserInput, initiator: &Initiator) -> Result<User, InviteError> {
        let issuer = self.issuer_of(&input.provider_id).await?;
        let now = self.now();
        let name = match &input.who {
            Invitee::Subject(text) | Invitee::Name(text) => text.clone(),
        };
        let candidates = name_candidates(&name, &input.provider_id);
        let user_name = people::name_for(self.database.reader(), candidates, now).await?;
        let InviteUserInput { provider_id, who, display_name, role } = input;
        let user = User::new_invited(Invitation { provider_id, issuer, who, display_name, role }, user_name, now);
        match self.insert_user(user, None, initiator, now).await {
            // The name was free: the person is known.
            Err(UserError::NameTaken) => Err(InviteError::Known),
            invited => Ok(invited?),
        }
    }

    async fn issuer_of(&self, provider_id: &str) -> Result<String, InviteError> {
        let provider = self.federation.find(provider_id).ok_or(InviteError::UnknownProvider)?;
        Ok(provider.issuer(self.now()).await?)
    }
}
