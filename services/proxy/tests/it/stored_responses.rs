//! Responses that an upstream keeps: found again by their owner, at the upstream that made them, and by nobody else.

use maas_events::state::{ModelState, UserStatus};
use maas_testkit::{SimulatedUpstream, upstream::Operation};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    fixtures::{self, id_bytes},
    http::{Answer, Request},
    world::{RESPONSES, World, response_body},
};

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// A request about a stored response, with the world's key.
fn about(world: &World, method: &str, id: &str, part: &str) -> Request {
    world.request(method, &format!("{RESPONSES}/{id}{part}")).key(world.key.expose())
}

fn following(model: &str, previous: &str) -> Value {
    let mut body = response_body(model, "");
    body["previous_response_id"] = json!(previous);
    body
}

#[tokio::test]
async fn its_id_says_nothing_and_finds_it_again() {
    let world = World::start().await;
    let created = world.response("native", "").send().await;
    let id = id(&created);
    assert!(id.starts_with("resp_") && !id.contains("sim"), "{id}");
    let read = about(&world, "GET", &id, "").send().await;
    assert_eq!((read.status, read.json()), (200, created.json()));
    assert_eq!(world.upstream.last_request().unwrap().target, "/v1/responses/resp_sim_1");
    let mut streamed = response_body("native", "");
    streamed["stream"] = json!(true);
    let streamed = world.post(RESPONSES, &streamed).send().await;
    let last = &streamed.events_named("response.completed")[0]["response"];
    assert_eq!(about(&world, "GET", last["id"].as_str().unwrap(), "").send().await.json(), *last);
}

#[tokio::test]
async fn a_conversation_goes_on_with_the_fallback_that_began_it() {
    let world = World::start().await;
    let fallbacks = vec!["native".to_owned()];
    let upstreams = vec![fixtures::speaking(&["responses"], fixtures::upstream(fixtures::DEAD, "sim-chat"))];
    let model = ModelState { fallbacks, ..fixtures::model("replaced", upstreams) };
    world.deliver(fixtures::model_delivery(&model)).await;
    let known = world.get("/v1/models/replaced").key(world.key.expose());
    world.eventually_answers(known, |answer| answer.status == 200).await;

    let first = id(&world.response("replaced", "").send().await);
    let next = world.post(RESPONSES, &following("replaced", &first)).id("next").send().await;
    assert_eq!((next.status, next.json()["model"].as_str()), (200, Some("replaced")), "{next:?}");
    assert_eq!(world.event("next").await.model, "native");
}

#[tokio::test]
async fn only_its_creation_is_metered() {
    let world = World::start().await;
    let id = id(&world.response("native", "").send().await);
    about(&world, "GET", &id, "").send().await;
    about(&world, "GET", &id, "/input_items").send().await;
    about(&world, "DELETE", &id, "").send().await;
    assert_eq!(world.finish().await.len(), 1);
}

#[tokio::test]
async fn nobody_else_and_no_forged_id_finds_it() {
    let world = World::start().await;
    let stranger = Uuid::from_u128(42);
    world.deliver(fixtures::user_delivery(&fixtures::user_state(stranger, UserStatus::Active))).await;
    let other = world.add_key(|state| state.owner_id = id_bytes(stranger)).await;
    let id = id(&world.response("native", "").send().await);
    let other_digit = if id.as_bytes()[20] == b'A' { 'B' } else { 'A' };
    let forged = format!("{}{other_digit}{}", &id[..20], &id[21..]);
    let path = |id: &str| format!("{RESPONSES}/{id}");
    let asked = world.upstream.last_requests().len();
    for (what, path, key) in [
        ("another's key", path(&id), other.expose()),
        ("forged", path(&forged), world.key.expose()),
        ("the upstream's own", path("resp_sim_1"), world.key.expose()),
        ("climbing", path("..%2fmodels"), world.key.expose()),
    ] {
        for (method, part) in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")] {
            let answer = world.request(method, &format!("{path}{part}")).key(key).send().await;
            assert_eq!(answer.error(), (404, "response_not_found".to_owned()), "{what} {method} {part}");
        }
    }
    for (key, previous) in [(other.expose(), id.as_str()), (world.key.expose(), forged.as_str())] {
        let body = following("native", previous).to_string();
        let answer = world.request("POST", RESPONSES).key(key).body(body).send().await;
        assert_eq!(answer.error(), (404, "response_not_found".to_owned()));
        assert_eq!(answer.json()["error"]["param"], "previous_response_id");
    }
    assert_eq!(world.upstream.last_requests().len(), asked, "the upstream hears nothing of it");
    assert_eq!(about(&world, "GET", &id, "").send().await.status, 200, "it is still there");
    assert_eq!(world.get(&path(&id)).send().await.error(), (401, "invalid_api_key".to_owned()));
}

#[tokio::test]
async fn a_key_without_the_model_finds_it_no_more() {
    let world = World::start().await;
    let id = id(&world.response("native", "").send().await);
    let narrow = world.add_key(|state| (state.all_models, state.models) = (false, vec!["chat".to_owned()])).await;
    let answer = world.get(&format!("{RESPONSES}/{id}")).key(narrow.expose()).send().await;
    assert_eq!(answer.error(), (403, "model_not_allowed".to_owned()));
}

#[tokio::test]
async fn what_goes_on_from_it_goes_to_the_upstream_that_made_it() {
    let second = SimulatedUpstream::start().unwrap();
    let url = second.base_url();
    let native = |url: &str| fixtures::speaking(&["responses"], fixtures::upstream(url, "sim-chat"));
    let world = World::with_model(move |first| fixtures::model("two", vec![native(first), native(&url)])).await;
    let created = |upstream: &SimulatedUpstream| upstream.counters().requests_of(Operation::CreateResponse);
    let mut previous = id(&world.response("two", "").send().await);
    let (maker, other) =
        if created(&world.upstream) == 1 { (&world.upstream, &second) } else { (&second, &world.upstream) };
    for number in 2..12 {
        let answer = world.post(RESPONSES, &following("two", &previous)).send().await;
        let its_id = id(&answer);
        assert_eq!(answer.json()["previous_response_id"], previous.as_str());
        assert!(maker.last_request().unwrap().body.contains("\"previous_response_id\":\"resp_sim_"));
        assert_eq!((created(maker), created(other)), (number, 0));
        previous = its_id;
    }
    about(&world, "GET", &previous, "").send().await;
    assert_eq!((maker.counters().requests_of(Operation::ReadResponse), other.last_requests().len()), (1, 0));
}

#[tokio::test]
async fn another_models_response_is_none_to_go_on_from() {
    let world = World::with_model(|url| {
        fixtures::model("other", vec![fixtures::speaking(&["responses"], fixtures::upstream(url, "sim-chat"))])
    })
    .await;
    let id = id(&world.response("native", "").send().await);
    let answer = world.post(RESPONSES, &following("other", &id)).send().await;
    assert_eq!(answer.error(), (404, "response_not_found".to_owned()));
}

#[tokio::test]
async fn it_is_deleted_for_good() {
    let world = World::start().await;
    let id = id(&world.response("native", "").send().await);
    let deleted = about(&world, "DELETE", &id, "").send().await;
    assert_eq!((deleted.status, &deleted.json()["deleted"], &deleted.json()["id"]), (200, &json!(true), &json!(id)));
    for method in ["GET", "DELETE"] {
        assert_eq!(about(&world, method, &id, "").send().await.error(), (404, "response_not_found".to_owned()));
    }
}

#[tokio::test]
async fn what_is_over_cannot_be_cancelled() {
    let world = World::start().await;
    let id = id(&world.response("native", "").send().await);
    let answer = about(&world, "POST", &id, "/cancel").send().await;
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
    assert!(world.upstream.last_request().unwrap().path.ends_with("/cancel"));
    assert_eq!(about(&world, "GET", &id, "/cancel").send().await.error().0, 405);
    assert_eq!(about(&world, "POST", &id, "").send().await.error().0, 405);
}

#[tokio::test]
async fn its_input_is_read_in_pages_and_no_other_parameter_goes_on() {
    let world = World::start().await;
    let mut body = response_body("native", "");
    body["input"] = json!([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]);
    let id = id(&world.post(RESPONSES, &body).send().await);
    let part = "/input_items?limit=1&order=asc&key=secret&api-version=9";
    let page = about(&world, "GET", &id, part).send().await.json();
    assert_eq!((&page["data"][0]["content"], &page["has_more"]), (&json!("one"), &json!(true)));
    assert_eq!(world.upstream.last_request().unwrap().query, "limit=1&order=asc");
    let streamed = about(&world, "GET", &id, "?stream=true").send().await;
    assert_eq!(streamed.error(), (400, "unsupported_parameter".to_owned()));
}

#[tokio::test]
async fn when_its_upstream_is_away_it_is_not_there_for_now() {
    let own = SimulatedUpstream::start().unwrap();
    let url = own.base_url();
    let world = World::with_model(move |_| {
        fixtures::model("away", vec![fixtures::speaking(&["responses"], fixtures::upstream(&url, "sim-chat"))])
    })
    .await;
    let id = id(&world.response("away", "").send().await);
    own.stop().await.unwrap();
    assert_eq!(about(&world, "GET", &id, "").send().await.error(), (502, "upstream_error".to_owned()));
}

#[tokio::test]
async fn what_was_deleted_is_nothing_to_go_on_from_and_no_fault_of_the_upstream() {
    let world = World::start().await;
    let id = id(&world.response("native", "").send().await);
    assert_eq!(about(&world, "DELETE", &id, "").send().await.status, 200);
    let answer = world.post(RESPONSES, &following("native", &id)).id("forgotten").send().await;
    assert_eq!(answer.error(), (404, "response_not_found".to_owned()));
    assert_eq!(answer.json()["error"]["param"], "previous_response_id");
    assert!(!answer.text().contains("resp_sim"), "the upstream's own id is not told");
    let event = world.event("forgotten").await;
    assert_eq!((event.outcome.as_str(), event.status, event.attempts.len()), ("client_error", 404, 1));
}

#[tokio::test]
async fn questions_about_it_count_as_requests_in_progress() {
    let world = World::with_settings(|settings| settings.max_requests = 1).await;
    let id = id(&world.response("native", "").send().await);
    let mut running = world.stream("chat", "fault-stall").open().await;
    running.until("steady").await;
    assert_eq!(about(&world, "GET", &id, "").send().await.error(), (503, "overloaded".to_owned()));
    drop(running);
    world.eventually_answers(about(&world, "GET", &id, ""), |answer| answer.status == 200).await;
}

#[tokio::test]
async fn it_is_found_behind_its_instance_too() {
    let world = World::with_model(|url| {
        let native = fixtures::speaking(&["responses"], fixtures::upstream(url, "sim-chat"));
        let there = maas_events::state::UpstreamState { instance: "llm/stack".to_owned(), ..native };
        fixtures::model("there", vec![there])
    })
    .await;
    let path = "/llm/stack/v1/responses";
    let created = world.post(path, &response_body("sim-chat", "")).send().await;
    let read = world.get(&format!("{path}/{}", id(&created))).key(world.key.expose()).send().await;
    assert_eq!((read.status, &read.json()["id"]), (200, &created.json()["id"]));
}
