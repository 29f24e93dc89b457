//! What key-management hears of keys in use.

use maas_bus::Bus as _;
use maas_events::{
    state::{KeyStatus, KeyUses},
    topic::KEY_USES_SUBJECT,
};
use prost::Message as _;

use crate::{
    http::PATIENCE,
    world::{CHAT, World, chat_body},
};

#[tokio::test]
async fn a_used_key_is_told_with_its_time_and_address() {
    let world = World::start().await;
    let mut reports = world.bus.listen(KEY_USES_SUBJECT).await.unwrap();
    let blocked = world.add_key(|state| state.status = KeyStatus::Blocked.into()).await;
    let refused = world.request("POST", CHAT).key(blocked.expose()).body(chat_body("chat", "").to_string());
    assert_eq!(refused.send().await.error().1, "key_blocked");
    let before = world.process.clock.now().unix_ms();
    for _ in 0..3 {
        assert_eq!(world.chat("chat", "").send().await.status, 200);
    }
    let report = tokio::time::timeout(PATIENCE, reports.recv()).await.unwrap().unwrap();
    let uses = KeyUses::decode(report).unwrap().uses;
    assert_eq!(uses.len(), 1, "the key that was refused is not in use: {uses:?}");
    assert_eq!((&uses[0].key_id, uses[0].address.as_str()), (&world.key_state.id, "127.0.0.1"));
    assert!(uses[0].at_ms >= before, "{} {before}", uses[0].at_ms);
}
