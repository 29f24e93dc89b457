//! How Postgres finds the pages of many users: with its statistics of 100,000 rows, each order and each filter that
//! picks few is to be read from an index, and a page that is far away from an index, too.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use maas_store::{ConnectOptions, Database, DatabaseUrl};
use maas_testkit::{Postgres, TestDatabase};
use maas_types::{PageLimit, Role, TeamId, Timestamp};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, QuerySelect as _, QueryTrait as _, Statement};
use uuid::Uuid;

use super::{UserFilter, UserOrder, UserPosition, list, page};
use crate::domain::user_status::{UserKind, UserStatus};

const ROWS: u32 = 100_000;
const TEAM: &str = "00000000-0000-7000-8000-000000000007";
/// Far above what an index needs, and what looking through the names takes.
const SOON: Duration = Duration::from_millis(250);

/// Of 1,000 people one is an admin, disabled, from elsewhere, a service account, in the rare group and in the team. Half
/// of them have signed in. All are in the common group.
fn fill() -> [String; 6] {
    let every =
        |nth: u32, rare: &str, common: &str| format!("CASE WHEN n % 1000 = {nth} THEN '{rare}' ELSE '{common}' END");
    [
        format!(
            "INSERT INTO users (id, version, user_name, display_name, issuer, subject, provider_id, kind, status, role, \
                 must_change_password, tokens_valid_from_ms, created_at, updated_at, last_sign_in_at, search_text) \
             SELECT gen_random_uuid(), 1, 'user ' || MD5(n::text), 'Person ' || n, 'https://corp.example', n::text, {}, {}, \
                 {}, {}, false, 0, n * 1000::bigint, 0, CASE WHEN n % 2 = 0 THEN n * 2000::bigint END, \
                 'user ' || MD5(n::text) || ' person ' || n \
             FROM GENERATE_SERIES(1, {ROWS}) AS n",
            every(1, "elsewhere", "corp"),
            every(2, "service_account", "user"),
            every(3, "disabled", "active"),
            every(4, "admin", "user"),
        ),
        "INSERT INTO user_groups SELECT id, 'common' FROM users".to_owned(),
        "INSERT INTO user_groups SELECT id, 'rare' FROM users WHERE subject::bigint % 1000 = 5".to_owned(),
        format!("INSERT INTO teams VALUES ('{TEAM}', 1, 'search', '', '', (SELECT id FROM organisations), 0, 0, NULL)"),
        format!(
            "INSERT INTO team_members SELECT '{TEAM}', id, 'manual', 'member', 0 FROM users WHERE subject::bigint % 1000 = 6"
        ),
        "ANALYZE".to_owned(),
    ]
}

async fn many_users() -> (Database, TestDatabase) {
    let place = Postgres::shared().await.unwrap().database().await.unwrap();
    let url = DatabaseUrl::parse(place.url()).unwrap();
    let options = ConnectOptions { url, schema: crate::SCHEMA, max_connections: 2 };
    let database = Database::connect(&options).await.unwrap();
    crate::migrate(&database).await.unwrap();
    for sql in fill() {
        database.writer().execute_unprepared(&sql).await.unwrap();
    }
    (database, place)
}

fn filters() -> Vec<(&'static str, UserFilter)> {
    let all = UserFilter::default;
    vec![
        ("everybody", all()),
        ("admins", UserFilter { role: Some(Role::Admin), ..all() }),
        ("disabled", UserFilter { status: Some(UserStatus::Disabled), ..all() }),
        ("invited", UserFilter { status: Some(UserStatus::Invited), ..all() }),
        ("service accounts", UserFilter { kind: Some(UserKind::ServiceAccount), ..all() }),
        ("provider", UserFilter { provider_id: Some("elsewhere".to_owned()), ..all() }),
        ("rare group", UserFilter { group: Some("rare".to_owned()), ..all() }),
        ("common group", UserFilter { group: Some("common".to_owned()), ..all() }),
        ("team", UserFilter { team_id: Some(TeamId::from_uuid(TEAM.parse::<Uuid>().unwrap())), ..all() }),
        ("recent", UserFilter { last_sign_in_from: Some(Timestamp::from_unix_ms(199_900_000)), ..all() }),
        ("common name", UserFilter { text: Some("person".to_owned()), ..all() }),
    ]
}

async fn plan(database: &Database, filter: &UserFilter, order: UserOrder, after: Option<UserPosition>) -> String {
    let query = page(filter, order, after).limit(51).build(DatabaseBackend::Postgres);
    let explain = Statement::from_string(DatabaseBackend::Postgres, format!("EXPLAIN {query}"));
    let rows = database.reader().query_all_raw(explain).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    lines.join("\n")
}

#[tokio::test]
async fn every_page_of_users_is_read_from_an_index() {
    let (database, _place) = many_users().await;
    for (name, filter) in filters() {
        let plan = plan(&database, &filter, UserOrder::Created, None).await;
        assert!(plan.contains("Index") && !plan.contains("Seq Scan on users"), "{name}:\n{plan}");
        let started = Instant::now();
        list(database.reader(), &filter, UserOrder::Created, PageLimit::DEFAULT, None).await.unwrap();
        assert!(started.elapsed() < SOON, "{name} took {:?}:\n{plan}", started.elapsed());
    }
    // Only a name that hardly anybody has is looked for in all rows, which is bounded by their number.
    let nobody = UserFilter { text: Some("nobody".to_owned()), ..UserFilter::default() };
    let started = Instant::now();
    let found = list(database.reader(), &nobody, UserOrder::Created, PageLimit::DEFAULT, None).await.unwrap();
    assert!(found.is_empty() && started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test]
async fn every_order_goes_on_where_the_page_before_ended() {
    let (database, _place) = many_users().await;
    let everybody = UserFilter::default();
    for order in [UserOrder::Created, UserOrder::Name, UserOrder::LastSignIn] {
        let first = list(database.reader(), &everybody, order, PageLimit::DEFAULT, None).await.unwrap();
        let after = first.last().map(|user| order.position(user));
        for plan in [plan(&database, &everybody, order, None).await, plan(&database, &everybody, order, after).await] {
            assert!(plan.contains("Index Scan") && !plan.contains("Sort"), "{order:?}:\n{plan}");
        }
    }
}
