//! What each role may do. Default deny: an operation has no permission until a line here grants it.

use std::{future::Future, marker::PhantomData, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use maas_types::{Role, UserId};

use crate::{
    caller::{self, Caller},
    gate::Gate,
    problem::{Problem, ProblemCode},
    refusals::KnownCaller,
};

/// Whose things an operation may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessScope {
    Own(UserId),
    All,
}

impl AccessScope {
    /// Whether a thing of `owner` is inside.
    pub fn covers(self, owner: UserId) -> bool {
        match self {
            Self::All => true,
            Self::Own(user) => user == owner,
        }
    }

    /// The owner to filter by; `None` means no filter.
    pub fn owner(self) -> Option<UserId> {
        match self {
            Self::All => None,
            Self::Own(user) => Some(user),
        }
    }
}

/// What a role gets from a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    Denied,
    Own,
    All,
}

/// A declared permission; the types in this module are the only ones.
pub trait Permission: 'static {
    const NAME: &'static str;
    /// Whether a change of something that is not there, or that the caller may not know of, is noted as a refusal.
    const NOTES_MISSING: bool;
    fn grant(role: Role) -> Grant;
}

macro_rules! permissions {
    (@noted) => { false };
    (@noted misses_noted) => { true };
    ($($(#[$doc:meta])* $name:ident = $text:literal: user $user:ident, readonly $readonly:ident, admin $admin:ident$(, $noted:ident)?;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl Permission for $name {
                const NAME: &'static str = $text;
                const NOTES_MISSING: bool = permissions!(@noted $($noted)?);

                fn grant(role: Role) -> Grant {
                    match role {
                        Role::User => Grant::$user,
                        Role::AdminReadonly => Grant::$readonly,
                        Role::Admin => Grant::$admin,
                    }
                }
            }
        )*

        /// Every permission with what the roles get: user, admin-readonly, admin.
        pub const TABLE: &[(&str, Grant, Grant, Grant)] = &[
            $(($text, Grant::$user, Grant::$readonly, Grant::$admin),)*
        ];
    };
}

permissions! {
    ReadOwnProfile = "profile.read": user Own, readonly Own, admin Own;
    ManageOwnSessions = "sessions.manage": user Own, readonly Own, admin Own, misses_noted;
    CreateToken = "tokens.create": user Own, readonly Own, admin Own;
    ReadUsers = "users.read": user Denied, readonly All, admin All;
    ManageUsers = "users.manage": user Denied, readonly Denied, admin All;
    ReadServiceAccounts = "service-accounts.read": user Own, readonly All, admin All;
    ManageServiceAccounts = "service-accounts.manage": user Own, readonly Own, admin All, misses_noted;
    ReadTeams = "teams.read": user Own, readonly All, admin All;
    ManageTeams = "teams.manage": user Own, readonly Own, admin All, misses_noted;
    ReadOrganisations = "organisations.read": user Denied, readonly All, admin All;
    ManageOrganisations = "organisations.manage": user Denied, readonly Denied, admin All;
    ReadGroupMappings = "group-mappings.read": user Denied, readonly All, admin All;
    ManageGroupMappings = "group-mappings.manage": user Denied, readonly Denied, admin All;
    ManageSigningKeys = "signing-keys.manage": user Denied, readonly Denied, admin All;
    ReadAudit = "audit.read": user Denied, readonly All, admin All;
    ReadKeys = "keys.read": user Own, readonly All, admin All;
    CreateKey = "keys.create": user Own, readonly Own, admin All;
    ManageKeys = "keys.manage": user Own, readonly Own, admin All, misses_noted;
    ReadSubscriptions = "subscriptions.read": user Own, readonly All, admin All;
    RequestSubscription = "subscriptions.request": user Own, readonly Own, admin All, misses_noted;
    DecideSubscriptions = "subscriptions.decide": user Denied, readonly Denied, admin All;
    ReadPlans = "plans.read": user Denied, readonly All, admin All;
    ManagePlans = "plans.manage": user Denied, readonly Denied, admin All;
    ReadModels = "models.read": user Own, readonly All, admin All;
    ReadModelAdministration = "models.administration.read": user Denied, readonly All, admin All;
    ManageModels = "models.manage": user Denied, readonly Denied, admin All;
    ReadUsage = "usage.read": user Own, readonly All, admin All;
    ReconcileUsage = "usage.reconcile": user Denied, readonly All, admin All;
    ManageUsage = "usage.manage": user Denied, readonly Denied, admin All;
}

/// A caller who holds the permission `P`. As an argument of a handler it is the check.
#[derive(Debug)]
pub struct Require<P: Permission> {
    pub caller: Caller,
    pub scope: AccessScope,
    permission: PhantomData<P>,
}

impl<P: Permission> Require<P> {
    fn admit(caller: Caller) -> Result<Self, Problem> {
        if caller.must_change_password {
            return Err(Problem::new(ProblemCode::PasswordChangeRequired));
        }
        Self::of(caller)
    }

    fn of(caller: Caller) -> Result<Self, Problem> {
        let scope = match P::grant(caller.role) {
            Grant::Denied => {
                let detail = format!("your role {} lacks {}", caller.role.as_str(), P::NAME);
                return Err(Problem::with_detail(ProblemCode::PermissionDenied, detail));
            }
            Grant::Own => AccessScope::Own(caller.user_id),
            Grant::All => AccessScope::All,
        };
        Ok(Self { caller, scope, permission: PhantomData })
    }
}

impl<P: Permission> FromRequest for Require<P> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        let gate = Gate::close(&request);
        Box::pin(async move {
            let caller = caller::authenticate(&request).await?;
            needs::<P>(&request, &caller);
            let allowed = Self::admit(caller)?;
            gate.open();
            Ok(allowed)
        })
    }
}

/// The same where callers of models may ask with the token that they call with.
#[derive(Debug)]
pub struct ForInference<P: Permission>(pub Require<P>);

impl<P: Permission> FromRequest for ForInference<P> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        let gate = Gate::close(&request);
        Box::pin(async move {
            let caller = caller::authenticate_for_inference(&request).await?;
            needs::<P>(&request, &caller);
            let allowed = Require::admit(caller)?;
            gate.open();
            Ok(Self(allowed))
        })
    }
}

/// Leaves word of the permission, so that a refusal can say what was missing. Who may touch everything tries nothing by
/// naming what is not there.
fn needs<P: Permission>(request: &HttpRequest, caller: &Caller) {
    let notes_missing = P::NOTES_MISSING && P::grant(caller.role) == Grant::Own;
    KnownCaller::needs(request, P::NAME, notes_missing);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readonly_admins_write_nothing_of_others() {
        for (name, _, readonly, _) in TABLE {
            let writes = name.ends_with(".manage") || name.ends_with(".create");
            assert!(!writes || *readonly != Grant::All, "{name}");
        }
    }

    #[test]
    fn users_never_reach_other_peoples_things() {
        for (name, user, _, _) in TABLE {
            assert_ne!(*user, Grant::All, "{name}");
        }
    }
}
