use actix_web::http::Method;
use serde_json::{Value, json};

use crate::world::{As, World, on_both_databases};

on_both_databases! {
    users_are_created_listed_and_read,
    lists_are_paged_and_filtered,
    bad_input_changes_nothing,
    a_stale_etag_is_refused,
    the_last_admin_stays,
    of_two_admins_who_demote_each_other_one_stays,
    a_password_reset_ends_sessions_and_tokens,
    users_and_readonly_admins_cannot_manage_users,
    lists_have_orders_and_filters_of_their_own,
    of_a_deleted_user_only_the_id_is_left,
    the_last_admin_cannot_be_deleted,
    an_admin_ends_somebodys_sessions,
    invitations_name_a_provider_and_one_person,
}

async fn users_are_created_listed_and_read(world: World) {
    let admin = world.admin().await;
    let created =
        world.post("/api/v1/users", &admin, json!({"user_name": "ada", "display_name": "Ada Lovelace"})).await;
    assert_eq!(created.status, 201);
    let user = &created.body["user"];
    assert_eq!((&user["role"], &user["issuer"], &user["status"]), (&json!("user"), &json!("local"), &json!("active")));
    let location = created.header("location");
    assert_eq!(location, format!("/api/v1/users/{}", user["id"].as_str().unwrap()));
    let read = world.get(location, &admin).await;
    assert_eq!((&read.body["id"], &read.body["groups"], read.header("etag")), (&user["id"], &json!([]), "\"1\""));
    assert_eq!(world.post("/api/v1/users", &admin, json!({"user_name": "ada"})).await.code(), "already_exists");
    assert_eq!(world.get("/api/v1/users/usr_00000000000000000000000000000000", &admin).await.status, 404);
    assert_eq!(world.get("/api/v1/users/ada", &admin).await.status, 404);
}

fn names(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|user| user["user_name"].as_str().unwrap()).collect()
}

async fn lists_are_paged_and_filtered(world: World) {
    let admin = world.admin().await;
    for (n, role) in ["user", "user", "admin-readonly"].into_iter().enumerate() {
        world.clock.advance(std::time::Duration::from_millis(1));
        let body = json!({"user_name": format!("ada%_{n}"), "display_name": format!("Ada {n}"), "role": role});
        assert_eq!(world.post("/api/v1/users", &admin, body).await.status, 201);
    }
    let first = world.get("/api/v1/users?limit=3", &admin).await.body;
    assert_eq!(names(&first), ["ada%_2", "ada%_1", "ada%_0"]);
    let next = format!("/api/v1/users?limit=3&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = world.get(&next, &admin).await.body;
    assert_eq!((names(&second), &second["next_cursor"]), (vec!["admin"], &json!(null)));
    for (filter, expected) in [
        ("role=admin-readonly", vec!["ada%_2"]),
        ("role=user&q=ADA%201", vec!["ada%_1"]),
        ("q=%25_2", vec!["ada%_2"]),
        ("q=%25%25", vec![]),
        ("status=disabled", vec![]),
        ("q=dmi&status=active", vec!["admin"]),
    ] {
        assert_eq!(names(&world.get(&format!("/api/v1/users?{filter}"), &admin).await.body), expected, "{filter}");
    }
}

async fn bad_input_changes_nothing(world: World) {
    let admin = world.admin().await;
    for (query, pointer) in [
        ("limit=0", "?limit"),
        ("limit=1001", "?limit"),
        ("limit=ten", "?limit"),
        ("cursor=nonsense", "?cursor"),
        ("role=king", "?role"),
        ("status=deleted", "?status"),
        ("sort=age", "?sort"),
        // A position of another order, and one that no list gave.
        (
            "sort=user_name&cursor=eyJjcmVhdGVkX2F0X21zIjoxLCJpZCI6IjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMCJ9",
            "?cursor",
        ),
        ("sort=user_name&cursor=eyJ1c2VyX25hbWUiOiJcdTAwMDAifQ", "?cursor"),
        ("q=%00", "?q"),
        ("colour=red", "?colour"),
    ] {
        let refused = world.get(&format!("/api/v1/users?{query}"), &admin).await;
        assert_eq!((refused.status.as_u16(), refused.pointer()), (400, pointer), "{query}: {}", refused.body);
    }
    for (body, pointer) in [
        (json!({"user_name": ""}), "/user_name"),
        (json!({"user_name": "a".repeat(256)}), "/user_name"),
        (json!({"user_name": "a\u{7}b"}), "/user_name"),
        (json!({"user_name": "a", "display_name": "b".repeat(256)}), "/display_name"),
        (json!({"user_name": "a", "role": "king"}), "/role"),
        (json!({"user_name": "a", "colour": "red"}), "/colour"),
    ] {
        let refused = world.post("/api/v1/users", &admin, body.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.pointer()), (400, pointer), "{body}: {}", refused.body);
    }
    let nested = format!(r#"{{"user_name":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let large = format!(r#"{{"user_name":"{}"}}"#, "a".repeat(2 << 20));
    for (payload, content_type, status) in
        [(nested, "application/json", 400), (large, "application/json", 413), ("x".to_owned(), "text/plain", 415)]
    {
        let request = world.request(Method::POST, "/api/v1/users", &admin);
        let request = request.insert_header(("content-type", content_type)).set_payload(payload);
        assert_eq!(world.send(request).await.status.as_u16(), status);
    }
    assert_eq!(names(&world.get("/api/v1/users", &admin).await.body), ["admin"]);
}

async fn a_stale_etag_is_refused(world: World) {
    let (id, _) = world.person("ada", "user").await;
    let (path, admin) = (format!("/api/v1/users/{id}"), world.admin().await);
    let etag = world.get(&path, &admin).await.header("etag").to_owned();
    let rename = |etag: &str, name: &str| {
        let request = world.request(Method::PATCH, &path, &admin).insert_header(("if-match", etag.to_owned()));
        world.send(request.set_json(json!({"display_name": name})))
    };
    let renamed = rename(&etag, "Ada").await;
    assert_eq!((renamed.status.as_u16(), &renamed.body["display_name"]), (200, &json!("Ada")));
    assert_ne!(renamed.header("etag"), etag);
    assert_eq!(rename(&etag, "Eve").await.code(), "etag_mismatch");
    assert_eq!(rename("nonsense", "Eve").await.status, 400);
    assert_eq!(world.get(&path, &admin).await.body["display_name"], "Ada");
}

async fn the_last_admin_stays(world: World) {
    let (path, admin) = (format!("/api/v1/users/{}", world.admin.user_id), world.admin().await);
    let (deputy, _) = world.person("ada", "admin").await;
    let deputy = format!("/api/v1/users/{deputy}");
    assert_eq!(world.patch(&deputy, &admin, json!({"status": "disabled"})).await.status, 200);
    for change in [json!({"role": "user"}), json!({"status": "disabled"})] {
        let refused = world.patch(&path, &admin, change).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (409, "conflict"));
    }
    assert_eq!(world.patch(&deputy, &admin, json!({"status": "active"})).await.status, 200);
    assert_eq!(world.patch(&path, &admin, json!({"role": "user"})).await.status, 200);
}

async fn of_two_admins_who_demote_each_other_one_stays(world: World) {
    let (deputy, session) = world.person("ada", "admin").await;
    let (path, other) = (format!("/api/v1/users/{}", world.admin.user_id), format!("/api/v1/users/{deputy}"));
    let admin = world.admin().await;
    let demote = json!({"role": "user"});
    let (first, second) =
        tokio::join!(world.patch(&path, &session, demote.clone()), world.patch(&other, &admin, demote));
    // The slower one is refused: it is no admin any more, or would be the last.
    let refused = [&first, &second].into_iter().filter(|answer| answer.status != 200).collect::<Vec<_>>();
    assert_eq!(refused.len(), 1, "{first:?} {second:?}");
    assert!(matches!(refused[0].status.as_u16(), 403 | 409), "{refused:?}");
}

async fn a_password_reset_ends_sessions_and_tokens(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let token =
        world.post("/api/v1/tokens", &ada, json!({"aud": "control"})).await.body["token"].as_str().unwrap().to_owned();
    let reset = world.post(&format!("/api/v1/users/{id}/reset-password"), &world.admin().await, json!({})).await;
    assert_eq!(reset.status, 200);
    for who in [ada, As::Token(token)] {
        assert_eq!(world.get("/api/v1/me", &who).await.status, 401);
    }
    let signed_in = world.sign_in("ada", reset.body["one_time_password"].as_str().unwrap()).await;
    assert_eq!(signed_in.body["must_change_password"], true);
}

async fn users_and_readonly_admins_cannot_manage_users(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let (_, eve) = world.person("eve", "admin-readonly").await;
    let path = format!("/api/v1/users/{id}");
    for (who, reads) in [(&ada, 403), (&eve, 200)] {
        assert_eq!(world.get("/api/v1/users", who).await.status.as_u16(), reads);
        assert_eq!(world.get(&path, who).await.status.as_u16(), reads);
        assert_eq!(world.get("/api/v1/audit", who).await.status.as_u16(), reads);
        assert_eq!(world.post("/api/v1/users", who, json!({"user_name": "x"})).await.status, 403);
        assert_eq!(world.patch(&path, who, json!({"role": "admin"})).await.status, 403);
        assert_eq!(world.post(&format!("{path}/reset-password"), who, json!({})).await.status, 403);
    }
}

async fn lists_have_orders_and_filters_of_their_own(world: World) {
    let admin = world.admin().await;
    for name in ["cy", "ada", "ben"] {
        world.clock.advance(std::time::Duration::from_millis(5));
        world.person(name, "user").await;
    }
    world.post("/api/v1/service-accounts", &admin, json!({"name": "robot"})).await;
    let team = world.post("/api/v1/teams", &admin, json!({"name": "search"})).await;
    let members = format!("{}/members", team.header("location"));
    assert_eq!(world.post(&members, &admin, json!({"user_name": "cy", "role": "viewer"})).await.status, 201);
    let in_team = format!("team_id={}", team.body["id"].as_str().unwrap());
    for (query, expected) in [
        ("sort=user_name&kind=user", vec!["ada", "admin", "ben", "cy"]),
        ("sort=last_sign_in_at", vec!["ben", "ada", "cy", "robot", "admin"]),
        ("signed_in_before=2000-01-01T00:00:00Z&sort=user_name", vec!["admin", "robot"]),
        ("signed_in_from=2000-01-01T00:00:00Z&provider=local&sort=user_name", vec!["ada", "ben", "cy"]),
        ("kind=service_account", vec!["robot"]),
        (in_team.as_str(), vec!["cy"]),
        ("group=nobodys", vec![]),
    ] {
        assert_eq!(names(&world.get(&format!("/api/v1/users?{query}"), &admin).await.body), expected, "{query}");
        // The same in pages of one.
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        while paged.len() <= expected.len() {
            let page = world.get(&format!("/api/v1/users?{query}&limit=1{cursor}"), &admin).await.body;
            paged.extend(names(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, expected, "{query}");
    }
}

async fn of_a_deleted_user_only_the_id_is_left(world: World) {
    let admin = world.admin().await;
    let (id, ada) = world.person("ada", "user").await;
    let token = world.post("/api/v1/tokens", &ada, json!({})).await.body["token"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{id}");
    let stale = world.request(Method::DELETE, &path, &admin).insert_header(("if-match", "\"1\""));
    assert_eq!(world.send(stale).await.code(), "etag_mismatch");
    let deleted = world.delete(&path, &admin).await;
    assert_eq!((deleted.status.as_u16(), &deleted.body["id"]), (200, &json!(id)));
    for who in [&ada, &As::Token(token)] {
        assert_eq!(world.get("/api/v1/me", who).await.status, 401);
    }
    assert_eq!(world.sign_in("ada", crate::world::PASSWORD).await.code(), "invalid_credentials");
    assert_eq!(world.get(&path, &admin).await.status, 404);
    assert_eq!(world.patch(&path, &admin, json!({"display_name": "x"})).await.status, 404);
    assert_eq!(world.delete(&path, &admin).await.status, 404);
    assert_eq!(names(&world.get("/api/v1/users", &admin).await.body), ["admin"]);
    // The name is free for somebody new.
    assert_eq!(world.post("/api/v1/users", &admin, json!({"user_name": "ada"})).await.status, 201);
}

async fn the_last_admin_cannot_be_deleted(world: World) {
    let path = format!("/api/v1/users/{}", world.admin.user_id);
    assert_eq!(world.delete(&path, &world.admin().await).await.code(), "conflict");
    let (_, deputy) = world.person("ada", "admin").await;
    assert_eq!(world.delete(&path, &deputy).await.status, 200);
}

async fn an_admin_ends_somebodys_sessions(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let path = format!("/api/v1/users/{id}/sessions");
    assert_eq!(world.delete(&path, &ada).await.status, 403);
    assert_eq!(world.delete(&path, &world.admin().await).await.body["ended"], 1);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 401);
    let nobody = "/api/v1/users/usr_00000000000070008000000000000009/sessions";
    assert_eq!(world.delete(nobody, &world.admin().await).await.status, 404);
}

async fn invitations_name_a_provider_and_one_person(world: World) {
    let admin = world.admin().await;
    for (body, pointer) in [
        (json!({"provider": "local", "subject": "1"}), "/provider"),
        (json!({"provider": "corp", "subject": "1", "provider_user_name": "ada"}), "/subject"),
        (json!({"provider": "corp"}), "/subject"),
        (json!({"provider": "corp", "subject": " "}), "/subject"),
        (json!({"provider": "corp", "provider_user_name": "a\u{0}"}), "/provider_user_name"),
    ] {
        let refused = world.post("/api/v1/users/invite", &admin, body.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.pointer()), (400, pointer), "{body}: {}", refused.body);
    }
}
