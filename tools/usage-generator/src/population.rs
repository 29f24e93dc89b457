//! Who uses what: a made-up organisation in which few people do most of the calling, as everywhere.

use bytes::Bytes;
use maas_events::usage::{Quality, Tokens, UsageEvent};
use maas_types::{EventId, Timestamp};
use uuid::Uuid;

const MODELS: u64 = 40;
const TEAMS: u64 = 100;
const NANOS_PER_INPUT_TOKEN: u64 = 500;
const NANOS_PER_OUTPUT_TOKEN: u64 = 1_500;

pub struct Population {
    users: u64,
    organisation: Uuid,
    price: Uuid,
}

impl Population {
    pub fn new(users: u32) -> Self {
        Self { users: u64::from(users), organisation: id_of("organisation", 0), price: id_of("price", 0) }
    }

    /// The event of one request that has ended now. Everything about it follows from `draw`, any number.
    pub fn event(&self, sequence: u64, draw: u64, now: Timestamp) -> UsageEvent {
        let user = self.pick_user(draw);
        let (team, model) = (user % TEAMS, (user + (mixed(draw) >> 40) % 2) % MODELS);
        let (input, output) = (50 + mixed(draw + 1) % 2_000, 1 + mixed(draw + 2) % 500);
        let duration_us = 50_000 + mixed(draw + 3) % 4_000_000;
        let admitted = Timestamp::from_unix_ms(now.unix_ms() - i64::try_from(duration_us / 1_000).unwrap_or_default());
        let failed = mixed(draw + 4).is_multiple_of(50);
        UsageEvent {
            id: bytes(EventId::new_at(admitted).uuid()),
            sequence,
            key_id: bytes(id_of("key", user * 2 + mixed(draw + 5) % 2)),
            user_id: bytes(id_of("user", user)),
            team_id: bytes(id_of("team", team)),
            organisation_id: bytes(self.organisation),
            cost_centre: format!("cc-{team}"),
            model_id: bytes(id_of("model", model)),
            model: format!("model-{model}"),
            catalogue_revision: 1,
            upstream_id: bytes(id_of("upstream", model)),
            upstream: format!("gpu-{model}"),
            provider: "vllm".to_owned(),
            operation: "chat".to_owned(),
            stream: draw.is_multiple_of(2),
            admitted_at_ms: admitted.unix_ms(),
            first_byte_us: Some(duration_us / 4),
            completed_us: Some(duration_us),
            tokens: Some(Tokens { input, output, ..Tokens::default() }),
            quality: Quality::Exact.into(),
            outcome: if failed { "upstream_error" } else { "success" }.to_owned(),
            status: if failed { 502 } else { 200 },
            price_id: bytes(self.price),
            cost_nanos: i64::try_from(input * NANOS_PER_INPUT_TOKEN + output * NANOS_PER_OUTPUT_TOKEN)
                .unwrap_or_default(),
            currency: "USD".to_owned(),
            request_id: format!("req-{draw:016x}"),
            ..UsageEvent::default()
        }
    }

    /// The square of an even draw: a tenth of the users makes a third of the requests.
    fn pick_user(&self, draw: u64) -> u64 {
        let even = (mixed(draw) >> 11) as f64 / (1_u64 << 53) as f64;
        ((even * even) * self.users as f64) as u64
    }
}

/// The same for the same name and number, in every run.
fn id_of(what: &str, number: u64) -> Uuid {
    let seed = what
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    Uuid::from_u64_pair(mixed(seed), mixed(seed ^ number))
}

/// splitmix64: evenly spread, and nothing else is asked of it.
fn mixed(number: u64) -> u64 {
    let mut value = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn bytes(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_users_do_most_of_the_calling() {
        let population = Population::new(1_000);
        let busiest = (0..10_000).filter(|draw| population.pick_user(*draw) < 100).count();
        assert!((2_800..3_600).contains(&busiest), "{busiest}");
    }
}
