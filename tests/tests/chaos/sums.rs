//! The sums against what they are the sum of, in the database itself.

use maas_testkit::TestDatabase;

const MEASURES: [&str; 11] = [
    "requests",
    "unpriced_requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "audio_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "audio_output_tokens",
    "images",
    "cost_nanos",
];

const QUARTER_HOUR: &str = "admitted_at / 900000 * 900000 AS bucket_start";
const HOUR: &str = "admitted_at / 3600000 * 3600000 AS bucket_start";
const MONTH: &str = "to_char(to_timestamp(admitted_at / 1000) AT TIME ZONE 'UTC', 'YYYYMM')::int AS of_month";
const COMMON: &str = "team_id, organisation_id, cost_centre, model, upstream, operation, outcome, currency";
const CALLER: &str = "key_id, user_id";

/// A table of sums, its time, how that is computed from an entry, and the rest of its key.
const TABLES: [(&str, &str, &str, &[&str]); 6] = [
    ("usage_rollups", "bucket_start", QUARTER_HOUR, &[CALLER, COMMON]),
    ("usage_overview", "bucket_start", QUARTER_HOUR, &[COMMON]),
    ("usage_overview_hourly", "bucket_start", HOUR, &[COMMON]),
    ("usage_daily", "day", "day", &[CALLER, COMMON]),
    ("usage_overview_daily", "day", "day", &[COMMON]),
    ("usage_ledger", "of_month", MONTH, &[CALLER, "team_id, cost_centre, model, currency"]),
];

/// Tables with latency bins: each entry with a duration is in one of them.
const BINNED: [&str; 4] = ["usage_daily", "usage_overview", "usage_overview_hourly", "usage_overview_daily"];
const BINS: usize = 24;

/// Every row of every table of sums is the sum of its entries, and no entry is left out. To the nano-unit.
pub fn check(database: &TestDatabase) {
    for (table, time, time_of_entry, dimensions) in TABLES {
        let dimensions = dimensions.join(", ");
        let sums = MEASURES.map(|measure| format!("sum({measure})::bigint AS {measure}")).join(", ");
        let differences = format!(
            "WITH booked AS (SELECT {time_of_entry}, {dimensions}, {sums} FROM usage_ingest.usage_entries \
             GROUP BY {time}, {dimensions}), \
             summed AS (SELECT {time}, {dimensions}, {sums} FROM usage_ingest.{table} GROUP BY {time}, {dimensions}) \
             (SELECT 'booked', * FROM (TABLE booked EXCEPT TABLE summed) AS missing) UNION ALL \
             (SELECT 'summed', * FROM (TABLE summed EXCEPT TABLE booked) AS wrong)"
        );
        assert_eq!(query(database, &differences), "", "{table} differs from its entries");
    }
    for table in BINNED {
        for (prefix, duration) in [("d", "completed_us"), ("f", "first_byte_us")] {
            let bins: Vec<_> = (0..BINS).map(|bin| format!("{prefix}{bin:02}")).collect();
            let in_bins = format!("SELECT coalesce(sum({}), 0) FROM usage_ingest.{table}", bins.join(" + "));
            let entries = format!("SELECT count({duration}) FROM usage_ingest.usage_entries");
            assert_eq!(query(database, &in_bins), query(database, &entries), "{duration} in {table}");
        }
    }
}

fn query(database: &TestDatabase, sql: &str) -> String {
    database.execute(sql).expect("the database answers")
}
