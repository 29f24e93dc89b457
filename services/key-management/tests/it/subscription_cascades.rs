//! What happens to subscriptions because of something else.

use std::time::Duration;

use maas_events::state::SubscriptionStatus;
use serde_json::json;

use crate::{
    access::{
        Catalogued, SUBSCRIPTIONS, eventually_shown, history, published, replica, request, shown, step, team,
        tell_team, tell_user,
    },
    world::{NOW, World},
};

on_both_databases! {
    a_decision_after_the_restriction_stays
    a_model_that_is_disabled_or_removed_keeps_its_subscriptions
    what_a_deleted_user_or_team_had_ends
    access_ends_by_the_time_and_the_history_tells_it
}

/// Two replicas hear of it, which is on Postgres: with SQLite there is one process.
#[actix_web::test]
async fn a_model_that_becomes_restricted_takes_access_back_exactly_once() {
    let world = World::on_postgres().await;
    let model = Catalogued::open("free", &world).await;
    let _other = replica(&world).await;
    let (one, two) = (world.user(), world.user());
    let (first, second) =
        (request(&world, one, json!({"model": "free"})).await, request(&world, two, json!({"model": "free"})).await);
    model.tell(&world, 2, |state| state.restricted = true).await;
    for id in [&first, &second] {
        let body = eventually_shown(&world, id, "pending", 2).await;
        assert_eq!(body["reason"], json!("model became restricted"));
        assert_eq!(published(&world, id, 2).await.status(), SubscriptionStatus::Pending);
    }
    let third = request(&world, world.user(), json!({"model": "free"})).await;
    assert_eq!(shown(&world, &third).await.body["status"], json!("pending"));
}

async fn a_decision_after_the_restriction_stays(world: World) {
    let model = Catalogued::open("free", &world).await;
    let (user, admin) = (world.user(), world.admin());
    let id = request(&world, user, json!({"model": "free"})).await;
    model.tell(&world, 2, |state| state.restricted = true).await;
    eventually_shown(&world, &id, "pending", 2).await;
    step(&world, admin, &id, "decide", json!({"decision": "approve"})).await;
    // Still restricted, then open, then restricted again: only the last takes access back.
    model.tell(&world, 3, |state| state.restricted = true).await;
    model.tell(&world, 4, |_| ()).await;
    // Access that is there at once shows that the model is known to be open.
    request_until_active(&world).await;
    model.tell(&world, 5, |state| state.restricted = true).await;
    let body = eventually_shown(&world, &id, "pending", 4).await;
    let line = |from: &str, to: &str| (Some(from.to_owned()), to.to_owned());
    let wanted = [(None, "active".to_owned()), line("active", "pending"), line("pending", "active")];
    assert_eq!(history(&body), [&wanted[..], &[line("active", "pending")]].concat());
}

async fn request_until_active(world: &World) {
    maas_testkit::eventually(crate::world::DEADLINE, || async {
        let answer = world.post(world.user(), SUBSCRIPTIONS, json!({"model": "free"})).await;
        (answer.body["status"] == json!("active")).then_some(())
    })
    .await;
}

async fn a_model_that_is_disabled_or_removed_keeps_its_subscriptions(world: World) {
    let model = Catalogued::open("free", &world).await;
    let user = world.user();
    let id = request(&world, user, json!({"model": "free"})).await;
    model.tell(&world, 2, |state| state.enabled = false).await;
    model.tell(&world, 3, |state| state.deleted = true).await;
    // Something later in the same bucket was heard, so this was, too.
    Catalogued::open("later", &world).await;
    assert_eq!(shown(&world, &id).await.etag(), "\"1\"");
    assert_eq!(step(&world, user, &id, "cancel", json!({})).await.status, 200, "its owner may still give it up");
}

async fn what_a_deleted_user_or_team_had_ends(world: World) {
    Catalogued::restricted("guarded", &world).await;
    let (team_id, owner, _) = team(&world).await;
    let user = world.user();
    let own = request(&world, user, json!({"model": "guarded"})).await;
    let of_team = request(&world, owner, json!({"model": "guarded", "team_id": team_id})).await;
    let approval = json!({"decision": "approve"});
    assert_eq!(step(&world, world.admin(), &of_team, "decide", approval).await.status, 200);
    tell_user(&world, user, 2, |state| state.deleted = true).await;
    tell_team(&world, team_id, 2, true).await;
    assert_eq!(eventually_shown(&world, &own, "cancelled", 2).await["reason"], json!("its owner was deleted"));
    eventually_shown(&world, &of_team, "cancelled", 3).await;
    assert_eq!(published(&world, &of_team, 3).await.status(), SubscriptionStatus::Cancelled);
}

async fn access_ends_by_the_time_and_the_history_tells_it(world: World) {
    Catalogued::open("free", &world).await;
    let (user, hour) = (world.user(), Duration::from_secs(3_600));
    let id = request(&world, user, json!({"model": "free", "expires_at": NOW.plus(hour).to_string()})).await;
    world.clock.advance(hour);
    assert_eq!(shown(&world, &id).await.body["status"], json!("expired"), "before anybody has written it");
    let page = world.get(user, &format!("{SUBSCRIPTIONS}?status=expired")).await.body;
    assert_eq!(page["data"][0]["id"], json!(id));
    let body = eventually_shown(&world, &id, "expired", 2).await;
    assert_eq!(history(&body)[1], (Some("active".to_owned()), "expired".to_owned()));
    assert_eq!(step(&world, user, &id, "cancel", json!({})).await.status, 409);
    assert_eq!(request(&world, user, json!({"model": "free"})).await, id);
    assert_eq!(shown(&world, &id).await.etag(), "\"3\"");
}
