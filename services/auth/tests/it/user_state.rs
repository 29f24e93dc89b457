use std::sync::Arc;

use maas_auth::Auth;
use maas_bus::{InProcessBus, SharedBus, StateChange, StateWatch};
use maas_events::{
    Bucket,
    state::{UserState, UserStatus},
};
use maas_runtime::process::Process;
use maas_testkit::eventually;
use prost::Message as _;
use serde_json::json;

use crate::world::{self, PATIENCE, World, on_both_databases};

on_both_databases! {
    a_change_of_a_user_reaches_the_state_bucket,
    a_bucket_that_lost_its_values_is_filled_again,
    the_service_is_ready_and_stops,
}

/// The first value that is as wanted.
async fn wait_for(watch: &mut StateWatch, wanted: impl Fn(&UserState) -> bool) -> UserState {
    let search = async {
        loop {
            if let StateChange::Value { value, version, .. } = watch.next().await.expect("the bus is open") {
                let state = UserState::decode(value).unwrap();
                assert_eq!(state.version, version);
                if wanted(&state) {
                    return state;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("the state never came")
}

/// The newest state of the user with this id, once its outbox is empty.
pub async fn of(world: &World, id: &str) -> UserState {
    let uuid = id.parse::<maas_types::UserId>().unwrap().uuid();
    let shown = world.get(&format!("/api/v1/users/{id}"), &world.admin().await).await;
    let version: u64 = shown.header("etag").trim_matches('"').parse().unwrap();
    let mut watch = world.bus.watch_state(Bucket::Users);
    wait_for(&mut watch, |state| state.id == uuid.as_bytes()[..] && state.version == version).await
}

async fn a_change_of_a_user_reaches_the_state_bucket(world: World) {
    let mut watch = world.bus.watch_state(Bucket::Users);
    let (id, _) = world.person("ada", "user").await;
    let uuid = id.parse::<maas_types::UserId>().unwrap().uuid();
    let is_ada = |state: &UserState| state.id == uuid.as_bytes()[..];
    wait_for(&mut watch, |state| is_ada(state) && state.version == 2).await;

    let change = json!({"status": "disabled", "role": "admin"});
    assert_eq!(world.patch(&format!("/api/v1/users/{id}"), &world.admin().await, change).await.status, 200);
    let state = wait_for(&mut watch, |state| is_ada(state) && state.version == 3).await;
    assert_eq!((state.status(), state.role.as_str()), (UserStatus::Disabled, "admin"));
    assert_eq!(state.tokens_valid_from_ms, 1_763_000_000_124);
}

async fn a_bucket_that_lost_its_values_is_filled_again(world: World) {
    // A second replica on a bus that knows nothing, over the same rows.
    let process = Process::new().unwrap();
    let bus: SharedBus = Arc::new(InProcessBus::new());
    let mut watch = bus.watch_state(Bucket::Users);
    Auth::start(world::settings(), world.database.clone(), bus, &process).await.unwrap();
    let state = wait_for(&mut watch, |state| state.id == world.admin.user_id.uuid().as_bytes()[..]).await;
    assert_eq!((state.version, state.role.as_str()), (1, "admin"));
}

async fn the_service_is_ready_and_stops(world: World) {
    eventually(PATIENCE, || async { world.process.readiness.is_ready().then_some(()) }).await;
    world.sign_in("admin", "wrong").await;
    let metrics = world.process.metrics.render().unwrap();
    assert!(metrics.contains(r#"maas_auth_logins_total{provider="local",outcome="refused"} 1"#), "{metrics}");
    assert_eq!(maas_runtime::metrics::undeclared(&metrics), Vec::<String>::new());
    world.process.lifecycle.stop();
    world.process.lifecycle.stopped(PATIENCE).await.unwrap();
}
