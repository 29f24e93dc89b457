//! The standalone program as its operator meets it: first start, second start, end, and starts that cannot be.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use maas_testkit::Signal;
use maas_tests::{
    ChatStream, DataPlane, PATIENCE, ProgramSpec, Standalone, StandaloneOptions, chat_body, free_ports, run_to_end,
    simulated, streamed, summary_of, wait_for_rows,
};
use serde_json::json;

/// EX_USAGE and EX_UNAVAILABLE of sysexits.h.
const USAGE: Option<i32> = Some(64);
const UNAVAILABLE: Option<i32> = Some(69);
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_second_start_keeps_users_keys_and_usage() {
    let options = StandaloneOptions::default();
    let mut first = Standalone::start_with(&options).await.unwrap();
    check_modes(&first);

    // Everything the file promises works at once.
    let (api, key) = (first.api(), first.bootstrap.api_key.clone().expect("the first start makes a key"));
    let me = api.get("/api/v1/me").await.expect(200);
    assert_eq!(me["user"]["user_name"], first.bootstrap.admin_user.as_str(), "{me}");
    let credentials = json!({"user_name": first.bootstrap.admin_user, "password": first.bootstrap.admin_password});
    let signed_in = api.anonymous().post("/api/v1/auth/login", &credentials).await;
    assert_eq!(signed_in.expect(200)["must_change_password"], true, "the password is for one time");
    assert!(signed_in.header("set-cookie").contains("HttpOnly"), "{signed_in:?}");
    first.data_plane().chat("sim-chat").await.expect(200);
    let (key_id, secret) = api.create_key("kept").await;
    let client = DataPlane::new(&first.bootstrap.url, &secret);
    client.chat("sim-chat").await.expect(200);
    let before = wait_for_rows(&api, &key_id, 1, PATIENCE).await;

    // A stop lets an open stream come to its end.
    let stream = open_slow_stream(&client, 40).await;
    first.program.signal(Signal::Terminate).unwrap();
    let streamed = stream.read_to_end().await;
    assert!(streamed.done && streamed.text.split_whitespace().count() == 40, "{}", streamed.body);
    assert_eq!(first.program.wait(STOP_TIMEOUT).await.unwrap(), Some(0), "{}", first.program.log());
    assert_no_panic(&first.program.log());

    let earlier = first.bootstrap.clone();
    let mut second = Standalone::start_after(first, &options).await.unwrap();
    assert_eq!(second.bootstrap.admin_user, earlier.admin_user);
    assert_eq!((&second.bootstrap.admin_password, &second.bootstrap.api_key), (&None, &None));
    assert_ne!(second.bootstrap.admin_token, earlier.admin_token, "the token must be a fresh one");
    let after = wait_for_rows(&second.api(), &key_id, 2, PATIENCE).await;
    assert_eq!(after[1].id, before[0].id);
    assert_eq!((after[0].outcome.as_str(), after[0].output_tokens), ("success", 40), "{:?}", after[0]);
    for known in [&secret, &key] {
        DataPlane::new(&second.bootstrap.url, known).chat("sim-chat").await.expect(200);
    }
    wait_for_rows(&second.api(), &key_id, 3, PATIENCE).await;
    // Ctrl-C.
    second.program.signal(Signal::Interrupt).unwrap();
    assert_eq!(second.program.wait(STOP_TIMEOUT).await.unwrap(), Some(0), "{}", second.program.log());
    assert_no_panic(&second.program.log());
    assert_no_alarm(&second.program.log());
}

#[tokio::test]
async fn a_killed_process_loses_nothing_and_books_what_it_interrupted_once() {
    let options = StandaloneOptions::default();
    let mut world = Standalone::start_with(&options).await.unwrap();
    let (key_id, secret) = world.api().create_key("killed").await;
    // Each life ends right after an answer and in the middle of a stream.
    for life in 1..=3 {
        let client = DataPlane::new(&world.bootstrap.url, &secret);
        let stream = open_slow_stream(&client, 5_000).await;
        client.chat_with("sim-chat", "tokens-7").await.expect(200);
        world.program.kill().unwrap();
        assert!(stream.try_read_to_end().await.is_none_or(|answer| !answer.done), "a cut is no clean end");

        world = Standalone::start_after(world, &options).await.unwrap();
        let rows = wait_for_rows(&world.api(), &key_id, 2 * life, PATIENCE).await;
        let count = |outcome: &str| rows.iter().filter(|row| row.outcome == outcome).count();
        assert_eq!((count("success"), count("interrupted")), (life, life), "{rows:#?}");
        let summary = summary_of(&world.api(), &key_id).await;
        assert_eq!(summary["totals"]["requests"], json!(2 * life), "{summary}");
    }
    assert_no_panic(&world.program.log());
}

/// A stream that has begun and goes on for a while.
async fn open_slow_stream(client: &DataPlane, tokens: u32) -> ChatStream {
    let body = streamed(simulated(chat_body("sim-chat"), &format!("tokens-{tokens}+chunk-delay-20")));
    client.open_stream("/v1/chat/completions", &body).await
}

fn check_modes(world: &Standalone) {
    assert_eq!(mode_of(&world.bootstrap_file()), 0o600, "the bootstrap file holds secrets");
    assert_eq!(mode_of(&world.data_dir()), 0o700, "the data folder holds everything");
    for entry in std::fs::read_dir(world.data_dir().join("secrets")).unwrap().flatten() {
        assert_eq!(mode_of(&entry.path()), 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_start_that_cannot_be_says_why_in_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let spec = |settings: &[(&str, &str)]| {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Standalone::spec(folder.path(), free_ports().unwrap(), &StandaloneOptions { settings, ..Default::default() })
    };

    // A busy port is named, for each of the two listeners.
    let holder = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let busy = holder.local_addr().unwrap().port();
    for option in ["--port", "--ops-port"] {
        let mut busy_spec = spec(&[]);
        let position = busy_spec.arguments.iter().position(|argument| argument == option).unwrap();
        busy_spec.arguments[position + 1] = busy.to_string();
        fails(&busy_spec, UNAVAILABLE, &[&busy.to_string()]).await;
    }

    // A folder below a file can be made by nobody, not even by root.
    let file = folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let mut unwritable = spec(&[]);
    let below = file.join("data").display().to_string();
    let position = unwritable.arguments.iter().position(|argument| argument == "--data-dir").unwrap();
    unwritable.arguments[position + 1].clone_from(&below);
    fails(&unwritable, UNAVAILABLE, &[&below]).await;

    // All faults of the settings at once, each by its name.
    let faulty = [("MAAS__TELEMETRY__LOG__LEVEL", "loud,"), ("MAAS__HTTP__WORKERS", "many")];
    fails(&spec(&faulty), USAGE, &["telemetry.log.level", "http.workers"]).await;
    fails(&spec(&[("MAAS__HTTP__PROT", "8080")]), USAGE, &["MAAS__HTTP__PROT"]).await;
    fails(&ProgramSpec::new("maas").argument("standalone").argument("--prot").argument("1"), USAGE, &["--prot"]).await;
    fails(&ProgramSpec::new("maas").argument("stand-alone"), USAGE, &["stand-alone"]).await;
}

async fn fails(spec: &ProgramSpec, exit_code: Option<i32>, mentions: &[&str]) {
    let finished = run_to_end(spec, PATIENCE).await.unwrap();
    assert_eq!(finished.exit_code, exit_code, "{}", finished.output);
    for mention in mentions {
        assert!(finished.output.contains(mention), "{mention} is not mentioned: {}", finished.output);
    }
    // What went wrong is said once: its own name appears on one line only.
    let messages = finished.output.lines().filter(|line| line.starts_with("maas: ")).count();
    assert!(messages <= 1, "{}", finished.output);
    assert_no_panic(&finished.output);
}

/// Two starts, some requests and two stops: nothing that somebody would have to mend.
fn assert_no_alarm(log: &str) {
    assert!(!log.contains(" ERROR "), "{log}");
}

fn mode_of(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn assert_no_panic(output: &str) {
    assert!(!output.contains("panicked at") && !output.contains("RUST_BACKTRACE"), "{output}");
}
