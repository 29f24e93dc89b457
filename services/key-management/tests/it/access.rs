//! What tests of plans and subscriptions have in common.

use actix_web::test::TestRequest;
use bytes::Bytes;
use maas_bus::{Bus as _, StateChange};
use maas_events::{
    Bucket, Delivery,
    state::{ModelState, SubscriptionState, TeamMembership, TeamState, UserState, UserStatus},
};
use maas_testkit::eventually;
use maas_types::{ModelId, TeamId, TeamRole};
use prost::Message;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Answer, DEADLINE, NOW, Person, Place, World, start_service};

pub const SUBSCRIPTIONS: &str = "/api/v1/subscriptions";

/// A model as the catalogue tells of it.
#[derive(Debug, Clone, Copy)]
pub struct Catalogued {
    pub id: ModelId,
    pub name: &'static str,
}

impl Catalogued {
    pub fn new(name: &'static str) -> Self {
        Self { id: ModelId::from_uuid(Uuid::now_v7()), name }
    }

    pub async fn tell(self, world: &World, version: u64, change: impl FnOnce(&mut ModelState)) {
        let mut state = ModelState {
            id: id_bytes(self.id.uuid()),
            version,
            name: self.name.to_owned(),
            aliases: vec![format!("{}-alias", self.name)],
            enabled: true,
            ..ModelState::default()
        };
        change(&mut state);
        deliver(world, Bucket::Models, self.id.uuid(), version, &state).await;
    }

    /// Known to the service when this returns.
    pub async fn restricted(name: &'static str, world: &World) -> Self {
        let model = Self::new(name);
        model.tell(world, 1, |state| state.restricted = true).await;
        model.is_known(world).await;
        model
    }

    pub async fn open(name: &'static str, world: &World) -> Self {
        let model = Self::new(name);
        model.tell(world, 1, |_| ()).await;
        model.is_known(world).await;
        model
    }

    /// Somebody else asks for it, which needs the model to be known.
    async fn is_known(self, world: &World) {
        let probe = world.user();
        eventually(DEADLINE, || async {
            let answer = world.post(probe, SUBSCRIPTIONS, json!({"model": self.name})).await;
            (answer.status == 201).then_some(())
        })
        .await;
    }
}

pub fn id_bytes(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

pub async fn deliver(world: &World, bucket: Bucket, id: Uuid, version: u64, state: &impl Message) {
    let (key, value) = (id.simple().to_string(), state.encode_to_vec().into());
    world.bus.deliver(Delivery::State { bucket, key, version, value }).await.unwrap();
}

pub async fn tell_user(world: &World, person: Person, version: u64, change: impl FnOnce(&mut UserState)) {
    let membership = |(team, role): (TeamId, TeamRole)| TeamMembership {
        team_id: id_bytes(team.uuid()),
        role: role.as_str().to_owned(),
    };
    let mut state = UserState {
        id: id_bytes(person.id.uuid()),
        version,
        status: UserStatus::Active.into(),
        teams: person.team.into_iter().map(membership).collect(),
        ..UserState::default()
    };
    change(&mut state);
    deliver(world, Bucket::Users, person.id.uuid(), version, &state).await;
}

pub async fn tell_team(world: &World, team: TeamId, version: u64, deleted: bool) {
    let state = TeamState { id: id_bytes(team.uuid()), version, deleted, ..TeamState::default() };
    deliver(world, Bucket::Teams, team.uuid(), version, &state).await;
}

/// A team with an owner and a member, known to the service.
pub async fn team(world: &World) -> (TeamId, Person, Person) {
    let team = TeamId::new_at(NOW);
    tell_team(world, team, 1, false).await;
    let with = |role| Person { team: Some((team, role)), ..world.user() };
    (team, with(TeamRole::Owner), with(TeamRole::Member))
}

/// Asks for access and answers the id of the subscription.
pub async fn request(world: &World, person: Person, body: Value) -> String {
    let answer = eventually(DEADLINE, || async {
        let answer = world.post(person, SUBSCRIPTIONS, body.clone()).await;
        let is_unheard = answer.faults().iter().any(|(_, code)| code.starts_with("unknown_"));
        (!is_unheard).then_some(answer)
    });
    let answer = answer.await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

pub async fn step(world: &World, person: Person, id: &str, step: &str, body: Value) -> Answer {
    world.post(person, &format!("{SUBSCRIPTIONS}/{id}/{step}"), body).await
}

pub async fn step_if(world: &World, person: Person, id: &str, step: &str, body: Value, etag: &str) -> Answer {
    let path = format!("{SUBSCRIPTIONS}/{id}/{step}");
    let request = TestRequest::post().uri(&path).insert_header(("if-match", etag));
    world.call(person.signs(request).set_json(body)).await
}

pub async fn shown(world: &World, id: &str) -> Answer {
    world.get(world.admin(), &format!("{SUBSCRIPTIONS}/{id}")).await
}

/// The subscription once it has this status and version.
pub async fn eventually_shown(world: &World, id: &str, status: &str, version: u64) -> Value {
    eventually(DEADLINE, || async {
        let answer = shown(world, id).await;
        let is_there = answer.body["status"] == json!(status) && answer.etag() == format!("\"{version}\"");
        is_there.then_some(answer.body)
    })
    .await
}

/// From and to of each line of the history, the oldest first.
pub fn history(body: &Value) -> Vec<(Option<String>, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let lines = body["history"].as_array().unwrap().iter().rev();
    lines.map(|line| (text(&line["from"]), text(&line["to"]).unwrap())).collect()
}

/// The subscription's last value on the bus, once it has this version.
pub async fn published(world: &World, id: &str, version: u64) -> SubscriptionState {
    let name = id.strip_prefix("sub_").unwrap();
    let mut watch = world.bus.watch_state(Bucket::Subscriptions);
    let found = async {
        loop {
            match watch.next().await.unwrap() {
                StateChange::Value { key, version: held, value } if key == name && held >= version => {
                    return SubscriptionState::decode(value).unwrap();
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(DEADLINE, found).await.expect("the state was not published")
}

/// A second replica on the same database, bus and clock.
pub async fn replica(world: &World) -> World {
    let database = world.place.connect().await;
    let (service, process) = start_service(&database, &world.bus, &world.clock).await;
    World {
        service,
        database,
        bus: world.bus.clone(),
        process,
        clock: world.clock.clone(),
        audit: world.audit.clone(),
        refusals: world.refusals.clone(),
        // Its own place is never used: the data is the other's.
        place: Place::Sqlite(tempfile::tempdir().unwrap()),
    }
}
