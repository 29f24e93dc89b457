-- A year's ledger in minutes: sums of :summed events over the last 90 days, and the newest of them, about :raw, as single
-- events. Run by bench-ingest.sh on empty tables. Every sum is equal to what the tables below it add up to, and each
-- single event to its share of a quarter hour's row.
--
-- Ids are md5 of a name and a number, as bench-questions.py knows them.
\set days 90
\set keys 1000
SET client_min_messages = warning;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET work_mem = '1GB';
-- One draw for all runs.
SELECT setseed(0.25);

-- Who calls what: one row for each key, model and outcome, with the mean number of requests in a quarter hour. The busiest
-- tenth of the keys makes a third of the requests.
CREATE TEMP TABLE population AS
SELECT md5('key-' || key)::uuid AS key_id, md5('user-' || key % 500)::uuid AS user_id, md5('team-' || key % 100)::uuid AS team_id,
    md5('organisation-0')::uuid AS organisation_id, 'cc-' || key % 100 AS cost_centre, 'model-' || key % 40 AS model,
    'gpu-' || key % 40 AS upstream, 'chat'::text AS operation, outcome, 'USD'::text AS currency, key,
    :summed / (:days * 96.0) * (sqrt((key + 1) / :keys::float8) - sqrt(key / :keys::float8)) * share AS mean_requests,
    CASE outcome WHEN 'success' THEN 400 + key % 700 ELSE 0 END AS input_tokens,
    CASE outcome WHEN 'success' THEN 40 + key % 200 ELSE 0 END AS output_tokens,
    -- The bin of the latency histogram that most requests fall into, and of the first token.
    10 + key % 8 AS duration_bin, 5 + key % 8 AS first_bin
FROM generate_series(0, :keys - 1) AS key, (VALUES ('success', 0.98), ('upstream_error', 0.02)) AS outcomes (outcome, share);
ANALYZE population;

CREATE TEMP TABLE quarters AS
SELECT bucket_start, (bucket_start / 86400000)::int AS day,
    1 + 0.8 * sin(2 * pi() * (bucket_start % 86400000) / 86400000.0) AS activity
FROM (SELECT (extract(epoch FROM now())::bigint / 900 - number) * 900000 AS bucket_start
      FROM generate_series(1, :days * 96) AS number) AS starts;

\timing on
INSERT INTO usage_rollups (bucket_start, key_id, user_id, team_id, organisation_id, cost_centre, model, upstream, operation, outcome,
    currency, requests, unpriced_requests, input_tokens, cached_input_tokens, cache_write_input_tokens, audio_input_tokens,
    output_tokens, reasoning_output_tokens, audio_output_tokens, images, cost_nanos)
SELECT bucket_start, key_id, user_id, team_id, organisation_id, cost_centre, model, upstream, operation, outcome, currency,
    requests, 0, requests * input_tokens, 0, 0, 0, requests * output_tokens, 0, 0, 0,
    requests * (input_tokens * 500 + output_tokens * 1500)
FROM (SELECT *, floor(mean_requests * activity + random())::bigint AS requests FROM quarters CROSS JOIN population) AS drawn
WHERE requests > 0
ORDER BY bucket_start, key_id;

-- Each requests falls into one of two bins, seven of ten into the first.
CREATE TEMP VIEW binned AS
SELECT rollup.*, duration_bin, first_bin, requests * 7 / 10 AS in_first, requests - requests * 7 / 10 AS in_second
FROM usage_rollups AS rollup
JOIN population USING (key_id, outcome);

CREATE FUNCTION pg_temp.bins(letter text, bin text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format(
        'sum(CASE %2$s WHEN %1$s THEN in_first WHEN %1$s - 2 THEN in_second ELSE 0 END)::int', number, bin), ', ' ORDER BY number)
    FROM generate_series(0, 23) AS number
$$;
CREATE FUNCTION pg_temp.bin_columns() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(letter || lpad(number::text, 2, '0'), ', ' ORDER BY letter, number)
    FROM unnest(ARRAY['d', 'f']) AS letter, generate_series(0, 23) AS number
$$;
-- fill_sums(table, columns that are the key, what they are computed from)
CREATE FUNCTION pg_temp.fill_sums(target text, columns text, expressions text[], with_bins boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    measures text := 'requests, unpriced_requests, input_tokens, cached_input_tokens, cache_write_input_tokens, audio_input_tokens, '
        'output_tokens, reasoning_output_tokens, audio_output_tokens, images, cost_nanos';
    sums text := (SELECT string_agg(format('sum(%s)::bigint', trim(measure)), ', ' ORDER BY number)
                  FROM unnest(string_to_array(measures, ',')) WITH ORDINALITY AS listed (measure, number));
    sums_named text := (SELECT string_agg(format('sum(%1$s)::bigint AS %1$s', trim(measure)), ', ' ORDER BY number)
                        FROM unnest(string_to_array(measures, ',')) WITH ORDINALITY AS listed (measure, number));
    named text := (SELECT string_agg(format('%s AS %s', trim(expression), trim(name)), ', ' ORDER BY number)
                   FROM unnest(string_to_array(columns, ','), expressions) WITH ORDINALITY AS listed (name, expression, number));
BEGIN
    IF with_bins THEN
        measures := measures || ', ' || pg_temp.bin_columns();
        sums := sums || ', ' || pg_temp.bins('d', 'duration_bin') || ', ' || pg_temp.bins('f', 'first_bin');
    END IF;
    -- In two steps: what the bins are made of is summed before it is spread over 48 columns, which takes most of the time.
    EXECUTE format('CREATE TEMP TABLE narrow AS SELECT %s, duration_bin, first_bin, %s, sum(in_first)::bigint AS in_first, '
        'sum(in_second)::bigint AS in_second FROM binned GROUP BY %s, duration_bin, first_bin', named, sums_named,
        (SELECT string_agg(number::text, ', ') FROM generate_series(1, array_length(string_to_array(columns, ','), 1)) AS number));
    EXECUTE format('INSERT INTO %I (%s, %s) SELECT %s, %s FROM narrow GROUP BY %s ORDER BY 1', target, columns, measures, columns, sums,
        columns);
    DROP TABLE narrow;
END
$$;
SELECT pg_temp.fill_sums('usage_daily',
    'day, key_id, user_id, team_id, organisation_id, cost_centre, model, upstream, operation, outcome, currency',
    ARRAY['(bucket_start / 86400000)::int', 'key_id', 'user_id', 'team_id', 'organisation_id', 'cost_centre', 'model', 'upstream',
        'operation', 'outcome', 'currency'], true);
SELECT pg_temp.fill_sums('usage_overview',
    'bucket_start, team_id, organisation_id, cost_centre, model, upstream, operation, outcome, currency',
    ARRAY['bucket_start', 'team_id', 'organisation_id', 'cost_centre', 'model', 'upstream', 'operation', 'outcome', 'currency'], true);
SELECT pg_temp.fill_sums('usage_overview_hourly',
    'bucket_start, team_id, organisation_id, cost_centre, model, upstream, operation, outcome, currency',
    ARRAY['bucket_start / 3600000 * 3600000', 'team_id', 'organisation_id', 'cost_centre', 'model', 'upstream', 'operation', 'outcome',
        'currency'], true);
SELECT pg_temp.fill_sums('usage_overview_daily',
    'day, team_id, organisation_id, cost_centre, model, upstream, operation, outcome, currency',
    ARRAY['(bucket_start / 86400000)::int', 'team_id', 'organisation_id', 'cost_centre', 'model', 'upstream', 'operation', 'outcome',
        'currency'], true);
SELECT pg_temp.fill_sums('usage_ledger',
    'month, of_month, team_id, cost_centre, user_id, key_id, model, currency',
    ARRAY[$$to_char(to_timestamp(bucket_start / 1000) AT TIME ZONE 'UTC', 'YYYYMM')::int$$,
        $$to_char(to_timestamp(bucket_start / 1000) AT TIME ZONE 'UTC', 'YYYYMM')::int$$, 'team_id', 'cost_centre', 'user_id', 'key_id',
        'model', 'currency'],
    false);
INSERT INTO usage_key_uses (key_id, user_id, first_used_at, last_used_at)
SELECT key_id, min(user_id::text)::uuid, min(bucket_start), max(bucket_start) FROM usage_rollups GROUP BY key_id;

-- The newest quarters as single events, spread over the quarter hour.
CREATE TEMP TABLE single AS
SELECT bucket_start, (bucket_start / 86400000)::int AS day FROM quarters
ORDER BY bucket_start DESC LIMIT greatest(1, (:raw / (:summed / (:days * 96.0)))::int);
SELECT format('CREATE TABLE IF NOT EXISTS usage_events_d%s PARTITION OF usage_events FOR VALUES FROM (%s) TO (%s)',
    lpad(day::text, 6, '0'), day, day + 1)
FROM (SELECT DISTINCT day FROM single) AS days \gexec
INSERT INTO usage_events (day, id, source, sequence, key_id, team_id, organisation_id, upstream_id, price_id, user_id, model_id,
    cost_centre, model, upstream, provider, operation, quality, outcome, error_code, currency, request_id, upstream_request_id,
    trace_id, end_user, attempts, charges, labels, stream, status, discount_basis_points, catalogue_revision, admitted_at, received_at,
    first_byte_us, completed_us, input_tokens, cached_input_tokens, cache_write_input_tokens, audio_input_tokens, output_tokens,
    reasoning_output_tokens, audio_output_tokens, images, cost_nanos, content_hash)
SELECT day, id, 'generated', 0, key_id, team_id, organisation_id, upstream_id, upstream_id, user_id, upstream_id, cost_centre, model,
    upstream, 'vllm', operation, 'exact', outcome, '', currency, 'req-' || left(digest, 16), '', '', '', '[]', '[]', '{}', true,
    CASE outcome WHEN 'success' THEN 200 ELSE 502 END, 0, 1, admitted_at, admitted_at + 1000, 200000, 900000,
    input_tokens, 0, 0, 0, output_tokens, 0, 0, 0, input_tokens * 500 + output_tokens * 1500, decode(digest || digest, 'hex')
FROM (
    SELECT *, md5(model)::uuid AS upstream_id,
        (lpad(to_hex(admitted_at), 12, '0') || '7' || substr(digest, 1, 3) || '8' || substr(digest, 4, 15))::uuid AS id
    FROM (
        SELECT single.day, drawn.*, bucket_start + (number - 1) * 900000 / requests AS admitted_at,
            md5(key_id::text || outcome || bucket_start || '-' || number) AS digest
        FROM (SELECT rollup.bucket_start, rollup.key_id, rollup.user_id, rollup.team_id, rollup.organisation_id, rollup.cost_centre,
                  rollup.model, rollup.upstream, rollup.operation, rollup.outcome, rollup.currency, rollup.requests,
                  population.input_tokens, population.output_tokens
              FROM usage_rollups AS rollup JOIN population USING (key_id, outcome)) AS drawn
        JOIN single USING (bucket_start)
        CROSS JOIN LATERAL generate_series(1, requests) AS number
    ) AS timed
) AS identified
ORDER BY admitted_at;
ANALYZE usage_events, usage_rollups, usage_daily, usage_overview, usage_overview_hourly, usage_overview_daily, usage_ledger,
    usage_key_uses;
