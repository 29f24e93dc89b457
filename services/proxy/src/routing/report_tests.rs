#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use bytes::Bytes;
use maas_bus::{Bus as _, InProcessBus};
use maas_types::UpstreamId;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::*;
use crate::routing::{FailureClass, RoutingSettings, UpstreamHealth};

const INSTANCE: [u8; 16] = [7; 16];
const PATIENCE: Duration = Duration::from_secs(30);

/// A reporter, and who listens to it.
struct World {
    process: Process,
    reports: mpsc::Receiver<Bytes>,
    health: Arc<UpstreamHealth>,
    listed: Arc<Mutex<bool>>,
}

impl World {
    async fn start() -> Self {
        let process = Process::new().unwrap();
        let bus = InProcessBus::new();
        let reports = bus.listen(UPSTREAM_HEALTH_SUBJECT).await.unwrap();
        let table = Arc::new(HealthTable::new(RoutingSettings::default(), Instant::now()));
        let health = table.upstream(UpstreamId::from_uuid(Uuid::from_u128(1)));
        let listed = Arc::new(Mutex::new(true));
        let one =
            Watched { model: "chat".to_owned(), upstream: "first".to_owned(), health: health.clone(), check: None };
        let is_listed = listed.clone();
        let watch_list: WatchList =
            Arc::new(move || if *is_listed.lock().unwrap() { vec![one.clone()] } else { Vec::new() });
        Reporter { bus: Arc::new(bus), instance: INSTANCE, table, watch_list }.spawn(&process).unwrap();
        Self { process, reports, health, listed }
    }

    fn open(&self) {
        (0..5).for_each(|_| self.health.begin(Instant::now()).failed(FailureClass::Connect, Instant::now()));
    }

    fn close(&self) {
        self.health.begin(Instant::now()).succeeded(Instant::now());
    }

    async fn next_report(&mut self) -> UpstreamHealthReport {
        let report = tokio::time::timeout(PATIENCE, self.reports.recv()).await.unwrap().unwrap();
        UpstreamHealthReport::decode(report).unwrap()
    }

    /// Waits for a report of this circuit.
    async fn reported(&mut self, circuit: Circuit) -> UpstreamReport {
        loop {
            let mut report = self.next_report().await;
            let upstream = report.upstreams.pop().unwrap();
            if upstream.circuit() == circuit {
                return upstream;
            }
        }
    }

    fn gauge(&self) -> Option<String> {
        let text = self.process.metrics.render().unwrap();
        let line = text.lines().find(|line| line.starts_with("maas_proxy_upstream_circuit_open{"));
        line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_circuit_is_told_at_once_and_in_words() {
    let mut world = World::start().await;
    world.open();
    let began = tokio::time::Instant::now();
    let upstream = world.reported(Circuit::Open).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(upstream.upstream_id, Uuid::from_u128(1).as_bytes()[..]);
    assert_eq!((upstream.consecutive_failures, upstream.last_failure.as_str()), (5, "connect"));
    assert!(upstream.open_until_ms > upstream.last_failure_ms && upstream.last_success_ms == 0);
    assert_eq!(upstream.check_passed, None);
}

#[tokio::test(start_paused = true)]
async fn without_any_change_the_report_comes_every_five_seconds() {
    let mut world = World::start().await;
    world.close();
    world.next_report().await;
    let began = tokio::time::Instant::now();
    let report = world.next_report().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(report.instance, INSTANCE[..]);
    assert!(report.sent_at_ms > 0);
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_at_most_five_reports_a_second() {
    let mut world = World::start().await;
    let mut heard = 0;
    for _ in 0..100 {
        world.open();
        world.close();
        tokio::time::sleep(Duration::from_millis(10)).await;
        heard += usize::from(world.reports.try_recv().is_ok());
    }
    assert!((3..=6).contains(&heard), "{heard} reports in a second");
}

#[tokio::test(start_paused = true)]
async fn the_metric_shows_the_circuit_until_the_upstream_leaves_the_catalogue() {
    let mut world = World::start().await;
    world.open();
    world.reported(Circuit::Open).await;
    assert_eq!(world.gauge().as_deref(), Some("1"));
    world.close();
    world.reported(Circuit::Closed).await;
    assert_eq!(world.gauge().as_deref(), Some("0"));
    assert_eq!(maas_runtime::metrics::undeclared(&world.process.metrics.render().unwrap()), Vec::<String>::new());
    *world.listed.lock().unwrap() = false;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(world.gauge(), None);
}

#[tokio::test(start_paused = true)]
async fn it_stops_softly() {
    let world = World::start().await;
    world.process.lifecycle.stop();
    world.process.lifecycle.stopped(PATIENCE).await.unwrap();
}

#[test]
fn a_large_catalogue_is_told_in_parts() {
    let upstreams: Vec<UpstreamReport> =
        (0..1_201_u32).map(|number| UpstreamReport { in_flight: number, ..UpstreamReport::default() }).collect();
    let parts = parts(upstreams.clone(), INSTANCE, 5);
    assert_eq!(parts.iter().map(|part| part.upstreams.len()).collect::<Vec<_>>(), [500, 500, 201]);
    assert!(parts.iter().all(|part| part.instance == INSTANCE[..] && part.sent_at_ms == 5));
    let told: Vec<UpstreamReport> = parts.into_iter().flat_map(|part| part.upstreams).collect();
    assert_eq!(told, upstreams);
}

#[test]
fn monotonic_times_are_told_on_the_wall_clock() {
    let now = Instant::now();
    assert_eq!(unix_ms(now + Duration::from_millis(1_500), now, 10_000), 11_500);
    assert_eq!(unix_ms(now, now + Duration::from_millis(1_500), 10_000), 8_500);
}
