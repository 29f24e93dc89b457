#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use maas_http::{AddressGuard, UpstreamOptions};
use maas_runtime::config::HumanDuration;
use maas_types::UpstreamId;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use uuid::Uuid;

use super::*;
use crate::routing::{HealthTable, health::Standing};

const PATIENCE: Duration = Duration::from_secs(10);
/// A server with this status says nothing.
const SILENT: u16 = 0;

/// A model server as far as checks see it.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, status: Arc::new(AtomicU16::new(status)), requests: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move {
                    let mut head = vec![0; 4_096];
                    while let Ok(length @ 1..) = stream.read(&mut head).await {
                        server.requests.lock().unwrap().push(String::from_utf8_lossy(&head[..length]).into_owned());
                        let status = server.status.load(Ordering::Relaxed);
                        let answer = format!("HTTP/1.1 {status} Any\r\ncontent-length: 0\r\n\r\n");
                        if status != SILENT && stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    fn target(&self, path: &str) -> CheckTarget {
        CheckTarget {
            uri: format!("http://{}{path}", self.address).parse().unwrap(),
            profile: ConnectProfile::default(),
        }
    }
}

/// A catalogue that can be changed, and the checker that follows it.
struct World {
    table: HealthTable,
    catalogue: Arc<Mutex<Vec<Watched>>>,
    lifecycle: Lifecycle,
}

impl World {
    fn start() -> Self {
        let settings = RoutingSettings {
            check_interval: HumanDuration::from_millis(20),
            check_timeout: HumanDuration::from_millis(200),
            ..RoutingSettings::default()
        };
        let table = HealthTable::new(settings.clone(), Instant::now());
        let catalogue: Arc<Mutex<Vec<Watched>>> = Arc::default();
        let listed = catalogue.clone();
        let watch_list: WatchList = Arc::new(move || listed.lock().unwrap().clone());
        let guard = AddressGuard { allow_loopback: true, ..AddressGuard::default() };
        let clients = UpstreamClientFactory::new(&UpstreamOptions { guard, ..UpstreamOptions::default() }).unwrap();
        let lifecycle = Lifecycle::new();
        spawn(watch_list, clients, settings, &lifecycle);
        Self { table, catalogue, lifecycle }
    }

    fn add(&self, check: Option<CheckTarget>) -> Arc<UpstreamHealth> {
        let mut catalogue = self.catalogue.lock().unwrap();
        let health = self.table.upstream(upstream_id(catalogue.len()));
        catalogue.push(watched(health.clone(), check));
        health
    }
}

fn upstream_id(number: usize) -> UpstreamId {
    UpstreamId::from_uuid(Uuid::from_u128(number as u128))
}

fn watched(health: Arc<UpstreamHealth>, check: Option<CheckTarget>) -> Watched {
    Watched { model: String::new(), upstream: String::new(), health, check }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "not in time: {what}");
}

fn check_passed(health: &UpstreamHealth) -> Option<bool> {
    health.snapshot(Instant::now())?.check_passed
}

fn is_open(health: &UpstreamHealth) -> bool {
    health.standing(0, Instant::now()) == Standing::Open
}

#[tokio::test]
async fn a_server_that_fails_its_checks_is_passed_over_until_one_passes() {
    let world = World::start();
    let server = Server::start(200).await;
    let health = world.add(Some(server.target("/health")));
    until("a check passes", || check_passed(&health) == Some(true)).await;
    server.status.store(503, Ordering::Relaxed);
    until("the circuit is open", || is_open(&health)).await;
    server.status.store(204, Ordering::Relaxed);
    until("the circuit is closed", || health.standing(0, Instant::now()) == Standing::Ready).await;
}

#[tokio::test]
async fn a_server_that_is_silent_or_absent_or_redirects_fails() {
    let world = World::start();
    let (silent, elsewhere) = (Server::start(SILENT).await, Server::start(302).await);
    let absent = CheckTarget { uri: "http://127.0.0.1:1/health".parse().unwrap(), profile: ConnectProfile::default() };
    let bad_profile = ConnectProfile { ca_file: Some("/nowhere/ca.pem".into()), connect_timeout: None };
    let misconfigured = CheckTarget { profile: bad_profile, ..elsewhere.target("/health") };
    for target in [silent.target("/health"), elsewhere.target("/health"), absent, misconfigured] {
        let health = world.add(Some(target.clone()));
        until(&format!("{} is open", target.uri), || is_open(&health)).await;
    }
}

#[tokio::test]
async fn a_check_asks_for_the_path_and_carries_no_credential() {
    let world = World::start();
    let server = Server::start(200).await;
    let health = world.add(Some(server.target("/health?deep=1")));
    until("a check passes", || check_passed(&health) == Some(true)).await;
    let requests = server.requests.lock().unwrap();
    let request = requests.first().unwrap().to_lowercase();
    assert!(request.starts_with("get /health?deep=1 http/1.1\r\n"), "{request}");
    for forbidden in ["authorization", "api-key", "cookie"] {
        assert!(!request.contains(forbidden), "{request}");
    }
}

#[tokio::test]
async fn an_upstream_whose_health_path_is_taken_away_is_not_checked_any_more() {
    let world = World::start();
    let server = Server::start(503).await;
    let health = world.add(Some(server.target("/health")));
    until("a check failed", || check_passed(&health) == Some(false)).await;
    world.catalogue.lock().unwrap()[0].check = None;
    until("the check is forgotten", || check_passed(&health).is_none()).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_check() {
    let world = World::start();
    let server = Server::start(SILENT).await;
    world.add(Some(server.target("/health")));
    until("a check is on its way", || !server.requests.lock().unwrap().is_empty()).await;
    world.lifecycle.stop();
    world.lifecycle.stopped(PATIENCE).await.unwrap();
}

/// A schedule of one target for each number, begun at `now`.
fn schedule(targets: &[u32], now: Instant) -> (Schedule, Vec<Watched>) {
    let table = HealthTable::new(RoutingSettings::default(), now);
    let entry = |(index, target): (usize, &u32)| {
        let uri = format!("http://upstream-{target}/health").parse().unwrap();
        watched(table.upstream(upstream_id(index)), Some(CheckTarget { uri, profile: ConnectProfile::default() }))
    };
    let list: Vec<Watched> = targets.iter().enumerate().map(entry).collect();
    let mut schedule = Schedule::new(Duration::from_secs(10), fastrand::Rng::with_seed(3));
    schedule.follow(list.clone(), now);
    (schedule, list)
}

#[test]
fn checks_of_a_whole_catalogue_are_spread_over_the_interval() {
    let now = Instant::now();
    let (mut schedule, _) = schedule(&(0..100).collect::<Vec<_>>(), now);
    let due = std::iter::from_fn(|| schedule.next_due(now + Duration::from_secs(5))).count();
    assert!((30..70).contains(&due), "{due} in the first half");
}

#[test]
fn a_target_is_asked_again_after_the_interval_and_a_tenth_more_or_less() {
    let now = Instant::now();
    let (mut schedule, _) = schedule(&[1], now);
    let end = now + Duration::from_secs(10);
    let target = schedule.next_due(end).unwrap();
    assert_eq!(schedule.next_due(end + Duration::from_secs(60)), None, "it has not ended");
    schedule.ended(&target, true, end);
    assert_eq!(schedule.next_due(end + Duration::from_millis(8_999)), None);
    assert_eq!(schedule.next_due(end + Duration::from_secs(11)), Some(target));
}

#[test]
fn upstreams_on_one_server_share_a_check() {
    let now = Instant::now();
    let (mut schedule, list) = schedule(&[1, 1, 1], now);
    let later = now + Duration::from_secs(10);
    let target = schedule.next_due(later).unwrap();
    assert_eq!(schedule.next_due(later), None);
    schedule.ended(&target, false, later);
    assert!(list.iter().all(|upstream| check_passed(&upstream.health) == Some(false)));
}

#[test]
fn what_left_the_catalogue_is_not_asked() {
    let now = Instant::now();
    let (mut schedule, _) = schedule(&[1], now);
    let later = now + Duration::from_secs(10);
    let running = schedule.next_due(later).unwrap();
    schedule.follow(Vec::new(), later);
    schedule.ended(&running, true, later);
    assert_eq!(schedule.next_due(later + Duration::from_secs(60)), None);
}
