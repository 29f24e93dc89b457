//! A company whose people sign in at its own provider.

use maas_auth::AuthSettings;
use maas_store::Database;
use maas_testkit::issuer::FakeIssuer;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    oidc,
    world::{self, As, Keeper, World},
};

/// The provider's id.
pub const CORP: &str = "corp";
/// Unix seconds: the time at which a world's clock stands.
const NOW: i64 = 1_763_000_000;

/// Runs each test with a company whose provider the platform knows, on both databases.
macro_rules! with_corp_on_both_databases {
    ($($test:ident,)*) => {
        mod sqlite {
            $(#[actix_web::test] async fn $test() {
                let (corp, world) = $crate::corp::Corp::with_world($crate::world::sqlite().await, |_| {}).await;
                super::$test(corp, world).await;
            })*
        }
        mod postgres {
            $(#[actix_web::test] async fn $test() {
                let (corp, world) = $crate::corp::Corp::with_world($crate::world::postgres().await, |_| {}).await;
                super::$test(corp, world).await;
            })*
        }
    };
}
pub(crate) use with_corp_on_both_databases;

pub struct Corp {
    issuer: FakeIssuer,
}

impl Corp {
    pub async fn with_world(place: (Database, Keeper), change: impl FnOnce(&mut AuthSettings)) -> (Self, World) {
        let issuer = FakeIssuer::start(NOW).unwrap();
        let mut settings = AuthSettings { providers: vec![oidc::corp(&issuer)], ..world::settings() };
        change(&mut settings);
        (Self { issuer }, World::start_with(place, settings).await)
    }

    /// The person's session.
    pub async fn sign_in(&self, world: &World, subject: &str, name: &str, groups: &[&str]) -> As {
        self.try_sign_in(world, subject, name, groups).await.unwrap()
    }

    /// The person's session, or the code with which the browser was sent back.
    pub async fn try_sign_in(&self, world: &World, subject: &str, name: &str, groups: &[&str]) -> Result<As, String> {
        self.issuer.signs_in(json!({"sub": subject, "preferred_username": name, "groups": groups}));
        let browser = Browser::new();
        let back = browser.sign_in(world, CORP).await;
        match browser.session() {
            As::Nobody => Err(back.error()),
            session => Ok(session),
        }
    }
}

/// What the platform says of the caller.
pub async fn me(world: &World, who: &As) -> Value {
    let me = world.get("/api/v1/me", who).await;
    assert_eq!(me.status, 200, "{}", me.body);
    me.body
}
