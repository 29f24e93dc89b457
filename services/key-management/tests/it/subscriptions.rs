use std::time::Duration;

use actix_web::test::TestRequest;
use maas_events::state::SubscriptionStatus;
use maas_types::Role;
use serde_json::{Value, json};

use crate::{
    access::{Catalogued, SUBSCRIPTIONS, history, published, replica, request, shown, step, step_if, team},
    world::{NOW, World},
};

on_both_databases! {
    access_to_an_unrestricted_model_is_there_at_once
    a_restricted_model_waits_for_a_decision_and_the_reason_reaches_the_requester
    a_model_is_named_by_name_alias_or_id
    there_is_one_subscription_for_each_pair
    one_that_has_ended_begins_again
    a_repeated_request_makes_nothing
    faulty_requests_make_nothing
    owners_act_for_their_team_and_members_look_on
    nobody_touches_what_is_not_theirs
    the_list_has_its_filters
    bulk_decisions_go_on_after_a_failure
    an_end_is_kept_by_decisions
}

async fn access_to_an_unrestricted_model_is_there_at_once(world: World) {
    let model = Catalogued::open("free", &world).await;
    let user = world.user();
    let id = request(&world, user, json!({"model": "free", "reason": "curious"})).await;
    let body = shown(&world, &id).await.body;
    assert_eq!((&body["status"], &body["user_id"]), (&json!("active"), &json!(user.id)));
    assert_eq!(history(&body), [(None, "active".to_owned())]);
    let state = published(&world, &id, 1).await;
    assert_eq!(state.status(), SubscriptionStatus::Active);
    assert_eq!(
        (&state.user_id[..], &state.model_id[..]),
        (&user.id.uuid().as_bytes()[..], &model.id.uuid().as_bytes()[..])
    );
}

async fn a_restricted_model_waits_for_a_decision_and_the_reason_reaches_the_requester(world: World) {
    Catalogued::restricted("guarded", &world).await;
    let (user, admin) = (world.user(), world.admin());
    let id = request(&world, user, json!({"model": "guarded"})).await;
    let denied = step(&world, admin, &id, "decide", json!({"decision": "deny", "reason": "say what for"})).await;
    assert_eq!((denied.status.as_u16(), &denied.body["status"]), (200, &json!("denied")), "{}", denied.body);
    let seen = world.get(user, &format!("{SUBSCRIPTIONS}/{id}")).await.body;
    assert_eq!((&seen["reason"], &seen["history"][0]["reason"]), (&json!("say what for"), &json!("say what for")));
    assert_eq!(seen["history"][0]["actor_id"], json!(admin.id));
    step(&world, user, &id, "request-review", json!({"reason": "for summaries"})).await;
    let approved = step(&world, admin, &id, "decide", json!({"decision": "approve"})).await;
    assert_eq!((&approved.body["status"], approved.etag().as_str()), (&json!("active"), "\"4\""));
    assert_eq!(published(&world, &id, 4).await.status(), SubscriptionStatus::Active);
    assert_eq!(world.audited(&id, "subscription.approve").await.outcome, "success");
    let unexplained = step(&world, admin, &id, "suspend", json!({"reason": " "})).await;
    assert_eq!(unexplained.faults(), [("/reason".to_owned(), "empty".to_owned())]);
}

async fn a_model_is_named_by_name_alias_or_id(world: World) {
    let model = Catalogued::open("named", &world).await;
    for text in ["named".to_owned(), "named-alias".to_owned(), model.id.to_string()] {
        let id = request(&world, world.user(), json!({"model": text})).await;
        assert_eq!(shown(&world, &id).await.body["model"], json!("named"));
    }
}

async fn there_is_one_subscription_for_each_pair(world: World) {
    Catalogued::restricted("guarded", &world).await;
    let user = world.user();
    let id = request(&world, user, json!({"model": "guarded"})).await;
    let again = world.post(user, SUBSCRIPTIONS, json!({"model": "guarded-alias"})).await;
    assert_eq!((again.status.as_u16(), &again.body["code"]), (409, &json!("already_exists")));
    assert!(again.body["detail"].as_str().unwrap().contains(&id), "{}", again.body);
    let body = || json!({"model": "guarded"});
    let other = world.user();
    let (one, two) = tokio::join!(world.post(other, SUBSCRIPTIONS, body()), world.post(other, SUBSCRIPTIONS, body()));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

async fn one_that_has_ended_begins_again(world: World) {
    Catalogued::open("free", &world).await;
    let user = world.user();
    let id = request(&world, user, json!({"model": "free"})).await;
    assert_eq!(step(&world, user, &id, "cancel", json!({})).await.body["status"], json!("cancelled"));
    assert_eq!(step(&world, user, &id, "cancel", json!({})).await.status, 409);
    assert_eq!(request(&world, user, json!({"model": "free"})).await, id, "the history goes on");
    assert_eq!(shown(&world, &id).await.body["status"], json!("active"));
}

async fn a_repeated_request_makes_nothing(world: World) {
    Catalogued::open("free", &world).await;
    let user = world.user();
    let send = || {
        let request = TestRequest::post().uri(SUBSCRIPTIONS).insert_header(("idempotency-key", "once"));
        world.call(user.signs(request).set_json(json!({"model": "free"})))
    };
    let first = send().await;
    let second = send().await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 409));
    assert_eq!(second.body["code"], json!("idempotency_replayed"));
    assert!(second.body["detail"].as_str().unwrap().contains(first.body["id"].as_str().unwrap()));
}

async fn faulty_requests_make_nothing(world: World) {
    let model = Catalogued::open("free", &world).await;
    model.tell(&world, 2, |state| state.enabled = false).await;
    Catalogued::open("other", &world).await;
    let (user, admin) = (world.user(), world.admin());
    for (person, body, pointer, code) in [
        (user, json!({"model": "unheard-of"}), "/model", "unknown_model"),
        (user, json!({"model": "free"}), "/model", "unknown_model"),
        (user, json!({"model": "other", "expires_at": NOW.to_string()}), "/expires_at", "in_the_past"),
        (user, json!({"model": "other", "reason": "x".repeat(501)}), "/reason", "too_long"),
        (user, json!({"model": "other", "status": "active"}), "/status", "unknown_field"),
        (admin, json!({"model": "other", "user_id": world.user().id}), "/user_id", "unknown_user"),
        (admin, json!({"model": "other", "team_id": maas_types::TeamId::new_at(NOW)}), "/team_id", "unknown_team"),
    ] {
        let answer = world.post(person, SUBSCRIPTIONS, body.clone()).await;
        assert_eq!(answer.faults(), [(pointer.to_owned(), code.to_owned())], "{body}");
    }
    assert_eq!(world.get(user, SUBSCRIPTIONS).await.body["data"], json!([]));
}

async fn owners_act_for_their_team_and_members_look_on(world: World) {
    Catalogued::open("free", &world).await;
    let (team, owner, member) = team(&world).await;
    let body = json!({"model": "free", "team_id": team});
    assert_eq!(world.post(member, SUBSCRIPTIONS, body.clone()).await.status, 403);
    let id = request(&world, owner, body).await;
    assert_eq!(world.get(member, &format!("{SUBSCRIPTIONS}/{id}")).await.body["team_id"], json!(team));
    assert_eq!(step(&world, member, &id, "cancel", json!({})).await.status, 403);
    assert_eq!(step(&world, owner, &id, "cancel", json!({})).await.status, 200);
}

async fn nobody_touches_what_is_not_theirs(world: World) {
    Catalogued::restricted("guarded", &world).await;
    let (user, other, auditor) = (world.user(), world.user(), world.person(Role::AdminReadonly));
    let id = request(&world, user, json!({"model": "guarded"})).await;
    assert_eq!(world.get(other, &format!("{SUBSCRIPTIONS}/{id}")).await.status, 404);
    assert_eq!(world.get(auditor, &format!("{SUBSCRIPTIONS}/{id}")).await.status, 200);
    for person in [other, auditor] {
        assert_eq!(step(&world, person, &id, "cancel", json!({})).await.status, 404);
        let on_behalf = json!({"model": "guarded", "user_id": user.id});
        assert_eq!(world.post(person, SUBSCRIPTIONS, on_behalf).await.status, 403);
    }
    let reason = json!({"reason": "x"});
    for person in [user, other, auditor] {
        let decision = json!({"decision": "approve"});
        assert_eq!(step(&world, person, &id, "decide", decision).await.status, 403);
        assert_eq!(step(&world, person, &id, "suspend", reason.clone()).await.status, 403);
        let forced = json!({"status": "active", "reason": "x"});
        assert_eq!(step(&world, person, &id, "override", forced).await.status, 403);
        let bulk = json!({"ids": [id], "decision": "approve", "reason": "x"});
        assert_eq!(world.post(person, &format!("{SUBSCRIPTIONS}/bulk-decide"), bulk).await.status, 403);
    }
    assert_eq!(shown(&world, &id).await.etag(), "\"1\"");
}

async fn the_list_has_its_filters(world: World) {
    let guarded = Catalogued::restricted("guarded", &world).await;
    Catalogued::open("free", &world).await;
    let (team, owner, _) = team(&world).await;
    let user = world.user();
    let pending = request(&world, user, json!({"model": "guarded"})).await;
    // The list goes by the time.
    world.clock.advance(Duration::from_secs(1));
    let active = request(&world, user, json!({"model": "free"})).await;
    let of_team = request(&world, owner, json!({"model": "free", "team_id": team})).await;
    let admin = world.admin();
    for (query, wanted) in [
        (format!("user_id={}", user.id), vec![&active, &pending]),
        (format!("user_id={}&status=pending", user.id), vec![&pending]),
        (format!("team_id={team}"), vec![&of_team]),
        (format!("user_id={}&model={}", user.id, guarded.id), vec![&pending]),
        (format!("user_id={}&model=free", user.id), vec![&active]),
        (format!("user_id={}&q=ARD", user.id), vec![&pending]),
    ] {
        let page = world.get(admin, &format!("{SUBSCRIPTIONS}?{query}&total=true")).await.body;
        let ids: Vec<&Value> = page["data"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert_eq!(ids, wanted.iter().map(|id| json!(id)).collect::<Vec<_>>().iter().collect::<Vec<_>>(), "{query}");
        assert_eq!(page["total"], json!(wanted.len()), "{query}");
    }
    let first = world.get(user, &format!("{SUBSCRIPTIONS}?limit=1")).await.body;
    let next = first["next_cursor"].as_str().unwrap();
    let second = world.get(user, &format!("{SUBSCRIPTIONS}?limit=1&cursor={next}")).await.body;
    assert_eq!((&second["data"][0]["id"], &second["next_cursor"]), (&json!(pending), &Value::Null));
}

async fn bulk_decisions_go_on_after_a_failure(world: World) {
    Catalogued::restricted("guarded", &world).await;
    let admin = world.admin();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(request(&world, world.user(), json!({"model": "guarded"})).await);
    }
    step(&world, admin, &ids[1], "decide", json!({"decision": "deny", "reason": "no"})).await;
    let missing = "sub_019a9c3b5f0e7c42a1d38b6f0c9e4a57";
    let body = json!({"ids": [ids[0], ids[1], missing, ids[2]], "decision": "approve", "reason": "pilot"});
    let answer = world.post(admin, &format!("{SUBSCRIPTIONS}/bulk-decide"), body).await;
    assert_eq!((&answer.body["decided"], &answer.body["failed"]), (&json!(2), &json!(2)), "{}", answer.body);
    let codes: Vec<&Value> =
        answer.body["data"].as_array().unwrap().iter().map(|item| &item["error"]["code"]).collect();
    assert_eq!(codes, [&Value::Null, &json!("conflict"), &json!("not_found"), &Value::Null]);
    for (id, status) in [(&ids[0], "active"), (&ids[1], "denied"), (&ids[2], "active")] {
        assert_eq!(shown(&world, id).await.body["status"], json!(status));
    }
    for (body, pointer) in [
        (json!({"ids": [], "decision": "deny", "reason": "x"}), "/ids"),
        (json!({"ids": vec![missing; 501], "decision": "deny", "reason": "x"}), "/ids"),
        (json!({"ids": [missing], "decision": "deny", "reason": ""}), "/reason"),
    ] {
        let refused = world.post(admin, &format!("{SUBSCRIPTIONS}/bulk-decide"), body).await;
        assert_eq!(refused.faults()[0].0, pointer);
    }
}

/// On Postgres: with SQLite there is one process.
#[actix_web::test]
async fn of_two_replicas_that_decide_one_wins() {
    let world = World::on_postgres().await;
    Catalogued::restricted("guarded", &world).await;
    let (other, admin) = (replica(&world).await, world.admin());
    let (approve, deny) = (json!({"decision": "approve"}), json!({"decision": "deny", "reason": "no"}));
    for round in 0..6 {
        let id = request(&world, world.user(), json!({"model": "guarded"})).await;
        let (one, two) = if round % 2 == 0 {
            tokio::join!(
                step_if(&world, admin, &id, "decide", approve.clone(), "\"1\""),
                step_if(&other, admin, &id, "decide", deny.clone(), "\"1\""),
            )
        } else {
            tokio::join!(
                step(&world, admin, &id, "decide", approve.clone()),
                step(&other, admin, &id, "decide", deny.clone()),
            )
        };
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, if round % 2 == 0 { 412 } else { 409 }], "{} {}", one.body, two.body);
        let won = if one.status == 200 { "active" } else { "denied" };
        let body = shown(&world, &id).await.body;
        assert_eq!(history(&body), [(None, "pending".to_owned()), (Some("pending".to_owned()), won.to_owned())]);
    }
}

async fn an_end_is_kept_by_decisions(world: World) {
    Catalogued::restricted("guarded", &world).await;
    let (user, admin, hour) = (world.user(), world.admin(), Duration::from_secs(3_600));
    let end = NOW.plus(hour);
    let id = request(&world, user, json!({"model": "guarded", "expires_at": end.to_string()})).await;
    world.clock.advance(hour);
    let late = step(&world, admin, &id, "decide", json!({"decision": "approve"})).await;
    assert_eq!((late.status.as_u16(), &late.body["code"]), (409, &json!("conflict")), "{}", late.body);
    let later = end.plus(hour).to_string();
    let approved = step(&world, admin, &id, "decide", json!({"decision": "approve", "expires_at": later})).await;
    assert_eq!((&approved.body["status"], &approved.body["expires_at"]), (&json!("active"), &json!(later)));
    assert_eq!(published(&world, &id, 2).await.expires_at_ms, end.plus(hour).unix_ms());
}
