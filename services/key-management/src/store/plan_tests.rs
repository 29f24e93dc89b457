//! How Postgres finds the pages of many keys: with its statistics of some 100,000 rows, each order and filter is to be
//! read from an index, and a page that is far away from an index, too.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use maas_store::{ConnectOptions, Database, DatabaseUrl};
use maas_testkit::{Postgres, TestDatabase};
use maas_types::{TeamId, Timestamp, UserId};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, QuerySelect as _, QueryTrait as _, Statement};
use uuid::Uuid;

use super::{
    EphemeralFilter, KeyFilter, KeyOrder, KeySort, ModelFilter,
    key_page::{list, page_query},
};
use crate::domain::{
    owner::{KeyScope, OwnerKind},
    status::ShownStatus,
};

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);
const ROWS: u32 = 100_000;
/// Owners have 20 keys each.
const OWNER: &str = "00000000-0000-0000-0000-000000000007";
const PAGE: u32 = 50;
/// Far above what an index needs, far below what reading all rows takes.
const SOON: Duration = Duration::from_millis(250);

/// Keys made one a second until now: 1 in 100 of a service account, of a team, blocked, revoked, rotating, listing a
/// model; half of them labelled `stage:test`.
fn fill() -> String {
    let start = NOW.unix_ms() - i64::from(ROWS) * 1_000;
    format!(
        "INSERT INTO keys (id, version, public_id, secret_mac, pepper_version, name, description, owner_id, owner_kind, \
             team_id, all_models, labels, status, expires_at, created_at, updated_at, ephemeral, last_used_at, \
             previous_valid_until, previous_secret_mac, previous_pepper_version) \
         SELECT gen_random_uuid(), 1, LPAD(n::text, 16, '0'), SHA256(n::text::bytea), 1, 'Key ' || MD5(n::text), '', \
             ('00000000-0000-0000-0000-' || LPAD((n % ({ROWS} / 20))::text, 12, '0'))::uuid, \
             CASE WHEN n % 100 = 1 THEN 'service_account' ELSE 'user' END, \
             CASE WHEN n % 100 = 2 THEN '{OWNER}'::uuid END, n % 100 <> 5, '{{}}', \
             CASE n % 100 WHEN 3 THEN 'blocked' WHEN 4 THEN 'revoked' ELSE 'active' END, \
             CASE WHEN n % 10 = 0 THEN NULL ELSE {start} + n * 2000::bigint END, {start} + n * 1000::bigint, 0, FALSE, \
             CASE WHEN n % 2 = 0 THEN {start} + n * 1000::bigint END, \
             CASE WHEN n % 100 = 6 THEN {start} + n * 2000::bigint END, \
             CASE WHEN n % 100 = 6 THEN SHA256('x') END, CASE WHEN n % 100 = 6 THEN 1 END \
         FROM GENERATE_SERIES(1, {ROWS}) AS n"
    )
}

const FILL_MORE: [&str; 4] = [
    "INSERT INTO key_models (key_id, model) SELECT id, 'rare' FROM keys WHERE NOT all_models",
    "INSERT INTO key_labels (key_id, label, value) \
     SELECT id, 'stage', CASE WHEN ROW_NUMBER() OVER () % 2 = 0 THEN 'test' ELSE 'live' END FROM keys",
    "INSERT INTO key_labels (key_id, label, value) SELECT id, 'task', public_id FROM keys",
    "ANALYZE",
];

async fn many_keys() -> (Database, TestDatabase) {
    let place = Postgres::shared().await.unwrap().database().await.unwrap();
    let url = DatabaseUrl::parse(place.url()).unwrap();
    let options = ConnectOptions { url, schema: crate::SCHEMA, max_connections: 2 };
    let database = Database::connect(&options).await.unwrap();
    crate::migrate(&database).await.unwrap();
    for sql in [fill().as_str()].into_iter().chain(FILL_MORE) {
        database.writer().execute_unprepared(sql).await.unwrap();
    }
    (database, place)
}

fn everything() -> KeyFilter {
    KeyFilter { ephemeral: EphemeralFilter::Unended, ..KeyFilter::of(KeyScope::All) }
}

fn filters() -> Vec<(&'static str, KeyFilter)> {
    let id: Uuid = OWNER.parse().unwrap();
    let (user, team) = (UserId::from_uuid(id), TeamId::from_uuid(id));
    let labelled =
        |label: &str, value: &str| KeyFilter { labels: vec![(label.to_owned(), value.to_owned())], ..everything() };
    let of_status = |status| KeyFilter { status: Some(status), ..everything() };
    vec![
        ("everything", everything()),
        ("owner", KeyFilter { owner_id: Some(user), ..everything() }),
        ("team", KeyFilter { team_id: Some(team), ..everything() }),
        (
            "one's own and one's teams'",
            KeyFilter { visible: KeyScope::Limited { owners: vec![user], overseen_teams: vec![team] }, ..everything() },
        ),
        ("service accounts", KeyFilter { owner_kind: Some(OwnerKind::ServiceAccount), ..everything() }),
        ("active", of_status(ShownStatus::Active)),
        ("blocked", of_status(ShownStatus::Blocked)),
        ("revoked", of_status(ShownStatus::Revoked)),
        ("expired", of_status(ShownStatus::Expired)),
        ("rotating", of_status(ShownStatus::Rotating)),
        ("model", KeyFilter { model: Some(ModelFilter::Allowed("rare".to_owned())), ..everything() }),
        ("keys that name a model", KeyFilter { model: Some(ModelFilter::Named("rare".to_owned())), ..everything() }),
        ("frequent label", labelled("stage", "test")),
        ("rare label", labelled("task", "0000000000000042")),
        ("expires before", KeyFilter { expires_before: Some(NOW.minus(Duration::from_secs(1_000))), ..everything() }),
        ("unused since", KeyFilter { unused_since: Some(NOW.minus(Duration::from_secs(1_000))), ..everything() }),
        ("common text", KeyFilter { text: Some("key a".to_owned()), ..everything() }),
        ("ephemeral", KeyFilter { ephemeral: EphemeralFilter::Only, ..everything() }),
    ]
}

fn orders() -> [KeyOrder; 5] {
    let order = |by, descending| KeyOrder { by, descending };
    [
        KeyOrder::NEWEST_FIRST,
        order(KeySort::Name, false),
        order(KeySort::Name, true),
        order(KeySort::LastUsed, true),
        order(KeySort::Expiry, false),
    ]
}

async fn plan(database: &Database, filter: &KeyFilter, order: KeyOrder, after: Option<&super::KeyPosition>) -> String {
    let page = page_query(filter, order, after, NOW).limit(u64::from(PAGE)).build(DatabaseBackend::Postgres);
    let explain = Statement::from_string(DatabaseBackend::Postgres, format!("EXPLAIN {page}"));
    let rows = database.reader().query_all_raw(explain).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    lines.join("\n")
}

#[tokio::test]
async fn every_page_is_read_from_an_index() {
    let (database, _place) = many_keys().await;
    for (name, filter) in filters() {
        let plan = plan(&database, &filter, KeyOrder::NEWEST_FIRST, None).await;
        assert!(plan.contains("Index") && !plan.contains("Seq Scan on keys"), "{name}:\n{plan}");
        let started = std::time::Instant::now();
        list(database.reader(), &filter, KeyOrder::NEWEST_FIRST, None, PAGE, NOW).await.unwrap();
        assert!(started.elapsed() < SOON, "{name} took {:?}:\n{plan}", started.elapsed());
    }
    for order in orders() {
        let first = plan(&database, &everything(), order, None).await;
        assert!(first.contains("Index Scan") && !first.contains("Sort"), "{order:?}:\n{first}");
        let (_, next) = list(database.reader(), &everything(), order, None, PAGE, NOW).await.unwrap();
        let second = plan(&database, &everything(), order, next.as_ref()).await;
        assert!(second.contains("Index Cond") && !second.contains("Sort"), "{order:?}:\n{second}");
    }
}
