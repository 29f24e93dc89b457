//! Whatever several people try, in whatever order: only declared transitions happen, to what is theirs, and the history
//! is the list of them. Compared with the transitions as they are specified, written down once more.

use std::collections::HashMap;

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{
    access::{Catalogued, SUBSCRIPTIONS, history, published, shown, step, step_if, team},
    world::{Person, World},
};

on_both_databases! {
    no_order_of_calls_reaches_an_undeclared_state
}

const WALKS: usize = 10;
const STEPS: usize = 30;
const STATUSES: [&str; 6] = ["pending", "active", "denied", "suspended", "cancelled", "expired"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    Request,
    Cancel,
    Review,
    Approve,
    Deny,
    Suspend,
    Resume,
    Override(usize),
    /// A decision on a version that was never the current one.
    DecideOutdated,
}

/// Who: alice, bob, the team's owner, its member, an admin. Whose: alice's, bob's, the team's.
#[derive(Debug, Clone, Copy)]
struct Try {
    who: usize,
    whose: usize,
    call: Call,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let call = prop_oneof![
        4 => Just(Call::Request),
        2 => Just(Call::Cancel),
        3 => Just(Call::Review),
        4 => Just(Call::Approve),
        2 => Just(Call::Deny),
        2 => Just(Call::Suspend),
        2 => Just(Call::Resume),
        1 => (0..STATUSES.len()).prop_map(Call::Override),
        1 => Just(Call::DecideOutdated),
    ];
    // The admin and the owners more often: they can do more.
    let who = prop_oneof![Just(0_usize), Just(1), Just(2), Just(3), Just(4), Just(4), Just(4)];
    let one = (who, 0..3_usize, call).prop_map(|(who, whose, call)| Try { who, whose, call });
    prop::collection::vec(one, STEPS)
}

/// The specified transitions of a restricted model's subscription.
fn specified(from: Option<&str>, call: Call) -> Option<&'static str> {
    match (from, call) {
        (None | Some("cancelled" | "expired"), Call::Request) => Some("pending"),
        (Some("pending"), Call::Approve) | (Some("suspended"), Call::Resume) => Some("active"),
        (Some("pending"), Call::Deny) => Some("denied"),
        (Some("active"), Call::Suspend) => Some("suspended"),
        (Some("active"), Call::Cancel) => Some("cancelled"),
        (Some("denied"), Call::Review) => Some("pending"),
        (Some(from), Call::Override(to)) if STATUSES[to] != from => Some(STATUSES[to]),
        _ => None,
    }
}

struct Walk<'a> {
    world: &'a World,
    people: [Person; 5],
    /// What a request for each of the three says.
    requests: [Value; 3],
    ids: HashMap<usize, String>,
    /// The statuses that each went through.
    told: [Vec<&'static str>; 3],
}

impl Walk<'_> {
    fn status(&self, whose: usize) -> Option<&'static str> {
        self.told[whose].last().copied()
    }

    /// The status code that is due, and the new status if there is one.
    fn due(&self, attempt: Try) -> (u16, Option<&'static str>) {
        let Try { who, whose, call } = attempt;
        let (is_admin, manages) = (who == 4, who == 4 || who == whose);
        let decides = !matches!(call, Call::Request | Call::Cancel | Call::Review);
        match call {
            _ if decides && !is_admin => (403, None),
            Call::Request if !manages => (403, None),
            Call::Request => {
                let to = specified(self.status(whose), call);
                (if to.is_some() { 201 } else { 409 }, to)
            }
            _ if self.status(whose).is_none() => (404, None),
            // A member knows of what the team has.
            _ if !manages => (if who == 3 && whose == 2 { 403 } else { 404 }, None),
            Call::DecideOutdated => (412, None),
            _ => {
                let to = specified(self.status(whose), call);
                (if to.is_some() { 200 } else { 409 }, to)
            }
        }
    }

    async fn take(&mut self, attempt: Try) {
        let (code, to) = self.due(attempt);
        let answer = self.send(attempt).await;
        assert_eq!(answer.status.as_u16(), code, "{attempt:?} at {:?}: {}", self.status(attempt.whose), answer.body);
        if let Some(to) = to {
            self.told[attempt.whose].push(to);
            let id = answer.body["id"].as_str().unwrap().to_owned();
            let known = self.ids.entry(attempt.whose).or_insert_with(|| id.clone());
            assert_eq!(*known, id, "there is one for each pair");
            assert_eq!(answer.body["status"], json!(to));
        }
        self.check(attempt.whose).await;
    }

    async fn send(&self, attempt: Try) -> crate::world::Answer {
        let Try { who, whose, call } = attempt;
        let (world, person) = (self.world, self.people[who]);
        let unknown = "sub_019a9c3b5f0e7c42a1d38b6f0c9e4a57".to_owned();
        let id = self.ids.get(&whose).unwrap_or(&unknown);
        let because = json!({"reason": "because"});
        match call {
            Call::Request => world.post(person, SUBSCRIPTIONS, self.requests[whose].clone()).await,
            Call::Cancel => step(world, person, id, "cancel", json!({})).await,
            Call::Review => step(world, person, id, "request-review", json!({})).await,
            Call::Approve => step(world, person, id, "decide", json!({"decision": "approve"})).await,
            Call::Deny => step(world, person, id, "decide", json!({"decision": "deny", "reason": "no"})).await,
            Call::Suspend => step(world, person, id, "suspend", because).await,
            Call::Resume => step(world, person, id, "resume", because).await,
            Call::Override(to) => {
                step(world, person, id, "override", json!({"status": STATUSES[to], "reason": "because"})).await
            }
            Call::DecideOutdated => {
                step_if(world, person, id, "decide", json!({"decision": "approve"}), "\"999\"").await
            }
        }
    }

    /// Status, version and history are those of the accepted calls.
    async fn check(&self, whose: usize) {
        let Some(id) = self.ids.get(&whose) else { return };
        let seen = shown(self.world, id).await;
        let told = &self.told[whose];
        assert_eq!(seen.body["status"], json!(told.last().unwrap()));
        assert_eq!(seen.etag(), format!("\"{}\"", told.len()));
        let before = [None].into_iter().chain(told.iter().map(|status| Some((*status).to_owned())));
        let wanted: Vec<_> = before.zip(told.iter().map(|status| (*status).to_owned())).collect();
        assert_eq!(history(&seen.body), wanted);
    }
}

async fn no_order_of_calls_reaches_an_undeclared_state(world: World) {
    Catalogued::restricted("guarded", &world).await;
    let mut runner = TestRunner::default();
    for _ in 0..WALKS {
        let (team, owner, member) = team(&world).await;
        let (alice, bob) = (world.user(), world.user());
        for person in [alice, bob] {
            crate::access::tell_user(&world, person, 1, |_| ()).await;
        }
        let requests = [
            json!({"model": "guarded", "user_id": alice.id}),
            json!({"model": "guarded", "user_id": bob.id}),
            json!({"model": "guarded", "team_id": team}),
        ];
        wait_until_known(&world, &requests).await;
        let people = [alice, bob, owner, member, world.admin()];
        let mut walk = Walk { world: &world, people, requests, ids: HashMap::new(), told: Default::default() };
        for attempt in tries().new_tree(&mut runner).unwrap().current() {
            walk.take(attempt).await;
        }
        for (whose, id) in &walk.ids {
            let version = walk.told[*whose].len() as u64;
            assert_eq!(published(&world, id, version).await.version, version);
        }
    }
}

/// An admin who asks for a model that nobody has heard of finds fault with the model only.
async fn wait_until_known(world: &World, requests: &[Value]) {
    for request in requests {
        let mut probe = request.clone();
        probe["model"] = json!("unheard-of");
        maas_testkit::eventually(crate::world::DEADLINE, || async {
            let answer = world.post(world.admin(), SUBSCRIPTIONS, probe.clone()).await;
            (answer.faults() == [("/model".to_owned(), "unknown_model".to_owned())]).then_some(())
        })
        .await;
    }
}
