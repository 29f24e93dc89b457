use serde_json::json;

use crate::world::World;

#[actix_web::test]
async fn the_lives_of_keys_are_shown() {
    let world = World::on_sqlite().await;
    let user = world.user();
    let presets = world.get(user, "/api/v1/keys/presets").await.body;
    let expected = json!({
        "expires_in": ["1d", "7d", "30d", "90d", "365d"],
        "default": "90d",
        "maximum": "365d",
        "never_allowed": false,
        "ephemeral_maximum": "1h",
        "rotation_overlap_maximum": "30d",
    });
    assert_eq!(presets, expected);
    for expires_in in presets["expires_in"].as_array().unwrap() {
        world.create(user, json!({"name": "x", "expires_in": expires_in})).await;
    }
}
